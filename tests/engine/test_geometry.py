from __future__ import annotations

import json

import numpy as np
import pytest
from dicom_series import AXIAL, NAN, frame_table
from filmless.engine.geometry import MAX_ORIENTATIONS, Verdict, VolumeGeometry, arrange
from filmless.errors import Damaged
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

CORONAL = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)
SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
TILT = np.radians(18.5)
GANTRY = (1.0, 0.0, 0.0, 0.0, np.cos(TILT), -np.sin(TILT))

coordinates = st.floats(-500, 500)
directions = hnp.arrays(np.float64, (3, 3), elements=st.integers(-9, 9).map(float)).filter(
    lambda matrix: abs(np.linalg.det(matrix)) > 0.05
)


def along_z(*depths: float) -> list[tuple[float, float, float]]:
    return [(-10.0, -20.0, depth) for depth in depths]


def only(frames):
    (arrangement,) = arrange(frames)
    return arrangement


def test_frames_are_ordered_by_position_whatever_their_number():
    arrangement = only(frame_table(along_z(4, 0, 3, 1, 2), times=[0, 1, 2, 3, 4]))

    assert arrangement.order.tolist() == [[1, 3, 4, 2, 0]]
    assert arrangement.order.dtype == np.int64
    assert arrangement.verdict.kinds == ("uniform",)
    assert arrangement.verdict.is_reformattable


def test_order_rises_along_the_normal_of_the_plane():
    head_to_feet = frame_table(along_z(2, 1, 0), orientation=(1, 0, 0, 0, -1, 0))

    assert only(head_to_feet).order.tolist() == [[0, 1, 2]]


def test_affine_maps_voxels_to_the_positions_in_the_headers():
    frames = frame_table([(10, 20 + 2 * k, 30) for k in range(4)], orientation=CORONAL, spacing=(0.7, 0.4))

    arrangement = only(frames)

    affine = arrangement.geometry.affine
    for slice_number, row in enumerate(arrangement.order[0]):
        assert affine @ (slice_number, 0, 0, 1) == pytest.approx([*frames.position_mm[row], 1])
    assert affine @ (0, 1, 0, 0) == pytest.approx([0, 0, -0.7, 0])
    assert affine @ (0, 0, 1, 0) == pytest.approx([0.4, 0, 0, 0])
    assert arrangement.geometry.spacing_mm == pytest.approx((2, 0.7, 0.4))


def test_a_tilted_gantry_is_found_and_its_angle_named():
    arrangement = only(frame_table(along_z(0, 4, 8, 12), orientation=GANTRY))

    assert arrangement.verdict.kinds == ("tilted",)
    assert arrangement.verdict.figures["tilt_deg"] == pytest.approx(18.5)
    assert "18.50 degrees" in arrangement.verdict.reason
    assert arrangement.verdict.is_reformattable
    assert arrangement.geometry.directions[0] == pytest.approx((0, 0, 1))
    assert arrangement.geometry.mm_from_voxel((2, 0, 0)) == pytest.approx((-10, -20, 8))


def test_tilted_slices_may_be_uneven_too():
    arrangement = only(frame_table(along_z(0, 4, 8, 15, 22), orientation=GANTRY))

    assert arrangement.verdict.kinds == ("tilted", "uneven")
    assert "4.00 mm between slices 0 and 2, 7.00 mm between slices 2 and 4" in arrangement.verdict.reason
    assert arrangement.verdict.needs_resampling
    assert not arrangement.verdict.is_reformattable
    assert arrangement.geometry.slice_offsets_mm == pytest.approx((0, 4, 8, 15, 22))


def test_missing_slices_are_gaps():
    arrangement = only(frame_table(along_z(0, 1, 2, 3, 6, 7, 8, 9)))

    assert arrangement.verdict.kinds == ("gapped",)
    assert "slices are missing" in arrangement.verdict.reason
    assert "3.00 mm between slices 3 and 4" in arrangement.verdict.reason
    assert arrangement.verdict.figures["interval_mm"] == pytest.approx([1, 3, 1])
    assert arrangement.geometry.mm_from_voxel((4, 0, 0))[2] == pytest.approx(6)


def test_an_extra_slice_between_two_makes_uneven_not_gapped():
    assert only(frame_table(along_z(0, 2, 4, 5, 6, 8, 10))).verdict.kinds == ("uneven",)


def test_positions_rounded_by_the_header_stay_uniform():
    rounded = np.round(np.arange(200) * 0.625, 2)

    assert only(frame_table(along_z(*rounded))).verdict.kinds == ("uniform",)


def test_a_drift_that_adds_up_is_not_uniform():
    drifting = np.cumsum(np.where(np.arange(400) < 200, 1.0, 1.004))

    assert only(frame_table(along_z(*drifting))).verdict.kinds == ("uneven",)


def test_two_slices_are_a_volume():
    assert only(frame_table(along_z(0, 5))).verdict.is_volume


