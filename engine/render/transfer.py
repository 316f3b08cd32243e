"""Transfer functions: which colour and opacity a value has where a volume is shown whole."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...errors import InvalidArgument

Point: TypeAlias = tuple[float, int, int, int, float]
"""A modality value, red, green, blue 0 to 255, and the opacity of one millimetre, 0 to 1."""

TABLE_SIZE = 4096
MOST_POINTS = 256


@dataclass(frozen=True, slots=True)
class TransferFunction:
    """Colour and opacity by modality value: linear between points, as the outermost ones beyond them.

    Raises `InvalidArgument` unless there are two points at least, by increasing value, and numbers are in their ranges.
    """

    points: tuple[Point, ...]
    ambient: float = 0.25
    """Part of a colour that is seen whatever way a surface faces; 1, with no other part, for no shading."""
    diffuse: float = 0.75
    """Part that fades as a surface turns away from the viewer, where the light is."""
    specular: float = 0.2
    """White that is added where a surface faces the viewer."""
    shininess: float = 20.0
    """How narrow that is."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "points", tuple(_point(point) for point in self.points))
        values = [point[0] for point in self.points]
        if not 2 <= len(values) <= MOST_POINTS or any(b <= a for a, b in itertools.pairwise(values)):
            raise InvalidArgument(f"a transfer function needs 2 to {MOST_POINTS} points, by increasing value")
        for name in ("ambient", "diffuse", "specular", "shininess"):
            most = 1000.0 if name == "shininess" else 1.0
            if not 0.0 <= getattr(self, name) <= most:
                raise InvalidArgument(f"{name} is {getattr(self, name)!r}: choose from 0 to {most:g}")

    @property
    def span(self) -> tuple[float, float]:
        """Modality values of the first and the last point."""
        return self.points[0][0], self.points[-1][0]

    @property
    def is_shaded(self) -> bool:
        """Whether light makes a difference."""
        return self.diffuse > 0.0 or self.specular > 0.0 or self.ambient < 1.0

    def table(self, step_mm: float) -> NDArray[np.float32]:
        """Give (`TABLE_SIZE`, 4) red, green, blue, and the opacity of `step_mm`, evenly over the span, as float32."""
        points = np.array(self.points, dtype=np.float64)
        values = np.linspace(*self.span, TABLE_SIZE)
        columns = [np.interp(values, points[:, 0], points[:, k]) for k in range(1, 5)]
        # Layers of opacity a, one behind another, let (1 - a) times each other through.
        columns[3] = 1.0 - (1.0 - columns[3]) ** step_mm
        return np.stack([column / 255.0 for column in columns[:3]] + [columns[3]], axis=1).astype(np.float32)

    def light(self, cosines: NDArray[np.float64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Give by what colours are multiplied, and what is added, where the normal is so far from the line of sight.

        Phong's model with the light at the viewer: the reflection is twice the normal's angle off the line of sight.
        """
        reflected = np.maximum(2.0 * cosines**2 - 1.0, 0.0)
        brightness = self.ambient + self.diffuse * cosines
        return brightness.astype(np.float32), (self.specular * reflected**self.shininess).astype(np.float32)


def _point(point: Sequence[Any]) -> Point:
    try:
        value, *color, opacity = (float(number) for number in point)
        red, green, blue = (int(part) for part in color)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidArgument(f"point {point!r}: give value, red, green, blue, opacity") from error
    is_color = all(0 <= part <= 255 and part == given for part, given in zip((red, green, blue), color, strict=True))
    if not (math.isfinite(value) and is_color and 0.0 <= opacity <= 1.0):
        raise InvalidArgument(f"point {point!r}: colours are whole, 0 to 255, and the opacity of a millimetre 0 to 1")
    return value + 0.0, red, green, blue, opacity


TransferChoice: TypeAlias = TransferFunction | str
"""A transfer function, or a preset's name."""

TRANSFER_PRESETS: Mapping[str, TransferFunction] = MappingProxyType(
    {
        "bone": TransferFunction(
            (
                (130, 150, 70, 50, 0.0),
                (220, 200, 130, 95, 0.08),
                (350, 235, 205, 165, 0.4),
                (700, 250, 238, 215, 0.85),
                (3000, 255, 252, 245, 0.95),
            )
        ),
        "vessels": TransferFunction(
            (
                (110, 120, 15, 10, 0.0),
                (180, 185, 35, 25, 0.2),
                (300, 215, 80, 55, 0.5),
                (450, 235, 190, 150, 0.7),
                (1200, 255, 245, 230, 0.9),
            )
        ),
        # Through a lung hundreds of samples count: lit one by one they would take ten times as long, and show less.
        "lung": TransferFunction(
            (
                (-930, 70, 120, 170, 0.0),
                (-850, 110, 165, 205, 0.005),
                (-700, 225, 185, 170, 0.03),
                (-550, 250, 190, 160, 0.05),
                (-450, 235, 150, 130, 0.0),
                (3000, 235, 150, 130, 0.0),
            ),
            ambient=1.0,
            diffuse=0.0,
            specular=0.0,
        ),
        "skin": TransferFunction(
            (
                (-450, 215, 160, 130, 0.0),
                (-250, 225, 175, 145, 0.25),
                (-50, 238, 195, 165, 0.8),
                (3000, 245, 215, 190, 0.9),
            )
        ),
    }
)
"""Transfer functions in Hounsfield units; vessels are those filled with contrast medium."""


def chosen_transfer(choice: TransferChoice) -> TransferFunction:
    """Give a transfer function: itself, a preset's, or that of text "value,red,green,blue,opacity;…".

    Raises `InvalidArgument`.
    """
    if isinstance(choice, TransferFunction):
        return choice
    if ";" in choice:
        return TransferFunction(tuple(_point(part.split(",")) for part in choice.split(";")))
    preset = TRANSFER_PRESETS.get(choice.strip().lower())
    if preset is None:
        known = ", ".join(TRANSFER_PRESETS)
        raise InvalidArgument(
            f"no transfer function is called {choice!r}: choose from {known}, or give points "
            '"value,red,green,blue,opacity;…"'
        )
    return preset
