"""Group the frames of a series into stacks: frames that share shape, type and meaning, in spatial or temporal order."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .decode import DECODABLE
from .geometry import Arrangement, arrange
from .instance import FloatArray, FrameTable, Instance, PixelDescription
from .transfer_syntax import TRANSFER_SYNTAXES

SEGMENTATIONS = frozenset({"1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7"})
"""Segmentation Storage, Label Map Segmentation Storage: stored values are labels, not amounts."""


EXPANDED_FRAME_BYTES = 128 << 20
"""Encapsulated frames that claim to be larger are not expanded: a short codestream may claim anything."""


@dataclass(frozen=True, slots=True, eq=False)
class StackPlan:
    """One stack to be: which frames it has, in which order, and what they mean."""

    members: list[tuple[int, int]]
    """(instance, frame) of each slice, time point after time point."""
    arrangement: Arrangement
    table: FrameTable
    """Of the frames, in the same order."""
    description: PixelDescription
    first: Instance
    """The instance of the first frame; it stands for the others where a fact is one a stack."""
    is_plain: bool
    """Whether no instance says more of how its frames are to be seen than rescale, window and padding value."""
    is_expanded: bool
    """Whether stored values are written as a pyramid, or frames stay codestreams, decoded on demand."""

    @property
    def times_slices(self) -> tuple[int, int]:
        """(time points, slices); frames that are no volume are time points of one slice."""
        times, slices = self.arrangement.order.shape
        return (times, slices) if self.is_volume else (times * slices, 1)

    @property
    def is_volume(self) -> bool:
        """Whether slices lie in space, one behind another."""
        return self.arrangement.verdict.is_volume

    @property
    def has_labels(self) -> bool:
        """Whether stored values are labels or palette entries, of which no mean can be taken."""
        return (
            self.first.sop_class_uid in SEGMENTATIONS or self.description.photometric_interpretation == "PALETTE COLOR"
        )

    @property
    def can_shrink(self) -> bool:
        """Whether coarser levels can be made: kernels know integers up to 32 bits and floats; labels are integers."""
        dtype = self.description.stored_dtype
        is_float = dtype.kind == "f"
        return (is_float or dtype.itemsize <= 4) and not (is_float and self.has_labels)

    @property
    def rescale(self) -> FloatArray:
        """(slices, 2) slope and intercept, or (1, 2) where all frames have the same."""
        rescale = self.table.rescale
        return rescale[:1] if np.all(rescale == rescale[:1]) else rescale

    @property
    def windows(self) -> list[list[float] | None]:
        """Center and width of each frame's first window, or of one for all; None where the header names none."""
        windows = [row if math.isfinite(row[0] + row[1]) else None for row in self.table.window.tolist()]
        return windows[:1] if windows == windows[:1] * len(windows) else windows

    @property
    def has_spacing(self) -> bool:
        """Whether a header says how far apart pixels are."""
        return self.arrangement.geometry is not None or bool(np.all(np.isfinite(self.table.spacing_mm[0])))

    @property
    def spacing_mm_zyx(self) -> tuple[float, float, float]:
        """Between voxels, for the pyramid's shape; 1 where unknown."""
        geometry = self.arrangement.geometry
        if geometry is not None:
            return geometry.spacing_mm
        rows, columns = np.nan_to_num(self.table.spacing_mm[0], nan=1.0)
        return 1.0, float(rows) or 1.0, float(columns) or 1.0

    def meaning(self) -> dict[str, Any]:
        """Give what the manifest keeps of the stack, for `engine.series` to read."""
        geometry, verdict, first = self.arrangement.geometry, self.arrangement.verdict, self.first
        return {
            "summary": f"{self._size()}, {verdict}",
            "verdict": verdict.to_json(),
            "geometry": geometry.to_json() if geometry else None,
            "rescale": self.rescale.tolist(),
            "rescale_type": first.rescale_type,
            "windows": self.windows,
            "voi_function": first.voi_function,
            "photometric_interpretation": self.description.photometric_interpretation,
            "bits_stored": self.description.bits_stored,
            "padding_value": first.padding_value,
            "is_plain": self.is_plain,
            "spacing_mm": list(self.spacing_mm_zyx),
            "labels": self.has_labels,
        }

    def _size(self) -> str:
        times, slices = self.times_slices
        rows, columns = self.description.rows, self.description.columns
        depth = [str(n) for n in (times, slices) if n > 1]
        colour = " colour" if self.description.samples_per_pixel > 1 else ""
        return " × ".join([*depth, str(rows), str(columns)]) + f" {self.description.stored_dtype}{colour}"


