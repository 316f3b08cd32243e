"""Segmentations (PS3.3 A.51): binary, fractional and label maps, sampled wherever a picture lies."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray

from ...errors import FormatError
from ..geometry import IntArray
from ..instance import FrameTable
from ..presentation.colors import rgb_from_cielab
from ..presentation.header import macro, referenced_frames
from ..render.label_choice import Style
from ..render.palette import read_palette
from ..render.sample import Cut, sample
from ..render.window import Window
from ..volume import Box, FrameLevel, Volume
from .lattice import Lattice, lay_frames
from .segment import Coverage, Segment, palette_color
from .space import Cover
from .trace import outline

FrameReader = Callable[[int], NDArray[Any]]
"""Gives the stored values (rows, columns) of a frame, from 0."""

BINARY, FRACTIONAL, LABELMAP = "BINARY", "FRACTIONAL", "LABELMAP"
_KEPT_BYTES = 64 << 20
"""Of decoded frames of one instance."""
_NOTHING_IS_BLACK = Window(1.5, 1.0, "LINEAR_EXACT")
"""A window in which 0 shows black, so that what is outside a segment's frames is 0, which every type can hold."""


@dataclass(frozen=True, slots=True)
class Source:
    """An image that a frame was made from."""

    instance: str
    frames: frozenset[int]
    """From 1; empty for all of them."""


