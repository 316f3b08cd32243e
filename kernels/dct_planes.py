"""Where the samples of components lie while they are decoded, and how many MCUs a scan of some of them has."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from . import dct_colour
from .dct_markers import FrameHeader


class Planes:
    """All components' samples in one flat array, each padded to whole MCUs; then room for three rows."""

    def __init__(self, frame: FrameHeader) -> None:
        self.mcu_rows = -(-frame.rows // (8 * frame.most_down))
        self.mcu_columns = -(-frame.columns // (8 * frame.most_across))
        self.strides = [8 * self.mcu_columns * component.across for component in frame.components]
        sizes = [
            8 * self.mcu_rows * component.down * stride
            for component, stride in zip(frame.components, self.strides, strict=True)
        ]
        self.starts = [sum(sizes[:index]) for index in range(len(sizes))]
        spare = 3 * dct_colour.row_room(frame.columns) if len(sizes) == 3 else 0
        self.samples = np.empty(sum(sizes) + spare, np.uint8 if frame.precision == 8 else np.uint16)

    def mcu_grid(self, frame: FrameHeader, indices: Sequence[int]) -> tuple[int, int]:
        """Give rows and columns of a scan's MCUs: of one component alone, its blocks that hold samples (T.81 A.2.2)."""
        if len(indices) > 1:
            return self.mcu_rows, self.mcu_columns
        return frame.blocks_of(frame.components[indices[0]])
