"""Look-ups and YBR beside NumPy's own indexing and the standard's equations in float64."""

from __future__ import annotations

import numpy as np
import pytest
from filmless.errors import InvalidArgument
from filmless.kernels.paint import lay_color, look_up, rgb_from_ybr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

DTYPES = ["int8", "uint8", "int16", "uint16", "int32", "uint32"]
SHAPES = array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=37)


def naive_look_up(stored, table, first):
    return table[np.clip(stored.astype(np.int64) - first, 0, len(table) - 1)]


@pytest.mark.parametrize("dtype", DTYPES)
@settings(max_examples=40)
@given(data=st.data())
def test_every_pixel_gets_the_entry_for_its_value_or_the_nearest_end(dtype, data):
    stored = data.draw(arrays(dtype, SHAPES))
    kind, columns = data.draw(st.sampled_from([("uint8", ()), ("uint16", ()), ("uint8", (3,))]))
    table = data.draw(arrays(kind, (data.draw(st.integers(1, 300)), *columns)))
    first = data.draw(st.integers(-400, 400) | st.sampled_from([-(2**31), 2**31 - 5]))

    assert np.array_equal(look_up(stored, table, first), naive_look_up(stored, table, first))


@pytest.mark.parametrize("count", range(9))
def test_colours_of_any_number_of_pixels_end_where_they_should(count):
    stored = np.arange(count, dtype=np.uint8)
    table = np.arange(27, dtype=np.uint8).reshape(9, 3)
    room = np.full((count + 1, 3), 77, np.uint8)

    look_up(stored, table, 0, out=room[:count])

    assert np.array_equal(room[:count], table[:count])
    assert (room[count] == 77).all()


@pytest.mark.parametrize("table", [np.zeros(0, np.uint8), np.zeros((4, 2), np.uint8), np.zeros((4, 3), np.uint16)])
def test_a_table_of_no_use_is_refused(table):
    with pytest.raises(InvalidArgument):
        look_up(np.zeros(3, np.uint8), table)


def test_floats_cannot_be_looked_up():
    with pytest.raises(InvalidArgument, match="stored"):
        look_up(np.zeros(3, np.float32), np.zeros(3, np.uint8))


@settings(max_examples=60)
@given(samples=arrays("uint8", st.tuples(st.integers(0, 9), st.integers(0, 40), st.just(3))))
def test_ybr_becomes_the_rgb_that_gives_it_back(samples):
    rgb = rgb_from_ybr(samples)

    y, cb, cr = (samples[..., n].astype(np.float64) - (0, 128, 128)[n] for n in range(3))
    expected = np.stack([y + 1.402 * cr, y - 0.344136 * cb - 0.714136 * cr, y + 1.772 * cb], axis=-1)
    # Half a level of rounding, and what the constants lose in 16 bits.
    assert np.abs(rgb - np.clip(expected, 0, 255)).max(initial=0) <= 0.505


def test_grey_stays_grey_through_ybr():
    gray = np.stack([np.arange(256), np.full(256, 128), np.full(256, 128)], axis=-1).astype(np.uint8)

    assert np.array_equal(rgb_from_ybr(gray), np.repeat(gray[:, :1], 3, axis=-1))


@settings(max_examples=60)
@given(
    shape=st.tuples(st.integers(0, 9), st.integers(0, 9)),
    color=st.tuples(*[st.integers(0, 255)] * 3),
    opacity=st.floats(0, 1),
    seed=st.integers(0, 99),
)
def test_a_colour_is_laid_over_a_picture_as_much_as_it_covers(shape, color, opacity, seed):
    random = np.random.default_rng(seed)
    picture, shares = random.integers(0, 256, (*shape, 3), np.uint8), random.integers(0, 256, shape, np.uint8)
    shares[shares < 60] = 0
    weight = (shares / 255.0 * opacity)[..., np.newaxis]
    exact = picture * (1 - weight) + weight * np.array(color)
    bare = picture.copy()

    lay_color(picture, shares, color, opacity)

    assert np.abs(picture - exact).max(initial=0) <= 0.5 + 1e-9
    assert np.array_equal(picture[shares == 0], bare[shares == 0])


@pytest.mark.parametrize(("color", "opacity"), [((0, 0, 256), 1.0), ((0, 0, 0), 1.1), ((0, 0, 0), float("nan"))])
def test_a_colour_or_opacity_that_is_none_is_refused(color, opacity):
    with pytest.raises(InvalidArgument, match="0 to 255, and 0 to 1"):
        lay_color(np.zeros((2, 2, 3), np.uint8), np.zeros((2, 2), np.uint8), color, opacity)
