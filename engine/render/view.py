"""From where a volume is seen: named views, angles, or a direction, and what is clipped away."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...errors import InvalidArgument
from ..geometry import FloatArray, Triple, as_triple
from ..volume import Volume
from . import planes
from .planes import Plane, Size

HEAD, FRONT = (0.0, 0.0, 1.0), (0.0, -1.0, 0.0)

VIEWS: Mapping[str, tuple[Triple, Triple]] = MappingProxyType(
    {
        "anterior": ((0.0, 1.0, 0.0), HEAD),
        "posterior": ((0.0, -1.0, 0.0), HEAD),
        "left": ((-1.0, 0.0, 0.0), HEAD),
        "right": ((1.0, 0.0, 0.0), HEAD),
        "head": ((0.0, 0.0, -1.0), FRONT),
        "feet": ((0.0, 0.0, 1.0), FRONT),
    }
)
"""Where the viewer is: the direction of sight in patient space (LPS), and what is on top."""

View: TypeAlias = str | tuple[float, ...]
"""A name of `VIEWS`; (azimuth, elevation) in degrees; or the direction of sight (x, y, z)."""

ClipPlane: TypeAlias = tuple[float, float, float, float]
"""(a, b, c, d): what has a x + b y + c z < d, in patient mm, is clipped away."""

DEFAULT_SIZE = (512, 512)


def sight(view: View) -> tuple[Triple, Triple | None]:
    """Give the direction of sight of a view, and what is on top where the view says.

    Azimuth 0 is the anterior view, and grows as the viewer goes to the patient's left; elevation grows to the head.
    """
    if isinstance(view, str):
        return VIEWS[view]
    if len(view) == 3:
        return (view[0], view[1], view[2]), None
    azimuth, elevation = (math.radians(angle) for angle in view)
    level = math.cos(elevation)
    direction = (-math.sin(azimuth) * level, math.cos(azimuth) * level, -math.sin(elevation))
    # Of the great circle through the head, so that the picture does not flip at the poles.
    up = (-math.sin(azimuth) * math.sin(elevation), math.cos(azimuth) * math.sin(elevation), level)
    return direction, up


def lay_view(
    volume: Volume,
    view: View,
    *,
    up: Triple | None = None,
    center: Triple | None = None,
    zoom: float = 1.0,
    pan_mm: tuple[float, float] = (0.0, 0.0),
    rotate_deg: float = 0.0,
    size: Size | None = None,
) -> Plane:
    """Lay the grid of pixels through which rays go: across the sight, through `center`, about the whole volume.

    `center`, by default the middle of what is seen, is in the middle of the picture; `zoom` 1 fits the volume in. It
    is turned and moved as a plane is.
    Raises `InvalidArgument`.
    """
    direction, own_up = sight(view)
    fitted = planes.oblique(volume, direction, up=up or own_up, size=size or DEFAULT_SIZE)
    right, down = np.asarray(fitted.right_mm), np.asarray(fitted.down_mm)
    middle = np.asarray(fitted.origin_mm) + 0.5 * (fitted.columns - 1) * right + 0.5 * (fitted.rows - 1) * down
    if center is not None:
        middle = np.asarray(center, dtype=np.float64)
    origin = middle - 0.5 * (fitted.columns - 1) * right - 0.5 * (fitted.rows - 1) * down
    seen = Plane(as_triple(origin), as_triple(right), as_triple(down), fitted.rows, fitted.columns)
    return seen.adjusted(zoom, pan_mm, rotate_deg)


def half_spaces(
    plane: Plane, clip_mm: tuple[float, ...] | None, clip_planes: tuple[ClipPlane, ...], slab_mm: float
) -> FloatArray:
    """Give what is left of the patient, (n, 4): where a x + b y + c z + d is not negative, in mm.

    Of a box (least x, y, z, greatest x, y, z), of planes, and of a slab with the plane of pixels in its middle.
    """
    rows: list[NDArray[np.float64]] = []
    if clip_mm is not None:
        for axis in range(3):
            unit = np.eye(3)[axis]
            rows += [np.append(unit, -clip_mm[axis]), np.append(-unit, clip_mm[axis + 3])]
    rows += [np.array([a, b, c, -d]) for a, b, c, d in clip_planes]
    if slab_mm > 0:
        depth = float(plane.normal @ plane.origin_mm)
        rows += [np.append(sign * plane.normal, slab_mm / 2 - sign * depth) for sign in (1.0, -1.0)]
    return np.array(rows, dtype=np.float64).reshape(-1, 4)


def check_view(view: View) -> View:
    """Give a view that is one; raises `InvalidArgument`."""
    if isinstance(view, str):
        if view not in VIEWS:
            known = ", ".join(VIEWS)
            raise InvalidArgument(
                f"no view is called {view!r}: choose from {known}, or give azimuth,elevation in degrees, or x,y,z"
            )
        return view
    if not any(view) and len(view) == 3:
        raise InvalidArgument("view (0, 0, 0) has no direction: give the direction of sight")
    return view
