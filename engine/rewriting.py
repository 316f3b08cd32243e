"""An instance written anew in another lossless transfer syntax: the same stored values, the same header but for what
has to say otherwise.

All other elements stay as they lie in the file, byte for byte, private ones and those in sequences too. So only headers
in Explicit VR Little Endian are written anew, which all encapsulated ones are by the standard.
"""

from __future__ import annotations

import itertools
import struct
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..errors import InvalidArgument, UnsupportedPixels
from ..storage import pool
from ..storage.whole import MAPPED_BYTES
from .data_set import DataSet, Encoding
from .encapsulation import ITEM_HEADER_BYTES, scan_encapsulated
from .encode import ENCODERS, encode_frame, encoded_photometric
from .instance import Instance, PixelDescription
from .packing import Bytes, Packing, Values, is_packable, pack_frames, samples_first
from .part10 import Part10, read_part10
from .transfer_syntax import EXPLICIT_LITTLE, IMPLICIT_LITTLE, name_of

WRITTEN = frozenset(ENCODERS) - {IMPLICIT_LITTLE}
"""Transfer syntaxes in which an instance can be written anew."""

_META_LENGTH, _TRANSFER_SYNTAX = 0x00020000, 0x00020010
_PHOTOMETRIC, _PLANAR = 0x00280004, 0x00280006
_PIXEL_DATA = 0x7FE00010
_SIGNATURES = 0x4FFE0001
"""MAC Parameters Sequence: a digital signature over the header would not hold for another."""
_OFFSETS, _LENGTHS = 0x7FE00001, 0x7FE00002
"""Extended Offset Table and its lengths: only encapsulated pixels have them."""
_UNTRUE = (0x00080001, 0x00280000, 0x7FE00000, _OFFSETS, _LENGTHS)
"""Length to End, and lengths of groups that change: all retired, and left out; the table is written anew."""
_LONG_VRS = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"})
_MOST_NATIVE_BYTES = 0xFFFFFFFE
_MOST_OFFSET = 0xFFFFFFFF
_TRAILING_PADDING = b"\xfc\xff\xfc\xff"
"""Data Set Trailing Padding (FFFC,FFFC): all that may follow the pixels; a digital signature might, too."""
_ITEM, _SEQUENCE_END = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"
_FRAMES_A_THREAD = 4


@dataclass(frozen=True, slots=True)
class Origin:
    """What an instance is written from."""

    head: bytes
    """Its file up to the value of the pixel data."""
    tail: bytes
    """What follows the pixel data in it."""
    description: PixelDescription
    """Of the header, with the photometric interpretation that the stored values have."""
    read: Callable[[int], Values]
    """Gives a frame's stored values, (rows, columns) or (rows, columns, samples)."""
    folder: Path
    """Where there is room for codestreams that are too many for memory."""


def why_not_rewritable(instance: Instance, data: Bytes) -> str:
    """Say why an instance cannot be given back with its codestreams dropped, "" where it can; `data` is its file."""
    description, span = instance.pixels, instance.pixel_span
    if description is None or span is None or not span.is_encapsulated:
        return "it has no codestreams"
    _, end = scan_encapsulated(data, span)
    tail = bytes(data[end : end + len(_TRAILING_PADDING)])
    return _why_not(bytes(data[: span.offset]), tail, description)


def _why_not(head: bytes, tail: bytes, description: PixelDescription) -> str:
    part = read_part10(head, len(head) + ITEM_HEADER_BYTES + description.native_bytes)
    if part.data_set.encoding != Encoding(True, False) or part.is_deflated or part.pixel_tag != _PIXEL_DATA:
        return "its header is not in Explicit VR Little Endian, or its pixels are floats"
    if part.meta is None or _TRANSFER_SYNTAX not in part.meta:
        return "its file meta information names no transfer syntax"
    if _SIGNATURES in part.data_set or tail not in (b"", _TRAILING_PADDING):
        return "it has digital signatures, or something else behind its pixels"
    if description.high_bit != description.bits_stored - 1 or not is_packable(description):
        return "High Bit is not Bits Stored - 1, or pixels share chroma"
    if description.native_bytes > _MOST_NATIVE_BYTES:
        return "its pixels are too many for a native element"
    return ""


