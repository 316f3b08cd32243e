from __future__ import annotations

import numpy as np
import pytest
from filmless.errors import InvalidArgument
from filmless.kernels.ranges import BRICK, brick_ranges, leap_distances
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import raycast as naive

SHAPES = st.tuples(*[st.integers(1, 26)] * 3)


@pytest.mark.parametrize("dtype", ["int8", "uint16", "int32", "float32", "float64"])
@settings(max_examples=25)
@given(shape=SHAPES, seed=st.integers(0, 2**32 - 1))
def test_a_brick_s_range_is_that_of_its_voxels_and_the_next_layer(dtype, shape, seed):
    volume = np.random.default_rng(seed).integers(0, 120, shape).astype(dtype)

    lows, highs = brick_ranges(volume)

    expected = naive.ranges(volume, BRICK)
    np.testing.assert_array_equal(lows, expected[0])
    np.testing.assert_array_equal(highs, expected[1])


def test_extreme_values_are_within_their_range():
    volume = np.array([[[-(2**15), 2**15 - 1]]], np.int16)

    lows, highs = brick_ranges(volume)

    assert (lows.item(), highs.item()) == (-(2**15), 2**15 - 1)


def test_nan_widens_no_range_and_alone_has_an_empty_one():
    volume = np.full((9, 9, 18), np.nan, np.float32)
    volume[:, :, 0] = 3.0

    lows, highs = brick_ranges(volume)

    assert lows[0, 0, 0] == highs[0, 0, 0] == 3.0
    assert lows[0, 0, 2] > highs[0, 0, 2]


@settings(max_examples=40)
@given(shape=st.tuples(*[st.integers(1, 7)] * 3), share=st.floats(0, 0.2), seed=st.integers(0, 2**32 - 1))
def test_a_leap_is_as_far_as_the_nearest_active_brick(shape, share, seed):
    is_active = np.random.default_rng(seed).random(shape) < share

    np.testing.assert_array_equal(leap_distances(is_active), naive.distances(is_active))


def test_an_empty_volume_has_no_ranges():
    with pytest.raises(InvalidArgument, match="empty"):
        brick_ranges(np.empty((0, 3, 3), np.int16))
