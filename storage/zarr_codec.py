"""The dense codec as zarr-python knows codecs, so that a stock reader opens dense levels where Filmless is installed.

zarr-python finds it by the entry point in the group `zarr.codecs`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from zarr.abc.codec import ArrayBytesCodec
from zarr.core.array_spec import ArraySpec
from zarr.core.buffer import Buffer, NDBuffer
from zarr.registry import register_codec

from ..errors import Damaged, InvalidArgument
from ..kernels.blosc import CRC_BYTES, OK
from ..kernels.crc32c import crc32c
from ..kernels.dense import chunks
from ..kernels.dense.tables import tables
from .codec import CODECS, DENSE_NAME


@dataclass(frozen=True)
class DenseZarrCodec(ArrayBytesCodec):
    """One chunk at a time; the first axes count as planes, the last two as rows and columns."""

    is_fixed_size = False

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Parse `zarr.json`; raises `InvalidArgument` where it configures what cannot be."""
        if data.get("configuration"):
            raise InvalidArgument(f"the codec {DENSE_NAME} has no configuration: {data['configuration']}")
        return cls()

    def to_dict(self) -> dict[str, Any]:
        """Give what `zarr.json` says."""
        return {"name": DENSE_NAME, "configuration": {}}

    def validate(self, *, shape: Any, dtype: Any, chunk_grid: Any) -> None:
        """Raise `InvalidArgument` for types that the codec cannot hold."""
        if not CODECS["dense"].stores(dtype.to_native_dtype()):
            raise InvalidArgument(f"the codec {DENSE_NAME} holds integers of up to 32 bits, not {dtype}")

    def compute_encoded_size(self, _input_byte_length: int, _chunk_spec: ArraySpec) -> int:
        """Refuse: sizes differ from chunk to chunk."""
        raise NotImplementedError

    async def _decode_single(self, chunk_bytes: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        dtype = chunk_spec.dtype.to_native_dtype()
        values = decode_chunk(chunk_bytes.to_bytes(), chunk_spec.shape, dtype)
        return chunk_spec.prototype.nd_buffer.from_numpy_array(values)

    async def _encode_single(self, chunk_array: NDBuffer, chunk_spec: ArraySpec) -> Buffer:
        return chunk_spec.prototype.buffer.from_bytes(encode_chunk(chunk_array.as_numpy_array()))


def _planes(shape: tuple[int, ...]) -> tuple[int, int, int]:
    *outer, rows, columns = (1, 1, *shape)
    return math.prod(outer), rows, columns


def encode_chunk(values: NDArray[np.generic]) -> bytes:
    """Encode one chunk, without its checksum."""
    planes, rows, columns = _planes(values.shape)
    little = np.ascontiguousarray(values, values.dtype.newbyteorder("<")).reshape(planes, rows, columns)
    out = np.empty(chunks.bound_bytes(values.nbytes), np.uint8)
    lengths = np.zeros(1, np.int64)
    form = values.dtype.itemsize, values.dtype.kind == "i", (planes, rows, columns)
    used = chunks.encode_chunks(little.view(np.uint8), *form, 0, 1, tables(), out, lengths)
    return out[: used - CRC_BYTES].tobytes() if used else chunks.zeros(values.nbytes)


def decode_chunk(data: bytes, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Decode one chunk, its checksum taken off before; raises `Damaged` where it cannot be."""
    planes, rows, columns = _planes(shape)
    # The kernel reads chunks as shards hold them.
    checked = np.frombuffer(data + crc32c(data).to_bytes(CRC_BYTES, "little"), np.uint8)
    values = np.empty((planes, rows, columns), dtype.newbyteorder("<"))
    ranges = np.array([[0, checked.size]], np.uint64)
    form = ranges, np.zeros((1, 3), np.int64), dtype.itemsize, (planes, rows, columns), tables()
    status, _ = chunks.decode_chunks(checked, *form, values.view(np.uint8))
    if status != OK:
        raise Damaged(f"a chunk of {len(data)} bytes is not one of {dtype} of {shape} by the codec {DENSE_NAME}")
    return values.reshape(shape)


def register() -> None:
    """Make the codec known to zarr-python also where no entry point is installed."""
    register_codec(DENSE_NAME, DenseZarrCodec)
