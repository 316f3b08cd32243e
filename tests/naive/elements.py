"""Write and scan data sets by recursion, element by element (PS3.5 section 7)."""

from __future__ import annotations

import struct

LONG = {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
UNDEFINED = 0xFFFFFFFF


def write_tag(tag, order):
    return struct.pack(f"{order}HH", tag >> 16, tag & 0xFFFF)


def write_header(tag, vr, length, *, is_explicit, order):
    if not is_explicit:
        return write_tag(tag, order) + struct.pack(f"{order}I", length)
    if vr in LONG:
        return write_tag(tag, order) + vr + b"\0\0" + struct.pack(f"{order}I", length)
    return write_tag(tag, order) + vr + struct.pack(f"{order}H", length)


def write_element(tag, vr, value, *, is_explicit=True, order="<"):
    """Write an element; a list value is a sequence of items, each (elements, is_undefined)."""
    if isinstance(value, bytes):
        return write_header(tag, vr, len(value), is_explicit=is_explicit, order=order) + value
    items, is_undefined = value
    inner = b"".join(write_item(*item, is_explicit=is_explicit, order=order) for item in items)
    if is_undefined:
        inner += write_tag(SEQUENCE_END, order) + bytes(4)
    length = UNDEFINED if is_undefined else len(inner)
    return write_header(tag, b"SQ", length, is_explicit=is_explicit, order=order) + inner


def write_item(elements, is_undefined, *, is_explicit, order):
    inner = write_data_set(elements, is_explicit=is_explicit, order=order)
    if is_undefined:
        inner += write_tag(ITEM_END, order) + bytes(4)
    length = UNDEFINED if is_undefined else len(inner)
    return write_tag(ITEM, order) + struct.pack(f"{order}I", length) + inner


def write_data_set(elements, *, is_explicit=True, order="<"):
    return b"".join(write_element(tag, vr, value, is_explicit=is_explicit, order=order) for tag, vr, value in elements)


def places(elements, *, is_explicit, order, start=0):
    """Give (tag, value offset, value length without delimiter) of each top-level element that was written."""
    found = []
    position = start
    for tag, vr, value in elements:
        whole = write_element(tag, vr, value, is_explicit=is_explicit, order=order)
        header = 12 if is_explicit and (vr in LONG) else 8
        delimiter = 8 if not isinstance(value, bytes) and value[1] else 0
        found.append((tag, position + header, len(whole) - header - delimiter))
        position += len(whole)
    return found
