"""Decode lines of pixels whose components are interleaved by sample (T.87 A.7 and annex B).

The components share contexts and runs: a run goes on where all of them do, and each gives its own error at its end.
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
    largest_code,
    read_run,
    read_run_end,
    read_sample,
    store_line,
)
from .parameters import MAXIMUM, RANGE

Lines = NDArray[np.uint16]
"""(components, 2, columns + 2): the line above and the current one by turns, a sample more at either end."""


@always_inlined
def _find_contexts(
    lines: Lines, top: int, x: Any, classes: NDArray[np.int8], maximum: Any, found: NDArray[np.int64]
) -> bool:
    """Put each component's context index and sign at column `x` into `found`; give whether a run begins."""
    width = 2 * maximum + 1
    straight = 2 * width + maximum
    is_flat = True
    above, here = np.uint64(top), np.uint64(1 - top)
    for lane in range(lines.shape[0]):
        component = np.uint64(lane)
        corner = np.int64(lines[component, above, np.uint64(x - 1)])
        up = np.int64(lines[component, above, np.uint64(x)])
        right = np.int64(lines[component, above, np.uint64(x + 1)])
        left = np.int64(lines[component, here, np.uint64(x - 1)])
        first = np.int64(classes[np.uint64(straight + right - up)])
        second = np.int64(classes[np.uint64(straight + up - corner)])
        ahead = 9 * (9 * first + second)
        turn = (np.int64(ahead > 0) - np.int64(ahead < 0) + 1) * width + maximum
        place = abs(ahead) + np.int64(classes[np.uint64(turn + corner - left)])
        found[np.uint64(2 * lane)] = place
        found[np.uint64(2 * lane + 1)] = ((ahead << 20) + corner - left) >> 63
        is_flat &= place == 0
    return is_flat


@always_inlined
def _read_pixel(
    bits: Bytes,
    position: Any,
    lines: Lines,
    top: int,
    x: Any,
    contexts: Contexts,
    found: NDArray[np.int64],
    numbers: tuple[Any, ...],
    step: Any,
) -> tuple[Any, Any]:
    """Read the samples of a pixel in regular mode; give (position, mapped errors joined by or, -1 for none)."""
    above, here = np.uint64(top), np.uint64(1 - top)
    largest = np.int64(0)
    for lane in range(lines.shape[0]):
        component = np.uint64(lane)
        corner = np.int64(lines[component, above, np.uint64(x - 1)])
        up = np.int64(lines[component, above, np.uint64(x)])
        left = np.int64(lines[component, here, np.uint64(x - 1)])
        place, sign = np.uint64(found[np.uint64(2 * lane)]), found[np.uint64(2 * lane + 1)]
        guess = median_edge(left, up, corner)
        sample, position, mapped = read_sample(bits, position, contexts, place, sign, guess, numbers, step)
        if mapped < 0:
            return position, mapped
        largest |= mapped
        lines[component, here, np.uint64(x)] = np.uint16(sample)
    return position, largest


@always_inlined
def _read_run_end_pixel(
    bits: Bytes,
    position: Any,
    run_index: Any,
    lines: Lines,
    top: int,
    x: Any,
    contexts: Contexts,
    numbers: tuple[Any, ...],
    step: Any,
) -> tuple[Any, Any]:
    """Read the pixel that ended a run: RItype is 0 whatever the neighbours; give as `_read_pixel`."""
    above, here = np.uint64(top), np.uint64(1 - top)
    largest = np.int64(0)
    for lane in range(lines.shape[0]):
        component = np.uint64(lane)
        up = np.int64(lines[component, above, np.uint64(x)])
        left = np.int64(lines[component, here, np.uint64(x - 1)])
        error, position = read_run_end(bits, position, run_index, contexts, np.int64(0), numbers)
        if error == NO_ERROR:
            return position, np.int64(-1)
        largest |= abs(error)
        sample = rebuilt(up, -error if left > up else error, numbers[MAXIMUM], step, numbers[RANGE])
        lines[component, here, np.uint64(x)] = np.uint16(sample)
    return position, largest


@always_inlined
def _decode_pixel_line(
    bits: Bytes,
    lines: Lines,
    top: int,
    contexts: Contexts,
    classes: NDArray[np.int8],
    numbers: tuple[Any, ...],
    step: Any,
    state: NDArray[np.int64],
    found: NDArray[np.int64],
) -> int:
    """Decode one line of pixels below line `top`, its ends set by the caller; give a status."""
    columns = np.int64(lines.shape[2] - 2)
    position, run_index = np.uint64(state[POSITION]), state[1]
    largest, status = np.int64(0), OK
    x = np.int64(1)
    while x <= columns:
        if _find_contexts(lines, top, x, classes, numbers[MAXIMUM], found):
            length, position, run_index = read_run(bits, position, run_index, columns + 1 - x)
            if length > columns + 1 - x:
                status = BAD_RUN
                break
            for lane in range(lines.shape[0]):
                lines[lane, 1 - top, x : x + length] = lines[lane, 1 - top, x - 1]
            x += length
            if x > columns:
                break
            position, mapped = _read_run_end_pixel(
                bits, position, run_index, lines, top, x, contexts, numbers, step
            )
            run_index = max(run_index - 1, 0)
        else:
            position, mapped = _read_pixel(bits, position, lines, top, x, contexts, found, numbers, step)
        if mapped < 0:
            status = BAD_CODE
            break
        largest |= mapped
        x += 1
    state[POSITION] = np.int64(position)
    state[1] = run_index
    return status if status != OK or largest <= largest_code(numbers[MAXIMUM]) else BAD_ERROR


@kernel
def decode_pixels(
    bits: Bytes,
    lines: Lines,
    contexts: Contexts,
    classes: NDArray[np.int8],
    numbers: tuple[int, ...],
    step: int | None,
    state: NDArray[np.int64],
    rows: tuple[int, int],
    out: Bytes,
    item_bytes: int,
    samples: int,
    component: int,
) -> tuple[int, int]:
    """Decode rows of components interleaved by sample; give (status, row). Parameters as of `decode_lines`."""
    columns = lines.shape[2] - 2
    found = np.empty(2 * lines.shape[0], np.int64)
    for row in range(rows[0], rows[1]):
        top = row & 1
        for lane in range(lines.shape[0]):
            lines[lane, top, columns + 1] = lines[lane, top, columns]
            lines[lane, 1 - top, 0] = lines[lane, top, 1]
        status = _decode_pixel_line(bits, lines, top, contexts, classes, numbers, step, state, found)
        if status != OK:
            return status, row
        for lane in range(lines.shape[0]):
            store_line(lines[lane, 1 - top], out, item_bytes, row * columns * samples + component + lane, samples)
    return OK, rows[1]
