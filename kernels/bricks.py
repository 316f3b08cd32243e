"""Bricks: decoded blocks of chunks in the slots of one arena, copied from there into the box that a read asks for.

A chunk's bytes, slices one after another, are cut into blocks, each in a slot of its own; what compression takes as
one is what a read decodes and a cache holds as one.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .calls import copy_bytes
from .jit import inlined, kernel

Bytes = NDArray[np.uint8]
Cells = NDArray[np.int64]
Three = tuple[int, int, int]

EMPTY = np.int64(-1)
"""The slot of a block that is not stored: all its voxels are the fill value 0."""
UNWANTED = np.int64(-2)
"""The slot of a block of which the read wants nothing."""


@inlined
def _copy_row(
    arena: Bytes, slots: NDArray[np.int64], first: int, count: int, block_bytes: int, target: Bytes, at: int
) -> None:
    """Copy bytes `first` to `first + count` of a chunk, which may lie in two blocks, or more, to `target[at:]`."""
    while count > 0:
        block = first // block_bytes
        within = first - block * block_bytes
        here = min(count, block_bytes - within)
        slot = slots[block]
        if slot == EMPTY:
            target[at : at + here] = 0
        elif slot >= 0:
            source = arena.ctypes.data + slot * arena.shape[1] + within
            copy_bytes(target.ctypes.data + at, source, here)
        first, count, at = first + here, count - here, at + here


@kernel
def gather_bricks(
    arena: Bytes,
    slots: NDArray[np.int64],
    origins_zyb: NDArray[np.int64],
    chunk_zyb: tuple[int, int, int],
    block_bytes: int,
    box: Bytes,
) -> None:
    """Copy chunks into the box that they touch.

    `arena` is (slots, bytes of a slot); `slots` is (chunks, blocks of a chunk), each a slot, `EMPTY` or `UNWANTED`;
    `origins_zyb` (chunks, 3) is where each chunk's first voxel lies in the box, negative where the chunk begins before
    it. `box` is (z, y, bytes of a row), C-contiguous.
    """
    depth, height, width = box.shape
    chunk_z, chunk_y, row_bytes = chunk_zyb
    target = box.reshape(-1)
    for index in range(len(slots)):
        oz, oy, ox = origins_zyb[index]
        x0, x1 = max(0, -ox), min(row_bytes, width - ox)
        if x0 >= x1:
            continue
        for z in range(max(0, -oz), min(chunk_z, depth - oz)):
            for y in range(max(0, -oy), min(chunk_y, height - oy)):
                first = (z * chunk_y + y) * row_bytes + x0
                at = ((oz + z) * height + oy + y) * width + ox + x0
                _copy_row(arena, slots[index], first, x1 - x0, block_bytes, target, at)


@kernel
def scatter_bricks(chunks: Bytes, slots: NDArray[np.int64], block_bytes: int, arena: Bytes) -> None:
    """Copy whole decoded chunks, (chunks, bytes of a chunk), block by block into those slots that are none negative."""
    chunk_bytes = chunks.shape[1]
    for index in range(len(slots)):
        for block in range(slots.shape[1]):
            slot = slots[index, block]
            if slot >= 0:
                first = block * block_bytes
                source = chunks.ctypes.data + index * chunk_bytes + first
                target = arena.ctypes.data + slot * arena.shape[1]
                copy_bytes(target, source, min(block_bytes, chunk_bytes - first))


def list_cells(
    index: NDArray[np.uint64], z_first: int, first: Three, last: Three, lowest: Three, wanted: NDArray[np.bool_] | None
) -> tuple[Cells, NDArray[np.uint64]]:
    """Give the chunks from `first` up to `last` that are wanted, (n, 3), and what the index says of each, (n, 2).

    `index` is (z, y, x, 2) of the chunks from z_first on; `wanted` is (z, y, x) of those from `lowest` on.
    """
    shape = [max(b - a, 0) for a, b in zip(first, last, strict=True)]
    cells = np.empty((math.prod(shape), 3), np.int64)
    ranges = np.empty((len(cells), 2), np.uint64)
    asked = np.ones((1, 1, 1), np.bool_) if wanted is None else wanted
    count = _list_cells(index, z_first, first, last, lowest, wanted is None, asked, cells, ranges)
    return cells[:count], ranges[:count]


@kernel
def _list_cells(
    index: NDArray[np.uint64],
    z_first: int,
    first: Three,
    last: Three,
    lowest: Three,
    is_all: bool,
    wanted: NDArray[np.bool_],
    cells: Cells,
    ranges: NDArray[np.uint64],
) -> int:
    count = 0
    for z in range(first[0], last[0]):
        for y in range(first[1], last[1]):
            for x in range(first[2], last[2]):
                if is_all or wanted[z - lowest[0], y - lowest[1], x - lowest[2]]:
                    cells[count, 0], cells[count, 1], cells[count, 2] = z, y, x
                    ranges[count, 0], ranges[count, 1] = index[z - z_first, y, x, 0], index[z - z_first, y, x, 1]
                    count += 1
    return count


@kernel
def place_blocks(
    cells: Cells,
    is_empty: NDArray[np.bool_],
    grid: Three,
    depth: int,
    bytes_of: tuple[int, int],
    slices: Three,
    places: Cells,
) -> None:
    """Write where in a volume's table the blocks of chunks are that hold slices of a box, (chunks, blocks).

    Those of an empty chunk are `EMPTY`, those without such a slice `UNWANTED`. `grid` is how many chunks the volume
    has, `depth` how many slices a chunk, `bytes_of` the bytes of (a block, a slice of a chunk); `slices` are
    the first of the box, the one after the last, and whether chunks are decoded whole.
    """
    block_bytes, slice_bytes = bytes_of
    blocks = places.shape[1]
    for i in range(len(cells)):
        z, flat = cells[i, 0] * depth, (cells[i, 0] * grid[1] + cells[i, 1]) * grid[2] + cells[i, 2]
        first = max(slices[0] - z, 0) * slice_bytes // block_bytes
        last = -(-min(slices[1] - z, depth) * slice_bytes // block_bytes)
        if slices[2] != 0:
            first, last = 0, blocks
        for block in range(blocks):
            is_wanted = first <= block < last
            places[i, block] = EMPTY if is_empty[i] else (flat * blocks + block if is_wanted else UNWANTED)


@kernel
def place_bricks(
    cells: Cells, lowest: Three, slots: NDArray[np.int64], zeros: int, items: int, firsts: NDArray[np.int64]
) -> None:
    """Write into `firsts` (z chunks, blocks, y chunks, x chunks), from the lowest on, where each block's voxels begin.

    `slots` is (chunks, blocks), `items` the voxels of a slot; the slot `zeros` stands for what has none.
    """
    for i in range(len(cells)):
        z, y, x = cells[i, 0] - lowest[0], cells[i, 1] - lowest[1], cells[i, 2] - lowest[2]
        for block in range(slots.shape[1]):
            slot = slots[i, block]
            firsts[z, block, y, x] = (slot if slot >= 0 else zeros) * items
