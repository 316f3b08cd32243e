"""Where the frames of one segment lie: a regular grid with frames missing, for empty frames are seldom stored."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from ...errors import FormatError
from ..geometry import FloatArray, IntArray, Verdict, VolumeGeometry, arrange, as_triple
from ..instance import FrameTable

MOST_SLICES = 1 << 16
"""From the first frame of a segment to the last: more is a position that lies."""
_OFF_GRID = 0.1
"""Frames further from a regular grid than this part of its step keep their own places."""
_SAME_MM = 1e-3
_MISSING = Verdict(("gapped",), "frames of a segment", {})


@dataclass(frozen=True, eq=False)
class Lattice:
    """A grid of slices, and the frame in each."""

    geometry: VolumeGeometry
    verdict: Verdict
    frames: IntArray
    """(slices,) numbers of frames, -1 where none is stored."""
    margin: tuple[int, int] = (0, 0)
    """Rows and columns, on each side, in which there is nothing."""

    def with_margin(self, margin_mm: float) -> Lattice:
        """Give the same with nothing around it, so far: what is outside of a segment counts in a mean as well."""
        z, y, x = (math.ceil(margin_mm / step_mm) + 1 for step_mm in self.geometry.spacing_mm)
        offsets = self.geometry.slice_offsets_mm
        step_mm = self.geometry.spacing_mm[0]
        if offsets is not None:
            beyond = step_mm * np.arange(1, z + 1)
            whole = np.concatenate([-beyond[::-1], offsets, offsets[-1] + beyond]) + beyond[-1]
            offsets = tuple(whole.tolist())
        back = np.array([z, y, x]) @ self.geometry.steps_mm
        geometry = replace(self.geometry, origin_mm=as_triple(self.geometry.origin_mm - back), slice_offsets_mm=offsets)
        frames = np.pad(self.frames, z, constant_values=-1)
        return Lattice(geometry, self.verdict, frames, (y, x))


def lay_frames(table: FrameTable, frames: IntArray, stated_mm: float) -> list[Lattice]:
    """Lay `frames` of a table out; those without a place are left out.

    `stated_mm` is Spacing Between Slices, NaN where it is unknown. A frame that is alone among empty ones is as thick
    as that, else as its Slice Thickness. Frames in one place lie in lattices of their own, and so does each frame
    where they are not parallel. Raises `FormatError` for positions too far apart.
    """
    return [
        _lattice(table, rows[order], geometry, stated_mm)
        for rows in _passes(table, frames)
        for order, geometry in _parallel(table, rows)
    ]


def _passes(table: FrameTable, frames: IntArray) -> Iterator[IntArray]:
    """Give runs of frames of which no two are in one place."""
    seen: dict[tuple[float, ...], int] = defaultdict(int)
    passes: dict[int, list[int]] = defaultdict(list)
    for frame in frames.tolist():
        place = (*table.position_mm[frame].tolist(), *table.orientation[frame].tolist())
        if all(map(math.isfinite, place)):
            key = tuple(round(part / _SAME_MM) for part in place)
            passes[seen[key]].append(frame)
            seen[key] += 1
    return (np.array(rows, np.int64) for rows in passes.values())


def _parallel(table: FrameTable, rows: IntArray) -> Iterator[tuple[IntArray, VolumeGeometry]]:
    """Give frames that form a grid, in order, as places in `rows`."""
    for arrangement in arrange(_part(table, rows)):
        order = arrangement.order.ravel()
        if arrangement.geometry is not None and len(arrangement.order) == 1:
            yield order, arrangement.geometry
            continue
        for one in order.tolist():
            alone = arrange(_part(table, rows[[one]]))[0]
            if alone.geometry is not None:
                yield np.array([one], np.int64), alone.geometry


def _part(table: FrameTable, rows: IntArray) -> FrameTable:
    """Give some rows, all as of one stack: segments lie where they lie."""
    return FrameTable(
        position_mm=table.position_mm[rows],
        orientation=table.orientation[rows],
        spacing_mm=table.spacing_mm[rows],
        thickness_mm=table.thickness_mm[rows],
        rescale=table.rescale[rows],
        window=table.window[rows],
        time_key=table.time_key[rows],
        stack_id=("",) * len(rows),
    )


def _lattice(table: FrameTable, frames: IntArray, geometry: VolumeGeometry, stated_mm: float) -> Lattice:
    _, y_mm, x_mm = geometry.spacing_mm
    across = np.cross(geometry.directions[1], geometry.directions[2])
    slant = abs(float(np.dot(across / np.linalg.norm(across), geometry.directions[0])))
    thickness_mm = float(table.thickness_mm[frames[0]]) / slant
    if len(frames) == 1:
        step_mm = _first_above_zero(stated_mm, thickness_mm, geometry.spacing_mm[0])
        placed = replace(geometry, spacing_mm=(step_mm, y_mm, x_mm), slice_offsets_mm=None)
        return Lattice(placed, _MISSING, frames)
    offsets = np.array(geometry.slice_offsets_mm or np.arange(len(frames)) * geometry.spacing_mm[0])
    step_mm = _step_mm(offsets, stated_mm / slant, thickness_mm)
    if offsets[-1] / step_mm >= MOST_SLICES:
        raise FormatError(f"frames of a segment lie {offsets[-1]:g} mm apart, in steps of {step_mm:g} mm: too many")
    numbers = np.rint(offsets / step_mm)
    fitted_mm = float(offsets @ numbers / (numbers @ numbers))
    if np.abs(offsets - fitted_mm * numbers).max() > _OFF_GRID * fitted_mm or len(np.unique(numbers)) < len(numbers):
        uneven = replace(geometry, spacing_mm=(step_mm, y_mm, x_mm), slice_offsets_mm=tuple(offsets.tolist()))
        return Lattice(uneven, _MISSING, frames)
    slices = np.full(int(numbers[-1]) + 1, -1, np.int64)
    slices[numbers.astype(np.int64)] = frames
    return Lattice(replace(geometry, spacing_mm=(fitted_mm, y_mm, x_mm), slice_offsets_mm=None), _MISSING, slices)


def _step_mm(offsets: FloatArray, stated_mm: float, thickness_mm: float) -> float:
    """Give the step of the grid: as stated, never more than the nearest two frames are apart."""
    nearest_mm = float(np.diff(offsets).min())
    if stated_mm > 0:
        return min(stated_mm, nearest_mm)
    # Slices with gaps between them touch no other; a step of more than twice the thickness is no step.
    return nearest_mm if not thickness_mm > 0 or nearest_mm <= 2 * thickness_mm else thickness_mm


def _first_above_zero(*values: float) -> float:
    return next((value for value in values if 0 < value < math.inf), 1.0)
