"""Images of one tile, whole and reversible, decoded by one call of a kernel.

Each call lets go of Python's lock and has to wait for it again, where another thread decodes beside this one; and
headers, tables and their NumPy arrays hold it for a quarter of the time of a small image. So frames whose main headers
agree, as those of an instance or a series do, share a plan, and a frame of such costs one call.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DecodeError
from ..jit import kernel, routine
from .blocks import ALL_DECODED, decode_blocks
from .components import sample_range, store_integers, store_pixels_of
from .high_throughput_blocks import decode_high_throughput_blocks
from .layout import (
    B_KEPT,
    K_BAND,
    K_FIRST,
    Table,
    TileLayout,
    check_planes,
    lay_blocks,
    lay_out,
    uses_high_throughput,
)
from .markers import PADDING
from .packets import ALL_READ, P_COLUMNS, check_packets, most_pieces, order_packets, read_all_packets, resolution_of
from .parameters import Codestream
from .shelf import borrowed
from .wavelet_53 import synthesise_53

Bodies = list[tuple[int, int]]
"""(start, end) of the packets of each tile-part."""

_SOT, _SOD, _EOC, _TLM = b"\xff\x90", b"\xff\x93", b"\xff\xd9", b"\xff\x55"
_TILE_PART = struct.Struct(">HHIBB")
_TILE_PART_HEADER = 14
"""Bytes of SOT and SOD."""
_MAXIMUM_KEPT_BLOCKS = 1 << 14
"""A plan with more is used once: its table takes 1.4 MB, and a frame as large long enough to lay out."""
_MAXIMUM_PLANS = 8
_WRONG_BLOCK = -1
_FIRST: Any = np.int64(0)

_plans: tuple[Plan, ...] = ()
"""Those used last, newest first. Replaced, never changed: threads need no lock, and at worst one makes a plan again."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What all codestreams with one main header have in common, for one level."""

    fixed: tuple[tuple[int, bytes], ...]
    """Byte offset and bytes of all of the main header, and the marker SOT after it; but not the lengths of tile-parts
    in TLM, which differ from frame to frame and say nothing new."""
    level: int
    layout: TileLayout
    tables: tuple[Table, ...]
    """Packets' order; resolution of each precinct; cells; blocks before any packet was read; rectangles."""
    flags: tuple[int, ...]
    """Nodes of the tag trees, most pieces a layer adds to all blocks, EPH, high throughput, component transform."""
    packets: int
    dtype: np.dtype[Any]
    sample_range: tuple[Any, Any, Any]

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        x0, y0, x1, y1 = self.layout.components[0].rectangles[-1]
        return y1 - y0, x1 - x0

    def decode(self, codestream: bytes, bodies: Bodies) -> NDArray[Any]:
        """Decode the packets within `bodies`: (rows, columns), or (rows, columns, 3)."""
        rows, columns = self.shape
        components = len(self.layout.components)
        out = np.empty((rows, columns) if components == 1 else (rows, columns, components), self.dtype)
        words = out.reshape(rows, -1).view(f"u{self.dtype.itemsize}")
        # For each component its coefficients and what becomes of them, and a spare.
        with borrowed((2 * components + 1) * rows * columns) as buffers:
            status, position, packet = _decode(
                np.frombuffer(codestream, np.uint8),
                np.array(bodies, np.int64),
                self.layout.resolutions,
                self.layout.bands,
                self.layout.steps,
                self.tables,
                self.flags,
                self.sample_range,
                buffers,
                words,
            )
        if status == _WRONG_BLOCK:
            raise DecodeError(f"code block {position} of tile 0 does not decode to what its packets say")
        check_packets(status, position, packet, self.packets, 0)
        return out


def find_plan(codestream: bytes, level: int) -> tuple[Plan, Bodies] | None:
    """Give the plan of a codestream that is like a former one, and where its packets lie; else None."""
    for plan in _plans:
        if plan.level == level and all(codestream.startswith(part, offset) for offset, part in plan.fixed):
            offset, part = plan.fixed[-1]
            bodies = _read_bodies(codestream, offset + len(part) - len(_SOT))
            return (plan, bodies) if bodies and plan.packets <= sum(end - start for start, end in bodies) else None
    return None


