"""Project a slab, a stack of parallel planes, onto one plane: maximum, minimum or mean.

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
from .line import Knots, Plane, nearest_line, row_start, trilinear_line
from .reslice import (
    Interpolation,
    check_interpolation,
    check_plane,
    check_volume,
    prepare_knots,
    prepare_pixels,
)

Projection = Literal["max", "min", "mean"]

MAXIMUM, MINIMUM, MEAN = 0, 1, 2
MODES = {"max": MAXIMUM, "min": MINIMUM, "mean": MEAN}


def project_slab(
    volume: Array,
    origin: ArrayLike,
    row_step: ArrayLike,
    column_step: ArrayLike,
    sample_step: ArrayLike,
    samples: int,
    *,
    shape: tuple[int, int] | None = None,
    out: Array | None = None,
    mode: Projection = "max",
    interpolation: Interpolation = "trilinear",
    background: float = 0.0,
    slice_knots: ArrayLike | None = None,
    gap: float = math.inf,
) -> Array:
    """Combine `samples` planes, the s-th at `origin + s * sample_step`, pixel by pixel.

    Planes, volume, knots and gap are those of `reslice`. Samples outside the volume, in a gap, or NaN are
    left out; a pixel with no other is `background`. The result has `shape` (rows, columns), or is `out`:
    float32, or float64 when `out` is.
    Raises `InvalidArgument` for what cannot be used.
    """
    voxels = check_volume(volume)
    knots = prepare_knots(slice_knots, gap, voxels.shape[0])
    plane = check_plane(origin, row_step, column_step)
    through = finite_vector("sample_step", sample_step, 3)
    check_interpolation(interpolation)
    if mode not in MODES:
        raise InvalidArgument(f"mode is {mode!r}: pass 'max', 'min' or 'mean'")
    if not isinstance(samples, int | np.integer) or samples < 1:
        raise InvalidArgument(f"samples is {samples!r}: pass a whole number, at least 1")
    pixels = prepare_pixels(out, shape, np.dtype(np.float32), voxels)
    planes, empty = (plane, through, int(samples)), pixels.dtype.type(background)
    _project(voxels, *planes, knots, MODES[mode], interpolation == "nearest", empty, pixels)
    return pixels


@kernel
def _project(
    volume: Array,
    plane: Plane,
    sample_step: Vector,
    samples: int,
    knots: Knots,
    mode: int,
    is_nearest: bool,
    background: Any,
    pixels: Array,
) -> None:
    line, counts = np.empty_like(pixels[:1].reshape(-1)), np.empty(pixels.shape[1], np.int32)
    for row in range(pixels.shape[0]):
        combined = pixels[row]
        _begin(mode, combined, counts)
        z, y, x = row_start(plane, row)
        for s in range(samples):
            start = (z + s * sample_step[0], y + s * sample_step[1], x + s * sample_step[2])
            line[:] = np.nan
            if is_nearest:
                nearest_line(volume, start, plane.column_step, knots, line)
            else:
                trilinear_line(volume, start, plane.column_step, knots, line)
            _combine(mode, line, combined, counts)
        _finish(mode, counts, background, combined)


@inlined
def _begin(mode: int, combined: Array, counts: Array) -> None:
    """Set each mode's neutral value."""
    counts[:] = 0
    combined[:] = 0.0 if mode == MEAN else (-np.inf if mode == MAXIMUM else np.inf)


@inlined
def _combine(mode: int, line: Array, combined: Array, counts: Array) -> None:
    for i in range(line.size):
        sample, former = line[i], combined[i]
        is_there = not np.isnan(sample)
        counts[i] += is_there
        if mode == MEAN:
            combined[i] = former + (sample if is_there else line.dtype.type(0.0))
        elif mode == MAXIMUM:
            combined[i] = sample if sample > former else former
        else:
            combined[i] = sample if sample < former else former


@inlined
def _finish(mode: int, counts: Array, background: Any, combined: Array) -> None:
    for i in range(combined.size):
        if counts[i] == 0:
            combined[i] = background
        elif mode == MEAN:
            combined[i] /= counts[i]
