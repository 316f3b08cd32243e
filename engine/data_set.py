"""A data set as located bytes: values are converted when asked for, by tag (PS3.5 section 6.2).

Conversion is lenient where a header may be careless (a decimal that is no number is NaN, padding is stripped)
and strict where structure is at stake (a sequence that does not hold items is a `FormatError`).
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np

from ..errors import FormatError, Truncated
from ..kernels import elements

Buffer = bytes | memoryview | mmap.mmap

_NAN = float("nan")
_BINARY_FORMATS = {
    "US": "H", "SS": "h", "UL": "I", "SL": "i", "UV": "Q", "SV": "q", "FL": "f", "FD": "d",
    "OB": "B", "OW": "H", "OL": "I", "OV": "Q", "OF": "f", "OD": "d",
}  # fmt: skip
_TEXT_NUMBERS = frozenset({"DS", "IS"})
_UN = 0x554E
_REMEMBERED_BYTES = 64
_FAULTS = {
    elements.TRUNCATED: "the file ends inside a data element",
    elements.BAD_STRUCTURE: "a sequence holds something else than items",
    elements.TOO_DEEP: f"sequences nested deeper than {elements.MAXIMUM_DEPTH}",
}


class Encoding(NamedTuple):
    """How elements are written: with their VR or without, and in which byte order."""

    is_explicit: bool
    is_big_endian: bool


def tag_name(tag: int) -> str:
    """Write a tag as the standard does: (0028,0010)."""
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


def check_scan(status: int, position: int) -> None:
    """Raise what a scan's status stands for: `Truncated` or `FormatError`, with the byte offset."""
    fault = _FAULTS.get(status)
    if fault is None:
        return
    message = f"{fault}, at byte {position}: "
    if status == elements.TRUNCATED:
        raise Truncated(message + "it was cut short, or a length in it is wrong")
    raise FormatError(message + "the file is damaged")


