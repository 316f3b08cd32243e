from __future__ import annotations

import struct
import zlib
from dataclasses import replace

import imagecodecs
import numpy as np
import pytest
from filmless.engine.codestream import read_jpeg2000_header, read_jpeg_header
from filmless.engine.decode import decode_frame, decode_native_frame, read_native_frame
from filmless.engine.encode import encode_frame
from filmless.engine.instance import PixelDescription, PixelSpan
from filmless.errors import DecodeError, FilmlessError, FormatError, InvalidArgument, Truncated, UnsupportedPixels
from hypothesis import given, settings
from hypothesis import strategies as st

JPEG = "1.2.840.10008.1.2.4."
RLE = "1.2.840.10008.1.2.5"
GREY = PixelDescription(
    rows=4,
    columns=5,
    frames=1,
    samples_per_pixel=1,
    bits_allocated=16,
    bits_stored=12,
    high_bit=11,
    is_signed=False,
    is_float=False,
    planar_configuration=0,
    photometric_interpretation="MONOCHROME2",
)
BYTE = replace(GREY, bits_allocated=8, bits_stored=8, high_bit=7)
COLOUR = replace(BYTE, samples_per_pixel=3, photometric_interpretation="RGB")
BIT = replace(GREY, rows=3, columns=3, frames=2, bits_allocated=1, bits_stored=1, high_bit=0)
VALUES = np.arange(20, dtype=np.uint16).reshape(4, 5) * 200


def rle(*segments: bytes) -> bytes:
    """Each segment as literal runs of at most 128 bytes (PS3.5 annex G)."""
    coded = [
        b"".join(bytes([len(part) - 1]) + part for part in (s[i : i + 128] for i in range(0, len(s), 128)))
        for s in segments
    ]
    offsets = [64 + sum(map(len, coded[:number])) for number in range(len(coded))]
    return struct.pack("<16I", len(coded), *offsets, *[0] * (15 - len(coded))) + b"".join(coded)


CODED = {
    JPEG + "80": imagecodecs.jpegls_encode(VALUES),
    JPEG + "90": imagecodecs.jpeg2k_encode(VALUES, codecformat="j2k", level=0, reversible=True),
    RLE: rle((VALUES >> 8).astype(np.uint8).tobytes(), VALUES.astype(np.uint8).tobytes()),
    "1.2.840.10008.1.2.1.98": VALUES.tobytes(),
}


@pytest.mark.parametrize("syntax", CODED)
def test_a_lossless_codestream_gives_the_values_back(syntax):
    frame = decode_frame(CODED[syntax], GREY, syntax)

    assert np.array_equal(frame.values, VALUES)
    assert frame.values.dtype == np.uint16
    assert frame.photometric_interpretation == "MONOCHROME2"


@pytest.mark.parametrize("syntax", CODED)
def test_signed_pixels_are_extended_from_bits_stored(syntax):
    frame = decode_frame(CODED[syntax], replace(GREY, is_signed=True), syntax)

    assert np.array_equal(frame.values, np.where(VALUES >= 2048, VALUES.astype(np.int32) - 4096, VALUES))
    assert frame.values.dtype == np.int16


@pytest.mark.parametrize("syntax", sorted(set(CODED) - {"1.2.840.10008.1.2.1.98", RLE}))
@pytest.mark.parametrize("change", [{"rows": 5}, {"columns": 4}, {"samples_per_pixel": 3}, {"bits_allocated": 8}])
def test_another_size_than_the_header_says_is_refused(syntax, change):
    with pytest.raises(DecodeError, match="codestream"):
        decode_frame(CODED[syntax], replace(GREY, **change), syntax)


@pytest.mark.parametrize("change", [{"rows": 50}, {"samples_per_pixel": 3}, {"bits_allocated": 32}])
def test_an_rle_frame_of_another_size_is_refused(change):
    with pytest.raises(DecodeError, match="RLE"):
        decode_frame(CODED[RLE], replace(GREY, **change), RLE)


def test_rle_has_no_more_than_15_segments():
    with pytest.raises(UnsupportedPixels):
        decode_frame(CODED[RLE], replace(GREY, samples_per_pixel=8), RLE)


