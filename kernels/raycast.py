"""Cast parallel rays through a volume: maximum, minimum or mean along each, or layers of colour.

Positions are integers with 32 binary places, and every index is cut to the volume: no argument reads outside it. A ray
goes from brick to brick (`ranges`). For a maximum it first finds the highest of the large bricks on its way and looks
there, after which hardly any other can hold more; for colours it leaps over bricks that show nothing, as far as
`leap_distances` tells.

A volume may come in parts along z. Each takes the samples whose z is within `owned`, and goes on with what the parts
before it left in the picture: the result is that of the whole, to the bit for maxima.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..errors import InvalidArgument
from .arguments import STORED, Array, Vector, check_array, finite_vector
from .jit import always_inlined, inlined, kernel
from .ranges import BRICK_PLACES, brick_counts

Projection = Literal["max", "min", "mean"]

BINARY_PLACES = 32
LARGE_PLACES = 5
"""A large brick, four bricks a side, has 2**5 voxels a side."""
FARTHEST_VOXEL = float(1 << 24)
LONGEST = 1 << 20
"""Most samples of a ray."""
TOLERANCE = 1 << 12
"""Samples a millionth of a voxel outside the outermost centres are inside: affines are rounded."""

FLOAT32, INT32 = frozenset({np.dtype(np.float32)}), frozenset({np.dtype(np.int32)})


class Rays(NamedTuple):
    """Sample s of the ray of pixel (r, c) lies at origin + r * down + c * right + s * step, in voxels (z, y, x)."""

    origin: Vector
    down: Vector
    right: Vector
    step: Vector
    samples: int


class Part(NamedTuple):
    """A run of slices of a volume, with the slices about it that interpolation needs."""

    voxels: Array
    """(z, y, x)"""
    first_slice: int
    """Where `voxels` begins in the volume, along z; a multiple of a brick."""
    slices: int
    """How many the volume has."""
    owned: tuple[int, int]
    """Samples with first <= floor(z) < stop are this part's; the last part also owns the outermost centre."""


class Lighting(NamedTuple):
    """How a surface is lit from where it is seen, by the cosine between its normal and the line of sight."""

    to_view: Array
    """(3, 3) float64: from a gradient along voxel axes (z, y, x) to one in space, its last row along the view."""
    brightness: Array
    """(n,) float32: by what colours are multiplied where |cosine| is i / (n - 1); empty for no lighting."""
    highlight: Array
    """(n,) float32: what is added to red, green and blue alike."""


class Colors(NamedTuple):
    """What each value shows: row i of `table` for low + i / scale, the first and last row beyond."""

    table: Array
    """(n, 4) float32: red, green, blue 0 to 1, and the opacity of one sample."""
    low: float
    scale: float


def make_rays(origin: ArrayLike, down: ArrayLike, right: ArrayLike, step: ArrayLike, samples: int) -> Rays:
    """Give rays ready for the kernels; raises `InvalidArgument` for no finite vectors, or too far or too many."""
    vectors = [
        finite_vector(name, values, 3)
        for name, values in (("origin", origin), ("down", down), ("right", right), ("step", step))
    ]
    if not 1 <= samples <= LONGEST:
        raise InvalidArgument(f"samples is {samples!r}: pass a whole number, 1 to {LONGEST}")
    reach = np.abs(vectors[0]).max() + np.abs(vectors[3]).max() * samples
    if reach >= FARTHEST_VOXEL:
        raise InvalidArgument(f"rays reach {reach:.3g} voxels far: keep them within {FARTHEST_VOXEL:.0f}")
    return Rays(vectors[0], vectors[1], vectors[2], vectors[3], int(samples))


