"""The MQ arithmetic decoder (T.800 annex C), arranged so that most symbols cost one subtraction and one test.

`interval` and `code` are the registers A and C, scaled by 2^46 so that several bytes of the codestream wait below
them. Both shrink by Qe with every more probable symbol, so their distance to the next event, `margin` =
min(A - 0x8000, C), is kept apart: only when it falls below zero is there anything to do. Until then A and C are
`interval + margin` and `code + margin`.

A caller holds the registers in local variables and decodes one symbol by

    word = states[context]
    margin -= word & ESTIMATE
    bit = word & 1
    if margin < 0:
        word, interval, code, free, bit = settle(word, interval + margin, code + margin, free)
        states[context] = word
        if free >= SCALE:
            code, free, position = refill(scratch, code, free, position)
        margin = min(interval - HALF, code)
        interval -= margin
        code -= margin

These lines stand wherever a symbol is decoded, and no array is handed over but when bytes are needed: Numba counts
references to an array at each call, which costs more than the symbol.

The bytes of a codeword segment lie in a buffer from index 1 on, between a 0 and `GUARD` bytes FF: FF followed by
more than 8F is never stepped over, and words are loaded no further than seven bytes on, so no read leaves the buffer.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..jit import inlined
from .bits import has_full_byte, leading_zeros, load_word, swap_bytes

Integers = NDArray[np.int64]

SCALE = 46
GUARD = 10
"""Bytes FF after a codeword segment."""
HALF = 0x8000 << SCALE
_NORMALISED = 2
"""Leading zeros of an interval from HALF on."""
_STUFFED = 0x8F
CONTEXTS = 19
ZERO, SIGN, MAGNITUDE, RUN, UNIFORM = 0, 9, 14, 17, 18
"""First contexts of each kind (T.800 table D.1 to D.5)."""

M_MARGIN, M_INTERVAL, M_CODE, M_FREE, M_POSITION, M_SIZE = range(6)
"""Registers between coding passes of one codeword segment."""

# Qe, next after the more and the less probable symbol, whether the sense is switched (T.800 table C.2).
_STATES = (
    (0x5601, 1, 1, 1), (0x3401, 2, 6, 0), (0x1801, 3, 9, 0), (0x0AC1, 4, 12, 0), (0x0521, 5, 29, 0),
    (0x0221, 38, 33, 0), (0x5601, 7, 6, 1), (0x5401, 8, 14, 0), (0x4801, 9, 14, 0), (0x3801, 10, 14, 0),
    (0x3001, 11, 17, 0), (0x2401, 12, 18, 0), (0x1C01, 13, 20, 0), (0x1601, 29, 21, 0), (0x5601, 15, 14, 1),
    (0x5401, 16, 14, 0), (0x5101, 17, 15, 0), (0x4801, 18, 16, 0), (0x3801, 19, 17, 0), (0x3401, 20, 18, 0),
    (0x3001, 21, 19, 0), (0x2801, 22, 19, 0), (0x2401, 23, 20, 0), (0x2201, 24, 21, 0), (0x1C01, 25, 22, 0),
    (0x1801, 26, 23, 0), (0x1601, 27, 24, 0), (0x1401, 28, 25, 0), (0x1201, 29, 26, 0), (0x1101, 30, 27, 0),
    (0x0AC1, 31, 28, 0), (0x09C1, 32, 29, 0), (0x08A1, 33, 30, 0), (0x0521, 34, 31, 0), (0x0441, 35, 32, 0),
    (0x02A1, 36, 33, 0), (0x0221, 37, 34, 0), (0x0141, 38, 35, 0), (0x0111, 39, 36, 0), (0x0085, 40, 37, 0),
    (0x0049, 41, 38, 0), (0x0025, 42, 39, 0), (0x0015, 43, 40, 0), (0x0009, 44, 41, 0), (0x0005, 45, 42, 0),
    (0x0001, 45, 43, 0), (0x5601, 46, 46, 0),
)  # fmt: skip

_WORDS = [qe << SCALE | 2 * number + sense for number, (qe, *_) in enumerate(_STATES) for sense in range(2)]
"""The estimate Qe, scaled, above the number of the state and the more probable symbol."""
ESTIMATE = -128
"""Mask of the estimate in a word."""
_NEXT = np.array(
    [
        _WORDS[follower]
        for _, more, less, switch in _STATES
        for sense in range(2)
        for follower in (2 * less + (sense ^ switch), 2 * more + sense)
    ],
    np.int64,
)
"""By 2 * (state and sense) + whether the more probable symbol came: the next word."""
_START = np.array([_WORDS[2 * {ZERO: 4, RUN: 3, UNIFORM: 46}.get(context, 0)] for context in range(CONTEXTS)], np.int64)
"""First words (T.800 table D.7)."""


@inlined
def reset_contexts(states: Integers) -> None:
    """Put every context back to its first state (T.800 table D.7)."""
    for context in range(CONTEXTS):
        states[context] = _START[context]


@inlined
def refill(scratch: NDArray[np.uint8], code: Any, free: Any, position: Any) -> tuple[Any, Any, Any]:
    """Put bytes below the code until fewer than eight bits are free (T.800 C.3.4); after FF a byte gives seven."""
    word = load_word(scratch, position - 1)
    if not has_full_byte(word):
        count = free >> 3
        taken = swap_bytes(word) << np.uint64(8) >> np.uint64(64 - 8 * count)
        free &= 7
        return code + (np.int64(taken) << free), free, position + count
    while free >= 8:
        byte = np.int64(scratch[np.uint64(position)])
        if scratch[np.uint64(position - 1)] != 0xFF:
            free -= 8
            position += 1
        elif byte <= _STUFFED:
            free -= 7
            position += 1
        else:
            byte = np.int64(0xFF)
            free -= 8
        code += byte << free
    return code, free, position


@inlined
def start_segment(scratch: NDArray[np.uint8], registers: Integers) -> None:
    """Begin a codeword segment (T.800 C.3.5)."""
    code, free, position = refill(scratch, np.int64(0), np.int64(SCALE + 15), np.int64(1))
    registers[M_MARGIN], registers[M_INTERVAL], registers[M_CODE] = 0, HALF, code
    registers[M_FREE], registers[M_POSITION] = free, position


@inlined
def settle(word: Any, interval: Any, code: Any, free: Any) -> tuple[Any, Any, Any, Any, Any]:
    """Finish a symbol whose margin fell below zero (T.800 C.3.2, C.3.3); give the state, registers and symbol.

    All is selection, not branching: which symbol comes is what no processor can foresee.
    """
    estimate = word & ESTIMATE
    is_low = code < 0
    is_more_probable = np.int64((interval < estimate) == is_low)
    code += estimate if is_low else 0
    interval = estimate if is_low else interval
    shift = leading_zeros(interval) - _NORMALISED
    bit = (word & 1) ^ 1 ^ is_more_probable
    word = _NEXT[np.uint64(2 * (word & 127) + is_more_probable)]
    return word, interval << shift, code << shift, free + shift, bit
