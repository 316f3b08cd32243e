"""Filling piled-up contours beside a naive twin and beside closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from filmless.errors import InvalidArgument
from filmless.kernels.contours import fill_contours
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from naive import contours as naive


def flat(planes):
    """The edges of polygons by plane, as the kernel takes them."""
    sides = [
        [(*a, *b) for polygon in polygons for a, b in zip(polygon, [*polygon[1:], polygon[0]], strict=True)]
        for polygons in planes
    ]
    firsts = np.cumsum([0, *map(len, sides)])
    return np.array([side for plane in sides for side in plane], float).reshape(-1, 4), firsts.astype(np.int64)


def filled(starts, right, layers, planes, columns, **options):
    edges, firsts = flat(planes)
    arrays = [np.ascontiguousarray(part, float) for part in (starts, right, layers)]
    return fill_contours(*arrays, edges, firsts, columns, **options)


# Corners are whole and pixels are not: few lie on an edge, where either answer is right.
corner = st.tuples(st.integers(-8, 8), st.integers(-8, 8))
polygon = st.lists(corner, min_size=3, max_size=7, unique=True)
part = st.integers(-6, 6).map(lambda number: number / 4)
direction = st.tuples(part, part, part)


@settings(max_examples=300)
@given(
    planes=st.lists(st.lists(polygon, max_size=3), min_size=1, max_size=3),
    starts=st.lists(st.tuples(part, part, part), min_size=1, max_size=4),
    right=direction,
    columns=st.integers(0, 17),
)
def test_pixels_are_filled_as_the_naive_twin_fills_them(planes, starts, right, columns):
    starts = np.array(starts) * 4 + (0.1, 0.013, 0.0171)
    layers = [(2.0 * number - 1, 2.0 * number + 1) for number in range(len(planes))]
    steps = np.broadcast_to(right, starts.shape)
    near_edge = _nearest_edge(starts, right, planes, columns)
    assume(near_edge > 1e-9)

    found = filled(starts, steps, layers, planes, columns)

    assert np.array_equal(found, np.array(naive.fill(starts, steps, layers, planes, columns)).reshape(found.shape))


def _nearest_edge(starts, right, planes, columns):
    """How far the nearest pixel is from any edge, in the plane: on an edge either answer is right."""
    places = starts[:, np.newaxis, 1:] + np.arange(columns)[:, np.newaxis] * np.array(right)[1:]
    edges, _ = flat(planes)
    distances = [1.0]
    for u0, v0, u1, v1 in edges:
        along = np.array([u1 - u0, v1 - v0])
        away = places.reshape(-1, 2) - (u0, v0)
        share = np.clip(away @ along / (along @ along), 0, 1)
        distances += np.linalg.norm(away - share[:, np.newaxis] * along, axis=1).tolist()
    return min(distances)


@pytest.mark.parametrize("angle", [0.0, 0.3, 1.2, 2.9])
def test_a_square_with_a_hole_covers_its_area_however_it_is_turned(angle):
    cosine, sine = np.cos(angle), np.sin(angle)
    square = [(-40, -40), (40, -40), (40, 40), (-40, 40)]
    hole = [(-10, -20), (-10, 20), (10, 20), (10, -20)]
    rows = (np.arange(200) - 99.5)[:, np.newaxis]
    starts = np.concatenate([0 * rows, -99.5 * cosine - rows * sine, -99.5 * sine + rows * cosine], axis=1)

    found = filled(starts, np.tile([0.0, cosine, sine], (200, 1)), [(-1, 1)], [[square, hole]], 200)

    # As many pixels, 1 x 1, as the area, but for those on 440 of edge, of which half are in and half out by chance.
    assert int(found.sum()) == pytest.approx(80 * 80 - 20 * 40, abs=60)
    assert found[100, 100] == 0


def test_rows_straight_through_the_planes_show_each_layer_as_thick_as_it_is():
    inside, outside = [[(-1, -1), (1, -1), (1, 1), (-1, 1)]], [[(5, 5), (6, 5), (6, 6)]]

    found = filled([(0, 0, 0)], [(0.5, 0, 0)], [(0, 2), (2, 3), (3, 10)], [inside, outside, inside], 16)
    backwards = filled([(7.5, 0, 0)], [(-0.5, 0, 0)], [(0, 2), (2, 3), (3, 10)], [inside, outside, inside], 16)

    assert found[0].tolist() == [1, 1, 1, 1, 0, 0, *[1] * 10]
    assert np.array_equal(backwards, found[:, ::-1])


def test_what_was_filled_before_stays():
    out = np.eye(4, dtype=np.uint8)

    filled([(0, 0, r) for r in range(4)], [(0, 1, 0)] * 4, [(0, 1)], [[[(-1, 0.5), (9, 0.5), (9, 1.5)]]], 4, out=out)

    assert (out >= np.eye(4, dtype=np.uint8)).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"right": np.zeros((2, 3))}, "starts and right"),
        ({"layers": np.zeros((1, 3))}, "layers"),
        ({"first_edges": np.array([0, 9])}, "first_edges rise"),
        ({"first_edges": np.array([0, 2, 1, 3])}, "first_edges rise"),
        ({"edges": np.full((3, 4), np.nan)}, "NaN"),
        ({"columns": -1}, "0 or more"),
    ],
)
def test_what_does_not_fit_together_is_refused(changes, message):
    sound = {
        "starts": np.zeros((1, 3)),
        "right": np.zeros((1, 3)),
        "layers": np.zeros((1, 2)),
        "edges": np.zeros((3, 4)),
        "first_edges": np.array([0, 3]),
        "columns": 4,
    }
    with pytest.raises(InvalidArgument, match=message):
        fill_contours(**(sound | changes))
