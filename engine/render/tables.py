"""Lookup tables of a header: the modality LUT and the VOI LUT where they are given as tables (PS3.3 C.11.1, C.11.2)."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray

from ...errors import UnsupportedPixels

Entries = NDArray[np.uint16]


@dataclass(frozen=True, eq=False)
class Table:
    """One lookup table: stored or modality values in, entries out; values beyond it take the nearest end."""

    entries: Entries
    first_mapped: int
    """The value that the first entry is for."""
    bits: int
    """Significant bits of an entry."""

    def look_up(self, values: NDArray[Any]) -> Entries:
        """Give the entries for whole-numbered values, the shape kept."""
        numbers = np.clip(values.astype(np.int64) - self.first_mapped, 0, len(self.entries) - 1)
        return self.entries[numbers]

    @property
    def gray(self) -> NDArray[np.uint8]:
        """The entries as grey, 0 to 255."""
        white = (1 << self.bits) - 1
        return np.rint(np.minimum(self.entries, white) * (255.0 / white)).astype(np.uint8)


def read_header(header: bytes) -> pydicom.Dataset:
    """Read a header kept by the archive: an instance's bytes without its pixels."""
    return pydicom.dcmread(BytesIO(header), stop_before_pixels=True, force=True)


def read_tables(header: bytes) -> tuple[Table | None, Table | None]:
    """Read the modality table and the first VOI table of an instance; None where there is none.

    Raises `UnsupportedPixels` for a table that holds fewer entries than it says.
    """
    data_set = read_header(header)
    keywords = "ModalityLUTSequence", "VOILUTSequence"
    first_items = [next(iter(getattr(data_set, keyword, None) or ()), None) for keyword in keywords]
    modality, voi = (None if item is None else _read_table(item, _order(data_set)) for item in first_items)
    return modality, voi


def _order(data_set: pydicom.Dataset) -> str:
    return "<" if data_set.original_encoding[1] else ">"


def _read_table(item: pydicom.Dataset, order: str) -> Table:
    count, first_mapped, bits = (int(number) for number in item.LUTDescriptor)
    data = item["LUTData"].value
    if isinstance(data, bytes):
        entries = table_entries(data, count or 1 << 16, order)
    else:
        entries = np.atleast_1d(np.array(data)).astype(np.uint16)
    return Table(entries, first_mapped, bits)


def table_entries(data: bytes, count: int, order: str) -> Entries:
    """Read `count` entries: 8-bit ones where the data is that short (two to a word), else 16-bit ones."""
    is_narrow = len(data) < 2 * count
    values = np.frombuffer(data, np.uint8 if is_narrow else f"{order}u2")[:count]
    if len(values) < count:
        raise UnsupportedPixels(f"a lookup table holds {len(values)} of {count} entries")
    return values.astype(np.uint16)
