"""Huffman tables of lossless JPEG: categories of differences, 0 to 16 (T.81 annexes C, H.1.2.2 and K.2)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...errors import DecodeError
from ..jit import kernel

LOOKUP_BITS = 12
"""16 KiB of entries stay in a first cache; longer codes come up once in 4096 samples."""
CATEGORIES = 17
CATEGORY_OF_HALFWAY = 16
LIMITS = CATEGORIES + 1

LENGTH_SHIFT, REST_SHIFT, FIRST_SHIFT, PAIR_SHIFT, SECOND_SHIFT, BITS_SHIFT = 8, 16, 24, 32, 40, 56
"""An entry holds, from bit 0, the bits it takes in all; the first code's length; 63 less the bits of its difference;
the bits that both take; whether there is a second symbol; the second's difference, modulo 2^16; all bits again."""
HALFWAY = 1 << 33
"""Set in an entry of category 16; only `entries` has it."""

Entries = NDArray[np.uint64]


@dataclass(frozen=True, slots=True, eq=False)
class HuffmanTable:
    """A table made ready for decoding."""

    lookup: Entries
    """By the next `LOOKUP_BITS` bits: the entry, of two symbols where both lie within these bits; 0 for a longer code,
    for none, and for category 16."""
    limits: NDArray[np.uint32]
    """(LIMITS,) by code in rising order: the first 16-bit prefix that is beyond it."""
    entries: Entries
    """(LIMITS,) the entry of each code, alone; 0 beyond the last."""
    longest_bits: int
    """Most bits that a code and its difference take together."""


class CodedTable(NamedTuple):
    """A table as DHT has it, made ready only when a scan uses it: hostile segments hold thousands."""

    counts: bytes
    values: bytes
    at: int
    """Offset of its segment."""


def read_tables(body: bytes, at: int) -> dict[int, CodedTable]:
    """Read a DHT segment at byte `at` into tables by their selector; those for AC coefficients are passed over."""
    tables, position = {}, 0
    while position < len(body):
        head, counts = body[position], body[position + 1 : position + 17]
        values = body[position + 17 : position + 17 + sum(counts)]
        if len(counts) < 16 or len(values) < sum(counts):
            raise DecodeError(f"the JPEG Huffman table FFC4 at byte {at} is cut off")
        position += 17 + len(values)
        if head >> 4 == 0:
            tables[head & 0x0F] = CodedTable(counts, values, at)
    return tables


@lru_cache(maxsize=32)
def make_table(counts: bytes, values: bytes, at: int = 0) -> HuffmanTable:
    """Make a table of the numbers of codes of 1 to 16 bits, and their categories in order.

    Raises `DecodeError` for more codes than the bits can tell apart, or categories that are none or repeat.
    """
    if not values or max(values) >= CATEGORIES or len(set(values)) < len(values):
        raise DecodeError(f"the JPEG Huffman table FFC4 at byte {at} has categories {list(values)}, not of 0 to 16")
    lookup = np.zeros(1 << LOOKUP_BITS, np.uint64)
    limits, entries = np.full(LIMITS, 1 << 16, np.uint32), np.zeros(LIMITS, np.uint64)
    lengths = [length for length, count in enumerate(counts, 1) for _ in range(count)]
    first, longest = 0, 0
    for number, (length, category) in enumerate(zip(lengths, values, strict=True)):
        beyond = first + (1 << (16 - length))
        if beyond > 1 << 16:
            raise DecodeError(f"the JPEG Huffman table FFC4 at byte {at} has more codes than {length} bits tell apart")
        # The difference of category 16 is always 32768 and takes no bits.
        rest = category % CATEGORY_OF_HALFWAY
        bits = length + rest
        entry = bits | length << LENGTH_SHIFT | 63 - rest << REST_SHIFT | bits << FIRST_SHIFT | bits << BITS_SHIFT
        entries[number] = entry if category < CATEGORY_OF_HALFWAY else entry | HALFWAY
        limits[number] = beyond
        if length <= LOOKUP_BITS and category < CATEGORY_OF_HALFWAY:
            lookup[first >> (16 - LOOKUP_BITS) : beyond >> (16 - LOOKUP_BITS)] = entries[number]
        first, longest = beyond, max(longest, bits)
    # Prefixes beyond the last code find an entry of 0.
    _add_pairs(lookup)
    return HuffmanTable(lookup, limits, entries, longest)


@kernel
def _add_pairs(lookup: Entries) -> None:
    """Put the second symbol into each entry whose bits leave room for it."""
    single, width = lookup.copy(), np.uint64(LOOKUP_BITS)
    one, last = np.uint64(1), np.uint64((1 << LOOKUP_BITS) - 1)
    for index in range(np.uint64(lookup.size)):
        first = single[index]
        taken = first & np.uint64(63)
        if first == 0 or taken >= width:
            continue
        rest = (index << taken) & last
        second = single[rest]
        both = taken + (second & np.uint64(63))
        if second == 0 or both > width:
            continue
        category = np.uint64(63) - ((second >> np.uint64(REST_SHIFT)) & np.uint64(63))
        value = (rest >> (width - (second & np.uint64(63)))) & ((one << category) - one)
        if category > 0 and value >> (category - one) == 0:
            value = value + one - (one << category)
        # The bits of the first alone make way for those of both.
        entry = first + (second & np.uint64(63)) * (one | one << np.uint64(BITS_SHIFT))
        entry |= one << np.uint64(PAIR_SHIFT)
        lookup[index] = entry | (value & np.uint64(0xFFFF)) << np.uint64(SECOND_SHIFT)
