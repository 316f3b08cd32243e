"""The attributes that the archive is asked by: query keys of PS3.4 C.6.1 and C.6.2, and of PS3.18 section 10.6.

One table says of each its tag, level and VR. The engine reads these attributes from headers; the index keeps them and
matches against them. A nested attribute is named as DICOMweb names it, `Sequence.Attribute`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

Level: TypeAlias = Literal["patient", "study", "series", "instance"]
LEVELS: tuple[Level, ...] = get_args(Level)

UNIQUE_KEYS = {
    "patient": "PatientID",
    "study": "StudyInstanceUID",
    "series": "SeriesInstanceUID",
    "instance": "SOPInstanceUID",
}
"""The attribute that names an entity of each level."""


@dataclass(frozen=True, slots=True)
class Key:
    """One attribute that a query may name."""

    keyword: str
    tag: int
    """Of the attribute itself, where it is nested."""
    vr: str
    level: Level
    sequence: int = 0
    """Tag of the sequence of whose items it is part, 0 where it stands in the data set."""


_PATIENT = """
PatientID 00100020 LO
PatientName 00100010 PN
IssuerOfPatientID 00100021 LO
PatientBirthDate 00100030 DA
PatientBirthTime 00100032 TM
PatientSex 00100040 CS
OtherPatientIDs 00101000 LO
OtherPatientNames 00101001 PN
EthnicGroup 00102160 SH
PatientComments 00104000 LT
"""
_STUDY = """
StudyInstanceUID 0020000D UI
StudyDate 00080020 DA
StudyTime 00080030 TM
AccessionNumber 00080050 SH
IssuerOfAccessionNumberSequence.LocalNamespaceEntityID 00080051.00400031 UT
StudyID 00200010 SH
StudyDescription 00081030 LO
ReferringPhysicianName 00080090 PN
PhysiciansOfRecord 00081048 PN
NameOfPhysiciansReadingStudy 00081060 PN
AdmittingDiagnosesDescription 00081080 LO
PatientAge 00101010 AS
PatientSize 00101020 DS
PatientWeight 00101030 DS
Occupation 00102180 SH
AdditionalPatientHistory 001021B0 LT
TimezoneOffsetFromUTC 00080201 SH
"""
_SERIES = """
SeriesInstanceUID 0020000E UI
Modality 00080060 CS
SeriesNumber 00200011 IS
SeriesDescription 0008103E LO
SeriesDate 00080021 DA
SeriesTime 00080031 TM
BodyPartExamined 00180015 CS
Laterality 00200060 CS
PatientPosition 00185100 CS
ProtocolName 00181030 LO
StationName 00081010 SH
InstitutionName 00080080 LO
InstitutionalDepartmentName 00081040 LO
OperatorsName 00081070 PN
PerformingPhysicianName 00081050 PN
PerformedProcedureStepID 00400253 SH
PerformedProcedureStepStartDate 00400244 DA
PerformedProcedureStepStartTime 00400245 TM
PerformedProcedureStepDescription 00400254 LO
RequestAttributesSequence.ScheduledProcedureStepID 00400275.00400009 SH
RequestAttributesSequence.RequestedProcedureID 00400275.00401001 SH
Manufacturer 00080070 LO
ManufacturerModelName 00081090 LO
DeviceSerialNumber 00181000 LO
FrameOfReferenceUID 00200052 UI
"""
_INSTANCE = """
SOPInstanceUID 00080018 UI
SOPClassUID 00080016 UI
InstanceNumber 00200013 IS
ImageType 00080008 CS
InstanceCreationDate 00080012 DA
InstanceCreationTime 00080013 TM
ContentDate 00080023 DA
ContentTime 00080033 TM
AcquisitionDate 00080022 DA
AcquisitionTime 00080032 TM
AcquisitionDateTime 0008002A DT
AcquisitionNumber 00200012 IS
Rows 00280010 US
Columns 00280011 US
BitsAllocated 00280100 US
NumberOfFrames 00280008 IS
ImageLaterality 00200062 CS
ViewPosition 00185101 CS
ContentLabel 00700080 CS
ContentDescription 00700081 LO
ContentCreatorName 00700084 PN
PresentationCreationDate 00700082 DA
PresentationCreationTime 00700083 TM
DocumentTitle 00420010 ST
CompletionFlag 0040A491 CS
VerificationFlag 0040A493 CS
ConceptNameCodeSequence.CodeValue 0040A043.00080100 SH
ConceptNameCodeSequence.CodingSchemeDesignator 0040A043.00080102 SH
ConceptNameCodeSequence.CodeMeaning 0040A043.00080104 LO
"""


def _read(level: Level, lines: str) -> list[Key]:
    keys = []
    for keyword, tags, vr in (line.split() for line in lines.strip().splitlines()):
        sequence, _, tag = tags.rpartition(".")
        keys.append(Key(keyword, int(tag, 16), vr, level, int(sequence or "0", 16)))
    return keys


KEYS: Mapping[str, Key] = {
    key.keyword: key
    for level, lines in zip(LEVELS, (_PATIENT, _STUDY, _SERIES, _INSTANCE), strict=True)
    for key in _read(level, lines)
}
"""Every attribute that is kept, by keyword."""

MODALITIES, SOP_CLASSES, AVAILABILITY = "ModalitiesInStudy", "SOPClassesInStudy", "InstanceAvailability"
COUNTS: Mapping[str, tuple[Level, str]] = {
    "NumberOfPatientRelatedStudies": ("patient", "studies"),
    "NumberOfPatientRelatedSeries": ("patient", "series"),
    "NumberOfPatientRelatedInstances": ("patient", "instances"),
    "NumberOfStudyRelatedSeries": ("study", "series"),
    "NumberOfStudyRelatedInstances": ("study", "instances"),
    "NumberOfSeriesRelatedInstances": ("series", "instances"),
}
"""What is counted when it is asked for: the level of each count, and what is counted."""

DATE_TIME_PAIRS = {
    "StudyTime": "StudyDate",
    "SeriesTime": "SeriesDate",
    "PatientBirthTime": "PatientBirthDate",
    "PerformedProcedureStepStartTime": "PerformedProcedureStepStartDate",
}
"""Times that may be matched together with a date, as one moment (PS3.4 C.2.2.2.5)."""


def above(level: Level) -> frozenset[str]:
    """Give the keywords of a level and of all levels above it."""
    return frozenset(key.keyword for key in KEYS.values() if LEVELS.index(key.level) <= LEVELS.index(level))


_SERIES_AND_ABOVE = above("series")


def of_series(attributes: Mapping[str, str]) -> dict[str, str]:
    """Give those attributes that all instances of a series share: of patient, study and series."""
    return {keyword: text for keyword, text in attributes.items() if keyword in _SERIES_AND_ABOVE}


def of_instance(attributes: Mapping[str, str]) -> dict[str, str]:
    """Give those attributes that are an instance's own."""
    return {keyword: text for keyword, text in attributes.items() if keyword not in _SERIES_AND_ABOVE}
