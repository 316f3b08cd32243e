"""Real frames: our stored values against pydicom's decoders, every file, first and last frame."""

from __future__ import annotations

import lzma
import warnings
from io import BytesIO

import numpy as np
import pydicom
import pytest
from filmless.engine.decode import decode_frame, read_native_frame
from filmless.engine.encapsulation import locate_frames, read_codestream
from filmless.engine.parse import extended_offset_table, locate_deflated_pixels, parse_instance
from filmless.engine.transfer_syntax import TRANSFER_SYNTAXES
from filmless.errors import DecodeError, FilmlessError

pytestmark = pytest.mark.real

FOLDERS = ("transfer_syntaxes", "multiframe", "modalities", "malformed")
LOSSY_LEVELS = 1
WITHOUT_REFERENCE = {
    "CT_1.2.840.10008.1.2.4.53.dcm": "pydicom has no decoder for spectral selection",
    "CT_1.2.840.10008.1.2.4.55.dcm": "pydicom has no decoder for full progression",
    "liver_deflate.dcm": "pydicom has no decoder for deflated frames; see the test against liver.dcm",
    "liver_rle.dcm": "pydicom's RLE decoders refuse one-bit pixels; see the test against liver.dcm",
    "MR1_JPLY.dcm": "pydicom's decoders refuse 12-bit JPEG with these scan parameters",
    "NM1_JPLY.dcm": "as MR1_JPLY",
    "RG3_JPLY.dcm": "as MR1_JPLY",
    "XA1_JPLY.dcm": "as MR1_JPLY",
    "CR-MONO1-10-chest.dcm": "no file meta information: pydicom does not know the transfer syntax",
    "OT-PAL-8-face.dcm": "no file meta information: pydicom does not know the transfer syntax",
    "badVR.dcm": "pydicom refuses an integer string that is none, in an element that pixels do not need",
}
BROKEN = {
    "JPEG2000-embedded-sequence-delimiter.dcm": "its SIZ segment declares 14 million tiles: no decoder reads it",
}


def read(path):
    data = path.read_bytes()
    return lzma.decompress(data) if path.suffix == ".xz" else data


def decode(data, instance, index):
    pixels = instance.pixels
    holder, span = (data, instance.pixel_span) if instance.pixel_span else locate_deflated_pixels(data)
    if not span.is_encapsulated:
        return read_native_frame(holder, span, pixels, index)
    frames = locate_frames(holder, span, pixels.frames, extended_offset_table(data, len(data)))
    return decode_frame(read_codestream(holder, frames[index]), pixels, instance.transfer_syntax_uid)


def reference(data, index, *, is_raw):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = pydicom.dcmread(BytesIO(data), force=True)
        return pydicom.pixels.pixel_array(dataset, index=index, raw=is_raw)


@pytest.fixture(scope="module")
def images(real_data):
    found = []
    for path in (path for folder in FOLDERS for path in sorted((real_data / folder).rglob("*"))):
        if not path.is_file():
            continue
        data = read(path)
        try:
            instance = parse_instance(data)
        except FilmlessError:
            continue
        if instance.pixels is not None:
            found.append((path.name, data, instance))
    return found


def test_frames_agree_with_pydicom(images):
    compared = 0
    for name, data, instance in images:
        if name in WITHOUT_REFERENCE or name in BROKEN:
            continue
        levels = 0 if TRANSFER_SYNTAXES[instance.transfer_syntax_uid].is_lossless else LOSSY_LEVELS
        for index in {0, instance.pixels.frames - 1}:
            frame = decode(data, instance, index)
            was_ybr = instance.pixels.photometric_interpretation.startswith("YBR_FULL")
            is_raw = not (was_ybr and frame.photometric_interpretation == "RGB")
            expected = reference(data, index, is_raw=is_raw)
            assert frame.values.shape == expected.shape, name
            assert frame.values.dtype == expected.dtype.newbyteorder("="), name
            assert np.abs(frame.values.astype(np.float64) - expected).max() <= levels, name
        compared += 1
    assert compared > 120


def test_what_pydicom_cannot_decode_is_still_decoded_to_shape(images):
    for name, data, instance in images:
        if name in WITHOUT_REFERENCE:
            frame = decode(data, instance, 0)
            assert frame.values.shape == instance.pixels.frame_shape, name
            assert np.ptp(frame.values) > 0 or name == "badVR.dcm", name


def test_what_no_decoder_reads_is_a_decode_error(images):
    for name, data, instance in images:
        if name in BROKEN:
            with pytest.raises(DecodeError):
                decode(data, instance, 0)


@pytest.mark.parametrize("name", ["liver_deflate.dcm", "liver_rle.dcm"])
def test_one_bit_frames_agree_with_the_uncompressed_file(images, name):
    by_name = {found: (data, instance) for found, data, instance in images}

    for index in range(3):
        coded, plain = decode(*by_name[name], index), decode(*by_name["liver.dcm"], index)
        assert np.array_equal(coded.values, plain.values)


@pytest.mark.parametrize("progression", ["53", "55"])
def test_progressive_jpeg_is_near_the_original(images, progression):
    by_name = {found: (data, instance) for found, data, instance in images}
    prefix = "CT_1.2.840.10008.1.2.4."

    progressive = decode(*by_name[f"{prefix}{progression}.dcm"], 0).values.astype(int)
    sequential = decode(*by_name[f"{prefix}51.dcm"], 0).values.astype(int)

    assert np.abs(progressive - sequential).mean() < 8
