from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from filmless.errors import InvalidArgument
from filmless.kernels import raycast
from filmless.kernels.ranges import brick_ranges, leap_distances
from filmless.kernels.raycast import Colors, Lighting, Part, make_rays
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import raycast as naive

MODES = ["max", "min", "mean"]
NOTHING = np.empty((0, 4))
UNLIT = Lighting(np.eye(3), np.empty(0, np.float32), np.empty(0, np.float32))
SHAPE = (3, 4)
# Off the borders by an odd fraction, so that float64 and fixed point agree on what is inside.
COORDINATES = st.integers(-60, 260).map(lambda n: n * 0.0973 + 0.0111)
STEPS = st.integers(-12, 12).map(lambda n: n * 0.0973)
DEPTHS = st.tuples(STEPS, STEPS, STEPS)
RAYS = st.builds(
    make_rays,
    st.tuples(COORDINATES, COORDINATES, COORDINATES),
    st.tuples(STEPS, STEPS, STEPS),
    st.tuples(STEPS, STEPS, STEPS),
    st.tuples(STEPS, STEPS, STEPS),
    st.integers(1, 60),
)
SHAPES = st.tuples(st.integers(1, 20), st.integers(1, 20), st.integers(1, 40))
PLANES = st.lists(st.tuples(STEPS, STEPS, STEPS, COORDINATES), max_size=2).map(
    lambda planes: np.array(planes, float).reshape(-1, 4)
)
SEEDS = st.integers(0, 2**32 - 1)


def patchy(shape, seed, dtype="int16"):
    """Values in patches, with empty space between: what makes bricks be skipped."""
    random = np.random.default_rng(seed)
    values = random.integers(0, 50, shape)
    for _ in range(3):
        low = [int(random.integers(0, n)) for n in shape]
        values[tuple(slice(at, at + int(random.integers(1, 12))) for at in low)] += int(random.integers(100, 900))
    return values.astype(dtype)


def whole(volume):
    return Part(volume, 0, volume.shape[0], (0, volume.shape[0]))


def parts(volume, stops, margin=0):
    """The volume cut along z after these slices, as the engine cuts it."""
    ends = [0, *stops, volume.shape[0]]
    for first, stop in itertools.pairwise(ends):
        begin = max(first - 8 * margin, 0)
        box = np.ascontiguousarray(volume[begin : stop + 1 + margin])
        yield Part(box, begin, volume.shape[0], (first, stop))


def project(pieces, rays, mode, inside=NOTHING, shape=SHAPE, **options):
    start = {"max": -np.inf, "min": np.inf, "mean": 0.0}[mode]
    gathered, counts = np.full(shape, start, np.float32), np.zeros(shape, np.int32)
    for part in pieces:
        lows, highs = brick_ranges(part.voxels)
        tops = (-lows.astype(np.float32) if mode == "min" else highs).astype(np.float32)
        raycast.project_rays(part, tops, rays, inside, gathered, counts, mode=mode, **options)
    if mode == "mean":
        gathered = gathered / np.maximum(counts, 1)
    return np.where(counts > 0, gathered, np.nan), counts


def colors(low=100.0, high=700.0, opacity=0.4):
    ramp = np.linspace(0, 1, 4096)
    table = np.stack([0.2 + 0.8 * ramp, 1 - ramp, ramp, ramp * opacity], axis=1).astype(np.float32)
    return Colors(table, low, 4095 / (high - low))


def color_of(table):
    def find(value):
        return table.table[int(np.clip((value - table.low) * table.scale, 0, 4095) + 0.5)]

    return find


