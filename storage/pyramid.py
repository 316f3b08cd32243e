"""Write a stack's pyramid in one pass over its slices, in memory bounded by one slab a level.

Slices come in order; a level gathers a chunk's depth of them, encodes that slab on the pool, and hands its half to the
level above. So every voxel is read once and each level is made while the finer one is still in the cache.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import InvalidArgument
from . import pool
from .array import chunk_key
from .codec import OPEN, LevelCodec
from .ranges import FOLDER, RangeGatherer
from .shape import LevelShape
from .shard import ShardWriter

Halve = Callable[..., NDArray[np.generic]]
"""`halve(slab, axes=(z, y, x))`: `kernels.downsample.halve_mean`, or `halve_mode` for labels."""


class PyramidWriter:
    """Writes all levels of one stack below `folder`; call `append` with slices in order, then `close`."""

    def __init__(
        self,
        folder: Path,
        levels: list[LevelShape],
        dtype: np.dtype[np.generic],
        halve: Halve,
        codec: LevelCodec = OPEN,
        with_ranges: int = 0,
    ) -> None:
        """Begin a pyramid; of so many of the finest levels the ranges of bricks are kept too (`ranges`)."""
        self._levels = [_LevelWriter(folder / str(n), level, dtype, codec) for n, level in enumerate(levels)]
        for finer, coarser in zip(self._levels[:-1], self._levels[1:], strict=True):
            finer.feed(coarser, halve)
        for n in range(with_ranges):
            self._levels[n].ranges = RangeGatherer(folder / FOLDER / str(n), levels[n], dtype)

    def room(self) -> NDArray[np.generic]:
        """Give the (channels, slices, y, x) part of the next slab that is still to be filled, to write in place.

        Fill some leading slices of it, then tell how many with `filled`.
        """
        return self._levels[0].room()

    def filled(self, slices: int) -> None:
        """Tell that so many slices of `room()` hold stored values now."""
        self._levels[0].filled(slices)

    def close(self) -> dict[Path, tuple[str, int]]:
        """Finish every level; give each file's SHA-256 and size."""
        written: dict[Path, tuple[str, int]] = {}
        for level in self._levels:
            written.update(level.close())
        return written

    def abandon(self) -> None:
        """Stop without promises; the caller removes the folder."""
        for level in self._levels:
            level.abandon()


