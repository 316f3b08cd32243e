"""What is significant in a row of quads, and how large it may be: the MEL and VLC streams (T.814 7.3.3 to 7.3.6).

Where a codeword begins is known only once the one before is decoded. That chain is all that matters here, so it has
no branches: events are decoded ahead into bits, one each, and what a quad has no event for is masked away.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..jit import always_inlined, routine
from .bits import load_word
from .high_throughput_tables import (
    CODEWORDS,
    CONTEXT_BITS,
    LENGTH_BITS,
    LONG_U_PAIRS,
    ROW_ENTRIES,
    RUN_BITS,
    RUN_EVENTS,
    RUN_ONE,
    RUN_STATE,
    RUNS,
    U_FIRST_LEAST,
    U_FIRST_SUFFIX,
    U_IS_LONG,
    U_MODE_ENTRIES,
    U_OFFSET,
    U_PAIRS,
    U_SECOND,
    U_SECOND_LEAST,
    U_SECOND_SUFFIX,
    U_TOTAL_BITS,
    U,
)
from .unstuffing import GUARD, Bytes

Words = NDArray[np.int32]
State = NDArray[np.int64]

MAXIMUM_SUFFIX = 4079
VLC_BYTES = MAXIMUM_SUFFIX + 1 + GUARD + 1024
"""Of a block's VLC stream: as many as there can be, and what a row of quads takes at most (30 bits a pair)."""
EVENT_BYTES = 512
"""More than a bit for each quad of a block and each pair of its first row, and those decoded ahead."""
ROW_WORDS = 576
"""Of a row of quads: the most across (512), and lanes beyond."""
(CONTEXTS, QUADS, LEFT_BELOW, RIGHT_BELOW, LENGTHS) = (0, 1, 3, 4, 5)
BLOCK_ROWS = 6
"""Rows of scratch of a block. Of each quad: what the row above adds to its context; its entry, with u, in two rows by
turns; the values below, at left and right, their lowest bit set, or 0 where not significant; and the lengths of its
four values, a byte each. Quads and values have a place before the first."""

_1 = np.uint64(1)
_CODEWORD_BITS, _U_BITS = np.uint64(127), np.uint64(U_MODE_ENTRIES - 1)
_LENGTH_BITS, _CONTEXT_BITS, _U_OFFSET = np.uint64(LENGTH_BITS), np.uint64(CONTEXT_BITS), np.uint64(U_OFFSET)
_BOTH_OFFSETS, _U_MODE_BITS = 3 * U_OFFSET, np.uint64(2)
_U_FIELD, _U_SECOND = np.uint64(63 << U), np.uint64(U_SECOND - U)
_U_TOTAL_BITS, _U_IS_LONG = np.uint64(U_TOTAL_BITS), np.uint64(U_IS_LONG)

(
    END,
    KNOWN,
    EVENT_PLACE,
    EVENT_WORD,
    EVENT_COUNT,
    RUN_TABLE,
    VLC_BITS,
    VLC_POSITION,
    EVENT,
    MAGNITUDE_BITS,
    MAGNITUDE_POSITION,
    PLANE,
    LARGEST,
    STATE_WORDS,
) = range(14)
"""Where a block's cleanup pass stands. MEL: where its bytes end, events known, the next byte, bits taken and their
number, and the part of the table. VLC: bits, bits used, and events used. MagSgn: bits, and bits used. Then the bit
plane coded, and the most bits a value may take."""


@routine
def decode_events(data: Bytes, wanted: Any, events: Bytes, state: State) -> None:
    """Decode MEL codewords until `wanted` events are known, a bit each; `events` has zeros from there on.

    Bytes are taken highest bit first, seven bits from one after FF, and FF for ever after the end (7.1.3).
    """
    known, place, end = state[KNOWN], state[EVENT_PLACE], state[END]
    # The bits to come, and above bit 48 the last byte taken.
    word, count, table = state[EVENT_WORD], state[EVENT_COUNT], state[RUN_TABLE]
    while known < wanted:
        while count < RUN_BITS:
            byte = np.int64(0xFF)
            if place < end:
                byte = np.int64(data[place])
                # The low half of the last byte belongs to the length of this stream and the next.
                if place == end - 1:
                    byte |= 15
            place += 1
            size = 7 if word >> 48 == 0xFF else 8
            word = byte << 48 | (word << size | byte & 0xFF >> 8 - size) & 0xFFFFFFFFFFFF
            count += size
        run = np.int64(RUNS[np.uint64(table + (word >> (count - RUN_BITS) & 63))])
        count -= run & 7
        table = run >> RUN_STATE
        known += run >> RUN_EVENTS & 63
        is_one = run >> RUN_ONE & 1
        events[known >> 3] |= is_one << (known & 7)
        known += is_one
    state[KNOWN], state[EVENT_PLACE] = known, place
    state[EVENT_WORD], state[EVENT_COUNT], state[RUN_TABLE] = word, count, table


