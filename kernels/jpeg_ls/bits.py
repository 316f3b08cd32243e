"""Bits of a scan: without the stuffed ones, and read sixty-four at a time (ISO 14495-1, T.87 A.1 and C.1.1).

After each byte FF a zero bit is stuffed, so that no marker can appear by chance. All are taken out in one pass
first; then a reader is only a bit position: the eight bytes at it, swapped and shifted, are the next bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from ..jit import always_inlined, kernel

Bytes = NDArray[np.uint8]

PADDING = 32
"""Zero bytes behind the bits of a scan.

A code starts with at most 31 zeros and a one in the quick path, so it starts before the end; it is at most 48 bits
long, and a run's remainder and an escaped value are shorter. Whatever begins behind the end is all zeros, which no
code is: there the slow path stops. So no read starts more than 8 bytes behind the end.
"""

_ONES = 0x0101010101010101
_HIGHS = 0x8080808080808080


@intrinsic  # type: ignore[untyped-decorator] # Numba ships no types
def leading_zeros(_typing: Any, _word: Any) -> Any:
    """Count the zeros before the first one of a 64-bit word; 64 where there is none."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.ctlz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.uint64(types.uint64), generate


@always_inlined
def word_at(source: Bytes, at: Any) -> Any:
    """Give the eight bytes at index `at` (uint64), the first the most significant; LLVM makes it one load."""
    return (
        (np.uint64(source[at]) << np.uint64(56))
        | (np.uint64(source[at + np.uint64(1)]) << np.uint64(48))
        | (np.uint64(source[at + np.uint64(2)]) << np.uint64(40))
        | (np.uint64(source[at + np.uint64(3)]) << np.uint64(32))
        | (np.uint64(source[at + np.uint64(4)]) << np.uint64(24))
        | (np.uint64(source[at + np.uint64(5)]) << np.uint64(16))
        | (np.uint64(source[at + np.uint64(6)]) << np.uint64(8))
        | np.uint64(source[at + np.uint64(7)])
    )


@always_inlined
def bits_at(bits: Bytes, position: Any) -> Any:
    """Give the bits from a position (uint64) on, left-aligned: 57 at least, zeros below."""
    return word_at(bits, position >> np.uint64(3)) << (position & np.uint64(7))


@always_inlined
def put_word(target: Bytes, at: Any, word: Any) -> None:
    """Write eight bytes at index `at` (uint64), the most significant first."""
    for i in range(8):
        target[at + np.uint64(i)] = np.uint8(word >> np.uint64(56 - 8 * i))


@kernel
def unstuff(source: Bytes, start: int, bits: Bytes) -> tuple[Any, Any]:
    """Copy entropy-coded bits up to the next marker; give (index of the marker, number of bits).

    `source` ends with 16 bytes FF that are none of the codestream: they end the scan at the latest. `bits` is longer
    by `PADDING` than the bytes there are, and gets as many zeros behind the last bit.
    """
    at, filled = np.uint64(start), np.uint64(0)
    pending, count = np.uint64(0), np.uint64(0)  # bits not yet written, left-aligned, and how many: 0 to 7
    end = np.uint64(source.size - 16)
    after_ff = False
    while at < end:
        if not after_ff:
            word = word_at(source, at)
            if (~word - np.uint64(_ONES)) & word & np.uint64(_HIGHS) == np.uint64(0):
                put_word(bits, filled, pending | (word >> count))
                pending = (word << np.uint64(1)) << (np.uint64(63) - count) if count else np.uint64(0)
                at += np.uint64(8)
                filled += np.uint64(8)
                continue
        byte = source[at]
        if byte == 0xFF and source[at + np.uint64(1)] >= 0x80:
            break
        size = np.uint64(7) if after_ff else np.uint64(8)
        pending |= np.uint64(byte) << (np.uint64(64) - size - count)
        count += size
        at += np.uint64(1)
        after_ff = byte == 0xFF
        if count >= np.uint64(8):
            bits[filled] = np.uint8(pending >> np.uint64(56))
            pending <<= np.uint64(8)
            count -= np.uint64(8)
            filled += np.uint64(1)
    bits[filled] = np.uint8(pending >> np.uint64(56))
    for i in range(1, PADDING):
        bits[filled + np.uint64(i)] = np.uint8(0)
    return np.int64(at), np.int64(filled * np.uint64(8) + count)