def _read_bodies(codestream: bytes, position: int) -> Bodies:
    """Give (start, end) of the packets of each tile-part from byte `position` on.

    Nothing where tile-parts are not all of tile 0, in order, whole, without headers of their own, and followed by EOC.
    """
    bodies: Bodies = []
    parts = 0
    while codestream.startswith(_SOT, position) and len(codestream) >= position + _TILE_PART_HEADER:
        length, tile, part_bytes, part, parts = _TILE_PART.unpack_from(codestream, position + 2)
        start, end = position + _TILE_PART_HEADER, position + part_bytes
        if (length, tile, part) != (10, 0, len(bodies)) or not codestream.startswith(_SOD, start - 2) or end < start:
            return []
        bodies.append((start, end))
        position = end
    return bodies if codestream.startswith(_EOC, position) and parts in (0, len(bodies)) else []


def _fixed_parts(header: bytes) -> tuple[tuple[int, bytes], ...]:
    """Cut the bodies of TLM segments out of a main header, which begins with SOC and ends with SOT."""
    parts, begun, position = [], 0, len(_SOT)
    while position < len(header) - len(_SOT):
        after = position + 2 + int.from_bytes(header[position + 2 : position + 4], "big")
        if header.startswith(_TLM, position):
            parts.append((begun, header[begun : position + 4]))
            begun = after
        position = after
    return (*parts, (begun, header[begun:]))


def make_plan(codestream: bytes, parsed: Codestream, level: int, dtype: np.dtype[Any]) -> tuple[Plan, Bodies] | None:
    """Give the plan of a bare codestream, and where its packets lie; None where it is not of this kind."""
    global _plans
    tile, components = parsed.tiles.get(0), parsed.size.components
    if len(parsed.tiles) != 1 or tile is None or len(components) not in (1, 3) or len(set(components)) > 1:
        return None
    parameters, packaging = tile.parameters, tile.parameters.packaging
    start = tile.bodies[0][0] - _TILE_PART_HEADER
    bodies = _read_bodies(codestream, start)
    if not bodies or bodies != tile.bodies or tile.headers or packaging is None:
        return None
    layout = lay_out(parsed.size, 0, parameters, level)
    check_planes(layout)
    first = layout.components[0]
    if not all(one.style.is_reversible and one.rectangles == first.rectangles for one in layout.components):
        return None
    if first.style.levels < level:
        return None
    order = order_packets(parsed.size, 0, tile, layout, packaging)
    cells, blocks, trees = lay_blocks(layout)
    flags = (
        trees.shape[-1],
        len(blocks) * packaging.layers * most_pieces(layout),
        int(packaging.has_eph),
        int(uses_high_throughput(layout)),
        int(packaging.has_transform and len(components) == 3),
    )
    rectangles = np.array(first.rectangles, np.int64)
    plan = Plan(
        _fixed_parts(codestream[: start + len(_SOT)]),
        level,
        layout,
        (order, resolution_of(layout)[:, np.newaxis], cells, blocks, rectangles),
        flags,
        len(order),
        dtype,
        sample_range(components[0]),
    )
    if len(blocks) <= _MAXIMUM_KEPT_BLOCKS:
        _plans = (plan, *_plans[: _MAXIMUM_PLANS - 1])
    return plan, bodies


