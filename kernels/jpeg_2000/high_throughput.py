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
from .high_throughput_quads import decode_events, decode_quad_row
from .high_throughput_values import decode_value_row, find_lengths
from .unstuffing import Bytes, unstuff_backward, unstuff_forward

Values = NDArray[np.int32]

MAXIMUM_SUFFIX = 4079
EVENT_BYTES = 512
"""More than a bit for each quad of a block and each pair of its first row, and those decoded ahead."""
QUADS, ROWS, ROW_WORDS = 3, 5, 576
"""Rows of scratch for `decode_cleanup`: of the most quads across (512), and lanes beyond."""


@inlined
def value_pitch(width: Any) -> Any:
    """Give the words from row to row of a block's values: whole lanes of quads."""
    return (width + 2 * LANES - 1) & -(2 * LANES)


@kernel
def decode_cleanup(
    data: Bytes,
    length: int,
    width: int,
    height: int,
    plane: int,
    largest: int,
    rows: Values,
    events: Bytes,
    values: Values,
    pitch: int,
    vlc: Bytes,
    magnitudes: Bytes,
) -> Any:
    """Decode the cleanup pass in `data[:length]`; say whether it can be right.

    `plane` is the bit plane it codes, `largest` the most bits a value may take, 31 or fewer. `values` is written for
    whole lanes of quads. The other arrays are scratch; `vlc` and `magnitudes` take the bytes of a stream and its guard.
    """
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
    vlc_length = unstuff_backward(data, start, length - 2, np.uint64(high), taken, last | 15 > 0x8F, vlc)
    magnitude_length = unstuff_forward(data, 0, start, magnitudes, np.uint64(0xFFFFFFFFFFFFFFFF))

    across, down = (width + 1) >> 1, (height + 1) >> 1
    rows[:, : across + 2 * LANES] = 0
    events[:] = 0
    known, mel, word, unread, state = np.int64(0), start, np.int64(0), np.int64(0), np.int64(0)
    event, place, bits, count = np.int64(0), np.int64(0), np.uint64(0), np.uint64(0)
    position = np.int64(0)
    # Values are a row behind: what was stored by words a moment ago could not be loaded as lanes at once.
    for y in range(down + 1):
        above, quads = rows[QUADS + (y + 1 & 1)], rows[QUADS + (y & 1)]
        if y < down:
            # A quad takes an event at most, and in the first row a pair one more.
            wanted = event + (across if y else 2 * across)
            known, mel, word, unread, state = decode_events(
                data, length - 1, wanted, events, known, mel, word, unread, state
            )
            event, place, bits, count = decode_quad_row(
                vlc, vlc_length, across, y == 0, above, quads, events, event, place, bits, count
            )
        if y > 0:
            most = find_lengths(across, above, rows)
            if most > largest:
                return False
            position = decode_value_row(
                magnitudes, 8 * magnitude_length, across, most, plane, above, rows, position, values,
                2 * (y - 1) * pitch, pitch
            )
    return True
