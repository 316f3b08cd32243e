"""The codecs of levels: how chunks of stored values are compressed, and what `zarr.json` says of it.

`open` is Zarr's standard blosc, which every reader opens; `dense` is our own (docs/reference/dense-codec.md), smaller
and slower, for series that are seldom looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import InvalidArgument
from ..kernels import blosc
from ..kernels.dense import chunks
from ..kernels.dense.tables import tables
from . import native
from .shape import LevelShape

Bytes = NDArray[np.uint8]

DENSE_NAME = "filmless.dense"
"""What `zarr.json` calls the dense codec."""

COMPRESSION_LEVEL = 1
"""zstd's level: higher ones cost several times the time for about 2 % of the size on noisy CT."""


class LevelCodec(Protocol):
    """How the chunks of a level are written and read; every chunk ends with its CRC-32C."""

    @property
    def name(self) -> str:
        """What policy and manifest call it."""
        ...

    @property
    def decodes_whole_chunks(self) -> bool:
        """Whether one block of a chunk takes as long to decode as all."""
        ...

    def stores(self, dtype: np.dtype[np.generic]) -> bool:
        """Whether it can hold values of a type."""
        ...

    def bound_bytes(self, level: LevelShape, dtype: np.dtype[np.generic]) -> int:
        """Give the most bytes that one chunk takes."""
        ...

    def encode(
        self,
        slab: NDArray[np.generic],
        level: LevelShape,
        run: tuple[int, int],
        out: Bytes,
        lengths: NDArray[np.int64],
    ) -> int:
        """Encode a run of the chunks of a (z, y, x) slab back to back; set their lengths, 0 for zeros; give the sum."""
        ...

    def decode(
        self,
        shard: Bytes,
        ranges: NDArray[np.uint64],
        origins: NDArray[np.int64],
        level: LevelShape,
        box: NDArray[np.generic],
    ) -> tuple[int, int]:
        """Decode chunks into a (z, y, x) box, given where each begins in it; give a status and which chunk failed."""
        ...

    def decode_bricks(
        self,
        shard: Bytes,
        ranges: NDArray[np.uint64],
        slots: NDArray[np.int64],
        level: LevelShape,
        dtype: np.dtype[np.generic],
        arena: Bytes,
    ) -> tuple[int, int]:
        """Decode blocks of chunks into slots of an arena; give a status and which chunk failed."""
        ...

    def describe(self, level: LevelShape, dtype: np.dtype[np.generic]) -> list[dict[str, Any]]:
        """Give Zarr's codecs of a chunk, up to the checksum."""
        ...


def _zyx(numbers: Sequence[int]) -> tuple[int, int, int]:
    z, y, x = numbers[2:]
    return z, y, x


def _in_bytes(origins: NDArray[np.int64], item_bytes: int) -> NDArray[np.int64]:
    return np.ascontiguousarray(origins * np.array([1, 1, item_bytes]))


class OpenCodec:
    """Zarr's standard blosc: zstd over shuffled bytes."""

    name = "open"
    decodes_whole_chunks = False

    def stores(self, dtype: np.dtype[np.generic]) -> bool:
        """Hold any type."""
        return True

    def bound_bytes(self, level: LevelShape, dtype: np.dtype[np.generic]) -> int:
        """Give the most bytes that one chunk takes."""
        return blosc.bound_bytes(level.chunk_bytes(dtype.itemsize), level.block_bytes(dtype.itemsize))

    def encode(
        self,
        slab: NDArray[np.generic],
        level: LevelShape,
        run: tuple[int, int],
        out: Bytes,
        lengths: NDArray[np.int64],
    ) -> int:
        """Encode a run of a slab's chunks."""
        item_bytes = slab.dtype.itemsize
        z, y, x = _zyx(level.chunk)
        form = item_bytes, (z, y, x * item_bytes), *run, level.block_bytes(item_bytes)
        return blosc.encode_chunks(slab.view(np.uint8), *form, native.compressor(COMPRESSION_LEVEL), out, lengths)

    def decode(
        self,
        shard: Bytes,
        ranges: NDArray[np.uint64],
        origins: NDArray[np.int64],
        level: LevelShape,
        box: NDArray[np.generic],
    ) -> tuple[int, int]:
        """Decode chunks into a box."""
        item_bytes = box.dtype.itemsize
        z, y, x = _zyx(level.chunk)
        form = item_bytes, (z, y, x * item_bytes), level.block_bytes(item_bytes), native.decompressor()
        return blosc.decode_chunks(shard, ranges, _in_bytes(origins, item_bytes), *form, box.view(np.uint8))

    def decode_bricks(
        self,
        shard: Bytes,
        ranges: NDArray[np.uint64],
        slots: NDArray[np.int64],
        level: LevelShape,
        dtype: np.dtype[np.generic],
        arena: Bytes,
    ) -> tuple[int, int]:
        """Decode blocks of chunks into slots of an arena; give a status and which chunk failed."""
        sizes = dtype.itemsize, level.chunk_bytes(dtype.itemsize), level.block_bytes(dtype.itemsize)
        return blosc.decode_bricks(shard, ranges, slots, *sizes, native.decompressor(), arena)

    def describe(self, level: LevelShape, dtype: np.dtype[np.generic]) -> list[dict[str, Any]]:
        """Give `bytes` and `blosc`."""
        little = {"name": "bytes", "configuration": {"endian": "little"}} if dtype.itemsize > 1 else {"name": "bytes"}
        configuration = {
            "cname": "zstd",
            "clevel": COMPRESSION_LEVEL,
            "shuffle": "shuffle" if dtype.itemsize > 1 else "noshuffle",
            "typesize": dtype.itemsize,
            "blocksize": level.block_bytes(dtype.itemsize),
        }
        return [little, {"name": "blosc", "configuration": configuration}]


