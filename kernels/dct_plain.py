"""Frames of one scan, decoded by one call of a kernel.

Each call lets go of Python's lock and has to wait for it again, where another thread decodes beside this one; and
marker segments and the tables made of them hold it for a fifth of the time of a frame. So frames that begin with the
same bytes up to their coded data, as those of an instance or a series do, share a plan.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .dct_colour import merge_components
from .dct_huffman import DECODED, PADDING_BYTES, ZIGZAG, decode_scan, unstuff
from .dct_pixels import PIXELS
from .jit import kernel

_EOI = b"\xff\xd9"
_MAXIMUM_PLANS = 8
_MAXIMUM_OPENING_BYTES = 1 << 16
"""Longer ones hold a profile or a thumbnail: they are read each time."""

_plans: tuple[Plan, ...] = ()
"""Those used last, newest first. Replaced, never changed: threads need no lock, and at worst one makes a plan again."""


class ScanArguments(NamedTuple):
    """What `decode_scan` asks for beside bits and samples."""

    grid: tuple[int, int, int]
    blocks: NDArray[np.uint64]
    tables: NDArray[np.int32]
    long_codes: NDArray[np.int32]
    quantisers: NDArray[np.int32]
    white: int


class Picture(NamedTuple):
    """How planes become pixels: what `merge_components` asks for."""

    shape: tuple[int, int, int]
    plane_samples: int
    """Of all planes, and the room after them."""
    layout: NDArray[np.uint64]
    """Of one component, only its samples a row count: the second number."""
    most: tuple[int, int]
    dtype: np.dtype[Any]
    is_ycc: bool
    """As the codestream's own markers tell."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What all codestreams with one opening have in common."""

    opening: bytes
    """All up to the coded data."""
    scan: ScanArguments
    picture: Picture

    def decode(self, codestream: bytes, is_rgb_wanted: bool) -> NDArray[Any] | None:
        """Give (rows, columns) or (rows, columns, 3); None where the codestream is not right: others tell why."""
        rows, columns, components = self.picture.shape
        size = rows * columns * components
        out = np.empty(size + (3 * int(PIXELS) if components == 3 else 0), self.picture.dtype)
        position = _decode(
            np.frombuffer(codestream, np.uint8),
            len(self.opening),
            *self.scan,
            ZIGZAG,
            self.picture.shape,
            self.picture.plane_samples,
            self.picture.layout,
            self.picture.most,
            is_rgb_wanted,
            out,
        )
        if position < 0 or not codestream.startswith(_EOI, position):
            return None
        return out[:size].reshape((rows, columns, 3) if components == 3 else (rows, columns))


def find_plan(codestream: bytes, shape: tuple[int, int, int]) -> Plan | None:
    """Give the plan of a codestream that begins like a former one, and is of this shape."""
    for plan in _plans:
        if plan.picture.shape == shape and codestream.startswith(plan.opening):
            return plan
    return None


def keep_plan(opening: bytes, scan: ScanArguments, picture: Picture) -> None:
    """Keep how a codestream was decoded whose one scan has all components."""
    global _plans  # noqa: PLW0603 a cache
    if len(opening) <= _MAXIMUM_OPENING_BYTES:
        _plans = (Plan(opening, scan, picture), *_plans[: _MAXIMUM_PLANS - 1])


@kernel
def _decode(
    source: NDArray[np.uint8],
    start: int,
    grid: tuple[int, int, int],
    blocks: NDArray[np.uint64],
    tables: NDArray[np.int32],
    long_codes: NDArray[np.int32],
    quantisers: NDArray[np.int32],
    white: int,
    order: NDArray[np.uint8],
    shape: tuple[int, int, int],
    plane_samples: int,
    layout: NDArray[np.uint64],
    most: tuple[int, int],
    is_ycc: bool,
    out: NDArray[Any],
) -> Any:
    """Decode the scan at byte `start` to flat pixels; give the offset of the marker after it, -1 where it is wrong."""
    coded = np.empty(source.size - start + PADDING_BYTES, np.uint8)
    ends = np.zeros((grid[0] + grid[1] - 1) // grid[1], np.uint64)
    segments, position = unstuff(source, start, coded, ends)
    if segments != ends.size:
        return np.int64(-1)
    end = np.int64(ends[segments - 1])
    coded[end : end + PADDING_BYTES] = 0
    samples = np.empty(plane_samples, out.dtype)
    outcome, _ = decode_scan(coded, ends, grid, blocks, tables, long_codes, order, quantisers, white, samples)
    if outcome != DECODED:
        return np.int64(-1)
    rows, columns, components = shape
    if components == 3:
        merge_components(samples, layout, most, is_ycc, (rows, columns), out)
        return np.int64(position)
    stride = np.int64(layout[0, 1])
    for y in range(rows):
        out[y * columns : (y + 1) * columns] = samples[y * stride : y * stride + columns]
    return np.int64(position)
