"""JPEG XL by libjxl: what a codestream says of its size, and its samples (ISO 18181-1, PS3.5 A.4.14 to A.4.16)."""

from __future__ import annotations

from typing import Any

import imagecodecs
from numpy.typing import NDArray

from ..errors import DecodeError

_CODESTREAM = b"\xff\x0a"
_CONTAINER = b"\x00\x00\x00\x0cJXL \x0d\x0a\x87\x0a"
_SIZE_BITS = (9, 13, 18, 30)
_ASPECTS = ((0, 1), (1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
"""Columns by rows, where the header gives rows alone; the first stands for columns of their own."""
_PART_NUMBER_BYTES = 4


def read_jpeg_xl_size(codestream: bytes) -> tuple[int, int]:
    """Read (rows, columns) of a bare codestream or one in a container (18181-1 D.2). Raises `DecodeError`."""
    bare = codestream
    if codestream.startswith(_CONTAINER):
        bare = _first_part(codestream)
    if not bare.startswith(_CODESTREAM):
        raise DecodeError(f"no JPEG XL codestream: it starts with {codestream[:4].hex()}")
    if len(bare) < len(_CODESTREAM) + 1:
        raise DecodeError(f"the JPEG XL codestream is cut off after {len(bare)} bytes")
    # The longest size header is 1 + 2 × (2 + 30) + 3 bits; what is missing reads as 0, and is refused by the decoder.
    bits = int.from_bytes(bare[len(_CODESTREAM) : len(_CODESTREAM) + 9], "little")
    is_small, bits = bits & 1, bits >> 1
    rows, bits = _side(bits, is_small)
    aspect, bits = bits & 7, bits >> 3
    if aspect == 0:
        columns, _ = _side(bits, is_small)
        return rows, columns
    across, down = _ASPECTS[aspect]
    return rows, rows * across // down


def _side(bits: int, is_small: int) -> tuple[int, int]:
    """Take one side: eighths in five bits, or two bits that say how many follow. Give it and the bits after it."""
    if is_small:
        return 8 * ((bits & 31) + 1), bits >> 5
    count = _SIZE_BITS[bits & 3]
    return (bits >> 2 & (1 << count) - 1) + 1, bits >> 2 + count


def _first_part(container: bytes) -> bytes:
    """Give what the first codestream box holds (18181-2, 9.2 and 9.8)."""
    position = 0
    while position + 8 <= len(container):
        length, kind = int.from_bytes(container[position : position + 4], "big"), container[position + 4 : position + 8]
        start = position + 8
        if length == 1:
            length, start = int.from_bytes(container[start : start + 8], "big"), start + 8
        end = position + length if length else len(container)
        if kind == b"jxlc":
            return container[start:end]
        if kind == b"jxlp":
            return container[start + _PART_NUMBER_BYTES : end]
        if end <= position:
            break
        position = end
    raise DecodeError("the JPEG XL container holds no codestream")


def decode_jpeg_xl(codestream: bytes) -> NDArray[Any]:
    """Decode to (rows, columns) or (rows, columns, samples), on one thread: frames are what runs in parallel.

    Whatever the library raises is its own; compare the size with what is expected first.
    """
    samples: NDArray[Any] = imagecodecs.jpegxl_decode(codestream, numthreads=1)
    return samples
