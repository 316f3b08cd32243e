"""Decode a JPEG 2000 codestream: the whole, at reduced resolution, or a region of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DecodeError, OutOfRange, UnsupportedPixels
from .blocks import ALL_DECODED, decode_blocks
from .components import store, store_colour, undo_transform
from .high_throughput_blocks import decode_high_throughput_blocks
from .layout import (
    B_KEPT,
    B_X0,
    B_Y0,
    K_BAND,
    K_FIRST,
    K_HEIGHT,
    K_WIDTH,
    K_X,
    K_Y,
    Table,
    TileLayout,
    check_planes,
    component_rectangle,
    lay_blocks,
    lay_out,
    tile_rectangle,
    uses_high_throughput,
)
from .markers import read_codestream
from .packets import P_LENGTH, order_packets, read_packets
from .parameters import Codestream, Component
from .plain import find_plan, make_plan
from .shelf import borrowed
from .wavelet import Run, synthesise

Region = tuple[int, int, int, int]
Rectangle = tuple[int, int, int, int]

MAXIMUM_TILES = 2048
"""Each costs a millisecond or two of Python, whatever its size: more are for a library to decode."""
MAXIMUM_SAMPLES = 1 << 31
"""No image beyond is decoded: a header of a few bytes can declare any size."""

MAXIMUM_PRECISION = 26
_BLOCKS_A_TASK = 8
_WAVELET_REACH = 4
"""Samples on each side of a region that its synthesis may read, a level (9/7; F.3.8.2)."""


def run_serially(function: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
    """Call `function` on every item, one after the other."""
    return [function(item) for item in items]


def decode_jpeg_2000(
    codestream: bytes, *, level: int = 0, region: Region | None = None, run: Run = run_serially
) -> NDArray[Any]:
    """Decode an image whose components all have one size: (rows, columns), or (rows, columns, components).

    `level` halves the resolution that many times. `region` is (first row, end row, first column, end column) of
    the image at that level; only code blocks that it needs are decoded. `run(function, items)` may call the
    function on all items in parallel. A component transform is undone. The type is the smallest of 8, 16 or 32
    bits that holds the components, signed where they are.

    Raises `DecodeError` for a codestream that is damaged or cut off, `UnsupportedPixels` for subsampled components
    and what else is not decoded here, `OutOfRange` for a level or region that is not there.
    """
    is_plain = region is None and run is run_serially
    if is_plain and (known := find_plan(codestream, level)) is not None:
        plan, bodies = known
        return plan.decode(codestream, bodies)
    parsed = read_codestream(codestream)
    components = parsed.size.components
    if len({(component.step_x, component.step_y) for component in components}) > 1:
        raise UnsupportedPixels("the codestream has subsampled components")
    image = _Image(parsed, level, region, run)
    if is_plain and (made := make_plan(codestream, parsed, level, _sample_type(components))) is not None:
        plan, bodies = made
        return plan.decode(codestream, bodies)
    shape = image.shape(0)
    out = np.empty((*shape, len(components)), _sample_type(components))
    image.decode([out[..., number] for number in range(len(components))], out)
    return out[..., 0] if len(components) == 1 else out


def decode_components(codestream: bytes, *, level: int = 0, run: Run = run_serially) -> list[NDArray[Any]]:
    """Decode each component into an array (rows, columns) of its own size and type; else as `decode_jpeg_2000`."""
    parsed = read_codestream(codestream)
    image = _Image(parsed, level, None, run)
    outs = [
        np.empty((*image.shape(number), 1), _sample_type((component,)))
        for number, component in enumerate(parsed.size.components)
    ]
    image.decode([out[..., 0] for out in outs])
    return [out[..., 0] for out in outs]


def _sample_type(components: Iterable[Component]) -> np.dtype[Any]:
    """Give the smallest type that holds samples of all components."""
    signs = {component.is_signed for component in components}
    bits = max(component.precision for component in components) + (len(signs) > 1)
    if bits > MAXIMUM_PRECISION:
        raise UnsupportedPixels(f"the codestream has {bits} bits a sample: at most {MAXIMUM_PRECISION} are decoded")
    size_bytes = 1 if bits <= 8 else 2 if bits <= 16 else 4
    return np.dtype(f"{'i' if True in signs else 'u'}{size_bytes}")


@dataclass(slots=True)
class _Image:
    """One decoding: what of a codestream is wanted, and where the samples go."""

    codestream: Codestream
    level: int
    region: Region | None
    run: Run
    data: NDArray[np.uint8] = None  # type: ignore[assignment] # set below, from the codestream

    def __post_init__(self) -> None:
        size = self.codestream.size
        self.data = np.frombuffer(self.codestream.data, np.uint8)
        samples = 0
        for component in size.components:
            x0, y0, x1, y1 = component_rectangle((size.x0, size.y0, size.x1, size.y1), component)
            samples += (x1 - x0) * (y1 - y0)
        if samples > MAXIMUM_SAMPLES:
            raise UnsupportedPixels(f"the codestream declares {samples} samples: at most {MAXIMUM_SAMPLES} are decoded")
        if len(self.codestream.tiles) > MAXIMUM_TILES:
            raise UnsupportedPixels(
                f"the codestream has {len(self.codestream.tiles)} tiles: at most {MAXIMUM_TILES} are decoded"
            )
        if not 0 <= self.level <= 32:
            raise OutOfRange(f"no level {self.level}: the codestream has at most 32")
        for number in range(len(size.components)):
            rows, columns = self.full_shape(number)
            if not rows or not columns:
                raise DecodeError(f"component {number} has no samples")
            if self.region is not None:
                top, bottom, left, right = self.region
                if not (0 <= top < bottom <= rows and 0 <= left < right <= columns):
                    raise OutOfRange(f"no region {self.region}: level {self.level} has {rows} rows, {columns} columns")

    def full_rectangle(self, number: int) -> Rectangle:
        """Give (x0, y0, x1, y1) of a whole component at this level."""
        size = self.codestream.size
        return component_rectangle((size.x0, size.y0, size.x1, size.y1), size.components[number], self.level)

    def full_shape(self, number: int) -> tuple[int, int]:
        """Give (rows, columns) of a whole component at this level."""
        x0, y0, x1, y1 = self.full_rectangle(number)
        return y1 - y0, x1 - x0

    def wanted(self, number: int) -> Rectangle:
        """Give (x0, y0, x1, y1) of what is wanted of a component at this level."""
        x0, y0, x1, y1 = self.full_rectangle(number)
        if self.region is None:
            return x0, y0, x1, y1
        top, bottom, left, right = self.region
        return x0 + left, y0 + top, x0 + right, y0 + bottom

    def shape(self, number: int) -> tuple[int, int]:
        """Give (rows, columns) of what is wanted of a component."""
        x0, y0, x1, y1 = self.wanted(number)
        return y1 - y0, x1 - x0

    def decode(self, outs: list[NDArray[Any]], pixels: NDArray[Any] | None = None) -> None:
        """Decode every tile that is wanted into `outs`, one array a component; they may be parts of `pixels`."""
        tiles = sorted(number for number in self.codestream.tiles if self._is_wanted(number))
        if pixels is not None and not self._are_pixels_alike():
            pixels = None
        self.run(lambda number: self._decode_tile(number, outs, pixels), tiles)

    def _are_pixels_alike(self) -> bool:
        """Say whether there are three components of one kind."""
        components = self.codestream.size.components
        return len(components) == 3 and len({(one.precision, one.is_signed) for one in components}) == 1

    def _is_wanted(self, tile: int) -> bool:
        rectangle = tile_rectangle(self.codestream.size, tile)
        for number, component in enumerate(self.codestream.size.components):
            x0, y0, x1, y1 = _intersection(component_rectangle(rectangle, component, self.level), self.wanted(number))
            if x0 < x1 and y0 < y1:
                return True
        return False

    def _decode_tile(self, number: int, outs: list[NDArray[Any]], pixels: NDArray[Any] | None) -> None:
        size, tile = self.codestream.size, self.codestream.tiles[number]
        packaging = tile.parameters.packaging
        if packaging is None:
            raise DecodeError(f"tile {number} has no COD segment")
        layout = lay_out(size, number, tile.parameters, self.level)
        check_planes(layout)
        if min(component.style.levels for component in layout.components) < self.level:
            raise OutOfRange(f"no level {self.level}: tile {number} has fewer decompositions")
        order = order_packets(size, number, tile, layout, packaging)
        tables = lay_blocks(layout)
        pieces = read_packets(self.data, number, tile, layout, packaging, order, tables)
        with borrowed(layout.coefficients) as coefficients, borrowed(layout.coefficients) as targets:
            coefficients[:] = 0
            self._decode_blocks(number, layout, pieces, tables[1], coefficients)
            indices = range(len(size.components))
            strips = None if self.run is run_serially else self.run
            planes = self.run(lambda index: _plane(layout, index, coefficients, targets, strips), indices)
            are_reversible = all(component.style.is_reversible for component in layout.components)
            if pixels is not None and are_reversible and len({plane.shape for plane in planes}) == 1:
                self._store_colour(layout, planes, pixels, has_transform=packaging.has_transform)
                return
            if packaging.has_transform:
                _undo_transform(number, layout, planes)
            self.run(lambda index: self._store(layout, index, planes[index], outs[index]), indices)

    def _decode_blocks(
        self, number: int, layout: TileLayout, pieces: Table, blocks: Table, coefficients: NDArray[np.int32]
    ) -> None:
        chosen = np.flatnonzero((blocks[:, K_FIRST] >= 0) & (layout.bands[blocks[:, K_BAND], B_KEPT] != 0))
        if self.region is not None:
            chosen = chosen[self._needed(layout, blocks[chosen])]
        tasks = [chosen] if self.run is run_serially else _deal(chosen, pieces[blocks[chosen, K_FIRST], P_LENGTH])
        decoder = decode_high_throughput_blocks if uses_high_throughput(layout) else decode_blocks

        def decode(task: NDArray[np.int64]) -> Any:
            return decoder(self.data, pieces, blocks, task, layout.bands, layout.steps, coefficients)

        for wrong in self.run(decode, tasks):
            if wrong != ALL_DECODED:
                raise DecodeError(f"code block {wrong} of tile {number} does not decode to what its packets say")

    def _needed(self, layout: TileLayout, blocks: Table) -> NDArray[np.bool]:
        """Say which blocks reach into the region, or near enough for its synthesis to read them."""
        needed = np.zeros(len(blocks), bool)
        for row, (component, resolution) in enumerate(layout.owners.tolist()):
            levels = len(layout.components[component].rectangles) - 1
            if resolution > levels:
                continue
            x0, y0, x1, y1 = self.wanted(component)
            depth = levels - resolution + (resolution > 0)
            reach = _WAVELET_REACH
            first, count = layout.resolutions[row, -1 - 1], layout.resolutions[row, -1]
            for band in range(first, first + count):
                bx, by = layout.bands[band, B_X0], layout.bands[band, B_Y0]
                x, y = blocks[:, K_X] + bx, blocks[:, K_Y] + by
                is_in = blocks[:, K_BAND] == band
                is_in &= (x < (x1 >> depth) + reach) & (x + blocks[:, K_WIDTH] > (x0 >> depth) - reach)
                is_in &= (y < (y1 >> depth) + reach) & (y + blocks[:, K_HEIGHT] > (y0 >> depth) - reach)
                needed |= is_in
        return needed

    def _store(self, layout: TileLayout, index: int, plane: NDArray[Any], out: NDArray[Any]) -> None:
        """Put what is wanted of a tile's plane where it belongs in `out`."""
        source, target = self._places(layout, index)
        if out[target].size:
            store(np.ascontiguousarray(plane[source]), out[target], self.codestream.size.components[index])

    def _store_colour(
        self, layout: TileLayout, planes: list[NDArray[Any]], out: NDArray[Any], *, has_transform: bool
    ) -> None:
        """Put what is wanted of a tile's three planes where it belongs in `out`, pixel by pixel."""
        source, target = self._places(layout, 0)
        if out[target].size:
            parts = [np.ascontiguousarray(plane[source]) for plane in planes]
            place = target[0].start, target[1].start
            store_colour(parts, out, place, self.codestream.size.components[0], has_transform=has_transform)

    def _places(self, layout: TileLayout, index: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
        """Give what part of a component's plane is wanted of a tile, and what part of the output that is."""
        wanted, mine = self.wanted(index), layout.components[index].rectangles[-1]
        x0, y0, x1, y1 = _intersection(wanted, mine)
        x1, y1 = max(x0, x1), max(y0, y1)
        source = slice(y0 - mine[1], y1 - mine[1]), slice(x0 - mine[0], x1 - mine[0])
        return source, (slice(y0 - wanted[1], y1 - wanted[1]), slice(x0 - wanted[0], x1 - wanted[0]))


def _deal(chosen: NDArray[np.int64], lengths: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Cut blocks into tasks of about as many bytes each, a power of two: no thread waits long for another."""
    count = 1 << (len(chosen) // _BLOCKS_A_TASK).bit_length()
    order = chosen[np.argsort(-lengths, kind="stable")]
    # Contiguous: another layout would be compiled for once more.
    return [np.ascontiguousarray(order[first::count]) for first in range(min(count, len(order)))]


def _intersection(one: Rectangle, other: Rectangle) -> Rectangle:
    return max(one[0], other[0]), max(one[1], other[1]), min(one[2], other[2]), min(one[3], other[3])


def _plane(
    layout: TileLayout, index: int, coefficients: NDArray[np.int32], targets: NDArray[np.int32], strips: Run | None
) -> NDArray[Any]:
    """Synthesise one component of a tile within its part of `targets`."""
    component = layout.components[index]
    x0, y0, x1, y1 = component.rectangles[-1]
    shape = (y1 - y0, x1 - x0)
    own = slice(component.target, component.target + shape[0] * shape[1])
    is_reversible = component.style.is_reversible
    kind = np.int32 if is_reversible else np.float32
    with borrowed(shape[0] * shape[1]) as spare:
        return synthesise(
            coefficients[own].view(kind).reshape(shape),
            component.rectangles,
            targets[own].view(kind),
            spare.view(kind),
            is_reversible=is_reversible,
            run=strips,
        )


def _undo_transform(number: int, layout: TileLayout, planes: list[NDArray[Any]]) -> None:
    shapes = {plane.shape for plane in planes[:3]}
    wavelets = {component.style.is_reversible for component in layout.components[:3]}
    if len(planes) < 3 or len(shapes) > 1 or len(wavelets) > 1:
        raise DecodeError(f"tile {number} has a component transform, but not three components alike")
    undo_transform(planes, is_reversible=wavelets.pop())
