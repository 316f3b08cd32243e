"""The DICOMDIR of an export: a Basic Directory of its patient, studies, series and images (PS3.3 F)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, MediaStorageDirectoryStorage

from .writing import encode_elements, file_head

_ITEM_HEAD_BYTES = 8
_LINK = struct.Struct("<HH2sHI HH2sHH HH2sHI")  # next record, in use, lower level record
_IN_USE = 0xFFFF


@dataclass(slots=True)
class Record:
    """One directory record and those below it."""

    content: Dataset
    """Directory Record Type and the keys of its kind."""
    below: list[Record] = field(default_factory=list)
    encoded: bytes = field(default=b"", init=False)
    offset: int = field(default=0, init=False)
    """Byte offset of the record's item in the file."""


def write_dicomdir(path: Path, roots: list[Record], file_set_id: str, uid: str) -> None:
    """Write the directory; records are laid out parents first and linked by their offsets in the file."""
    head = file_head(MediaStorageDirectoryStorage, uid, ExplicitVRLittleEndian)
    identifier = Dataset()
    identifier.FileSetID = file_set_id
    head += b"".join(encode_elements(identifier, is_implicit=False).values())
    fixed_bytes = 12 + 12 + 10 + 12  # first and last root, consistency flag, sequence header
    end = _lay_out(roots, len(head) + fixed_bytes)
    records = b"".join(_linked(roots))
    head += _long(0x1200, roots[0].offset) + _long(0x1202, roots[-1].offset)
    head += struct.pack("<HH2sHH", 4, 0x1212, b"US", 2, 0)
    head += struct.pack("<HH2sHI", 4, 0x1220, b"SQ", 0, end - len(head) - 12)
    path.write_bytes(head + records)


def _long(element: int, value: int) -> bytes:
    return struct.pack("<HH2sHI", 4, element, b"UL", 4, value)


def _lay_out(records: list[Record], offset: int) -> int:
    """Encode records and set their offsets; give the offset after the last."""
    for record in records:
        record.encoded = b"".join(encode_elements(record.content, is_implicit=False).values())
        record.offset = offset
        offset = _lay_out(record.below, offset + _ITEM_HEAD_BYTES + _LINK.size + len(record.encoded))
    return offset


def _linked(records: list[Record]) -> Iterator[bytes]:
    for record, following in zip_longest(records, records[1:]):
        next_offset = following.offset if following else 0
        lower = record.below[0].offset if record.below else 0
        links = _LINK.pack(
            4, 0x1400, b"UL", 4, next_offset, 4, 0x1410, b"US", 2, _IN_USE, 4, 0x1420, b"UL", 4, lower
        )  # fmt: skip
        yield struct.pack("<HHI", 0xFFFE, 0xE000, _LINK.size + len(record.encoded)) + links + record.encoded
        yield from _linked(record.below)