@routine
def _padded(source: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Copy a codestream, with zeros after it for wide reads."""
    data = np.empty(source.size + PADDING, np.uint8)
    data[: source.size] = source
    data[source.size :] = 0
    return data


@routine
def _kept(blocks: Table, bands: Table) -> NDArray[np.int64]:
    """Give the blocks that hold anything, of bands that are wanted."""
    chosen, count = np.empty(blocks.shape[0], np.int64), 0
    for number in range(blocks.shape[0]):
        if blocks[number, K_FIRST] >= 0 and bands[blocks[number, K_BAND], B_KEPT] != 0:
            chosen[count] = number
            count += 1
    return chosen[:count]


@routine
def _synthesise(
    coefficients: NDArray[np.int32], rectangles: Table, target: NDArray[np.int32], spare: NDArray[np.int32]
) -> None:
    """Make samples of one component's coefficients, within `target`; resolutions take turns in two buffers."""
    last = rectangles.shape[0] - 1
    stride = rectangles[last, 2] - rectangles[last, 0]
    low = coefficients
    for number in range(last + 1):
        x0, y0, x1, y1 = rectangles[number]
        width, height = x1 - x0, y1 - y0
        out = target if (last - number) % 2 == 0 else spare
        if number == 0:
            for y in range(height):
                out[y * width : (y + 1) * width] = coefficients[y * stride : y * stride + width]
        elif width > 0 and height > 0:
            left, top, right, bottom = rectangles[number - 1]
            below = bottom - top, right - left
            synthesise_53(low, coefficients, out, (height, width), below, stride, x0 & 1, y0 & 1, _FIRST, below[0] + 1)
        low = out


@kernel
def _decode(
    source: NDArray[np.uint8],
    bodies: Table,
    resolutions: Table,
    bands: Table,
    steps: NDArray[np.float32],
    tables: tuple[Table, ...],
    flags: tuple[int, ...],
    limits: tuple[Any, Any, Any],
    buffers: NDArray[np.int32],
    out: NDArray[Any],
) -> tuple[Any, Any, Any]:
    """Decode one tile into `out` (rows, columns × components); give what `read_all_packets` gives, or a wrong block.

    `buffers` has for each component its coefficients, then room as large for its samples; then once more as much.
    """
    order, owner, cells, rectangles = tables[0], tables[1].reshape(-1), tables[2], tables[4]
    nodes, most, has_eph, is_high_throughput, has_transform = flags
    data, blocks = _padded(source), tables[3].copy()
    trees = np.zeros((2, 2, nodes), np.int64)
    trees[:, 0] = 1 << 30
    pieces = np.empty((min(most, (bodies[:, 1] - bodies[:, 0]).sum() * 8 // 3) + 1, P_COLUMNS), np.int64)
    status, position, packet = read_all_packets(
        data,
        bodies,
        np.empty((0, 2), np.int64),
        order,
        owner,
        resolutions,
        cells,
        blocks,
        trees,
        pieces,
        has_eph != 0,
    )
    if status != ALL_READ:
        return status, position, packet
    last = rectangles.shape[0] - 1
    height, width = rectangles[last, 3] - rectangles[last, 1], rectangles[last, 2] - rectangles[last, 0]
    size, components = height * width, out.shape[1] // width
    coefficients, spare = buffers[: size * components], buffers[2 * size * components :]
    coefficients[:] = 0
    chosen = _kept(blocks, bands)
    if is_high_throughput != 0:
        wrong = decode_high_throughput_blocks(data, pieces, blocks, chosen, bands, steps, coefficients)
    else:
        wrong = decode_blocks(data, pieces, blocks, chosen, bands, steps, coefficients)
    if wrong != ALL_DECODED:
        return np.int64(_WRONG_BLOCK), np.int64(wrong), packet
    for number in range(components):
        own = number * size
        room = buffers[(components + number) * size : (components + number + 1) * size]
        _synthesise(coefficients[own : own + size], rectangles, room, spare)
    first = buffers[size * components : size * (components + 1)].reshape((height, width))
    if components == 1:
        store_integers(first, out, *limits)
    else:
        second = buffers[size * 4 : size * 5].reshape((height, width))
        third = buffers[size * 5 : size * 6].reshape((height, width))
        store_pixels_of(first, second, third, out.reshape(-1), _FIRST, 3 * width, has_transform != 0, *limits)
    return status, position, packet
