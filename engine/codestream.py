"""What a codestream's own header says of size and precision, read before any decoder sees it.

Decoders allocate, and some fail badly, by these numbers; `decode` compares them with the DICOM header first.
Only marker segments are walked, each by its length, so reading is linear and in bounds (ITU-T T.81 annex B,
T.87 annex C, T.800 annex A).
"""

from __future__ import annotations

import struct
from collections import Counter
from dataclasses import dataclass

from ..errors import DecodeError

_SOI = b"\xff\xd8"
_SOC_SIZ = b"\xff\x4f\xff\x51"
_FRAME_MARKERS = frozenset({0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF, 0xF7})
"""SOF0 to SOF15 of JPEG and SOF55 of JPEG-LS."""
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD8)})
_SOT_MARKER, _EOC_MARKER = b"\xff\x90", b"\xff\xd9"
_LEAST_TILE_PART = 14
"""Bytes of SOT and SOD."""
_SOS, _EOI, _APP0, _APP14 = 0xDA, 0xD9, 0xE0, 0xEE
_MAXIMUM_TILES = 65535
_SEARCHED_FOR_SIZ = 1 << 16


@dataclass(frozen=True, slots=True)
class CodestreamHeader:
    """Size and sample format that a codestream declares."""

    rows: int
    columns: int
    samples: int
    precision: int
    """Bits a sample, of the widest component."""
    process: int = 0
    """Low byte of the JPEG frame marker: 0xC3 is lossless; 0 for JPEG 2000."""
    has_jfif: bool = False
    adobe_transform: int | None = None
    """Colour transform flag of the Adobe APP14 segment; 0 is RGB, 1 is YCbCr."""
    has_rgb_names: bool = False
    """Whether the components are numbered R, G, B by their letters, as some writers of RGB do."""


def read_jpeg_header(codestream: bytes) -> CodestreamHeader:
    """Read the frame header of a JPEG or JPEG-LS codestream. Raises `DecodeError` if there is none."""
    if codestream[:2] != _SOI:
        raise DecodeError(f"no JPEG codestream: it starts with {codestream[:4].hex()}, not with SOI")
    position, has_jfif, adobe = 2, False, None
    while True:
        marker, body, position = _next_segment(codestream, position)
        if marker in _FRAME_MARKERS:
            return _frame_header(body, marker, has_jfif, adobe)
        if marker in (_SOS, _EOI):
            raise DecodeError("the JPEG codestream has no frame header before its first scan")
        has_jfif = has_jfif or (marker == _APP0 and body.startswith(b"JFIF\0"))
        if marker == _APP14 and body.startswith(b"Adobe") and len(body) >= 12:
            adobe = body[11]


def _next_segment(codestream: bytes, position: int) -> tuple[int, bytes, int]:
    """Give (marker, body, offset of the next marker); fill bytes and standalone markers are passed over."""
    while True:
        if position + 2 > len(codestream) or codestream[position] != 0xFF:
            raise DecodeError(f"no JPEG marker at byte {position} of {len(codestream)}")
        marker = codestream[position + 1]
        if marker == 0xFF:
            position += 1
        elif marker in _STANDALONE:
            position += 2
        else:
            break
    if marker == _EOI:
        return marker, b"", position + 2
    length = int.from_bytes(codestream[position + 2 : position + 4], "big")
    following = position + 2 + length
    if length < 2 or following > len(codestream):
        raise DecodeError(f"JPEG segment FF{marker:02X} at byte {position} has {length} bytes, past the end")
    return marker, codestream[position + 4 : following], following


def _frame_header(body: bytes, marker: int, has_jfif: bool, adobe: int | None) -> CodestreamHeader:
    if len(body) < 6 or len(body) < 6 + 3 * body[5]:
        raise DecodeError(f"the JPEG frame header FF{marker:02X} is cut off")
    precision, rows, columns, samples = struct.unpack_from(">BHHB", body)
    names = body[6 : 6 + 3 * samples : 3]
    return CodestreamHeader(rows, columns, samples, precision, marker, has_jfif, adobe, names == b"RGB")


def find_jpeg2000(codestream: bytes) -> bytes:
    """Give the bare codestream: some writers encapsulate a whole JP2 file. Raises `DecodeError` if there is
    none.
    """
    start = 0 if codestream[:4] == _SOC_SIZ else codestream.find(_SOC_SIZ, 0, _SEARCHED_FOR_SIZ)
    if start < 0:
        raise DecodeError(f"no JPEG 2000 codestream: it starts with {codestream[:4].hex()}, not with SOC and SIZ")
    return codestream[start:]


def read_jpeg2000_header(codestream: bytes) -> CodestreamHeader:
    """Read the SIZ segment of a bare JPEG 2000 codestream (T.800 A.5.1). Raises `DecodeError` if it is
    impossible.
    """
    if len(codestream) < 42:
        raise DecodeError(f"the JPEG 2000 codestream is cut off after {len(codestream)} bytes")
    x_size, y_size, x_offset, y_offset, tile_x, tile_y, tile_x_offset, tile_y_offset, samples = struct.unpack_from(
        ">8IH", codestream, 8
    )
    components = codestream[42 : 42 + 3 * samples]
    if len(components) < 3 * samples or samples < 1:
        raise DecodeError("the JPEG 2000 SIZ segment is cut off")
    if x_size <= x_offset or y_size <= y_offset or not tile_x or not tile_y:
        raise DecodeError("the JPEG 2000 SIZ segment declares an empty image")
    tiles = -(-(x_size - tile_x_offset) // tile_x) * -(-(y_size - tile_y_offset) // tile_y)
    if not 0 < tiles <= _MAXIMUM_TILES:
        raise DecodeError(f"the JPEG 2000 SIZ segment declares {tiles} tiles")
    precision = max((bits & 0x7F) + 1 for bits in components[::3])
    return CodestreamHeader(y_size - y_offset, x_size - x_offset, samples, precision)


def check_tile_parts(codestream: bytes) -> None:
    """Raise `DecodeError` unless tile-parts reach from the main header to EOC, as many as they say (T.800 A.4.2).

    Where whole ones are missing, decoders make a coarse picture of the resolutions that are there, and say nothing.
    """
    position, declared, found = 2, dict[int, int](), Counter[int]()
    while codestream[position : position + 2] not in (_SOT_MARKER, _EOC_MARKER):
        if codestream[position : position + 1] != b"\xff" or position + 4 > len(codestream):
            raise DecodeError(f"the main header is cut off: no JPEG 2000 marker at byte {position}")
        position += 2 + int.from_bytes(codestream[position + 2 : position + 4], "big")
    if codestream[position : position + 2] == _EOC_MARKER:
        raise DecodeError("the JPEG 2000 codestream is cut off: it has no tile-part")
    while codestream[position : position + 2] == _SOT_MARKER:
        tile, length, _, parts = struct.unpack(">HIBB", codestream[position + 4 : position + 12].ljust(8, b"\0"))
        found[tile] += 1
        declared[tile] = max(declared.get(tile, 0), parts)
        if length == 0:  # the last one, up to EOC
            position = len(codestream)
            break
        if length < _LEAST_TILE_PART or position + length > len(codestream):
            raise DecodeError(f"the tile-part at byte {position} has {length} bytes: it is cut off")
        position += length
    if codestream[position : position + 2] not in (_EOC_MARKER, b""):
        raise DecodeError(f"no JPEG 2000 tile-part and no end marker at byte {position}")
    for tile, parts in declared.items():
        if found[tile] < parts:
            raise DecodeError(f"tile {tile} has {found[tile]} of {parts} tile-parts: the codestream is cut off")
