"""Voxels in bricks: planes and slabs through them are those through the same voxels in one array, to the bit."""

from __future__ import annotations

import math

import numpy as np
import pytest
from filmless.kernels.reslice import reslice
from filmless.kernels.slab import project_slab
from filmless.kernels.voxels import voxels_of_array, voxels_of_bricks
from hypothesis import given, settings
from hypothesis import strategies as st

DTYPES = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "float32", "float64"]
HOW = st.sampled_from(["trilinear", "nearest", "cubic"])
STEPS = st.sampled_from([0.0, 0.0, 1.0, -1.0, 0.5, 0.3, -0.7]) | st.floats(-1.3, 1.3)
VECTORS = st.tuples(STEPS, STEPS, STEPS)
GUARD = 2000


def cut_into_bricks(volume, brick, start, stop, rng):
    """The box of a volume in bricks that lie in any order, between elements that no sample may hold."""
    counts = [-(-n // b) for n, b in zip(volume.shape, brick, strict=True)]
    whole = np.zeros([n * b for n, b in zip(counts, brick, strict=True)], volume.dtype)
    whole[tuple(slice(n) for n in volume.shape)] = volume
    places, size = np.ndindex(*counts), math.prod(brick)
    flat = np.full(math.prod(counts) * size + 2 * GUARD, np.nan if volume.dtype.kind == "f" else 100, volume.dtype)
    firsts = np.zeros(counts, np.int64)
    for place, number in zip(places, rng.permutation(math.prod(counts)).tolist(), strict=True):
        firsts[place] = GUARD + number * size
        part = tuple(slice(i * b, (i + 1) * b) for i, b in zip(place, brick, strict=True))
        flat[firsts[place] : firsts[place] + size] = whole[part].ravel()
    flat.flags.writeable = False
    touched = tuple(slice(a // b, -(-c // b)) for a, c, b in zip(start, stop, brick, strict=True))
    return voxels_of_bricks(flat, np.ascontiguousarray(firsts[touched]), brick, start, stop)


@st.composite
def boxes(draw, dtype):
    """A volume, a box of it, and the same box as voxels in bricks."""
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    shape = draw(st.tuples(*[st.integers(1, 20)] * 3))
    volume = rng.integers(1, 99, shape).astype(dtype)
    if np.dtype(dtype).kind == "f":
        volume[rng.random(shape) < 0.02] = np.nan
    start = tuple(draw(st.integers(0, n - 1)) for n in shape)
    stop = tuple(draw(st.integers(a + 1, n)) for a, n in zip(start, shape, strict=True))
    brick = draw(st.tuples(*[st.integers(1, 8)] * 3))
    box = np.ascontiguousarray(volume[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))])
    return volume, box, start, stop, cut_into_bricks(volume, brick, start, stop, rng)


@pytest.mark.parametrize("dtype", DTYPES)
@settings(max_examples=60, deadline=None)
@given(data=st.data(), origin=st.tuples(*[st.floats(-3, 15)] * 3), down=VECTORS, right=VECTORS, how=HOW)
def test_a_plane_through_bricks_is_that_through_an_array(dtype, data, origin, down, right, how):
    volume, box, start, stop, voxels = data.draw(boxes(dtype))
    options = {"shape": (9, 30), "background": 100, "interpolation": how}
    if data.draw(st.booleans()):
        options |= {"slice_knots": np.cumsum(np.where(np.arange(len(box)) % 3 == 2, 2.0, 1.0)), "gap": 1.5}

    expected = reslice(box, origin, down, right, **options)

    np.testing.assert_array_equal(reslice(voxels, origin, down, right, **options), expected)
    in_place = voxels_of_array(volume, start, stop)
    np.testing.assert_array_equal(reslice(in_place, origin, down, right, **options), expected)


@settings(max_examples=60, deadline=None)
@given(st.data(), st.tuples(*[st.floats(-3, 15)] * 3), VECTORS, VECTORS, VECTORS, HOW)
def test_a_slab_through_bricks_is_that_through_an_array(data, origin, down, right, deeper, how):
    _, box, _, _, voxels = data.draw(boxes("int16"))
    options = {"shape": (5, 17), "background": -5.0, "interpolation": how, "mode": data.draw(modes)}

    through_bricks = project_slab(voxels, origin, down, right, deeper, 4, **options)

    np.testing.assert_array_equal(through_bricks, project_slab(box, origin, down, right, deeper, 4, **options))


modes = st.sampled_from(["max", "min", "mean"])


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=9, max_size=9), HOW)
def test_no_finite_plane_reads_other_bricks(numbers, how):
    rng = np.random.default_rng(0)
    volume = np.ones((7, 9, 11), np.int8)
    voxels = cut_into_bricks(volume, (2, 4, 4), (1, 2, 3), (7, 9, 11), rng)

    pixels = reslice(voxels, *np.reshape(numbers, (3, 3)), shape=(5, 33), interpolation=how)

    assert pixels.min() >= -1e-6
    assert pixels.max() <= 1 + 1e-6
