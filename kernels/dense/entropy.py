"""The entropy decoder's steps: what context a sample has, what a state stands for, what becomes of a number.

Symbols are coded by tANS (the table variant of asymmetric numeral systems, as zstd's FSE), each under the distribution
that its context chooses. A context is the size of residuals in the row above and the plane before, never of its own
row, so that a row's contexts are known, by vector loop, before its first symbol.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..jit import always_inlined
from ..memory import load_word
from .layout import CONTEXTS, RUN, Ints
from .tables import MAGNITUDE_MAXIMUM

_FOUR = (127 + 2) << 1
"""Exponent and first bit of mantissa of the float 4, the least sum."""

_POSITIVE = 0x7FFFFFFF

Index = np.uint64
"""Unsigned: else Numba tests every index for being negative, and LLVM cannot make a vector loop."""


@always_inlined
def note_contexts(sizes: Ints, up: Any, before: Any, contexts: Ints, target: Any, columns: Any) -> None:
    """Give the contexts of one row: half octaves of a weighted sum of the sizes above and in the plane before.

    `up` and `before` are the places of their first samples. A float's exponent and first bit of mantissa are what is
    wanted of it, and vectors have no shorter way to them.
    """
    for start in range(0, columns, RUN):
        above, prior, out = Index(up + start), Index(before + start), Index(target + start)
        for i in range(RUN):
            x = Index(i)
            own, left, right = sizes[above + x], sizes[above - Index(1) + x], sizes[above + Index(1) + x]
            total = np.float32(np.int32(4 + 2 * own + left + right + 2 * sizes[prior + x]))
            context: Any = (total.view(np.int32) >> 22) - _FOUR
            contexts[out + x] = np.int32(min(context, CONTEXTS - 1))


@always_inlined
def keep_row(numbers: Ints, source: Any, sizes: Ints, at: Any, shift: Any, rests: Ints, columns: Any) -> None:
    """Turn one row's numbers into residuals (0, 1, 2, 3, … into 0, -1, 1, -2, …), and note how large they are.

    Sizes get an edge on either side; residuals go where `rests` begin at `source` too, in units of predictions before
    they are rounded, with half a unit to round them. One loop for both: LLVM would unroll a smaller one before it
    could make vectors of it.
    """
    half = (1 << shift) >> 1
    for start in range(0, columns, RUN):
        out, first = Index(at + start), Index(source + start)
        for i in range(RUN):
            x = Index(i)
            number: Any = numbers[first + x]
            sizes[out + x] = np.int32(min(number & _POSITIVE, MAGNITUDE_MAXIMUM))
            residual = np.int32(((number >> 1) & _POSITIVE) ^ -(number & 1))
            rests[first + x] = np.int32((residual << shift) + half)
    sizes[Index(at - 1)] = sizes[Index(at)]
    sizes[Index(at + columns)] = sizes[Index(at + columns - 1)]


@always_inlined
def low_bits(word: Any, count: Any) -> Any:
    """Give the lowest `count` bits of a word."""
    return word & ((Index(1) << count) - Index(1))


@always_inlined
def step_of(slot: Any, address: Any, position: Any) -> Any:
    """Give the state after a slot, the token's extra bits, and the position after both; 8 bytes are read."""
    bits = load_word(address + np.int64(position >> Index(3))) >> (position & Index(7))
    count, both = (slot >> Index(8)) & Index(15), slot & Index(0xFF)
    return (slot >> Index(18)) + low_bits(bits, count), low_bits(bits, both) >> count, position + both
