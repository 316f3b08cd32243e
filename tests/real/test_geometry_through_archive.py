"""Where archived voxels lie and what planes through them show, against SimpleITK, nibabel and plain arithmetic."""

from __future__ import annotations

import filmless
import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk  # the name everyone knows it by
from naive.tilted import TiltedSlices

pytestmark = pytest.mark.real

EVEN = ("ct_head_phantom_1mm", "mr_t1_structural_384")
WIDE = filmless.Window(700, 2800, "LINEAR_EXACT")


@pytest.fixture(scope="module")
def reference(everything):
    """A series as SimpleITK finds, orders, places and rescales it."""
    known = {}

    def load(name):
        if name not in known:
            reader = sitk.ImageSeriesReader()
            reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(everything.folders[name])))
            known[name] = sitk.Cast(reader.Execute(), sitk.sitkFloat32)
        return known[name]

    return load


@pytest.fixture(scope="module")
def tilted(everything):
    paths = sorted(everything.folders["ct_gantry_tilt_variable_gap"].glob("*.dcm"))
    return TiltedSlices([pydicom.dcmread(path) for path in paths])


def gray(values, window):
    """8 bits of LINEAR_EXACT values (PS3.3 C.11.2.1.3.2)."""
    return np.clip((values - window.center) / window.width + 0.5, 0, 1) * 255


def resampled(image, plane):
    """The values of a plane as SimpleITK interpolates them, NaN outside."""
    resample = sitk.ResampleImageFilter()
    resample.SetSize((plane.columns, plane.rows, 1))
    resample.SetOutputOrigin(plane.origin_mm)
    resample.SetOutputSpacing((*plane.pixel_mm[::-1], 1.0))
    axes = [np.asarray(step) / np.linalg.norm(step) for step in (plane.right_mm, plane.down_mm)]
    resample.SetOutputDirection(np.stack([*axes, np.cross(*axes)], axis=1).ravel().tolist())
    resample.SetInterpolator(sitk.sitkLinear)
    resample.SetDefaultPixelValue(float("nan"))
    return sitk.GetArrayFromImage(resample.Execute(image))[0]


def turned_plane(geometry, shape, turn_deg, pixel_mm, side):
    """A plane through the middle of a volume, turned about the body's axis and leaning forward."""
    turn = np.radians(turn_deg)
    right = np.array([np.cos(turn), np.sin(turn), 0.0])
    down = np.cross([np.sin(turn), -np.cos(turn), 0.4], right)
    down = down / np.linalg.norm(down)
    middle = geometry.mm_from_voxel((np.array(shape) - 1) / 2)
    origin = middle - pixel_mm * (side - 1) / 2 * (right + down)
    return filmless.Plane(tuple(origin), tuple(pixel_mm * right), tuple(pixel_mm * down), side, side)


@pytest.mark.parametrize("name", EVEN)
def test_the_archived_affine_is_the_one_simpleitk_finds(everything, reference, name):
    level, image = everything.series(name).volume().level(0), reference(name)

    assert level.shape[::-1] == image.GetSize()
    for voxel in ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (101, 230, 57)):
        ours = (level.affine @ [*voxel, 1])[:3]
        assert ours == pytest.approx(image.TransformIndexToPhysicalPoint(voxel[::-1]), abs=2e-3)


def plain_position(header, row, column):
    """The patient position of a pixel, by the equation of PS3.3 C.7.6.2.1.1."""
    cosines = np.array(header.ImageOrientationPatient, dtype=float)
    row_mm, column_mm = (float(step) for step in header.PixelSpacing)
    corner = np.array(header.ImagePositionPatient, dtype=float)
    return corner + column * column_mm * cosines[:3] + row * row_mm * cosines[3:]


@pytest.mark.parametrize("name", [*EVEN, "pet_whole_body", "ct_chest_jpeg_lossless", "mr_4d_fmri_interleaved"])
def test_each_archived_slice_lies_where_its_own_header_says(everything, name):
    series = everything.series(name)
    volume, records = series.volume(), series.manifest.instances
    headers = (pydicom.dcmread(path, stop_before_pixels=True) for path in everything.folders[name].glob("*.dcm"))
    by_uid = {header.SOPInstanceUID: header for header in headers}

    for z, (instance, _) in enumerate(series.stack().record.frames[: len(volume.level(0))]):
        header = by_uid[records[instance].sop_instance_uid]
        for row, column in ((0, 0), (50, 20)):
            expected = plain_position(header, row, column)
            assert (volume.affine @ [z, row, column, 1])[:3] == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize(
    ("name", "axes"), [("ct_head_phantom_1mm", "SPL"), ("mr_t1_structural_384", "SPL"), ("pet_whole_body", "SPL")]
)
def test_nibabel_names_the_voxel_axes_as_the_patient_lies(everything, name, axes):
    affine = everything.series(name).volume().affine

    assert "".join(nibabel.aff2axcodes(np.diag([-1, -1, 1, 1]) @ affine)) == axes


