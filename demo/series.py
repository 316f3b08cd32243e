"""The export's series: for each modality its header, its transfer syntax and its images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels.encoders import RLELosslessEncoder
from pydicom.uid import (
    UID,
    ComputedRadiographyImageStorage,
    CTImageStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    MRImageStorage,
    PositronEmissionTomographyImageStorage,
    RLELossless,
    UltrasoundMultiFrameImageStorage,
)

from .acquisition import project, radiograph
from .modules import (
    INJECTED_BQ,
    PATIENT_WEIGHT_KG,
    SeriesHead,
    Study,
    decimal,
    grey_pixels,
    image_plane,
    instance,
    plane_position,
    radiopharmaceutical,
    series_header,
)
from .scans import (
    HEAD_TILT_DEG,
    PADDING_HU,
    head_ct_grid,
    head_mr_grid,
    image_head,
    image_uptake,
    scan_head,
    trunk_grid,
)
from .shapes import FloatArray, Grid
from .ultrasound import pixel_spacing_mm, ultrasound_cine
from .writing import dataset

Image = tuple[Dataset, list[bytes]]
"""What one instance has of its own, and its frames as they go into the file."""
StoredImage = NDArray[np.uint16] | NDArray[np.int16]
_CT_OFFSET_HU = 1024


@dataclass(frozen=True, slots=True)
class Series:
    """One series, ready to be written: images are made as they are asked for."""

    header: Dataset
    syntax: UID
    images: Iterator[Image]


def trunk_ct(study: Study, number: int, grid: Grid, volume_hu: FloatArray) -> Series:
    """Give CT of chest and abdomen, 12 bits in 16 unsigned, native; instance 1 is nearest the head."""
    head = SeriesHead(
        number,
        "CT",
        CTImageStorage,
        "Chest/Abdomen 1.5 B30f",
        "CHEST",
        ("ORIGINAL", "PRIMARY", "AXIAL"),
        "trunk",
    )
    header = _ct_header(study, head, grid, "B30f")
    header.update(grey_pixels(*grid.shape_zyx[1:], bits_stored=12))
    header.update(dataset(RescaleIntercept=str(-_CT_OFFSET_HU), GantryDetectorTilt=decimal(_tilt_deg(grid))))
    return Series(header, ExplicitVRLittleEndian, _trunk_images(study, number, grid, volume_hu))


def _trunk_images(study: Study, number: int, grid: Grid, volume_hu: FloatArray) -> Iterator[Image]:
    for count, index in enumerate(reversed(range(len(volume_hu))), start=1):
        own = instance(study, number, count)
        own.update(plane_position(grid, index))
        yield own, [_ct_stored(volume_hu[index]).tobytes()]


def chest_ct_thick(study: Study, number: int, grid: Grid, volume_hu: FloatArray) -> Series:
    """Give the chest in planes twice as thick, each the mean of two thin ones, RLE Lossless."""
    count = max(len(volume_hu) // 4, 4)
    low = len(volume_hu) - 2 * count
    thick_mm = 2 * grid.steps[0][2]
    lowest = grid.position(low + 0.5)
    thick = Grid(lowest, ((0.0, 0.0, thick_mm), *grid.steps[1:]), (count, *grid.shape_zyx[1:]))
    head = SeriesHead(
        number,
        "CT",
        CTImageStorage,
        "Chest 3.0 B20f",
        "CHEST",
        ("DERIVED", "PRIMARY", "AXIAL", "MEAN"),
        "trunk",
    )
    header = _ct_header(study, head, thick, "B20f")
    header.update(grey_pixels(*grid.shape_zyx[1:], bits_stored=12))
    header.update(dataset(RescaleIntercept=str(-_CT_OFFSET_HU), GantryDetectorTilt="0"))
    pairs = (volume_hu[low + 2 * index : low + 2 * index + 2].mean(axis=0) for index in range(count))
    return Series(header, RLELossless, _rle_images(study, number, thick, pairs))


def _rle_images(study: Study, number: int, grid: Grid, planes: Iterator[FloatArray]) -> Iterator[Image]:
    layout = {
        "rows": grid.shape_zyx[1], "columns": grid.shape_zyx[2], "samples_per_pixel": 1, "bits_allocated": 16,
        "bits_stored": 12, "pixel_representation": 0, "photometric_interpretation": "MONOCHROME2",
        "number_of_frames": 1,
    }  # fmt: skip
    for index, plane in enumerate(planes):
        own = instance(study, number, index + 1)
        own.update(plane_position(grid, index))
        yield own, [RLELosslessEncoder.encode(_ct_stored(plane), encoding_plugin="pylibjpeg", **layout)]


def head_ct(study: Study, number: int, shape_zyx: tuple[int, int, int]) -> Series:
    """Give CT of the head, tilted gantry, 16 bits signed, Implicit VR, padded outside the round field."""
    grid = head_ct_grid(shape_zyx)
    head = SeriesHead(number, "CT", CTImageStorage, "Head 2.5 H31s", "HEAD", ("ORIGINAL", "PRIMARY", "AXIAL"), "head")
    header = _ct_header(study, head, grid, "H31s")
    header.update(grey_pixels(*grid.shape_zyx[1:], bits_stored=16, is_signed=True))
    header.update(dataset(RescaleIntercept="0", GantryDetectorTilt=decimal(HEAD_TILT_DEG)))
    header.PixelPaddingValue = int(PADDING_HU)
    header.WindowCenter, header.WindowWidth = ["35", "500"], ["80", "2500"]
    header.WindowCenterWidthExplanation = ["BRAIN", "BONE"]
    return Series(header, ImplicitVRLittleEndian, _head_images(study, number, grid))


def _head_images(study: Study, number: int, grid: Grid) -> Iterator[Image]:
    for index, plane in enumerate(scan_head(grid)):
        own = instance(study, number, index + 1)
        own.update(plane_position(grid, index))
        yield own, [np.clip(np.rint(plane), PADDING_HU, 32767).astype("<i2").tobytes()]


def head_mr(study: Study, number: int, shape_zyx: tuple[int, int, int]) -> Series:
    """Give T1-weighted MR of the head, oblique, 12 bits, JPEG 2000 Lossless."""
    grid = head_mr_grid(shape_zyx)
    head = SeriesHead(number, "MR", MRImageStorage, "T1 3D obl sag", "HEAD", ("ORIGINAL", "PRIMARY", "M", "ND"), "mr")
    header = series_header(study, head)
    header.update(image_plane(grid))
    header.update(grey_pixels(*shape_zyx[1:], bits_stored=12))
    header.update(
        dataset(
            ScanningSequence=["GR", "IR"],
            SequenceVariant=["SP", "MP"],
            ScanOptions="",
            MRAcquisitionType="3D",
            RepetitionTime="1900",
            EchoTime="2.6",
            InversionTime="900",
            FlipAngle="9",
            EchoTrainLength="1",
            EchoNumbers="1",
            MagneticFieldStrength="3",
            ImagingFrequency="123.2",
            ImagedNucleus="1H",
            NumberOfAverages="1",
            SpacingBetweenSlices=header.SliceThickness,
            WindowCenter="420",
            WindowWidth="840",
        )
    )
    return Series(header, JPEG2000Lossless, _mr_images(study, number, grid))


def _mr_images(study: Study, number: int, grid: Grid) -> Iterator[Image]:
    for index, plane in enumerate(image_head(grid)):
        own = instance(study, number, index + 1)
        own.update(plane_position(grid, index))
        stored = np.clip(np.rint(plane), 0, 4095).astype(np.uint16)
        yield own, [encode_jpeg_2000(stored, 12)]


def encode_jpeg_2000(stored: StoredImage, bits_stored: int) -> bytes:
    """Give the reversible JPEG 2000 codestream of a grey frame (rows, columns), with the levels that fit."""
    levels = int(np.clip(np.log2(min(stored.shape)) - 3, 1, 5))
    return bytes(
        imagecodecs.jpeg2k_encode(
            stored, level=0, codecformat="j2k", bitspersample=bits_stored, reversible=True, resolutions=levels
        )
    )


def trunk_pet(study: Study, number: int, shape_zyx: tuple[int, int, int]) -> Series:
    """Give FDG-PET of the trunk in becquerels per millilitre, each slice with a rescale slope of its own."""
    grid = trunk_grid(shape_zyx, field_mm=512.0)
    head = SeriesHead(
        number,
        "PT",
        PositronEmissionTomographyImageStorage,
        "PET WB AC",
        "CHEST",
        ("ORIGINAL", "PRIMARY"),
        "trunk",
    )
    header = series_header(study, head)
    header.update(image_plane(grid))
    header.update(grey_pixels(*shape_zyx[1:], bits_stored=16, is_signed=True))
    header.update(
        dataset(
            Units="BQML",
            CountsSource="EMISSION",
            SeriesType=["STATIC", "IMAGE"],
            ReprojectionMethod="",
            NumberOfSlices=shape_zyx[0],
            CollimatorType="NONE",
            CorrectedImage=["DECY", "ATTN", "SCAT", "DTIM", "RAN", "NORM"],
            DecayCorrection="START",
            AttenuationCorrectionMethod="measured, CT",
            ReconstructionMethod="OSEM 3i24s",
            RandomsCorrectionMethod="DLYD",
            ScatterCorrectionMethod="model based",
            RadiopharmaceuticalInformationSequence=[radiopharmaceutical()],
            FrameReferenceTime="0",
            ActualFrameDuration="120000",
            RescaleIntercept="0",
            RescaleType="BQML",
        )
    )
    return Series(header, ExplicitVRLittleEndian, _pet_images(study, number, grid))


def _pet_images(study: Study, number: int, grid: Grid) -> Iterator[Image]:
    becquerels_per_uptake = INJECTED_BQ / (PATIENT_WEIGHT_KG * 1000)
    for index, plane in enumerate(image_uptake(grid) * becquerels_per_uptake):
        slope = decimal(max(float(plane.max()), 1.0) / 32767)
        own = instance(study, number, index + 1)
        own.update(plane_position(grid, index))
        own.update(dataset(RescaleSlope=slope, ImageIndex=index + 1, AcquisitionTime="093000.00"))
        own.update(
            dataset(
                WindowCenter=decimal(5 * becquerels_per_uptake),
                WindowWidth=decimal(10 * becquerels_per_uptake),
            )
        )
        yield own, [np.clip(np.rint(plane / float(slope)), 0, 32767).astype("<i2").tobytes()]


def chest_film(study: Study, number: int, grid: Grid, volume_hu: FloatArray) -> Series:
    """Give a computed radiograph, 12 bits MONOCHROME1: the CT projected from front to back."""
    slices, _, columns = grid.shape_zyx
    spacing = (grid.steps[0][2], grid.steps[1][1], grid.steps[2][0])
    pixel_mm = spacing[2] / 2
    shape = (round(slices * spacing[0] / pixel_mm), 2 * columns)
    stored = radiograph(project(volume_hu, spacing, shape), np.random.default_rng(5))
    low, high = (float(value) for value in np.percentile(stored, (2, 96)))
    head = SeriesHead(number, "CR", ComputedRadiographyImageStorage, "Chest a.p.", "CHEST", ("ORIGINAL", "PRIMARY"))
    header = series_header(study, head)
    header.update(grey_pixels(*shape, bits_stored=12, photometric="MONOCHROME1"))
    header.update(
        dataset(
            ViewPosition="AP",
            PatientOrientation=["L", "F"],
            ImagerPixelSpacing=[decimal(pixel_mm)] * 2,
            PixelSpacing=[decimal(pixel_mm)] * 2,
            KVP="90",
            PlateType="CSI",
            RescaleIntercept="0",
            RescaleSlope="1",
            RescaleType="US",
            WindowCenter=decimal((low + high) / 2),
            WindowWidth=decimal(high - low),
            BurnedInAnnotation="NO",
        )
    )
    images: Sequence[Image] = [(instance(study, number, 1), [stored.tobytes()])]
    return Series(header, ExplicitVRLittleEndian, iter(images))


def abdomen_cine(study: Study, number: int, frames: int, rows: int) -> Series:
    """Give an ultrasound cine in RGB, one multi-frame instance."""
    cine = ultrasound_cine(frames, rows, rows * 4 // 3)
    head = SeriesHead(
        number,
        "US",
        UltrasoundMultiFrameImageStorage,
        "Liver/Kidney Doppler",
        "ABDOMEN",
        ("ORIGINAL", "PRIMARY", "ABDOMINAL"),
    )
    header = series_header(study, head)
    header.update(
        dataset(
            SamplesPerPixel=3,
            PhotometricInterpretation="RGB",
            PlanarConfiguration=0,
            Rows=cine.shape[1],
            Columns=cine.shape[2],
            BitsAllocated=8,
            BitsStored=8,
            HighBit=7,
            PixelRepresentation=0,
            NumberOfFrames=frames,
            FrameTime="80",
            FrameIncrementPointer=0x00181063,
            LossyImageCompression="00",
            BurnedInAnnotation="NO",
            SequenceOfUltrasoundRegions=[_sector_region(cine.shape[1], cine.shape[2])],
        )
    )
    return Series(header, ExplicitVRLittleEndian, iter([(instance(study, number, 1), [cine.tobytes()])]))


def _sector_region(rows: int, columns: int) -> Dataset:
    """Give the calibration of the sector, in centimetres a pixel (PS3.3 C.8.5.5)."""
    centimetres = pixel_spacing_mm(rows) / 10
    return dataset(
        RegionSpatialFormat=1,
        RegionDataType=1,
        RegionFlags=2,
        RegionLocationMinX0=0,
        RegionLocationMinY0=0,
        RegionLocationMaxX1=columns - 1,
        RegionLocationMaxY1=rows - 1,
        PhysicalUnitsXDirection=3,
        PhysicalUnitsYDirection=3,
        PhysicalDeltaX=centimetres,
        PhysicalDeltaY=centimetres,
    )


def _ct_header(study: Study, head: SeriesHead, grid: Grid, filter_name: str) -> Dataset:
    header = series_header(study, head)
    header.update(image_plane(grid))
    header.update(
        dataset(
            KVP="120",
            XRayTubeCurrent="180",
            ExposureTime="500",
            Exposure="90",
            FilterType="WEDGE",
            ConvolutionKernel=filter_name,
            DataCollectionDiameter="500",
            ReconstructionDiameter=decimal(grid.shape_zyx[2] * float(np.linalg.norm(grid.steps[2]))),
            RescaleSlope="1",
            RescaleType="HU",
            WindowCenter=["40", "-550"],
            WindowWidth=["400", "1500"],
            WindowCenterWidthExplanation=["SOFT TISSUE", "LUNG"],
        )
    )
    return header


def _tilt_deg(grid: Grid) -> float:
    _, y, z = grid.steps[1]
    return float(np.rad2deg(np.arctan2(z, y)))


def _ct_stored(plane_hu: FloatArray) -> NDArray[np.uint16]:
    stored: NDArray[np.uint16] = np.clip(np.rint(plane_hu + np.float32(_CT_OFFSET_HU)), 0, 4095).astype("<u2")
    return stored