def project_rays(
    part: Part,
    highs: Array,
    rays: Rays,
    inside: Array,
    gathered: Array,
    counts: Array,
    *,
    mode: Projection = "max",
    limits: tuple[float, float] | None = None,
) -> None:
    """Gather the maximum, minimum or mean along each ray into `gathered`, going on with what is there.

    `highs` is (z, y, x) float32, the greatest value of each brick of the part; for "min" its least value negated,
    and for "mean" nothing of it is used. `inside` is (n, 4): only where z, y, x · its first three plus its last are
    not negative, samples count. `gathered` is (rows, columns) float32 and begins as -inf ("min": +inf, "mean": 0);
    `counts` int32 tells how many samples were met so far. `limits`: values up to the first need not be told apart,
    nor those from the second, which ends a ray ("min": down to the first, and from the second downwards). "mean" gives
    the sum: divide it by `counts`.
    Raises `InvalidArgument` for what does not fit.
    """
    if mode not in ("max", "min", "mean"):
        raise InvalidArgument(f"mode is {mode!r}: pass 'max', 'min' or 'mean'")
    checked, planes = _check_part(part), check_array("inside", inside, frozenset({np.dtype(np.float64)}), 2)
    picture, met = _check_picture("gathered", gathered, 2, FLOAT32), _check_picture("counts", counts, 2, INT32)
    if picture.shape != met.shape:
        raise InvalidArgument(f"gathered has shape {picture.shape}, counts {met.shape}: pass the same")
    if mode == "mean":
        _sum_rays(checked, rays, planes, picture, met)
        return
    tops = check_array("highs", highs, FLOAT32, 3)
    _check_bricks("highs", tops, checked.voxels)
    sign = np.float32(1.0 if mode == "max" else -1.0)
    low, high = (-np.inf, np.inf) if limits is None else (sign * limits[0], sign * limits[1])
    _highest_rays(checked, tops, _largest(tops), rays, planes, sign, (np.float32(low), np.float32(high)), picture, met)


def composite_rays(
    part: Part, leaps: Array, rays: Rays, inside: Array, colors: Colors, lighting: Lighting, enough: float, out: Array
) -> None:
    """Lay the colours along each ray over one another, front to back, going on with what `out` holds.

    `leaps` is uint8 (z, y, x), `leap_distances` of the bricks that show anything; `inside` that of `project_rays`.
    `out` is (rows, columns, 4) float32: red, green, blue, each times opacity, and opacity. A ray ends where its opacity
    is `enough`. Raises `InvalidArgument` for what does not fit.
    """
    checked, planes = _check_part(part), check_array("inside", inside, frozenset({np.dtype(np.float64)}), 2)
    far = check_array("leaps", leaps, frozenset({np.dtype(np.uint8)}), 3)
    _check_bricks("leaps", far, checked.voxels)
    picture = _check_picture("out", out, 3, FLOAT32)
    table = check_array("table", colors.table, FLOAT32, 2)
    if table.shape[0] < 2 or table.shape[1] != 4 or picture.shape[2] != 4:
        raise InvalidArgument(f"table is {table.shape}, out {picture.shape}: pass (n, 4) and (rows, columns, 4)")
    _composite(checked, far, rays, planes, colors._replace(table=table), lighting, np.float32(enough), picture)


def _check_part(part: Part) -> Part:
    voxels = check_array("voxels", part.voxels, STORED, 3)
    if voxels.size == 0 or part.first_slice % (1 << BRICK_PLACES):
        raise InvalidArgument(f"a part of shape {voxels.shape} from slice {part.first_slice}: begin it with a brick")
    return part._replace(voxels=voxels)


def _check_picture(name: str, picture: Array, axes: int, dtypes: Any) -> Array:
    check_array(name, picture, dtypes, axes)
    if not picture.flags.writeable:
        raise InvalidArgument(f"{name} is read-only: pass a writable array")
    return picture


def _check_bricks(name: str, bricks: Array, voxels: Array) -> None:
    if bricks.shape != brick_counts(voxels.shape):
        raise InvalidArgument(f"{name} has shape {bricks.shape}: pass {brick_counts(voxels.shape)}, one a brick")


def _largest(highs: Array) -> Array:
    """Give the greatest of each four bricks a side."""
    step = 1 << (LARGE_PLACES - BRICK_PLACES)
    for axis in range(3):
        highs = np.maximum.reduceat(highs, np.arange(0, highs.shape[axis], step), axis=axis)
    return np.ascontiguousarray(highs)


