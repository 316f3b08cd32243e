"""Read from a header how frames are to be seen: `Softcopy`, frame by frame where functional groups say so."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, TypeAlias

import pydicom

from ...errors import InvalidWindow
from ..render.palette import read_palette
from ..render.tables import is_big_endian, read_table
from ..render.window import Window
from .softcopy import Softcopy, Voi

Data: TypeAlias = pydicom.Dataset

FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")


def macro(header: Data, frame: int, keyword: str) -> Data | None:
    """Give a functional group's item for a frame (from 0): its own, else the shared one, else None."""
    per_frame = header.get("PerFrameFunctionalGroupsSequence") or ()
    shared = header.get("SharedFunctionalGroupsSequence") or ()
    for group in (*per_frame[frame : frame + 1], *shared[:1]):
        items = group.get(keyword)
        if items:
            return items[0]
    return None


def read_softcopy(header: Data, frame: int) -> Softcopy:
    """Read how a frame, from 0, of an image is to be seen; raises `UnsupportedPixels` for tables that are malformed."""
    order = ">" if is_big_endian(header) else "<"
    modality = macro(header, frame, "PixelValueTransformationSequence") or header
    voi_home = macro(header, frame, "FrameVOILUTSequence") or header
    photometric = str(header.get("PhotometricInterpretation", "MONOCHROME2"))
    table = next(iter(header.get("ModalityLUTSequence") or ()), None)
    is_colored = _pixel_presentation(header, frame) == "COLOR" and "RedPaletteColorLookupTableDescriptor" in header
    return Softcopy(
        rescale=read_rescale(modality),
        modality_table=None if table is None else read_table(table, order),
        voi=tuple(read_voi(voi_home, order)),
        voi_function=read_function(voi_home),
        invert=photometric == "MONOCHROME1" or header.get("PresentationLUTShape") == "INVERSE",
        padding=_padding(header),
        bits_stored=header.get("BitsStored"),
        palette=read_palette(header) if photometric == "PALETTE COLOR" else None,
        supplemental=read_palette(header) if is_colored and photometric.startswith("MONOCHROME") else None,
    )


def referenced_frames(image: Data) -> frozenset[int]:
    """Give the frames, from 1, that an item which references an image is of; empty for all of them."""
    value: Any = image.get("ReferencedFrameNumber")
    if value is None or value == "":
        return frozenset()
    return frozenset(map(int, value if hasattr(value, "__iter__") else [value]))


def read_rescale(item: Data) -> tuple[float, float]:
    """Give slope and intercept; what is missing or no number stands for the identity."""
    slope, intercept = _number(item.get("RescaleSlope")), _number(item.get("RescaleIntercept"))
    return slope if math.isfinite(slope) else 1.0, intercept if math.isfinite(intercept) else 0.0


def read_voi(item: Data, order: str) -> Iterator[tuple[str, Voi]]:
    """Give the VOI tables, then the windows, of one item, each with its explanation; unusable windows are left out."""
    for table in item.get("VOILUTSequence") or ():
        yield str(table.get("LUTExplanation") or ""), read_table(table, order)
    centers, widths = _list(item.get("WindowCenter")), _list(item.get("WindowWidth"))
    names = [str(name) for name in _list(item.get("WindowCenterWidthExplanation"))]
    names += [""] * len(centers)
    for name, center, width in zip(names, centers, widths, strict=False):
        try:
            yield name.strip(), Window(_number(center), _number(width), read_function(item))
        except InvalidWindow:
            continue


def read_function(item: Data) -> str:
    """Give the VOI LUT Function of an item, LINEAR where it names none that is known."""
    named = str(item.get("VOILUTFunction") or "LINEAR")
    return named if named in FUNCTIONS else "LINEAR"


def _pixel_presentation(header: Data, frame: int) -> str:
    """Give Pixel Presentation of a frame: COLOR, MIXED, MONOCHROME or TRUE_COLOR; "" where the header is silent."""
    whole = str(header.get("PixelPresentation") or "")
    if whole != "MIXED":
        return whole
    for keyword in ("CTImageFrameTypeSequence", "MRImageFrameTypeSequence", "PETFrameTypeSequence"):
        item = macro(header, frame, keyword)
        if item is not None:
            return str(item.get("PixelPresentation") or whole)
    return whole


def _padding(header: Data) -> tuple[float, float] | None:
    """Give Pixel Padding Value to Pixel Padding Range Limit (PS3.3 C.7.5.1.1.2); of amounts alone, not of colours."""
    value = signed_as_pixels(header, "PixelPaddingValue")
    if value is None or not str(header.get("PhotometricInterpretation", "")).startswith("MONOCHROME"):
        return None
    limit = signed_as_pixels(header, "PixelPaddingRangeLimit")
    ends = (value, value if limit is None else limit)
    return float(min(ends)), float(max(ends))


def signed_as_pixels(header: Data, keyword: str) -> int | None:
    """Give a US or SS value, which writers mix up, as Pixel Representation and Bits Stored have it."""
    number = header.get(keyword)
    if not isinstance(number, int):
        return None
    bits = int(header.get("BitsAllocated") or 16)
    if header.get("PixelRepresentation") == 1:
        return number - (1 << bits) if number >= 1 << bits - 1 else number
    return number + (1 << bits) if number < 0 else number


def _number(value: object) -> float:
    try:
        return float(value)  # type: ignore[arg-type] # what is no number is caught
    except (TypeError, ValueError):
        return math.nan


def _list(value: object) -> list[object]:
    if value is None or value == "":
        return []
    return list(value) if hasattr(value, "__iter__") and not isinstance(value, str) else [value]
