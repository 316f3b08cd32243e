from __future__ import annotations

import math

import numpy as np
import pytest
import SimpleITK as sitk
from filmless.errors import InvalidArgument
from filmless.kernels.reslice import reslice
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from naive import reslice as naive

DTYPES = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "float32", "float64"]
SHAPES = array_shapes(min_dims=3, max_dims=3, min_side=0, max_side=6) | st.sampled_from(
    [(1, 1, 1), (1, 40, 2), (40, 1, 1), (3, 1, 40), (1, 1, 40)]
)
PIXELS = st.tuples(st.integers(0, 5), st.integers(0, 40))
# Halves, quarters and sums of the border: the positions where rules meet; and any other.
COORDINATES = st.sampled_from([-0.5, 0.0, 0.5, 1.0, 2.0, -1.0, 0.25, 3.5]) | st.floats(-8, 8)
STEPS = st.sampled_from([0.0, 1.0, -1.0, 0.5, 2.0]) | st.floats(-2, 2)
HOW = st.sampled_from(["trilinear", "cubic"])
AXIAL = ((0, 0, 0), (0, 1, 0), (0, 0, 1))


def vectors(elements):
    return st.tuples(elements, elements, elements)


PLANES = st.tuples(vectors(COORDINATES), vectors(STEPS), vectors(STEPS))


def volumes(dtype):
    if np.dtype(dtype).kind == "f":
        return arrays(dtype, SHAPES, elements=st.floats(-1000, 1000, width=32))
    info = np.iinfo(dtype)
    return arrays(dtype, SHAPES, elements=st.integers(max(info.min, -4000), min(info.max, 4000)))


def distances_to_edges(volume, plane, shape):
    """For each pixel, how near its index comes to where inside ends, in voxels."""
    rows, columns = np.indices(shape)[..., None]
    origin, row_step, column_step = map(np.asarray, plane)
    index = origin + rows * row_step + columns * column_step
    ends = np.array([-0.5 - 1e-6, *(np.array(volume.shape) - 0.5 + 1e-6)])
    low, high = np.abs(index - ends[0]), np.abs(index - ends[1:])
    return np.minimum(low, high).min(axis=-1)


@pytest.mark.parametrize("interpolation", ["trilinear", "cubic"])
@pytest.mark.parametrize("dtype", DTYPES)
@settings(max_examples=60)
@given(data=st.data(), plane=PLANES, shape=PIXELS)
def test_every_pixel_is_the_sample_of_its_position(dtype, interpolation, data, plane, shape):
    volume = data.draw(volumes(dtype))

    pixels = reslice(volume, *plane, shape=shape, background=-7.5, interpolation=interpolation)

    expected = naive.reslice(volume, plane, shape, background=-7.5, sample=getattr(naive, interpolation))
    decided = distances_to_edges(volume, plane, shape) > 1e-8
    assert pixels.dtype == np.float32
    assert pixels.shape == shape
    np.testing.assert_allclose(pixels[decided], expected[decided], atol=0.05, rtol=0)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint32", "float32"])
@settings(max_examples=60)
@given(data=st.data(), plane=PLANES, shape=PIXELS)
def test_every_pixel_is_the_nearest_voxel(dtype, data, plane, shape):
    volume = data.draw(volumes(dtype))

    pixels = reslice(volume, *plane, shape=shape, background=99, interpolation="nearest")

    expected = naive.reslice(volume, plane, shape, background=99, sample=naive.nearest)
    moved = [
        naive.reslice(volume, (np.add(plane[0], d), *plane[1:]), shape, background=99, sample=naive.nearest)
        for d in (-2e-6, 2e-6)
    ]
    undecided = (expected != moved[0]) | (expected != moved[1])
    assert pixels.dtype == volume.dtype
    np.testing.assert_array_equal(pixels[~undecided], expected[~undecided])


@st.composite
def slices_at_knots(draw):
    volume = draw(volumes("int16").filter(lambda v: v.shape[0] > 0))
    intervals = draw(
        st.lists(st.sampled_from([0.5, 1.0, 1.0, 1.5, 6.0]), min_size=len(volume) - 1, max_size=len(volume) - 1)
    )
    return volume, draw(st.sampled_from([-3.0, 0.0, 1.25])) + np.cumsum([0.0, *intervals])


