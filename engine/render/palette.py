"""Read the colour tables of a PALETTE COLOR image from its header (PS3.3 C.7.9)."""

from __future__ import annotations

from ...errors import UnsupportedPixels
from .color import Palette
from .tables import read_header, table_entries

_COLORS = ("Red", "Green", "Blue")


def read_palette(header: bytes) -> Palette:
    """Read the three tables from an instance's bytes without its pixels; raises `UnsupportedPixels` without them."""
    data_set = read_header(header)
    tables = [getattr(data_set, f"{color}PaletteColorLookupTableData", None) for color in _COLORS]
    descriptor = getattr(data_set, "RedPaletteColorLookupTableDescriptor", None)
    if descriptor is None or None in tables:
        raise UnsupportedPixels("PALETTE COLOR without plain Palette Color Lookup Table Data (0028,1201)")
    count, first_mapped, bits = (int(number) for number in descriptor)
    count = count or 1 << 16  # 0 stands for 65,536, which a US cannot hold
    order = "<" if data_set.original_encoding[1] else ">"
    red, green, blue = (table_entries(bytes(table or b""), count, order) for table in tables)
    return Palette(red, green, blue, first_mapped, bits)
