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
    if intervals[k] > gap:
        return float(k) if z - knots[k] <= reach else float(k + 1) if knots[k + 1] - z <= reach else None
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


def keys(distance: float) -> float:
    """The kernel of cubic convolution with a = -1/2, as Keys wrote it down."""
    d = abs(distance)
    if d < 1:
        return 1.5 * d**3 - 2.5 * d**2 + 1
    return -0.5 * d**3 + 2.5 * d**2 - 4 * d + 2 if d < 2 else 0.0


def cubic(volume, index) -> float:
    """The sum over all 64 voxels, edges standing in for what is not there."""
    values = np.asarray(volume, dtype=float)
    for i, size in zip(index, volume.shape, strict=True):
        taps = [math.floor(i) + offset for offset in (-1, 0, 1, 2)]
        # The first axis goes with each turn.
        values = sum(keys(i - tap) * values[min(max(tap, 0), size - 1)] for tap in taps)
    return float(values)


def hermite(knots, gap):
    """Cubic sampling through uneven slices: a Hermite piece a slice interval, its tangents the neighbours' chords."""

    def sample(volume, index) -> float:
        lines = np.array([cubic(plane, index[1:]) for plane in volume])
        k = min(math.floor(index[0]), len(knots) - 1)
        t = index[0] - k
        if t == 0:
            return float(lines[k])
        step = knots[k + 1] - knots[k]

        def tangent(at: int) -> float:
            last = len(knots) - 1
            before = at - 1 if at > 0 and knots[at] - knots[at - 1] <= gap else at
            behind = at + 1 if at < last and knots[at + 1] - knots[at] <= gap else at
            span = 2 * step if at in (before, behind) else knots[behind] - knots[before]
            return (lines[behind] - lines[before]) / span

        near, far = lines[k], lines[k + 1]
        return float(
            near * (2 * t**3 - 3 * t**2 + 1)
            + far * (3 * t**2 - 2 * t**3)
            + step * tangent(k) * (t**3 - 2 * t**2 + t)
            + step * tangent(k + 1) * (t**3 - t**2)
        )

    return sample


def reslice(volume, plane, shape, *, sample=trilinear, background=0.0, knots=None, gap=math.inf) -> np.ndarray:
    pixels = np.full(shape, background, dtype=np.float64)
    for pixel in np.ndindex(*shape):
        index = index_at(pixel, volume, plane, knots, gap)
        if index is not None:
            pixels[pixel] = sample(volume, index)
    return pixels
