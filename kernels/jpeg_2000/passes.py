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
from .bits import trailing_zeros
from .contexts import (
    AROUND,
    BOTH,
    OWN,
    REFINED,
    ROWS,
    SIGN_CONTEXTS,
    SIGNS,
    VISITED,
    VISITED_ALL,
    ZERO_CONTEXTS,
)
from .mq import (
    ESTIMATE,
    HALF,
    M_CODE,
    M_FREE,
    M_INTERVAL,
    M_MARGIN,
    M_POSITION,
    MAGNITUDE,
    RUN,
    SCALE,
    UNIFORM,
    Integers,
    refill,
    settle,
)

Magnitudes = NDArray[np.int32]
Bytes = NDArray[np.uint8]


@inlined
def spread(flags: Integers, at: Any, pitch: Any, word: Any, above: Any) -> None:
    """Tell the columns around what is significant in a column; `above` is what may be told to the stripe above."""
    one = np.uint64(1)
    own = word & (OWN | OWN << SIGNS)
    flags[at - one] |= own << 1
    flags[at + one] |= own >> 1
    first = word >> 4 & above
    flags[at - pitch - one] |= first << 17
    flags[at - pitch] |= first << 16
    flags[at - pitch + one] |= first << 15
    last = word >> 13 & BOTH
    flags[at + pitch - one] |= last << 2
    flags[at + pitch] |= last << 1
    flags[at + pitch + one] |= last


