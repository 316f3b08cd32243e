"""The softcopy pipeline of one frame, in DICOM's order (PS3.4 N.2), and in one pass over the frame.

`Softcopy.shade` is the pipeline as the standard writes it. Where it is a straight line or a sigmoid over stored
values, the window kernels do it at once; where tables take part, all stored values that can occur are shaded beforehand
and the frame is looked up. So both ways are one definition.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...errors import InvalidArgument
from ...kernels.paint import look_up
from ..render.color import Palette
from ..render.sample import without_padding
from ..render.tables import Table
from ..render.window import (
    AUTOMATIC,
    PRESETS,
    Display,
    Window,
    WindowChoice,
    chosen_window,
    modality_values,
    robust_window,
)

Pixels: TypeAlias = NDArray[Any]
Voi: TypeAlias = Window | Table

_LARGEST_TABLE_BITS = 16


@dataclass(frozen=True, eq=False)
class Softcopy:
    """How the stored values of one frame are to be seen; frozen, and told apart by identity."""

    rescale: tuple[float, float] = (1.0, 0.0)
    """Slope and intercept."""
    modality_table: Table | None = None
    """Takes the place of the rescale."""
    voi: tuple[tuple[str, Voi], ...] = ()
    """Windows and tables that the header offers, each with its explanation; the first is used unless one is named."""
    voi_function: str = "LINEAR"
    """LINEAR, LINEAR_EXACT or SIGMOID, for a bare (center, width)."""
    is_whole_range: bool = False
    """Whether all that stored values can say is shown where `voi` is empty, as in presentation states; else most of
    what this frame holds."""
    presentation_table: Table | None = None
    invert: bool = False
    """MONOCHROME1, or a Presentation LUT Shape of INVERSE."""
    padding: tuple[float, float] | None = None
    """Least and greatest stored value that is no image, and shown black."""
    bits_stored: int | None = None
    """None: as many as the type has."""
    palette: Palette | None = None
    """Of PALETTE COLOR."""
    supplemental: Palette | None = None
    """Colours of stored values from its first one on; those below are grey (PS3.3 C.7.6.19)."""
    pseudo: Palette | None = None
    """Colours of what VOI gives, of a Pseudo-Color Softcopy Presentation State."""

    @property
    def has_tables(self) -> bool:
        """Whether more than a line or a sigmoid lies between stored values and pixels, whatever the window."""
        tables = (self.modality_table, self.presentation_table, self.supplemental, self.pseudo)
        return any(table is not None for table in tables)

    def chosen(self, choice: WindowChoice, stored: Pixels) -> Voi:
        """Give the window or table to use; raises `InvalidArgument` for a name that is none here, `InvalidWindow`."""
        if choice == AUTOMATIC:
            return self._robust(stored)
        if isinstance(choice, str):
            return self._named(choice)
        window = chosen_window(choice, self.voi_function)
        if window is not None:
            return window
        if self.voi:
            return self.voi[0][1]
        return self._whole_range(stored.dtype) if self.is_whole_range else self._robust(stored)

    def _named(self, name: str) -> Voi:
        wanted = name.strip().casefold()
        for explanation, voi in self.voi:
            if explanation.casefold() == wanted:
                return voi
        try:
            window = chosen_window(name, self.voi_function)
        except InvalidArgument as unknown:
            own = [explanation for explanation, _ in self.voi if explanation]
            names = f"the image's own {', '.join(own)}; or {', '.join(PRESETS)}" if own else ", ".join(PRESETS)
            raise InvalidArgument(f"no window is called {name!r}: choose from {names}") from unknown
        assert window is not None
        return window

    def modality(self, stored: Pixels) -> NDArray[np.float64]:
        """Give modality values, float64, the shape kept."""
        if self.modality_table is not None:
            return self.modality_table.look_up(stored).astype(np.float64)
        slope, intercept = self.rescale
        return stored.astype(np.float64) * slope + intercept

    def _robust(self, stored: Pixels) -> Window:
        kept = stored[np.isfinite(stored)] if stored.dtype.kind == "f" else stored
        if self.padding is not None:
            kept = kept[~self.is_padding(kept)]
        if self.modality_table is not None:
            return robust_window(self.modality(kept).ravel())
        return robust_window(modality_values(kept, None, *self.rescale))

    def _whole_range(self, dtype: np.dtype[Any]) -> Window:
        low, high = self.modality(np.array(stored_limits(dtype, self.bits_stored), np.float64)).tolist()
        if self.modality_table is not None:
            low, high = 0.0, float((1 << self.modality_table.bits) - 1)
        low, high = min(low, high), max(low, high)
        return Window(low / 2 + high / 2, max(high - low, 1.0), "LINEAR_EXACT")

    def is_padding(self, stored: Pixels) -> NDArray[np.bool_]:
        """Tell which stored values are padding."""
        if self.padding is None:
            return np.zeros(stored.shape, bool)
        low, high = self.padding
        return np.asarray((stored >= low) & (stored <= high))

    def shade(self, stored: Pixels, voi: Voi, bits: int) -> Pixels:
        """Give stored values of any shape as pixels: grey of 8 or 16 bits, or (…, 3) where there are colours."""
        values = self.modality(stored)
        shown = values_by_window(values, voi) if isinstance(voi, Window) else voi.fraction_at(values)
        if self.presentation_table is not None:
            shown = self.presentation_table.fraction_of(shown)
        shown = np.nan_to_num(1.0 - shown if self.invert else shown, nan=0.0)
        if self.pseudo is not None:
            return self.pseudo.colors[np.rint(shown * (len(self.pseudo.colors) - 1)).astype(np.int64)]
        shown[self.is_padding(stored)] = 0.0
        gray = np.rint(shown * ((1 << bits) - 1)).astype(np.uint8 if bits == 8 else np.uint16)
        if self.supplemental is None:
            return gray
        colored = self.supplemental.paint(stored)
        is_gray = stored < self.supplemental.first_mapped
        colored[is_gray] = gray[is_gray][..., np.newaxis]
        return colored


def gray_or_color(stored: Pixels, softcopy: Softcopy, choice: WindowChoice, bits: int) -> Pixels:
    """Take a grey frame (rows, columns) through the pipeline; raises `InvalidArgument` as `Softcopy.chosen` does."""
    voi = softcopy.chosen(choice, stored)
    if isinstance(voi, Window) and not softcopy.has_tables:
        display = Display(voi, *softcopy.rescale, softcopy.invert)
        return display.gray(without_padding(stored, softcopy.padding, display), bits)
    if stored.dtype.kind not in "iu" or 8 * stored.dtype.itemsize > _LARGEST_TABLE_BITS:
        return softcopy.shade(stored, voi, bits)
    low, high = stored_limits(stored.dtype, softcopy.bits_stored)
    if stored.size <= high - low:
        return softcopy.shade(stored, voi, bits)
    return look_up(stored, _composed(softcopy, voi, bits, stored.dtype), low)


@lru_cache(maxsize=32)
def _composed(softcopy: Softcopy, voi: Voi, bits: int, dtype: np.dtype[Any]) -> Pixels:
    """Shade every value that can be stored: 65,536 at most, some milliseconds, then kept for the next frame."""
    low, high = stored_limits(dtype, softcopy.bits_stored)
    table = np.ascontiguousarray(softcopy.shade(np.arange(low, high + 1).astype(dtype), voi, bits))
    table.flags.writeable = False
    return table


def stored_limits(dtype: np.dtype[Any], bits_stored: int | None) -> tuple[int, int]:
    """Give the least and greatest stored value of a type, of which `bits_stored` are used."""
    if dtype.kind not in "iu":
        return 0, 1
    bits = min(bits_stored or 64, 8 * dtype.itemsize)
    return (-(1 << bits - 1), (1 << bits - 1) - 1) if dtype.kind == "i" else (0, (1 << bits) - 1)


def values_by_window(values: NDArray[np.float64], window: Window) -> NDArray[np.float64]:
    """Give the VOI function of modality values, 0 to 1 (PS3.3 C.11.2.1.2.1, C.11.2.1.3)."""
    center, width = window.center, window.width
    if window.function == "SIGMOID":
        return np.asarray(1.0 / (1.0 + np.exp(np.clip(-4.0 * (values - center) / width, -700.0, 700.0))))
    if window.function == "LINEAR":
        center, width = center - 0.5, width - 1.0
    if width == 0.0:
        return np.where(np.isnan(values), np.nan, values > center)
    return np.clip((values - center) / width + 0.5, 0.0, 1.0)
