"""Sequential scans: from bits to samples, block by block, with no coefficients kept."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..errors import DecodeError
from .dct_huffman import AC, DC, LONG_CODE_WORDS, PADDED_COEFFICIENTS, TABLE_ENTRIES, ZIGZAG, decode_scan
from .dct_markers import CodingState, FrameHeader, ScanHeader
from .dct_planes import Planes
from .dct_scan import Bits, check_outcome, huffman_tables


class SequentialScans:
    """The scans of one codestream; each component is in one of them."""

    def __init__(self, frame: FrameHeader) -> None:
        self._frame = frame
        self._planes = Planes(frame)
        self._decoded: set[int] = set()

    def decode(self, bits: Bits, scan: ScanHeader, state: CodingState) -> int:
        """Decode one scan; give the offset of the marker after it."""
        indices = [index for index, _, _ in scan.components]
        if self._decoded.intersection(indices):
            raise DecodeError(f"the scan at byte {scan.start} codes a component again")
        self._decoded.update(indices)
        rows, across = self._planes.mcu_grid(self._frame, indices)
        mcus = rows * across
        interval = state.restart_interval or mcus
        ends, position = bits.read(scan, mcus, interval)
        outcome, mcu = decode_scan(
            bits.coded,
            ends,
            (mcus, interval, across),
            self._blocks(scan),
            *huffman_tables(
                tuple(state.huffman[key] for _, dc, ac in scan.components for key in ((0, dc), (1, ac))),
                (DC, AC) * len(indices),
            ),
            ZIGZAG,
            self._quantisers(indices, state),
            (1 << self._frame.precision) - 1,
            self._planes.samples,
        )
        check_outcome(outcome, mcu, f"MCU {{}} of {mcus}", scan)
        return position

    def finish(self) -> Planes:
        """Give all samples. Raises `DecodeError` where a component is missing."""
        if len(self._decoded) < len(self._frame.components):
            raise DecodeError("the JPEG codestream ends without a scan for each component")
        return self._planes

    def _blocks(self, scan: ScanHeader) -> NDArray[np.uint64]:
        """Give the table of an MCU's blocks that `decode_scan` asks for."""
        is_interleaved = len(scan.components) > 1
        blocks = []
        for place, (index, _, _) in enumerate(scan.components):
            component, stride = self._frame.components[index], self._planes.strides[index]
            across, down = (component.across, component.down) if is_interleaved else (1, 1)
            table, long_codes = 2 * place * TABLE_ENTRIES, 2 * place * LONG_CODE_WORDS
            blocks += [
                (
                    place,
                    table,
                    table + TABLE_ENTRIES,
                    long_codes,
                    long_codes + LONG_CODE_WORDS,
                    place * PADDED_COEFFICIENTS,
                    self._planes.starts[index] + 8 * (row * stride + column),
                    stride,
                    8 * across,
                    8 * down * stride,
                )
                for row in range(down)
                for column in range(across)
            ]
        return np.array(blocks, np.uint64)

    def _quantisers(self, indices: list[int], state: CodingState) -> NDArray[np.int32]:
        """Give the quantisation tables of the scan's components, one after the other."""
        quantisers = np.zeros((len(indices), PADDED_COEFFICIENTS), np.int32)
        for place, index in enumerate(indices):
            quantisers[place, :64] = state.quantisers[self._frame.components[index].quantiser]
        return quantisers.reshape(-1)
