"""Entropy-coded data without its stuffed zero bytes, cut at restart markers (T.81 F.1.2.3, B.1.1.2).

A pass of its own: the bit loop then loads 8 bytes at once and never looks for markers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..jit import kernel
from ..memory import load_word, store_word

WIDTH = 8
OUT_OF_ORDER = 1
"""A restart marker that is not the next one, or is one too many."""
CUT_OFF = 2
"""The data ends before a marker."""


@kernel
def unstuff(source: NDArray[np.uint8], start: int, target: NDArray[np.uint8], ends: NDArray[np.int64]) -> Any:
    """Copy from `start` to the next marker that is no restart; give (intervals, where in source, status).

    `ends` takes the end of each interval in `target`, which has room for `source` from `start` on and `WIDTH` more
    bytes: never more is written than was read, and a wide store covers the `WIDTH` bytes just read.
    """
    one, width = np.uint64(1), np.uint64(WIDTH)
    size, position, done = np.uint64(source.size), np.uint64(start), np.uint64(0)
    origin, goal, interval = np.int64(source.ctypes.data), np.int64(target.ctypes.data), 0
    lowest, highest = np.uint64(0x0101010101010101), np.uint64(0x8080808080808080)
    while position + one < size:
        if position + width <= size:
            word = load_word(origin + np.int64(position))
            # Not zero where a byte is FF: the classic test for a zero byte, of the inverse.
            if (~word - lowest) & word & highest == 0:
                store_word(goal + np.int64(done), word)
                position += width
                done += width
                continue
        while position + one < size and source[position] != 0xFF:
            target[done] = source[position]
            position += one
            done += one
        if position + one >= size:
            break
        following = source[position + one]
        if following == 0:
            target[done] = 0xFF
            done += one
            position += np.uint64(2)
        elif following == 0xFF:
            position += one
        else:
            ends[interval] = np.int64(done)
            if following < 0xD0 or following > 0xD7:
                return interval + 1, np.int64(position), 0
            if following - 0xD0 != interval % 8 or interval + 1 >= ends.size:
                return interval + 1, np.int64(position), OUT_OF_ORDER
            interval += 1
            position += np.uint64(2)
    return interval, np.int64(size), CUT_OFF
