"""Planes through a volume: where each pixel of a picture lies in the patient.

Pictures follow the radiological convention. Axial: the patient's right at the left, the front on top.
Coronal: right at the left, head on top. Sagittal: front at the left, head on top. A plane's normal points
away from the viewer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from ...errors import InvalidArgument, NotReformattable, OutOfRange
from ..geometry import FloatArray, Triple, VolumeGeometry, as_triple, cross
from ..volume import Volume
from .picture import MAX_SIDE

Size: TypeAlias = tuple[int, int]

NAMED_ALONE_DEG = 10.0
"""A direction closer than this to a patient axis is named by that axis alone."""
_LETTERS = (("L", "R"), ("P", "A"), ("H", "F"))
_ROUNDING = 1e-6


@dataclass(frozen=True)
class Plane:
    """A grid of pixels in the patient: pixel (row r, column c) is at origin + r · down + c · right."""

    origin_mm: Triple
    """Patient position of the centre of the top left pixel."""
    right_mm: Triple
    """Patient vector from a pixel to its right neighbour."""
    down_mm: Triple
    """Patient vector from a pixel to the one below it."""
    rows: int
    columns: int

    def __post_init__(self) -> None:
        for side in (self.rows, self.columns):
            if not 1 <= side <= MAX_SIDE:
                raise InvalidArgument(
                    f"a picture of {self.columns} × {self.rows} pixels: 1 to {MAX_SIDE} a side are possible"
                )
        is_finite = all(map(math.isfinite, (*self.origin_mm, *self.right_mm, *self.down_mm)))
        area = math.hypot(*cross(self.right_mm, self.down_mm)) if is_finite else 0.0
        if not area > 1e-9 * math.prod(self.pixel_mm):
            raise InvalidArgument("a plane needs finite numbers, and two steps that are not parallel")

    @cached_property
    def normal(self) -> FloatArray:
        """Unit vector across the plane, away from the viewer."""
        normal = cross(self.right_mm, self.down_mm)
        length = math.hypot(*normal)
        return np.array([part / length for part in normal])

    @cached_property
    def pixel_mm(self) -> tuple[float, float]:
        """Millimetres between rows, and between columns."""
        return math.hypot(*self.down_mm), math.hypot(*self.right_mm)

    def pixel_from_mm(self, points_mm: ArrayLike) -> FloatArray:
        """Give where patient points (…, 3) are in the picture: (…, 3) row, column, and mm behind the plane."""
        axes = np.array([self.down_mm, self.right_mm, self.normal])
        return np.asarray((np.asarray(points_mm, np.float64) - self.origin_mm) @ np.linalg.inv(axes))

    def adjusted(self, zoom: float = 1.0, pan_mm: Sequence[float] = (0.0, 0.0), rotate_deg: float = 0.0) -> Plane:
        """Give the plane that shows the picture turned clockwise about its middle, enlarged, then moved.

        `pan_mm` is how far what is shown moves to the right and down, as one measures it in the patient. The size
        in pixels stays. Raises `InvalidArgument` for a zoom of 0 or less.
        """
        if not (math.isfinite(zoom) and zoom > 0.0 and all(map(math.isfinite, (*pan_mm, rotate_deg)))):
            raise InvalidArgument(f"zoom {zoom}, pan {tuple(pan_mm)}, rotation {rotate_deg}: finite, zoom above 0")
        right, down = np.array(self.right_mm), np.array(self.down_mm)
        middle = np.array(self.origin_mm) + 0.5 * (self.columns - 1) * right + 0.5 * (self.rows - 1) * down
        down_mm, right_mm = self.pixel_mm
        across, downward = right / right_mm, down / down_mm
        sine, cosine = _sine_and_cosine(rotate_deg)
        across, downward = cosine * across - sine * downward, sine * across + cosine * downward
        middle = middle - pan_mm[0] * across - pan_mm[1] * downward
        return _centered(middle, across * (right_mm / zoom), downward * (down_mm / zoom), (self.columns, self.rows))

    @property
    def letters(self) -> EdgeLetters:
        """What the four edges of the picture are in the patient."""
        right, down = np.asarray(self.right_mm), np.asarray(self.down_mm)
        return EdgeLetters(
            left=direction_letters(-right),
            right=direction_letters(right),
            top=direction_letters(-down),
            bottom=direction_letters(down),
        )


def _sine_and_cosine(degrees: float) -> tuple[float, float]:
    """Give both, exact for quarter turns, so that pixels stay on voxels."""
    quarters = {0.0: (0.0, 1.0), 90.0: (1.0, 0.0), 180.0: (0.0, -1.0), 270.0: (-1.0, 0.0)}
    turn = degrees % 360.0
    return quarters.get(turn) or (math.sin(math.radians(turn)), math.cos(math.radians(turn)))


@dataclass(frozen=True)
class EdgeLetters:
    """Where a picture's edges look in the patient: R, L, A, P, H, F, or two of them (PS3.3 C.7.6.1.1.1)."""

    left: str
    right: str
    top: str
    bottom: str