@pytest.mark.parametrize("interpolation", ["trilinear", "nearest", "cubic"])
@settings(max_examples=150)
@given(stack=slices_at_knots(), plane=PLANES, shape=PIXELS, gap=st.sampled_from([1.2, 2.0, math.inf]))
def test_uneven_slices_are_found_through_their_positions(interpolation, stack, plane, shape, gap):
    volume, knots = stack
    sample = naive.hermite(knots, gap) if interpolation == "cubic" else getattr(naive, interpolation)

    pixels = reslice(
        volume, *plane, shape=shape, background=-9, slice_knots=knots, gap=gap, interpolation=interpolation
    )

    shifts = (0.0, -2e-6, 2e-6) if interpolation == "nearest" else (0.0, -3e-8, 3e-8)
    candidates = [
        naive.reslice(
            volume,
            (np.add(plane[0], d), *plane[1:]),
            shape,
            background=-9,
            sample=sample,
            knots=knots,
            gap=gap,
        )
        for d in shifts
    ]
    undecided = np.ptp(candidates, axis=0) > 0.1
    np.testing.assert_allclose(pixels[~undecided], candidates[0][~undecided], atol=0.1, rtol=0)


def test_missing_slices_are_shown_as_missing():
    volume = np.ones((4, 1, 1), np.uint8)
    knots = [0.0, 2.0, 12.0, 14.0]

    column = reslice(volume, (0, 0, 0), (1, 0, 0), (0, 0, 1), shape=(15, 1), slice_knots=knots, gap=3.0)

    assert column[:, 0].tolist() == [1] * 4 + [0] * 7 + [1] * 4


def test_a_single_slice_shows_within_half_a_voxel_of_its_centre():
    volume = np.full((1, 3, 3), 5, np.int16)
    heights = [-0.75, -0.5, 0.0, 0.5, 0.75]

    shown = [float(reslice(volume, (z, 1, 1), (0, 1, 0), (0, 0, 1), shape=(1, 1))[0, 0]) for z in heights]

    assert shown == [0, 5, 5, 5, 0]


@pytest.mark.parametrize("step", [(0, 0, 1), (0, 0, -1), (0, 1, 0), (1, 0, 0), (0.2, 0.2, 0.2)])
def test_only_voxels_with_a_weight_are_used(step):
    volume = np.full((4, 4, 4), np.nan)
    index = np.array([[1, 2, 0], [1, 2, 3], [1, 0, 3], [0, 2, 3], [1, 1, 1]])[
        [(0, 0, 1), (0, 0, -1), (0, 1, 0), (1, 0, 0), (0.2, 0.2, 0.2)].index(step)
    ]
    reached = index + np.arange(4)[:, None] * np.array(step)
    for point in reached:
        low, high = np.floor(point).astype(int), np.ceil(point).astype(int)
        volume[tuple(slice(a, b + 1) for a, b in zip(low, high, strict=True))] = 6.0

    row = reslice(volume, index, (0, 0, 0), step, shape=(1, 4), background=6.0)

    np.testing.assert_allclose(row, 6.0)


def test_a_plane_off_by_rounding_reads_only_its_slice():
    volume = np.full((5, 3, 3), np.nan, np.float32)
    volume[2] = 1.0

    pixels = reslice(volume, (2 + 1e-9, 0, 0), (1e-10, 1, 0), (-1e-10, 0, 1), shape=(3, 3))

    assert (pixels == 1.0).all()


@pytest.mark.parametrize("huge", [1e7, 1e15, 1e100, 1.7e308, 5e-324, -1.7e308])
@pytest.mark.parametrize("which", range(9))
@pytest.mark.parametrize("interpolation", ["trilinear", "nearest", "cubic"])
def test_extreme_vectors_stay_inside(huge, which, interpolation):
    volume = np.ones((3, 4, 5), np.int16)
    vectors = np.array(AXIAL, dtype=float).ravel()
    vectors[which] = huge

    pixels = reslice(volume, *vectors.reshape(3, 3), shape=(7, 60), interpolation=interpolation)

    assert np.all((pixels == 0) | (np.abs(pixels - 1) < 1e-6))


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=9, max_size=9), st.booleans(), HOW)
def test_no_finite_plane_reads_past_the_volume(numbers, has_knots, interpolation):
    guarded = np.full(3 * 4 * 5 + 2000, 1000, np.int16)
    volume = guarded[1000:1060].reshape(3, 4, 5)
    volume[:] = 1
    knots = [0.0, 1.0, 4.0] if has_knots else None

    pixels = reslice(
        volume, *np.reshape(numbers, (3, 3)), shape=(5, 33), slice_knots=knots, interpolation=interpolation
    )

    assert pixels.min() >= -1e-6
    assert pixels.max() <= 1 + 1e-6


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("which", ["origin", "row_step", "column_step"])
def test_a_vector_that_is_not_finite_is_refused(bad, which):
    vectors = dict(zip(("origin", "row_step", "column_step"), AXIAL, strict=True)) | {which: (0, bad, 0)}

    with pytest.raises(InvalidArgument, match=which):
        reslice(np.zeros((3, 3, 3), np.int16), **vectors, shape=(2, 2))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "shape"),
        ({"shape": (2, 2, 2)}, "rows, columns"),
        ({"shape": (-1, 2)}, "rows, columns"),
        ({"shape": (2, 2), "interpolation": "quintic"}, "quintic"),
        ({"shape": (2, 2), "slice_knots": [0.0, 1.0]}, "3 numbers"),
        ({"shape": (2, 2), "slice_knots": [0.0, 1.0, 1.0]}, "increase"),
        ({"shape": (2, 2), "slice_knots": [0.0, 1.0, math.nan]}, "finite"),
        ({"shape": (2, 2), "slice_knots": [0.0, 1.0, 2.0], "gap": 0.0}, "gap"),
        ({"out": np.empty((2, 2), np.int16)}, "float32"),
        ({"out": np.empty((2, 2), np.float32), "shape": (3, 2)}, "shape"),
        ({"out": np.empty((2, 2), np.float32), "interpolation": "nearest"}, "int16"),
        ({"shape": (2, 2), "interpolation": "nearest", "background": 40000}, "int16"),
        ({"shape": (2, 2), "interpolation": "nearest", "background": 0.5}, "int16"),
        ({"shape": (2, 2), "interpolation": "nearest", "background": math.nan}, "int16"),
    ],
)
def test_unfit_options_are_refused_with_what_to_do(options, words):
    with pytest.raises(InvalidArgument, match=words):
        reslice(np.zeros((3, 3, 3), np.int16), *AXIAL, **options)


