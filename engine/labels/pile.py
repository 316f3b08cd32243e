"""Closed contours in parallel planes, as a solid: each plane's contours stand for a layer about it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...kernels.contours import fill_contours
from ..geometry import FloatArray, IntArray
from ..render.curve import CurvedPlane
from ..render.planes import Plane
from ..render.sampling import slab_depth
from .segment import Coverage
from .space import Cover

_PARALLEL = 1e-3
"""Unit normals that differ by less are one (0.06 degrees), as geometry counts orientations."""
_SAME_MM = 0.05
_GAP = 1.5
"""Planes further apart than this many steps have nothing between them."""
_FLAT = 1e-9


@dataclass(frozen=True, eq=False)
class Pile:
    """The contours of one region that lie in planes across one direction."""

    axes: FloatArray
    """(3, 3) unit vectors of depth, u and v in the patient, one a row."""
    planes: tuple[tuple[FloatArray, ...], ...]
    """Of each plane, its contours (points, 3) in mm."""
    depths: FloatArray
    """(planes,) where they lie along depth, rising."""
    step_mm: float
    """Usual distance of planes; 0 where there is but one."""

    def layers(self, alone_mm: float) -> FloatArray:
        """Give (planes, 2) from which depth to which the contours of each plane count.

        Half-way to the neighbours; half a step where they are further apart than usual, and at both ends. `alone_mm`
        is the step where there is but one plane.
        """
        half = (self.step_mm or alone_mm) / 2
        reach = np.diff(self.depths) / 2
        reach = np.where(reach > _GAP * half, half, reach)
        before, after = np.concatenate([[half], reach]), np.concatenate([reach, [half]])
        return np.stack([self.depths - before, self.depths + after], axis=1)

    def coverage(self, cover: Cover) -> Coverage:
        """Give the pixels inside; of a slab those anywhere in it, or most of it where it shows a mean."""
        depth = slab_depth(cover.plane, cover.slab_mm, self._finest_mm(cover), self._corners_mm(cover))
        shape = (cover.plane.rows, cover.plane.columns)
        counts = np.zeros(shape, np.uint16)
        for number in range(depth.samples):
            counts += self._filled(cover, depth.near_mm + number * depth.step_mm)
        # Samples beyond the pile, which were left out, count as outside.
        least = 1.0 if cover.is_projection or cover.slab_mm == 0 else cover.slab_mm / max(depth.step_mm, 1e-9) / 2
        return (counts >= least).astype(np.uint8) * 255

    def _filled(self, cover: Cover, behind_mm: float) -> Coverage:
        starts, right, normals = _rows(cover.plane)
        edges, firsts = self._edges
        return fill_contours(
            np.ascontiguousarray((starts + behind_mm * normals) @ self.axes.T),
            np.ascontiguousarray(_settled(right @ self.axes.T, cover.plane.columns)),
            self.layers(cover.thickness_mm),
            edges,
            firsts,
            cover.plane.columns,
        )

    @cached_property
    def _edges(self) -> tuple[FloatArray, IntArray]:
        """The sides of all contours, (edges, 4), and where those of each plane begin."""
        sides = [[_sides(points @ self.axes[1:].T) for points in contours] for contours in self.planes]
        counts = [sum(map(len, contours)) for contours in sides]
        whole = np.concatenate([side for contours in sides for side in contours])
        return np.ascontiguousarray(whole), np.array([0, *itertools.accumulate(counts)], np.int64)

    def _finest_mm(self, cover: Cover) -> float:
        return min((*cover.plane.pixel_mm, self.step_mm or cover.thickness_mm))

    def _corners_mm(self, cover: Cover) -> FloatArray:
        margin = np.array([(self.step_mm or cover.thickness_mm) / 2, 0.0, 0.0])
        low, high = self._extent
        ends = np.stack([low - margin, high + margin])
        return np.array([[ends[z, 0], ends[y, 1], ends[x, 2]] for z, y, x in np.ndindex(2, 2, 2)]) @ self.axes

    @cached_property
    def _extent(self) -> tuple[FloatArray, FloatArray]:
        """The least and greatest depth, u and v of all contours."""
        points = np.concatenate([points for contours in self.planes for points in contours]) @ self.axes.T
        return points.min(axis=0), points.max(axis=0)

    def is_parallel(self, plane: Plane | CurvedPlane) -> bool:
        """Whether the pile's planes are parallel to a plane, so that its contours themselves can be drawn."""
        if not isinstance(plane, Plane):
            return False
        return float(np.linalg.norm(np.cross(plane.normal, self.axes[0]))) < _PARALLEL

    def contours_within(self, cover: Cover) -> list[FloatArray]:
        """Give the contours of the planes of which a parallel plane, or slab, meets the layer."""
        assert isinstance(cover.plane, Plane)
        middle = float(self.axes[0] @ cover.plane.origin_mm)
        low, high = middle - cover.slab_mm / 2, middle + cover.slab_mm / 2
        layers = self.layers(cover.thickness_mm)
        met = (layers[:, 0] <= low) & (low < layers[:, 1]) | (layers[:, 0] > low) & (layers[:, 0] <= high)
        return [points for number in np.flatnonzero(met) for points in self.planes[number]]


