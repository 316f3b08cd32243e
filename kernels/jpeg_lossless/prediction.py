"""Differences to samples, row by row, for interleaved components (T.81 H.1.2.1, table H.1)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..jit import inlined

Row = NDArray[np.uint16]
"""Samples of a row, those of a pixel together; all arithmetic is modulo 2^16."""


@inlined
def add_prediction(row: Row, above: Row, components: int, predictor: int, origin: int, is_start: bool) -> None:
    """Turn a row's differences into samples, `components` a pixel.

    The first row of a restart interval is predicted from the left, from `origin` on; the first pixel of others from
    above; all others by `predictor`, 1 to 7.
    """
    step = np.uint64(components)
    for first in range(step):
        row[first] += np.uint16(origin) if is_start else above[first]
        if is_start or predictor == 1:
            _add_left(row, first, step)
        elif predictor == 2 or predictor == 3:
            _add_above(row, above, first, step, predictor)
        else:
            _add_mixture(row, above, first, step, predictor)


@inlined
def _add_left(row: Row, first: Any, step: Any) -> None:
    # The sample to the left is kept in a register: read back from memory it would take longer than its bits.
    left = np.uint32(row[first])
    for x in range(first + step, np.uint64(row.size), step):
        left += np.uint32(row[x])
        row[x] = left


@inlined
def _add_above(row: Row, above: Row, first: Any, step: Any, predictor: int) -> None:
    back = step if predictor == 3 else np.uint64(0)
    for x in range(first + step, np.uint64(row.size), step):
        row[x] += above[x - back]


@inlined
def _add_mixture(row: Row, above: Row, first: Any, step: Any, predictor: int) -> None:
    """Predict from a, b and c: the samples to the left, above, and above to the left."""
    a, c, size = np.int32(row[first]), np.int32(above[first]), np.uint64(row.size)
    if predictor == 4:
        for x in range(first + step, size, step):
            b = np.int32(above[x])
            a = np.int32(np.uint16(np.int32(row[x]) + b - c + a))
            c, row[x] = b, a
    elif predictor == 5:
        for x in range(first + step, size, step):
            b = np.int32(above[x])
            a = np.int32(np.uint16(np.int32(row[x]) + ((b - c) >> np.int32(1)) + a))
            c, row[x] = b, a
    elif predictor == 6:
        for x in range(first + step, size, step):
            b = np.int32(above[x])
            a = np.int32(np.uint16(np.int32(row[x]) + b + ((a - c) >> np.int32(1))))
            c, row[x] = b, a
    else:
        for x in range(first + step, size, step):
            b = np.int32(above[x])
            a = np.int32(np.uint16(np.int32(row[x]) + ((a + b) >> np.int32(1))))
            row[x] = a
