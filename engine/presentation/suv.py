"""PET as standardised uptake value by body weight, where the header allows it.

After QIBA's vendor-neutral pseudo-code for SUV (FDG-PET/CT profile, appendix G): SUVbw = Bq/ml · weight / dose, the
dose decayed to the moment to which the image's counts are corrected.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta

import pydicom

from ...errors import NotQuantitative

UNIT = "SUVbw"
_GRAMS = 1000.0
_LONGEST_UPTAKE = timedelta(days=1)
_PHILIPS_SUV, _PHILIPS_ACTIVITY = 0x1000, 0x1009
_PHILIPS = "Philips PET Private Group"


def suv_factor(header: pydicom.Dataset) -> float:
    """Give what modality values of a PET image are multiplied with to be SUVbw (g/ml).

    Raises `NotQuantitative` where the header does not allow it, and says what is missing.
    """
    if header.get("Modality") != "PT":
        raise NotQuantitative(f"SUV is of PET images (PT), not of {header.get('Modality') or 'an unknown modality'}")
    units = str(header.get("Units") or "")
    if units == "GML":
        kind = str(header.get("SUVType") or "BW")
        if kind != "BW":
            raise NotQuantitative(f"values are SUV of type {kind} already, not by body weight")
        return 1.0
    if units == "CNTS":
        return _factor_of_counts(header)
    if units != "BQML":
        raise NotQuantitative(f"Units (0054,1001) are {units or 'missing'}: BQML, GML, or Philips' CNTS are possible")
    return _factor_of_activity(header)


def _factor_of_counts(header: pydicom.Dataset) -> float:
    """Give the factor for counts, which only Philips says how to convert (7053,xx00), (7053,xx09)."""
    suv, activity = (_private(header, element) for element in (_PHILIPS_SUV, _PHILIPS_ACTIVITY))
    if suv > 0:
        return suv
    if activity > 0:
        return activity * _factor_of_activity(header)
    raise NotQuantitative("Units are CNTS without Philips' factor (7053,1000) or (7053,1009): counts have no scale")


def _factor_of_activity(header: pydicom.Dataset) -> float:
    corrections = [str(name) for name in header.get("CorrectedImage") or ()]
    if isinstance(header.get("CorrectedImage"), str):
        corrections = [header.CorrectedImage]
    missing = [name for name in ("ATTN", "DECY") if name not in corrections]
    if missing:
        raise NotQuantitative(f"Corrected Image (0028,0051) lacks {', '.join(missing)}: counts are no activity")
    weight_kg = _positive(header, "PatientWeight", "Patient's Weight (0010,1030)")
    sequence = header.get("RadiopharmaceuticalInformationSequence")
    if not sequence:
        raise NotQuantitative("no Radiopharmaceutical Information Sequence (0054,0016): the dose is unknown")
    dose = _positive(sequence[0], "RadionuclideTotalDose", "Radionuclide Total Dose (0018,1074)")
    return weight_kg * _GRAMS / (dose * _decay(header, sequence[0]))


def _decay(header: pydicom.Dataset, tracer: pydicom.Dataset) -> float:
    """Give the part of the dose that is left at the moment to which counts are corrected."""
    correction = str(header.get("DecayCorrection") or "")
    if correction == "ADMIN":
        return 1.0
    if correction != "START":
        raise NotQuantitative(f"Decay Correction (0054,1102) is {correction or 'missing'}: START or ADMIN is needed")
    half_life_s = _positive(tracer, "RadionuclideHalfLife", "Radionuclide Half Life (0018,1075)")
    start = _moment(header.get("SeriesDate"), header.get("SeriesTime"))
    acquired = _moment(header.get("AcquisitionDate"), header.get("AcquisitionTime"))
    if start is None or (acquired is not None and start > acquired):
        # A series that was made anew has the time of its making (QIBA); the acquisition's own start needs more.
        raise NotQuantitative("Series Time is missing or after Acquisition Time: the decay's reference is unknown")
    injected = _injection(tracer, start)
    elapsed = start - injected
    if not timedelta(0) <= elapsed < _LONGEST_UPTAKE:
        raise NotQuantitative(f"the scan began {elapsed} after the injection: one of the two times is wrong")
    return float(2.0 ** (-elapsed.total_seconds() / half_life_s))


def _injection(tracer: pydicom.Dataset, scan: datetime) -> datetime:
    whole = str(tracer.get("RadiopharmaceuticalStartDateTime") or "")
    injected = _moment(whole[:8], whole[8:].partition("+")[0].partition("-")[0])
    if injected is not None:
        return injected
    injected = _moment(scan.strftime("%Y%m%d"), tracer.get("RadiopharmaceuticalStartTime"))
    if injected is None:
        raise NotQuantitative("no Radiopharmaceutical Start Time (0018,1072) or DateTime (0018,1078)")
    # Only the time of day is known: an injection after the scan was on the day before.
    return injected if injected <= scan else injected - timedelta(days=1)


def _moment(date: object, time: object) -> datetime | None:
    digits = str(time or "").replace(":", "")
    if not digits:
        return None  # else a time of day that is not known would be midnight
    day = str(date or "").replace(".", "")
    try:
        whole = datetime.strptime(day + (digits[:6] + "000000")[:6], "%Y%m%d%H%M%S")
    except ValueError:
        return None
    fraction = digits[6:]
    return whole + timedelta(seconds=float(f"0{fraction}" if fraction[:1] == "." else 0))


def _positive(item: pydicom.Dataset, keyword: str, name: str) -> float:
    try:
        number = float(item.get(keyword))
    except (TypeError, ValueError):
        number = math.nan
    if not 0 < number < math.inf:
        raise NotQuantitative(f"{name} is missing, or not above 0")
    return number


def _private(header: pydicom.Dataset, element: int) -> float:
    """Give a number of Philips' private group, 0 where it is missing."""
    try:
        return float(header.private_block(0x7053, _PHILIPS)[element & 0xFF].value)
    except (KeyError, TypeError, ValueError):
        return 0.0