def test_a_deflated_frame_is_inflated_to_its_size_only():
    raw, stream = VALUES.tobytes(), zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    coded = stream.compress(raw) + stream.flush()

    assert np.array_equal(decode_frame(coded, GREY, "1.2.840.10008.1.2.8.1").values, VALUES)
    with pytest.raises(DecodeError):
        decode_frame(coded, replace(GREY, rows=3), "1.2.840.10008.1.2.8.1")


@pytest.mark.parametrize("syntax", [JPEG + "102", JPEG + "94", JPEG + "92", "1.2.3.4"])
def test_a_syntax_without_decoder_is_named(syntax):
    with pytest.raises(UnsupportedPixels, match=syntax.replace(".", r"\.")):
        decode_frame(b"", GREY, syntax)


def test_a_frame_beyond_the_bound_is_never_decoded():
    with pytest.raises(UnsupportedPixels, match="exceeds"):
        decode_frame(b"", replace(GREY, rows=65535, columns=65535), RLE)


@pytest.mark.parametrize("photometric", ["YBR_FULL", "YBR_FULL_422"])
def test_lossy_jpeg_colour_becomes_rgb(photometric):
    rgb = np.full((16, 16, 3), (200, 100, 50), np.uint8)
    description = replace(COLOUR, rows=16, columns=16, photometric_interpretation=photometric)

    frame = decode_frame(imagecodecs.jpeg8_encode(rgb, level=95), description, JPEG + "50")

    assert frame.photometric_interpretation == "RGB"
    assert np.abs(frame.values.astype(int) - rgb).max() <= 2


def test_twelve_bit_colour_becomes_rgb():
    rgb = np.full((16, 16, 3), (3200, 1600, 800), np.uint16)
    coded = imagecodecs.jpeg8_encode(rgb, level=95, bitspersample=12)
    description = replace(
        COLOUR,
        rows=16,
        columns=16,
        bits_allocated=16,
        bits_stored=12,
        high_bit=11,
        photometric_interpretation="YBR_FULL",
    )

    frame = decode_frame(coded, description, JPEG + "51")

    assert frame.photometric_interpretation == "RGB"
    assert np.abs(frame.values.astype(int) - rgb).max() <= 8


@pytest.mark.parametrize("process", ["50", "51"])
def test_a_lossless_codestream_tagged_as_lossy_is_still_decoded(process):
    coded = imagecodecs.ljpeg_encode(VALUES, bitspersample=12)

    assert np.array_equal(decode_frame(coded, GREY, JPEG + process).values, VALUES)


CUT = {
    "JPEG": (JPEG + "51", imagecodecs.jpeg8_encode(VALUES, level=95, bitspersample=12)),
    "JPEG Lossless": (JPEG + "70", encode_frame(VALUES, GREY, JPEG + "70")),
    "JPEG-LS": (JPEG + "80", encode_frame(VALUES, GREY, JPEG + "80")),
    "JPEG 2000": (JPEG + "90", encode_frame(VALUES, GREY, JPEG + "90")),
    "HTJ2K": (JPEG + "201", encode_frame(VALUES, GREY, JPEG + "201")),
    "RLE": (RLE, encode_frame(VALUES, GREY, RLE)),
}


@pytest.mark.parametrize("codec", CUT)
def test_a_codestream_cut_off_anywhere_is_an_error_unless_no_sample_is_missing(codec):
    syntax, coded = CUT[codec]
    whole, kept = decode_frame(coded, GREY, syntax).values, 0

    for length in range(len(coded)):
        try:
            frame = decode_frame(coded[:length], GREY, syntax)
        except FormatError:
            continue
        kept += 1
        assert np.array_equal(frame.values, whole), length
    assert kept <= 3  # the end marker, half of it, padding


def test_an_undone_component_transform_gives_rgb():
    rgb = np.random.default_rng(5).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    coded = imagecodecs.jpeg2k_encode(rgb, codecformat="j2k", level=0, reversible=True, mct=True)

    frame = decode_frame(coded, replace(COLOUR, photometric_interpretation="YBR_RCT"), JPEG + "90")

    assert np.array_equal(frame.values, rgb)
    assert frame.photometric_interpretation == "RGB"


