"""Colours as presentation states write them: CIELab in 16 bits (PS3.3 C.10.7.1.1), and as sRGB."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Rgb = tuple[int, int, int]

_D50 = np.array([0.9642, 1.0, 0.8249])
"""White of the profile connection space (ICC.1, 6.3.1)."""
# XYZ relative to D50 to linear sRGB: IEC 61966-2-1's matrix after Bradford adaptation to D50.
_LINEAR_FROM_XYZ = np.array(
    [
        [3.1338561, -1.6168667, -0.4906146],
        [-0.9787684, 1.9161415, 0.0334540],
        [0.0719453, -0.2289914, 1.4052427],
    ]
)
_EPSILON, _KAPPA = 216 / 24389, 24389 / 27


def rgb_from_cielab(values: Sequence[int]) -> Rgb:
    """Give a CIELab value, 0 to 65535 for L* 0 to 100 and for a*, b* -128 to 127, as sRGB of 8 bits."""
    scaled = np.array([int(value) for value in values], np.float64) / 0xFFFF
    lightness, a, b = scaled * [100.0, 255.0, 255.0] - [0.0, 128.0, 128.0]
    fy = (lightness + 16) / 116
    f = np.array([fy + a / 500, fy, fy - b / 200])
    xyz = np.where(f**3 > _EPSILON, f**3, (116 * f - 16) / _KAPPA) * _D50
    linear = np.clip(_LINEAR_FROM_XYZ @ xyz, 0.0, 1.0)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    red, green, blue = (round(255 * float(part)) for part in encoded)
    return red, green, blue
