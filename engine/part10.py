"""From a file's bytes to its located elements: preamble, file meta information, data set (PS3.10 section 7).

Real archives hold files without preamble, without file meta information, or with a transfer syntax that is
missing or wrong. So the first element of the data set itself decides whether VRs are explicit, as other
readers do.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ..errors import FormatError, Incomplete, NotDicom, Truncated
from ..kernels.elements import PIXEL_TAGS, STOPPED, TRUNCATED, Scan, scan_elements
from .data_set import Buffer, DataSet, Encoding, check_scan
from .transfer_syntax import EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE, TRANSFER_SYNTAXES

INFLATED_MAXIMUM_BYTES = 4 << 30
"""A deflated data set may not grow beyond this."""
INFLATED_MAXIMUM_RATIO = 200
"""…nor beyond this many times its deflated size, once it exceeds `INFLATED_ALWAYS_ALLOWED_BYTES`."""
INFLATED_ALWAYS_ALLOWED_BYTES = 64 << 20
"""A blank image deflates a thousandfold; up to this size that is no sign of malice."""

_PREAMBLE_BYTES = 128
_PREFIX = b"DICM"
_META = Encoding(is_explicit=True, is_big_endian=False)
_TRANSFER_SYNTAX_UID = 0x00020010
_FIRST_GROUPS = frozenset({0x0004, 0x0008, 0x0010, 0x0018, 0x0020, 0x0028})
_SMALLEST_FIRST_LENGTH = 1 << 16
_ITEM_GROUP = 0xFFFE
_UNDEFINED = 0xFFFFFFFF
_LONG_VRS = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"})
"""Explicit VRs that 32 bits of length follow (PS3.5 table 7.1-1)."""


@dataclass(frozen=True, slots=True)
class Part10:
    """A file taken apart: where its data set starts, how it is written, which elements it has."""

    transfer_syntax_uid: str
    """As stated, or the plain syntax that the bytes have."""
    data: Buffer
    """The bytes that all offsets refer to: the file, or what its deflated data set inflates to."""
    data_bytes: int
    """Size of the whole of which `data` may be a prefix."""
    data_set: DataSet
    pixel_tag: int | None
    is_deflated: bool
    meta: DataSet | None
    """The file meta information (group 2), if there is any."""


def read_part10(prefix: bytes, file_bytes: int) -> Part10:
    """Locate the elements of the file that starts with `prefix` and has `file_bytes` bytes.

    Raises `Incomplete` where the prefix ends before the pixel data's value (before the end, if there is none) and
    reading on may help; `Truncated` where the file itself ends too early, be it by the length of an element that
    reaches beyond it. Raises `NotDicom` or `FormatError` for anything else.
    """
    start, meta = _read_meta(prefix, file_bytes)
    stated_uid = "" if meta is None else meta.text(_TRANSFER_SYNTAX_UID)
    syntax = TRANSFER_SYNTAXES.get(stated_uid)
    if syntax is not None and syntax.is_deflated:
        return _read_deflated(prefix, file_bytes, start, stated_uid, meta)
    encoding = _guess_encoding(prefix, start, _stated_encoding(stated_uid))
    located = _locate(prefix, start, encoding, file_bytes)
    return replace(located, transfer_syntax_uid=stated_uid or _plain_uid(encoding), meta=meta)


def inflate_data_set(data: Buffer) -> Part10:
    """Inflate a deflated file (PS3.5 A.5); offsets in the result refer to its own `data`.

    Raises `FormatError` if the stream is no deflate stream or grows beyond the bounds of this module,
    `Truncated` if it ends early, `InvalidArgument` never: a file that is not deflated is just read.
    """
    whole = bytes(data[:])
    return read_part10(whole, len(whole))


def _read_meta(data: bytes, file_bytes: int) -> tuple[int, DataSet | None]:
    """Give the offset of the data set, and the file meta information if there is any."""
    start = _meta_start(data)
    if _group(data, start) != 0x0002:
        return start, None
    array = np.frombuffer(data, np.uint8)
    scan = scan_elements(array, start, len(data), **_META._asdict(), only_group=0x0002)
    _check_complete(scan, start, data, _META, file_bytes)
    return scan.position, DataSet(data, scan, _META)


def _meta_start(data: bytes) -> int:
    """Give where group 2, or the bare data set, starts. Raises `NotDicom` if there is neither."""
    behind_prefix = _PREAMBLE_BYTES + len(_PREFIX)
    if data[_PREAMBLE_BYTES:behind_prefix] == _PREFIX:
        # A bare data set may have these four letters here by chance; then no element follows them.
        if _group(data, behind_prefix) in (0x0002, 0x0008) or not _starts_data_set(data, 0):
            return behind_prefix
        return 0
    if data[: len(_PREFIX)] == _PREFIX:
        return len(_PREFIX)
    if _group(data, 0) == 0x0002 or _starts_data_set(data, 0):
        return 0
    raise NotDicom("not DICOM: there is no DICM prefix, and the file does not begin with a data set")


def _group(data: bytes, position: int) -> int:
    return int.from_bytes(data[position : position + 2], "little")


def _has_explicit_vr(data: bytes, position: int) -> bool:
    vr = data[position + 4 : position + 6]
    return len(vr) == 2 and vr.isalpha() and vr.isupper()


def _starts_data_set(data: bytes, position: int) -> bool:
    """Whether an element that may well be a data set's first lies here, in any byte order and encoding."""
    if len(data) - position < 8:
        return False
    little = _group(data, position) in _FIRST_GROUPS
    big = int.from_bytes(data[position : position + 2], "big") in _FIRST_GROUPS
    if _has_explicit_vr(data, position):
        return little or big
    length = int.from_bytes(data[position + 4 : position + 8], "little")
    return little and length < _SMALLEST_FIRST_LENGTH


