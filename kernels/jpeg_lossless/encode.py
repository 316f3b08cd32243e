"""Arrays to lossless JPEG codestreams: one interleaved scan, predictor 1, one Huffman table (T.81 annexes B and H)."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InvalidArgument
from ..arguments import check_array
from ..jit import inlined, kernel
from ..memory import bit_length, store_big_endian
from .code_lengths import CodeLengths, optimal_lengths
from .huffman import CATEGORIES, CATEGORY_OF_HALFWAY

MAXIMUM_COMPONENTS = 4
MAXIMUM_SIDE = 65535
WIDTH = 8
"""Bytes that each store of bits covers."""

_SAMPLES = frozenset(map(np.dtype, ("uint8", "uint16")))
_HEAD, _TAIL = b"\xff\xd8", b"\xff\xd9"
STANDARD_LENGTHS = CodeLengths((0, 1, 5, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0), bytes(range(CATEGORIES)))
"""The luminance DC table of T.81 K.3.1, continued in its own way from category 11 to 16."""

Samples = NDArray[Any]
Codes = NDArray[np.uint64]


@inlined
def _difference(samples: Samples, y: Any, x: Any, step: Any, origin: Any) -> Any:
    """Give a sample less its prediction (T.81 H.1.1), as an int64 of -32768 to 32767."""
    if x >= step:
        prediction = np.int64(samples[y, x - step])
    elif y > np.uint64(0):
        prediction = np.int64(samples[y - np.uint64(1), x])
    else:
        prediction = np.int64(origin)
    return np.int64(np.int16(np.int64(samples[y, x]) - prediction))


@kernel
def _count(samples: Samples, step: int, origin: int) -> Any:
    """Count the categories of differences of (rows, columns × components) samples."""
    counts, components = np.zeros(CATEGORIES, np.int64), np.uint64(step)
    for y in range(np.uint64(samples.shape[0])):
        for x in range(np.uint64(samples.shape[1])):
            difference = _difference(samples, y, x, components, origin)
            counts[bit_length(np.uint64(abs(difference)))] += 1
    return counts


@kernel
def _write(samples: Samples, step: int, origin: int, codes: Codes, lengths: Codes, data: NDArray[np.uint8]) -> Any:
    """Write codes and differences as bits, the last byte filled with ones, without stuffing; give the bytes written.

    At most 7 bits wait when up to 31 come, so 8 bytes take them; `data` has room for all bits and `WIDTH` bytes.
    """
    components, halfway = np.uint64(step), np.uint64(CATEGORY_OF_HALFWAY)
    start = address = np.int64(data.ctypes.data)
    buffer, waiting = np.uint64(0), np.uint64(0)
    for y in range(np.uint64(samples.shape[0])):
        for x in range(np.uint64(samples.shape[1])):
            difference = _difference(samples, y, x, components, origin)
            category = bit_length(np.uint64(abs(difference)))
            extra = np.uint64(0) if category == halfway else category
            below = np.uint64(difference + (difference >> np.int64(63))) & ((np.uint64(1) << extra) - np.uint64(1))
            waiting += lengths[category] + extra
            buffer |= (codes[category] << extra | below) << (np.uint64(64) - waiting)
            store_big_endian(address, buffer)
            whole = waiting >> np.uint64(3)
            address += np.int64(whole)
            buffer <<= whole << np.uint64(3)
            waiting &= np.uint64(7)
    if waiting:
        store_big_endian(address, buffer | (~np.uint64(0) >> waiting))
        address += 1
    return address - start


@kernel
def _stuff(data: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
    """Put a zero after each byte FF (T.81 F.1.2.3); `out` has room for one after each."""
    at = np.uint64(0)
    for index in range(np.uint64(data.size)):
        out[at] = data[index]
        at += np.uint64(1)
        if data[index] == 0xFF:
            out[at] = 0
            at += np.uint64(1)


def encode_jpeg_lossless(frame: Samples, precision: int, *, is_optimal: bool = True) -> bytes:
    """Encode samples (rows, columns), or (rows, columns, components), by process 14 with predictor 1.

    uint8 or uint16 of `precision` bits, 2 to 16, without colour transform. The Huffman table is made for the frame, or
    the standard one where not `is_optimal`. Raises `InvalidArgument` for samples of more bits than `precision`, sides
    beyond 65535 or none, and more than 4 components.
    """
    samples = check_array("frame", frame, _SAMPLES)
    if samples.ndim not in (2, 3) or not samples.size or max(samples.shape[:2]) > MAXIMUM_SIDE:
        raise InvalidArgument(f"frame has shape {samples.shape}: pass (rows, columns), or components behind them")
    components = samples.shape[2] if samples.ndim == 3 else 1
    if components > MAXIMUM_COMPONENTS:
        raise InvalidArgument(f"a JPEG scan has at most 4 components, not {components}")
    if not 2 <= precision <= 16 or int(samples.max()) >> precision:
        raise InvalidArgument(f"precision is {precision}: pass 2 to 16, enough for {int(samples.max())}")
    rows, columns = samples.shape[:2]
    flat, origin = samples.reshape(rows, columns * components), 1 << (precision - 1)
    counts = _count(flat, components, origin)
    table = optimal_lengths(counts.tolist()) if is_optimal else STANDARD_LENGTHS
    codes, lengths = (np.array(values, np.uint64) for values in table.codes(CATEGORIES))
    bits = int(counts @ (lengths.astype(np.int64) + np.arange(CATEGORIES) % CATEGORY_OF_HALFWAY))
    data = np.empty((bits + 7) // 8 + WIDTH, np.uint8)
    data = data[: _write(flat, components, origin, codes, lengths, data)]
    stuffed = np.empty(data.size + np.count_nonzero(data == 0xFF), np.uint8)
    _stuff(data, stuffed)
    return _headers(rows, columns, components, precision, table) + stuffed.tobytes() + _TAIL


def _headers(rows: int, columns: int, components: int, precision: int, table: CodeLengths) -> bytes:
    """Give everything from SOI to the scan header (T.81 B.2)."""
    numbers = range(1, components + 1)
    frame = struct.pack(">BHHB", precision, rows, columns, components) + b"".join(bytes((n, 0x11, 0)) for n in numbers)
    scan = bytes((components,)) + b"".join(bytes((n, 0)) for n in numbers) + bytes((1, 0, 0))
    huffman = bytes((0, *table.counts)) + table.values
    segments = ((0xC3, frame), (0xC4, huffman), (0xDA, scan))
    return _HEAD + b"".join(struct.pack(">BBH", 0xFF, marker, 2 + len(body)) + body for marker, body in segments)
