"""Progressive scans: each brings some coefficients of all blocks one step nearer; at the end samples are made of them.

Their order is checked as T.81 G.1.1.1 has it: a coefficient is coded once down to some bit, then one bit more at a
time, down to the last. So truncation between scans shows, and no codestream makes more work than 14 looks at each
coefficient of the declared size, however many scans its bytes have room for.
Memory is 138 bytes a block, beside its samples.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..errors import DecodeError
from .dct_approximation import decode_band, decode_dc_scan, refine_band, transform_blocks
from .dct_huffman import BAND, DC, LONG_CODE_WORDS, TABLE_ENTRIES, ZIGZAG
from .dct_markers import CodingState, FrameHeader, ScanHeader
from .dct_planes import Planes
from .dct_scan import Bits, check_outcome, huffman_tables

_NOT_CODED = 255
_NO_TABLES = (np.frombuffer(bytes(4), np.int32),) * 2
"""Read-only, as all tables are: else the kernel would be compiled once more."""


class ProgressiveScans:
    """The scans of one codestream, and the coefficients that they have brought so far."""

    def __init__(self, frame: FrameHeader) -> None:
        self._frame = frame
        self._planes = Planes(frame)
        self._grids = [frame.blocks_of(component) for component in frame.components]
        counts = [rows * columns for rows, columns in self._grids]
        self._starts = [sum(counts[:index]) for index in range(len(counts))]
        """The first block of each component; only blocks that hold samples are kept."""
        self._levels = np.zeros(sum(counts), np.int16)
        self._masks = np.zeros(sum(counts), np.uint64)
        self._coefficients = np.empty(64 * sum(counts), np.int16)
        self._lowest = np.full((len(counts), 64), _NOT_CODED)
        """The lowest bit known of each coefficient of each component."""
        self._quantisers: dict[int, tuple[int, ...]] = {}

    def decode(self, bits: Bits, scan: ScanHeader, state: CodingState) -> int:
        """Decode one scan; give the offset of the marker after it."""
        for index, _, _ in scan.components:
            self._note_progress(index, scan)
            # Tables may change between scans: those count that a component's first scan finds.
            self._quantisers.setdefault(index, state.quantisers[self._frame.components[index].quantiser])
        indices = [index for index, _, _ in scan.components]
        rows, across = self._planes.mcu_grid(self._frame, indices)
        mcus = rows * across
        interval = state.restart_interval or mcus
        ends, position = bits.read(scan, mcus, interval)
        if scan.first == 0:
            outcome, at = decode_dc_scan(
                bits.coded,
                ends,
                (mcus, interval, across),
                self._blocks(indices),
                *_dc_tables(scan, state),
                scan.is_first,
                scan.low,
                self._levels,
            )
        else:
            start = self._starts[indices[0]]
            outcome, at = (decode_band if scan.is_first else refine_band)(
                bits.coded,
                ends,
                interval,
                (scan.first, scan.last),
                scan.low,
                *huffman_tables((state.huffman[1, scan.components[0][2]],), (BAND,)),
                self._coefficients[64 * start : 64 * (start + mcus)],
                self._masks[start : start + mcus],
            )
        check_outcome(outcome, at, f"{'MCU' if scan.first == 0 else 'block'} {{}} of {mcus}", scan)
        return position

    def finish(self) -> Planes:
        """Give all samples. Raises `DecodeError` where a coefficient is missing, or its last bits are."""
        missing = self._lowest != 0
        if missing.any():
            raise DecodeError(
                f"the progressive JPEG is cut off: scans of {int(missing.any(1).sum())} components are missing"
            )
        for index, ((rows, columns), start) in enumerate(zip(self._grids, self._starts, strict=True)):
            end = start + rows * columns
            transform_blocks(
                self._levels[start:end],
                self._coefficients[64 * start : 64 * end],
                self._masks[start:end],
                (rows, columns),
                ZIGZAG,
                np.array(self._quantisers[index], np.int32),
                (1 << self._frame.precision) - 1,
                (self._planes.starts[index], self._planes.strides[index]),
                self._planes.samples,
            )
        return self._planes

    def _note_progress(self, index: int, scan: ScanHeader) -> None:
        lowest = self._lowest[index, scan.first : scan.last + 1]
        expected = _NOT_CODED if scan.is_first else scan.high
        if (lowest != expected).any():
            raise DecodeError(
                f"the scan at byte {scan.start} codes bit {scan.low} of coefficients {scan.first} to {scan.last} "
                f"of component {self._frame.components[index].identifier} out of order"
            )
        lowest[:] = scan.low

    def _blocks(self, indices: list[int]) -> NDArray[np.uint64]:
        """Give the table of an MCU's blocks that `decode_dc_scan` asks for."""
        blocks = []
        for place, index in enumerate(indices):
            component = self._frame.components[index]
            across, down = (component.across, component.down) if len(indices) > 1 else (1, 1)
            tables, kept = (place * TABLE_ENTRIES, place * LONG_CODE_WORDS), (*self._grids[index], self._starts[index])
            blocks += [
                (place, *tables, row, column, down, across, *kept) for row in range(down) for column in range(across)
            ]
        return np.array(blocks, np.uint64)


def _dc_tables(scan: ScanHeader, state: CodingState) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Give the tables of a first scan; a refining one has bare bits."""
    if not scan.is_first:
        return _NO_TABLES
    kinds = (DC,) * len(scan.components)
    return huffman_tables(tuple(state.huffman[0, dc] for _, dc, _ in scan.components), kinds)
