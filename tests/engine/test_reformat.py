"""Where things land in pictures: geometry by property, and volumes whose pictures are known in closed form."""

from __future__ import annotations

import numpy as np
import pytest
from filmless.engine.geometry import Verdict, VolumeGeometry, as_triple
from filmless.engine.render import planes
from filmless.engine.render.planes import Plane, stored_plane
from filmless.engine.render.reformat import lay_plane, render
from filmless.engine.render.request import RenderRequest
from filmless.engine.render.sample import Cut, sample
from filmless.engine.render.window import Window
from filmless.engine.volume import ArrayLevel, Volume
from filmless.errors import FilmlessError, InvalidArgument
from hypothesis import assume, given, settings
from hypothesis import strategies as st

SHAPE = (14, 18, 16)
WIDE = Window(0, 4000, "LINEAR_EXACT")
HOW = st.sampled_from(["nearest", "trilinear", "cubic"])
unit = st.floats(-1, 1)
DIRECTIONS = st.tuples(unit, unit, unit).filter(lambda v: np.linalg.norm(v) > 0.2)


@st.composite
def rotations(draw):
    """A proper rotation, from a quaternion."""
    w, x, y, z = draw(st.tuples(unit, unit, unit, unit).filter(lambda q: np.linalg.norm(q) > 0.1))
    w, x, y, z = np.array((w, x, y, z)) / np.linalg.norm((w, x, y, z))
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def grid(rotation=None, spacing=(1.5, 0.8, 0.7), origin=(-5.0, 7.0, 20.0), shear=0.0):
    axes = np.eye(3) if rotation is None else rotation
    z = axes[:, 2] + shear * axes[:, 1]
    return VolumeGeometry(
        as_triple(origin), (as_triple(z / np.linalg.norm(z)), as_triple(axes[:, 1]), as_triple(axes[:, 0])), spacing
    )


def volume_on(geometry, stored, kind="uniform"):
    return Volume([ArrayLevel(stored, (4, 8, 8))], [(1, 1, 1)], geometry, Verdict((kind,), "made up", {}))


def noise(dtype=np.int16):
    return np.random.default_rng(7).integers(0, 900, SHAPE).astype(dtype)


def coordinate_volumes(geometry, shape=SHAPE):
    """Three volumes that hold the patient's x, y and z of each voxel: their pictures say where each pixel is."""
    voxels = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    places = geometry.mm_from_voxel(voxels)
    return [volume_on(geometry, np.ascontiguousarray(places[..., axis])) for axis in range(3)]


def values(volume, plane, slab_mm=0.0, mode="max", interpolation="trilinear"):
    return sample(volume, Cut(plane, slab_mm, mode, interpolation), WIDE, False)[0]


@settings(max_examples=40, deadline=None)
@given(rotations(), st.tuples(*[st.floats(0.3, 5)] * 3), HOW, st.floats(-0.5, 0.5))
def test_the_volume_in_its_own_orientation_and_spacing_is_the_stored_slices(rotation, spacing, how, shear):
    stored = noise()
    geometry = grid(rotation, spacing, shear=shear)
    volume = volume_on(geometry, stored)
    origin, (z, y, x) = np.array(geometry.origin_mm), geometry.steps_mm

    for number in range(SHAPE[0]):
        picture = values(volume, stored_plane(geometry, number, *SHAPE[1:]), interpolation=how)
        assert np.array_equal(picture, stored[number])
    across = Plane(as_triple(origin + 3 * y), as_triple(x), as_triple(z), SHAPE[0], SHAPE[2])
    along = Plane(as_triple(origin + 5 * x), as_triple(y), as_triple(z), SHAPE[0], SHAPE[1])
    assert np.array_equal(values(volume, across, interpolation=how), stored[:, 3])
    assert np.array_equal(values(volume, along, interpolation=how), stored[:, :, 5])


@settings(max_examples=40, deadline=None)
@given(rotations(), DIRECTIONS, st.sampled_from(["max", "min", "mean", "weighted"]), st.sampled_from([0.0, 3.0]), HOW)
def test_turning_plane_and_volume_together_changes_nothing(rotation, normal, mode, slab_mm, how):
    stored, shift = noise(), np.array([30.0, -80.0, 12.0])
    still = volume_on(grid(), stored)
    moved = volume_on(grid(rotation, origin=rotation @ still.geometry.origin_mm + shift), stored)
    plane = planes.oblique(still, normal, size=(24, 20))
    turned = Plane(
        as_triple(rotation @ plane.origin_mm + shift),
        as_triple(rotation @ plane.right_mm),
        as_triple(rotation @ plane.down_mm),
        plane.rows,
        plane.columns,
    )

    before, after = (values(volume, one, slab_mm, mode, how) for volume, one in ((still, plane), (moved, turned)))

    # Positions differ by rounding, 1e-9 of a voxel: at the rim, and between nearest voxels, that may decide otherwise.
    differ = ~np.isclose(before, after, atol=0.02, equal_nan=True)
    assert differ.mean() <= (0.02 if how == "nearest" or slab_mm else 0.01)


