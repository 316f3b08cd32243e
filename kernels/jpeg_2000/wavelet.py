"""The inverse wavelet transforms 5/3 and 9/7 (T.800 annex F), one resolution at a time.

A component's coefficients lie as (height, width): the lower resolution at the top left, HL beside it, LH below, HH
across. Rows are synthesised first, low and high samples apart and then woven together; then columns, many at once,
row by row, so that every inner loop runs along memory. What lies outside is mirrored (F.3.7), which here means that
the one neighbour there is counts twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..jit import kernel, routine
from .wavelet_53 import synthesise_53

Rows = NDArray[Any]
Rectangles = tuple[tuple[int, int, int, int], ...]
Run = Callable[[Callable[[Any], Any], Iterable[Any]], list[Any]]

_STEPS_A_STRIP = 128
"""At least: two rows a step, and the first one repeats what the strip above has done."""

_ALPHA, _BETA, _GAMMA, _DELTA = (
    np.float32(-1.586134342059924),
    np.float32(-0.052980118572961),
    np.float32(0.882911075530934),
    np.float32(0.443506852043971),
)
_LOW_GAIN = np.float32(1.230174104914001)
_HIGH_GAIN = np.float32(1 / 1.230174104914001)
"""T.800 table F.4."""


def synthesise(
    coefficients: Rows,
    rectangles: Rectangles,
    target: Rows,
    spare: Rows,
    *,
    is_reversible: bool,
    run: Run | None = None,
) -> Rows:
    """Give the samples (height, width) of the highest of the resolutions, int32 or float32, within `target`.

    `coefficients` is contiguous and of that shape; `rectangles` are (x0, y0, x1, y1) of each resolution. `target`
    and `spare` hold as many words; all are of one type. `run(function, items)`, where it is given, may call the
    function on strips of rows in parallel; the 9/7 wavelet, which lifts in place, is one strip.
    """
    # Resolutions take turns in two buffers, so that the last one lands in the target.
    buffers = (target, spare) if len(rectangles) % 2 else (spare, target)
    low = coefficients
    for number, (x0, y0, x1, y1) in enumerate(rectangles):
        shape = (y1 - y0, x1 - x0)
        out = buffers[number % 2][: shape[0] * shape[1]].reshape(shape)
        if number == 0:
            out[:] = coefficients[: shape[0], : shape[1]]
        elif out.size and is_reversible:
            _in_strips(low, coefficients, out, x0 & 1, y0 & 1, run)
        elif out.size:
            _synthesise_97(low, coefficients, out, x0 & 1, y0 & 1)
        low = out
    return low


def _in_strips(low: Rows, coefficients: Rows, out: Rows, parity_x: int, parity_y: int, run: Run | None) -> None:
    """Synthesise one resolution by the 5/3 wavelet, strip by strip."""
    steps = low.shape[0] + 1
    strips = steps // _STEPS_A_STRIP
    flat = low.reshape(-1), coefficients.reshape(-1), out.reshape(-1)
    (height, width), (lows, lows_x), stride = out.shape, low.shape, coefficients.shape[1]

    def synthesise_strip(part: tuple[int, int]) -> None:
        synthesise_53(*flat, (height, width), (lows, lows_x), stride, parity_x, parity_y, *part)

    if run is None or strips < 2:
        synthesise_strip((0, steps))
        return
    bounds = [steps * strip // strips for strip in range(strips + 1)]
    run(synthesise_strip, pairwise(bounds))


@routine
def _weave(first: Rows, second: Rows, out: Rows) -> None:
    """Put samples of both parities side by side; `first` has as many as `second`, or one more."""
    count = second.shape[0]
    for i in range(count):
        out[2 * i] = first[i]
        out[2 * i + 1] = second[i]
    if first.shape[0] > count:
        out[2 * count] = first[count]


@routine
def _lift_line(line: Rows, above: Rows, below: Rows, weight: Any) -> None:
    for x in range(line.shape[0]):
        line[x] -= weight * (above[x] + below[x])


@routine
def _lift(target: Rows, source: Rows, offset: Any, weight: Any) -> None:
    """Subtract weight * (both neighbours of the other parity) from each sample of a row (F.3.8.2)."""
    end = min(target.shape[0], source.shape[0] - offset)
    first = 1 - offset
    if end > first:
        count = end - first
        _lift_line(target[first:end], source[0:count], source[1 : count + 1], weight)
    if offset == 0:
        target[0] -= weight * (source[0] + source[0])
    last = target.shape[0] - 1
    if end <= last and last >= 1 - offset:
        target[last] -= weight * (source[source.shape[0] - 1] + source[source.shape[0] - 1])


@routine
def _scale(target: Rows, source: Rows, weight: Any) -> None:
    for x in range(target.shape[0]):
        target[x] = weight * source[x]


@routine
def _row_97(low: Rows, high: Rows, even: Rows, odd: Rows, out: Rows, parity: Any) -> None:
    """Synthesise one row; `parity` is 1 where its first sample is a high one (F.3.8.2)."""
    _scale(even, low, _LOW_GAIN)
    _scale(odd, high, _HIGH_GAIN)
    _lift(even, odd, parity, _DELTA)
    _lift(odd, even, 1 - parity, _GAMMA)
    _lift(even, odd, parity, _BETA)
    _lift(odd, even, 1 - parity, _ALPHA)
    if parity:
        _weave(odd, even, out)
    else:
        _weave(even, odd, out)


@routine
def _lift_between(out: Rows, y: Any, weight: Any) -> None:
    """Lift row `y`, if there is one, by the rows above and below it."""
    last = out.shape[0] - 1
    if 0 <= y <= last:
        above = y - 1 if y > 0 else y + 1
        below = y + 1 if y < last else y - 1
        _lift_line(out[y], out[above], out[below], weight)


@routine
def _read_row_97(low: Rows, coefficients: Rows, y: Any, even: Rows, odd: Rows, out: Rows, parity: Any) -> None:
    """Synthesise row `y` of the coefficients, low ones first, into `out`."""
    lows_y, lows_x = low.shape
    left = low[y, 0:lows_x] if y < lows_y else coefficients[y, 0:lows_x]
    right = coefficients[y, lows_x : out.shape[0]]
    if out.shape[0] > 1:
        _row_97(left, right, even, odd, out, parity)
    elif parity:
        out[0] = right[0] * np.float32(0.5)
    else:
        out[0] = left[0]


@kernel
def _synthesise_97(
    low: NDArray[np.float32],
    coefficients: NDArray[np.float32],
    out: NDArray[np.float32],
    parity_x: int,
    parity_y: int,
) -> None:
    """Synthesise one resolution: `low` and the three bands of `coefficients` into `out`.

    The four lifting steps follow each other a row apart, so that rows are still in the cache.
    """
    lows, lows_x = low.shape
    height, width = out.shape
    even, odd = np.empty(lows_x, np.float32), np.empty(width - lows_x, np.float32)
    row = np.empty(width, np.float32)
    if height == 1:
        _read_row_97(low, coefficients, np.int64(0), even, odd, row, parity_x)
        _scale(out[0], row, np.float32(0.5) if parity_y else np.float32(1))
        return
    for y in range(height + 4):
        is_high = (y & 1) != parity_y
        if y < height:
            _read_row_97(low, coefficients, (lows if is_high else 0) + (y >> 1), even, odd, row, parity_x)
            _scale(out[y], row, _HIGH_GAIN if is_high else _LOW_GAIN)
        if is_high:
            _lift_between(out, y - 1, _DELTA)
            _lift_between(out, y - 2, _GAMMA)
            _lift_between(out, y - 3, _BETA)
            _lift_between(out, y - 4, _ALPHA)
