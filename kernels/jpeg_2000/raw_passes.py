"""Coding passes without arithmetic coding, for the style BYPASS (T.800 D.6): bits are read as they lie.

After a byte FF the next one gives seven bits. Past the end of the codeword segment bits are ones (the two bytes FF
put there), which are never stepped over.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..jit import inlined, kernel
from .contexts import ANY, AROUND, OWN, REFINED, SELF, SIGNS, VISITED
from .mq import M_CODE, M_FREE, M_POSITION, Integers
from .passes import Bytes, Magnitudes, spread


@inlined
def start_raw_segment(registers: Integers) -> None:
    """Begin a raw codeword segment."""
    registers[M_CODE], registers[M_FREE], registers[M_POSITION] = 0, 0, 1


@inlined
def _raw_bit(scratch: Bytes, registers: Integers) -> Any:
    if registers[M_FREE] == 0:
        former, byte = registers[M_CODE], np.int64(scratch[registers[M_POSITION]])
        registers[M_FREE] = 7 if former == 0xFF else 8
        if former == 0xFF and byte > 0x8F:
            byte = np.int64(0xFF)
            registers[M_FREE] = 8
        else:
            registers[M_POSITION] += 1
        registers[M_CODE] = byte
    registers[M_FREE] -= 1
    return registers[M_CODE] >> registers[M_FREE] & 1


@kernel
def raw_significance_pass(
    flags: Integers,
    magnitudes: Magnitudes,
    width: int,
    height: int,
    value: int,
    above: Any,
    scratch: Bytes,
    registers: Integers,
) -> None:
    """Read what is not significant but has significant neighbours."""
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
                    if _raw_bit(scratch, registers):
                        sign = _raw_bit(scratch, registers)
                        magnitudes[top * width + 4 * column + row] = value
                        word |= (1 | sign << SIGNS) << (3 * row + 4)
                    word |= VISITED << (3 * row)
            flags[at] = word
            if (word ^ before) & OWN:
                spread(flags, at, pitch, word, above)


@kernel
def raw_refinement_pass(
    flags: Integers,
    magnitudes: Magnitudes,
    width: int,
    height: int,
    half: int,
    scratch: Bytes,
    registers: Integers,
) -> None:
    """Read one more bit of what was significant before this bit plane."""
    for top in range(0, height, 4):
        for column in range(width):
            at = (width + 2) * ((top >> 2) + 1) + column + 1
            word = flags[at]
            if word & OWN == 0:
                continue
            for row in range(min(4, height - top)):
                if word >> (3 * row) & (SELF | VISITED) == SELF:
                    magnitudes[top * width + 4 * column + row] += half if _raw_bit(scratch, registers) else -half
                    word |= REFINED << (3 * row)
            flags[at] = word
