"""Where the samples of a picture lie in a level's grid, and which voxels and chunks they need.

All is reckoned in grid coordinates of the level: voxel indices (z, y, x), but for z of unevenly spaced slices, which
counts millimetres along the stacking direction, so that there too a plane is a plane.
"""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...kernels.touched import touched_chunks
from ..geometry import FloatArray, VolumeGeometry, as_triple, cross
from ..volume import Box
from .curve import CurvedPlane
from .planes import Plane

BoolArray: TypeAlias = NDArray[np.bool_]

_NO_STEP = np.zeros((1, 3))


@dataclass(frozen=True)
class Depth:
    """How a slab is sampled: sample s lies (near + s · step) mm behind the plane."""

    near_mm: float = 0.0
    step_mm: float = 0.0
    samples: int = 1


@dataclass(frozen=True)
class Sampling:
    """A block of samples: sample s of row r and column c is at starts[r] + s · step[r] + c · right[r]."""

    starts: FloatArray
    """(rows, 3) the first sample of each row."""
    right: FloatArray
    """(rows, 3), or (1, 3) for all rows."""
    step: FloatArray
    """(rows, 3) or (1, 3) from one sample of a slab to the next, 0 for a plane."""
    down: FloatArray | None
    """From one row to the next where all rows are alike; None for a curved surface."""
    columns: int
    samples: int
    knots_mm: FloatArray | None
    """Where the slices are, if z counts millimetres."""
    gap_mm: float
    """Nothing is made up between slices that are further apart than this."""

    @property
    def rows(self) -> int:
        """Rows of the picture."""
        return len(self.starts)

    def part(self, first: int, last: int) -> Sampling:
        """Give rows `first` up to `last`."""
        one_for_all = len(self.right) == 1
        right, step = (vectors if one_for_all else vectors[first:last] for vectors in (self.right, self.step))
        return replace(self, starts=self.starts[first:last], right=right, step=step)

    def half(self, axis: int, number: int) -> Sampling:
        """Give the upper or lower half of the rows (axis 0), or the left or right one of the columns."""
        count = (self.rows, self.columns)[axis]
        first, last = (0, count // 2) if number == 0 else (count // 2, count)
        if axis == 0:
            return self.part(first, last)
        return replace(self, starts=self.starts + first * self.right, columns=last - first)

    def moved(self, shift: FloatArray) -> Sampling:
        """Give the same samples in coordinates of a box that begins at `shift`."""
        return replace(self, starts=self.starts - shift)

    def within_slice(self, number: float) -> Sampling:
        """Put samples that lie in one stored slice exactly there, whatever the spacing of the others."""
        starts, right = self.starts.copy(), self.right.copy()
        starts[:, 0], right[:, 0] = number, 0.0
        down = None if self.down is None else self.down * (0.0, 1.0, 1.0)
        return replace(self, starts=starts, right=right, down=down, knots_mm=None)

    def touched_box(self, shape: Box, reach: int) -> tuple[Box, Box]:
        """Give start and stop (z, y, x) of the voxels that interpolation asks for, cut to the level.

        `reach` is how many voxels on either side of it a sample needs along each axis. Along z the box is the whole
        level where slices are uneven: how far the outermost slices reach depends on all. It is empty where the
        samples miss the level.
        """
        first, last = [0, 0, 0], [0, 0, 0]
        for axis, (low, high) in enumerate(zip(*self._ends(), strict=True)):
            # Samples that stay on voxel centres along an axis need no neighbours there.
            margin = 0 if low == high == round(low) else reach - 1
            first[axis] = min(max(math.floor(low) - margin, 0), shape[axis])
            last[axis] = min(max(math.ceil(high) + 1 + margin, 0), shape[axis])
        if self.knots_mm is not None:
            first[0], last[0] = 0, shape[0]
        return (first[0], first[1], first[2]), (last[0], last[1], last[2])

    def _ends(self) -> tuple[list[float], list[float]]:
        """Give the least and the largest coordinates of all samples, along each axis, within 1e9."""
        across, deeper = (self.columns - 1) * self.right, (self.samples - 1) * self.step
        if self.down is not None:
            moves = list(zip(across[0].tolist(), deeper[0].tolist(), strict=True))
            starts = list(zip(self.starts[0].tolist(), self.starts[-1].tolist(), strict=True))
            lows = [min(a, b) + min(c, 0.0) + min(d, 0.0) for (a, b), (c, d) in zip(starts, moves, strict=True)]
            highs = [max(a, b) + max(c, 0.0) + max(d, 0.0) for (a, b), (c, d) in zip(starts, moves, strict=True)]
        else:
            low = self.starts + np.minimum(across, 0.0) + np.minimum(deeper, 0.0)
            high = self.starts + np.maximum(across, 0.0) + np.maximum(deeper, 0.0)
            inside = np.all((np.abs(low) < 1e9) & (np.abs(high) < 1e9), axis=1)  # the others lie beyond the curve
            low, high = (low[inside], high[inside]) if inside.any() else (low, high)
            lows, highs = low.min(axis=0).tolist(), high.max(axis=0).tolist()
        return [max(-1e9, min(1e9, low)) for low in lows], [max(-1e9, min(1e9, high)) for high in highs]

    def touched_chunks(self, chunk: Box, start: Box, stop: Box, reach: int) -> BoolArray | None:
        """Tell for each chunk that the box touches whether a sample needs a voxel of it; None where all are needed.

        Of a plane a chunk grown by `reach` voxels is needed when its projection on the normal meets that of the slab.
        """
        if self.down is None:
            return self._chunks_by_sample(chunk, start, stop, reach)
        normal = cross(as_triple(self.down), as_triple(self.right[0]))
        if normal.count(0.0) == 2:  # along the voxel axes the box holds nothing else
            return None
        distance: FloatArray = np.full((1, 1, 1), -math.fsum(map(operator.mul, normal, self.starts[0].tolist())))
        radius: FloatArray = np.zeros((1, 1, 1))
        for axis in range(3):
            low, high = _chunk_ends(start[axis], stop[axis], chunk[axis], reach)
            if axis == 0 and self.knots_mm is not None:
                low, high = (_slice_mm(ends, self.knots_mm) for ends in (low, high))
            along = [-1 if axis == other else 1 for other in range(3)]
            distance = distance + (normal[axis] * (low + high) / 2.0).reshape(along)
            radius = radius + (abs(normal[axis]) * (high - low) / 2.0).reshape(along)
        depth = math.fsum(map(operator.mul, normal, self.step[0].tolist())) * (self.samples - 1)
        wanted: BoolArray = (distance + radius >= min(depth, 0.0)) & (distance - radius <= max(depth, 0.0))
        return None if wanted.all() else wanted

    def _chunks_by_sample(self, chunk: Box, start: Box, stop: Box, reach: int) -> BoolArray | None:
        starts, right, step = self.starts, self.right, self.step
        if self.knots_mm is not None:  # along z all are wanted: put every sample in the middle of all slices
            starts, right, step = (vectors * (0.0, 1.0, 1.0) for vectors in (starts, right, step))
        touched = touched_chunks(
            starts, right, step, self.columns, self.samples, reach=reach, chunk=chunk, start=start, stop=stop
        )
        if self.knots_mm is not None:
            touched[:] = touched.any(axis=0)
        return None if touched.all() else touched


def lay(plane: Plane | CurvedPlane, grid: VolumeGeometry, depth: Depth, gap_mm: float) -> Sampling:
    """Lay the samples of a plane or slab over a level's grid.

    What misses whole voxels by rounding errors alone is rounded, so that stored values come out untouched.
    """
    if isinstance(plane, CurvedPlane):
        starts = grid.grid_from_mm(plane.starts_mm + depth.near_mm * plane.normals)
        right, step = grid.grid_vectors(plane.right_mm), grid.grid_vectors(depth.step_mm * plane.normals)
        return Sampling(starts, right, step, None, plane.columns, depth.samples, grid.knots_mm, gap_mm)
    normal = plane.normal
    origin = np.array(plane.origin_mm) - grid.origin_mm + depth.near_mm * normal
    vectors = grid.grid_vectors(np.stack([origin, plane.down_mm, plane.right_mm, depth.step_mm * normal]))
    reach = max(plane.rows, plane.columns, depth.samples)
    whole = np.rint(vectors)
    is_whole = np.abs(vectors - whole) < np.array([[1e-5], *[[1e-5 / reach]] * 3])
    vectors = np.where(is_whole, whole, vectors)
    starts = vectors[0] + np.arange(plane.rows)[:, np.newaxis] * vectors[1]
    step = vectors[3:] if depth.samples > 1 else _NO_STEP
    return Sampling(starts, vectors[2:3], step, vectors[1], plane.columns, depth.samples, grid.knots_mm, gap_mm)


def slab_depth(plane: Plane | CurvedPlane, slab_mm: float, finest_mm: float, corners_mm: FloatArray) -> Depth:
    """Give how a slab about a plane is sampled: one sample each finest voxel step; it is cut to the volume."""
    if slab_mm <= 0.0:
        return Depth()
    near, far = -slab_mm / 2, slab_mm / 2
    if isinstance(plane, Plane):
        depths = (corners_mm - plane.origin_mm) @ plane.normal
        near, far = max(near, float(depths.min())), min(far, float(depths.max()))
    else:
        diagonal = float(np.linalg.norm(np.ptp(corners_mm, axis=0)))
        near, far = max(near, -diagonal), min(far, diagonal)
    if near >= far:
        return Depth()
    samples = math.ceil((far - near) / finest_mm - 1e-6) + 1
    return Depth(near, (far - near) / max(samples - 1, 1), samples)


def _chunk_ends(start: int, stop: int, size: int, reach: int) -> tuple[FloatArray, FloatArray]:
    """First and last voxel of the chunks from voxel `start` to `stop`, each moved outwards by `reach`."""
    first = np.arange(start // size, (stop - 1) // size + 1, dtype=np.float64) * size
    return first - reach, first + (size - 1 + reach)


def _slice_mm(slices: FloatArray, knots_mm: FloatArray) -> FloatArray:
    """Give where slices are; those beyond the ends are put as far out as slices lie apart at most."""
    farthest = float(np.diff(knots_mm).max())
    last = len(knots_mm) - 1
    beyond = np.maximum(slices - last, 0.0) - np.maximum(-slices, 0.0)
    return np.interp(slices, np.arange(len(knots_mm)), knots_mm) + farthest * beyond
