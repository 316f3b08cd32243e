"""The two refinement passes of the high-throughput block coder (T.814 7.4, 7.5), plain: few codestreams have them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..jit import routine
from .high_throughput import Values
from .unstuffing import Bytes, unstuff_backward, unstuff_forward

_SIGN = -(1 << 31)


@routine
def _take_bit(stream: Bytes, position: Any, length: Any) -> Any:
    """Give one bit of an unstuffed stream; zeros follow its end."""
    return np.int64(stream[min(position >> 3, length)]) >> (position & 7) & 1


@routine
def _has_neighbour(flags: Bytes, at: Any, pitch: Any, sees_below: Any) -> Any:
    found = flags[at - pitch - 1] | flags[at - pitch] | flags[at - pitch + 1] | flags[at - 1] | flags[at + 1]
    if sees_below:
        found |= flags[at + pitch - 1] | flags[at + pitch] | flags[at + pitch + 1]
    return found & 1 != 0


@routine
def refine(
    data: Bytes,
    start: int,
    end: int,
    width: int,
    height: int,
    plane: int,
    has_magnitudes: bool,
    is_causal: bool,
    values: Values,
    pitch: int,
    flags: Bytes,
    stream: Bytes,
) -> None:
    """Decode the passes in `data[start:end]` for bit plane `plane`, one below that of the cleanup pass.

    `flags` is at least (height + 2) * (width + 2): bit 0 for significance by now, bit 1 for that of the cleanup pass.
    """
    flag_pitch = width + 2
    flags[: flag_pitch * (height + 2)] = 0
    for y in range(height):
        for x in range(width):
            if values[y * pitch + x] != 0:
                flags[(y + 1) * flag_pitch + x + 1] = 3
    length = unstuff_forward(data, start, end, stream, np.uint64(0))
    _propagate(stream, length, width, height, plane, is_causal, values, pitch, flags)
    if has_magnitudes:
        length = unstuff_backward(data, start, end, np.uint64(0), np.int64(0), True, stream)
        _refine_magnitudes(stream, length, width, height, plane, values, pitch, flags)


@routine
def _propagate(
    stream: Bytes,
    length: Any,
    width: Any,
    height: Any,
    plane: Any,
    is_causal: Any,
    values: Values,
    pitch: Any,
    flags: Bytes,
) -> None:
    """Find what becomes significant (7.4): 4 x 4 coefficients at a time, then their signs."""
    flag_pitch, position = width + 2, np.int64(0)
    fresh = np.int32(3 << plane)
    for top in range(0, height, 4):
        bottom = min(top + 4, height)
        for first in range(0, width, 4):
            end = min(first + 4, width)
            found = np.int64(0)
            for x in range(first, end):
                for y in range(top, bottom):
                    at = (y + 1) * flag_pitch + x + 1
                    if flags[at] == 0 and _has_neighbour(flags, at, flag_pitch, not is_causal or y + 1 < top + 4):
                        bit = _take_bit(stream, position, length)
                        position += 1
                        flags[at] = bit
                        found |= bit << (4 * (x - first) + y - top)
            for x in range(first, end):
                for y in range(top, bottom):
                    if found >> (4 * (x - first) + y - top) & 1:
                        is_negative = _take_bit(stream, position, length)
                        position += 1
                        values[y * pitch + x] = fresh | _SIGN if is_negative else fresh


@routine
def _refine_magnitudes(
    stream: Bytes, length: Any, width: Any, height: Any, plane: Any, values: Values, pitch: Any, flags: Bytes
) -> None:
    """Give one more bit to what the cleanup pass found (7.5)."""
    flag_pitch, position = width + 2, np.int64(0)
    half = np.int32(1 << plane)
    for top in range(0, height, 4):
        for x in range(width):
            for y in range(top, min(top + 4, height)):
                if flags[(y + 1) * flag_pitch + x + 1] & 2:
                    bit = _take_bit(stream, position, length)
                    position += 1
                    values[y * pitch + x] += half if bit else -half
