"""Curved planes: pictures of the surface that follows a curve through the patient, such as a vessel, laid flat.

The curve is the smooth one through the points given. A straightened picture has it as a straight line down the middle:
each row is cut across the curve, in a frame that moves along it without turning about it (W. Wang et al., "Computation
of rotation minimizing frames", 2008). A stretched picture keeps the rows parallel and develops the surface that they
sweep, so that lengths in it are true: A. Kanitsar et al., "CPR: curved planar reformation", 2002.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...errors import InvalidArgument
from ..geometry import FloatArray, IntArray, Triple, as_triple
from .picture import MAX_SIDE

MAX_POINTS = 10_000
"""More points than any tracked centre line has."""
DEFAULT_WIDTH_MM = 50.0
"""How far a picture reaches across its curve where nothing else is asked for."""
_PIECES = 16
"""Parts into which each stretch between two points is cut to measure its length; 1e-5 of it at a bend of 30 degrees."""
_FACING_BACK = (0.0, 1.0, 0.0)
_FACING_RIGHT = (-1.0, 0.0, 0.0)
_PARALLEL = 0.95
_FAR_MM = 1e8
"""Where rows beyond the ends of a curve are put: outside of every volume."""


@dataclass(frozen=True)
class CurvedPlane:
    """A grid of pixels in the patient, each row on a line of its own: (r, c) is at starts[r] + c · right[r]."""

    starts_mm: FloatArray
    """(rows, 3) patient positions of the first pixel of each row."""
    right_mm: FloatArray
    """(rows, 3) patient vectors from a pixel to its right neighbour."""
    normals: FloatArray
    """(rows, 3) unit vectors across the surface, away from the viewer."""
    columns: int
    pixel_mm: tuple[float, float]
    """Millimetres between rows, along the curve, and between columns."""

    @property
    def rows(self) -> int:
        """Rows of the picture."""
        return len(self.starts_mm)


@dataclass(frozen=True)
class Framing:
    """What of a curve a picture shows, and how large."""

    finest_mm: float
    """Size of a pixel where no size is asked for."""
    size: tuple[int, int] | None = None
    """(columns, rows); the whole curve, and the width, are fitted into it."""
    width_mm: float | None = None
    zoom: float = 1.0
    pan_mm: tuple[float, float] = (0.0, 0.0)
    """How far the picture is moved to the right, and down."""

    def laid(self, length_mm: float, width_mm: float) -> tuple[FloatArray, FloatArray, float]:
        """Give where rows lie along the curve, and columns across it from its middle, and the size of a pixel."""
        if self.size is None:
            pixel = self.finest_mm
            columns, rows = (max(math.floor(extent / pixel + 1e-6) + 1, 1) for extent in (width_mm, length_mm))
            if max(rows, columns) > MAX_SIDE:
                raise InvalidArgument(f"a picture of {columns} × {rows} pixels: ask for a size up to {MAX_SIDE} a side")
        else:
            columns, rows = self.size
            pixel = max(length_mm / rows, width_mm / columns)
        pixel /= self.zoom
        right, down = self.pan_mm
        along = length_mm / 2 + (np.arange(rows) - (rows - 1) / 2) * pixel - down
        across = (np.arange(columns) - (columns - 1) / 2) * pixel - right
        return np.asarray(along, np.float64), np.asarray(across, np.float64), pixel


class Curve:
    """The smooth curve through points of the patient, by length."""

    def __init__(self, points_mm: FloatArray) -> None:
        """Lay the curve through points (n, 3), no two that follow each other the same."""
        chords = np.linalg.norm(np.diff(points_mm, axis=0), axis=1)
        # Parameters by the root of the distance: no loops, whatever the distances (centripetal Catmull-Rom).
        self._parameters = np.concatenate([[0.0], np.cumsum(np.sqrt(chords))])
        self._points = points_mm
        self._tangents = _tangents(points_mm, np.diff(self._parameters))
        fine = np.arange(_PIECES * (len(points_mm) - 1) + 1) / _PIECES
        self._fine = np.interp(fine, np.arange(len(points_mm)), self._parameters)
        self._lengths = _lengths(self.points_at(self._fine))

    @property
    def length_mm(self) -> float:
        """From end to end."""
        return float(self._lengths[-1])

    def parameters(self, along_mm: FloatArray) -> FloatArray:
        """Give the parameters of the points so far along the curve."""
        return np.asarray(np.interp(along_mm, self._lengths, self._fine), np.float64)

    def projected(self, across: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Give parameters, and the length up to there of the curve's shadow on the plane across a unit vector."""
        points = self.points_at(self._fine)
        return self._fine, _lengths(points - (points @ across)[:, np.newaxis] * across)

    def points_at(self, parameters: FloatArray) -> FloatArray:
        """Give the points (n, 3) at parameters."""
        k, t, step = self._piece(parameters)
        near, far = self._points[k], self._points[k + 1]
        leaving, arriving = self._tangents[k] * step, self._tangents[k + 1] * step
        bend = leaving + arriving + 2.0 * (near - far)
        return np.asarray(near + t * (leaving + t * (3.0 * (far - near) - 2.0 * leaving - arriving + t * bend)))

    def directions_at(self, parameters: FloatArray) -> FloatArray:
        """Give the unit vectors (n, 3) along the curve at parameters."""
        k, t, step = self._piece(parameters)
        near, far = self._points[k], self._points[k + 1]
        leaving, arriving = self._tangents[k] * step, self._tangents[k + 1] * step
        bend = leaving + arriving + 2.0 * (near - far)
        return _normalized(leaving + t * (2.0 * (3.0 * (far - near) - 2.0 * leaving - arriving) + 3.0 * t * bend))

    def _piece(self, parameters: FloatArray) -> tuple[IntArray, FloatArray, FloatArray]:
        """Give the number of each parameter's piece, how far it is on its way through, and the piece's length."""
        k = np.clip(np.searchsorted(self._parameters, parameters, side="right") - 1, 0, len(self._points) - 2)
        step = self._parameters[k + 1] - self._parameters[k]
        return k, ((parameters - self._parameters[k]) / step)[:, np.newaxis], step[:, np.newaxis]


