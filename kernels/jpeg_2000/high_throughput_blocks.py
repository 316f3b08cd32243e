"""Code blocks of the high-throughput coder, from their pieces of codestream to coefficients (T.814, T.800 E.1)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..jit import kernel, routine
from ..lanes import LANES, load_lanes, store_lanes
from .bits import load_word, store_word
from .blocks import ALL_DECODED, MAXIMUM_BLOCK, longest_block
from .high_throughput import Values, decode_cleanups, value_pitch
from .high_throughput_quads import BLOCK_ROWS, EVENT_BYTES, LARGEST, PLANE, ROW_WORDS, STATE_WORDS, VLC_BYTES
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
    floats = coefficients.view(np.float32)
    longest = longest_block(pieces, blocks, chosen)
    scratch, streams = np.zeros((2, longest + GUARD), np.uint8), np.empty((2, longest + 2 * GUARD), np.uint8)
    vlc, events = np.empty(2 * VLC_BYTES, np.uint8), np.empty(2 * EVENT_BYTES, np.uint8)
    rows = np.empty(2 * BLOCK_ROWS * ROW_WORDS, np.int32)
    values, flags = np.empty((2, _most_values(blocks, chosen)), np.int32), np.empty(_FLAGS, np.uint8)
    states, cleanups, totals = np.zeros((2, STATE_WORDS), np.int64), np.zeros(2, np.int64), np.zeros(2, np.int64)
    begun, numbers = np.int64(0), np.zeros(2, np.int64)
    while begun < chosen.shape[0]:
        count = np.int64(0)
        while count < 2 and begun < chosen.shape[0]:
            number = chosen[begun]
            if blocks[number, K_PASSES] > 0:
                if count == 1 and not _is_as_large(blocks[numbers[0]], blocks[number]):
                    break
                state = states[count]
                plane = bands[blocks[number, K_BAND], B_PLANES] - 1 - blocks[number, K_MISSING]
                state[PLANE], state[LARGEST] = plane, blocks[number, K_MISSING] + 2
                if plane < ((blocks[number, K_PASSES] - 1) % 3 != 0):
                    return number
                cleanups[count], totals[count] = _gather(data, pieces, blocks[number, K_FIRST], scratch[count])
                numbers[count] = number
                count += 1
            begun += 1
        if count == 0:
            break
        width, height = blocks[numbers[0], K_WIDTH], blocks[numbers[0], K_HEIGHT]
        wrong = decode_cleanups(count, scratch, cleanups, width, height, states, rows, events, vlc, streams, values)
        if wrong >= 0:
            return numbers[wrong]
        for which in range(count):
            block = blocks[numbers[which]]
            band = bands[block[K_BAND]]
            plane, refinements = states[which, PLANE], (block[K_PASSES] - 1) % 3
            if refinements:
                is_causal = band[B_STYLE] & VERTICALLY_CAUSAL != 0
                refine(
                    scratch[which],
                    cleanups[which],
                    totals[which],
                    width,
                    height,
                    plane - 1,
                    refinements == 2,
                    is_causal,
                    values[which],
                    value_pitch(width),
                    flags,
                    streams[which],
                )
            target = band[B_TARGET] + block[K_Y] * band[B_STRIDE] + block[K_X]
            for y in range(height):
                row, own = target + y * band[B_STRIDE], y * value_pitch(width)
                if band[B_REVERSIBLE]:
                    _store_integers(coefficients, row, width, values[which], own)
                else:
                    step = np.float32(0.5) * steps[block[K_BAND]]
                    _store_floats(floats, row, width, values[which], own, step)
    return ALL_DECODED


@routine
def _most_values(blocks: Table, chosen: Integers) -> Any:
    """Give the words that hold the values of any of the chosen blocks."""
    most = np.int64(1)
    for number in chosen:
        most = max(most, value_pitch(blocks[number, K_WIDTH]) * (blocks[number, K_HEIGHT] + 1))
    return most


@routine
def _is_as_large(one: Any, other: Any) -> Any:
    return one[K_WIDTH] == other[K_WIDTH] and one[K_HEIGHT] == other[K_HEIGHT]


@routine
def _gather(data: Bytes, pieces: Table, piece: Any, scratch: Bytes) -> tuple[Any, Any]:
    """Copy a block's bytes; give the length of the cleanup pass, which is the first piece, and of all."""
    cleanup, total = pieces[piece, P_LENGTH], np.int64(0)
    while piece >= 0:
        offset, length = pieces[piece, P_OFFSET], pieces[piece, P_LENGTH]
        for at in range(0, length & -8, 8):
            store_word(scratch, total + at, load_word(data, offset + at))
        for at in range(length & -8, length):
            scratch[total + at] = data[offset + at]
        total += length
        piece = pieces[piece, P_NEXT]
    return cleanup, total


@routine
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


@routine
def _store_floats(target: NDArray[np.float32], at: Any, width: Any, values: Values, first: Any, step: Any) -> None:
    """Write a row of signed coefficients in the unit of samples (T.800 equation E-6, r = 1/2)."""
    for x in range(width):
        value = values[first + x]
        magnitude = np.float32(value & _MAGNITUDE) * step
        target[at + x] = -magnitude if value < 0 else magnitude
