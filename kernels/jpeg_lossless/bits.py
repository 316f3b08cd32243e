"""The bit buffer, and what a code and the difference after it mean (T.81 F.2.2.1, H.1.2.2).

The bits are a chain: where a code starts is known only once the one before is decoded. So one look-up gives the bits of
code and difference together, and everything else hangs beside that chain. A 64-bit buffer holds the next bits at its
top; it is refilled to 56 or more without a branch.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..jit import inlined
from ..memory import load_big_endian
from .huffman import HALFWAY, LENGTH_SHIFT, LIMITS, REST_SHIFT

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


@inlined
def refill(address: Any, buffer: Any, count: Any, position: Any) -> Any:
    """Fill the buffer to 56 bits or more; bits below `count` may be there already, and are then the same."""
    buffer |= load_big_endian(address + np.int64(position)) >> count
    position += (np.uint64(63) - count) >> np.uint64(3)
    return buffer, count | np.uint64(56), position


@inlined
def search(buffer: Any, limits: Limits, entries: Entries, table: Any) -> Any:
    """Find the entry of a code that the look-up does not have; 0 where there is no such code."""
    prefix, first = np.uint32(buffer >> np.uint64(48)), np.int64(table) * LIMITS
    for index in range(first, first + LIMITS):
        if prefix < limits[index]:
            return entries[index]
    return np.uint64(0)


@inlined
def difference(buffer: Any, entry: Any) -> Any:
    """Give the difference that follows the first code, modulo 2^64 (T.81 F.2.2.1).

    Its highest bit is 1 for a positive one. The bits with the inverse of that before them are, as a two's complement
    number, the difference where it is positive, and one less than it where it is not.
    """
    rest = np.int64(buffer << ((entry >> np.uint64(LENGTH_SHIFT)) & np.uint64(63)))
    signed = np.int64(np.uint64(rest) >> np.uint64(1)) | (~rest & np.int64(-0x8000000000000000))
    below = signed >> np.int64((entry >> np.uint64(REST_SHIFT)) & np.uint64(63))
    return np.uint64(below + np.int64(1)) - (np.uint64(rest) >> np.uint64(63))


@inlined
def is_halfway(entry: Any) -> Any:
    """Tell whether the category is 16: then the difference is 32768 and takes no bits (T.81 table H.2)."""
    return entry & np.uint64(HALFWAY) != 0
