"""Least and greatest value of each brick of a volume, and how far a ray may leap where bricks hold nothing.

A brick is eight voxels a side and its range includes the next layer along each axis: so whatever is interpolated
between its first voxel and the next brick's lies within the range.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import InvalidArgument
from .arguments import STORED, Array, check_array
from .jit import inlined, kernel

BRICK = 8
"""Voxels along a side: two numbers for 512, 0.4 % of the values."""
BRICK_PLACES = 3
FARTHEST = 255
"""Most bricks that a leap is told to span, at least one."""


def brick_counts(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Give how many bricks there are along each axis."""
    return tuple(-(-size // BRICK) for size in shape)


def brick_ranges(volume: Array) -> tuple[Array, Array]:
    """Give the least and the greatest value of each brick, next layer included, in the volume's type.

    `volume` is (z, y, x), int8 to uint32, float32 or float64, no axis empty. NaN counts as nothing; a brick of NaN
    alone has its type's greatest number as least, and the least as greatest. Raises `InvalidArgument`.
    """
    voxels = check_array("volume", volume, STORED, 3)
    if voxels.size == 0:
        raise InvalidArgument(f"volume has shape {voxels.shape}: an empty one has no range")
    shape = brick_counts(voxels.shape)
    lows, highs = np.empty(shape, voxels.dtype), np.empty(shape, voxels.dtype)
    _gather_ranges(voxels, _limits(voxels.dtype), lows, highs)
    return lows, highs


def leap_distances(is_active: Array) -> Array:
    """Give how far each brick is from the nearest active one, in bricks, diagonals counting as one; 0 for those.

    `is_active` is bool (z, y, x); the result is uint8, at most `FARTHEST`.
    """
    flags = check_array("is_active", is_active, frozenset({np.dtype(np.bool_)}), 3)
    distances = np.where(flags, np.uint8(0), np.uint8(FARTHEST))
    _spread(distances)
    return distances


def _limits(dtype: np.dtype[Any]) -> tuple[Any, Any]:
    """Give the greatest and the least number of a type."""
    limits = np.finfo(dtype) if dtype.kind == "f" else np.iinfo(dtype)
    return dtype.type(limits.max), dtype.type(limits.min)


@kernel
def _gather_ranges(volume: Array, limits: tuple[Any, Any], lows: Array, highs: Array) -> None:
    """Gather the rows of each row of bricks elementwise, which is vector code, then along x."""
    Z, Y, X = volume.shape
    low, high = np.empty(X, volume.dtype), np.empty(X, volume.dtype)
    for brick_z in range(lows.shape[0]):
        for brick_y in range(lows.shape[1]):
            low[:], high[:] = limits[0], limits[1]
            for z in range(brick_z * BRICK, min(brick_z * BRICK + BRICK + 1, Z)):
                for y in range(brick_y * BRICK, min(brick_y * BRICK + BRICK + 1, Y)):
                    _widen(volume[z, y], low, high)
            _shorten(low, high, limits, lows[brick_z, brick_y], highs[brick_z, brick_y])


@inlined
def _widen(row: Array, low: Array, high: Array) -> None:
    # Comparisons in this order pass over NaN.
    for x in range(row.size):
        low[x] = row[x] if row[x] < low[x] else low[x]
        high[x] = row[x] if row[x] > high[x] else high[x]


@inlined
def _shorten(low: Array, high: Array, limits: tuple[Any, Any], lows: Array, highs: Array) -> None:
    for brick in range(lows.size):
        least, greatest = limits
        for x in range(brick * BRICK, min(brick * BRICK + BRICK + 1, low.size)):
            least = low[x] if low[x] < least else least
            greatest = high[x] if high[x] > greatest else greatest
        lows[brick], highs[brick] = least, greatest


@kernel
def _spread(distances: Array) -> None:
    """Look at the thirteen neighbours before each brick, then at the thirteen behind: exact for this distance.

    Row by row: of twelve of them the nearest is found in vector code, and then the one beside it in its row.
    """
    Z, Y, X = distances.shape
    near = np.full(X + 2, FARTHEST - 1, np.uint8)
    for direction in (1, -1):
        for n in range(Z * Y):
            at = n if direction == 1 else Z * Y - 1 - n
            z, y = at // Y, at % Y
            near[:] = FARTHEST - 1
            for other_y in range(max(y - 1, 0), min(y + 2, Y)):
                if 0 <= z - direction < Z:
                    _keep_least(distances[z - direction, other_y], near)
            if 0 <= y - direction < Y:
                _keep_least(distances[z, y - direction], near)
            _step_along(distances[z, y], near, direction)


@inlined
def _keep_least(row: Array, near: Array) -> None:
    for x in range(row.size):
        near[x + 1] = min(near[x + 1], row[x])


@inlined
def _step_along(row: Array, near: Array, direction: int) -> None:
    """Take the least of three neighbours in `near`, and of the one before in the row, one brick on."""
    for x in range(row.size):
        row[x] = min(row[x], np.uint8(min(near[x], near[x + 1], near[x + 2]) + 1))
    before = np.int64(FARTHEST - 1)
    for n in range(row.size):
        x = n if direction == 1 else row.size - 1 - n
        before = min(np.int64(row[x]), before + 1)
        row[x] = before
