"""The form of an encoded chunk, and the numbers that every part of the codec shares."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..jit import inlined

STORED = 0
"""Mode of a chunk that follows as it is, little endian: prediction would make it larger."""
PREDICTED = 1

MODE, SHIFT, IS_WIDE = 0, 1, 2
"""Places of single bytes in the header: mode, bits after the weights' binary point, whether extra bits are many."""
WEIGHTS = 4
"""Place of `TAPS` int16."""
TAPS = 12
FIRST_TAPS = 3
"""Of the taps so many serve the chunk's first plane, the others all planes after it."""
MODELS = WEIGHTS + 2 * TAPS
"""Place of `CONTEXTS` uint8: which distribution serves each context."""
CONTEXTS = 24
STATES = MODELS + CONTEXTS
"""Place of `LANES` uint32, the states of the rANS decoders."""
LANES = 4
WORD_COUNT = STATES + 4 * LANES
"""Place of a uint32: how many words follow."""
HEADER_BYTES = WORD_COUNT + 4
STORED_BYTES = 4
"""Length of the header of a stored chunk."""

SHIFT_MAXIMUM = 8
NARROW_BITS = 14
"""Most extra bits a symbol has in a chunk that is not wide: four symbols' fit a refill of 56."""

RUN = 32
"""Samples a vector loop handles at a time. A constant, or LLVM leaves rows of 32 to its remainder loop; arrays that
such loops touch have so many elements to spare."""

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int32]


@inlined
def word_at(data: Bytes, at: int, size: int) -> Any:
    """Read an unsigned little-endian integer of `size` bytes."""
    value = np.int64(0)
    for i in range(size):
        value |= np.int64(data[at + i]) << (8 * i)
    return value


@inlined
def put_word(data: Bytes, at: int, value: int, size: int) -> None:
    """Write the low `size` bytes of an integer, little endian."""
    for i in range(size):
        data[at + i] = np.uint8((value >> (8 * i)) & 0xFF)
