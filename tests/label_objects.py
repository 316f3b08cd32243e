"""Images, and labels over them, for tests: slices by pydicom, segmentations by highdicom, structure sets by hand."""

from __future__ import annotations

import highdicom as hd
import numpy as np
from dicom_files import ROOT, image
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import RTStructureSetStorage

SPACE = f"{ROOT}.77"
"""The frame of reference."""
TURNED = ((0.8, 0.6, 0.0), (-0.48, 0.64, 0.6))
"""Rows and columns of an oblique series."""


def slices(
    shape=(12, 24, 20), spacing=(2.0, 1.0, 1.5), axes=((1, 0, 0), (0, 1, 0)), origin=(-10.0, 5.0, 30.0), series=1
):
    """CT-like slices, black, that lie `spacing` (z, y, x) mm apart along the normal of their rows and columns."""
    normal = np.cross(*axes)
    made = []
    for z in range(shape[0]):
        one = image(np.zeros(shape[1:], np.int16), z + 1, series=series, WindowCenter=50, WindowWidth=100)
        one.ImagePositionPatient = np.round(np.array(origin) + z * spacing[0] * normal, 9).tolist()
        one.ImageOrientationPatient = [*axes[0], *axes[1]]
        one.PixelSpacing, one.SliceThickness = list(spacing[1:]), spacing[0]
        one.FrameOfReferenceUID, one.PositionReferenceIndicator = SPACE, ""
        one.RescaleSlope, one.RescaleIntercept = 1, 0
        one.StudyID, one.StudyDate, one.StudyTime, one.AccessionNumber = "1", "20240101", "101010", "1"
        one.PatientBirthDate, one.PatientSex, one.ReferringPhysicianName, one.Manufacturer = "", "O", "", "Test"
        made.append(one)
    return made


def described(number, name, lab=None):
    """What highdicom wants to know of a segment."""
    return hd.seg.SegmentDescription(
        number,
        name,
        codes.SCT.Organ,
        codes.SCT.Liver,
        hd.seg.SegmentAlgorithmTypeValues.MANUAL,
        display_color=lab,
    )


def segmentation(sources, masks, kind="BINARY", segments=None, series=8, number=1, **options):
    """A segmentation of `sources` by highdicom: masks (frames, rows, columns[, segments]), or label numbers."""
    if segments is None:
        count = masks.shape[3] if masks.ndim == 4 else int(np.ceil(masks.max()))
        segments = [described(n, f"Part {n}") for n in range(1, max(count, 1) + 1)]
    return hd.seg.Segmentation(
        sources, masks, kind, segments, f"{ROOT}.{series}", series, f"{ROOT}.{series}.{number}", number, "Test", "Test",
        "1", "1", **options,
    )  # fmt: skip


def structure_set(rois, *, series=9, color=(10, 200, 30), space=SPACE, referenced=f"{ROOT}.1"):
    """A structure set of (name, [(type, points), …]) by region, numbered from 1."""
    made = Dataset()
    made.SOPClassUID, made.SOPInstanceUID = RTStructureSetStorage, f"{ROOT}.{series}.1"
    made.PatientName, made.PatientID = "Test^Made", "T1"
    made.StudyInstanceUID, made.SeriesInstanceUID = f"{ROOT}.0", f"{ROOT}.{series}"
    made.Modality, made.SeriesNumber, made.InstanceNumber = "RTSTRUCT", series, 1
    made.StructureSetLabel = "MADE"
    one = Dataset()
    one.SeriesInstanceUID, one.ContourImageSequence = referenced, []
    study = Dataset()
    study.ReferencedSOPClassUID, study.ReferencedSOPInstanceUID = RTStructureSetStorage, f"{ROOT}.0"
    study.RTReferencedSeriesSequence = [one]
    frame = Dataset()
    frame.FrameOfReferenceUID, frame.RTReferencedStudySequence = space, [study]
    made.ReferencedFrameOfReferenceSequence = [frame]
    made.StructureSetROISequence, made.ROIContourSequence = [], []
    for number, (name, contours) in enumerate(rois, 1):
        roi, drawn = Dataset(), Dataset()
        roi.ROINumber, roi.ROIName, roi.ReferencedFrameOfReferenceUID = number, name, space
        drawn.ReferencedROINumber, drawn.ROIDisplayColor, drawn.ContourSequence = number, list(color), []
        for kind, points in contours:
            contour = Dataset()
            contour.ContourGeometricType, contour.NumberOfContourPoints = kind, len(points)
            contour.ContourData = [f"{value:.10g}" for point in points for value in point]
            drawn.ContourSequence.append(contour)
        made.StructureSetROISequence.append(roi)
        made.ROIContourSequence.append(drawn)
    return made


def painted(picture, bare):
    """Where a picture differs from the one without labels."""
    bare = bare.pixels if bare.pixels.ndim == 3 else np.repeat(bare.pixels[..., np.newaxis], 3, axis=-1)
    return (picture.pixels != bare).any(axis=-1)
