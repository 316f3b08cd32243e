"""SUV by body weight: the factor reckoned by hand, and each reason that forbids it."""

from __future__ import annotations

import filmless
import numpy as np
import pytest
from dicom_files import image, save
from filmless.engine.presentation.suv import suv_factor
from filmless.errors import NotQuantitative
from pydicom.dataset import Dataset
from pydicom.uid import PositronEmissionTomographyImageStorage

HALF_LIFE_S = 6586.2


def pet(**changes):
    header = Dataset()
    tracer = Dataset()
    tracer.RadionuclideTotalDose, tracer.RadionuclideHalfLife = 370e6, HALF_LIFE_S
    tracer.RadiopharmaceuticalStartTime = "100000"
    values = {
        "Modality": "PT", "Units": "BQML", "CorrectedImage": ["DECY", "ATTN", "SCAT"], "DecayCorrection": "START",
        "PatientWeight": 70, "SeriesDate": "20240301", "SeriesTime": "110000.5", "AcquisitionDate": "20240301",
        "AcquisitionTime": "110001", "RadiopharmaceuticalInformationSequence": [tracer],
    } | changes  # fmt: skip
    for keyword, value in values.items():
        if value is not None:
            target = tracer if keyword.startswith("Radio") and "Sequence" not in keyword else header
            setattr(target, keyword, value)
    return header


def test_the_dose_decays_from_injection_to_the_start_of_the_series():
    assert suv_factor(pet()) == pytest.approx(70e3 / (370e6 * 2 ** (-3600.5 / HALF_LIFE_S)))


def test_counts_corrected_to_the_injection_use_the_whole_dose():
    assert suv_factor(pet(DecayCorrection="ADMIN")) == pytest.approx(70e3 / 370e6)


def test_the_moment_of_injection_is_preferred_to_its_time_of_day():
    header = pet(RadiopharmaceuticalStartDateTime="20240301090000.000+0100")

    assert suv_factor(header) == pytest.approx(70e3 / (370e6 * 2 ** (-7200.5 / HALF_LIFE_S)))


def test_an_injection_before_midnight_is_of_the_day_before():
    header = pet(SeriesTime="001500", AcquisitionTime="001501", RadiopharmaceuticalStartTime="233000")

    assert suv_factor(header) == pytest.approx(70e3 / (370e6 * 2 ** (-2700 / HALF_LIFE_S)))


def test_values_that_are_suv_already_stay():
    assert suv_factor(pet(Units="GML", SUVType="BW")) == 1.0


def test_counts_of_philips_have_their_own_factors():
    by_suv, by_activity = pet(Units="CNTS"), pet(Units="CNTS")
    by_suv.private_block(0x7053, "Philips PET Private Group", create=True).add_new(0x00, "DS", "0.0004")
    by_activity.private_block(0x7053, "Philips PET Private Group", create=True).add_new(0x09, "DS", "2.5")

    assert suv_factor(by_suv) == 0.0004
    assert suv_factor(by_activity) == pytest.approx(2.5 * suv_factor(pet()))


@pytest.mark.parametrize(("changes", "reason"), [
    ({"Modality": "CT"}, "not of CT"),
    ({"Units": "CNTS"}, "counts have no scale"),
    ({"Units": "PROPCPS"}, "Units .* PROPCPS"),
    ({"Units": None}, "missing"),
    ({"Units": "GML", "SUVType": "LBM"}, "LBM"),
    ({"CorrectedImage": ["ATTN"]}, "lacks DECY"),
    ({"CorrectedImage": "DECY"}, "lacks ATTN"),
    ({"PatientWeight": None}, "Weight"),
    ({"PatientWeight": 0}, "Weight"),
    ({"RadiopharmaceuticalInformationSequence": []}, "Radiopharmaceutical Information"),
    ({"RadionuclideTotalDose": 0}, "Total Dose"),
    ({"RadionuclideHalfLife": 0}, "Half Life"),
    ({"DecayCorrection": "NONE"}, "NONE: START or ADMIN"),
    ({"SeriesTime": "120000"}, "after Acquisition Time"),
    ({"SeriesTime": None}, "Series Time is missing"),
    ({"RadiopharmaceuticalStartTime": ""}, "Start Time"),
    ({"RadiopharmaceuticalStartDateTime": "20240225090000"}, "one of the two times is wrong"),
])  # fmt: skip
def test_what_the_header_lacks_is_told(changes, reason):
    with pytest.raises(NotQuantitative, match=reason):
        suv_factor(pet(**changes))


def test_a_volume_and_a_frame_are_shown_through_a_window_in_suv(tmp_path):
    values = np.random.default_rng(4).integers(0, 30000, (5, 8, 9)).astype(np.int16)
    for number, plane in enumerate(values, 1):
        made = image(
            plane, number, SOPClassUID=PositronEmissionTomographyImageStorage, RescaleSlope=0.5, RescaleIntercept=0
        )
        made.update(pet())
        save(made, tmp_path / "export" / f"{number}.dcm")
    archive = filmless.open(tmp_path / "archive")
    archive.ingest(tmp_path / "export")
    series = archive.series(made.SeriesInstanceUID)
    volume = filmless.RenderRequest(plane="axial", index=2, window=(1, 2), suv=True)
    frame = filmless.RenderRequest(instance=image(values[2], 3).SOPInstanceUID, window=(1, 2), suv=True)

    shown = [series.render(request).pixels for request in (volume, frame)]

    suv = values[2] * 0.5 * suv_factor(pet())
    low, high = (0.5 - 0.5, 2.0)
    for picture in shown:
        assert np.abs(picture.astype(int) - np.clip((suv - low) / (high - low), 0, 1) * 255).max() <= 0.51
