"""What is seen of the patient, as labels need to know it: the plane of a picture, and the space it is in."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..geometry import FloatArray, as_triple
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

    def within(self, corners_mm: FloatArray) -> Cover:
        """Give the part of a slab that lies between the depths of some points (points, 3), the plane in its middle.

        That is what the picture shows of a volume. Of a curved slab, and where nothing is between, all is given.
        """
        if self.slab_mm == 0 or not isinstance(self.plane, Plane):
            return self
        depths = (corners_mm - np.array(self.plane.origin_mm)) @ self.plane.normal
        near, far = max(-self.slab_mm / 2, float(depths.min())), min(self.slab_mm / 2, float(depths.max()))
        if near >= far:
            return self
        origin = as_triple(self.plane.origin_mm + (near + far) / 2 * self.plane.normal)
        return replace(self, plane=replace(self.plane, origin_mm=origin), slab_mm=far - near)

    @property
    def is_projection(self) -> bool:
        """Whether all that lies anywhere in the slab is seen; else what most of it is."""
        return self.mode in ("max", "min")
