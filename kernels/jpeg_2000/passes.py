"""The three coding passes of a bit plane (T.800 D.3), over flags words (see `contexts`) and magnitudes.

Magnitudes lie as the passes visit them, column by column of each stripe of four rows, and have one fraction bit: a
coefficient is kept in the middle of what it may still be. Arrays of flags have a border of one word on each side.
Each pass takes the registers of the MQ decoder from `registers` and leaves them there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..jit import inlined, kernel
from .contexts import (
    ANY,
    AROUND,
    OWN,
    REFINED,
    SELF,
    SIGN_CONTEXTS,
    SIGNS,
    VISITED,
    VISITED_ALL,
    ZERO_CONTEXTS,
)
from .mq import M_CODE, M_FREE, M_INTERVAL, M_MARGIN, M_POSITION, MAGNITUDE, RUN, UNIFORM, Integers, renormalise

Magnitudes = NDArray[np.int32]
Bytes = NDArray[np.uint8]


@inlined
def mark(flags: Integers, at: Any, pitch: Any, shift: Any, sign: Any, is_causal: Any) -> Any:
    """Tell the neighbours that a coefficient became significant; give the bits for its own word."""
    bits = np.int64(1) | sign << SIGNS
    one = np.uint64(1)
    flags[at - one] |= bits << (shift + 5)
    flags[at + one] |= bits << (shift + 3)
    if shift == 0 and not is_causal:
        above = at - pitch
        flags[above - one] |= bits << 17
        flags[above] |= bits << 16
        flags[above + one] |= bits << 15
    if shift == 9:
        below = at + pitch
        flags[below - one] |= bits << 2
        flags[below] |= bits << 1
        flags[below + one] |= bits
    return bits << (shift + 4)


@inlined
def _sign_index(near: Any) -> Any:
    return (near & 0xAA) | (near >> (SIGNS + 1) & 0x55)


@kernel
def significance_pass(
    flags: Integers,
    magnitudes: Magnitudes,
    width: int,
    height: int,
    value: int,
    orientation: int,
    is_causal: bool,
    scratch: Bytes,
    registers: Integers,
    quant: Integers,
    state: Integers,
) -> None:
    """Code what is not significant but has significant neighbours (T.800 D.3.1)."""
    margin, interval, code = registers[M_MARGIN], registers[M_INTERVAL], registers[M_CODE]
    free, position = registers[M_FREE], registers[M_POSITION]
    contexts = ZERO_CONTEXTS[512 * orientation : 512 * orientation + 512]
    pitch = np.uint64(width + 2)
    for top in range(0, height, 4):
        row_end = 3 * min(4, height - top)
        at = pitch * np.uint64((top >> 2) + 1)
        for column in range(width):
            at += np.uint64(1)
            word = flags[at]
            if word & ANY == 0 or word & OWN == OWN:
                continue
            place = np.uint64(top * width + 4 * column)
            for shift in range(0, row_end, 3):
                near = word >> shift
                if near & SELF == 0 and near & AROUND != 0:
                    context = np.uint64(contexts[np.uint64(near & AROUND)])
                    margin -= quant[context]
                    bit = state[context] & 1
                    if margin < 0:
                        margin, interval, code, free, position, bit = renormalise(
                            context, margin, interval, code, free, position, scratch, quant, state
                        )
                    if bit:
                        lookup = SIGN_CONTEXTS[np.uint64(_sign_index(near))]
                        context = np.uint64(lookup & 31)
                        margin -= quant[context]
                        bit = state[context] & 1
                        if margin < 0:
                            margin, interval, code, free, position, bit = renormalise(
                                context, margin, interval, code, free, position, scratch, quant, state
                            )
                        magnitudes[place] = value
                        word |= mark(flags, at, pitch, shift, bit ^ np.int64(lookup >> 5), is_causal)
                    word |= VISITED << shift
                place += np.uint64(1)
            flags[at] = word
    registers[M_MARGIN], registers[M_INTERVAL], registers[M_CODE] = margin, interval, code
    registers[M_FREE], registers[M_POSITION] = free, position


@kernel
def refinement_pass(
    flags: Integers,
    magnitudes: Magnitudes,
    width: int,
    height: int,
    half: int,
    scratch: Bytes,
    registers: Integers,
    quant: Integers,
    state: Integers,
) -> None:
    """Code one more bit of what was significant before this bit plane (T.800 D.3.3)."""
    margin, interval, code = registers[M_MARGIN], registers[M_INTERVAL], registers[M_CODE]
    free, position = registers[M_FREE], registers[M_POSITION]
    pitch = np.uint64(width + 2)
    for top in range(0, height, 4):
        row_end = 3 * min(4, height - top)
        at = pitch * np.uint64((top >> 2) + 1)
        for column in range(width):
            at += np.uint64(1)
            word = flags[at]
            if word & OWN == 0:
                continue
            place = np.uint64(top * width + 4 * column)
            for shift in range(0, row_end, 3):
                near = word >> shift
                if near & (SELF | VISITED) == SELF:
                    context = np.uint64(MAGNITUDE + (2 if near & REFINED else 1 if near & AROUND else 0))
                    margin -= quant[context]
                    bit = state[context] & 1
                    if margin < 0:
                        margin, interval, code, free, position, bit = renormalise(
                            context, margin, interval, code, free, position, scratch, quant, state
                        )
                    magnitudes[place] += half if bit else -half
                    word |= REFINED << shift
                place += np.uint64(1)
            flags[at] = word
    registers[M_MARGIN], registers[M_INTERVAL], registers[M_CODE] = margin, interval, code
    registers[M_FREE], registers[M_POSITION] = free, position


@kernel
def cleanup_pass(
    flags: Integers,
    magnitudes: Magnitudes,
    width: int,
    height: int,
    value: int,
    orientation: int,
    is_causal: bool,
    scratch: Bytes,
    registers: Integers,
    quant: Integers,
    state: Integers,
) -> None:
    """Code all that the other passes left, empty columns as runs (T.800 D.3.4)."""
    margin, interval, code = registers[M_MARGIN], registers[M_INTERVAL], registers[M_CODE]
    free, position = registers[M_FREE], registers[M_POSITION]
    contexts = ZERO_CONTEXTS[512 * orientation : 512 * orientation + 512]
    pitch = np.uint64(width + 2)
    for top in range(0, height, 4):
        row_end = 3 * min(4, height - top)
        at = pitch * np.uint64((top >> 2) + 1)
        for column in range(width):
            at += np.uint64(1)
            word = flags[at]
            first, is_run = 0, False
            if word == 0 and row_end == 12:
                context = np.uint64(RUN)
                margin -= quant[context]
                bit = state[context] & 1
                if margin < 0:
                    margin, interval, code, free, position, bit = renormalise(
                        context, margin, interval, code, free, position, scratch, quant, state
                    )
                if bit == 0:
                    continue
                is_run = True
                context = np.uint64(UNIFORM)
                for _ in range(2):
                    margin -= quant[context]
                    bit = state[context] & 1
                    if margin < 0:
                        margin, interval, code, free, position, bit = renormalise(
                            context, margin, interval, code, free, position, scratch, quant, state
                        )
                    first = first << 1 | bit
            place = np.uint64(top * width + 4 * column + first)
            for shift in range(3 * first, row_end, 3):
                near = word >> shift
                if near & (SELF | VISITED) == 0:
                    bit = np.int64(1)
                    if not is_run:
                        context = np.uint64(contexts[np.uint64(near & AROUND)])
                        margin -= quant[context]
                        bit = state[context] & 1
                        if margin < 0:
                            margin, interval, code, free, position, bit = renormalise(
                                context, margin, interval, code, free, position, scratch, quant, state
                            )
                    is_run = False
                    if bit:
                        lookup = SIGN_CONTEXTS[np.uint64(_sign_index(near))]
                        context = np.uint64(lookup & 31)
                        margin -= quant[context]
                        bit = state[context] & 1
                        if margin < 0:
                            margin, interval, code, free, position, bit = renormalise(
                                context, margin, interval, code, free, position, scratch, quant, state
                            )
                        magnitudes[place] = value
                        word |= mark(flags, at, pitch, shift, bit ^ np.int64(lookup >> 5), is_causal)
                place += np.uint64(1)
            flags[at] = word & ~VISITED_ALL
    registers[M_MARGIN], registers[M_INTERVAL], registers[M_CODE] = margin, interval, code
    registers[M_FREE], registers[M_POSITION] = free, position


@kernel
def is_segmentation_symbol(scratch: Bytes, registers: Integers, quant: Integers, state: Integers) -> bool:
    """Read the segmentation symbol after a cleanup pass; say whether it is 1010 (T.800 D.5)."""
    margin, interval, code = registers[M_MARGIN], registers[M_INTERVAL], registers[M_CODE]
    free, position = registers[M_FREE], registers[M_POSITION]
    symbol, context = np.int64(0), np.uint64(UNIFORM)
    for _ in range(4):
        margin -= quant[context]
        bit = state[context] & 1
        if margin < 0:
            margin, interval, code, free, position, bit = renormalise(
                context, margin, interval, code, free, position, scratch, quant, state
            )
        symbol = symbol << 1 | bit
    registers[M_MARGIN], registers[M_INTERVAL], registers[M_CODE] = margin, interval, code
    registers[M_FREE], registers[M_POSITION] = free, position
    return symbol == 0xA
