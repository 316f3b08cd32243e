"""What is significant in a row of quads, and how large it may be: the MEL and VLC streams (T.814 7.3.3 to 7.3.6).

Where a codeword begins is known only once the one before is decoded. That chain is all that matters here, so it has
no branches: events are decoded ahead into bits, one each, and what a quad has no event for is masked away.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..jit import always_inlined
from .bits import load_word
from .high_throughput_tables import (
    CODEWORDS,
    CONTEXT_BITS,
    LENGTH_BITS,
    RHO,
    ROW_ENTRIES,
    RUN_BITS,
    RUN_EVENTS,
    RUN_ONE,
    RUN_STATE,
    RUNS,
    U_FIRST,
    U_FIRST_SUFFIX,
    U_MODE_ENTRIES,
    U_OFFSET,
    U_PAIRS,
    U_SECOND,
    U_SECOND_SUFFIX,
    U_TOTAL,
    U,
)
from .unstuffing import Bytes

Words = NDArray[np.int32]
State = NDArray[np.int64]

(
    END, KNOWN, EVENT_PLACE, EVENT_WORD, EVENT_COUNT, RUN_TABLE,
    VLC_LENGTH, EVENT, PLACE, BITS, COUNT,
    MAGNITUDE_BITS, POSITION, PLANE, LARGEST, STATE_WORDS,
) = range(16)
"""Where a block's cleanup pass stands. MEL: where its bytes end, events known, the next byte, bits taken and their
number, and the part of the table. VLC: bytes, events used, the next byte, bits taken and their number. MagSgn: bits, and
bits used. Then the bit plane coded, and the most bits a value may take."""

_0, _1, _3, _7, _15, _63 = (np.uint64(number) for number in (0, 1, 3, 7, 15, 63))
_REFILLED = np.uint64(56)
_CODEWORD_BITS, _U_BITS = np.uint64(127), np.uint64(63)
_LENGTH_BITS, _CONTEXT_BITS, _U_OFFSET = np.uint64(LENGTH_BITS), np.uint64(CONTEXT_BITS), np.uint64(U_OFFSET)
_BOTH_OFFSETS = np.uint64(3 * U_OFFSET)
_CORNER, _UPPER, _RIGHT = np.uint64(RHO + 3 - 7), np.uint64(RHO + 1 - 7), np.uint64(RHO + 1 - 9)
_BIT_7, _BITS_7_9, _BIT_9 = np.uint64(0x80), np.uint64(0x280), np.uint64(0x200)
_U_MODE = np.uint64(U_MODE_ENTRIES)
_U = np.uint64(U)
_U_FIRST_SUFFIX, _U_SECOND_SUFFIX = np.uint64(U_FIRST_SUFFIX), np.uint64(U_SECOND_SUFFIX)
_U_FIRST, _U_SECOND, _U_TOTAL = np.uint64(U_FIRST), np.uint64(U_SECOND), np.uint64(U_TOTAL)


@always_inlined
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
    streams: NDArray[np.uint8],
    across: Any,
    is_first: Any,
    above: NDArray[np.int32],
    quads: NDArray[np.int32],
    events: NDArray[np.uint8],
    states: NDArray[np.int64],
) -> None:
    """Decode a row of `across` quads of two blocks, into `quads[:, 1:]`; `above` are the rows above, zeros for none."""
    kind = np.uint64(0 if is_first else ROW_ENTRIES)
    one, other = states[0], states[1]
    above_1, quads_1, stream_1, events_1, length_1 = above[0], quads[0], streams[0], events[0], one[VLC_LENGTH]
    above_2, quads_2, stream_2, events_2, length_2 = above[1], quads[1], streams[1], events[1], other[VLC_LENGTH]
    event_1, place_1, bits_1, count_1 = one[EVENT], one[PLACE], np.uint64(one[BITS]), np.uint64(one[COUNT])
    event_2, place_2, bits_2, count_2 = other[EVENT], other[PLACE], np.uint64(other[BITS]), np.uint64(other[COUNT])
    left_1, corner_1, upper_1 = _0, _0, np.uint64(above_1[1])
    left_2, corner_2, upper_2 = _0, _0, np.uint64(above_2[1])
    for x in range(0, across, 2):
        event_1, place_1, bits_1, count_1, left_1, corner_1, upper_1 = _decode_pair(
            stream_1, length_1, across, is_first, kind, above_1, quads_1, events_1, x,
            event_1, place_1, bits_1, count_1, left_1, corner_1, upper_1,
        )
        event_2, place_2, bits_2, count_2, left_2, corner_2, upper_2 = _decode_pair(
            stream_2, length_2, across, is_first, kind, above_2, quads_2, events_2, x,
            event_2, place_2, bits_2, count_2, left_2, corner_2, upper_2,
        )
    one[EVENT], one[PLACE], one[BITS], one[COUNT] = event_1, place_1, np.int64(bits_1), np.int64(count_1)
    other[EVENT], other[PLACE], other[BITS], other[COUNT] = event_2, place_2, np.int64(bits_2), np.int64(count_2)


@always_inlined
def _from_above(corner: Any, upper: Any, right: Any) -> Any:
    """Give what the row above adds to a quad's context (7.3.5)."""
    return corner >> _CORNER & _BIT_7 | upper >> _UPPER & _BITS_7_9 | right >> _RIGHT & _BIT_9


