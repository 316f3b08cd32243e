from __future__ import annotations

import math

import numpy as np
import pytest
from filmless.errors import InvalidArgument
from filmless.kernels.reslice import reslice
from filmless.kernels.slab import project_slab
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import slab as naive
from naive.reslice import nearest, trilinear

AXIAL = ((0, 0, 0), (0, 1, 0), (0, 0, 1))
MODES = ["max", "min", "mean"]
# Off the borders by an odd fraction, so that float64 and fixed point agree on what is inside.
COORDINATES = st.integers(-40, 60).map(lambda n: n * 0.0973 + 0.0111)
STEPS = st.integers(-20, 20).map(lambda n: n * 0.0973)
VECTORS = st.tuples(STEPS, STEPS, STEPS)
PLANES = st.tuples(st.tuples(COORDINATES, COORDINATES, COORDINATES), VECTORS, VECTORS)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
@settings(max_examples=40)
@given(plane=PLANES, through=VECTORS, samples=st.integers(1, 6), seed=st.integers(0, 2**32 - 1))
def test_a_slab_is_its_planes_combined(mode, dtype, plane, through, samples, seed):
    volume = np.random.default_rng(seed).integers(0, 200, (4, 3, 5)).astype(dtype)

    pixels = project_slab(volume, *plane, through, samples, shape=(3, 18), mode=mode, background=-3)

    expected = naive.project_slab(volume, plane, through, samples, (3, 18), mode, background=-3, sample=trilinear)
    np.testing.assert_allclose(pixels, expected, atol=0.01)


@pytest.mark.parametrize("mode", MODES)
def test_a_slab_of_nearest_voxels_is_its_planes_combined(mode):
    volume = np.random.default_rng(1).integers(-500, 500, (6, 7, 8)).astype(np.int16)
    plane = ((-1.3017, 0.2071, 0.1093), (0.3141, 0.7173, 0.1237), (0.1131, -0.2311, 0.7717))

    pixels = project_slab(
        volume, *plane, (0.9013, 0.1029, 0.2051), 5, shape=(9, 11), mode=mode, interpolation="nearest", background=7
    )

    expected = naive.project_slab(
        volume, plane, (0.9013, 0.1029, 0.2051), 5, (9, 11), mode, background=7, sample=nearest
    )
    np.testing.assert_allclose(pixels, expected, atol=1e-3)


@pytest.mark.parametrize("mode", MODES)
def test_samples_in_a_gap_are_left_out(mode):
    volume = np.array([10, 20, 90, 100], np.int16).reshape(4, 1, 1)
    knots = [0.0, 1.0, 9.0, 10.0]

    pixels = project_slab(
        volume,
        (0, 0, 0),
        (0, 1, 0),
        (0, 0, 1),
        (1, 0, 0),
        11,
        shape=(1, 1),
        mode=mode,
        slice_knots=knots,
        gap=2.0,
    )

    assert pixels.item() == {"max": 100, "min": 10, "mean": 55}[mode]


@pytest.mark.parametrize("mode", MODES)
def test_nan_is_left_out_and_alone_it_is_background(mode):
    volume = np.array([[[np.nan, np.nan]], [[np.nan, 4.0]]], np.float32)

    pixels = project_slab(volume, *AXIAL, (1, 0, 0), 2, shape=(1, 2), mode=mode, background=-1)

    assert pixels.tolist() == [[-1, 4]]


def test_background_may_be_nan():
    pixels = project_slab(np.ones((2, 1, 1), np.uint8), *AXIAL, (1, 0, 0), 2, shape=(1, 2), background=math.nan)

    np.testing.assert_array_equal(pixels, [[1, np.nan]])


def test_one_sample_is_the_plane_itself():
    volume = np.random.default_rng(2).integers(0, 1000, (5, 6, 7)).astype(np.uint16)
    plane = ((0.4, 0.2, 0.1), (0.2, 0.7, 0.1), (0.1, 0.2, 0.8))

    slab = project_slab(volume, *plane, (0, 0, 0), 1, shape=(8, 8))

    np.testing.assert_array_equal(slab, reslice(volume, *plane, shape=(8, 8)))


def test_an_out_of_float64_is_filled_and_given_back():
    out = np.empty((1, 1))
    volume = np.array([[[2_000_000_001]], [[2_000_000_002]]], np.int32)

    assert project_slab(volume, *AXIAL, (1, 0, 0), 2, out=out, mode="mean") is out
    assert out.item() == 2_000_000_001.5


@pytest.mark.parametrize("shape", [(0, 3, 3), (3, 0, 3), (3, 3, 0)])
def test_an_empty_volume_is_background(shape):
    pixels = project_slab(np.empty(shape, np.int16), *AXIAL, (1, 0, 0), 3, shape=(2, 2), background=8)

    assert (pixels == 8).all()


@pytest.mark.parametrize(
    ("samples", "options", "words"),
    [
        (0, {}, "samples"),
        (2.5, {}, "samples"),
        (2, {"mode": "median"}, "median"),
        (2, {"interpolation": "quintic"}, "quintic"),
        (2, {"weights": [1.0, 2.0]}, "mean"),
        (2, {"weights": [1.0, 0.0], "mode": "mean"}, "above 0"),
        (2, {"weights": [1.0], "mode": "mean"}, "2 numbers"),
        (2, {"shape": (1, 2, 3)}, "rows, columns"),
        (2, {"out": np.empty((2, 2), np.int16)}, "float32"),
    ],
)
def test_unfit_options_are_refused_with_what_to_do(samples, options, words):
    with pytest.raises(InvalidArgument, match=words):
        project_slab(np.zeros((3, 3, 3), np.int16), *AXIAL, (1, 0, 0), samples, **({"shape": (2, 2)} | options))


def test_a_sample_step_that_is_not_finite_is_refused():
    with pytest.raises(InvalidArgument, match="sample_step"):
        project_slab(np.zeros((3, 3, 3), np.int16), *AXIAL, (math.nan, 0, 0), 2, shape=(2, 2))
