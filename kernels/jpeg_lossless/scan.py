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
from .huffman import (
    BITS_SHIFT,
    FIRST_SHIFT,
    HALFWAY,
    LENGTH_SHIFT,
    LIMITS,
    LOOKUP_BITS,
    PAIR_SHIFT,
    REST_SHIFT,
    SECOND_SHIFT,
)
from .prediction import add_prediction

LONGEST_PAIR_BITS = 22
"""After a refill to 56 bits, two symbols of so many leave the `LOOKUP_BITS` that the next look-up takes."""
BAD_CODE = 1
CUT_OFF = 2
SAMPLE_BYTES = 4
"""No code and difference take more: 16 + 15 bits."""
PADDING_BYTES = 16
"""The buffer is filled ahead: 8 bytes, read 8 at a time."""

Bytes = NDArray[np.uint8]
Entries = NDArray[np.uint64]
Limits = NDArray[np.uint32]
Row = NDArray[np.uint16]


@inlined
def _refill(address: Any, buffer: Any, count: Any, position: Any) -> Any:
    """Fill the buffer to 56 bits or more; bits below `count` may be there already, and are then the same."""
    buffer |= load_big_endian(address + np.int64(position)) >> count
    position += (np.uint64(63) - count) >> np.uint64(3)
    return buffer, count | np.uint64(56), position


@inlined
def _search(buffer: Any, limits: Limits, entries: Entries, table: Any) -> Any:
    """Find the entry of a code that the look-up does not have; 0 where there is no such code."""
    prefix, first = np.uint32(buffer >> np.uint64(48)), np.int64(table) * LIMITS
    for index in range(first, first + LIMITS):
        if prefix < limits[index]:
            return entries[index]
    return np.uint64(0)


@inlined
def _difference(buffer: Any, entry: Any) -> Any:
    """Give the difference that follows the first code, modulo 2^64 (T.81 F.2.2.1).

    Its highest bit is 1 for a positive one. The bits with the inverse of that before them are, as a two's complement
    number, the difference where it is positive, and one less than it where it is not.
    """
    rest = np.int64(buffer << ((entry >> np.uint64(LENGTH_SHIFT)) & np.uint64(63)))
    signed = np.int64(np.uint64(rest) >> np.uint64(1)) | (~rest & np.int64(-0x8000000000000000))
    below = signed >> np.int64((entry >> np.uint64(REST_SHIFT)) & np.uint64(63))
    return np.uint64(below + np.int64(1)) - (np.uint64(rest) >> np.uint64(63))


@inlined
def _is_halfway(entry: Any) -> Any:
    """Tell whether the category is 16: then the difference is 32768 and takes no bits (T.81 table H.2)."""
    return entry & np.uint64(HALFWAY) != 0


@inlined
def _read_row(
    address: Any, state: Any, lookup: Entries, limits: Limits, entries: Entries, is_long: bool, kept: Any, row: Row
) -> Any:
    """Read the symbols of one row, all by one table; give the state and whether all codes were known.

    What is written is the sum of differences where `kept` is -1, each difference for itself where it is 0; only the
    lowest 16 bits of either mean anything. A look-up may give two symbols: the second is written in any case, and
    overwritten where it was none.
    """
    buffer, count, position, left = state
    is_good, size, x, one = True, np.uint64(row.size), np.uint64(0), np.uint64(1)
    stop = size - np.uint64(3) if size > np.uint64(3) else np.uint64(0)
    buffer, count, position = _refill(address, buffer, count, position)
    while x < stop:
        for turn in range(2):
            entry = lookup[buffer >> np.uint64(64 - LOOKUP_BITS)]
            # Refilled only now, while the look-up is under way: else the chain of bits would wait for it.
            if turn == 0 or is_long:
                buffer, count, position = _refill(address, buffer, count, position)
            if entry == 0:
                entry = _search(buffer, limits, entries, 0)
                is_good &= entry != 0
                if _is_halfway(entry):
                    left = (left & kept) + np.uint64(32768)
                    row[x] = left
                    x += one
                    buffer <<= entry & np.uint64(63)
                    count -= entry >> np.uint64(BITS_SHIFT)
                    continue
            first = (left & kept) + _difference(buffer, entry)
            left = (first & kept) + (entry >> np.uint64(SECOND_SHIFT))
            row[x] = first
            row[x + one] = left
            x += one + ((entry >> np.uint64(PAIR_SHIFT)) & one)
            buffer <<= entry & np.uint64(63)
            # Not the same field again: the shift then needs no masking, a step less in the chain of bits.
            count -= entry >> np.uint64(BITS_SHIFT)
    while x < size:
        buffer, count, position = _refill(address, buffer, count, position)
        entry = lookup[buffer >> np.uint64(64 - LOOKUP_BITS)]
        if entry == 0:
            entry = _search(buffer, limits, entries, 0)
            is_good &= entry != 0
        difference = np.uint64(32768) if _is_halfway(entry) else _difference(buffer, entry)
        left = (left & kept) + difference
        row[x] = left
        x += one
        bits = (entry >> np.uint64(FIRST_SHIFT)) & np.uint64(63)
        buffer <<= bits
        count -= bits
    return (buffer, count, position, left), is_good


