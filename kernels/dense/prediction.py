"""Predict a row: each value by a weighted sum of ten neighbours that are known before it.

Neighbours other than the left one are weighed for a row at a time, by vector loop. All arithmetic is that of 32-bit
integers and wraps around.

Values lie in padded planes: a row above, a row below, a column on either side.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..jit import always_inlined, inlined
from .entropy import Index
from .layout import FIRST_TAPS, RUN, Ints

NEIGHBOURS = 9
"""All but the left one: above, above left, above right; then of the plane before the same place, left, above, above
left, right, below."""


@inlined
def weights_of_rows(weights: Ints, shift: int) -> Ints:
    """Give (first plane's first row, its others, other planes' first row, their others) × (neighbours, left one)."""
    rows = np.zeros((4, NEIGHBOURS + 1), np.int32)
    for i in range(FIRST_TAPS):
        rows[1, i] = weights[i]
    for i in range(NEIGHBOURS):
        rows[2, i] = rows[3, i] = weights[FIRST_TAPS + i]
    # A plane's first row has none above it: of this plane the left neighbour stands in, of the plane before too.
    rows[2, 0] = rows[2, 1] = rows[2, 2] = 0
    rows[2, 4] += rows[2, 5] + rows[2, 6]
    rows[2, 5] = rows[2, 6] = 0
    for kind in range(4):
        rows[kind, NEIGHBOURS] = np.int32((1 << shift) - np.sum(rows[kind, :NEIGHBOURS]))
    return rows


@always_inlined
def weigh_plane(values: Ints, up: Any, w: Ints, kind: Any, out: Ints, out_at: Any, columns: Any) -> None:
    """Add the weighed row above, of which `up` is the first place, to `out`."""
    w0, w1, w2 = w[kind, 0], w[kind, 1], w[kind, 2]
    for start in range(0, columns, RUN):
        at, target = Index(up + start), Index(out_at + start)
        for i in range(RUN):
            x = Index(i)
            own, left, right = values[at + x], values[at - Index(1) + x], values[at + Index(1) + x]
            near = np.int32(w0 * own) + np.int32(w1 * left)
            out[target + x] = np.int32(out[target + x] + near + np.int32(w2 * right))


@always_inlined
def weigh_former(values: Ints, same: Any, pitch: Any, w: Ints, kind: Any, out: Ints, out_at: Any, columns: Any) -> None:
    """Add the weighed plane before to `out`; `same` is the first place there of the same row."""
    w3, w4, w5 = w[kind, 3], w[kind, 4], w[kind, 5]
    w6, w7, w8 = w[kind, 6], w[kind, 7], w[kind, 8]
    for start in range(0, columns, RUN):
        at, target = Index(same + start), Index(out_at + start)
        above, below = at - Index(pitch), at + Index(pitch)
        for i in range(RUN):
            x = Index(i)
            own, left, right = values[at + x], values[at - Index(1) + x], values[at + Index(1) + x]
            near = np.int32(w3 * own) + np.int32(w4 * left) + np.int32(w7 * right)
            far = np.int32(w5 * values[above + x]) + np.int32(w6 * values[above - Index(1) + x])
            out[target + x] = np.int32(out[target + x] + near + far + np.int32(w8 * values[below + x]))


@always_inlined
def place_of_row(z: Any, y: Any, rows: Any, pitch: Any) -> Any:
    """Give the place of a row's first sample in padded planes."""
    return (z * (rows + 2) + y + 1) * pitch + 1


@always_inlined
def left_of_row(values: Ints, z: Any, y: Any, at: Any, rows: Any, pitch: Any) -> Any:
    """Give what stands left of a row's first sample: the one above it, else in the plane before, else 0."""
    if y > 0:
        return values[Index(at - pitch)]
    return values[Index(at - (rows + 2) * pitch)] if z > 0 else np.int32(0)


@always_inlined
def close_row(values: Ints, y: Any, at: Any, rows: Any, columns: Any, pitch: Any) -> None:
    """Repeat a row's last sample to its right, and a plane's last row below it."""
    values[Index(at + columns)] = values[Index(at + columns - 1)]
    if y == rows - 1:
        for x in range(-1, columns + 1):
            values[Index(at + pitch + x)] = values[Index(at + x)]
