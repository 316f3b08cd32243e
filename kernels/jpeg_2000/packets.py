"""Packets: in which order they come, and what their headers say of each block (T.800 B.9 to B.12).

Nothing is copied here: a block gets a chain of pieces (offset, length, passes) of the codestream. An order with more
packets than there are bytes is refused before it is written down, since every packet takes a byte.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DecodeError, UnsupportedPixels
from ..jit import kernel, routine
from .layout import (
    C_ACROSS,
    C_BLOCK,
    C_DOWN,
    C_NODE,
    CELLS,
    K_FIRST,
    K_LAST,
    K_LENGTH_BITS,
    K_MISSING,
    K_PASSES,
    R_ACROSS,
    R_BANDS,
    R_DOWN,
    R_FIRST,
    R_PRECINCT_X,
    R_PRECINCT_Y,
    R_STYLE,
    R_X0,
    R_Y0,
    Table,
    TileLayout,
    tile_rectangle,
)
from .parameters import (
    BYPASS,
    CPRL,
    HIGH_THROUGHPUT,
    LRCP,
    PCRL,
    RLCP,
    RPCL,
    TERMINATE_ALL,
    Packaging,
    Size,
    Tile,
    Volume,
)

P_OFFSET, P_LENGTH, P_PASSES, P_NEXT, P_COLUMNS = range(5)
"""Columns of a piece: where its bytes lie, how many coding passes they hold, the block's next piece (-1: none)."""

ALL_READ, _TRUNCATED, _FULL, _BAD_TREE, _MANY_SETS = range(5)
PASSES_BEFORE_BYPASS = 10
_MAXIMUM_LENGTH_BITS = 32
_MAXIMUM_TREE_VALUE = 80
_LEAST_LENGTH_BITS = 3
_MAXIMUM_DEPTH = 32
_MAXIMUM_PASSES = 164


def order_packets(size: Size, number: int, tile: Tile, layout: TileLayout, packaging: Packaging) -> Table:
    """Give (packets, 2) precinct and layer, in the order of the codestream (T.800 B.12).

    Raises `DecodeError` where there are more packets than bytes to hold them.
    """
    capacity = sum(end - start for start, end in tile.bodies) + sum(end - start for start, end in tile.headers)
    if layout.precincts * packaging.layers > capacity:
        raise DecodeError(
            f"tile {number} has {layout.precincts} precincts in {packaging.layers} layers but only {capacity} bytes"
        )
    if packaging.layers == 1 and not tile.parameters.volumes:
        rows = _simple_order(size, number, layout, packaging.progression)
        if rows is not None:
            order = np.zeros((layout.precincts, 2), np.int64)
            counts = layout.resolutions[rows, R_ACROSS] * layout.resolutions[rows, R_DOWN]
            starts = layout.resolutions[rows, R_FIRST] - (np.cumsum(counts) - counts)
            order[:, 0] = np.arange(layout.precincts) + np.repeat(starts, counts)
            return order
    keys = _precinct_keys(size, number, layout)
    everything = Volume(0, 0, packaging.layers, 33, len(size.components), packaging.progression)
    volumes = tile.parameters.volumes or (everything,)
    reached = np.zeros(layout.precincts, np.int64)
    parts = [_volume_order(volume, keys, reached, packaging.layers) for volume in volumes]
    return np.concatenate(parts) if len(parts) > 1 else parts[0]


def _simple_order(size: Size, number: int, layout: TileLayout, progression: int) -> list[int] | None:
    """Give the resolutions in the order of their packets, where each has all of its own together; else None.

    It saves sorting, which takes a twentieth of the time of a small image.
    """
    rows = range(len(layout.owners))
    most = int(layout.resolutions[:, R_ACROSS : R_DOWN + 1].max())
    if progression in (LRCP, RLCP) or (progression == RPCL and (most <= 1 or len(layout.components) == 1)):
        owners = layout.owners.tolist()
        return sorted(rows, key=lambda row: (owners[row][1], owners[row][0]))
    if most <= 1 and tile_rectangle(size, number)[:2] == (0, 0):
        return list(rows)  # all at one place: component by component
    return None


