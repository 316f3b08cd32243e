"""Decode one chunk's planes: symbols to numbers, numbers to residuals, residuals and predictions to values.

Four planes go side by side, each two rows behind the one before it, which it looks into: a step takes one row of each.
So what a row needs was written some rows ago and has reached the cache, and the only thing that is left to do sample
after sample, a multiplication and an addition for the left neighbour, is done for four rows at once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..jit import kernel
from .entropy import Index, keep_row, note_contexts, step_of
from .layout import ABREAST, LANES, RING, RUN, Bytes, Ints
from .prediction import NEIGHBOURS, close_row, left_of_row, place_of_row, weigh_former, weigh_plane, weights_of_rows
from .tables import TOTAL


@kernel
def decode_planes(
    stream: Bytes,
    stream_bits: int,
    states: NDArray[np.uint64],
    models: NDArray[np.uint64],
    weights: Ints,
    shift: int,
    shape: tuple[int, int, int],
    slots: NDArray[np.uint32],
    smallest: NDArray[np.uint32],
    sizes: Ints,
    values: Ints,
) -> Any:
    """Fill padded planes `values` for `shape`'s planes; give the bits that were read, or -1 where they ran out.

    `models` holds for each context the first slot of its distribution; `states` is left as decoding ends. `stream`
    must have six bytes a column, and 16, to spare after its bits, `sizes` be `RING` × (rows × (columns + 2) + `RUN`)
    long, and `values` as `prediction` says. The loops pass no array to a function that LLVM does not dissolve: Numba
    would count references, which costs more than the work.
    """
    planes, rows, columns = shape
    pitch, room, plane_sizes = columns + 2, (columns + RUN - 1) // RUN * RUN, rows * (columns + 2) + RUN
    of_rows = weights_of_rows(weights, shift)
    contexts, numbers = np.zeros(ABREAST * room, np.int32), np.zeros(ABREAST * room, np.int32)
    rests, ats = np.zeros(ABREAST * room, np.int32), np.zeros(ABREAST, np.int64)
    lefts, own = np.zeros(ABREAST, np.int32), np.zeros(ABREAST, np.int32)
    spare = place_of_row(planes, 0, rows, pitch)
    position, address = Index(0), np.int64(stream.ctypes.data)
    states &= Index(TOTAL - 1)
    turn = Index(0)
    for first in range(0, planes, ABREAST):
        for step in range(rows + 2 * (ABREAST - 1)):
            for lane in range(ABREAST):
                z, y = first + lane, step - 2 * lane
                if z < planes and 0 <= y < rows and (z > 0 or y > 0):
                    before = ((z - 1) % RING) * plane_sizes + 1
                    up = (z % RING) * plane_sizes + (y - 1) * pitch + 1 if y > 0 else before
                    note_contexts(sizes, up, before + y * pitch if z > 0 else up, contexts, lane * room, columns)
            if np.int64(position) > stream_bits:
                return -1
            for lane in range(ABREAST):
                z, y = first + lane, step - 2 * lane
                if z >= planes or y < 0 or y >= rows:
                    continue
                for x in range(lane * room, lane * room + columns):
                    slot = Index(slots[models[Index(contexts[Index(x)])] + states[turn]])
                    state, extra, position = step_of(slot, address, position)
                    numbers[Index(x)] = np.int32(smallest[(slot >> Index(12)) & Index(63)] + extra)
                    states[turn] = state
                    turn = (turn + Index(1)) & Index(LANES - 1)
            for lane in range(ABREAST):
                z, y = first + lane, step - 2 * lane
                ats[lane] = spare
                if z < planes and 0 <= y < rows:
                    sizes_at = (z % RING) * plane_sizes + y * pitch + 1
                    keep_row(numbers, lane * room, sizes, sizes_at, shift, rests, columns)
                    at, kind = place_of_row(z, y, rows, pitch), min(z, 1) * 2 + min(y, 1)
                    weigh_plane(values, at - pitch, of_rows, kind, rests, lane * room, columns)
                    if z > 0:
                        weigh_former(values, at - (rows + 2) * pitch, pitch, of_rows, kind, rests, lane * room, columns)
                    ats[lane], own[lane] = at, of_rows[kind, NEIGHBOURS]
                    lefts[lane] = left_of_row(values, z, y, at, rows, pitch)
                    values[at - 1] = lefts[lane]
            v0, v1, v2, v3 = Index(ats[0]), Index(ats[1]), Index(ats[2]), Index(ats[3])
            a0, a1, a2, a3 = lefts[0], lefts[1], lefts[2], lefts[3]
            k0, k1, k2, k3 = own[0], own[1], own[2], own[3]
            for i in range(columns):
                x0 = Index(i)
                x1, x2, x3 = x0 + Index(room), x0 + Index(2 * room), x0 + Index(3 * room)
                a0 = np.int32(k0 * a0 + rests[x0]) >> shift
                a1 = np.int32(k1 * a1 + rests[x1]) >> shift
                a2 = np.int32(k2 * a2 + rests[x2]) >> shift
                a3 = np.int32(k3 * a3 + rests[x3]) >> shift
                values[v0 + x0], values[v1 + x0], values[v2 + x0], values[v3 + x0] = a0, a1, a2, a3
            for lane in range(ABREAST):
                if ats[lane] != spare:
                    close_row(values, step - 2 * lane, ats[lane], rows, columns, pitch)
    return np.int64(position)