@inlined
def _near_rows(word: Any) -> Any:
    """Give the rows of a column that have a significant neighbour."""
    across = word | word >> 1 | word >> 2
    return (across | across >> 6 | word >> 3 | word >> 5) & ROWS


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
    above: Any,
    scratch: Bytes,
    registers: Integers,
    states: Integers,
) -> None:
    """Code what is not significant but has significant neighbours (T.800 D.3.1)."""
    margin, interval, code = registers[M_MARGIN], registers[M_INTERVAL], registers[M_CODE]
    free, position = registers[M_FREE], registers[M_POSITION]
    contexts = ZERO_CONTEXTS[512 * orientation : 512 * orientation + 512]
    pitch = np.uint64(width + 2)
    for top in range(0, height, 4):
        rows = ROWS & ((1 << 3 * min(4, height - top)) - 1)
        at = pitch * np.uint64((top >> 2) + 1)
        for column in range(width):
            at += np.uint64(1)
            word = flags[at]
            before = word
            absent = ~(word >> 4) & rows
            members = _near_rows(word) & absent
            if members == 0:
                continue
            place = top * width + 4 * column
            while members:
                shift = trailing_zeros(members)
                members &= members - 1
                near = word >> shift
                context = np.uint64(contexts[np.uint64(near & AROUND)])
                state = states[context]
                margin -= state & ESTIMATE
                bit = state & 1
                if margin < 0:
                    state, interval, code, free, bit = settle(state, interval + margin, code + margin, free)
                    states[context] = state
                    if free >= SCALE:
                        code, free, position = refill(scratch, code, free, position)
                    margin = min(interval - HALF, code)
                    interval -= margin
                    code -= margin
                if bit:
                    lookup = SIGN_CONTEXTS[np.uint64(_sign_index(near))]
                    context = np.uint64(lookup & 31)
                    state = states[context]
                    margin -= state & ESTIMATE
                    bit = state & 1
                    if margin < 0:
                        state, interval, code, free, bit = settle(state, interval + margin, code + margin, free)
                        states[context] = state
                        if free >= SCALE:
                            code, free, position = refill(scratch, code, free, position)
                        margin = min(interval - HALF, code)
                        interval -= margin
                        code -= margin
                    magnitudes[np.uint64(place + (shift * 11 >> 5))] = value
                    members |= absent & 8 << shift
                    word |= (1 | (bit ^ np.int64(lookup >> 5)) << SIGNS) << (shift + 4)
                word |= VISITED << shift
            flags[at] = word
            if (word ^ before) & OWN:
                spread(flags, at, pitch, word, above)
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
    states: Integers,
) -> None:
    """Code one more bit of what was significant before this bit plane (T.800 D.3.3)."""
    margin, interval, code = registers[M_MARGIN], registers[M_INTERVAL], registers[M_CODE]
    free, position = registers[M_FREE], registers[M_POSITION]
    pitch = np.uint64(width + 2)
    for top in range(0, height, 4):
        at = pitch * np.uint64((top >> 2) + 1)
        for column in range(width):
            at += np.uint64(1)
            word = flags[at]
            members = word >> 4 & ~(word >> 18) & ROWS
            if members == 0:
                continue
            place = top * width + 4 * column
            flags[at] = word | members * REFINED
            while members:
                shift = trailing_zeros(members)
                members &= members - 1
                near = word >> shift
                context = np.uint64(MAGNITUDE + (2 if near & REFINED else 1 if near & AROUND else 0))
                state = states[context]
                margin -= state & ESTIMATE
                bit = state & 1
                if margin < 0:
                    state, interval, code, free, bit = settle(state, interval + margin, code + margin, free)
                    states[context] = state
                    if free >= SCALE:
                        code, free, position = refill(scratch, code, free, position)
                    margin = min(interval - HALF, code)
                    interval -= margin
                    code -= margin
                magnitudes[np.uint64(place + (shift * 11 >> 5))] += half if bit else -half
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
    above: Any,
    scratch: Bytes,
    registers: Integers,
    states: Integers,
) -> None:
    """Code all that the other passes left, empty columns as runs (T.800 D.3.4)."""
    margin, interval, code = registers[M_MARGIN], registers[M_INTERVAL], registers[M_CODE]
    free, position = registers[M_FREE], registers[M_POSITION]
    contexts = ZERO_CONTEXTS[512 * orientation : 512 * orientation + 512]
    pitch = np.uint64(width + 2)
    for top in range(0, height, 4):
        rows = ROWS & ((1 << 3 * min(4, height - top)) - 1)
        at = pitch * np.uint64((top >> 2) + 1)
        for column in range(width):
            at += np.uint64(1)
            word = flags[at]
            before = word
            first, is_run = 0, False
            if word == 0 and rows == ROWS:
                context = np.uint64(RUN)
                state = states[context]
                margin -= state & ESTIMATE
                bit = state & 1
                if margin < 0:
                    state, interval, code, free, bit = settle(state, interval + margin, code + margin, free)
                    states[context] = state
                    if free >= SCALE:
                        code, free, position = refill(scratch, code, free, position)
                    margin = min(interval - HALF, code)
                    interval -= margin
                    code -= margin
                if bit == 0:
                    continue
                is_run = True
                context = np.uint64(UNIFORM)
                for _ in range(2):
                    state = states[context]
                    margin -= state & ESTIMATE
                    bit = state & 1
                    if margin < 0:
                        state, interval, code, free, bit = settle(state, interval + margin, code + margin, free)
                        states[context] = state
                        if free >= SCALE:
                            code, free, position = refill(scratch, code, free, position)
                        margin = min(interval - HALF, code)
                        interval -= margin
                        code -= margin
                    first = first << 1 | bit
            members = ~(word >> 4 | word >> 18) & rows & -1 << 3 * first
            place = top * width + 4 * column
            while members:
                shift = trailing_zeros(members)
                members &= members - 1
                near = word >> shift
                bit = np.int64(1)
                if not is_run:
                    context = np.uint64(contexts[np.uint64(near & AROUND)])
                    state = states[context]
                    margin -= state & ESTIMATE
                    bit = state & 1
                    if margin < 0:
                        state, interval, code, free, bit = settle(state, interval + margin, code + margin, free)
                        states[context] = state
                        if free >= SCALE:
                            code, free, position = refill(scratch, code, free, position)
                        margin = min(interval - HALF, code)
                        interval -= margin
                        code -= margin
                is_run = False
                if bit:
                    lookup = SIGN_CONTEXTS[np.uint64(_sign_index(near))]
                    context = np.uint64(lookup & 31)
                    state = states[context]
                    margin -= state & ESTIMATE
                    bit = state & 1
                    if margin < 0:
                        state, interval, code, free, bit = settle(state, interval + margin, code + margin, free)
                        states[context] = state
                        if free >= SCALE:
                            code, free, position = refill(scratch, code, free, position)
                        margin = min(interval - HALF, code)
                        interval -= margin
                        code -= margin
                    magnitudes[np.uint64(place + (shift * 11 >> 5))] = value
                    word |= (1 | (bit ^ np.int64(lookup >> 5)) << SIGNS) << (shift + 4)
            flags[at] = word & ~VISITED_ALL
            if (word ^ before) & OWN:
                spread(flags, at, pitch, word, above)
    registers[M_MARGIN], registers[M_INTERVAL], registers[M_CODE] = margin, interval, code
    registers[M_FREE], registers[M_POSITION] = free, position


@kernel
def is_segmentation_symbol(scratch: Bytes, registers: Integers, states: Integers) -> Any:
    """Read the segmentation symbol after a cleanup pass; say whether it is 1010 (T.800 D.5)."""
    margin, interval, code = registers[M_MARGIN], registers[M_INTERVAL], registers[M_CODE]
    free, position = registers[M_FREE], registers[M_POSITION]
    symbol, context = np.int64(0), np.uint64(UNIFORM)
    for _ in range(4):
        state = states[context]
        margin -= state & ESTIMATE
        bit = state & 1
        if margin < 0:
            state, interval, code, free, bit = settle(state, interval + margin, code + margin, free)
            states[context] = state
            if free >= SCALE:
                code, free, position = refill(scratch, code, free, position)
            margin = min(interval - HALF, code)
            interval -= margin
            code -= margin
        symbol = symbol << 1 | bit
    registers[M_MARGIN], registers[M_INTERVAL], registers[M_CODE] = margin, interval, code
    registers[M_FREE], registers[M_POSITION] = free, position
    return symbol == 0xA
