"""Verdicts, affines and planes of real series, against SimpleITK and plain arithmetic on the headers."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk  # the name everyone knows it by
from dicom_series import read, table_of, unpack
from filmless.engine.geometry import arrange
from filmless.engine.render import planes
from filmless.engine.render.planes import Plane
from filmless.engine.render.reformat import render
from filmless.engine.render.sample import Cut, sample
from filmless.engine.render.window import Window
from filmless.engine.volume import ArrayLevel, Volume
from filmless.errors import NotReformattable

pytestmark = pytest.mark.real

WIDE = Window(0, 4000, "LINEAR_EXACT")


class Series:
    """A real series: its data sets, its one arrangement, and the volume of its first time point."""

    def __init__(self, paths):
        self.paths = paths
        self.datasets = read(paths)
        frames = table_of(self.datasets)
        (self.arrangement,) = arrange(frames)
        rows = self.arrangement.order[0]
        self.ordered = [self.datasets[row] for row in rows]
        stored = np.stack([dataset.pixel_array for dataset in self.ordered])
        self.volume = Volume(
            [ArrayLevel(stored)],
            [(1, 1, 1)],
            self.arrangement.geometry,
            self.arrangement.verdict,
            rescale=frames.rescale[rows],
        )

    def as_sitk(self):
        """The same series as SimpleITK reads and places it; values rescaled."""
        reader = sitk.ImageSeriesReader()
        reader.SetFileNames([dataset.filename for dataset in self.ordered])
        return reader.Execute()


@pytest.fixture(scope="module")
def series(real_data, tmp_path_factory):
    known = {}

    def load(name):
        if name not in known:
            known[name] = Series(unpack(real_data, name, tmp_path_factory.mktemp(name)))
        return known[name]

    return load


def verdict_of(real_data, name, folder):
    (arrangement,) = arrange(table_of(read(unpack(real_data, name, folder), pixels=False)))
    return arrangement


@pytest.mark.parametrize(
    ("name", "slices", "spacing_mm"),
    [("ct_chest_jpeg_lossless", 148, 2.0), ("pet_whole_body", 299, 3.375)],
)
def test_whole_series_are_uniform_volumes(real_data, tmp_path, name, slices, spacing_mm):
    arrangement = verdict_of(real_data, name, tmp_path)

    assert arrangement.verdict.kinds == ("uniform",)
    assert arrangement.order.shape == (1, slices)
    assert arrangement.geometry.spacing_mm[0] == pytest.approx(spacing_mm)


def test_interleaved_fmri_is_ten_times_of_fifteen_slices(real_data, tmp_path):
    arrangement = verdict_of(real_data, "mr_4d_fmri_interleaved", tmp_path)

    assert arrangement.verdict.kinds == ("uniform", "temporal")
    assert arrangement.order.shape == (10, 15)
    assert "10 times" in arrangement.verdict.reason


@pytest.mark.parametrize("name", ["ct_head_phantom_1mm", "mr_t1_structural_384"])
def test_the_affine_is_the_one_simpleitk_finds(series, name):
    found, geometry = series(name), series(name).volume.geometry
    image = found.as_sitk()
    direction = np.reshape(image.GetDirection(), (3, 3))

    assert found.arrangement.verdict.kinds == ("uniform",)
    assert geometry.origin_mm == pytest.approx(image.GetOrigin(), abs=1e-6)
    assert geometry.spacing_mm[::-1] == pytest.approx(image.GetSpacing(), abs=1e-6)
    assert np.array(geometry.directions[::-1]) == pytest.approx(direction.T, abs=1e-6)
    for voxel in ((0, 0, 0), (100, 30, 7)):
        expected = image.TransformIndexToPhysicalPoint(voxel[::-1])
        assert geometry.mm_from_voxel(voxel) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("name", ["ct_head_phantom_1mm", "mr_t1_structural_384"])
@pytest.mark.parametrize(("normal", "up"), [((0, 1, 0), None), ((1, 2, 0.5), (0, 0, 1)), ((0.2, -0.1, 1), None)])
def test_planes_are_those_that_simpleitk_resamples(series, name, normal, up):
    volume, image = series(name).volume, sitk.Cast(series(name).as_sitk(), sitk.sitkFloat32)
    plane = planes.oblique(volume, normal, up=up, size=(150, 130))

    values, display = sample(volume, Cut(plane), WIDE, False)

    reference = sitk.ResampleImageFilter()
    reference.SetSize((plane.columns, plane.rows, 1))
    reference.SetOutputOrigin(plane.origin_mm)
    reference.SetOutputSpacing((*plane.pixel_mm[::-1], 1.0))
    axes = [np.asarray(step) / np.linalg.norm(step) for step in (plane.right_mm, plane.down_mm)]
    reference.SetOutputDirection(np.stack([*axes, np.cross(*axes)], axis=1).ravel().tolist())
    reference.SetInterpolator(sitk.sitkLinear)
    reference.SetDefaultPixelValue(float("nan"))
    expected = sitk.GetArrayFromImage(reference.Execute(image))[0]
    ours = values * display.slope + display.intercept
    both = np.isfinite(expected) & np.isfinite(ours)
    assert both.sum() >= 0.99 * np.isfinite(expected).sum()
    assert ours[both] == pytest.approx(expected[both], abs=0.05)


def test_a_tilted_gantry_with_a_gap_is_named_with_its_figures(series):
    verdict = series("ct_gantry_tilt_variable_gap").arrangement.verdict

    assert verdict.kinds == ("tilted", "uneven")
    assert verdict.figures["tilt_deg"] == pytest.approx(18.5, abs=0.01)
    assert "18.50 degrees" in verdict.reason
    for run in (
        "4.22 mm between slices 0 and 13",
        "1.14 mm between slices 13 and 14",
        "7.38 mm between slices 14 and 27",
    ):
        assert run in verdict.reason


def test_each_voxel_of_tilted_slices_lies_where_its_own_header_says(series):
    found = series("ct_gantry_tilt_variable_gap")

    for number, dataset in enumerate(found.ordered):
        corner = np.array(dataset.ImagePositionPatient, dtype=float)
        along_row, along_column = np.array(dataset.ImageOrientationPatient, dtype=float).reshape(2, 3)
        between_rows, between_columns = (float(step) for step in dataset.PixelSpacing)
        expected = corner + 300 * between_rows * along_column + 120 * between_columns * along_row
        assert found.volume.geometry.mm_from_voxel((number, 300, 120)) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("number", [5, 13, 20])
def test_between_tilted_slices_values_come_from_the_two_beside(series, number):
    found = series("ct_gantry_tilt_variable_gap")
    lower, upper = (np.array(found.ordered[k].ImagePositionPatient, dtype=float) for k in (number, number + 1))
    along_row = np.array(found.ordered[0].ImageOrientationPatient[:3], dtype=float)
    along_column = np.array(found.ordered[0].ImageOrientationPatient[3:], dtype=float)
    pixel_mm = float(found.ordered[0].PixelSpacing[0])
    origin = lower + 200 * pixel_mm * along_column
    plane = Plane(tuple(origin), tuple(pixel_mm * along_row), tuple((upper - lower) / 4), 5, 512)

    values, _ = sample(found.volume, Cut(plane), WIDE, False)

    below, above = (found.ordered[k].pixel_array[200].astype(float) for k in (number, number + 1))
    for row in range(5):
        assert values[row] == pytest.approx(below + row / 4 * (above - below), abs=0.05)


def test_tilted_uneven_slices_are_reformatted_only_on_demand(series):
    volume = series("ct_gantry_tilt_variable_gap").volume

    with pytest.raises(NotReformattable, match=r"7\.38 mm.*resample=True"):
        render(volume, "sagittal")
    assert render(volume, "sagittal", window="brain", resample=True, size=(256, 256)).pixels.any()
    assert render(volume, "acquired", index=3, window="brain").shape == (512, 512)


@pytest.mark.parametrize("name", ["ct_head_phantom_1mm", "mr_t1_structural_384"])
def test_acquired_slices_are_the_stored_pixels(series, name):
    found = series(name)

    for index in (0, 70, -1):
        values, _ = sample(found.volume, Cut(planes.acquired(found.volume, index)), WIDE, False)
        assert np.array_equal(values, found.ordered[index].pixel_array)


def test_an_axial_plane_of_axial_ct_is_its_slice(series):
    found = series("ct_head_phantom_1mm")

    values, _ = sample(found.volume, Cut(planes.axial(found.volume, at_mm=714.21)), WIDE, False)

    assert np.array_equal(values, found.ordered[20].pixel_array)
