"""Values of a plane, slab or curved plane, read from the level that matches and the chunks touched, no others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...errors import InvalidArgument
from ...kernels.reslice import reslice_rows
from ...kernels.slab import project_rows
from ...kernels.voxels import Voxels, voxels_of_array
from ...storage import pool
from ..geometry import FloatArray
from ..volume import Level, Values, Volume
from .curve import CurvedPlane
from .planes import Plane
from .request import Interpolation, Mode
from .sampling import Depth, Sampling, lay, slab_depth
from .window import Display, Window, stored_dtype

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

    plane: Plane | CurvedPlane
    slab_mm: float = 0.0
    mode: Mode = "max"
    interpolation: Interpolation = "trilinear"

    @property
    def reach(self) -> int:
        """How many voxels on either side of it a sample needs along each axis."""
        return 2 if self.interpolation == "cubic" else 1

    def weights(self, depth: Depth) -> FloatArray | None:
        """Give what each sample of a slab counts in a weighted mean: evenly less from the plane to the faces.

        At the plane 1, at a face as much as keeps the next sample beyond it from counting at all.
        """
        if self.mode != "weighted":
            return None
        distances = np.abs(depth.near_mm + depth.step_mm * np.arange(depth.samples))
        return np.asarray(1.0 - distances / (self.slab_mm / 2 + depth.step_mm)) if depth.samples > 1 else np.ones(1)


def stored_slice(volume: Volume, plane: Plane) -> int | None:
    """Give the slice in which the whole plane lies, so that nothing between slices is needed, or None."""
    grid = volume.grid
    depths = grid.voxel_from_mm(_picture_corners(plane))[:, 0]
    number = round(float(depths[0]))
    lies_within = bool(np.all(np.abs(depths - number) < 1e-4)) and 0 <= number < volume.shape[0]
    return number if lies_within else None


def choose_level(volume: Volume, plane: Plane | CurvedPlane) -> int:
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
    plane = cut.plane
    level = volume.level(choose_level(volume, plane))
    number = stored_slice(volume, plane) if cut.slab_mm == 0 and isinstance(plane, Plane) else None
    is_in_slice = number is not None and level.factors_zyx[0] == 1
    depth = Depth()
    if cut.slab_mm > 0:
        corners = volume.grid.corners_mm(volume.shape)
        depth = slab_depth(plane, cut.slab_mm, min(level.grid.spacing_mm), corners)
    if depth.samples * plane.rows * plane.columns > MAX_SAMPLES:
        raise InvalidArgument(
            f"{plane.columns} × {plane.rows} pixels, {depth.samples} samples deep: ask for a smaller size or slab"
        )
    gap_mm = 1.5 * level.grid.spacing_mm[0] if "gapped" in volume.verdict.kinds else math.inf
    sampling = lay(plane, level.grid, depth, gap_mm)
    if is_in_slice:
        sampling = sampling.within_slice(float(number or 0))
    work = Work(volume, level, cut, cut.weights(depth), window, invert, is_in_slice)
    return _sampled(work, sampling)


@dataclass(frozen=True)
class Work:
    """What is sampled, and how its values are shown: the same for all parts of a picture."""

    volume: Volume
    level: Level
    cut: Cut
    weights: FloatArray | None
    """Of the samples of a slab, for a weighted mean."""
    window: Window
    invert: bool
    is_in_slice: bool
    """Whether all samples lie in one stored slice, so that its rescale alone counts."""


def _sampled(work: Work, sampling: Sampling) -> tuple[NDArray[Any], Display]:
    """Sample voxels where they lie, or a box of them, half by half where that is large."""
    volume, level, reach = work.volume, work.level, work.cut.reach
    start, stop = sampling.touched_box(level.shape, reach)
    slope, intercept = volume.rescale[min(start[0], volume.shape[0] - 1)].tolist()
    display = Display(work.window, slope, intercept, work.invert)
    box = [max(last - first, 0) for first, last in zip(start, stop, strict=True)]
    if 0 in box:
        return np.full((sampling.rows, sampling.columns), math.nan, np.float32), display
    wanted = sampling.touched_chunks(level.chunk_shape, start, stop, reach)
    moved = sampling.moved(np.array(start, np.float64))
    view = _view_of_voxels(box, moved)
    if view is None and _shows_as_stored(work, display):
        with level.array.hold_voxels(start, stop, wanted) as voxels:
            if voxels is not None:
                return _interpolated(voxels, moved, work, display), display
    axis = 0 if sampling.rows >= sampling.columns or sampling.down is None else 1
    if math.prod(box) * level.dtype.itemsize > BOX_BYTES and (sampling.rows, sampling.columns)[axis] > _LEAST_SIDE:
        halves = pool.run_all(lambda half: _sampled(work, half), [sampling.half(axis, 0), sampling.half(axis, 1)])
        return np.concatenate([values for values, _ in halves], axis), halves[0][1]
    values = level.array.read_box(start, stop, wanted)
    values = values.astype(stored_dtype(values.dtype), copy=False)
    if work.is_in_slice or volume.is_rescale_even:
        values = without_padding(values, volume.padding_value, display)
    else:
        values = _in_modality_units(values, volume.rescale[start[0] : stop[0]])
        display = Display(work.window, invert=work.invert)
    if view is not None:
        exact: NDArray[Any] = values[view.key]
        return (exact.T if view.is_transposed else exact), display
    if _is_of_voxels(work.cut, moved):
        values = _roomy(values, display.black)
    return _interpolated(voxels_of_array(values), moved, work, display), display


def _shows_as_stored(work: Work, display: Display) -> bool:
    """Whether stored values are sampled as they are: one rescale, a type that kernels know, padding that is black."""
    volume, dtype = work.volume, work.level.dtype
    is_even = work.is_in_slice or volume.is_rescale_even
    is_padding_black = volume.padding_value is None or display.is_black(volume.padding_value)
    return is_even and is_padding_black and stored_dtype(dtype) == dtype and _has_room(dtype, display.black)


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


def _in_modality_units(values: Values, rescale: FloatArray) -> NDArray[np.float32]:
    """Rescale each slice by its own slope and intercept, so that values may be mixed across slices."""
    slopes, intercepts = rescale.astype(np.float32).T[:, :, np.newaxis, np.newaxis]
    with np.errstate(all="ignore"):  # chunks that were not read hold anything
        scaled = values.astype(np.float32)
        scaled *= slopes
        scaled += intercepts
    return scaled


def _has_room(dtype: np.dtype[np.generic], number: float) -> bool:
    """Whether a type can hold `number`, rounded."""
    if dtype.kind == "f":
        return True
    limits = np.iinfo(dtype)  # type: ignore[type-var] # no other kind is left
    return bool(limits.min <= round(number) <= limits.max)


def _roomy(values: Values, number: float) -> Values:
    """Give values in a type that can hold `number` too."""
    if _has_room(values.dtype, number):
        return values
    return values.astype(np.float32 if values.dtype.itemsize <= 2 else np.float64)


def _is_of_voxels(cut: Cut, sampling: Sampling) -> bool:
    """Whether each pixel is the nearest voxel, unmixed."""
    return cut.interpolation == "nearest" and sampling.samples == 1 and sampling.down is not None


def _interpolated(voxels: Voxels, sampling: Sampling, work: Work, display: Display) -> NDArray[Any]:
    """Sample a box by its own coordinates."""
    cut, dtype = work.cut, voxels.flat.dtype
    is_of_voxels = _is_of_voxels(cut, sampling)
    is_rounded = is_of_voxels and dtype.kind != "f"
    picture = np.empty((sampling.rows, sampling.columns), dtype if is_of_voxels else np.float32)
    options: dict[str, Any] = {"slice_knots": sampling.knots_mm, "gap": sampling.gap_mm}
    options["background"] = float(round(display.black)) if is_rounded else math.nan
    options["interpolation"] = cut.interpolation
    mode = "mean" if cut.mode == "weighted" else cut.mode

    def draw(run: tuple[int, int]) -> None:
        part, out = sampling.part(*run), picture[run[0] : run[1]]
        if sampling.samples > 1 or sampling.down is None:
            rows = (part.starts, part.right, part.step, part.samples)
            project_rows(voxels, *rows, out, mode=mode, weights=work.weights, **options)
        else:
            reslice_rows(voxels, part.starts, part.right, out, **options)

    pool.run_all(draw, pool.split(sampling.rows, _ROWS_A_TASK))
    return picture


@dataclass(frozen=True)
class _View:
    """A picture whose pixels are voxels of a box: a part of one of its planes."""

    key: tuple[int | slice, ...]
    is_transposed: bool


def _view_of_voxels(box: Sequence[int], sampling: Sampling) -> _View | None:
    """Give the picture as a view of the box where each pixel is a voxel of it, else None."""
    if sampling.samples > 1 or sampling.down is None or sampling.knots_mm is not None:
        return None
    down_axis, right_axis = (_unit_axis(step) for step in (sampling.down, sampling.right[0]))
    if down_axis is None or right_axis is None:
        return None
    first: list[float] = sampling.starts[0].tolist()
    last: list[float] = (sampling.starts[-1] + (sampling.columns - 1) * sampling.right[0]).tolist()
    ends = zip(first, last, box, strict=True)
    if not all(a == round(a) and min(a, b) >= 0 and max(a, b) < size for a, b, size in ends):
        return None
    key: list[int | slice] = [int(place) for place in first]
    key[down_axis] = _run(key[down_axis], int(sampling.down[down_axis]), sampling.rows)
    key[right_axis] = _run(key[right_axis], int(sampling.right[0][right_axis]), sampling.columns)
    return _View(tuple(key), down_axis > right_axis)


def _unit_axis(step: FloatArray) -> int | None:
    parts = [abs(part) for part in step.tolist()]
    return parts.index(1.0) if sorted(parts) == [0.0, 0.0, 1.0] else None


def _run(first: Any, step: int, count: int) -> slice:
    end = first + step * count
    return slice(first, end if end >= 0 else None, step)
