"""Bodies as signed distance fields, and how they are painted into voxels with partial volume at their edges.

All lengths are millimetres and all points (x, y, z) in patient coordinates: x to the left, y to the back,
z to the head (PS3.3 C.7.6.2.1.1). A distance is negative inside; it is exact on the surface, good enough
near it. Coordinates come as arrays that broadcast, so an axis-aligned grid never holds a full array of x,
y or z.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .tissue import Tissue

FloatArray = NDArray[np.float32]
Point = tuple[float, float, float]
Layers = tuple[tuple[float, Tissue], ...]
"""(depth below the surface in mm, tissue from there inwards), outermost first."""

_CHUNK_VOXELS = 1 << 16  # a handful of float32 temporaries of this size stay in a core's L2 cache


class Shape(Protocol):
    """A solid."""

    def bounds(self) -> tuple[Point, Point]:
        """Give the least and the greatest corner of a box around the solid."""
        ...

    def distance(self, x: FloatArray, y: FloatArray, z: FloatArray) -> FloatArray:
        """Give the signed distance to the surface, in mm, in the broadcast shape of x, y, z."""
        ...


@dataclass(frozen=True, slots=True)
class Part:
    """Solids of one make, painted all at the first depth, then all at the next, so that they join inside."""

    shapes: tuple[Shape, ...]
    layers: Layers


def solid(tissue: Tissue, *shapes: Shape) -> Part:
    """Give a part of one tissue."""
    return Part(shapes, ((0.0, tissue),))


@dataclass(frozen=True, slots=True)
class Ellipsoid:
    """An ellipsoid; `turn_deg` rotates it about its own x, then y, then z axis."""

    centre: Point
    radii: Point
    turn_deg: Point = (0.0, 0.0, 0.0)

    def bounds(self) -> tuple[Point, Point]:
        """Give the tight box."""
        reach = np.sqrt(((self._rotation() * np.asarray(self.radii)) ** 2).sum(axis=1))
        return _point(np.asarray(self.centre) - reach), _point(np.asarray(self.centre) + reach)

    def distance(self, x: FloatArray, y: FloatArray, z: FloatArray) -> FloatArray:
        """Scale the implicit function by its gradient: right to first order at the surface."""
        offsets = (x - self.centre[0], y - self.centre[1], z - self.centre[2])
        if any(self.turn_deg):
            turned = self._rotation().T.astype(np.float32)
            offsets = tuple(row[0] * offsets[0] + row[1] * offsets[1] + row[2] * offsets[2] for row in turned)
        value = _root_of_squares(offsets, self.radii)
        gradient = _root_of_squares(offsets, tuple(radius * radius for radius in self.radii))
        return np.asarray(value * (value - np.float32(1)) / (gradient + np.float32(1e-6)), np.float32)

    def _rotation(self) -> NDArray[np.float64]:
        a, b, c = np.deg2rad(self.turn_deg)
        about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
        about_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
        about_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
        return np.asarray(about_z @ about_y @ about_x)


@dataclass(frozen=True, slots=True)
class Capsule:
    """A round cone from `start` to `end`; `stretch` widens it along x, y, z without moving its axis."""

    start: Point
    end: Point
    start_radius: float
    end_radius: float
    stretch: Point = (1.0, 1.0, 1.0)

    def bounds(self) -> tuple[Point, Point]:
        """Give the box around both end balls."""
        radius = max(self.start_radius, self.end_radius)
        low = [min(a, b) - radius * s for a, b, s in zip(self.start, self.end, self.stretch, strict=True)]
        high = [max(a, b) + radius * s for a, b, s in zip(self.start, self.end, self.stretch, strict=True)]
        return _point(low), _point(high)

    def distance(self, x: FloatArray, y: FloatArray, z: FloatArray) -> FloatArray:
        """Give the distance to the axis less the radius there; in stretched coordinates where stretched."""
        squeeze = [1.0 / s for s in self.stretch]
        axis = [(b - a) * s for a, b, s in zip(self.start, self.end, squeeze, strict=True)]
        offsets = [(c - np.float32(a)) * np.float32(s) for c, a, s in zip((x, y, z), self.start, squeeze, strict=True)]
        length_squared = sum(component * component for component in axis) + 1e-9
        along = sum(
            offset * np.float32(component / length_squared) for offset, component in zip(offsets, axis, strict=True)
        )
        along = np.clip(along, np.float32(0), np.float32(1))
        squared = sum((offset - along * np.float32(c)) ** 2 for offset, c in zip(offsets, axis, strict=True))
        radius = np.float32(self.start_radius) + along * np.float32(self.end_radius - self.start_radius)
        return np.asarray(np.sqrt(squared) - radius, np.float32)


@dataclass(frozen=True, slots=True)
class Block:
    """A barrel along z or a rounded slab: an elliptic cross-section between two flat ends."""

    centre: Point
    half: Point
    waist: float = 0.0
    """How much thinner the middle is than the ends, in mm."""

    def bounds(self) -> tuple[Point, Point]:
        """Give the tight box."""
        low = [c - h for c, h in zip(self.centre, self.half, strict=True)]
        return _point(low), _point([c + h for c, h in zip(self.centre, self.half, strict=True)])

    def distance(self, x: FloatArray, y: FloatArray, z: FloatArray) -> FloatArray:
        """Give the greater of the distances to the mantle and to the ends."""
        squared_x = ((x - self.centre[0]) / self.half[0]) ** 2
        squared_y = ((y - self.centre[1]) / self.half[1]) ** 2
        height = np.abs(z - np.float32(self.centre[2])) / np.float32(self.half[2])
        mantle = (squircle(squared_x, squared_y) - np.float32(1)) * np.float32(min(self.half[:2]))
        mantle = mantle + np.float32(self.waist) * np.maximum(np.float32(1) - height * height, 0)
        return _greater(mantle, (height - np.float32(1)) * np.float32(self.half[2]))


@dataclass(frozen=True, slots=True)
class Common:
    """What all of `shapes` share."""

    shapes: tuple[Shape, ...]

    def bounds(self) -> tuple[Point, Point]:
        """Give the box that the boxes share."""
        lows, highs = zip(*(shape.bounds() for shape in self.shapes), strict=True)
        return _point(np.max(lows, axis=0)), _point(np.min(highs, axis=0))

    def distance(self, x: FloatArray, y: FloatArray, z: FloatArray) -> FloatArray:
        """Give the greatest of the distances."""
        greatest = self.shapes[0].distance(x, y, z)
        for shape in self.shapes[1:]:
            greatest = _greater(greatest, shape.distance(x, y, z))
        return greatest


@dataclass(frozen=True, slots=True)
class Without:
    """`shape` less `hole`, which is first grown by `margin` mm."""

    shape: Shape
    hole: Shape
    margin: float = 0.0

    def bounds(self) -> tuple[Point, Point]:
        """Give the box of the whole shape."""
        return self.shape.bounds()

    def distance(self, x: FloatArray, y: FloatArray, z: FloatArray) -> FloatArray:
        """Give the greater of the distance to the shape and the depth in the hole."""
        return _greater(self.shape.distance(x, y, z), np.float32(self.margin) - self.hole.distance(x, y, z))


@dataclass(frozen=True, slots=True)
class Uneven:
    """`shape` with a smoothly bumpy surface, as organs have."""

    shape: Shape
    height: float
    """Greatest shift of the surface, mm."""
    wavelength: float
    """Distance between bumps, mm."""

    def bounds(self) -> tuple[Point, Point]:
        """Give the box with room for the bumps."""
        low, high = self.shape.bounds()
        return _point([c - self.height for c in low]), _point([c + self.height for c in high])

    def distance(self, x: FloatArray, y: FloatArray, z: FloatArray) -> FloatArray:
        """Add two products of sines, of which neither repeats with the other."""
        k = np.float32(2 * np.pi / self.wavelength)
        coarse = np.sin(k * x + 1) * np.sin(k * y + 2) * np.sin(k * z)
        fine = np.sin(k * 1.7 * x) * np.sin(k * 1.6 * y + 1) * np.sin(k * 1.8 * z + 2)
        bumps = np.float32(0.65 * self.height) * coarse + np.float32(0.35 * self.height) * fine
        return np.asarray(self.shape.distance(x, y, z) + bumps, np.float32)


@dataclass(frozen=True, slots=True)
class Grid:
    """Where the voxels of an array (slices, rows, columns) lie in the patient."""

    origin: Point
    """Centre of voxel (0, 0, 0)."""
    steps: tuple[Point, Point, Point]
    """The step to the next slice, the next row, the next column."""
    shape_zyx: tuple[int, int, int]

    def position(self, slice_index: float) -> Point:
        """Give the centre of the first voxel of a slice: Image Position (Patient)."""
        return _point(np.asarray(self.origin) + slice_index * np.asarray(self.steps[0]))

    def box(self, low: Point, high: Point) -> tuple[slice, slice, slice]:
        """Give the index box (z, y, x) around a patient box; empty slices where they do not meet."""
        to_index = _inverse(self.steps)
        middle, half = (np.add(low, high) / 2, np.subtract(high, low) / 2)
        centre, reach = to_index @ (middle - self.origin), np.abs(to_index) @ half
        starts, stops = np.floor(centre - reach).astype(int), np.ceil(centre + reach).astype(int) + 1
        z, y, x = (
            slice(max(int(start), 0), max(min(int(stop), size), 0))
            for start, stop, size in zip(starts, stops, self.shape_zyx, strict=True)
        )
        return z, y, x

    def coordinates(self, box: tuple[slice, slice, slice]) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Give x, y, z at the voxels of a box, as arrays that broadcast to its shape."""
        x, y, z = (self._coordinate(axis, box) for axis in range(3))
        return x, y, z

    def _coordinate(self, axis: int, box: tuple[slice, slice, slice]) -> FloatArray:
        total = np.array(self.origin[axis], ndmin=3)
        for dimension, (span, step) in enumerate(zip(box, self.steps, strict=True)):
            if step[axis] != 0:
                along = [1, 1, 1]
                along[dimension] = -1
                total = total + (np.arange(span.start, span.stop) * step[axis]).reshape(along)
        return total.astype(np.float32)


