"""What scans of every DCT process have in common: bits without stuffing, Huffman tables, and errors by name."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..errors import DecodeError
from .dct_approximation import BEYOND, OUT_OF_RANGE
from .dct_huffman import (
    BAD_CODE,
    BAD_RUN,
    CUT_OFF,
    DECODED,
    LEFT_OVER,
    LONG_CODE_WORDS,
    PADDING_BYTES,
    TABLE_ENTRIES,
    build_table,
    unstuff,
)
from .dct_markers import HuffmanSpecification, ScanHeader

_OUTCOMES = {
    BAD_CODE: "bits that are no Huffman code",
    BAD_RUN: "more coefficients than a block or band has, or larger ones",
    CUT_OFF: "the coded data ends before the block does",
    LEFT_OVER: "coded data is left over",
    OUT_OF_RANGE: "a coefficient of more than 16 bits",
    BEYOND: "an end of band for more blocks than are left",
}


class Bits:
    """The entropy-coded data of a codestream, of one scan at a time."""

    def __init__(self, codestream: bytes) -> None:
        self.source = np.frombuffer(codestream, np.uint8)
        self.coded = np.empty(self.source.size + PADDING_BYTES, np.uint8)
        """Without stuffing; one room for all scans, else those of a large codestream with many would cost a square."""

    def read(self, scan: ScanHeader, mcus: int, interval: int) -> tuple[NDArray[np.uint64], int]:
        """Fill `coded` with the data of a scan; give the end of each restart interval, and the offset of the marker
        after it.

        Raises `DecodeError` where restart markers are missing or out of order.
        """
        ends = np.zeros(-(-mcus // (interval or mcus)), np.uint64)
        segments, position = unstuff(self.source, scan.start, self.coded, ends)
        if segments == 0:
            raise DecodeError(f"the scan at byte {scan.start} is cut off: no marker ends it")
        if segments != ends.size:
            raise DecodeError(
                f"the scan at byte {scan.start} has {ends.size} restart intervals: the marker at byte {position} "
                "is out of order"
            )
        self.coded[int(ends[-1]) :][:PADDING_BYTES] = 0
        return ends, int(position)


@lru_cache(maxsize=16)
def huffman_tables(
    specifications: tuple[HuffmanSpecification, ...], kinds: Sequence[int]
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Give look-up tables and long codes, one after the other, each for its kind of symbols.

    Kept, for the frames of an instance mostly share them: to build those of a colour image takes 15 µs.
    """
    tables = np.empty((len(specifications), TABLE_ENTRIES), np.int32)
    long_codes = np.zeros((len(specifications), LONG_CODE_WORDS), np.int32)
    for place, (specification, kind) in enumerate(zip(specifications, kinds, strict=True)):
        counts, symbols = (np.frombuffer(part, np.uint8) for part in (specification.counts, specification.symbols))
        build_table(counts, symbols, kind, tables[place], long_codes[place])
    for shared in (tables, long_codes):
        shared.flags.writeable = False
    return tables.reshape(-1), long_codes.reshape(-1)


def check_outcome(outcome: int, at: int, parts: str, scan: ScanHeader) -> None:
    """Raise `DecodeError` unless a scan was decoded; `parts` is what is counted, and of how many."""
    if outcome != DECODED:
        raise DecodeError(f"{_OUTCOMES[outcome]}, at {parts.format(at)} of the scan at byte {scan.start}")