@inlined
def _read_mixed_row(
    address: Any, state: Any, lookup: Entries, limits: Limits, entries: Entries, components: int, row: Row
) -> Any:
    """Read the differences of one row of interleaved components, each by a table of its own."""
    buffer, count, position, left = state
    is_good, table = True, np.uint64(0)
    for x in range(np.uint64(row.size)):
        buffer, count, position = _refill(address, buffer, count, position)
        entry = lookup[(table << np.uint64(LOOKUP_BITS)) | (buffer >> np.uint64(64 - LOOKUP_BITS))]
        if entry == 0:
            entry = _search(buffer, limits, entries, table)
            is_good &= entry != 0
        row[x] = np.uint64(32768) if _is_halfway(entry) else _difference(buffer, entry)
        bits = (entry >> np.uint64(FIRST_SHIFT)) & np.uint64(63)
        buffer <<= bits
        count -= bits
        table += np.uint64(1)
        if table == np.uint64(components):
            table = np.uint64(0)
    return (buffer, count, position, left), is_good


@inlined
def _place(row: Row, shift: Any, channels: NDArray[np.int64], out: NDArray[Any], y: int) -> None:
    """Write a row of (columns × channels) samples to its channels of the frame, undoing the point transform."""
    columns, step, components = np.uint64(out.shape[1]), np.uint64(channels.size), np.uint64(out.shape[2])
    target = out[y].reshape(-1)
    if step == components:
        for index in range(columns * step):
            target[index] = row[index] << shift
        return
    for channel in range(step):
        place = np.uint64(channels[channel])
        for x in range(columns):
            target[x * components + place] = row[x * step + channel] << shift


@kernel
def decode_scan(
    data: Bytes,
    ends: NDArray[np.int64],
    lookup: Entries,
    limits: Limits,
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

    `data` are unstuffed bytes whose intervals stop at `ends`. One table is for all channels, or as many as channels lie
    behind each other. `origin` is the prediction of an interval's first sample. After the last interval `data` has
    `SAMPLE_BYTES` of padding for each sample of a row, and `PADDING_BYTES`: the end is looked for after each row, so no
    read passes that.
    """
    columns, step = out.shape[1], channels.size
    rows = np.empty((2, columns * step), np.uint16)
    address, zero, end = np.int64(data.ctypes.data), np.uint64(0), np.int64(0)
    is_mixed = entries.size > LIMITS
    kept = ~zero if step == 1 and predictor == 1 else zero
    state = (zero, zero, zero, zero)
    for y in range(out.shape[0]):
        row, above = rows[y % 2], rows[1 - y % 2]
        is_start = y % restart_rows == 0
        left = np.uint64(origin) if is_start else np.uint64(above[0])
        state = (state[0], state[1], state[2], left)
        if is_start:
            state = (zero, zero, np.uint64(end), left)
            end = ends[y // restart_rows]
        if is_mixed:
            state, is_good = _read_mixed_row(address, state, lookup, limits, entries, step, row)
        else:
            state, is_good = _read_row(address, state, lookup, limits, entries, is_long, kept, row)
        if not is_good:
            return BAD_CODE, y
        if np.uint64(8) * state[2] > np.uint64(8) * np.uint64(end) + state[1]:
            return CUT_OFF, y
        if kept == zero:
            add_prediction(row, above, step, predictor, origin, is_start)
        _place(row, np.uint16(point_transform), channels, out, y)
    return 0, 0
