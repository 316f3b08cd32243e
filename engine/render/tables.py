"""Lookup tables of a header: modality, VOI and presentation LUTs as tables (PS3.3 C.11.1, C.11.2, C.11.6)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
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

    @cached_property
    def fractions(self) -> NDArray[np.float64]:
        """The entries as parts of the greatest that their bits can say, 0 to 1."""
        white = (1 << self.bits) - 1
        return np.asarray(np.minimum(self.entries, white) / white)

    def fraction_at(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give the fraction of the entry nearest to each value, NaN for NaN: a VOI LUT (PS3.3 C.11.2.1.1)."""
        places = np.clip(values - self.first_mapped, 0, len(self.entries) - 1) + 0.5
        is_number = ~np.isnan(places)
        found = self.fractions[np.where(is_number, places, 0.0).astype(np.int64)]
        return np.where(is_number, found, np.nan)

    def fraction_of(self, shown: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give the fractions for 0 to 1 laid over the whole table: a Presentation LUT (PS3.3 C.11.6)."""
        return self.fraction_at(shown * (len(self.entries) - 1) + self.first_mapped)


def read_header(header: bytes) -> pydicom.Dataset:
    """Read a header kept by the archive: an instance's bytes without its pixels."""
    return pydicom.dcmread(BytesIO(header), stop_before_pixels=True, force=True)


def is_big_endian(data_set: pydicom.Dataset) -> bool:
    """Whether the values of a data set that was read lie in big endian order."""
    return data_set.original_encoding[1] is False


def read_table(item: pydicom.Dataset, order: str = "<") -> Table:
    """Read the LUT Descriptor and LUT Data of one item of a LUT sequence (PS3.3 C.11.1.1).

    Raises `UnsupportedPixels` where they are missing, or hold fewer entries than they say.
    """
    descriptor, data = item.get("LUTDescriptor"), item.get("LUTData")
    if descriptor is None or len(descriptor) != 3 or data is None:
        raise UnsupportedPixels("a LUT sequence without LUT Descriptor (0028,3002) or LUT Data (0028,3006)")
    count, first_mapped, bits = (int(number) for number in descriptor)
    count = count or 1 << 16  # 0 stands for 65,536, which a US cannot hold
    if isinstance(data, bytes):
        entries = table_entries(data, count, order)
    else:
        entries = np.atleast_1d(np.array(data)).astype(np.uint16)
    if not len(entries) or not 1 <= bits <= 16:
        raise UnsupportedPixels(f"a lookup table of {len(entries)} entries of {bits} bits: 1 to 16 bits are possible")
    return Table(entries, first_mapped, bits)


def table_entries(data: bytes, count: int, order: str) -> Entries:
    """Read `count` entries: 8-bit ones where the data is that short (two to a word), else 16-bit ones."""
    is_narrow = len(data) < 2 * count
    if is_narrow and order == ">" and len(data) % 2 == 0:
        data = np.frombuffer(data, np.uint16).byteswap().tobytes()
    values = np.frombuffer(data, np.uint8 if is_narrow else f"{order}u2", count=-1 if is_narrow else count)[:count]
    if len(values) < count:
        raise UnsupportedPixels(f"a lookup table holds {len(values)} of {count} entries")
    return values.astype(np.uint16)
