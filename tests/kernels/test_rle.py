"""RLE Lossless, both ways, against its naive twin and against pylibjpeg-rle."""

from __future__ import annotations

import itertools
import struct

import numpy as np
import pytest
from codec_images import images
from filmless.errors import DecodeError, FilmlessError, InvalidArgument, UnsupportedPixels
from filmless.kernels.rle import decode_rle, encode_rle
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import rle as naive
from real_frames import real_frames
from rle import rle as peer

RLE = "1.2.840.10008.1.2.5"


def frame_of(*segments):
    offsets = [64 + sum(map(len, segments[:number])) for number in range(len(segments))]
    return struct.pack("<16I", len(segments), *offsets, *[0] * (15 - len(segments))) + b"".join(segments)


def planar(frame):
    return np.moveaxis(frame, -1, 0) if frame.ndim == 3 else frame


def layout(frame):
    """Rows, columns, samples and bytes a sample, as `decode_rle` takes them."""
    rows, columns, *samples = frame.shape
    return rows, columns, samples[0] if samples else 1, frame.itemsize


@given(images((np.uint8, np.uint16, np.uint32)))
def test_what_was_encoded_decodes_to_itself_here_and_elsewhere(frame):
    codestream = encode_rle(frame)

    ours = decode_rle(codestream, *layout(frame))
    theirs = peer.decode_frame(codestream, frame.shape[0] * frame.shape[1], 8 * frame.itemsize, "<")

    assert np.array_equal(ours, frame)
    assert bytes(theirs) == planar(frame).tobytes()


@given(images((np.uint8, np.uint16, np.uint32)))
def test_what_another_encoder_wrote_is_decoded(frame):
    rows, columns, samples, width = layout(frame)
    codestream = bytes(peer.encode_frame(frame.tobytes(), rows, columns, samples, 8 * width, "<"))

    assert np.array_equal(decode_rle(codestream, rows, columns, samples, width), frame)


def test_doubles_take_eight_segments():
    words = np.random.default_rng(2).integers(0, 1 << 63, (5, 7), np.uint64)

    assert np.array_equal(decode_rle(encode_rle(words), 5, 7, 1, 8), words)


def test_each_row_is_encoded_apart():
    frame = np.full((6, 5), 9, np.uint8)

    assert encode_rle(frame)[64:] == bytes([252, 9]) * 6


def test_segments_have_even_length():
    frame = np.arange(10, dtype=np.uint16).reshape(2, 5) << 8

    codestream = encode_rle(frame)

    offsets = struct.unpack_from("<3I", codestream)[1:]
    assert [*(offset % 2 for offset in offsets), len(codestream) % 2] == [0, 0, 0]


@settings(max_examples=300)
@given(st.binary(max_size=400), st.integers(1, 400), st.sampled_from([(1, 1), (3, 1), (1, 2), (2, 2), (1, 4)]))
def test_any_bytes_decode_as_the_standard_says_or_are_cut_off(body, pixels, kind):
    samples, width = kind
    cuts = np.linspace(0, len(body), samples * width + 1).astype(int)
    pieces = [body[start:end] or b"\x80" for start, end in itertools.pairwise(cuts)]
    codestream = frame_of(*pieces)
    expected = naive.decode(codestream, pixels, samples, width)

    if expected is None:
        with pytest.raises(DecodeError, match="cut off at byte"):
            decode_rle(codestream, 1, pixels, samples, width)
    else:
        assert decode_rle(codestream, 1, pixels, samples, width).reshape(-1).tolist() == expected


@pytest.mark.parametrize("size", [4095, 4096, 4097, 8192 + 127, 20000])
def test_runs_may_cross_the_blocks_of_the_decoder(size):
    rng = np.random.default_rng(size)
    lengths = rng.integers(1, 300, size)
    plane = np.repeat(rng.integers(0, 4, size, np.uint8), lengths)[:size]
    noise = rng.integers(0, 256, size, np.uint8)
    frame = np.where(rng.random(size) < 0.5, plane, noise).astype(np.uint8).reshape(1, size)

    assert np.array_equal(decode_rle(encode_rle(frame), 1, size, 1, 1), frame)


def test_a_frame_of_the_caller_is_filled():
    frame = np.arange(6, dtype=np.uint16).reshape(2, 3)
    stack = np.zeros((2, 2, 3), np.uint16)

    out = decode_rle(encode_rle(frame), 2, 3, 1, 2, out=stack[1])

    assert np.shares_memory(out, stack)
    assert np.array_equal(stack[1], frame)


