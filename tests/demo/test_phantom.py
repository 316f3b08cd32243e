"""Other tests stand on the phantom: it must be valid DICOM, of the geometry it claims, always the same."""

from __future__ import annotations

import gc
import hashlib
import warnings
from collections import defaultdict
from pathlib import Path

import numpy as np
import pydicom
import pytest
from filmless.demo.phantom import count_files, write_ct_series, write_phantom
from filmless.errors import InvalidArgument
from pydicom.dataset import Dataset
from pydicom.fileset import FileSet

SLICES, SIZE = 8, 64
SERIES = ["CT trunk", "CT thick", "PT", "CR", "US", "CT head", "MR"]


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    folder = tmp_path_factory.mktemp("export")
    return folder, write_phantom(folder, slices=SLICES, size=SIZE)


@pytest.fixture(scope="module")
def images(export) -> list[Dataset]:
    return [pydicom.dcmread(path) for path in export[1][:-4]]


@pytest.fixture(scope="module")
def series(images) -> dict[str, list[Dataset]]:
    found = defaultdict(list)
    for image in images:
        found[image.SeriesInstanceUID].append(image)
    return dict(zip(SERIES, found.values(), strict=True))


def checksums(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def positions(images: list[Dataset]) -> np.ndarray:
    return np.array([image.ImagePositionPatient for image in images], float)


def normal(image: Dataset) -> np.ndarray:
    row, column = np.array(image.ImageOrientationPatient, float).reshape(2, 3)
    return np.cross(row, column)


def test_the_same_arguments_give_the_same_bytes(export, tmp_path):
    write_phantom(tmp_path, slices=SLICES, size=SIZE)

    assert checksums(tmp_path) == checksums(export[0])


def test_every_path_is_given_in_writing_order_and_reported(tmp_path):
    reported: list[int] = []

    paths = write_phantom(tmp_path, slices=9, size=48, progress=reported.append)

    assert sorted(paths) == sorted(path for path in tmp_path.rglob("*") if path.is_file())
    assert sum(reported) == len(paths) == count_files(slices=9, size=48)


@pytest.mark.parametrize(("slices", "size"), [(7, 64), (8, 31)])
def test_too_small_an_export_is_refused(tmp_path, slices, size):
    with pytest.raises(InvalidArgument, match="at least 8 of 32"):
        write_phantom(tmp_path, slices=slices, size=size)


def test_two_studies_of_one_patient_hold_seven_series(images, series):
    assert {str(image.PatientName) for image in images} == {"Phantom^Filmless"}
    assert len({image.StudyInstanceUID for image in images}) == 2
    assert [group[0].Modality for group in series.values()] == ["CT", "CT", "PT", "CR", "US", "CT", "MR"]


def test_every_series_has_its_transfer_syntax(series):
    names = [group[0].file_meta.TransferSyntaxUID.keyword for group in series.values()]

    assert names == [
        "ExplicitVRLittleEndian", "RLELossless", "ExplicitVRLittleEndian", "ExplicitVRLittleEndian",
        "ExplicitVRLittleEndian", "ImplicitVRLittleEndian", "JPEG2000Lossless",
    ]  # fmt: skip


def test_instances_are_unique_and_the_file_meta_names_them(images):
    uids = [image.SOPInstanceUID for image in images]

    assert len(set(uids)) == len(uids)
    assert [image.file_meta.MediaStorageSOPInstanceUID for image in images] == uids
    assert all(image.file_meta.MediaStorageSOPClassUID == image.SOPClassUID for image in images)


def test_pixels_decode_to_the_declared_shape_and_bits(images):
    for image in images:
        stored = image.pixel_array

        assert stored.shape[-2:] == (image.Rows, image.Columns) or stored.shape[-1] == 3
        assert int(stored.max()) < 1 << (image.BitsStored - image.PixelRepresentation)
        assert stored.std() > 0


def test_elements_are_written_as_pydicom_writes_them(images, tmp_path):
    for image in images:
        path = tmp_path / "again.dcm"
        image.save_as(path, enforce_file_format=True)

        again = pydicom.dcmread(path)

        assert again == image
        assert list(image.keys()) == sorted(image.keys())


@pytest.mark.parametrize("name", ["CT trunk", "CT thick", "PT", "CT head", "MR"])
def test_planes_are_evenly_spaced_by_their_thickness(series, name):
    group = series[name]
    heights = positions(group) @ normal(group[0])

    spacing = np.diff(heights)

    np.testing.assert_allclose(spacing, spacing[0], atol=1e-6)
    assert abs(spacing[0]) == pytest.approx(float(group[0].SliceThickness), abs=1e-6)


def test_the_trunk_is_written_from_head_to_feet(series):
    assert np.all(np.diff(positions(series["CT trunk"])[:, 2]) < 0)


def test_the_thick_planes_are_means_of_thin_ones_at_the_same_place(series):
    first, second = series["CT trunk"][:2]
    top = series["CT thick"][-1]

    mean = (first.pixel_array.astype(float) + second.pixel_array) / 2

    np.testing.assert_allclose(positions([top])[0], positions([first, second]).mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(top.pixel_array, mean, atol=1.0)


def test_the_head_is_sheared_by_a_tilted_gantry(series):
    group = series["CT head"]
    step = np.diff(positions(group), axis=0)[0]

    off_normal_deg = np.rad2deg(np.arccos(step @ normal(group[0]) / np.linalg.norm(step)))

    assert float(group[0].GantryDetectorTilt) == -12.0
    assert off_normal_deg == pytest.approx(12.0, abs=1e-4)
    np.testing.assert_allclose(step[:2], 0, atol=1e-9)


def test_the_head_is_signed_and_padded_outside_its_round_field(series):
    image = series["CT head"][0]

    assert image.PixelRepresentation == 1
    assert image.PixelPaddingValue == -2000
    assert image.pixel_array[0, 0] == image.pixel_array[-1, -1] == -2000


def test_the_mr_is_oblique_to_every_axis(series):
    assert np.abs(normal(series["MR"][0])).max() < 0.99
    assert np.abs(normal(series["MR"][0])).min() > 0.01


def test_each_pet_slice_has_its_own_slope_in_becquerels(series):
    group = series["PT"]

    assert {image.Units for image in group} == {"BQML"}
    assert len({float(image.RescaleSlope) for image in group}) == len(group)
    assert all(image.pixel_array.max() >= 32766 for image in group)


def test_the_film_is_monochrome1_so_that_bone_is_low(series):
    film = series["CR"][0]
    stored = film.pixel_array
    rows, columns = stored.shape

    assert film.PhotometricInterpretation == "MONOCHROME1"
    assert stored[rows // 2, columns // 2] < stored[rows // 2, 2] - 500


def test_the_cine_is_colour_with_several_frames(series):
    cine = series["US"][0]

    assert cine.pixel_array.shape == (cine.NumberOfFrames, cine.Rows, cine.Columns, 3)
    assert np.ptp(cine.pixel_array.astype(int), axis=-1).max() > 100


def test_tissues_have_their_hounsfield_units(series):
    air, fat_to_blood = [], []
    for image in series["CT trunk"]:
        hounsfield = image.pixel_array * float(image.RescaleSlope) + float(image.RescaleIntercept)
        air.append(np.median(hounsfield[:8, :8]))
        fat_to_blood.append(hounsfield[20:44, 16:48].max())

    assert np.median(air) == pytest.approx(-1000, abs=15)
    assert max(fat_to_blood) > 250


def listed_in(directory: Path) -> list[tuple[str, int, bool]]:
    """What pydicom finds by the directory's offsets: UID, instance number, whether the file is there."""
    listed = FileSet(directory)
    found = [(item.SOPInstanceUID, item.InstanceNumber, Path(item.path).is_file()) for item in listed]
    with warnings.catch_warnings():
        # A FileSet leaves its temporary folder to the garbage collector, which says so.
        warnings.simplefilter("ignore", ResourceWarning)
        del listed
        gc.collect()
    return found


def test_the_directory_leads_to_every_image(export, images):
    found = listed_in(export[0] / "DICOMDIR")

    assert found == [(image.SOPInstanceUID, image.InstanceNumber, True) for image in images]


def test_one_file_is_a_copy_and_one_is_cut_short(export):
    copied, cut, directory, readme = export[1][-4:]
    others = export[1][:-4]

    assert copied.read_bytes() in [path.read_bytes() for path in others[:SLICES]]
    assert others[SLICES - 1].read_bytes().startswith(cut.read_bytes())
    assert cut.stat().st_size < others[SLICES - 1].stat().st_size
    assert (directory.name, readme.name) == ("DICOMDIR", "README.TXT")


def test_another_size_never_shares_a_uid(export, images, tmp_path):
    paths = write_ct_series(tmp_path, shape_zyx=(3, 32, 32))

    other = [pydicom.dcmread(path, stop_before_pixels=True) for path in paths]

    assert not {image.SOPInstanceUID for image in other} & {image.SOPInstanceUID for image in images}


def test_a_ct_series_can_be_tilted(tmp_path):
    paths = write_ct_series(tmp_path, shape_zyx=(5, 32, 40), tilt_deg=15.0)
    group = [pydicom.dcmread(path) for path in paths]
    step = np.diff(positions(group), axis=0)[0]

    assert group[0].pixel_array.shape == (32, 40)
    assert float(group[0].GantryDetectorTilt) == pytest.approx(15.0)
    assert abs(step @ normal(group[0])) == pytest.approx(48.0 * np.cos(np.deg2rad(15)), abs=1e-6)
