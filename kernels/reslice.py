"""Sample a volume on a plane of any orientation, or on rows that lie anywhere, row by row."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from ..errors import InvalidArgument
from .arguments import Array, Dtypes, finite_vector, forbid_overlap, prepare_out
from .jit import kernel
from .line import CUBIC, NEAREST, TRILINEAR, nearest_line, smooth_line
from .memory import uncounted
from .positions import BORDER, LARGEST_AXIS, Knots, Rows, row_start, row_step, uncounted_knots, uncounted_rows
from .voxels import Voxels, uncounted_voxels, voxels_of_array

Interpolation = Literal["trilinear", "nearest", "cubic"]
HOW = {"nearest": NEAREST, "trilinear": TRILINEAR, "cubic": CUBIC}

_NO_STEP = np.zeros((1, 3))
FLOATS: Dtypes = frozenset({np.dtype(np.float32), np.dtype(np.float64)})


def reslice(
    volume: Array | Voxels,
    origin: ArrayLike,
    row_step: ArrayLike,
    column_step: ArrayLike,
    *,
    shape: tuple[int, int] | None = None,
    out: Array | None = None,
    interpolation: Interpolation = "trilinear",
    background: float = 0.0,
    slice_knots: ArrayLike | None = None,
    gap: float = math.inf,
) -> Array:
    """Sample `volume` on a plane: pixel (r, c) lies at voxel index `origin + r * row_step + c * column_step`.

    `volume` is (z, y, x), int8 to uint32, float32 or float64, or such voxels in bricks. The three vectors are (z, y, x)
    in voxels, with voxel centres at integers; up to half a voxel beyond the outermost centres the edge voxels are used,
    and what lies further out is `background`. The result has `shape` (rows, columns), or is `out`: float32 for
    trilinear and cubic (`out` may be float64, for 32-bit integers and float64), the volume's dtype for nearest (ties
    go to the higher index).

    With `slice_knots`, strictly increasing (slices,), z is in their unit (mm along the stacking direction)
    and goes through them piecewise linearly to the slice index; beyond the ends a slice reaches half the
    median interval (half a unit where there is one slice). In an interval longer than `gap` slices are
    missing: each of its ends reaches half the median interval, unmixed, and between them is `background`.
    Raises `InvalidArgument` for what cannot be used, NaN and infinite vectors included.
    """
    voxels = check_volume(volume)
    check_interpolation(interpolation)
    kind = voxels.flat.dtype if interpolation == "nearest" else np.dtype(np.float32)
    pixels = prepare_pixels(out, shape, kind, voxels)
    rows = plane_rows(origin, row_step, column_step, (0, 0, 0), len(pixels))
    options: dict[str, Any] = {"interpolation": interpolation, "background": background}
    return reslice_rows(voxels, rows.starts, rows.steps, pixels, slice_knots=slice_knots, gap=gap, **options)


def reslice_rows(
    volume: Array | Voxels,
    starts: Array,
    steps: Array,
    out: Array,
    *,
    interpolation: Interpolation = "trilinear",
    background: float = 0.0,
    slice_knots: ArrayLike | None = None,
    gap: float = math.inf,
) -> Array:
    """Sample rows that lie anywhere: pixel (r, c) lies at voxel index `starts[r] + c * steps[r]`.

    The two are float64 (rows, 3) in z, y, x, the second perhaps (1, 3) for all rows. The rest is as in `reslice`, and
    `out` is given back.
    """
    voxels = check_volume(volume)
    knots = prepare_knots(slice_knots, gap, voxels.z.size)
    check_interpolation(interpolation)
    is_nearest = interpolation == "nearest"
    pixels = prepare_pixels(out, None, voxels.flat.dtype if is_nearest else np.dtype(np.float32), voxels)
    rows = check_rows(starts, steps, _NO_STEP, len(pixels))
    _check_background(background, pixels.dtype)
    if is_nearest:
        _nearest_rows(voxels, rows, knots, pixels.dtype.type(background), pixels)
    else:
        _smooth_rows(voxels, rows, knots, HOW[interpolation], pixels.dtype.type(background), pixels)
    return pixels


def check_volume(volume: Array | Voxels) -> Voxels:
    """Give voxels proven fit for the kernels, without a copy; raises `InvalidArgument` otherwise."""
    voxels = volume if isinstance(volume, Voxels) else voxels_of_array(volume)
    if max(places.size for places in (voxels.z, voxels.y, voxels.x)) >= LARGEST_AXIS:
        shape = (voxels.z.size, voxels.y.size, voxels.x.size)
        raise InvalidArgument(f"volume has shape {shape}: cut it below {LARGEST_AXIS} voxels along each axis")
    return voxels


def plane_rows(
    origin: ArrayLike, row_step: ArrayLike, column_step: ArrayLike, sample_step: ArrayLike, rows: int
) -> Rows:
    """Give the rows of a plane or slab; raises `InvalidArgument` unless each vector is three finite numbers."""
    first, down = finite_vector("origin", origin, 3), finite_vector("row_step", row_step, 3)
    right = finite_vector("column_step", column_step, 3)
    deeper = finite_vector("sample_step", sample_step, 3)
    with np.errstate(all="ignore"):  # what lies beyond all numbers lies outside the volume
        starts = first + np.arange(rows)[:, np.newaxis] * down
    return Rows(starts, right[np.newaxis], deeper[np.newaxis])


def check_rows(starts: Array, steps: Array, through: Array, count: int) -> Rows:
    """Give rows ready for a kernel; raises `InvalidArgument` unless they are as many as `count`, float64."""
    for name, vectors in (("starts", starts), ("steps", steps), ("through", through)):
        fits = vectors.dtype == np.float64 and vectors.ndim == 2 and vectors.shape[1] == 3
        if not (fits and vectors.flags.c_contiguous and len(vectors) in (count, 1 if name != "starts" else count)):
            raise InvalidArgument(f"{name} is {vectors.dtype} {vectors.shape}: pass float64 ({count}, 3), C-contiguous")
    return Rows(starts, steps, through)


def prepare_pixels(out: Array | None, shape: tuple[int, int] | None, dtype: np.dtype[Any], volume: Voxels) -> Array:
    """Give the array to write: `out` where given, else a new one; where float32 is wanted float64 will do.

    Raises `InvalidArgument` otherwise.
    """
    if shape is None:
        if out is None or getattr(out, "ndim", 0) != 2:
            raise InvalidArgument("neither shape nor a two-dimensional out: pass one of them")
        shape = out.shape
    if len(shape) != 2 or min(shape) < 0:
        raise InvalidArgument(f"shape is {shape}: pass (rows, columns)")
    pixels = prepare_out(out, tuple(shape), dtype, FLOATS if dtype == np.float32 else frozenset())
    forbid_overlap(pixels, volume.flat)
    return pixels


def prepare_knots(slice_knots: ArrayLike | None, gap: float, slices: int) -> Knots:
    """Give the slices' positions ready for a kernel.

    Raises `InvalidArgument` unless they are finite, one a slice, and strictly increase.
    """
    if slice_knots is None:
        return Knots(np.empty(0), math.inf, 0.0)
    positions = finite_vector("slice_knots", slice_knots, slices)
    intervals = np.diff(positions)
    if (intervals <= 0.0).any():
        raise InvalidArgument("slice_knots do not strictly increase: sort the slices and drop duplicates")
    if not gap > 0.0:
        raise InvalidArgument(f"gap is {gap!r}: pass a length above 0, or infinity for none")
    median = float(np.median(intervals)) if intervals.size else 1.0
    return Knots(positions, float(gap), median * BORDER)


def check_interpolation(interpolation: str) -> None:
    """Raise `InvalidArgument` unless that is an interpolation there is."""
    if interpolation not in HOW:
        raise InvalidArgument(f"interpolation is {interpolation!r}: pass 'nearest', 'trilinear' or 'cubic'")


def _check_background(background: float, dtype: np.dtype[Any]) -> None:
    if dtype.kind == "f":
        return
    limits = np.iinfo(dtype)
    if not (limits.min <= background <= limits.max and background == int(background)):
        raise InvalidArgument(f"background is {background!r}: pass a value that {dtype.name} can hold")


@kernel
def _smooth_rows(volume: Voxels, rows: Rows, knots: Knots, how: int, background: Any, pixels: Array) -> None:
    volume, rows, knots = uncounted_voxels(volume), uncounted_rows(rows), uncounted_knots(knots)
    picture = uncounted(pixels)
    for row in range(picture.shape[0]):
        line = picture[row]
        line[:] = background
        smooth_line(how, volume, row_start(rows, row, 0), row_step(rows, row), knots, line)


@kernel
def _nearest_rows(volume: Voxels, rows: Rows, knots: Knots, background: Any, pixels: Array) -> None:
    volume, rows, knots = uncounted_voxels(volume), uncounted_rows(rows), uncounted_knots(knots)
    picture = uncounted(pixels)
    for row in range(picture.shape[0]):
        line = picture[row]
        line[:] = background
        nearest_line(volume, row_start(rows, row, 0), row_step(rows, row), knots, line)
