"""Lines of labels on a picture: edges of what is covered, and contours and points of the patient."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageDraw

from ..geometry import FloatArray
from ..render.planes import Plane
from .segment import Coverage

_LINE_SHARE = 512
"""A line is this part of the picture's shorter side wide, a pixel at least."""
_HALF = 128


def line_width(shape: tuple[int, int]) -> int:
    """Give how many pixels wide lines are in a picture of (rows, columns)."""
    return max(1, round(min(shape) / _LINE_SHARE))


def outline(coverage: Coverage) -> Coverage:
    """Give the edge of what is half covered or more, drawn inside it; the picture's own edge is none."""
    inside = coverage >= _HALF
    core = inside
    for _ in range(line_width((inside.shape[0], inside.shape[1]))):
        core = _shrunk(core)
    return (inside & ~core).astype(np.uint8) * 255


def _shrunk(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Give the pixels whose four neighbours are inside too."""
    core = inside.copy()
    core[1:] &= inside[:-1]
    core[:-1] &= inside[1:]
    core[:, 1:] &= inside[:, :-1]
    core[:, :-1] &= inside[:, 1:]
    return core


def trace(lines: Iterable[FloatArray], plane: Plane, reach_mm: float) -> Coverage:
    """Draw lines, and points, of the patient (points, 3) in mm as far as they are within `reach_mm` of a plane."""
    canvas = PillowImage.new("L", (plane.columns, plane.rows))
    draw = ImageDraw.Draw(canvas)
    width = line_width((plane.rows, plane.columns))
    low = np.array([-plane.rows, -plane.columns, -reach_mm], np.float64)
    high = np.array([2 * plane.rows, 2 * plane.columns, reach_mm], np.float64)
    for points_mm in lines:
        placed = plane.pixel_from_mm(points_mm)
        if len(placed) == 1:
            _dot(draw, placed[0], width, bool(np.all((placed[0] >= low) & (placed[0] <= high))))
            continue
        if np.all((placed >= low) & (placed <= high)):
            draw.line(np.rint(placed[:, 1::-1]).ravel().tolist(), 255, width)  # whole: no end has to be found
            continue
        for first, last in itertools.pairwise(placed):
            ends = _clipped(first, last, low, high)
            if ends is not None:
                draw.line([(round(float(end[1])), round(float(end[0]))) for end in ends], 255, width)
    return np.array(canvas)


def _dot(draw: ImageDraw.ImageDraw, place: FloatArray, width: int, is_seen: bool) -> None:
    if is_seen:
        radius = 1.5 * width
        row, column = float(place[0]), float(place[1])
        draw.ellipse((column - radius, row - radius, column + radius, row + radius), fill=255)


def _clipped(
    first: FloatArray, last: FloatArray, low: FloatArray, high: FloatArray
) -> tuple[FloatArray, FloatArray] | None:
    """Give the part of a line within a box (Liang and Barsky, 1984), or None."""
    begin, end = 0.0, 1.0
    for start, step, least, most in zip(first, last - first, low, high, strict=True):
        if step == 0.0:
            if not least <= start <= most:
                return None
            continue
        near, far = sorted(((least - start) / step, (most - start) / step))
        begin, end = max(begin, near), min(end, far)
    if not begin <= end or math.isnan(begin + end):
        return None
    return first + begin * (last - first), first + end * (last - first)
