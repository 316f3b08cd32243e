"""Shards: Zarr v3's `sharding_indexed`, chunks back to back in any order, then an index, then its CRC.

Source: Zarr v3 sharding codec 1.0, `index_location: end`, index codecs `bytes` (little) and `crc32c`.
"""

from __future__ import annotations

from collections.abc import Sequence
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


class ShardWriter:
    """Grows one shard; chunks may come in any order, each once."""

    def __init__(self, path: Path, grid: tuple[int, ...]) -> None:
        self._file = HashedFile(path)
        self.path = path
        self._index = np.full((*grid, 2), MISSING, dtype="<u8")

    def append(self, cells: Sequence[tuple[int, ...]], lengths: NDArray[np.int64], encoded: memoryview) -> None:
        """Add encoded chunks that lie back to back; a length of 0 is a chunk of zeros and is left out."""
        offset = self._file.append(encoded)
        for cell, length in zip(cells, lengths.tolist(), strict=True):
            if length:
                self._index[cell] = offset, length
                offset += length

    def close(self) -> tuple[str, int]:
        """Write the index; give the shard's SHA-256 and size in bytes."""
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
