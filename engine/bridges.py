"""Bridges to libraries that a user may hold voxels in, each loaded only when crossed."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

BLOCK_BYTES = 32 << 20
"""Dask spends about a millisecond on a task: blocks of chunks grow up to this, so that reading prevails."""


class Readable(Protocol):
    """What Dask needs of an array: NumPy's basic indexing over chunks of a known shape."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(z, y, x)."""
        ...

    @property
    def chunk_shape(self) -> tuple[int, int, int]:
        """(z, y, x)."""
        ...

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """The type of a value."""
        ...

    def __getitem__(self, key: Any) -> Any: ...


def dask_array(level: Readable) -> Any:
    """Give `level` as a `dask.array.Array` whose blocks are whole chunks, of `BLOCK_BYTES` at most."""
    import dask.array  # noqa: PLC0415  # 0.4 s to import, which who asks for no Dask array must not pay

    blocks = _block_shape(level.shape, level.chunk_shape, level.dtype.itemsize)
    return dask.array.from_array(level, chunks=blocks, asarray=True, lock=False, fancy=False)


def _block_shape(shape: tuple[int, ...], chunk: tuple[int, ...], item_bytes: int) -> tuple[int, ...]:
    """Grow a chunk along x, then y, then z, while the block stays within `BLOCK_BYTES`."""
    block = [min(part, whole) for part, whole in zip(chunk, shape, strict=True)]
    for axis in (2, 1, 0):
        others = int(np.prod(block)) // max(block[axis], 1) * item_bytes
        fitting = BLOCK_BYTES // max(others * chunk[axis], 1)
        block[axis] = min(shape[axis], max(fitting, 1) * chunk[axis])
    return tuple(block)
