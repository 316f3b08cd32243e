"""Dense chunks, many in one call: gather and encode them from a slab, decode them into the box that they touch.

The counterpart of `kernels.blosc`, with the same statuses. A chunk ends with its CRC-32C; one of zeros is left out.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..blosc import BAD_CRC, BAD_HEADER, BAD_RANGE, BAD_STREAM, CRC_BYTES, MISSING, OK
from ..calls import copy_bytes
from ..crc32c import crc32c_of_bytes
from ..jit import inlined, kernel
from .decoding import decode_planes
from .encoding import Workspace, encode_values
from .layout import (
    ABREAST,
    CONTEXTS,
    HEADER_BYTES,
    LANES,
    MODE,
    MODELS,
    PREDICTED,
    RING,
    RUN,
    SHIFT,
    SHIFT_MAXIMUM,
    STATES,
    STORED,
    STORED_BYTES,
    TAPS,
    WEIGHTS,
    Bytes,
    Ints,
    put_word,
    word_at,
)
from .prediction import close_row, left_of_row, place_of_row
from .tables import MODELS as MODEL_COUNT
from .tables import TOTAL, Tables


class Space(NamedTuple):
    """Arrays that one call's decoder uses for every chunk."""

    stream: Bytes
    sizes: Ints
    values: Ints


def bound_bytes(chunk_bytes: int) -> int:
    """Give the most bytes that one encoded chunk of `chunk_bytes` can take."""
    return STORED_BYTES + chunk_bytes + CRC_BYTES


def zeros(chunk_bytes: int) -> bytes:
    """Give a chunk of zeros, without its checksum, for where one has to be written."""
    return bytes(STORED_BYTES + chunk_bytes)


@inlined
def _padded_size(shape: tuple[int, int, int]) -> int:
    planes, rows, columns = shape
    return (planes * (rows + 2) + 2) * (columns + 2) + 2 * RUN


@inlined
def _load(data: Bytes, item_bytes: int, is_signed: bool, shape: tuple[int, int, int], values: Ints) -> None:
    """Widen one chunk's bytes to 32 bits, in padded planes."""
    planes, rows, columns = shape
    pitch = columns + 2
    for z in range(planes):
        for y in range(rows):
            at, source = place_of_row(z, y, rows, pitch), (z * rows + y) * columns * item_bytes
            for x in range(columns):
                value = word_at(data, source + x * item_bytes, item_bytes)
                if is_signed and value >> (8 * item_bytes - 1):
                    value -= 1 << (8 * item_bytes)
                values[at + x] = np.int32(value)
            values[at - 1] = left_of_row(values, z, y, at, rows, pitch)
            close_row(values, y, at, rows, columns, pitch)


@inlined
def _narrow(values: Ints, item_bytes: int, shape: tuple[int, int, int], data: Bytes) -> None:
    """Keep the low bytes of each value, where it lies in padded planes: one long loop makes the better vectors."""
    count = _padded_size(shape)
    if item_bytes == 1:
        for i in range(count):
            data[i] = np.uint8(values[i])
    elif item_bytes == 2:
        shorts = data.view(np.uint16)
        for i in range(count):
            shorts[i] = np.uint16(values[i])
    else:
        words = data.view(np.int32)
        for i in range(count):
            words[i] = values[i]


