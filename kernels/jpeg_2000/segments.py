"""Marker segments of JPEG 2000, each into its value (T.800 annex A).

Every read is checked against the end of the segment; errors name the marker and its byte offset.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from ...errors import DecodeError, UnsupportedPixels
from .parameters import (
    CPRL,
    DERIVED,
    EXPOUNDED,
    HIGH_THROUGHPUT,
    NO_QUANTIZATION,
    CodingStyle,
    Component,
    Packaging,
    Quantization,
    Size,
    Volume,
)

MAXIMUM_LEVELS = 32
MAXIMUM_TILES = 65535
_MAXIMUM_BLOCK = 12
_PART_2 = 0x8000
_WHOLE_PRECINCT = (15, 15)


@dataclass(slots=True)
class Segment:
    """The body of one marker segment, read from front to back."""

    name: str
    offset: int
    """Of the marker in the codestream."""
    body: bytes
    position: int = 0

    def take(self, layout: str) -> tuple[int, ...]:
        """Give the next numbers, big endian. Raises `DecodeError` where the segment ends before them."""
        start = self.position
        self.position += struct.calcsize(">" + layout)
        if self.position > len(self.body):
            raise self.wrong(f"is cut off after {len(self.body)} bytes")
        return struct.unpack_from(">" + layout, self.body, start)

    def one(self, layout: str) -> int:
        """Give the next number."""
        return self.take(layout)[0]

    @property
    def left(self) -> int:
        """Bytes not yet read."""
        return len(self.body) - self.position

    def wrong(self, what: str) -> DecodeError:
        """Give an error that names this segment."""
        return DecodeError(f"the {self.name} segment at byte {self.offset} {what}")

    def unsupported(self, what: str) -> UnsupportedPixels:
        """Give an error that names this segment."""
        return UnsupportedPixels(f"the {self.name} segment at byte {self.offset} {what}")


def read_size(segment: Segment) -> Size:
    """Read SIZ (T.800 A.5.1). Raises `DecodeError` for a size that no image has."""
    capabilities, x1, y1, x0, y0, width, height, tile_x0, tile_y0, count = segment.take("H8IH")
    if capabilities & _PART_2:
        raise segment.unsupported(f"asks for extensions (Rsiz {capabilities:#06x}, T.801)")
    if not 1 <= count <= 16384 or segment.left < 3 * count:
        raise segment.wrong(f"declares {count} components in {segment.left} bytes")
    components = []
    for _ in range(count):
        precision, step_x, step_y = segment.take("3B")
        if not step_x or not step_y or (precision & 0x7F) >= 38:
            raise segment.wrong(f"declares a component of depth {precision:#x} at steps {step_x}, {step_y}")
        components.append(Component((precision & 0x7F) + 1, precision > 0x7F, step_x, step_y))
    size = Size(x1, y1, x0, y0, width, height, tile_x0, tile_y0, tuple(components))
    if x0 >= x1 or y0 >= y1 or not width or not height:
        raise segment.wrong("declares an empty image")
    if tile_x0 > x0 or tile_y0 > y0 or tile_x0 + width <= x0 or tile_y0 + height <= y0:
        raise segment.wrong("declares a first tile outside the image")
    if size.tiles_across * size.tiles_down > MAXIMUM_TILES:
        raise segment.wrong(f"declares {size.tiles_across * size.tiles_down} tiles")
    return size


def read_coding(segment: Segment) -> tuple[Packaging, CodingStyle]:
    """Read COD (T.800 A.6.1)."""
    flags, progression, layers, transform = segment.take("BBHB")
    if progression > CPRL or not layers or transform > 1:
        raise segment.wrong(f"has progression {progression}, {layers} layers, transform {transform}")
    packaging = Packaging(progression, layers, transform == 1, bool(flags & 2), bool(flags & 4))
    return packaging, _coding_style(segment, has_precincts=bool(flags & 1))


def read_component_coding(segment: Segment, components: int) -> tuple[int, CodingStyle]:
    """Read COC (T.800 A.6.2): a component and its style."""
    component = _component(segment, components)
    return component, _coding_style(segment, has_precincts=bool(segment.one("B") & 1))


def _component(segment: Segment, components: int) -> int:
    component = segment.one("B" if components < 257 else "H")
    if component >= components:
        raise segment.wrong(f"names component {component} of {components}")
    return component


def _coding_style(segment: Segment, *, has_precincts: bool) -> CodingStyle:
    levels, block_x, block_y, style, wavelet = segment.take("5B")
    block_x, block_y = block_x + 2, block_y + 2
    if levels > MAXIMUM_LEVELS or block_x > 10 or block_y > 10 or block_x + block_y > _MAXIMUM_BLOCK or wavelet > 1:
        raise segment.wrong(f"has {levels} levels, blocks of 2^{block_x} x 2^{block_y}, wavelet {wavelet}")
    if style & HIGH_THROUGHPUT and style & ~(HIGH_THROUGHPUT | 0x08):
        raise segment.unsupported(f"mixes block coders (style {style:#x})")
    if style >= 2 * HIGH_THROUGHPUT:
        raise segment.wrong(f"has the unknown block style {style:#x}")
    precincts = [_WHOLE_PRECINCT] * (levels + 1)
    if has_precincts:
        for resolution, size in enumerate(segment.take(f"{levels + 1}B")):
            precincts[resolution] = (size & 15, size >> 4)
            if resolution and not all(precincts[resolution]):
                raise segment.wrong(f"has empty precincts at resolution {resolution}")
    return CodingStyle(levels, block_x, block_y, style, wavelet == 1, tuple(precincts))


def read_quantization(segment: Segment) -> Quantization:
    """Read QCD (T.800 A.6.4)."""
    return _quantization(segment)


def read_component_quantization(segment: Segment, components: int) -> tuple[int, Quantization]:
    """Read QCC (T.800 A.6.5): a component and its quantization."""
    return _component(segment, components), _quantization(segment)


def _quantization(segment: Segment) -> Quantization:
    flags = segment.one("B")
    style, guard_bits = flags & 31, flags >> 5
    if style == NO_QUANTIZATION:
        steps = [(step >> 3, 0) for step in segment.take(f"{segment.left}B")]
    elif style in (DERIVED, EXPOUNDED):
        count = 1 if style == DERIVED else segment.left // 2
        steps = [(step >> 11, step & 0x7FF) for step in segment.take(f"{count}H")]
    else:
        raise segment.wrong(f"has the unknown quantization style {style}")
    if not steps:
        raise segment.wrong("has no quantization step")
    return Quantization(style, guard_bits, tuple(steps))


def read_volumes(segment: Segment, components: int) -> tuple[Volume, ...]:
    """Read POC (T.800 A.6.6)."""
    layout = "BBHBBB" if components < 257 else "BHHBHB"
    volumes = []
    while segment.left:
        *bounds, end_component, progression = segment.take(layout)
        # 256 components do not fit one byte: 0 stands for all of them.
        volume = Volume(bounds[0], bounds[1], bounds[2], bounds[3], end_component or components, progression)
        if volume.progression > CPRL:
            raise segment.wrong(f"has the unknown progression {volume.progression}")
        volumes.append(volume)
    return tuple(volumes)


def refuse_region_of_interest(segment: Segment, components: int) -> None:
    """Read RGN (T.800 A.6.3). Raises `UnsupportedPixels` unless nothing is shifted."""
    component = _component(segment, components)
    style, shift = segment.take("2B")
    if style or shift:
        raise segment.unsupported(f"shifts a region of interest of component {component} by {shift} bits")
