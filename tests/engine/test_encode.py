"""What is encoded here decodes to the same values, by our decoders and by others."""

from __future__ import annotations

import itertools
import struct
import zlib
from dataclasses import replace

import imagecodecs
import numpy as np
import openjpeg
import pytest
from codec_images import KINDS, picture, shapes
from filmless.engine.decode import decode_frame, decode_native_frame
from filmless.engine.encode import ENCODERS, encode_frame, encoded_photometric
from filmless.engine.instance import PixelDescription
from filmless.engine.transfer_syntax import EXPLICIT_LITTLE, IMPLICIT_LITTLE, TRANSFER_SYNTAXES
from filmless.errors import InvalidArgument, UnsupportedPixels
from hypothesis import assume, given
from hypothesis import strategies as st
from rle import rle as pylibjpeg_rle

JPEG = "1.2.840.10008.1.2.4."
RLE = "1.2.840.10008.1.2.5"
ENCAPSULATED, DEFLATED = "1.2.840.10008.1.2.1.98", "1.2.840.10008.1.2.8.1"
NATIVE = (IMPLICIT_LITTLE, EXPLICIT_LITTLE)
JPEG_2000, HTJ2K, HTJ2K_RPCL = JPEG + "90", JPEG + "201", JPEG + "202"
UNSIGNED_CODECS = (JPEG + "57", JPEG + "70", JPEG + "80")
GREY = PixelDescription(4, 5, 1, 1, 16, 12, 11, False, False, 0, "MONOCHROME2")


@st.composite
def pixels(draw, most_bits=16, samples=(1, 1, 2, 3, 4), allocated=(8, 16, 32)):
    """A frame of stored values, and its description."""
    bits_allocated = draw(st.sampled_from(allocated))
    bits = draw(st.integers(1, min(most_bits, bits_allocated)))
    is_signed, kind, shape = draw(st.booleans()), draw(st.sampled_from(KINDS)), draw(shapes(samples))
    low_bits = picture(kind, shape, bits, draw(st.integers(0, 1 << 20))).astype(np.int64)
    values = np.where(low_bits >> (bits - 1), low_bits - (1 << bits), low_bits) if is_signed else low_bits
    count = shape[2] if len(shape) == 3 else 1
    photometric = draw(st.sampled_from(["RGB", "YBR_FULL"])) if count == 3 else "MONOCHROME2"
    described = PixelDescription(
        shape[0],
        shape[1],
        1,
        count,
        bits_allocated,
        bits,
        bits - 1,
        is_signed,
        False,
        draw(st.integers(0, 1)),
        photometric,
    )
    return values.astype(described.stored_dtype), described


def described(values, bits=None, **changes):
    """The description of a frame of all bits, or the lowest few."""
    samples = values.shape[2] if values.ndim == 3 else 1
    made = PixelDescription(
        rows=values.shape[0],
        columns=values.shape[1],
        frames=1,
        samples_per_pixel=samples,
        bits_allocated=8 * values.itemsize,
        bits_stored=bits or 8 * values.itemsize,
        high_bit=(bits or 8 * values.itemsize) - 1,
        is_signed=values.dtype.kind == "i",
        is_float=values.dtype.kind == "f",
        planar_configuration=0,
        photometric_interpretation="RGB" if samples == 3 else "MONOCHROME2",
    )
    return replace(made, **changes)


def decoded(coded, description, uid):
    """What our decoder makes of a frame whose header says what the encoder asks for."""
    if uid in NATIVE:
        return decode_native_frame(coded, description)
    header = replace(description, photometric_interpretation=encoded_photometric(description, uid))
    return decode_frame(coded, header, uid)


def low_bits(values, bits):
    """Two's complement, cut to `bits`."""
    return values.astype(np.int64) & ((1 << bits) - 1)


@pytest.mark.parametrize("uid", ENCODERS)
@given(data=st.data())
def test_a_frame_comes_back_as_it_was(uid, data):
    values, description = data.draw(pixels(most_bits=min(ENCODERS[uid].most_bits, 32)))
    assume(uid != RLE or description.samples_per_pixel * values.itemsize <= 15)

    frame = decoded(encode_frame(values, description, uid), description, uid)

    assert frame.values.dtype == values.dtype
    assert np.array_equal(frame.values, values)
    assert frame.photometric_interpretation == description.photometric_interpretation


@given(pixels(most_bits=16))
def test_openjpeg_and_openjph_read_what_is_written_as_htj2k(drawn):
    values, description = drawn

    for uid in (HTJ2K, HTJ2K_RPCL):
        coded = encode_frame(values, description, uid)
        assert np.array_equal(imagecodecs.jpeg2k_decode(coded), values)
        assert np.array_equal(openjpeg.decode(coded), values)
        if encoded_photometric(description, uid) == "YBR_RCT" or values.ndim == 2:  # the binding fails on other colour
            assert np.array_equal(imagecodecs.htj2k_decode(coded), values)