@lru_cache(maxsize=16)
def _inverse(steps: tuple[Point, Point, Point]) -> NDArray[np.float64]:
    return np.linalg.inv(np.asarray(steps).T)


def paint(
    canvas: FloatArray, grid: Grid, parts: Iterable[Part], signals: Mapping[Tissue, float], edge_mm: float
) -> None:
    """Paint parts over `canvas` (slices, rows, columns), later ones over earlier ones.

    `edge_mm` is the width over which an edge goes from one signal to the other: the scanner's resolution.
    """
    for part in parts:
        for depth, tissue in part.layers:
            for shape in part.shapes:
                _paint_shape(canvas, grid, shape, depth, signals[tissue], edge_mm)


def _paint_shape(canvas: FloatArray, grid: Grid, shape: Shape, depth: float, signal: float, edge_mm: float) -> None:
    low, high = shape.bounds()
    # What is far finer than the resolution would be painted far too strong.
    if min(b - a for a, b in zip(low, high, strict=True)) < edge_mm / 2:
        return
    reach = edge_mm / 2 - depth
    box = grid.box(_point([c - reach for c in low]), _point([c + reach for c in high]))
    offset, rate = np.float32(0.5 - depth / edge_mm), np.float32(-1 / edge_mm)
    for chunk in _chunks(box):
        share = shape.distance(*grid.coordinates(chunk)) * rate
        share += offset
        np.clip(share, np.float32(0), np.float32(1), out=share)
        view = canvas[chunk]
        share *= np.float32(signal) - view
        view += share


