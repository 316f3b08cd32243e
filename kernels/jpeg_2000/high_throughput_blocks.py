"""Code blocks of the high-throughput coder, from their pieces of codestream to coefficients (T.814, T.800 E.1)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..jit import inlined, kernel
from ..lanes import LANES, load_lanes, store_lanes
from .blocks import ALL_DECODED, MAXIMUM_BLOCK, longest_block
from .high_throughput import (
    EVENT_BYTES,
    MAXIMUM_SUFFIX,
    ROW_WORDS,
    ROWS,
    Values,
    decode_cleanup,
    value_pitch,
)
from .high_throughput_refinement import refine
from .layout import (
    B_PLANES,
    B_REVERSIBLE,
    B_STRIDE,
    B_STYLE,
    B_TARGET,
    K_BAND,
    K_FIRST,
    K_HEIGHT,
    K_MISSING,
    K_PASSES,
    K_WIDTH,
    K_X,
    K_Y,
    Table,
)
from .mq import Integers
from .packets import P_LENGTH, P_NEXT, P_OFFSET
from .parameters import VERTICALLY_CAUSAL
from .unstuffing import GUARD, Bytes

_FLAGS = 2 * MAXIMUM_BLOCK + 16
"""At least (width + 2) * (height + 2) of any block."""
_VALUES = 8 * MAXIMUM_BLOCK
"""Rows of a block 4 wide and 1024 high take 32 words."""
_MAGNITUDE = 0x7FFFFFFF


@kernel
def decode_high_throughput_blocks(
    data: Bytes,
    pieces: Table,
    blocks: Table,
    chosen: Integers,
    bands: Table,
    steps: NDArray[np.float32],
    coefficients: NDArray[np.int32],
) -> Any:
    """Decode the chosen blocks into `coefficients`; give `ALL_DECODED`, or the block that cannot be right.

    Coefficients of the 9/7 wavelet are float32, written as their bits.
    """
    longest = longest_block(pieces, blocks, chosen)
    scratch, stream = np.zeros(longest + GUARD, np.uint8), np.empty(longest + 2 * GUARD, np.uint8)
    vlc = np.empty(MAXIMUM_SUFFIX + 2 * GUARD, np.uint8)
    rows, events = np.empty((ROWS, ROW_WORDS), np.int32), np.empty(EVENT_BYTES, np.uint8)
    values, flags = np.empty(_VALUES, np.int32), np.empty(_FLAGS, np.uint8)
    floats = coefficients.view(np.float32)
    for number in chosen:
        block = blocks[number]
        band = bands[block[K_BAND]]
        plane = band[B_PLANES] - 1 - block[K_MISSING]
        if block[K_PASSES] == 0:
            continue
        refinements = (block[K_PASSES] - 1) % 3
        if plane < 0 or (refinements and plane < 1):
            return number
        width, height = block[K_WIDTH], block[K_HEIGHT]
        pitch = value_pitch(width)
        cleanup, total = _gather(data, pieces, block[K_FIRST], scratch)
        largest = block[K_MISSING] + 2
        if not decode_cleanup(
            scratch, cleanup, width, height, plane, largest, rows, events, values, pitch, vlc, stream
        ):
            return number
        if refinements:
            is_causal = band[B_STYLE] & VERTICALLY_CAUSAL != 0
            has_both = refinements == 2
            refine(scratch, cleanup, total, width, height, plane - 1, has_both, is_causal, values, pitch, flags, stream)
        target = band[B_TARGET] + block[K_Y] * band[B_STRIDE] + block[K_X]
        for y in range(height):
            row = target + y * band[B_STRIDE]
            if band[B_REVERSIBLE]:
                _store_integers(coefficients, row, width, values, y * pitch)
            else:
                _store_floats(floats, row, width, values, y * pitch, np.float32(0.5) * steps[block[K_BAND]])
    return ALL_DECODED


@inlined
def _gather(data: Bytes, pieces: Table, piece: Any, scratch: Bytes) -> tuple[Any, Any]:
    """Copy a block's bytes; give the length of the cleanup pass, which is the first piece, and of all."""
    cleanup, total = pieces[piece, P_LENGTH], np.int64(0)
    while piece >= 0:
        offset, length = pieces[piece, P_OFFSET], pieces[piece, P_LENGTH]
        scratch[total : total + length] = data[offset : offset + length]
        total += length
        piece = pieces[piece, P_NEXT]
    return cleanup, total


@inlined
def _store_integers(target: NDArray[np.int32], at: Any, width: Any, values: Values, first: Any) -> None:
    """Write a row of signed coefficients without their fraction bit."""
    whole = width & -LANES
    for x in range(0, whole, LANES):
        value = load_lanes(values, first + x)
        sign = value >> 31
        store_lanes(target, at + x, ((value & _MAGNITUDE) >> 1 ^ sign) - sign)
    for x in range(whole, width):
        value = np.int64(values[first + x])
        magnitude = (value & _MAGNITUDE) >> 1
        target[at + x] = -magnitude if value < 0 else magnitude


@inlined
def _store_floats(target: NDArray[np.float32], at: Any, width: Any, values: Values, first: Any, step: Any) -> None:
    """Write a row of signed coefficients in the unit of samples (T.800 equation E-6, r = 1/2)."""
    for x in range(width):
        value = values[first + x]
        magnitude = np.float32(value & _MAGNITUDE) * step
        target[at + x] = -magnitude if value < 0 else magnitude
