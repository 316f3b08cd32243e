"""Values between slices of a tilted, unevenly spaced series, by plain arithmetic on each slice's own header."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pydicom


class TiltedSlices:
    """Slices ordered along their normal; a point between two is looked up in both and mixed by its depth."""

    def __init__(self, datasets: Sequence[pydicom.Dataset]) -> None:
        cosines = np.array(datasets[0].ImageOrientationPatient, dtype=float)
        self.along_row, self.along_column = cosines[:3], cosines[3:]
        self.normal = np.cross(self.along_row, self.along_column)
        self.row_mm, self.column_mm = (float(step) for step in datasets[0].PixelSpacing)
        ordered = sorted(datasets, key=lambda dataset: self.depth_mm(dataset.ImagePositionPatient))
        self.corners = np.array([dataset.ImagePositionPatient for dataset in ordered], dtype=float)
        self.depths = self.corners @ self.normal
        self.pixels = np.stack([d.pixel_array * float(d.RescaleSlope) + float(d.RescaleIntercept) for d in ordered])

    def depth_mm(self, point_mm) -> float:
        return float(np.array(point_mm, dtype=float) @ self.normal)

    def at(self, point_mm: np.ndarray) -> float:
        """The value at a patient point, NaN outside the slices' centres."""
        depth = self.depth_mm(point_mm)
        below = int(np.searchsorted(self.depths, depth, side="right")) - 1
        if not 0 <= below < len(self.depths) - 1:
            return float("nan")
        part = (depth - self.depths[below]) / (self.depths[below + 1] - self.depths[below])
        corner = (1 - part) * self.corners[below] + part * self.corners[below + 1]
        row = (point_mm - corner) @ self.along_column / self.row_mm
        column = (point_mm - corner) @ self.along_row / self.column_mm
        return (1 - part) * self._within(below, row, column) + part * self._within(below + 1, row, column)

    def _within(self, number: int, row: float, column: float) -> float:
        """The bilinear value in one slice."""
        _, rows, columns = self.pixels.shape
        if not (0 <= row <= rows - 1 and 0 <= column <= columns - 1):
            return float("nan")
        r, c = min(int(row), rows - 2), min(int(column), columns - 2)
        (top_left, top_right), (low_left, low_right) = self.pixels[number, r : r + 2, c : c + 2]
        top = top_left + (column - c) * (top_right - top_left)
        return float(top + (row - r) * (low_left + (column - c) * (low_right - low_left) - top))