class DataSet:
    """The elements of one data set (or of one item) and the bytes their values lie in."""

    __slots__ = ("_data", "_index", "_lengths", "_offsets", "_vrs", "encoding")

    def __init__(self, data: Buffer, scan: elements.Scan, encoding: Encoding) -> None:
        tags, self._vrs, self._offsets, self._lengths = scan.table.tolist()
        self._data = data
        self._index: dict[int, int] = dict(zip(tags, range(len(tags)), strict=True))
        self.encoding = encoding

    def __contains__(self, tag: int) -> bool:
        return tag in self._index

    def __len__(self) -> int:
        return len(self._index)

    def __iter__(self) -> Iterator[int]:
        """Give the tags, in the order of the file."""
        return iter(self._index)

    def raw_values(self, names: Mapping[int, str]) -> dict[str, bytes]:
        """Give, by name, the bytes of those elements, of many by tag, that are here."""
        index, offsets, lengths, data = self._index, self._offsets, self._lengths, self._data
        places = [(name, index[tag]) for tag, name in names.items() if tag in index]
        return {name: bytes(data[offsets[at] : offsets[at] + lengths[at]]) for name, at in places}

    def place(self, tag: int) -> tuple[int, int] | None:
        """Give offset and length of the value, or None if the element is absent."""
        index = self._index.get(tag)
        return None if index is None else (self._offsets[index], self._lengths[index])

    def vr(self, tag: int) -> str:
        """Give the VR the file states, or "" where it states none."""
        code = self._vrs[self._index[tag]] if tag in self._index else 0
        return chr(code >> 8) + chr(code & 0xFF) if code else ""

    def raw(self, tag: int) -> bytes:
        """Give the value's bytes as they lie in the file; empty if the element is absent."""
        index = self._index.get(tag)
        if index is None:
            return b""
        offset = self._offsets[index]
        return bytes(self._data[offset : offset + self._lengths[index]])

    def text(self, tag: int) -> str:
        """Give an unstructured value in the default repertoire, padding stripped; "" if absent."""
        return self.raw(tag).decode("latin-1").strip("\0 \t\r\n")

    def codes(self, tag: int) -> list[str]:
        """Give the values of a CS or UI element, padding stripped; [] if absent or empty."""
        whole = self.text(tag)
        return [value.strip("\0 ") for value in whole.split("\\")] if whole else []

    def numbers(self, tag: int, vr: str) -> Sequence[float]:
        """Give a numeric value as floats; `vr` is the VR the dictionary gives, for implicit files.

        Empty and unreadable values, and infinities, are NaN; none if absent or empty.
        """
        raw = self.raw(tag)
        if not raw:
            return ()
        if self.encoding.is_explicit:
            stated = self.vr(tag)
            vr = stated if stated in _BINARY_FORMATS or stated in _TEXT_NUMBERS else vr
        convert = _same_numbers if len(raw) <= _REMEMBERED_BYTES else _numbers
        return convert(raw, vr, self.encoding.is_big_endian)

    def number(self, tag: int, vr: str) -> float:
        """Give the first number of the element, or NaN."""
        values = self.numbers(tag, vr)
        return values[0] if values else _NAN

    def integer(self, tag: int, vr: str) -> int | None:
        """Give the first number as an int, or None where it is absent, empty or none."""
        value = self.number(tag, vr)
        return None if value != value else int(value)

    def unsigned_64(self, tag: int) -> list[int]:
        """Give an OV element's values exactly (a float would round them)."""
        raw = self.raw(tag)
        order: Literal["big", "little"] = "big" if self.encoding.is_big_endian else "little"
        return [int.from_bytes(raw[start : start + 8], order) for start in range(0, len(raw) - 7, 8)]

    def items(self, tag: int) -> list[DataSet]:
        """Give the items of a sequence; [] if absent or empty. Raises `FormatError` if it holds anything
        else.
        """
        index = self._index.get(tag)
        if index is None or self._lengths[index] == 0:
            return []
        # PS3.5 section 6.2.2: what a UN holds is implicit VR little endian.
        return read_items(self.raw(tag), Encoding(False, False) if self._vrs[index] == _UN else self.encoding)

    def item(self, tag: int) -> DataSet | None:
        """Give the first item of a sequence, or None."""
        items = self.items(tag)
        return items[0] if items else None


def read_items(raw: bytes, encoding: Encoding) -> list[DataSet]:
    """Give the items of a sequence's value. Raises `FormatError` if it holds anything else."""
    scan = elements.scan_items(np.frombuffer(raw, np.uint8), 0, len(raw), **encoding._asdict())
    check_scan(scan.status, scan.position)
    places = zip(*scan.table.tolist(), strict=True)
    return [read_data_set(raw, start, start + length, encoding) for start, length in places]


def read_data_set(data: bytes, start: int, end: int, encoding: Encoding) -> DataSet:
    """Locate the elements of an item's content. Raises `FormatError` where they do not parse."""
    scan = elements.scan_elements(np.frombuffer(data, np.uint8), start, end, **encoding._asdict())
    check_scan(scan.status, scan.position)
    return DataSet(data, scan, encoding)


def _numbers(raw: bytes, vr: str, is_big_endian: bool) -> tuple[float, ...]:
    if vr in _TEXT_NUMBERS:
        return tuple(_decimal(part) for part in raw.split(b"\\"))
    code = _BINARY_FORMATS[vr]
    count, order = len(raw) // struct.calcsize(code), ">" if is_big_endian else "<"
    return tuple(_finite(float(value)) for value in struct.unpack_from(f"{order}{count}{code}", raw))


_same_numbers = lru_cache(maxsize=1024)(_numbers)
"""The instances of a series mostly say the same."""


def _decimal(value: bytes) -> float:
    try:
        return _finite(float(value.strip(b"\0 ")))
    except ValueError:
        return _NAN


def _finite(number: float) -> float:
    return number if abs(number) < 1e300 else _NAN
