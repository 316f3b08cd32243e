from __future__ import annotations

import numpy as np
import pytest
from filmless.storage.shape import GROUP_SLABS, LevelShape, plan_levels
from filmless.storage.shard import Shard, ShardWriter

GRID = (1, 1, 5, 2, 3)


def written(path, together):
    """A shard of five slabs of chunks, and the bytes of each chunk by its place."""
    writer, chunks = ShardWriter(path, GRID, together), {}
    for z in range(GRID[2]):
        cells = [(0, 0, z, y, x) for y in range(GRID[3]) for x in range(GRID[4])]
        bodies = [bytes([n + 10 * z]) * (n + 1) if n != 4 else b"" for n in range(len(cells))]
        chunks |= dict(zip(cells, bodies, strict=True))
        writer.append(np.array(cells), np.array([len(body) for body in bodies]), memoryview(b"".join(bodies)))
        if writer.ends_group(z):
            writer.write_group()
    writer.close()
    return Shard(path, GRID), chunks


@pytest.mark.parametrize("together", [1, 2, 4, 9])
def test_every_chunk_is_found_whatever_lies_together(tmp_path, together):
    shard, chunks = written(tmp_path / "shard", together)

    for cell, body in chunks.items():
        offset, length = shard.index[cell]
        if body:
            assert (tmp_path / "shard").read_bytes()[offset : offset + length] == body
        else:
            assert offset == length == np.iinfo(np.uint64).max


def test_a_row_of_chunks_lies_together_across_a_group_of_slabs(tmp_path):
    shard, chunks = written(tmp_path / "shard", 2)

    in_file = sorted((cell for cell, body in chunks.items() if body), key=lambda cell: shard.index[cell][0])
    assert in_file == sorted(in_file, key=lambda cell: (cell[2] // 2, cell[3], cell[2], cell[4]))


def test_slabs_of_a_ct_lie_together_and_frames_and_large_slabs_do_not():
    ct = plan_levels((1, 1, 500, 512, 512), 2, is_volume=True, keep_z=False, spacing_mm_zyx=(1, 1, 1))[0]
    frames = plan_levels((1, 1, 500, 512, 512), 2, is_volume=False, keep_z=True, spacing_mm_zyx=(1, 1, 1))[0]
    large = LevelShape((1, 1, 64, 2048, 1024), (1, 1, 32, 32, 32), (1, 1, 64, 2048, 1024), (1, 1, 1), (2, 3, 4))

    assert (ct.slabs_together(2), frames.slabs_together(2), large.slabs_together(2)) == (GROUP_SLABS, 1, 1)
