"""Where frames lie in the patient: what forms a volume, and the affine that says where its voxels are.

Everything is in the patient coordinate system (LPS: x to the left, y to the back, z to the head), in
millimetres. Frames are ordered by where they are, along the normal of their plane; instance numbers and file
names are never asked. `arrange` is the entry: frames in, stacks in spatial order out, each with its verdict.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import Damaged
from .instance import FrameTable

FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]
Triple: TypeAlias = tuple[float, float, float]

KINDS = ("uniform", "tilted", "uneven", "gapped", "temporal", "mixed", "flat")
_SPATIAL = frozenset(("uniform", "tilted", "uneven", "gapped"))
_RESAMPLED = frozenset(("uneven", "gapped"))

TILT_DEG = 0.1
"""A stacking direction further from the normal is a gantry tilt; rounded headers stay well below."""
COSINE_TOLERANCE = 1e-3
"""Direction cosines that differ by less belong to one orientation (0.06 degrees)."""
MAX_ORIENTATIONS = 64
"""Stacks of more orientations are called mixed: the search is linear in their number."""
_ORTHONORMAL_TOLERANCE = 1e-2
_LARGEST_MM = 1e7
_CORNERS = np.array([(z, y, x) for z in (0.0, 1.0) for y in (0.0, 1.0) for x in (0.0, 1.0)])


def as_triple(values: ArrayLike) -> Triple:
    """Give three numbers as plain floats: hashable, comparable, and writable as JSON."""
    first, second, third = np.asarray(values, dtype=np.float64).tolist()
    return (first, second, third)


def cross(a: Triple, b: Triple) -> Triple:
    """Give the vector product; NumPy's takes twenty times as long for one pair."""
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]


