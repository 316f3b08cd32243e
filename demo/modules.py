"""The DICOM modules of the phantom's images: who, when, by what, where in space (PS3.3 C.7, C.8)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from .shapes import Grid
from .writing import dataset

PATIENT_NAME = "Phantom^Filmless"
PATIENT_ID = "FILMLESS-0001"
PATIENT_WEIGHT_KG = 70.0
INJECTED_BQ = 3.7e8


@dataclass(frozen=True, slots=True)
class Study:
    """One visit."""

    number: int
    description: str
    date: str
    time: str
    edition: str
    """What tells phantoms of other sizes apart, so that no UID stands for two contents."""

    def uid(self, *what: object) -> str:
        """Give the UID of something in this study; the same for the same words."""
        words = ["filmless phantom", self.edition, str(self.number), *(str(word) for word in what)]
        return str(generate_uid(entropy_srcs=words))


@dataclass(frozen=True, slots=True)
class SeriesHead:
    """What a series says of itself."""

    number: int
    modality: str
    sop_class_uid: str
    description: str
    body_part: str
    image_type: Sequence[str]
    frame_of_reference: str = ""
    """Series with the same word share a frame of reference; "" has none."""


def series_header(study: Study, head: SeriesHead) -> Dataset:
    """Give the patient, study, series, frame of reference and equipment modules."""
    header = _patient_and_study(study)
    header.update(
        dataset(
            SOPClassUID=head.sop_class_uid,
            ImageType=list(head.image_type),
            Modality=head.modality,
            SeriesInstanceUID=study.uid("series", head.number),
            SeriesNumber=head.number,
            SeriesDescription=head.description,
            SeriesDate=study.date,
            SeriesTime=study.time,
            AcquisitionDate=study.date,
            ContentDate=study.date,
            ProtocolName=head.description,
            BodyPartExamined=head.body_part,
            AcquisitionNumber=1,
            Manufacturer="Filmless",
            ManufacturerModelName="Phantom",
            InstitutionName="Filmless General Hospital",
            StationName=f"{head.modality}1",
            DeviceSerialNumber="0001",
            SoftwareVersions="1",
        )
    )
    if head.frame_of_reference:
        header.FrameOfReferenceUID = study.uid("frame of reference", head.frame_of_reference)
        header.PositionReferenceIndicator = ""
        header.PatientPosition = "HFS"
    return header


def _patient_and_study(study: Study) -> Dataset:
    return dataset(
        SpecificCharacterSet="ISO_IR 192",
        PatientName=PATIENT_NAME,
        PatientID=PATIENT_ID,
        PatientBirthDate="19700101",
        PatientSex="O",
        PatientAge="054Y",
        PatientWeight=decimal(PATIENT_WEIGHT_KG),
        PatientSize="1.72",
        PatientIdentityRemoved="YES",
        DeidentificationMethod="synthetic: no patient stands behind these images",
        StudyInstanceUID=study.uid("study"),
        StudyID=f"PH{study.number:02d}",
        StudyDate=study.date,
        StudyTime=study.time,
        StudyDescription=study.description,
        AccessionNumber=f"FL2024{study.number:04d}",
        ReferringPhysicianName="Roentgen^Wilhelm^^Dr.",
    )


def grey_pixels(
    rows: int, columns: int, bits_stored: int, *, is_signed: bool = False, photometric: str = "MONOCHROME2"
) -> Dataset:
    """Give the Image Pixel module of 16-bit grey values (PS3.3 C.7.6.3)."""
    return dataset(
        SamplesPerPixel=1,
        PhotometricInterpretation=photometric,
        Rows=rows,
        Columns=columns,
        BitsAllocated=16,
        BitsStored=bits_stored,
        HighBit=bits_stored - 1,
        PixelRepresentation=int(is_signed),
    )


def image_plane(grid: Grid) -> Dataset:
    """Give what all planes of a grid share of the Image Plane module (PS3.3 C.7.6.2)."""
    slice_step, row_step, column_step = (np.asarray(step) for step in grid.steps)
    between_rows, between_columns = float(np.linalg.norm(row_step)), float(np.linalg.norm(column_step))
    across, down = column_step / between_columns, row_step / between_rows
    thickness = abs(float(np.dot(np.cross(across, down), slice_step)))
    return dataset(
        ImageOrientationPatient=[decimal(value) for value in (*across, *down)],
        PixelSpacing=[decimal(between_rows), decimal(between_columns)],
        SliceThickness=decimal(thickness),
    )


def plane_position(grid: Grid, index: int) -> Dataset:
    """Give the place of one plane: the centre of its first pixel, and its height along the table."""
    x, y, z = grid.position(index)
    return dataset(ImagePositionPatient=[decimal(x), decimal(y), decimal(z)], SliceLocation=decimal(z))


def instance(study: Study, series_number: int, number: int) -> Dataset:
    """Give what identifies one instance; `number` counts from 1."""
    hours, minutes, seconds = (int(study.time[at : at + 2]) for at in (0, 2, 4))
    total = 3600 * hours + 60 * minutes + seconds + 600 * series_number + 0.25 * number
    moment = f"{int(total // 3600):02d}{int(total // 60) % 60:02d}{total % 60:05.2f}"
    return dataset(
        SOPInstanceUID=study.uid("instance", series_number, number),
        InstanceNumber=number,
        AcquisitionTime=moment,
        ContentTime=moment,
    )


def radiopharmaceutical() -> Dataset:
    """Give the injected tracer: FDG (PS3.3 C.8.9.2)."""
    return dataset(
        Radiopharmaceutical="Fluorodeoxyglucose F^18^",
        RadiopharmaceuticalStartTime="080000.00",
        RadionuclideTotalDose=decimal(INJECTED_BQ),
        RadionuclideHalfLife="6586.2",
        RadionuclidePositronFraction="0.967",
        RadionuclideCodeSequence=[_code("C-111A1", "SRT", "^18^Fluorine")],
    )


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    return dataset(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)


def decimal(value: float) -> str:
    """Give a Decimal String of ten digits: at most 16 characters, as PS3.5 6.2 allows."""
    return f"{float(value) + 0.0:.10g}"
