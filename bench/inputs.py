"""What is timed: a synthetic CT with the size, noise and grey values of a real one, the same in every run."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

SHAPE_ZYX = (400, 512, 512)
AIR_HU, TISSUE_HU, LUNG_HU, BONE_HU = -1000, 40, -800, 900
NOISE_HU = 12.0


@cache
def ct_volume() -> NDArray[np.int16]:
    """Give a chest-like CT (z, y, x) in HU: body, lungs, spine and noise."""
    rng = np.random.default_rng(20240229)
    volume = np.empty(SHAPE_ZYX, np.int16)
    noise = rng.normal(0.0, NOISE_HU, (8, *SHAPE_ZYX[1:])).astype(np.int16)
    for z in range(SHAPE_ZYX[0]):
        volume[z] = _slice(z / SHAPE_ZYX[0]) + np.roll(noise[z % 8], 37 * z, axis=(0, 1)[z % 2])
    return volume


def _slice(height: float) -> NDArray[np.int16]:
    y, x = np.ogrid[-1.0 : 1.0 : SHAPE_ZYX[1] * 1j, -1.0 : 1.0 : SHAPE_ZYX[2] * 1j]
    lung = 0.35 * np.sin(np.pi * height)
    image = np.full(SHAPE_ZYX[1:], AIR_HU, np.int16)
    image[(x / 0.9) ** 2 + (y / 0.65) ** 2 < 1] = TISSUE_HU
    for side in (-0.4, 0.4):
        image[((x - side) / 0.3) ** 2 + (y / (lung + 0.01)) ** 2 < 1] = LUNG_HU
    image[(x / 0.09) ** 2 + ((y - 0.45) / 0.09) ** 2 < 1] = BONE_HU
    return image
