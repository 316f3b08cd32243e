"""Code blocks coded by bit planes, from their pieces of codestream to coefficients (T.800 annex D, E.1)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..jit import inlined, kernel
from .contexts import BOTH, SELF, SIGNS
from .layout import (
    B_ORIENTATION,
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
from .mq import CONTEXTS, GUARD, M_SIZE, Integers, reset_contexts, start_segment
from .packets import P_LENGTH, P_NEXT, P_OFFSET, P_PASSES, passes_in_segment
from .parameters import BYPASS, RESET, SEGMENTATION, VERTICALLY_CAUSAL
from .passes import Bytes, Magnitudes, cleanup_pass, is_segmentation_symbol, refinement_pass, significance_pass
from .raw_passes import raw_refinement_pass, raw_significance_pass, start_raw_segment

MAXIMUM_BLOCK = 4096
_LONGEST_SIDE = 1024
_FLAGS = 3 * (MAXIMUM_BLOCK + 2 * _LONGEST_SIDE)
"""Words for the flags of any block with its border: (width + 2) * (stripes + 2)."""

ALL_DECODED = -1


@inlined
def longest_block(pieces: Table, blocks: Table, chosen: Integers) -> Any:
    """Give the bytes of the longest of the chosen blocks."""
    longest = np.int64(0)
    for number in chosen:
        total = np.int64(0)
        piece = blocks[number, K_FIRST]
        while piece >= 0:
            total += pieces[piece, P_LENGTH]
            piece = pieces[piece, P_NEXT]
        longest = max(longest, total)
    return longest


@inlined
def _gather(data: Bytes, pieces: Table, piece: Any, passes: Any, scratch: Bytes) -> Any:
    """Copy a codeword segment of `passes` passes between its guards; give the first piece after it."""
    length = np.int64(1)
    while passes > 0 and piece >= 0:
        offset, count = pieces[piece, P_OFFSET], pieces[piece, P_LENGTH]
        scratch[length : length + count] = data[offset : offset + count]
        length += count
        passes -= pieces[piece, P_PASSES]
        piece = pieces[piece, P_NEXT]
    scratch[0], scratch[length : length + GUARD] = 0, 0xFF
    return piece


@inlined
def _segment_passes(style: Any, done: Any, left: Any) -> Any:
    """Give the passes of the codeword segment that begins with pass `done`."""
    return passes_in_segment(style, done, left)


@kernel
def decode_blocks(
    data: Bytes,
    pieces: Table,
    blocks: Table,
    chosen: Integers,
    bands: Table,
    steps: NDArray[np.float32],
    coefficients: NDArray[np.int32],
) -> Any:
    """Decode the chosen blocks into `coefficients`; give `ALL_DECODED`, or the block that cannot be right.

    Coefficients of the 9/7 wavelet are float32, written as their bits. No two blocks share one, so any split of
    the blocks may be decoded at once.
    """
    scratch = np.empty(longest_block(pieces, blocks, chosen) + 1 + GUARD, np.uint8)
    flags = np.empty(_FLAGS, np.int64)
    magnitudes = np.empty(MAXIMUM_BLOCK + 4 * _LONGEST_SIDE, np.int32)
    registers = np.empty(M_SIZE, np.int64)
    states = np.empty(CONTEXTS, np.int64)
    floats = coefficients.view(np.float32)
    for number in chosen:
        block = blocks[number]
        band = bands[block[K_BAND]]
        planes = band[B_PLANES] - block[K_MISSING]
        if block[K_PASSES] > max(3 * planes - 2, 0):
            return number
        if block[K_PASSES] == 0:
            continue
        width, height = block[K_WIDTH], block[K_HEIGHT]
        flags[: (width + 2) * ((height + 3) // 4 + 2)] = 0
        magnitudes[: width * ((height + 3) & ~3)] = 0
        if not _decode_passes(data, pieces, block, band, planes, scratch, flags, magnitudes, registers, states):
            return number
        target = band[B_TARGET] + block[K_Y] * band[B_STRIDE] + block[K_X]
        if band[B_REVERSIBLE]:
            _store_integers(coefficients, target, band[B_STRIDE], width, height, flags, magnitudes)
        else:
            step = np.float32(0.5) * steps[block[K_BAND]]
            _store_floats(floats, target, band[B_STRIDE], width, height, flags, magnitudes, step)
    return ALL_DECODED


@inlined
def _decode_passes(
    data: Bytes,
    pieces: Table,
    block: Any,
    band: Any,
    planes: Any,
    scratch: Bytes,
    flags: Integers,
    magnitudes: Magnitudes,
    registers: Integers,
    states: Integers,
) -> bool:
    """Run all passes of a block; say whether its segmentation symbols were right."""
    width, height, style, orientation = block[K_WIDTH], block[K_HEIGHT], band[B_STYLE], band[B_ORIENTATION]
    above = np.int64(0 if style & VERTICALLY_CAUSAL else BOTH)
    piece, in_segment, is_raw = block[K_FIRST], np.int64(0), False
    reset_contexts(states)
    for done in range(block[K_PASSES]):
        kind = (done + 2) % 3
        if in_segment == 0:
            in_segment = _segment_passes(style, done, block[K_PASSES] - done)
            piece = _gather(data, pieces, piece, in_segment, scratch)
            is_raw = style & BYPASS != 0 and done >= 10 and kind != 2
            if is_raw:
                start_raw_segment(registers)
            else:
                start_segment(scratch, registers)
        in_segment -= 1
        one = np.int64(2) << (planes - 1 - (done + 2) // 3)
        half = one >> 1
        if kind == 2:
            cleanup_pass(flags, magnitudes, width, height, one | half, orientation, above, scratch, registers, states)
            if style & SEGMENTATION and not is_segmentation_symbol(scratch, registers, states):
                return False
        elif kind == 0 and is_raw:
            raw_significance_pass(flags, magnitudes, width, height, one | half, above, scratch, registers)
        elif kind == 0:
            significance_pass(
                flags, magnitudes, width, height, one | half, orientation, above, scratch, registers, states
            )
        elif is_raw:
            raw_refinement_pass(flags, magnitudes, width, height, half, scratch, registers)
        else:
            refinement_pass(flags, magnitudes, width, height, half, scratch, registers, states)
        if style & RESET:
            reset_contexts(states)
    return True


@inlined
def _store_integers(
    target: NDArray[np.int32],
    first: Any,
    stride: Any,
    width: Any,
    height: Any,
    flags: Integers,
    magnitudes: Magnitudes,
) -> None:
    """Write signed coefficients without their fraction bit."""
    for y in range(height):
        shift, at = 3 * (y & 3), (width + 2) * ((y >> 2) + 1) + 1
        place = (y & ~3) * width + (y & 3)
        for x in range(width):
            magnitude = magnitudes[np.uint64(place + 4 * x)] >> 1
            is_negative = flags[np.uint64(at + x)] >> shift & SELF << SIGNS
            target[np.uint64(first + y * stride + x)] = -magnitude if is_negative else magnitude


@inlined
def _store_floats(
    target: NDArray[np.float32],
    first: Any,
    stride: Any,
    width: Any,
    height: Any,
    flags: Integers,
    magnitudes: Magnitudes,
    step: Any,
) -> None:
    """Write signed coefficients in the unit of samples (T.800 equation E-6, r = 1/2)."""
    for y in range(height):
        shift, at = 3 * (y & 3), (width + 2) * ((y >> 2) + 1) + 1
        place = (y & ~3) * width + (y & 3)
        for x in range(width):
            magnitude = np.float32(magnitudes[np.uint64(place + 4 * x)]) * step
            is_negative = flags[np.uint64(at + x)] >> shift & SELF << SIGNS
            target[np.uint64(first + y * stride + x)] = -magnitude if is_negative else magnitude
