"""The marker segments of a lossless Huffman JPEG codestream, read into plain values (T.81 annex B).

Only segments are walked, each by its length; entropy-coded data is the kernels'. Every error names the marker and the
byte where it lies.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ...errors import DecodeError, UnsupportedPixels
from .huffman import CodedTable, HuffmanTable, make_table, read_tables

SOF3, DHT, SOI, EOI, SOS, DNL, DRI = 0xC3, 0xC4, 0xD8, 0xD9, 0xDA, 0xDC, 0xDD
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD8)})
_OTHER_PROCESSES = frozenset(range(0xC0, 0xD0)) - {SOF3, DHT, 0xC8} | {0xF7}
"""Frame headers of all other processes, DAC (arithmetic coding), and SOF55 of JPEG-LS."""
_MAXIMUM_COMPONENTS = 4
"""In a scan: T.81 B.2.3."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What SOF3 declares (T.81 B.2.2)."""

    precision: int
    """2 to 16 bits a sample."""
    rows: int
    columns: int
    components: tuple[int, ...]
    """Identifiers, in the order of the samples of a pixel."""
    factors: tuple[int, ...]
    """Of each component, the byte of its horizontal and vertical sampling factors."""


@dataclass(frozen=True, slots=True)
class Scan:
    """What SOS declares, with the tables and the restart interval in force (T.81 B.2.3)."""

    channels: tuple[int, ...]
    """Indices of the scan's components among the frame's."""
    tables: tuple[HuffmanTable, ...]
    """One a component of the scan."""
    predictor: int
    """1 to 7 (T.81 table H.1)."""
    point_transform: int
    restart_rows: int
    """Rows of a restart interval; all rows of the frame where there are no restarts."""
    start: int
    """Offset of the first byte of entropy-coded data."""


def next_marker(codestream: bytes, position: int) -> tuple[int, int]:
    """Give a marker and the offset after it; fill bytes and markers that stand alone are passed over."""
    while position + 2 <= len(codestream) and codestream[position] == 0xFF:
        marker = codestream[position + 1]
        if marker == 0xFF:
            position += 1
        elif marker in _STANDALONE:
            position += 2
        else:
            return marker, position + 2
    if position + 2 > len(codestream):
        raise DecodeError(f"the JPEG codestream is cut off: no EOI marker in {len(codestream)} bytes")
    raise DecodeError(f"no JPEG marker at byte {position} of {len(codestream)}")


def _body(codestream: bytes, marker: int, position: int) -> bytes:
    length = int.from_bytes(codestream[position : position + 2], "big")
    body = codestream[position + 2 : position + length]
    if length < 2 or len(body) < length - 2:
        raise DecodeError(f"JPEG segment FF{marker:02X} at byte {position - 2} has {length} bytes, past the end")
    return body