def test_repeated_positions_are_times_in_their_order():
    depths = [2, 1, 0, 0, 1, 2]

    arrangement = only(frame_table(along_z(*depths), times=[5, 4, 3, 0, 1, 2]))

    assert arrangement.verdict.kinds == ("uniform", "temporal")
    assert arrangement.order.tolist() == [[3, 4, 5], [2, 1, 0]]
    assert arrangement.verdict.figures["times"] == 2


def test_positions_repeated_unequally_are_mixed_and_named():
    arrangement = only(frame_table(along_z(0, 1, 2, 2, 3)))

    assert arrangement.verdict.kinds == ("mixed",)
    assert "2 at 2.00 mm" in arrangement.verdict.reason
    assert arrangement.order.tolist() == [[0, 1, 2, 3, 4]]
    assert arrangement.geometry is None


def test_one_position_over_time_is_flat():
    arrangement = only(frame_table(along_z(7, 7, 7), times=[2, 0, 1]))

    assert arrangement.verdict.kinds == ("flat", "temporal")
    assert arrangement.order.tolist() == [[1], [2], [0]]
    assert not arrangement.verdict.is_reformattable


def test_stacks_stay_apart_in_order_of_first_appearance():
    frames = frame_table(along_z(0, 0, 1, 1), stack_ids=["late", "early", "late", "early"])

    assert [part.order.tolist() for part in arrange(frames)] == [[[0, 2]], [[1, 3]]]


def test_orientations_with_slices_enough_become_stacks_of_their_own():
    frames = frame_table([*along_z(0, 1, 2), (0, 5, 0), (0, 3, 0)], orientation=[AXIAL, AXIAL, AXIAL, CORONAL, CORONAL])

    parts = arrange(frames)

    assert [part.order.tolist() for part in parts] == [[[0, 1, 2]], [[4, 3]]]
    assert all(part.verdict.is_volume for part in parts)


def test_a_localizer_of_three_single_planes_is_mixed():
    arrangement = only(frame_table(along_z(0, 0, 0), orientation=[AXIAL, CORONAL, SAGITTAL]))

    assert arrangement.verdict.kinds == ("mixed",)
    assert "3 orientations" in arrangement.verdict.reason


def test_more_orientations_than_the_search_bears_are_mixed():
    angles = np.repeat(np.linspace(0, np.pi / 2, MAX_ORIENTATIONS + 2), 2)
    orientation = np.stack([np.cos(angles), np.sin(angles), 0 * angles, 0 * angles, 0 * angles, 0 * angles - 1])
    positions = [(k, 2 * k, 0) for k in range(len(angles))]

    assert only(frame_table(positions, orientation=orientation.T)).verdict.kinds == ("mixed",)


def test_one_frame_is_flat_with_a_place():
    arrangement = only(frame_table(along_z(3), thickness=4.0))

    assert arrangement.verdict.kinds == ("flat",)
    assert arrangement.geometry.spacing_mm == (4.0, 0.5, 0.5)


def test_a_frame_without_thickness_is_as_thick_as_a_pixel():
    assert only(frame_table(along_z(3), thickness=NAN)).geometry.spacing_mm == (0.5, 0.5, 0.5)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"orientation": (NAN,) * 6}, "no Image Orientation"),
        ({"orientation": (0.0,) * 6}, "no pair of orthogonal unit vectors"),
        ({"orientation": (1, 0, 0, 1, 0, 0)}, "no pair of orthogonal unit vectors"),
        ({"spacing": (NAN, NAN)}, "no Pixel Spacing"),
        ({"spacing": (0, 1)}, "no Pixel Spacing"),
    ],
)
def test_headers_that_give_no_place_are_named(changes, reason):
    several, one = only(frame_table(along_z(0, 1), **changes)), only(frame_table(along_z(0), **changes))

    assert several.verdict.kinds == ("mixed",)
    assert one.verdict.kinds == ("flat",)
    assert reason in several.verdict.reason
    assert reason in one.verdict.reason
    assert several.geometry is None
    assert one.geometry is None


def test_frames_without_position_are_mixed_in_the_order_given():
    arrangement = only(frame_table([(NAN, NAN, NAN)] * 3))

    assert arrangement.verdict.kinds == ("mixed",)
    assert arrangement.verdict.reason == "no Image Position (Patient)"
    assert arrangement.order.tolist() == [[0, 1, 2]]


def test_frames_of_differing_pixel_spacing_are_mixed():
    arrangement = only(frame_table(along_z(0, 1), spacing=[(0.5, 0.5), (0.6, 0.5)]))

    assert "Pixel Spacing differs" in arrangement.verdict.reason


def test_frames_shifted_in_their_plane_are_mixed():
    arrangement = only(frame_table([(0, 0, 0), (3, 0, 1), (0, 0, 2)]))

    assert arrangement.verdict.kinds == ("mixed",)
    assert "shifted in their plane, by up to 3.00 mm" in arrangement.verdict.reason


def test_microscopic_slices_are_told_apart():
    arrangement = only(frame_table(along_z(0, 2e-4, 4e-4), spacing=(2.5e-4, 2.5e-4)))

    assert arrangement.verdict.kinds == ("uniform",)
    assert arrangement.geometry.spacing_mm[0] == pytest.approx(2e-4)


