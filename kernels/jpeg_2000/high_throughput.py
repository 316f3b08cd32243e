"""The cleanup pass of the high-throughput block coder (T.814 clause 7).

Quads of 2 x 2 coefficients are decoded a row at a time, in two steps. The first takes from the MEL and VLC streams what
is significant and how large it may be; the second takes magnitudes and signs from the MagSgn stream. The first waits
for itself, the second has work for every lane, so that a processor does both at once. Two blocks are decoded
side by side, for while one waits the other need not. Within a quad the order is: left above, left below, right above,
right below. Values are kept as magnitude with one fraction bit, the sign in bit 31, rows `value_pitch` apart.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..jit import always_inlined, routine
from ..lanes import LANES
from .high_throughput_quads import (
    BLOCK_ROWS,
    CONTEXTS,
    END,
    EVENT,
    EVENT_BYTES,
    EVENT_PLACE,
    LARGEST,
    LEFT_BELOW,
    LENGTHS,
    MAGNITUDE_BITS,
    MAGNITUDE_POSITION,
    MAXIMUM_SUFFIX,
    PLANE,
    QUADS,
    RIGHT_BELOW,
    ROW_WORDS,
    VLC_BITS,
    VLC_BYTES,
    State,
    decode_events,
    decode_quad_rows,
)
from .high_throughput_tables import NO_QUAD
from .high_throughput_values import decode_value_row, find_contexts, find_lengths
from .unstuffing import GUARD, Bytes, unstuff_backward, unstuff_forward

Values = NDArray[np.int32]


@always_inlined
def value_pitch(width: Any) -> Any:
    """Give the words from row to row of a block's values: whole lanes of quads."""
    return (width + 2 * LANES - 1) & -(2 * LANES)


@routine
def _start(data: Bytes, length: Any, across: Any, vlc: Bytes, magnitudes: Bytes, state: State) -> Any:
    """Unstuff the streams of the cleanup pass in `data[:length]`; say whether they can be there."""
    if length < 2:
        return False
    suffix = np.int64(data[length - 1]) << 4 | np.int64(data[length - 2] & 15)
    if suffix < 2 or suffix > length or suffix > MAXIMUM_SUFFIX:
        return False
    start, last = length - suffix, np.int64(data[length - 2])
    # The four low bits of this byte belong to the length; the stream's first bits are the high ones.
    high = last >> 4
    taken = np.int64(3 if high & 7 == 7 else 4)
    high &= (1 << taken) - 1
    state[:PLANE] = 0
    vlc_length = unstuff_backward(data, start, length - 2, np.uint64(high), taken, last | 15 > 0x8F, vlc)
    vlc[vlc_length : vlc_length + across * 2 + GUARD] = 0
    state[VLC_BITS] = 8 * vlc_length
    state[MAGNITUDE_BITS] = 8 * unstuff_forward(data, 0, start, magnitudes, np.uint64(0xFFFFFFFFFFFFFFFF))
    state[EVENT_PLACE], state[END] = start, length - 1
    return True


@routine
def decode_cleanups(
    blocks: Any,
    data: NDArray[np.uint8],
    lengths: NDArray[np.int64],
    width: Any,
    height: Any,
    states: NDArray[np.int64],
    rows: Values,
    events: Bytes,
    vlc: Bytes,
    magnitudes: NDArray[np.uint8],
    values: NDArray[np.int32],
) -> Any:
    """Decode the cleanup passes in `data[0, : lengths[0]]` and, if `blocks` is 2, `data[1, : lengths[1]]`.

    Both blocks are of one size. Their states give the bit plane coded, and the most bits a value may take, 31 or fewer.
    Gives the number of the block that cannot be right, or -1. `values` is written for whole lanes of quads. The other
    arrays are scratch.
    """
    across, down, pitch = (width + 1) >> 1, (height + 1) >> 1, value_pitch(width)
    # Where there is no second block, one without significance is decoded, which costs little time: the first one waits.
    states[1, :PLANE], vlc[VLC_BYTES : VLC_BYTES + across * 2 + GUARD] = 0, 0
    for block in range(blocks):
        own = vlc[block * VLC_BYTES : (block + 1) * VLC_BYTES]
        if not _start(data[block], lengths[block], across, own, magnitudes[block], states[block]):
            return block
    events[:] = 0
    for block in range(2):
        for row in range(BLOCK_ROWS):
            _row(rows, block, row)[: across + 2 * LANES] = 0
        for row in (QUADS, QUADS + 1):
            rows[(block * BLOCK_ROWS + row) * ROW_WORDS + across + 1] = NO_QUAD
        find_contexts(across, _row(rows, block, QUADS), _row(rows, block, CONTEXTS))
    # Values are a row behind: what was stored by words a moment ago could not be loaded as lanes at once.
    for y in range(down + 1):
        if y < down:
            quads = QUADS + (y & 1)
            for block in range(blocks):
                # A quad takes an event at most, and in the first row a pair one more.
                wanted = states[block, EVENT] + (across if y else 2 * across)
                own = events[block * EVENT_BYTES : (block + 1) * EVENT_BYTES]
                decode_events(data[block], wanted, own, states[block])
            decode_quad_rows(vlc, events, rows, across, y == 0, quads, states)
            for block in range(blocks):
                find_contexts(across, _row(rows, block, quads), _row(rows, block, CONTEXTS))
        if y > 0:
            quads = QUADS + (y + 1 & 1)
            for block in range(blocks):
                state, own_quads, own_lengths = states[block], _row(rows, block, quads), _row(rows, block, LENGTHS)
                left_below, right_below = _row(rows, block, LEFT_BELOW), _row(rows, block, RIGHT_BELOW)
                most = find_lengths(across, own_quads, left_below, right_below, own_lengths)
                if most > state[LARGEST]:
                    return block
                state[MAGNITUDE_POSITION] = decode_value_row(
                    magnitudes[block],
                    state[MAGNITUDE_BITS],
                    across,
                    most,
                    state[PLANE],
                    own_quads,
                    left_below,
                    right_below,
                    own_lengths,
                    state[MAGNITUDE_POSITION],
                    values[block],
                    2 * (y - 1) * pitch,
                    pitch,
                )
    return -1


@always_inlined
def _row(rows: Values, block: Any, row: Any) -> Any:
    start = (block * BLOCK_ROWS + row) * ROW_WORDS
    return rows[start : start + ROW_WORDS]
