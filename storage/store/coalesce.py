"""Which requests bring the byte ranges that are wanted: few, not much longer than needed, none too long.

Ranges apart by less than a request's own cost are asked for together, nearest first, while what is read in vain stays
below what is wanted; a long run is cut, so that several connections bring it at once.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

GAP_BYTES = 128 << 10
"""Bytes not worth a request of their own: some milliseconds of a connection."""
PART_BYTES = 8 << 20
"""Most bytes of one request: seconds at most, so that a timeout means that something is wrong."""

Runs = NDArray[np.int64]
"""(n, 2): start and stop."""


def runs_to_read(starts: NDArray[np.int64], stops: NDArray[np.int64]) -> Runs:
    """Give the runs that hold all ranges, ascending; at most twice as long as the ranges together.

    `starts` is ascending, without repeats; ranges may touch and overlap.
    """
    if not len(starts):
        return np.empty((0, 2), np.int64)
    reached = np.maximum.accumulate(stops)
    gaps = starts[1:] - reached[:-1]
    budget = int((stops - starts).sum())
    nearest = np.argsort(gaps, kind="stable")
    spent = np.cumsum(np.maximum(gaps[nearest], 0))
    joined = np.zeros(len(gaps), bool)
    joined[nearest] = (gaps[nearest] <= GAP_BYTES) & (spent <= budget)
    firsts = np.flatnonzero(np.concatenate([[True], ~joined]))
    lasts = np.concatenate([firsts[1:] - 1, [len(starts) - 1]])
    return np.stack([starts[firsts], reached[lasts]], axis=1)


def parts_of(start: int, stop: int) -> list[tuple[int, int]]:
    """Cut a run into even parts of `PART_BYTES` at most."""
    count = max(1, -(-(stop - start) // PART_BYTES))
    bounds = [start + (stop - start) * part // count for part in range(count + 1)]
    return list(itertools.pairwise(bounds))
