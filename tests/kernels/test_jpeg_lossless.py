"""JPEG Lossless, both ways, against libjpeg-turbo, pylibjpeg-libjpeg, and streams of a naive encoder."""

from __future__ import annotations

import struct

import imagecodecs
import libjpeg
import numpy as np
import pytest
from codec_images import KINDS, picture, shapes
from filmless.errors import DecodeError, FilmlessError, InvalidArgument, UnsupportedPixels
from filmless.kernels.jpeg_lossless import decode_jpeg_lossless, encode_jpeg_lossless
from filmless.kernels.jpeg_lossless.code_lengths import optimal_lengths
from hypothesis import given, settings
from hypothesis import strategies as st
from naive.jpeg_lossless import FLAT, LONG, STANDARD, encode, segment
from real_frames import real_frames

SYNTAXES = {"1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70"}
IS_BASELINE = {"modalities/sample-op.dcm": "baseline (SOF0) under the UID of JPEG Lossless"}
VALUES = np.random.default_rng(4).integers(0, 4096, (7, 9), np.uint16)
CODED = encode([VALUES.tolist()], 12)


def turbo(codestream, samples=1):
    if samples == 1:
        return imagecodecs.jpeg8_decode(codestream)
    return imagecodecs.jpeg8_decode(codestream, colorspace="RGB", outcolorspace="RGB")


@st.composite
def pictures(draw):
    precision = draw(st.integers(2, 16))
    shape, kind = draw(shapes()), draw(st.sampled_from(KINDS))
    return picture(kind, shape, precision, draw(st.integers(0, 1 << 20))), precision


@given(pictures(), st.booleans())
def test_what_was_encoded_decodes_to_itself_here_and_elsewhere(example, is_optimal):
    image, precision = example
    codestream = encode_jpeg_lossless(image, precision, is_optimal=is_optimal)

    assert np.array_equal(decode_jpeg_lossless(codestream), image)
    assert np.array_equal(turbo(codestream, image.shape[2] if image.ndim == 3 else 1), image)


@given(pictures(), st.integers(1, 7))
def test_what_libjpeg_turbo_wrote_is_decoded(example, predictor):
    image, precision = example
    codestream = imagecodecs.jpeg8_encode(
        image,
        lossless=True,
        predictor=predictor,
        bitspersample=precision,
        colorspace="RGB" if image.ndim == 3 else None,
        outcolorspace="RGB" if image.ndim == 3 else None,
    )

    assert np.array_equal(decode_jpeg_lossless(codestream), image)


@settings(max_examples=200)
@given(st.data())
def test_everything_the_standard_allows_is_decoded(data):
    precision = data.draw(st.integers(2, 16))
    rows, columns, count = (data.draw(st.integers(1, high)) for high in (9, 20, 4))
    point_transform = data.draw(st.integers(0, precision - 1))
    kind, seed = data.draw(st.sampled_from(KINDS)), data.draw(st.integers(0, 1 << 20))
    planes = picture(kind, (count * rows, columns), precision, seed).reshape(count, rows, columns)
    options = {
        "predictor": data.draw(st.integers(1, 7)),
        "point_transform": point_transform,
        "restart_rows": data.draw(st.integers(0, rows)),
        "is_interleaved": data.draw(st.booleans()),
        "tables": data.draw(st.lists(st.sampled_from([STANDARD, LONG, FLAT]), min_size=1, max_size=4)),
    }

    image = decode_jpeg_lossless(encode(planes.tolist(), precision, **options))

    expected = np.moveaxis(planes >> point_transform << point_transform, 0, -1)
    assert np.array_equal(image, expected[:, :, 0] if count == 1 else expected)


@pytest.mark.parametrize("predictor", range(1, 8))
@pytest.mark.parametrize("options", [{}, {"restart_rows": 2}, {"point_transform": 3}])
def test_the_naive_encoder_writes_what_libjpeg_turbo_reads(predictor, options):
    codestream = encode([VALUES.tolist()], 12, predictor=predictor, **options)

    shift = options.get("point_transform", 0)
    assert np.array_equal(turbo(codestream), VALUES >> shift << shift)
    assert np.array_equal(decode_jpeg_lossless(codestream), VALUES >> shift << shift)


