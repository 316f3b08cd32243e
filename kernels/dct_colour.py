"""From component planes to pixels: chrominance spread to full resolution, YCbCr turned to RGB, bit for bit as libjpeg.

Chrominance of half resolution is interpolated ("fancy upsampling": 3/4 of the nearer sample, 1/4 of the further),
as the samples lie midway between pixels; of any other ratio it is repeated.
Source: JFIF 1.02 (positions of samples, conversion); rounding as in the Independent JPEG Group's `jdsample`, `jdcolor`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .jit import inlined, kernel

Samples = NDArray[Any]
Layout = NDArray[np.int64]

REPEAT = 0
ACROSS = 1
"""Interpolate horizontally: half as many columns."""
DOWN = 2
"""Interpolate vertically: half as many rows."""
BOTH = 3

_HALF = 1 << 15
_RED_OF_CR, _BLUE_OF_CB = 91881, 116130
_GREEN_OF_CB, _GREEN_OF_CR = -22554, -46802
"""1.402, 1.772, -0.34414 and -0.71414 in 16 bits of fraction."""


@inlined
def _repeated_row(plane: Samples, place: Layout, y: int, ratio: tuple[int, int], line: NDArray[np.int32]) -> None:
    """Fill `line` with row `y` of the picture, each sample as often as its ratio says."""
    start = place[0] + (y * place[5] // ratio[1]) * place[1]
    across = place[4]
    if across == ratio[0]:
        row = plane[start : start + line.size]
        for x in range(np.uint64(line.size)):
            line[x] = row[x]
        return
    for x in range(line.size):
        line[x] = plane[start + x * across // ratio[0]]


@inlined
def _weighted_row(plane: Samples, place: Layout, y: int, sums: NDArray[np.int32]) -> int:
    """Fill `sums` from index 1 with 3 times the nearer sample plus the further one above or below; give the width."""
    height, width = place[2], place[3]
    near = y >> 1
    far = max(near - 1, 0) if y & 1 == 0 else min(near + 1, height - 1)
    nearer = plane[place[0] + near * place[1] : place[0] + near * place[1] + width]
    further = plane[place[0] + far * place[1] : place[0] + far * place[1] + width]
    for x in range(np.uint64(width)):
        sums[x + np.uint64(1)] = np.int32(nearer[x]) * 3 + np.int32(further[x])
    return width


@inlined
def _plain_row(plane: Samples, place: Layout, y: int, sums: NDArray[np.int32]) -> int:
    """Fill `sums` from index 1 with a row's samples; give the width."""
    width = place[3]
    row = plane[place[0] + y * place[1] : place[0] + y * place[1] + width]
    for x in range(np.uint64(width)):
        sums[x + np.uint64(1)] = row[x]
    return width


@inlined
def _spread_across(sums: NDArray[np.int32], width: int, rounding: tuple[int, int], bits: int, line: Samples) -> None:
    """Fill `line` with two pixels a sample, weights 3 to 1, of `sums` that hold the samples from index 1."""
    sums[0], sums[width + 1] = sums[1], sums[width]
    before, here, after = sums[:width], sums[1 : width + 1], sums[2 : width + 2]
    left, right = rounding
    for x in range(np.uint64(width)):
        three = here[x] * 3
        line[2 * x] = np.int32(three + before[x] + left) >> bits
        line[2 * x + np.uint64(1)] = np.int32(three + after[x] + right) >> bits


@inlined
def _component_row(
    plane: Samples,
    place: Layout,
    y: int,
    ratio: tuple[int, int],
    sums: NDArray[np.int32],
    line: NDArray[np.int32],
) -> None:
    """Fill `line` with row `y` of one component at the picture's resolution."""
    mode = place[6]
    if mode == REPEAT:
        _repeated_row(plane, place, y, ratio, line[: line.size - 1])
    elif mode == ACROSS:
        width = _plain_row(plane, place, y, sums)
        _spread_across(sums, width, (1, 2), 2, line)
    elif mode == DOWN:
        width = _weighted_row(plane, place, y, sums)
        rounding = 1 + (y & 1)
        for x in range(np.uint64(width)):
            line[x] = np.int32(sums[x + np.uint64(1)] + rounding) >> 2
    else:
        width = _weighted_row(plane, place, y, sums)
        _spread_across(sums, width, (8, 7), 4, line)


@inlined
def _write_rgb(lines: NDArray[np.int32], white: int, row: Samples) -> None:
    """Convert one row of Y, Cb, Cr to red, green, blue within 0 to `white`."""
    centre = (white + 1) >> 1
    luminance, blueness, redness = lines[0], lines[1], lines[2]
    for x in range(np.uint64(row.shape[0])):
        y, cb, cr = luminance[x], blueness[x] - centre, redness[x] - centre
        red = y + (np.int32(_RED_OF_CR * cr + _HALF) >> 16)
        green = y + (np.int32(_GREEN_OF_CB * cb + _GREEN_OF_CR * cr + _HALF) >> 16)
        blue = y + (np.int32(_BLUE_OF_CB * cb + _HALF) >> 16)
        row[x, np.uint64(0)] = min(max(red, 0), white)
        row[x, np.uint64(1)] = min(max(green, 0), white)
        row[x, np.uint64(2)] = min(max(blue, 0), white)


@kernel
def merge_components(
    planes: Samples, places: Layout, ratio: tuple[int, int], is_ycc: bool, white: int, out: Samples
) -> None:
    """Write `out` (rows, columns, 3) of three components; as RGB if `is_ycc`, else as they are.

    `places` has for each component: its start and samples a row in the flat `planes`; its rows and columns; its
    sampling factors across and down; and how it is spread. `ratio` has the largest factors. The caller proves that
    rows and columns of each lie within `planes`, and cover the picture.
    """
    columns = out.shape[1]
    # Twice an odd number of samples is one pixel more than the picture has.
    lines = np.zeros((3, columns + 1), np.int32)
    sums = np.zeros(columns + 3, np.int32)
    for y in range(out.shape[0]):
        for number in range(3):
            _component_row(planes, places[number], y, ratio, sums, lines[number])
        if is_ycc:
            _write_rgb(lines, white, out[y])
        else:
            for number in range(3):
                out[y, :, number] = lines[number, :columns]
