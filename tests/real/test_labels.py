"""Real segmentations and structure sets over images: slides with their own, CT slices made to fit the others."""

from __future__ import annotations

import filmless
import highdicom as hd
import numpy as np
import pydicom
import pytest
from dicom_files import image, save
from label_objects import painted

pytestmark = [pytest.mark.real, pytest.mark.filterwarnings("ignore::UserWarning")]

IN_THE_PATIENT = [
    "modalities/partial_overlaps.dcm",
    *(f"transfer_syntaxes/small/liver{kind}.dcm" for kind in ("", "_deflate", "_expb", "_rle")),
]
OF_SLIDES = [f"multiframe/seg_image_sm_control{kind}.dcm" for kind in ("", "_labelmap", "_labelmap_palette_color")]
SPACING_MM = 1.0


def sources_of(seg):
    """Black CT slices where a segmentation lies, a millimetre apart, one more at each end."""
    positions = [group.PlanePositionSequence[0].ImagePositionPatient for group in seg.PerFrameFunctionalGroupsSequence]
    heights = sorted({float(position[2]) for position in positions})
    shared = seg.SharedFunctionalGroupsSequence[0]
    (reference,) = seg.ReferencedSeriesSequence
    count = round(heights[-1] - heights[0]) + 3
    for number in range(count):
        made = image(np.zeros((seg.Rows, seg.Columns), np.int16), number + 1, WindowCenter=50, WindowWidth=100)
        made.StudyInstanceUID, made.SeriesInstanceUID = seg.StudyInstanceUID, reference.SeriesInstanceUID
        made.PatientID, made.PatientName = seg.PatientID, seg.PatientName
        made.SOPInstanceUID, made.FrameOfReferenceUID = f"1.2.3.{number + 1}", seg.FrameOfReferenceUID
        made.ImagePositionPatient = [*positions[0][:2], heights[0] + (number - 1) * SPACING_MM]
        made.ImageOrientationPatient = shared.PlaneOrientationSequence[0].ImageOrientationPatient
        made.PixelSpacing, made.SliceThickness = shared.PixelMeasuresSequence[0].PixelSpacing, SPACING_MM
        yield made


def archived(folder, path, sources):
    for number, one in enumerate(sources):
        save(one, folder / "export" / f"{number:03}.dcm")
    archive = filmless.open(folder / "archive")
    archive.ingest([*((folder / "export") for _ in (0,) if (folder / "export").exists()), *path])
    return archive


@pytest.mark.parametrize("name", IN_THE_PATIENT)
def test_segmentations_of_the_patient_are_what_highdicom_reads(real_data, tmp_path, name):
    path = real_data / name
    seg = pydicom.dcmread(path)
    sources = list(sources_of(seg))
    archive = archived(tmp_path, [path], sources)
    series = archive.series(sources[0].SeriesInstanceUID)
    volume, by_frame = series.volume(), pydicom.dcmread(real_data / _native_twin(name)).pixel_array

    for item in seg.SegmentSequence:
        number = int(item.SegmentNumber)
        labels = [archive.labels(seg.SeriesInstanceUID, segments=[number], opacity=1)]
        expected = np.zeros(volume.shape, bool)
        for group, mask in zip(seg.PerFrameFunctionalGroupsSequence, by_frame, strict=True):
            if group.SegmentIdentificationSequence[0].ReferencedSegmentNumber == number:
                height = float(group.PlanePositionSequence[0].ImagePositionPatient[2])
                expected[round(height - float(sources[0].ImagePositionPatient[2]))] |= mask > 0
        for z in range(len(expected)):
            picture = filmless.render(volume, "acquired", index=z, labels=labels)
            bare = filmless.render(volume, "acquired", index=z)
            assert np.array_equal(painted(picture, bare), expected[z]), (number, z)
        assert expected.any()


def _native_twin(name):
    """The file of the same masks that pydicom decodes by itself."""
    return "transfer_syntaxes/small/liver.dcm" if "liver" in name else name


@pytest.mark.parametrize("name", OF_SLIDES)
def test_segmentations_of_slides_are_drawn_over_the_tiles_that_they_name(real_data, tmp_path, name):
    slide = pydicom.dcmread(real_data / "multiframe/sm_image_control.dcm")
    path = real_data / name
    seg = hd.seg.segread(path)
    archive = archived(tmp_path, [real_data / "multiframe/sm_image_control.dcm", path], [])
    series = archive.series(slide.SeriesInstanceUID)
    frames = list(range(1, int(slide.NumberOfFrames) + 1))
    expected = seg.get_pixels_by_source_frame(
        slide.SOPInstanceUID, frames, assert_missing_frames_are_empty=True, ignore_spatial_locations=True
    )
    seen = 0

    for frame, masks in zip(frames, expected, strict=True):
        request = filmless.RenderRequest(
            instance=slide.SOPInstanceUID, frame=frame, labels=f"{seg.SeriesInstanceUID}?opacity=1"
        )
        bare, picture = series.render(request.but(labels=())).pixels, series.render(request).pixels
        outside = ~(masks > 0).any(axis=-1)
        assert np.array_equal(picture[outside], bare[outside])
        for segment in archive.labels(seg.SeriesInstanceUID).segments:
            alone = request.but(labels=f"{seg.SeriesInstanceUID}?opacity=1&segments={segment.number}")
            inside = masks[..., segment.number - 1] > 0
            assert (series.render(alone).pixels[inside] == segment.rgb).all()
            seen += inside.sum()

    assert seen > 0


def test_the_structure_set_is_read_whole(real_data, tmp_path):
    path = real_data / "modalities/rtstruct.dcm"
    archive = archived(tmp_path, [path], [])
    made = pydicom.dcmread(path, force=True)

    segments = archive.labels(made.SeriesInstanceUID).segments

    assert [str(segment) for segment in segments] == ["1 patient", "2 Isocenter 1", "3 Isocenter 2"]
    assert [segment.rgb for segment in segments] == [(220, 160, 120), (255, 64, 255), (255, 64, 255)]


def test_the_structure_set_is_drawn_where_its_contours_lie(real_data, tmp_path):
    path = real_data / "modalities/rtstruct.dcm"
    made = pydicom.dcmread(path, force=True)
    sources = []
    for number, z in enumerate((-210, -200, -190), 1):
        one = image(np.zeros((100, 100), np.int16), number, WindowCenter=50, WindowWidth=100)
        one.FrameOfReferenceUID = made.ReferencedFrameOfReferenceSequence[0].FrameOfReferenceUID
        one.ImagePositionPatient, one.PixelSpacing, one.SliceThickness = [-248, -248, z], [5, 5], 10
        sources.append(one)
    archive = archived(tmp_path, [path], sources)
    volume = archive.series(sources[0].SeriesInstanceUID).volume()
    labels = [archive.labels(made.SeriesInstanceUID, segments=["patient"], opacity=1)]

    found = painted(
        filmless.render(volume, "acquired", index=1, labels=labels), filmless.render(volume, "acquired", index=1)
    )

    # The contour at z = -200 is the rectangle from (-200, -150) to (200, 150).
    x, y = (-248 + 5 * np.arange(100) for _ in "xy")
    assert np.array_equal(found, (np.abs(y) < 150)[:, np.newaxis] & (np.abs(x) < 200))
