"""RT structure sets (PS3.3 A.19, C.8.8.6): regions of interest as contours in the patient.

Closed contours of one plane are combined by even and odd, as CLOSEDPLANAR_XOR says and as planning systems write
holes; planes that follow one another form a solid. It is cut by whatever plane is asked for. On a plane parallel to
them the contours themselves are drawn.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import pydicom

from ...errors import FormatError
from ..geometry import FloatArray
from ..render.label_choice import Style
from ..render.planes import Plane
from .pile import Pile, pile_up
from .segment import Coverage, Segment, palette_color
from .space import Cover
from .trace import outline, trace

CLOSED = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")
KINDS = (*CLOSED, "CLOSED_NONPLANAR", "OPEN_PLANAR", "OPEN_NONPLANAR", "POINT")


@dataclass
class Region:
    """The contours of one region of interest, (points, 3) in mm each."""

    closed: list[FloatArray] = field(default_factory=list)
    """Each in a plane."""
    lines: list[FloatArray] = field(default_factory=list)
    """The others; a closed one ends where it begins."""
    points: list[FloatArray] = field(default_factory=list)
    """(1, 3) each."""


class StructureSet:
    """One RT structure set."""

    def __init__(self, header: pydicom.Dataset) -> None:
        """Raises `FormatError` where it holds contours that are none."""
        self.uid = str(header.get("SOPInstanceUID") or "")
        drawn = {int(item.ReferencedROINumber): item for item in header.get("ROIContourSequence") or ()}
        rois = sorted(header.get("StructureSetROISequence") or (), key=lambda roi: int(roi.ROINumber))
        if not rois:
            raise FormatError(f"structure set {self.uid} has no Structure Set ROI Sequence (3006,0020)")
        self.segments = tuple(_segment(roi, drawn.get(int(roi.ROINumber)), header) for roi in rois)
        self._regions = {number: _read_region(item, self.uid) for number, item in drawn.items()}
        self.referenced = _referenced(header)
        self._piled = cache(self._pile)

    def __repr__(self) -> str:
        return f"<StructureSet {self.uid}: {', '.join(map(str, self.segments))}>"

    def is_of(self, series: str) -> bool:
        """Whether it was drawn on images of that series."""
        return series in self.referenced

    def is_of_instance(self, series: str, instance: str) -> bool:
        """Whether it may say something of an image: contours are of the patient, whatever they were drawn on."""
        return True

    @property
    def is_placed(self) -> bool:
        """Always: contours are positions in the patient."""
        return True

    def coverages(self, segments: Sequence[Segment], cover: Cover, style: Style) -> Iterator[tuple[Segment, Coverage]]:
        """Give what is drawn of each region: what is inside closed contours, or its edge; and open ones, and points.

        Where planes of contours are parallel to the picture the edge is the contours themselves. Open contours and
        points are seen within half a slice, or the slab, of a plane; on curved planes they are not.
        """
        for segment in segments:
            covered = np.zeros((cover.plane.rows, cover.plane.columns), np.uint8)
            piles, lines = self._piled(segment.number)
            for pile in piles:
                np.maximum(covered, _drawn(pile, cover, style), out=covered)
            if isinstance(cover.plane, Plane):
                reach_mm = max(cover.slab_mm, cover.thickness_mm) / 2
                np.maximum(covered, trace(lines, cover.plane, reach_mm), out=covered)
            yield segment, covered

    def _pile(self, number: int) -> tuple[list[Pile], list[FloatArray]]:
        """Give what of a region encloses something, and all else of it as lines."""
        region = self._regions.get(number, Region())
        piles, flat = pile_up(region.closed)
        return piles, [*map(_loop, flat), *region.lines, *region.points]


def _drawn(pile: Pile, cover: Cover, style: Style) -> Coverage:
    if style == "filled":
        return pile.coverage(cover)
    if isinstance(cover.plane, Plane) and pile.is_parallel(cover.plane):
        return trace(map(_loop, pile.contours_within(cover)), cover.plane, math.inf)
    return outline(pile.coverage(cover))


def _loop(points: FloatArray) -> FloatArray:
    return np.concatenate([points, points[:1]])


def _segment(roi: pydicom.Dataset, drawn: pydicom.Dataset | None, header: pydicom.Dataset) -> Segment:
    number = int(roi.ROINumber)
    color: Any = None if drawn is None else drawn.get("ROIDisplayColor")
    rgb = palette_color(number)
    if color is not None and len(color) == 3:
        red, green, blue = (min(max(int(part), 0), 255) for part in color)
        rgb = (red, green, blue)
    space = str(roi.get("ReferencedFrameOfReferenceUID") or header.get("FrameOfReferenceUID") or "")
    return Segment(number, str(roi.get("ROIName") or ""), rgb, space)


def _read_region(item: pydicom.Dataset, uid: str) -> Region:
    region = Region()
    for contour in item.get("ContourSequence") or ():
        kind = str(contour.get("ContourGeometricType") or "")
        points = _points(contour.get("ContourData"))
        if kind not in KINDS or points is None:
            raise FormatError(f"structure set {uid}: a contour of type {kind!r} whose data are no points")
        if kind == "POINT" or len(points) == 1:
            region.points += list(points[:, np.newaxis])
        elif kind in CLOSED and len(points) > 2:
            region.closed.append(points)
        else:
            region.lines.append(_loop(points) if kind.startswith("CLOSED") else points)
    return region


def _points(values: Any) -> FloatArray | None:
    if isinstance(values, bytes):  # more than 64 kB, which explicit VR can only say of an unknown one (PS3.5 6.2.2)
        values = values.decode("ascii").strip("\0 ").split("\\")
    numbers = [] if values is None else [float(value) for value in values]
    if not numbers or len(numbers) % 3 or not all(map(math.isfinite, numbers)):
        return None
    return np.array(numbers).reshape(-1, 3)


def _referenced(header: pydicom.Dataset) -> dict[str, frozenset[str]]:
    """Give the images of each series that contours were drawn on (PS3.3 C.8.8.5)."""
    return {
        str(series.get("SeriesInstanceUID")): frozenset(
            str(image.get("ReferencedSOPInstanceUID")) for image in series.get("ContourImageSequence") or ()
        )
        for frame in header.get("ReferencedFrameOfReferenceSequence") or ()
        for study in frame.get("RTReferencedStudySequence") or ()
        for series in study.get("RTReferencedSeriesSequence") or ()
    }
