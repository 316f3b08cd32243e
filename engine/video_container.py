"""In which container a video lies, and whether that ends where it says: MP4, MPEG program and transport streams.

FFmpeg plays what is there of a file that was cut off, and says nothing.
"""

from __future__ import annotations

from ..errors import DecodeError

BARE = "bare"
_TRANSPORT_PACKET_BYTES = 188
_START = b"\x00\x00\x01"
_PACK_HEADER, _PROGRAM_END, _FIRST_WITH_LENGTH = 0xBA, 0xB9, 0xBB
_PACK_HEADER_BYTES, _MPEG_1_PACK_HEADER_BYTES = 14, 12


def container_of(stream: bytes) -> str:
    """Name the container that a stream shows by its first bytes, in FFmpeg's words; `BARE` where it is in none.

    Raises `DecodeError` where the container is cut off. Zeros after its end are padding.
    """
    if stream[4:8] == b"ftyp":
        _check_boxes(stream)
        return "mp4"
    if stream[:4] == b"\x00\x00\x01\xba":
        _check_packs(stream)
        return "mpeg"
    if stream[:1] == b"\x47" and stream[_TRANSPORT_PACKET_BYTES : _TRANSPORT_PACKET_BYTES + 1] in (b"\x47", b""):
        rest = len(stream) % _TRANSPORT_PACKET_BYTES
        if _is_content(stream[len(stream) - rest :]):
            raise DecodeError(f"the transport stream is cut off: its last packet has {rest} bytes")
        return "mpegts"
    return BARE


def _is_content(rest: bytes) -> bool:
    return bool(rest.strip(b"\0"))


def _check_boxes(stream: bytes) -> None:
    """Raise `DecodeError` where a box reaches past the end (ISO 14496-12, 4.2)."""
    position = 0
    while _is_content(stream[position : position + 8]):
        size = int.from_bytes(stream[position : position + 4], "big")
        if size == 0:
            return  # up to the end
        if size == 1:
            size = int.from_bytes(stream[position + 8 : position + 16], "big")
        if size < 8 or position + size > len(stream):
            raise DecodeError(f"the MP4 box at byte {position} has {size} bytes: it is cut off after {len(stream)}")
        position += size


def _check_packs(stream: bytes) -> None:
    """Raise `DecodeError` where a packet reaches past the end (ISO 13818-1, 2.5.3)."""
    position = 0
    while (position := stream.find(_START, position)) >= 0:
        kind = stream[position + 3] if position + 3 < len(stream) else 0
        if kind == _PROGRAM_END:
            return
        size = len(_START) + 1
        if kind == _PACK_HEADER:
            is_later = stream[position + 4 : position + 5] >= b"\x40"
            size = _PACK_HEADER_BYTES if is_later else _MPEG_1_PACK_HEADER_BYTES
            if is_later and position + size <= len(stream):
                size += stream[position + size - 1] & 7
        elif kind >= _FIRST_WITH_LENGTH:
            size = 6 + int.from_bytes(stream[position + 4 : position + 6], "big")
        if position + size > len(stream):
            raise DecodeError(f"the program stream is cut off: its packet at byte {position} has {size} bytes")
        position += size