def _precinct_keys(size: Size, number: int, layout: TileLayout) -> Table:
    """Give (5, precincts): component, resolution, y and x on the reference grid, number within the resolution."""
    x0, y0, _, _ = tile_rectangle(size, number)
    parts = []
    for row, (component, resolution) in zip(layout.resolutions.tolist(), layout.owners.tolist(), strict=True):
        across, down = row[R_ACROSS], row[R_DOWN]
        if across * down == 0:
            continue
        shift = layout.components[component].style.levels - resolution
        owner = size.components[component]
        part = np.empty((5, down, across), np.int64)
        part[0], part[1] = component, resolution
        rows = (np.arange(down) + (row[R_Y0] >> row[R_PRECINCT_Y])) << row[R_PRECINCT_Y]
        columns = (np.arange(across) + (row[R_X0] >> row[R_PRECINCT_X])) << row[R_PRECINCT_X]
        part[2] = np.maximum((rows << shift) * owner.step_y, y0)[:, None]
        part[3] = np.maximum((columns << shift) * owner.step_x, x0)
        part[4] = np.arange(down * across).reshape(down, across)
        parts.append(part.reshape(5, -1))
    return np.concatenate(parts, axis=1) if parts else np.empty((5, 0), np.int64)


def _volume_order(volume: Volume, keys: Table, reached: NDArray[np.int64], layers: int) -> Table:
    """Give the packets of one progression volume that have not come before; `reached` layers move on."""
    component, resolution = keys[0], keys[1]
    is_in = (component >= volume.first_component) & (component < volume.end_component)
    is_in &= (resolution >= volume.first_resolution) & (resolution < volume.end_resolution)
    precincts = np.flatnonzero(is_in)
    last = min(volume.end_layer, layers)
    counts = np.maximum(last - reached[precincts], 0)
    repeated = np.repeat(precincts, counts)
    starts = np.repeat(np.cumsum(counts) - counts, counts)
    layer = np.arange(repeated.size) - starts + reached[repeated]
    reached[precincts] = np.maximum(reached[precincts], last)
    component, resolution, y, x, index = keys[:, repeated]
    order = {
        LRCP: (index, component, resolution, layer),
        RLCP: (index, component, layer, resolution),
        RPCL: (layer, index, component, x, y, resolution),
        PCRL: (layer, index, resolution, component, x, y),
        CPRL: (layer, index, resolution, x, y, component),
    }[volume.progression]
    sequence = np.lexsort(order)
    return np.stack([repeated[sequence], layer[sequence]], axis=1)


