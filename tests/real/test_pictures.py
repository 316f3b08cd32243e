"""Pictures of real series for people: every plane of every volume, edge letters, and a sheet to look at."""

from __future__ import annotations

import filmless
import numpy as np
import pydicom
import pytest
from filmless.demo.contact_sheet import contact_sheet
from filmless.errors import NotReformattable
from PIL import Image as PillowImage
from real_files import VOLUMES

pytestmark = pytest.mark.real

PLANES = ("axial", "coronal", "sagittal")
SIDE = 256


def planes_of(volume):
    """The three principal planes through the middle, with letters."""
    return [filmless.render(volume, plane, size=(SIDE, SIDE), annotate=True, resample=True) for plane in PLANES]


def test_every_plane_of_every_volume_shows_something(everything, tmp_path):
    sheet = PillowImage.new("L", (len(PLANES) * SIDE, len(VOLUMES) * SIDE))
    for row, name in enumerate(VOLUMES):
        for column, picture in enumerate(planes_of(everything.series(name).volume())):
            assert picture.pixels.std() > 10, (name, PLANES[column])
            sheet.paste(PillowImage.fromarray(picture.pixels), (column * SIDE, row * SIDE))

    sheet.save(tmp_path / "planes.png")
    print(f"planes of every volume: {tmp_path / 'planes.png'}")


def test_the_contact_sheet_of_everything_has_no_blank_tile(everything, tmp_path):
    sheet, problems = contact_sheet(everything.archive)

    sheet.save(tmp_path / "contact-sheet.png")
    print(f"contact sheet: {tmp_path / 'contact-sheet.png'}")
    assert [line for line in problems if "more series are not on the sheet" not in line] == []
    assert np.asarray(sheet).std() > 20


def test_the_whole_body_stands_upright_in_the_coronal_picture(everything):
    headers = [pydicom.dcmread(path) for path in everything.folders["pet_whole_body"].glob("*.dcm")]
    from_the_head = sorted(headers, key=lambda header: -header.ImagePositionPatient[2])
    projections = [header.pixel_array.max(axis=0) * float(header.RescaleSlope) for header in from_the_head]
    volume = everything.series("pet_whole_body").volume()

    picture = filmless.render(volume, "coronal", slab_mm=1000, window=(8000, 16000))

    expected = np.clip(np.stack(projections) / 16000, 0, 1) * 255
    assert picture.pixels.shape[0] == len(headers)
    columns = np.linspace(0, 127, picture.pixels.shape[1]).round().astype(int)
    assert np.corrcoef(picture.pixels.ravel(), expected[:, columns].ravel())[0, 1] > 0.97
    assert np.corrcoef(picture.pixels[::-1].ravel(), expected[:, columns].ravel())[0, 1] < 0.7


@pytest.mark.parametrize("plane", PLANES)
def test_uneven_slices_are_refused_with_what_to_do_instead(everything, plane):
    volume = everything.series("ct_gantry_tilt_variable_gap").volume()

    with pytest.raises(NotReformattable, match=r"7\.38 mm.*resample=True"):
        filmless.render(volume, plane)
