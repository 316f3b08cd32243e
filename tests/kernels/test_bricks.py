"""Bricks: what is scattered into slots is gathered again, whatever block, chunk and box."""

from __future__ import annotations

import numpy as np
from filmless.kernels.bricks import EMPTY, UNWANTED, gather_bricks, scatter_bricks
from hypothesis import given
from hypothesis import strategies as st

small = st.integers(1, 5)


@given(st.tuples(small, small, small), st.tuples(small, small, small), st.integers(1, 40), st.data())
def test_a_box_is_gathered_from_blocks_as_it_would_be_from_the_volume(chunk, grid, block_bytes, data):
    shape = tuple(c * g for c, g in zip(chunk, grid, strict=True))
    volume = np.random.default_rng(data.draw(st.integers(0, 9))).integers(1, 255, shape).astype(np.uint8)
    start = tuple(data.draw(st.integers(0, n - 1)) for n in shape)
    stop = tuple(data.draw(st.integers(a + 1, n)) for a, n in zip(start, shape, strict=True))
    cells = np.argwhere(np.ones(grid, bool))
    chunk_bytes = int(np.prod(chunk))
    blocks = -(-chunk_bytes // block_bytes)
    is_empty = np.array([data.draw(st.booleans()) for _ in cells])
    chunks = np.zeros((len(cells), chunk_bytes), np.uint8)
    for number, cell in enumerate(cells):
        part = tuple(slice(a * c, (a + 1) * c) for a, c in zip(cell, chunk, strict=True))
        if is_empty[number]:
            volume[part] = 0
        chunks[number] = volume[part].ravel()
    count = len(cells) * blocks
    slots = np.random.default_rng(0).permutation(count).reshape(-1, blocks).astype(np.int64)
    slots[is_empty] = EMPTY
    arena = np.full((count, block_bytes + 3), 99, np.uint8)
    scatter_bricks(chunks, slots, block_bytes, arena)

    box = np.full([b - a for a, b in zip(start, stop, strict=True)], 77, np.uint8)
    gather_bricks(arena, slots, cells * np.array(chunk) - np.array(start), chunk, block_bytes, box)

    assert np.array_equal(box, volume[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))])


def test_a_block_that_is_not_wanted_leaves_its_voxels():
    slots = np.array([[0, UNWANTED]])
    box = np.full((2, 2, 2), 7, np.uint8)
    gather_bricks(np.ones((1, 4), np.uint8), slots, np.zeros((1, 3), np.int64), (2, 2, 2), 4, box)
    assert box.tolist() == [[[1, 1], [1, 1]], [[7, 7], [7, 7]]]
