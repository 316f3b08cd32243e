"""Pictures of grey frames against pydicom's modality LUT and VOI LUT, to within one grey level."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from filmless.engine.presentation.show import Look
from pydicom.pixels import apply_modality_lut, apply_voi_lut

pytestmark = [pytest.mark.real, pytest.mark.filterwarnings("ignore::UserWarning:pydicom")]

EXCEPTIONS = {
    "parametric_map_float.dcm": "pydicom windows no Float Pixel Data (it asks for Bits Stored)",
    "parametric_map_double_float.dcm": "pydicom windows no Double Float Pixel Data (it asks for Bits Stored)",
    "eCT_Supplemental.dcm": "colours over grey: see the test of supplemental colours",
    "CR-ModalitySequenceLUT.dcm": "a modality table, whose values are in another range: see the test of tables",
}


def header_of_frame(header, frame):
    """A header that says at its top what functional groups say of one frame."""
    plain = copy.deepcopy(header)
    groups = [*header.get("SharedFunctionalGroupsSequence", [])]
    groups += [*header.get("PerFrameFunctionalGroupsSequence", [])][frame : frame + 1]
    for group in groups:
        for macro in ("PixelValueTransformationSequence", "FrameVOILUTSequence"):
            for item in group.get(macro, []):
                plain.update(item)
    return plain


def window_over(values):
    """A window from the least to the greatest value."""
    low, high = float(values.min()), float(values.max())
    return (low + high) / 2, max(high - low, 1.0)


def gray_by_pydicom(header, stored, window):
    """8 bits of a frame, unrounded, inverted where MONOCHROME1; `window` stands in for one the header lacks."""
    if window is not None:
        header.WindowCenter, header.WindowWidth = window
    shown = apply_voi_lut(apply_modality_lut(stored, header), header, prefer_lut=False).astype(np.float64)
    low, high = output_range(header)
    gray = (shown - low) / (high - low) * 255
    return 255 - gray if header.PhotometricInterpretation == "MONOCHROME1" else gray


def output_range(header):
    """The range that pydicom's windows fill: all that the stored bits can say, rescaled."""
    bits = header.BitsStored
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if header.PixelRepresentation else (0, 2**bits - 1)
    slope, intercept = float(header.get("RescaleSlope", 1)), float(header.get("RescaleIntercept", 0))
    return low * slope + intercept, high * slope + intercept


def gray_stacks(singles):
    """(file, stack) of every stack of grey frames."""
    stored = [taken for taken in singles if taken.is_stored and taken.file.path.name not in EXCEPTIONS]
    found = [(taken, stack) for taken in stored for stack in taken.series.stacks]
    return [(t, s) for t, s in found if s.record.meaning["photometric_interpretation"].startswith("MONOCHROME")]


def greatest_difference(taken, stack, index):
    """How far the picture of a frame is from pydicom's, padding apart."""
    stored = stack.frame(index)
    header = header_of_frame(taken.header, stack.record.frames[index][1])
    has_window = "WindowCenter" in header and "WindowWidth" in header
    window = None if has_window else window_over(apply_modality_lut(stored, header))
    expected = gray_by_pydicom(header, stored, window)
    difference = np.abs(stack.show(index, Look(window=window, overlays=False)).pixels - expected)
    return float(difference[stored != stack.record.meaning["padding_value"]].max(initial=0.0))


def test_pictures_of_grey_frames_are_those_pydicom_windows(singles, add_table):
    worst, frames = {}, 0
    for taken, stack in gray_stacks(singles):
        for index in sorted({0, len(stack) // 2, len(stack) - 1}):
            frames += 1
            difference = greatest_difference(taken, stack, index)
            worst[taken.file.name] = max(difference, worst.get(taken.file.name, 0.0))

    lines = [f"{frames} frames of {len(worst)} files, at most {max(worst.values()):.2f} grey levels apart"]
    add_table("windowed frames against pydicom", [*lines, *(f"left out: {n}: {why}" for n, why in EXCEPTIONS.items())])
    assert [f"{name}: {levels:.2f}" for name, levels in worst.items() if levels > 1] == []


def test_every_image_has_a_picture_of_every_frame_grey_or_colour(singles):
    for taken in singles:
        for stack in taken.series.stacks if taken.is_stored else ():
            picture = stack.picture(len(stack) - 1)
            assert picture.shape[:2] == tuple(stack.frame(-1).shape[:2]), taken.file.name


def taken_file(singles, name):
    return next(taken for taken in singles if taken.file.path.name == name)


def test_a_modality_table_is_looked_up_before_the_window(singles):
    taken = taken_file(singles, "CR-ModalitySequenceLUT.dcm")
    stack = taken.series.stack()
    center, width = 500.0, 600.0

    picture = stack.picture(0, window=(center, width))

    looked_up = apply_modality_lut(stack.frame(0), taken.header).astype(np.float64)
    gray = np.clip((looked_up - (center - 0.5)) / (width - 1) + 0.5, 0, 1) * 255
    assert taken.header.PhotometricInterpretation == "MONOCHROME1"
    assert np.abs(picture.pixels - (255 - gray)).max() <= 0.51


def test_a_voi_table_is_used_where_no_window_is_asked_for(singles):
    taken = taken_file(singles, "vlut_04.dcm")
    stack = taken.series.stack()

    picture = stack.picture(0)

    white = (1 << taken.header.VOILUTSequence[0].LUTDescriptor[2]) - 1
    expected = apply_voi_lut(apply_modality_lut(stack.frame(0), taken.header), taken.header) * (255 / white)
    assert np.abs(picture.pixels - expected).max() <= 0.51
