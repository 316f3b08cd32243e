"""Sample a volume along a line by cubic convolution: the Catmull-Rom spline through 4 × 4 × 4 voxels.

Chosen before the cubic B-spline, which is smoother, because it needs no prefilter: that is recursive over whole lines
of the volume, so one plane would read all of it. It goes through the voxels, is exact for what is quadratic along each
axis, and VTK computes the same. Like every interpolating cubic it overshoots beside edges, by up to 7 % of their height
along each axis.   Source: R. Keys, "Cubic convolution interpolation for digital image processing", 1981, a = -1/2;
between unevenly spaced slices, cubic Hermite pieces whose tangents are the chords of the neighbours.

Where a neighbour is missing, at the ends and beside a gap, the outermost voxel stands in for it. NaN spreads to all
samples that have it among their 64 voxels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .arguments import Array
from .jit import always_inlined, inlined
from .positions import (
    BINARY_PLACES,
    HALF_WEIGHT,
    ONE_VOXEL,
    WEIGHT_PLACES,
    Knots,
    Vector3,
    clamped,
    columns_inside,
    fixed,
    settled,
    slice_index,
    stays,
    steps_up_to,
    voxel_at,
    weight_of,
)
from .prefetch import AHEAD, prefetch
from .voxels import SHORT_X, SHORT_Y, SHORT_Z, Voxels, is_one_brick, place_of, shape_of, sum_at, voxel

_POWERS = ((0.0, 1.0, 0.0, 0.0), (-0.5, 0.0, 0.5, 0.0), (1.0, -2.5, 2.0, -0.5), (-0.5, 1.5, -1.5, 0.5))
"""The weights of the four voxels, as coefficients of 1, t, t², t³."""


@intrinsic  # type: ignore[untyped-decorator] # Numba ships no types
def _cubic_sum(_typing: Any, flat: Any, _places: Any, tz: Any, ty: Any, tx: Any) -> Any:
    """Weigh 64 voxels: four along x from each of 16 places in `flat` on; the caller proves that all are in the array.

    As vectors of four along x: LLVM makes none of the plain loops. Fused where said, not where LLVM likes: the same
    voxels give the same sample wherever they lie.
    """
    kind = tz

    def lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array, places, *parts = arguments
        stored = signature.args[0].dtype
        scalar = ir.FloatType() if kind == types.float32 else ir.DoubleType()
        vector, word = ir.VectorType(scalar, 4), ir.IntType(32)
        name = f"llvm.fma.v4f{32 if kind == types.float32 else 64}"
        fma = cgutils.get_or_insert_function(builder.module, ir.FunctionType(vector, [vector] * 3), name)

        def spread(value: Any, lane: int) -> Any:
            order = ir.Constant(ir.VectorType(word, 4), [lane] * 4)
            return builder.shuffle_vector(value, ir.Constant(vector, ir.Undefined), order)

        def fused(weight: Any, value: Any, total: Any) -> Any:
            return builder.call(fma, [weight, value, total])

        def weights(part: Any) -> Any:
            at = spread(builder.insert_element(ir.Constant(vector, ir.Undefined), part, word(0)), 0)
            total = ir.Constant(vector, list(_POWERS[3]))
            for power in _POWERS[2::-1]:
                total = fused(total, at, ir.Constant(vector, list(power)))
            return total

        start = context.make_array(signature.args[0])(context, builder, array).data
        memory = ir.VectorType(context.get_data_type(stored), 4)

        def load(number: int) -> Any:
            place = builder.extract_value(places, number)
            pointer = builder.bitcast(builder.gep(start, [place]), memory.as_pointer())
            loaded = builder.load(pointer, align=stored.bitwidth // 8)
            if isinstance(stored, types.Integer):
                return (builder.sitofp if stored.signed else builder.uitofp)(loaded, vector)
            if stored == kind:
                return loaded
            return builder.fpext(loaded, vector) if stored == types.float32 else builder.fptrunc(loaded, vector)

        through, across, along = (weights(part) for part in parts)
        whole = None
        for z in range(4):
            line = None
            for y in range(4):
                value, weight = load(4 * z + y), spread(across, y)
                line = builder.fmul(weight, value) if line is None else fused(weight, value, line)
            weight = spread(through, z)
            whole = builder.fmul(weight, line) if whole is None else fused(weight, line, whole)
        products = builder.fmul(along, whole)
        one, two, three, four = (builder.extract_element(products, word(lane)) for lane in range(4))
        return builder.fadd(builder.fadd(one, two), builder.fadd(three, four))

    is_flat = isinstance(flat, types.Array) and flat.ndim == 1 and flat.layout == "C"
    if not is_flat or not ty == tx == kind or kind not in (types.float32, types.float64):
        return None
    return kind(flat, types.UniTuple(types.int64, 16), kind, kind, kind), lower


@inlined
def cubic_line(
    volume: Voxels,
    start: Vector3,
    step: Vector3,
    knots: Knots,
    line: Array,
) -> None:
    """Write the samples at `start + column * step` into those columns of `line` that lie in the volume."""
    if knots.positions.size > 0:
        _cubic_line_across_knots(volume, start, step, knots, line)
        return
    shape = shape_of(volume)
    first, stop = columns_inside(shape, start, (step[0], step[1], step[2]), line.size)
    if first >= stop:
        return
    move = (fixed(step[0]), fixed(step[1]), fixed(step[2]))
    at = (
        settled(fixed(start[0] + first * step[0]) + HALF_WEIGHT, move[0], shape[0]),
        settled(fixed(start[1] + first * step[1]) + HALF_WEIGHT, move[1], shape[1]),
        settled(fixed(start[2] + first * step[2]) + HALF_WEIGHT, move[2], shape[2]),
    )
    inner_first, inner_stop = _steps_with_neighbours(shape, at, move, stop - first)
    samples = line[first:stop]
    _cubic_clamped(volume, at, move, 0, inner_first, samples)
    _cubic_run(volume, at, move, inner_first, inner_stop, samples)
    _cubic_clamped(volume, at, move, inner_stop, samples.size, samples)


@inlined
def _steps_with_neighbours(
    shape: tuple[int, int, int], at: tuple[int, int, int], move: tuple[int, int, int], steps: int
) -> tuple[int, int]:
    """Give the first step whose 64 voxels are all there, and the one after the last such step.

    Along z and y a line that stays on voxel centres needs no neighbours.
    """
    first, stop = 0, steps
    for axis in range(3):
        if axis == 2 or not stays(at[axis], move[axis]):
            limit = ((shape[axis] - 3) << BINARY_PLACES) - 1
            first, stop = steps_up_to(limit, at[axis] - ONE_VOXEL, move[axis], first, stop)
    first = min(first, steps)
    return first, max(first, stop)


@inlined
def _cubic_run(
    volume: Voxels, at: tuple[int, int, int], move: tuple[int, int, int], first: int, stop: int, line: Array
) -> None:
    """Sample steps first to stop, all of them proven to have their neighbours."""
    if first >= stop:
        return
    if is_one_brick(volume):
        _cubic_in_brick(volume, at, move, first, stop, line)
    else:
        _cubic_across_bricks(volume, at, move, first, stop, line)


@inlined
def _cubic_in_brick(
    volume: Voxels, at: tuple[int, int, int], move: tuple[int, int, int], first: int, stop: int, line: Array
) -> None:
    flat, kind = volume.flat, line.dtype.type
    slab, row, scale = volume.slab, volume.row, kind(2.0**-WEIGHT_PLACES)
    # On voxel centres all four are the one voxel: three have no weight, and may not be there.
    through = 0 if stays(at[0], move[0]) else slab
    across = 0 if stays(at[1], move[1]) else row
    origin = place_of(volume, sum_at(volume, 0, 0, 0))
    back = through + across + 1
    is_far = abs(move[0]) + abs(move[1]) > ONE_VOXEL // 16
    for n in range(first, stop):
        z, y, x = at[0] + n * move[0], at[1] + n * move[1], at[2] + n * move[2]
        near = origin + voxel_at(slab, row, z, y, x)
        if is_far:
            # Of the sixteen rows about the sample four in turn: each is needed for as many samples.
            later = origin + voxel_at(slab, row, z + AHEAD * move[0], y + AHEAD * move[1], x + AHEAD * move[2])
            later += ((n & 3) - 1) * slab
            prefetch(flat, later - row)
            prefetch(flat, later)
            prefetch(flat, later + row)
            prefetch(flat, later + 2 * row)
        tz, ty, tx = kind(weight_of(z)) * scale, kind(weight_of(y)) * scale, kind(weight_of(x)) * scale
        line[n] = _cubic_sum(flat, _rows_in_brick(near - back, through, across), tz, ty, tx)


@inlined
def _cubic_across_bricks(
    volume: Voxels, at: tuple[int, int, int], move: tuple[int, int, int], first: int, stop: int, line: Array
) -> None:
    flat, kind = volume.flat, line.dtype.type
    scale = kind(2.0**-WEIGHT_PLACES)
    next_z, next_y = (0 if stays(at[0], move[0]) else 1), (0 if stays(at[1], move[1]) else 1)
    through, across = next_z * volume.slab, next_y * volume.row
    apart = next_z * SHORT_Z + next_y * SHORT_Y + SHORT_X
    block = np.empty(64, flat.dtype)
    for n in range(first, stop):
        z, y, x = at[0] + n * move[0], at[1] + n * move[1], at[2] + n * move[2]
        tz, ty, tx = kind(weight_of(z)) * scale, kind(weight_of(y)) * scale, kind(weight_of(x)) * scale
        z, y, x = (z >> BINARY_PLACES) - next_z, (y >> BINARY_PLACES) - next_y, (x >> BINARY_PLACES) - 1
        total = sum_at(volume, z, y, x)
        if total & apart == 0:
            line[n] = _cubic_sum(flat, _rows_in_brick(place_of(volume, total), through, across), tz, ty, tx)
        elif total & SHORT_X == 0:
            line[n] = _cubic_sum(flat, _rows_in_bricks(volume, (z, y, x), (next_z, next_y)), tz, ty, tx)
        else:
            _bring_together(volume, (z, y, x), (next_z, next_y), block)
            line[n] = _cubic_sum(block, _rows_in_brick(0, 16, 4), tz, ty, tx)


_Rows = tuple[int, int, int, int, int, int, int, int, int, int, int, int, int, int, int, int]


@always_inlined
def _rows_in_brick(first: int, slab: int, row: int) -> _Rows:
    """Give the places of 16 rows of voxels, four along z by four along y, that lie evenly."""
    a, b, c, d = first, first + slab, first + 2 * slab, first + 3 * slab
    two, three = 2 * row, 3 * row
    return (
        *(a, a + row, a + two, a + three),
        *(b, b + row, b + two, b + three),
        *(c, c + row, c + two, c + three),
        *(d, d + row, d + two, d + three),
    )


@always_inlined
def _rows_in_bricks(volume: Voxels, first: tuple[int, int, int], to_next: tuple[int, int]) -> _Rows:
    """Give the places of such rows in the bricks that they lie in."""
    z, y, x = first
    a, b = _four(volume, z, y, x, to_next[1]), _four(volume, z + to_next[0], y, x, to_next[1])
    z += 2 * to_next[0]
    c, d = _four(volume, z, y, x, to_next[1]), _four(volume, z + to_next[0], y, x, to_next[1])
    return (*a, *b, *c, *d)


@always_inlined
def _four(volume: Voxels, z: int, y: int, x: int, to_next: int) -> tuple[int, int, int, int]:
    return (
        place_of(volume, sum_at(volume, z, y, x)),
        place_of(volume, sum_at(volume, z, y + to_next, x)),
        place_of(volume, sum_at(volume, z, y + 2 * to_next, x)),
        place_of(volume, sum_at(volume, z, y + 3 * to_next, x)),
    )


@inlined
def _bring_together(volume: Voxels, first: tuple[int, int, int], to_next: tuple[int, int], block: Array) -> None:
    """Copy 64 voxels, from the first on, out of the bricks that they lie in."""
    z, y, x = first
    for i in range(4):
        for j in range(4):
            for k in range(4):
                at = np.uint64(16 * i + 4 * j + k)
                block[at] = voxel(volume, z + i * to_next[0], y + j * to_next[1], x + k)


@inlined
def _cubic_clamped(
    volume: Voxels, at: tuple[int, int, int], move: tuple[int, int, int], first: int, stop: int, line: Array
) -> None:
    """Sample steps first to stop, the outermost voxels standing in for those that are not there."""
    shape, scale = shape_of(volume), 2.0**-WEIGHT_PLACES
    for n in range(first, stop):
        z = clamped(at[0] + n * move[0], shape[0])
        y = clamped(at[1] + n * move[1], shape[1])
        x = clamped(at[2] + n * move[2], shape[2])
        near = z >> BINARY_PLACES
        weights = _weights(weight_of(z) * scale)
        slices = (near - 1, near, near + 1, near + 2)
        line[n] = _cubic_at(volume, slices, weights, y, x)


@inlined
def _cubic_line_across_knots(
    volume: Voxels,
    start: Vector3,
    step: Vector3,
    knots: Knots,
    line: Array,
) -> None:
    """Do as `cubic_line` where z goes through knots: every sample finds its own slices."""
    shape = shape_of(volume)
    first, stop = columns_inside(shape, (0.0, start[1], start[2]), (0.0, step[1], step[2]), line.size)
    move_y, move_x = fixed(step[1]), fixed(step[2])
    at_y, at_x = fixed(start[1] + first * step[1]), fixed(start[2] + first * step[2])
    k = 0
    for column in range(first, stop):
        index, k = slice_index(start[0] + column * step[0], knots, k)
        if np.isnan(index):
            continue
        near = int(index)
        weights = _knot_weights(knots, near, index - near)
        y = clamped(at_y + (column - first) * move_y + HALF_WEIGHT, shape[1])
        x = clamped(at_x + (column - first) * move_x + HALF_WEIGHT, shape[2])
        line[column] = _cubic_at(volume, (near - 1, near, near + 1, near + 2), weights, y, x)


@inlined
def _cubic_at(
    volume: Voxels,
    slices: tuple[int, int, int, int],
    weights: tuple[float, float, float, float],
    y: int,
    x: int,
) -> float:
    """Weigh the voxels of four slices about fixed-point (y, x), every index cut to the volume; no weight, no read."""
    shape, scale = shape_of(volume), 2.0**-WEIGHT_PLACES
    across, along = _weights(weight_of(y) * scale), _weights(weight_of(x) * scale)
    near_y, near_x = (y >> BINARY_PLACES) - 1, (x >> BINARY_PLACES) - 1
    total = 0.0
    for i in range(4):
        if weights[i] == 0.0:
            continue
        z = max(0, min(shape[0] - 1, slices[i]))
        for j in range(4):
            if across[j] == 0.0:
                continue
            row = max(0, min(shape[1] - 1, near_y + j))
            for k in range(4):
                if along[k] != 0.0:
                    value = voxel(volume, z, row, max(0, min(shape[2] - 1, near_x + k)))
                    total += weights[i] * across[j] * along[k] * np.float64(value)
    return total


@inlined
def _weights(t: float) -> tuple[float, float, float, float]:
    """Give the weights of four voxels in a row, `t` of the way from the second to the third."""
    return (
        ((-0.5 * t + 1.0) * t - 0.5) * t,
        (1.5 * t - 2.5) * t * t + 1.0,
        ((-1.5 * t + 2.0) * t + 0.5) * t,
        (0.5 * t - 0.5) * t * t,
    )


@inlined
def _knot_weights(knots: Knots, k: int, t: float) -> tuple[float, float, float, float]:
    """Give the weights of slices k - 1 to k + 2, `t` of the way from k to k + 1."""
    if t == 0.0:
        return 0.0, 1.0, 0.0, 0.0
    positions, gap, _ = knots
    interval = positions[k + 1] - positions[k]
    before = positions[k] - positions[k - 1] if k > 0 else np.inf
    behind = positions[k + 2] - positions[k + 1] if k + 2 < positions.size else np.inf
    # The Hermite polynomials of the tangents, each over the chord that gives the tangent.
    leaving, arriving = ((t - 2.0) * t + 1.0) * t, (t - 1.0) * t * t
    near, far = (2.0 * t - 3.0) * t * t + 1.0, (3.0 - 2.0 * t) * t * t
    is_first, is_last = before > gap or before == np.inf, behind > gap or behind == np.inf
    leaving *= 0.5 if is_first else interval / (before + interval)
    arriving *= 0.5 if is_last else interval / (interval + behind)
    # Where a neighbour is missing, the outermost slice stands in for it.
    first, last = (0.0 if is_first else -leaving), (0.0 if is_last else arriving)
    near -= arriving + (leaving if is_first else 0.0)
    far += leaving + (arriving if is_last else 0.0)
    return first, near, far, last
