"""Overlays: bit maps that lie over a frame, in data of their own or in bits that pixels leave unused (PS3.3 C.9)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray

from ...errors import UnsupportedPixels
from ...kernels.stored_values import unpack_bits
from ..render.tables import is_big_endian

Mask = NDArray[np.bool_]

GROUPS = range(0x6000, 0x6020, 2)
_MOST_PIXELS = 1 << 28
"""Of one overlay plane: more is a header that lies."""


@dataclass(frozen=True, eq=False)
class Overlay:
    """One overlay, laid over the frame it belongs to."""

    group: int
    mask: Mask
    """(rows, columns) of the image: where the overlay is set."""
    kind: str
    """G for graphics, R for a region of interest."""
    layer: str = ""
    """Graphic layer that a presentation state activates it in."""


def overlay_groups(header: pydicom.Dataset) -> list[int]:
    """Give the groups, from 6000, in which a header has an overlay."""
    return [group for group in GROUPS if (group, 0x0010) in header and (group, 0x0011) in header]


def read_overlays(header: pydicom.Dataset, frame: int, shape: tuple[int, int], pixels: bytes | None) -> list[Overlay]:
    """Read the overlays of a frame, from 0, of an image of (rows, columns).

    `pixels` are the native pixel bytes of that frame, for overlays in unused bits; None where there are none. Raises
    `UnsupportedPixels` for an overlay that its header contradicts.
    """
    return list(_overlays(header, frame, shape, pixels))


def _overlays(header: pydicom.Dataset, frame: int, shape: tuple[int, int], pixels: bytes | None) -> Iterator[Overlay]:
    for group in overlay_groups(header):
        bits = _plane(header, group, frame, pixels)
        if bits is None:
            continue
        row, column = (int(number) for number in _element(header, group, 0x0050, (1, 1)))
        layer = str(_element(header, group, 0x1001, ""))
        yield Overlay(group, placed(bits, row - 1, column - 1, shape), str(_element(header, group, 0x0040, "G")), layer)


def placed(bits: Mask, row: int, column: int, shape: tuple[int, int]) -> Mask:
    """Lay a bit map over an image of `shape`, its first bit at (row, column); what lies outside is left out."""
    mask = np.zeros(shape, bool)
    (top, bottom), (left, right) = (
        (min(max(at, 0), side), min(max(at + size, 0), side))
        for at, size, side in zip((row, column), bits.shape, shape, strict=True)
    )
    mask[top:bottom, left:right] = bits[top - row : bottom - row, left - column : right - column]
    return mask


def _element(header: pydicom.Dataset, group: int, element: int, missing: Any) -> Any:
    found = header.get((group, element))
    return missing if found is None or found.value is None else found.value


def _plane(header: pydicom.Dataset, group: int, frame: int, pixels: bytes | None) -> Mask | None:
    """Give the bits of the overlay for a frame, or None where the overlay has none for it."""
    rows, columns = int(_element(header, group, 0x0010, 0)), int(_element(header, group, 0x0011, 0))
    frames, first = int(_element(header, group, 0x0015, 1)), int(_element(header, group, 0x0051, 1)) - 1
    # An overlay of one frame lies over all of them, unless it says where it begins (PS3.3 C.9.3).
    is_for_all = frames == 1 and (group, 0x0051) not in header
    number = 0 if is_for_all else frame - first
    if not 0 <= number < frames or rows * columns == 0:
        return None
    if rows * columns > _MOST_PIXELS:
        raise UnsupportedPixels(f"overlay {group:04X} claims {rows} × {columns} pixels")
    data = _element(header, group, 0x3000, None)
    if data is None:
        return _embedded(header, group, (rows, columns), pixels)
    raw = np.frombuffer(data, np.uint8)
    if is_big_endian(header) and header[(group, 0x3000)].VR == "OW" and len(raw) % 2 == 0:
        raw = raw.view(np.uint16).byteswap().view(np.uint8)
    count = rows * columns
    if 8 * len(raw) < (number + 1) * count:
        raise UnsupportedPixels(f"overlay {group:04X} holds {8 * len(raw)} of {(number + 1) * count} bits")
    return unpack_bits(raw, number * count, count).reshape(rows, columns).astype(bool)


def _embedded(header: pydicom.Dataset, group: int, shape: tuple[int, int], pixels: bytes | None) -> Mask | None:
    """Give the overlay that lies in one of the bits which the pixels leave unused (retired in 2004)."""
    bit, allocated = int(_element(header, group, 0x0102, 0)), int(header.get("BitsAllocated", 0))
    stored = range(header.get("HighBit", 0) + 1 - header.get("BitsStored", 0), header.get("HighBit", 0) + 1)
    if pixels is None:
        return None
    if allocated not in (8, 16, 32) or not 0 <= bit < allocated or bit in stored:
        raise UnsupportedPixels(f"overlay {group:04X} lies in bit {bit} of {allocated}, which no image leaves unused")
    order = ">" if is_big_endian(header) else "<"
    words = np.frombuffer(pixels, f"{order}u{allocated // 8}")
    if len(words) < shape[0] * shape[1]:
        raise UnsupportedPixels(f"overlay {group:04X} of {shape[0]} × {shape[1]} lies in {len(words)} pixels")
    return np.asarray((words[: shape[0] * shape[1]] >> bit & 1).astype(bool).reshape(shape))