def test_differences_of_32768_are_coded_without_further_bits():
    image = np.array([[0, 32768, 0, 0, 32768], [32768, 0, 65535, 32767, 65535]], np.uint16)

    codestream = encode_jpeg_lossless(image, 16)

    assert np.array_equal(decode_jpeg_lossless(codestream), image)
    assert np.array_equal(turbo(codestream), image)
    assert np.array_equal(decode_jpeg_lossless(encode([image.tolist()], 16, tables=(LONG,))), image)


def test_a_frame_of_the_caller_is_filled():
    stack = np.zeros((2, *VALUES.shape), np.uint16)

    decode_jpeg_lossless(CODED, out=stack[1])

    assert np.array_equal(stack[1], VALUES)
    with pytest.raises(InvalidArgument):
        decode_jpeg_lossless(CODED, out=np.zeros((7, 10), np.uint16))


def test_other_segments_and_fill_bytes_are_passed_over():
    extra = segment(0xFE, b"comment") + segment(0xE0, b"JFIF\0") + b"\xff\xff"
    codestream = CODED[:2] + extra + CODED[2:-2] + b"\xff\xff" + CODED[-2:] + b"\0padding"

    assert np.array_equal(decode_jpeg_lossless(codestream), VALUES)


@pytest.mark.parametrize("options", [{}, {"restart_rows": 2}])
def test_every_truncation_is_an_error(options):
    codestream = encode([VALUES.tolist()], 12, **options)

    for length in range(len(codestream)):
        with pytest.raises(DecodeError):
            decode_jpeg_lossless(codestream[:length])


def test_data_that_ends_before_its_marker_is_cut_off():
    start = CODED.index(b"\xff\xda") + 10

    for length in range(start, len(CODED) - 4):
        with pytest.raises(DecodeError, match=r"cut off in row|bits in row"):
            decode_jpeg_lossless(CODED[:length].removesuffix(b"\xff") + b"\xff\xd9")


def altered(find, replace):
    assert find in CODED
    return CODED.replace(find, replace, 1)


FRAME = CODED[CODED.index(b"\xff\xc3") :][:13]
SCAN = CODED[CODED.index(b"\xff\xda") :][:10]
HUFFMAN = CODED[CODED.index(b"\xff\xc4") :][:38]
DAMAGED = {
    "a second JPEG frame header": altered(FRAME, FRAME + FRAME),
    "before the frame header": altered(FRAME, b""),
    "table 0, which is not there": altered(HUFFMAN, b""),
    "predictor 0": altered(SCAN, SCAN[:-3] + b"\0\0\0"),
    "predictor 8": altered(SCAN, SCAN[:-3] + b"\x08\0\0"),
    "shifts 12 bits by 12": altered(SCAN, SCAN[:-1] + b"\x0c"),
    r"components \[9\]": altered(SCAN, SCAN[:5] + b"\x09" + SCAN[6:]),
    "declares 5 components": altered(SCAN, SCAN[:4] + b"\x05" + SCAN[5:]),
    "of 17 bits": altered(FRAME, FRAME[:4] + b"\x11" + FRAME[5:]),
    "x 0 samples": altered(FRAME, FRAME[:7] + b"\0\0" + FRAME[9:]),
    "too few for": altered(FRAME, FRAME[:5] + b"\xff\xff\xff\xff" + FRAME[9:]),
    "restarts after 4 samples": altered(SCAN, segment(0xDD, b"\0\x04") + SCAN),
    "interval 1 of 7 end at marker FFD9": altered(SCAN, segment(0xDD, b"\0\x09") + SCAN),
    "more codes than 2 bits": altered(HUFFMAN, HUFFMAN[:5] + b"\0\x05\x01" + HUFFMAN[8:]),
    "not of 0 to 16": altered(HUFFMAN, HUFFMAN[:-1] + b"\x11"),
    "table FFC4 at byte 15 is cut off": altered(HUFFMAN, HUFFMAN[:3] + b"\x12" + HUFFMAN[4:21]),
    "without scans of all components": altered(CODED[CODED.index(SCAN) : -2], b""),
    "codes a component again": CODED[:-2] + CODED[CODED.index(SCAN) :],
    "not with SOI": b"\xff\xd9" + CODED,
    "no JPEG marker at byte 2": CODED[:2] + b"\0" + CODED[2:],
    "past the end": CODED[:2] + b"\xff\xe0\xff\xff" + CODED[2:],
}


