from __future__ import annotations

import numpy as np
import pytest
from filmless.kernels import blosc
from filmless.kernels.crc32c import crc32c
from filmless.kernels.dense import chunks
from filmless.kernels.dense.layout import HEADER_BYTES, MODE, MODELS, PREDICTED, SHIFT, STORED
from filmless.kernels.dense.tables import TOTAL, tables
from filmless.storage import native
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import dense as naive

DTYPES = ["uint8", "int8", "uint16", "int16", "uint32", "int32"]


@st.composite
def volumes(draw, largest=9):
    """Smooth, noisy or wild values of any type and shape."""
    shape = draw(st.tuples(*[st.integers(1, largest)] * 3))
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    random = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    info = np.iinfo(dtype)
    spread = draw(st.sampled_from([1, 10, 100, 3000, info.max]))
    base = draw(st.sampled_from([0, info.min, info.max, 100]))
    ramp = np.add.outer(np.add.outer(np.arange(shape[0]), np.arange(shape[1])), 3 * np.arange(shape[2]))
    values = base + ramp + random.integers(-spread, spread, shape, endpoint=True)
    return (values % (1 << 8 * dtype.itemsize)).astype(f"u{dtype.itemsize}").view(dtype)


def form_of(values, shape=None):
    """What kernels want to know of values: item bytes, signed, shape of a chunk."""
    return values.itemsize, values.dtype.kind == "i", tuple(shape or values.shape)


def encode(slab, shape):
    """Encode all chunks of a slab; their bytes, one after another, and the lengths."""
    rows, columns = (-(-n // k) for n, k in zip(slab.shape[1:], shape[1:], strict=True))
    out = np.empty(rows * columns * chunks.bound_bytes(int(np.prod(shape)) * slab.itemsize), np.uint8)
    lengths = np.zeros(rows * columns, np.int64)
    raw = np.ascontiguousarray(slab).view(np.uint8)
    used = chunks.encode_chunks(raw, *form_of(slab, shape), 0, rows * columns, tables(), out, lengths)
    return out[:used].copy(), lengths


def encode_one(values):
    """Encode values as the one chunk they are."""
    return encode(values, values.shape)[0]


def decode_into(box, encoded, ranges, origins, shape):
    """Decode chunks of `shape` into a box; status and index."""
    table = np.array(ranges, np.uint64), np.array(origins, np.int64) * (1, 1, box.itemsize)
    return chunks.decode_chunks(encoded, *table, box.itemsize, shape, tables(), box.view(np.uint8))


def decode_one(encoded, shape, dtype):
    """Decode one chunk whole; status and values."""
    box = np.zeros(shape, dtype)
    return decode_into(box, encoded, [(0, encoded.size)], [(0, 0, 0)], shape)[0], box


def with_checksum(body):
    """Give a chunk that says of itself that it is whole."""
    body = bytes(body)
    return np.frombuffer(body + crc32c(body).to_bytes(4, "little"), np.uint8)


def smooth(shape=(32, 32, 32), dtype="int16"):
    random = np.random.default_rng(3)
    return (50 + np.add.outer(np.arange(shape[0]), np.arange(shape[1]))[..., None] + random.normal(0, 7, shape)).astype(
        dtype
    )


@settings(max_examples=150)
@given(volumes())
def test_any_chunk_comes_back(values):
    status, decoded = decode_one(encode_one(values), values.shape, values.dtype) if values.any() else (0, values)

    assert status == blosc.OK
    assert np.array_equal(decoded, values)


@settings(max_examples=60)
@given(volumes(6))
def test_the_naive_decoder_reads_what_the_kernel_writes(values):
    if values.any():
        encoded = encode_one(values)[:-4].tobytes()

        assert np.array_equal(naive.decode(encoded, values.shape, values.dtype), values)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_naive_decoder_reads_a_chunk_that_is_predicted(dtype):
    values = smooth((20, 11, 13), dtype)
    encoded = encode_one(values)[:-4].tobytes()

    assert encoded[MODE] == PREDICTED
    assert np.array_equal(naive.decode(encoded, values.shape, dtype), values)


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 40, 70), (32, 32, 32), (33, 5, 33), (8, 64, 64), (2, 1, 100)])
def test_chunks_of_any_form_come_back(shape):
    values = smooth(shape) + np.int16(1)

    status, decoded = decode_one(encode_one(values), shape, "int16")

    assert status == blosc.OK
    assert np.array_equal(decoded, values)


def test_every_distribution_shares_out_all_states_as_the_naive_ones_do():
    slots = tables().slots.reshape(-1, TOTAL)
    for model in range(len(slots)):
        both, count = slots[model] & 0xFF, slots[model] >> 8 & 15
        found = np.stack([slots[model] >> 12 & 63, count, slots[model] >> 18], 1)

        assert found.tolist() == [list(state) for state in naive.states_of(model)]
        assert all(naive.smallest_of(token)[1] == bits for token, bits in zip(found[:, 0], both - count, strict=True))


