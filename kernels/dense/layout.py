"""The form of an encoded chunk, and the numbers that every part of the codec shares."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..jit import inlined

STORED = 0
"""Mode of a chunk that follows as it is, little endian: prediction would make it larger."""
PREDICTED = 1

MODE, SHIFT = 0, 1
"""Places of single bytes in the header: mode, and bits after the weights' binary point."""
WEIGHTS = 4
"""Place of `TAPS` int16."""
TAPS = 12
FIRST_TAPS = 3
"""Of the taps so many serve the chunk's first plane, the others all planes after it."""
MODELS = WEIGHTS + 2 * TAPS
"""Place of `CONTEXTS` uint8: which distribution serves each context."""
CONTEXTS = 24
STATES = MODELS + CONTEXTS
"""Place of `LANES` uint16, the states that decoding begins with."""
LANES = 8
HEADER_BYTES = STATES + 2 * LANES
STORED_BYTES = 4
"""Length of the header of a stored chunk."""

SHIFT_MAXIMUM = 8
ABREAST = 4
"""Planes that are decoded side by side, each two rows behind the one before it, which it looks into."""
RING = 8
"""Planes of which sizes are kept: a power of two, and more than one row of planes and the one before."""
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
