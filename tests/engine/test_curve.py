"""Curved planes, against the helix, whose frames and lengths are known in closed form."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np
import pytest
from filmless.engine.geometry import Verdict, VolumeGeometry
from filmless.engine.render.curve import Framing, as_curve, straightened, stretched
from filmless.engine.render.reformat import lay_plane, render
from filmless.engine.render.request import RenderRequest
from filmless.engine.render.sample import Cut, sample
from filmless.engine.render.window import Window
from filmless.engine.volume import ArrayLevel, Volume
from filmless.kernels.voxels import voxels_of_array
from hypothesis import given, settings
from hypothesis import strategies as st

RADIUS_MM, RISE_MM, TURNS = 15.0, 6.0, 1.5
SPEED_MM = float(np.hypot(RADIUS_MM, RISE_MM))
"""Length of the helix for each radian."""
WIDE = Window(0, 4000, "LINEAR_EXACT")


def helix(angles):
    return np.stack([RADIUS_MM * np.cos(angles), RADIUS_MM * np.sin(angles), RISE_MM * angles], axis=-1)


def frenet(angles):
    """Unit vectors along the helix, towards its axis, and across both."""
    along = np.stack([-RADIUS_MM * np.sin(angles), RADIUS_MM * np.cos(angles), np.full_like(angles, RISE_MM)], -1)
    inward = np.stack([-np.cos(angles), -np.sin(angles), np.zeros_like(angles)], -1)
    return along / SPEED_MM, inward, np.cross(along / SPEED_MM, inward)


ANGLES = np.linspace(0, 2 * np.pi * TURNS, 91)
HELIX = helix(ANGLES)
LENGTH_MM = SPEED_MM * float(ANGLES[-1])


def test_the_curve_goes_through_its_points_and_has_the_length_of_the_helix():
    curve = as_curve(HELIX)

    assert curve.length_mm == pytest.approx(LENGTH_MM, abs=0.01)
    along = np.linspace(0, LENGTH_MM, 500)
    found = curve.points_at(curve.parameters(along * curve.length_mm / LENGTH_MM))
    assert np.abs(found - helix(along / SPEED_MM)).max() < 0.01


@given(st.lists(st.tuples(*[st.integers(-50, 50)] * 3), min_size=2, max_size=8, unique=True))
def test_every_point_given_is_on_the_curve(points):
    curve = as_curve(points)

    found = curve.points_at(curve.parameters(np.linspace(0, curve.length_mm, 4000)))

    step = curve.length_mm / 3999
    for point in points:
        assert np.linalg.norm(found - point, axis=1).min() <= step


def test_a_straightened_helix_is_cut_in_the_frame_that_does_not_turn_about_it():
    """Against the helix' natural frame that turns by its torsion, c / (r² + c²), must be turned back."""
    framing = Framing(finest_mm=0.5, width_mm=20.0)

    plane = straightened(as_curve(HELIX), framing, normal=(1.0, 0.0, 0.0))

    along = (LENGTH_MM - 0.5 * (plane.rows - 1)) / 2 + 0.5 * np.arange(plane.rows)
    _, inward, across = frenet(along / SPEED_MM)
    turned = along * RISE_MM / SPEED_MM**2
    natural = plane.right_mm / 0.5
    start = np.arctan2(natural[0] @ across[0], natural[0] @ inward[0]) + turned[0]
    expected = np.cos(start - turned)[:, None] * inward + np.sin(start - turned)[:, None] * across
    assert np.abs(natural - expected).max() < 2e-3
    middle = plane.starts_mm + plane.right_mm * (plane.columns - 1) / 2
    assert np.abs(middle - helix(along / SPEED_MM)).max() < 0.01
    assert np.abs(np.sum(plane.normals * natural, axis=1)).max() < 1e-9


def test_a_stretched_helix_has_true_lengths_and_parallel_rows():
    framing = Framing(finest_mm=0.5, width_mm=10.0)
    view = np.array([0.0, 1.0, 0.0])

    plane = stretched(as_curve(HELIX), framing, normal=tuple(view))

    right = plane.right_mm[0] / 0.5
    assert np.array_equal(plane.right_mm, np.tile(plane.right_mm[0], (plane.rows, 1)))
    assert abs(right @ view) < 1e-9
    fine = helix(np.linspace(0, ANGLES[-1], 200_001))
    shadow = fine - (fine @ right)[:, None] * right
    lengths = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(shadow, axis=0), axis=1))])
    first = (lengths[-1] - 0.5 * (plane.rows - 1)) / 2
    for number in range(0, len(fine), 5000):
        row = (lengths[number] - first) / 0.5
        if 0 <= round(row) < plane.rows and abs(row - round(row)) < 0.1:
            offset = (fine[number] - plane.starts_mm[round(row)]) @ right / 0.5
            at = plane.starts_mm[round(row)] + offset * plane.right_mm[0]
            assert 0 <= offset < plane.columns
            assert np.linalg.norm(at - fine[number]) < 0.06
    assert plane.rows == int(lengths[-1] / 0.5 + 1e-6) + 1
    assert plane.columns == int((np.ptp(fine @ right) + 10.0) / 0.5 + 1e-2) + 1


