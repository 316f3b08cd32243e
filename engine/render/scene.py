"""A volume as rays see it: the level that matches, even slices, and voxels part by part in bounded memory.

Only chunks that can change the picture are read: those within its frame and what is not clipped, that hold, by the
ranges kept with the pyramid, a value that shows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InvalidArgument
from ...kernels import ranges
from ...kernels.raycast import Part, Rays, make_rays
from ...storage import pool
from ..geometry import FloatArray, VolumeGeometry
from ..volume import Level, Values, Volume
from .planes import Plane
from .sample import choose_level
from .sampling import BoolArray
from .window import stored_dtype

PART_BYTES = 256 << 20
"""Most memory of voxels at a time: a volume that needs more is seen part by part, front to back."""
MOST_SAMPLES = 1 << 33
"""Most samples that one picture may cost: a bound on time."""
_ROUNDING = 1e-6
_MARGIN_VOXELS = 2.0
_LEAST_RUN = 4

Shows = Callable[[NDArray[Any], NDArray[Any]], BoolArray]
"""Tells for least and greatest stored values of bricks whether one between them shows."""


@dataclass(frozen=True)
class Scene:
    """What is seen, how, and where: all vectors in voxels of a level with even slices."""

    volume: Volume
    level: Level
    grid: VolumeGeometry
    """Of `slices` even slices."""
    slices: int
    rays: Rays
    rows: int
    columns: int
    inside: FloatArray
    """(n, 4): samples are where z, y, x · the first three plus the last are not negative."""
    frame: FloatArray
    """(4, 4): the edges of the picture, in the same form."""
    step_mm: float

    @property
    def shape(self) -> tuple[int, int, int]:
        """(z, y, x) of the voxels that rays meet."""
        return (self.slices, *self.level.shape[1:])

    @property
    def is_stored(self) -> bool:
        """Whether rays meet stored values; else modality values, float32, NaN where there are none."""
        return self.grid is self.level.geometry and self.volume.is_rescale_even

    @property
    def rescale(self) -> tuple[float, float]:
        """Slope and intercept from the values that rays meet to modality values."""
        if not self.is_stored:
            return 1.0, 0.0
        slope, intercept = self.volume.rescale[0]
        return float(slope), float(intercept)

    def parts(self, shows: Shows, padding: float, margin: int) -> Iterator[tuple[Part, Values, Values]]:
        """Give the parts in the order in which rays meet them, with least and greatest value of their bricks.

        `padding` stands where stored values are padding; `margin` slices before a part's own are read with it.
        """
        ranges_here = self.level.array.brick_ranges() if self.is_stored else None
        runs = self._runs()
        for first, stop in runs if self.rays.step[0] >= 0 else reversed(runs):
            begin, end = max(first - ranges.BRICK * -(-margin // ranges.BRICK), 0), min(stop + 1 + margin, self.slices)
            lows = highs = None
            wanted = self._chunks_in_sight(begin, end)
            if ranges_here is not None:
                bricks = slice(begin // ranges.BRICK, -(-end // ranges.BRICK))
                lows, highs = ranges_here[0][bricks], ranges_here[1][bricks]
                wanted &= self._chunks_that_show(shows(lows, highs), begin, wanted.shape)
            if not wanted.any():
                continue
            voxels = self._read(begin, end, wanted, padding)
            if lows is None or highs is None:
                lows, highs = _found_ranges(voxels)
            yield Part(voxels, begin, self.slices, (first, stop)), lows, highs

    def _runs(self) -> list[tuple[int, int]]:
        """Cut the slices into runs of whole chunks that fit in memory."""
        _, y, x = self.level.shape
        item_bytes = stored_dtype(self.level.dtype).itemsize if self.is_stored else 4
        step = math.lcm(self.level.chunk_shape[0], ranges.BRICK) if self.is_stored else ranges.BRICK
        depth = max(PART_BYTES // (y * x * item_bytes) // step, 1) * step
        return [(first, min(first + depth, self.slices)) for first in range(0, self.slices, depth)]

    def _read(self, begin: int, end: int, wanted: BoolArray, padding: float) -> Values:
        """Read slices; those that differ in rescale, or lie unevenly, become modality values on even slices."""
        z, y, x = self.level.shape
        if self.is_stored:
            chosen = None if wanted.all() else wanted
            values = self.level.array.read_box((begin, 0, 0), (end, y, x), chosen)
            return _without_padding(values.astype(stored_dtype(values.dtype), copy=False), self.volume, padding)
        near, far, share = self._neighbours(np.arange(begin, end))
        known = np.maximum(near, far) >= 0
        first, last = (int(near[known].min()), int(far[known].max()) + 1) if known.any() else (0, 1)
        values = self.level.array.read_box((first, 0, 0), (min(last, z), y, x))
        shown = values.astype(np.float32)
        slopes, intercepts = self.volume.rescale.astype(np.float32)[first:last].T[:, :, np.newaxis, np.newaxis]
        shown = shown * slopes + intercepts
        if self.volume.padding_value is not None:
            shown[values == self.volume.padding_value] = np.nan
        even = np.full((end - begin, y, x), np.nan, np.float32)
        for k in np.flatnonzero(known).tolist():
            below, above, part = shown[near[k] - first], shown[far[k] - first], np.float32(share[k])
            even[k] = below if part == 0 else below + part * (above - below)
        return even

    def _neighbours(self, numbers: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64], FloatArray]:
        """Give the stored slices on both sides of even ones, and how far between them; -1 where slices are missing."""
        knots = self.level.grid.knots_mm
        if knots is None:
            return numbers, numbers, np.zeros(len(numbers))
        at = numbers * self.grid.spacing_mm[0]
        near = np.clip(np.searchsorted(knots, at + _ROUNDING, side="right") - 1, 0, len(knots) - 2)
        interval = knots[near + 1] - knots[near]
        share = np.clip((at - knots[near]) / interval, 0.0, 1.0)
        share[share < _ROUNDING] = 0.0
        far = near + 1
        if "gapped" in self.volume.verdict.kinds:
            reach = self.grid.spacing_mm[0] / 2
            is_gap = interval > 3 * reach
            is_near, is_far = share * interval <= reach, (1 - share) * interval <= reach
            near = np.where(is_gap & is_far, far, near)
            far = np.where(is_gap & is_near, near, far)
            missing = is_gap & ~is_near & ~is_far
            near[missing] = far[missing] = -1
        return near, far, share

    def _chunks_in_sight(self, begin: int, end: int) -> BoolArray:
        """Tell for each chunk of slices begin to end whether it, and two voxels about it, meet what is seen."""
        chunk = self.level.chunk_shape
        normals = np.concatenate([self.inside, self.frame])
        height = normals[:, 3].reshape(-1, 1, 1, 1)
        for axis, (first, stop) in enumerate([(begin, end), (0, self.shape[1]), (0, self.shape[2])]):
            low = np.arange(first // chunk[axis], (stop - 1) // chunk[axis] + 1) * float(chunk[axis])
            middle, reach = low + (chunk[axis] - 1) / 2, (chunk[axis] - 1) / 2 + _MARGIN_VOXELS
            slopes = normals[:, axis : axis + 1]
            along = [len(middle) if axis == other else 1 for other in range(3)]
            height = height + (slopes * middle + np.abs(slopes) * reach).reshape(-1, *along)
        return np.asarray((height >= 0).all(axis=0))

    def _chunks_that_show(self, is_shown: BoolArray, begin: int, chunks: tuple[int, ...]) -> BoolArray:
        """Tell which chunks, two voxels about them included, meet a brick that shows."""
        found = is_shown.astype(np.float32)
        for axis in range(3):
            size, start = self.level.chunk_shape[axis], begin if axis == 0 else 0
            chunk = (np.arange(chunks[axis]) + start // size)[:, np.newaxis] * size
            brick = np.arange(is_shown.shape[axis]) * ranges.BRICK + start
            meets = (brick <= chunk + size + _MARGIN_VOXELS) & (brick + ranges.BRICK >= chunk - _MARGIN_VOXELS)
            found = np.moveaxis(np.tensordot(meets.astype(np.float32), found, (1, axis)), 0, axis)
        return found > 0


def make_scene(volume: Volume, plane: Plane, half_spaces_mm: FloatArray, steps_a_voxel: float) -> Scene:
    """Lay rays through a plane of pixels over the level that matches it; raises `InvalidArgument` for too many samples.

    `half_spaces_mm` (n, 4) bound what is seen, in patient mm.
    """
    level = volume.level(choose_level(volume, plane))
    grid, slices = _even(level)
    step_mm = min(grid.spacing_mm) / steps_a_voxel
    # From the outermost centres on, so that rays along an axis meet voxels, not the middles between them.
    ends = np.array(list(np.ndindex(2, 2, 2))) * (np.array((slices, *level.shape[1:])) - 1)
    depths = (grid.mm_from_voxel(ends) - plane.origin_mm) @ plane.normal
    near = float(depths.min())
    samples = math.ceil((float(depths.max()) - near) / step_mm - _ROUNDING) + 1
    if samples * plane.rows * plane.columns > MOST_SAMPLES:
        raise InvalidArgument(f"{plane.columns} × {plane.rows} pixels, {samples} samples deep: ask for a smaller size")
    origin = grid.grid_from_mm(np.asarray(plane.origin_mm) + near * plane.normal)
    down, right, step = grid.grid_vectors(np.array([plane.down_mm, plane.right_mm, step_mm * plane.normal]))
    rays = make_rays(origin, down, right, step, samples)
    inside, frame = _in_voxels(grid, half_spaces_mm), _in_voxels(grid, _frame(plane))
    return Scene(volume, level, grid, slices, rays, plane.rows, plane.columns, inside, frame, step_mm)


def _even(level: Level) -> tuple[VolumeGeometry, int]:
    """Give the level's geometry with even slices, and how many those are."""
    grid = level.grid
    if grid.slice_offsets_mm is None:
        return grid, level.shape[0]
    slices = math.floor(grid.slice_offsets_mm[-1] / grid.spacing_mm[0] + _ROUNDING) + 1
    return replace(grid, slice_offsets_mm=None), slices