@st.composite
def flat_requests(draw):
    how = {
        "zoom": draw(st.floats(0.5, 4)),
        "pan_mm": draw(st.tuples(st.floats(-3, 3), st.floats(-3, 3))),
        "rotate_deg": draw(st.floats(-400, 400)),
        "size": draw(st.tuples(st.integers(8, 60), st.integers(8, 60))),
    }
    name = draw(st.sampled_from(["axial", "coronal", "sagittal", "acquired", "oblique"]))
    if name == "oblique":
        how["normal"] = draw(DIRECTIONS)
    return RenderRequest(plane=name, **how)


@settings(max_examples=60, deadline=None)
@given(rotations(), flat_requests(), st.sampled_from(["trilinear", "cubic"]), st.integers(0, 10**6))
def test_a_point_of_the_patient_lands_on_its_pixel_in_every_plane(rotation, request, how, seed):
    volumes = coordinate_volumes(grid(rotation))
    plane = lay_plane(volumes[0], request)
    shown = np.stack([values(volume, plane, interpolation=how) for volume in volumes], axis=-1)
    voxels = volumes[0].geometry.voxel_from_mm(np.nan_to_num(shown, nan=1e6))
    # Within two voxels of the border cubics are not linear: the outermost voxel stands in for those beyond.
    inside = np.argwhere(np.all((voxels > 2) & (voxels < np.array(SHAPE) - 3), axis=-1))
    assume(len(inside))
    row, column = inside[np.random.default_rng(seed).integers(len(inside))]

    found = plane.pixel_from_mm(shown[row, column])

    assert found[:2] == pytest.approx((row, column), abs=0.01)
    assert found[2] == pytest.approx(0.0, abs=1e-3)


def test_zoom_rotation_and_pan_do_what_they_say():
    volume = volume_on(grid(spacing=(1.0, 1.0, 1.0)), noise())
    plane = stored_plane(volume.geometry, 4, 16, 16)
    square = values(volume, plane)

    assert np.array_equal(values(volume, plane.adjusted(rotate_deg=90)), np.rot90(square, -1))
    assert np.array_equal(values(volume, plane.adjusted(rotate_deg=-180)), np.rot90(square, 2))
    moved = values(volume, plane.adjusted(pan_mm=(3, 2)))
    assert np.array_equal(moved[2:, 3:], square[:-2, :-3])
    enlarged = plane.adjusted(zoom=2)
    assert enlarged.pixel_mm == pytest.approx((0.5, 0.5))
    assert enlarged.pixel_from_mm(plane.origin_mm)[:2] == pytest.approx((-7.5, -7.5))


def test_annotation_turns_with_the_picture():
    volume = volume_on(grid(), noise())

    assert (
        lay_plane(volume, RenderRequest(rotate_deg=90)).letters
        == planes.Plane((0, 0, 0), (0, -1, 0), (1, 0, 0), 2, 2).letters
    )


@settings(max_examples=25, deadline=None)
@given(DIRECTIONS, st.sampled_from(["trilinear", "cubic"]), st.floats(-4, 4))
def test_a_sphere_is_cut_in_a_circle_of_the_right_radius(normal, how, depth):
    geometry = grid(spacing=(0.8, 0.6, 0.7))
    shape = (40, 50, 44)
    voxels = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    center = geometry.mm_from_voxel((np.array(shape) - 1) / 2)
    stored = 100.0 - np.linalg.norm(geometry.mm_from_voxel(voxels) - center, axis=-1)
    volume = volume_on(geometry, stored.astype(np.float32))
    across = np.array(normal) / np.linalg.norm(normal)
    plane = planes.oblique(volume, normal, center=center + depth * across, size=(64, 64))

    picture = values(volume, plane, interpolation=how)

    rows, columns = np.indices((64, 64))
    points = np.array(plane.origin_mm) + rows[..., None] * plane.down_mm + columns[..., None] * np.array(plane.right_mm)
    radii = np.linalg.norm(points - center, axis=-1)
    ring = (radii > 4) & (radii < 11)
    assert ring.any()
    # The distance bends by 1/r: linear pieces of a step h are off by 3/8 h²/r at most, cubic ones by far less.
    bound = 3 / 8 * 0.8**2 / 4 if how == "trilinear" else 0.004
    assert np.abs(picture - (100.0 - radii))[ring].max() <= bound