@dataclass(frozen=True)
class Verdict:
    """What geometry found of a stack: its kinds, the reason for people, and the figures behind it."""

    kinds: tuple[str, ...]
    """One or more of `KINDS`; several may hold, as in ("tilted", "uneven") or ("uniform", "temporal")."""
    reason: str
    figures: Mapping[str, float | list[float]]
    """Named values with their unit in the name: `tilt_deg`, `spacing_mm`, `intervals_mm`, `times`, …"""

    def __str__(self) -> str:
        return f"{', '.join(self.kinds)}: {self.reason}"

    @property
    def is_volume(self) -> bool:
        """Whether the frames fill a region of space, evenly or not."""
        return bool(_SPATIAL.intersection(self.kinds))

    @property
    def needs_resampling(self) -> bool:
        """Whether the slices are unevenly spaced: planes across them are made only when asked for."""
        return bool(_RESAMPLED.intersection(self.kinds))

    @property
    def is_reformattable(self) -> bool:
        """Whether any plane may be cut without inventing anything between unevenly spaced slices."""
        return self.is_volume and not self.needs_resampling

    def to_json(self) -> dict[str, Any]:
        """Give a value that `json.dumps` writes and `from_json` reads."""
        return {"kinds": list(self.kinds), "reason": self.reason, "figures": dict(self.figures)}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Read what `to_json` gave; raise `Damaged` if it is something else."""
        try:
            kinds = tuple(str(kind) for kind in stored["kinds"])
            verdict = cls(kinds, str(stored["reason"]), dict(stored["figures"]))
        except (KeyError, TypeError, ValueError) as error:
            raise Damaged(f"a stored verdict is not readable: {error!r}") from error
        if not kinds or not set(kinds) <= set(KINDS):
            raise Damaged(f"a stored verdict names kinds that do not exist: {kinds}")
        return verdict


@dataclass(frozen=True)
class VolumeGeometry:
    """The map between voxels (z, y, x) and patient millimetres; voxel (0, 0, 0) is a voxel's centre."""

    origin_mm: Triple
    """Patient position of the centre of voxel (0, 0, 0)."""
    directions: tuple[Triple, Triple, Triple]
    """Unit vectors of the voxel axes z, y, x; z is no normal of y and x where the gantry was tilted."""
    spacing_mm: Triple
    """Step along each voxel axis z, y, x; along z the usual step where the slices are uneven."""
    slice_offsets_mm: tuple[float, ...] | None = None
    """Distance of each slice from the first along direction z, rising; None where the step is even."""

    @property
    def affine(self) -> FloatArray:
        """(4, 4) from voxel (z, y, x, 1) to (x, y, z, 1) in mm; of uneven slices, an approximation."""
        affine = np.eye(4)
        affine[:3, :3] = self.steps_mm.T
        affine[:3, 3] = self.origin_mm
        return affine

    @property
    def steps_mm(self) -> FloatArray:
        """(3, 3) the patient vector of one voxel step along z, y and x, one a row."""
        steps: FloatArray = np.array(self.directions) * np.array(self.spacing_mm)[:, np.newaxis]
        return steps

    @cached_property
    def knots_mm(self) -> FloatArray | None:
        """The slice offsets as an array, for the kernels; None where the step is even."""
        return None if self.slice_offsets_mm is None else np.asarray(self.slice_offsets_mm)

    @cached_property
    def grid_steps_mm(self) -> FloatArray:
        """(3, 3) the patient vector of one grid unit along z, y and x, one a row.

        Grid coordinates are voxel indices, but for z where slices are uneven: there it counts millimetres
        along the stacking direction, as the kernels want it, so that a plane of the patient stays a plane.
        """
        steps = self.steps_mm
        if self.slice_offsets_mm is not None:
            steps[0] = self.directions[0]
        return steps

    def grid_vectors(self, vectors_mm: ArrayLike) -> FloatArray:
        """Give patient vectors (…, 3) as steps of grid coordinates (…, 3) in z, y, x."""
        return np.asarray(np.asarray(vectors_mm, dtype=np.float64) @ self._grid_from_mm)

    @cached_property
    def _grid_from_mm(self) -> FloatArray:
        return np.asarray(np.linalg.inv(self.grid_steps_mm))

    def grid_from_mm(self, points_mm: ArrayLike) -> FloatArray:
        """Give patient points (…, 3) in grid coordinates (…, 3) in z, y, x; see `grid_steps_mm`."""
        return self.grid_vectors(np.asarray(points_mm, dtype=np.float64) - self.origin_mm)

    def voxel_from_mm(self, points_mm: ArrayLike) -> FloatArray:
        """Give the fractional voxel indices (…, 3) in z, y, x of patient points (…, 3)."""
        voxels = self.grid_from_mm(points_mm)
        if self.slice_offsets_mm is not None:
            offsets = np.asarray(self.slice_offsets_mm)
            voxels[..., 0] = _piecewise(voxels[..., 0], offsets, np.arange(len(offsets), dtype=np.float64))
        return voxels

    def mm_from_voxel(self, voxels: ArrayLike) -> FloatArray:
        """Give the patient points (…, 3) of fractional voxel indices (…, 3) in z, y, x."""
        grid = np.array(voxels, dtype=np.float64)
        if self.slice_offsets_mm is not None:
            offsets = np.asarray(self.slice_offsets_mm)
            grid[..., 0] = _piecewise(grid[..., 0], np.arange(len(offsets), dtype=np.float64), offsets)
        return np.asarray(grid @ self.grid_steps_mm + self.origin_mm)

    def corners_mm(self, shape_zyx: Sequence[int]) -> FloatArray:
        """(8, 3) the patient positions of the outer corners of the outermost voxels."""
        return self.mm_from_voxel(_CORNERS * shape_zyx - 0.5)

    def shrunk(self, factors_zyx: Sequence[int]) -> VolumeGeometry:
        """Give the geometry of a pyramid level whose voxels are means over blocks of `factors_zyx` voxels.

        The mean of a block lies in the block's middle, so the origin moves by (factor - 1) / 2 voxels.
        """
        factors = np.asarray(factors_zyx, dtype=np.float64)
        shift = (factors - 1.0) / 2.0
        spacing = as_triple(np.asarray(self.spacing_mm) * factors)
        if self.slice_offsets_mm is None:
            origin = np.asarray(self.origin_mm) + shift @ self.steps_mm
            return replace(self, origin_mm=as_triple(origin), spacing_mm=spacing)
        means = _block_means(np.asarray(self.slice_offsets_mm), int(factors_zyx[0]))
        origin = np.asarray(self.origin_mm) + np.array([means[0], *shift[1:]]) @ self.grid_steps_mm
        offsets = tuple(float(mean) for mean in means - means[0]) if len(means) > 1 else None
        return replace(self, origin_mm=as_triple(origin), spacing_mm=spacing, slice_offsets_mm=offsets)

    def to_json(self) -> dict[str, Any]:
        """Give a value that `json.dumps` writes and `from_json` reads, exactly."""
        offsets = self.slice_offsets_mm
        return {
            "origin_mm": list(self.origin_mm),
            "directions": [list(direction) for direction in self.directions],
            "spacing_mm": list(self.spacing_mm),
            "slice_offsets_mm": None if offsets is None else list(offsets),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Read what `to_json` gave; raise `Damaged` if it is something else."""
        try:
            z, y, x = (as_triple(direction) for direction in stored["directions"])
            offsets = stored["slice_offsets_mm"]
            return cls(
                as_triple(stored["origin_mm"]),
                (z, y, x),
                as_triple(stored["spacing_mm"]),
                None if offsets is None else tuple(float(offset) for offset in offsets),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise Damaged(f"a stored geometry is not readable: {error!r}") from error


UNPLACED = VolumeGeometry((0.0, 0.0, 0.0), ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0)), (1.0, 1.0, 1.0))
"""The grid of frames whose place is unknown, one unit a voxel: for showing a slice, never for measuring."""


def _piecewise(values: FloatArray, knots: FloatArray, images: FloatArray) -> FloatArray:
    """Map rising `knots` onto `images`, linearly between them and on beyond the ends."""
    segment = np.clip(np.searchsorted(knots, values, side="right") - 1, 0, len(knots) - 2)
    slopes = np.diff(images) / np.diff(knots)
    return np.asarray(images[segment] + (values - knots[segment]) * slopes[segment])


def _block_means(offsets: FloatArray, factor: int) -> FloatArray:
    """Mean of each run of `factor` offsets; the last run may be shorter."""
    starts = np.arange(0, len(offsets), factor)
    counts = np.diff(np.append(starts, len(offsets)))
    return np.asarray(np.add.reduceat(offsets, starts) / counts)


@dataclass(frozen=True, eq=False)
class Arrangement:
    """Frames of one stack in spatial and temporal order, and what that order amounts to."""

    order: IntArray
    """(times, slices) row numbers of the frame table."""
    verdict: Verdict
    geometry: VolumeGeometry | None
    """None where the frames have no common grid (mixed), or no place at all."""


def arrange(frames: FrameTable) -> list[Arrangement]:
    """Put frames in order by their position along the slice normal, one arrangement a stack.

    Frames of different `stack_id` are apart, in order of first appearance, unless all lie on one line and none where
    another is: a scanner that changes its mode half-way (Image Type) still makes one series of slices. Frames of
    several orientations are apart too, where each has two slices or more. Never raises: what forms no volume is
    `flat` or `mixed`, with a reason.
    """
    groups = _rows_by_stack(frames.stack_id)
    if len(groups) > 1 and _is_one_line(frames):
        groups = [np.arange(len(frames), dtype=np.int64)]
    return [part for rows in groups for part in _arrange_stack(frames, rows)]


def _is_one_line(frames: FrameTable) -> bool:
    """Whether parallel frames of one spacing lie at different depths, all on one straight line."""
    rows = np.arange(len(frames), dtype=np.int64)
    if _problem_of_headers(frames, rows) or len(_orientation_clusters(frames.orientation)) > 1:
        return False
    if np.ptp(frames.spacing_mm, axis=0).max() > 1e-3 * frames.spacing_mm.min():
        return False
    depths = frames.position_mm @ _axes(frames, 0)[2]
    by_depth = np.argsort(depths)
    steps = np.diff(depths[by_depth])
    if steps.min() <= _same_position_mm(frames, rows):
        return False
    positions = frames.position_mm[by_depth]
    along = (depths[by_depth] - depths[by_depth[0]]) / steps.sum()
    off_line = positions - positions[0] - along[:, np.newaxis] * (positions[-1] - positions[0])
    return float(np.linalg.norm(off_line, axis=1).max()) < 1e-2 * float(frames.spacing_mm.min())


def _rows_by_stack(stack_ids: Sequence[str]) -> list[IntArray]:
    rows: dict[str, list[int]] = {}
    for row, stack_id in enumerate(stack_ids):
        rows.setdefault(stack_id, []).append(row)
    return [np.array(members, dtype=np.int64) for members in rows.values()]


def _arrange_stack(frames: FrameTable, rows: IntArray) -> list[Arrangement]:
    problem = _problem_of_headers(frames, rows)
    if len(rows) == 1:
        return [_single_frame(frames, rows, problem)]
    if problem:
        return [_mixed(rows, problem)]
    clusters = _orientation_clusters(frames.orientation[rows])
    parts = [rows[members] for members in clusters]
    if len(parts) > 1 and not all(_has_two_positions(frames, part) for part in parts):
        return [_mixed(rows, f"{len(parts)} orientations or more, not each with two slices at least")]
    return [_arrange_parallel(frames, part) for part in parts]


def _problem_of_headers(frames: FrameTable, rows: IntArray) -> str:
    """Say why these frames have no place in the patient, or give ""."""
    placed = np.all(np.abs(frames.position_mm[rows]) < _LARGEST_MM, axis=1)
    if not placed.all():
        return _without("Image Position (Patient)", placed)
    oriented = np.all(np.abs(frames.orientation[rows]) < _LARGEST_MM, axis=1)
    if not oriented.all():
        return _without("Image Orientation (Patient)", oriented)
    sound = _is_orthonormal(frames.orientation[rows])
    if not sound.all():
        cosines = ", ".join(f"{cosine:g}" for cosine in frames.orientation[rows][~sound][0])
        return f"Image Orientation (Patient) is no pair of orthogonal unit vectors: ({cosines})"
    spaced = np.all((frames.spacing_mm[rows] > 0) & (frames.spacing_mm[rows] < _LARGEST_MM), axis=1)
    return "" if spaced.all() else _without("Pixel Spacing", spaced)


def _without(attribute: str, has_it: NDArray[np.bool_]) -> str:
    """Say that an attribute is missing, and in how many frames where some have it."""
    some = f" in {np.count_nonzero(~has_it)} of {len(has_it)} frames" if has_it.any() else ""
    return f"no {attribute}{some}"


def _is_orthonormal(orientation: FloatArray) -> NDArray[np.bool_]:
    row, column = orientation[:, :3], orientation[:, 3:]
    products = np.stack([(row * row).sum(1) - 1.0, (column * column).sum(1) - 1.0, (row * column).sum(1)])
    return np.asarray(np.all(np.abs(products) < _ORTHONORMAL_TOLERANCE, axis=0))


def _orientation_clusters(orientation: FloatArray) -> list[IntArray]:
    """Row numbers by orientation, in order of first appearance.

    Beyond `MAX_ORIENTATIONS` one cluster of one row follows, and the rest is left out: too mixed to be split.
    """
    left = np.arange(len(orientation), dtype=np.int64)
    clusters: list[IntArray] = []
    while len(left):
        differs = np.abs(orientation[left] - orientation[left[0]]).max(axis=1) > COSINE_TOLERANCE
        if len(clusters) == MAX_ORIENTATIONS:
            differs[1:] = True
        clusters.append(left[~differs])
        left = left[differs] if len(clusters) <= MAX_ORIENTATIONS else left[:0]
    return clusters


def _axes(frames: FrameTable, row: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Unit vectors along x (a row of pixels), y (a column), and their normal, of one frame."""
    along_row, along_column = (part / np.linalg.norm(part) for part in np.split(frames.orientation[row], 2))
    normal = np.cross(along_row, along_column)
    return along_row, along_column, normal / np.linalg.norm(normal)


def _same_position_mm(frames: FrameTable, rows: IntArray) -> float:
    """Depths closer than this are one position: a hundredth of a pixel, but a micrometre at most."""
    return min(1e-3, 1e-2 * float(frames.spacing_mm[rows].min()))


def _has_two_positions(frames: FrameTable, rows: IntArray) -> bool:
    depths = frames.position_mm[rows] @ _axes(frames, int(rows[0]))[2]
    return float(np.ptp(depths)) > _same_position_mm(frames, rows)


def _arrange_parallel(frames: FrameTable, rows: IntArray) -> Arrangement:
    """Arrange frames of one orientation: at each position along the normal, the same number of times."""
    spacing = frames.spacing_mm[rows]
    if np.any(np.abs(spacing - spacing[0]) > 1e-3 * spacing[0]):
        low, high = spacing.min(), spacing.max()
        return _mixed(rows, f"Pixel Spacing differs between frames, from {low:.4g} to {high:.4g} mm")
    depths = frames.position_mm[rows] @ _axes(frames, int(rows[0]))[2]
    by_depth = np.argsort(depths, kind="stable")
    is_next = np.diff(depths[by_depth], prepend=depths[by_depth[0]]) > _same_position_mm(frames, rows)
    position_number = np.empty(len(rows), dtype=np.int64)
    position_number[by_depth] = np.cumsum(is_next)
    counts = np.bincount(position_number)
    if counts.min() != counts.max():
        return _mixed(rows, _unequal_counts(counts, depths[by_depth[np.cumsum(counts) - 1]]))
    order = rows[np.lexsort((frames.time_key[rows], position_number))].reshape(len(counts), -1).T
    return _arrange_grid(frames, np.ascontiguousarray(order))


def _unequal_counts(counts: IntArray, depths: FloatArray) -> str:
    usual = int(np.median(counts))
    odd = np.flatnonzero(counts != usual)
    named = ", ".join(f"{counts[index]} at {depths[index]:.2f} mm" for index in odd[:3])
    more = f" and {len(odd) - 3} more" if len(odd) > 3 else ""
    return f"{usual} frames at most of {len(counts)} positions along the normal, but {named}{more}"


def _arrange_grid(frames: FrameTable, order: IntArray) -> Arrangement:
    """Judge frames ordered as (times, slices): do they lie on one line, and how are they spaced along it."""
    positions = frames.position_mm[order]
    first, last = positions[0, 0], positions[0, -1]
    x, y, normal = _axes(frames, int(order[0, 0]))
    extent = float((last - first) @ normal)
    travel = (last - first) / extent if order.shape[1] > 1 else normal
    depths = (positions - first) @ normal
    shift = float(np.linalg.norm(positions - first - depths[..., np.newaxis] * travel, axis=-1).max())
    if shift > 0.25 * float(frames.spacing_mm[order[0, 0]].min()):
        return _mixed(np.sort(order, axis=None), f"frames are shifted in their plane, by up to {shift:.2f} mm")
    if order.shape[1] == 1:
        return _one_position(frames, order)
    stretch = float(np.linalg.norm(travel))
    offsets = depths[0] * stretch
    verdict = _judge(offsets, float(np.degrees(np.arctan(np.linalg.norm(travel - normal)))), len(order))
    y_mm, x_mm = frames.spacing_mm[order[0, 0]]
    geometry = VolumeGeometry(
        as_triple(first),
        (as_triple(travel / stretch), as_triple(y), as_triple(x)),
        as_triple((verdict.figures["spacing_mm"], y_mm, x_mm)),
        tuple(float(offset) for offset in offsets) if verdict.needs_resampling else None,
    )
    return Arrangement(order, verdict, geometry)


def _judge(offsets_mm: FloatArray, tilt_deg: float, times: int) -> Verdict:
    """Give the verdict on slices at `offsets_mm` along a direction `tilt_deg` off their normal."""
    slices = len(offsets_mm)
    kinds, reasons = [], []
    figures: dict[str, float | list[float]] = {
        "slices": float(slices),
        "times": float(times),
        "tilt_deg": tilt_deg,
    }
    if tilt_deg > TILT_DEG:
        kinds.append("tilted")
        reasons.append(f"the stacking direction is {tilt_deg:.2f} degrees off the slice normal")
    kind, spacing_mm = _kind_of_spacing(offsets_mm)
    figures["spacing_mm"] = spacing_mm
    if kind == "uniform":
        reasons.append(f"{slices} slices, {spacing_mm:.4g} mm apart")
    else:
        runs = _runs(np.diff(offsets_mm))
        figures |= {
            "interval_mm": [run[0] for run in runs],
            "interval_from_slice": [float(run[1]) for run in runs],
        }
        reasons.append(_describe_runs(kind, runs))
    if kind != "uniform" or not kinds:
        kinds.append(kind)
    if times > 1:
        kinds.append("temporal")
        reasons.append(f"{times} times at each position")
    return Verdict(tuple(kinds), "; ".join(reasons), figures)


def _spacing_tolerance_mm(spacing_mm: float) -> float:
    """How far a slice may lie off an even grid: 1 % of a step, or the 0.01 mm to which some headers round.

    A tenth of a step at most, so that microscopy is not called even throughout.
    """
    return max(0.01 * spacing_mm, min(0.01, 0.1 * spacing_mm))


def _kind_of_spacing(offsets_mm: FloatArray) -> tuple[str, float]:
    """Give "uniform", "gapped" or "uneven" and the step; where uneven, the median one."""
    intervals = np.diff(offsets_mm)
    even_mm = float(offsets_mm[-1]) / len(intervals)
    if np.abs(offsets_mm - even_mm * np.arange(len(offsets_mm))).max() <= _spacing_tolerance_mm(even_mm):
        return "uniform", even_mm
    usual_mm = float(np.median(intervals))
    multiples = np.rint(intervals / usual_mm)
    is_multiple = np.abs(intervals - multiples * usual_mm) <= _spacing_tolerance_mm(usual_mm) * multiples
    return ("gapped" if is_multiple.all() and multiples.max() > 1 else "uneven"), usual_mm


def _runs(intervals_mm: FloatArray) -> list[tuple[float, int, int]]:
    """Runs of equal intervals: (interval, first slice, last slice); at most a hundred."""
    tolerance = _spacing_tolerance_mm(float(np.median(intervals_mm)))
    starts = np.flatnonzero(np.abs(np.diff(intervals_mm, prepend=np.inf)) > tolerance)
    ends = np.append(starts[1:], len(intervals_mm))
    pairs = list(zip(starts.tolist(), ends.tolist(), strict=True))[:100]
    return [(float(intervals_mm[start:end].mean()), start, end) for start, end in pairs]


def _describe_runs(kind: str, runs: list[tuple[float, int, int]]) -> str:
    named = ", ".join(f"{mm:.2f} mm between slices {first} and {last}" for mm, first, last in runs[:5])
    more = f" and {len(runs) - 5} more changes" if len(runs) > 5 else ""
    return f"{'slices are missing' if kind == 'gapped' else 'uneven spacing'}: {named}{more}"


def _mixed(rows: IntArray, reason: str) -> Arrangement:
    figures: dict[str, float | list[float]] = {"slices": float(len(rows)), "times": 1.0}
    return Arrangement(rows[np.newaxis], Verdict(("mixed",), reason, figures), None)


def _single_frame(frames: FrameTable, rows: IntArray, problem: str) -> Arrangement:
    if problem:
        verdict = Verdict(("flat",), f"one frame; {problem}", {"slices": 1.0, "times": 1.0})
        return Arrangement(rows[np.newaxis], verdict, None)
    return _one_position(frames, rows[np.newaxis])


def _one_position(frames: FrameTable, order: IntArray) -> Arrangement:
    """Arrange frames (times, 1) that share one position: one slice, as thick as it says."""
    row, times = int(order[0, 0]), len(order)
    x, y, normal = _axes(frames, row)
    y_mm, x_mm = (float(step) for step in frames.spacing_mm[row])
    thickness = float(frames.thickness_mm[row])
    z_mm = thickness if 0 < thickness < _LARGEST_MM else min(y_mm, x_mm)
    directions = (as_triple(normal), as_triple(y), as_triple(x))
    geometry = VolumeGeometry(as_triple(frames.position_mm[row]), directions, (z_mm, y_mm, x_mm))
    kinds = ("flat", "temporal") if times > 1 else ("flat",)
    reason = f"one position, {times} times" if times > 1 else "one frame"
    return Arrangement(order, Verdict(kinds, reason, {"slices": 1.0, "times": float(times)}), geometry)
