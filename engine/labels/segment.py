"""One segment: a named part of the patient, and the colour it is drawn in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...errors import InvalidArgument
from ..presentation.colors import Rgb

Coverage = NDArray[np.uint8]
"""(rows, columns) how much of each pixel a segment covers; 255: all of it."""

PALETTE: tuple[Rgb, ...] = (
    *((230, 80, 70), (80, 190, 90), (90, 140, 250), (245, 190, 50), (190, 100, 220), (70, 200, 210)),
    *((245, 130, 50), (160, 210, 70), (240, 120, 180), (60, 160, 150), (190, 150, 110), (150, 160, 200)),
)
"""Colours of segments that recommend none, by number."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment of a segmentation, or a region of interest of a structure set."""

    number: int
    name: str
    rgb: Rgb
    frame_of_reference: str = ""
    """UID of the space in which it lies; "" where the object does not say."""

    def __str__(self) -> str:
        return f"{self.number} {self.name}".strip()


def palette_color(number: int) -> Rgb:
    """Give the colour of a segment that recommends none."""
    return PALETTE[(number - 1) % len(PALETTE)]


def choose_segments(known: Sequence[Segment], wanted: Sequence[int | str], of: str) -> list[Segment]:
    """Give the segments of those numbers or names, names however they are written; all where none is wanted.

    Raises `InvalidArgument` for one that is not there, and names those that are.
    """
    if not wanted:
        return list(known)
    folded = [one.casefold() if isinstance(one, str) else one for one in wanted]
    names = {one for segment in known for one in (segment.number, segment.name.casefold())}
    unknown = [str(one) for one, plain in zip(wanted, folded, strict=True) if plain not in names]
    if unknown:
        there = ", ".join(str(segment) for segment in known[:20])
        more = f" and {len(known) - 20} more" if len(known) > 20 else ""
        raise InvalidArgument(f"{of} has no segment {', '.join(unknown)}: choose from {there}{more}")
    return [segment for segment in known if segment.number in folded or segment.name.casefold() in folded]
