"""Encode the lines of a lossless scan (T.87 annex A), components interleaved by line or not at all.

A line is coded into a buffer without stuffed bits, which then go in while it is copied behind the lines before it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..jit import always_inlined, kernel
from .bits import Bytes, bits_at, put_word
from .contexts import (
    LAST_RUN_INDEX,
    RUN_LENGTH_BITS,
    Contexts,
    learn,
    learn_run_end,
    median_edge,
    natural,
    run_end_parameter,
    word,
)
from .decoding import Line, classify
from .parameters import CONTEXT_SIZE, ESCAPE, MAXIMUM, RESET, RUN_END, VALUE_BITS, B, C, K, N

WRITTEN, PENDING_BITS, PENDING, RUN_INDEX = range(4)
"""Places in `state`: bytes of the scan written, bits that no byte is made of yet, and those bits, at the top of a byte.
A run index for each component follows."""

_B, _C, _N, _K = (np.uint64(number) for number in (B, C, N, K))
_QUICK_ZEROS = 32
_FULL = np.uint64(64)


@always_inlined
def put_bits(raw: Bytes, position: Any, pending: Any, value: Any, size: Any) -> tuple[Any, Any]:
    """Append the lowest `size` (1 to 56) bits of `value`, all above them 0; give (position, pending).

    `pending` are the bits of the byte that `position` (in bits, uint64) is in, left-aligned.
    """
    pending |= value << (_FULL - size - (position & np.uint64(7)))
    put_word(raw, position >> np.uint64(3), pending)
    following = position + size
    whole = ((following >> np.uint64(3)) - (position >> np.uint64(3))) << np.uint64(3)
    return following, pending << whole


@always_inlined
def put_code(
    raw: Bytes, position: Any, pending: Any, mapped: Any, k: Any, escape: Any, value_bits: Any
) -> tuple[Any, Any]:
    """Append a code of limited length (T.87 A.5.3)."""
    zeros = mapped >> k
    size, value = k, (mapped & ((np.int64(1) << k) - 1)) | (np.int64(1) << k)
    if zeros >= escape:
        zeros, size = escape, value_bits
        value = (mapped - 1) | (np.int64(1) << value_bits)
    if zeros >= _QUICK_ZEROS:
        position, pending = put_bits(raw, position, pending, np.uint64(0), np.uint64(_QUICK_ZEROS))
        zeros -= _QUICK_ZEROS
    return put_bits(raw, position, pending, np.uint64(value), np.uint64(zeros + size + 1))


@always_inlined
def put_run(
    raw: Bytes, position: Any, pending: Any, length: Any, is_ended: Any, run_index: Any
) -> tuple[Any, Any, Any]:
    """Append a run (T.87 A.7.1.2), `is_ended` by another sample, not by the line; give also the run index."""
    while length >= np.int64(1) << RUN_LENGTH_BITS[np.uint64(run_index)]:
        length -= np.int64(1) << RUN_LENGTH_BITS[np.uint64(run_index)]
        position, pending = put_bits(raw, position, pending, np.uint64(1), np.uint64(1))
        run_index = min(run_index + 1, LAST_RUN_INDEX)
    if is_ended:
        count = np.uint64(RUN_LENGTH_BITS[np.uint64(run_index)] + 1)
        position, pending = put_bits(raw, position, pending, np.uint64(length), count)
    elif length:
        position, pending = put_bits(raw, position, pending, np.uint64(1), np.uint64(1))
    return position, pending, run_index


@always_inlined
def put_run_end(
    raw: Bytes,
    position: Any,
    pending: Any,
    difference: Any,
    kind: Any,
    run_index: Any,
    contexts: Contexts,
    numbers: Any,
) -> tuple[Any, Any]:
    """Append the error of the sample that ended a run, wrapped around already (T.87 A.7.2.1)."""
    at = np.uint64(RUN_END + kind * CONTEXT_SIZE)
    k = run_end_parameter(contexts, at, kind)
    is_mostly_negative = 2 * word(contexts, at, _B) >= natural(contexts, at, _N)
    if difference > 0:
        turned = np.int64(k == 0 and not is_mostly_negative)
    else:
        turned = np.int64(difference < 0 and (is_mostly_negative or k != 0))
    mapped = 2 * abs(difference) - kind - turned
    escape = numbers[ESCAPE] - RUN_LENGTH_BITS[np.uint64(run_index)] - 1
    position, pending = put_code(raw, position, pending, mapped, k, escape, numbers[VALUE_BITS])
    learn_run_end(contexts, at, difference, mapped, kind, numbers[RESET])
    return position, pending


@always_inlined
def put_sample(
    raw: Bytes, position: Any, pending: Any, sample: Any, guess: Any, place: Any, contexts: Contexts, numbers: Any
) -> tuple[Any, Any]:
    """Append a sample in regular mode (T.87 A.4 to A.6); `place` is its context, negative for the mirror image."""
    maximum = numbers[MAXIMUM]
    half = (maximum + 1) >> 1
    sign = place >> 63
    at = np.uint64((place ^ sign) - sign)
    k = natural(contexts, at, _K)
    predicted = min(max(guess + ((word(contexts, at, _C) ^ sign) - sign), np.int64(0)), maximum)
    error = ((((sample - predicted) ^ sign) - sign + half) & maximum) - half
    flip = ((2 * word(contexts, at, _B) + natural(contexts, at, _N) - 1) & (k - 1)) >> 63
    turned = error ^ flip
    mapped = (turned << 1) ^ (turned >> 63)
    position, pending = put_code(raw, position, pending, mapped, k, numbers[ESCAPE], numbers[VALUE_BITS])
    learn(contexts, at, error, k, None, numbers[RESET])
    return position, pending


@always_inlined
def _encode_line(
    raw: Bytes,
    above: Line,
    line: Line,
    slopes: NDArray[np.int16],
    contexts: Contexts,
    classes: NDArray[np.uint8],
    numbers: tuple[Any, ...],
    state: NDArray[np.int64],
    component: int,
) -> Any:
    """Code one line of one component into `raw`; give the bits there, those pending before included."""
    maximum = numbers[MAXIMUM]
    half = (maximum + 1) >> 1
    run_index = state[RUN_INDEX + component]
    position, pending = np.uint64(state[PENDING_BITS]), np.uint64(state[PENDING]) << np.uint64(56)
    columns = np.int64(line.size - 2)
    x = np.int64(1)
    while x <= columns:
        left, up = np.int64(line[np.uint64(x - 1)]), np.int64(above[np.uint64(x)])
        corner, sample = np.int64(above[np.uint64(x - 1)]), np.int64(line[np.uint64(x)])
        place = np.int64(slopes[np.uint64(x)]) + np.int64(classes[np.uint64(maximum + corner - left)])
        if place != 0:
            guess = median_edge(left, up, corner)
            position, pending = put_sample(raw, position, pending, sample, guess, place, contexts, numbers)
        else:
            first = x
            while x <= columns and np.int64(line[np.uint64(x)]) == left:
                x += 1
            is_ended = x <= columns
            position, pending, run_index = put_run(raw, position, pending, x - first, is_ended, run_index)
            if not is_ended:
                break
            up, sample = np.int64(above[np.uint64(x)]), np.int64(line[np.uint64(x)])
            kind = np.int64(left == up)
            difference = up - sample if left > up else sample - up
            difference = ((difference + half) & maximum) - half
            position, pending = put_run_end(raw, position, pending, difference, kind, run_index, contexts, numbers)
            run_index = max(run_index - 1, 0)
        x += 1
    state[RUN_INDEX + component] = run_index
    put_word(raw, position >> np.uint64(3), pending)
    return np.int64(position)


@always_inlined
def _stuff(raw: Bytes, bit_count: Any, out: Bytes, state: NDArray[np.int64]) -> None:
    """Copy the whole bytes of `raw` behind those written, a zero bit after each FF; what is left stays pending."""
    position, end = np.uint64(0), np.uint64(bit_count)
    at = np.uint64(state[WRITTEN])
    after_ff = at > np.uint64(0) and out[at - np.uint64(1)] == 0xFF
    while True:
        size = np.uint64(7) if after_ff else np.uint64(8)
        if position + size > end:
            break
        byte = np.uint8(bits_at(raw, position) >> (_FULL - size))
        out[at] = byte
        after_ff = byte == 0xFF
        at += np.uint64(1)
        position += size
    left = end - position
    state[WRITTEN] = np.int64(at)
    state[PENDING_BITS] = np.int64(left)
    state[PENDING] = np.int64((bits_at(raw, position) >> np.uint64(56)) & ~(np.uint64(0xFF) >> left) & np.uint64(0xFF))


@kernel
def encode_lines(
    image: NDArray[np.uint16],
    first_row: int,
    lines: NDArray[np.uint16],
    contexts: Contexts,
    classes: NDArray[np.uint8],
    numbers: tuple[int, ...],
    state: NDArray[np.int64],
    out: Bytes,
) -> Any:
    """Code rows of an image (rows, columns, samples) from `first_row` on, by line; give the first that is left.

    `lines` is (samples, 2, columns + 2), all zeros at first. Rows are left where `out` has no room for the longest
    line there can be: then give a longer one that begins alike, and the row to go on from.
    """
    rows, columns, samples = image.shape
    raw = np.empty(8 * columns + 32, np.uint8)
    kinds, slopes = np.empty(columns + 2, np.int8), np.empty(columns + 1, np.int16)
    longest = (8 * columns + 32) * 8 // 7 + 8
    for row in range(first_row, rows):
        if out.size - state[WRITTEN] < samples * longest:
            return row
        for lane in range(samples):
            above, line = lines[lane, row & 1], lines[lane, 1 - (row & 1)]
            for x in range(columns):
                line[x + 1] = image[row, x, lane]
            above[columns + 1] = above[columns]
            line[0] = above[1]
            classify(above, 1, numbers, kinds, slopes)
            bit_count = _encode_line(raw, above, line, slopes, contexts, classes, numbers, state, lane)
            _stuff(raw, bit_count, out, state)
    return rows
