"""What is seen of the patient, as labels need to know it: the plane of a picture, and the space it is in."""

from __future__ import annotations

from dataclasses import dataclass

from ..render.curve import CurvedPlane
from ..render.planes import Plane
from ..render.request import Mode


@dataclass(frozen=True)
class Space:
    """A frame of reference, and the series seen in it."""

    frame_of_reference: str = ""
    """UID; "" where it is unknown."""
    series: str = ""
    """Series Instance UID; "" of a volume in memory."""


@dataclass(frozen=True)
class Cover:
    """A part of the patient that a picture shows."""

    plane: Plane | CurvedPlane
    space: Space = Space()
    slab_mm: float = 0.0
    mode: Mode = "max"
    thickness_mm: float = 1.0
    """Of a slice of the images: how far from the plane a point, or a contour that is alone, is still seen."""

    @property
    def is_projection(self) -> bool:
        """Whether all that lies anywhere in the slab is seen; else what most of it is."""
        return self.mode in ("max", "min")
