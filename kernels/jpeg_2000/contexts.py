"""Contexts of the bit-plane coder as look-up tables (T.800 annex D).

A flags word stands for a column of four coefficients. Its bits 0 to 17 say which of the 3 x 6 coefficients in and
around the column are significant, row by row; bits 32 to 49 give their signs. So the neighbourhood of row i of the
column is the word shifted right by 3 i: bits 0 to 8 with the coefficient itself as bit 4.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .mq import SIGN, ZERO

SELF = 1 << 4
AROUND = 0x1EF
ANY = 0x3FFFF
ROWS = 1 | 1 << 3 | 1 << 6 | 1 << 9
"""Where the rows of a column begin: a set of rows is kept as some of these bits."""
OWN = SELF | SELF << 3 | SELF << 6 | SELF << 9
VISITED = 1 << 18
"""Coded by the significance propagation pass of this bit plane; shifted like a neighbourhood."""
REFINED = 1 << 19
VISITED_ALL = VISITED | VISITED << 3 | VISITED << 6 | VISITED << 9
SIGNS = 32
BOTH = 1 | 1 << SIGNS
"""Significance and sign of one coefficient."""

_NORTH, _SOUTH, _WEST, _EAST = 1, 7, 3, 5
_DIAGONAL = (0, 2, 6, 8)


def _zero_context(orientation: int, around: int) -> int:
    """Give the zero coding context (T.800 table D.1)."""
    horizontal = (around >> _WEST & 1) + (around >> _EAST & 1)
    vertical = (around >> _NORTH & 1) + (around >> _SOUTH & 1)
    diagonal = sum(around >> bit & 1 for bit in _DIAGONAL)
    if orientation == 3:
        cross = horizontal + vertical
        if diagonal >= 2:
            return 8 if diagonal > 2 else 7 if cross else 6
        if diagonal:
            return 3 + min(cross, 2)
        return min(cross, 2)
    if orientation == 1:
        horizontal, vertical = vertical, horizontal
    if horizontal == 2:
        return 8
    if horizontal:
        return 7 if vertical else 6 if diagonal else 5
    if vertical:
        return 2 + vertical
    return min(diagonal, 2)


def _sign_context(index: int) -> int:
    """Give sign context | flip << 5 (T.800 tables D.2, D.3).

    `index` has significances of N, W, E, S as bits 1, 3, 5, 7 and their signs one bit below each.
    """
    north, west, east, south = ((index >> bit + 1 & 1) * (1 - 2 * (index >> bit & 1)) for bit in (0, 2, 4, 6))
    horizontal = max(-1, min(1, west + east))
    vertical = max(-1, min(1, north + south))
    flip = int(horizontal < 0 or (horizontal == 0 and vertical < 0))
    if flip:
        horizontal, vertical = -horizontal, -vertical
    number = 3 + vertical if horizontal else vertical
    return SIGN + number | flip << 5


ZERO_CONTEXTS: NDArray[np.uint8] = np.array(
    [ZERO + _zero_context(orientation, around) for orientation in range(4) for around in range(512)], np.uint8
)
"""By orientation * 512 + neighbourhood."""
SIGN_CONTEXTS: NDArray[np.uint8] = np.array([_sign_context(index) for index in range(256)], np.uint8)
