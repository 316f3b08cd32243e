"""A rendered picture: pixels that can be looked at, saved and sent."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from PIL import Image as PillowImage

from ...errors import InvalidArgument
from .color_profile import with_profile
from .formats import encode_picture, format_of

MAX_SIDE = 16384
"""Most pixels along a side: what a workstation shows is far below, a slip in the units far above."""


def square_size(shape: tuple[int, int], row_mm: float, column_mm: float) -> tuple[int, int] | None:
    """Give the (columns, rows) that make the pixels of a (rows, columns) picture square; None where they are.

    Within 1 % they count as square, and so they do where the picture would exceed `MAX_SIDE`.
    """
    finer = min(row_mm, column_mm)
    size = (max(round(shape[1] * column_mm / finer), 1), max(round(shape[0] * row_mm / finer), 1))
    return None if abs(row_mm - column_mm) <= 0.01 * finer or max(size) > MAX_SIDE else size


def fit_into(shape: tuple[int, int], size: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Give how large, (columns, rows), a (rows, columns) picture is in the middle of `size`, and where it begins."""
    scale = min(size[0] / shape[1], size[1] / shape[0])
    inner = max(round(shape[1] * scale), 1), max(round(shape[0] * scale), 1)
    return inner, ((size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2)


@dataclass(frozen=True, eq=False)
class Image:
    """A picture as it is shown, window and annotation burnt in."""

    pixels: NDArray[Any]
    """(rows, columns) grey, uint8 or uint16, or (rows, columns, 3) red, green, blue, uint8; read-only."""
    icc_profile: bytes | None = None
    """What defines the colours, where an image brought it; PNG and JPEG files carry it. None: as sRGB."""

    def __post_init__(self) -> None:
        is_color = self.pixels.ndim == 3 and self.pixels.shape[2] == 3
        is_known = self.pixels.dtype == np.uint8 or (self.pixels.dtype == np.uint16 and not is_color)
        if not is_known or not (self.pixels.ndim == 2 or is_color) or not self.pixels.size:
            raise InvalidArgument(
                "a picture is uint8 (rows, columns) or (rows, columns, 3), or uint16 (rows, columns), "
                f"not {self.pixels.dtype} {self.pixels.shape}"
            )
        pixels = np.ascontiguousarray(self.pixels).view()
        pixels.flags.writeable = False
        object.__setattr__(self, "pixels", pixels)

    @property
    def shape(self) -> tuple[int, ...]:
        """(rows, columns), or (rows, columns, 3)."""
        return self.pixels.shape

    def fitted(self, size: tuple[int, int]) -> Image:
        """Give the picture as large as goes into `size` (columns, rows), its aspect kept, on black.

        Raises `InvalidArgument` for a side below 1 or above `MAX_SIDE`.
        """
        if not all(1 <= side <= MAX_SIDE for side in size):
            raise InvalidArgument(f"a picture of {size[0]} × {size[1]} pixels: 1 to {MAX_SIDE} a side are possible")
        inner, corner = fit_into((self.pixels.shape[0], self.pixels.shape[1]), size)
        whole = PillowImage.fromarray(self.pixels)
        canvas = PillowImage.new(whole.mode, size)
        canvas.paste(whole.resize(inner, PillowImage.Resampling.BILINEAR), corner)
        return Image(np.asarray(canvas), self.icc_profile)

    def with_square_pixels(self, row_mm: float, column_mm: float) -> Image:
        """Give the picture with its physical aspect, for rows `row_mm` and columns `column_mm` apart.

        The coarser direction is interpolated to the finer one's spacing; within 1 % the picture stays as it is.
        """
        size = square_size((self.pixels.shape[0], self.pixels.shape[1]), row_mm, column_mm)
        if size is None:
            return self
        stretched = PillowImage.fromarray(self.pixels).resize(size, PillowImage.Resampling.BILINEAR)
        return Image(np.asarray(stretched), self.icc_profile)

    def encode(self, format: str = "png", quality: int = 90) -> bytes:  # noqa: A002  Pillow's own word
        """Give the bytes of a picture file: png, jpeg, webp or raw; `quality`, 1 to 100, is for the lossy ones.

        Raises `InvalidArgument` for another format or quality, and for 16 bits in a format that has none.
        """
        file = encode_picture(self.pixels, format, quality)
        return file if self.icc_profile is None else with_profile(file, format, self.icc_profile)

    def save(self, path: str | Path, quality: int = 90) -> None:
        """Write a file of the format that the suffix names; raises `InvalidArgument` where it names none."""
        target = Path(path)
        target.write_bytes(self.encode(format_of(target), quality))

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[np.generic]:
        return np.array(self.pixels, dtype=dtype, copy=copy)

    def _repr_png_(self) -> bytes:
        """Show the picture in a notebook."""
        return self.encode("png")
