"""Scanning the phantom: which grid each scanner lays over the body, and the array it gives back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .acquisition import add_ct_noise, add_mr_noise, add_pet_noise
from .head import head, head_rest
from .shapes import FloatArray, Grid, Part, Point, paint
from .tissue import HOUNSFIELD, T1_SIGNAL, UPTAKE, Tissue
from .trunk import scanner_couch, trunk

TRUNK_HEIGHT_MM = 240.0
TRUNK_FIELD_MM = 358.4
HEAD_TILT_DEG = -12.0
PADDING_HU = -2000.0
Vector = NDArray[np.float64]


def trunk_grid(shape_zyx: tuple[int, int, int], *, tilt_deg: float = 0.0, field_mm: float = TRUNK_FIELD_MM) -> Grid:
    """Give axial planes from the kidneys up to the lungs' apices; 160 x 512 x 512 are 1.5 x 0.7 x 0.7 mm."""
    return _axial_grid(shape_zyx, (0.0, 0.0, 0.0), TRUNK_HEIGHT_MM, field_mm, tilt_deg)


def head_ct_grid(shape_zyx: tuple[int, int, int]) -> Grid:
    """Give planes of a tilted gantry, moved along the table and so not along their normal."""
    return _axial_grid(shape_zyx, (0.0, 5.0, 22.0), 120.0, 240.0, HEAD_TILT_DEG)


def head_mr_grid(shape_zyx: tuple[int, int, int]) -> Grid:
    """Give sagittal planes turned by 8, -5 and 9 degrees about x, y and z: oblique to every axis."""
    turn = _rotation("z", 9.0) @ _rotation("y", -5.0) @ _rotation("x", 8.0)
    row, column = turn @ (0.0, 1.0, 0.0), turn @ (0.0, 0.0, -1.0)
    steps = (168.0 / shape_zyx[0], 256.0 / shape_zyx[1], 256.0 / shape_zyx[2])
    return _centred_grid(shape_zyx, (0.0, 0.0, -12.0), (np.cross(row, column), column, row), steps)


def scan_trunk(grid: Grid, seed: int = 1) -> FloatArray:
    """Give HU of chest and abdomen on the couch, with noise: (slices, rows, columns)."""
    volume = _painted(grid, [*scanner_couch(), *trunk()], HOUNSFIELD, Tissue.AIR, _edge_mm(grid, 1.0))
    add_ct_noise(volume, 13.0, np.random.default_rng(seed))
    return volume


def scan_head(grid: Grid, seed: int = 2) -> FloatArray:
    """Give HU of the head; outside the round field of view `PADDING_HU`."""
    volume = _painted(grid, [*head_rest(), *head()], HOUNSFIELD, Tissue.AIR, _edge_mm(grid, 1.0))
    add_ct_noise(volume, 4.0, np.random.default_rng(seed))
    rows, columns = grid.shape_zyx[1:]
    y, x = np.linspace(-1, 1, rows)[:, None], np.linspace(-1, 1, columns)[None, :]
    volume[:, x * x + y * y > 1] = PADDING_HU
    return volume


def image_head(grid: Grid, seed: int = 3) -> FloatArray:
    """Give the T1-weighted magnitude of the head."""
    volume = _painted(grid, head(), T1_SIGNAL, Tissue.AIR, _edge_mm(grid, 1.2))
    add_mr_noise(volume, 14.0, np.random.default_rng(seed))
    return volume


def image_uptake(grid: Grid, seed: int = 4) -> FloatArray:
    """Give standardised uptake values of the trunk, at a PET camera's resolution of 6.5 mm."""
    volume = _painted(grid, trunk(with_trees=False), UPTAKE, Tissue.AIR, _edge_mm(grid, 6.5))
    add_pet_noise(volume, np.random.default_rng(seed))
    return volume


def _painted(
    grid: Grid, parts: Sequence[Part], signals: dict[Tissue, float], around: Tissue, edge_mm: float
) -> FloatArray:
    canvas = np.full(grid.shape_zyx, signals[around], np.float32)
    paint(canvas, grid, parts, signals, edge_mm)
    return canvas


def _edge_mm(grid: Grid, resolution_mm: float) -> float:
    """Give the width of edges: the scanner's resolution, but no less than a pixel."""
    return max(resolution_mm, float(np.linalg.norm(grid.steps[1])))


def _axial_grid(
    shape_zyx: tuple[int, int, int], centre: Point, height_mm: float, field_mm: float, tilt_deg: float
) -> Grid:
    down = _rotation("x", tilt_deg) @ (0.0, 1.0, 0.0)
    steps = (height_mm / shape_zyx[0], field_mm / shape_zyx[1], field_mm / shape_zyx[2])
    return _centred_grid(shape_zyx, centre, (np.array([0.0, 0, 1]), down, np.array([1.0, 0, 0])), steps)


def _centred_grid(
    shape_zyx: tuple[int, int, int], centre: Point, directions: Sequence[Vector], steps_mm: Sequence[float]
) -> Grid:
    """Give the grid whose middle lies at `centre`; directions and steps are in order of z, y, x."""
    vectors = [direction * step for direction, step in zip(directions, steps_mm, strict=True)]
    halves = [vector * (size - 1) / 2 for vector, size in zip(vectors, shape_zyx, strict=True)]
    origin = np.asarray(centre) - np.sum(halves, axis=0)
    z, y, x = (_point(vector) for vector in vectors)
    return Grid(_point(origin), (z, y, x), shape_zyx)


def _rotation(axis: str, angle_deg: float) -> Vector:
    c, s = np.cos(np.deg2rad(angle_deg)), np.sin(np.deg2rad(angle_deg))
    first, second = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    matrix = np.eye(3)
    matrix[first, first] = matrix[second, second] = c
    matrix[first, second], matrix[second, first] = -s, s
    return matrix


def _point(vector: Vector) -> Point:
    return float(vector[0]), float(vector[1]), float(vector[2])
