"""Read colour tables from a header: plain, and segmented (PS3.3 C.7.9)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray

from ...errors import UnsupportedPixels
from .color import Palette
from .tables import Entries, is_big_endian, table_entries

_COLORS = ("Red", "Green", "Blue")
_DISCRETE, _LINEAR, _INDIRECT = 0, 1, 2
_MOST_ENTRIES = 1 << 16


def read_palette(data_set: pydicom.Dataset) -> Palette:
    """Read the three tables; raises `UnsupportedPixels` where they are missing or malformed, and says how."""
    descriptor = data_set.get("RedPaletteColorLookupTableDescriptor")
    if descriptor is None or len(descriptor) != 3:
        raise UnsupportedPixels("no Red Palette Color Lookup Table Descriptor (0028,1101) of three values")
    count, first_mapped, bits = (int(number) for number in descriptor)
    count = count or _MOST_ENTRIES  # 0 stands for 65,536, which a US cannot hold
    order = ">" if is_big_endian(data_set) else "<"
    red, green, blue = (_read_color(data_set, color, count, bits, order) for color in _COLORS)
    return Palette(red, green, blue, first_mapped, bits)


def _read_color(data_set: pydicom.Dataset, color: str, count: int, bits: int, order: str) -> Entries:
    plain = data_set.get(f"{color}PaletteColorLookupTableData")
    if plain is not None:
        return table_entries(bytes(plain), count, order)
    segmented = data_set.get(f"Segmented{color}PaletteColorLookupTableData")
    if segmented is None:
        raise UnsupportedPixels(f"no {color} Palette Color Lookup Table Data, plain or segmented")
    data = bytes(segmented)
    if bits == 8 and order == ">" and len(data) % 2 == 0:
        data = np.frombuffer(data, np.uint16).byteswap().tobytes()
    words = np.frombuffer(data[: len(data) // (bits // 8) * (bits // 8)], np.uint8 if bits == 8 else f"{order}u2")
    return expand_segments(words, count)


def expand_segments(words: NDArray[Any], count: int) -> Entries:
    """Give the `count` entries that the segments in `words`, uint8 or uint16, stand for (PS3.3 C.7.9.2).

    A segment is discrete (0, n, n entries), linear (1, n, the last of n entries on a line from the one before) or
    indirect (2, n, an offset of 32 bits: n segments that stand there already). Raises `UnsupportedPixels` for segments
    that end too early, go too far, or are of another kind.
    """
    segments = _Segments(words, count)
    at = 0
    while at < len(words) and len(segments.entries) < count:
        at = segments.expand(at, may_refer=True)
    if len(segments.entries) != count:
        raise UnsupportedPixels(f"the segments of a palette stand for {len(segments.entries)} of {count} entries")
    return np.array(segments.entries, np.uint16)


class _Segments:
    """The segments of one table, and the entries that those read so far stand for."""

    def __init__(self, words: NDArray[Any], count: int) -> None:
        self._words, self._count = words.tolist(), count
        self._offset_words = 4 // words.itemsize
        self._word_bits = 8 * words.itemsize
        self.entries: list[int] = []

    def expand(self, at: int, *, may_refer: bool) -> int:
        """Append what the segment at a place stands for; give the place after it."""
        kind, length, body = self._read(at)
        if kind == _DISCRETE:
            self.entries += body
        elif kind == _LINEAR:
            if not self.entries or not length:
                raise UnsupportedPixels("a palette's linear segment has no entry before it, or no length")
            line = np.linspace(self.entries[-1], body[0], length + 1)[1:]
            self.entries += np.rint(line).astype(int).tolist()
        elif not may_refer:
            raise UnsupportedPixels("a palette's indirect segment refers to another one")
        else:
            self._copy(sum(word << self._word_bits * n for n, word in enumerate(body)), length, at)
        if len(self.entries) > self._count:
            raise UnsupportedPixels(f"the segments of a palette stand for more than {self._count} entries")
        return at + 2 + len(body)

    def _read(self, at: int) -> tuple[int, int, list[int]]:
        kind, length = (*self._words[at : at + 2], 0, 0)[:2]
        size = {_DISCRETE: length, _LINEAR: 1, _INDIRECT: self._offset_words}.get(kind, 0)
        body = self._words[at + 2 : at + 2 + size]
        if not size or len(body) < size:
            raise UnsupportedPixels(f"a palette's segment of kind {kind} is of no known kind, empty, or cut short")
        return kind, length, body

    def _copy(self, source: int, count: int, end: int) -> None:
        for _ in range(count):
            if source >= end:
                raise UnsupportedPixels("a palette's indirect segment refers to what comes after it")
            source = self.expand(source, may_refer=False)
