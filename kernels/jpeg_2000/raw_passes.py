"""Coding passes without arithmetic coding, for the style BYPASS (T.800 D.6): bits are read as they lie.

After a byte FF the next one gives seven bits. Past the end of the codeword segment bits are ones (the two bytes FF
put there), which are never stepped over.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..jit import routine
from .contexts import ANY, AROUND, OWN, SELF, SIGNS, VISITED
from .mq import M_CODE, M_FREE, M_POSITION, Coder
from .passes import Bytes, Canvas, list_refined, spread


@routine
def start_raw_segment(coder: Coder) -> None:
    """Begin a raw codeword segment."""
    coder[M_CODE], coder[M_FREE], coder[M_POSITION] = 0, 0, 1


@routine
def _raw_bit(scratch: Bytes, coder: Coder) -> Any:
    if coder[M_FREE] == 0:
        former, byte = coder[M_CODE], np.int64(scratch[coder[M_POSITION]])
        coder[M_FREE] = 7 if former == 0xFF else 8
        if former == 0xFF and byte > 0x8F:
            byte = np.int64(0xFF)
            coder[M_FREE] = 8
        else:
            coder[M_POSITION] += 1
        coder[M_CODE] = byte
    coder[M_FREE] -= 1
    return coder[M_CODE] >> coder[M_FREE] & 1


@routine
def raw_significance_pass(canvas: Canvas, value: Any, scratch: Bytes, coder: Coder) -> None:
    """Read what is not significant but has significant neighbours."""
    flags, magnitudes, width, height = canvas.flags, canvas.magnitudes, canvas.width, canvas.height
    pitch = np.uint64(width + 2)
    for top in range(0, height, 4):
        for column in range(width):
            at = pitch * np.uint64((top >> 2) + 1) + np.uint64(column + 1)
            word = flags[at]
            before = word
            if word & ANY == 0:
                continue
            for row in range(min(4, height - top)):
                near = word >> (3 * row)
                if near & SELF == 0 and near & AROUND != 0:
                    if _raw_bit(scratch, coder):
                        sign = _raw_bit(scratch, coder)
                        magnitudes[top * width + 4 * column + row] = value
                        word |= (1 | sign << SIGNS) << (3 * row + 4)
                    word |= VISITED << (3 * row)
            flags[at] = word
            if (word ^ before) & OWN:
                spread(flags, at, pitch, word, canvas.above)


@routine
def raw_refinement_pass(canvas: Canvas, half: Any, scratch: Bytes, coder: Coder) -> None:
    """Read one more bit of what was significant before this bit plane."""
    for number in range(list_refined(canvas)):
        place = canvas.listed[number] >> 2
        canvas.magnitudes[place] += half if _raw_bit(scratch, coder) else -half