def test_a_straight_curve_down_is_the_plane_that_it_lies_in():
    """A straight curve, seen from the front, is a coronal plane: head on top, the patient's right at the left."""
    curve, framing = as_curve([(3.0, 4.0, 60.0), (3.0, 4.0, 20.0)]), Framing(1.0, width_mm=10.0)

    for lay in (straightened, stretched):
        plane = lay(curve, framing)
        assert plane.rows == 41
        assert plane.starts_mm[0] == pytest.approx((-2.0, 4.0, 60.0))
        assert plane.right_mm[7] == pytest.approx((1.0, 0.0, 0.0))
        assert plane.normals[7] == pytest.approx((0.0, 1.0, 0.0))


def tube(radius_mm=3.0, dtype=np.int16):
    """A volume in which what is nearer to the helix than `radius_mm` is bright, brightest in the middle."""
    geometry = VolumeGeometry((-25.0, -25.0, -10.0), ((0, 0, 1), (0, 1, 0), (1, 0, 0)), (1.0, 0.8, 0.8))
    shape = (78, 63, 63)
    voxels = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1).reshape(-1, 3)
    fine, points = helix(np.linspace(0, ANGLES[-1], 400)), geometry.mm_from_voxel(voxels)
    nearest = np.full(len(points), np.inf)
    for one in fine:
        nearest = np.minimum(nearest, np.sum((points - one) ** 2, axis=1))
    stored = np.rint(1000 * np.exp(-nearest / radius_mm**2)).reshape(shape).astype(dtype)
    return Volume([ArrayLevel(stored, (8, 16, 16))], [(1, 1, 1)], geometry, Verdict(("uniform",), "made up", {}))


@pytest.fixture(scope="module")
def vessel():
    return tube()


@pytest.mark.parametrize("how", ["nearest", "trilinear", "cubic"])
def test_a_vessel_along_the_curve_is_a_straight_bright_line(vessel, how):
    request = RenderRequest(curve=HELIX.tolist(), width_mm=20.0, interpolation=how)
    plane = lay_plane(vessel, request)

    picture = sample(vessel, Cut(plane, interpolation=how), WIDE, False)[0]

    pixel = plane.pixel_mm[1]
    brightest = np.nanargmax(picture[10:-10], axis=1)
    assert np.abs(brightest - (plane.columns - 1) / 2).max() * pixel <= (1.3 if how == "nearest" else 0.8)
    profile = np.nanmean(picture[10:-10], axis=0)
    offsets = (np.arange(plane.columns) - (plane.columns - 1) / 2) * pixel
    assert profile[abs(offsets) < 4] == pytest.approx(1000 * np.exp(-(offsets[abs(offsets) < 4] ** 2) / 9), abs=60)


class PoisonedLevel(ArrayLevel):
    """Gives voxels of chunks that are not wanted values that no test volume holds."""

    @contextmanager
    def hold_voxels(self, start, stop, wanted=None):
        yield voxels_of_array(self.read_box(start, stop, wanted))

    def read_box(self, start, stop, wanted=None):
        box = np.array(super().read_box(start, stop))
        if wanted is not None:
            for place in np.argwhere(~wanted):
                corner = [(a // c + n) * c - a for a, c, n in zip(start, self.chunk_shape, place, strict=True)]
                part = tuple(slice(max(k, 0), max(k + c, 0)) for k, c in zip(corner, self.chunk_shape, strict=True))
                box[part] = 30_000
        return box


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(*[st.floats(-20, 20)] * 3), min_size=2, max_size=5),
    st.sampled_from(["straightened", "stretched"]),
    st.sampled_from([0.0, 3.0]),
    st.sampled_from(["nearest", "trilinear", "cubic"]),
    st.none() | st.sampled_from([(0.0, 1.0, 2.5, 3.5)]),
)
def test_voxels_of_chunks_not_asked_for_do_not_matter(points, name, slab_mm, how, uneven):
    shape = (4 if uneven else 20, 30, 30)
    stored = np.random.default_rng(3).integers(0, 900, shape).astype(np.int16)
    geometry = VolumeGeometry(
        (-15.0, -15.0, -10.0),
        ((0, 0, 1), (0, 1, 0), (1, 0, 0)),
        (1.0, 1.0, 1.0),
        uneven and tuple(6 * k for k in uneven),
    )
    verdict = Verdict(("uneven" if uneven else "uniform",), "made up", {})
    whole, poisoned = (
        Volume([level(stored, (4, 8, 8))], [(1, 1, 1)], geometry, verdict) for level in (ArrayLevel, PoisonedLevel)
    )
    options = {"plane": name, "curve": points, "size": (40, 40), "width_mm": 12.0, "slab_mm": slab_mm}
    options |= {"window": (0, 2000), "interpolation": how, "resample": True}
    try:
        expected = render(whole, **options)
    except ValueError:
        return  # points that make no curve

    assert np.array_equal(render(poisoned, **options).pixels, expected.pixels)


def test_beyond_the_ends_of_the_curve_is_background(vessel):
    shown = render(vessel, curve=HELIX.tolist(), size=(60, 200), zoom=0.5, width_mm=20.0, window=(0, 10)).pixels

    assert not shown[:48].any()
    assert not shown[-48:].any()
    assert shown[60:140].all(axis=0).any()


def test_a_slab_of_a_curve_gathers_across_its_surface(vessel):
    thin, thick = (
        render(vessel, curve=HELIX.tolist(), width_mm=20.0, slab_mm=slab_mm, window=(500, 1000)).pixels.astype(int)
        for slab_mm in (0.0, 6.0)
    )

    assert thin.shape == thick.shape
    assert (thick - thin).min() >= -1
    assert thick.sum() > thin.sum()