@pytest.mark.parametrize("match", DAMAGED)
def test_damage_is_named_with_its_place(match):
    with pytest.raises(DecodeError, match=match):
        decode_jpeg_lossless(DAMAGED[match])


UNSUPPORTED = {
    "DNL": altered(FRAME, FRAME[:5] + b"\0\0" + FRAME[7:]),
    r"\(DNL\)": CODED[:-2] + segment(0xDC, b"\0\x07") + CODED[-2:],
    "FFC0": altered(b"\xff\xc3", b"\xff\xc0"),
    "FFC7": altered(b"\xff\xc3", b"\xff\xc7"),
    "FFCC": altered(SCAN, segment(0xCC, b"\0\0") + SCAN),
    "FFF7": altered(b"\xff\xc3", b"\xff\xf7"),
    "subsampled": segment(0xD8, b"")[:2] + segment(0xC3, b"\x08\0\x07\0\x09\x02\x01\x21\0\x02\x11\0") + CODED[15:],
}


@pytest.mark.parametrize("match", UNSUPPORTED)
def test_what_is_not_supported_is_named(match):
    with pytest.raises(UnsupportedPixels, match=match):
        decode_jpeg_lossless(UNSUPPORTED[match])


def test_bits_that_are_no_code_are_refused():
    few = ((0, 1) + (0,) * 14, b"\x03")
    image = 2048 + np.array([[4, 8, 1]])
    codestream = encode([image.tolist()], 12, tables=(few,))
    start = codestream.index(b"\xff\xda") + 10

    assert np.array_equal(decode_jpeg_lossless(codestream), image)
    with pytest.raises(DecodeError, match="no Huffman code"):
        decode_jpeg_lossless(codestream[:start] + b"\xf0" + codestream[start + 1 :])


def test_restart_markers_out_of_order_are_refused():
    codestream = encode([VALUES.tolist()], 12, restart_rows=1)

    with pytest.raises(DecodeError, match="FFD5"):
        decode_jpeg_lossless(codestream.replace(b"\xff\xd2", b"\xff\xd5"))
    with pytest.raises(DecodeError, match="FFD0"):
        decode_jpeg_lossless(CODED[:-2] + b"\xff\xd0" + CODED[-2:])


@pytest.mark.parametrize(
    ("image", "precision"),
    [
        (np.zeros((0, 3), np.uint8), 8),
        (np.zeros(3, np.uint8), 8),
        (np.zeros((2, 2), np.int16), 12),
        (np.zeros((2, 2, 5), np.uint8), 8),
        (np.full((2, 2), 256, np.uint16), 8),
        (np.zeros((2, 2), np.uint8), 1),
        (np.zeros((2, 2), np.uint16), 17),
        (np.zeros((1, 65536), np.uint8), 8),
    ],
)
def test_arrays_that_are_no_frame_are_refused(image, precision):
    with pytest.raises(InvalidArgument):
        encode_jpeg_lossless(image, precision)


@given(st.lists(st.integers(0, 1 << 40), min_size=17, max_size=17).filter(any))
def test_optimal_codes_are_at_most_16_bits_and_never_all_ones(frequencies):
    table = optimal_lengths(frequencies)

    assert sorted(table.values) == [value for value, count in enumerate(frequencies) if count]
    assert len(table.counts) == 16
    assert sum(count << (16 - length) for length, count in enumerate(table.counts, 1)) < 1 << 16


