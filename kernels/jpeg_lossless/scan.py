"""Scans of any predictor, and of several components, row by row: differences first, then prediction (T.81 annex H)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..jit import inlined, kernel
from .bits import BAD_CODE, CUT_OFF, Bytes, Entries, Limits, difference, is_halfway, refill, search
from .huffman import BITS_SHIFT, FIRST_SHIFT, LIMITS, LOOKUP_BITS, PAIR_SHIFT, SECOND_SHIFT
from .prediction import add_prediction

Row = NDArray[np.uint16]


@inlined
def _read_row(
    address: Any, state: Any, lookup: Entries, limits: Limits, entries: Entries, is_long: bool, row: Row
) -> Any:
    """Read the differences of one row, all by one table; give the state and whether all codes were known.

    A look-up may give two: the second is written in any case, and overwritten where it was none.
    """
    buffer, count, position = state
    is_good, size, x, one = True, np.uint64(row.size), np.uint64(0), np.uint64(1)
    stop = size - np.uint64(3) if size > np.uint64(3) else np.uint64(0)
    buffer, count, position = refill(address, buffer, count, position)
    while x < stop:
        for turn in range(2):
            entry = lookup[buffer >> np.uint64(64 - LOOKUP_BITS)]
            # Refilled only now, while the look-up is under way: else the chain of bits would wait for it.
            if turn == 0 or is_long:
                buffer, count, position = refill(address, buffer, count, position)
            if entry == 0:
                entry = search(buffer, limits, entries, 0)
                is_good &= entry != 0
                if is_halfway(entry):
                    row[x] = np.uint64(32768)
                    x += one
                    buffer <<= entry & np.uint64(63)
                    count -= entry >> np.uint64(BITS_SHIFT)
                    continue
            row[x] = difference(buffer, entry)
            row[x + one] = entry >> np.uint64(SECOND_SHIFT)
            x += one + ((entry >> np.uint64(PAIR_SHIFT)) & one)
            buffer <<= entry & np.uint64(63)
            # Not the same field again: the shift then needs no masking, a step less in the chain of bits.
            count -= entry >> np.uint64(BITS_SHIFT)
    while x < size:
        buffer, count, position = refill(address, buffer, count, position)
        entry = lookup[buffer >> np.uint64(64 - LOOKUP_BITS)]
        if entry == 0:
            entry = search(buffer, limits, entries, 0)
            is_good &= entry != 0
        row[x] = np.uint64(32768) if is_halfway(entry) else difference(buffer, entry)
        x += one
        bits = (entry >> np.uint64(FIRST_SHIFT)) & np.uint64(63)
        buffer <<= bits
        count -= bits
    return (buffer, count, position), is_good


@inlined
def _read_mixed_row(
    address: Any, state: Any, lookup: Entries, limits: Limits, entries: Entries, components: int, row: Row
) -> Any:
    """Read the differences of one row of interleaved components, each by a table of its own."""
    buffer, count, position = state
    is_good, table = True, np.uint64(0)
    for x in range(np.uint64(row.size)):
        buffer, count, position = refill(address, buffer, count, position)
        entry = lookup[(table << np.uint64(LOOKUP_BITS)) | (buffer >> np.uint64(64 - LOOKUP_BITS))]
        if entry == 0:
            entry = search(buffer, limits, entries, table)
            is_good &= entry != 0
        row[x] = np.uint64(32768) if is_halfway(entry) else difference(buffer, entry)
        bits = (entry >> np.uint64(FIRST_SHIFT)) & np.uint64(63)
        buffer <<= bits
        count -= bits
        table += np.uint64(1)
        if table == np.uint64(components):
            table = np.uint64(0)
    return (buffer, count, position), is_good


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
    state = (zero, zero, zero)
    for y in range(out.shape[0]):
        row, above, is_start = rows[y % 2], rows[1 - y % 2], y % restart_rows == 0
        if is_start:
            state = (zero, zero, np.uint64(end))
            end = ends[y // restart_rows]
        if is_mixed:
            state, is_good = _read_mixed_row(address, state, lookup, limits, entries, step, row)
        else:
            state, is_good = _read_row(address, state, lookup, limits, entries, is_long, row)
        if not is_good:
            return BAD_CODE, y
        if np.uint64(8) * state[2] > np.uint64(8) * np.uint64(end) + state[1]:
            return CUT_OFF, y
        add_prediction(row, above, step, predictor, origin, is_start)
        _place(row, np.uint16(point_transform), channels, out, y)
    return 0, 0
