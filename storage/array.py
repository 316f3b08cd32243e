"""One level of a stack: read any box of it without touching more chunks than the box does.

The chunks a box touches are found with NumPy, then decoded by one compiled loop a thread: into the slots of the cache
that all requests share, and from there copied into the box, or straight into it. No Python a chunk.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import Damaged, FilmlessError, InvalidArgument
from ..kernels import blosc
from ..kernels.bricks import UNWANTED, gather_bricks, list_cells, place_blocks, place_bricks
from ..kernels.voxels import MOST_BRICKS, Voxels, voxels_of_bricks
from . import bricks, foresight, pool
from .bricks import BrickCache
from .codec import OPEN, LevelCodec
from .ranges import read_ranges
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
_MANY_CHUNKS = 256
"""Of chunks that only need copying (about 2 µs each)."""

_Decode = Callable[[slice, Bytes, Ranges], tuple[int, int]]
"""Decodes some of the chunks touched, given bytes and where chunks lie in them; gives (status, which failed)."""


class StoredArray:
    """A published level, axes (t, c, z, y, x)."""

    def __init__(
        self,
        folder: Place,
        level: LevelShape,
        dtype: np.dtype[np.generic],
        identity: Hashable = None,
        codec: LevelCodec = OPEN,
        ranges: Place | None = None,
    ) -> None:
        """Name the level; `identity` names its stored values for ever, and lets them be cached.

        `ranges` is the folder of the array of its bricks' ranges, where there is one.
        """
        self._ranges_folder = ranges
        self.folder = folder
        self.identity = identity
        self.codec = codec
        self.level = level
        self.dtype = dtype
        self._shards: dict[tuple[int, ...], Shard] = {}

    def volume(self, t: int = 0, c: int = 0) -> StoredVolume:
        """Give the (z, y, x) array at one time point and channel."""
        times, channels = self.level.shape[:2]
        if not (0 <= t < times and 0 <= c < channels):
            raise InvalidArgument(f"time {t}, channel {c} is outside the {times} × {channels} that are stored")
        return StoredVolume(self, t, c)

    @cached_property
    def ranges(self) -> NDArray[np.generic] | None:
        """(2, t, c, z, y, x) least and greatest stored value of each brick, or None where none are kept."""
        return read_ranges(self._ranges_folder, self.level, self.dtype) if self._ranges_folder is not None else None

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

    def brick_ranges(self) -> tuple[NDArray[np.generic], NDArray[np.generic]] | None:
        """Give the least and greatest stored value of each brick, or None where none are kept."""
        ranges = self._array.ranges
        return None if ranges is None else (ranges[0, self._t, self._c], ranges[1, self._t, self._c])

    def read_box(
        self,
        start: tuple[int, int, int],
        stop: tuple[int, int, int],
        wanted: NDArray[np.bool_] | None = None,
        out: NDArray[np.generic] | None = None,
    ) -> NDArray[np.generic]:
        """Read the voxels from `start` up to `stop`, (z, y, x), as a C-contiguous array.

        `wanted`, a boolean for each chunk that the box touches, leaves the other chunks' voxels undefined. `out` is
        filled where it is given, past the cache: who brings memory for a slab comes by once. Raises `Damaged` naming
        the shard and chunk where stored bytes are not what was written, `StoreFailed` where an object store does not
        answer.
        """
        if not all(0 <= a <= b <= n for a, b, n in zip(start, stop, self.shape, strict=True)):
            raise InvalidArgument(f"the box {start} to {stop} is not inside the level's {self.shape}")
        shape = tuple(b - a for a, b in zip(start, stop, strict=True))
        may_cache = out is None and self._array.identity is not None
        if out is None:
            out = np.empty(shape, self.dtype)
        elif out.shape != shape or out.dtype != self.dtype or not out.flags.c_contiguous:
            raise InvalidArgument(f"out must be a C-contiguous {self.dtype} array of {shape}")
        if out.size:
            self._read(start, stop, wanted, out, bricks.shared() if may_cache else None)
            if may_cache:
                self._foresee(start, stop)
        return out

    @contextmanager
    def hold_voxels(
        self, start: tuple[int, int, int], stop: tuple[int, int, int], wanted: NDArray[np.bool_] | None = None
    ) -> Iterator[Voxels | None]:
        """Give the voxels from `start` up to `stop`, (z, y, x), where the cache holds them: nothing is copied.

        They may be read as long as the context lasts. None where they do not go through the cache, because they are
        too many or nothing names them, or where blocks are no bricks: `read_box` reads those. `wanted` and errors are
        those of `read_box`.
        """
        cache, brick = bricks.shared(), self._brick
        if self._array.identity is None or brick is None or not all(a < b for a, b in zip(start, stop, strict=True)):
            yield None
            return
        z_shards = self._shards_touched(start, stop)
        parts = [self._touched(z_shard, start, stop, wanted) for z_shard in z_shards]
        places = [self._wanted_blocks(part, start, stop) for part in parts]
        if not cache.takes(sum(int((some >= 0).sum()) for some in places)):
            yield None
            return
        with ExitStack() as leases:
            jobs = zip(parts, places, strict=True)
            slots = pool.run_all(lambda job: leases.enter_context(self._leased(*job, cache)), list(jobs))
            held = None
            if all(some is not None for some in slots):
                held = self._voxels_in(cache, parts, slots, brick, start, stop)
                self._foresee(start, stop)
            yield held

    def _voxels_in(
        self,
        cache: BrickCache,
        parts: list[_Touched],
        slots: list[Any],
        brick: tuple[int, int, int],
        start: tuple[int, int, int],
        stop: tuple[int, int, int],
    ) -> Voxels | None:
        """Say where in the cache the voxels of a box are; None for too many bricks."""
        lowest = [a // k for a, k in zip(start, self.chunk_shape, strict=True)]
        z, y, x = ((b - 1) // k + 1 - a for a, b, k in zip(lowest, stop, self.chunk_shape, strict=True))
        blocks = self.chunk_shape[0] // brick[0]
        if z * blocks * y * x > MOST_BRICKS:
            return None
        items = bricks.SLOT_BYTES // self.dtype.itemsize
        firsts = np.full((z, blocks, y, x), cache.zeros * items, np.int64)
        for part, some in zip(parts, slots, strict=True):
            place_bricks(part.cells, (lowest[0], lowest[1], lowest[2]), some, cache.zeros, items, firsts)
        first = start[0] // brick[0] - lowest[0] * blocks
        flat = cache.memory.reshape(-1).view(self.dtype)
        flat.flags.writeable = False
        return voxels_of_bricks(flat, firsts.reshape(-1, y, x)[first:], brick, start, stop)

    def _read(
        self,
        start: tuple[int, int, int],
        stop: tuple[int, int, int],
        wanted: NDArray[np.bool_] | None,
        out: NDArray[np.generic],
        cache: BrickCache | None,
    ) -> None:
        z_shards = self._shards_touched(start, stop)
        parts = pool.run_all(lambda z_shard: self._touched(z_shard, start, stop, wanted), list(z_shards))
        self._read_parts(parts, start, stop, out, cache)

    def _shards_touched(self, start: tuple[int, int, int], stop: tuple[int, int, int]) -> range:
        depth = self._array.level.shard[2]
        return range(start[0] // depth, (stop[0] - 1) // depth + 1)

    def _touched(
        self,
        z_shard: int,
        start: tuple[int, int, int],
        stop: tuple[int, int, int],
        wanted: NDArray[np.bool_] | None,
    ) -> _Touched:
        """Find the chunks of one shard that a box touches."""
        level = self._array.level
        shard = self._array.shard(self._t, z_shard)
        in_shard = level.chunks_in_shard[2]
        lowest = [a // k for a, k in zip(start, self.chunk_shape, strict=True)]
        first, last = list(lowest), [(b - 1) // k + 1 for b, k in zip(stop, self.chunk_shape, strict=True)]
        first[0], last[0] = max(first[0], z_shard * in_shard), min(last[0], (z_shard + 1) * in_shard)
        grid = shard.index[self._t % level.shard[0], self._c]
        ends = (first[0], first[1], first[2]), (last[0], last[1], last[2]), (lowest[0], lowest[1], lowest[2])
        cells, ranges = list_cells(grid, z_shard * in_shard, *ends, wanted)
        return _Touched(shard, cells, cells * np.array(self.chunk_shape) - np.array(start), ranges)

    def _read_parts(
        self,
        parts: list[_Touched],
        start: tuple[int, int, int],
        stop: tuple[int, int, int],
        out: NDArray[np.generic],
        cache: BrickCache | None,
    ) -> None:
        """Fill the box through the cache where it takes that many blocks, else straight from the shards."""
        if cache is not None:
            leases = [self._wanted_blocks(part, start, stop) for part in parts]
            if cache.takes(sum(int((places >= 0).sum()) for places in leases)):
                jobs = list(zip(parts, leases, strict=True))
                pool.run_all(lambda job: self._read_cached(*job, out, cache), jobs)
                return
        # The bytes of all parts are brought at once, and then decoded part by part, on all threads.
        for part, gathered in zip(parts, pool.run_all(lambda part: part.shard.gather(part.ranges), parts), strict=True):
            self._decode(part, gathered, out)

    def _foresee(self, start: tuple[int, int, int], stop: tuple[int, int, int]) -> None:
        """Let the layer of blocks that is next be read ahead, where this read goes on with a scroll."""
        depth, height, width = self.chunk_shape
        slices = max(self._block_bytes * depth // self._chunk_bytes, 1)
        key = (self._array.identity, self._t, self._c)
        foresight.shared().saw(key, start, stop, (slices, height, width), self.shape, self._read_ahead)

    def _read_ahead(self, start: tuple[int, int, int], stop: tuple[int, int, int]) -> None:
        """Bring into the cache what a read of this box would need; what is damaged is told by that read."""
        box = np.empty([b - a for a, b in zip(start, stop, strict=True)], self.dtype)
        with suppress(FilmlessError):
            self._read(start, stop, None, box, bricks.shared())

    def _wanted_blocks(self, part: _Touched, start: tuple[int, int, int], stop: tuple[int, int, int]) -> bricks.Slots:
        """Give the places in the volume's table of the blocks that hold slices of the box, (chunks, blocks)."""
        chunk_bytes, block_bytes, depth = self._chunk_bytes, self._block_bytes, self.chunk_shape[0]
        places = np.empty((len(part.cells), -(-chunk_bytes // block_bytes)), np.int64)
        z, y, x = (-(-n // k) for n, k in zip(self.shape, self.chunk_shape, strict=True))
        slices = start[0], stop[0], int(self._array.codec.decodes_whole_chunks)
        bytes_of = block_bytes, chunk_bytes // depth
        place_blocks(part.cells, part.is_empty, (z, y, x), depth, bytes_of, slices, places)
        return places

    def _read_cached(self, part: _Touched, places: bricks.Slots, out: NDArray[np.generic], cache: BrickCache) -> None:
        """Copy chunks from the cache into the box, after decoding what it lacks into it."""
        with self._leased(part, places, cache) as slots:
            if slots is None:
                self._decode(part, part.shard.gather(part.ranges), out)
            else:
                self._gather_bricks(part, slots, cache, out)

    @contextmanager
    def _leased(self, part: _Touched, places: bricks.Slots, cache: BrickCache) -> Iterator[bricks.Slots | None]:
        """Give the slots of blocks, after decoding what the cache lacks into it; None where it has no room for them."""
        chunks = math.prod(-(-n // k) for n, k in zip(self.shape, self.chunk_shape, strict=True))
        table = cache.table((self._array.identity, self._t, self._c), chunks * places.shape[1])
        is_wanted = places >= 0
        wanted = places[is_wanted]
        with cache.lease(table, wanted, may_wait=not pool.is_worker()) as lease:
            if lease is None:
                yield None
                return
            slots = places.copy()
            if lease.is_missing.any():
                slots[is_wanted] = np.where(lease.is_missing, lease.slots, UNWANTED)
                self._fill(part, slots, cache)
            cache.fill(lease)
            if not cache.wait(table, wanted, lease):
                yield None
                return
            slots[is_wanted] = lease.slots
            yield slots

    def _fill(self, part: _Touched, slots: bricks.Slots, cache: BrickCache) -> None:
        """Decode blocks into their slots; what came harmed over a network is brought once more."""
        lacking = (slots >= 0).any(axis=1)
        part = replace(part, cells=part.cells[lacking], origins=part.origins[lacking], ranges=part.ranges[lacking])
        slots = slots[lacking]

        def decode(chosen: slice, gathered: Bytes, ranges: Ranges) -> tuple[int, int]:
            own = np.ascontiguousarray(ranges[chosen]), np.ascontiguousarray(slots[chosen])
            return self._array.codec.decode_bricks(gathered, *own, self._array.level, self.dtype, cache.arena)

        self._with_bytes(part, part.shard.gather(part.ranges), decode)

    def _gather_bricks(self, part: _Touched, slots: bricks.Slots, cache: BrickCache, out: NDArray[np.generic]) -> None:
        item_bytes = self.dtype.itemsize
        z, y, x = self.chunk_shape
        origins = part.origins * np.array([1, 1, item_bytes])
        chunk_zyb, box = (z, y, x * item_bytes), out.view(np.uint8)

        def gather(run: tuple[int, int]) -> None:
            chosen = slice(*run)
            gather_bricks(cache.arena, slots[chosen], origins[chosen], chunk_zyb, self._block_bytes, box)

        pool.run_all(gather, pool.split(len(slots), _MANY_CHUNKS))

    @property
    def _chunk_bytes(self) -> int:
        return math.prod(self.chunk_shape) * self.dtype.itemsize

    @property
    def _block_bytes(self) -> int:
        return self._array.level.block_bytes(self.dtype.itemsize)

    @property
    def _brick(self) -> tuple[int, int, int] | None:
        """Voxels (z, y, x) of a block, or None where blocks are no runs of whole slices, all alike."""
        z, y, x = self.chunk_shape
        depth, rest = divmod(z * self._block_bytes, self._chunk_bytes)
        return (depth, y, x) if rest == 0 and z % depth == 0 else None

    def _decode(self, part: _Touched, gathered: tuple[Bytes, Ranges], out: NDArray[np.generic]) -> None:
        """Decode chunks straight into a box."""

        def decode(chosen: slice, gathered: Bytes, ranges: Ranges) -> tuple[int, int]:
            own = np.ascontiguousarray(ranges[chosen]), part.origins[chosen]
            return self._array.codec.decode(gathered, *own, self._array.level, out)

        self._with_bytes(part, gathered, decode)

    def _with_bytes(self, part: _Touched, gathered: tuple[Bytes, Ranges], decode: _Decode) -> None:
        """Decode chunks from bytes at hand; what came harmed over a network is brought once more."""
        try:
            self._decode_on_pool(part, gathered, decode)
        except Damaged:
            if not part.shard.forget(part.ranges):
                raise
            self._decode_on_pool(part, part.shard.gather(part.ranges), decode)

    def _decode_on_pool(self, part: _Touched, gathered: tuple[Bytes, Ranges], decode: _Decode) -> None:
        """Decode chunks on the pool; each thread gets every n-th, so that air and body are shared out."""
        threads = len(pool.split(len(part.cells), _FEW_CHUNKS))

        def decode_part(thread: int) -> None:
            chosen = slice(thread, None, threads)
            status, at = decode(chosen, *gathered)
            if status != blosc.OK:
                raise Damaged(f"{part.shard.path}: chunk {tuple(part.cells[chosen][at].tolist())} {_WHY[status]}")

        pool.run_all(decode_part, range(threads))


@dataclass(frozen=True, slots=True)
class _Touched:
    """Chunks of one shard that a read touches."""

    shard: Shard
    cells: NDArray[np.int64]
    """(n, 3) their places in the level, in chunks."""
    origins: NDArray[np.int64]
    """(n, 3) where the first voxel of each lies in the box, (z, y, x)."""
    ranges: Ranges
    """(n, 2) offset and length in the shard."""

    @property
    def is_empty(self) -> NDArray[np.bool_]:
        """Which of them the shard does not hold: all their voxels are 0."""
        return np.asarray((self.ranges == blosc.MISSING).all(axis=1))


def chunk_key(coordinates: tuple[int, ...], level: LevelShape) -> str:
    """Give a shard's file name in its array's folder, by Zarr v3's `default` chunk key encoding.

    The separator is a dot: a level is a shard or a few, and each folder more is one more to make durable.
    """
    return ".".join(["c", *map(str, level.without_missing_axes(coordinates))])