def plan_stacks(instances: Sequence[Instance], undecodable: frozenset[str] = frozenset()) -> list[StackPlan]:
    """Plan the stacks of one series; non-images are in none.

    Encapsulated pixels are expanded where decoding loses nothing and the frames form a volume (invariant A3);
    `undecodable` names instances whose codestreams did not decode: they are never expanded.
    """
    groups: dict[tuple[object, ...], list[int]] = {}
    for number, instance in enumerate(instances):
        if instance.pixels is not None and instance.frames is not None and instance.pixels.frames > 0:
            groups.setdefault(_meaning(instance, undecodable), []).append(number)
    return [plan for members in groups.values() for plan in _plan_group(instances, members, undecodable)]


def _meaning(instance: Instance, undecodable: frozenset[str]) -> tuple[object, ...]:
    """Give what frames must share to lie in one array."""
    pixels = instance.pixels
    assert pixels is not None
    return (
        pixels.frame_shape,
        pixels.stored_dtype,
        pixels.bits_stored,
        pixels.photometric_interpretation,
        instance.rescale_type,
        instance.sop_class_uid in SEGMENTATIONS,
        _is_exact(instance) and instance.sop_instance_uid not in undecodable,
    )


def _is_exact(instance: Instance) -> bool:
    """Whether the stored values of every frame can be had here, and without loss."""
    if not _is_encapsulated(instance):
        return True
    syntax = TRANSFER_SYNTAXES.get(instance.transfer_syntax_uid)
    return syntax is not None and syntax.is_lossless and instance.transfer_syntax_uid in DECODABLE


def _is_encapsulated(instance: Instance) -> bool:
    return instance.pixel_span is not None and instance.pixel_span.is_encapsulated


def _plan_group(instances: Sequence[Instance], numbers: list[int], undecodable: frozenset[str]) -> list[StackPlan]:
    tables = [(number, frames) for number in numbers if (frames := instances[number].frames) is not None]
    table = concatenate([frames for _, frames in tables])
    members = [(number, frame) for number, frames in tables for frame in range(len(frames))]
    is_decodable = _meaning(instances[numbers[0]], undecodable)[-1]
    plans = []
    for arrangement in arrange(table):
        for part in _separated(arrangement, [_is_encapsulated(instances[number]) for number, _ in members]):
            rows = part.order.reshape(-1)
            chosen = [members[row] for row in rows.tolist()]
            first = instances[chosen[0][0]]
            assert first.pixels is not None
            is_native = not _is_encapsulated(first)
            is_worth_it = part.verdict.is_volume and first.pixels.frame_bytes <= EXPANDED_FRAME_BYTES
            is_expanded = bool(is_decodable) and (is_native or is_worth_it)
            is_plain = all(instances[number].is_plain for number, _ in chosen)
            plans.append(StackPlan(chosen, part, take(table, rows), first.pixels, first, is_plain, is_expanded))
    return plans


def _separated(arrangement: Arrangement, is_encapsulated: Sequence[bool]) -> list[Arrangement]:
    """Part native from encapsulated frames where they are no volume, since only the former are expanded."""
    rows = arrangement.order.reshape(-1)
    if arrangement.verdict.is_volume:
        return [arrangement]
    kinds = np.array([is_encapsulated[row] for row in rows.tolist()])
    parts = [rows[~kinds], rows[kinds]]
    if not all(map(len, parts)):
        return [arrangement]
    return [dataclasses.replace(arrangement, order=part.reshape(1, -1)) for part in parts]


_COLUMNS = ("position_mm", "orientation", "spacing_mm", "thickness_mm", "rescale", "window", "time_key")


def concatenate(tables: Sequence[FrameTable]) -> FrameTable:
    """Put frame tables one below another."""
    columns = {name: np.concatenate([getattr(table, name) for table in tables]) for name in _COLUMNS}
    return FrameTable(**columns, stack_id=tuple(stack_id for table in tables for stack_id in table.stack_id))


def take(table: FrameTable, rows: np.ndarray[Any, np.dtype[np.int64]]) -> FrameTable:
    """Give some rows of a frame table, in the order asked."""
    columns = {name: getattr(table, name)[rows] for name in _COLUMNS}
    return FrameTable(**columns, stack_id=tuple(table.stack_id[row] for row in rows.tolist()))