def test_every_truncation_is_an_error():
    rng = np.random.default_rng(8)
    codestream = encode_rle(rng.integers(0, 3, (9, 11, 3), np.uint8) * rng.integers(0, 2, (9, 11, 3), np.uint8))

    # The last byte may be padding.
    for length in range(len(codestream) - 1):
        with pytest.raises(DecodeError):
            decode_rle(codestream[:length], 9, 11, 3, 1)


def test_padding_after_a_segment_is_passed_over():
    codestream = frame_of(bytes([2, 1, 2, 3, 0, 0, 200]))

    assert decode_rle(codestream, 1, 3, 1, 1).tolist() == [[1, 2, 3]]


@pytest.mark.parametrize(
    ("header", "match"),
    [
        ((2, 64, 66), "2 segments"),
        ((0,), "0 segments"),
        ((1, 60), "do not rise"),
        ((1, 1000), "do not rise"),
        ((0xFFFFFFFF, 64), "segments"),
    ],
)
def test_a_header_that_does_not_fit_is_refused(header, match):
    codestream = struct.pack("<16I", *header, *[0] * (16 - len(header))) + bytes(10)

    with pytest.raises(DecodeError, match=match):
        decode_rle(codestream, 2, 2, 1, 1)


def test_more_than_15_segments_are_refused():
    with pytest.raises(UnsupportedPixels):
        decode_rle(bytes(100), 2, 2, 4, 4)
    with pytest.raises(InvalidArgument, match="15"):
        encode_rle(np.zeros((2, 2, 4), np.uint32))


@pytest.mark.parametrize("frame", [np.zeros((0, 3), np.uint8), np.zeros(3, np.uint8), np.zeros((2, 2), np.int16)])
def test_arrays_that_are_no_frame_are_refused(frame):
    with pytest.raises(InvalidArgument):
        encode_rle(frame)


@pytest.mark.parametrize("kind", [(-1, 1, 1, 1), (1, 1, 0, 1), (1, 1, 1, 3)])
def test_impossible_layouts_are_refused(kind):
    with pytest.raises(InvalidArgument):
        decode_rle(bytes(100), *kind)


@settings(max_examples=200)
@given(st.data())
def test_a_damaged_frame_gives_an_array_or_an_error_of_ours(data):
    codestream = bytearray(encode_rle(np.arange(300, dtype=np.uint16).reshape(12, 25) // 7 * 97))
    for position in data.draw(st.lists(st.integers(0, len(codestream) - 1), max_size=6)):
        codestream[position] = data.draw(st.integers(0, 255))

    try:
        frame = decode_rle(bytes(codestream), 12, 25, 1, 2)
    except FilmlessError:
        return
    assert frame.shape == (12, 25)


@pytest.mark.real
def test_real_frames_decode_as_pylibjpeg_decodes_them(real_data):
    compared = set()
    for name, codestream, pixels in real_frames(real_data, {RLE}):
        # Its decoder refuses one-bit pixels; those of the tests of the engine are compared with the native file.
        if pixels.bits_allocated == 1:
            continue
        words = decode_rle(
            codestream, pixels.rows, pixels.columns, pixels.samples_per_pixel, pixels.bits_allocated // 8
        )
        theirs = peer.decode_frame(codestream, pixels.rows * pixels.columns, pixels.bits_allocated, "<")
        assert planar(words).tobytes() == bytes(theirs), name
        assert np.array_equal(decode_rle(encode_rle(words), *layout(words)), words), name
        compared.add(name)
    assert len(compared) >= 18


@pytest.mark.real
@pytest.mark.parametrize(("name", "samples"), [("GRAYSCALE", 1), ("RGB", 3)])
def test_bare_frames_decode_to_their_raw_reference(real_data, name, samples):
    folder = real_data / "codec_streams" / "one_tile_many_codecs"
    codestream = (folder / f"RLE_Lossless-{name}-8.rle").read_bytes()
    raw = np.frombuffer((folder / f"Explicit_VR_Big_Endian-{name}-8.raw").read_bytes(), np.uint8)
    side = int((raw.size // samples) ** 0.5)

    frame = decode_rle(codestream, side, side, samples, 1)

    assert np.array_equal(frame.reshape(-1), raw)