def composite(pieces, rays, table, lighting=UNLIT, inside=NOTHING, shape=SHAPE, enough=2.0):
    out = np.zeros((*shape, 4), np.float32)
    for part in pieces:
        leaps = leap_distances(brick_ranges(part.voxels)[1] > table.low)
        raycast.composite_rays(part, leaps, rays, inside, table, lighting, enough, out)
    return out


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
@settings(max_examples=40)
@given(shape=SHAPES, rays=RAYS, inside=PLANES, seed=SEEDS)
def test_a_projection_gathers_every_sample(mode, dtype, shape, rays, inside, seed):
    volume = patchy(shape, seed) % 250 if dtype == "uint8" else patchy(shape, seed)
    volume = volume.astype(dtype)

    pixels, counts = project([whole(volume)], rays, mode, inside)

    expected, met = naive.project(volume, rays, inside, SHAPE, mode)
    np.testing.assert_array_equal(counts, met)
    np.testing.assert_allclose(pixels, expected, atol=0.02)


@settings(max_examples=60)
@given(shape=SHAPES, rays=RAYS, inside=PLANES, seed=SEEDS)
def test_colours_lie_over_one_another_sample_by_sample(shape, rays, inside, seed):
    volume, table = patchy(shape, seed), colors()

    out = composite([whole(volume)], rays, table, inside=inside)

    expected = naive.composite(volume, rays, inside, SHAPE, color_of(table))
    np.testing.assert_allclose(out, expected, atol=2e-3)


@settings(max_examples=30)
@given(shape=SHAPES, rays=RAYS, seed=SEEDS)
def test_light_falls_along_the_line_of_sight(shape, rays, seed):
    volume, table, cosines = patchy(shape, seed), colors(), np.linspace(0, 1, 4097)
    to_view = np.array([[0.1, 0.9, 0.2], [0.8, -0.1, 0.3], [-0.2, 0.3, 1.1]])
    lighting = Lighting(to_view, (0.3 + 0.5 * cosines).astype("f4"), (0.2 * cosines**4).astype("f4"))

    out = composite([whole(volume)], rays, table, lighting)

    def light_of(gradient):
        seen = to_view @ gradient
        length = np.linalg.norm(seen)
        cosine = abs(seen[2]) / length if length > 1e-9 else 0.0
        return 0.3 + 0.5 * cosine, 0.2 * cosine**4

    expected = naive.composite(volume, rays, NOTHING, SHAPE, color_of(table), light_of)
    np.testing.assert_allclose(out, expected, atol=1e-2)


@pytest.mark.parametrize("mode", MODES)
@settings(max_examples=30)
@given(rays=RAYS, seed=SEEDS, stops=st.sets(st.sampled_from([8, 16, 24])))
def test_a_volume_in_parts_projects_as_the_whole(mode, rays, seed, stops):
    volume = patchy((27, 9, 11), seed)

    pixels, counts = project(parts(volume, sorted(stops)), rays, mode)

    expected, met = project([whole(volume)], rays, mode)
    np.testing.assert_array_equal(counts, met)
    np.testing.assert_allclose(pixels, expected, rtol=1e-5)


@settings(max_examples=30)
@given(rays=RAYS, seed=SEEDS, stops=st.sets(st.sampled_from([8, 16, 24])))
def test_parts_in_the_order_of_the_rays_show_the_same_colours(rays, seed, stops):
    volume, table = patchy((27, 9, 11), seed), colors()
    cosines = np.linspace(0, 1, 65).astype("f4")
    lighting = Lighting(np.eye(3), cosines, cosines)
    pieces = list(parts(volume, sorted(stops), margin=1))

    out = composite(pieces if rays.step[0] >= 0 else pieces[::-1], rays, table, lighting)

    np.testing.assert_allclose(out, composite([whole(volume)], rays, table, lighting), atol=1e-5)


def straight(size, depth, across=1.0):
    """Rays along z through a cube, one a voxel column."""
    return make_rays((0, 0, 0), (0, 1, 0), (0, 0, 1), (across, 0, 0), depth)


def test_a_slab_of_one_value_has_the_opacity_of_its_thickness():
    """Layers of opacity 1 - exp(-k s) every s add up to 1 - exp(-k d): Beer and Lambert's law."""
    volume, absorption = np.full((41, 3, 3), 500, np.int16), 0.05

    for step, layers in ((1.0, 41), (0.25, 161)):
        opacity = 1 - math.exp(-absorption * step)
        table = Colors(np.array([[1, 0.5, 0, opacity]] * 2, np.float32), 0.0, 1.0)
        out = composite([whole(volume)], straight(3, layers, step), table, shape=(3, 3))
        expected = 1 - math.exp(-absorption * step * layers)
        np.testing.assert_allclose(out, np.broadcast_to([expected, expected / 2, 0, expected], out.shape), atol=1e-5)