def test_noise_is_stored_as_it_is():
    values = np.frombuffer(np.random.default_rng(1).bytes(2 * 8**3), "<u2").reshape(8, 8, 8)
    encoded = encode_one(values)

    assert encoded[MODE] == STORED
    assert encoded.size == chunks.bound_bytes(values.nbytes)
    assert np.array_equal(decode_one(encoded, values.shape, "uint16")[1], values)


def test_smooth_values_take_less_than_in_the_open_codec():
    values = smooth()
    openly = np.empty(blosc.bound_bytes(values.nbytes, 32768), np.uint8)
    form = values.view(np.uint8), 2, (32, 32, 64), 0, 1, 32768, native.compressor(1)

    assert encode_one(values).size < 0.9 * blosc.encode_chunks(*form, openly, np.zeros(1, np.int64))


@given(volumes(12), st.data())
def test_a_box_over_many_chunks_is_read_as_numpy_reads_it(values, data):
    shape = data.draw(st.tuples(st.just(values.shape[0]), st.integers(1, 6), st.integers(1, 6)))
    start = [data.draw(st.integers(0, n - 1)) for n in values.shape]
    stop = [data.draw(st.integers(a + 1, n)) for a, n in zip(start, values.shape, strict=True)]
    encoded, lengths = encode(values, shape)
    across = -(-values.shape[2] // shape[2])
    ends = np.cumsum(lengths)
    ranges = [(end - n, n) if n else (blosc.MISSING, blosc.MISSING) for end, n in zip(ends, lengths, strict=True)]
    origins = [
        (-start[0], n // across * shape[1] - start[1], n % across * shape[2] - start[2]) for n in range(len(ends))
    ]
    box = np.full([b - a for a, b in zip(start, stop, strict=True)], 77, values.dtype)

    status, _ = decode_into(box, encoded, ranges, origins, shape)

    assert status == blosc.OK
    assert np.array_equal(box, values[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))])


@given(st.integers(0, 1 << 30))
def test_a_flipped_bit_fails_the_checksum(at):
    encoded = encode_one(smooth((8, 8, 8)))
    encoded[at // 8 % encoded.size] ^= 1 << at % 8

    assert decode_one(encoded, (8, 8, 8), "int16")[0] == blosc.BAD_CRC


@settings(max_examples=300)
@given(st.binary(max_size=700), st.sampled_from([(8, 8, 8), (1, 1, 1), (5, 40, 3)]), st.booleans())
def test_hostile_bytes_are_refused_or_decoded_in_bounds(tail, shape, is_headed):
    head = bytes([PREDICTED, 8, 0, 0]) + bytes(HEADER_BYTES - 4) if is_headed else b""

    status, _ = decode_one(with_checksum(head + tail), shape, "int16")

    assert status in (blosc.OK, blosc.BAD_HEADER, blosc.BAD_STREAM, blosc.BAD_RANGE)


@settings(max_examples=300)
@given(st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 255)), min_size=1, max_size=8))
def test_changed_bytes_under_a_right_checksum_stay_in_bounds(changes):
    body = encode_one(smooth((8, 8, 8)))[:-4]
    for at, value in changes:
        body[at % body.size] = value

    status, _ = decode_one(with_checksum(body), (8, 8, 8), "int16")

    assert status in (blosc.OK, blosc.BAD_HEADER, blosc.BAD_STREAM)


@pytest.mark.parametrize(("at", "value"), [(MODE, 2), (SHIFT, 9), (MODELS, 192)])
def test_a_header_that_cannot_be_is_refused(at, value):
    body = encode_one(smooth((8, 8, 8)))[:-4]
    body[at] = value

    assert decode_one(with_checksum(body), (8, 8, 8), "int16")[0] == blosc.BAD_HEADER


@pytest.mark.parametrize("cut", [1, 40, 300])
def test_a_stream_cut_short_is_refused(cut):
    body = encode_one(smooth((8, 8, 8)))[:-4]

    assert decode_one(with_checksum(body[:-cut]), (8, 8, 8), "int16")[0] in (blosc.BAD_STREAM, blosc.BAD_HEADER)


def test_a_stream_with_more_bytes_than_it_uses_is_refused():
    body = encode_one(smooth((8, 8, 8)))[:-4].tobytes()

    assert decode_one(with_checksum(body + b"\0"), (8, 8, 8), "int16")[0] == blosc.BAD_STREAM


def test_a_range_outside_the_shard_is_refused():
    encoded = encode_one(smooth((8, 8, 8)))
    box = np.zeros((8, 8, 8), np.int16)

    assert decode_into(box, encoded, [(1, encoded.size)], [(0, 0, 0)], (8, 8, 8)) == (blosc.BAD_RANGE, 0)