@always_inlined
def _decode_pair(
    stream: Bytes,
    length: Any,
    across: Any,
    is_first: Any,
    kind: Any,
    above: Words,
    quads: Words,
    events: Bytes,
    x: Any,
    event: Any,
    place: Any,
    bits: Any,
    count: Any,
    left: Any,
    corner: Any,
    upper: Any,
) -> tuple[Any, Any, Any, Any, Any, Any, Any]:
    """Decode quads `x` and `x + 1`, of which the second may be none; give what changes: `event` and all after it.

    `bits` are `count` bits of the VLC stream, and more of which `count` knows nothing; at byte `place` of the stream
    they go on. A pair takes 30 bits at most.
    """
    bits |= load_word(stream, place) << count
    place = min(place + np.int64((_63 - count) >> _3), length)
    count |= _REFILLED
    happened = load_word(events, event >> 3) >> np.uint64(event & 7)

    before, right = upper, np.uint64(above[np.uint64(x + 2)])
    context = left | _from_above(corner, upper, right)
    is_event = np.uint64(context == _0)
    first = np.uint64(CODEWORDS[kind + context + (bits & _CODEWORD_BITS)])
    first &= (is_event & ~happened) - _1
    happened >>= is_event
    event += np.int64(is_event)
    bits >>= first & _LENGTH_BITS
    count -= first & _LENGTH_BITS

    corner, upper = right, np.uint64(above[np.uint64(x + 3)])
    context = first & _CONTEXT_BITS | _from_above(before, corner, upper)
    is_there = np.uint64(x + 1 < across)
    is_event = np.uint64(context == _0) & is_there
    second = np.uint64(CODEWORDS[kind + context + (bits & _CODEWORD_BITS)])
    second &= (is_event & ~happened | (is_there ^ _1)) - _1
    happened >>= is_event
    event += np.int64(is_event)
    bits >>= second & _LENGTH_BITS
    count -= second & _LENGTH_BITS
    left = second & _CONTEXT_BITS

    mode = first & _U_OFFSET | (second & _U_OFFSET) << _1
    if is_first and mode == _BOTH_OFFSETS:
        mode += _U_MODE << (happened & _1 ^ _1)
        event += 1
    pair = np.uint64(U_PAIRS[mode + (bits & _U_BITS)])
    rest = bits >> (pair & _7)
    suffix = pair >> _U_FIRST_SUFFIX & _7
    first |= ((pair >> _U_FIRST & _15) + (rest & ((_1 << suffix) - _1))) << _U
    rest >>= suffix
    suffix = pair >> _U_SECOND_SUFFIX & _7
    second |= ((pair >> _U_SECOND & _15) + (rest & ((_1 << suffix) - _1))) << _U
    bits >>= pair >> _U_TOTAL
    count -= pair >> _U_TOTAL
    quads[np.uint64(x + 1)] = np.int32(first)
    quads[np.uint64(x + 2)] = np.int32(second)
    return event, place, bits, count, left, corner, upper
