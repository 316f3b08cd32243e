"""Put values together from residuals: each is predicted by a weighted sum of ten neighbours that are known before.

Neighbours other than the left one are weighed for a row at a time, by vector loop; what is left, one multiplication
and addition a sample, waits for the sample before, so four planes go side by side, each two rows behind the one
before it, which it looks into. All arithmetic is that of 32-bit integers and wraps around.

Values lie in padded planes: a row above, a row below, a column on either side.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..jit import always_inlined, inlined, kernel
from .entropy import Index
from .layout import FIRST_TAPS, RUN, Ints

NEIGHBOURS = 9
"""All but the left one: above, above left, above right; then of the plane before the same place, left, above, above
left, right, below."""
ABREAST = 4


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
    for row in rows:
        row[NEIGHBOURS] = np.int32((1 << shift) - np.sum(row[:NEIGHBOURS]))
    return rows


@always_inlined
def weigh_plane(values: Ints, up: Any, w: Any, half: Any, out: Ints, out_at: Any, columns: Any) -> None:
    """Set `out` to half a unit and the weighed row above, of which `up` is the first place."""
    w0, w1, w2, rounding = np.int32(w[0]), np.int32(w[1]), np.int32(w[2]), np.int32(half)
    for start in range(0, columns, RUN):
        at, target = Index(up + start), Index(out_at + start)
        for i in range(RUN):
            x = Index(i)
            own, left, right = values[at + x], values[at - Index(1) + x], values[at + Index(1) + x]
            out[target + x] = np.int32(rounding + w0 * own + w1 * left + w2 * right)


@always_inlined
def weigh_former(values: Ints, same: Any, pitch: Any, w: Any, out: Ints, out_at: Any, columns: Any) -> None:
    """Add the weighed plane before to `out`; `same` is the first place there of the same row."""
    w3, w4, w5 = np.int32(w[3]), np.int32(w[4]), np.int32(w[5])
    w6, w7, w8 = np.int32(w[6]), np.int32(w[7]), np.int32(w[8])
    for start in range(0, columns, RUN):
        at, target = Index(same + start), Index(out_at + start)
        above, below = at - Index(pitch), at + Index(pitch)
        for i in range(RUN):
            x = Index(i)
            near = w3 * values[at + x] + w4 * values[at - Index(1) + x] + w7 * values[at + Index(1) + x]
            far = w5 * values[above + x] + w6 * values[above - Index(1) + x] + w8 * values[below + x]
            out[target + x] = np.int32(out[target + x] + near + far)


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


@kernel
def rebuild_values(residuals: Ints, weights: Ints, shift: int, shape: tuple[int, int, int], values: Ints) -> None:
    """Fill the padded planes `values` (planes × (rows + 2) × (columns + 2), and two rows and 2 × `RUN` to spare)."""
    planes, rows, columns = shape
    pitch = columns + 2
    room = (columns + RUN - 1) // RUN * RUN
    rests = np.zeros(ABREAST * room, np.int32)
    of_rows = weights_of_rows(weights, shift)
    ats, froms = np.zeros(ABREAST, np.int64), np.zeros(ABREAST, np.int64)
    lefts, own = np.zeros(ABREAST, np.int32), np.zeros(ABREAST, np.int32)
    spare = place_of_row(planes, 0, rows, pitch)
    half = (1 << shift) >> 1
    for first in range(0, planes, ABREAST):
        for step in range(rows + 2 * (ABREAST - 1)):
            for lane in range(ABREAST):
                z, y = first + lane, step - 2 * lane
                ats[lane] = spare
                if z < planes and 0 <= y < rows:
                    at = place_of_row(z, y, rows, pitch)
                    w = of_rows[min(z, 1) * 2 + min(y, 1)]
                    weigh_plane(values, at - pitch, w, half, rests, lane * room, columns)
                    if z > 0:
                        weigh_former(values, at - (rows + 2) * pitch, pitch, w, rests, lane * room, columns)
                    ats[lane], froms[lane], own[lane] = at, (z * rows + y) * columns, w[NEIGHBOURS]
                    lefts[lane] = left_of_row(values, z, y, at, rows, pitch)
                    values[at - 1] = lefts[lane]
            _add_left(residuals, rests, room, shift, columns, ats, froms, lefts, own, values)
            for lane in range(ABREAST):
                if ats[lane] != spare:
                    close_row(values, step - 2 * lane, ats[lane], rows, columns, pitch)


@always_inlined
def _add_left(
    residuals: Ints,
    rests: Ints,
    room: Any,
    shift: Any,
    columns: Any,
    ats: NDArray[np.int64],
    froms: NDArray[np.int64],
    lefts: Ints,
    own: Ints,
    values: Ints,
) -> None:
    """Finish one row of each lane, sample after sample."""
    v0, v1, v2, v3 = Index(ats[0]), Index(ats[1]), Index(ats[2]), Index(ats[3])
    r0, r1, r2, r3 = Index(froms[0]), Index(froms[1]), Index(froms[2]), Index(froms[3])
    a0, a1, a2, a3 = lefts[0], lefts[1], lefts[2], lefts[3]
    k0, k1, k2, k3 = own[0], own[1], own[2], own[3]
    for i in range(columns):
        x = Index(i)
        a0 = np.int32(residuals[r0 + x] + (np.int32(k0 * a0 + rests[x]) >> shift))
        a1 = np.int32(residuals[r1 + x] + (np.int32(k1 * a1 + rests[x + Index(room)]) >> shift))
        a2 = np.int32(residuals[r2 + x] + (np.int32(k2 * a2 + rests[x + Index(2 * room)]) >> shift))
        a3 = np.int32(residuals[r3 + x] + (np.int32(k3 * a3 + rests[x + Index(3 * room)]) >> shift))
        values[v0 + x], values[v1 + x], values[v2 + x], values[v3 + x] = a0, a1, a2, a3
