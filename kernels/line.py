"""Sample a volume along a line of equidistant points, trilinear or nearest: what `reslice` and `slab` are made of.

The long loop runs over the steps where no index needs clamping (`positions.py`), without a check but whether the eight
voxels about a sample lie in one brick (`voxels.py`); where they do not each is looked up.

Positions are rounded to the 2**-20th of a voxel (about 1e-6). A neighbour whose weight is then zero is not
read at all: a plane through voxel centres reads one slice, and volumes filled only where a plane passes are
safe.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .arguments import Array
from .cubic import cubic_line
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
    nearest_index,
    settled,
    slice_index,
    stays,
    steps_unclamped,
    steps_up_to,
    voxel_at,
    weight_of,
)
from .prefetch import AHEAD, prefetch
from .voxels import LAST_X, LAST_Y, LAST_Z, Voxels, is_one_brick, place_of, shape_of, sum_at, voxel

NEAREST, TRILINEAR, CUBIC = 0, 1, 2


@always_inlined
def smooth_line(how: int, volume: Voxels, start: Vector3, step: Vector3, knots: Knots, line: Array) -> None:
    """Write the samples at `start + column * step` into those columns of `line` that lie in the volume."""
    if how == CUBIC:
        cubic_line(volume, start, step, knots, line)
    else:
        trilinear_line(volume, start, step, knots, line)


@always_inlined
def trilinear_line(
    volume: Voxels,
    start: Vector3,
    step: Vector3,
    knots: Knots,
    line: Array,
) -> None:
    """Write the samples at `start + column * step` into those columns of `line` that lie in the volume."""
    shape = shape_of(volume)
    z, step_z = start[0], step[0]
    if knots.positions.size > 0:
        # A drift below a millionth of a slice over the whole row is none.
        if abs(step_z) * line.size > 1e-6 * knots.reach:
            _trilinear_line_across_knots(volume, start, step, knots, line)
            return
        z, _ = slice_index(z, knots, 0)
        step_z = 0.0
    first, stop = columns_inside(shape, (z, start[1], start[2]), (step_z, step[1], step[2]), line.size)
    if first >= stop:
        return
    move = (fixed(step_z), fixed(step[1]), fixed(step[2]))
    at = (
        settled(fixed(z + first * step_z) + HALF_WEIGHT, move[0], shape[0]),
        settled(fixed(start[1] + first * step[1]) + HALF_WEIGHT, move[1], shape[1]),
        settled(fixed(start[2] + first * step[2]) + HALF_WEIGHT, move[2], shape[2]),
    )
    samples = line[first:stop]
    is_along_x = move[0] == 0 and move[1] == 0 and abs(move[2]) <= ONE_VOXEL
    if is_along_x:
        inner_first, inner_stop = steps_unclamped(shape, at, move, stop - first)
    else:
        inner_first, inner_stop = _steps_with_far(shape, at, move, stop - first)
    _trilinear_clamped(volume, at, move, 0, inner_first, samples)
    if is_along_x:
        _trilinear_along_x(volume, at, move[2], inner_first, inner_stop, samples)
    else:
        _trilinear_run(volume, at, move, inner_first, inner_stop, samples)
    _trilinear_clamped(volume, at, move, inner_stop, samples.size, samples)


@inlined
def nearest_line(
    volume: Voxels,
    start: Vector3,
    step: Vector3,
    knots: Knots,
    line: Array,
) -> None:
    """Do as `trilinear_line` with the nearest voxel."""
    shape = shape_of(volume)
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
        line[column] = voxel(
            volume,
            nearest_index(fixed_z, shape[0]),
            nearest_index(at_y + n * move_y, shape[1]),
            nearest_index(at_x + n * move_x, shape[2]),
        )


@inlined
def _trilinear_line_across_knots(
    volume: Voxels,
    start: Vector3,
    step: Vector3,
    knots: Knots,
    line: Array,
) -> None:
    """Do as `trilinear_line` where z moves along the row: every sample finds its own pair of slices."""
    shape = shape_of(volume)
    first, stop = columns_inside(shape, (0.0, start[1], start[2]), (0.0, step[1], step[2]), line.size)
    move_y, move_x = fixed(step[1]), fixed(step[2])
    at_y, at_x = fixed(start[1] + first * step[1]), fixed(start[2] + first * step[2])
    scale = line.dtype.type(2.0**-WEIGHT_PLACES)
    k = 0
    for column in range(first, stop):
        index, k = slice_index(start[0] + column * step[0], knots, k)
        if np.isnan(index):
            continue
        z = clamped(fixed(index) + HALF_WEIGHT, shape[0])
        y = clamped(at_y + (column - first) * move_y + HALF_WEIGHT, shape[1])
        x = clamped(at_x + (column - first) * move_x + HALF_WEIGHT, shape[2])
        line[column] = _trilinear(volume, z, y, x, scale)


@always_inlined
def _steps_with_far(
    shape: tuple[int, int, int], at: tuple[int, int, int], move: tuple[int, int, int], steps: int
) -> tuple[int, int]:
    """Give the first step about which eight voxels can be read, and the one after the last.

    Along z and y a line that stays on voxel centres reads the near voxel twice. Along x it reads the next in memory
    too, which has no weight then: it is there unless the row is the last of all, so that row is left out.
    """
    first, stop = 0, steps
    x_stays, y_stays, z_stays = stays(at[2], move[2]), stays(at[1], move[1]), stays(at[0], move[0])
    is_last = x_stays and at[2] >> BINARY_PLACES == shape[2] - 1
    if not x_stays:
        first, stop = steps_up_to(((shape[2] - 1) << BINARY_PLACES) - 1, at[2], move[2], first, stop)
    if not y_stays:
        behind = 2 if is_last else 1
        first, stop = steps_up_to(((shape[1] - behind) << BINARY_PLACES) - 1, at[1], move[1], first, stop)
    if not z_stays:
        behind = 2 if is_last and y_stays else 1
        first, stop = steps_up_to(((shape[0] - behind) << BINARY_PLACES) - 1, at[0], move[0], first, stop)
    if is_last and y_stays and z_stays:
        stop = 0
    first = min(first, steps)
    return first, max(first, stop)


@intrinsic  # type: ignore[untyped-decorator] # Numba ships no types
def _trilinear_four(
    _typing: Any, line: Any, _n: Any, flat: Any, _near: Any, _far_y: Any, _far_z: Any, _far: Any, _at: Any, _move: Any
) -> Any:
    """Write to `line` from n on the samples at four fixed-point positions (z, y, x), `move` apart.

    The eight voxels about each are read as four pairs along x, whose places in `flat` are given: at the near y and z,
    the far y, the far z, and both far; the caller proves that all are in the array. Four samples at a time, as vectors,
    take half as long as one by one.
    """
    kind, stored = line.dtype, flat.dtype

    def lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array, *places, at, move = arguments[2:]
        word, wide = ir.IntType(32), ir.VectorType(ir.IntType(64), 4)
        scalar, plain = context.get_data_type(kind), context.get_data_type(stored)
        start = context.make_array(signature.args[2])(context, builder, array).data

        def lanes(vector: Any, other: Any, places: Iterable[int]) -> Any:
            listed = list(places)
            order = ir.Constant(ir.VectorType(word, len(listed)), listed)
            return builder.shuffle_vector(vector, other or ir.Constant(vector.type, ir.Undefined), order)

        def spread(value: Any) -> Any:
            return lanes(builder.insert_element(ir.Constant(wide, ir.Undefined), value, word(0)), None, [0] * 4)

        def weights(axis: int) -> Any:
            steps = builder.mul(spread(builder.extract_value(move, axis)), ir.Constant(wide, [0, 1, 2, 3]))
            position = builder.add(spread(builder.extract_value(at, axis)), steps)
            part = builder.lshr(position, ir.Constant(wide, [BINARY_PLACES - WEIGHT_PLACES] * 4))
            part = builder.and_(part, ir.Constant(wide, [(1 << WEIGHT_PLACES) - 1] * 4))
            number = builder.sitofp(builder.trunc(part, ir.VectorType(word, 4)), ir.VectorType(scalar, 4))
            return builder.fmul(number, ir.Constant(number.type, [2.0**-WEIGHT_PLACES] * 4))

        def pair(place: Any) -> Any:
            pointer = builder.bitcast(builder.gep(start, [place]), ir.VectorType(plain, 2).as_pointer())
            return builder.load(pointer, align=stored.bitwidth // 8)

        def pairs(which: Any) -> Any:
            four = [pair(builder.extract_value(which, lane)) for lane in range(4)]
            return lanes(lanes(four[0], four[1], range(4)), lanes(four[2], four[3], range(4)), range(8))

        def blend(near: Any, far: Any, weight: Any) -> Any:
            if isinstance(stored, types.Float):  # NaN without a weight is nothing
                zero = ir.Constant(weight.type, None)
                far = builder.select(builder.fcmp_ordered("==", weight, zero), near, far)
            product = builder.fmul(weight, builder.fsub(far, near), ("contract",))
            return builder.fadd(product, near, ("contract",))

        near, far_y, far_z, far = (pairs(which) for which in places)
        near_y, far_y = lanes(near, far_z, range(16)), lanes(far_y, far, range(16))
        voxels, all_32 = lanes(near_y, far_y, range(32)), ir.VectorType(scalar, 32)
        if isinstance(stored, types.Integer):
            voxels = (builder.sitofp if stored.signed else builder.uitofp)(voxels, all_32)
        elif stored != kind:
            voxels = (builder.fpext if stored == types.float32 else builder.fptrunc)(voxels, all_32)
        through, across, along = (weights(axis) for axis in range(3))
        along, across = lanes(along, None, [*range(4)] * 4), lanes(across, None, [*range(4)] * 2)
        rows = blend(lanes(voxels, None, range(0, 32, 2)), lanes(voxels, None, range(1, 32, 2)), along)
        slices = blend(lanes(rows, None, range(8)), lanes(rows, None, range(8, 16)), across)
        samples = blend(lanes(slices, None, range(4)), lanes(slices, None, range(4, 8)), through)
        target = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        pointer = builder.bitcast(builder.gep(target, [arguments[1]]), samples.type.as_pointer())
        builder.store(samples, pointer, align=kind.bitwidth // 8)
        return context.get_dummy_value()

    flats = (isinstance(array, types.Array) and array.ndim == 1 and array.layout == "C" for array in (line, flat))
    if not all(flats) or kind not in (types.float32, types.float64):
        return None
    one, three, four = types.int64, types.UniTuple(types.int64, 3), types.UniTuple(types.int64, 4)
    return types.void(line, one, flat, four, four, four, four, three, three), lower


@always_inlined
def _trilinear_run(
    volume: Voxels, at: tuple[int, int, int], move: tuple[int, int, int], first: int, stop: int, line: Array
) -> None:
    """Sample steps first to stop, about all of which eight voxels are proven to be there."""
    if first >= stop:
        return
    if is_one_brick(volume):
        _trilinear_in_brick(volume, at, move, first, stop, line)
    else:
        _trilinear_across_bricks(volume, at, move, first, stop, line)


@always_inlined
def _trilinear_in_brick(
    volume: Voxels, at: tuple[int, int, int], move: tuple[int, int, int], first: int, stop: int, line: Array
) -> None:
    flat, slab, row = volume.flat, volume.slab, volume.row
    origin = place_of(volume, sum_at(volume, 0, 0, 0))
    through, across = (0 if stays(at[0], move[0]) else slab), (0 if stays(at[1], move[1]) else row)
    # Where the line hardly leaves its row of voxels the processor sees by itself what comes next.
    is_far = abs(move[0]) + abs(move[1]) > ONE_VOXEL // 16
    whole = first + ((stop - first) & -4)
    for n in range(first, whole, 4):
        z, y, x = at[0] + n * move[0], at[1] + n * move[1], at[2] + n * move[2]
        if is_far:
            for i in range(AHEAD, AHEAD + 4):
                later = origin + voxel_at(slab, row, z + i * move[0], y + i * move[1], x + i * move[2])
                prefetch(flat, later)
                prefetch(flat, later + row)
                prefetch(flat, later + slab)
                prefetch(flat, later + slab + row)
        places = (
            origin + voxel_at(slab, row, z, y, x),
            origin + voxel_at(slab, row, z + move[0], y + move[1], x + move[2]),
            origin + voxel_at(slab, row, z + 2 * move[0], y + 2 * move[1], x + 2 * move[2]),
            origin + voxel_at(slab, row, z + 3 * move[0], y + 3 * move[1], x + 3 * move[2]),
        )
        _trilinear_four(line, n, flat, *_pairs_in_brick(places, through, across), (z, y, x), move)
    _trilinear_each(volume, at, move, whole, stop, line)


@always_inlined
def _trilinear_across_bricks(
    volume: Voxels, at: tuple[int, int, int], move: tuple[int, int, int], first: int, stop: int, line: Array
) -> None:
    flat, scale = volume.flat, line.dtype.type(2.0**-WEIGHT_PLACES)
    # To the next voxel along each axis, none where the line stays on voxel centres: that one may not be there.
    next_z = 0 if stays(at[0], move[0]) else 1
    next_y = 0 if stays(at[1], move[1]) else 1
    next_x = 0 if stays(at[2], move[2]) else 1
    through, across = next_z * volume.slab, next_y * volume.row
    apart_x = next_x * LAST_X
    apart = next_z * LAST_Z + next_y * LAST_Y + apart_x
    whole = first + ((stop - first) & -4)
    for n in range(first, whole, 4):
        z, y, x = at[0] + n * move[0], at[1] + n * move[1], at[2] + n * move[2]
        a = _sum_about(volume, z, y, x)
        b = _sum_about(volume, z + move[0], y + move[1], x + move[2])
        c = _sum_about(volume, z + 2 * move[0], y + 2 * move[1], x + 2 * move[2])
        d = _sum_about(volume, z + 3 * move[0], y + 3 * move[1], x + 3 * move[2])
        if (a | b | c | d) & apart == 0:
            places = (place_of(volume, a), place_of(volume, b), place_of(volume, c), place_of(volume, d))
            _trilinear_four(line, n, flat, *_pairs_in_brick(places, through, across), (z, y, x), move)
        else:
            far_z, far_y = next_z << BINARY_PLACES, next_y << BINARY_PLACES
            near = _places_about(volume, z, y, x, move)
            beside = _places_about(volume, z, y + far_y, x, move)
            behind = _places_about(volume, z + far_z, y, x, move)
            far = _places_about(volume, z + far_z, y + far_y, x, move)
            _trilinear_four(line, n, flat, near, beside, behind, far, (z, y, x), move)
            if (a | b | c | d) & apart_x != 0:  # pairs that two bricks share came out wrong
                for i in range(4):
                    other_z, other_y, other_x = z + i * move[0], y + i * move[1], x + i * move[2]
                    if _sum_about(volume, other_z, other_y, other_x) & apart_x != 0:
                        line[n + i] = _trilinear(volume, other_z, other_y, other_x, scale)
    _trilinear_each(volume, at, move, whole, stop, line)


Four = tuple[int, int, int, int]


@always_inlined
def _pairs_in_brick(places: Four, through: int, across: int) -> tuple[Four, Four, Four, Four]:
    """Give the places of the four pairs about each of four samples: what `_trilinear_four` takes."""
    a, b, c, d = places
    both = through + across
    return (
        places,
        (a + across, b + across, c + across, d + across),
        (a + through, b + through, c + through, d + through),
        (a + both, b + both, c + both, d + both),
    )


@always_inlined
def _places_about(volume: Voxels, z: int, y: int, x: int, move: tuple[int, int, int]) -> Four:
    return (
        place_of(volume, _sum_about(volume, z, y, x)),
        place_of(volume, _sum_about(volume, z + move[0], y + move[1], x + move[2])),
        place_of(volume, _sum_about(volume, z + 2 * move[0], y + 2 * move[1], x + 2 * move[2])),
        place_of(volume, _sum_about(volume, z + 3 * move[0], y + 3 * move[1], x + 3 * move[2])),
    )


@always_inlined
def _sum_about(volume: Voxels, z: int, y: int, x: int) -> Any:
    return sum_at(volume, z >> BINARY_PLACES, y >> BINARY_PLACES, x >> BINARY_PLACES)


@always_inlined
def _trilinear_each(
    volume: Voxels, at: tuple[int, int, int], move: tuple[int, int, int], first: int, stop: int, line: Array
) -> None:
    scale = line.dtype.type(2.0**-WEIGHT_PLACES)
    for n in range(first, stop):
        line[n] = _trilinear(volume, at[0] + n * move[0], at[1] + n * move[1], at[2] + n * move[2], scale)


@always_inlined
def _trilinear_along_x(
    volume: Voxels, at: tuple[int, int, int], move_x: int, first: int, stop: int, line: Array
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


@always_inlined
def _blend_rows(volume: Voxels, z: int, y: int, first: int, stop: int, line: Array) -> Array:
    """Give voxels first to stop of the row at fixed-point (z, y), in the type of `line`."""
    flat, kind = volume.flat, line.dtype.type
    weight_z, weight_y = weight_of(z), weight_of(y)
    near_z, near_y = z >> BINARY_PLACES, y >> BINARY_PLACES
    far_z, far_y = near_z + (1 if weight_z != 0 else 0), near_y + (1 if weight_y != 0 else 0)
    across, through = kind(weight_y) * kind(2.0**-WEIGHT_PLACES), kind(weight_z) * kind(2.0**-WEIGHT_PLACES)
    blended = np.empty(stop - first, line.dtype)
    begin = first
    while begin < stop:
        end = min(stop, ((begin + volume.skip) // volume.width + 1) * volume.width - volume.skip)
        a = np.uint64(place_of(volume, sum_at(volume, near_z, near_y, begin)))
        b = np.uint64(place_of(volume, sum_at(volume, near_z, far_y, begin)))
        c = np.uint64(place_of(volume, sum_at(volume, far_z, near_y, begin)))
        d = np.uint64(place_of(volume, sum_at(volume, far_z, far_y, begin)))
        at = np.uint64(begin - first)
        for i in range(np.uint64(end - begin)):
            near = _blend(kind(flat[a + i]), kind(flat[b + i]), across)
            blended[at + i] = _blend(near, _blend(kind(flat[c + i]), kind(flat[d + i]), across), through)
        begin = end
    return blended


@always_inlined
def _trilinear_clamped(
    volume: Voxels, at: tuple[int, int, int], move: tuple[int, int, int], first: int, stop: int, line: Array
) -> None:
    """Sample steps first to stop, each index cut to the outermost voxel centres."""
    shape, scale = shape_of(volume), line.dtype.type(2.0**-WEIGHT_PLACES)
    for n in range(first, stop):
        z = clamped(at[0] + n * move[0], shape[0])
        y = clamped(at[1] + n * move[1], shape[1])
        x = clamped(at[2] + n * move[2], shape[2])
        line[n] = _trilinear(volume, z, y, x, scale)


@inlined
def _trilinear(volume: Voxels, z: int, y: int, x: int, scale: Any) -> Any:
    """Give the sample at fixed-point (z, y, x), none past the outermost centres, in the type of `scale`."""
    kind = type(scale)
    weight_z, weight_y, weight_x = weight_of(z), weight_of(y), weight_of(x)
    z, y, x = z >> BINARY_PLACES, y >> BINARY_PLACES, x >> BINARY_PLACES
    # A zero weight reads the near voxel twice, so that the far one may be anything, or past the end.
    far_z = z + (1 if weight_z != 0 else 0)
    far_y = y + (1 if weight_y != 0 else 0)
    far_x = x + (1 if weight_x != 0 else 0)
    along, across = kind(weight_x) * scale, kind(weight_y) * scale
    near_near = _blend(kind(voxel(volume, z, y, x)), kind(voxel(volume, z, y, far_x)), along)
    near_far = _blend(kind(voxel(volume, z, far_y, x)), kind(voxel(volume, z, far_y, far_x)), along)
    far_near = _blend(kind(voxel(volume, far_z, y, x)), kind(voxel(volume, far_z, y, far_x)), along)
    far_far = _blend(kind(voxel(volume, far_z, far_y, x)), kind(voxel(volume, far_z, far_y, far_x)), along)
    near, far = _blend(near_near, near_far, across), _blend(far_near, far_far, across)
    return _blend(near, far, kind(weight_z) * scale)


@inlined
def _blend(near: Any, far: Any, weight: Any) -> Any:
    return near + weight * (far - near)
