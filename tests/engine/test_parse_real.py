"""Real files: our header values against pydicom's, and every damaged file against the one invariant."""

from __future__ import annotations

import lzma
import tarfile
import time
import warnings
from io import BytesIO

import numpy as np
import pydicom
import pytest
from filmless.engine.parse import _ATTRIBUTES, parse_head, parse_instance
from filmless.errors import FilmlessError, FormatError, Truncated

pytestmark = pytest.mark.real

FOLDERS = ("transfer_syntaxes", "multiframe", "modalities", "malformed")
REFUSED = 34
"""Files that are cut off, are no DICOM, or lack a UID that an archive cannot do without."""
WORST_S = 5.0
WE_READ_BETTER = {
    "chrGB2312.dcm": "pydicom leaves the escape sequences of ISO 2022 IR 58 in the text",
    "GH1301.dcm": "a code string in Chinese: pydicom does not apply the character set to it",
    "badVR.dcm": "pydicom warns of a Number of Frames that is no number; the pixel data holds one frame",
}


def read(path):
    data = path.read_bytes()
    return lzma.decompress(data) if path.suffix == ".xz" else data


def files(real_data):
    found = (path for folder in FOLDERS for path in sorted((real_data / folder).rglob("*")))
    return [path for path in found if path.is_file()]


@pytest.fixture(scope="module")
def instances(real_data):
    """Path, bytes and instance of every file that parses."""
    found = []
    for path in files(real_data):
        data = read(path)
        try:
            found.append((path, data, parse_instance(data, name=path.name)))
        except FilmlessError:
            continue
    return found


def reference(data):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pydicom.dcmread(BytesIO(data), force=True)


def text_of(element):
    value = element.value
    if value is None:
        return ""
    return "\\".join(map(str, value)) if isinstance(value, pydicom.multival.MultiValue) else str(value)


def test_every_file_parses_or_is_refused_soon(real_data):
    refused = {}
    for path in files(real_data):
        data, start = read(path), time.monotonic()
        try:
            parse_instance(data)
        except FilmlessError as error:
            refused[path.name] = error
        assert time.monotonic() - start < WORST_S, path.name

    assert len(refused) <= REFUSED, refused


def test_a_good_file_is_never_refused(real_data):
    for name in ("ct_one_image_many_syntaxes", "encapsulation", "wg04", "test_pattern", "jpeg_lossless"):
        for path in (real_data / "transfer_syntaxes" / name).iterdir():
            assert parse_instance(read(path), name=path.name).pixels is not None


def test_attributes_agree_with_pydicom(instances):
    compared, named = 0, set(_ATTRIBUTES.values())
    for path, data, instance in instances:
        if path.name in WE_READ_BETTER or not instance.sop_instance_uid:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = reference(data)
            texts = {word: text_of(expected[word]).strip() for word in _ATTRIBUTES.values() if word in expected}
        texts = {word: text for word, text in texts.items() if text}
        # pydicom drops empty component groups at the end of a name; the index keeps the text as it is.
        found = {word: text.rstrip("=") for word, text in instance.attributes.items() if word in named}
        assert found == texts, path.name
        compared += 1
    assert compared > 150


def test_pixel_descriptions_agree_with_pydicom(instances):
    for path, data, instance in instances:
        expected = reference(data)
        if instance.pixels is None or "Rows" not in expected or path.name in WE_READ_BETTER:
            continue
        pixels = instance.pixels
        found = (pixels.rows, pixels.columns, pixels.samples_per_pixel, pixels.bits_allocated)
        assert found == (
            expected.Rows,
            expected.Columns,
            expected.SamplesPerPixel,
            expected.BitsAllocated,
        ), path.name
        assert pixels.frames == int(expected.get("NumberOfFrames") or 1), path.name
        assert pixels.photometric_interpretation == expected.PhotometricInterpretation, path.name


def test_geometry_of_single_frames_agrees_with_pydicom(instances):
    compared = 0
    for path, data, instance in instances:
        expected = reference(data)
        if instance.pixels is None or "ImagePositionPatient" not in expected:
            continue
        row = instance.frames
        assert row.position_mm[0].tolist() == [float(v) for v in expected.ImagePositionPatient], path.name
        assert row.orientation[0].tolist() == [float(v) for v in expected.ImageOrientationPatient], path.name
        assert row.spacing_mm[0].tolist() == [float(v) for v in expected.PixelSpacing], path.name
        slope, intercept = expected.get("RescaleSlope", 1), expected.get("RescaleIntercept", 0)
        assert row.rescale[0].tolist() == [float(slope), float(intercept)], path.name
        compared += 1
    assert compared > 60


