"""Sample a volume along a line of equidistant points, trilinear or nearest: what `reslice` and `slab` are made of.

The long loop runs over the steps where no index needs clamping (`positions.py`), without a check.

Positions are rounded to the 2**-20th of a voxel (about 1e-6). A neighbour whose weight is then zero is not
read at all: a plane through voxel centres reads one slice, and volumes filled only where a plane passes are
safe.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .arguments import Array, Vector
from .cubic import cubic_line
from .jit import inlined
from .positions import (
    BINARY_PLACES,
    HALF_WEIGHT,
    ONE_VOXEL,
    WEIGHT_PLACES,
    Knots,
    clamped,
    columns_inside,
    fixed,
    nearest_index,
    settled,
    slice_index,
    steps_unclamped,
    voxel_at,
    weight_of,
)
from .prefetch import prefetch

# Samples ahead for which voxels are asked: near-sagittal planes, a cache line a sample, take a third of the time.
PREFETCH = 24
# Samples worked on at a time; their scratch arrays stay in the first cache.
BLOCK = 128
NEAREST, TRILINEAR, CUBIC = 0, 1, 2


@inlined
def smooth_line(
    how: int, volume: Array, start: tuple[float, float, float], step: Vector, knots: Knots, line: Array
) -> None:
    """Write the samples at `start + column * step` into those columns of `line` that lie in the volume."""
    if how == CUBIC:
        cubic_line(volume, start, step, knots, line)
    else:
        trilinear_line(volume, start, step, knots, line)


@inlined
def trilinear_line(
    volume: Array,
    start: tuple[float, float, float],
    step: Vector,
    knots: Knots,
    line: Array,
) -> None:
    """Write the samples at `start + column * step` into those columns of `line` that lie in the volume."""
    z, step_z = start[0], step[0]
    if knots.positions.size > 0:
        # A drift below a millionth of a slice over the whole row is none.
        if abs(step_z) * line.size > 1e-6 * knots.reach:
            _trilinear_line_across_knots(volume, start, step, knots, line)
            return
        z, _ = slice_index(z, knots, 0)
        step_z = 0.0
    first, stop = columns_inside(volume.shape, (z, start[1], start[2]), (step_z, step[1], step[2]), line.size)
    if first >= stop:
        return
    move = (fixed(step_z), fixed(step[1]), fixed(step[2]))
    at = (
        settled(fixed(z + first * step_z) + HALF_WEIGHT, move[0], volume.shape[0]),
        settled(fixed(start[1] + first * step[1]) + HALF_WEIGHT, move[1], volume.shape[1]),
        settled(fixed(start[2] + first * step[2]) + HALF_WEIGHT, move[2], volume.shape[2]),
    )
    inner_first, inner_stop = steps_unclamped(volume.shape, at, move, stop - first)
    samples = line[first:stop]
    _trilinear_clamped(volume, at, move, 0, inner_first, samples)
    if move[0] == 0 and move[1] == 0 and abs(move[2]) <= ONE_VOXEL:
        _trilinear_along_x(volume, at, move[2], inner_first, inner_stop, samples)
    else:
        _trilinear_run(volume, at, move, inner_first, inner_stop, samples)
    _trilinear_clamped(volume, at, move, inner_stop, samples.size, samples)


@inlined
def nearest_line(
    volume: Array,
    start: tuple[float, float, float],
    step: Vector,
    knots: Knots,
    line: Array,
) -> None:
    """Do as `trilinear_line` with the nearest voxel."""
    shape = volume.shape
    mapped = knots.positions.size > 0
    # Through knots z is found sample by sample; until then any z that is inside will do.
    z, step_z = (0.0, 0.0) if mapped else (start[0], step[0])
    first, stop = columns_inside(shape, (z, start[1], start[2]), (step_z, step[1], step[2]), line.size)
    move_z, move_y, move_x = fixed(step_z), fixed(step[1]), fixed(step[2])
    at_z, at_y = fixed(z + first * step_z), fixed(start[1] + first * step[1])
    at_x = fixed(start[2] + first * step[2])
    k = 0
    for column in range(first, stop):
        n = column - first
        fixed_z = at_z + n * move_z
        if mapped:
            index, k = slice_index(start[0] + column * step[0], knots, k)
            if np.isnan(index):
                continue
            fixed_z = fixed(index)
        line[column] = volume[
            nearest_index(fixed_z, shape[0]),
            nearest_index(at_y + n * move_y, shape[1]),
            nearest_index(at_x + n * move_x, shape[2]),
        ]


@inlined
def _trilinear_line_across_knots(
    volume: Array,
    start: tuple[float, float, float],
    step: Vector,
    knots: Knots,
    line: Array,
) -> None:
    """Do as `trilinear_line` where z moves along the row: every sample finds its own pair of slices."""
    shape = volume.shape
    first, stop = columns_inside(shape, (0.0, start[1], start[2]), (0.0, step[1], step[2]), line.size)
    move_y, move_x = fixed(step[1]), fixed(step[2])
    at_y, at_x = fixed(start[1] + first * step[1]), fixed(start[2] + first * step[2])
    flat, scale = volume.reshape(-1), line.dtype.type(2.0**-WEIGHT_PLACES)
    k = 0
    for column in range(first, stop):
        index, k = slice_index(start[0] + column * step[0], knots, k)
        if np.isnan(index):
            continue
        z = clamped(fixed(index) + HALF_WEIGHT, shape[0])
        y = clamped(at_y + (column - first) * move_y + HALF_WEIGHT, shape[1])
        x = clamped(at_x + (column - first) * move_x + HALF_WEIGHT, shape[2])
        line[column] = _trilinear(flat, shape[1] * shape[2], shape[2], z, y, x, scale)


@inlined
def _trilinear_run(
    volume: Array, at: tuple[int, int, int], move: tuple[int, int, int], first: int, stop: int, line: Array
) -> None:
    """Sample steps first to stop, all of them proven to lie between the outermost voxel centres.

    In blocks of three loops, so that the arithmetic before and after the reads becomes vector code.
    """
    if first >= stop:
        return
    flat, strides = volume.reshape(-1), (volume.shape[1] * volume.shape[2], volume.shape[2])
    # Unsigned, or Numba would look at the sign of every index, to count from the end.
    places = np.empty((4, BLOCK + PREFETCH), np.uint64)
    parts = np.empty((11, BLOCK), line.dtype)
    for begin in range(first, stop, BLOCK):
        count = min(BLOCK, stop - begin)
        start = (at[0] + begin * move[0], at[1] + begin * move[1], at[2] + begin * move[2])
        _locate(strides, start, move, count, places, parts)
        _gather(flat, strides, count, places, parts)
        _interpolate(parts, line[begin : begin + count])


@inlined
def _locate(
    strides: tuple[int, int],
    start: tuple[int, int, int],
    move: tuple[int, int, int],
    count: int,
    places: Array,
    parts: Array,
) -> None:
    """Write the near voxel, the offsets to the far ones, and the three weights of each sample of a block.

    Near voxels also for the samples that follow, so that theirs can be asked for ahead.
    """
    slab, row = strides
    kind = parts.dtype.type
    scale = kind(2.0**-WEIGHT_PLACES)
    near, far_z, far_y, far_x = places[0], places[1], places[2], places[3]
    part_z, part_y, part_x = parts[0], parts[1], parts[2]
    for n in range(count + PREFETCH):
        z, y, x = start[0] + n * move[0], start[1] + n * move[1], start[2] + n * move[2]
        near[n] = voxel_at(slab, row, z, y, x)
    for n in range(count):
        z, y, x = start[0] + n * move[0], start[1] + n * move[1], start[2] + n * move[2]
        weight_z, weight_y, weight_x = weight_of(z), weight_of(y), weight_of(x)
        # A zero weight reads the near voxel twice, so that the far one may be anything, or past the end.
        far_z[n] = slab if weight_z != 0 else 0
        far_y[n] = row if weight_y != 0 else 0
        far_x[n] = 1 if weight_x != 0 else 0
        part_z[n], part_y[n], part_x[n] = kind(weight_z) * scale, kind(weight_y) * scale, kind(weight_x) * scale


@inlined
def _gather(flat: Array, strides: tuple[int, int], count: int, places: Array, parts: Array) -> None:
    """Read the eight voxels around each sample of a block."""
    near, far_z, far_y, far_x = places[0], places[1], places[2], places[3]
    v0, v1, v2, v3 = parts[3], parts[4], parts[5], parts[6]
    v4, v5, v6, v7 = parts[7], parts[8], parts[9], parts[10]
    slab, row = np.uint64(strides[0]), np.uint64(strides[1])
    for n in range(count):
        ahead = near[n + PREFETCH]
        prefetch(flat, ahead)
        prefetch(flat, ahead + row)
        prefetch(flat, ahead + slab)
        prefetch(flat, ahead + slab + row)
        base, dx, dy, dz = near[n], far_x[n], far_y[n], far_z[n]
        v0[n], v1[n] = flat[base], flat[base + dx]
        v2[n], v3[n] = flat[base + dy], flat[base + dy + dx]
        base += dz
        v4[n], v5[n] = flat[base], flat[base + dx]
        v6[n], v7[n] = flat[base + dy], flat[base + dy + dx]


@inlined
def _interpolate(parts: Array, line: Array) -> None:
    """Blend the eight voxels of each sample of a block."""
    for n in range(line.size):
        z, y, x = parts[0, n], parts[1, n], parts[2, n]
        near = _blend(_blend(parts[3, n], parts[4, n], x), _blend(parts[5, n], parts[6, n], x), y)
        far = _blend(_blend(parts[7, n], parts[8, n], x), _blend(parts[9, n], parts[10, n], x), y)
        line[n] = _blend(near, far, z)


@inlined
def _trilinear_along_x(
    volume: Array, at: tuple[int, int, int], move_x: int, first: int, stop: int, line: Array
) -> None:
    """Do as `_trilinear_run` for a row along x: blend the four rows of voxels around it once, in vector code.

    For steps up to a voxel, where that reads no voxel that no sample needs.
    """
    if first >= stop:
        return
    one_end, other_end = at[2] + first * move_x, at[2] + (stop - 1) * move_x
    left, right = min(one_end, other_end), max(one_end, other_end)
    first_voxel = left >> BINARY_PLACES
    stop_voxel = (right >> BINARY_PLACES) + (2 if weight_of(right) != 0 else 1)
    blended = _blend_rows(volume, at[0], at[1], first_voxel, stop_voxel, line)
    scale = line.dtype.type(2.0**-WEIGHT_PLACES)
    for n in range(first, stop):
        x = at[2] + n * move_x - (first_voxel << BINARY_PLACES)
        weight, near = weight_of(x), np.uint64(x >> BINARY_PLACES)
        far = near + np.uint64(1 if weight != 0 else 0)
        line[n] = _blend(blended[near], blended[far], line.dtype.type(weight) * scale)


@inlined
def _blend_rows(volume: Array, z: int, y: int, first: int, stop: int, line: Array) -> Array:
    """Give voxels first to stop of the row at fixed-point (z, y), in the type of `line`."""
    kind = line.dtype.type
    weight_z, weight_y = weight_of(z), weight_of(y)
    near_z, near_y = z >> BINARY_PLACES, y >> BINARY_PLACES
    far_z, far_y = near_z + (1 if weight_z != 0 else 0), near_y + (1 if weight_y != 0 else 0)
    a, b = volume[near_z, near_y, first:stop], volume[near_z, far_y, first:stop]
    c, d = volume[far_z, near_y, first:stop], volume[far_z, far_y, first:stop]
    across, through = kind(weight_y) * kind(2.0**-WEIGHT_PLACES), kind(weight_z) * kind(2.0**-WEIGHT_PLACES)
    blended = np.empty(a.size, line.dtype)
    for i in range(a.size):
        near = _blend(kind(a[i]), kind(b[i]), across)
        blended[i] = _blend(near, _blend(kind(c[i]), kind(d[i]), across), through)
    return blended


@inlined
def _trilinear_clamped(
    volume: Array, at: tuple[int, int, int], move: tuple[int, int, int], first: int, stop: int, line: Array
) -> None:
    """Sample steps first to stop, each index cut to the outermost voxel centres."""
    flat, scale = volume.reshape(-1), line.dtype.type(2.0**-WEIGHT_PLACES)
    row = volume.shape[2]
    slab = volume.shape[1] * row
    for n in range(first, stop):
        z = clamped(at[0] + n * move[0], volume.shape[0])
        y = clamped(at[1] + n * move[1], volume.shape[1])
        x = clamped(at[2] + n * move[2], volume.shape[2])
        line[n] = _trilinear(flat, slab, row, z, y, x, scale)


@inlined
def _trilinear(flat: Array, slab: int, row: int, z: int, y: int, x: int, scale: Any) -> Any:
    """Give the sample at fixed-point (z, y, x), none past the outermost centres, in the type of `scale`."""
    kind = type(scale)
    weight_z, weight_y, weight_x = weight_of(z), weight_of(y), weight_of(x)
    # A zero weight reads the near voxel twice, so that the far one may be anything, or past the end.
    far_z = slab if weight_z != 0 else 0
    far_y = row if weight_y != 0 else 0
    far_x = 1 if weight_x != 0 else 0
    base = voxel_at(slab, row, z, y, x)
    along = kind(weight_x) * scale
    near_near = _blend(kind(flat[base]), kind(flat[base + far_x]), along)
    near_far = _blend(kind(flat[base + far_y]), kind(flat[base + far_y + far_x]), along)
    base += far_z
    far_near = _blend(kind(flat[base]), kind(flat[base + far_x]), along)
    far_far = _blend(kind(flat[base + far_y]), kind(flat[base + far_y + far_x]), along)
    across = kind(weight_y) * scale
    near, far = _blend(near_near, near_far, across), _blend(far_near, far_far, across)
    return _blend(near, far, kind(weight_z) * scale)


@inlined
def _blend(near: Any, far: Any, weight: Any) -> Any:
    return near + weight * (far - near)
