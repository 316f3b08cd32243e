"""Values of a plane or slab, read from the level that matches and from the chunks touched, no others.

All is reckoned in grid coordinates of the chosen level: voxel indices (z, y, x), but for z of unevenly spaced
slices, which counts millimetres along the stacking direction, so that there too a plane is a plane.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...errors import InvalidArgument
from ...kernels.reslice import reslice
from ...kernels.slab import project_slab
from ...storage import pool
from ..geometry import FloatArray
from ..volume import Box, Level, Values, Volume
from .planes import Plane
from .request import Interpolation, Mode
from .window import Display, Window, stored_dtype

BoolArray: TypeAlias = NDArray[np.bool_]
Padding: TypeAlias = tuple[float, float] | float | None

MAX_SAMPLES = 1 << 34
"""Most samples that one picture may cost (16384 × 16384 pixels, 64 deep): a bound on time, not a target."""
BOX_BYTES = 64 << 20
"""Most memory of the voxels about one part of a picture; a picture that needs more is made in parts."""
_LEAST_SIDE = 16
"""Parts of a picture are no smaller: what is left then is deep, and no division makes it less."""
_ROUNDING = 1e-6
_ROWS_A_TASK = 32


@dataclass(frozen=True)
class Cut:
    """What to sample, and how."""

    plane: Plane
    slab_mm: float = 0.0
    mode: Mode = "max"
    interpolation: Interpolation = "trilinear"


@dataclass(frozen=True)
class Sampling:
    """A block of samples: sample s of row r and column c is at origin + s · step + r · down + c · right."""

    origin: FloatArray
    down: FloatArray
    right: FloatArray
    step: FloatArray
    """From one sample of a slab to the next, (0, 0, 0) for a plane."""
    rows: int
    columns: int
    samples: int
    knots_mm: FloatArray | None
    """Where the slices are, if z counts millimetres."""
    gap_mm: float
    """Nothing is made up between slices that are further apart than this."""

    def half(self, axis: int, number: int) -> Sampling:
        """Give the upper or lower half of the rows (axis 0), or the left or right one of the columns."""
        count = (self.rows, self.columns)[axis]
        first, last = (0, count // 2) if number == 0 else (count // 2, count)
        if axis == 0:
            return replace(self, origin=self.origin + first * self.down, rows=last - first)
        return replace(self, origin=self.origin + first * self.right, columns=last - first)

    @property
    def corners(self) -> FloatArray:
        """(8, 3) the outermost samples."""
        ends = [(0, self.samples - 1), (0, self.rows - 1), (0, self.columns - 1)]
        counts = np.stack(np.meshgrid(*ends, indexing="ij"), axis=-1).reshape(8, 3)
        return np.asarray(self.origin + counts @ np.stack([self.step, self.down, self.right]))


def stored_slice(volume: Volume, plane: Plane) -> int | None:
    """Give the slice in which the whole plane lies, so that nothing between slices is needed, or None."""
    grid = volume.grid
    depths = grid.voxel_from_mm(_picture_corners(plane))[:, 0]
    number = round(float(depths[0]))
    lies_within = bool(np.all(np.abs(depths - number) < 1e-4)) and 0 <= number < volume.shape[0]
    return number if lies_within else None


def choose_level(volume: Volume, plane: Plane) -> int:
    """Choose the coarsest level that is no coarser than the picture's pixels along any axis that it shrank.

    Levels that mix slices are left out where slices differ in rescale, or are unevenly spaced, or are no
    volume.
    """
    pixel_mm = min(plane.pixel_mm) * (1.0 + _ROUNDING)
    may_mix = volume.is_rescale_even and volume.verdict.is_reformattable
    spacing = volume.grid.spacing_mm
    best = 0
    for number, factors in enumerate(volume.factors):
        fits = all(f == 1 or f * mm <= pixel_mm for f, mm in zip(factors, spacing, strict=True))
        if fits and (may_mix or factors[0] == 1) and math.prod(factors) > math.prod(volume.factors[best]):
            best = number
    return best


def sample(volume: Volume, cut: Cut, window: Window, invert: bool) -> tuple[NDArray[Any], Display]:
    """Give the picture's values (rows, columns), and how they become grey.

    Where the picture's pixels are voxels they are stored values, untouched but for padding, which gets a
    value that shows black; elsewhere float32, NaN outside the volume. Raises `InvalidArgument` for a
    picture too large.
    """
    level = volume.level(choose_level(volume, cut.plane))
    number = stored_slice(volume, cut.plane) if cut.slab_mm == 0 else None
    is_in_slice = number is not None and level.factors_zyx[0] == 1
    sampling = _sampling(volume, level, cut)
    if is_in_slice:
        sampling = _within_slice(sampling, float(number or 0))
    return _sampled(volume, level, _snapped(sampling), cut, Shown(window, invert, is_in_slice))


@dataclass(frozen=True)
class Shown:
    """How sampled values are shown."""

    window: Window
    invert: bool
    is_in_slice: bool
    """Whether all samples lie in one stored slice, so that its rescale alone counts."""


def _sampled(volume: Volume, level: Level, sampling: Sampling, cut: Cut, shown: Shown) -> tuple[NDArray[Any], Display]:
    """Sample in one go where the voxels about the samples fit in memory, else half by half."""
    start, stop = _touched_box(sampling, level.shape)
    voxels = math.prod(max(last - first, 0) for first, last in zip(start, stop, strict=True))
    axis = 0 if sampling.rows >= sampling.columns else 1
    if voxels * level.dtype.itemsize > BOX_BYTES and max(sampling.rows, sampling.columns) > _LEAST_SIDE:
        halves = pool.run_all(
            lambda half: _sampled(volume, level, half, cut, shown), [sampling.half(axis, 0), sampling.half(axis, 1)]
        )
        return np.concatenate([values for values, _ in halves], axis), halves[0][1]
    slope, intercept = volume.rescale[min(start[0], volume.shape[0] - 1)]
    display = Display(shown.window, float(slope), float(intercept), shown.invert)
    if any(first >= last for first, last in zip(start, stop, strict=True)):
        return np.full((sampling.rows, sampling.columns), math.nan, np.float32), display
    wanted = _touched_chunks(sampling, level.chunk_shape, start, stop)
    values = level.array.read_box(start, stop, None if wanted.all() else wanted)
    values = values.astype(stored_dtype(values.dtype), copy=False)
    if shown.is_in_slice or volume.is_rescale_even:
        values = without_padding(values, volume.padding_value, display)
    else:
        values = _in_modality_units(values, volume.rescale[start[0] : stop[0]])
        display = Display(shown.window, invert=shown.invert)
    return _interpolated(values, start, sampling, cut, display), display


def without_padding(values: NDArray[Any], padding: Padding, display: Display) -> NDArray[Any]:
    """Put a value that shows black where padding stands; nothing is copied where that is black already.

    `padding` is one stored value, or the least and greatest of a range.
    """
    low, high = padding if isinstance(padding, tuple) else (padding, padding)
    if low is None or high is None or (display.is_black(low) and display.is_black(high)):
        return values
    roomy = _roomy(values, display.black)
    is_padding = values == low if low == high else (values >= low) & (values <= high)
    return np.where(is_padding, np.asarray(display.black, dtype=roomy.dtype), roomy)


def _picture_corners(plane: Plane) -> FloatArray:
    ends = np.array([(0, 0), (0, plane.columns - 1), (plane.rows - 1, 0), (plane.rows - 1, plane.columns - 1)])
    return np.asarray(plane.origin_mm + ends @ np.array([plane.down_mm, plane.right_mm]))


def _sampling(volume: Volume, level: Level, cut: Cut) -> Sampling:
    """Lay the plane, or the slab about it, over the level's grid."""
    plane, grid = cut.plane, level.grid
    origin_mm, step_mm, samples = np.asarray(plane.origin_mm), np.zeros(3), 1
    if cut.slab_mm > 0:
        near, far = _slab_range(volume, plane, cut.slab_mm)
        samples = math.ceil((far - near) / min(grid.spacing_mm) - _ROUNDING) + 1
        step_mm = plane.normal * ((far - near) / max(samples - 1, 1))
        origin_mm = origin_mm + near * plane.normal
    if samples * plane.rows * plane.columns > MAX_SAMPLES:
        raise InvalidArgument(
            f"{plane.columns} × {plane.rows} pixels, {samples} samples deep: ask for a smaller size or slab"
        )
    down, right, step = grid.grid_vectors(np.array([plane.down_mm, plane.right_mm, step_mm]))
    gap_mm = 1.5 * grid.spacing_mm[0] if "gapped" in volume.verdict.kinds else math.inf
    return Sampling(
        grid.grid_from_mm(origin_mm),
        down,
        right,
        step,
        plane.rows,
        plane.columns,
        samples,
        grid.knots_mm,
        gap_mm,
    )


