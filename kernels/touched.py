"""Which chunks of a level the samples of a curved surface need: those of a plane are found by its normal instead."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .arguments import Array
from .jit import inlined, kernel
from .positions import Rows

_ROUNDING = 1e-5
# Pixels of a row looked at together, by the box about them: a few voxels long, so that it is hardly larger than they.
_RUN = 8


def touched_chunks(
    starts: Array,
    steps: Array,
    through: Array,
    columns: int,
    samples: int,
    *,
    reach: int,
    chunk: tuple[int, int, int],
    start: tuple[int, int, int],
    stop: tuple[int, int, int],
) -> NDArray[np.bool_]:
    """Tell for each chunk that the box from `start` to `stop` touches whether a sample needs a voxel of it.

    Samples are those of `slab.project_rows`; each needs the `reach` voxels on either side of it along each axis, 1 for
    trilinear and 2 for cubic. All sizes and positions are (z, y, x).
    """
    first = tuple(a // size for a, size in zip(start, chunk, strict=True))
    counts = [(b - 1) // size + 1 - f for b, size, f in zip(stop, chunk, first, strict=True)]
    wanted = np.zeros(counts, np.bool_)
    _mark(Rows(starts, steps, through), columns, samples, reach, chunk, start, stop, wanted)
    return wanted


@kernel
def _mark(
    rows: Rows,
    columns: int,
    samples: int,
    reach: int,
    chunk: tuple[int, int, int],
    start: tuple[int, int, int],
    stop: tuple[int, int, int],
    wanted: NDArray[np.bool_],
) -> None:
    low, high = np.empty(3, np.int64), np.empty(3, np.int64)
    for row in range(len(rows.starts)):
        step, through = rows.steps[min(row, len(rows.steps) - 1)], rows.through[min(row, len(rows.through) - 1)]
        for s in range(samples):
            for column in range(0, columns, _RUN):
                for axis in range(3):
                    one = rows.starts[row, axis] + column * step[axis] + s * through[axis]
                    other = one + min(_RUN, columns - column) * step[axis]
                    ends = (min(one, other), max(one, other))
                    low[axis], high[axis] = _chunks(ends, reach, chunk[axis], start[axis], stop[axis])
                for z in range(low[0], high[0]):
                    for y in range(low[1], high[1]):
                        for x in range(low[2], high[2]):
                            wanted[z, y, x] = True


@inlined
def _chunks(ends: tuple[float, float], reach: int, size: int, start: int, stop: int) -> tuple[int, int]:
    """Give the first chunk of the box that a run of samples needs along one axis, and the one after the last."""
    first = int(np.floor(max(-1e9, min(1e9, ends[0] - _ROUNDING)))) - (reach - 1)
    last = int(np.floor(max(-1e9, min(1e9, ends[1] + _ROUNDING)))) + reach
    if last < start or first >= stop:
        return 0, 0
    offset = start // size
    return max(first, start) // size - offset, min(last, stop - 1) // size + 1 - offset