@kernel
def encode_chunks(
    slab: Bytes,
    item_bytes: int,
    is_signed: bool,
    chunk_zyx: tuple[int, int, int],
    first: int,
    last: int,
    tables: Tables,
    out: Bytes,
    lengths: NDArray[np.int64],
) -> int:
    """Encode chunks `first` to `last` (row-major over the slab's grid) of one slab, back to back.

    `slab` is (z, y, bytes of a row), C-contiguous, at most one chunk deep; `out` must hold `bound_bytes` a chunk. Sets
    `lengths`, 0 for a chunk of zeros, which is left out. Gives the bytes written.
    """
    depth, height, width = slab.shape
    chunk_z, chunk_y, chunk_x = chunk_zyx
    row_bytes, samples = chunk_x * item_bytes, chunk_z * chunk_y * chunk_x
    across = (width + row_bytes - 1) // row_bytes
    space = Workspace(
        np.zeros(_padded_size(chunk_zyx), np.int32),
        np.empty(samples, np.uint32),
        np.empty(samples, np.uint8),
        np.empty(samples, np.uint8),
        np.empty(samples, np.uint64),
        np.empty(samples, np.uint8),
    )
    chunk = np.empty(samples * item_bytes, np.uint8)
    at = 0
    for index in range(first, last):
        y0, x0 = (index // across) * chunk_y, (index % across) * row_bytes
        rows, columns = min(chunk_y, height - y0), min(row_bytes, width - x0)
        if depth < chunk_z or rows < chunk_y or columns < row_bytes:
            chunk[:] = 0
        for z in range(depth):
            for y in range(rows):
                target = chunk.ctypes.data + (z * chunk_y + y) * row_bytes
                copy_bytes(target, slab.ctypes.data + (z * height + y0 + y) * width + x0, columns)
        used = _encode_chunk(chunk, item_bytes, is_signed, chunk_zyx, tables, space, out[at:]) if np.any(chunk) else 0
        lengths[index - first] = used
        at += used
    return at


@inlined
def _encode_chunk(
    chunk: Bytes,
    item_bytes: int,
    is_signed: bool,
    shape: tuple[int, int, int],
    tables: Tables,
    space: Workspace,
    out: Bytes,
) -> int:
    _load(chunk, item_bytes, is_signed, shape, space.values)
    room = out[: STORED_BYTES + chunk.size - 1]
    used = encode_values(space, shape, tables, room)
    if used == 0:
        out[:STORED_BYTES] = 0
        out[MODE] = STORED
        used = STORED_BYTES + chunk.size
        out[STORED_BYTES:used] = chunk
    put_word(out, used, crc32c_of_bytes(out[:used]), CRC_BYTES)
    return used + CRC_BYTES


@inlined
def _read_header(body: Bytes, models: NDArray[np.uint64], weights: Ints, states: NDArray[np.uint64]) -> bool:
    """Set what the header tells; say whether the header can be."""
    if body.size < HEADER_BYTES or body[MODE] != PREDICTED or body[SHIFT] > SHIFT_MAXIMUM:
        return False
    for i in range(TAPS):
        weights[i] = np.int16(word_at(body, WEIGHTS + 2 * i, 2))
    for i in range(CONTEXTS):
        if body[MODELS + i] >= MODEL_COUNT:
            return False
        models[i] = np.uint64(body[MODELS + i]) * np.uint64(TOTAL)
    for i in range(LANES):
        states[i] = np.uint64(word_at(body, STATES + 2 * i, 2))
    return True


@inlined
def _decode_chunk(
    source: Bytes,
    planes: int,
    item_bytes: int,
    shape: tuple[int, int, int],
    tables: Tables,
    space: Space,
) -> int:
    """Decode the first `planes` planes of one chunk into the workspace; every length is checked first."""
    if source.size < STORED_BYTES + CRC_BYTES:
        return BAD_RANGE
    body, size = source[: source.size - CRC_BYTES], shape[0] * shape[1] * shape[2] * item_bytes
    if word_at(source, body.size, CRC_BYTES) != np.int64(crc32c_of_bytes(body)):
        return BAD_CRC
    if body[MODE] == STORED:
        if body.size != STORED_BYTES + size:
            return BAD_HEADER
        _load(body[STORED_BYTES:], item_bytes, False, shape, space.values)
        return OK
    models, weights = np.zeros(CONTEXTS, np.uint64), np.zeros(TAPS, np.int32)
    states = np.zeros(LANES, np.uint64)
    is_sound = _read_header(body, models, weights, states)
    stream_bytes = body.size - HEADER_BYTES
    if not is_sound or stream_bytes > size:
        return BAD_HEADER
    copy_bytes(space.stream.ctypes.data, body.ctypes.data + HEADER_BYTES, stream_bytes)
    part, shift, bits = (planes, shape[1], shape[2]), int(body[SHIFT]), 8 * stream_bytes
    used = decode_planes(
        space.stream,
        bits,
        states,
        models,
        weights,
        shift,
        part,
        tables.slots,
        tables.smallest,
        space.sizes,
        space.values,
    )
    if used < 0 or used > bits:
        return BAD_STREAM
    # A chunk read to its end has used its last byte, and every state is what the encoder began with.
    if planes == shape[0] and (used <= bits - 8 or np.any(states)):
        return BAD_STREAM
    return OK


@inlined
def _make_space(shape: tuple[int, int, int]) -> Space:
    planes, rows, columns = shape
    return Space(
        np.zeros(4 * planes * rows * columns + 4 * 6 * columns + 16, np.uint8),
        np.zeros(RING * (rows * (columns + 2) + RUN), np.int32),
        np.zeros(_padded_size(shape), np.int32),
    )


@kernel
def decode_chunks(
    shard: Bytes,
    ranges: NDArray[np.uint64],
    origins_zyb: NDArray[np.int64],
    item_bytes: int,
    chunk_zyx: tuple[int, int, int],
    tables: Tables,
    box: Bytes,
) -> tuple[int, int]:
    """Decode chunks of a shard into the box they touch; give (status, index of the chunk that failed).

    `ranges` is (chunks, 2): offset and length in the shard, `MISSING` for zeros; `origins_zyb` (chunks, 3) is where
    each chunk's first voxel lies in the box, negative where the chunk begins before it. `box` is (z, y, bytes of a
    row), C-contiguous. Planes after the last that is wanted, and those beside it, are not decoded.
    """
    depth, height, width = box.shape
    chunk_z, chunk_y, chunk_x = chunk_zyx
    row_bytes = chunk_x * item_bytes
    pitch = chunk_x + 2
    # Words, so that items of any size are aligned.
    items = np.empty((_padded_size(chunk_zyx) * item_bytes + 7) // 8, np.uint64).view(np.uint8)
    space = _make_space(chunk_zyx)
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
        # Planes that go side by side share the order of symbols: all of them or none.
        planes = min(chunk_z, (z1 + ABREAST - 1) // ABREAST * ABREAST)
        status = _decode_chunk(source, planes, item_bytes, chunk_zyx, tables, space)
        if status != OK:
            return status, index
        _narrow(space.values, item_bytes, (planes, chunk_y, chunk_x), items)
        for z in range(z0, z1):
            for y in range(y0, y1):
                row = items.ctypes.data + place_of_row(z, y, chunk_y, pitch) * item_bytes + x0
                copy_bytes(box.ctypes.data + ((oz + z) * height + oy + y) * width + ox + x0, row, x1 - x0)
    return OK, -1


@kernel
def decode_bricks(
    shard: Bytes,
    ranges: NDArray[np.uint64],
    slots: NDArray[np.int64],
    item_bytes: int,
    chunk_zyx: tuple[int, int, int],
    block_bytes: int,
    tables: Tables,
    arena: Bytes,
) -> tuple[int, int]:
    """Decode chunks, and copy blocks of them into slots of an arena; give (status, index of the chunk that failed).

    `ranges` is (chunks, 2): offset and length in the shard; `slots` is (chunks, blocks of a chunk), negative for a
    block that is not wanted. `arena` is (slots, bytes of a slot).
    """
    chunk_bytes = chunk_zyx[0] * chunk_zyx[1] * chunk_zyx[2] * item_bytes
    chunk = np.empty((chunk_zyx[0], chunk_zyx[1], chunk_zyx[2] * item_bytes), np.uint8)
    origin = np.zeros((1, 3), np.int64)
    for index in range(len(ranges)):
        if not np.any(slots[index] >= 0):
            continue
        status, _ = decode_chunks(shard, ranges[index : index + 1], origin, item_bytes, chunk_zyx, tables, chunk)
        if status != OK:
            return status, index
        for block in range(slots.shape[1]):
            first = block * block_bytes
            if slots[index, block] >= 0:
                target = arena.ctypes.data + slots[index, block] * arena.shape[1]
                copy_bytes(target, chunk.ctypes.data + first, min(block_bytes, chunk_bytes - first))
    return OK, -1
