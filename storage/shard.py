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
from .mapped import map_file

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
    """One shard opened for reading, mapped into memory."""

    def __init__(self, path: Path, grid: tuple[int, ...]) -> None:
        """Map the file and check its index; raises `Damaged` where it is missing, short or altered, or `Superseded`."""
        self._map = map_file(path)
        index_bytes = int(np.prod(grid)) * 16
        body = len(self._map) - index_bytes - _CRC_BYTES
        if body < 0:
            raise Damaged(f"{path}: {len(self._map)} bytes are too few for an index of {index_bytes}")
        index = self._map[body : body + index_bytes]
        if crc32c(index) != int.from_bytes(self._map[body + index_bytes :], "little"):
            raise Damaged(f"{path}: the shard's index fails its checksum")
        self.path = path
        self.bytes = np.frombuffer(self._map, dtype=np.uint8, count=body)
        self.index: NDArray[np.uint64] = np.frombuffer(index, dtype="<u8").reshape(*grid, 2)