class _LevelWriter:
    """One level: a slab being filled, an open shard, and the coarser level it feeds."""

    def __init__(self, folder: Path, level: LevelShape, dtype: np.dtype[np.generic], codec: LevelCodec) -> None:
        self._folder, self._level, self._dtype, self._codec = folder, level, dtype, codec
        self._channels, self._depth = level.shape[1], level.shape[2]
        self._slab = np.empty((self._channels, level.chunk[2], *level.shape[3:]), dtype)
        self._t = self._z = 0  # of the slab's first slice
        self._held = 0
        self._shard: ShardWriter | None = None
        self._shard_at: tuple[int, ...] = ()
        self._coarser: _LevelWriter | None = None
        self._written: dict[Path, tuple[str, int]] = {}
        self._buffers = self._encoding_buffers()
        self._used = [0] * len(self._buffers)
        self.ranges: RangeGatherer | None = None

    def feed(self, coarser: _LevelWriter, halve: Halve) -> None:
        """Hand each slab's half to a coarser level."""
        self._coarser, self._halve = coarser, halve
        pairs = zip(self._level.factors_zyx, coarser._level.factors_zyx, strict=True)
        z, y, x = (coarse > fine for fine, coarse in pairs)
        self._axes = (z, y, x)

    def room(self) -> NDArray[np.generic]:
        if self._t >= self._level.shape[0]:
            raise InvalidArgument("more slices than the stack has")
        return self._slab[:, self._held : min(len(self._slab[0]), self._depth - self._z)]

    def filled(self, slices: int) -> None:
        self._held += slices
        if self._held == min(len(self._slab[0]), self._depth - self._z):
            self._flush()

    def append(self, slices: NDArray[np.generic]) -> None:
        """Take (channels, n, y, x) slices, n at most what a slab has room for."""
        while slices.shape[1]:
            room = self.room()
            taken = min(room.shape[1], slices.shape[1])
            room[:, :taken] = slices[:, :taken]
            self.filled(taken)
            slices = slices[:, taken:]

    def _flush(self) -> None:
        slab = self._slab[:, : self._held]
        for channel in range(self._channels):
            self._encode(slab[channel], channel)
        self._write_group()
        if self.ranges is not None:
            self.ranges.take(slab, self._t, self._z)
        if self._coarser is not None:
            self._coarser.append(self._halved(slab))
        self._z += self._held
        self._held = 0
        if self._z >= self._depth:
            self._t, self._z = self._t + 1, 0

    def _halved(self, slab: NDArray[np.generic]) -> NDArray[np.generic]:
        """Halve on the pool, in even runs of slices."""
        assert self._coarser is not None
        step = 2 if self._axes[0] else 1
        half = np.empty((self._channels, -(-slab.shape[1] // step), *self._coarser._level.shape[3:]), self._dtype)

        def halve_run(job: tuple[int, tuple[int, int]]) -> None:
            channel, (first, last) = job
            self._halve(slab[channel, first * step : last * step], axes=self._axes, out=half[channel, first:last])

        runs = pool.split(half.shape[1])
        pool.run_all(halve_run, [(channel, run) for channel in range(self._channels) for run in runs])
        return half

    def _encoding_buffers(self) -> list[NDArray[np.uint8]]:
        """Make room for each thread's runs of the slabs that are written together; it serves all of them."""
        bound = self._codec.bound_bytes(self._level, self._dtype) * self._channels
        bound *= self._level.slabs_together(self._dtype.itemsize)
        return [np.empty((last - first) * bound, np.uint8) for first, last in pool.split(self._chunks_across())]

    def _chunks_across(self) -> int:
        (_, _, _, y, x), (_, _, _, chunk_y, chunk_x) = self._level.shape, self._level.chunk
        return -(-y // chunk_y) * -(-x // chunk_x)

    def _encode(self, slab: NDArray[np.generic], channel: int) -> None:
        """Encode one channel of a slab on the pool and append its chunks to the shard."""

        def encode_run(job: tuple[tuple[int, int], NDArray[np.uint8]]) -> tuple[int, NDArray[np.int64]]:
            (first, last), out = job
            lengths = np.zeros(last - first, np.int64)
            return self._codec.encode(slab, self._level, (first, last), out, lengths), lengths

        runs, shard = pool.split(self._chunks_across()), self._shard_here()
        rooms = [buffer[used:] for buffer, used in zip(self._buffers, self._used, strict=True)]
        results = pool.run_all(encode_run, list(zip(runs, rooms, strict=True)))
        for number, ((first, last), out, (used, lengths)) in enumerate(zip(runs, rooms, results, strict=True)):
            shard.append(self._cells(channel, first, last), lengths, out[:used].data)
            self._used[number] += used

    def _write_group(self) -> None:
        """Write the slabs that are encoded, where they are all that lie together."""
        shard = self._shard_here()
        if shard.ends_group(self._slab_in_shard()):
            shard.write_group()
            self._used = [0] * len(self._buffers)

    def _cells(self, channel: int, first: int, last: int) -> NDArray[np.int64]:
        """Give the places in the shard's index of a run of this slab's chunks."""
        cells, index = np.empty((last - first, 5), np.int64), np.arange(first, last)
        across = -(-self._level.shape[4] // self._level.chunk[4])
        cells[:, :3] = self._t % self._level.shard[0], channel, self._slab_in_shard()
        cells[:, 3], cells[:, 4] = index // across, index % across
        return cells

    def _slab_in_shard(self) -> int:
        return self._z % self._level.shard[2] // self._level.chunk[2]

    def _shard_here(self) -> ShardWriter:
        coordinates = (self._t // self._level.shard[0], 0, self._z // self._level.shard[2], 0, 0)
        if self._shard is None or coordinates != self._shard_at:
            self._close_shard()
            path = self._folder / chunk_key(coordinates, self._level)
            together = self._level.slabs_together(self._dtype.itemsize)
            self._shard, self._shard_at = ShardWriter(path, self._level.chunks_in_shard, together), coordinates
        return self._shard

    def _close_shard(self) -> None:
        if self._shard is not None:
            self._written[self._shard.path] = self._shard.close()
            self._shard, self._used = None, [0] * len(self._buffers)

    def close(self) -> dict[Path, tuple[str, int]]:
        if self._t < self._level.shape[0]:
            raise InvalidArgument(f"{self._folder}: the stack ends at time {self._t}, slice {self._z + self._held}")
        self._close_shard()
        return self._written | (self.ranges.close() if self.ranges is not None else {})

    def abandon(self) -> None:
        if self._shard is not None:
            self._shard.abandon()