def test_an_empty_table_has_no_arrangement():
    assert arrange(frame_table([])) == []


def test_a_hundred_thousand_frames_are_arranged():
    depths = np.random.default_rng(1).permutation(50_000) * 0.5
    frames = frame_table(np.stack([0 * depths, 0 * depths, depths], axis=1).repeat(2, axis=0))

    arrangement = only(frames)

    assert arrangement.order.shape == (2, 50_000)
    assert arrangement.verdict.kinds == ("uniform", "temporal")


@given(
    hnp.arrays(np.float64, st.tuples(st.integers(0, 7), st.just(13))).map(lambda table: table * 1.0)
    | hnp.arrays(np.float64, st.tuples(st.integers(0, 7), st.just(13)), elements=st.sampled_from([0, 1, 2, -1, NAN]))
)
def test_no_header_however_odd_is_lost_or_raises(table):
    frames = frame_table(table[:, :3], orientation=table[:, 3:9], spacing=table[:, 9:11], times=table[:, 11])

    parts = arrange(frames)

    rows = [row for part in parts for row in part.order.ravel().tolist()]
    assert sorted(rows) == list(range(len(table)))


@given(directions, hnp.arrays(np.float64, 3, elements=coordinates), st.lists(st.floats(0.1, 9), min_size=2))
def test_millimetres_and_voxels_map_back_and_forth(matrix, origin, intervals):
    matrix = matrix / np.linalg.norm(matrix, axis=1)[:, np.newaxis]
    axes = tuple(tuple(axis) for axis in matrix.tolist())
    offsets = tuple(np.concatenate([[0.0], np.cumsum(intervals)]).tolist())
    even = VolumeGeometry(tuple(origin), axes, (3.0, 0.5, 0.7))
    uneven = VolumeGeometry(tuple(origin), axes, (3.0, 0.5, 0.7), offsets)
    voxels = np.array([[0, 0, 0], [1, 2, 3], [0.5, -4, 9], [len(offsets) + 1.5, 0, 0], [-2, 1, 1]])

    for geometry in (even, uneven):
        assert geometry.voxel_from_mm(geometry.mm_from_voxel(voxels)) == pytest.approx(voxels, abs=1e-6)
        assert VolumeGeometry.from_json(json.loads(json.dumps(geometry.to_json()))) == geometry


def test_uneven_slices_lie_where_their_offsets_say():
    geometry = only(frame_table(along_z(0, 1, 3, 7))).geometry

    depths = geometry.mm_from_voxel([[0, 0, 0], [1.5, 0, 0], [3, 0, 0], [4, 0, 0]])[:, 2]

    assert depths == pytest.approx([0, 2, 7, 11])


@given(st.tuples(st.sampled_from([1, 2, 4]), st.sampled_from([1, 2, 4]), st.sampled_from([1, 2, 4])))
def test_a_level_voxel_lies_in_the_middle_of_the_block_it_means(factors):
    frames = frame_table(along_z(*range(8)), orientation=GANTRY)
    full = only(frames).geometry
    block = np.stack(np.meshgrid(*(range(f) for f in factors), indexing="ij"), -1).reshape(-1, 3)

    level = full.shrunk(factors)

    for voxel in ([0, 0, 0], [1, 2, 1]):
        middle = full.mm_from_voxel(block + np.array(voxel) * factors).mean(axis=0)
        assert level.mm_from_voxel(voxel) == pytest.approx(middle)


def test_a_level_of_uneven_slices_lies_at_the_mean_of_their_offsets():
    full = only(frame_table(along_z(0, 1, 3, 7, 20))).geometry

    level = full.shrunk((2, 1, 1))

    assert level.mm_from_voxel([[0, 0, 0], [1, 0, 0], [2, 0, 0]])[:, 2] == pytest.approx([0.5, 5, 20])
    assert full.shrunk((8, 1, 1)).mm_from_voxel((0, 0, 0))[2] == pytest.approx(6.2)


def test_corners_are_the_outer_faces_of_the_outermost_voxels():
    corners = only(frame_table(along_z(0, 2, 4))).geometry.corners_mm((3, 10, 20))

    assert corners.min(axis=0) == pytest.approx((-10.25, -20.25, -1))
    assert corners.max(axis=0) == pytest.approx((-0.25, -15.25, 5))


def test_a_verdict_survives_json():
    verdict = only(frame_table(along_z(0, 4, 8, 15), orientation=GANTRY)).verdict

    assert Verdict.from_json(json.loads(json.dumps(verdict.to_json()))) == verdict


@pytest.mark.parametrize("stored", [{}, {"kinds": 1}, {"kinds": ["odd"], "reason": "", "figures": {}}])
def test_json_that_is_no_verdict_is_damage(stored):
    with pytest.raises(Damaged, match="verdict"):
        Verdict.from_json(stored)


def test_json_that_is_no_geometry_is_damage():
    with pytest.raises(Damaged, match="geometry"):
        VolumeGeometry.from_json({"directions": [[0, 0, 1]]})
