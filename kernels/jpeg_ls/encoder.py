"""From an array to a lossless JPEG-LS codestream."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InvalidArgument
from ..arguments import Dtypes, check_array
from .codestream import BY_LINE, MAXIMUM_COMPONENTS, NOT_INTERLEAVED
from .encoding import PENDING, PENDING_BITS, RUN_INDEX, WRITTEN, encode_lines
from .parameters import Coding, Preset, gradient_classes, resolve

_SAMPLES: Dtypes = frozenset({np.dtype(np.uint8), np.dtype(np.uint16)})
_MAXIMUM_SIDE = 65535
_WELL_KNOWN_BITS = 12
"""Up to here all decoders agree on the default thresholds; beyond, they are written down."""
_SLACK = 1 << 12


def encode_jpeg_ls(array: NDArray[Any], bits_stored: int) -> bytes:
    """Encode an image without loss as a JPEG-LS codestream (ISO 14495-1, ITU-T T.87).

    `array` is (rows, columns), or (rows, columns, components) with 2 to 4 of them, uint8 or uint16, no value over
    2^`bits_stored` - 1. Components are interleaved by line, which decodes fastest. One bit is coded as two, the
    fewest that JPEG-LS has.

    Raises `InvalidArgument` for an array or `bits_stored` that JPEG-LS cannot hold.
    """
    image = _check_image(array, bits_stored)
    coding = resolve(Preset(), max(bits_stored, 2), 0)
    interleave = BY_LINE if image.shape[2] > 1 else NOT_INTERLEAVED
    header = _header(image.shape, coding, max(bits_stored, 2), interleave)
    return header + _encode_scan(image, coding) + b"\xff\xd9"


def _check_image(array: NDArray[Any], bits_stored: int) -> NDArray[Any]:
    image = check_array("array", array, _SAMPLES)
    image = image[:, :, None] if image.ndim == 2 else image
    if image.ndim != 3 or not 1 <= image.shape[2] <= MAXIMUM_COMPONENTS:
        raise InvalidArgument(f"array has shape {array.shape}: pass rows, columns and at most 4 components")
    if not 1 <= min(image.shape[:2]) <= max(image.shape[:2]) <= _MAXIMUM_SIDE:
        raise InvalidArgument(f"array has shape {array.shape}: JPEG-LS takes 1 to {_MAXIMUM_SIDE} rows and columns")
    if not 1 <= bits_stored <= 8 * image.itemsize:
        raise InvalidArgument(f"bits_stored is {bits_stored}: pass 1 to {8 * image.itemsize}")
    if int(image.max()) >> bits_stored:
        raise InvalidArgument(f"array holds {int(image.max())}: more than {bits_stored} bits")
    return image


def _header(shape: tuple[int, ...], coding: Coding, precision: int, interleave: int) -> bytes:
    """Give all from SOI to the first byte of the scan (T.87 annex C)."""
    rows, columns, components = shape
    numbers = range(1, components + 1)
    frame = struct.pack(">BHHB", precision, rows, columns, components) + b"".join(bytes((i, 0x11, 0)) for i in numbers)
    scan = bytes((components,)) + b"".join(bytes((i, 0)) for i in numbers) + bytes((0, interleave, 0))
    segments = [(0xF7, frame)]
    if precision > _WELL_KNOWN_BITS:
        segments.append((0xF8, struct.pack(">B5H", 1, coding.maximum, *coding.thresholds, coding.reset)))
    segments.append((0xDA, scan))
    return b"\xff\xd8" + b"".join(struct.pack(">BBH", 0xFF, mark, len(body) + 2) + body for mark, body in segments)


def _encode_scan(image: NDArray[Any], coding: Coding) -> bytes:
    rows, columns, components = image.shape
    contexts, classes, numbers = coding.contexts(), gradient_classes(coding), coding.numbers()
    lines = np.zeros((components, 2, columns + 2), np.uint16)
    state = np.zeros(RUN_INDEX + components, np.int64)
    out = np.empty(image.nbytes + 16 * columns * components + _SLACK, np.uint8)
    row = encode_lines(image, 0, lines, contexts, classes, numbers, state, out)
    while row < rows:
        out = np.concatenate((out, np.empty(out.size, np.uint8)))
        row = encode_lines(image, row, lines, contexts, classes, numbers, state, out)
    scan = out[: state[WRITTEN]].tobytes()
    if state[PENDING_BITS]:
        # Behind FF a zero bit comes first, and only seven of the pending ones have room: no more are pending then.
        scan += bytes((int(state[PENDING]) >> 1 if scan.endswith(b"\xff") else int(state[PENDING]),))
    return scan + b"\0" if scan.endswith(b"\xff") else scan