Three = tuple[int, int, int]


@always_inlined
def _fixed(position: float) -> int:
    return int(np.floor(position * 4294967296.0 + 0.5))


@always_inlined
def _within(at: int, move: int, low: int, high: int, first: int, stop: int) -> tuple[int, int]:
    """Cut a run of samples to those with low <= at + n * move <= high; exact."""
    if move < 0:
        at, move, low, high = -at, -move, -high, -low
    if move == 0:
        return (first, stop) if low <= at <= high else (first, first)
    return max(first, -((at - low) // move)), min(stop, (high - at) // move + 1)


@inlined
def _ray(part: Part, rays: Rays, inside: Array, row: int, column: int) -> tuple[Three, Three, int, int]:
    """Give where a ray begins, relative to the part's voxels, its step, and the run of its samples that count."""
    z = rays.origin[0] + row * rays.down[0] + column * rays.right[0]
    y = rays.origin[1] + row * rays.down[1] + column * rays.right[1]
    x = rays.origin[2] + row * rays.down[2] + column * rays.right[2]
    low, high = 0.0, rays.samples - 1.0
    for k in range(inside.shape[0]):
        slope = inside[k, 0] * rays.step[0] + inside[k, 1] * rays.step[1] + inside[k, 2] * rays.step[2]
        height = inside[k, 0] * z + inside[k, 1] * y + inside[k, 2] * x + inside[k, 3]
        if slope > 0.0:
            low = max(low, -height / slope - 1e-6)
        elif slope < 0.0:
            high = min(high, -height / slope + 1e-6)
        elif height < 0.0:
            high = -1.0
    far = max(abs(z), abs(y), abs(x))
    move = (_fixed(rays.step[0]), _fixed(rays.step[1]), _fixed(rays.step[2]))
    if not (low <= high and far < FARTHEST_VOXEL):
        return (0, 0, 0), move, 0, 0
    at = (_fixed(z), _fixed(y), _fixed(x))
    first, stop = int(np.ceil(low)), int(np.floor(high)) + 1
    _, Y, X = part.voxels.shape
    first, stop = _within(at[0], move[0], -TOLERANCE, ((part.slices - 1) << BINARY_PLACES) + TOLERANCE, first, stop)
    first, stop = _within(at[1], move[1], -TOLERANCE, ((Y - 1) << BINARY_PLACES) + TOLERANCE, first, stop)
    first, stop = _within(at[2], move[2], -TOLERANCE, ((X - 1) << BINARY_PLACES) + TOLERANCE, first, stop)
    if part.owned[0] > 0:
        first, stop = _within(at[0], move[0], part.owned[0] << BINARY_PLACES, 1 << 60, first, stop)
    if part.owned[1] < part.slices:
        first, stop = _within(at[0], move[0], -(1 << 60), (part.owned[1] << BINARY_PLACES) - 1, first, stop)
    return (at[0] - (part.first_slice << BINARY_PLACES), at[1], at[2]), move, first, stop


@always_inlined
def _cut(position: int, top: int) -> int:
    return max(0, min(top, position))


@always_inlined
def _value(flat: Array, tops: Three, strides: Three, z: int, y: int, x: int) -> Any:
    """Interpolate at a position, cut to the outermost centres."""
    return _value_inside(flat, strides, _cut(z, tops[0]), _cut(y, tops[1]), _cut(x, tops[2]))


@always_inlined
def _value_inside(flat: Array, strides: Three, z: int, y: int, x: int) -> Any:
    """Interpolate at a position below the outermost centres."""
    base = np.uint64((z >> 32) * strides[0] + (y >> 32) * strides[1] + (x >> 32) * strides[2])
    scale = np.float32(2.0**-24)
    part_z = np.float32(np.int32((z >> 8) & 0xFFFFFF)) * scale
    part_y = np.float32(np.int32((y >> 8) & 0xFFFFFF)) * scale
    part_x = np.float32(np.int32((x >> 8) & 0xFFFFFF)) * scale
    dz, dy, dx = np.uint64(strides[0]), np.uint64(strides[1]), np.uint64(strides[2])
    a, b = np.float32(flat[base]), np.float32(flat[base + dx])
    c, d = np.float32(flat[base + dy]), np.float32(flat[base + dy + dx])
    base += dz
    e, f = np.float32(flat[base]), np.float32(flat[base + dx])
    g, h = np.float32(flat[base + dy]), np.float32(flat[base + dy + dx])
    near_0, near_1 = a + part_x * (b - a), c + part_x * (d - c)
    far_0, far_1 = e + part_x * (f - e), g + part_x * (h - g)
    near, far = near_0 + part_y * (near_1 - near_0), far_0 + part_y * (far_1 - far_0)
    return near + part_z * (far - near)


@inlined
def _layout(voxels: Array) -> tuple[Three, Three]:
    """Give the last position below each axis' outermost centre, and strides; an axis of one voxel has stride 0."""
    Z, Y, X = voxels.shape
    tops = (max(((Z - 1) << 32) - 1, 0), max(((Y - 1) << 32) - 1, 0), max(((X - 1) << 32) - 1, 0))
    return tops, (Y * X if Z > 1 else 0, X if Y > 1 else 0, 1 if X > 1 else 0)


@inlined
def _unclamped(at: Three, move: Three, tops: Three, first: int, stop: int) -> tuple[int, int]:
    """Give the run of a ray's samples that need no cut: integers throughout, so the answer is exact."""
    begin, end = first, stop
    for axis in range(3):
        begin, end = _within(at[axis], move[axis], 0, tops[axis], begin, end)
    return (begin, end) if begin < end else (stop, stop)


@always_inlined
def _steps_to(at: int, move: int, pace: float, low: int, high: int) -> float:
    """Give how many steps of `move` (whose inverse is `pace`) lead out of low <= at < high."""
    return ((high if move > 0 else low) - at) * pace


@always_inlined
def _pace(move: int) -> float:
    """Give the inverse of a step; that of no step leads nowhere."""
    return 1.0 / move if move != 0 else 1e300


@always_inlined
def _out_of(at: Three, move: Three, pace: tuple[float, float, float], places: int, reach: int, left: int) -> int:
    """Give how many steps leave the cube of 2 * reach + 1 bricks about a position, `left` at most, one at least."""
    steps = float(left)
    for_z, for_y, for_x = at[0] >> places, at[1] >> places, at[2] >> places
    if move[0] != 0:
        steps = min(steps, _steps_to(at[0], move[0], pace[0], (for_z - reach) << places, (for_z + reach + 1) << places))
    if move[1] != 0:
        steps = min(steps, _steps_to(at[1], move[1], pace[1], (for_y - reach) << places, (for_y + reach + 1) << places))
    if move[2] != 0:
        steps = min(steps, _steps_to(at[2], move[2], pace[2], (for_x - reach) << places, (for_x + reach + 1) << places))
    return min(int(max(steps, 0.0)) + 1, left)


@always_inlined
def _brick(bricks: Array, z: int, y: int, x: int, places: int) -> Any:
    """Give the entry of the brick that a position lies in, cut to the array."""
    return bricks[
        max(0, min(bricks.shape[0] - 1, z >> places)),
        max(0, min(bricks.shape[1] - 1, y >> places)),
        max(0, min(bricks.shape[2] - 1, x >> places)),
    ]


@kernel
def _highest_rays(
    part: Part,
    highs: Array,
    largest: Array,
    rays: Rays,
    inside: Array,
    sign: Any,
    limits: tuple[Any, Any],
    gathered: Array,
    counts: Array,
) -> None:
    """Find each ray's greatest value, of all times `sign`."""
    flat, (ends, strides) = part.voxels.reshape(-1), _layout(part.voxels)
    # A ray meets no more large bricks than there are along the three axes together, and one more for each end.
    stops = np.empty(sum(largest.shape) + 8, np.int64)
    tops = np.empty(sum(largest.shape) + 8, np.float32)
    for row in range(gathered.shape[0]):
        for column in range(gathered.shape[1]):
            at, move, first, stop = _ray(part, rays, inside, row, column)
            if first < stop:
                counts[row, column] += stop - first
                begin, end = _unclamped(at, move, ends, first, stop)
                best = max(sign * gathered[row, column], limits[0])
                for n in range(first, begin if begin < stop else stop):
                    z, y, x = at[0] + n * move[0], at[1] + n * move[1], at[2] + n * move[2]
                    best = max(best, sign * _value(flat, ends, strides, z, y, x))
                for n in range(end, stop):
                    z, y, x = at[0] + n * move[0], at[1] + n * move[1], at[2] + n * move[2]
                    best = max(best, sign * _value(flat, ends, strides, z, y, x))
                ray = (at, move, begin, end)
                best = _highest(flat, strides, highs, largest, ray, sign, best, limits[1], stops, tops)
                gathered[row, column] = sign * best


@inlined
def _highest(
    flat: Array,
    strides: Three,
    highs: Array,
    largest: Array,
    ray: tuple[Three, Three, int, int],
    sign: Any,
    best: Any,
    enough: Any,
    stops: Array,
    tops: Array,
) -> Any:
    """Look into the large brick that promises most, then into those that promise more than was found."""
    at, move, first, stop = ray
    pace = (_pace(move[0]), _pace(move[1]), _pace(move[2]))
    places = BINARY_PLACES + LARGE_PLACES
    n, count, chosen = first, 0, 0
    while n < stop:
        here = (at[0] + n * move[0], at[1] + n * move[1], at[2] + n * move[2])
        tops[count] = _brick(largest, here[0], here[1], here[2], places)
        n = n + _out_of(here, move, pace, places, 0, stop - n)
        if count == stops.size - 1:  # unreachable, or the arrays would have to be larger
            n = stop
        stops[count] = n
        if tops[count] > tops[chosen]:
            chosen = count
        count += 1
    for k in range(-1 if count > 0 else 0, count):
        which = chosen if k < 0 else k
        if best >= enough:
            break
        if tops[which] > best and k != chosen:
            begin = first if which == 0 else stops[which - 1]
            best = _highest_within(flat, strides, highs, at, move, pace, begin, stops[which], sign, best)
    return best


@inlined
def _highest_within(
    flat: Array,
    strides: Three,
    highs: Array,
    at: Three,
    move: Three,
    pace: tuple[float, float, float],
    first: int,
    stop: int,
    sign: Any,
    best: Any,
) -> Any:
    """Sample a run, but for bricks that hold nothing above `best`."""
    places = BINARY_PLACES + BRICK_PLACES
    n = first
    while n < stop:
        z, y, x = at[0] + n * move[0], at[1] + n * move[1], at[2] + n * move[2]
        end = n + _out_of((z, y, x), move, pace, places, 0, stop - n)
        if _brick(highs, z, y, x, places) > best:
            for _ in range(n, end):
                sample = sign * _value_inside(flat, strides, z, y, x)
                best = sample if sample > best else best
                z, y, x = z + move[0], y + move[1], x + move[2]
        n = end
    return best


@kernel
def _sum_rays(part: Part, rays: Rays, inside: Array, sums: Array, counts: Array) -> None:
    flat, (tops, strides) = part.voxels.reshape(-1), _layout(part.voxels)
    for row in range(sums.shape[0]):
        for column in range(sums.shape[1]):
            at, move, first, stop = _ray(part, rays, inside, row, column)
            begin, end = _unclamped(at, move, tops, first, stop)
            total, count = np.float64(0.0), 0
            z, y, x = at[0] + first * move[0], at[1] + first * move[1], at[2] + first * move[2]
            for n in range(first, stop):
                if begin <= n < end:
                    sample = _value_inside(flat, strides, z, y, x)
                else:
                    sample = _value(flat, tops, strides, z, y, x)
                is_there = sample == sample
                total += sample if is_there else np.float32(0.0)
                count += is_there
                z, y, x = z + move[0], y + move[1], x + move[2]
            sums[row, column] += np.float32(total)
            counts[row, column] += count


@kernel
def _composite(
    part: Part, leaps: Array, rays: Rays, inside: Array, colors: Colors, lighting: Lighting, enough: Any, out: Array
) -> None:
    flat, (tops, strides) = part.voxels.reshape(-1), _layout(part.voxels)
    places = BINARY_PLACES + BRICK_PLACES
    last = colors.table.shape[0] - 1
    low, scale = np.float32(colors.low), np.float32(colors.scale)
    for row in range(out.shape[0]):
        for column in range(out.shape[1]):
            pixel = out[row, column]
            at, move, n, stop = _ray(part, rays, inside, row, column)
            pace = (_pace(move[0]), _pace(move[1]), _pace(move[2]))
            begin, stop_inside = _unclamped(at, move, tops, n, stop)
            red, green, blue, opacity = pixel[0], pixel[1], pixel[2], pixel[3]
            while n < stop and opacity < enough:
                z, y, x = at[0] + n * move[0], at[1] + n * move[1], at[2] + n * move[2]
                reach: Any = np.int64(_brick(leaps, z, y, x, places))
                end = n + _out_of((z, y, x), move, pace, places, max(reach, 1) - 1, stop - n)
                if reach > 0:
                    n = end
                while n < end and opacity < enough:
                    if begin <= n < stop_inside:
                        place = (_value_inside(flat, strides, z, y, x) - low) * scale
                    else:
                        place = (_value(flat, tops, strides, z, y, x) - low) * scale
                    entry = np.int64(min(place, np.float32(last)) + np.float32(0.5)) if place > 0 else 0
                    alpha = colors.table[entry, 3] if place == place else np.float32(0.0)  # NaN shows nothing
                    if alpha > 0:
                        brightness, highlight = np.float32(1.0), np.float32(0.0)
                        if lighting.brightness.size > 0:
                            brightness, highlight = _lit(flat, tops, strides, z, y, x, lighting)
                        share = (np.float32(1.0) - opacity) * alpha
                        red += share * min(colors.table[entry, 0] * brightness + highlight, np.float32(1.0))
                        green += share * min(colors.table[entry, 1] * brightness + highlight, np.float32(1.0))
                        blue += share * min(colors.table[entry, 2] * brightness + highlight, np.float32(1.0))
                        opacity += share
                    z, y, x = z + move[0], y + move[1], x + move[2]
                    n += 1
            pixel[0], pixel[1], pixel[2], pixel[3] = red, green, blue, opacity


@inlined
def _lit(flat: Array, tops: Three, strides: Three, z: int, y: int, x: int, lighting: Lighting) -> tuple[Any, Any]:
    """Give brightness and highlight where the gradient, over a voxel to either side, stands to the view as it does."""
    one = 1 << BINARY_PLACES
    along_z = _value(flat, tops, strides, z + one, y, x) - _value(flat, tops, strides, z - one, y, x)
    along_y = _value(flat, tops, strides, z, y + one, x) - _value(flat, tops, strides, z, y - one, x)
    along_x = _value(flat, tops, strides, z, y, x + one) - _value(flat, tops, strides, z, y, x - one)
    matrix = lighting.to_view
    right = matrix[0, 0] * along_z + matrix[0, 1] * along_y + matrix[0, 2] * along_x
    down = matrix[1, 0] * along_z + matrix[1, 1] * along_y + matrix[1, 2] * along_x
    away = matrix[2, 0] * along_z + matrix[2, 1] * along_y + matrix[2, 2] * along_x
    length = np.sqrt(right * right + down * down + away * away)
    cosine = abs(away) / length if length > 0.0 else 0.0
    entry = int(min(cosine, 1.0) * (lighting.brightness.size - 1) + 0.5)
    return lighting.brightness[entry], lighting.highlight[entry]
