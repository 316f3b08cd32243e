from __future__ import annotations

import google_crc32c
import numpy as np
import pytest
from filmless.kernels import blosc
from filmless.storage import native
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numcodecs import Blosc, Zstd

DTYPES = ["uint8", "int8", "int16", "uint16", "int32", "uint32", "int64", "float32", "float64"]
BLOCKS = st.sampled_from([8, 64, 256, 4096])
BLOCK_BYTES = 256
UNSPLIT = 0x10
"""The flag of chunks whose blocks are one stream each."""


@st.composite
def chunks(draw):
    """Chunks of any type and shape, from all zeros to pure noise."""
    shape = draw(st.tuples(*[st.integers(1, 9)] * 3))
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    random = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    noise = np.frombuffer(random.bytes(int(np.prod(shape)) * dtype.itemsize), dtype).reshape(shape)
    return np.where(random.random(shape) < draw(st.sampled_from([0, 0.1, 1])), noise, dtype.type(0))


def in_bytes(shape, item_bytes):
    """A shape (z, y, x) with x in bytes."""
    return (*shape[:2], shape[2] * item_bytes)


def encode(slab, chunk_shape, block_bytes=BLOCK_BYTES):
    """Encode all chunks of a slab; their bytes, one after another, and the lengths."""
    grid = [-(-n // k) for n, k in zip(slab.shape[1:], chunk_shape[1:], strict=True)]
    count, chunk_bytes = grid[0] * grid[1], int(np.prod(chunk_shape)) * slab.itemsize
    block = min(block_bytes, chunk_bytes)
    out = np.empty(count * blosc.bound_bytes(chunk_bytes, block), np.uint8)
    lengths = np.zeros(count, np.int64)
    raw = np.ascontiguousarray(slab).view(np.uint8)
    shape = slab.itemsize, in_bytes(chunk_shape, slab.itemsize)
    used = blosc.encode_chunks(raw, *shape, 0, count, block, native.compressor(1), out, lengths)
    return out[:used], lengths


def encode_one(values, block_bytes=BLOCK_BYTES):
    """Encode an array as the one chunk it is."""
    return encode(values, values.shape, block_bytes)[0].copy()


def decode_into(box, encoded, ranges, origins, shape, block_bytes=BLOCK_BYTES):
    """Decode chunks of `shape` into their places in `box`; status and index."""
    item = box.itemsize
    block = min(block_bytes, int(np.prod(shape)) * item)
    table = np.array(ranges, np.uint64), np.array(origins, np.int64) * (1, 1, item)
    chunk = item, in_bytes(shape, item), block, native.decompressor()
    return blosc.decode_chunks(encoded, *table, *chunk, box.view(np.uint8))


def decode_ranges(shard, ranges, shape, dtype, block_bytes=BLOCK_BYTES):
    """Decode chunks of `shape` that lie one above another; status, index, box."""
    box = np.full((shape[0] * len(ranges), *shape[1:]), 99, dtype)
    origins = [(n * shape[0], 0, 0) for n in range(len(ranges))]
    status, index = decode_into(box, shard, ranges, origins, shape, block_bytes)
    return status, index, box


def decode_one(encoded, shape, dtype, block_bytes=BLOCK_BYTES):
    """Decode one chunk; status and values."""
    status, _, box = decode_ranges(np.asarray(encoded), [(0, len(encoded))], shape, dtype, block_bytes)
    return status, box


def with_crc(body):
    """Put the right checksum after altered bytes."""
    body = np.asarray(body, np.uint8)
    crc = google_crc32c.value(body.tobytes()).to_bytes(4, "little")
    return np.concatenate([body, np.frombuffer(crc, np.uint8)])


def body_of(values):
    return encode_one(values)[: -blosc.CRC_BYTES].copy()


def put_int32(body, at, value):
    body[at : at + 4] = np.frombuffer((value & 0xFFFFFFFF).to_bytes(4, "little"), np.uint8)


@pytest.fixture(scope="module")
def smooth():
    """A chunk of eight blocks that compress."""
    return np.arange(8 * 8 * 16, dtype=np.int16).reshape(8, 8, 16)


@pytest.fixture(scope="module")
def noise():
    """A chunk of four blocks that do not compress."""
    return np.random.default_rng(1).integers(0, 256, (4, 8, 32), np.uint8)


@settings(max_examples=120)
@given(values=chunks(), block=BLOCKS)
def test_numcodecs_decodes_every_chunk(values, block):
    encoded = encode_one(values, block)

    if not values.tobytes().strip(b"\0"):
        assert len(encoded) == 0
    else:
        assert Blosc().decode(encoded[:-4].tobytes()) == values.tobytes()
        assert int.from_bytes(encoded[-4:].tobytes(), "little") == google_crc32c.value(encoded[:-4].tobytes())


@settings(max_examples=120)
@given(values=chunks(), block=BLOCKS)
def test_what_was_encoded_decodes_to_the_same_bytes(values, block):
    values.reshape(-1)[0] = 1  # zeros are left out, and have no chunk to decode

    status, decoded = decode_one(encode_one(values, block), values.shape, values.dtype, block)

    assert status == blosc.OK
    assert decoded.tobytes() == values.tobytes()


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint32", "float64"])
@pytest.mark.parametrize("block", [1024, 32768])
def test_chunks_that_numcodecs_made_are_decoded(dtype, block):
    values = (np.arange(16 * 32 * 32) // 5 % 199).astype(dtype).reshape(16, 32, 32)
    shuffle = Blosc.SHUFFLE if values.itemsize > 1 else Blosc.NOSHUFFLE
    body = np.frombuffer(Blosc("zstd", 5, shuffle, block).encode(values), np.uint8)
    assert body[2] & UNSPLIT

    status, decoded = decode_one(with_crc(body), values.shape, dtype, int.from_bytes(body[8:12].tobytes(), "little"))

    assert status == blosc.OK
    np.testing.assert_array_equal(decoded, values)


@settings(max_examples=40)
@given(
    data=st.data(),
    shape=st.tuples(st.integers(1, 4), st.integers(1, 20), st.integers(1, 20)),
    cut=st.tuples(st.integers(1, 9), st.integers(1, 9)),
)
def test_a_slab_is_cut_into_chunks_padded_with_zeros(data, shape, cut):
    slab = data.draw(arrays("int16", shape))
    chunk_shape = (4, *cut)

    encoded, lengths = encode(slab, chunk_shape)

    rows, columns = (-(-n // k) for n, k in zip(shape[1:], cut, strict=True))
    padded = np.zeros((4, rows * cut[0], columns * cut[1]), np.int16)
    padded[: shape[0], : shape[1], : shape[2]] = slab
    at = 0
    for number, length in enumerate(lengths.tolist()):
        row, column = divmod(number, columns)
        expected = padded[:, row * cut[0] :, column * cut[1] :][:, : cut[0], : cut[1]]
        stored = encoded[at : at + length][:-4].tobytes()
        assert (Blosc().decode(stored) if length else bytes(expected.nbytes)) == expected.tobytes()
        at += length
    assert at == len(encoded)


def test_a_chunk_of_zeros_is_left_out_and_read_as_zeros():
    slab = np.zeros((1, 4, 8), np.int16)
    slab[0, 0, 5] = 7

    encoded, lengths = encode(slab, (1, 4, 4))
    missing = np.iinfo(np.uint64).max
    status, _, box = decode_ranges(encoded, [(missing, missing), (0, lengths[1])], (1, 4, 4), "int16")

    assert lengths[0] == 0
    assert len(encoded) == lengths[1] > 0
    assert status == blosc.OK
    np.testing.assert_array_equal(box, [slab[0, :, :4], slab[0, :, 4:]])


def test_a_block_that_does_not_compress_is_kept_as_it_is(noise):
    encoded = encode_one(noise)

    words = 2 * noise.nbytes // BLOCK_BYTES  # where each block begins, and how long it is
    assert len(encoded) == blosc.HEADER_BYTES + 4 * words + noise.nbytes + blosc.CRC_BYTES
    assert len(encoded) <= blosc.bound_bytes(noise.nbytes, BLOCK_BYTES)
    assert noise.tobytes()[:BLOCK_BYTES] in encoded.tobytes()
    assert decode_one(encoded, noise.shape, "uint8")[1].tobytes() == noise.tobytes()


def streams_of(body, block, count):
    """The streams of one block, taken apart without any of our code."""
    at = int.from_bytes(body[16 + 4 * block :][:4].tobytes(), "little")
    for _ in range(count):
        used = int.from_bytes(body[at : at + 4].tobytes(), "little")
        yield body[at + 4 : at + 4 + used].tobytes()
        at += 4 + used


def test_a_block_of_16_bits_is_a_stream_of_low_bytes_and_one_of_high_bytes(smooth):
    body = body_of(smooth)

    assert not body[2] & UNSPLIT
    for block, values in enumerate(smooth.reshape(-1, BLOCK_BYTES // 2)):
        planes = [
            stream if len(stream) == BLOCK_BYTES // 2 else Zstd().decode(stream)
            for stream in streams_of(body, block, 2)
        ]
        assert planes == [(values & 0xFF).astype(np.uint8).tobytes(), (values >> 8).astype(np.uint8).tobytes()]


@pytest.mark.parametrize(("dtype", "block"), [("uint8", 256), ("int16", 254), ("float32", 256), ("float64", 512)])
def test_blocks_of_other_items_and_small_blocks_are_one_stream(dtype, block):
    values = np.ones((4, 16, 16), dtype)

    assert encode_one(values, block)[2] & UNSPLIT


@pytest.mark.parametrize("size", [26, 128, 254, 1000, 32768, 65536, 131072, 131074])
@pytest.mark.parametrize("value", [1, 255])
def test_bytes_that_are_all_alike_are_a_frame_that_zstd_reads(size, value):
    values = np.full((1, 1, size), value, np.uint8)

    encoded = encode_one(values, size)

    (stream,) = streams_of(encoded, 0, 1)
    assert Zstd().decode(stream) == values.tobytes()
    assert len(stream) < 30


@pytest.mark.parametrize("at", [0, 1, 7, 8, 255, 256, 257, 1023, 1029])
def test_one_byte_that_differs_is_kept_wherever_it_is(at):
    values = np.full((1, 1, 1030), 9, np.uint8)
    values[0, 0, at] = 8

    assert decode_one(encode_one(values, 1030), values.shape, "uint8", 1030)[1].tobytes() == values.tobytes()


def test_every_single_flipped_bit_of_a_chunk_is_noticed(smooth):
    encoded = encode_one(smooth)

    for bit in range(len(encoded) * 8):
        encoded[bit // 8] ^= 1 << bit % 8
        assert decode_one(encoded, smooth.shape, "int16")[0] == blosc.BAD_CRC
        encoded[bit // 8] ^= 1 << bit % 8


def test_every_chunk_cut_short_is_noticed(smooth):
    encoded = encode_one(smooth)

    for length in range(len(encoded)):
        assert decode_one(encoded[:length], smooth.shape, "int16")[0] in (blosc.BAD_RANGE, blosc.BAD_CRC)


@pytest.mark.parametrize(
    ("offset", "length"),
    [
        (0, 1 << 40),
        (1 << 63, 40),
        (2**64 - 2, 40),
        (2**64 - 1, 40),
        (40, 2**64 - 1),
        (2**64 - 30, 2**64 - 40),
        (999, 8),
    ],
)
def test_a_range_outside_the_shard_is_told(smooth, offset, length):
    status, index, box = decode_ranges(encode_one(smooth), [(offset, length)], smooth.shape, "int16")

    assert (status, index) == (blosc.BAD_RANGE, 0)
    assert (box == 99).all()


def test_the_failing_chunk_is_named_by_its_index(smooth):
    encoded = encode_one(smooth)
    shard = np.concatenate([encoded, encoded, encoded])
    shard[len(encoded) + 30] ^= 1
    ranges = [(n * len(encoded), len(encoded)) for n in range(3)]

    status, index, box = decode_ranges(shard, ranges, smooth.shape, "int16")

    assert (status, index) == (blosc.BAD_CRC, 1)
    np.testing.assert_array_equal(box[:8], smooth)


WORDS = [0, 1, -1, 3, 15, 16, 17, 255, 257, 4096, 2**31 - 1, -(2**31), -2]


@pytest.mark.parametrize("value", WORDS)
@pytest.mark.parametrize("at", [4, 8, 16, 20, 44], ids=["size", "block size", "start", "second start", "last start"])
def test_a_hostile_word_with_a_valid_checksum_gives_a_status(smooth, at, value):
    body = body_of(smooth)
    put_int32(body, at, value)

    status, _ = decode_one(with_crc(body), smooth.shape, "int16")

    assert status in (blosc.BAD_HEADER, blosc.BAD_STREAM)


def test_blocks_of_another_size_than_the_array_has_give_a_status(smooth):
    for block_bytes in set(range(1, 2 * BLOCK_BYTES)) - {BLOCK_BYTES}:
        body = body_of(smooth)
        put_int32(body, 8, block_bytes)
        assert decode_one(with_crc(body), smooth.shape, "int16")[0] in (blosc.BAD_HEADER, blosc.BAD_STREAM)


@pytest.mark.parametrize("value", WORDS)
def test_a_hostile_block_length_with_a_valid_checksum_gives_a_status(smooth, value):
    body = body_of(smooth)
    start = int.from_bytes(body[16:20].tobytes(), "little")
    put_int32(body, start, value)

    status, _ = decode_one(with_crc(body), smooth.shape, "int16")

    assert status in (blosc.BAD_HEADER, blosc.BAD_STREAM)


@pytest.mark.parametrize("byte", [2, 3])
def test_flags_and_item_size_must_be_those_of_the_array(smooth, byte):
    body = body_of(smooth)
    other_form = int(body[2]) ^ UNSPLIT
    for value in set(range(256)) - {int(body[byte])}:
        body[byte] = value
        status = decode_one(with_crc(body), smooth.shape, "int16")[0]
        assert status == (blosc.BAD_STREAM if (byte, value) == (2, other_form) else blosc.BAD_HEADER)


@settings(max_examples=300)
@given(data=st.data())
def test_random_bytes_with_a_valid_checksum_never_write_outside_the_box(data):
    values = np.arange(8 * 8 * 16, dtype=np.int16).reshape(8, 8, 16)
    body = body_of(values)
    for _ in range(data.draw(st.integers(1, 8))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    encoded = with_crc(body[: data.draw(st.integers(0, len(body)))])
    arena = np.full(3 * values.size, 55, np.int16)
    box = arena[values.size : 2 * values.size].reshape(values.shape)

    status, _ = decode_into(box, encoded, [(0, len(encoded))], [(0, 0, 0)], values.shape)

    assert status in (blosc.OK, blosc.BAD_RANGE, blosc.BAD_HEADER, blosc.BAD_STREAM)
    assert (np.delete(arena, np.s_[values.size : 2 * values.size]) == 55).all()


def test_a_shard_shorter_than_a_header_is_told():
    for length in range(blosc.HEADER_BYTES + blosc.CRC_BYTES):
        assert decode_one(np.zeros(length, np.uint8), (1, 1, 1), "uint8")[0] == blosc.BAD_RANGE


@settings(max_examples=60)
@given(
    origin=st.tuples(st.integers(-9, 9), st.integers(-9, 9), st.integers(-17, 17)),
    shape=st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9)),
)
def test_only_the_part_of_a_chunk_inside_the_box_is_written(origin, shape):
    values = np.arange(1, 8 * 8 * 16 + 1, dtype=np.int16).reshape(8, 8, 16)
    encoded = encode_one(values)
    box = np.zeros(shape, np.int16)

    status, _ = decode_into(box, encoded, [(0, len(encoded))], [origin], values.shape)

    expected = np.zeros(shape, np.int16)
    inside = [slice(max(0, o), max(0, min(n, o + k))) for o, n, k in zip(origin, shape, values.shape, strict=True)]
    part = [slice(max(0, -o), max(0, min(k, n - o))) for o, n, k in zip(origin, shape, values.shape, strict=True)]
    expected[tuple(inside)] = values[tuple(part)]
    assert status == blosc.OK
    np.testing.assert_array_equal(box, expected)
