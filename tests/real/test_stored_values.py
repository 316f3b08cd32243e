"""Stored values of every frame of every single file, against pydicom's decoders."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pydicom
import pytest
from filmless.engine.transfer_syntax import TRANSFER_SYNTAXES, name_of
from pydicom.pixels import pixel_array

pytestmark = [pytest.mark.real, pytest.mark.filterwarnings("ignore::UserWarning:pydicom")]

LOSSY_LEVELS = 2
"""Decoders round the cosine transform and the conversion from YBR to RGB each in its own way."""
SAME_IMAGE = {
    # Processes 6 and 10 have long been retired; pydicom's plug-ins know neither.
    "CT_1.2.840.10008.1.2.4.53.dcm": ("CT_1.2.840.10008.1.2.4.51.dcm", 1),
    "CT_1.2.840.10008.1.2.4.55.dcm": ("CT_1.2.840.10008.1.2.4.51.dcm", 1),
    # pydicom has no decoder of one-bit RLE, nor of Deflated Image Frame Compression.
    "liver_rle.dcm": ("liver.dcm", 0),
    "liver_deflate.dcm": ("liver.dcm", 0),
    # Their scan headers are against T.81, which pydicom's plug-ins refuse: compared with better copies, from which
    # lossy compression moved a few pixels that far; white that wrapped round to black would be 1023 levels off.
    "MR1_JPLY.dcm": ("MR1_JPLL.dcm", 130),
    "NM1_JPLY.dcm": ("NM1_JPLL.dcm", 40),
    "XA1_JPLY.dcm": ("XA1_JPLL.dcm", 120),
    "RG3_JPLY.dcm": ("RG3_JLSN.dcm", 60),
}
"""Files that pydicom cannot read: another of the same image, and by how many levels the two may differ."""


def pydicom_frame(path, frame):
    """A frame as pydicom decodes it; RGB where libjpeg gives us RGB too."""
    data_set = pydicom.dcmread(path, force=True)
    if "TransferSyntaxUID" not in data_set.file_meta:
        data_set.file_meta.TransferSyntaxUID = pydicom.uid.ImplicitVRLittleEndian
    # The lossy JPEG processes store YCbCr and are decoded to RGB (PS3.5 section 8.2.1).
    is_baseline = data_set.file_meta.TransferSyntaxUID == pydicom.uid.JPEGBaseline8Bit
    return pixel_array(data_set, index=frame, raw=not is_baseline)


def greatest_difference(ours, theirs):
    """The greatest difference of two frames, infinite where they do not even share a shape."""
    if ours.shape != theirs.shape:
        return float("inf")
    return float(np.abs(ours.astype(np.float64) - theirs).max())


def frames_of(taken):
    """(stored values, number in the file) of every frame of a file."""
    for stack in taken.series.stacks:
        for index, (_, frame) in enumerate(stack.record.frames):
            yield stack.frame(index), frame


def images(singles):
    return [taken for taken in singles if taken.is_stored and taken.series.stacks]


def test_every_frame_has_the_stored_values_that_pydicom_decodes(singles, add_table):
    frames, differences = Counter(), {}
    for taken in images(singles):
        if taken.file.path.name in SAME_IMAGE:
            continue
        syntax = TRANSFER_SYNTAXES[taken.series.manifest.instances[0].transfer_syntax_uid]
        worst = 0.0
        for ours, number in frames_of(taken):
            frames[syntax.name] += 1
            worst = max(worst, greatest_difference(ours, pydicom_frame(taken.file.path, number)))
        if worst:
            differences[taken.file.name] = (worst, syntax)

    rows = [f"{count:5} frames  {name}" for name, count in sorted(frames.items())]
    unlike = [f"{name}: {worst:g} levels, {syntax.name}" for name, (worst, syntax) in differences.items()]
    listed = [f"{name}: not read by pydicom, compared with {other}" for name, (other, _) in SAME_IMAGE.items()]
    add_table("stored values of single files against pydicom; equal but for", [*unlike, *listed, *rows])
    too_far = [
        line
        for line, (worst, syntax) in zip(unlike, differences.values(), strict=True)
        if syntax.is_lossless or worst > LOSSY_LEVELS
    ]
    assert too_far == []


@pytest.mark.parametrize("name", SAME_IMAGE)
def test_what_pydicom_cannot_read_agrees_with_another_file_of_the_same_image(singles, name):
    by_name = {taken.file.path.name: taken for taken in singles}
    other, levels = SAME_IMAGE[name]

    pairs = zip(frames_of(by_name[name]), frames_of(by_name[other]), strict=True)
    assert max(greatest_difference(ours, theirs) for (ours, _), (theirs, _) in pairs) <= levels


def test_every_slice_of_every_volume_has_the_stored_values_that_pydicom_decodes(everything):
    for volume, folder in everything.folders.items():
        series = everything.series(volume)
        stack, records = series.stack(), series.manifest.instances
        by_uid = {pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID: path for path in folder.glob("*.dcm")}
        for index in range(0, len(stack), 7):
            path = by_uid[records[stack.record.frames[index][0]].sop_instance_uid]
            assert greatest_difference(stack.frame(index), pydicom_frame(path, 0)) == 0, path.name


def test_no_transfer_syntax_of_the_files_is_unknown(singles):
    syntaxes = {taken.series.manifest.instances[0].transfer_syntax_uid for taken in images(singles)}

    assert [name_of(uid) for uid in syntaxes if uid not in TRANSFER_SYNTAXES] == []