@given(pixels(most_bits=24))
def test_openjpeg_reads_what_is_written_as_jpeg_2000(drawn):
    values, description = drawn

    coded = encode_frame(values, description, JPEG_2000)

    assert np.array_equal(imagecodecs.jpeg2k_decode(coded), values)
    assert np.array_equal(openjpeg.decode(coded), values)


@pytest.mark.parametrize(
    ("bits", "allocated", "is_signed"),
    [
        (1, 1, False),
        *itertools.product((1, 2, 8), (8,), (False, True)),
        *itertools.product((9, 16), (16,), (False, True)),
    ],
)
def test_noise_that_does_not_fit_the_buffer_of_openjpeg_is_still_encoded(bits, allocated, is_signed):
    shape = (157, 211, 2)
    values = np.random.default_rng(bits).integers(0, 1 << bits, shape).astype(np.uint16 if bits > 8 else np.uint8)
    if is_signed:
        values = (values.astype(int) - (1 << (bits - 1))).astype(np.int16 if bits > 8 else np.int8)
    description = described(values, bits, bits_allocated=allocated)

    coded = encode_frame(values, description, JPEG_2000)

    assert np.array_equal(decoded(coded, description, JPEG_2000).values, values)
    assert np.array_equal(imagecodecs.jpeg2k_decode(coded), values)
    assert np.array_equal(openjpeg.decode(coded), values)
    assert struct.unpack(">2B", segments(coded)[0x51][36::3]) == ((bits - 1) | 0x80 * is_signed,) * 2


@given(pixels(most_bits=16, samples=(1, 3)))
def test_charls_reads_what_is_written_as_jpeg_ls(drawn):
    values, description = drawn

    found = imagecodecs.jpegls_decode(encode_frame(values, description, JPEG + "80"))

    assert np.array_equal(np.squeeze(found).ravel(), low_bits(values, description.bits_stored).ravel())


@given(pixels(most_bits=16, samples=(1, 3)))
def test_libjpeg_turbo_reads_what_is_written_as_jpeg_lossless(drawn):
    values, description = drawn

    found = imagecodecs.jpeg8_decode(encode_frame(values, description, JPEG + "70"))

    assert np.array_equal(found, low_bits(values, description.bits_stored))


@given(pixels(most_bits=32, samples=(1, 3)))
def test_pylibjpeg_reads_what_is_written_as_rle(drawn):
    values, description = drawn

    coded = encode_frame(values, description, RLE)

    words = np.frombuffer(
        pylibjpeg_rle.decode_frame(coded, description.rows * description.columns, description.bits_allocated, "<"),
        values.dtype.newbyteorder("<"),
    )
    planes = words.reshape(description.samples_per_pixel, description.rows, description.columns)
    assert np.array_equal(np.moveaxis(planes, 0, -1).reshape(values.shape), values)


@given(pixels(most_bits=32))
def test_zlib_reads_what_is_written_as_a_deflated_frame(drawn):
    values, description = drawn
    interleaved = replace(description, planar_configuration=0)

    raw = zlib.decompress(encode_frame(values, interleaved, DEFLATED), -zlib.MAX_WBITS)

    assert raw == values.astype(values.dtype.newbyteorder("<")).tobytes()


@pytest.mark.parametrize("uid", [*NATIVE, ENCAPSULATED, DEFLATED, RLE, JPEG_2000, HTJ2K, HTJ2K_RPCL])
@pytest.mark.parametrize("shape", [(1, 1), (3, 3), (16, 24), (5, 129)])
def test_one_bit_frames_come_back(uid, shape):
    bits = np.random.default_rng(shape).integers(0, 2, shape, np.uint8)
    description = described(bits, bits=1, bits_allocated=1)

    assert np.array_equal(decoded(encode_frame(bits, description, uid), description, uid).values, bits)


@pytest.mark.parametrize("uid", NATIVE)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.uint64])
def test_wide_values_and_floats_come_back_from_native_frames(uid, dtype):
    values = (np.random.default_rng(1).normal(0, 1, (5, 7)) * 1e6).astype(dtype)

    frame = decoded(encode_frame(values, described(values), uid), described(values), uid)

    assert np.array_equal(frame.values, values)


@pytest.mark.parametrize("uid", [*NATIVE, RLE, ENCAPSULATED])
def test_values_may_lie_in_the_high_bits(uid):
    values = np.arange(-10, 10, dtype=np.int16).reshape(4, 5) * 200
    description = replace(GREY, is_signed=True, high_bit=15)

    assert np.array_equal(decoded(encode_frame(values, description, uid), description, uid).values, values)