def test_a_ray_ends_where_nothing_behind_can_be_seen():
    volume = np.full((64, 1, 1), 500, np.int16)
    table = Colors(np.array([[1, 1, 1, 0.5]] * 2, np.float32), 0.0, 1.0)

    out = composite([whole(volume)], straight(1, 64), table, shape=(1, 1), enough=0.9)

    assert out[0, 0, 3] == 1 - 0.5**4


def sphere(size=48, radius=15.0):
    z, y, x = np.indices((size,) * 3) - (size - 1) / 2
    return (1000 * (radius + 0.5 - np.sqrt(z * z + y * y + x * x))).clip(0, 1000).astype(np.float32)


def turned(size, angle, tilt, pixels):
    """Rays through the middle of a cube, from any side, as many pixels as it is wide."""
    a, t = math.radians(angle), math.radians(tilt)
    step = np.array([math.sin(t), math.cos(t) * math.sin(a), math.cos(t) * math.cos(a)])
    right = np.array([0.0, math.cos(a), -math.sin(a)])
    down = np.cross(step, right)
    middle = (size - 1) / 2
    origin = np.full(3, middle) - (pixels - 1) / 2 * (down + right) - size * step
    return make_rays(origin, down, right, step / 4, 8 * size)


@pytest.mark.parametrize(("angle", "tilt"), [(0, 0), (31, 17), (90, 0), (200, -65), (45, 35.26)])
def test_a_sphere_is_a_disc_from_every_side(angle, tilt):
    pixels, _ = project([whole(sphere())], turned(48, angle, tilt, 41), "max", shape=(41, 41))

    row, column = np.indices((41, 41)) - 20
    distance = np.hypot(row, column)
    assert (pixels[distance < 14.8] > 500).all()
    assert not (pixels[distance > 15.2] > 500).any()


@pytest.mark.parametrize(("angle", "tilt"), [(0, 0), (31, 17), (200, -65)])
def test_the_front_of_a_sphere_is_as_deep_as_it_is(angle, tilt):
    """Colour tells depth: a ramp of clipping planes ends each ray where the surface is."""
    volume, rays = sphere(), turned(48, angle, tilt, 21)
    direction = rays.step / np.linalg.norm(rays.step)
    middle = np.full(3, 23.5)
    for depth in (-16.0, -13.0, -9.0):
        inside = np.array([[*-direction, direction @ middle + depth]])
        shown, counts = project([whole(volume)], rays, "max", inside, shape=(21, 21))
        distance = np.hypot(*(np.indices((21, 21)) - 10))
        surface = -np.sqrt(np.maximum(15.0**2 - distance**2, 0))
        assert (shown[surface < depth - 0.4] > 500).all()
        assert not (shown[(surface > depth + 0.4) & (counts > 0)] > 500).any()


@given(st.floats(-180, 180), st.floats(-80, 80))
@settings(max_examples=30)
def test_the_maximum_of_a_gradient_is_where_the_ray_leaves(angle, tilt):
    """Along a straight line a linear field has its extremes at the ends, and its mean halfway."""
    z, y, x = np.indices((17, 19, 23))
    volume = (3.0 * z - 2.0 * y + 5.0 * x).astype(np.float32)
    rays = turned(19, angle, tilt, 9)

    high, counts = project([whole(volume)], rays, "max", shape=(9, 9))
    low, _ = project([whole(volume)], rays, "min", shape=(9, 9))
    mean, _ = project([whole(volume)], rays, "mean", shape=(9, 9))

    slope = abs(float(rays.step @ [3.0, -2.0, 5.0]))
    met = counts > 0
    np.testing.assert_allclose((high - low)[met], slope * (counts[met] - 1), atol=0.01)
    np.testing.assert_allclose(mean[met], ((high + low) / 2)[met], atol=0.01)