HEADERLESS = [
    b"",
    b"\xff\xd8",
    b"\xff\xd8\xff\xd9",
    b"\xff\xd8\xff\xda\0\x02",
    b"\xff\xd8\xff\xe0\0\x01",
    b"\xff\xd8\xff\xc0\0\x04\0\0",
]


@pytest.mark.parametrize("coded", HEADERLESS)
def test_a_jpeg_without_frame_header_is_refused(coded):
    with pytest.raises(DecodeError):
        read_jpeg_header(coded)


def test_a_jpeg2000_image_of_too_many_tiles_is_refused():
    coded = bytearray(CODED[JPEG + "90"])
    coded[8:16] = struct.pack(">II", 1 << 30, 1 << 30)
    coded[24:32] = struct.pack(">II", 1, 1)

    with pytest.raises(DecodeError, match="tiles"):
        read_jpeg2000_header(bytes(coded))


@settings(max_examples=200)
@given(st.sampled_from(sorted(CODED)), st.data())
def test_a_damaged_codestream_gives_values_or_an_error_of_ours(syntax, data):
    coded = bytearray(CODED[syntax])
    for position in data.draw(st.lists(st.integers(0, len(coded) - 1), max_size=4)):
        coded[position] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(coded)))

    for damaged in (bytes(coded), bytes(coded[:cut])):
        try:
            frame = decode_frame(damaged, GREY, syntax)
        except FilmlessError:
            continue
        assert frame.values.shape == (4, 5)


def test_native_planes_are_put_sample_last():
    planes = np.arange(60, dtype=np.uint8).reshape(3, 4, 5)

    frame = decode_native_frame(planes.tobytes(), replace(COLOUR, planar_configuration=1))

    assert np.array_equal(frame.values, np.moveaxis(planes, 0, -1))


def test_shared_chroma_is_repeated_for_each_pixel():
    description = replace(COLOUR, rows=1, columns=4, photometric_interpretation="YBR_FULL_422")

    frame = decode_native_frame(bytes([1, 2, 10, 20, 3, 4, 30, 40]), description)

    assert frame.values[0].tolist() == [[1, 10, 20], [2, 10, 20], [3, 30, 40], [4, 30, 40]]
    assert frame.photometric_interpretation == "YBR_FULL"


@pytest.mark.parametrize(("order", "is_big"), [("<", False), (">", True)])
def test_native_floats_keep_their_values(order, is_big):
    values = np.linspace(-1, 1, 20, dtype=np.float32).reshape(4, 5)
    description = replace(GREY, bits_allocated=32, bits_stored=32, high_bit=31, is_float=True, is_signed=True)

    frame = decode_native_frame(values.astype(f"{order}f4").tobytes(), description, is_big)

    assert np.array_equal(frame.values, values)
    assert frame.values.dtype == np.float32


def test_one_bit_frames_follow_each_other_without_padding():
    bits = np.random.default_rng(3).integers(0, 2, (2, 3, 3), dtype=np.uint8)
    raw = np.packbits(bits.reshape(-1), bitorder="little").tobytes()
    span = PixelSpan(0, len(raw), is_encapsulated=False, is_big_endian=False)

    frames = [read_native_frame(raw, span, BIT, index).values for index in range(2)]

    assert np.array_equal(frames, bits)


def test_pairs_of_swapped_bytes_may_cross_frames():
    description = replace(BYTE, rows=3, columns=3, frames=2)
    values = np.arange(18, dtype=np.uint8)
    raw = values.view(np.uint16).byteswap().tobytes()
    span = PixelSpan(0, len(raw), is_encapsulated=False, is_big_endian=True)

    frames = [read_native_frame(raw, span, description, index).values for index in range(2)]

    assert np.array_equal(frames, values.reshape(2, 3, 3))


def test_native_frames_that_are_not_there_are_refused():
    span = PixelSpan(0, 40, is_encapsulated=False, is_big_endian=False)

    with pytest.raises(InvalidArgument):
        read_native_frame(bytes(40), span, GREY, 1)
    with pytest.raises(Truncated):
        read_native_frame(bytes(39), span, GREY, 0)