def read_packets(
    data: NDArray[np.uint8],
    number: int,
    tile: Tile,
    layout: TileLayout,
    packaging: Packaging,
    order: Table,
    tables: tuple[Table, Table, Table],
) -> Table:
    """Read every packet of a tile into its blocks; give the table of pieces.

    Raises `DecodeError` where a packet is cut off or impossible, naming its byte offset.
    """
    cells, blocks, trees = tables
    bodies = np.array(tile.bodies, np.int64).reshape(-1, 2)
    headers = np.array(tile.headers, np.int64).reshape(-1, 2)
    header_bytes = int((headers[:, 1] - headers[:, 0]).sum() if len(headers) else (bodies[:, 1] - bodies[:, 0]).sum())
    # A piece takes at least three bits of a header, its length, and there are only so many in a layer of a block.
    most = len(blocks) * packaging.layers * most_pieces(layout)
    pieces = np.empty((min(header_bytes * 8 // _LEAST_LENGTH_BITS, most) + 1, P_COLUMNS), np.int64)
    owner = resolution_of(layout)
    status, position, packet = read_all_packets(
        data,
        bodies,
        headers,
        order,
        owner,
        layout.resolutions,
        cells,
        blocks,
        trees,
        pieces,
        packaging.has_eph,
    )
    check_packets(status, position, packet, len(order), number)
    return pieces


def check_packets(status: int, position: int, packet: int, packets: int, tile: int) -> None:
    """Raise for what `read_all_packets` gave, unless it read all `packets`."""
    if status == _MANY_SETS:
        raise UnsupportedPixels(f"a block of tile {tile} has more than one set of high-throughput passes")
    if status != ALL_READ:
        what = "is cut off" if status == _TRUNCATED else "has an impossible header"
        raise DecodeError(f"packet {packet} of {packets} of tile {tile} {what} at byte {position}")


def most_pieces(layout: TileLayout) -> int:
    """Give the most pieces that one layer adds to one block."""
    styles = int(np.bitwise_or.reduce(layout.resolutions[:, R_STYLE]))
    return _MAXIMUM_PASSES if styles & (BYPASS | TERMINATE_ALL) else 2 if styles & HIGH_THROUGHPUT else 1


def resolution_of(layout: TileLayout) -> NDArray[np.int64]:
    """Give the row of the resolution of each precinct."""
    counts = layout.resolutions[:, R_ACROSS] * layout.resolutions[:, R_DOWN]
    return np.repeat(np.arange(len(counts)), counts)


S_POSITION, S_END, S_BYTE, S_LEFT, S_FAILED, S_SIZE = range(6)
"""State of the header's bit reader: next byte, end, current byte, bits left of it, whether bits were missing."""


@routine
def _bit(data: NDArray[np.uint8], state: NDArray[np.int64]) -> Any:
    """Read one bit; after a byte FF only seven are used (T.800 B.10.1)."""
    if state[S_LEFT] == 0:
        if state[S_POSITION] >= state[S_END]:
            state[S_FAILED] = 1
            return np.int64(0)
        state[S_LEFT] = 7 if state[S_BYTE] == 0xFF else 8
        state[S_BYTE] = np.int64(data[state[S_POSITION]])
        state[S_POSITION] += 1
    state[S_LEFT] -= 1
    return (state[S_BYTE] >> state[S_LEFT]) & 1


@routine
def _bits(data: NDArray[np.uint8], state: NDArray[np.int64], count: Any) -> Any:
    value = np.int64(0)
    for _ in range(count):
        value = value << 1 | _bit(data, state)
    return value


@routine
def _tree_value(
    data: NDArray[np.uint8], state: NDArray[np.int64], tree: Any, cell: Any, x: Any, y: Any, threshold: Any, path: Any
) -> Any:
    """Read on in a tag tree until a leaf is known to be below `threshold` or not; give its value or 2^30."""
    across, down, node, depth = cell[C_ACROSS], cell[C_DOWN], cell[C_NODE], 0
    while True:
        path[depth] = node + y * across + x
        depth += 1
        if across * down == 1:
            break
        node += across * down
        across, down, x, y = (across + 1) >> 1, (down + 1) >> 1, x >> 1, y >> 1
    low = np.int64(0)
    for step in range(depth - 1, -1, -1):
        index = path[step]
        low = max(low, tree[1, index])
        while low < threshold and low < tree[0, index]:
            if _bit(data, state) == 1:
                tree[0, index] = low
            else:
                low += 1
        tree[1, index] = low
    return tree[0, path[0]]


@routine
def _pass_count(data: NDArray[np.uint8], state: NDArray[np.int64]) -> Any:
    """Read the number of coding passes (T.800 table B.4)."""
    if _bit(data, state) == 0:
        return np.int64(1)
    if _bit(data, state) == 0:
        return np.int64(2)
    count = _bits(data, state, np.int64(2))
    if count < 3:
        return 3 + count
    count = _bits(data, state, np.int64(5))
    if count < 31:
        return 6 + count
    return 37 + _bits(data, state, np.int64(7))


@routine
def passes_in_segment(style: Any, first: Any, left: Any) -> Any:
    """Give how many of the `left` passes from pass `first` on end in the same codeword segment (T.800 D.4, D.6)."""
    if style & TERMINATE_ALL:
        return np.int64(1)
    if style & BYPASS:
        if first < PASSES_BEFORE_BYPASS:
            return min(left, PASSES_BEFORE_BYPASS - first)
        return min(left, np.int64(2 if (first - PASSES_BEFORE_BYPASS) % 3 == 0 else 1))
    return left


@routine
def _log2(value: Any) -> Any:
    result = np.int64(0)
    while value > 1:
        value >>= 1
        result += 1
    return result


@routine
def _add_piece(pieces: Table, count: Any, block: Any, length: Any, passes: Any) -> None:
    """Append a piece to a block's chain; its offset is not known before the header ends."""
    pieces[count, P_OFFSET], pieces[count, P_LENGTH] = 0, length
    pieces[count, P_PASSES], pieces[count, P_NEXT] = passes, -1
    if block[K_LAST] < 0:
        block[K_FIRST] = count
    else:
        pieces[block[K_LAST], P_NEXT] = count
    block[K_LAST] = count
    block[K_PASSES] += passes


@routine
def _read_block(
    data: NDArray[np.uint8], state: NDArray[np.int64], block: Any, style: Any, pieces: Table, count: Any
) -> Any:
    """Read passes and lengths of an included block; give the new number of pieces, negative after an error."""
    passes = _pass_count(data, state)
    while _bit(data, state) == 1:
        block[K_LENGTH_BITS] += 1
    if block[K_LENGTH_BITS] > _MAXIMUM_LENGTH_BITS:
        return -_BAD_TREE
    while passes > 0:
        taken = passes_in_segment(style, block[K_PASSES], passes)
        if style & HIGH_THROUGHPUT:
            # Passes in front of the one cleanup pass are empty: three for each further missing bit plane.
            taken = 3 * ((passes - 1) // 3) + 1 if block[K_PASSES] == 0 else passes
            if block[K_PASSES] == 0:
                block[K_MISSING] += (passes - 1) // 3
            elif (block[K_PASSES] - 1) % 3 + passes > 2:
                return -_MANY_SETS
        if count >= pieces.shape[0]:
            return -_FULL
        length = _bits(data, state, block[K_LENGTH_BITS] + _log2(taken))
        _add_piece(pieces, count, block, length, taken)
        count += 1
        passes -= taken
    return count


@routine
def _read_cell(
    data: NDArray[np.uint8],
    state: NDArray[np.int64],
    cell: Any,
    blocks: Table,
    trees: Table,
    layer: Any,
    style: Any,
    pieces: Table,
    count: Any,
    path: NDArray[np.int64],
) -> Any:
    """Read what a packet header says of one cell's blocks; give the number of pieces, negative after an error."""
    for y in range(cell[C_DOWN]):
        for x in range(cell[C_ACROSS]):
            block = blocks[cell[C_BLOCK] + y * cell[C_ACROSS] + x]
            if block[K_PASSES] > 0:
                is_included = _bit(data, state) == 1
            else:
                is_included = _tree_value(data, state, trees[0], cell, x, y, layer + 1, path) <= layer
            if state[S_FAILED]:
                return -_TRUNCATED
            if not is_included:
                continue
            if block[K_PASSES] == 0:
                threshold = np.int64(1)
                while _tree_value(data, state, trees[1], cell, x, y, threshold, path) >= threshold:
                    threshold += 1
                    if threshold > _MAXIMUM_TREE_VALUE:
                        return -_BAD_TREE
                block[K_MISSING] = threshold - 1
            count = _read_block(data, state, block, style, pieces, count)
            if count < 0:
                return count
            if state[S_FAILED]:
                return -_TRUNCATED
    return count


@routine
def _next_range(ranges: Table, index: Any, position: Any) -> tuple[Any, Any]:
    """Give (index, position) of the range that holds the next packet: tile-parts end between packets."""
    while index + 1 < ranges.shape[0] and position >= ranges[index, 1]:
        index += 1
        position = ranges[index, 0]
    return index, position


@routine
def _skip_marker(data: NDArray[np.uint8], position: Any, end: Any, low: Any, length: Any) -> Any:
    """Give the position after a marker FF `low` of `length` bytes in all, if it is there."""
    if position + length <= end and data[position] == 0xFF and data[position + 1] == low:
        return position + length
    return position


@kernel
def read_all_packets(
    data: NDArray[np.uint8],
    bodies: Table,
    headers: Table,
    order: Table,
    owner: NDArray[np.int64],
    resolutions: Table,
    cells: Table,
    blocks: Table,
    trees: Table,
    pieces: Table,
    has_eph: bool,
) -> tuple[Any, Any, Any]:
    """Read all packets; give (status, byte offset, packet) at the end or at the first that is wrong.

    Numbers handed to helpers are of a type: Numba compiles a helper once more for each literal.
    """
    state, path = np.zeros(S_SIZE, np.int64), np.empty(_MAXIMUM_DEPTH, np.int64)
    body, position = np.int64(0), bodies[0, 0]
    is_packed = headers.shape[0] > 0
    header, header_position = np.int64(0), headers[0, 0] if is_packed else np.int64(0)
    count = np.int64(0)
    for packet in range(order.shape[0]):
        precinct, layer = order[packet, 0], order[packet, 1]
        row = resolutions[owner[precinct]]
        body, position = _next_range(bodies, body, position)
        end = bodies[body, 1]
        position = _skip_marker(data, position, end, np.int64(0x91), np.int64(6))
        if is_packed:
            header, header_position = _next_range(headers, header, header_position)
        state[S_POSITION] = header_position if is_packed else position
        state[S_END] = headers[header, 1] if is_packed else end
        state[S_BYTE], state[S_LEFT], state[S_FAILED] = 0, 0, 0
        first = count
        if _bit(data, state) == 1:
            for band in range(row[R_BANDS]):
                cell = cells[precinct * CELLS + band]
                count = _read_cell(data, state, cell, blocks, trees, layer, row[R_STYLE], pieces, count, path)
                if count < 0:
                    return -count, state[S_POSITION], packet
        if state[S_BYTE] == 0xFF:
            state[S_POSITION] += 1  # a bit stuffed after the last byte
        if state[S_FAILED] or state[S_POSITION] > state[S_END]:
            return _TRUNCATED, state[S_END], packet
        after = state[S_POSITION]
        if has_eph:
            after = _skip_marker(data, after, state[S_END], np.int64(0x92), np.int64(2))
        if is_packed:
            header_position = after
        else:
            position = after
        for piece in range(first, count):
            pieces[piece, P_OFFSET] = position
            position += pieces[piece, P_LENGTH]
            if position > end:
                return _TRUNCATED, end, packet
    return ALL_READ, position, order.shape[0]
