"""Project a slab, a stack of planes or curved surfaces, onto one: maximum, minimum, mean or weighted mean.

Row by row, not plane by plane: the same row of all planes passes through nearly the same voxels, which are
then in the cache. Each row is sampled by the code of `reslice` into a line that holds NaN where the volume
ends, and the line is combined in vector code that passes over NaN.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from ..errors import InvalidArgument
from .arguments import Array, Vector, finite_vector
from .jit import inlined, kernel
from .line import NEAREST, nearest_line, smooth_line
from .memory import uncounted
from .positions import Knots, Rows, row_start, row_step, uncounted_knots, uncounted_rows
from .reslice import (
    HOW,
    Interpolation,
    check_interpolation,
    check_rows,
    check_volume,
    plane_rows,
    prepare_knots,
    prepare_pixels,
)
from .voxels import Voxels, uncounted_voxels

Projection = Literal["max", "min", "mean"]

MAXIMUM, MINIMUM, MEAN = 0, 1, 2
MODES = {"max": MAXIMUM, "min": MINIMUM, "mean": MEAN}


def project_slab(
    volume: Array | Voxels,
    origin: ArrayLike,
    row_step: ArrayLike,
    column_step: ArrayLike,
    sample_step: ArrayLike,
    samples: int,
    *,
    shape: tuple[int, int] | None = None,
    out: Array | None = None,
    **options: Any,
) -> Array:
    """Combine `samples` planes, the s-th at `origin + s * sample_step`, pixel by pixel.

    Planes and volume are those of `reslice`; result and `options` are those of `project_rows`.
    """
    voxels = check_volume(volume)
    pixels = prepare_pixels(out, shape, np.dtype(np.float32), voxels)
    rows = plane_rows(origin, row_step, column_step, sample_step, len(pixels))
    return project_rows(voxels, *rows, samples, pixels, **options)


def project_rows(
    volume: Array | Voxels,
    starts: Array,
    steps: Array,
    through: Array,
    samples: int,
    out: Array,
    *,
    mode: Projection = "max",
    weights: ArrayLike | None = None,
    interpolation: Interpolation = "trilinear",
    background: float = 0.0,
    slice_knots: ArrayLike | None = None,
    gap: float = math.inf,
) -> Array:
    """Combine `samples` surfaces, each of rows that lie anywhere, pixel by pixel.

    Sample s of pixel (r, c) lies at voxel index `starts[r] + c * steps[r] + s * through[r]`; the three are float64
    (rows, 3) in z, y, x, the last two perhaps (1, 3) for all rows. `weights`, (samples,) above 0, make the mean a
    weighted one. `out` is float32 or float64 (rows, columns), and is given back. The rest is as in `reslice`. Samples
    outside the volume, in a gap, or NaN are left out; a pixel with no other is `background`.
    Raises `InvalidArgument` for what cannot be used.
    """
    voxels = check_volume(volume)
    knots = prepare_knots(slice_knots, gap, voxels.z.size)
    pixels = prepare_pixels(out, None, np.dtype(np.float32), voxels)
    check_interpolation(interpolation)
    if mode not in MODES:
        raise InvalidArgument(f"mode is {mode!r}: pass 'max', 'min' or 'mean'")
    if not isinstance(samples, int | np.integer) or samples < 1:
        raise InvalidArgument(f"samples is {samples!r}: pass a whole number, at least 1")
    shares = _check_weights(weights, int(samples), mode)
    rows = check_rows(starts, steps, through, len(pixels))
    scratch, beyond = np.empty((2, pixels.shape[1]), pixels.dtype), pixels.dtype.type(background)
    _project(voxels, rows, shares, knots, MODES[mode], HOW[interpolation], beyond, scratch, pixels)
    return pixels


def _check_weights(weights: ArrayLike | None, samples: int, mode: str) -> Vector:
    if weights is None:
        return np.ones(samples)
    shares = finite_vector("weights", weights, samples)
    if mode != "mean" or not (shares > 0.0).all():
        raise InvalidArgument("weights are numbers above 0, and go with mode 'mean'")
    return shares


@kernel
def _project(
    volume: Voxels,
    rows: Rows,
    weights: Vector,
    knots: Knots,
    mode: int,
    how: int,
    background: Any,
    scratch: Array,
    pixels: Array,
) -> None:
    volume, rows, knots = uncounted_voxels(volume), uncounted_rows(rows), uncounted_knots(knots)
    line, totals = uncounted(scratch)[0], uncounted(scratch)[1]
    picture, shares = uncounted(pixels), uncounted(weights)
    for row in range(picture.shape[0]):
        combined = picture[row]
        totals[:] = 0.0
        combined[:] = 0.0 if mode == MEAN else (-np.inf if mode == MAXIMUM else np.inf)
        for s in range(shares.size):
            line[:] = np.nan
            if how == NEAREST:
                nearest_line(volume, row_start(rows, row, s), row_step(rows, row), knots, line)
            else:
                smooth_line(how, volume, row_start(rows, row, s), row_step(rows, row), knots, line)
            _combine(mode, line.dtype.type(shares[s]), line, combined, totals)
        _finish(mode, totals, background, combined)


@inlined
def _combine(mode: int, weight: Any, line: Array, combined: Array, totals: Array) -> None:
    """Take in a line of samples; `totals` says what they weigh together, 0 where there are none."""
    nothing = line.dtype.type(0.0)
    for i in range(line.size):
        sample, former = line[i], combined[i]
        is_there = not np.isnan(sample)
        totals[i] += weight if is_there else nothing
        if mode == MEAN:
            combined[i] = former + (weight * sample if is_there else nothing)
        elif mode == MAXIMUM:
            combined[i] = sample if sample > former else former
        else:
            combined[i] = sample if sample < former else former


@inlined
def _finish(mode: int, totals: Array, background: Any, combined: Array) -> None:
    for i in range(combined.size):
        if totals[i] == 0.0:
            combined[i] = background
        elif mode == MEAN:
            combined[i] /= totals[i]