@pytest.mark.parametrize("mode", ["max", "min"])
def test_limits_change_nothing_between_them(mode):
    volume, rays = patchy((30, 20, 25), 5), turned(25, 20, 10, 15)
    limits = (40, 300) if mode == "max" else (300, 40)

    bounded, _ = project([whole(volume)], rays, mode, shape=(15, 15), limits=limits)

    exact, _ = project([whole(volume)], rays, mode, shape=(15, 15))
    np.testing.assert_array_equal(np.clip(bounded, 40, 300), np.clip(exact, 40, 300))


@pytest.mark.parametrize("mode", MODES)
def test_nan_is_passed_over(mode):
    volume = np.full((6, 1, 1), 7.0, np.float32)
    volume[2:4] = np.nan

    pixels, _ = project([whole(volume)], straight(1, 6), mode, shape=(1, 1))

    assert pixels.item() == 7


def test_nan_shows_nothing():
    volume = np.full((6, 1, 1), np.nan, np.float32)
    table = Colors(np.ones((2, 4), np.float32), 0.0, 1.0)

    out = np.zeros((1, 1, 4), np.float32)
    raycast.composite_rays(
        whole(volume), np.zeros((1, 1, 1), np.uint8), straight(1, 6), NOTHING, table, UNLIT, 1.0, out
    )

    assert not out.any()


@settings(max_examples=40)
@given(
    origin=st.tuples(*[st.floats(-1e6, 1e6)] * 3),
    step=st.tuples(*[st.floats(-1e3, 1e3)] * 3),
    shape=st.tuples(*[st.integers(1, 9)] * 3),
)
def test_no_ray_however_odd_reads_outside(origin, step, shape):
    """Where it would, it would meet the values about the box."""
    around = np.full([n + 16 for n in shape], 9999, np.int16)
    box = np.ascontiguousarray(around[tuple(slice(8, 8 + n) for n in shape)] * 0 + 5)
    rays = make_rays(origin, (0.3, 0.2, 0.1), (-0.1, 0.3, 0.2), step, 100)

    pixels, _ = project([whole(box)], rays, "max")

    assert set(np.unique(pixels[~np.isnan(pixels)])) <= {5}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"samples": 0}, "samples"),
        ({"origin": (math.nan, 0, 0)}, "origin"),
        ({"step": (1e9, 0, 0)}, "far"),
    ],
)
def test_rays_that_cannot_be_cast_are_refused(change, words):
    options = {"origin": (0, 0, 0), "down": (0, 1, 0), "right": (0, 0, 1), "step": (1, 0, 0), "samples": 3} | change
    with pytest.raises(InvalidArgument, match=words):
        make_rays(**options)


def test_what_does_not_fit_is_refused():
    volume, rays = np.zeros((9, 9, 9), np.int16), straight(9, 9)
    picture, counts = np.zeros((2, 2), np.float32), np.zeros((2, 2), np.int32)
    tops = np.zeros((2, 2, 2), np.float32)

    with pytest.raises(InvalidArgument, match="median"):
        raycast.project_rays(whole(volume), tops, rays, NOTHING, picture, counts, mode="median")
    with pytest.raises(InvalidArgument, match="one a brick"):
        raycast.project_rays(whole(volume), tops[:1], rays, NOTHING, picture, counts)
    with pytest.raises(InvalidArgument, match="the same"):
        raycast.project_rays(whole(volume), tops, rays, NOTHING, picture, counts[:1])
    with pytest.raises(InvalidArgument, match="begin it with a brick"):
        raycast.project_rays(Part(volume, 3, 12, (3, 12)), tops, rays, NOTHING, picture, counts)
    with pytest.raises(InvalidArgument, match="table"):
        raycast.composite_rays(
            whole(volume), np.zeros((2, 2, 2), np.uint8), rays, NOTHING,
            Colors(np.zeros((1, 4), np.float32), 0.0, 1.0), UNLIT, 1.0, np.zeros((2, 2, 4), np.float32),
        )  # fmt: skip
