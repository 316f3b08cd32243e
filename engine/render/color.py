"""Colour frames made ready for a display: RGB of any depth, YBR, and palettes, as 8-bit RGB."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InvalidArgument
from ...kernels.arguments import INTEGERS
from ...kernels.paint import look_up, rgb_from_ybr
from ...kernels.window import window_linear_exact

RGB_INTERPRETATIONS = ("RGB", "YBR_ICT", "YBR_RCT")
"""Decoders undo the component transforms of JPEG 2000, so these arrive as red, green, blue."""
YBR_INTERPRETATIONS = ("YBR_FULL", "YBR_FULL_422")


@dataclass(frozen=True, eq=False)
class Palette:
    """The three colour lookup tables of a PALETTE COLOR image (PS3.3 C.7.6.3.1.5)."""

    red: NDArray[Any]
    green: NDArray[Any]
    blue: NDArray[Any]
    first_mapped: int
    """The stored value that the first entry is for."""
    bits: int
    """8 or 16, as the descriptor says."""

    def __post_init__(self) -> None:
        lengths = {len(table) for table in (self.red, self.green, self.blue)}
        if len(lengths) != 1 or not min(lengths) or self.bits not in (8, 16):
            raise InvalidArgument("a palette has three tables of equal length, with entries of 8 or 16 bits")

    @cached_property
    def colors(self) -> NDArray[np.uint8]:
        """(entries, 3) red, green, blue of 8 bits."""
        entries = np.stack([self.red, self.green, self.blue], axis=-1).astype(np.uint16)
        # Some writers say 16 bits and fill only the low byte.
        if self.bits == 16 and entries.max() > 255:
            entries >>= 8
        return entries.astype(np.uint8)

    def paint(self, stored: NDArray[Any]) -> NDArray[np.uint8]:
        """Give stored values (…) as RGB (…, 3); values beyond the tables take the nearest end."""
        numbers = np.ascontiguousarray(stored, None if stored.dtype in INTEGERS else np.int32)
        return look_up(numbers, self.colors, self.first_mapped)


def rgb_from_color(samples: NDArray[Any], photometric_interpretation: str, bits_stored: int) -> NDArray[np.uint8]:
    """Give decoded samples (rows, columns, 3), `bits_stored` deep, as 8-bit RGB.

    Raises `InvalidArgument` for a shape or photometric interpretation that is none of colour.
    """
    if samples.ndim != 3 or samples.shape[2] != 3:
        raise InvalidArgument(f"{photometric_interpretation} needs (rows, columns, 3), not {samples.shape}")
    bytes_ = _eight_bits(samples, bits_stored)
    if photometric_interpretation in YBR_INTERPRETATIONS:
        return rgb_from_ybr(bytes_)
    if photometric_interpretation in RGB_INTERPRETATIONS:
        return bytes_
    raise InvalidArgument(f"photometric interpretation {photometric_interpretation!r} is not known here")


def _eight_bits(samples: NDArray[Any], bits_stored: int) -> NDArray[np.uint8]:
    if samples.dtype == np.uint8 and bits_stored == 8:
        return np.ascontiguousarray(samples)
    if samples.dtype.kind != "u" or not 1 <= bits_stored <= 8 * samples.dtype.itemsize:
        raise InvalidArgument(f"colour samples are unsigned integers, not {samples.dtype} of {bits_stored} bits")
    white = float((1 << bits_stored) - 1)
    return window_linear_exact(np.ascontiguousarray(samples), white / 2, white)
