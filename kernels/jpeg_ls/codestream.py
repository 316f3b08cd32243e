"""The marker segments of a JPEG-LS codestream (T.87 annex C), walked from scan to scan.

Everything that a table cannot hold up is refused here, by name and byte offset, before a kernel runs. A SPIFF
header's end holds an SOI within its segment (T.84 F.2.2.3); it is passed over by its length, as all of APPn are.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from ...errors import DecodeError, UnsupportedPixels
from .parameters import Coding, Preset, resolve

NOT_INTERLEAVED, BY_LINE, BY_SAMPLE = range(3)
"""ILV of a scan (T.87 C.2.3)."""
MAXIMUM_COMPONENTS = 4
EOI = 0xD9

_SOI, _SOS, _DNL, _DRI, _COM, _SOF55, _LSE = 0xD8, 0xDA, 0xDC, 0xDD, 0xFE, 0xF7, 0xF8
_RST = range(0xD0, 0xD8)
_APP, _APP8 = range(0xE0, 0xF0), 0xE8
_COLOUR_TRANSFORM = b"mrfx"
"""Of HP's software and CharLS: components would come out mixed."""
_LSE_PRESET, _LSE_OVERSIZE = 1, 4
_LSE_TABLES = (2, 3)


@dataclass(frozen=True, slots=True)
class Frame:
    """What SOF55 declares (T.87 C.2.2)."""

    precision: int
    """Bits a sample, 2 to 16."""
    rows: int
    columns: int
    components: tuple[int, ...]
    """Their identifiers, in the order of an image's samples."""


@dataclass(frozen=True, slots=True)
class Scan:
    """What SOS declares (T.87 C.2.3), with all that was set before it."""

    components: tuple[int, ...]
    """Places of its components in a pixel."""
    interleave: int
    coding: Coding
    restart_rows: int
    """Lines from one restart marker to the next; 0 where there are none."""
    start: int
    """Index of its first entropy-coded byte."""


