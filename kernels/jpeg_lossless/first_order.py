"""Scans of one component by predictor 1: what DICOM calls First-Order Prediction, and what nearly all files hold.

Bits, differences and sums in one loop, whose sums go straight into the frame: a fifth less time than row by row through
`scan`, where each row costs some calls.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..jit import kernel
from .bits import BAD_CODE, CUT_OFF, Bytes, Entries, Limits, difference, is_halfway, refill, search
from .huffman import BITS_SHIFT, FIRST_SHIFT, LOOKUP_BITS, PAIR_SHIFT, SECOND_SHIFT


@kernel
def decode_first_order(
    data: Bytes,
    ends: NDArray[np.int64],
    lookup: Entries,
    limits: Limits,
    entries: Entries,
    is_long: bool,
    point_transform: int,
    origin: int,
    restart_rows: int,
    out: NDArray[Any],
) -> Any:
    """Decode a scan into out (rows, columns); give (status, row). Arguments are those of `decode_scan`.

    Sums are kept in 64 bits, of which those that fit are written: what is above is never looked at. A look-up may give
    two samples: the second is written in any case, within the row, and overwritten where it was none.
    """
    address, shift, one = np.int64(data.ctypes.data), np.uint64(point_transform), np.uint64(1)
    size, end, flat = np.uint64(out.shape[1]), np.int64(0), out.reshape(-1)
    stop = size - np.uint64(3) if size > np.uint64(3) else np.uint64(0)
    buffer, count, position = np.uint64(0), np.uint64(0), np.uint64(0)
    for y in range(out.shape[0]):
        at = np.uint64(y) * size
        start, row_end, row_stop = at, at + size, at + stop
        if y % restart_rows == 0:
            buffer, count, position, sample = np.uint64(0), np.uint64(0), np.uint64(end), np.uint64(origin)
            end = ends[y // restart_rows]
        else:
            sample = np.uint64(flat[start - size]) >> shift
        buffer, count, position = refill(address, buffer, count, position)
        while at < row_stop:
            for turn in range(2):
                entry = lookup[buffer >> np.uint64(64 - LOOKUP_BITS)]
                # Refilled only now, while the look-up is under way: else the chain of bits would wait for it.
                if turn == 0 or is_long:
                    buffer, count, position = refill(address, buffer, count, position)
                if entry == 0:
                    entry = search(buffer, limits, entries, 0)
                    if entry == 0:
                        return BAD_CODE, y
                    if is_halfway(entry):
                        sample += np.uint64(32768)
                        flat[at] = sample << shift
                        at += one
                        buffer <<= entry & np.uint64(63)
                        count -= entry >> np.uint64(BITS_SHIFT)
                        continue
                first = sample + difference(buffer, entry)
                sample = first + (entry >> np.uint64(SECOND_SHIFT))
                flat[at] = first << shift
                flat[at + one] = sample << shift
                at += one + ((entry >> np.uint64(PAIR_SHIFT)) & one)
                buffer <<= entry & np.uint64(63)
                # Not the same field again: the shift then needs no masking, a step less in the chain of bits.
                count -= entry >> np.uint64(BITS_SHIFT)
        while at < row_end:
            buffer, count, position = refill(address, buffer, count, position)
            entry = lookup[buffer >> np.uint64(64 - LOOKUP_BITS)]
            if entry == 0:
                entry = search(buffer, limits, entries, 0)
                if entry == 0:
                    return BAD_CODE, y
            sample += np.uint64(32768) if is_halfway(entry) else difference(buffer, entry)
            flat[at] = sample << shift
            at += one
            bits = (entry >> np.uint64(FIRST_SHIFT)) & np.uint64(63)
            buffer <<= bits
            count -= bits
        if np.uint64(8) * position > np.uint64(8) * np.uint64(end) + count:
            return CUT_OFF, y
    return 0, 0
