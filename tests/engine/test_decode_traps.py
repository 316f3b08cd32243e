"""The traps of real pixel data, each by its name: its values, or an error that says what is wrong."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any

import imagecodecs
import numpy as np
import pytest
from dicom_bytes import encapsulated
from filmless.engine.decode import decode_frame, decode_frames, decode_native_frame
from filmless.engine.encapsulation import ExtendedOffsets, locate_frames, read_codestream
from filmless.engine.encode import encode_frame
from filmless.engine.instance import PixelDescription, PixelSpan
from filmless.errors import DecodeError, FormatError
from PIL import Image

JPEG = "1.2.840.10008.1.2.4."
RLE = "1.2.840.10008.1.2.5"
ENCAPSULATED = "1.2.840.10008.1.2.1.98"
BASELINE, EXTENDED, LOSSLESS, JPEG_LS, JPEG_2000, HTJ2K = (JPEG + n for n in ("50", "51", "70", "80", "90", "201"))
JPEG_XL = JPEG + "110"
NATIVE = ""
"""Not a transfer syntax: the frame is given to `decode_native_frame`."""

GREY = PixelDescription(6, 8, 1, 1, 16, 12, 11, False, False, 0, "MONOCHROME2")
SIGNED = replace(GREY, is_signed=True)
BYTE = replace(GREY, bits_allocated=8, bits_stored=8, high_bit=7)
BIT = replace(GREY, bits_allocated=1, bits_stored=1, high_bit=0)
COLOUR = replace(BYTE, rows=16, columns=32, samples_per_pixel=3, photometric_interpretation="RGB")
YBR = replace(COLOUR, photometric_interpretation="YBR_FULL")
SHARED = replace(COLOUR, photometric_interpretation="YBR_FULL_422")

RANDOM = np.random.default_rng(20)
TWELVE = RANDOM.integers(0, 4096, (6, 8)).astype(np.uint16)
SIGNED_TWELVE = RANDOM.integers(-2048, 2048, (6, 8)).astype(np.int16)
OVERLAY = RANDOM.integers(0, 16, (6, 8)).astype(np.uint16) << 12
BITS = RANDOM.integers(0, 2, (6, 8), np.uint8)
FLAT = np.broadcast_to(np.array([200, 100, 50], np.uint8), (16, 32, 3)).copy()
"""A colour that JPEG keeps to within 3, and that looks nothing like itself where the colour space is mistaken."""


def jpeg(image, **options):
    return bytes(imagecodecs.jpeg8_encode(image, level=98, **options))


def j2k(image, bits=None):
    return bytes(imagecodecs.jpeg2k_encode(image, level=0, codecformat="j2k", reversible=True, bitspersample=bits))


def with_segment(coded, marker, body):
    """A JPEG with one more segment behind SOI, and no application segment else."""
    rest = coded[2:]
    while rest[0] == 0xFF and 0xE0 <= rest[1] <= 0xEF:
        rest = rest[2 + int.from_bytes(rest[2:4], "big") :]
    segment = bytes((0xFF, marker)) + struct.pack(">H", 2 + len(body)) + body if body else b""
    return coded[:2] + segment + rest


def adobe(coded, transform):
    return with_segment(coded, 0xEE, b"Adobe" + bytes((0, 100, 0, 0, 0, 0, transform)))


def jfif(coded):
    return with_segment(coded, 0xE0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0")


def bare(coded):
    return with_segment(coded, 0, b"")


def renamed(coded, names):
    """A JPEG whose components have other numbers, in frame and scan header."""
    changed, frame = bytearray(coded), coded.index(b"\xff\xc0")
    scan = coded.index(b"\xff\xda")
    for number, name in enumerate(names):
        changed[frame + 10 + 3 * number] = name
        changed[scan + 5 + 2 * number] = name
    return bytes(changed)


AS_YCC = jpeg(FLAT, outcolorspace="YCBCR")
AS_RGB = jpeg(FLAT, outcolorspace="RGB")


@dataclass
class Trap:
    """One frame, and the values it has."""

    uid: str
    coded: bytes
    description: PixelDescription
    expected: np.ndarray
    photometric: str = ""
    within: int = 0

    def decoded(self):
        if self.uid == NATIVE:
            return decode_native_frame(self.coded, self.description)
        return decode_frame(self.coded, self.description, self.uid)


def chroma(luma, blue, red):
    """4:2:2 samples as YBR_FULL."""
    return np.stack([luma, np.repeat(blue, 2, axis=1), np.repeat(red, 2, axis=1)], axis=-1)


LUMA, BLUE, RED = (RANDOM.integers(0, 256, shape).astype(np.uint8) for shape in ((16, 32), (16, 16), (16, 16)))
BY_PIXEL = np.stack([LUMA[:, ::2], LUMA[:, 1::2], BLUE, RED], axis=-1).tobytes()
NOISE = RANDOM.integers(0, 256, (16, 32, 3)).astype(np.uint8)
PLANES = np.ascontiguousarray(np.moveaxis(NOISE, -1, 0))
UNSIGNED_TWELVE = (SIGNED_TWELVE & 0xFFF).astype(np.uint16)


def progressive(image):
    coded = BytesIO()
    Image.fromarray(image).save(coded, "JPEG", progressive=True, quality=90)
    return coded.getvalue()


SMOOTH = np.add.outer(np.arange(40) * 3, np.arange(48)).astype(np.uint8)
SMOOTH_BYTES = replace(BYTE, rows=40, columns=48)
VALUES: dict[str, Trap] = {
    "signed values in JPEG-LS, which has no sign": Trap(
        JPEG_LS, imagecodecs.jpegls_encode(UNSIGNED_TWELVE), SIGNED, SIGNED_TWELVE
    ),
    "signed values in JPEG Lossless": Trap(
        LOSSLESS, encode_frame(SIGNED_TWELVE, SIGNED, LOSSLESS), SIGNED, SIGNED_TWELVE
    ),
    "signed values in JPEG 2000, signed there too": Trap(JPEG_2000, j2k(SIGNED_TWELVE, 12), SIGNED, SIGNED_TWELVE),
    "signed values in JPEG 2000, unsigned there": Trap(JPEG_2000, j2k(UNSIGNED_TWELVE, 12), SIGNED, SIGNED_TWELVE),
    "unsigned values in JPEG 2000, signed there": Trap(JPEG_2000, j2k(SIGNED_TWELVE, 12), GREY, UNSIGNED_TWELVE),
    "signed values in HTJ2K": Trap(HTJ2K, encode_frame(SIGNED_TWELVE, SIGNED, HTJ2K), SIGNED, SIGNED_TWELVE),
    "an overlay in unused high bits, native": Trap(NATIVE, (TWELVE | OVERLAY).tobytes(), GREY, TWELVE),
    "an overlay in unused high bits, RLE": Trap(
        RLE, encode_frame(TWELVE | OVERLAY, replace(GREY, bits_stored=16, high_bit=15), RLE), GREY, TWELVE
    ),
    "an overlay in unused high bits, JPEG-LS": Trap(JPEG_LS, imagecodecs.jpegls_encode(TWELVE | OVERLAY), GREY, TWELVE),
    "signed, unused high bits zero": Trap(NATIVE, UNSIGNED_TWELVE.tobytes(), SIGNED, SIGNED_TWELVE),
    "16 bits of precision, 12 stored, JPEG 2000": Trap(JPEG_2000, j2k(TWELVE), GREY, TWELVE),
    "16 bits of precision, 12 stored and signed, JPEG 2000": Trap(JPEG_2000, j2k(SIGNED_TWELVE), SIGNED, SIGNED_TWELVE),
    "12 bits of precision, 16 stored, JPEG Lossless": Trap(
        LOSSLESS, encode_frame(TWELVE, GREY, LOSSLESS), replace(GREY, bits_stored=16, high_bit=15), TWELVE
    ),
    "12 bits of precision, 14 stored, JPEG-LS": Trap(
        JPEG_LS, encode_frame(TWELVE, GREY, JPEG_LS), replace(GREY, bits_stored=14, high_bit=13), TWELVE
    ),
    "8 bits of precision, 16 allocated": Trap(
        JPEG_LS, imagecodecs.jpegls_encode(BITS), replace(GREY, bits_stored=8, high_bit=7), BITS.astype(np.uint16)
    ),
    "signed 12 bits of precision, 16 stored, JPEG 2000": Trap(
        JPEG_2000, j2k(SIGNED_TWELVE, 12), replace(SIGNED, bits_stored=16, high_bit=15), SIGNED_TWELVE
    ),
    "one byte of padding": Trap(JPEG_LS, imagecodecs.jpegls_encode(TWELVE) + b"\0", GREY, TWELVE),
    "padding of thousands of zeros": Trap(JPEG_2000, j2k(TWELVE) + bytes(5001), GREY, TWELVE),
    "padding that is not zero": Trap(LOSSLESS, encode_frame(TWELVE, GREY, LOSSLESS) + b" \r\n", GREY, TWELVE),
    "padding after the last RLE segment": Trap(RLE, encode_frame(TWELVE, GREY, RLE) + bytes(3), GREY, TWELVE),
    "no EOI, JPEG Lossless": Trap(LOSSLESS, encode_frame(TWELVE, GREY, LOSSLESS)[:-2], GREY, TWELVE),
    "no EOI, JPEG-LS": Trap(JPEG_LS, encode_frame(TWELVE, GREY, JPEG_LS)[:-2], GREY, TWELVE),
    "no EOC, JPEG 2000": Trap(JPEG_2000, j2k(TWELVE)[:-2], GREY, TWELVE),
    "no EOC, HTJ2K": Trap(HTJ2K, encode_frame(TWELVE, GREY, HTJ2K)[:-2], GREY, TWELVE),
    "no EOI, JPEG": Trap(BASELINE, AS_YCC[:-2], YBR, FLAT, "RGB", 3),
    "no EOI, progressive JPEG": Trap(JPEG + "55", progressive(SMOOTH)[:-2], SMOOTH_BYTES, SMOOTH, within=3),
    "half an EOI, JPEG": Trap(BASELINE, AS_YCC[:-1], YBR, FLAT, "RGB", 3),
    "YBR_FULL_422 by pixel, native": Trap(NATIVE, BY_PIXEL, SHARED, chroma(LUMA, BLUE, RED), "YBR_FULL"),
    "YBR_FULL_422 by plane, native": Trap(
        NATIVE,
        LUMA.tobytes() + BLUE.tobytes() + RED.tobytes(),
        replace(SHARED, planar_configuration=1),
        chroma(LUMA, BLUE, RED),
        "YBR_FULL",
    ),
    "YBR_FULL_422 by pixel, encapsulated": Trap(ENCAPSULATED, BY_PIXEL, SHARED, chroma(LUMA, BLUE, RED), "YBR_FULL"),
    "4:2:2 chroma in JPEG": Trap(BASELINE, jpeg(FLAT, subsampling="422"), SHARED, FLAT, "RGB", 3),
    "4:2:0 chroma in JPEG, said to be 4:2:2": Trap(BASELINE, jpeg(FLAT, subsampling="420"), SHARED, FLAT, "RGB", 3),
    "4:4:4 chroma in JPEG, said to be 4:2:2": Trap(BASELINE, jpeg(FLAT, subsampling="444"), SHARED, FLAT, "RGB", 3),
    "subsampled JPEG, said to lie by plane": Trap(
        BASELINE, jpeg(FLAT, subsampling="420"), replace(SHARED, planar_configuration=1), FLAT, "RGB", 3
    ),
    "YCbCr with JFIF header, tagged RGB": Trap(BASELINE, jfif(AS_YCC), COLOUR, FLAT, "RGB", 3),
    "YCbCr with Adobe flag 1, tagged RGB": Trap(BASELINE, adobe(AS_YCC, 1), COLOUR, FLAT, "RGB", 3),
    "YCbCr without markers, tagged YBR_FULL": Trap(BASELINE, bare(AS_YCC), YBR, FLAT, "RGB", 3),
    "RGB with Adobe flag 0, tagged YBR_FULL": Trap(BASELINE, adobe(AS_RGB, 0), YBR, FLAT, "RGB", 3),
    "RGB with Adobe flag 0, tagged YBR_FULL_422": Trap(BASELINE, adobe(AS_RGB, 0), SHARED, FLAT, "RGB", 3),
    "RGB named by letters, tagged YBR_FULL": Trap(BASELINE, renamed(bare(AS_RGB), b"RGB"), YBR, FLAT, "RGB", 3),
    "RGB without markers, tagged RGB": Trap(BASELINE, renamed(bare(AS_RGB), b"\1\2\3"), COLOUR, FLAT, "RGB", 3),
    "RGB with Adobe flag 0, tagged RGB": Trap(BASELINE, adobe(AS_RGB, 0), COLOUR, FLAT, "RGB", 3),
    "planar configuration 1, native": Trap(NATIVE, PLANES.tobytes(), replace(COLOUR, planar_configuration=1), NOISE),
    "planar configuration 1, encapsulated": Trap(
        ENCAPSULATED, PLANES.tobytes(), replace(COLOUR, planar_configuration=1), NOISE
    ),
    "planar configuration 1, RLE": Trap(
        RLE, encode_frame(NOISE, COLOUR, RLE), replace(COLOUR, planar_configuration=1), NOISE
    ),
    "planar configuration 1, JPEG-LS": Trap(
        JPEG_LS, encode_frame(NOISE, COLOUR, JPEG_LS), replace(COLOUR, planar_configuration=1), NOISE
    ),
    "one bit, native": Trap(NATIVE, np.packbits(BITS, bitorder="little").tobytes(), BIT, BITS),
    "one bit, RLE": Trap(RLE, encode_frame(BITS, BIT, RLE), BIT, BITS),
    "one bit, JPEG 2000": Trap(JPEG_2000, j2k(BITS, 1), BIT, BITS),
    "one bit coded as eight, JPEG 2000": Trap(JPEG_2000, j2k(BITS), BIT, BITS),
    "one bit coded as two, JPEG-LS": Trap(JPEG_LS, imagecodecs.jpegls_encode(BITS), BIT, BITS),
    "lossless JPEG under the UID of JPEG Extended": Trap(EXTENDED, encode_frame(TWELVE, GREY, LOSSLESS), GREY, TWELVE),
    "baseline JPEG under the UID of JPEG Lossless": Trap(LOSSLESS, AS_YCC, YBR, FLAT, "RGB", 3),
}


@pytest.mark.parametrize("trap", VALUES)
def test_values_are_read_in_spite_of(trap):
    case = VALUES[trap]

    frame = case.decoded()

    assert frame.values.dtype == case.description.stored_dtype
    assert frame.values.shape == case.expected.shape
    assert np.abs(frame.values.astype(int) - case.expected).max() <= case.within
    assert frame.photometric_interpretation == (case.photometric or case.description.photometric_interpretation)


def without_last_scan(coded):
    return coded[: coded.rindex(b"\xff\xda")] + b"\xff\xd9"


def without_last_tile_part(coded):
    return coded[: coded.rindex(b"\xff\x90")] + b"\xff\xd9"


ERRORS: dict[str, tuple[str, bytes, PixelDescription]] = {
    "one bit in codestreams of larger values": (JPEG_2000, j2k(TWELVE), BIT),
    "one bit in bytes of larger values": (JPEG_2000, j2k(BITS * 2), BIT),
    "more precision than is allocated": (JPEG_2000, j2k(TWELVE), BYTE),
    "shared chroma of an odd number of columns": (NATIVE, bytes(6 * 7 * 2), replace(SHARED, rows=6, columns=7)),
    "shared chroma cut short": (NATIVE, BY_PIXEL[:-1], SHARED),
    "JPEG cut off, but with an EOI": (BASELINE, AS_YCC[:-9] + b"\xff\xd9", YBR),
    "progressive JPEG without its last scan": (JPEG + "55", without_last_scan(progressive(SMOOTH)), SMOOTH_BYTES),
    "progressive JPEG with an empty frame header more": (
        JPEG + "55",
        progressive(SMOOTH)[:-2] + b"\xff\xc2\0\2" + b"\xff\xda\0\3\0" + b"\xff\xd9",
        SMOOTH_BYTES,
    ),
    "progressive JPEG cut off, but with an EOI": (
        JPEG + "55",
        progressive(SMOOTH)[:-3] + b"\xff\xd9",
        SMOOTH_BYTES,
    ),
    "JPEG with arithmetic coding": (EXTENDED, jpeg(SMOOTH).replace(b"\xff\xc0", b"\xff\xc9"), SMOOTH_BYTES),
    "JPEG of four samples": (
        BASELINE,
        bytes(imagecodecs.jpeg8_encode(np.zeros((40, 48, 4), np.uint8), colorspace="CMYK", outcolorspace="CMYK")),
        replace(SMOOTH_BYTES, samples_per_pixel=4),
    ),
    "HTJ2K without its last tile-part": (
        HTJ2K,
        without_last_tile_part(encode_frame(SMOOTH, SMOOTH_BYTES, HTJ2K)),
        SMOOTH_BYTES,
    ),
    "JPEG XL cut off": (JPEG_XL, bytes(imagecodecs.jpegxl_encode(SMOOTH, lossless=True))[:-5], SMOOTH_BYTES),
    "an empty codestream": (JPEG_LS, b"", GREY),
}


@pytest.mark.parametrize("trap", ERRORS)
def test_there_is_no_picture_of(trap):
    uid, coded, description = ERRORS[trap]

    with pytest.raises(FormatError):
        Trap(uid, coded, description, np.empty(0)).decoded()


SIZED: dict[str, Callable[[Any], bytes]] = {
    BASELINE: lambda image: jpeg(image),
    JPEG + "55": progressive,
    LOSSLESS: lambda image: encode_frame(image, SMOOTH_BYTES, LOSSLESS),
    JPEG_LS: lambda image: encode_frame(image, SMOOTH_BYTES, JPEG_LS),
    JPEG_2000: lambda image: encode_frame(image, SMOOTH_BYTES, JPEG_2000),
    HTJ2K: lambda image: encode_frame(image, SMOOTH_BYTES, HTJ2K),
    JPEG_XL: lambda image: bytes(imagecodecs.jpegxl_encode(image, lossless=True)),
}


@pytest.mark.parametrize("uid", SIZED)
@pytest.mark.parametrize("size", [(48, 40), (80, 24), (20, 96), (40, 47), (41, 48), (1, 1920)])
def test_a_codestream_of_another_size_is_an_error_and_never_reshaped(uid, size):
    description = replace(SMOOTH_BYTES, rows=size[0], columns=size[1])

    with pytest.raises(DecodeError, match=r"declares rows, columns"):
        decode_frame(SIZED[uid](SMOOTH), description, uid)


@pytest.mark.parametrize("uid", SIZED)
def test_a_codestream_of_other_samples_is_an_error(uid):
    with pytest.raises(DecodeError):
        decode_frame(SIZED[uid](SMOOTH), replace(SMOOTH_BYTES, samples_per_pixel=3), uid)


def test_tables_that_differ_from_frame_to_frame_are_each_frames_own():
    images = [np.roll(SMOOTH, n, axis=0) for n in range(6)]
    coded = [
        bytes(imagecodecs.jpeg8_encode(image, level=level, optimize=optimize))
        for image, level, optimize in zip(images, (50, 95, 20, 95, 75, 50), (False, True) * 3, strict=True)
    ]

    frames = decode_frames(coded, SMOOTH_BYTES, BASELINE)

    for frame, one in zip(frames, coded, strict=True):
        assert np.array_equal(frame, imagecodecs.jpeg8_decode(one))


def test_huffman_tables_of_lossless_frames_are_each_frames_own():
    images = [TWELVE, np.full_like(TWELVE, 7), np.arange(48, dtype=np.uint16).reshape(6, 8)]

    frames = decode_frames([encode_frame(image, GREY, LOSSLESS) for image in images], GREY, LOSSLESS)

    assert np.array_equal(frames, images)


FRAMES = [np.full((6, 8), 100 * n + 5, np.uint16) for n in range(3)]
CODED = [stream + bytes(len(stream) % 2) for stream in (encode_frame(frame, GREY, JPEG_LS) for frame in FRAMES)]
HALVES = [half for stream in CODED for half in (stream[:40], stream[40:])]


def table(*offsets):
    return struct.pack(f"<{len(offsets)}I", *offsets)


def starts(fragments, a_frame=1):
    """Where each frame's first item begins, counted from the first fragment's."""
    sizes = [8 + len(fragment) for fragment in fragments]
    return [sum(sizes[:number]) for number in range(0, len(fragments), a_frame)]


EXTENDED_TABLE = ExtendedOffsets(starts(CODED), [len(stream) for stream in CODED])
LAYOUTS: dict[str, tuple[bytes, ExtendedOffsets | None]] = {
    "an empty offset table": (encapsulated(*CODED), None),
    "a basic offset table": (encapsulated(*CODED, table=table(*starts(CODED))), None),
    "a basic offset table, several fragments a frame": (encapsulated(*HALVES, table=table(*starts(HALVES, 2))), None),
    "an empty offset table, several fragments a frame": (encapsulated(*HALVES), None),
    "a wrong offset table, several fragments a frame": (encapsulated(*HALVES, table=table(0, 10, 20)), None),
    "an offset table of zeros": (encapsulated(*HALVES, table=table(0, 0, 0)), None),
    "an offset table counted from its own end": (
        encapsulated(*CODED, table=table(*(s + 8 for s in starts(CODED)))),
        None,
    ),
    "an offset table of one entry": (encapsulated(*HALVES, table=table(0)), None),
    "an offset table beyond the end": (encapsulated(*CODED, table=table(0, 1 << 30, 1 << 31)), None),
    "an extended offset table": (encapsulated(*CODED), EXTENDED_TABLE),
    "a wrong extended offset table": (encapsulated(*CODED), ExtendedOffsets([0, 1, 2], [9, 9, 9])),
    "an extended offset table of too few frames": (encapsulated(*CODED), ExtendedOffsets([0], [len(CODED[0])])),
    "an empty fragment before each frame": (encapsulated(*(part for stream in CODED for part in (b"", stream))), None),
    "an empty fragment after each frame": (encapsulated(*(part for stream in CODED for part in (stream, b""))), None),
    "one empty fragment in front": (encapsulated(b"", *CODED), None),
    "one empty fragment at the end": (encapsulated(*CODED, b""), None),
    "empty fragments within frames": (
        encapsulated(*(part for n in range(0, 6, 2) for part in (HALVES[n], b"", HALVES[n + 1]))),
        None,
    ),
    "no sequence delimiter": (encapsulated(*CODED, delimiter=False), None),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_frames_are_found_in(layout):
    value, extended = LAYOUTS[layout]
    span = PixelSpan(0, len(value), is_encapsulated=True, is_big_endian=False)

    located = locate_frames(value, span, 3, extended)

    decoded = [decode_frame(read_codestream(value, fragments), GREY, JPEG_LS).values for fragments in located]
    assert np.array_equal(decoded, FRAMES)


@pytest.mark.parametrize("empty", [(0,), (3,), (0, 2, 4), (1, 1, 1)])
def test_empty_fragments_between_frames_without_markers_are_passed_over(empty):
    parts = [encode_frame(frame, GREY, RLE) for frame in FRAMES]
    for place in empty:
        parts.insert(place, b"")
    value = encapsulated(*parts)
    span = PixelSpan(0, len(value), is_encapsulated=True, is_big_endian=False)

    located = locate_frames(value, span, 3)

    decoded = [decode_frame(read_codestream(value, fragments), GREY, RLE).values for fragments in located]
    assert np.array_equal(decoded, FRAMES)


def test_a_single_frame_has_all_fragments_whatever_their_sizes():
    parts = [b"", CODED[0][:2], b"", CODED[0][2:8], CODED[0][8:], b""]
    value = encapsulated(*parts)
    span = PixelSpan(0, len(value), is_encapsulated=True, is_big_endian=False)

    (fragments,) = locate_frames(value, span, 1)

    assert np.array_equal(decode_frame(read_codestream(value, fragments), GREY, JPEG_LS).values, FRAMES[0])
