from __future__ import annotations

import numpy as np
import pytest
from dicom_series import frame_table
from filmless.engine.geometry import arrange
from filmless.engine.render import planes
from filmless.engine.render.planes import Plane, direction_letters
from filmless.engine.volume import ArrayLevel, Volume
from filmless.errors import InvalidArgument, NotReformattable, OutOfRange

SHAPE = (5, 8, 10)


def make(positions=None, **options) -> Volume:
    positions = [(-20, -30, 2 * k) for k in range(SHAPE[0])] if positions is None else positions
    (arrangement,) = arrange(frame_table(positions, **options))
    levels = [ArrayLevel(np.zeros((len(positions), *SHAPE[1:]), np.int16))]
    return Volume(levels, [(1, 1, 1)], arrangement.geometry, arrangement.verdict)


@pytest.mark.parametrize(
    ("build", "left_right", "top_bottom"),
    [(planes.axial, "RL", "AP"), (planes.coronal, "RL", "HF"), (planes.sagittal, "AP", "HF")],
)
def test_principal_planes_are_turned_as_radiologists_see_them(build, left_right, top_bottom):
    letters = build(make()).letters

    assert letters.left + letters.right == left_right
    assert letters.top + letters.bottom == top_bottom


def test_axial_pixels_fall_on_the_voxels_of_an_axial_volume():
    plane = planes.axial(make(), index=3)

    assert plane.origin_mm == pytest.approx((-20, -30, 6))
    assert (plane.rows, plane.columns) == SHAPE[1:]
    assert plane.pixel_mm == pytest.approx((0.5, 0.5))


def test_coronal_covers_the_outer_faces_of_the_slices():
    plane = planes.coronal(make(), index=2)

    assert (plane.rows, plane.columns) == (20, 10)
    assert plane.origin_mm == pytest.approx((-20, -29, 8.75))
    assert plane.down_mm == pytest.approx((0, 0, -0.5))


def test_index_counts_from_the_feet_the_front_and_the_right():
    volume = make()
    turned = make([(-20, -30, 2 * k) for k in range(5)], orientation=(-1, 0, 0, 0, 1, 0))

    assert planes.axial(volume, index=0).origin_mm[2] == 0
    assert planes.coronal(volume, index=0).origin_mm[1] == pytest.approx(-30)
    assert planes.sagittal(volume, index=0).origin_mm[0] == pytest.approx(-20)
    assert planes.sagittal(volume, index=-1).origin_mm[0] == pytest.approx(-15.5)
    assert planes.axial(turned, index=0).origin_mm[2] == pytest.approx(0)
    assert planes.sagittal(turned, index=0).origin_mm[0] == pytest.approx(-24.5)


def test_the_middle_slice_is_the_default():
    assert planes.axial(make()) == planes.axial(make(), index=2)
    assert planes.acquired(make()) == planes.acquired(make(), 2)


def test_a_plane_lies_at_a_patient_coordinate():
    assert planes.axial(make(), at_mm=3.3).origin_mm[2] == pytest.approx(3.3)
    assert planes.coronal(make(), at_mm=-28.2).origin_mm[1] == pytest.approx(-28.2)
    assert planes.sagittal(make(), at_mm=-16.1).origin_mm[0] == pytest.approx(-16.1)


def test_size_fits_the_whole_extent_with_its_aspect_kept():
    plane = planes.coronal(make(), size=(100, 100))

    assert (plane.rows, plane.columns) == (100, 100)
    assert plane.pixel_mm == pytest.approx((0.1, 0.1))
    middle = np.asarray(plane.origin_mm) + 49.5 * (np.asarray(plane.right_mm) + plane.down_mm)
    assert middle == pytest.approx((-17.75, -28, 4))


def test_oblique_across_the_body_axis_is_axial():
    volume = make()

    assert planes.oblique(volume, (0, 0, 3), center=(0, 0, 4)) == planes.axial(volume, at_mm=4)


def test_oblique_looks_along_its_normal_with_up_on_top():
    plane = planes.oblique(make(), (1, 1, 0), up=(0, 0, 5))

    assert plane.normal == pytest.approx((np.sqrt(0.5), np.sqrt(0.5), 0))
    assert plane.letters.top == "H"
    assert plane.letters.right in ("LA", "AL")