@pytest.mark.parametrize("name", EVEN)
def test_archived_voxels_are_simpleitks(everything, reference, name):
    volume = everything.series(name).volume()
    values = sitk.GetArrayViewFromImage(reference(name))

    for z in (0, 61, volume.shape[0] - 1):
        slope, intercept = volume.rescale[z]
        assert np.array_equal(volume.level(0)[z] * slope + intercept, values[z])


@pytest.mark.parametrize("name", EVEN)
@pytest.mark.parametrize("turn_deg", [0, 33, 90])
def test_rendered_planes_are_those_simpleitk_resamples(everything, reference, name, turn_deg):
    volume = everything.series(name).volume()
    pixel_mm = 0.9 * min(volume.spacing_mm)
    plane = turned_plane(volume.geometry, volume.shape, turn_deg, pixel_mm, 200)

    picture = filmless.render(volume, plane, window=WIDE)

    expected = resampled(reference(name), plane)
    inside = np.isfinite(expected)
    assert inside.mean() > 0.5
    assert np.abs(picture.pixels[inside] - gray(expected[inside], WIDE)).max() <= 1


@pytest.mark.parametrize("name", EVEN)
def test_each_pyramid_level_is_where_and_what_simpleitk_shrinks_to(everything, reference, name):
    volume = everything.series(name).volume()

    for number in range(1, volume.level_count):
        level = volume.level(number)
        shrunk = sitk.BinShrink(reference(name), level.factors_zyx[::-1])
        slope, intercept = volume.rescale[0]
        expected = sitk.GetArrayViewFromImage(shrunk)
        z, y, x = expected.shape
        # Each level rounds the one above, so that errors of half a value add up.
        assert np.abs(level[:z, :y, :x] * slope + intercept - expected).max() <= slope * number
        for voxel in ((0, 0, 0), (10, 20, 30)):
            place = shrunk.TransformIndexToPhysicalPoint(voxel[::-1])
            assert (level.affine @ [*voxel, 1])[:3] == pytest.approx(place, abs=2e-3)


def test_a_coarse_picture_is_interpolated_in_the_level_that_matches_its_pixels(everything, reference):
    volume = everything.series("mr_t1_structural_384").volume()
    plane = turned_plane(volume.geometry, volume.shape, 33, 4.1 * max(volume.spacing_mm), 40)

    picture = filmless.render(volume, plane, window=WIDE)

    shrunk = sitk.BinShrink(reference("mr_t1_structural_384"), (4, 4, 4))
    expected = resampled(shrunk, plane)
    inside = np.isfinite(expected)
    assert inside.mean() > 0.5
    assert np.abs(picture.pixels[inside] - gray(expected[inside], WIDE)).max() <= 1


def test_each_tilted_slice_lies_where_its_own_header_says(everything, tilted):
    geometry = everything.series("ct_gantry_tilt_variable_gap").volume().geometry

    for z, corner in enumerate(tilted.corners):
        expected = corner + 300 * tilted.row_mm * tilted.along_column + 120 * tilted.column_mm * tilted.along_row
        assert geometry.mm_from_voxel((z, 300, 120)) == pytest.approx(expected, abs=1e-3)


def test_planes_across_a_tilted_gantry_are_straight_in_the_patient(everything, tilted):
    volume = everything.series("ct_gantry_tilt_variable_gap").volume()
    plane = turned_plane(volume.geometry, volume.shape, 80, 0.95 * min(volume.spacing_mm), 160)
    window = filmless.Window(200, 2400, "LINEAR_EXACT")

    picture = filmless.render(volume, plane, window=window, resample=True)

    origin, right, down = map(np.asarray, (plane.origin_mm, plane.right_mm, plane.down_mm))
    places = (origin + r * down + c * right for r in range(plane.rows) for c in range(plane.columns))
    expected = np.array([tilted.at(place) for place in places]).reshape(plane.rows, plane.columns)
    inside = np.isfinite(expected)
    assert inside.mean() > 0.3
    assert np.abs(picture.pixels[inside] - gray(expected[inside], window)).max() <= 1