@pytest.mark.parametrize(
    ("volume", "words"),
    [
        (np.zeros((3, 3), np.int16), "axes"),
        (np.zeros((3, 3, 3), np.int64), "convert"),
        (np.zeros((3, 3, 3), np.int16).T, "ascontiguousarray"),
    ],
)
def test_an_unfit_volume_is_refused_with_what_to_do(volume, words):
    with pytest.raises(InvalidArgument, match=words):
        reslice(volume, *AXIAL, shape=(2, 2))


def test_a_vector_of_two_is_refused():
    with pytest.raises(InvalidArgument, match="3 numbers"):
        reslice(np.zeros((3, 3, 3), np.int16), (0, 0), *AXIAL[1:], shape=(2, 2))


def test_an_out_of_float64_keeps_the_digits_of_32_bit_integers():
    volume = np.array([[[2_000_000_001, 2_000_000_002]]], np.int32)
    out = np.empty((1, 2))

    assert reslice(volume, (0, 0, 0), (0, 1, 0), (0, 0, 0.5), out=out) is out
    assert out.tolist() == [[2_000_000_001, 2_000_000_001.5]]


def test_rows_can_be_drawn_in_parts():
    volume = np.random.default_rng(5).integers(0, 1000, (9, 10, 11)).astype(np.int16)
    origin, row_step, column_step = (
        np.array([0.3, -2, 1]),
        np.array([0.4, 0.5, 0.1]),
        np.array([0.1, 0.3, 0.7]),
    )
    whole, parts = np.empty((16, 16), np.float32), np.empty((16, 16), np.float32)

    reslice(volume, origin, row_step, column_step, out=whole)
    for row in range(0, 16, 4):
        reslice(volume, origin + row * row_step, row_step, column_step, out=parts[row : row + 4])

    np.testing.assert_allclose(parts, whole, atol=1e-2)


@pytest.mark.parametrize("interpolation", ["trilinear", "nearest"])
def test_simpleitk_samples_the_same(interpolation):
    rng = np.random.default_rng(3)
    volume = rng.integers(-1000, 2000, (30, 40, 50)).astype(np.int16)
    row_step, column_step = np.array([0.6131, 0.5077, -0.3119]), np.array([0.2071, -0.4093, 0.8317])
    origin = np.array([15.1013, 20.2037, 25.3051]) - 32 * (row_step + column_step)

    pixels = reslice(
        volume, origin, row_step, column_step, shape=(64, 64), background=-2000, interpolation=interpolation
    )

    np.testing.assert_allclose(
        pixels, resampled_by_simpleitk(volume, origin, row_step, column_step, interpolation), atol=0.01
    )


def resampled_by_simpleitk(volume, origin, row_step, column_step, interpolation):
    """The plane as a one-slice image whose points an affine transform carries into the volume."""
    image = sitk.GetImageFromArray(volume)
    across = np.cross(row_step, column_step)
    matrix = np.stack([column_step[::-1], row_step[::-1], across[::-1]], axis=1)
    transform = sitk.AffineTransform(matrix.ravel().tolist(), origin[::-1].tolist())
    kind = sitk.sitkLinear if interpolation == "trilinear" else sitk.sitkNearestNeighbor
    grid = sitk.Image(64, 64, 1, sitk.sitkFloat32)
    sampled = sitk.Resample(image, grid, transform, kind, -2000.0, sitk.sitkFloat32)
    return sitk.GetArrayFromImage(sampled)[0]
