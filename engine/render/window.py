"""Which window a picture is shown through: the caller's, a preset, the header's, or one found from values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...errors import InvalidArgument, InvalidWindow
from ...kernels.window import window_linear, window_linear_exact, window_sigmoid

_FUNCTIONS = {"LINEAR": window_linear, "LINEAR_EXACT": window_linear_exact, "SIGMOID": window_sigmoid}
ROBUST_PERCENTILES = (0.5, 99.5)


@dataclass(frozen=True)
class Window:
    """A VOI window in modality units (PS3.3 C.11.2.1.2)."""

    center: float
    width: float
    function: str = "LINEAR"
    """LINEAR (width of 1 at least), LINEAR_EXACT or SIGMOID."""

    def __post_init__(self) -> None:
        if self.function not in _FUNCTIONS:
            raise InvalidArgument(f"VOI LUT function {self.function!r}: choose from {', '.join(_FUNCTIONS)}")
        least = 1.0 if self.function == "LINEAR" else 0.0
        is_wide = self.width >= 1.0 if self.function == "LINEAR" else self.width > 0.0
        if not (math.isfinite(self.center) and math.isfinite(self.width) and is_wide):
            raise InvalidWindow(
                f"center {self.center}, width {self.width}: {self.function} needs finite numbers, "
                f"and a width {'of at least' if least else 'above'} {least:g}"
            )

    @property
    def bounds(self) -> tuple[float, float]:
        """Modality values that show black and white, whatever the function."""
        reach = 4.0 * self.width if self.function == "SIGMOID" else self.width / 2
        return self.center - reach, self.center + reach


WindowChoice: TypeAlias = Window | tuple[float, float] | str | None
"""A window, (center, width) of the image's own VOI function, a preset's name, or None: as the image says."""

AUTOMATIC = "auto"
"""The name that asks for a window over nearly all of what an image holds, whatever its header says."""

PRESETS: Mapping[str, Window] = MappingProxyType(
    {
        "abdomen": Window(50, 400),
        "angio": Window(300, 600),
        "bone": Window(400, 1800),
        "brain": Window(40, 80),
        "liver": Window(80, 150),
        "lung": Window(-600, 1500),
        "mediastinum": Window(40, 400),
        "soft tissue": Window(50, 350),
        "spine": Window(50, 250),
        "stroke": Window(40, 40),
        "subdural": Window(75, 215),
        "temporal bone": Window(600, 2800),
    }
)
"""Windows in Hounsfield units. Asked for by name they are used on any image: whether its values are HU is
the caller's to know, since many headers do not say (Rescale Type is optional)."""


def chosen_window(choice: WindowChoice, function: str) -> Window | None:
    """Give the window that a caller asks for, or None where the choice is left to the image.

    `function` is the image's VOI LUT function, used for a bare (center, width). Raises `InvalidArgument`, or
    `InvalidWindow` for a width that the function does not allow.
    """
    if choice is None or isinstance(choice, Window):
        return choice
    if isinstance(choice, str):
        preset = preset_called(choice)
        if preset is None:
            raise InvalidArgument(f"no window is called {choice!r}: choose from {', '.join(PRESETS)}")
        return preset
    try:
        center, width = (float(number) for number in choice)
    except (TypeError, ValueError) as error:
        raise InvalidArgument(f"window {choice!r}: pass (center, width) or the name of a preset") from error
    return Window(center, width, function if function in _FUNCTIONS else "LINEAR")


def preset_called(name: str) -> Window | None:
    """Give the preset of that name, however it is written, or None."""
    return PRESETS.get(name.strip().lower().replace("-", " ").replace("_", " "))


def header_window(window: tuple[float, float] | None, function: str) -> Window | None:
    """Give the window a header names, or None where it names none, or one that cannot be used."""
    if window is None:
        return None
    try:
        return chosen_window((window[0], window[1]), function)
    except InvalidWindow:
        return None


def modality_values(
    stored: NDArray[Any], padding_value: int | None, slope: float, intercept: float
) -> NDArray[np.float64]:
    """Give the values of `stored`, flat and in modality units, without padding, NaN and infinity."""
    kept = stored[np.isfinite(stored)] if stored.dtype.kind == "f" else stored.ravel()
    if padding_value is not None:
        kept = kept[kept != padding_value]
    return kept * float(slope) + float(intercept)


def robust_window(values: NDArray[np.float64]) -> Window:
    """Find a window that holds nearly all of the modality `values` (flat, finite): percentiles 0.5 to 99.5.

    Its width is never zero.
    """
    if not values.size:
        return Window(0.5, 1.0, "LINEAR_EXACT")
    low, high = (float(bound) for bound in np.percentile(values, ROBUST_PERCENTILES))
    is_flat = high - low <= 1e-6 * max(abs(low), abs(high))
    return Window(low / 2 + high / 2, 1.0 if is_flat else high - low, "LINEAR_EXACT")


def stored_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Give the type in which the kernels take values of `dtype`: they know 8 to 32 bits, and floats."""
    if dtype == np.bool_:
        return np.dtype(np.uint8)
    wide = dtype.kind in "iu" and dtype.itemsize == 8
    return np.dtype(np.float64) if wide or dtype == np.float16 else dtype.newbyteorder("=")


@dataclass(frozen=True)
class Display:
    """How stored values become grey: modality LUT, window, and inversion for MONOCHROME1, in one pass."""

    window: Window
    slope: float = 1.0
    intercept: float = 0.0
    invert: bool = False

    def gray(self, values: NDArray[Any], bits: int = 8) -> NDArray[Any]:
        """Map stored values to display values of 8 or 16 bits, the shape kept; NaN shows black."""
        stored = np.ascontiguousarray(values, dtype=stored_dtype(values.dtype))
        function = _FUNCTIONS[self.window.function]
        center, width = self.window.center, self.window.width
        out = None if bits == 8 else np.empty(stored.shape, np.uint16)
        return function(stored, center, width, slope=self.slope, intercept=self.intercept, invert=self.invert, out=out)

    @property
    def black(self) -> float:
        """A stored value that shows black, and still does when it is rounded."""
        low, high = self.window.bounds
        edge = high + abs(self.slope) if self.invert else low - abs(self.slope)
        return (edge - self.intercept) / self.slope if self.slope else 0.0

    def is_black(self, stored: float) -> bool:
        """Whether a stored value shows black however the window rounds."""
        low, high = self.window.bounds
        value = stored * self.slope + self.intercept
        return value >= high if self.invert else value <= low
