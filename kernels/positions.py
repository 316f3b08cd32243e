"""Where samples of a line lie among the voxels: fixed-point positions, and which of them need no check.

Along a line each voxel index is linear in the column. So the columns that lie in the volume form one interval, found
by division, and within it one more, where no index needs clamping. Positions are integers with 32 binary places, which
makes that interval exact: no argument, however odd, leads outside the array. Weights are the first 20 of them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .arguments import Array, Vector
from .jit import always_inlined, inlined
from .memory import uncounted

# A voxel reaches half a voxel around its centre; the rest forgives rounding of affines.
BORDER = 0.5 + 1e-6
BINARY_PLACES = 32
WEIGHT_PLACES = 20
HALF_WEIGHT = 1 << (BINARY_PLACES - WEIGHT_PLACES - 1)
# With 32 binary places, 2**24 voxels leave 64 bits room for every sum and multiple made below.
LARGEST_AXIS = 1 << 24
ONE_VOXEL = 1 << BINARY_PLACES


Vector3 = tuple[float, float, float]


class Rows(NamedTuple):
    """Where samples lie: row r begins at `starts[r]`, steps by `steps[r]`; each (z, y, x), one row or one for all."""

    starts: Array
    steps: Array
    through: Array
    """From one sample of a slab to the next."""


class Knots(NamedTuple):
    """Where the slices lie along z, ready for a kernel; `positions` is empty where z counts slices."""

    positions: Vector
    gap: float
    """An interval above this is one where slices are missing."""
    reach: float
    """How far a slice counts beyond its position where its neighbour is missing."""


@always_inlined
def uncounted_rows(rows: Rows) -> Rows:
    """Give rows to read in a kernel: see `memory.uncounted`."""
    return Rows(uncounted(rows.starts), uncounted(rows.steps), uncounted(rows.through))


@always_inlined
def uncounted_knots(knots: Knots) -> Knots:
    """Do so with the places of slices."""
    return Knots(uncounted(knots.positions), knots.gap, knots.reach)


@always_inlined
def row_start(rows: Rows, row: int, sample: int) -> Vector3:
    """Give the position of the first pixel of a row, some samples deep."""
    which = min(row, len(rows.through) - 1)
    return (
        rows.starts[row, 0] + sample * rows.through[which, 0],
        rows.starts[row, 1] + sample * rows.through[which, 1],
        rows.starts[row, 2] + sample * rows.through[which, 2],
    )


@always_inlined
def row_step(rows: Rows, row: int) -> Vector3:
    """Give the way from a pixel of a row to the next."""
    which = min(row, len(rows.steps) - 1)
    return rows.steps[which, 0], rows.steps[which, 1], rows.steps[which, 2]


@inlined
def voxel_at(slab: int, row: int, z: int, y: int, x: int) -> int:
    """Give the place in memory of the voxel at or before a position."""
    return (z >> BINARY_PLACES) * slab + (y >> BINARY_PLACES) * row + (x >> BINARY_PLACES)


@inlined
def weight_of(position: int) -> int:
    """Give how far a position is on its way to the next voxel, in units of 2**-20."""
    return (position >> (BINARY_PLACES - WEIGHT_PLACES)) & ((1 << WEIGHT_PLACES) - 1)


@inlined
def fixed(position: float) -> int:
    """Give the position with 32 binary places, cut to the largest axis; NaN counts as beyond it."""
    bounded = max(-float(LARGEST_AXIS), min(float(LARGEST_AXIS), position))
    return int(np.floor(bounded * float(1 << BINARY_PLACES) + 0.5))


@inlined
def clamped(position: int, size: int) -> int:
    """Cut a position to the outermost voxel centres."""
    return max(0, min((size - 1) << BINARY_PLACES, position))


@inlined
def settled(position: int, move: int, size: int) -> int:
    """Clamp a position that stays the same along the whole row, so that the row needs no clamping for it."""
    return clamped(position, size) if move == 0 else position


@inlined
def stays(position: int, move: int) -> bool:
    """Whether a position stays on a voxel centre along the whole row."""
    return move == 0 and weight_of(position) == 0


@inlined
def nearest_index(position: int, size: int) -> int:
    """Give the voxel whose centre is nearest, the higher one in the middle."""
    half = (1 << (BINARY_PLACES - 1)) + HALF_WEIGHT
    return max(0, min(size - 1, (position + half) >> BINARY_PLACES))


@inlined
def columns_inside(
    shape: tuple[int, int, int],
    start: tuple[float, float, float],
    step: tuple[float, float, float],
    columns: int,
) -> tuple[int, int]:
    """Give the first column in the volume, border included, and the one after the last."""
    low, high = 0.0, columns - 1.0
    for axis in range(3):
        if shape[axis] == 0:
            return 0, 0
        before, behind = -BORDER - start[axis], shape[axis] - 1 + BORDER - start[axis]
        if step[axis] == 0.0:
            if not (before <= 0.0 <= behind):
                return 0, 0
        else:
            low = max(low, min(before / step[axis], behind / step[axis]))
            high = min(high, max(before / step[axis], behind / step[axis]))
    if not low <= high:
        return 0, 0
    return int(np.ceil(low)), int(np.floor(high)) + 1


@inlined
def steps_unclamped(
    shape: tuple[int, int, int], at: tuple[int, int, int], move: tuple[int, int, int], steps: int
) -> tuple[int, int]:
    """Give the first step with every index between the outermost voxel centres, and the one after the last.

    Integers throughout, so the answer is exact: no step between the two can read outside the volume.
    """
    first, stop = 0, steps
    for axis in range(3):
        # Below one weight past the last centre the weight is zero still.
        limit = ((shape[axis] - 1) << BINARY_PLACES) + 2 * HALF_WEIGHT - 1
        first, stop = steps_up_to(limit, at[axis], move[axis], first, stop)
    first = min(first, steps)
    return first, max(first, stop)


@inlined
def steps_up_to(limit: int, position: int, move: int, first: int, stop: int) -> tuple[int, int]:
    """Leave of the steps first to stop those whose position is 0 to `limit`."""
    if move < 0:
        position, move = limit - position, -move
    if move == 0:
        return first, (stop if 0 <= position <= limit else 0)
    return max(first, -(position // move)), min(stop, (limit - position) // move + 1)


@inlined
def slice_index(z: float, knots: Knots, k: int) -> tuple[float, int]:
    """Give the fractional slice index at `z` (NaN where no slice reaches) and the interval to try first next."""
    positions, gap, reach = knots
    last = positions.size - 1
    if z < positions[0]:
        return (0.0 if positions[0] - z <= reach else np.nan), 0
    if not z < positions[last]:
        return (np.float64(last) if z - positions[last] <= reach else np.nan), max(last - 1, 0)
    while z < positions[k]:
        k -= 1
    while z >= positions[k + 1]:
        k += 1
    interval = positions[k + 1] - positions[k]
    if interval > gap:
        # Beside missing slices a slice counts as it does at the ends: unmixed, as far as it reaches.
        before, behind = z - positions[k], positions[k + 1] - z
        return (np.float64(k) if before <= reach else (np.float64(k + 1) if behind <= reach else np.nan)), k
    return k + (z - positions[k]) / interval, k
