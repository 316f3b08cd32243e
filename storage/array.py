"""One level of a stack: read any box of it without touching more chunks than the box does.

The chunks a box touches are found with NumPy, then decoded by one compiled loop a thread, from the mapped shard
straight into the box: no Python a chunk, no lock.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..errors import Damaged, InvalidArgument
from ..kernels import blosc
from . import native, pool
from .shape import LevelShape
from .shard import Shard
from .store.place import Place
from .store.view import Bytes, Ranges

_WHY = {
    blosc.BAD_RANGE: "lies outside the shard",
    blosc.BAD_CRC: "fails its checksum",
    blosc.BAD_HEADER: "has a header that does not fit the array",
    blosc.BAD_STREAM: "does not decompress",
}

_FEW_CHUNKS = 4
"""Fewer chunks than this are not worth a second thread (a task costs about 30 µs, a chunk about 50)."""


class StoredArray:
    """A published level, axes (t, c, z, y, x)."""

    def __init__(self, folder: Place, level: LevelShape, dtype: np.dtype[np.generic]) -> None:
        self.folder = folder
        self.level = level
        self.dtype = dtype
        self._shards: dict[tuple[int, ...], Shard] = {}

    def volume(self, t: int = 0, c: int = 0) -> StoredVolume:
        """Give the (z, y, x) array at one time point and channel."""
        times, channels = self.level.shape[:2]
        if not (0 <= t < times and 0 <= c < channels):
            raise InvalidArgument(f"time {t}, channel {c} is outside the {times} × {channels} that are stored")
        return StoredVolume(self, t, c)

    def shard(self, t: int, z_shard: int) -> Shard:
        """Open the shard that holds a time point and a run of slices; it stays open."""
        extent = self.level.shard
        coordinates = (t // extent[0], 0, z_shard, 0, 0)
        if coordinates not in self._shards:
            path = self.folder / chunk_key(coordinates, self.level)
            self._shards[coordinates] = Shard(path, self.level.chunks_in_shard)
        return self._shards[coordinates]


class StoredVolume:
    """The (z, y, x) array of one time point and channel of a level."""

    def __init__(self, array: StoredArray, t: int, c: int) -> None:
        self._array, self._t, self._c = array, t, c
        z, y, x = array.level.shape[2:]
        self.shape = (z, y, x)
        z, y, x = array.level.chunk[2:]
        self.chunk_shape = (z, y, x)
        self.dtype = array.dtype

    def read_box(
        self,
        start: tuple[int, int, int],
        stop: tuple[int, int, int],
        wanted: NDArray[np.bool_] | None = None,
        out: NDArray[np.generic] | None = None,
    ) -> NDArray[np.generic]:
        """Read the voxels from `start` up to `stop`, (z, y, x), as a C-contiguous array.

        `wanted`, a boolean for each chunk that the box touches, leaves the other chunks' voxels undefined; `out` is
        filled where it is given. Raises `Damaged` naming the shard and chunk where stored bytes are not what was
        written, `StoreFailed` where an object store does not answer.
        """
        if not all(0 <= a <= b <= n for a, b, n in zip(start, stop, self.shape, strict=True)):
            raise InvalidArgument(f"the box {start} to {stop} is not inside the level's {self.shape}")
        shape = tuple(b - a for a, b in zip(start, stop, strict=True))
        if out is None:
            out = np.empty(shape, self.dtype)
        elif out.shape != shape or out.dtype != self.dtype or not out.flags.c_contiguous:
            raise InvalidArgument(f"out must be a C-contiguous {self.dtype} array of {shape}")
        if out.size:
            touched = list(self._shards_touched(start, stop))
            parts = pool.run_all(lambda z_shard: self._gather(z_shard, start, stop, wanted), touched)
            for part in parts:
                self._decode(part, out)
        return out

    def _shards_touched(self, start: tuple[int, int, int], stop: tuple[int, int, int]) -> range:
        depth = self._array.level.shard[2]
        return range(start[0] // depth, (stop[0] - 1) // depth + 1)

    def _gather(
        self,
        z_shard: int,
        start: tuple[int, int, int],
        stop: tuple[int, int, int],
        wanted: NDArray[np.bool_] | None,
    ) -> _Gathered:
        """Find the chunks of one shard that a box touches, and bring their bytes."""
        level = self._array.level
        shard = self._array.shard(self._t, z_shard)
        in_shard = level.chunks_in_shard[2]
        lowest = [a // k for a, k in zip(start, self.chunk_shape, strict=True)]
        first, last = list(lowest), [(b - 1) // k + 1 for b, k in zip(stop, self.chunk_shape, strict=True)]
        first[0], last[0] = max(first[0], z_shard * in_shard), min(last[0], (z_shard + 1) * in_shard)
        cells = np.stack(
            np.meshgrid(*(np.arange(a, b) for a, b in zip(first, last, strict=True)), indexing="ij"), axis=-1
        ).reshape(-1, 3)
        if wanted is not None:
            cells = cells[wanted[tuple((cells - lowest).T)]]
        grid = shard.index[self._t % level.shard[0], self._c]
        ranges = np.ascontiguousarray(grid[cells[:, 0] - z_shard * in_shard, cells[:, 1], cells[:, 2]])
        origins = cells * np.array(self.chunk_shape) - np.array(start)
        return _Gathered(shard, cells, origins, ranges, *shard.gather(ranges))

    def _decode(self, part: _Gathered, out: NDArray[np.generic]) -> None:
        """Decode chunks into a box; what came harmed over a network is brought once more."""
        try:
            self._decode_on_pool(part, out)
        except Damaged:
            if not part.shard.forget(part.ranges):
                raise
            gathered, ranges_in = part.shard.gather(part.ranges)
            self._decode_on_pool(replace(part, bytes=gathered, ranges_in_bytes=ranges_in), out)

    def _decode_on_pool(self, part: _Gathered, out: NDArray[np.generic]) -> None:
        """Decode chunks on the pool; each thread gets every n-th, so that air and body are shared out."""
        item_bytes = self.dtype.itemsize
        z, y, x = self.chunk_shape
        chunk_zyb, block_bytes = (z, y, x * item_bytes), self._array.level.block_bytes(item_bytes)
        origins = part.origins * np.array([1, 1, item_bytes])
        threads = len(pool.split(len(part.cells), _FEW_CHUNKS))

        def decode_part(thread: int) -> None:
            chosen = slice(thread, None, threads)
            status, at = blosc.decode_chunks(
                part.bytes,
                np.ascontiguousarray(part.ranges_in_bytes[chosen]),
                np.ascontiguousarray(origins[chosen]),
                item_bytes,
                chunk_zyb,
                block_bytes,
                native.decompressor(),
                out.view(np.uint8),
            )
            if status != blosc.OK:
                raise Damaged(f"{part.shard.path}: chunk {tuple(part.cells[chosen][at].tolist())} {_WHY[status]}")

        pool.run_all(decode_part, range(threads))


@dataclass(frozen=True, slots=True)
class _Gathered:
    """Chunks of one shard, their bytes at hand."""

    shard: Shard
    cells: NDArray[np.int64]
    """(n, 3) their places in the level, in chunks."""
    origins: NDArray[np.int64]
    """(n, 3) where the first voxel of each lies in the box, (z, y, x)."""
    ranges: Ranges
    """(n, 2) offset and length in the shard."""
    bytes: Bytes
    ranges_in_bytes: Ranges
    """(n, 2) offset and length in `bytes`."""


def chunk_key(coordinates: tuple[int, ...], level: LevelShape) -> str:
    """Give a shard's file name in its array's folder, by Zarr v3's `default` chunk key encoding.

    The separator is a dot: a level is a shard or a few, and each folder more is one more to make durable.
    """
    return ".".join(["c", *map(str, level.without_missing_axes(coordinates))])
