"""Blosc1 chunks, many in one call: what Zarr v3's `blosc` codec reads and writes, with zstd and byte shuffle.

A chunk is a 16-byte header, a table of block starts, and per block an int32 length and a zstd frame of the block's
shuffled bytes; or one of each byte plane, where the block is split. 16-bit voxels are split: the low bytes are noise,
worth little more than entropy coding, the high bytes are all alike or long runs. Each plane gets the zstd that suits
it, which takes less time and packs better than one for both (figures: docs/explanation/benchmarks.md).

c-blosc holds a global lock, and a call a chunk would return to Python hundreds of times a plane; these loops gather
and scatter voxels, shuffle, compress and check without leaving compiled code. The zstd and shuffle functions are
libblosc2's own, given by address (`storage.native`).

Every chunk ends with its CRC-32C, as Zarr's `crc32c` codec asks.
Source of the format: c-blosc 1.21 README_CHUNK_FORMAT; flags: bit 0 byte shuffle, bit 1 stored uncompressed, bit 4
blocks not split, bits 5–7 compressor (zstd is 4). A last block that is shorter than the others is never split
(blosc_d in blosc.c). Of zstd's own format, RFC 8878, only the frame of one repeated byte is written here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .calls import WORDS_AT_ONCE, call4, call5, copy_bytes, split_words
from .crc32c import crc32c_of_bytes
from .jit import inlined, kernel

HEADER_BYTES = 16
CRC_BYTES = 4
MISSING = np.uint64(0xFFFFFFFFFFFFFFFF)
"""Offset and length of a chunk that a shard does not hold: all its voxels are the fill value 0."""

OK = 0
BAD_RANGE = 1
"""The shard's index points outside the shard."""
BAD_CRC = 2
"""The chunk's bytes are not what was written."""
BAD_HEADER = 3
"""A Blosc header that this reader does not know, or that disagrees with the array."""
BAD_STREAM = 4
"""A block that zstd cannot decompress to its length."""

Bytes = NDArray[np.uint8]
Addresses = NDArray[np.int64]

_FLAG_SHUFFLE = 0x01
_FLAG_UNSPLIT = 0x10
_FORMAT_ZSTD = 4 << 5
_LEAST_SPLIT_BYTES = 128
"""Readers split no block whose planes are smaller (BLOSC_MIN_BUFFERSIZE), whatever the flag says."""
_RUN_FRAME_BYTES = 13
_RUN_MAXIMUM_BYTES = 128 << 10
"""What one zstd block may hold (RFC 8878 section 3.1.1.2.4)."""
_COMPARED_WORDS = 32


@inlined
def _put_int32(target: Bytes, at: int, value: int) -> None:
    for i in range(4):
        target[at + i] = np.uint8((value >> (8 * i)) & 0xFF)


@inlined
def _int32_at(source: Bytes, at: int) -> Any:
    value = np.int64(0)
    for i in range(4):
        value |= np.int64(source[at + i]) << (8 * i)
    return value


