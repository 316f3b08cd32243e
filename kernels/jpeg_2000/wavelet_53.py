"""One resolution of the reversible 5/3 wavelet (T.800 F.3.8.1), sixteen samples at a time.

All is in 32 bits that wrap; Numba alone would compute in 64. Rows are places in flat arrays: a slice of an array costs
two counts of its references, and rows are too short for that. The last sixteen samples of a row overlap those before,
which nothing notices: no loop writes what it reads.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..jit import always_inlined, kernel, routine
from ..lanes import LANES, load_lanes, store_lanes, store_woven

Rows = NDArray[np.int32]


@always_inlined
def _low(low: Any, before: Any, after: Any) -> Any:
    return low - ((before + after + 2) >> 2)


@always_inlined
def _high(high: Any, before: Any, after: Any) -> Any:
    return high + ((before + after) >> 1)


@routine
def _lift_low(out: Rows, at: Any, low: Rows, place: Any, high: Rows, before: Any, after: Any, count: Any) -> None:
    """Give `count` low samples: those from `low[place]` on, between high ones from `before` and from `after` on."""
    for x in range(count if count < LANES else 0):
        out[at + x] = _low(low[place + x], high[before + x], high[after + x])
    for start in range(0, count if count >= LANES else 0, LANES):
        x = min(start, count - LANES)
        neighbours = load_lanes(high, before + x) + load_lanes(high, after + x)
        store_lanes(out, at + x, load_lanes(low, place + x) - ((neighbours + 2) >> 2))


@routine
def _lift_high(out: Rows, at: Any, high: Rows, place: Any, low: Rows, before: Any, after: Any, count: Any) -> None:
    """Give `count` high samples: those from `high[place]` on, between low ones from `before` and from `after` on."""
    for x in range(count if count < LANES else 0):
        out[at + x] = _high(high[place + x], low[before + x], low[after + x])
    for start in range(0, count if count >= LANES else 0, LANES):
        x = min(start, count - LANES)
        neighbours = load_lanes(low, before + x) + load_lanes(low, after + x)
        store_lanes(out, at + x, load_lanes(high, place + x) + (neighbours >> 1))


@routine
def _weave(lines: Rows, first: Any, second: Any, count: Any, out: Any) -> None:
    """Put `count` samples of both parities side by side."""
    for x in range(count if count < LANES else 0):
        lines[out + 2 * x], lines[out + 2 * x + 1] = lines[first + x], lines[second + x]
    for start in range(0, count if count >= LANES else 0, LANES):
        x = min(start, count - LANES)
        store_woven(lines, out + 2 * x, load_lanes(lines, first + x), load_lanes(lines, second + x))


@routine
def _synthesise_row(
    low: Rows,
    place: Any,
    high: Rows,
    high_place: Any,
    lows: Any,
    width: Any,
    lines: Rows,
    pitch: Any,
    out: Any,
    parity: Any,
) -> None:
    """Synthesise one row into `lines[out:]`; `parity` is 1 where its first sample is a high one.

    The first two lines, `pitch` apart, are scratch.
    """
    highs, even, odd = width - lows, 0, pitch
    if width == 1:
        lines[out] = high[high_place] >> 1 if parity else low[place]
        return
    # Low sample i lies between high samples i - 1 + parity and i + parity.
    first, end = 1 - parity, min(lows, highs - parity)
    if end > first:
        _lift_low(lines, even + first, low, place + first, high, high_place, high_place + 1, end - first)
    if parity == 0:
        lines[even] = _low(low[place], high[high_place], high[high_place])
    if end < lows and lows > first:
        last = high[high_place + highs - 1]
        lines[even + lows - 1] = _low(low[place + lows - 1], last, last)
    end = min(highs, lows - 1 + parity)
    if end > parity:
        _lift_high(lines, odd + parity, high, high_place + parity, lines, even, even + 1, end - parity)
    if parity == 1:
        lines[odd] = _high(high[high_place], lines[even], lines[even])
    if end < highs and highs > parity:
        last = lines[even + lows - 1]
        lines[odd + highs - 1] = _high(high[high_place + highs - 1], last, last)
    one, other, count = (odd, even, lows) if parity else (even, odd, highs)
    _weave(lines, one, other, count, out)
    if width & 1:
        lines[out + 2 * count] = lines[one + count]


@always_inlined
def _neighbours(index: Any, offset: Any, count: Any) -> tuple[Any, Any]:
    """Give the samples of the other parity, `count` in all, before and after sample `index`."""
    before, after = index - 1 + offset, index + offset
    if before < 0:
        before = after
    if after >= count:
        after = before
    return before, after


@kernel
def synthesise_53(
    low: Rows,
    coefficients: Rows,
    out: Rows,
    shape: tuple[int, int],
    low_shape: tuple[int, int],
    stride: int,
    parity_x: int,
    parity_y: int,
    first: int,
    end: int,
) -> None:
    """Synthesise steps `first` to `end` of one resolution of `shape`: `low` and the bands of `coefficients` into `out`.

    All are flat; rows of `coefficients` are `stride` apart, others follow each other. Step i gives low row i and the
    high row before it; there is one step more than low rows. Rows are read as columns need them: one low row and two
    high ones are kept, not all. Other strips may be written meanwhile: the last low row of the strip above is made, and
    written, by both, with the same values.
    """
    (height, width), (lows, lows_x) = shape, low_shape
    highs, pitch = height - lows, width + LANES
    row, kept = 2 * pitch, 3 * pitch
    lines = np.empty(5 * pitch, np.int32)
    if height == 1 and parity_y == 1:
        _synthesise_row(coefficients, 0, coefficients, lows_x, lows_x, width, lines, pitch, row, parity_x)
        for x in range(width):
            out[x] = lines[row + x] >> 1
        return
    read = max(0, first - 2 + parity_y)
    for i in range(max(0, first - 1), end):
        high = i - 1 + parity_y
        if i < lows:
            before, after = _neighbours(i, parity_y, highs)
            while read < highs and read <= max(before, after):
                place = (lows + read) * stride
                _synthesise_row(
                    coefficients,
                    place,
                    coefficients,
                    place + lows_x,
                    lows_x,
                    width,
                    lines,
                    pitch,
                    kept + (read & 1) * pitch,
                    parity_x,
                )
                read += 1
            _synthesise_row(
                low, i * lows_x, coefficients, i * stride + lows_x, lows_x, width, lines, pitch, row, parity_x
            )
            at = (2 * i + parity_y) * width
            if height == 1:
                out[:width] = lines[row : row + width]
                return
            _lift_low(out, at, lines, row, lines, kept + (before & 1) * pitch, kept + (after & 1) * pitch, width)
        if i >= first and 0 <= high < highs:
            # Both low rows around this high one are there.
            before, after = _neighbours(high, 1 - parity_y, lows)
            _lift_high(
                out,
                (2 * high + 1 - parity_y) * width,
                lines,
                kept + (high & 1) * pitch,
                out,
                (2 * before + parity_y) * width,
                (2 * after + parity_y) * width,
                width,
            )
