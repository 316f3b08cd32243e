"""Draw labels over pictures: over planes where they lie in the patient, over frames also by what they refer to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ...errors import InvalidArgument
from ...kernels.paint import lay_color
from ..render.label_choice import LabelChoice, Style
from ..render.picture import Image
from .frame_view import FrameView
from .segment import Coverage, Segment, choose_segments
from .segmentation import Segmentation
from .space import Cover, Space
from .trace import outline


class LabelSet(Protocol):
    """A segmentation or structure set."""

    uid: str
    segments: tuple[Segment, ...]

    @property
    def is_placed(self) -> bool:
        """Whether it says where in the patient anything of it is."""

    def is_of(self, series: str) -> bool:
        """Whether it was made from images of that series."""

    def is_of_instance(self, series: str, instance: str) -> bool:
        """Whether it may say something of an image of that series."""

    def coverages(self, segments: Sequence[Segment], cover: Cover, style: Style) -> Iterator[tuple[Segment, Coverage]]:
        """Give what is drawn of each segment over a part of the patient."""


@dataclass(frozen=True, eq=False)
class Labels:
    """All segmentations and structure sets of a series, and which of their segments are wanted."""

    choice: LabelChoice
    identity: str
    """Names the content of the series: other instances, another identity."""
    read: Callable[[], tuple[LabelSet, ...]]

    def __repr__(self) -> str:
        return f"<Labels of series {self.choice.series}>"

    @cached_property
    def sets(self) -> tuple[LabelSet, ...]:
        """The instances, in order of their UIDs; raises `FormatError`, `InvalidArgument` where there are none."""
        return self.read()

    @property
    def segments(self) -> list[Segment]:
        """The segments that are wanted, of all instances; raises `InvalidArgument` for one that is nowhere."""
        known = [segment for one in self.sets for segment in one.segments]
        return choose_segments(known, self.choice.segments, f"series {self.choice.series}")

    def within(self, space: Space) -> list[tuple[LabelSet, list[Segment]]]:
        """Give the wanted segments of each instance that lie in a space.

        Raises `InvalidArgument` where none does, or one that was asked for does not.
        """
        wanted = self.segments
        found = [(one, [segment for segment in one.segments if segment in wanted]) for one in self.sets]
        kept = [(one, [segment for segment in segments if _lies_in(segment, one, space)]) for one, segments in found]
        count = sum(len(segments) for _, segments in kept)
        if not count or (self.choice.segments and count < sum(len(segments) for _, segments in found)):
            raise InvalidArgument(
                f"labels of series {self.choice.series} lie in another frame of reference than the images, "
                "or say neither theirs nor that they are of these images: they cannot be drawn over them"
            )
        return [(one, segments) for one, segments in kept if segments]


def _lies_in(segment: Segment, of: LabelSet, space: Space) -> bool:
    """Whether frames of reference agree; where one is unknown, whether the labels were made from these images."""
    if segment.frame_of_reference and space.frame_of_reference:
        return segment.frame_of_reference == space.frame_of_reference
    return not space.series or of.is_of(space.series)


def draw_labels(picture: Image, cover: Cover, labels: Sequence[Labels]) -> Image:
    """Lay labels over a picture of a plane, the first below; raises `InvalidArgument` for 16 bits, and as `within`."""
    if not labels:
        return picture
    pixels = _colored(picture)
    for one in labels:
        for instance, segments in one.within(cover.space):
            if not instance.is_placed:
                raise InvalidArgument(
                    f"labels {instance.uid} do not say where in the patient they are: show a frame that they are of"
                )
            _lay(pixels, instance.coverages(segments, cover, one.choice.style), one.choice)
    return Image(pixels, picture.icc_profile)


def draw_over_frame(picture: Image, frame: FrameView, labels: Sequence[Labels]) -> Image:
    """Lay labels over a picture of a stored frame, as `draw_labels` does.

    What says where it lies is drawn where that is; what does not, where its frames name this one as their source.
    Instances that are of other images of the same series are left out. Raises `InvalidArgument` too for labels that say
    neither, or whose frames have another size than those they name.
    """
    if not labels:
        return picture
    pixels = _colored(picture)
    for one in labels:
        for instance, segments in one.within(frame.space):
            if instance.is_of_instance(frame.space.series, frame.instance):
                _lay(pixels, _over_frame(instance, segments, frame, one.choice.style), one.choice)
    return Image(pixels, picture.icc_profile)


def _over_frame(
    instance: LabelSet, segments: Sequence[Segment], frame: FrameView, style: Style
) -> Iterator[tuple[Segment, Coverage]]:
    cover = frame.cover
    if instance.is_placed and cover is not None:
        yield from instance.coverages(segments, cover, style)
        return
    if not isinstance(instance, Segmentation) or instance.shape != frame.shape:
        raise InvalidArgument(
            f"labels {instance.uid} and the frame have no common place in the patient, and no common grid of pixels"
        )
    for segment, mask in instance.masks_of(segments, frame.instance, frame.number):
        covered = frame.laid(mask)
        yield segment, outline(covered) if style == "outline" else covered


def _colored(picture: Image) -> NDArray[Any]:
    """Give a copy of a picture's pixels, in colour."""
    if picture.pixels.dtype != np.uint8:
        raise InvalidArgument("labels are in colour, and 16 bits are of grey: leave out bits, or labels")
    pixels = picture.pixels
    if pixels.ndim == 2:
        return np.repeat(pixels[..., np.newaxis], 3, axis=-1)
    return pixels.copy()


def _lay(pixels: NDArray[Any], coverages: Iterator[tuple[Segment, Coverage]], choice: LabelChoice) -> None:
    for segment, coverage in coverages:
        lay_color(pixels, coverage, segment.rgb, choice.alpha)
