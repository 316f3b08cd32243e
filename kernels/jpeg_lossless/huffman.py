"""Huffman tables of lossless JPEG: categories of differences, 0 to 16 (T.81 annexes C, H.1.2.2 and K.2)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...errors import DecodeError

LOOKUP_BITS = 12
"""16 KiB of entries stay in a first cache; longer codes come up once in 4096 samples."""
CATEGORIES = 17
LIMITS = CATEGORIES + 1

# An entry is code length << LENGTH_SHIFT | category << CATEGORY_SHIFT | bits of code and difference together.
LENGTH_SHIFT, CATEGORY_SHIFT = 8, 16

Entries = NDArray[np.uint32]


@dataclass(frozen=True, slots=True, eq=False)
class HuffmanTable:
    """A table made ready for decoding."""

    lookup: Entries
    """By the next `LOOKUP_BITS` bits: the entry; 0 for a longer code, for none, and for category 16."""
    limits: Entries
    """(LIMITS,) by code in rising order: the first 16-bit prefix that is beyond it."""
    entries: Entries
    """(LIMITS,) the entry of each code; 0 beyond the last."""
    longest_bits: int
    """Most bits that a code and its difference take together."""


def read_tables(body: bytes, at: int) -> dict[int, HuffmanTable]:
    """Read a DHT segment at byte `at` into tables by their selector; those for AC coefficients are passed over."""
    tables, position = {}, 0
    while position < len(body):
        head, counts = body[position], list(body[position + 1 : position + 17])
        values = body[position + 17 : position + 17 + sum(counts)]
        if len(counts) < 16 or len(values) < sum(counts):
            raise DecodeError(f"the JPEG Huffman table FFC4 at byte {at} is cut off")
        position += 17 + len(values)
        if head >> 4 == 0:
            tables[head & 0x0F] = make_table(counts, values, at)
    return tables


def make_table(counts: list[int], values: bytes, at: int = 0) -> HuffmanTable:
    """Make a table of the numbers of codes of 1 to 16 bits, and their categories in order.

    Raises `DecodeError` for more codes than the bits can tell apart, or categories that are none or repeat.
    """
    if not values or max(values) >= CATEGORIES or len(set(values)) < len(values):
        raise DecodeError(f"the JPEG Huffman table FFC4 at byte {at} has categories {list(values)}, not of 0 to 16")
    lookup = np.zeros(1 << LOOKUP_BITS, np.uint32)
    limits, entries = np.full(LIMITS, 1 << 16, np.uint32), np.zeros(LIMITS, np.uint32)
    lengths = [length for length, count in enumerate(counts, 1) for _ in range(count)]
    first, longest = 0, 0
    for number, (length, category) in enumerate(zip(lengths, values, strict=True)):
        beyond = first + (1 << (16 - length))
        if beyond > 1 << 16:
            raise DecodeError(f"the JPEG Huffman table FFC4 at byte {at} has more codes than {length} bits tell apart")
        # The difference of category 16 is always 32768 and takes no bits.
        bits = length + category % 16
        entries[number] = bits | length << LENGTH_SHIFT | category << CATEGORY_SHIFT
        limits[number] = beyond
        if length <= LOOKUP_BITS and category < 16:
            lookup[first >> (16 - LOOKUP_BITS) : beyond >> (16 - LOOKUP_BITS)] = entries[number]
        first, longest = beyond, max(longest, bits)
    # Prefixes beyond the last code find an entry of 0.
    return HuffmanTable(lookup, limits, entries, longest)
