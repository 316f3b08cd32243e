"""The bit streams of a high-throughput block without their stuffed bits (T.814 7.1), so that words can be loaded.

Each gives its bits lowest first from byte 0 of its buffer on, followed by `GUARD` bytes of what the standard feeds
in when a stream is used up. A reader that keeps its byte position at the end, at most, reads no further.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..jit import routine
from .bits import has_full_byte, load_word, store_word, swap_bytes

Bytes = NDArray[np.uint8]

GUARD = 16
"""Bytes after the end of each stream; also what every buffer needs beyond the bytes it takes."""
_BYTE = np.uint64(0xFF)
_ONES, _SEVEN_BITS, _HIGH_BITS = (
    np.uint64(0x0101010101010101),
    np.uint64(0x7F7F7F7F7F7F7F7F),
    np.uint64(0x8080808080808080),
)


@routine
def _close(out: Bytes, length: Any, rest: Any, count: Any, fill: Any) -> Any:
    """Write the last, partial byte and the guard; give the bytes before the guard."""
    out[length] = np.uint8((rest | fill << np.uint64(count)) & _BYTE)
    for index in range(1, GUARD):
        out[length + index] = np.uint8(fill & _BYTE)
    return length + 1


@routine
def unstuff_forward(data: Bytes, start: Any, end: Any, out: Bytes, fill: Any) -> Any:
    """Put `data[start:end]` into `out`: a byte after FF gives seven bits. Give the length, guard apart.

    `data` can be read for eight bytes after `end`, `out` be written for `GUARD` bytes after what it takes.
    """
    rest, count, length = np.uint64(0), np.int64(0), np.int64(0)
    former, position = np.uint64(0), start
    while position < end:
        word = load_word(data, position)
        if position + 8 <= end and former != _BYTE and not has_full_byte(word):
            store_word(out, length, rest | word << np.uint64(count))
            # Two shifts, because one by 64 is undefined.
            rest = word >> np.uint64(1) >> np.uint64(63 - count)
            position += 8
            length += 8
            former = np.uint64(0)
            continue
        for _ in range(min(np.int64(8), end - position)):
            byte = word & _BYTE
            word >>= np.uint64(8)
            rest |= (byte & np.uint64(0x7F) if former == _BYTE else byte) << np.uint64(count)
            count += 7 if former == _BYTE else 8
            former = byte
            if count >= 8:
                out[length] = np.uint8(rest & _BYTE)
                rest >>= np.uint64(8)
                count -= 8
                length += 1
            position += 1
    return _close(out, length, rest, count, fill)


@routine
def unstuff_backward(data: Bytes, start: Any, end: Any, rest: Any, count: Any, is_stuffed: Any, out: Bytes) -> Any:
    """Put the bytes before `end`, down to `start`, into `out`; give the length, guard apart.

    After a byte above 8F (`is_stuffed`) one whose low seven bits are ones gives these seven. `rest` holds `count`
    bits that go first.
    """
    length, position = np.int64(0), end - 1
    while position >= start:
        if position - start >= 7:
            word = swap_bytes(load_word(data, position - 7))
            # The highest bit of each byte with seven ones, and of each that is above 8F.
            is_full = (word & _SEVEN_BITS) + _ONES & _HIGH_BITS
            is_above = word & (word << np.uint64(1) | word << np.uint64(2) | word << np.uint64(3)) & _HIGH_BITS
            before = is_above << np.uint64(8) | (np.uint64(0x80) if is_stuffed else np.uint64(0))
            if is_full & before == np.uint64(0):
                store_word(out, length, rest | word << np.uint64(count))
                # Two shifts, because one by 64 is undefined.
                rest = word >> np.uint64(1) >> np.uint64(63 - count)
                is_stuffed = is_above >> np.uint64(63) != np.uint64(0)
                length += 8
                position -= 8
                continue
        for _ in range(min(np.int64(8), position - start + 1)):
            byte = np.uint64(data[np.uint64(position)])
            rest |= byte << np.uint64(count)
            if is_stuffed and byte & np.uint64(0x7F) == np.uint64(0x7F):
                rest &= (np.uint64(1) << np.uint64(count + 7)) - np.uint64(1)
                count += 7
            else:
                count += 8
            is_stuffed = byte > np.uint64(0x8F)
            if count >= 8:
                out[length] = np.uint8(rest & _BYTE)
                rest >>= np.uint64(8)
                count -= 8
                length += 1
            position -= 1
    return _close(out, length, rest, count, np.uint64(0))