def _stated_encoding(uid: str) -> Encoding | None:
    syntax = TRANSFER_SYNTAXES.get(uid)
    return None if syntax is None else Encoding(syntax.is_explicit, syntax.is_big_endian)


def _guess_encoding(data: bytes, start: int, stated: Encoding | None) -> Encoding:
    """Give the encoding the first element has; the stated one where there is no element to ask."""
    if len(data) - start < 6:
        return stated or _META
    is_explicit = _has_explicit_vr(data, start)
    if stated is not None:
        return Encoding(is_explicit, stated.is_big_endian)
    # Groups of a data set's beginning are below 0x0100: a first byte of zero is the high byte.
    return Encoding(is_explicit, is_big_endian=data[start] == 0 and data[start + 1] != 0)


def _plain_uid(encoding: Encoding) -> str:
    if not encoding.is_explicit:
        return IMPLICIT_LITTLE
    return EXPLICIT_BIG if encoding.is_big_endian else EXPLICIT_LITTLE


def _locate(data: bytes, start: int, encoding: Encoding, data_bytes: int) -> Part10:
    """Scan the data set in `data[start:]`, a prefix of `data_bytes` bytes."""
    array = np.frombuffer(data, np.uint8)
    scan = scan_elements(array, start, len(data), **encoding._asdict(), stops_at_pixels=True)
    _check_complete(scan, start, data, encoding, data_bytes)
    last_tag = int(scan.table[0, -1]) if scan.table.shape[1] else 0
    has_pixels = scan.status == STOPPED and last_tag in PIXEL_TAGS
    if scan.status == STOPPED and not has_pixels:
        raise FormatError(f"a delimiter outside any sequence, at byte {scan.position}")
    if not has_pixels and len(data) < data_bytes:
        raise Incomplete(f"no pixel data in the first {len(data)} of {data_bytes} bytes", len(data) + 1)
    return Part10(
        transfer_syntax_uid="",
        data=data,
        data_bytes=data_bytes,
        data_set=DataSet(data, scan, encoding),
        pixel_tag=last_tag if has_pixels else None,
        is_deflated=False,
        meta=None,
    )


def _check_complete(scan: Scan, start: int, data: bytes, encoding: Encoding, data_bytes: int) -> None:
    """Raise what a scan's status stands for; `Incomplete` where the bytes beyond `data` may put it right."""
    if scan.status == TRUNCATED and len(data) < data_bytes:
        needed = max(_needed_bytes(scan, start, data, encoding), len(data) + 1)
        if needed <= data_bytes:
            raise Incomplete(f"the header goes on beyond the first {len(data)} bytes", needed)
    check_scan(scan.status, scan.position)


def _needed_bytes(scan: Scan, start: int, data: bytes, encoding: Encoding) -> int:
    """Give where the element or item at which `data` broke off ends; 0 where that cannot be told.

    An element inside a sequence may be written otherwise than the data set (PS3.5 section 6.2.2): its length is not
    believed. Those of top-level elements, and of items, which are always written alike, are.
    """
    position, head = scan.position, data[scan.position : scan.position + 12]
    order: Literal["big", "little"] = "big" if encoding.is_big_endian else "little"
    if len(head) < 12:
        return 0
    is_item = int.from_bytes(head[:2], order) == _ITEM_GROUP
    if not is_item and position not in _next_positions(scan, start):
        return 0
    has_vr = encoding.is_explicit and not is_item and _has_explicit_vr(data, position)
    if has_vr and head[4:6] not in _LONG_VRS:
        return position + 8 + int.from_bytes(head[6:8], order)
    at = 8 if has_vr else 4
    length = int.from_bytes(head[at : at + 4], order)
    return 0 if length == _UNDEFINED else position + at + 4 + length


def _next_positions(scan: Scan, start: int) -> tuple[int, ...]:
    """Give where the element after the last one found may lie: behind its value, or that value's delimiter."""
    if not scan.table.shape[1]:
        return (start,)
    end = int(scan.table[2, -1] + scan.table[3, -1])
    return end, end + 8


def _read_deflated(prefix: bytes, file_bytes: int, start: int, uid: str, meta: DataSet | None) -> Part10:
    if len(prefix) < file_bytes:
        raise Incomplete(f"a deflated data set is read whole: {len(prefix)} of {file_bytes} bytes are here", file_bytes)
    inflated = _inflate(prefix[start:])
    located = _locate(inflated, 0, _guess_encoding(inflated, 0, _META), len(inflated))
    return replace(located, transfer_syntax_uid=uid, is_deflated=True, meta=meta)


def _inflate(deflated: bytes) -> bytes:
    by_ratio = max(len(deflated) * INFLATED_MAXIMUM_RATIO, INFLATED_ALWAYS_ALLOWED_BYTES)
    bound = min(by_ratio, INFLATED_MAXIMUM_BYTES)
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        inflated = stream.decompress(deflated, bound)
    except zlib.error as error:
        raise FormatError(f"the deflated data set does not inflate: {error}") from error
    if stream.unconsumed_tail:
        raise FormatError(f"the deflated data set of {len(deflated)} bytes inflates to more than {bound}")
    if not stream.eof:
        raise Truncated(f"the deflated data set ends early, after {len(inflated)} bytes inflated")
    return inflated
