"""The cleanup pass of the high-throughput block coder (T.814 clause 7).

Quads of 2 x 2 coefficients are decoded a row at a time, in two steps. The first takes from the MEL and VLC streams what
is significant and how large it may be; the second takes magnitudes and signs from the MagSgn stream. The first waits
for itself, the second has work for every lane, so that a processor does both at once. Within a quad the order is: left
above, left below, right above, right below. Values are kept as magnitude with one fraction bit, the sign in bit 31, rows
`value_pitch` apart.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..jit import inlined, kernel
from ..lanes import LANES
from .high_throughput_quads import (
    END,
    EVENT,
    EVENT_PLACE,
    LARGEST,
    MAGNITUDE_BITS,
    PLANE,
    POSITION,
    VLC_LENGTH,
    State,
    decode_events,
    decode_quad_rows,
)
from .high_throughput_values import decode_value_row, find_lengths
from .unstuffing import GUARD, Bytes, unstuff_backward, unstuff_forward

Values = NDArray[np.int32]

MAXIMUM_SUFFIX = 4079
EVENT_BYTES = 512
"""More than a bit for each quad of a block and each pair of its first row, and those decoded ahead."""
QUADS, ROWS, ROW_WORDS = 3, 5, 576
"""Rows of scratch: those of `find_lengths`, then two of quads, of the most across (512) and lanes beyond."""


@inlined
def value_pitch(width: Any) -> Any:
    """Give the words from row to row of a block's values: whole lanes of quads."""
    return (width + 2 * LANES - 1) & -(2 * LANES)


@inlined
def _start(data: Bytes, length: Any, vlc: Bytes, magnitudes: Bytes, state: State) -> Any:
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
    state[VLC_LENGTH] = unstuff_backward(data, start, length - 2, np.uint64(high), taken, last | 15 > 0x8F, vlc)
    state[MAGNITUDE_BITS] = 8 * unstuff_forward(data, 0, start, magnitudes, np.uint64(0xFFFFFFFFFFFFFFFF))
    state[EVENT_PLACE], state[END] = start, length - 1
    return True


@kernel
def decode_cleanups(
    blocks: int,
    data: NDArray[np.uint8],
    lengths: NDArray[np.int64],
    width: int,
    height: int,
    states: NDArray[np.int64],
    rows: NDArray[np.int32],
    events: NDArray[np.uint8],
    vlc: NDArray[np.uint8],
    magnitudes: NDArray[np.uint8],
    values: NDArray[np.int32],
) -> Any:
    """Decode the cleanup passes in `data[0, : lengths[0]]` and, if `blocks` is 2, `data[1, : lengths[1]]`.

    Both blocks are of one size. Their states give the bit plane coded, and the most bits a value may take, 31 or fewer.
    Gives the number of the block that cannot be right, or -1. `values` is written for whole lanes of quads. The other
    arrays are scratch; `vlc` and `magnitudes` take the bytes of a stream and its guard.
    """
    across, down, pitch = (width + 1) >> 1, (height + 1) >> 1, value_pitch(width)
    # Where there is no second block, one without significance is decoded, which costs no time: the first one waits.
    states[1, :PLANE], vlc[1, :GUARD] = 0, 0
    for block in range(blocks):
        if not _start(data[block], lengths[block], vlc[block], magnitudes[block], states[block]):
            return block
    rows[:, :, : across + 2 * LANES] = 0
    events[:] = 0
    # Values are a row behind: what was stored by words a moment ago could not be loaded as lanes at once.
    for y in range(down + 1):
        above, quads = rows[:, QUADS + (y + 1 & 1)], rows[:, QUADS + (y & 1)]
        if y < down:
            for block in range(blocks):
                # A quad takes an event at most, and in the first row a pair one more.
                wanted = states[block, EVENT] + (across if y else 2 * across)
                decode_events(data[block], wanted, events[block], states[block])
            decode_quad_rows(vlc, across, y == 0, above, quads, events, states)
        if y > 0:
            for block in range(blocks):
                state = states[block]
                most = find_lengths(across, above[block], rows[block])
                if most > state[LARGEST]:
                    return block
                state[POSITION] = decode_value_row(
                    magnitudes[block],
                    state[MAGNITUDE_BITS],
                    across,
                    most,
                    state[PLANE],
                    above[block],
                    rows[block],
                    state[POSITION],
                    values[block],
                    2 * (y - 1) * pitch,
                    pitch,
                )
    return -1
