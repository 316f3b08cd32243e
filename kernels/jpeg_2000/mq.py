"""The MQ arithmetic decoder (T.800 annex C), without a branch on what no processor can foresee.

`interval` and `code` are the registers A and C, scaled by 2^46 so that several bytes of the codestream wait below
them. Which symbol came, and what it does to the registers and to the state of its context, is selected by masks: a
branch mispredicted costs as much as a symbol. The masks are `opaque`, since LLVM makes branches of selections.

A decoder is a tuple of registers and pointers that helpers take and give back; all of them are inlined, so that it
lives in processor registers during a coding pass. Between passes the registers lie in a `Coder`, behind the contexts.

The bytes of a codeword segment lie in a buffer from index 1 on, between a 0 and `GUARD` bytes FF: FF followed by
more than 8F is never stepped over, and words are loaded no further than seven bytes on, so no read leaves the buffer.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..jit import always_inlined
from .bits import has_full_byte, leading_zeros, load_word_at, opaque, pointer_to, swap_bytes

Integers = NDArray[np.int64]
Coder = NDArray[np.int64]
"""One word a context, then the registers between two coding passes."""
Decoder = Any
"""(interval, code, free, position, contexts, scratch); the last two are pointers."""

GUARD = 10
"""Bytes FF after a codeword segment."""
_SCALE = 46
_HALF = 0x8000 << _SCALE
_NORMALISED = 2
"""Leading zeros of an interval from HALF on."""
_STUFFED = 0x8F
CONTEXTS = 19
ZERO, SIGN, MAGNITUDE, RUN, UNIFORM = 0, 9, 14, 17, 18
"""First contexts of each kind (T.800 table D.1 to D.5)."""

M_INTERVAL, M_CODE, M_FREE, M_POSITION, M_SIZE = range(CONTEXTS, CONTEXTS + 5)
"""Columns of a coder after its contexts."""

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

_WORDS = [qe << _SCALE | 2 * number + sense for number, (qe, *_) in enumerate(_STATES) for sense in range(2)]
"""The estimate Qe, scaled, above the number of the state and the more probable symbol."""
_ESTIMATE = -128
"""Mask of the estimate in a word."""
_CHANGES = np.array(
    [
        _WORDS[2 * number + sense] ^ _WORDS[follower]
        for number, (_, more, less, switch) in enumerate(_STATES)
        for sense in range(2)
        for follower in (2 * less + (sense ^ switch), 2 * more + sense)
    ],
    np.int64,
)
"""By 2 * (state and sense) + whether the more probable symbol came: which bits of the word change."""
_START = np.array([_WORDS[2 * {ZERO: 4, RUN: 3, UNIFORM: 46}.get(context, 0)] for context in range(CONTEXTS)], np.int64)
"""First words (T.800 table D.7)."""


@always_inlined
def reset_contexts(coder: Coder) -> None:
    """Put every context back to its first state (T.800 table D.7)."""
    for context in range(CONTEXTS):
        coder[context] = _START[context]


@always_inlined
def start_segment(scratch: NDArray[np.uint8], coder: Coder) -> None:
    """Begin a codeword segment (T.800 C.3.5)."""
    code, free, position = _refill(pointer_to(scratch), np.int64(0), np.int64(_SCALE + 15), np.int64(1))
    coder[M_INTERVAL], coder[M_CODE], coder[M_FREE], coder[M_POSITION] = _HALF, code, free, position


@always_inlined
def resume(scratch: NDArray[np.uint8], coder: Coder) -> Decoder:
    """Give the decoder as a coding pass left it."""
    registers = coder[M_INTERVAL], coder[M_CODE], coder[M_FREE], coder[M_POSITION]
    return (*registers, pointer_to(coder), pointer_to(scratch))


@always_inlined
def suspend(decoder: Decoder, coder: Coder) -> None:
    """Keep the decoder for the next coding pass."""
    coder[M_INTERVAL], coder[M_CODE], coder[M_FREE], coder[M_POSITION] = decoder[:4]


@always_inlined
def decode(decoder: Decoder, context: Any) -> tuple[Any, Decoder]:
    """Decode one symbol (T.800 C.3.2, C.3.3); give it and the decoder."""
    interval, code, free, position, contexts, scratch = decoder
    word = contexts[context]
    estimate = word & _ESTIMATE
    place = np.uint64(2 * (word & 127))
    interval -= estimate
    code -= estimate
    is_low = opaque(code >> 63)
    is_less = is_low ^ opaque(interval - estimate) >> 63
    bit = (word ^ is_less) & 1
    # Where nothing is renormalised the state stays, too.
    is_more = opaque((interval - _HALF) >> 63) & ~is_less
    contexts[context] = word ^ (_CHANGES[place + np.uint64(1)] & is_more) ^ (_CHANGES[place] & is_less)
    code += estimate & is_low
    interval += (estimate - interval) & is_low
    shift = leading_zeros(interval) - _NORMALISED
    interval, code, free = interval << shift, code << shift, free + shift
    if free >= _SCALE:
        code, free, position = _refill(scratch, code, free, position)
    return bit, (interval, code, free, position, contexts, scratch)


@always_inlined
def decode_skewed(decoder: Decoder, context: Any) -> tuple[Any, Decoder]:
    """Decode one symbol of a context that surprises once in ten times or less, where a branch is foreseen."""
    interval, code, free, position, contexts, scratch = decoder
    word = contexts[context]
    estimate = word & _ESTIMATE
    if (interval - estimate - _HALF) | (code - estimate) >= 0:
        return word & 1, (interval - estimate, code - estimate, free, position, contexts, scratch)
    return decode(decoder, context)


@always_inlined
def _refill(scratch: Any, code: Any, free: Any, position: Any) -> tuple[Any, Any, Any]:
    """Put bytes below the code until fewer than eight bits are free (T.800 C.3.4); after FF a byte gives seven."""
    word = load_word_at(scratch, position - 1)
    if not has_full_byte(word):
        count = free >> 3
        taken = swap_bytes(word) << np.uint64(8) >> np.uint64(64 - 8 * count)
        free &= 7
        return code + (np.int64(taken) << free), free, position + count
    while free >= 8:
        byte = np.int64(scratch[position])
        if scratch[position - 1] != 0xFF:
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