def tail_of_codestreams(header: bytes, pixel_offset: int) -> bytes:
    """Give what follows encapsulated pixels in a header that was kept without its codestreams."""
    (table_bytes,) = struct.unpack_from("<I", header, pixel_offset + 4)
    at = pixel_offset + ITEM_HEADER_BYTES + table_bytes
    while header[at : at + 4] == _ITEM:
        at += ITEM_HEADER_BYTES
    return header[at + ITEM_HEADER_BYTES :] if header[at : at + 4] == _SEQUENCE_END else header[at:]


def check_written(transfer_syntax_uid: str) -> str:
    """Give a transfer syntax in which instances are written anew; raises `InvalidArgument` for another."""
    if transfer_syntax_uid not in WRITTEN:
        names = "; ".join(sorted(map(name_of, WRITTEN)))
        raise InvalidArgument(f"{name_of(transfer_syntax_uid)} is not written here: choose one of {names}")
    return transfer_syntax_uid


def write_anew(origin: Origin, transfer_syntax_uid: str) -> Iterator[Bytes]:
    """Give a Part 10 file with the same stored values in a lossless transfer syntax, in pieces.

    Raises `InvalidArgument` for a transfer syntax that is not written here, `UnsupportedPixels` for pixels that it does
    not hold, or a header that cannot be written anew.
    """
    check_written(transfer_syntax_uid)
    if reason := _why_not(origin.head, origin.tail[: len(_TRAILING_PADDING)], origin.description):
        raise UnsupportedPixels(f"it is given back only as it was received: {reason}")
    one_way = replace(origin.description, planar_configuration=0)
    if transfer_syntax_uid == EXPLICIT_LITTLE:
        yield from _native(origin, one_way)
    else:
        yield from _encapsulated(origin, one_way, transfer_syntax_uid)
    yield origin.tail


def _native(origin: Origin, description: PixelDescription) -> Iterator[Bytes]:
    is_padded = description.native_bytes % 2
    vr = b"OW" if description.bits_allocated > 8 else b"OB"
    element = _long(_PIXEL_DATA, vr, description.native_bytes + is_padded)
    yield _header(origin.head, EXPLICIT_LITTLE, description, description.photometric_interpretation, element)
    packing = Packing(description, False, "sign" if description.is_signed else "zero")
    yield from pack_frames(packing, lambda frame: samples_first(origin.read(frame)))
    yield bytes(is_padded)


def _encapsulated(origin: Origin, description: PixelDescription, uid: str) -> Iterator[Bytes]:
    """Encode all frames before the first byte is given: the offset table in front tells where they are."""
    with tempfile.SpooledTemporaryFile(MAPPED_BYTES, dir=str(origin.folder)) as kept:
        lengths = []
        for coded in _encoded_frames(origin, description, uid):
            kept.write(coded)
            lengths.append(len(coded))
        offsets = [0, *itertools.accumulate(ITEM_HEADER_BYTES + length + length % 2 for length in lengths)][:-1]
        is_long = offsets[-1] > _MOST_OFFSET
        element = _long(_PIXEL_DATA, b"OB", 0xFFFFFFFF)
        if is_long:
            element = (
                b"".join(
                    _long(tag, b"OV", 8 * len(numbers)) + np.array(numbers, "<u8").tobytes()
                    for tag, numbers in ((_OFFSETS, offsets), (_LENGTHS, lengths))
                )
                + element
            )
        table = b"" if is_long else np.array(offsets, "<u4").tobytes()
        yield _header(origin.head, uid, description, encoded_photometric(description, uid), element)
        yield _ITEM + struct.pack("<I", len(table)) + table
        kept.seek(0)
        for length in lengths:
            padding = length % 2
            yield _ITEM + struct.pack("<I", length + padding)
            yield kept.read(length) + bytes(padding)
        yield _SEQUENCE_END + bytes(4)


