"""Small DICOM files as bytes, written element by element, so that tests can break each one."""

from __future__ import annotations

import struct

from naive.elements import ITEM, SEQUENCE_END, write_data_set, write_element, write_tag

EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
CT = "1.2.840.10008.5.1.4.1.1.2"


def even(text):
    raw = text if isinstance(text, bytes) else text.encode()
    return raw + b" " * (len(raw) % 2)


def ushort(value, order="<"):
    return struct.pack(f"{order}H", value)


def meta(syntax=EXPLICIT_LITTLE):
    elements = write_element(0x00020002, b"UI", CT.encode() + b"\0")
    elements += write_element(0x00020010, b"UI", syntax.encode() + b"\0" * (len(syntax) % 2)) if syntax else b""
    return bytes(128) + b"DICM" + elements


def header(order="<", **changed):
    """Elements of a 2 × 3 CT of 16 bits; `changed` replaces a value by (VR, bytes) or drops it by None."""
    elements = {
        0x00080005: (b"CS", b"ISO_IR 100"),
        0x00080008: (b"CS", even("ORIGINAL\\PRIMARY\\AXIAL")),
        0x00080016: (b"UI", even(CT)),
        0x00080018: (b"UI", b"1.2.3.4\0"),
        0x00100010: (b"PN", even("Müller^Anna".encode("latin-1"))),
        0x00100020: (b"LO", b"P1"),
        0x00180050: (b"DS", b"1.5 "),
        0x0020000D: (b"UI", b"1.2\0"),
        0x0020000E: (b"UI", b"1.2.3\0"),
        0x00200012: (b"IS", b"2 "),
        0x00200013: (b"IS", b"7 "),
        0x00200032: (b"DS", b"-1.5\\2\\30"),
        0x00200037: (b"DS", b"1\\0\\0\\0\\1\\0 "),
        0x00280002: (b"US", ushort(1, order)),
        0x00280004: (b"CS", b"MONOCHROME2 "),
        0x00280010: (b"US", ushort(2, order)),
        0x00280011: (b"US", ushort(3, order)),
        0x00280030: (b"DS", b"0.5\\0.25"),
        0x00280100: (b"US", ushort(16, order)),
        0x00280101: (b"US", ushort(12, order)),
        0x00280102: (b"US", ushort(11, order)),
        0x00280103: (b"US", ushort(1, order)),
        0x00281050: (b"DS", b"40\\600"),
        0x00281051: (b"DS", b"400\\1500"),
        0x00281052: (b"DS", b"-1024 "),
        0x00281053: (b"DS", b"1 "),
    }
    elements |= {int(tag.removeprefix("t"), 16): value for tag, value in changed.items()}
    return [(tag, *value) for tag, value in sorted(elements.items()) if value is not None]


def image(syntax=EXPLICIT_LITTLE, pixels=bytes(12), *, is_explicit=True, order="<", **changed):
    elements = [*header(order, **changed), (0x7FE00010, b"OW", pixels)]
    return meta(syntax) + write_data_set(elements, is_explicit=is_explicit, order=order)


def item(body, length=None):
    size = len(body) if length is None else length
    return write_tag(ITEM, "<") + struct.pack("<I", size) + body


def encapsulated(*fragments, table=b"", delimiter=True):
    """The value of encapsulated pixel data: offset table, fragments, delimiter."""
    end = write_tag(SEQUENCE_END, "<") + bytes(4) if delimiter else b""
    return item(table) + b"".join(item(fragment) for fragment in fragments) + end


def encapsulated_image(value, syntax="1.2.840.10008.1.2.5", **changed):
    element = write_tag(0x7FE00010, "<") + b"OB\0\0" + b"\xff" * 4
    return meta(syntax) + write_data_set(header(**changed)) + element + value
