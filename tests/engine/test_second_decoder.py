"""The second decoders: each gives what was encoded, agrees with the first, and decodes nothing that is lossy."""

from __future__ import annotations

import imagecodecs
import numpy as np
import pytest
from codec_images import KINDS, picture, shapes
from coded_slices import DEFLATED, ENCAPSULATED, HTJ2K, JPEG, JPEG_2000, JPEG_LOSSLESS, JPEG_LS, LOSSLESS, RLE
from filmless.engine.decode import CODECS, decode_frame
from filmless.engine.encode import ENCODERS, encode_frame
from filmless.engine.instance import PixelDescription
from filmless.engine.second_decoder import SECONDS, decode_again
from filmless.errors import DecodeError, FilmlessError, UnsupportedPixels
from hypothesis import given, settings
from hypothesis import strategies as st

GREY = PixelDescription(9, 11, 1, 1, 16, 12, 11, False, False, 0, "MONOCHROME2")
VALUES = picture("noise", (9, 11), 12, 1).astype(np.uint16)


@st.composite
def frames(draw):
    """A transfer syntax, a frame of stored values that it can hold, and the description of it."""
    uid = draw(st.sampled_from(LOSSLESS))
    encoder = ENCODERS[uid]
    allocated = draw(st.sampled_from([size for size in (8, 16, 32) if size <= max(encoder.most_bits, 16)]))
    bits = draw(st.integers(2, min(allocated, encoder.most_bits)))
    shape, is_signed = draw(shapes((1, 1, 3))), draw(st.booleans())
    low_bits = picture(draw(st.sampled_from(KINDS)), shape, bits, draw(st.integers(0, 1 << 20))).astype(np.int64)
    values = np.where(low_bits >> (bits - 1), low_bits - (1 << bits), low_bits) if is_signed else low_bits
    samples = shape[2] if len(shape) == 3 else 1
    photometric = "YBR_FULL" if samples == 3 else "MONOCHROME2"
    described = PixelDescription(
        *shape[:2], 1, samples, allocated, bits, bits - 1, is_signed, False, draw(st.integers(0, 1)), photometric
    )
    return uid, values.astype(described.stored_dtype), described


@given(frames())
@settings(max_examples=200)
def test_what_was_encoded_is_decoded_to_the_same_values_twice(example):
    uid, values, described = example
    codestream = encode_frame(values, described, uid)

    again = decode_again(codestream, described, uid)

    assert again.dtype == values.dtype
    np.testing.assert_array_equal(again, values)
    np.testing.assert_array_equal(again, decode_frame(codestream, described, uid).values)


@pytest.mark.parametrize("uid", [RLE, ENCAPSULATED, DEFLATED, JPEG_2000, HTJ2K])
def test_pixels_of_one_bit_are_decoded_twice(uid):
    bit = PixelDescription(9, 11, 1, 1, 1, 1, 0, False, False, 0, "MONOCHROME2")
    values = (VALUES & 1).astype(np.uint8)

    np.testing.assert_array_equal(decode_again(encode_frame(values, bit, uid), bit, uid), values)


@pytest.mark.parametrize(
    ("uid", "codestream"),
    [
        (JPEG_LOSSLESS, imagecodecs.jpeg8_encode(VALUES.astype(np.uint8), level=95)),
        (JPEG_LS, imagecodecs.jpegls_encode(VALUES, level=1)),
        (JPEG_2000, imagecodecs.jpeg2k_encode(np.tile(VALUES, (8, 8)), level=50, codecformat="j2k")),
        (HTJ2K, imagecodecs.htj2k_encode(VALUES, level=0.01, reversible=False)),
    ],
)
def test_a_lossy_codestream_is_refused_under_a_lossless_uid(uid, codestream):
    with pytest.raises(UnsupportedPixels, match="lossy"):
        decode_again(bytes(codestream), GREY, uid)


@pytest.mark.parametrize("uid", [JPEG + "50", JPEG + "81", JPEG + "91", JPEG + "110", JPEG + "102", "1.2.3"])
def test_lossy_transfer_syntaxes_and_jpeg_xl_have_no_second_decoder(uid):
    with pytest.raises(UnsupportedPixels, match="no second decoder"):
        decode_again(b"", GREY, uid)


@pytest.mark.parametrize("uid", LOSSLESS)
def test_another_size_than_the_header_says_is_no_agreement(uid):
    other = PixelDescription(10, 11, 1, 1, 16, 12, 11, False, False, 0, "MONOCHROME2")

    with pytest.raises(FilmlessError):
        decode_again(encode_frame(VALUES, GREY, uid), other, uid)


@pytest.mark.parametrize("uid", LOSSLESS)
def test_damage_gives_values_or_an_error_of_ours(uid):
    codestream, random, errors = encode_frame(VALUES, GREY, uid), np.random.default_rng(7), 0

    for _ in range(200):
        bad = bytearray(codestream)
        for _ in range(random.integers(1, 5)):
            bad[random.integers(len(bad))] ^= 1 << random.integers(8)
        bad = bytes(bad[: random.integers(1, len(bad) + 1)])
        try:
            decode_frame(bad, GREY, uid)  # as in a proof, where the first decoder comes first
            assert decode_again(bad, GREY, uid).shape == (9, 11)
        except FilmlessError:
            errors += 1

    assert errors > 20


def test_an_error_of_a_library_says_whose_it_is():
    with pytest.raises(DecodeError, match="pylibjpeg-rle: "):
        decode_again(bytes(64), GREY, RLE)


def test_the_second_decoder_is_the_one_that_the_table_names_and_another_than_the_first():
    assert set(SECONDS) == set(LOSSLESS)
    for uid, second in SECONDS.items():
        assert second.by == CODECS[uid].second
        assert second.by != CODECS[uid].by