class Segmentation:
    """One segmentation instance, read from its header; pixels are read frame by frame when they are seen."""

    def __init__(self, header: pydicom.Dataset, read_frame: FrameReader) -> None:
        """Raises `FormatError` where the header does not say what its frames are."""
        self.uid = str(header.get("SOPInstanceUID") or "")
        self.kind = str(header.get("SegmentationType") or "")
        if self.kind not in (BINARY, FRACTIONAL, LABELMAP):
            raise FormatError(f"segmentation {self.uid}: Segmentation Type (0062,0001) is {self.kind!r}")
        self.shape = int(header.Rows), int(header.Columns)
        self.greatest = int(header.get("MaximumFractionalValue") or 255) if self.kind == FRACTIONAL else 1
        self.segments = _read_segments(header, self.kind)
        count = int(header.get("NumberOfFrames") or 1)
        self._numbers = [_segment_of(header, frame) for frame in range(count)]
        """The segment of each frame; 0 in label maps."""
        self._sources = [_sources_of(header, frame) for frame in range(count)]
        self.referenced = _referenced(header)
        self._table = _frame_table(header, count)
        self._spacing_mm = _number(macro(header, 0, "PixelMeasuresSequence"), "SpacingBetweenSlices")
        frame_bytes = math.prod(self.shape) * max(int(header.get("BitsAllocated") or 8) // 8, 1)
        self._lattices = cache(self._lay)
        self._frame = lru_cache(max(_KEPT_BYTES // frame_bytes, 1))(read_frame)

    def __repr__(self) -> str:
        return f"<Segmentation {self.uid}: {self.kind}, {len(self._numbers)} frames, {len(self.segments)} segments>"

    def is_of(self, series: str) -> bool:
        """Whether it was made from images of that series."""
        return series in self.referenced

    def is_of_instance(self, series: str, instance: str) -> bool:
        """Whether it may say something of an image: unless it names others of the same series, and not this one."""
        named = self.referenced.get(series)
        return not named or instance in named

    @property
    def is_placed(self) -> bool:
        """Whether any frame says where in the patient it lies."""
        return bool(np.isfinite(self._table.position_mm).all(axis=1).any())

    def coverages(self, segments: Sequence[Segment], cover: Cover, style: Style) -> Iterator[tuple[Segment, Coverage]]:
        """Give what is drawn of each segment: what it covers of a picture, nearest voxel by nearest voxel, or its edge.

        Of a slab that shows a maximum or minimum all that lies in it is seen, of one that shows a mean what most of it
        is.
        """
        for segment, covered in self._covered(segments, cover):
            yield segment, outline(covered) if style == "outline" else covered

    def _covered(self, segments: Sequence[Segment], cover: Cover) -> Iterator[tuple[Segment, Coverage]]:
        if self.kind != LABELMAP or cover.slab_mm > 0:
            yield from ((segment, self._coverage(segment.number, cover)) for segment in segments)
            return
        labels = [self._sampled(lattice, cover, None) for lattice in self._lattices(0)]
        present = {number for values in labels for number in np.unique(values).tolist()}
        for segment in segments:
            if segment.number in present:
                found = np.logical_or.reduce([values == segment.number for values in labels])
                yield segment, found.astype(np.uint8) * 255

    def _coverage(self, number: int, cover: Cover) -> Coverage:
        only = number if self.kind == LABELMAP else None
        covered = np.zeros((cover.plane.rows, cover.plane.columns), np.uint8)
        for lattice in self._lattices(0 if self.kind == LABELMAP else number):
            is_mean = cover.slab_mm > 0 and not cover.is_projection
            if is_mean and cover.slab_mm > 2 * _diagonal_mm(lattice, self.shape):
                continue  # most of the slab is outside whatever it holds
            lattice = lattice.with_margin(cover.slab_mm) if is_mean else lattice
            share = self._share(self._sampled(lattice, cover, only))
            if is_mean and self.kind != FRACTIONAL:
                share = np.where(share >= 128, np.uint8(255), np.uint8(0))  # the mode of in and out
            np.maximum(covered, share, out=covered)
        return covered

    def _share(self, values: NDArray[Any]) -> Coverage:
        scaled = np.nan_to_num(values).astype(np.float32) * (255.0 / self.greatest)
        return np.asarray(np.minimum(np.rint(scaled), 255.0), np.uint8)

    def _sampled(self, lattice: Lattice, cover: Cover, only: int | None) -> NDArray[Any]:
        level = _FramesLevel(lattice, self.shape, self._frame, only)
        volume = Volume([level], [(1, 1, 1)], lattice.geometry, lattice.verdict)
        mode = "max" if cover.is_projection else cover.mode
        cut = Cut(cover.plane, cover.slab_mm, mode, "nearest")
        return sample(volume, cut, _NOTHING_IS_BLACK, False)[0]

    def _lay(self, number: int) -> list[Lattice]:
        frames: IntArray = np.flatnonzero(np.array(self._numbers) == number)
        return lay_frames(self._table, frames, self._spacing_mm)

    def masks_of(self, segments: Sequence[Segment], instance: str, frame: int) -> Iterator[tuple[Segment, Coverage]]:
        """Give what each segment covers of a frame, from 0, that frames of its own name as their source."""
        of_frame = [number for number, sources in enumerate(self._sources) if _names(sources, instance, frame)]
        for segment in segments:
            covered = np.zeros(self.shape, np.uint8)
            for number in of_frame:
                if self.kind == LABELMAP:
                    covered[self._frame(number) == segment.number] = 255
                elif self._numbers[number] == segment.number:
                    np.maximum(covered, self._share(self._frame(number)), out=covered)
            if covered.any():
                yield segment, covered


class _FramesLevel(FrameLevel):
    """Frames of one lattice as slices of a volume; where no frame is stored there is nothing."""

    def __init__(self, lattice: Lattice, shape: tuple[int, int], read: FrameReader, only: int | None) -> None:
        """`only` is the one label that counts, as 1; None: stored values as they are."""
        self._lattice, self._read, self._only = lattice, read, only
        (rows, columns), (y, x) = shape, lattice.margin
        self.shape: Box = (len(lattice.frames), rows + 2 * y, columns + 2 * x)
        self.chunk_shape: Box = (1, *self.shape[1:])
        stored = lattice.frames[lattice.frames >= 0]
        self.dtype = np.dtype(np.uint8) if only is not None else read(int(stored[0])).dtype

    def read_box(self, start: Box, stop: Box, wanted: NDArray[np.bool_] | None = None) -> NDArray[np.generic]:
        """Read the voxels from `start` up to `stop`; frames that are not wanted are not read."""
        (z0, y0, x0), (z1, y1, x1) = start, stop
        box = np.zeros((z1 - z0, y1 - y0, x1 - x0), self.dtype)
        for z in range(z1 - z0) if wanted is None else np.flatnonzero(wanted.any(axis=(1, 2))).tolist():
            frame = int(self._lattice.frames[z0 + z])
            if frame >= 0:
                values = self._read(frame)
                top, left = (first - margin for first, margin in zip((y0, x0), self._lattice.margin, strict=True))
                part = values[max(top, 0) : max(top + y1 - y0, 0), max(left, 0) : max(left + x1 - x0, 0)]
                within = box[z, max(-top, 0) :, max(-left, 0) :][: part.shape[0], : part.shape[1]]
                within[...] = part if self._only is None else part == self._only
        return box


def _diagonal_mm(lattice: Lattice, shape: tuple[int, int]) -> float:
    """Give how far apart any two points of a lattice are at most."""
    corners = lattice.geometry.corners_mm((len(lattice.frames), *shape))
    return float(np.linalg.norm(np.ptp(corners, axis=0)))


def _names(sources: Sequence[Source], instance: str, frame: int) -> bool:
    return any(one.instance == instance and (not one.frames or frame + 1 in one.frames) for one in sources)


def _read_segments(header: pydicom.Dataset, kind: str) -> tuple[Segment, ...]:
    palette = read_palette(header) if header.get("PhotometricInterpretation") == "PALETTE COLOR" else None
    space = str(header.get("FrameOfReferenceUID") or "")
    segments = []
    for item in header.get("SegmentSequence") or ():
        number = int(item.SegmentNumber)
        if kind == LABELMAP and number == int(header.get("PixelPaddingValue") or 0):
            continue  # the background, which some writers list
        lab = item.get("RecommendedDisplayCIELabValue")
        rgb = palette_color(number) if lab is None else rgb_from_cielab(lab)
        if palette is not None:
            red, green, blue = palette.paint(np.array([number], np.int32))[0].tolist()
            rgb = (red, green, blue)
        segments.append(Segment(number, str(item.get("SegmentLabel") or ""), rgb, space))
    if not segments:
        raise FormatError(f"segmentation {header.get('SOPInstanceUID')} has no Segment Sequence (0062,0002)")
    return tuple(sorted(segments, key=lambda segment: segment.number))


def _segment_of(header: pydicom.Dataset, frame: int) -> int:
    """Give the number of the segment that a frame is of; 0 in label maps, whose values are numbers."""
    if header.SegmentationType == LABELMAP:
        return 0
    item = macro(header, frame, "SegmentIdentificationSequence")
    if item is None:
        raise FormatError(f"segmentation {header.get('SOPInstanceUID')}: the segment of frame {frame + 1} is missing")
    return int(item.ReferencedSegmentNumber)


def _sources_of(header: pydicom.Dataset, frame: int) -> tuple[Source, ...]:
    derivation = macro(header, frame, "DerivationImageSequence")
    images = () if derivation is None else derivation.get("SourceImageSequence") or ()
    return tuple(Source(str(image.get("ReferencedSOPInstanceUID")), referenced_frames(image)) for image in images)


def _referenced(header: pydicom.Dataset) -> dict[str, frozenset[str]]:
    """Give the instances of each series that was segmented (PS3.3 C.12.1)."""
    return {
        str(series.get("SeriesInstanceUID")): frozenset(
            str(one.get("ReferencedSOPInstanceUID")) for one in series.get("ReferencedInstanceSequence") or ()
        )
        for series in header.get("ReferencedSeriesSequence") or ()
    }


def _frame_table(header: pydicom.Dataset, count: int) -> FrameTable:
    """Give where frames lie; NaN where functional groups do not say."""
    nothing = np.full((count, 2), math.nan)
    measures = [macro(header, frame, "PixelMeasuresSequence") for frame in range(count)]
    positions = [macro(header, frame, "PlanePositionSequence") for frame in range(count)]
    orientations = [macro(header, frame, "PlaneOrientationSequence") for frame in range(count)]
    return FrameTable(
        position_mm=np.array([_numbers(item, "ImagePositionPatient", 3) for item in positions]),
        orientation=np.array([_numbers(item, "ImageOrientationPatient", 6) for item in orientations]),
        spacing_mm=np.array([_numbers(item, "PixelSpacing", 2) for item in measures]),
        thickness_mm=np.array([_number(item, "SliceThickness") for item in measures]),
        rescale=nothing,
        window=nothing,
        time_key=np.arange(count, dtype=np.float64),
        stack_id=("",) * count,
    )


def _numbers(item: pydicom.Dataset | None, keyword: str, count: int) -> list[float]:
    values = None if item is None else item.get(keyword)
    return [float(value) for value in values] if values and len(values) == count else [math.nan] * count


def _number(item: pydicom.Dataset | None, keyword: str) -> float:
    value = None if item is None else item.get(keyword)
    return math.nan if value is None or value == "" else float(value)
