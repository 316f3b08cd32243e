"""The least and greatest value of each brick of a level, kept beside the pyramid as a plain Zarr array.

Whoever looks for values above or below something reads these first, and then only the chunks that can hold any. Axes
are the level's, counted in bricks of eight voxels, behind one of two: least, greatest. One file a level: `bytes`
(little endian), `gzip`, `crc32c`.
"""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import Damaged
from ..kernels.arguments import STORED
from ..kernels.crc32c import crc32c
from ..kernels.ranges import BRICK, brick_ranges
from . import pool
from .durable import HashedFile
from .shape import LevelShape
from .store.place import Place
from .store.reading import read_whole

FOLDER = "ranges"
LEAST_VOXELS = 1 << 21
"""Of smaller levels they are found again in milliseconds, and two more files cost as much."""
_CRC_BYTES = 4
_FASTEST = 1
_AS_GZIP = 16 + zlib.MAX_WBITS

Values = NDArray[np.generic]


def levels_with_ranges(levels: list[LevelShape], dtype: np.dtype[np.generic], *, is_volume: bool) -> int:
    """Give of how many levels, from the finest, ranges are kept: of large ones, whose slabs are whole bricks."""
    if not is_volume or dtype not in STORED:
        return 0
    fits = [
        math.prod(level.shape[2:]) >= LEAST_VOXELS and (level.chunk[2] % BRICK == 0 or level.chunk[2] == level.shape[2])
        for level in levels
    ]
    return [*fits, False].index(False)


class RangeGatherer:
    """Gathers the ranges of a level from its slabs, which come in order and begin with a brick."""

    def __init__(self, path: Path, level: LevelShape, dtype: np.dtype[np.generic]) -> None:
        """`path` is the array's folder."""
        self._path, self._level = path, level
        self._ranges = np.empty((2, *bricks_shape(level)), dtype)

    def take(self, slab: Values, t: int, z: int) -> None:
        """Take (channels, slices, y, x), the slab at time t that begins with slice z."""
        first_brick, slices = z // BRICK, slab.shape[1]

        def gather(job: tuple[int, tuple[int, int]]) -> None:
            channel, (first, stop) = job
            found = brick_ranges(slab[channel, first * BRICK : stop * BRICK + 1])
            for end in range(2):
                self._ranges[end, t, channel, first_brick + first : first_brick + stop] = found[end][: stop - first]

        runs = pool.split(-(-slices // BRICK))
        pool.run_all(gather, [(channel, run) for channel in range(len(slab)) for run in runs])
        if z > 0:
            self._widen(slab, t, first_brick - 1)

    def _widen(self, slab: Values, t: int, brick: int) -> None:
        """Let the last bricks of the former slab reach into this one."""
        for channel, slices in enumerate(slab):
            low, high = brick_ranges(slices[:1])
            least, greatest = self._ranges[:, t, channel, brick]
            np.copyto(least, low[0], where=low[0] < least)
            np.copyto(greatest, high[0], where=high[0] > greatest)

    def close(self) -> dict[Path, tuple[str, int]]:
        """Write the array's one chunk; give its path, SHA-256 and size."""
        data = self._ranges.astype(self._ranges.dtype.newbyteorder("<"), copy=False).tobytes()
        # Runs alone: noise has no other repetitions, and to look for them takes half as long again.
        stream = zlib.compressobj(_FASTEST, wbits=_AS_GZIP, strategy=zlib.Z_RLE)
        packed = stream.compress(data) + stream.flush()
        file = HashedFile(self._path / chunk_name(self._level))
        file.append(packed, crc32c(packed).to_bytes(_CRC_BYTES, "little"))
        return {file.path: (file.close(), file.size_bytes)}


def bricks_shape(level: LevelShape) -> tuple[int, ...]:
    """Give (t, c, z, y, x) of a level, in bricks along z, y, x."""
    return (*level.shape[:2], *(-(-n // BRICK) for n in level.shape[2:]))


def chunk_name(level: LevelShape) -> str:
    """Give the file name of the array's one chunk, as `storage.array.chunk_key` gives those of shards."""
    return ".".join(["c", "0", *("0" for _ in level.axes)])


def read_ranges(path: Place, level: LevelShape, dtype: np.dtype[np.generic]) -> Values:
    """Give (2, t, c, z, y, x) from the array's folder; raises `Damaged`, `Superseded` or `StoreFailed`."""
    place = path / chunk_name(level)
    stored, shape = read_whole(place), (2, *bricks_shape(level))
    packed, checksum = stored[:-_CRC_BYTES], stored[-_CRC_BYTES:]
    if len(stored) < _CRC_BYTES or crc32c(packed) != int.from_bytes(checksum, "little"):
        raise Damaged(f"{place}: fails its checksum")
    try:
        values = np.frombuffer(gzip.decompress(packed), dtype.newbyteorder("<"))
        return values.astype(dtype, copy=False).reshape(shape)
    except (OSError, EOFError, zlib.error, ValueError) as problem:
        raise Damaged(f"{place}: not the ranges of {shape} bricks ({problem})") from problem


def describe_ranges(level: LevelShape, dtype: np.dtype[np.generic], names: list[str]) -> dict[str, Any]:
    """Give the metadata of the array beside a level whose axes have these names."""
    shape = (2, *level.without_missing_axes(bricks_shape(level)))
    little = {"name": "bytes", "configuration": {"endian": "little"}} if dtype.itemsize > 1 else {"name": "bytes"}
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": shape,
        "data_type": dtype.name,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": shape}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "."}},
        "codecs": [little, {"name": "gzip", "configuration": {"level": _FASTEST}}, {"name": "crc32c"}],
        "fill_value": 0.0 if dtype.kind == "f" else 0,
        "dimension_names": ["least and greatest", *names],
        "attributes": {"brick": BRICK},
    }