class Codestream:
    """A codestream, read from marker to marker."""

    def __init__(self, data: bytes) -> None:
        if data[:2] != b"\xff\xd8":
            raise DecodeError(f"no JPEG-LS codestream: it starts with {data[:4].hex()}, not with SOI")
        self._data = data
        self._position = 2
        self._frame: Frame | None = None
        self._preset = Preset()
        self._restart_rows = 0

    @property
    def frame(self) -> Frame:
        """The frame header; `next_scan` has passed it."""
        if self._frame is None:
            raise DecodeError("the JPEG-LS codestream has no frame header FFF7 before its first scan")
        return self._frame

    def next_scan(self, position: int | None = None) -> Scan | None:
        """Walk to the next scan, from the marker at `position`; None at EOI.

        Raises `DecodeError` for segments that are damaged or cut off, `UnsupportedPixels` for what T.87 allows
        and no decoder here reads.
        """
        self._position = self._position if position is None else position
        while True:
            marker = self._marker()
            at = self._position - 2
            if marker == EOI:
                return None
            body = self._body(marker, at)
            if marker == _SOS:
                return self._scan(body, at)
            self._take(marker, body, at)

    def restart(self, position: int, number: int) -> int:
        """Pass over the restart marker that must be at `position`; give where the next interval starts."""
        self._position = position
        marker = self._marker()
        if marker != _RST[number % 8]:
            raise DecodeError(
                f"JPEG-LS: marker FF{marker:02X} at byte {position}, where FF{_RST[number % 8]:02X} is due"
            )
        return self._position

    def _marker(self) -> int:
        """Pass over the marker at the position, and fill bytes FF before it; give its second byte."""
        start = self._position
        while True:
            if self._position + 2 > len(self._data):
                raise DecodeError(f"the JPEG-LS codestream is cut off at byte {len(self._data)}: it has no EOI marker")
            first, second = self._data[self._position : self._position + 2]
            if first != 0xFF or second == 0:
                raise DecodeError(f"no JPEG-LS marker at byte {start}, but {first:02X}{second:02X}")
            self._position += 1
            if second != 0xFF:
                self._position += 1
                return second

    def _body(self, marker: int, at: int) -> bytes:
        """Give the body of the segment whose marker is at `at`, and pass over it."""
        if marker in (_SOI, *_RST):
            raise DecodeError(f"JPEG-LS: marker FF{marker:02X} at byte {at} is out of place")
        length = int.from_bytes(self._data[at + 2 : at + 4], "big")
        body = self._data[at + 4 : at + 2 + length]
        if length < 2 or len(body) < length - 2:
            raise DecodeError(f"JPEG-LS segment FF{marker:02X} at byte {at} of {length} bytes is cut off")
        self._position = at + 2 + length
        return body

    def _take(self, marker: int, body: bytes, at: int) -> None:
        if marker == _SOF55:
            self._frame = self._frame_header(body, at)
        elif marker == _LSE:
            self._take_presets(body, at)
        elif marker == _DRI:
            if len(body) not in (2, 3, 4):
                raise DecodeError(f"the JPEG-LS DRI segment at byte {at} has {len(body)} bytes")
            self._restart_rows = int.from_bytes(body, "big")
        elif marker == _DNL:
            raise UnsupportedPixels(f"JPEG-LS: the number of lines comes late, in DNL at byte {at}")
        elif marker == _APP8 and body.startswith(_COLOUR_TRANSFORM) and any(body[len(_COLOUR_TRANSFORM) :]):
            raise UnsupportedPixels(f"JPEG-LS: a colour transform of HP in FFE8 at byte {at}")
        elif marker != _COM and marker not in _APP:
            raise DecodeError(f"JPEG-LS: marker FF{marker:02X} at byte {at} is none of JPEG-LS")

    def _frame_header(self, body: bytes, at: int) -> Frame:
        if self._frame is not None:
            raise DecodeError(f"a second JPEG-LS frame header FFF7 at byte {at}")
        if len(body) < 6 or len(body) != 6 + 3 * body[5]:
            raise DecodeError(f"the JPEG-LS frame header FFF7 at byte {at} has {len(body)} bytes")
        precision, rows, columns, count = struct.unpack_from(">BHHB", body)
        if not 2 <= precision <= 16:
            raise DecodeError(f"the JPEG-LS frame header FFF7 at byte {at} has {precision} bits a sample")
        if not rows or not columns:
            raise UnsupportedPixels(f"the JPEG-LS frame header FFF7 at byte {at} leaves rows or columns open")
        identifiers = tuple(body[6::3])
        if not 1 <= count <= MAXIMUM_COMPONENTS:
            raise UnsupportedPixels(f"the JPEG-LS frame header FFF7 at byte {at} has {count} components")
        if len(set(identifiers)) < count:
            raise DecodeError(f"the JPEG-LS frame header FFF7 at byte {at} names a component twice")
        if len(set(body[7::3])) > 1:
            raise UnsupportedPixels(f"the JPEG-LS frame header FFF7 at byte {at} has subsampled components")
        return Frame(precision, rows, columns, identifiers)

    def _take_presets(self, body: bytes, at: int) -> None:
        kind = body[0] if body else 0
        if kind == _LSE_OVERSIZE:
            raise UnsupportedPixels(f"JPEG-LS: rows and columns beyond 65535, in LSE at byte {at}")
        if kind in _LSE_TABLES:
            return  # a mapping table: refused by the scan that uses it
        if kind != _LSE_PRESET:
            raise UnsupportedPixels(f"JPEG-LS: an LSE segment of unknown type {kind} at byte {at}")
        if len(body) != 11:
            raise DecodeError(f"the JPEG-LS LSE segment at byte {at} has {len(body)} bytes")
        maximum, t1, t2, t3, reset = struct.unpack_from(">5H", body, 1)
        self._preset = Preset(maximum, (t1, t2, t3), reset)

    def _scan(self, body: bytes, at: int) -> Scan:
        frame = self.frame
        if not body or len(body) != 4 + 2 * body[0] or not body[0]:
            raise DecodeError(f"the JPEG-LS SOS segment at byte {at} has {len(body)} bytes")
        selected, tables, (near, interleave, transform) = body[1:-3:2], body[2:-3:2], body[-3:]
        if any(identifier not in frame.components for identifier in selected) or len(set(selected)) < len(selected):
            raise DecodeError(f"the JPEG-LS SOS segment at byte {at} selects components {list(selected)}")
        if any(tables):
            raise UnsupportedPixels(f"JPEG-LS: the scan at byte {at} uses a mapping table")
        if transform:
            raise UnsupportedPixels(f"JPEG-LS: the scan at byte {at} has a point transform")
        if interleave > BY_SAMPLE or (interleave == NOT_INTERLEAVED and len(selected) > 1):
            raise DecodeError(f"the JPEG-LS SOS segment at byte {at} interleaves {len(selected)} by {interleave}")
        places = tuple(frame.components.index(identifier) for identifier in selected)
        if places != tuple(range(places[0], places[0] + len(places))):
            raise UnsupportedPixels(f"JPEG-LS: the scan at byte {at} interleaves components out of order")
        coding = resolve(self._preset, frame.precision, near)
        interleave = interleave if len(selected) > 1 else NOT_INTERLEAVED
        return Scan(places, interleave, coding, self._restart_rows, self._position)
