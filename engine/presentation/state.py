"""Softcopy presentation states: how somebody wants images to be seen (PS3.3 A.33, C.10, C.11; PS3.4 annex N).

A state says all of it: what it leaves out is an identity, even where the image itself has a window or a table.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import pydicom

from ...errors import InvalidArgument, UnsupportedPixels
from ..render.palette import read_palette
from ..render.tables import is_big_endian, read_header, read_table
from .area import DisplayedArea
from .colors import Rgb, rgb_from_cielab
from .header import read_function, read_rescale, read_voi, referenced_frames
from .softcopy import Softcopy

Kind = Literal["grayscale", "color", "pseudo-color"]

KINDS: dict[str, Kind] = {
    "1.2.840.10008.5.1.4.1.1.11.1": "grayscale",
    "1.2.840.10008.5.1.4.1.1.11.2": "color",
    "1.2.840.10008.5.1.4.1.1.11.3": "pseudo-color",
}
"""Presentation states that can be applied, by SOP Class."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A graphic layer: graphics of a later one lie over those of an earlier one."""

    name: str
    order: int
    gray: float = 1.0
    """0 to 1."""
    rgb: Rgb | None = None
    """In pictures in colour; None: the grey."""


class PresentationState:
    """One presentation state, read from its file."""

    def __init__(self, data_set: pydicom.Dataset) -> None:
        self.data_set = data_set
        self.uid = str(data_set.get("SOPInstanceUID") or "")
        kind = KINDS.get(str(data_set.get("SOPClassUID")))
        if kind is None:
            name = getattr(data_set.get("SOPClassUID"), "name", "an unknown SOP Class")
            raise UnsupportedPixels(
                f"{self.uid} is {name}: grayscale, color and pseudo-color softcopy presentation states can be applied"
            )
        self.kind: Kind = kind

    @classmethod
    def read(cls, file: bytes) -> PresentationState:
        """Read a state from its Part 10 file; raises `UnsupportedPixels` for another kind of object."""
        return cls(read_header(file))

    @property
    def order(self) -> str:
        """Byte order of values that are bytes."""
        return ">" if is_big_endian(self.data_set) else "<"

    @cached_property
    def references(self) -> list[tuple[str, str, frozenset[int]]]:
        """(series, instance, frames from 1, empty for all) of every image that this state is of."""
        return [
            (str(series.get("SeriesInstanceUID")), str(image.get("ReferencedSOPInstanceUID")), referenced_frames(image))
            for series in self.data_set.get("ReferencedSeriesSequence") or ()
            for image in series.get("ReferencedImageSequence") or ()
        ]

    def check(self, instance: str, frame: int) -> None:
        """Raise `InvalidArgument` unless the state is of that frame, from 0, of that instance."""
        if not any(uid == instance and (not frames or frame + 1 in frames) for _, uid, frames in self.references):
            raise InvalidArgument(f"presentation state {self.uid} is not of frame {frame + 1} of instance {instance}")

    def softcopy(self, own: Softcopy, instance: str, frame: int) -> Softcopy:
        """Give the pipeline that takes the place of the image's own; padding and bits are still the image's."""
        if self.kind == "color":
            return own
        header = self.data_set
        modality = next(iter(header.get("ModalityLUTSequence") or ()), None)
        lut = next(iter(header.get("PresentationLUTSequence") or ()), None)
        items = list(self._items("SoftcopyVOILUTSequence", instance, frame))
        return dataclasses.replace(
            own,
            rescale=read_rescale(header),
            modality_table=None if modality is None else read_table(modality, self.order),
            voi=tuple(voi for item in items for voi in read_voi(item, self.order)),
            voi_function=read_function(items[0]) if items else "LINEAR",
            is_whole_range=True,
            presentation_table=None if lut is None else read_table(lut, self.order),
            invert=header.get("PresentationLUTShape") == "INVERSE",
            supplemental=None,
            pseudo=read_palette(header) if self.kind == "pseudo-color" else None,
        )

    def area(self, instance: str, frame: int, shape: tuple[int, int], spacing: tuple[float, float]) -> DisplayedArea:
        """Give what of an image of (rows, columns) is seen, and how it is turned; without an item: all of it."""
        turns = int(self.data_set.get("ImageRotation") or 0)
        if turns % 90:
            raise UnsupportedPixels(f"Image Rotation (0070,0042) is {turns}: multiples of 90 degrees are possible")
        is_flipped = self.data_set.get("ImageHorizontalFlip") == "Y"
        item = next(iter(self._items("DisplayedAreaSelectionSequence", instance, frame)), pydicom.Dataset())
        return DisplayedArea.read(item, shape, spacing, turns // 90 % 4, is_flipped)

    @cached_property
    def layers(self) -> list[Layer]:
        """The graphic layers, from the lowest."""
        layers = [_read_layer(item) for item in self.data_set.get("GraphicLayerSequence") or ()]
        return sorted(layers, key=lambda layer: layer.order)

    def annotations(self, instance: str, frame: int) -> list[pydicom.Dataset]:
        """Give the items of the Graphic Annotation Sequence that are for a frame, from 0."""
        return list(self._items("GraphicAnnotationSequence", instance, frame))

    def _items(self, keyword: str, instance: str, frame: int) -> Iterable[pydicom.Dataset]:
        """Give the items that are for a frame: those that name it, and those that name none and are for all."""
        for item in self.data_set.get(keyword) or ():
            images = item.get("ReferencedImageSequence") or ()
            if not images or any(_is_of(image, instance, frame) for image in images):
                yield item


def _is_of(image: pydicom.Dataset, instance: str, frame: int) -> bool:
    frames = referenced_frames(image)
    return image.get("ReferencedSOPInstanceUID") == instance and (not frames or frame + 1 in frames)


def _read_layer(item: pydicom.Dataset) -> Layer:
    gray, lab = (
        item.get("GraphicLayerRecommendedDisplayGrayscaleValue"),
        item.get("GraphicLayerRecommendedDisplayCIELabValue"),
    )
    return Layer(
        str(item.get("GraphicLayer") or ""),
        int(item.get("GraphicLayerOrder") or 0),
        1.0 if gray is None else int(gray) / 0xFFFF,
        None if lab is None else rgb_from_cielab(lab),
    )