def test_acquired_steps_are_the_stored_pixels():
    volume = make([(-20, -30, 2 * k) for k in range(5)], spacing=(0.7, 0.4))

    plane = planes.acquired(volume, -1)

    assert plane.origin_mm == pytest.approx((-20, -30, 8))
    assert plane.pixel_mm == pytest.approx((0.7, 0.4))
    assert (plane.rows, plane.columns) == SHAPE[1:]


def test_acquired_fitted_into_a_size_has_square_pixels():
    volume = make([(-20, -30, 2 * k) for k in range(5)], spacing=(0.7, 0.4))

    plane = planes.acquired(volume, 0, size=(56, 28))

    assert plane.pixel_mm == pytest.approx((0.2, 0.2))
    middle = np.asarray(plane.origin_mm) + 27.5 * np.asarray(plane.right_mm) + 13.5 * np.asarray(plane.down_mm)
    assert middle == pytest.approx((-20 + 4.5 * 0.4, -30 + 3.5 * 0.7, 0))


@pytest.mark.parametrize(
    ("direction", "letters"),
    [
        ((1, 0, 0), "L"),
        ((-1, 0.1, 0), "R"),
        ((0, -1, 0.5), "AH"),
        ((0.4, 0.5, -0.6), "FP"),
        ((0, 1, 0), "P"),
    ],
)
def test_directions_are_named_by_the_axes_they_follow(direction, letters):
    assert direction_letters(direction) == letters


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"normal": (0, 0, 0)}, "normal is zero"),
        ({"normal": (np.nan, 0, 1)}, "normal is"),
        ({"normal": (1, 2)}, "three finite numbers"),
        ({"normal": "abc"}, "three numbers"),
        ({"normal": (0, 0, 1), "up": (0, 0, -2)}, "parallel to normal"),
        ({"normal": (0, 0, 1), "center": (0, 0, np.inf)}, "center is"),
        ({"normal": (0, 0, 1), "center": (0, 0, 90)}, "misses the volume"),
        ({"normal": (0, 0, 1), "size": (0, 5)}, "0 pixels"),
        ({"normal": (0, 0, 1), "size": (20000, 5)}, "20000 pixels"),
    ],
)
def test_an_oblique_plane_that_cannot_be_is_refused(arguments, message):
    with pytest.raises(InvalidArgument, match=message):
        planes.oblique(make(), **arguments)


def test_enormous_and_tiny_normals_are_directions_too():
    assert planes.oblique(make(), (0, 0, 1e300)) == planes.oblique(make(), (0, 0, 1e-300))


@pytest.mark.parametrize("at_mm", [-5.0, 100.0, np.nan, np.inf])
def test_a_coordinate_outside_the_volume_is_refused(at_mm):
    with pytest.raises(InvalidArgument, match=r"misses the volume: choose from -1\.00 to 9\.00 mm"):
        planes.axial(make(), at_mm=at_mm)


def test_a_slice_that_is_not_there_is_out_of_range():
    for build in (planes.axial, planes.acquired):
        with pytest.raises(OutOfRange, match="slice 5 of 5"):
            build(make(), index=5)


def test_a_place_and_an_index_exclude_each_other():
    with pytest.raises(InvalidArgument, match="pass one of them"):
        planes.axial(make(), at_mm=0, index=0)


def test_frames_without_a_place_have_acquired_planes_only():
    volume = make([(np.nan,) * 3] * 2)

    assert planes.acquired(volume, 1).origin_mm == (0, 0, 1)
    with pytest.raises(NotReformattable, match="no Image Position"):
        planes.axial(volume)


@pytest.mark.parametrize(
    ("right", "down", "rows"),
    [
        ((1, 0, 0), (2, 0, 0), 5),
        ((0, 0, 0), (0, 1, 0), 5),
        ((np.nan, 0, 0), (0, 1, 0), 5),
        ((1, 0, 0), (0, 1, 0), 0),
    ],
)
def test_steps_and_sizes_that_make_no_plane_are_refused(right, down, rows):
    with pytest.raises(InvalidArgument):
        Plane((0, 0, 0), right, down, rows, 5)