def test_a_weighted_mean_counts_what_is_near_the_plane_most():
    stored = np.zeros((21, 3, 3), np.float32)
    weights = []
    for z in range(21):
        stored[:] = 0
        stored[z] = 1
        volume = volume_on(grid(spacing=(1.0, 1.0, 1.0), origin=(0, 0, 0)), stored)
        plane = Plane((1.0, 1.0, 10.0), (1, 0, 0), (0, 1, 0), 1, 1)
        weights.append(values(volume, plane, 8.0, "weighted").item())

    tent = np.maximum(1 - np.abs(np.arange(21) - 10) / 5, 0)
    assert weights == pytest.approx(tent / tent.sum(), abs=1e-6)


@pytest.mark.parametrize("how", ["nearest", "trilinear", "cubic"])
def test_beside_a_gap_slices_are_not_mixed_across_it(how):
    offsets = (0.0, 1.0, 2.0, 3.0, 8.0, 9.0, 10.0, 11.0)
    geometry = VolumeGeometry((0, 0, 0), ((0, 0, 1), (0, 1, 0), (1, 0, 0)), (1.0, 1.0, 1.0), offsets)
    stored = np.repeat(np.array([100, 100, 100, 100, 700, 700, 700, 700], np.int16), 25).reshape(8, 5, 5)
    volume = Volume([ArrayLevel(stored)], [(1, 1, 1)], geometry, Verdict(("gapped",), "made up", {}))
    plane = Plane((2.0, 2.0, 11.0), (1, 0, 0), (0, 0, -0.25), 45, 1)

    column = values(volume, plane, interpolation=how)[:, 0]

    heights = 11.0 - 0.25 * np.arange(45)
    assert column[heights >= 7.5] == pytest.approx(700)
    assert column[heights <= 3.5] == pytest.approx(100)
    inside = (heights < 7.5) & (heights > 3.5)
    assert np.all(np.isnan(column[inside]) | (how == "nearest"))
    shown = render(volume, plane, window=(0, 100), resample=True, interpolation=how).pixels[:, 0]
    assert not shown[inside].any()


@settings(deadline=None)
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "zoom": st.floats(),
            "pan_mm": st.tuples(st.floats(), st.floats()),
            "rotate_deg": st.floats(),
            "width_mm": st.floats(max_value=1e4),
            "curve": st.lists(st.tuples(st.floats(-99, 99), st.floats(), st.floats(-99, 99)), max_size=4),
            "plane": st.sampled_from(["axial", "oblique", "straightened", "stretched"]),
            "mode": st.sampled_from(["max", "weighted"]),
            "slab_mm": st.floats(0, 50),
            "normal": st.tuples(st.floats(), st.floats(), st.floats()),
            "interpolation": HOW,
        },
    )
)
def test_any_request_gives_a_picture_or_an_error_of_ours(keywords):
    try:
        picture = render(volume_on(grid(), noise()), size=(20, 20), window=(0, 100), **keywords)
    except FilmlessError:
        return
    assert picture.shape == (20, 20)


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({"zoom": 0}, "zoom"),
        ({"zoom": float("nan")}, "zoom"),
        ({"rotate_deg": float("inf")}, "rotate_deg"),
        ({"pan_mm": (1, 2, 3)}, "pan_mm"),
        ({"width_mm": 20}, "width_mm"),
        ({"plane": "stretched"}, "needs its curve"),
        ({"curve": [(0, 0, 0)]}, "two points"),
        ({"curve": [(0, 0, 0), (0, 0, 0)]}, "two points"),
        ({"curve": [(0, 0, 0), (0, float("nan"), 0)]}, "curve"),
        ({"curve": [(0, 0, 0), (0, 1)]}, "3 numbers"),
        ({"curve": 3}, "points"),
        ({"curve": [(k, 0, 0) for k in range(10_001)]}, "leave some out"),
        ({"curve": [(0, 0, 0), (0, 0, 9)], "plane": "axial"}, "choose one"),
        ({"curve": [(0, 0, 0), (0, 0, 9)], "rotate_deg": 5}, "another normal"),
        ({"curve": [(0, 0, 0), (0, 0, 9)], "up": (0, 1, 0)}, "takes no up"),
        ({"curve": [(0, 0, 0), (0, 0, 9)], "normal": (0, 0, 1)}, "another normal"),
        ({"curve": [(0, 0, 0), (0, 0, 9)], "annotate": True}, "annotate"),
        ({"curve": [(0, 0, 0), (0, 0, 9e5)]}, "ask for a size"),
        ({"curve": [(0, 0, 0), (0, 5, 5), (0, 0, 0)], "plane": "stretched"}, "straighten"),
    ],
)
def test_what_cannot_be_laid_is_refused_with_advice(keywords, words):
    with pytest.raises(InvalidArgument, match=words):
        render(volume_on(grid(), noise()), **keywords)
