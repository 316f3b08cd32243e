"""Shards: Zarr v3's `sharding_indexed`, chunks back to back in any order, then an index, then its CRC.

Source: Zarr v3 sharding codec 1.0, `index_location: end`, index codecs `bytes` (little) and `crc32c`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import Damaged
from ..kernels.blosc import MISSING
from ..kernels.crc32c import crc32c
from .durable import HashedFile
from .store.place import Place
from .store.reading import open_view
from .store.view import Bytes, Ranges

_CRC_BYTES = 4

Cells = NDArray[np.int64]


class ShardWriter:
    """Grows one shard; slabs of chunks come in order, and lie in groups of `together`, row by row across the slabs."""

    def __init__(self, path: Path, grid: tuple[int, ...], together: int = 1) -> None:
        self._file = HashedFile(path)
        self.path = path
        self._index = np.full((*grid, 2), MISSING, dtype="<u8")
        self._together = together
        self._cells: list[Cells] = []
        self._lengths: list[NDArray[np.int64]] = []
        self._encoded: list[memoryview] = []

    def append(self, cells: Cells, lengths: NDArray[np.int64], encoded: memoryview) -> None:
        """Add encoded chunks of one slab that lie back to back; a length of 0 is a chunk of zeros and is left out.

        `cells` (n, 5) are their places in the shard, t, c, z, y, x. The bytes must stay until `write_group`.
        """
        self._cells.append(cells)
        self._lengths.append(lengths)
        self._encoded.append(encoded)

    def ends_group(self, z: int) -> bool:
        """Whether the slab so many slabs deep in the shard is the last one that lies together with those before."""
        return (z + 1) % self._together == 0 or z + 1 == self._index.shape[2]

    def write_group(self) -> None:
        """Write the chunks held, row by row."""
        if not self._cells:
            return
        cells, lengths = np.concatenate(self._cells), np.concatenate(self._lengths)
        _, c, z, y, x = cells.T
        order = np.lexsort((x, z, y, c))
        offset = self._file.append(*self._pieces(order, lengths))
        offsets = offset + np.cumsum(lengths[order]) - lengths[order]
        is_there = lengths[order] > 0
        where = tuple(cells[order][is_there].T)
        self._index[where] = np.stack([offsets, lengths[order]], axis=1)[is_there]
        self._cells, self._lengths, self._encoded = [], [], []

    def _pieces(self, order: NDArray[np.intp], lengths: NDArray[np.int64]) -> Iterator[memoryview]:
        """Give the bytes of the chunks held in an order; those that lie back to back come as one piece."""
        source = np.repeat(np.arange(len(self._lengths)), [len(some) for some in self._lengths])
        starts = np.concatenate([np.cumsum(some) - some for some in self._lengths])
        is_next = (np.diff(order) == 1) & (np.diff(source[order]) == 0)
        for run in np.split(order, np.flatnonzero(~is_next) + 1):
            first, last = run[0], run[-1]
            yield self._encoded[source[first]][starts[first] : starts[last] + lengths[last]]

    def close(self) -> tuple[str, int]:
        """Write the last group and the index; give the shard's SHA-256 and size in bytes."""
        self.write_group()
        index = self._index.tobytes()
        self._file.append(index, crc32c(index).to_bytes(_CRC_BYTES, "little"))
        return self._file.close(), self._file.size_bytes

    def abandon(self) -> None:
        """Close without promises."""
        self._file.abandon()


class Shard:
    """One shard opened for reading."""

    def __init__(self, path: Place, grid: tuple[int, ...]) -> None:
        """Read the index; raises `Damaged` where the file is missing, short or altered, `Superseded`, `StoreFailed`."""
        self.path = path
        index_bytes = int(np.prod(grid)) * 16
        self._view = open_view(path, index_bytes + _CRC_BYTES)
        self._body = self._view.size_bytes - index_bytes - _CRC_BYTES
        if self._body < 0:
            raise Damaged(f"{path}: {self._view.size_bytes} bytes are too few for an index of {index_bytes}")
        tail = self._view.read(self._body, index_bytes + _CRC_BYTES)
        index = tail[:index_bytes]
        if crc32c(index) != int.from_bytes(tail[index_bytes:], "little"):
            raise Damaged(f"{path}: the shard's index fails its checksum")
        self.index: NDArray[np.uint64] = np.frombuffer(index, dtype="<u8").reshape(*grid, 2)

    def gather(self, ranges: Ranges) -> tuple[Bytes, Ranges]:
        """Give bytes that hold the chunks at `ranges`, (n, 2) offset and length, and where each lies in them."""
        return self._view.gather(ranges, self._body)

    def forget(self, ranges: Ranges) -> bool:
        """Let go of copies of these chunks, and tell whether to read them again may bring other bytes."""
        return self._view.forget(ranges)
