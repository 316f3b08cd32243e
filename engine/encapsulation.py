"""Encapsulated pixel data: items, offset tables and which fragments make up which frame (PS3.5 A.4).

Offset tables in real files are often missing or wrong, so none is believed before each of its offsets has
been met by an item. What remains is told apart by where codestreams start.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ..errors import FormatError, Truncated
from ..kernels.elements import scan_fragments
from .data_set import Buffer, check_scan
from .instance import PixelSpan

Fragment = tuple[int, int]
"""Offset and length of a fragment's bytes, the item header left out."""

ITEM_HEADER_BYTES = 8
_STARTS = (b"\xff\xd8\xff", b"\xff\x4f\xff\x51", b"\x00\x00\x00\x0cjP  ", b"\xff\x0a")
"""SOI with a marker after it, SOC with SIZ after it, the JP2 signature box, a bare JPEG XL codestream."""
_ENDS = (b"\xff\xd9", b"\xff\xd9\x00")
"""EOI or EOC, and the same padded to even length."""


@dataclass(frozen=True, slots=True)
class ExtendedOffsets:
    """The Extended Offset Table and its lengths (PS3.3 C.7.6.3.1.8), from the first item after the basic
    table.
    """

    offsets: Sequence[int]
    lengths: Sequence[int]


def scan_encapsulated(data: Buffer, span: PixelSpan) -> tuple[list[Fragment], int]:
    """Give all fragments, the Basic Offset Table's item left out, and the offset after the last byte that
    counts.

    A missing sequence delimiter is tolerated at the exact end. Raises `Truncated` where the bytes end inside
    an item, `FormatError` where something else than an item follows, each with the byte offset.
    """
    table, end = _scan(data, span)
    return table[1:], end


def _scan(data: Buffer, span: PixelSpan) -> tuple[list[Fragment], int]:
    stop = min(span.offset + span.length, len(data))
    scan = scan_fragments(np.frombuffer(data, np.uint8), span.offset, stop)
    check_scan(scan.status, scan.position)
    offsets, lengths = scan.table.tolist()
    if not offsets:
        raise Truncated(f"encapsulated pixel data without a Basic Offset Table item, at byte {span.offset}")
    return list(zip(offsets, lengths, strict=True)), scan.position


def locate_frames(
    data: Buffer, span: PixelSpan, frames: int, extended: ExtendedOffsets | None = None
) -> list[list[Fragment]]:
    """Give the fragments of each of `frames` frames, in order.

    Tried in this order: one frame has all fragments; the Extended Offset Table; the Basic Offset Table; as many
    fragments as frames, or as many that are not empty; codestreams that start, or end, with their markers. Raises
    `Truncated` for too few fragments, `FormatError` where none of this tells frames apart.
    """
    items, _ = _scan(data, span)
    basic, fragments = items[0], items[1:]
    if len(fragments) < frames:
        raise Truncated(f"{frames} frames are declared; the pixel data holds {len(fragments)} fragments")
    if frames == 1:
        return [fragments]
    origin = fragments[0][0] - ITEM_HEADER_BYTES
    located = _by_extended_table(fragments, frames, origin, extended)
    located = located or _by_starts(fragments, frames, _basic_starts(data, basic, fragments, origin))
    for alike in (fragments, [fragment for fragment in fragments if fragment[1]]):
        if located is None and len(alike) == frames:
            located = [[fragment] for fragment in alike]
    located = located or _by_starts(fragments, frames, _marked_starts(data, fragments))
    located = located or _by_starts(fragments, frames, _starts_after_ends(data, fragments))
    if located is None:
        raise FormatError(
            f"{len(fragments)} fragments cannot be told apart into {frames} frames, at byte {span.offset}"
        )
    return located


def read_codestream(data: Buffer, fragments: Sequence[Fragment]) -> bytes:
    """Join a frame's fragments."""
    return b"".join(bytes(data[offset : offset + length]) for offset, length in fragments)


def _by_extended_table(
    fragments: list[Fragment], frames: int, origin: int, extended: ExtendedOffsets | None
) -> list[list[Fragment]] | None:
    """Believe the extended table if each entry is one fragment; a length may leave the padding byte out."""
    if extended is None or len(extended.offsets) != frames or len(extended.lengths) != frames:
        return None
    by_offset = dict(fragments)
    located = []
    for offset, length in zip(extended.offsets, extended.lengths, strict=True):
        start = origin + offset + ITEM_HEADER_BYTES
        present = by_offset.get(start, -1)
        if not length <= present <= length + 1:
            return None
        located.append([(start, length)])
    return located


def _basic_starts(data: Buffer, basic: Fragment, fragments: list[Fragment], origin: int) -> list[int]:
    """Give the index of the fragment each offset points at; -1 where it points at none."""
    raw = bytes(data[basic[0] : basic[0] + basic[1]])
    offsets = struct.unpack_from(f"<{len(raw) // 4}I", raw)
    index = {start - ITEM_HEADER_BYTES - origin: number for number, (start, _) in enumerate(fragments)}
    return [index.get(offset, -1) for offset in offsets]


def _marked_starts(data: Buffer, fragments: list[Fragment]) -> list[int]:
    heads = (bytes(data[offset : offset + min(length, 8)]) for offset, length in fragments)
    return [number for number, head in enumerate(heads) if head.startswith(_STARTS)]


def _starts_after_ends(data: Buffer, fragments: list[Fragment]) -> list[int]:
    tails = [bytes(data[offset + max(length - 3, 0) : offset + length]) for offset, length in fragments]
    return [0, *(number for number, tail in enumerate(tails[:-1], 1) if tail.endswith(_ENDS))]


def _by_starts(fragments: list[Fragment], frames: int, starts: list[int]) -> list[list[Fragment]] | None:
    """Cut the fragments at `starts` if these are as many as frames, the first is 0 and they rise."""
    if len(starts) != frames or starts[0] != 0:
        return None
    if any(second <= first for first, second in pairwise(starts)):
        return None
    bounds = [*starts, len(fragments)]
    return [fragments[start:end] for start, end in pairwise(bounds)]
