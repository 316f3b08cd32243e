"""The three coding passes of a bit plane (T.800 D.3), over flags words (see `contexts`) and magnitudes.

Magnitudes lie as the passes visit them, column by column of each stripe of four rows, and have one fraction bit: a
coefficient is kept in the middle of what it may still be. Arrays of flags have a border of one word on each side.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..jit import always_inlined, routine
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
from .mq import MAGNITUDE, RUN, UNIFORM, Coder, Decoder, Integers, decode, decode_skewed, resume, suspend

Bytes = NDArray[np.uint8]


class Canvas(NamedTuple):
    """What the passes of one code block work on."""

    flags: Integers
    magnitudes: NDArray[np.int32]
    listed: NDArray[np.int32]
    """Room for one number a coefficient."""
    width: Any
    height: Any
    orientation: Any
    """Of the band: 0 LL, 1 HL, 2 LH, 3 HH."""
    above: Any
    """Mask of what the stripe above may be told of: all, or nothing where contexts are vertically causal."""


@always_inlined
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


@always_inlined
def _rows_from(top: Any, height: Any) -> Any:
    """Give the rows that the stripe from row `top` on has."""
    return ROWS & ((1 << 3 * min(4, height - top)) - 1)


@always_inlined
def _near_rows(word: Any) -> Any:
    """Give the rows of a column that have a significant neighbour."""
    across = word | word >> 1 | word >> 2
    return (across | across >> 6 | word >> 3 | word >> 5) & ROWS


@always_inlined
def _row_of(shift: Any) -> Any:
    """Give a third of 0, 3, 6 or 9."""
    return shift * 11 >> 5


@always_inlined
def _decode_sign(decoder: Decoder, near: Any) -> tuple[Any, Decoder]:
    """Decode the sign of a neighbourhood's coefficient (T.800 D.3.2); give significance and sign, and the decoder."""
    lookup = SIGN_CONTEXTS[np.uint64((near & 0xAA) | (near >> (SIGNS + 1) & 0x55))]
    bit, decoder = decode(decoder, np.uint64(lookup & 31))
    return 1 | (bit ^ np.int64(lookup >> 5)) << SIGNS, decoder


@routine
def significance_pass(canvas: Canvas, value: Any, scratch: Bytes, coder: Coder) -> None:
    """Code what is not significant but has significant neighbours (T.800 D.3.1)."""
    flags, magnitudes, width, height = canvas.flags, canvas.magnitudes, canvas.width, canvas.height
    contexts = ZERO_CONTEXTS[512 * canvas.orientation : 512 * canvas.orientation + 512]
    decoder = resume(scratch, coder)
    pitch = np.uint64(width + 2)
    for top in range(0, height, 4):
        rows = _rows_from(top, height)
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
                bit, decoder = decode(decoder, np.uint64(contexts[np.uint64(near & AROUND)]))
                if bit:
                    sign, decoder = _decode_sign(decoder, near)
                    magnitudes[np.uint64(place + _row_of(shift))] = value
                    word |= sign << shift + 4
                    members |= absent & 8 << shift
                word |= VISITED << shift
            flags[at] = word
            if (word ^ before) & OWN:
                spread(flags, at, pitch, word, canvas.above)
    suspend(decoder, coder)


@routine
def refinement_pass(canvas: Canvas, half: Any, scratch: Bytes, coder: Coder) -> None:
    """Code one more bit of what was significant before this bit plane (T.800 D.3.3).

    Which coefficients these are is known beforehand: they are listed first, so that decoding never waits for a branch.
    """
    magnitudes, listed = canvas.magnitudes, canvas.listed
    decoder = resume(scratch, coder)
    for number in range(list_refined(canvas)):
        entry = listed[np.uint64(number)]
        bit, decoder = decode(decoder, np.uint64(MAGNITUDE + (entry & 3)))
        magnitudes[np.uint64(entry >> 2)] += half if bit else -half
    suspend(decoder, coder)


@always_inlined
def list_refined(canvas: Canvas) -> Any:
    """List 4 * place + context of each coefficient to be refined, mark it; give how many there are."""
    flags, listed, width = canvas.flags, canvas.listed, canvas.width
    count = np.int64(0)
    pitch = np.uint64(width + 2)
    for top in range(0, canvas.height, 4):
        at = pitch * np.uint64((top >> 2) + 1)
        for column in range(width):
            at += np.uint64(1)
            word = flags[at]
            members = word >> 4 & ~(word >> 18) & ROWS
            if members == 0:
                continue
            place = top * width + 4 * column
            flags[at] = word | members * REFINED
            for row in range(4):
                # Every row is written, and only stays where it is a member: no branch.
                near = word >> 3 * row
                context = 2 if near & REFINED else 1 if near & AROUND else 0
                listed[np.uint64(count)] = (place + row) << 2 | context
                count += members >> 3 * row & 1
    return count


@routine
def cleanup_pass(canvas: Canvas, value: Any, scratch: Bytes, coder: Coder) -> None:
    """Code all that the other passes left, empty columns as runs (T.800 D.3.4)."""
    flags, magnitudes, width, height = canvas.flags, canvas.magnitudes, canvas.width, canvas.height
    contexts = ZERO_CONTEXTS[512 * canvas.orientation : 512 * canvas.orientation + 512]
    decoder = resume(scratch, coder)
    pitch = np.uint64(width + 2)
    for top in range(0, height, 4):
        rows = _rows_from(top, height)
        at = pitch * np.uint64((top >> 2) + 1)
        for column in range(width):
            at += np.uint64(1)
            word = flags[at]
            before = word
            first, is_run = np.int64(0), False
            if word == 0 and rows == ROWS:
                bit, decoder = decode_skewed(decoder, np.uint64(RUN))
                if bit == 0:
                    continue
                is_run = True
                high, decoder = decode(decoder, np.uint64(UNIFORM))
                low, decoder = decode(decoder, np.uint64(UNIFORM))
                first = high << 1 | low
            members = ~(word >> 4 | word >> 18) & rows & -1 << 3 * first
            place = top * width + 4 * column
            while members:
                shift = trailing_zeros(members)
                members &= members - 1
                near = word >> shift
                bit = np.int64(1)
                if not is_run:
                    bit, decoder = decode(decoder, np.uint64(contexts[np.uint64(near & AROUND)]))
                is_run = False
                if bit:
                    sign, decoder = _decode_sign(decoder, near)
                    magnitudes[np.uint64(place + _row_of(shift))] = value
                    word |= sign << shift + 4
            flags[at] = word & ~VISITED_ALL
            if (word ^ before) & OWN:
                spread(flags, at, pitch, word, canvas.above)
    suspend(decoder, coder)


@routine
def is_segmentation_symbol(scratch: Bytes, coder: Coder) -> Any:
    """Read the segmentation symbol after a cleanup pass; say whether it is 1010 (T.800 D.5)."""
    decoder = resume(scratch, coder)
    symbol = np.int64(0)
    for _ in range(4):
        bit, decoder = decode(decoder, np.uint64(UNIFORM))
        symbol = symbol << 1 | bit
    suspend(decoder, coder)
    return symbol == 0xA
