from __future__ import annotations

import numpy as np
import pytest
from filmless.errors import InvalidArgument
from filmless.kernels.downsample import halve_mean, halve_mode
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from naive import downsample as naive

INTEGERS = ["int8", "uint8", "int16", "uint16", "int32", "uint32"]
FLOATS = ["float32", "float64"]
SHAPES = array_shapes(min_dims=3, max_dims=3, min_side=0, max_side=7) | st.sampled_from(
    [(1, 1, 200), (1, 200, 1), (200, 1, 1), (0, 5, 5), (3, 2, 67)]
)
AXES = st.tuples(st.booleans(), st.booleans(), st.booleans())


@pytest.mark.parametrize("dtype", INTEGERS)
@settings(max_examples=40)
@given(data=st.data(), axes=AXES)
def test_the_mean_of_integers_is_exact_with_ties_upward(dtype, data, axes):
    volume = data.draw(arrays(dtype, SHAPES))

    halved = halve_mean(volume, axes=axes)

    assert halved.dtype == volume.dtype
    np.testing.assert_array_equal(halved, naive.halve(volume, axes, naive.mean_of_integers))


@pytest.mark.parametrize("dtype", FLOATS)
@settings(max_examples=40)
@given(data=st.data(), axes=AXES)
def test_the_mean_of_floats_is_that_of_float64(dtype, data, axes):
    elements = st.floats(-1e6, 1e6, width=np.dtype(dtype).itemsize * 8)
    volume = data.draw(arrays(dtype, SHAPES, elements=elements))

    halved = halve_mean(volume, axes=axes)

    expected = naive.halve(volume, axes, naive.mean_of_floats)
    np.testing.assert_allclose(halved, expected, rtol=4 * np.finfo(dtype).eps, atol=1e6 * 1e-15)


@pytest.mark.parametrize("dtype", INTEGERS + FLOATS)
def test_the_ends_of_a_type_do_not_overflow(dtype):
    info = np.finfo(dtype) if dtype in FLOATS else np.iinfo(dtype)

    for end in (info.min, info.max):
        assert (halve_mean(np.full((3, 4, 5), end, dtype)) == end).all()


def test_ties_go_upward_below_zero_too():
    row = np.array([[[-2, -1, 1, 2, -3, 0]]], np.int16)

    assert halve_mean(row).tolist() == [[[-1, 2, -1]]]


def test_the_voxel_at_an_odd_edge_counts_alone():
    row = np.array([[[0, 10, 7]]], np.uint8)

    assert halve_mean(row).tolist() == [[[5, 7]]]


def test_nan_makes_only_the_mean_of_its_box_nan():
    volume = np.zeros((2, 2, 4), np.float32)
    volume[1, 1, 0] = np.nan

    np.testing.assert_array_equal(halve_mean(volume), [[[np.nan, 0]]])


@pytest.mark.parametrize("dtype", INTEGERS)
@settings(max_examples=40)
@given(data=st.data(), axes=AXES)
def test_the_most_frequent_label_wins_and_the_largest_among_equals(dtype, data, axes):
    volume = data.draw(arrays(dtype, SHAPES, elements=st.integers(0, 3) | st.just(np.iinfo(dtype).max)))

    halved = halve_mode(volume, axes=axes)

    np.testing.assert_array_equal(halved, naive.halve(volume, axes, naive.mode))


def test_a_line_one_voxel_thin_survives_over_background():
    labels = np.zeros((1, 2, 8), np.uint8)
    labels[0, 0] = 7

    assert (halve_mode(labels) == 7).all()


@pytest.mark.parametrize("halve", [halve_mean, halve_mode])
def test_a_read_only_array_and_an_out_will_do(halve):
    volume = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    expected, out = halve(volume.copy()), np.empty((2, 2, 3), np.int16)
    volume.flags.writeable = False

    assert halve(volume, out=out) is out
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("halve", [halve_mean, halve_mode])
@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((4, 4), np.int16), "axes"),
        (np.zeros((4, 4, 4), np.int64), "convert"),
        (np.zeros((4, 4, 4), np.int16).T[::2], "ascontiguousarray"),
    ],
)
def test_an_unfit_array_is_refused_with_what_to_do(halve, array, words):
    with pytest.raises(InvalidArgument, match=words):
        halve(array)


@pytest.mark.parametrize("halve", [halve_mean, halve_mode])
def test_an_unfit_out_or_axes_is_refused(halve):
    volume = np.zeros((4, 4, 4), np.int16)

    with pytest.raises(InvalidArgument, match="shape"):
        halve(volume, out=np.empty((2, 2, 3), np.int16))
    with pytest.raises(InvalidArgument, match="shares memory"):
        halve(volume, out=volume.reshape(-1)[:8].reshape(2, 2, 2))
    with pytest.raises(InvalidArgument, match="three"):
        halve(volume, axes=(True, True))


def test_floats_are_no_labels():
    with pytest.raises(InvalidArgument, match="convert"):
        halve_mode(np.zeros((4, 4, 4), np.float32))
