"""From a codestream to its parameters and its tiles' packets (T.800 annex A).

Marker segments are walked by their lengths, each byte once. A tile-part that reaches past the end, a tile without
data and a missing EOC are errors: nothing of an image is made up.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ...errors import DecodeError, UnsupportedPixels
from .parameters import Codestream, Parameters, Size, Tile
from .segments import (
    Segment,
    read_coding,
    read_component_coding,
    read_component_quantization,
    read_quantization,
    read_size,
    read_volumes,
    refuse_region_of_interest,
)

PADDING = 64
"""Zero bytes after the codestream, so that no wide read leaves the array."""

_SOC_SIZ = b"\xff\x4f\xff\x51"
_SEARCHED_FOR_SIZ = 1 << 16
_SOT, _SOD, _EOC = 0xFF90, 0xFF93, 0xFFD9
_SIZ, _COD, _COC, _QCD, _QCC, _POC, _RGN = 0xFF51, 0xFF52, 0xFF53, 0xFF5C, 0xFF5D, 0xFF5F, 0xFF5E
_PPM, _PPT = 0xFF60, 0xFF61
_IGNORED = {0xFF50: "CAP", 0xFF55: "TLM", 0xFF57: "PLM", 0xFF58: "PLT", 0xFF59: "CPF", 0xFF63: "CRG", 0xFF64: "COM"}
_NAMES = _IGNORED | {
    _SIZ: "SIZ",
    _COD: "COD",
    _COC: "COC",
    _QCD: "QCD",
    _QCC: "QCC",
    _POC: "POC",
    _RGN: "RGN",
    _PPM: "PPM",
    _PPT: "PPT",
    _SOT: "SOT",
}
_EOC_SEARCHED_BYTES = 1024


def read_codestream(codestream: bytes) -> Codestream:
    """Read all headers of a bare codestream, or of the first one in a JP2 file.

    Raises `DecodeError` where they are damaged or cut off, `UnsupportedPixels` for what is not decoded here.
    """
    start = 0 if codestream[:4] == _SOC_SIZ else codestream.find(_SOC_SIZ, 0, _SEARCHED_FOR_SIZ)
    if start < 0:
        raise DecodeError(f"no JPEG 2000 codestream: it starts with {codestream[:4].hex()}, not with SOC and SIZ")
    return _Reader(codestream[start:] if start else codestream).read()


@dataclass(slots=True)
class _Reader:
    """The state of reading headers: where it is, and what it has found."""

    data: bytes
    position: int = 2
    main: Parameters = field(default_factory=Parameters)
    tiles: dict[int, Tile] = field(default_factory=dict)
    packed: list[tuple[int, bytes]] = field(default_factory=list)
    """(index, body) of PPM segments."""
    parts: list[int] = field(default_factory=list)
    """Tile of each tile-part, as they come."""
    extra: list[bytes] = field(default_factory=list)
    """Packed packet headers, to be put after the codestream."""
    extra_bytes: int = 0

    def read(self) -> Codestream:
        size = read_size(self._segment(_SIZ))
        while (marker := self._marker()) != _SOT:
            if marker == _PPM:
                segment = self._segment(marker)
                self.packed.append((segment.one("B"), segment.body[1:]))
            else:
                self._parameters(marker, self.main, size)
        while (marker := self._marker()) != _EOC:
            if marker != _SOT:
                raise DecodeError(f"marker {marker:04X} at byte {self.position} lies between tile-parts")
            self._tile_part(size)
        self._spread_packed_headers()
        for number in range(size.tiles_across * size.tiles_down):
            if number not in self.tiles:
                raise DecodeError(f"tile {number} is missing before EOC at byte {self.position}")
        return Codestream(size, bytearray().join([self.data, *self.extra, bytes(PADDING)]), self.tiles)

    def _marker(self) -> int:
        if self.position + 2 > len(self.data):
            raise DecodeError(f"the codestream of {len(self.data)} bytes is cut off: it has no end marker EOC")
        return int.from_bytes(self.data[self.position : self.position + 2], "big")

    def _segment(self, marker: int) -> Segment:
        """Give the segment at the position and step over it."""
        start, name = self.position, _NAMES.get(marker, f"{marker:04X}")
        length = int.from_bytes(self.data[start + 2 : start + 4], "big")
        if self._marker() != marker or length < 2 or start + 2 + length > len(self.data):
            raise DecodeError(f"the {name} segment at byte {start} has {length} bytes: it is cut off")
        self.position = start + 2 + length
        return Segment(name, start, self.data[start + 4 : self.position])

    def _parameters(self, marker: int, parameters: Parameters, size: Size) -> None:
        """Read one segment of a main or tile-part header into `parameters`."""
        components = len(size.components)
        if not 0xFF4F < marker < 0xFF90:
            raise DecodeError(f"marker {marker:04X} at byte {self.position} has no place in a header")
        segment = self._segment(marker)
        if marker == _COD:
            parameters.packaging, parameters.style = read_coding(segment)
            parameters.styles.clear()
        elif marker == _COC:
            component, style = read_component_coding(segment, components)
            parameters.styles[component] = style
        elif marker == _QCD:
            parameters.quantization = read_quantization(segment)
            parameters.quantizations.clear()
        elif marker == _QCC:
            component, quantization = read_component_quantization(segment, components)
            parameters.quantizations[component] = quantization
        elif marker == _POC:
            parameters.volumes += read_volumes(segment, components)
        elif marker == _RGN:
            refuse_region_of_interest(segment, components)
        elif marker not in _IGNORED:
            raise UnsupportedPixels(f"marker {marker:04X} at byte {segment.offset} is of no part read here")

    def _tile_part(self, size: Size) -> None:
        """Read one tile-part: its header, and where its packets lie (T.800 A.4.2)."""
        start = self.position
        segment = self._segment(_SOT)
        number, length, part, _parts = segment.take("HIBB")
        if number >= size.tiles_across * size.tiles_down:
            raise segment.wrong(f"names tile {number} of {size.tiles_across * size.tiles_down}")
        end = start + length if length else self._end_of_last_part()
        if not start + 14 <= end <= len(self.data):
            raise segment.wrong(f"declares {length} bytes: it is cut off after {len(self.data)}")
        if number not in self.tiles:
            self.tiles[number] = Tile(self.main.copy())
        elif part == 0:
            raise segment.wrong(f"begins tile {number} a second time")
        tile = self.tiles[number]
        self._tile_part_header(tile, size, is_first=not tile.bodies)
        if self.position > end:
            raise segment.wrong(f"declares {length} bytes, fewer than its header has")
        tile.bodies.append((self.position, end))
        self.parts.append(number)
        self.position = end

    def _tile_part_header(self, tile: Tile, size: Size, *, is_first: bool) -> None:
        packed: list[tuple[int, bytes]] = []
        has_volumes = False
        while (marker := self._marker()) != _SOD:
            if marker == _PPT:
                segment = self._segment(marker)
                packed.append((segment.one("B"), segment.body[1:]))
                continue
            if marker == _POC and is_first and not has_volumes:
                tile.parameters.volumes = ()  # the tile's own take the place of the image's
                has_volumes = True
            self._parameters(marker, tile.parameters, size)
        self.position += 2
        if packed:
            self._add_headers(tile, b"".join(body for _, body in sorted(packed, key=lambda item: item[0])))

    def _add_headers(self, tile: Tile, headers: bytes) -> None:
        start = len(self.data) + self.extra_bytes
        self.extra.append(headers)
        self.extra_bytes += len(headers)
        tile.headers.append((start, start + len(headers)))

    def _end_of_last_part(self) -> int:
        """Give the offset of EOC: a tile-part of length 0 reaches up to it."""
        end = self.data.rfind(b"\xff\xd9", max(self.position, len(self.data) - _EOC_SEARCHED_BYTES))
        if end < 0:
            raise DecodeError(f"the codestream of {len(self.data)} bytes is cut off: it has no end marker EOC")
        return end

    def _spread_packed_headers(self) -> None:
        """Give each tile-part its share of the PPM segments (T.800 A.7.4)."""
        stream = b"".join(body for _, body in sorted(self.packed, key=lambda item: item[0]))
        position = 0
        for number in self.parts if self.packed else ():
            length = int.from_bytes(stream[position : position + 4], "big")
            position += 4
            if position + length > len(stream):
                raise DecodeError(
                    f"the PPM segments hold {len(stream)} bytes: the headers of tile {number} are cut off"
                )
            self._add_headers(self.tiles[number], stream[position : position + length])
            position += length
