"""Code blocks coded by bit planes, from their pieces of codestream to coefficients (T.800 annex D, E.1)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..jit import inlined, kernel, routine
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
from .mq import GUARD, M_SIZE, Coder, Integers, reset_contexts, start_segment
from .packets import P_LENGTH, P_NEXT, P_OFFSET, P_PASSES, PASSES_BEFORE_BYPASS, passes_in_segment
from .parameters import BYPASS, RESET, SEGMENTATION, VERTICALLY_CAUSAL
from .passes import Bytes, Canvas, cleanup_pass, is_segmentation_symbol, refinement_pass, significance_pass
from .raw_passes import raw_refinement_pass, raw_significance_pass, start_raw_segment

MAXIMUM_BLOCK = 4096
_LONGEST_SIDE = 1024

ALL_DECODED = -1
_SIGNIFICANCE, _REFINEMENT, _CLEANUP = range(3)
"""Kinds of coding passes; the first pass of a block is a cleanup pass."""


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


@routine
def _flags_of(width: Any, height: Any) -> Any:
    """Give the words for the flags of a block and its border."""
    return (width + 2) * ((height + 3) // 4 + 2)


@routine
def _most_flags(blocks: Table, chosen: Integers) -> Any:
    """Give the words for the flags of any chosen block: as many as for all that is allowed take longer to get."""
    most = np.int64(0)
    for number in chosen:
        most = max(most, _flags_of(blocks[number, K_WIDTH], blocks[number, K_HEIGHT]))
    return most


@routine
def _gather(data: Bytes, pieces: Table, piece: Any, passes: Any, scratch: Bytes) -> Any:
    """Copy a codeword segment of `passes` passes between its guards; give the first piece after it."""
    length = np.int64(1)
    while passes > 0 and piece >= 0:
        offset, count = pieces[piece, P_OFFSET], pieces[piece, P_LENGTH]
        for index in range(count):
            scratch[length + index] = data[offset + index]
        length += count
        passes -= pieces[piece, P_PASSES]
        piece = pieces[piece, P_NEXT]
    scratch[0] = 0
    for index in range(GUARD):
        scratch[length + index] = 0xFF
    return piece


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
    flags = np.empty(_most_flags(blocks, chosen), np.int64)
    magnitudes = np.empty(MAXIMUM_BLOCK + 4 * _LONGEST_SIDE, np.int32)
    listed = np.empty(MAXIMUM_BLOCK + 4, np.int32)
    coder = np.empty(M_SIZE, np.int64)
    for number in chosen:
        block = blocks[number]
        band = bands[block[K_BAND]]
        planes = band[B_PLANES] - block[K_MISSING]
        if block[K_PASSES] > max(3 * planes - 2, 0):
            return number
        if block[K_PASSES] == 0:
            continue
        width, height = block[K_WIDTH], block[K_HEIGHT]
        flags[: _flags_of(width, height)] = 0
        magnitudes[: width * ((height + 3) & ~3)] = 0
        above = np.int64(0 if band[B_STYLE] & VERTICALLY_CAUSAL else BOTH)
        canvas = Canvas(flags, magnitudes, listed, width, height, band[B_ORIENTATION], above)
        if not _decode_passes(data, pieces, block, planes, band[B_STYLE], canvas, scratch, coder):
            return number
        _store(coefficients, block, band, steps[block[K_BAND]], canvas)
    return ALL_DECODED


@routine
def _decode_passes(
    data: Bytes, pieces: Table, block: Any, planes: Any, style: Any, canvas: Canvas, scratch: Bytes, coder: Coder
) -> bool:
    """Run all passes of a block; say whether its segmentation symbols were right."""
    piece, in_segment, is_raw = block[K_FIRST], np.int64(0), False
    reset_contexts(coder)
    for done in range(block[K_PASSES]):
        kind = (done + 2) % 3
        if in_segment == 0:
            in_segment = passes_in_segment(style, done, block[K_PASSES] - done)
            piece = _gather(data, pieces, piece, in_segment, scratch)
            is_raw = style & BYPASS != 0 and done >= PASSES_BEFORE_BYPASS and kind != _CLEANUP
            if is_raw:
                start_raw_segment(coder)
            else:
                start_segment(scratch, coder)
        in_segment -= 1
        half = np.int64(1) << (planes - 1 - (done + 2) // 3)
        if kind == _CLEANUP:
            cleanup_pass(canvas, 3 * half, scratch, coder)
            if style & SEGMENTATION and not is_segmentation_symbol(scratch, coder):
                return False
        elif kind == _SIGNIFICANCE and is_raw:
            raw_significance_pass(canvas, 3 * half, scratch, coder)
        elif kind == _SIGNIFICANCE:
            significance_pass(canvas, 3 * half, scratch, coder)
        elif is_raw:
            raw_refinement_pass(canvas, half, scratch, coder)
        else:
            refinement_pass(canvas, half, scratch, coder)
        if style & RESET:
            reset_contexts(coder)
    return True


@routine
def _store(coefficients: NDArray[np.int32], block: Any, band: Any, step: Any, canvas: Canvas) -> None:
    """Write signed coefficients where the wavelet wants them.

    Integers go without their fraction bit, floats in the unit of samples (T.800 equation E-6, r = 1/2).
    """
    flags, magnitudes, width = canvas.flags, canvas.magnitudes, canvas.width
    floats, scale = coefficients.view(np.float32), np.float32(0.5) * step
    is_reversible = band[B_REVERSIBLE] != 0
    for y in range(canvas.height):
        shift, at = 3 * (y & 3), (width + 2) * ((y >> 2) + 1) + 1
        place = (y & ~3) * width + (y & 3)
        target = band[B_TARGET] + (block[K_Y] + y) * band[B_STRIDE] + block[K_X]
        if is_reversible:
            for x in range(width):
                magnitude = magnitudes[np.uint64(place + 4 * x)] >> 1
                is_negative = flags[np.uint64(at + x)] >> shift & SELF << SIGNS
                coefficients[np.uint64(target + x)] = -magnitude if is_negative else magnitude
        else:
            for x in range(width):
                size = np.float32(magnitudes[np.uint64(place + 4 * x)]) * scale
                is_negative = flags[np.uint64(at + x)] >> shift & SELF << SIGNS
                floats[np.uint64(target + x)] = -size if is_negative else size