def direction_letters(direction: ArrayLike) -> str:
    """Name a patient direction (3,) by the axis it follows most, and a second one where it is oblique."""
    vector = np.asarray(direction, dtype=np.float64)
    parts = np.abs(vector) / np.linalg.norm(vector)
    named = [axis for axis in np.argsort(-parts, kind="stable") if parts[axis] > _least_part()]
    return "".join(_LETTERS[axis][int(vector[axis] < 0)] for axis in named[:2])


def _least_part() -> float:
    return math.sin(math.radians(NAMED_ALONE_DEG))


def axial(volume: Volume, *, at_mm: float | None = None, index: int | None = None, size: Size | None = None) -> Plane:
    """Lay the plane across the body at patient z = `at_mm`, or through slice `index` from the feet."""
    return _principal(volume, 2, (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), at_mm, index, size)


def coronal(volume: Volume, *, at_mm: float | None = None, index: int | None = None, size: Size | None = None) -> Plane:
    """Lay the plane facing the viewer at patient y = `at_mm`, or through slice `index` from the front."""
    return _principal(volume, 1, (1.0, 0.0, 0.0), (0.0, 0.0, -1.0), at_mm, index, size)


def sagittal(
    volume: Volume, *, at_mm: float | None = None, index: int | None = None, size: Size | None = None
) -> Plane:
    """Lay the plane seen from the left at patient x = `at_mm`, or through slice `index` from the right."""
    return _principal(volume, 0, (0.0, 1.0, 0.0), (0.0, 0.0, -1.0), at_mm, index, size)


def oblique(
    volume: Volume,
    normal: Sequence[float],
    *,
    up: Sequence[float] | None = None,
    center: Sequence[float] | None = None,
    size: Size | None = None,
) -> Plane:
    """Lay the plane across `normal`, which points away from the viewer, through `center`.

    `up` is what the top of the picture shows, by default the head, or the front where the plane is nearly
    axial; `center` is in patient mm, by default the middle of the volume. Raises `InvalidArgument` for
    vectors that make no plane, or a plane that misses the volume.
    """
    across = _unit("normal", normal)
    if up is None:
        up = (0.0, 0.0, 1.0) if abs(across[2]) < 0.9 else (0.0, -1.0, 0.0)
    top = _unit("up", up)
    top = top - (top @ across) * across
    if np.linalg.norm(top) < 1e-3:
        raise InvalidArgument(f"up {tuple(up)} is parallel to normal {tuple(normal)}: choose another up")
    down = -top / np.linalg.norm(top)
    geometry = _geometry(volume)
    middle = _middle_mm(geometry, volume.shape) if center is None else _vector("center", center)
    depth = _depth_within(geometry.corners_mm(volume.shape) @ across, float(middle @ across), "the plane")
    return _fit(volume, np.cross(down, across), down, depth * across, size)


def acquired(volume: Volume, index: int | None = None, *, size: Size | None = None) -> Plane:
    """Lay the plane in stored slice `index`, pixel on pixel; with `size`, the slice fitted into it.

    Counts in stored order, from the end where negative; the middle one by default. Works for every stack, for
    frames of no known place too. Raises `OutOfRange`.
    """
    z = _slice_number(volume.shape[0], index)
    grid, (_, rows, columns) = volume.grid, volume.shape
    if size is None:
        return stored_plane(grid, z, rows, columns)
    _, down, right = grid.steps_mm
    corner = grid.mm_from_voxel((z, 0, 0))
    scale = max(np.linalg.norm(right) * columns / _side(size[0]), np.linalg.norm(down) * rows / _side(size[1]))
    right_step, down_step = scale * right / np.linalg.norm(right), scale * down / np.linalg.norm(down)
    middle = corner + 0.5 * (columns - 1) * right + 0.5 * (rows - 1) * down
    return _centered(middle, right_step, down_step, size)


def stored_plane(grid: VolumeGeometry, z: int, rows: int, columns: int) -> Plane:
    """Lay a plane on slice `z` of a grid, a pixel on each voxel."""
    _, down, right = grid.steps_mm
    return Plane(as_triple(grid.mm_from_voxel((z, 0, 0))), as_triple(right), as_triple(down), rows, columns)


def _geometry(volume: Volume) -> VolumeGeometry:
    if volume.geometry is None:
        raise NotReformattable(f"{volume.verdict.reason}: only acquired slices, by index")
    return volume.geometry


