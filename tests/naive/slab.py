"""A slab as a list of planes, combined pixel by pixel."""

from __future__ import annotations

import numpy as np
from naive.reslice import reslice


def project_slab(volume, plane, sample_step, samples, shape, mode, *, background=0.0, **options) -> np.ndarray:
    combine = {"max": max, "min": min, "mean": lambda values: sum(values) / len(values)}[mode]
    moved = [(np.asarray(plane[0]) + s * np.asarray(sample_step), *plane[1:]) for s in range(samples)]
    planes = [reslice(volume, one, shape, background=np.nan, **options) for one in moved]
    pixels = np.full(shape, background, dtype=np.float64)
    for pixel in np.ndindex(*shape):
        values = [one[pixel] for one in planes if not np.isnan(one[pixel])]
        if values:
            pixels[pixel] = combine(values)
    return pixels