@inlined
def _is_one_byte(data: Bytes) -> bool:
    """Whether all bytes are equal; in steps of words, so that each step is vector code."""
    words = data[: data.size // 8 * 8].view(np.uint64)
    pattern = np.uint64(data[0]) * np.uint64(0x0101010101010101)
    at = 0
    while at < words.size:
        step = words[at : at + _COMPARED_WORDS]
        differing = np.uint64(0)
        for word in step:
            differing |= word ^ pattern
        if differing != 0:
            return False
        at += step.size
    for value in data[words.size * 8 :]:
        if value != data[0]:
            return False
    return True


@inlined
def _write_run(value: int, size: int, out: Bytes) -> Any:
    """Write the zstd frame of `size` times the same byte: found by looking, without a call of zstd."""
    _put_int32(out, 0, 0xFD2FB528)
    out[4] = 0xA0  # one segment, its size in four bytes
    _put_int32(out, 5, size)
    block = 1 | 1 << 1 | size << 3  # the last block; a run
    out[9], out[10], out[11] = block & 0xFF, block >> 8 & 0xFF, block >> 16 & 0xFF
    out[12] = value
    return _RUN_FRAME_BYTES


def bound_bytes(chunk_bytes: int, block_bytes: int) -> int:
    """Give the most bytes that one encoded chunk of `chunk_bytes` can take."""
    blocks = -(-chunk_bytes // block_bytes)
    # A stream that zstd would enlarge is kept as it is, so none exceeds its size and length word; two a block.
    return HEADER_BYTES + blocks * 12 + chunk_bytes + CRC_BYTES


@inlined
def _is_split(item_bytes: int, block_bytes: int) -> bool:
    """Whether blocks of this size are written as one stream a byte plane."""
    return item_bytes == 2 and block_bytes % 2 == 0 and block_bytes // 2 >= _LEAST_SPLIT_BYTES


@inlined
def _encode_stream(stream: Bytes, out: Bytes, compress: int, context: int) -> Any:
    """Write one stream's length and zstd frame to `out`; give the bytes written."""
    size = stream.size
    if _RUN_FRAME_BYTES < size <= _RUN_MAXIMUM_BYTES and _is_one_byte(stream):
        used = _write_run(stream[0], size, out[4:])
    else:
        # One byte short of the stream: a longer frame is not worth it, and Blosc reads "length == stream" as stored.
        used = call5(compress, context, out[4:].ctypes.data, size - 1, stream.ctypes.data, size)
        if used <= 0:
            out[4 : 4 + size] = stream
            used = size
    _put_int32(out, 0, used)
    return 4 + used


@inlined
def _encode_block(block: Bytes, item_bytes: int, shuffled: Bytes, out: Bytes, native: Addresses) -> Any:
    """Write one block as one stream to `out`; give the bytes written."""
    call4(native[1], item_bytes, block.size, block.ctypes.data, shuffled.ctypes.data)
    return _encode_stream(shuffled[: block.size], out, native[0], native[2])


@inlined
def _encode_planes(low: Bytes, high: Bytes, is_split: bool, shuffled: Bytes, out: Bytes, native: Addresses) -> Any:
    """Write one block of 16-bit items, of which these are the byte planes, to `out`; give the bytes written."""
    if is_split:
        used = _encode_stream(low, out, native[0], native[3])
        return used + _encode_stream(high, out[used:], native[0], native[2])
    shuffled[: low.size] = low
    shuffled[low.size : 2 * low.size] = high
    return _encode_stream(shuffled[: 2 * low.size], out, native[0], native[2])


@inlined
def _encode_chunk(chunk: Bytes, item_bytes: int, shuffled: Bytes, out: Bytes, native: Addresses) -> int:
    """Write one Blosc1 chunk and its CRC to `out`; give the bytes written. `shuffled` is one block long.

    A chunk of 16-bit items comes as its two byte planes, one behind the other.
    """
    block_bytes, half = shuffled.size, chunk.size // 2
    blocks = (chunk.size + block_bytes - 1) // block_bytes
    is_split = _is_split(item_bytes, block_bytes)
    at = HEADER_BYTES + 4 * blocks
    for b in range(blocks):
        _put_int32(out, HEADER_BYTES + 4 * b, at)
        first, last = b * block_bytes, min((b + 1) * block_bytes, chunk.size)
        if item_bytes == 2:
            low, high = chunk[first // 2 : last // 2], chunk[half + first // 2 : half + last // 2]
            at += _encode_planes(low, high, is_split and last - first == block_bytes, shuffled, out[at:], native)
        else:
            at += _encode_block(chunk[first:last], item_bytes, shuffled, out[at:], native)
    out[0], out[1] = 2, 1
    out[2] = _FORMAT_ZSTD | (0 if is_split else _FLAG_UNSPLIT) | (_FLAG_SHUFFLE if item_bytes > 1 else 0)
    out[3] = item_bytes
    _put_int32(out, 4, chunk.size)
    _put_int32(out, 8, block_bytes)
    _put_int32(out, 12, at)
    _put_int32(out, at, crc32c_of_bytes(out[:at]))
    return at + CRC_BYTES


@inlined
def _gather(slab: Bytes, y0: int, x0: int, rows: int, columns: int, chunk_y: int, row_bytes: int, chunk: Bytes) -> None:
    """Copy the rows of a chunk, so many of so many bytes, that begin at y0 and byte x0 of each slice of a slab."""
    depth, height, width = slab.shape
    for z in range(depth):
        for y in range(rows):
            source = slab.ctypes.data + (z * height + y0 + y) * width + x0
            copy_bytes(chunk.ctypes.data + (z * chunk_y + y) * row_bytes, source, columns)


@inlined
def _gather_planes(
    slab: Bytes, y0: int, x0: int, rows: int, columns: int, chunk_y: int, row_bytes: int, chunk: Bytes
) -> None:
    """Do as `_gather` with 16-bit items, whose low bytes come first and whose high bytes behind them all."""
    depth, height, width = slab.shape
    plane_bytes, steps = chunk.size // 2, columns // (2 * WORDS_AT_ONCE)
    for z in range(depth):
        for y in range(rows):
            source = slab.ctypes.data + (z * height + y0 + y) * width + x0
            low = chunk.ctypes.data + (z * chunk_y + y) * row_bytes // 2
            if columns == 2 * WORDS_AT_ONCE:  # a cube's row: the loop for any takes twice as long
                split_words(low, low + plane_bytes, source)
                continue
            for step in range(steps):
                word = step * WORDS_AT_ONCE
                split_words(low + word, low + plane_bytes + word, source + 2 * word)
            for word in range(steps * WORDS_AT_ONCE, columns // 2):
                copy_bytes(low + word, source + 2 * word, 1)
                copy_bytes(low + plane_bytes + word, source + 2 * word + 1, 1)


@kernel
def encode_chunks(
    slab: Bytes,
    item_bytes: int,
    chunk_zyb: tuple[int, int, int],
    first: int,
    last: int,
    block_bytes: int,
    native: Addresses,
    out: Bytes,
    lengths: NDArray[np.int64],
) -> int:
    """Encode chunks `first` to `last` (row-major over the slab's grid) of one slab, back to back.

    `slab` is (z, y, bytes of a row), C-contiguous, at most one chunk deep: bytes, so that one compilation serves all
    types of items. `native` holds the addresses (compress, shuffle, context, context for planes of noise); `out` must
    hold `bound_bytes` a chunk. Sets `lengths`, 0 for a chunk of zeros, which is left out. Gives the bytes written.
    """
    depth, height, width = slab.shape
    chunk_z, chunk_y, row_bytes = chunk_zyb
    across = (width + row_bytes - 1) // row_bytes
    chunk = np.empty(chunk_z * chunk_y * row_bytes, np.uint8)
    shuffled = np.empty(block_bytes, np.uint8)
    at = 0
    for index in range(first, last):
        y0, x0 = (index // across) * chunk_y, (index % across) * row_bytes
        rows, columns = min(chunk_y, height - y0), min(row_bytes, width - x0)
        if depth < chunk_z or rows < chunk_y or columns < row_bytes:
            chunk[:] = 0
        if item_bytes == 2:
            _gather_planes(slab, y0, x0, rows, columns, chunk_y, row_bytes, chunk)
        else:
            _gather(slab, y0, x0, rows, columns, chunk_y, row_bytes, chunk)
        is_zero = chunk[0] == 0 and _is_one_byte(chunk)
        used = 0 if is_zero else _encode_chunk(chunk, item_bytes, shuffled, out[at:], native)
        lengths[index - first] = used
        at += used
    return at


@inlined
def _decode_stream(source: Bytes, at: int, target: Bytes, native: Addresses) -> Any:
    """Decompress the stream whose length word lies at `at`, each length checked; give (status, the byte behind it)."""
    if at < HEADER_BYTES or at + 4 > source.size:
        return BAD_HEADER, at
    used = _int32_at(source, at)
    if used <= 0 or used > target.size or at + 4 + used > source.size:
        return BAD_HEADER, at
    stream = source[at + 4 : at + 4 + used]
    if used == target.size:
        target[:] = stream
    elif call5(native[0], native[2], target.ctypes.data, target.size, stream.ctypes.data, used) != target.size:
        return BAD_STREAM, at
    return OK, at + 4 + used


@inlined
def _decode_block(
    source: Bytes, at: int, item_bytes: int, streams: int, shuffled: Bytes, block: Bytes, native: Addresses
) -> Any:
    """Decompress the streams of a block, the first of which begins at `at`, and unshuffle it."""
    plane_bytes = block.size // streams
    for plane in range(streams):
        target = shuffled[plane * plane_bytes : (plane + 1) * plane_bytes]
        status, at = _decode_stream(source, at, target, native)
        if status != OK:
            return status
    # A copy for one byte an item.
    call4(native[1], item_bytes, block.size, shuffled.ctypes.data, block.ctypes.data)
    return OK


@inlined
def _streams_of(flags: int, item_bytes: int, block_bytes: int) -> int:
    """Give how many streams a whole block has, 0 where this reader does not know the format."""
    shuffle = _FLAG_SHUFFLE if item_bytes > 1 else 0
    if flags == _FORMAT_ZSTD | _FLAG_UNSPLIT | shuffle:
        return 1
    if flags == _FORMAT_ZSTD | shuffle and _is_split(item_bytes, block_bytes):
        return 2
    return 0


@inlined
def _decode_chunk(
    source: Bytes, first_byte: int, last_byte: int, item_bytes: int, shuffled: Bytes, chunk: Bytes, native: Addresses
) -> Any:
    """Decode the blocks of one chunk that hold bytes `first_byte` to `last_byte`; `shuffled` is one block long."""
    if source.size < HEADER_BYTES + CRC_BYTES:
        return BAD_RANGE
    body = source[: source.size - CRC_BYTES]
    if np.int64(_int32_at(source, body.size)) != crc32c_of_bytes(body):
        return BAD_CRC
    block_bytes = shuffled.size
    streams = _streams_of(body[2], item_bytes, block_bytes)
    if streams == 0 or body[3] != item_bytes:
        return BAD_HEADER
    if _int32_at(body, 4) != chunk.size or _int32_at(body, 8) != block_bytes:
        return BAD_HEADER
    if HEADER_BYTES + 4 * ((chunk.size + block_bytes - 1) // block_bytes) > body.size:
        return BAD_HEADER
    for b in range(first_byte // block_bytes, (last_byte + block_bytes - 1) // block_bytes):
        block = chunk[b * block_bytes : min((b + 1) * block_bytes, chunk.size)]
        at = _int32_at(body, HEADER_BYTES + 4 * b)
        streams_here = streams if block.size == block_bytes else 1
        status = _decode_block(body, at, item_bytes, streams_here, shuffled, block, native)
        if status != OK:
            return status
    return OK


@kernel
def decode_chunks(
    shard: Bytes,
    ranges: NDArray[np.uint64],
    origins_zyb: NDArray[np.int64],
    item_bytes: int,
    chunk_zyb: tuple[int, int, int],
    block_bytes: int,
    native: Addresses,
    box: Bytes,
) -> tuple[int, int]:
    """Decode chunks of a shard into the box they touch; give (status, index of the chunk that failed).

    `ranges` is (chunks, 2): offset and length in the shard, `MISSING` for zeros; `origins_zyb` (chunks, 3) is where
    each chunk's first voxel lies in the box, negative where the chunk begins before it. `box` is (z, y, bytes of a
    row), C-contiguous; `native` holds the addresses (decompress, unshuffle, decompression context). Only the blocks
    that hold wanted slices are decompressed.
    """
    depth, height, width = box.shape
    chunk_z, chunk_y, row_bytes = chunk_zyb
    slice_bytes = chunk_y * row_bytes
    chunk = np.empty(chunk_z * slice_bytes, np.uint8)
    shuffled = np.empty(block_bytes, np.uint8)
    for index in range(len(ranges)):
        oz, oy, ox = origins_zyb[index]
        z0, z1 = max(0, -oz), min(chunk_z, depth - oz)
        y0, y1 = max(0, -oy), min(chunk_y, height - oy)
        x0, x1 = max(0, -ox), min(row_bytes, width - ox)
        if z0 >= z1 or y0 >= y1 or x0 >= x1:
            continue
        offset, length = ranges[index, 0], ranges[index, 1]
        if offset == MISSING and length == MISSING:
            box[oz + z0 : oz + z1, oy + y0 : oy + y1, ox + x0 : ox + x1] = 0
            continue
        if length > np.uint64(shard.size) or offset > np.uint64(shard.size) - length:
            return BAD_RANGE, index
        source = shard[np.int64(offset) : np.int64(offset) + np.int64(length)]
        status = _decode_chunk(source, z0 * slice_bytes, z1 * slice_bytes, item_bytes, shuffled, chunk, native)
        if status != OK:
            return status, index
        for z in range(z0, z1):
            for y in range(y0, y1):
                row = chunk.ctypes.data + (z * chunk_y + y) * row_bytes + x0
                target = box.ctypes.data + ((oz + z) * height + oy + y) * width + ox + x0
                copy_bytes(target, row, x1 - x0)
    return OK, -1


@kernel
def decode_bricks(
    shard: Bytes,
    ranges: NDArray[np.uint64],
    slots: NDArray[np.int64],
    item_bytes: int,
    chunk_bytes: int,
    block_bytes: int,
    native: Addresses,
    arena: Bytes,
) -> tuple[int, int]:
    """Decode blocks of chunks into slots of an arena; give (status, index of the chunk that failed).

    `ranges` is (chunks, 2): offset and length in the shard; `slots` is (chunks, blocks of a chunk), negative for a
    block that is not wanted. `arena` is (slots, bytes of a slot).
    """
    chunk = np.empty(chunk_bytes, np.uint8)
    shuffled = np.empty(block_bytes, np.uint8)
    for index in range(len(ranges)):
        offset, length = ranges[index, 0], ranges[index, 1]
        if length > np.uint64(shard.size) or offset > np.uint64(shard.size) - length:
            return BAD_RANGE, index
        source = shard[np.int64(offset) : np.int64(offset) + np.int64(length)]
        wanted = np.flatnonzero(slots[index] >= 0)
        if wanted.size == 0:
            continue
        first, last = wanted[0] * block_bytes, min((wanted[-1] + 1) * block_bytes, chunk_bytes)
        status = _decode_chunk(source, first, last, item_bytes, shuffled, chunk, native)
        if status != OK:
            return status, index
        for block in wanted:
            begin = block * block_bytes
            target = arena.ctypes.data + slots[index, block] * arena.shape[1]
            copy_bytes(target, chunk.ctypes.data + begin, min(block_bytes, chunk_bytes - begin))
    return OK, -1