def _principal(
    volume: Volume,
    axis: int,
    right: Triple,
    down: Triple,
    at_mm: float | None,
    index: int | None,
    size: Size | None,
) -> Plane:
    """Lay a plane across patient axis x, y or z (0, 1, 2) at a coordinate or through a slice."""
    if at_mm is not None and index is not None:
        raise InvalidArgument("a plane lies at_mm or at an index: pass one of them")
    geometry = _geometry(volume)
    if at_mm is None:
        at_mm = _coordinate_of_slice(geometry, volume.shape, axis, index)
    ends = geometry.corners_mm(volume.shape)[:, axis]
    depth = _depth_within(ends, float(at_mm), f"{'xyz'[axis]} = {at_mm:g} mm")
    point = np.zeros(3)
    point[axis] = depth
    return _fit(volume, np.asarray(right), np.asarray(down), point, size)


def _coordinate_of_slice(geometry: VolumeGeometry, shape: tuple[int, int, int], axis: int, index: int | None) -> float:
    """Give the patient coordinate of a slice across the voxel axis that follows a patient axis most."""
    along = [direction[axis] for direction in geometry.directions]
    voxel_axis = max(range(3), key=lambda each: abs(along[each]))
    number = _slice_number(shape[voxel_axis], index)
    voxel = [(count - 1) / 2.0 for count in shape]
    voxel[voxel_axis] = number if along[voxel_axis] > 0 else shape[voxel_axis] - 1 - number
    return float(geometry.mm_from_voxel(voxel)[axis])


def _slice_number(count: int, index: int | None) -> int:
    if index is None:
        return count // 2
    if not -count <= index < count:
        raise OutOfRange(f"slice {index} of {count}: choose from {-count} to {count - 1}")
    return index % count


def _depth_within(corner_depths: FloatArray, depth: float, what: str) -> float:
    low, high = float(corner_depths.min()), float(corner_depths.max())
    if not low - _ROUNDING <= depth <= high + _ROUNDING:
        raise InvalidArgument(f"{what} misses the volume: choose from {low:.2f} to {high:.2f} mm")
    return depth


def _middle_mm(geometry: VolumeGeometry, shape: tuple[int, int, int]) -> FloatArray:
    return geometry.mm_from_voxel((np.asarray(shape) - 1) / 2.0)


def _fit(volume: Volume, right: FloatArray, down: FloatArray, point: FloatArray, size: Size | None) -> Plane:
    """Lay a plane with unit vectors `right` and `down` over the whole volume, at the depth of `point`.

    Without `size`, pixels are as large as the finest voxel step and begin where the volume does, so that
    pixels fall on voxels where the plane follows them; with it, the volume is fitted into the middle.
    """
    geometry = _geometry(volume)
    normal = np.array(cross(as_triple(right), as_triple(down)))
    places = geometry.corners_mm(volume.shape) @ np.stack([right, down]).T
    (left, top), (width, height) = places.min(axis=0).tolist(), np.ptp(places, axis=0).tolist()
    depth = (point @ normal) * normal
    if size is None:
        pixel = min(geometry.spacing_mm)
        columns, rows = math.ceil(width / pixel - _ROUNDING), math.ceil(height / pixel - _ROUNDING)
        origin = depth + (left + pixel / 2) * right + (top + pixel / 2) * down
        return Plane(as_triple(origin), as_triple(pixel * right), as_triple(pixel * down), rows, columns)
    pixel = max(width / _side(size[0]), height / _side(size[1]))
    middle = depth + (left + width / 2) * right + (top + height / 2) * down
    return _centered(middle, pixel * right, pixel * down, size)


def _centered(middle: FloatArray, right_step: FloatArray, down_step: FloatArray, size: Size) -> Plane:
    columns, rows = size
    origin = middle - 0.5 * (columns - 1) * right_step - 0.5 * (rows - 1) * down_step
    return Plane(as_triple(origin), as_triple(right_step), as_triple(down_step), rows, columns)


def _side(pixels: int) -> int:
    if not 1 <= pixels <= MAX_SIDE:
        raise InvalidArgument(f"a side of {pixels} pixels: choose from 1 to {MAX_SIDE}")
    return pixels


def _vector(name: str, values: Sequence[float]) -> FloatArray:
    try:
        vector = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidArgument(f"{name} is {values!r}: three numbers are needed") from error
    if vector.shape != (3,) or not np.isfinite(vector).all():
        raise InvalidArgument(f"{name} is {values!r}: three finite numbers are needed")
    return vector


def _unit(name: str, values: Sequence[float]) -> FloatArray:
    vector = _vector(name, values)
    largest = np.abs(vector).max()
    if largest == 0.0:
        raise InvalidArgument(f"{name} is zero: it needs a direction")
    vector = vector / largest  # or the squares below would overflow or vanish
    return np.asarray(vector / np.linalg.norm(vector))
