"""Find where the elements of a data set lie, without looking at their values (PS3.5 section 7).

One pass over the bytes notes tag, VR, offset and length of each top-level element. Sequences and items of
undefined length are stepped over with an explicit, bounded depth; every read is preceded by a check against
the end, and the position only ever grows, so any bytes are scanned in linear time. What stopped a scan is a
status and a position.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .jit import inlined, kernel

AT_END = 0
"""The scan reached the end of the bytes."""
STOPPED = 1
"""The scan met what it was told to stop at: pixel data, another group, or a delimiter."""
FULL = 2
"""The table is full; the scan goes on from the position."""
TRUNCATED = 3
"""The bytes end inside the element, item or header at the position."""
BAD_STRUCTURE = 4
"""What lies at the position is neither an item nor a delimiter where one must be."""
TOO_DEEP = 5
"""Sequences are nested deeper than `MAXIMUM_DEPTH`."""

MAXIMUM_DEPTH = 64
"""Sequences inside sequences; real objects stay below ten."""

Integer = int | np.int64
Flag = bool | np.bool
"""What these are depends on who calls: Python or a kernel."""

UNDEFINED_LENGTH = -1
PIXEL_TAGS = (0x7FE00008, 0x7FE00009, 0x7FE00010)
"""Float, Double Float and (integer) Pixel Data: the scan stops here when asked to."""

_ITEM = 0xFFFEE000
_ITEM_END = 0xFFFEE00D
_SEQUENCE_END = 0xFFFEE0DD
_UN = 0x554E
_NEVER = 1 << 30
_FIRST_CAPACITY = 256


class Scan(NamedTuple):
    """What a scan found, and where and why it ended."""

    table: NDArray[np.int64]
    """(columns, entries): for elements tag, VR, value offset, value length; for items offset and length."""
    position: int
    """Byte offset at which the scan ended."""
    status: int


@inlined
def _uint16(data: NDArray[np.uint8], position: Integer, is_big_endian: bool) -> Integer:
    first = np.int64(data[position])
    second = np.int64(data[position + 1])
    return (first << 8 | second) if is_big_endian else (second << 8 | first)


@inlined
def _uint32(data: NDArray[np.uint8], position: Integer, is_big_endian: bool) -> Integer:
    first = _uint16(data, position, is_big_endian)
    second = _uint16(data, position + 2, is_big_endian)
    return (first << 16 | second) if is_big_endian else (second << 16 | first)


@inlined
def _tag(data: NDArray[np.uint8], position: Integer, is_big_endian: bool) -> Integer:
    return _uint16(data, position, is_big_endian) << 16 | _uint16(data, position + 2, is_big_endian)


@inlined
def _length(data: NDArray[np.uint8], position: Integer, is_big_endian: bool) -> Integer:
    length = _uint32(data, position, is_big_endian)
    return -1 if length == 0xFFFFFFFF else length


@inlined
def _has_long_length(vr: Integer) -> bool:
    """Whether an explicit VR is followed by two reserved bytes and 32 bits of length (PS3.5 table 7.1-1)."""
    first, second = vr >> 8, vr & 0xFF
    if first == 0x4F:  # OB OD OF OL OV OW
        return second in (0x42, 0x44, 0x46, 0x4C, 0x56, 0x57)
    if first == 0x55:  # UC UN UR UT UV
        return second in (0x43, 0x4E, 0x52, 0x54, 0x56)
    return first == 0x53 and (second == 0x51 or second == 0x56)  # SQ SV


@inlined
def _is_letters(vr: Integer) -> Flag:
    return 0x41 <= vr >> 8 <= 0x5A and 0x41 <= vr & 0xFF <= 0x5A


@inlined
def _read_header(
    data: NDArray[np.uint8], position: Integer, end: Integer, is_explicit: Flag, is_big_endian: bool
) -> tuple[Integer, Integer, Integer, Integer]:
    """Give (tag, VR, header bytes, value length) of the element at `position`; header bytes 0 if cut off.

    An element whose VR is no two capital letters is read as implicit: writers do mix them.
    """
    if end - position < 8:
        return 0, 0, 0, 0
    tag = _tag(data, position, is_big_endian)
    vr = np.int64(data[position + 4]) << 8 | np.int64(data[position + 5])
    if not is_explicit or tag >> 16 == 0xFFFE or not _is_letters(vr):
        return tag, 0, 8, _length(data, position + 4, is_big_endian)
    if not _has_long_length(vr):
        return tag, vr, 8, _uint16(data, position + 6, is_big_endian)
    if end - position < 12:
        return 0, 0, 0, 0
    return tag, vr, 12, _length(data, position + 8, is_big_endian)


@kernel
def _skip_nested(
    data: NDArray[np.uint8],
    position: Integer,
    end: Integer,
    is_explicit: Flag,
    is_big_endian: bool,
    level: Integer,
) -> tuple[Integer, Integer, Integer]:
    """Step over a sequence (`level` 1) or an item (`level` 2) of undefined length.

    Odd levels are inside a sequence, where items follow; even ones inside an item, where elements follow.
    Gives (end of the value, position after its delimiter, status).
    """
    first_level = level
    implicit_from: Integer = _NEVER
    while level >= first_level:
        in_sequence = level & 1 == 1
        explicit_here = is_explicit and level < implicit_from and not in_sequence
        tag, vr, header_bytes, length = _read_header(data, position, end, explicit_here, is_big_endian)
        if header_bytes == 0:
            return position, position, TRUNCATED
        if tag == (_SEQUENCE_END if in_sequence else _ITEM_END):
            level -= 1
            if level < implicit_from:
                implicit_from = _NEVER
            position += 8
            continue
        if (tag == _ITEM) != in_sequence or tag == _SEQUENCE_END:
            return position, position, BAD_STRUCTURE
        if length >= 0:
            if length > end - position - header_bytes:
                return position, position, TRUNCATED
            position += header_bytes + length
            continue
        level += 1
        if level > 2 * MAXIMUM_DEPTH:
            return position, position, TOO_DEEP
        if vr == _UN and level < implicit_from:
            implicit_from = level  # PS3.5 section 6.2.2: a UN of undefined length holds implicit VR
        position += header_bytes
    return position - 8, position, STOPPED


@inlined
def _is_zero(data: NDArray[np.uint8], position: Integer, end: Integer) -> Flag:
    return not data[position:end].any()


@kernel
def _scan_elements(
    data: NDArray[np.uint8],
    position: Integer,
    end: Integer,
    is_explicit: Flag,
    is_big_endian: bool,
    only_group: Integer,
    stops_at_pixels: bool,
    table: NDArray[np.int64],
) -> tuple[Integer, Integer, Integer]:
    """Fill `table` from `position` on; give (entries, position, status)."""
    count = 0
    while position < end:
        tag, vr, header_bytes, length = _read_header(data, position, end, is_explicit, is_big_endian)
        if header_bytes == 0:
            padding = _is_zero(data, position, end)
            return count, end if padding else position, AT_END if padding else TRUNCATED
        if (only_group >= 0 and tag >> 16 != only_group) or tag in (_ITEM_END, _SEQUENCE_END):
            return count, position, STOPPED
        if count == table.shape[1]:
            return count, position, FULL
        value = position + header_bytes
        is_pixels = stops_at_pixels and (tag == 0x7FE00010 or tag == 0x7FE00008 or tag == 0x7FE00009)
        following = value + length
        if not is_pixels:
            if length > end - value:
                return count, position, TRUNCATED
            if length < 0:
                explicit_items = is_explicit and vr != _UN
                value_end, following, status = _skip_nested(data, value, end, explicit_items, is_big_endian, 1)
                if status != STOPPED:
                    return count, following, status
                length = value_end - value
        table[0, count] = tag
        table[1, count] = vr
        table[2, count] = value
        table[3, count] = length
        count += 1
        if is_pixels:
            return count, value, STOPPED
        position = following
    return count, position, AT_END


@kernel
def _scan_items(
    data: NDArray[np.uint8],
    position: Integer,
    end: Integer,
    is_explicit: Flag,
    is_big_endian: bool,
    table: NDArray[np.int64],
) -> tuple[Integer, Integer, Integer]:
    """Fill `table` with offset and length of each item's content; give (entries, position, status)."""
    count = 0
    while position < end:
        tag, _, header_bytes, length = _read_header(data, position, end, False, is_big_endian)
        if header_bytes == 0:
            return count, position, TRUNCATED
        if tag == _SEQUENCE_END:
            return count, position + 8, STOPPED
        if tag != _ITEM:
            return count, position, BAD_STRUCTURE
        if count == table.shape[1]:
            return count, position, FULL
        value = position + 8
        following = value + length
        if length > end - value:
            return count, position, TRUNCATED
        if length < 0:
            value_end, following, status = _skip_nested(data, value, end, is_explicit, is_big_endian, 2)
            if status != STOPPED:
                return count, following, status
            length = value_end - value
        table[0, count] = value
        table[1, count] = length
        count += 1
        position = following
    return count, position, AT_END


