"""Rays sample by sample, in float64, with every rule spelled out."""

from __future__ import annotations

import numpy as np

TOLERANCE = 1e-6


def value_at(volume, place) -> float | None:
    """Trilinear, none outside the outermost centres."""
    if any(not -TOLERANCE <= i <= n - 1 + TOLERANCE for i, n in zip(place, volume.shape, strict=True)):
        return None
    return clamped(volume, place)


def clamped(volume, place) -> float:
    place = [min(max(i, 0.0), n - 1.0) for i, n in zip(place, volume.shape, strict=True)]
    total = 0.0
    for corner in np.ndindex(2, 2, 2):
        index = [min(int(i) + side, n - 1) for i, side, n in zip(place, corner, volume.shape, strict=True)]
        parts = [(i - int(i)) if side else 1 - (i - int(i)) for i, side in zip(place, corner, strict=True)]
        total += np.prod(parts) * float(volume[tuple(index)])
    return float(total)


def samples(volume, rays, inside, row, column):
    """Give (place, value) of each sample that counts, front to back."""
    origin, down, right, step, count = (np.asarray(part) for part in rays)
    for s in range(int(count)):
        place = origin + row * down + column * right + s * step
        value = value_at(volume, place)
        if value is not None and all(plane[:3] @ place + plane[3] >= -TOLERANCE for plane in inside):
            yield place, value


def project(volume, rays, inside, shape, mode) -> tuple[np.ndarray, np.ndarray]:
    """Give the maximum, minimum or mean along each ray, NaN where there is no sample, and how many there are."""
    combine = {"max": max, "min": min, "mean": lambda values: sum(values) / len(values)}[mode]
    pixels, counts = np.full(shape, np.nan), np.zeros(shape, int)
    for row, column in np.ndindex(*shape):
        values = [value for _, value in samples(volume, rays, inside, row, column)]
        counts[row, column] = len(values)
        if values:
            pixels[row, column] = combine(values)
    return pixels, counts


def composite(volume, rays, inside, shape, color_of, light_of=None) -> np.ndarray:
    """Lay `color_of(value)`, lit by `light_of(gradient)`, over one another; (rows, columns, 4), times opacity."""
    pixels = np.zeros((*shape, 4))
    for row, column in np.ndindex(*shape):
        for place, value in samples(volume, rays, inside, row, column):
            *color, opacity = color_of(value)
            brightness, highlight = (1.0, 0.0) if light_of is None else light_of(gradient(volume, place))
            lit = np.minimum(np.array(color) * brightness + highlight, 1.0)
            share = (1 - pixels[row, column, 3]) * opacity
            pixels[row, column] += [*(share * lit), share]
    return pixels


def gradient(volume, place) -> np.ndarray:
    """Differences over a voxel to either side, along z, y and x."""
    steps = np.eye(3)
    return np.array([clamped(volume, place + step) - clamped(volume, place - step) for step in steps])


def ranges(volume, brick) -> tuple[np.ndarray, np.ndarray]:
    counts = [-(-n // brick) for n in volume.shape]
    boxes = {at: volume[tuple(slice(i * brick, i * brick + brick + 1) for i in at)] for at in np.ndindex(*counts)}
    lows, highs = np.empty(counts, volume.dtype), np.empty(counts, volume.dtype)
    for at, box in boxes.items():
        lows[at], highs[at] = box.min(), box.max()
    return lows, highs


def distances(is_active) -> np.ndarray:
    active = np.argwhere(is_active)
    found = np.full(is_active.shape, 255)
    for at in np.ndindex(*is_active.shape):
        if len(active):
            found[at] = np.abs(active - np.array(at)).max(axis=1).min()
    return found
