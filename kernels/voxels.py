"""The voxels of a box, wherever they lie: in one array, or in the bricks of a cache, read there without a copy.

Where a voxel lies is the sum of three numbers, one an axis, each looked up by its index. That sum holds the number of
its brick, its place within that, and for each axis whether a sample's neighbours behind it lie in the same brick: then
they are a known distance away, as in an array, and one test tells. An array is one brick.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import InvalidArgument
from .arguments import STORED, Array, check_array
from .jit import always_inlined, kernel
from .memory import uncounted

Places = NDArray[np.int64]
Three = tuple[int, int, int]

WITHIN_PLACES = 36
WITHIN = (1 << WITHIN_PLACES) - 1
"""What of a sum is the place within a brick; above it there are two signs for each axis, and then the brick."""
LAST_Z, LAST_Y, LAST_X = 1 << 36, 1 << 37, 1 << 38
"""The next voxel lies in another brick."""
SHORT_Z, SHORT_Y, SHORT_X = 1 << 39, 1 << 40, 1 << 41
"""Of the next three voxels one does."""
BRICK_AT = 42
MOST_BRICKS = 1 << 20


class Voxels(NamedTuple):
    """A box of voxels (z, y, x), each in `flat`, ready for a kernel."""

    flat: Array
    """(elements,), read-only; one element more than any voxel's may be read."""
    firsts: Places
    """(bricks,) where each one's first voxel is."""
    z: Places
    """(slices,) what each index adds to the sum."""
    y: Places
    x: Places
    slab: int
    """Elements from a voxel to the next along z within a brick."""
    row: int
    """And along y; along x it is one."""
    width: int
    """Voxels of a brick along x."""
    skip: int
    """How many of them lie before the box in its first bricks."""


def voxels_of_array(array: Array, start: Three = (0, 0, 0), stop: Three | None = None) -> Voxels:
    """Give the box from `start` up to `stop` of an array (z, y, x), or all of it; nothing is copied.

    Raises `InvalidArgument` for an array that kernels cannot read.
    """
    checked = check_array("volume", array, STORED, 3)
    if checked.size > WITHIN:
        raise InvalidArgument(f"volume has shape {checked.shape}: cut it below {WITHIN + 1} voxels")
    z, y, x = checked.shape
    return _laid(checked.reshape(-1), np.zeros(1, np.int64), (z, y, x), (start, stop or (z, y, x)))


def voxels_of_bricks(flat: Array, firsts: Places, brick: Three, start: Three, stop: Three) -> Voxels:
    """Give the box from `start` up to `stop` of bricks that lie in `flat`, C-contiguous each.

    `brick` is a brick's (z, y, x); `firsts` is (z, y, x bricks), of all that the box touches, where each begins; past
    the last of `flat`'s voxels that belong to a brick there is one element more.
    """
    return _laid(flat, firsts.reshape(-1), brick, (start, stop))


def _laid(flat: Array, firsts: Places, brick: Three, box: tuple[Three, Three]) -> Voxels:
    start, stop = box
    touched = [max(-(-b // n) - a // n, 1) if n else 1 for a, b, n in zip(start, stop, brick, strict=True)]
    strides = (brick[1] * brick[2], brick[2], 1)
    z, y, x = (np.empty(max(b - a, 0), np.int64) for a, b in zip(start, stop, strict=True))
    steps = (math.prod(touched[1:]), touched[2], 1)
    _fill_axes(z, y, x, start, brick, strides, steps)
    skip = start[2] % brick[2] if brick[2] else 0
    return Voxels(flat, firsts, z, y, x, strides[0], strides[1], brick[2], skip)


@kernel
def _fill_axes(z: Places, y: Places, x: Places, start: Three, brick: Three, strides: Three, steps: Three) -> None:
    for axis in range(3):
        places = z if axis == 0 else (y if axis == 1 else x)
        size = brick[axis]
        for i in range(places.size):
            number, within = divmod(start[axis] % size + i, size)
            place = (number * steps[axis] << BRICK_AT) + within * strides[axis]
            if within + 1 >= size:
                place += LAST_Z << axis
            if within + 3 >= size:
                place += SHORT_Z << axis
            places[i] = place


@always_inlined
def shape_of(voxels: Voxels) -> Three:
    """Give (z, y, x) of the box."""
    return voxels.z.size, voxels.y.size, voxels.x.size


@always_inlined
def sum_at(voxels: Voxels, z: int, y: int, x: int) -> Any:
    """Give the sum for a voxel of the box, which the caller proves to be one."""
    return voxels.z[np.uint64(z)] + voxels.y[np.uint64(y)] + voxels.x[np.uint64(x)]


@always_inlined
def place_of(voxels: Voxels, total: int) -> Any:
    """Give where in `flat` the voxel of a sum is."""
    return voxels.firsts[np.uint64(total >> BRICK_AT)] + (total & WITHIN)


@always_inlined
def voxel(voxels: Voxels, z: int, y: int, x: int) -> Any:
    """Give the value of a voxel of the box."""
    return voxels.flat[np.uint64(place_of(voxels, sum_at(voxels, z, y, x)))]


@always_inlined
def is_one_brick(voxels: Voxels) -> bool:
    """Whether the whole box lies in one."""
    return voxels.firsts.size == 1


@always_inlined
def uncounted_voxels(voxels: Voxels) -> Voxels:
    """Give voxels to read in a kernel: see `memory.uncounted`."""
    flat, firsts, z, y, x, slab, row, width, skip = voxels
    return Voxels(uncounted(flat), uncounted(firsts), uncounted(z), uncounted(y), uncounted(x), slab, row, width, skip)
