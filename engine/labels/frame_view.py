"""A stored frame under labels: where it lies in the patient, and in the picture of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pydicom

from ...errors import InvalidArgument
from ..geometry import FloatArray, as_triple
from ..presentation.header import macro
from ..render.placement import Placement
from ..render.planes import Plane
from .segment import Coverage
from .space import Cover, Space


@dataclass(frozen=True, eq=False)
class FrameView:
    """A frame, and how a picture shows it."""

    header: pydicom.Dataset
    number: int
    """Within the instance, from 0."""
    shape: tuple[int, int]
    """(rows, columns) of the frame."""
    placement: Placement
    picture_shape: tuple[int, int]
    """(rows, columns) of the picture."""

    @property
    def instance(self) -> str:
        """SOP Instance UID."""
        return str(self.header.get("SOPInstanceUID") or "")

    @property
    def space(self) -> Space:
        """Where it lies, as far as it says."""
        return Space(str(self.header.get("FrameOfReferenceUID") or ""), str(self.header.get("SeriesInstanceUID") or ""))

    @cached_property
    def cover(self) -> Cover | None:
        """The picture as a plane of the patient, or None where the frame's place is unknown."""
        position = self._numbers("PlanePositionSequence", "ImagePositionPatient", 3)
        axes = self._numbers("PlaneOrientationSequence", "ImageOrientationPatient", 6)
        spacing = self._numbers("PixelMeasuresSequence", "PixelSpacing", 2)
        if not np.isfinite([*position, *axes, *spacing]).all() or not spacing.min() > 0:
            return None
        down, right = axes[3:] * spacing[0], axes[:3] * spacing[1]
        row, column = self.placement.start
        try:
            plane = Plane(
                as_triple(position + row * down + column * right),
                as_triple(self.placement.right[0] * down + self.placement.right[1] * right),
                as_triple(self.placement.down[0] * down + self.placement.down[1] * right),
                *self.picture_shape,
            )
        except InvalidArgument:  # axes that are none
            return None
        return Cover(plane, self.space, thickness_mm=self._thickness_mm(float(spacing.min())))

    def _thickness_mm(self, missing: float) -> float:
        keywords = ("SpacingBetweenSlices", "SliceThickness")
        known = (self._numbers("PixelMeasuresSequence", keyword, 1)[0] for keyword in keywords)
        return next((float(mm) for mm in known if mm > 0 and math.isfinite(mm)), missing)

    def _numbers(self, group: str, keyword: str, count: int) -> FloatArray:
        """Give the values of an attribute of the frame's functional group, or of the whole header; else NaN."""
        item = macro(self.header, self.number, group)
        value: Any = (self.header if item is None else item).get(keyword)
        values = [value] if isinstance(value, str | float | int) else list(value or ())
        if len(values) != count:
            return np.full(count, math.nan)
        try:
            return np.array([float(part) for part in values])
        except (TypeError, ValueError):
            return np.full(count, math.nan)

    def laid(self, mask: Coverage) -> Coverage:
        """Give a mask of the frame's pixels as the picture shows them, each pixel the nearest one."""
        rows, columns = (np.arange(side) for side in self.picture_shape)
        places = [
            np.floor(start + rows[:, np.newaxis] * down + columns * right + 0.5).astype(np.int64)
            for start, down, right in zip(self.placement.start, self.placement.down, self.placement.right, strict=True)
        ]
        inside = np.logical_and.reduce(
            [(place >= 0) & (place < side) for place, side in zip(places, self.shape, strict=True)]
        )
        found = mask[tuple(np.clip(place, 0, side - 1) for place, side in zip(places, self.shape, strict=True))]
        return np.where(inside, found, np.uint8(0))
