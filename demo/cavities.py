"""The trunk's walls and the spaces within: skin, muscle, rib cage, diaphragm, lungs, abdominal cavity."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from .shapes import FloatArray, Point, squircle

Side = Literal[-1, 1]
"""-1: the patient's right, where x is negative; 1: the left."""
Profile = tuple[tuple[float, float, float, float], ...]
"""Rows of (z, half width, half depth, centre y), z falling, all mm."""


@dataclass(frozen=True, slots=True)
class Column:
    """A body-like cross-section whose size follows a profile along z."""

    profile: Profile
    furrow: float = 0.0
    """Depth of the groove along the middle of the back, mm."""

    def bounds(self) -> tuple[Point, Point]:
        """Give a box of the widest section, endless along z."""
        _, widths, depths, centres = zip(*self.profile, strict=True)
        deep, mid = max(depths), (min(centres), max(centres))
        return (-max(widths), mid[0] - deep, -1e4), (max(widths), mid[1] + deep, 1e4)

    def section(self, z: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Give half width, half depth and centre y at each z."""
        rows = np.asarray(self.profile[::-1], np.float64).T
        width, depth, centre = (np.interp(z, rows[0], row).astype(np.float32) for row in rows[1:])
        return width, depth, centre

    def distance(self, x: FloatArray, y: FloatArray, z: FloatArray) -> FloatArray:
        """Measure along the radius: long where the wall runs oblique to it, right on the wall."""
        width, depth, centre = self.section(z)
        y = y - centre
        squared_x, squared_y = x * x, y * y
        size = squircle(squared_x / (width * width), squared_y / (depth * depth))
        radius = np.sqrt(squared_x + squared_y)
        groove = np.float32(self.furrow) * np.exp(-squared_x / np.float32(500)) * (y > 0)
        return np.asarray(radius - radius / np.maximum(size, np.float32(1e-4)) + groove, np.float32)

    def wall_point(self, angle_deg: float, z: float, outward: float = 0.0) -> Point:
        """Give the point of the wall at an angle from the back (0) over the left (90) to the front (180)."""
        width, depth, centre = (float(size[0]) for size in self.section(np.array([z], np.float32)))
        across, back = np.sin(np.deg2rad(angle_deg)), np.cos(np.deg2rad(angle_deg))
        squares = (np.array([(across / width) ** 2], np.float32), np.array([(back / depth) ** 2], np.float32))
        radius = 1 / float(squircle(*squares)[0]) + outward
        return float(radius * across), float(centre + radius * back), z


SKIN_WALL = Column(
    (
        (125, 157, 94, 12),
        (80, 161, 104, 9),
        (30, 161, 109, 7),
        (-30, 157, 110, 6),
        (-80, 152, 109, 5),
        (-130, 154, 110, 5),
    ),
    furrow=7.0,
)
MUSCLE_WALL = Column(
    (
        (125, 140, 84, 16),
        (80, 145, 93, 13),
        (30, 144, 97, 10),
        (-30, 143, 98, 9),
        (-80, 138, 96, 9),
        (-130, 137, 95, 9),
    ),
    furrow=4.0,
)
CAGE_WALL = Column(
    (
        (132, 20, 22, 30),
        (122, 52, 38, 26),
        (108, 80, 52, 20),
        (85, 100, 63, 12),
        (55, 115, 73, 6),
        (20, 125, 79, 3),
        (-30, 130, 81, 2),
        (-80, 126, 78, 2),
        (-130, 124, 77, 2),
    )
)


@dataclass(frozen=True, slots=True)
class Sheet:
    """A thin plate parallel to a wall, cut to a region: fascia, scapula, pleura."""

    wall: Column
    outward: float
    thickness: float
    low: Point
    high: Point
    slope: float = 0.0
    """How far the lateral border moves out per mm of z."""

    def bounds(self) -> tuple[Point, Point]:
        """Give the region the sheet is cut to, wide enough for both sides of the slope."""
        return self.low, self.high

    def distance(self, x: FloatArray, y: FloatArray, z: FloatArray) -> FloatArray:
        """Give the greater of the distances to the plate's faces and to its borders."""
        faces = np.abs(self.wall.distance(x, y, z) - np.float32(self.outward)) - np.float32(self.thickness / 2)
        across = np.maximum(self.low[0] - x, x - self.high[0])
        if self.slope:
            top = self.high[2]
            lateral = np.abs(x) - (max(abs(self.low[0]), abs(self.high[0])) + self.slope * (z - np.float32(top)))
            across = np.maximum(across, lateral)
        upright = np.maximum(self.low[2] - z, z - self.high[2])
        depth = np.maximum(self.low[1] - y, y - self.high[1])
        return np.asarray(np.maximum(np.maximum(faces, across), np.maximum(upright, depth)), np.float32)


@dataclass(frozen=True, slots=True)
class Diaphragm:
    """The half space below the two domes."""

    right_top: Point = (-66, -8, -22)
    left_top: Point = (66, -2, -34)
    floor: float = -112.0

    def bounds(self) -> tuple[Point, Point]:
        """Give a box endless downwards and sideways."""
        return (-1e4, -1e4, -1e4), (1e4, 1e4, self.right_top[2])

    def distance(self, x: FloatArray, y: FloatArray, z: FloatArray) -> FloatArray:
        """Give the height over the dome, shortened for its slope."""
        return np.asarray((z - self.height(x, y)) * np.float32(0.75), np.float32)

    def height(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """Give z of the diaphragm: the higher of two domes, with a saddle for the heart."""
        right = _dome(x, y, self.right_top, (84, 92))
        left = _dome(x, y, self.left_top, (80, 90))
        saddle = np.float32(-40) - np.float32(0.004) * (x - 10) ** 2 - np.float32(0.006) * (y + 25) ** 2
        domes = np.maximum(np.maximum(right, left), saddle)
        return np.maximum(domes, np.float32(self.floor))


def _dome(x: FloatArray, y: FloatArray, top: Point, reach: tuple[float, float]) -> FloatArray:
    squared = ((x - top[0]) / reach[0]) ** 2 + ((y - top[1]) / reach[1]) ** 2
    return np.asarray(np.float32(top[2]) - np.float32(52) * squared * np.sqrt(squared), np.float32)


DIAPHRAGM = Diaphragm()


@dataclass(frozen=True, slots=True)
class Lung:
    """One lung: within the cage, beside the mediastinum, above the diaphragm."""

    side: Side
    cage: Column = field(default=CAGE_WALL)

    def bounds(self) -> tuple[Point, Point]:
        """Give the half of the cage's box that holds the lung."""
        low, high = self.cage.bounds()
        if self.side < 0:
            return (low[0], low[1], DIAPHRAGM.floor), (0.0, high[1], 132.0)
        return (0.0, low[1], DIAPHRAGM.floor), (high[0], high[1], 132.0)

    def distance(self, x: FloatArray, y: FloatArray, z: FloatArray) -> FloatArray:
        """Give the greatest of the distances to cage, mediastinum and diaphragm."""
        medial = _mediastinum_half_width(y, z) - np.float32(self.side) * x
        inner = rounded_maximum(self.cage.distance(x, y, z), medial, np.float32(16))
        above = -DIAPHRAGM.distance(x, y, z)
        return np.maximum(inner, above)


def _mediastinum_half_width(y: FloatArray, z: FloatArray) -> FloatArray:
    """Give the half width at (y, z): narrow behind the sternum, wide at the hila and beside the spine."""
    forward = np.clip((y + np.float32(62)) / np.float32(36), 0, 1)
    width = np.float32(5) + np.float32(13) * forward * forward * (3 - 2 * forward)
    upper = np.float32(9) * np.clip((z - np.float32(78)) / np.float32(30), 0, 1)
    spine = np.float32(12) * np.clip((y - np.float32(52)) / np.float32(16), 0, 1)
    ripple = np.float32(3) * np.sin(z / np.float32(15) + y / np.float32(11))
    return np.asarray(width + upper * (y < 35) + spine + ripple, np.float32)


def rounded_maximum(a: FloatArray, b: FloatArray, radius: np.float32) -> FloatArray:
    """Give the greater of two distances, with the edge between the surfaces rounded off."""
    overlap = np.maximum(radius - np.abs(a - b), np.float32(0)) / radius
    return np.asarray(np.maximum(a, b) + overlap * overlap * radius * np.float32(0.25), np.float32)


@dataclass(frozen=True, slots=True)
class Abdomen:
    """The abdominal cavity: within the cage, below the diaphragm's muscle, before the spine."""

    wall: float = 3.0
    """Thickness left for diaphragm and peritoneum, mm."""

    def bounds(self) -> tuple[Point, Point]:
        """Give the box of the cage below the higher dome."""
        low, high = CAGE_WALL.bounds()
        return low, (high[0], high[1], DIAPHRAGM.right_top[2])

    def distance(self, x: FloatArray, y: FloatArray, z: FloatArray) -> FloatArray:
        """Give the greater of the distances to cage and diaphragm, both moved in."""
        walls = np.maximum(CAGE_WALL.distance(x, y, z), DIAPHRAGM.distance(x, y, z))
        return walls + np.float32(self.wall)
