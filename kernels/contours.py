"""Which pixels of a picture lie within closed contours that are piled up in parallel planes.

A picture crosses the planes of a pile at any angle. Each plane stands for a layer about it; within a layer a row of the
picture is a straight line over the plane's contours, so the edges that it crosses say where it is inside. No contour is
ever made a bitmap of its own: the answer is exact at the middle of every pixel.
"""

from __future__ import annotations

import math

import numpy as np

from ..errors import InvalidArgument
from .arguments import GRAY, Array, Dtypes, check_array, prepare_out
from .jit import kernel, routine

REALS: Dtypes = frozenset({np.dtype(np.float64)})
COUNTS: Dtypes = frozenset({np.dtype(np.int64)})


def fill_contours(
    starts: Array, right: Array, layers: Array, edges: Array, first_edges: Array, columns: int, out: Array | None = None
) -> Array:
    """Give (rows, columns) uint8: 1 where a pixel is inside an odd number of the contours of its layer, else 0.

    All is in coordinates (depth, u, v) of the pile. Pixel (r, c) is at `starts[r] + c * right[r]`, both (rows, 3).
    `layers` (planes, 2) is the depth from which, and below which, the contours of a plane count. `edges` (edges, 4)
    are the sides of the polygons, u, v, u, v; those of plane p are `first_edges[p]` up to `first_edges[p + 1]`. All
    are float64, `first_edges` int64. With `out`, pixels inside are set to 1 and the others left as they are. Raises
    `InvalidArgument` for what does not fit together.
    """
    lines = [check_array(name, array, REALS, 2) for name, array in (("starts", starts), ("right", right))]
    bounds, sides = check_array("layers", layers, REALS, 2), check_array("edges", edges, REALS, 2)
    firsts = check_array("first_edges", first_edges, COUNTS, 1)
    if lines[0].shape != lines[1].shape or lines[0].shape[1] != 3 or bounds.shape[1] != 2 or sides.shape[1] != 4:
        raise InvalidArgument("starts and right are (rows, 3), layers (planes, 2), edges (edges, 4)")
    is_rising = bool(np.all(np.diff(firsts) >= 0))
    if len(firsts) != len(bounds) + 1 or firsts[0] != 0 or firsts[-1] != len(sides) or not is_rising:
        raise InvalidArgument("first_edges rise from 0 to the number of edges, one more than there are layers")
    if not all(np.isfinite(array).all() for array in (*lines, bounds, sides)):
        raise InvalidArgument("starts, right, layers and edges hold NaN or infinity: pass finite numbers")
    if columns < 0:
        raise InvalidArgument(f"{columns} columns: pass 0 or more")
    picture = prepare_out(out, (len(lines[0]), columns), np.uint8, GRAY)
    if out is None:
        picture.fill(0)
    _fill(lines[0], lines[1], bounds, sides, firsts, picture)
    return picture


@kernel
def _fill(starts: Array, right: Array, layers: Array, edges: Array, firsts: Array, picture: Array) -> None:
    rows, columns = picture.shape
    toggles = np.zeros(columns + 1, np.uint8)
    for r in range(rows):
        for plane in range(len(layers)):
            first, last = _columns_between(starts[r, 0], right[r, 0], layers[plane, 0], layers[plane, 1], columns)
            if first >= last:
                continue
            sides = edges[firsts[plane] : firsts[plane + 1]]
            _toggle(starts[r], right[r], sides, first, last, toggles)
            inside = np.uint8(0)
            for c in range(first, last):
                inside ^= toggles[c]
                picture[r, c] |= inside
            toggles[first : last + 1] = 0


@routine
def _columns_between(start: float, step: float, low: float, high: float, columns: int) -> tuple[int, int]:
    """Give the columns, first up to last, at which low <= start + column * step < high."""
    if step == 0.0:
        return (0, columns) if low <= start < high else (0, 0)
    if step > 0.0:
        return _cut((low - start) / step, columns), _cut((high - start) / step, columns)
    # A falling depth is below `high` just after it is there, and is `low` still at `low` itself.
    return _cut(math.floor((high - start) / step) + 1.0, columns), _cut(math.floor((low - start) / step) + 1.0, columns)


@routine
def _cut(place: float, columns: int) -> int:
    """Give the first whole column from a place on, cut to the picture."""
    return int(max(0.0, min(float(columns), math.ceil(place))))


@routine
def _toggle(start: Array, right: Array, sides: Array, first: int, last: int, toggles: Array) -> None:
    """Mark the columns, `first` up to `last`, from which the line is on the other side of an edge."""
    du, dv = right[1], right[2]
    u, v = start[1], start[2]
    length = du * du + dv * dv
    if length == 0.0:  # the row goes straight through the plane: all of it is inside, or none
        for e in range(len(sides)):
            a, b = sides[e, 1] - v, sides[e, 3] - v
            if (a >= 0.0) != (b >= 0.0) and sides[e, 0] + a / (a - b) * (sides[e, 2] - sides[e, 0]) <= u:
                toggles[first] ^= np.uint8(1)
        return
    for e in range(len(sides)):
        a = du * (sides[e, 1] - v) - dv * (sides[e, 0] - u)
        b = du * (sides[e, 3] - v) - dv * (sides[e, 2] - u)
        if (a >= 0.0) == (b >= 0.0):
            continue
        share = a / (a - b)
        along = (sides[e, 0] + share * (sides[e, 2] - sides[e, 0]) - u) * du
        along += (sides[e, 1] + share * (sides[e, 3] - sides[e, 1]) - v) * dv
        column = max(float(first), min(float(last), math.ceil(along / length)))
        toggles[int(column)] ^= np.uint8(1)
