"""From unstuffed bits to samples: Huffman codes, differences, prediction (T.81 annex H).

The bits are a chain: where a code starts is known only once the one before is decoded. So one look-up gives
the bits of code and difference together, and everything else hangs beside that chain. A 64-bit buffer holds the next
bits at its top; it is refilled to 56 or more without a branch.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..jit import inlined, kernel
from ..memory import load_big_endian
from .huffman import CATEGORY_SHIFT, LENGTH_SHIFT, LIMITS, LOOKUP_BITS

LONGEST_PAIR_BITS = 28
"""Two symbols of so many bits are decoded after one refill, which gives 56."""
BAD_CODE = 1
CUT_OFF = 2
SAMPLE_BYTES = 4
"""No code and difference take more: 16 + 15 bits."""
PADDING_BYTES = 16
"""The buffer is filled ahead: 8 bytes, read 8 at a time."""

Bytes = NDArray[np.uint8]
Entries = NDArray[np.uint32]
Row = NDArray[np.uint16]


@inlined
def _refill(address: int, buffer: Any, count: Any, position: Any) -> Any:
    """Fill the buffer to 56 bits or more; bits below `count` may be there already, and are then the same."""
    buffer |= load_big_endian(address + np.int64(position)) >> count
    position += (np.uint64(63) - count) >> np.uint64(3)
    return buffer, count | np.uint64(56), position


@inlined
def _search(buffer: Any, limits: Entries, entries: Entries, table: Any) -> Any:
    """Find the entry of a code that the look-up does not have; 0 where there is no such code."""
    prefix, first = np.uint32(buffer >> np.uint64(48)), np.int64(table) * LIMITS
    for index in range(first, first + LIMITS):
        if prefix < limits[index]:
            return entries[index]
    return np.uint32(0)


@inlined
def _difference(buffer: Any, entry: Any) -> Any:
    """Give the difference that follows the code, modulo 2^64 (T.81 F.2.2.1)."""
    category = np.uint64((entry >> np.uint32(CATEGORY_SHIFT)) & np.uint32(15))
    rest = buffer << np.uint64((entry >> np.uint32(LENGTH_SHIFT)) & np.uint32(31))
    # Shifted in two steps: category 0 takes no bits, and a word cannot be shifted by 64.
    extra = (rest >> np.uint64(1)) >> (np.uint64(63) - category)
    below = (rest >> np.uint64(63)) - np.uint64(1)
    return extra - (below & ((np.uint64(1) << category) - np.uint64(1)))


@inlined
def _read_single(
    address: int, state: Any, lookup: Entries, limits: Entries, entries: Entries, is_long: bool, row: Row
) -> Any:
    """Read one row of differences of a single component; give the state and whether all codes were known."""
    buffer, count, position = state
    is_good, size, per_refill = True, np.uint64(row.size), np.uint64(1 if is_long else 2)
    x = np.uint64(0)
    while x < size:
        buffer, count, position = _refill(address, buffer, count, position)
        stop = min(x + per_refill, size)
        while x < stop:
            entry, offset = lookup[buffer >> np.uint64(64 - LOOKUP_BITS)], np.uint64(0)
            if entry == 0:
                entry = _search(buffer, limits, entries, 0)
                is_good &= entry != 0
                offset = _offset(entry)
            row[x] = _difference(buffer, entry) + offset
            bits = np.uint64(entry & np.uint32(31))
            buffer <<= bits
            count -= bits
            x += np.uint64(1)
    return (buffer, count, position), is_good


@inlined
def _offset(entry: Any) -> Any:
    """Give the difference of category 16, which takes no bits, and 0 for the others (T.81 table H.2)."""
    return np.uint64(entry >> np.uint32(CATEGORY_SHIFT + 4)) << np.uint64(15)


@inlined
def _read_interleaved(
    address: int, state: Any, lookup: Entries, limits: Entries, entries: Entries, rows: NDArray[np.uint16]
) -> Any:
    """Read one row of differences of all components of a scan, pixel by pixel, into (components, columns)."""
    buffer, count, position = state
    is_good = True
    components, columns = np.uint64(rows.shape[0]), np.uint64(rows.shape[1])
    for x in range(columns):
        for table in range(components):
            buffer, count, position = _refill(address, buffer, count, position)
            index = (table << np.uint64(LOOKUP_BITS)) | (buffer >> np.uint64(64 - LOOKUP_BITS))
            entry, offset = lookup[index], np.uint64(0)
            if entry == 0:
                entry = _search(buffer, limits, entries, table)
                is_good &= entry != 0
                offset = _offset(entry)
            rows[table, x] = _difference(buffer, entry) + offset
            bits = np.uint64(entry & np.uint32(31))
            buffer <<= bits
            count -= bits
    return (buffer, count, position), is_good


@inlined
def _add_left(row: Row, left: Any) -> None:
    """Turn differences into samples by predictor 1, from `left` on (T.81 H.1.2.1)."""
    for x in range(np.uint64(row.size)):
        left = left + np.uint32(row[x])
        row[x] = left


@inlined
def _add_prediction(row: Row, above: Row, predictor: int) -> None:
    """Turn a row's differences into samples by predictor 1 to 7 (T.81 table H.1), modulo 2^16; above is whole."""
    corner = np.int32(above[0])
    left = np.uint16(np.int32(row[0]) + corner)
    row[0] = left
    size, one = np.uint64(row.size), np.uint64(1)
    if predictor == 1:
        _add_left(row[1:], np.uint32(left))
    elif predictor == 2:
        for x in range(one, size):
            row[x] += above[x]
    elif predictor == 3:
        for x in range(one, size):
            row[x] += above[x - one]
    elif predictor == 4:
        for x in range(one, size):
            left = np.uint16(np.int32(row[x]) + np.int32(left) + np.int32(above[x]) - np.int32(above[x - one]))
            row[x] = left
    elif predictor == 5:
        for x in range(one, size):
            half = (np.int32(above[x]) - np.int32(above[x - one])) >> np.int32(1)
            left = np.uint16(np.int32(row[x]) + np.int32(left) + half)
            row[x] = left
    elif predictor == 6:
        for x in range(one, size):
            half = (np.int32(left) - np.int32(above[x - one])) >> np.int32(1)
            left = np.uint16(np.int32(row[x]) + np.int32(above[x]) + half)
            row[x] = left
    else:
        for x in range(one, size):
            left = np.uint16(np.int32(row[x]) + ((np.int32(left) + np.int32(above[x])) >> np.int32(1)))
            row[x] = left


