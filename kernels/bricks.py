"""Bricks: decoded blocks of chunks in the slots of one arena, copied from there into the box that a read asks for.

A chunk's bytes, slices one after another, are cut into blocks, each in a slot of its own; what compression takes as
one is what a read decodes and a cache holds as one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .calls import copy_bytes
from .jit import inlined, kernel

Bytes = NDArray[np.uint8]

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