def _chunks(box: tuple[slice, slice, slice]) -> Iterator[tuple[slice, slice, slice]]:
    z, y, x = box
    plane = (y.stop - y.start) * (x.stop - x.start)
    if y.stop <= y.start or x.stop <= x.start:
        return
    depth = max(_CHUNK_VOXELS // plane, 1)
    for start in range(z.start, z.stop, depth):
        yield slice(start, min(start + depth, z.stop)), y, x


def chain(points: Sequence[Point], radii: Sequence[float], stretch: Point = (1.0, 1.0, 1.0)) -> tuple[Capsule, ...]:
    """Give capsules along `points`, with `radii` spread evenly from the first point to the last."""
    spread = np.interp(np.linspace(0, 1, len(points)), np.linspace(0, 1, len(radii)), radii)
    return tuple(
        Capsule(points[k], points[k + 1], float(spread[k]), float(spread[k + 1]), stretch)
        for k in range(len(points) - 1)
    )


def curve(knots: Sequence[Point], step_mm: float = 8.0) -> list[Point]:
    """Give points about `step_mm` apart on a Catmull-Rom spline through `knots`."""
    padded = [knots[0], *knots, knots[-1]]
    points: list[Point] = []
    for p, a, b, n in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        before, start, end, after = (np.asarray(knot, float) for knot in (p, a, b, n))
        count = max(int(np.linalg.norm(end - start) / step_mm), 1)
        for t in np.arange(count) / count:
            bend = (2 * before - 5 * start + 4 * end - after) * t**2 + (3 * start - before - 3 * end + after) * t**3
            points.append(_point(start + 0.5 * ((end - before) * t + bend)))
    return [*points, _point(knots[-1])]


def tube(knots: Sequence[Point], *radii: float, stretch: Point = (1.0, 1.0, 1.0)) -> tuple[Capsule, ...]:
    """Give a smooth tube through `knots`."""
    return chain(curve(knots), radii, stretch)


def squircle(squared_x: FloatArray, squared_y: FloatArray) -> FloatArray:
    """Give 1 on a curve between ellipse and rectangle, as bodies have; arguments are (x/a)² and (y/b)²."""
    return np.asarray(np.sqrt(np.sqrt(squared_x**2 + squared_y**2 + squared_x * squared_y)), np.float32)


def mirrored(points: Sequence[Point]) -> list[Point]:
    """Give points on the other side of the body."""
    return [(-x, y, z) for x, y, z in points]


def _greater(a: FloatArray, b: FloatArray) -> FloatArray:
    return np.asarray(np.maximum(a, b), np.float32)


def _root_of_squares(offsets: Sequence[FloatArray], scales: Sequence[float]) -> FloatArray:
    squares = [(offset * np.float32(1 / scale)) ** 2 for offset, scale in zip(offsets, scales, strict=True)]
    return np.asarray(np.sqrt(squares[0] + squares[1] + squares[2]), np.float32)


def _point(values: Sequence[float] | NDArray[np.floating]) -> Point:
    x, y, z = (float(value) for value in values)
    return x, y, z