@kernel
def decode_scan(
    data: Bytes,
    ends: NDArray[np.int64],
    lookup: Entries,
    limits: Entries,
    entries: Entries,
    is_long: bool,
    predictor: int,
    point_transform: int,
    origin: int,
    restart_rows: int,
    channels: NDArray[np.int64],
    out: NDArray[Any],
) -> Any:
    """Decode a scan into its `channels` of out (rows, columns, components); give (status, row).

    `data` are unstuffed bytes whose intervals stop at `ends`; tables lie behind each other, one a channel. `origin` is
    the prediction of an interval's first sample. After the last interval `data` has `SAMPLE_BYTES` of padding for each
    sample of a row, and `PADDING_BYTES`: the end is looked for after each row, so no read passes that.
    """
    columns, count = out.shape[1], channels.size
    rows = np.empty((2, count, columns), np.uint16)
    address, shift = data.ctypes.data, np.uint16(point_transform)
    state, start = (np.uint64(0), np.uint64(0), np.uint64(0)), np.int64(0)
    for y in range(out.shape[0]):
        now, before = rows[y % 2], rows[1 - y % 2]
        if y % restart_rows == 0:
            state = (np.uint64(0), np.uint64(0), np.uint64(start))
            start = ends[y // restart_rows]
        if count == 1:
            state, is_good = _read_single(address, state, lookup, limits, entries, is_long, now[0])
        else:
            state, is_good = _read_interleaved(address, state, lookup, limits, entries, now)
        if not is_good:
            return BAD_CODE, y
        if np.uint64(8) * state[2] > np.uint64(8) * np.uint64(start) + state[1]:
            return CUT_OFF, y
        for channel in range(count):
            if y % restart_rows == 0:
                _add_left(now[channel], np.uint32(origin))
            else:
                _add_prediction(now[channel], before[channel], predictor)
            target, samples = out[y, :, channels[channel]], now[channel]
            for x in range(np.uint64(columns)):
                target[x] = samples[x] << shift
    return 0, 0