def test_functional_groups_agree_with_pydicom(instances):
    compared = 0
    for path, data, instance in instances:
        expected = reference(data)
        if "PerFrameFunctionalGroupsSequence" not in expected or instance.pixels is None:
            continue
        positions = [
            list(map(float, item.PlanePositionSequence[0].ImagePositionPatient))
            if "PlanePositionSequence" in item
            else [np.nan] * 3
            for item in expected.PerFrameFunctionalGroupsSequence
        ]
        np.testing.assert_array_equal(instance.frames.position_mm, positions, err_msg=path.name)
        shared = expected.SharedFunctionalGroupsSequence[0]
        if "PixelMeasuresSequence" in shared:
            spacing = shared.PixelMeasuresSequence[0].PixelSpacing
            assert instance.frames.spacing_mm[-1].tolist() == list(map(float, spacing)), path.name
        compared += 1
    assert compared >= 9


def test_the_header_alone_gives_what_the_whole_file_gives(instances):
    for path, data, instance in instances:
        if instance.pixel_span is None:
            continue
        head = parse_head(data[: instance.pixel_span.offset], len(data))
        assert head.pixels == instance.pixels, path.name
        assert head.attributes == instance.attributes, path.name
        assert head.pixel_span.offset == instance.pixel_span.offset, path.name


@pytest.mark.parametrize(
    "name",
    [
        "transfer_syntaxes/small/CT_small.dcm",
        "transfer_syntaxes/small/ExplVR_BigEnd.dcm",
        "transfer_syntaxes/small/MR_small_implicit.dcm",
        "transfer_syntaxes/small/liver_deflate.dcm",
        "multiframe/emri_small_RLE.dcm",
        "modalities/rtplan.dcm",
    ],
)
def test_a_file_cut_anywhere_is_refused_or_consistent(real_data, name):
    data = (real_data / name).read_bytes()
    whole = parse_instance(data)

    for kept in range(0, len(data), 997):
        try:
            cut = parse_instance(data[:kept])
        except FormatError:
            continue
        assert cut.sop_instance_uid == whole.sop_instance_uid
        assert cut.pixels in (None, whole.pixels)


@pytest.mark.parametrize("seed", range(4))
def test_a_real_file_with_damaged_bytes_gives_an_instance_or_an_error_of_ours(real_data, seed):
    random = np.random.default_rng(seed)
    for name in ("multiframe/emri_small_RLE.dcm", "modalities/rtplan.dcm", "transfer_syntaxes/small/CT_small.dcm"):
        good = np.fromfile(real_data / name, np.uint8)
        for _ in range(200):
            bad = good.copy()
            places = random.integers(0, min(len(bad), 6000), random.integers(1, 20))
            bad[places] = random.integers(0, 256, len(places))
            try:
                parse_instance(bad.tobytes())
            except FilmlessError:
                continue


def test_a_truncated_real_file_says_what_is_missing(real_data):
    with pytest.raises(Truncated, match="needs 8192 bytes of pixels; 8130 are there"):
        parse_instance((real_data / "malformed" / "MR_truncated.dcm").read_bytes())


def test_time_keys_tell_ten_passes_over_fifteen_positions(real_data):
    with tarfile.open(real_data / "volumes" / "mr_4d_fmri_interleaved.tar.xz") as archive:
        members = [archive.extractfile(member).read() for member in archive if member.isfile()]
    found = [parse_instance(data) for data in members]

    by_position: dict = {}
    for instance in found:
        position = tuple(instance.frames.position_mm[0])
        by_position.setdefault(position, []).append((instance.frames.time_key[0], instance.instance_number))

    assert len(by_position) == 15
    assert all(len({key for key, _ in passes}) == 10 for passes in by_position.values())
    for number in range(10):
        one_pass = [sorted(passes)[number][1] for passes in by_position.values()]
        assert {(instance_number - 1) // 15 for instance_number in one_pass} == {number}