def segments(coded):
    """The marker segments of a codestream's main header, by marker."""
    found, position = {}, 2
    while (marker := coded[position : position + 2]) != b"\xff\x90":
        length = int.from_bytes(coded[position + 2 : position + 4], "big")
        found[marker[1]] = coded[position + 4 : position + 2 + length]
        position += 2 + length
    return found


@pytest.mark.parametrize("shape", [(1, 1), (64, 64), (512, 512), (65, 2049), (4097, 40)])
def test_rpcl_options_are_those_that_dicom_asks_for(shape):
    image = np.zeros(shape, np.uint16)

    main = segments(encode_frame(image, described(image, 12), HTJ2K_RPCL))

    progression, decompositions = main[0x52][1], main[0x52][5]
    assert progression == 2
    assert max(shape) / 2**decompositions <= 64
    assert len(main[0x55]) >= 2 + 4 * (decompositions + 1)  # TLM: a length for each resolution
    assert main[0x52][9] == 1  # the reversible wavelet


@pytest.mark.parametrize("uid", [JPEG_2000, HTJ2K, HTJ2K_RPCL])
@pytest.mark.parametrize("is_signed", [False, True])
def test_jpeg_2000_says_precision_and_sign_of_every_sample(uid, is_signed):
    image = np.arange(-30, 30, dtype=np.int16).reshape(4, 5, 3) if is_signed else np.arange(60, dtype=np.uint16)
    image = image.reshape(4, 5, 3)

    size = segments(encode_frame(image, described(image, 11), uid))[0x51]

    assert struct.unpack(">3B", size[36::3]) == (10 | 0x80 * is_signed,) * 3


def test_the_component_transform_is_for_rgb_alone():
    image = np.random.default_rng(2).integers(0, 256, (9, 8, 3), np.uint8)

    for uid in (JPEG_2000, HTJ2K, HTJ2K_RPCL):
        for photometric, expected in (("RGB", "YBR_RCT"), ("YBR_FULL", "YBR_FULL")):
            description = described(image, photometric_interpretation=photometric)
            coded = encode_frame(image, description, uid)
            assert encoded_photometric(description, uid) == expected
            assert segments(coded)[0x52][4] == (expected == "YBR_RCT")
    assert encoded_photometric(described(image), JPEG + "80") == "RGB"


DEEP, TWO = np.zeros((4, 5), np.uint32), np.zeros((4, 5), np.uint8)
REFUSED = {
    "32 bits in JPEG-LS": (JPEG + "80", DEEP, {}),
    "32 bits in JPEG Lossless": (JPEG + "70", DEEP, {}),
    "25 bits in JPEG 2000": (JPEG_2000, DEEP, {"bits_stored": 25}),
    "17 bits in HTJ2K": (HTJ2K, DEEP, {"bits_stored": 17}),
    "five samples in JPEG-LS": (JPEG + "80", np.zeros((4, 5, 5), np.uint8), {}),
    "sixteen segments in RLE": (RLE, np.zeros((4, 5, 4), np.uint32), {}),
    "floats in RLE": (RLE, np.zeros((4, 5), np.float32), {}),
    "floats in a codestream": (JPEG_2000, np.zeros((4, 5), np.float64), {}),
    "one bit in JPEG-LS": (JPEG + "80", TWO, {"bits_allocated": 1, "bits_stored": 1, "high_bit": 0}),
    "one bit in JPEG Lossless": (JPEG + "70", TWO, {"bits_allocated": 1, "bits_stored": 1, "high_bit": 0}),
    "shared chroma": (RLE, np.zeros((4, 6, 3), np.uint8), {"photometric_interpretation": "YBR_FULL_422"}),
    "a lossy transfer syntax": (JPEG + "50", TWO, {}),
    "a private transfer syntax": ("1.2.3.4", TWO, {}),
}


@pytest.mark.parametrize("what", REFUSED)
def test_pixels_that_a_codec_does_not_hold_are_refused(what):
    uid, values, changes = REFUSED[what]

    with pytest.raises(UnsupportedPixels):
        encode_frame(values, described(values, **changes), uid)


WRONG = {
    "another shape": (np.zeros((5, 4), np.uint16), {}),
    "another type": (np.zeros((4, 5), np.int16), {}),
    "more than Bits Stored": (np.full((4, 5), 4096, np.uint16), {}),
    "less than Bits Stored": (np.full((4, 5), -2049, np.int16), {"is_signed": True}),
    "nothing": (np.zeros((0, 5), np.uint16), {"rows": 0}),
}


@pytest.mark.parametrize("what", WRONG)
@pytest.mark.parametrize("uid", ENCODERS)
def test_a_frame_that_is_not_as_described_is_refused(uid, what):
    values, changes = WRONG[what]

    with pytest.raises(InvalidArgument):
        encode_frame(values, replace(GREY, **changes), uid)


def test_only_lossless_transfer_syntaxes_are_written():
    assert all(TRANSFER_SYNTAXES[uid].is_lossless for uid in ENCODERS)
