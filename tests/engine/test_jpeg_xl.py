"""JPEG XL: sizes read from every form of header, and values that were encoded without loss come back."""

from __future__ import annotations

from dataclasses import replace

import imagecodecs
import numpy as np
import pytest
from filmless.engine.decode import decode_frame
from filmless.engine.instance import PixelDescription
from filmless.engine.jpeg_xl import read_jpeg_xl_size
from filmless.errors import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st

LOSSLESS, RECOMPRESSED, LOSSY = (f"1.2.840.10008.1.2.4.{number}" for number in (110, 111, 112))
GREY = PixelDescription(40, 53, 1, 1, 16, 12, 11, False, False, 0, "MONOCHROME2")
COLOUR = replace(
    GREY, bits_allocated=8, bits_stored=8, high_bit=7, samples_per_pixel=3, photometric_interpretation="RGB"
)
RANDOM = np.random.default_rng(4)
TWELVE = RANDOM.integers(0, 4096, (40, 53)).astype(np.uint16)
NOISE = RANDOM.integers(0, 256, (40, 53, 3)).astype(np.uint8)
SMOOTH = np.stack([np.add.outer(np.arange(40) * 2, np.arange(53) * 2)] * 3, axis=-1).astype(np.uint8)


def encoded(image, **options):
    return bytes(imagecodecs.jpegxl_encode(image, **{"lossless": True} | options))


@settings(max_examples=60)
@given(st.integers(1, 700), st.integers(1, 700), st.booleans())
def test_the_size_is_read_from_the_header(rows, columns, is_in_container):
    coded = encoded(np.zeros((rows, columns), np.uint8), usecontainer=is_in_container)

    assert read_jpeg_xl_size(coded) == (rows, columns)


@pytest.mark.parametrize("size", [(512, 512), (200, 240), (300, 400), (200, 300), (180, 320), (240, 300), (100, 200)])
def test_the_size_is_read_where_columns_are_told_by_an_aspect(size):
    assert read_jpeg_xl_size(encoded(np.zeros(size, np.uint8))) == size


@pytest.mark.parametrize("coded", [b"", b"\xff", b"\xff\x0a", b"\xff\xd8\xff", encoded(TWELVE, usecontainer=True)[:40]])
def test_bytes_without_a_size_are_refused(coded):
    with pytest.raises(DecodeError):
        read_jpeg_xl_size(coded)


@pytest.mark.parametrize("is_in_container", [False, True])
@pytest.mark.parametrize(("image", "description", "bits"), [(TWELVE, GREY, 12), (NOISE, COLOUR, 8)])
def test_values_encoded_without_loss_come_back(image, description, bits, is_in_container):
    coded = encoded(image, bitspersample=bits, usecontainer=is_in_container)

    frame = decode_frame(coded, description, LOSSLESS)

    assert np.array_equal(frame.values, image)
    assert frame.photometric_interpretation == description.photometric_interpretation


def test_lossy_colour_is_rgb():
    coded = encoded(SMOOTH, lossless=False, distance=0.5)

    frame = decode_frame(coded, replace(COLOUR, photometric_interpretation="XYB"), LOSSY)

    assert frame.photometric_interpretation == "RGB"
    assert np.abs(frame.values.astype(int) - SMOOTH).mean() < 3


@pytest.mark.parametrize("photometric", ["YBR_FULL_422", "YBR_FULL"])
def test_a_recompressed_jpeg_is_the_picture_of_that_jpeg(photometric):
    jpeg = bytes(imagecodecs.jpeg8_encode(SMOOTH, level=90))

    frame = decode_frame(
        bytes(imagecodecs.jpegxl_encode_jpeg(jpeg)),
        replace(COLOUR, photometric_interpretation=photometric),
        RECOMPRESSED,
    )

    assert frame.photometric_interpretation == "RGB"
    assert np.abs(frame.values.astype(int) - imagecodecs.jpeg8_decode(jpeg)).max() <= 3


@pytest.mark.parametrize("change", [{"rows": 41}, {"columns": 52}, {"samples_per_pixel": 3}, {"bits_allocated": 8}])
def test_another_size_than_the_header_says_is_an_error(change):
    with pytest.raises(DecodeError):
        decode_frame(encoded(TWELVE, bitspersample=12), replace(GREY, **change), LOSSLESS)


def test_an_animation_is_no_frame():
    with pytest.raises(DecodeError):
        decode_frame(encoded(np.stack([TWELVE, TWELVE])), GREY, LOSSLESS)
