"""Displayed area and spatial transformation of a presentation state (PS3.3 C.10.4, C.10.6): image to screen.

Positions are (x, y) with (0, 0) at the top left corner of the first pixel, so its middle is at (0.5, 0.5).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image as PillowImage

from ...errors import InvalidArgument, UnsupportedPixels
from ..render.picture import MAX_SIDE

Pixels = NDArray[Any]
Size = tuple[int, int]

SCALE_TO_FIT, TRUE_SIZE, MAGNIFY = "SCALE TO FIT", "TRUE SIZE", "MAGNIFY"


@dataclass(frozen=True, slots=True)
class DisplayedArea:
    """A rectangle of an image, how it is turned, and how large it is wanted."""

    left: int
    top: int
    columns: int
    rows: int
    spacing: tuple[float, float]
    """Between rows, between columns: mm, or parts of an aspect ratio."""
    quarter_turns: int
    """Clockwise, before the flip."""
    is_flipped: bool
    """Left and right exchanged."""
    mode: str = SCALE_TO_FIT
    magnification: float = 1.0
    has_mm: bool = True

    @classmethod
    def read(
        cls, item: pydicom.Dataset, shape: Size, spacing: tuple[float, float], quarter_turns: int, is_flipped: bool
    ) -> DisplayedArea:
        """Read an item of the Displayed Area Selection Sequence; an empty one is the whole image, scaled to fit.

        Raises `UnsupportedPixels` for an area that is none.
        """
        first = item.get("DisplayedAreaTopLeftHandCorner") or (1, 1)
        last = item.get("DisplayedAreaBottomRightHandCorner") or (shape[1], shape[0])
        # Top left is said of the turned picture: in the image it may be any corner.
        (left, right), (top, bottom) = (sorted((int(a), int(b))) for a, b in zip(first, last, strict=True))
        if max(right - left, bottom - top) >= MAX_SIDE:
            raise UnsupportedPixels(f"a displayed area of {right - left + 1} × {bottom - top + 1} pixels")
        mode = str(item.get("PresentationSizeMode") or SCALE_TO_FIT)
        if mode not in (SCALE_TO_FIT, TRUE_SIZE, MAGNIFY):
            raise UnsupportedPixels(f"Presentation Size Mode (0070,0100) is {mode!r}")
        own = item.get("PresentationPixelSpacing"), item.get("PresentationPixelAspectRatio")
        chosen = next((value for value in own if value is not None), spacing)
        vertical, horizontal = (float(value) for value in chosen)
        magnification = float(item.get("PresentationPixelMagnificationRatio") or 1.0)
        if not (0 < vertical < math.inf and 0 < horizontal < math.inf and 0 < magnification < math.inf):
            raise UnsupportedPixels("a displayed area whose spacing, aspect or magnification is not above 0")
        return cls(
            left - 1, top - 1, right - left + 1, bottom - top + 1, (vertical, horizontal),
            quarter_turns, is_flipped, mode, magnification, own[0] is not None,
        )  # fmt: skip

    @property
    def is_upright(self) -> bool:
        """Whether rows are rows on the screen too."""
        return self.quarter_turns % 2 == 0

    def on_screen(self, size: Size | None, screen_mm: float | None) -> Screen:
        """Lay the area on a screen of `size` (columns, rows) whose pixels are `screen_mm` wide and high.

        Without a size the picture is as large as it is wanted. Raises `InvalidArgument` for TRUE SIZE without
        `screen_mm`, and for a picture too large.
        """
        wide, high = (self.columns, self.rows) if self.is_upright else (self.rows, self.columns)
        vertical, horizontal = self.spacing if self.is_upright else self.spacing[::-1]
        scale = self._pixels_a_unit(size, (wide * horizontal, high * vertical), screen_mm)
        inner = (max(round(wide * horizontal * scale), 1), max(round(high * vertical * scale), 1))
        canvas = size or inner
        if max(*inner, *canvas) > MAX_SIDE:
            raise InvalidArgument(f"a picture of {inner[0]} × {inner[1]} pixels: {MAX_SIDE} a side are possible")
        return Screen(self, canvas, inner)

    def _pixels_a_unit(self, size: Size | None, extent: tuple[float, float], screen_mm: float | None) -> float:
        finer = min(self.spacing)
        if self.mode == TRUE_SIZE:
            if screen_mm is None or not self.has_mm:
                raise InvalidArgument(
                    "TRUE SIZE needs millimetres: of the screen's pixels (pass screen_mm), and of the image's"
                )
            return 1.0 / screen_mm
        if self.mode == MAGNIFY:
            return self.magnification / finer
        return 1.0 / finer if size is None else min(side / length for side, length in zip(size, extent, strict=True))


@dataclass(frozen=True, slots=True)
class Screen:
    """An area laid on a screen."""

    area: DisplayedArea
    size: Size
    """(columns, rows) of the whole."""
    inner: Size
    """(columns, rows) of the area, in the middle; it may reach beyond."""

    @property
    def corner(self) -> tuple[int, int]:
        """Where the area's top left corner is."""
        return (self.size[0] - self.inner[0]) // 2, (self.size[1] - self.inner[1]) // 2

    def lay(self, pixels: Pixels) -> Pixels:
        """Cut, turn and scale an image (rows, columns, …); what lies outside is 0."""
        area = self.area
        cut = _cut(pixels, area.top, area.left, (area.rows, area.columns))
        turned = np.rot90(cut, -area.quarter_turns)
        turned = np.ascontiguousarray(turned[:, ::-1] if area.is_flipped else turned)
        if turned.shape[1::-1] != self.inner:
            scaled = PillowImage.fromarray(turned).resize(self.inner, PillowImage.Resampling.BILINEAR)
            turned = np.asarray(scaled)
        x, y = self.corner
        return _cut(turned, -y, -x, self.size[::-1]) if self.size != self.inner else turned

    def from_image(self, x: float, y: float) -> tuple[float, float]:
        """Give where on the screen a position of the image is."""
        area = self.area
        x, y, wide, high = x - area.left, y - area.top, area.columns, area.rows
        for _ in range(area.quarter_turns):
            x, y, wide, high = high - y, x, high, wide
        return self.from_display((wide - x if area.is_flipped else x) / wide, y / high)

    def from_display(self, x: float, y: float) -> tuple[float, float]:
        """Give where on the screen a part (0 to 1, 0 to 1) of the displayed area is."""
        return self.corner[0] + x * self.inner[0], self.corner[1] + y * self.inner[1]


def _cut(pixels: Pixels, top: int, left: int, shape: Size) -> Pixels:
    """Give (rows, columns) of an image from a place on, 0 where there is no image."""
    room = np.zeros((*shape, *pixels.shape[2:]), pixels.dtype)
    (y0, y1), (x0, x1) = (
        (max(at, 0), max(min(at + side, whole), 0))
        for at, side, whole in zip((top, left), shape, pixels.shape[:2], strict=True)
    )
    if y0 < y1 and x0 < x1:
        room[y0 - top : y1 - top, x0 - left : x1 - left] = pixels[y0:y1, x0:x1]
    return room