@always_inlined
def decode_quad_rows(
    vlc: Bytes, events: Bytes, rows: Words, across: Any, is_first: Any, quads: Any, states: NDArray[np.int64]
) -> None:
    """Decode a row of `across` quads of two blocks into row `quads` of their `rows`.

    All arrays hold what is the first block's, then what is the second one's: at distances known beforehand, so that
    one register serves both.
    """
    kind = np.uint64(0 if is_first else ROW_ENTRIES)
    one, other = states[0], states[1]
    # What has run out goes on with the zeros after its end.
    position_1, event_1, left_1 = min(one[VLC_POSITION], one[VLC_BITS]), one[EVENT], kind
    position_2, event_2, left_2 = min(other[VLC_POSITION], other[VLC_BITS]), other[EVENT], kind
    at = np.int64(quads * ROW_WORDS)
    for x in range(0, across, 2):
        position_1, event_1, left_1 = _decode_pair(
            vlc, events, rows, 0, is_first, kind, at, x, position_1, event_1, left_1
        )
        position_2, event_2, left_2 = _decode_pair(
            vlc, events, rows, 1, is_first, kind, at, x, position_2, event_2, left_2
        )
    one[VLC_POSITION], one[EVENT] = position_1, event_1
    other[VLC_POSITION], other[EVENT] = position_2, event_2


@always_inlined
def _decode_pair(
    vlc: Bytes,
    events: Bytes,
    rows: Words,
    block: Any,
    is_first: Any,
    kind: Any,
    at: Any,
    x: Any,
    position: Any,
    event: Any,
    left: Any,
) -> tuple[Any, Any, Any]:
    """Decode quads `x` and `x + 1`; give the bits and events used by now, and what the next quad's context gets.

    `left` includes `kind`, the part of the table of codewords.
    """
    bits = load_word(vlc, (position >> 3) + block * VLC_BYTES) >> np.uint64(position & 7)
    happened = load_word(events, (event >> 3) + block * EVENT_BYTES) >> np.uint64(event & 7)
    own = block * BLOCK_ROWS * ROW_WORDS

    context = left + np.uint64(rows[np.uint64(x + own + CONTEXTS * ROW_WORDS)])
    is_event = np.uint64(context == kind)
    first = np.uint64(CODEWORDS[context + (bits & _CODEWORD_BITS)])
    first &= (is_event & ~happened) - _1
    happened >>= is_event
    event += np.int64(is_event)
    length = first & _LENGTH_BITS
    bits >>= length
    position += np.int64(length)

    context = kind + (first & _CONTEXT_BITS | np.uint64(rows[np.uint64(x + 1 + own + CONTEXTS * ROW_WORDS)]))
    is_event = np.uint64(context == kind)
    second = np.uint64(CODEWORDS[context + (bits & _CODEWORD_BITS)])
    second &= (is_event & ~happened) - _1
    happened >>= is_event
    event += np.int64(is_event)
    length = second & _LENGTH_BITS
    bits >>= length
    position += np.int64(length)

    mode = first & _U_OFFSET | (second & _U_OFFSET) << _1
    if is_first and mode == _BOTH_OFFSETS:
        mode += _U_OFFSET << (happened & _1 ^ _1)
        event += 1
    pair = np.uint64(U_PAIRS[(mode << _U_MODE_BITS) + (bits & _U_BITS)])
    if pair & _U_IS_LONG:
        pair = _long_pair(mode << _U_MODE_BITS, bits)
    position += np.int64(pair & _U_TOTAL_BITS)
    rows[np.uint64(at + x + 1 + own)] = np.int32(first | pair & _U_FIELD)
    rows[np.uint64(at + x + 2 + own)] = np.int32(second | pair >> _U_SECOND & _U_FIELD)
    return position, event, kind + (second & _CONTEXT_BITS)


@routine
def _long_pair(mode: Any, bits: Any) -> Any:
    """Give a pair of u, at least one of which has a long suffix, in the form of `U_PAIRS`."""
    pair = np.int64(LONG_U_PAIRS[mode + (bits & _U_BITS)])
    prefixes, one, other = pair & 7, pair >> U_FIRST_SUFFIX & 7, pair >> U_SECOND_SUFFIX & 7
    rest = np.int64(bits & np.uint64(0xFFFFFF)) >> prefixes
    first = (pair >> U_FIRST_LEAST & 15) + (rest & ((1 << one) - 1))
    second = (pair >> U_SECOND_LEAST & 15) + (rest >> one & ((1 << other) - 1))
    return np.uint64(prefixes + one + other | first << U | second << U_SECOND)
