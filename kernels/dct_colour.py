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

from .dct_pixels import PIXELS, spread_samples, spread_sums, write_pixels, write_rgb
from .jit import inlined, kernel

Samples = NDArray[Any]
Place = tuple[Any, ...]
Sums = NDArray[np.uint16]

REPEAT = 0
ACROSS = 1
"""Interpolate horizontally: half as many columns."""
DOWN = 2
"""Interpolate vertically: half as many rows."""
BOTH = 3
WHOLE = 4
"""There is nothing to do: as many samples as pixels."""

_U0, _U1, _U2, _U3 = (np.uint64(value) for value in range(4))


@inlined
def _place(layout: NDArray[np.uint64], number: Any) -> Place:
    """Give one component's row of `layout`."""
    row = layout[number]
    return row[0], row[1], row[2], row[3], row[4], row[5], row[6]


@inlined
def _further_row(place: Place, y: Any) -> Any:
    """Give where the row begins that is second nearest to row `y` of the picture, with half as many rows."""
    near = y >> _U1
    far = min(near + _U1, place[2] - _U1) if y & _U1 else max(near, _U1) - _U1
    return place[0] + far * place[1]


@inlined
def _spread_row(planes: Samples, place: Place, y: Any, ratio: tuple[Any, Any], sums: Sums, first: Any) -> Any:
    """Give where row `y` of a component begins, at the picture's resolution: its own row, or `first`, written now."""
    width, mode = place[3], place[6]
    if mode == WHOLE:
        return place[0] + y * place[1]
    row = place[0] + y * place[5] // ratio[1] * place[1]
    if mode == REPEAT:
        for x in range(width * ratio[0] // place[4]):
            planes[first + x] = planes[row + x * place[4] // ratio[0]]
    elif mode == ACROSS:
        for x in range(width):
            sums[x + _U1] = planes[row + x]
        sums[0], sums[width + _U1] = sums[1], sums[width]
        for x in range(_U0, width, PIXELS):
            spread_samples(sums, x, planes, first + _U2 * x)
    elif mode == DOWN:
        further, rounding = _further_row(place, y), np.uint32(_U1 + (y & _U1))
        for x in range(width):
            planes[first + x] = np.uint32(np.uint32(planes[row + x]) * 3 + planes[further + x] + rounding) >> 2
    else:
        further = _further_row(place, y)
        for x in range(width):
            sums[x + _U1] = np.uint32(planes[row + x]) * 3 + planes[further + x]
        sums[0], sums[width + _U1] = sums[1], sums[width]
        for x in range(_U0, width, PIXELS):
            spread_sums(sums, x, planes, first + _U2 * x)
    return first


def row_room(columns: int) -> int:
    """Give the samples that `planes` must have beyond its components, for each of three.

    Vectors read and write beyond a row of the picture, by less than 32 pixels; repeated samples by 3 at most.
    """
    return columns + 2 * int(PIXELS)


@kernel
def merge_components(
    planes: Samples,
    layout: NDArray[np.uint64],
    most: tuple[int, int],
    is_ycc: bool,
    size: tuple[int, int],
    out: Samples,
) -> None:
    """Write the pixels of three components to `out` (flat), as RGB if `is_ycc`, else as they are.

    `out` is `3 * PIXELS` samples longer than the picture, `planes` has `3 * row_room` at its end: what is written there
    has no meaning. `layout` tells of each component, (3, 7): its start and samples a row in the flat `planes`; its rows
    and columns; its sampling factors across and down; and how it is spread. `most` has the largest factors, across and
    down; `size` is (rows, columns). The caller proves that rows and columns of each component lie within `planes`, and
    cover the picture.
    """
    ratio = np.uint64(most[0]), np.uint64(most[1])
    rows, columns = np.uint64(size[0]), np.uint64(size[1])
    # As tuples, for each slice of an array counts references, which takes 30 ns a row of pixels.
    places = _place(layout, _U0), _place(layout, _U1), _place(layout, _U2)
    room = columns + _U2 * PIXELS
    spare = np.uint64(planes.size) - _U3 * room
    sums = np.zeros(room, np.uint16)
    for y in range(rows):
        first = _spread_row(planes, places[0], y, ratio, sums, spare)
        second = _spread_row(planes, places[1], y, ratio, sums, spare + room)
        third = _spread_row(planes, places[2], y, ratio, sums, spare + _U2 * room)
        at = _U3 * columns * y
        for x in range(_U0, columns, PIXELS):
            if is_ycc:
                write_rgb(planes, first + x, second + x, third + x, out, at + _U3 * x)
            else:
                write_pixels(planes, first + x, second + x, third + x, out, at + _U3 * x)