def _in_voxels(grid: VolumeGeometry, half_spaces_mm: FloatArray) -> FloatArray:
    normals, heights = half_spaces_mm[:, :3], half_spaces_mm[:, 3]
    heights = normals @ np.asarray(grid.origin_mm) + heights
    return np.ascontiguousarray(np.column_stack([normals @ grid.steps_mm.T, heights]))


def _frame(plane: Plane) -> FloatArray:
    """Give the half spaces between the picture's edges, half a pixel beyond the outermost centres."""
    rows = []
    for step, count in ((plane.right_mm, plane.columns), (plane.down_mm, plane.rows)):
        vector = np.asarray(step) / float(np.dot(step, step))
        first = float(vector @ plane.origin_mm)
        rows += [np.append(vector, 0.5 - first), np.append(-vector, first + count - 0.5)]
    return np.array(rows)


def _without_padding(values: Values, volume: Volume, padding: float) -> Values:
    if (
        volume.padding_value is None
        or not math.isfinite(padding)
        or not np.any(is_padding := values == volume.padding_value)
    ):
        return values
    if values.dtype.kind != "f":
        limits = np.iinfo(values.dtype)  # type: ignore[type-var]
        padding = float(np.clip(round(padding), limits.min, limits.max))
    return np.where(is_padding, values.dtype.type(padding), values)


def _found_ranges(voxels: Values) -> tuple[Values, Values]:
    """Find the ranges of bricks that no archive has kept, on the pool."""
    counts = ranges.brick_counts(voxels.shape)
    lows, highs = np.empty(counts, voxels.dtype), np.empty(counts, voxels.dtype)

    def find(run: tuple[int, int]) -> None:
        first, stop = run
        box = voxels[first * ranges.BRICK : stop * ranges.BRICK + 1]
        found = ranges.brick_ranges(box)
        lows[first:stop], highs[first:stop] = found[0][: stop - first], found[1][: stop - first]

    pool.run_all(find, pool.split(counts[0], _LEAST_RUN))
    return lows, highs