def _slab_range(volume: Volume, plane: Plane, slab_mm: float) -> tuple[float, float]:
    """Give where a slab begins and ends along the normal from the plane; it is cut to the volume."""
    depths = (volume.grid.corners_mm(volume.shape) - plane.origin_mm) @ plane.normal
    near, far = max(-slab_mm / 2, float(depths.min())), min(slab_mm / 2, float(depths.max()))
    return (near, far) if near < far else (0.0, 0.0)


def _within_slice(sampling: Sampling, number: float) -> Sampling:
    """Put samples that lie in one stored slice exactly there, whatever the spacing of the others."""
    origin, down, right = sampling.origin.copy(), sampling.down.copy(), sampling.right.copy()
    origin[0], down[0], right[0] = number, 0.0, 0.0
    return replace(sampling, origin=origin, down=down, right=right, knots_mm=None)


def _snapped(sampling: Sampling) -> Sampling:
    """Round what misses whole voxels by rounding errors alone, so that stored values come out untouched."""
    reach = max(sampling.rows, sampling.columns, sampling.samples)
    return replace(
        sampling,
        origin=_rounded(sampling.origin, 1e-5),
        down=_rounded(sampling.down, 1e-5 / reach),
        right=_rounded(sampling.right, 1e-5 / reach),
        step=_rounded(sampling.step, 1e-5 / reach),
    )


