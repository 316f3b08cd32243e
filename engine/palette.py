"""Read the colour tables of a PALETTE COLOR image from its header (PS3.3 C.7.9)."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pydicom

from ..errors import UnsupportedPixels
from .color import Palette

_COLORS = ("Red", "Green", "Blue")


def read_palette(header: bytes) -> Palette:
    """Read the three tables from an instance's bytes up to its pixels; raises `UnsupportedPixels` without them."""
    data_set = pydicom.dcmread(BytesIO(header), stop_before_pixels=True, force=True)
    tables = [getattr(data_set, f"{color}PaletteColorLookupTableData", None) for color in _COLORS]
    descriptor = getattr(data_set, "RedPaletteColorLookupTableDescriptor", None)
    if descriptor is None or None in tables:
        raise UnsupportedPixels("PALETTE COLOR without plain Palette Color Lookup Table Data (0028,1201)")
    entries, first_mapped, bits = (int(number) for number in descriptor)
    entries = entries or 1 << 16  # 0 stands for 65,536, which a US cannot hold
    order = "<" if data_set.original_encoding[1] else ">"
    red, green, blue = (_entries(bytes(table or b""), entries, order) for table in tables)
    return Palette(red, green, blue, first_mapped, bits)


def _entries(table: bytes, entries: int, order: str) -> np.ndarray[tuple[int], np.dtype[np.uint16]]:
    """Read 8-bit entries where the table is that short (two to a word), else 16-bit ones."""
    is_narrow = len(table) < 2 * entries
    values = np.frombuffer(table, np.uint8 if is_narrow else f"{order}u2")[:entries]
    if len(values) < entries:
        raise UnsupportedPixels(f"the palette holds {len(values)} of {entries} entries")
    return values.astype(np.uint16)