def _encoded_frames(origin: Origin, description: PixelDescription, uid: str) -> Iterator[bytes]:
    """Encode frames on the pool, few at a time."""
    one = replace(description, frames=1)
    step = _FRAMES_A_THREAD * pool.thread_count()
    for first in range(0, description.frames, step):
        values = [origin.read(frame) for frame in range(first, min(first + step, description.frames))]
        yield from pool.run_all(lambda frame: encode_frame(np.ascontiguousarray(frame), one, uid), values)


def _header(head: bytes, uid: str, description: PixelDescription, photometric: str, pixels: bytes) -> bytes:
    """Give the header up to the value of the pixel data, of which `pixels` is all that comes before the value."""
    part = read_part10(head, len(head) + ITEM_HEADER_BYTES + description.native_bytes)
    elements = {_PHOTOMETRIC: _short(_PHOTOMETRIC, b"CS", _even(photometric.encode(), b" "))}
    if description.samples_per_pixel > 1:
        elements[_PLANAR] = _short(_PLANAR, b"US", struct.pack("<H", description.planar_configuration))
    if part.data_set.text(_PHOTOMETRIC) == photometric:
        del elements[_PHOTOMETRIC]
    edits = [*_meta_edits(part, uid), *_edits(part.data_set, elements)]
    edits += [(*span, b"") for tag in _UNTRUE if (span := _span(part.data_set, tag))]
    start, _ = _span(part.data_set, _PIXEL_DATA) or (len(head), 0)
    return _edited(head, [*edits, (start, len(head), pixels)])


def _meta_edits(part: Part10, uid: str) -> Iterator[tuple[int, int, bytes]]:
    """Name the transfer syntax in the file meta information, and say its new length."""
    assert part.meta is not None
    start, end = _span(part.meta, _TRANSFER_SYNTAX) or (0, 0)
    new = _short(_TRANSFER_SYNTAX, b"UI", _even(uid.encode(), b"\0"))
    yield start, end, new
    length = _span(part.meta, _META_LENGTH)
    if length is not None:
        last = max(span[1] for tag in part.meta if (span := _span(part.meta, tag)))
        meta_bytes = last - length[1] + len(new) - (end - start)
        yield *length, _short(_META_LENGTH, b"UL", struct.pack("<I", meta_bytes))


def _edits(data_set: DataSet, elements: dict[int, bytes]) -> Iterator[tuple[int, int, bytes]]:
    """Put elements in the place of those that are there, or where they belong."""
    for tag, element in elements.items():
        span = _span(data_set, tag)
        if span is None:
            later = next(other for other in data_set if other > tag)  # the pixel data at the latest
            start = (_span(data_set, later) or (0, 0))[0]
            span = start, start
        yield *span, element


def _span(data_set: DataSet, tag: int) -> tuple[int, int] | None:
    """Give where an element begins, and where its value ends; None where it is absent."""
    place = data_set.place(tag)
    if place is None:
        return None
    offset, length = place
    return offset - (12 if data_set.vr(tag) in _LONG_VRS else 8), offset + length


def _edited(data: bytes, edits: Sequence[tuple[int, int, bytes]]) -> bytes:
    """Put bytes in the place of others, each (start, end, new)."""
    pieces, at = [], 0
    for start, end, new in sorted(edits):
        pieces += [data[at:start], new]
        at = end
    return b"".join([*pieces, data[at:]])


def _short(tag: int, vr: bytes, value: bytes) -> bytes:
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr, len(value)) + value


def _long(tag: int, vr: bytes, length: int) -> bytes:
    return struct.pack("<HH2sHI", tag >> 16, tag & 0xFFFF, vr, 0, length)


def _even(text: bytes, padding: bytes) -> bytes:
    return text + padding * (len(text) % 2)