def test_frequencies_that_would_take_17_bits_are_brought_to_16():
    table = optimal_lengths([1 << number for number in range(17)])

    assert len(table.values) == sum(table.counts) == 17
    assert sum(count << (16 - length) for length, count in enumerate(table.counts, 1)) < 1 << 16


@settings(max_examples=400)
@given(st.data())
def test_a_damaged_codestream_gives_an_array_or_an_error_of_ours(data):
    planes = [VALUES.tolist()] if data.draw(st.booleans()) else [VALUES.tolist()] * 3
    restart_rows = data.draw(st.sampled_from([0, 2]))
    tables = (data.draw(st.sampled_from([STANDARD, LONG])), STANDARD)
    codestream = bytearray(
        encode(planes, 12, predictor=data.draw(st.integers(1, 7)), restart_rows=restart_rows, tables=tables)
    )
    for position in data.draw(st.lists(st.integers(0, len(codestream) - 1), min_size=1, max_size=4)):
        codestream[position] = data.draw(st.integers(0, 255))
    start, end = sorted((data.draw(st.integers(0, len(codestream))), data.draw(st.integers(0, len(codestream)))))

    for damaged in (bytes(codestream), bytes(codestream[:end]), bytes(codestream[:start] + codestream[end:])):
        try:
            image = decode_jpeg_lossless(damaged)
        except FilmlessError:
            continue
        assert image.size <= 8 * len(damaged)


@given(st.binary(max_size=300), st.sampled_from([STANDARD, LONG, FLAT]), st.integers(1, 7))
def test_any_bits_decode_or_are_refused(body, table, predictor):
    codestream = encode([[[0] * 13] * 11] * 2, 16, predictor=predictor, tables=(table,))
    start = codestream.index(b"\xff\xda") + 12

    try:
        image = decode_jpeg_lossless(codestream[:start] + body.replace(b"\xff", b"\xff\0") + b"\xff\xd9")
    except DecodeError:
        return
    assert image.shape == (11, 13, 2)


@pytest.mark.real
def test_real_frames_decode_as_libjpeg_and_libjpeg_turbo_decode_them(real_data):
    compared = set()
    for name, codestream, pixels in real_frames(real_data, SYNTAXES):
        if name in IS_BASELINE:
            with pytest.raises(UnsupportedPixels, match="FFC0"):
                decode_jpeg_lossless(codestream)
            continue
        image = decode_jpeg_lossless(codestream)
        assert np.array_equal(image, turbo(codestream, pixels.samples_per_pixel)), name
        if "volumes" not in name:
            assert np.array_equal(image, libjpeg.decode(codestream, 0).reshape(image.shape)), name
        again = encode_jpeg_lossless(image, max(8, int(image.max()).bit_length()))
        assert np.array_equal(decode_jpeg_lossless(again), image), name
        compared.add(name)
    assert len(compared) >= 160


@pytest.mark.real
@pytest.mark.parametrize(("name", "samples"), [("GRAYSCALE", 1), ("RGB", 3)])
def test_bare_codestreams_decode_to_their_raw_reference(real_data, name, samples):
    folder = real_data / "codec_streams" / "one_tile_many_codecs"
    codestream = (folder / f"JPEG_Lossless__Non-Hierarchical__Process_14_-{name}-8.jpg").read_bytes()
    raw = np.frombuffer((folder / f"Explicit_VR_Big_Endian-{name}-8.raw").read_bytes(), np.uint8)

    image = decode_jpeg_lossless(codestream)

    assert np.array_equal(image.reshape(-1), raw)


def test_a_giant_header_is_refused_before_anything_is_allocated():
    head = struct.pack(">BHHB", 16, 65535, 65535, 255)
    body = head + b"".join(bytes([number, 17, 0]) for number in range(255))

    with pytest.raises(DecodeError, match="too few"):
        decode_jpeg_lossless(b"\xff\xd8" + segment(0xC3, body) + HUFFMAN + SCAN + bytes(100) + b"\xff\xd9")
