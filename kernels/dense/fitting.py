"""Choose a chunk's weights: least squares over a share of its rows, or the plainest that serve 32-bit values."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..jit import inlined, kernel
from .layout import FIRST_TAPS, SHIFT_MAXIMUM, TAPS, Ints
from .prediction import NEIGHBOURS, place_of_row

_ROW_STEP = 4
"""Every so many-th row is fitted to: at 1 the ratio rises by less than 0.2 %."""
_LARGEST = 1 << 18
"""Values from here on would overflow when weighed; they get weights of whole units."""
_WEIGHT_MAXIMUM = 1 << 11
_DAMPING = 0.02


@inlined
def _differences(values: Ints, at: int, pitch: int, plane: int, taps: int, columns: int, out: Ints) -> None:
    """Give (taps + 1, columns): neighbours, then the sample itself, less the left neighbour."""
    for x in range(columns):
        place = at + x
        left = values[place - 1]
        up = place - pitch
        out[0, x], out[1, x], out[2, x] = values[up] - left, values[up - 1] - left, values[up + 1] - left
        if taps == NEIGHBOURS:
            former = place - plane
            above = former - pitch
            out[3, x], out[4, x], out[5, x] = values[former] - left, values[former - 1] - left, values[above] - left
            out[6, x], out[7, x] = values[above - 1] - left, values[former + 1] - left
            out[8, x] = values[former + pitch] - left
        out[taps, x] = values[place] - left


@inlined
def _solve(matrix: NDArray[np.float64], taps: int, out: NDArray[np.float64]) -> None:
    """Solve the symmetric positive system whose right side is the last row (Cholesky, without pivots)."""
    for i in range(taps + 1):
        for j in range(min(i + 1, taps)):
            total = matrix[i, j]
            for k in range(j):
                total -= matrix[i, k] * matrix[j, k]
            matrix[i, j] = np.sqrt(max(total, 1e-9)) if i == j else total / matrix[j, j]
    for i in range(taps - 1, -1, -1):
        total = matrix[taps, i]
        for k in range(i + 1, taps):
            total -= matrix[k, i] * out[k]
        out[i] = total / matrix[i, i]


@inlined
def _fit(values: Ints, shape: tuple[int, int, int], first: int, last: int, taps: int, out: Ints) -> None:
    """Fit `taps` weights to planes `first` to `last`."""
    _, rows, columns = shape
    pitch = columns + 2
    plane = (rows + 2) * pitch
    matrix = np.zeros((taps + 1, taps + 1))
    row = np.zeros((taps + 1, columns), np.int32)
    count = 0
    for z in range(first, last):
        for y in range(1 + z % min(_ROW_STEP, max(1, rows - 1)), rows, _ROW_STEP):
            _differences(values, place_of_row(z, y, rows, pitch), pitch, plane, taps, columns, row)
            count += columns
            for i in range(taps + 1):
                for j in range(i + 1):
                    total = np.int64(0)
                    for x in range(columns):
                        total += np.int64(row[i, x]) * np.int64(row[j, x])
                    matrix[i, j] += total
    for i in range(taps):
        matrix[i, i] += _DAMPING * count + 1.0
    solution = np.zeros(taps)
    _solve(matrix, taps, solution)
    for i in range(taps):
        scaled = np.rint(solution[i] * (1 << SHIFT_MAXIMUM))
        out[i] = np.int32(min(max(scaled, -_WEIGHT_MAXIMUM), _WEIGHT_MAXIMUM))


@kernel
def fit_weights(values: Ints, shape: tuple[int, int, int], weights: Ints) -> int:
    """Set `weights` for the padded planes `values`; give the shift. Any weights decode: these are just good ones."""
    planes, rows, columns = shape
    weights[:TAPS] = 0
    largest = np.int64(0)
    for z in range(planes):
        for y in range(rows):
            at = place_of_row(z, y, rows, columns + 2)
            for x in range(columns):
                size = abs(np.int64(values[at + x]))
                largest = size if size > largest else largest
    if largest >= _LARGEST:
        weights[0], weights[1] = 1, -1  # above + left - above left
        weights[FIRST_TAPS], weights[FIRST_TAPS + 1] = 1, -1
        return 0
    _fit(values, shape, 0, 1, FIRST_TAPS, weights[:FIRST_TAPS])
    if planes > 1:
        _fit(values, shape, 1, planes, NEIGHBOURS, weights[FIRST_TAPS:])
    return SHIFT_MAXIMUM