class DenseCodec:
    """Prediction in three dimensions and entropy coding by context."""

    name = "dense"
    decodes_whole_chunks = True

    def stores(self, dtype: np.dtype[np.generic]) -> bool:
        """Hold integers of up to 32 bits."""
        return dtype.kind in "iu" and dtype.itemsize <= 4

    def bound_bytes(self, level: LevelShape, dtype: np.dtype[np.generic]) -> int:
        """Give the most bytes that one chunk takes."""
        return chunks.bound_bytes(level.chunk_bytes(dtype.itemsize))

    def encode(
        self,
        slab: NDArray[np.generic],
        level: LevelShape,
        run: tuple[int, int],
        out: Bytes,
        lengths: NDArray[np.int64],
    ) -> int:
        """Encode a run of a slab's chunks."""
        form = slab.dtype.itemsize, slab.dtype.kind == "i", _zyx(level.chunk)
        return chunks.encode_chunks(slab.view(np.uint8), *form, *run, tables(), out, lengths)

    def decode(
        self,
        shard: Bytes,
        ranges: NDArray[np.uint64],
        origins: NDArray[np.int64],
        level: LevelShape,
        box: NDArray[np.generic],
    ) -> tuple[int, int]:
        """Decode chunks into a box."""
        item_bytes = box.dtype.itemsize
        origins = _in_bytes(origins, item_bytes)
        return chunks.decode_chunks(shard, ranges, origins, item_bytes, _zyx(level.chunk), tables(), box.view(np.uint8))

    def decode_bricks(
        self,
        shard: Bytes,
        ranges: NDArray[np.uint64],
        slots: NDArray[np.int64],
        level: LevelShape,
        dtype: np.dtype[np.generic],
        arena: Bytes,
    ) -> tuple[int, int]:
        """Decode blocks of chunks into slots of an arena; give a status and which chunk failed."""
        form = dtype.itemsize, _zyx(level.chunk), level.block_bytes(dtype.itemsize)
        return chunks.decode_bricks(shard, ranges, slots, *form, tables(), arena)

    def describe(self, level: LevelShape, dtype: np.dtype[np.generic]) -> list[dict[str, Any]]:
        """Give the one codec."""
        return [{"name": DENSE_NAME, "configuration": {}}]


OPEN = OpenCodec()
CODECS: dict[str, LevelCodec] = {codec.name: codec for codec in (OPEN, DenseCodec())}


def codec_named(name: str) -> LevelCodec:
    """Give the codec of a name; raises `InvalidArgument`, naming those that there are."""
    if name not in CODECS:
        raise InvalidArgument(f"no codec is called {name!r}: choose {' or '.join(CODECS)}")
    return CODECS[name]


def codec_for(name: str, dtype: np.dtype[np.generic]) -> LevelCodec:
    """Give the codec of a name, or the open one where that cannot hold values of a type (floats, 64 bits)."""
    asked = codec_named(name)
    return asked if asked.stores(dtype) else OPEN
