"""Decode lines of pixels whose components are interleaved by sample (T.87 A.7 and annex B).

The components share contexts and runs: a run goes on where all of them do, and each gives its own error at its end.
Lines hold whole pixels, one after the other, so the neighbours of a sample are as many samples away as there are
components.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..jit import always_inlined, kernel
from .bits import Bytes
from .contexts import Contexts, median_edge, rebuilt
from .decoding import (
    BAD_CODE,
    BAD_ERROR,
    BAD_RUN,
    NO_ERROR,
    OK,
    POSITION,
    Line,
    classify,
    largest_code,
    read_run,
    read_run_end,
    read_sample,
    store_line,
)
from .parameters import MAXIMUM, RANGE


@always_inlined
def _place(
    above: Line, line: Line, i: Any, samples: Any, slopes: NDArray[np.int16], classes: NDArray[np.uint8], maximum: Any
) -> Any:
    """Give the index of a sample's context, negative for the mirror image, 0 where all is flat."""
    rise = np.int64(above[np.uint64(i - samples)]) - np.int64(line[np.uint64(i - samples)])
    return np.int64(slopes[np.uint64(i)]) + np.int64(classes[np.uint64(maximum + rise)])


@always_inlined
def _is_flat(
    above: Line, line: Line, i: Any, samples: Any, slopes: NDArray[np.int16], classes: NDArray[np.uint8], maximum: Any
) -> bool:
    """Give whether a run begins with the pixel at `i`."""
    for lane in range(samples):
        if _place(above, line, i + lane, samples, slopes, classes, maximum) != 0:
            return False
    return True


@always_inlined
def _read_run_end_pixel(
    bits: Bytes,
    position: Any,
    run_index: Any,
    above: Line,
    line: Line,
    i: Any,
    samples: Any,
    contexts: Contexts,
    numbers: tuple[Any, ...],
    step: Any,
) -> tuple[Any, Any]:
    """Read the pixel that ended a run: RItype is 0 whatever the neighbours.

    Gives (position, errors joined by or), -1 for a code that is none.
    """
    largest = np.int64(0)
    for at in range(i, i + samples):
        up, left = np.int64(above[np.uint64(at)]), np.int64(line[np.uint64(at - samples)])
        error, position = read_run_end(bits, position, run_index, contexts, np.int64(0), numbers)
        if error == NO_ERROR:
            return position, np.int64(-1)
        largest |= abs(error)
        sample = rebuilt(up, -error if left > up else error, numbers[MAXIMUM], step, numbers[RANGE])
        line[np.uint64(at)] = np.uint16(sample)
    return position, largest


@always_inlined
def _decode_pixel_line(
    bits: Bytes,
    above: Line,
    line: Line,
    samples: int,
    slopes: NDArray[np.int16],
    contexts: Contexts,
    classes: NDArray[np.uint8],
    numbers: tuple[Any, ...],
    step: Any,
    state: NDArray[np.int64],
) -> int:
    """Decode one line of pixels, with a pixel more at either end set by the caller; give a status."""
    maximum = numbers[MAXIMUM]
    position, run_index = np.uint64(state[POSITION]), state[1]
    largest, status = np.int64(0), OK
    i, end = np.int64(samples), np.int64(line.size - samples)
    while i < end:
        if _is_flat(above, line, i, samples, slopes, classes, maximum):
            remaining = (end - i) // samples
            length, position, run_index = read_run(bits, position, run_index, remaining)
            if length > remaining:
                status = BAD_RUN
                break
            for lane in range(samples):
                left = line[np.uint64(i + lane - samples)]
                for x in range(length):
                    line[np.uint64(i + lane + x * samples)] = left
            i += length * samples
            if i >= end:
                break
            position, mapped = _read_run_end_pixel(
                bits, position, run_index, above, line, i, samples, contexts, numbers, step
            )
            run_index = max(run_index - 1, 0)
            i += samples
        else:
            mapped = np.int64(0)
            for _ in range(samples):
                place = _place(above, line, i, samples, slopes, classes, maximum)
                sign = place >> 63
                at = np.uint64((place ^ sign) - sign)
                left, corner = np.int64(line[np.uint64(i - samples)]), np.int64(above[np.uint64(i - samples)])
                guess = median_edge(left, np.int64(above[np.uint64(i)]), corner)
                sample, position, code = read_sample(bits, position, contexts, at, sign, guess, numbers, step)
                mapped |= code
                line[np.uint64(i)] = np.uint16(sample)
                i += 1
        if mapped < 0:
            status = BAD_CODE
            break
        largest |= mapped
    state[POSITION] = np.int64(position)
    state[1] = run_index
    return status if status != OK or largest <= largest_code(maximum) else BAD_ERROR


@kernel
def decode_pixels(
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
    """Decode rows of components interleaved by sample; give (status, row).

    Parameters as of `decode_lines`, also the shape of `lines`; here they hold pixels, not lanes.
    """
    lanes, columns = lines.shape[0], lines.shape[2] - 2
    width = lanes * columns
    pair = lines.reshape(-1)
    kinds, slopes = np.empty(width + 2 * lanes, np.int8), np.empty(width + lanes, np.int16)
    for row in range(rows[0], rows[1]):
        top = (row & 1) * (width + 2 * lanes)
        above = pair[top : top + width + 2 * lanes]
        low = width + 2 * lanes - top
        line = pair[low : low + width + 2 * lanes]
        for lane in range(lanes):
            above[width + lanes + lane] = above[width + lane]
            line[lane] = above[lanes + lane]
        classify(above, lanes, numbers, kinds, slopes)
        if lanes == 3:  # as nearly all are: a constant, so that LLVM unrolls the loops over components (8 %)
            status = _decode_pixel_line(bits, above, line, 3, slopes, contexts, classes, numbers, step, state)
        else:
            status = _decode_pixel_line(bits, above, line, lanes, slopes, contexts, classes, numbers, step, state)
        if status != OK:
            return status, row
        if lanes == samples:
            store_line(line[lanes : lanes + width], out, item_bytes, row * width, 1)
            continue
        for lane in range(lanes):
            first = row * columns * samples + component + lane
            store_line(line[lanes + lane : lanes + width : lanes], out, item_bytes, first, samples)
    return OK, rows[1]
