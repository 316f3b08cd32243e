"""Marker segments of a DCT codestream: frame header, tables, scan headers (ITU-T T.81 annex B).

Plain Python: a codestream has about ten of them. Each is walked by its length, so reading is linear and in bounds,
and what a segment says is checked here, once.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from ..errors import DecodeError, UnsupportedPixels

_SOI, _EOI, _SOS, _DQT, _DHT, _DRI, _APP0, _APP14 = 0xD8, 0xD9, 0xDA, 0xDB, 0xC4, 0xDD, 0xE0, 0xEE
_BASELINE, _EXTENDED, _PROGRESSIVE = 0xC0, 0xC1, 0xC2
_NO_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})
_PROCESSES = {
    0xC3: "lossless",
    0xC5: "hierarchical sequential",
    0xC6: "hierarchical progressive",
    0xC7: "hierarchical lossless",
    0xC9: "sequential with arithmetic coding",
    0xCA: "progressive with arithmetic coding",
    0xCB: "lossless with arithmetic coding",
    0xCC: "arithmetic coding conditioning",
    0xCD: "hierarchical sequential with arithmetic coding",
    0xCE: "hierarchical progressive with arithmetic coding",
    0xCF: "hierarchical lossless with arithmetic coding",
    0xDC: "a number of lines after the first scan",
    0xDE: "hierarchical",
    0xDF: "hierarchical",
    0xF7: "JPEG-LS",
}
"""Markers of what is not read."""
_MAXIMUM_SAMPLING = 4
_MAXIMUM_MCU_BLOCKS = 10
_LONGEST_CODE = 16
_LAST_COEFFICIENT = 63
_HIGHEST_BIT = 13
"""The most that a first scan leaves to others (T.81 table B.3)."""


@dataclass(frozen=True, slots=True)
class Component:
    """One component of the frame header."""

    identifier: int
    across: int
    """Horizontal sampling factor, 1 to 4."""
    down: int
    quantiser: int
    """Destination of its quantisation table."""


@dataclass(frozen=True, slots=True)
class FrameHeader:
    """SOF0, SOF1 or SOF2."""

    precision: int
    rows: int
    columns: int
    components: tuple[Component, ...]
    is_progressive: bool

    @property
    def most_across(self) -> int:
        """The largest horizontal sampling factor."""
        return max(component.across for component in self.components)

    @property
    def most_down(self) -> int:
        """The largest vertical sampling factor."""
        return max(component.down for component in self.components)

    def size_of(self, component: Component) -> tuple[int, int]:
        """Give (rows, columns) of a component's own samples (T.81 A.1.1)."""
        rows = -(-self.rows * component.down // self.most_down)
        return rows, -(-self.columns * component.across // self.most_across)

    def blocks_of(self, component: Component) -> tuple[int, int]:
        """Give (rows, columns) of a component's blocks that hold samples."""
        rows, columns = self.size_of(component)
        return -(-rows // 8), -(-columns // 8)


@dataclass(frozen=True, slots=True)
class HuffmanSpecification:
    """One table of a DHT segment: how many codes of each length, and their symbols in order."""

    counts: bytes
    symbols: bytes


@dataclass(frozen=True, slots=True)
class ScanHeader:
    """SOS: which components, each with its DC and AC table, where the coded data begins, and what it codes."""

    components: tuple[tuple[int, int, int], ...]
    """Index in the frame, DC table, AC table."""
    start: int
    first: int
    """First and last coefficient in zig-zag order: 0 and 63 of a sequential scan."""
    last: int
    high: int
    """The bit that the coefficients are known down to, 0 for none; then the bit that they are known to after it."""
    low: int

    @property
    def is_first(self) -> bool:
        """Whether the coefficients are coded for the first time."""
        return self.high == 0


@dataclass(slots=True)
class CodingState:
    """What the marker segments so far have said."""

    frame: FrameHeader | None = None
    quantisers: dict[int, tuple[int, ...]] = field(default_factory=dict)
    """64 steps in zig-zag order, by destination."""
    huffman: dict[tuple[int, int], HuffmanSpecification] = field(default_factory=dict)
    """By class (0 DC, 1 AC) and destination."""
    restart_interval: int = 0
    has_jfif: bool = False
    adobe_transform: int | None = None

    @property
    def is_ycc(self) -> bool:
        """Whether three components are luminance and chrominance, as their markers and names tell.

        JFIF always is; then the Adobe flag decides; else all but components named R, G, B are.
        """
        if self.has_jfif or self.adobe_transform is not None:
            return self.has_jfif or self.adobe_transform != 0
        assert self.frame is not None
        return bytes(component.identifier for component in self.frame.components) != b"RGB"


def start_of_image(codestream: bytes) -> int:
    """Give the offset after SOI. Raises `DecodeError` if the codestream does not start with it."""
    if codestream[:2] != b"\xff\xd8":
        raise DecodeError(f"no JPEG codestream: it starts with {codestream[:4].hex()}, not with SOI")
    return 2


def read_to_scan(codestream: bytes, position: int, state: CodingState) -> ScanHeader | None:
    """Read segments from `position` into `state`, to the next scan header; None at EOI.

    Raises `DecodeError` for a segment that is damaged or cut off, `UnsupportedPixels` for another process.
    """
    while True:
        marker, start, position = _next_segment(codestream, position)
        body = codestream[start:position]
        where = f"segment FF{marker:02X} at byte {start - 4}"
        if marker == _EOI:
            return None
        if marker == _SOS:
            return _read_scan(body, position, state, where)
        if marker in (_BASELINE, _EXTENDED, _PROGRESSIVE):
            if state.frame is not None:
                raise DecodeError(f"{where}: a second frame header")
            state.frame = _read_frame(body, marker, where)
        elif marker in _PROCESSES:
            raise UnsupportedPixels(
                f"{where}: {_PROCESSES[marker]}, not sequential or progressive DCT with Huffman coding"
            )
        elif marker == _DQT:
            _read_quantisers(body, state, where)
        elif marker == _DHT:
            _read_huffman(body, state, where)
        elif marker == _DRI:
            if len(body) != 2:
                raise DecodeError(f"{where}: a restart interval has 2 bytes, not {len(body)}")
            state.restart_interval = int.from_bytes(body, "big")
        elif marker == _APP0 and body.startswith(b"JFIF\0"):
            state.has_jfif = True
        elif marker == _APP14 and body.startswith(b"Adobe") and len(body) >= 12:
            state.adobe_transform = body[11]


def _next_segment(codestream: bytes, position: int) -> tuple[int, int, int]:
    """Give (marker, start of the body, offset after it); fill bytes are passed over."""
    while codestream[position : position + 2] == b"\xff\xff":
        position += 1
    if position + 2 > len(codestream) or codestream[position] != 0xFF:
        raise DecodeError(f"no JPEG marker at byte {position} of {len(codestream)}")
    marker = codestream[position + 1]
    if marker == _EOI:
        return marker, position + 2, position + 2
    if marker in _NO_LENGTH or marker == 0:
        raise DecodeError(f"marker FF{marker:02X} at byte {position} is out of place")
    length = int.from_bytes(codestream[position + 2 : position + 4], "big")
    following = position + 2 + length
    if length < 2 or following > len(codestream):
        raise DecodeError(f"segment FF{marker:02X} at byte {position} has {length} bytes, past the end")
    return marker, position + 4, following


def _read_frame(body: bytes, marker: int, where: str) -> FrameHeader:
    if len(body) < 6 or len(body) != 6 + 3 * body[5]:
        raise DecodeError(f"{where}: a frame header of {len(body)} bytes does not hold its components")
    precision, rows, columns, count = struct.unpack_from(">BHHB", body)
    if precision != 8 and not (precision == 12 and marker != _BASELINE):
        raise DecodeError(f"{where}: {precision} bits a sample, which the process does not have")
    if not (rows and columns and count):
        raise DecodeError(f"{where}: an empty image of {rows} x {columns}, {count} components")
    components = []
    for identifier, factors, quantiser in struct.iter_unpack("3B", body[6:]):
        across, down = factors >> 4, factors & 15
        if not (1 <= across <= _MAXIMUM_SAMPLING and 1 <= down <= _MAXIMUM_SAMPLING):
            raise DecodeError(f"{where}: sampling factors {across} x {down} are not within 1 to 4")
        components.append(Component(identifier, across, down, quantiser))
    if len({component.identifier for component in components}) != count:
        raise DecodeError(f"{where}: two components have one identifier")
    return FrameHeader(precision, rows, columns, tuple(components), marker == _PROGRESSIVE)


def _read_quantisers(body: bytes, state: CodingState, where: str) -> None:
    at = 0
    while at < len(body):
        is_wide, destination = body[at] >> 4, body[at] & 15
        size = 128 if is_wide else 64
        steps = body[at + 1 : at + 1 + size]
        if is_wide > 1 or destination > 3 or len(steps) != size:
            raise DecodeError(f"{where}: no quantisation table at its byte {at}")
        state.quantisers[destination] = struct.unpack(">64H" if is_wide else "64B", steps)
        at += 1 + size


def _read_huffman(body: bytes, state: CodingState, where: str) -> None:
    at = 0
    while at < len(body):
        kind, destination = body[at] >> 4, body[at] & 15
        counts = body[at + 1 : at + 1 + _LONGEST_CODE]
        total = sum(counts)
        symbols = body[at + 1 + _LONGEST_CODE : at + 1 + _LONGEST_CODE + total]
        if kind > 1 or destination > 3 or len(counts) != _LONGEST_CODE or len(symbols) != total or total > 256:
            raise DecodeError(f"{where}: no Huffman table at its byte {at}")
        taken = sum(count << (_LONGEST_CODE - length) for length, count in enumerate(counts, 1))
        if taken > 1 << _LONGEST_CODE:
            raise DecodeError(f"{where}: more Huffman codes than their lengths have room for")
        if kind == 0 and symbols and max(symbols) > 15:
            raise DecodeError(f"{where}: a DC difference of {max(symbols)} bits")
        state.huffman[kind, destination] = HuffmanSpecification(counts, symbols)
        at += 1 + _LONGEST_CODE + total


def _read_scan(body: bytes, start: int, state: CodingState, where: str) -> ScanHeader:
    frame = state.frame
    if frame is None:
        raise DecodeError(f"{where}: a scan before the frame header")
    if not body or not 1 <= body[0] <= 4 or len(body) != 4 + 2 * body[0]:
        raise DecodeError(f"{where}: a scan header of {len(body)} bytes does not hold its components")
    # The end of the header says nothing in a sequential scan, and some writers leave it 0.
    band = _read_band(body, where) if frame.is_progressive else (0, _LAST_COEFFICIENT, 0, 0)
    indices = {component.identifier: index for index, component in enumerate(frame.components)}
    chosen = []
    for identifier, tables in struct.iter_unpack("2B", body[1:-3]):
        index, dc, ac = indices.get(identifier), tables >> 4, tables & 15
        if index is None:
            raise DecodeError(f"{where}: component {identifier} is not in the frame header")
        if frame.components[index].quantiser not in state.quantisers:
            raise DecodeError(f"{where}: there is no quantisation table {frame.components[index].quantiser}")
        chosen.append((index, dc, ac))
    scan = ScanHeader(tuple(chosen), start, *band)
    _check_components(frame, scan, where)
    _check_tables(state, scan, where)
    return scan


def _read_band(body: bytes, where: str) -> tuple[int, int, int, int]:
    """Give what a progressive scan codes: first and last coefficient, high and low bit (T.81 G.1.1.1)."""
    first, last, bits = body[-3:]
    high, low = bits >> 4, bits & 15
    if not first <= last <= _LAST_COEFFICIENT or (first == 0 and last > 0) or (first > 0 and body[0] > 1):
        raise DecodeError(f"{where}: coefficients {first} to {last} of {body[0]} components are in no progressive scan")
    if low > _HIGHEST_BIT or high not in (0, low + 1):
        raise DecodeError(f"{where}: no scan goes from bit {high} to bit {low}")
    return first, last, high, low


def _check_components(frame: FrameHeader, scan: ScanHeader, where: str) -> None:
    order = [index for index, _, _ in scan.components]
    if order != sorted(set(order)):
        raise DecodeError(f"{where}: components twice, or in another order than in the frame header")
    parts = [frame.components[index] for index in order]
    if len(parts) > 1 and sum(part.across * part.down for part in parts) > _MAXIMUM_MCU_BLOCKS:
        raise DecodeError(f"{where}: an MCU of more than {_MAXIMUM_MCU_BLOCKS} blocks")


def _check_tables(state: CodingState, scan: ScanHeader, where: str) -> None:
    """Raise `DecodeError` where a table is missing; to refine DC coefficients takes none."""
    for _, dc, ac in scan.components:
        needs_dc = scan.first == 0 and scan.is_first
        if (needs_dc and (0, dc) not in state.huffman) or (scan.last > 0 and (1, ac) not in state.huffman):
            raise DecodeError(f"{where}: there is no Huffman table DC {dc} or AC {ac}")