def pile_up(contours: Sequence[FloatArray]) -> tuple[list[Pile], list[FloatArray]]:
    """Pile closed planar contours up, a pile for each direction; give those too that enclose nothing, as lines."""
    normals = [_normal(points) for points in contours]
    lines = [points for points, normal in zip(contours, normals, strict=True) if normal is None]
    groups: list[tuple[FloatArray, list[FloatArray]]] = []
    for points, normal in zip(contours, normals, strict=True):
        if normal is None:
            continue
        home = next((group for group in groups if np.linalg.norm(np.cross(group[0], normal)) < _PARALLEL), None)
        if home is None:
            groups.append((normal, [points]))
        else:
            home[1].append(points)
    return [_pile(normal, members) for normal, members in groups], lines


def _pile(normal: FloatArray, contours: list[FloatArray]) -> Pile:
    u = np.cross(normal, np.eye(3)[int(np.argmin(np.abs(normal)))])
    u /= np.linalg.norm(u)
    by_depth = sorted(((float(np.mean(points @ normal)), number) for number, points in enumerate(contours)))
    planes: list[list[FloatArray]] = []
    depths: list[float] = []
    for depth, number in by_depth:
        if not depths or depth - depths[-1] > _SAME_MM:
            planes.append([])
            depths.append(depth)
        planes[-1].append(contours[number])
    step_mm = float(np.median(np.diff(depths))) if len(depths) > 1 else 0.0
    axes = np.array([normal, u, np.cross(normal, u)])
    return Pile(axes, tuple(map(tuple, planes)), np.array(depths), step_mm)


def _normal(points: FloatArray) -> FloatArray | None:
    """Give the unit normal of a polygon (Newell), its sign such that parallel ones agree; None where it has no area."""
    centered = points - points.mean(axis=0)
    area = np.cross(centered, np.roll(centered, -1, axis=0)).sum(axis=0)
    size = float(np.linalg.norm(area))
    extent = float(np.ptp(centered, axis=0).max())
    if not size > _FLAT * extent * extent or extent == 0.0:
        return None
    normal = area / size
    return np.asarray(normal * np.sign(normal[int(np.argmax(np.abs(normal)))]))


def _sides(points: FloatArray) -> FloatArray:
    return np.concatenate([points, np.roll(points, -1, axis=0)], axis=1)


def _rows(plane: Plane | CurvedPlane) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Give first pixel, step to the right and normal of each row, (rows, 3)."""
    if isinstance(plane, CurvedPlane):
        right = np.broadcast_to(plane.right_mm, plane.starts_mm.shape)
        return plane.starts_mm, right, plane.normals
    starts = np.array(plane.origin_mm) + np.arange(plane.rows)[:, np.newaxis] * plane.down_mm
    return starts, np.broadcast_to(plane.right_mm, starts.shape), np.broadcast_to(plane.normal, starts.shape)


def _settled(steps: FloatArray, columns: int) -> FloatArray:
    """Give steps of which those that come to nothing over the whole row are nothing."""
    return np.where(np.abs(steps) * columns < 1e-6, 0.0, steps)
