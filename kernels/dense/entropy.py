"""Decode residuals: four interleaved rANS decoders, each symbol under the distribution that its neighbours choose.

The context of a sample is the size of residuals in the row above and the plane before, never of its own row, so that
a row's contexts are known, by vector loop, before its first symbol.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..jit import always_inlined, kernel
from ..memory import load_word
from .layout import RUN, Bytes, Ints
from .tables import MAGNITUDE_MAXIMUM, PROBABILITY_BITS, TOTAL

Index = np.uint64
"""Unsigned: else Numba tests every index for being negative, and LLVM cannot make a vector loop."""

RENORMAL = np.uint64(1 << 16)
"""States lie in 2¹⁶ to 2³²."""


@always_inlined
def sum_magnitudes(sizes: Ints, up: Any, before: Any, sums: Ints, columns: Any) -> None:
    """Weigh the sizes above and in the plane before, for one row; `up` and `before` are places of first samples."""
    for start in range(0, columns, RUN):
        above, prior, out = Index(up + start), Index(before + start), Index(start)
        for i in range(RUN):
            x = Index(i)
            own, left, right = sizes[above + x], sizes[above - Index(1) + x], sizes[above + Index(1) + x]
            sums[out + x] = np.int32(2 * own + left + right + 2 * sizes[prior + x])


@always_inlined
def keep_sizes(numbers: NDArray[np.uint32], sizes: Ints, at: Any, columns: Any) -> None:
    """Note how large one row's numbers are, with an edge on either side for `sum_magnitudes`."""
    for start in range(0, columns, RUN):
        out, source = Index(at + start), Index(start)
        for i in range(RUN):
            sizes[out + Index(i)] = np.int32(min(numbers[source + Index(i)], np.uint32(MAGNITUDE_MAXIMUM)))
    sizes[Index(at - 1)] = sizes[Index(at)]
    sizes[Index(at + columns)] = sizes[Index(at + columns - 1)]


@always_inlined
def _unfold(numbers: NDArray[np.uint32], residuals: Ints, at: Any, columns: Any) -> None:
    """Turn one row's numbers into residuals: 0, 1, 2, 3, … into 0, -1, 1, -2, …."""
    for start in range(0, columns, RUN):
        out, source = Index(at + start), Index(start)
        for i in range(RUN):
            number = numbers[source + Index(i)]
            residuals[out + Index(i)] = np.int32(number >> np.uint32(1)) ^ -np.int32(number & np.uint32(1))


@always_inlined
def _refill(bits: Any, held: Any, address: Any) -> Any:
    """Have at least 56 bits at hand; 8 bytes from `address` on are read."""
    return bits | load_word(address) << held, held | Index(56), address + np.int64((Index(63) - held) >> Index(3))


@always_inlined
def _symbol(state: Any, at: Any, words: NDArray[np.uint16], slots: NDArray[np.uint32], model: Any) -> Any:
    """Decode one token; give state, place of the next word, token."""
    slot = Index(slots[model + (state & Index(TOTAL - 1))])
    state = (slot >> Index(8) & Index(0xFFF)) * (state >> Index(PROBABILITY_BITS)) + (slot >> Index(20))
    is_low = state < RENORMAL
    state = state << Index(16) | Index(words[at]) if is_low else state
    return state, at + Index(1) if is_low else at, slot & Index(0xFF)


@always_inlined
def _number(token: Any, bits: Any, held: Any, extra: NDArray[np.uint64]) -> Any:
    """Add a token's extra bits; give the number, and the bits that are left."""
    known = extra[token]
    count = known >> Index(32)
    number = (known & Index(0xFFFFFFFF)) + (bits & ((Index(1) << count) - Index(1)))
    return number, bits >> count, held - count


@kernel
def decode_residuals(
    words: NDArray[np.uint16],
    extra_bits: Bytes,
    states: NDArray[np.uint64],
    models: NDArray[np.uint64],
    is_wide: bool,
    shape: tuple[int, int, int],
    slots: NDArray[np.uint32],
    extra: NDArray[np.uint64],
    classes: NDArray[np.uint8],
    sizes: Ints,
    residuals: Ints,
) -> tuple[int, bool]:
    """Fill `residuals` (planes × rows × columns, and `RUN` to spare) with the residuals of `shape`'s planes.

    `models` holds for each context the first slot of its distribution. `words` must have an element for each sample
    and `RUN` more, `extra_bits` four bytes for each and 8 more: so nothing that they hold leads out of bounds.
    Gives the words used, and whether the decoders ended as they must after a chunk's last plane.
    """
    planes, rows, columns = shape
    s0, s1, s2, s3 = states[0], states[1], states[2], states[3]
    at, bits, held, address = Index(0), Index(0), Index(0), extra_bits.ctypes.data
    sums, numbers = np.zeros(columns + RUN, np.int32), np.zeros(columns + RUN + 4, np.uint32)
    pitch = columns + 2
    for z in range(planes):
        plane, former = (z & 1) * (rows * pitch + RUN), (1 - (z & 1)) * (rows * pitch + RUN)
        for y in range(rows):
            if y > 0 or z > 0:
                up = plane + (y - 1) * pitch if y > 0 else former
                sum_magnitudes(sizes, up + 1, (former + y * pitch if z > 0 else up) + 1, sums, columns)
            for start in range(0, columns, 4):
                x = Index(start)
                bits, held, address = _refill(bits, held, address)
                s0, at, token = _symbol(s0, at, words, slots, models[classes[sums[x]]])
                numbers[x], bits, held = _number(token, bits, held, extra)
                if start + 1 < columns:
                    if is_wide:
                        bits, held, address = _refill(bits, held, address)
                    s1, at, token = _symbol(s1, at, words, slots, models[classes[sums[x + Index(1)]]])
                    numbers[x + Index(1)], bits, held = _number(token, bits, held, extra)
                if start + 2 < columns:
                    if is_wide:
                        bits, held, address = _refill(bits, held, address)
                    s2, at, token = _symbol(s2, at, words, slots, models[classes[sums[x + Index(2)]]])
                    numbers[x + Index(2)], bits, held = _number(token, bits, held, extra)
                if start + 3 < columns:
                    if is_wide:
                        bits, held, address = _refill(bits, held, address)
                    s3, at, token = _symbol(s3, at, words, slots, models[classes[sums[x + Index(3)]]])
                    numbers[x + Index(3)], bits, held = _number(token, bits, held, extra)
            keep_sizes(numbers, sizes, plane + y * pitch + 1, columns)
            _unfold(numbers, residuals, (z * rows + y) * columns, columns)
    return np.int64(at), s0 == RENORMAL and s1 == RENORMAL and s2 == RENORMAL and s3 == RENORMAL
