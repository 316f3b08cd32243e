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
    """Grows one shard; slabs of chunks come in order, and lie in groups of `together`, row by row across the slabs."""

    def __init__(self, path: Path, grid: tuple[int, ...], together: int = 1) -> None:
        self._file = HashedFile(path)
        self.path = path
        self._index = np.full((*grid, 2), MISSING, dtype="<u8")
        self._together = together
        self._group: tuple[int, int] = (-1, -1)
        """Time point, and slab over `together`, of the chunks held."""
        self._held: list[tuple[tuple[int, ...], memoryview]] = []

    def append(self, cells: Sequence[tuple[int, ...]], lengths: NDArray[np.int64], encoded: memoryview) -> None:
        """Add encoded chunks of one slab that lie back to back; a length of 0 is a chunk of zeros and is left out.

        `cells` are their places in the shard, (t, c, z, y, x).
        """
        group = cells[0][0], cells[0][2] // self._together
        if group != self._group:
            self._flush()
            self._group = group
        copied, offset = memoryview(bytes(encoded)), 0  # the caller's buffer serves the next slab
        for cell, length in zip(cells, lengths.tolist(), strict=True):
            if length:
                self._held.append((cell, copied[offset : offset + length]))
                offset += length

    def _flush(self) -> None:
        self._held.sort(key=_by_row)
        offset = self._file.append(*(chunk for _, chunk in self._held))
        for cell, chunk in self._held:
            self._index[cell] = offset, len(chunk)
            offset += len(chunk)
        self._held.clear()

    def close(self) -> tuple[str, int]:
        """Write the last group and the index; give the shard's SHA-256 and size in bytes."""
        self._flush()
        index = self._index.tobytes()
        self._file.append(index, crc32c(index).to_bytes(_CRC_BYTES, "little"))
        return self._file.close(), self._file.size_bytes

    def abandon(self) -> None:
        """Close without promises."""
        self._file.abandon()


def _by_row(held: tuple[tuple[int, ...], memoryview]) -> tuple[int, ...]:
    (_, c, z, y, x), _ = held
    return c, y, z, x


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