class Segments:
    """Walks a codestream's segments up to each scan, and keeps what they set."""

    def __init__(self, codestream: bytes) -> None:
        if codestream[:2] != bytes((0xFF, SOI)):
            raise DecodeError(f"no JPEG codestream: it starts with {codestream[:4].hex()}, not with SOI")
        self.frame: Frame | None = None
        self._codestream = codestream
        self._tables: dict[int, CodedTable] = {}
        self._restart_interval = 0
        self.position = 2
        """Where the next marker is; to be set to the end of its data after each scan."""

    def scans(self) -> Iterator[tuple[Frame, Scan]]:
        """Give each scan's header; ends at EOI. Raises `DecodeError` or `UnsupportedPixels`."""
        while True:
            marker, after = next_marker(self._codestream, self.position)
            if marker == EOI:
                return
            body = _body(self._codestream, marker, after)
            self.position = after + 2 + len(body)
            if marker == SOS:
                yield self._scan(body, after - 2)
            else:
                self._set(marker, body, after - 2)

    def _set(self, marker: int, body: bytes, at: int) -> None:
        if marker == SOF3:
            if self.frame is not None:
                raise DecodeError(f"a second JPEG frame header FFC3 at byte {at}")
            self.frame = _read_frame(body, at)
        elif marker == DHT:
            self._tables |= read_tables(body, at)
        elif marker == DRI:
            if len(body) < 2:
                raise DecodeError(f"JPEG segment FFDD at byte {at} is cut off")
            self._restart_interval = int.from_bytes(body[:2], "big")
        elif marker == DNL:
            raise UnsupportedPixels(f"JPEG marker FFDC at byte {at}: a number of rows after the scan (DNL)")
        elif marker in _OTHER_PROCESSES:
            raise UnsupportedPixels(f"JPEG marker FF{marker:02X} at byte {at} is of another process than SOF3")

    def _scan(self, body: bytes, at: int) -> tuple[Frame, Scan]:
        frame = self.frame
        if frame is None:
            raise DecodeError(f"a JPEG scan FFDA at byte {at} before the frame header")
        count = body[0] if body else 0
        if not 1 <= count <= _MAXIMUM_COMPONENTS or len(body) < 4 + 2 * count:
            raise DecodeError(
                f"the JPEG scan header FFDA at byte {at} declares {count} components in {len(body)} bytes"
            )
        identifiers, selectors = body[1 : 1 + 2 * count : 2], body[2 : 2 + 2 * count : 2]
        predictor, _, transform = body[1 + 2 * count : 4 + 2 * count]
        point_transform = transform & 0x0F
        if not 1 <= predictor <= 7:
            raise DecodeError(f"the JPEG scan FFDA at byte {at} has predictor {predictor}, not 1 to 7")
        if point_transform >= frame.precision:
            raise DecodeError(f"the JPEG scan FFDA at byte {at} shifts {frame.precision} bits by {point_transform}")
        channels = self._channels(frame, identifiers, at)
        tables = tuple(self._table(selector >> 4, at) for selector in selectors)
        rows = self._restart_rows(frame, at)
        return frame, Scan(channels, tables, predictor, point_transform, rows, self.position)

    @staticmethod
    def _channels(frame: Frame, identifiers: bytes, at: int) -> tuple[int, ...]:
        unknown = [identifier for identifier in identifiers if identifier not in frame.components]
        if unknown or len(set(identifiers)) < len(identifiers):
            raise DecodeError(
                f"the JPEG scan FFDA at byte {at} has components {list(identifiers)} of {frame.components}"
            )
        channels = tuple(frame.components.index(identifier) for identifier in identifiers)
        if list(channels) != sorted(channels):
            raise DecodeError(f"the JPEG scan FFDA at byte {at} has components in another order than the frame")
        if len(channels) > 1 and any(frame.factors[channel] != 0x11 for channel in channels):
            raise UnsupportedPixels(f"the interleaved lossless JPEG scan FFDA at byte {at} is subsampled")
        return channels

    def _table(self, selector: int, at: int) -> HuffmanTable:
        table = self._tables.get(selector)
        if table is None:
            raise DecodeError(f"the JPEG scan FFDA at byte {at} uses Huffman table {selector}, which is not there")
        return make_table(*table)

    def _restart_rows(self, frame: Frame, at: int) -> int:
        rows, rest = divmod(self._restart_interval, frame.columns)
        if rest:
            raise DecodeError(
                f"the JPEG scan FFDA at byte {at} restarts after {self._restart_interval} samples; "
                f"rows have {frame.columns} (T.81 H.1.1)"
            )
        return rows or frame.rows


def _read_frame(body: bytes, at: int) -> Frame:
    if len(body) < 6 or len(body) < 6 + 3 * body[5]:
        raise DecodeError(f"the JPEG frame header FFC3 at byte {at} is cut off")
    precision, rows, columns, count = body[0], int.from_bytes(body[1:3]), int.from_bytes(body[3:5]), body[5]
    if rows == 0:
        raise UnsupportedPixels(f"the JPEG frame header FFC3 at byte {at} leaves the number of rows to DNL")
    components, factors = tuple(body[6 : 6 + 3 * count : 3]), tuple(body[7 : 7 + 3 * count : 3])
    if not 2 <= precision <= 16 or columns == 0 or len(set(components)) != count or count == 0:
        raise DecodeError(
            f"the JPEG frame header FFC3 at byte {at} declares {rows} x {columns} samples "
            f"of {precision} bits in components {components}"
        )
    if len(set(factors)) > 1:
        raise UnsupportedPixels(f"the JPEG frame header FFC3 at byte {at} declares subsampled components")
    return Frame(precision, rows, columns, components, factors)
