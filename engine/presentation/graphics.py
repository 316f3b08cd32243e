"""Graphic and text annotations of a presentation state, drawn on a screen (PS3.3 C.10.5)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from ...errors import UnsupportedPixels
from .area import Screen

Point = tuple[float, float]

_LEAST_FONT_PX, _GREATEST_FONT_PX = 10, 200
_FONT_SHARE = 32
"""Text without a box is this part of the screen's shorter side."""
_LINE_SHARE = 512
_ROUND_STEPS = 128
_CURVE_STEPS = 16


def draw_layer(annotations: Sequence[pydicom.Dataset], layer: str, screen: Screen) -> NDArray[np.uint8]:
    """Draw what a layer's annotations hold; give how much each pixel of the screen is covered, 0 to 255.

    Raises `UnsupportedPixels` for a graphic that is none.
    """
    canvas = PillowImage.new("L", screen.size)
    draw = ImageDraw.Draw(canvas)
    for item in annotations:
        if str(item.get("GraphicLayer") or "") != layer:
            continue
        for graphic in item.get("GraphicObjectSequence") or ():
            _draw_graphic(draw, graphic, screen)
        for text in item.get("TextObjectSequence") or ():
            _draw_text(draw, text, screen)
    return np.asarray(canvas)


def _draw_graphic(draw: ImageDraw.ImageDraw, graphic: pydicom.Dataset, screen: Screen) -> None:
    kind = str(graphic.get("GraphicType") or "")
    points = _points(graphic.get("GraphicData"))
    if kind not in _SHAPES or len(points) < _FEWEST[kind]:
        raise UnsupportedPixels(f"Graphic Type {kind!r} of {len(points)} points: no graphic to draw")
    units = str(graphic.get("GraphicAnnotationUnits") or "PIXEL")
    placed = [_on_screen(x, y, units, screen) for x, y in _SHAPES[kind](points)]
    width = max(1, round(min(screen.size) / _LINE_SHARE))
    if kind in ("POINT", "MULTIPOINT"):
        for x, y in placed:
            draw.ellipse((x - 1.5 * width, y - 1.5 * width, x + 1.5 * width, y + 1.5 * width), fill=255)
        return
    if graphic.get("GraphicFilled") == "Y" and len(placed) > 2:
        draw.polygon(placed, fill=255, outline=255)
    draw.line(placed, 255, width, joint="curve")


def _points(values: Sequence[float] | None) -> list[Point]:
    numbers = [] if values is None else [float(value) for value in values]
    if not all(map(math.isfinite, numbers)):
        raise UnsupportedPixels("Graphic Data (0070,0022) holds what is no number")
    return list(zip(numbers[::2], numbers[1::2], strict=False))


def _on_screen(x: float, y: float, units: str, screen: Screen) -> Point:
    if units == "PIXEL":
        return screen.from_image(x, y)
    if units == "DISPLAY":
        return screen.from_display(x, y)
    raise UnsupportedPixels(f"annotation units {units!r}: PIXEL and DISPLAY are known")


def _as_they_are(points: list[Point]) -> list[Point]:
    return points


def _circle(points: list[Point]) -> list[Point]:
    """Give a circle about the first point through the second."""
    (x, y), (edge_x, edge_y) = points[:2]
    radius = math.hypot(edge_x - x, edge_y - y)
    return _round((x, y), (radius, 0.0), (0.0, radius))


def _ellipse(points: list[Point]) -> list[Point]:
    """Give an ellipse of which the points are the ends of the major axis, then of the minor one."""
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = points[:4]
    return _round(((ax + bx) / 2, (ay + by) / 2), ((bx - ax) / 2, (by - ay) / 2), ((dx - cx) / 2, (dy - cy) / 2))


def _round(center: Point, one: Point, other: Point) -> list[Point]:
    angles = [2 * math.pi * step / _ROUND_STEPS for step in range(_ROUND_STEPS + 1)]
    return [
        (
            center[0] + math.cos(angle) * one[0] + math.sin(angle) * other[0],
            center[1] + math.cos(angle) * one[1] + math.sin(angle) * other[1],
        )
        for angle in angles
    ]


def _curve(points: list[Point]) -> list[Point]:
    """Give a smooth curve through all points (Catmull-Rom: the standard leaves the interpolation open)."""
    is_closed = len(points) > 2 and points[0] == points[-1]
    before, after = (points[-2], points[1]) if is_closed else (points[0], points[-1])
    knots = np.array([before, *points, after])
    return [*_between(knots), points[-1]]


def _between(knots: NDArray[np.float64]) -> Iterator[Point]:
    for a, b, c, d in zip(knots, knots[1:], knots[2:], knots[3:], strict=False):
        for step in range(_CURVE_STEPS):
            t = step / _CURVE_STEPS
            x, y = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
            yield float(x), float(y)


_SHAPES = {
    "POINT": _as_they_are,
    "MULTIPOINT": _as_they_are,
    "POLYLINE": _as_they_are,
    "CIRCLE": _circle,
    "ELLIPSE": _ellipse,
    "INTERPOLATED": _curve,
}
_FEWEST = {"POINT": 1, "MULTIPOINT": 1, "POLYLINE": 2, "CIRCLE": 2, "ELLIPSE": 4, "INTERPOLATED": 2}


def _draw_text(draw: ImageDraw.ImageDraw, item: pydicom.Dataset, screen: Screen) -> None:
    """Draw text upright in its box, or at its anchor, with a line from box to anchor where that is to be seen."""
    lines = str(item.get("UnformattedTextValue") or "").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    text = "\n".join(line.strip() for line in lines).strip("\n")
    box = _box(item, screen)
    anchors = _points(item.get("AnchorPoint"))
    anchor = None
    if anchors:
        anchor = _on_screen(*anchors[0], str(item.get("AnchorPointAnnotationUnits") or "PIXEL"), screen)
    size_px = min(screen.size) / _FONT_SHARE if box is None else (box[3] - box[1]) / (1.25 * len(lines))
    font = ImageFont.load_default(min(max(size_px, _LEAST_FONT_PX), _GREATEST_FONT_PX))
    if box is None:
        if anchor is not None:
            draw.multiline_text(anchor, text, 255, font)
        return
    side = {"RIGHT": ("ra", box[2]), "CENTER": ("ma", (box[0] + box[2]) / 2)}
    mark, x = side.get(str(item.get("BoundingBoxTextHorizontalJustification")), ("la", box[0]))
    draw.multiline_text((x, box[1]), text, 255, font, mark)
    if anchor is not None and item.get("AnchorPointVisibility") == "Y":
        nearest = (min(max(anchor[0], box[0]), box[2]), min(max(anchor[1], box[1]), box[3]))
        draw.line((anchor, nearest), 255, max(1, round(min(screen.size) / _LINE_SHARE)))


def _box(item: pydicom.Dataset, screen: Screen) -> tuple[float, float, float, float] | None:
    """Give left, top, right, bottom of the text's box on the screen, or None where it has none."""
    corners = [_points(item.get(f"BoundingBox{corner}HandCorner")) for corner in ("TopLeft", "BottomRight")]
    if not all(corners):
        return None
    units = str(item.get("BoundingBoxAnnotationUnits") or "PIXEL")
    (ax, ay), (bx, by) = (_on_screen(*corner[0], units, screen) for corner in corners)
    return min(ax, bx), min(ay, by), max(ax, bx), max(ay, by)
