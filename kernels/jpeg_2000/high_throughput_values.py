"""Magnitudes and signs of a row of quads, from the MagSgn stream (T.814 7.3.7, 7.3.8), sixteen quads at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..jit import always_inlined
from ..lanes import (
    LANES,
    all_lanes,
    larger_lanes,
    largest_lane,
    last_lane,
    leading_zeros_of_lanes,
    load_bits,
    load_lanes,
    running_sum,
    smaller_lanes,
    store_lanes,
    store_woven,
)
from .high_throughput_tables import FIRST_BITS, KNOWN_BITS, NO_QUAD, RHO, U
from .unstuffing import Bytes

Rows = NDArray[np.int32]

_BYTES = 0x01010101
_SPREAD = 0x00204081
"""Times four bits: these bits, lowest first, as the lowest of four bytes (and more, to be masked)."""
_MOST_OF_FOUR = 14
"""Four values of as many bits are among the 57 that one load gives."""


@always_inlined
def find_contexts(across: Any, quads: Rows, contexts: Rows) -> None:
    """Find what a row of quads adds to the contexts of the next row (7.3.5)."""
    for x in range(0, across + 1, LANES):
        corner, upper, right = load_lanes(quads, x), load_lanes(quads, x + 1), load_lanes(quads, x + 2)
        # The values below, and of the quad above, whether there is none.
        context = corner >> (RHO + 3 - 7) & 0x80 | upper >> (RHO + 1 - 7) & (0x280 | NO_QUAD >> (RHO + 1 - 7))
        store_lanes(contexts, x, context | right >> (RHO + 1 - 9) & 0x200)


@always_inlined
def find_lengths(across: Any, quads: Rows, left_below: Rows, right_below: Rows, lengths: Rows) -> Any:
    """Find how many bits each value of a row of quads takes (7.3.7); give the most for a value, first bits included."""
    none = all_lanes(0)
    most = none
    for x in range(0, across, LANES):
        quad = load_lanes(quads, x + 1)
        rho = quad >> RHO & 15
        near = load_lanes(right_below, x) | load_lanes(left_below, x + 1)
        near = near | load_lanes(right_below, x + 1) | load_lanes(left_below, x + 2)
        # An exponent is predicted only where more than one value is significant.
        near = near & ((none - (rho & (rho - 1))) >> 31) | 2
        size = all_lanes(31) - leading_zeros_of_lanes(near) + (quad >> U & 63)
        size = size & ((none - rho) >> 31)
        most = larger_lanes(most, size)
        known = (quad >> KNOWN_BITS & 15) * _SPREAD & _BYTES
        store_lanes(lengths, x, (size * _BYTES - known) & ((rho * _SPREAD & _BYTES) * 255))
    return largest_lane(most)


@always_inlined
def decode_value_row(
    stream: Bytes,
    stream_bits: Any,
    across: Any,
    most: Any,
    plane: Any,
    quads: Rows,
    left_below: Rows,
    right_below: Rows,
    lengths: Rows,
    position: Any,
    values: Rows,
    at: Any,
    pitch: Any,
) -> Any:
    """Decode two rows of `values`, from `values[at]` on, that take `most` bits each; give the bit position after.

    Sixteen positions are known at once, as a running sum of lengths; none is read beyond `stream_bits`.
    """
    end, none = all_lanes(stream_bits), all_lanes(0)
    for x in range(0, across, LANES):
        quad, size = load_lanes(quads, x + 1), load_lanes(lengths, x)
        size_0, size_1, size_2, size_3 = size & 0xFF, size >> 8 & 0xFF, size >> 16 & 0xFF, size >> 24 & 0xFF
        total = size_0 + size_1 + size_2 + size_3
        sums = running_sum(total)
        place_0 = sums - total + position
        position += last_lane(sums)
        bits_0, bits_2 = load_bits(stream, smaller_lanes(place_0, end), size_0 + size_1)
        if most <= _MOST_OF_FOUR:
            bits_1, bits_3 = bits_0 >> size_0, bits_2 >> size_2
        else:
            place_1 = place_0 + size_0
            place_2 = place_1 + size_1
            bits_1, _ = load_bits(stream, smaller_lanes(place_1, end), none)
            bits_2, _ = load_bits(stream, smaller_lanes(place_2, end), none)
            bits_3, _ = load_bits(stream, smaller_lanes(place_2 + size_2, end), none)
        value_0, _ = _values(quad, size_0, 0, bits_0, plane)
        value_1, below = _values(quad, size_1, 1, bits_1, plane)
        store_lanes(left_below, x + 1, below)
        value_2, _ = _values(quad, size_2, 2, bits_2, plane)
        value_3, below = _values(quad, size_3, 3, bits_3, plane)
        store_lanes(right_below, x + 1, below)
        store_woven(values, at + 2 * x, value_0, value_2)
        store_woven(values, at + pitch + 2 * x, value_1, value_3)
    return position


@always_inlined
def _values(quad: Any, length: Any, sample: Any, bits: Any, plane: Any) -> tuple[Any, Any]:
    """Give samples of quads as they are kept, and twice (magnitude - 1) plus 1; both 0 where not significant."""
    value = bits & ((all_lanes(1) << length) - 1) | (quad >> (FIRST_BITS + sample) & 1) << length
    is_there = quad << (31 - RHO - sample) >> 31
    below = value | 1
    return (below + 2 << plane | value << 31) & is_there, below & is_there