@kernel
def _scan_fragments(
    data: NDArray[np.uint8], position: Integer, end: Integer, table: NDArray[np.int64]
) -> tuple[Integer, Integer, Integer]:
    """Fill `table` with offset and length of each fragment; give (entries, position, status)."""
    count = 0
    while position < end:
        tag, _, header_bytes, length = _read_header(data, position, end, False, False)
        if header_bytes == 0:
            return count, position, TRUNCATED
        if tag == _SEQUENCE_END:
            return count, position + 8, STOPPED
        if tag != _ITEM or length < 0:
            return count, position, BAD_STRUCTURE
        if length > end - position - 8:
            return count, position, TRUNCATED
        if count == table.shape[1]:
            return count, position, FULL
        table[0, count] = position + 8
        table[1, count] = length
        count += 1
        position += 8 + length
    return count, position, AT_END


def scan_elements(
    data: NDArray[np.uint8],
    start: int,
    end: int,
    *,
    is_explicit: bool,
    is_big_endian: bool,
    only_group: int = -1,
    stops_at_pixels: bool = False,
) -> Scan:
    """Locate the top-level elements of the data set in `data[start:end]`.

    The table's rows are tag, VR (two characters, big-endian; 0 where implicit), offset and length of the
    value; the length of a sequence of undefined length leaves its delimiter out. With `only_group` the scan
    stops at the first element of another group; with `stops_at_pixels` after noting pixel data, whose length
    may be `UNDEFINED_LENGTH` and whose value may lie beyond `end`.
    """
    pieces: list[NDArray[np.int64]] = []
    capacity = _FIRST_CAPACITY
    while True:
        table = np.empty((4, capacity), np.int64)
        count, position, status = _scan_elements(
            data, start, end, is_explicit, is_big_endian, only_group, stops_at_pixels, table
        )
        pieces.append(table[:, :count])
        start = int(position)
        if status != FULL:
            return Scan(_joined(pieces), start, int(status))
        capacity *= 4


