"""A slab as a list of planes, combined pixel by pixel."""

from __future__ import annotations

import numpy as np
from naive.reslice import reslice


def project_slab(
    volume, plane, sample_step, samples, shape, mode, *, weights=None, background=0.0, **options
) -> np.ndarray:
    shares = np.ones(samples) if weights is None else np.asarray(weights)
    moved = [(np.asarray(plane[0]) + s * np.asarray(sample_step), *plane[1:]) for s in range(samples)]
    planes = [reslice(volume, one, shape, background=np.nan, **options) for one in moved]
    pixels = np.full(shape, background, dtype=np.float64)
    for pixel in np.ndindex(*shape):
        there = [s for s, one in enumerate(planes) if not np.isnan(one[pixel])]
        values = [planes[s][pixel] for s in there]
        if values and mode == "mean":
            pixels[pixel] = np.dot(shares[there], values) / shares[there].sum()
        elif values:
            pixels[pixel] = {"max": max, "min": min}[mode](values)
    return pixels
