"""Decode the lines of a scan (T.87 annex A; decoding as A.8 and F say).

Time goes into one chain: a sample's context needs the sample to its left, its code needs the context's parameter.
So all else is kept off it: classes of gradients come from one table, half of the context is known beforehand, and
contexts hold what the next code needs. Lossless and near-lossless scans are two compilations of one source: `step` is
None for the former.

The decoder may meet any bits: samples are brought within 0 and MAXVAL, whatever the error, and a context's
index is a sum of three classes, so no index depends on more than that.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..jit import always_inlined, kernel
from .bits import Bytes, bits_at, leading_zeros
from .contexts import (
    LAST_RUN_INDEX,
    RUN_LENGTH_BITS,
    Contexts,
    learn,
    learn_run_end,
    median_edge,
    natural,
    rebuilt,
    run_end_parameter,
    word,
    wrapped,
)
from .parameters import (
    CONTEXT_SIZE,
    ESCAPE,
    FLAT_CLASS,
    MAXIMUM,
    NEAR,
    RANGE,
    RARE,
    RESET,
    RUN_END,
    SHIFT,
    T1,
    T2,
    T3,
    VALUE_BITS,
    B,
    C,
    K,
    N,
)

Line = NDArray[np.uint16]

OK = 0
BAD_CODE = 1
"""More zeros than any code begins with; or the bits are at their end."""
BAD_RUN = 2
"""A run beyond the end of the line."""
BAD_ERROR = 3
"""A prediction error larger than any two samples make."""

POSITION = 0
"""Place of the bit position in `state`; a run index for each component follows."""

NO_ERROR = 1 << 40
"""In the place of an error that no code gave."""

_QUICK_ZEROS = 32
_B, _C, _N, _K, _SHIFT, _RARE = (np.uint64(number) for number in (B, C, N, K, SHIFT, RARE))

_TOP = np.uint64(63)


@always_inlined
def read_code(bits: Bytes, position: Any, k: Any, escape: Any, value_bits: Any) -> tuple[Any, Any]:
    """Read a code of limited length (T.87 A.5.3); give (value, position behind it), value -1 where there is none."""
    zeros = np.int64(leading_zeros(bits_at(bits, position)))
    if zeros > escape:
        return np.int64(-1), position
    position += np.uint64(zeros + 1)
    count = k if zeros < escape else value_bits
    value = np.int64((bits_at(bits, position) >> np.uint64(1)) >> (_TOP - np.uint64(count)))
    position += np.uint64(count)
    if zeros < escape:
        return (zeros << k) + value, position
    return value + 1, position


@always_inlined
def read_run(bits: Bytes, position: Any, run_index: Any, remaining: Any) -> tuple[Any, Any, Any]:
    """Read the length of a run of at most `remaining` pixels (T.87 A.7.1.2).

    Gives (length, position, run index); a length beyond `remaining` is for the caller to refuse.
    """
    length = np.int64(0)
    while bits_at(bits, position) >> _TOP:
        position += np.uint64(1)
        piece = np.int64(1) << RUN_LENGTH_BITS[np.uint64(run_index)]
        if length + piece > remaining:
            return remaining, position, run_index
        length += piece
        run_index = min(run_index + 1, LAST_RUN_INDEX)
        if length == remaining:
            return length, position, run_index
    count = np.uint64(RUN_LENGTH_BITS[np.uint64(run_index)])
    length += np.int64(((bits_at(bits, position) << np.uint64(1)) >> np.uint64(1)) >> (_TOP - count))
    return length, position + count + np.uint64(1), run_index


@always_inlined
def read_run_end(
    bits: Bytes, position: Any, run_index: Any, contexts: Contexts, kind: Any, numbers: Any
) -> tuple[Any, Any]:
    """Read the error of the sample that ended a run (T.87 A.7.2.1); give (error, position behind it).

    `kind` is RItype. `NO_ERROR` stands for a code that is none.
    """
    at = np.uint64(RUN_END + kind * CONTEXT_SIZE)
    k = run_end_parameter(contexts, at, kind)
    value_bits = numbers[VALUE_BITS]
    escape = numbers[ESCAPE] - RUN_LENGTH_BITS[np.uint64(run_index)] - 1
    mapped, position = read_code(bits, position, k, escape, value_bits)
    if mapped < 0:
        return np.int64(NO_ERROR), position
    doubled = mapped + kind
    odd = doubled & 1
    error = (doubled + odd) >> 1
    is_mostly_negative = k != 0 or 2 * word(contexts, at, _B) >= word(contexts, at, _N)
    if is_mostly_negative == (odd == 1):
        error = -error
    learn_run_end(contexts, at, error, mapped, kind, numbers[RESET])
    return error, position


@always_inlined
def read_sample(
    bits: Bytes, position: Any, contexts: Contexts, at: Any, sign: Any, guess: Any, numbers: Any, step: Any
) -> tuple[Any, Any, Any]:
    """Read a sample in regular mode (T.87 A.4 to A.6); give (sample, position behind it, mapped error).

    `at` is the context's index, `sign` -1 where it is the mirror image, `guess` the median-edge prediction. A mapped
    error of -1 stands for a code that is none.
    """
    maximum = numbers[MAXIMUM]
    window = bits_at(bits, position)
    zeros = leading_zeros(window)
    k = natural(contexts, at, _K)
    if zeros < np.uint64(min(numbers[ESCAPE], np.int64(_QUICK_ZEROS))):
        # The one behind the zeros is read with the value, and taken off again.
        ahead = (window << zeros) >> np.uint64(natural(contexts, at, _SHIFT))
        mapped = np.int64(ahead) + ((np.int64(zeros) - 1) << k)
        position += zeros + np.uint64(k + 1)
    else:
        mapped, position = read_code(bits, position, k, numbers[ESCAPE], numbers[VALUE_BITS])
    # The bias may take a prediction out of range (T.87 A.4.2): seldom, so a branch is off the path.
    predicted = guess + ((word(contexts, at, _C) ^ sign) - sign)
    if np.uint64(predicted) > np.uint64(maximum):
        contexts[at + _RARE] = 1  # a store, so that LLVM keeps it a branch
        predicted = min(max(predicted, np.int64(0)), maximum)
    error = (mapped >> 1) ^ -(mapped & 1)
    # The other mapping of T.87 A.5.2, for k = 0, 2 B <= -N and NEAR = 0: all differences are negative.
    other = (2 * word(contexts, at, _B) + natural(contexts, at, _N) - 1) & (k - 1)
    if step is None:
        flip = other >> 63
        sample = ((predicted - sign) + (error ^ (flip ^ sign))) & maximum
    else:
        flip = (other & (numbers[NEAR] - 1)) >> 63
        sample = predicted + ((error ^ (flip ^ sign)) - sign) * step
        if np.uint64(sample) > np.uint64(maximum):
            contexts[at + _RARE] = 1
            sample = wrapped(sample, maximum, step, numbers[RANGE])
    error ^= flip
    learn(contexts, at, error, k, step, numbers[RESET])
    return sample, position, mapped


@always_inlined
def classify(
    above: Line, reach: int, numbers: tuple[Any, ...], kinds: NDArray[np.int8], slopes: NDArray[np.int16]
) -> None:
    """Put what the line above tells of each sample's context into `slopes`: 9 × (9 Q1 + Q2) × `CONTEXT_SIZE`,
    less `FLAT_CLASS`, which `gradient_classes` adds.

    Passes of their own, because they become vector code: of 16 bits throughout, so that a vector holds many.
    `reach` is how far apart samples of one component are; `kinds` is room for as many classes as `above` is long.
    """
    near, t1, t2, t3 = (
        np.uint16(numbers[NEAR]),
        np.uint16(numbers[T1]),
        np.uint16(numbers[T2]),
        np.uint16(numbers[T3]),
    )
    count = above.size - reach
    here, right = above[:count], above[reach:]
    for x in range(count):
        rises = right[x] > here[x]
        size = np.uint16(right[x] - here[x]) if rises else np.uint16(here[x] - right[x])
        low = np.int8(np.int8(size > near) + np.int8(size >= t1))
        steps = np.int8(low + np.int8(np.int8(size >= t2) + np.int8(size >= t3)))
        kinds[x] = steps if rises else np.int8(-steps)
    first, second, told = kinds[reach:count], kinds[: count - reach], slopes[reach:]
    for x in range(count - reach):
        both = np.int16(np.int16(9) * np.int16(first[x]) + np.int16(second[x]))
        told[x] = np.int16(np.int16(both * np.int16(9 * CONTEXT_SIZE)) - np.int16(FLAT_CLASS))


@always_inlined
def decode_line(
    bits: Bytes,
    above: Line,
    line: Line,
    slopes: NDArray[np.int16],
    contexts: Contexts,
    classes: NDArray[np.uint8],
    numbers: tuple[Any, ...],
    step: Any,
    state: NDArray[np.int64],
    component: int,
) -> int:
    """Decode one line of one component; give a status.

    Both lines have a sample more at either end: `above` and `line` are (columns + 2,), the first of each set by the
    caller to what T.87 A.2.1 puts left of the line, and the last of `above` to its last sample.
    """
    maximum = numbers[MAXIMUM]
    position, run_index = np.uint64(state[POSITION]), state[1 + component]
    columns = np.int64(line.size - 2)
    largest = np.int64(0)
    status = OK
    x = np.int64(1)
    left, corner = np.int64(line[0]), np.int64(above[0])
    while x <= columns:
        up = np.int64(above[np.uint64(x)])
        place = np.int64(slopes[np.uint64(x)]) + np.int64(classes[np.uint64(maximum + corner - left)])
        if place != 0:
            sign = place >> 63
            at = np.uint64((place ^ sign) - sign)
            guess = median_edge(left, up, corner)
            left, position, mapped = read_sample(bits, position, contexts, at, sign, guess, numbers, step)
            if mapped < 0:
                status = BAD_CODE
                break
            largest |= mapped
        else:
            length, position, run_index = read_run(bits, position, run_index, columns + 1 - x)
            if length > columns + 1 - x:
                status = BAD_RUN
                break
            for _ in range(length):
                line[np.uint64(x)] = np.uint16(left)
                x += 1
            if x > columns:
                break
            up = np.int64(above[np.uint64(x)])
            kind = np.int64(abs(left - up) <= numbers[NEAR])
            error, position = read_run_end(bits, position, run_index, contexts, kind, numbers)
            if error == NO_ERROR:
                status = BAD_CODE
                break
            largest |= abs(error)
            turned = -error if kind == 0 and left > up else error
            left = rebuilt(left if kind else up, turned, maximum, step, numbers[RANGE])
            run_index = max(run_index - 1, 0)
        line[np.uint64(x)] = np.uint16(left)
        corner = up
        x += 1
    state[POSITION] = np.int64(position)
    state[1 + component] = run_index
    return status if status != OK or largest <= largest_code(maximum) else BAD_ERROR


@always_inlined
def largest_code(maximum: Any) -> Any:
    """Give the most that the errors of sound samples, mapped and joined by or, can come to."""
    return (np.int64(4) << (63 - np.int64(leading_zeros(np.uint64(maximum))))) - 1


@always_inlined
def store_line(samples: Line, out: Bytes, item_bytes: int, first: int, reach: int) -> None:
    """Copy samples to every `reach`-th of `out`, whose samples take `item_bytes`, from `first` on."""
    if item_bytes > 1:
        wide = out.view(np.uint16)[first:]
        for x in range(samples.size):
            wide[np.uint64(x * reach)] = samples[x]
    elif reach == 1:
        narrow = out[first:]
        for x in range(samples.size):
            narrow[x] = np.uint8(samples[x])
    else:
        narrow = out[first:]
        for x in range(samples.size):
            narrow[np.uint64(x * reach)] = np.uint8(samples[x])


@kernel
def decode_lines(
    bits: Bytes,
    lines: NDArray[np.uint16],
    contexts: Contexts,
    classes: NDArray[np.uint8],
    numbers: tuple[int, ...],
    step: int | None,
    state: NDArray[np.int64],
    rows: tuple[int, int],
    out: Bytes,
    item_bytes: int,
    samples: int,
    component: int,
) -> tuple[int, int]:
    """Decode rows of one component, or of several interleaved by line; give (status, row).

    `lines` is (components, 2, columns + 2), all zeros at the start of a scan or restart interval. `rows` are the
    first and the one after the last. `out` is (rows × columns × `samples`) samples of `item_bytes` bytes;
    `component` is the place of the scan's first component in a pixel, the others follow it.
    """
    columns = lines.shape[2] - 2
    kinds, slopes = np.empty(columns + 2, np.int8), np.empty(columns + 1, np.int16)
    for row in range(rows[0], rows[1]):
        for lane in range(lines.shape[0]):
            above, line = lines[lane, row & 1], lines[lane, 1 - (row & 1)]
            above[columns + 1] = above[columns]
            line[0] = above[1]
            classify(above, 1, numbers, kinds, slopes)
            status = decode_line(bits, above, line, slopes, contexts, classes, numbers, step, state, lane)
            if status != OK:
                return status, row
            first = row * columns * samples + component + lane
            store_line(line[1 : columns + 1], out, item_bytes, first, samples)
    return OK, rows[1]
