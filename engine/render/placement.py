"""Where a frame lies in a picture that shows it turned, scaled or moved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Pair = tuple[float, float]
_SETTLED = 1e-9


@dataclass(frozen=True, slots=True)
class Placement:
    """The middle of pixel (r, c) of a picture is at start + r · down + c · right of the frame, all (row, column)."""

    start: Pair
    right: Pair
    down: Pair

    @classmethod
    def of(cls, on_picture: Callable[[float, float], Pair]) -> Self:
        """Find it from a function that gives where in the picture a point (x, y) of the frame is.

        There (0, 0) is the top left corner of the first pixel, in the picture and in the frame.
        """
        origin = np.array(on_picture(0.0, 0.0))
        matrix = np.stack([on_picture(1.0, 0.0) - origin, on_picture(0.0, 1.0) - origin], axis=1)
        back = np.linalg.inv(matrix)
        first = back @ (np.array([0.5, 0.5]) - origin) - 0.5
        start, right, down = (_row_and_column(pair) for pair in (first, back[:, 0], back[:, 1]))
        return cls(start, right, down)


def _row_and_column(pair: NDArray[Any]) -> Pair:
    """Give (x, y) as (row, column); what misses a half by rounding errors alone is put there."""
    column, row = (
        round(2 * part) / 2 if abs(2 * part - round(2 * part)) < _SETTLED else part for part in pair.tolist()
    )
    return row, column