def _rounded(vector: FloatArray, tolerance: float) -> FloatArray:
    whole = np.rint(vector)
    return np.where(np.abs(vector - whole) < tolerance, whole, vector)


def _touched_box(sampling: Sampling, shape: Box) -> tuple[Box, Box]:
    """Give start and stop (z, y, x) of the voxels that interpolation asks for, cut to the level.

    Along z it is the whole level where slices are uneven: how far the outermost slices reach depends on
    all. The box is empty where the samples miss the level.
    """
    corners = np.clip(sampling.corners, -1e9, 1e9)  # a float beyond int64 becomes no integer
    low = np.clip(np.floor(corners.min(axis=0)), 0, shape).astype(int).tolist()
    high = np.clip(np.ceil(corners.max(axis=0)) + 1, 0, shape).astype(int).tolist()
    if sampling.knots_mm is not None:
        low[0], high[0] = 0, shape[0]
    return (low[0], low[1], low[2]), (high[0], high[1], high[2])


def _touched_chunks(sampling: Sampling, chunk: Box, start: Box, stop: Box) -> BoolArray:
    """Tell for each chunk that the box touches whether a sample needs a voxel of it.

    A chunk grown by one voxel is needed when its projection on the plane's normal meets that of the slab.
    """
    normal = np.cross(sampling.down, sampling.right)
    distance, radius = -float(normal @ sampling.origin), 0.0
    for axis in range(3):
        low, high = _chunk_ends(start[axis], stop[axis], chunk[axis])
        if axis == 0 and sampling.knots_mm is not None:
            low, high = (_slice_mm(ends, sampling.knots_mm) for ends in (low, high))
        along = [-1 if axis == other else 1 for other in range(3)]
        distance = distance + (normal[axis] * (low + high) / 2.0).reshape(along)
        radius = radius + (abs(normal[axis]) * (high - low) / 2.0).reshape(along)
    depth = float(normal @ sampling.step) * (sampling.samples - 1)
    return np.asarray((distance + radius >= min(depth, 0.0)) & (distance - radius <= max(depth, 0.0)))