def scan_items(data: NDArray[np.uint8], start: int, end: int, *, is_explicit: bool, is_big_endian: bool) -> Scan:
    """Locate the items of the sequence value in `data[start:end]`; the table's rows are offset and length."""
    pieces: list[NDArray[np.int64]] = []
    capacity = _FIRST_CAPACITY
    while True:
        table = np.empty((2, capacity), np.int64)
        count, position, status = _scan_items(data, start, end, is_explicit, is_big_endian, table)
        pieces.append(table[:, :count])
        start = int(position)
        if status != FULL:
            return Scan(_joined(pieces), start, int(status))
        capacity *= 4


def scan_fragments(data: NDArray[np.uint8], start: int, end: int) -> Scan:
    """Locate the items of encapsulated pixel data (PS3.5 A.4); the table's rows are offset and length.

    The first item is the Basic Offset Table. The status is STOPPED after the sequence delimiter, AT_END where
    the bytes end without one.
    """
    pieces: list[NDArray[np.int64]] = []
    capacity = _FIRST_CAPACITY
    while True:
        table = np.empty((2, capacity), np.int64)
        count, position, status = _scan_fragments(data, start, end, table)
        pieces.append(table[:, :count])
        start = int(position)
        if status != FULL:
            return Scan(_joined(pieces), start, int(status))
        capacity *= 4


def _joined(pieces: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces, axis=1)
