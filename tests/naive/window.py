"""VOI functions as PS3.3 C.11.2.1 writes them, one value at a time, in float64 and not rounded."""

from __future__ import annotations

import math


def linear(x: float, center: float, width: float) -> float:
    if x <= center - 0.5 - (width - 1) / 2:
        return 0.0
    if x > center - 0.5 + (width - 1) / 2:
        return 255.0
    return ((x - (center - 0.5)) / (width - 1) + 0.5) * 255.0


def linear_exact(x: float, center: float, width: float) -> float:
    if x <= center - width / 2:
        return 0.0
    if x > center + width / 2:
        return 255.0
    return ((x - center) / width + 0.5) * 255.0


def sigmoid(x: float, center: float, width: float) -> float:
    exponent = -4 * (x - center) / width
    return 0.0 if exponent > 700 else 255.0 / (1 + math.exp(exponent))
