"""Display shutters: what is hidden about the interesting part of a picture (PS3.3 C.7.6.11, C.7.6.15)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageDraw

from ...errors import UnsupportedPixels
from .colors import rgb_from_cielab

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Shutter:
    """What is hidden, and what is seen instead."""

    mask: Mask
    """(rows, columns): True where the image is hidden."""
    gray: float = 0.0
    """0 to 1."""
    rgb: tuple[int, int, int] | None = None
    """In pictures in colour; None: the grey."""


def read_shutter(
    header: pydicom.Dataset, shape: tuple[int, int], aspect: float, bitmaps: dict[int, Mask]
) -> Shutter | None:
    """Read the shutter of an image of (rows, columns), or None where there is none.

    `aspect` is the distance of rows over that of columns; `bitmaps` are overlays by group, for bitmap shutters. Where
    there are several shapes only what lies in all of them is seen. Raises `UnsupportedPixels` for a shape that is
    incomplete, or of no known kind.
    """
    shapes = header.get("ShutterShape")
    if not shapes:
        return None
    names = [shapes] if isinstance(shapes, str) else list(shapes)
    hidden = np.zeros(shape, bool)
    for name in names:
        hidden |= _hidden(header, str(name), shape, aspect, bitmaps)
    value = header.get("ShutterPresentationValue")
    lab = header.get("ShutterPresentationColorCIELabValue")
    rgb = None if lab is None else rgb_from_cielab(lab)
    return Shutter(hidden, int(value or 0) / 0xFFFF, rgb)


def _hidden(
    header: pydicom.Dataset, name: str, shape: tuple[int, int], aspect: float, bitmaps: dict[int, Mask]
) -> Mask:
    # Rows and columns are counted from 1.
    rows, columns = np.arange(1, shape[0] + 1)[:, np.newaxis], np.arange(1, shape[1] + 1)[np.newaxis]
    if name == "RECTANGULAR":
        left, right, top, bottom = (
            _numbers(header, f"Shutter{side}Edge", 1)[0]
            for side in ("LeftVertical", "RightVertical", "UpperHorizontal", "LowerHorizontal")
        )
        return np.asarray((columns < left) | (columns > right) | (rows < top) | (rows > bottom))
    if name == "CIRCULAR":
        (row, column), (radius,) = (
            _numbers(header, "CenterOfCircularShutter", 2),
            _numbers(header, "RadiusOfCircularShutter", 1),
        )
        # The radius counts pixels along a row (0018,1612).
        return np.asarray(((rows - row) * aspect) ** 2 + (columns - column) ** 2 > radius**2)
    if name == "POLYGONAL":
        return ~polygon(_numbers(header, "VerticesOfThePolygonalShutter", None), shape)
    if name == "BITMAP":
        group = int(_numbers(header, "ShutterOverlayGroup", 1)[0])
        if group not in bitmaps:
            raise UnsupportedPixels(f"the bitmap shutter is overlay {group:04X}, which is not there")
        return bitmaps[group]
    raise UnsupportedPixels(f"shutter shape {name!r}: RECTANGULAR, CIRCULAR, POLYGONAL and BITMAP are known")


def polygon(vertices: Sequence[float], shape: tuple[int, int]) -> Mask:
    """Give the inside of a polygon, its edge included, of vertices row, column, row, column, … counted from 1."""
    if len(vertices) < 6 or len(vertices) % 2:
        raise UnsupportedPixels("a polygonal shutter needs three vertices at least, each of row and column")
    points = [(column - 1, row - 1) for row, column in zip(vertices[::2], vertices[1::2], strict=True)]
    canvas = PillowImage.new("1", (shape[1], shape[0]))
    ImageDraw.Draw(canvas).polygon(points, fill=1, outline=1)
    return np.asarray(canvas, bool)


def _numbers(header: pydicom.Dataset, keyword: str, count: int | None) -> list[float]:
    value = header.get(keyword)
    values = [] if value is None else list(value) if hasattr(value, "__iter__") else [value]
    if not values or (count is not None and len(values) != count):
        raise UnsupportedPixels(f"a shutter without its {keyword}")
    return [float(number) for number in values]
