"""The cleanup pass of the high-throughput block coder (T.814 clause 7).

Quads of 2 x 2 coefficients are decoded in two sweeps. The first takes from the MEL and VLC streams what is
significant and how large it may be; the second takes magnitudes and signs from the MagSgn stream. Within a quad the
order is: left above, left below, right above, right below. Values are kept as magnitude with one fraction bit, the
sign in bit 31, rows `pitch` apart.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..jit import inlined, kernel
from .bits import leading_zeros, load_word
from .high_throughput_tables import (
    CODEWORDS,
    FIRST_BITS,
    KNOWN_BITS,
    LENGTH_BITS,
    RHO,
    ROW_ENTRIES,
    RUN_EXPONENTS,
    U_OFFSET,
    U_PAIR_ENTRIES,
    U_PAIRS,
    U_VALUE,
)
from .unstuffing import Bytes, unstuff_backward, unstuff_forward

Values = NDArray[np.int32]

MAXIMUM_SUFFIX = 4079
_LAST_STATE = 12
_SIGN = 1 << 31


@inlined
def _load_bits(stream: Bytes, position: Any, length: Any) -> Any:
    """Give the next bits, at least 57, of a stream of `length` bytes and its guard."""
    word = load_word(stream, min(position >> 3, length))
    return np.int64(word >> np.uint64(position & 7))


@kernel
def decode_cleanup(
    data: Bytes,
    start: int,
    length: int,
    width: int,
    height: int,
    plane: int,
    largest: int,
    quads: Values,
    values: Values,
    pitch: int,
    stream: Bytes,
) -> Any:
    """Decode the cleanup pass in `data[start : start + length]`; say whether it can be right.

    `plane` is the bit plane it codes, `largest` the most bits a value may take. `values` is written for whole quads.
    """
    if length < 2:
        return False
    end = start + length
    suffix = np.int64(data[end - 1]) << 4 | np.int64(data[end - 2] & 15)
    if suffix < 2 or suffix > length or suffix > MAXIMUM_SUFFIX:
        return False
    last = np.int64(data[end - 2])
    # The four low bits of this byte belong to the length; the stream's first bits are the high ones.
    high = last >> 4
    count = 3 if high & 7 == 7 else 4
    taken = unstuff_backward(
        data, end - suffix, end - 2, np.uint64(high & ((1 << count) - 1)), count, last | 15 > 0x8F, stream
    )
    _decode_quads(data, end - suffix, end - 1, stream, taken, width, height, quads)
    taken = unstuff_forward(data, start, end - suffix, stream, np.uint64(0xFFFFFFFFFFFFFFFF))
    return _decode_values(stream, taken, width, height, plane, largest, quads, values, pitch)


@inlined
def _refill_events(
    data: Bytes, position: Any, end: Any, word: Any, count: Any, former: Any
) -> tuple[Any, Any, Any, Any]:
    """Append bytes of the MEL stream, highest bit first, until six bits and more are there (T.814 7.1.3)."""
    while count <= 40:
        byte = np.int64(0xFF)
        if position < end:
            byte = np.int64(data[np.uint64(position)])
            if position == end - 1:
                byte |= 15
            position += 1
        is_stuffed = former == 0xFF
        word = word << 7 | byte & 0x7F if is_stuffed else word << 8 | byte
        count += 7 if is_stuffed else 8
        former = byte
    return position, word, count, former


@inlined
def _next_run(word: Any, count: Any, state: Any) -> tuple[Any, Any, Any, Any, Any]:
    """Decode one MEL codeword (T.814 7.3.3): give bits left, state, events 0, and whether an event 1 follows."""
    exponent = RUN_EXPONENTS[np.uint64(state)]
    count -= 1
    if word >> count & 1:
        return word & ((1 << count) - 1), count, min(state + 1, _LAST_STATE), np.int64(1) << exponent, False
    count -= exponent
    zeros = word >> count & ((1 << exponent) - 1)
    return word & ((1 << count) - 1), count, max(state - 1, 0), zeros, True


@inlined
def _decode_quads(
    data: Bytes, mel: Any, mel_end: Any, stream: Bytes, length: Any, width: Any, height: Any, quads: Values
) -> None:
    """Decode significance and u of every quad (T.814 7.3.4 to 7.3.6); `quads` has a border of zeros."""
    across, down = (width + 1) >> 1, (height + 1) >> 1
    pitch = across + 3
    quads[: (down + 1) * pitch] = 0
    word, count, former, state = np.int64(0), np.int64(0), np.int64(0), np.int64(0)
    zeros, has_one = np.int64(0), False
    position = np.int64(0)
    for y in range(down):
        kind = ROW_ENTRIES if y else 0
        left = np.int64(0)
        for x in range(0, across, 2):
            at = np.uint64((y + 1) * pitch + x + 1)
            bits = _load_bits(stream, position, length)
            mode, entry = np.int64(0), np.int64(0)
            # Quad 0, quad 1, and in the first row the event that says whether both u exceed 2.
            for half in range(3):
                if half == 2:
                    if mode != 3 or y:
                        break
                    context = np.int64(0)
                else:
                    if x + half >= across:
                        break
                    if y:
                        above = at - np.uint64(pitch) + np.uint64(half)
                        upper, right = np.int64(quads[above]), np.int64(quads[above + np.uint64(1)])
                        corner = np.int64(quads[above - np.uint64(1)])
                        context = corner & 0x80 | (upper & 0xA0) << 2 | (right & 0x20) << 4
                        context |= (left & 0x40) << 2 | (left & 0x80) << 1
                    else:
                        context = (left & 0x10) << 3 | (left & 0xE0) << 2
                    entry = np.int64(CODEWORDS[np.uint64(kind + (context & 0x380) + (bits & 127))])
                if context & 0x380 == 0:
                    if zeros == 0 and not has_one:
                        if count < 6:
                            mel, word, count, former = _refill_events(data, mel, mel_end, word, count, former)
                        word, count, state, zeros, has_one = _next_run(word, count, state)
                    if zeros > 0:
                        zeros -= 1
                        entry = np.int64(0)
                    else:
                        has_one = False
                        if half == 2:
                            mode = np.int64(4)
                            break
                    if half == 2:
                        mode = np.int64(5)
                        break
                bits >>= entry & LENGTH_BITS
                position += entry & LENGTH_BITS
                quads[at + np.uint64(half)] = entry
                mode |= (entry & U_OFFSET) >> 3 << half
                left = entry
            if x + 1 >= across:
                left = np.int64(0)
            if mode:
                pair = np.int64(U_PAIRS[np.uint64(mode * U_PAIR_ENTRIES + (bits & 63))])
                bits >>= pair & 7
                first, second = pair >> 3 & 7, pair >> 6 & 7
                u = (pair >> 9 & 15) + (bits & ((1 << first) - 1))
                quads[at] |= u << U_VALUE
                bits >>= first
                u = (pair >> 13 & 15) + (bits & ((1 << second) - 1))
                quads[at + np.uint64(1)] |= u << U_VALUE
                position += (pair & 7) + first + second


@inlined
def _value_bits(quad: Any, size: Any, sample: Any) -> Any:
    """Give how many bits of the stream a sample of a quad takes."""
    return (size - (quad >> (KNOWN_BITS + sample) & 1)) & -(quad >> (RHO + sample) & 1)


@inlined
def _value(quad: Any, sample: Any, word: Any, bits: Any) -> Any:
    """Give twice (magnitude - 1), plus the sign, from the bits to come and the one that may be known."""
    return word & ((np.int64(1) << bits) - 1) | (quad >> (FIRST_BITS + sample) & 1) << bits


@inlined
def _signed(quad: Any, sample: Any, value: Any, plane: Any) -> Any:
    """Give a sample as it is kept; 0 where it is not significant."""
    return (((value | 1) + 2) << plane | (value & 1) << 31) & -(quad >> (RHO + sample) & 1)


@inlined
def _decode_values(
    stream: Bytes,
    length: Any,
    width: Any,
    height: Any,
    plane: Any,
    largest: Any,
    quads: Values,
    values: Values,
    pitch: Any,
) -> Any:
    """Decode magnitudes and signs (T.814 7.3.7, 7.3.8); say whether no value takes more than `largest` bits."""
    across, down = (width + 1) >> 1, (height + 1) >> 1
    quad_pitch = across + 3
    # What the row above had below, for the exponents predicted from it: two columns of each quad, with a border.
    below = np.zeros(2 * across + 4, np.int64)
    position: Any = np.int64(0)
    most: Any = np.int64(0)
    for y in range(down):
        before = np.int64(0)
        for x in range(across):
            quad = np.int64(quads[np.uint64((y + 1) * quad_pitch + x + 1)])
            column = np.uint64(2 * x + 2)
            one = np.uint64(1)
            near = below[column] | below[column + one] | below[column + one + one] | before
            before = below[column + one]
            kappa: Any = np.int64(1)
            rho = quad >> RHO & 15
            if y and rho & (rho - 1):
                kappa = 63 - leading_zeros(near | 2)
            size = kappa + (quad >> U_VALUE)
            at = np.uint64(2 * y * pitch + 2 * x)
            if rho == 0:
                values[at], values[at + one], below[column], below[column + one] = 0, 0, 0, 0
                values[at + np.uint64(pitch)], values[at + np.uint64(pitch + 1)] = 0, 0
                continue
            most = max(most, size)
            # A size beyond what a word holds is refused below; until then it must not shift too far.
            size = min(size, 40)
            length_0, length_1 = _value_bits(quad, size, 0), _value_bits(quad, size, 1)
            length_2, length_3 = _value_bits(quad, size, 2), _value_bits(quad, size, 3)
            place_1 = position + length_0
            place_2 = place_1 + length_1
            place_3 = place_2 + length_2
            value_0 = _value(quad, 0, _load_bits(stream, position, length), length_0)
            value_1 = _value(quad, 1, _load_bits(stream, place_1, length), length_1)
            value_2 = _value(quad, 2, _load_bits(stream, place_2, length), length_2)
            value_3 = _value(quad, 3, _load_bits(stream, place_3, length), length_3)
            position = place_3 + length_3
            values[at] = _signed(quad, 0, value_0, plane)
            values[at + one] = _signed(quad, 2, value_2, plane)
            values[at + np.uint64(pitch)] = _signed(quad, 1, value_1, plane)
            values[at + np.uint64(pitch + 1)] = _signed(quad, 3, value_3, plane)
            below[column] = (value_1 | 1) & -(rho >> 1 & 1)
            below[column + one] = (value_3 | 1) & -(rho >> 3 & 1)
    return most <= largest