def _chunk_ends(start: int, stop: int, size: int) -> tuple[FloatArray, FloatArray]:
    """First and last voxel of the chunks from voxel `start` to `stop`, each moved outwards by one."""
    first = np.arange(start // size, (stop - 1) // size + 1, dtype=np.float64) * size
    return first - 1.0, first + size


def _slice_mm(slices: FloatArray, knots_mm: FloatArray) -> FloatArray:
    """Give where slices are; those beyond the ends are put as far out as slices lie apart at most."""
    farthest = float(np.diff(knots_mm).max())
    outside = np.where(slices < 0, -farthest, np.where(slices > len(knots_mm) - 1, farthest, 0.0))
    return np.interp(slices, np.arange(len(knots_mm)), knots_mm) + outside


def _in_modality_units(values: Values, rescale: FloatArray) -> NDArray[np.float32]:
    """Rescale each slice by its own slope and intercept, so that values may be mixed across slices."""
    slopes, intercepts = rescale.astype(np.float32).T[:, :, np.newaxis, np.newaxis]
    with np.errstate(all="ignore"):  # chunks that were not read hold anything
        scaled = values.astype(np.float32)
        scaled *= slopes
        scaled += intercepts
    return scaled


def _roomy(values: Values, number: float) -> Values:
    """Give values in a type that can hold `number` too."""
    if np.can_cast(np.min_scalar_type(round(number)), values.dtype) or values.dtype.kind == "f":
        return values
    return values.astype(np.float32 if values.dtype.itemsize <= 2 else np.float64)


def _interpolated(values: Values, start: Box, sampling: Sampling, cut: Cut, display: Display) -> NDArray[Any]:
    """Sample a box that begins at voxel `start`: by slicing where pixels are voxels, by kernels elsewhere."""
    shift = np.asarray(start, dtype=np.float64)
    if sampling.knots_mm is None:
        exact = _on_voxels(values, replace(sampling, origin=sampling.origin - shift))
        if exact is not None:
            return exact
    nearest = cut.interpolation == "nearest" and sampling.samples == 1
    box = _roomy(values, display.black) if nearest else values
    is_float = not nearest or box.dtype.kind == "f"
    picture = np.empty((sampling.rows, sampling.columns), box.dtype if nearest else np.float32)
    options: dict[str, Any] = {
        "background": math.nan if is_float else float(round(display.black)),
        "slice_knots": sampling.knots_mm,
        "gap": sampling.gap_mm,
    }

    def draw(run: tuple[int, int]) -> None:
        begin, out = sampling.origin - shift + run[0] * sampling.down, picture[run[0] : run[1]]
        if sampling.samples > 1:
            block = (box, begin, sampling.down, sampling.right, sampling.step, sampling.samples)
            project_slab(*block, mode=cut.mode, interpolation=cut.interpolation, out=out, **options)
        else:
            steps = (sampling.down, sampling.right)
            reslice(box, begin, *steps, out=out, interpolation=cut.interpolation, **options)

    pool.run_all(draw, pool.split(sampling.rows, _ROWS_A_TASK))
    return picture


def _on_voxels(values: Values, sampling: Sampling) -> NDArray[Any] | None:
    """Give the picture as a view of the box where each pixel is a voxel of it, else None."""
    down_axis, right_axis = (_unit_axis(step) for step in (sampling.down, sampling.right))
    if sampling.samples > 1 or down_axis is None or right_axis is None:
        return None
    corners = sampling.corners
    is_inside = np.all(corners >= 0) and np.all(corners < values.shape)
    if not is_inside or np.any(sampling.origin != np.rint(sampling.origin)):
        return None
    key: list[int | slice] = [int(place) for place in sampling.origin]
    key[down_axis] = _run(key[down_axis], int(sampling.down[down_axis]), sampling.rows)
    key[right_axis] = _run(key[right_axis], int(sampling.right[right_axis]), sampling.columns)
    view: NDArray[Any] = values[tuple(key)]
    return view if down_axis < right_axis else view.T


def _unit_axis(step: FloatArray) -> int | None:
    axis = int(np.argmax(np.abs(step)))
    return axis if np.abs(step).sum() == 1.0 and abs(step[axis]) == 1.0 else None


def _run(first: Any, step: int, count: int) -> slice:
    end = first + step * count
    return slice(first, end if end >= 0 else None, step)