def as_curve(points: Sequence[Sequence[float]]) -> Curve:
    """Lay the smooth curve through patient points; raises `InvalidArgument` for what is none."""
    try:
        array = np.asarray(points, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidArgument("a curve is a list of points (x, y, z) in patient mm") from error
    if array.ndim != 2 or array.shape[1] != 3 or not np.isfinite(array).all() or np.abs(array).max(initial=0) > 1e6:
        raise InvalidArgument("a curve is a list of points (x, y, z) in patient mm, all finite")
    if len(array) > MAX_POINTS:
        raise InvalidArgument(f"a curve of {len(array)} points: {MAX_POINTS} are possible, leave some out")
    moves = np.linalg.norm(np.diff(array, axis=0), axis=1) > 1e-6
    array = array[np.concatenate([[True], moves])] if len(array) else array
    if len(array) < 2:
        raise InvalidArgument("a curve needs two points at least that are not the same")
    return Curve(array)


def straightened(curve: Curve, framing: Framing, normal: Triple | None = None) -> CurvedPlane:
    """Lay the surface whose rows are cut across a curve; seen along `normal` at its first point.

    `normal`, away from the viewer, is to the back by default, and to the right where the curve begins that way.
    """
    width = DEFAULT_WIDTH_MM if framing.width_mm is None else framing.width_mm
    along, across, pixel = framing.laid(curve.length_mm, width)
    parameters = curve.parameters(along)
    points, directions = curve.points_at(parameters), curve.directions_at(parameters)
    first = np.cross(directions[0], _viewing(normal, directions[0]))
    right = _carried(points, directions, first / np.linalg.norm(first))
    starts = points + across[0] * right
    starts[(along < -1e-6) | (along > curve.length_mm + 1e-6)] = _FAR_MM
    return CurvedPlane(starts, pixel * right, np.cross(right, directions), len(across), (pixel, pixel))


def stretched(curve: Curve, framing: Framing, normal: Triple | None = None) -> CurvedPlane:
    """Lay the surface that a line sweeps along a curve, across it and across `normal`, the way one looks at it.

    `normal`, away from the viewer, is to the back by default, and to the right where the curve as a whole runs that
    way. The first point is on top.
    """
    ends = curve.points_at(curve.parameters(np.array([0.0, curve.length_mm])))
    chord = ends[1] - ends[0]
    if not np.linalg.norm(chord) > 1e-3 * curve.length_mm:
        raise InvalidArgument(
            "a stretched picture needs a curve whose ends are apart: leave out a part, or straighten it"
        )
    chord /= np.linalg.norm(chord)
    sideways = np.cross(chord, _viewing(normal, chord))
    right = sideways / np.linalg.norm(sideways)
    parameters, lengths = curve.projected(right)
    offsets = curve.points_at(parameters) @ right
    margin = DEFAULT_WIDTH_MM if framing.width_mm is None else framing.width_mm
    along, across, pixel = framing.laid(float(lengths[-1]), float(np.ptp(offsets)) + margin)
    points = curve.points_at(np.interp(along, lengths, parameters))
    shadow = points - (points @ right)[:, np.newaxis] * right
    starts = shadow + (offsets.max() / 2 + offsets.min() / 2 + across[0]) * right
    starts[(along < -1e-6) | (along > lengths[-1] + 1e-6)] = _FAR_MM
    directions = curve.directions_at(np.interp(along, lengths, parameters))
    normals = _normalized(np.cross(right, directions))
    rights = np.tile(pixel * right, (len(along), 1))
    return CurvedPlane(starts, rights, normals, len(across), (pixel, pixel))


def _viewing(normal: Triple | None, along: FloatArray) -> FloatArray:
    """Give the direction of view: as asked, or one that does not run along the curve."""
    if normal is None:
        return np.array(_FACING_BACK if abs(along[1]) < _PARALLEL else _FACING_RIGHT)
    view = np.asarray(normal, dtype=np.float64)
    length = np.linalg.norm(view)
    if not length > 0.0:
        raise InvalidArgument("normal is zero: it needs a direction")
    view = view / length
    if np.linalg.norm(np.cross(along, view)) < 1e-3:
        raise InvalidArgument("the curve runs along normal: choose another normal, from the side")
    return np.asarray(view)


def _tangents(points: FloatArray, steps: FloatArray) -> FloatArray:
    """Give the derivatives of the parabola through each point and its neighbours."""
    slopes = np.diff(points, axis=0) / steps[:, np.newaxis]
    if len(slopes) == 1:
        return np.concatenate([slopes, slopes])
    before, behind = steps[:-1, np.newaxis], steps[1:, np.newaxis]
    inner = (slopes[:-1] * behind + slopes[1:] * before) / (before + behind)
    first, last = 2.0 * slopes[0] - inner[0], 2.0 * slopes[-1] - inner[-1]
    return np.concatenate([first[np.newaxis], inner, last[np.newaxis]])


def _carried(points: FloatArray, directions: FloatArray, first: FloatArray) -> FloatArray:
    """Carry a unit vector across the curve along it without turning it about the curve, by double reflection.

    In plain numbers: for vectors of three NumPy takes ten times as long.
    """
    right = as_triple(first)
    carried = [right]
    steps, ways = np.diff(points, axis=0).tolist(), directions.tolist()
    for step, along, ahead in zip(steps, ways, ways[1:], strict=False):
        turned = _mirrored(along, step)
        right = _mirrored(_mirrored(right, step), [b - a for a, b in zip(turned, ahead, strict=True)])
        carried.append(right)
    return np.array(carried)


def _mirrored(vector: Sequence[float], across: Sequence[float]) -> Triple:
    """Mirror a vector in the plane across another; as it is where that is none."""
    (x, y, z), (a, b, c) = vector, across
    length = a * a + b * b + c * c
    share = 2.0 * (x * a + y * b + z * c) / length if length > 1e-18 else 0.0
    return x - share * a, y - share * b, z - share * c


def _lengths(points: FloatArray) -> FloatArray:
    return np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])


def _normalized(vectors: FloatArray) -> FloatArray:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0.0, lengths, 1.0))
