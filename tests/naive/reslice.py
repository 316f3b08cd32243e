"""Sampling pixel by pixel, in float64, with every rule spelled out."""

from __future__ import annotations

import itertools
import math

import numpy as np

BORDER = 0.5 + 1e-6


def slice_index(z: float, knots: np.ndarray, gap: float) -> float | None:
    """The fractional slice at position z, or None where there is none."""
    intervals = np.diff(knots)
    reach = BORDER * (float(np.median(intervals)) if intervals.size else 1.0)
    if z < knots[0] or z > knots[-1]:
        distance, end = min((abs(z - knots[0]), 0), (abs(z - knots[-1]), len(knots) - 1))
        return float(end) if distance <= reach else None
    k = min(int(np.searchsorted(knots, z, side="right")) - 1, len(knots) - 2)
    if k < 0:
        return 0.0
    if intervals[k] > gap and z - knots[k] > reach and knots[k + 1] - z > reach:
        return None
    return k + (z - knots[k]) / intervals[k]


def index_at(pixel, volume, plane, knots=None, gap=math.inf) -> list[float] | None:
    """The voxel index of a pixel, clamped to the outermost centres; None outside the volume."""
    origin, row_step, column_step = (np.asarray(vector, dtype=float) for vector in plane)
    index = list(origin + pixel[0] * row_step + pixel[1] * column_step)
    if knots is not None:
        mapped = slice_index(index[0], np.asarray(knots, dtype=float), gap)
        if mapped is None:
            return None
        index[0] = mapped
    if any(not -BORDER <= i <= n - 1 + BORDER or n == 0 for i, n in zip(index, volume.shape, strict=True)):
        return None
    return [min(max(i, 0.0), n - 1.0) for i, n in zip(index, volume.shape, strict=True)]


def trilinear(volume, index) -> float:
    lower = [math.floor(i) for i in index]
    total = 0.0
    for corner in itertools.product((0, 1), repeat=3):
        weight = 1.0
        for side, i, low in zip(corner, index, lower, strict=True):
            weight *= i - low if side else 1 - (i - low)
        if weight > 0.0:
            total += weight * float(volume[tuple(low + side for low, side in zip(lower, corner, strict=True))])
    return total


def nearest(volume, index):
    return volume[tuple(min(math.floor(i + 0.5), n - 1) for i, n in zip(index, volume.shape, strict=True))]


def reslice(volume, plane, shape, *, sample=trilinear, background=0.0, knots=None, gap=math.inf) -> np.ndarray:
    pixels = np.full(shape, background, dtype=np.float64)
    for pixel in np.ndindex(*shape):
        index = index_at(pixel, volume, plane, knots, gap)
        if index is not None:
            pixels[pixel] = sample(volume, index)
    return pixels
