"""Sample a volume on a plane of any orientation, row by row."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from ..errors import InvalidArgument
from .arguments import STORED, Array, Dtypes, check_array, finite_vector, forbid_overlap, prepare_out
from .jit import kernel
from .line import BORDER, LARGEST_AXIS, Knots, Plane, nearest_line, row_start, trilinear_line

Interpolation = Literal["trilinear", "nearest"]

FLOATS: Dtypes = frozenset({np.dtype(np.float32), np.dtype(np.float64)})


def reslice(
    volume: Array,
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

    `volume` is (z, y, x), int8 to uint32, float32 or float64. The three vectors are (z, y, x) in voxels, with
    voxel centres at integers; up to half a voxel beyond the outermost centres the edge voxels are used, and
    what lies further out is `background`. The result has `shape` (rows, columns), or is `out`: float32 for
    trilinear (`out` may be float64, for 32-bit integers and float64), the volume's dtype for nearest (ties go
    to the higher index).

    With `slice_knots`, strictly increasing (slices,), z is in their unit (mm along the stacking direction)
    and goes through them piecewise linearly to the slice index; beyond the ends a slice reaches half the
    median interval (half a unit where there is one slice). In an interval longer than `gap` slices are
    missing: what is further than half the median interval from both its ends is `background`.
    Raises `InvalidArgument` for what cannot be used, NaN and infinite vectors included.
    """
    voxels = check_volume(volume)
    knots = prepare_knots(slice_knots, gap, voxels.shape[0])
    plane = check_plane(origin, row_step, column_step)
    check_interpolation(interpolation)
    is_nearest = interpolation == "nearest"
    pixels = prepare_pixels(out, shape, voxels.dtype if is_nearest else np.dtype(np.float32), voxels)
    _check_background(background, pixels.dtype)
    sample = _nearest_plane if is_nearest else _trilinear_plane
    sample(voxels, plane, knots, pixels.dtype.type(background), pixels)
    return pixels


def check_volume(volume: Array) -> Array:
    """Give a read-only view of `volume`, proven fit for the kernels; raises `InvalidArgument` otherwise."""
    voxels = check_array("volume", volume, STORED, 3)
    if max(voxels.shape) >= LARGEST_AXIS:
        raise InvalidArgument(f"volume has shape {voxels.shape}: cut it below {LARGEST_AXIS} voxels along each axis")
    return voxels


def check_plane(origin: ArrayLike, row_step: ArrayLike, column_step: ArrayLike) -> Plane:
    """Give the three vectors of a plane; raises `InvalidArgument` unless each is three finite numbers."""
    return Plane(
        finite_vector("origin", origin, 3),
        finite_vector("row_step", row_step, 3),
        finite_vector("column_step", column_step, 3),
    )


def prepare_pixels(out: Array | None, shape: tuple[int, int] | None, dtype: np.dtype[Any], volume: Array) -> Array:
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
    forbid_overlap(pixels, volume)
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
    if interpolation not in ("trilinear", "nearest"):
        raise InvalidArgument(f"interpolation is {interpolation!r}: pass 'trilinear' or 'nearest'")


def _check_background(background: float, dtype: np.dtype[Any]) -> None:
    if dtype.kind == "f":
        return
    limits = np.iinfo(dtype)
    if not (limits.min <= background <= limits.max and background == int(background)):
        raise InvalidArgument(f"background is {background!r}: pass a value that {dtype.name} can hold")


@kernel
def _trilinear_plane(
    volume: Array,
    plane: Plane,
    knots: Knots,
    background: Any,
    pixels: Array,
) -> None:
    for row in range(pixels.shape[0]):
        line = pixels[row]
        line[:] = background
        start = row_start(plane, row)
        trilinear_line(volume, start, plane.column_step, knots, line)


@kernel
def _nearest_plane(
    volume: Array,
    plane: Plane,
    knots: Knots,
    background: Any,
    pixels: Array,
) -> None:
    for row in range(pixels.shape[0]):
        line = pixels[row]
        line[:] = background
        start = row_start(plane, row)
        nearest_line(volume, start, plane.column_step, knots, line)
