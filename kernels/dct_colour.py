"""From component planes to pixels: chrominance spread to full resolution, bit for bit as libjpeg does it.

Chrominance of half resolution is interpolated ("fancy upsampling": 3/4 of the nearer sample, 1/4 of the further),
as the samples lie midway between pixels; of any other ratio it is repeated.
Loops run over flat arrays with strides known to the compiler, else LLVM would not make vectors of them.
Source: JFIF 1.02 (positions of samples); rounding as in the Independent JPEG Group's `jdsample`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .dct_pixels import PIXELS, write_pixels, write_rgb
from .jit import inlined, kernel

Samples = NDArray[Any]
Layout = NDArray[np.uint64]
Line = NDArray[np.uint16]

REPEAT = 0
ACROSS = 1
"""Interpolate horizontally: half as many columns."""
DOWN = 2
"""Interpolate vertically: half as many rows."""
BOTH = 3

_U0, _U1, _U2, _U3 = (np.uint64(value) for value in range(4))


@inlined
def _weight_rows(plane: Samples, place: Layout, y: Any, line: Line, first: Any) -> None:
    """Put 3 times the nearer sample plus the one above or below it in `line`, from `first`."""
    near = y >> _U1
    far = min(near + _U1, place[2] - _U1) if y & _U1 else max(near, _U1) - _U1
    nearer, further = place[0] + near * place[1], place[0] + far * place[1]
    for x in range(place[3]):
        line[first + x] = np.uint16(plane[nearer + x] * 3 + plane[further + x])


@inlined
def _spread_across(sums: Line, width: Any, left: int, right: int, bits: int, lines: Line, first: Any) -> None:
    """Put two pixels a sample in `lines`, weights 3 to 1, of `sums` that hold the samples from index 1."""
    sums[0], sums[width + _U1] = sums[1], sums[width]
    for x in range(width):
        three = np.uint32(sums[x + _U1]) * np.uint32(3)
        lines[first + _U2 * x] = np.uint16(np.uint32(three + sums[x] + left) >> bits)
        lines[first + _U2 * x + _U1] = np.uint16(np.uint32(three + sums[x + _U2] + right) >> bits)


@inlined
def _fill_line(
    plane: Samples, place: Layout, y: Any, ratio: tuple[Any, Any], sums: Line, lines: Line, first: Any
) -> None:
    """Put row `y` of one component, at the picture's resolution, in `lines` from `first`."""
    width = place[3]
    row = place[0] + y * place[5] // ratio[1] * place[1]
    if place[6] == REPEAT and place[4] == ratio[0]:
        for x in range(width):
            lines[first + x] = plane[row + x]
    elif place[6] == REPEAT:
        for x in range(width * ratio[0] // place[4]):
            lines[first + x] = plane[row + x * place[4] // ratio[0]]
    elif place[6] == ACROSS:
        for x in range(width):
            sums[x + _U1] = plane[row + x]
        _spread_across(sums, width, 1, 2, 2, lines, first)
    elif place[6] == DOWN:
        _weight_rows(plane, place, y, lines, first)
        rounding = np.uint32(_U1 + (y & _U1))
        for x in range(width):
            lines[first + x] = np.uint16(np.uint32(lines[first + x] + rounding) >> 2)
    else:
        _weight_rows(plane, place, y, sums, _U1)
        _spread_across(sums, width, 8, 7, 4, lines, first)


@kernel
def merge_components(
    planes: Samples, places: Layout, ratio: tuple[Any, Any], is_ycc: bool, columns: Any, rows: Any, out: Samples
) -> None:
    """Write the pixels of three components to `out` (flat), as RGB if `is_ycc`, else as they are.

    `out` is `3 * PIXELS` samples longer than the picture, for what is written there has no meaning.
    `places` has for each component: its start and samples a row in the flat `planes`; its rows and columns; its
    sampling factors across and down; and how it is spread. `ratio` has the largest factors. The
    caller proves that rows and columns of each lie within `planes`, and cover the picture.
    """
    # Vectors go beyond a row, into what the next one overwrites; repeated samples do, by 3 pixels at most.
    pitch = columns + PIXELS
    lines = np.zeros(_U3 * pitch, np.uint16)
    sums = np.zeros(pitch, np.uint16)
    for y in range(rows):
        for number in range(_U3):
            _fill_line(planes, places[number], y, ratio, sums, lines, number * pitch)
        row = _U3 * columns * y
        for x in range(_U0, columns, PIXELS):
            if is_ycc:
                write_rgb(lines, x, pitch, out, row + _U3 * x)
            else:
                write_pixels(lines, x, pitch, out, row + _U3 * x)
