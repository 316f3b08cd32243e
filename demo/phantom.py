"""A synthetic hospital export: two studies of a patient, laid out as exports are, with the usual flaws."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset

from ..errors import InvalidArgument
from .dicomdir import Record, write_dicomdir
from .modules import PATIENT_ID, PATIENT_NAME, Study
from .scans import scan_trunk, trunk_grid
from .series import Series, abdomen_cine, chest_ct_thick, chest_film, head_ct, head_mr, trunk_ct, trunk_pet
from .writing import SeriesWriter, dataset

LEAST_SLICES = 8
LEAST_SIZE = 32
Progress = Callable[[int], None]

_README = """\
FILMLESS GENERAL HOSPITAL - IMAGES ON THIS MEDIUM

Patient: Phantom^Filmless (FILMLESS-0001). Synthetic: no person stands behind these images.

DICOMDIR lists the images; they lie below DICOM/. Any DICOM viewer opens them.
As on many such media, one image is here twice, and one was cut short when it was written.
"""


@dataclass(frozen=True, slots=True)
class _Extent:
    """How many images of which size each series gets, from what the trunk's CT gets."""

    slices: int
    size: int

    @property
    def edition(self) -> str:
        return f"{self.slices}x{self.size}"

    @property
    def head_ct_zyx(self) -> tuple[int, int, int]:
        return self._scaled(48), self._half_size, self._half_size

    @property
    def head_mr_zyx(self) -> tuple[int, int, int]:
        return self._scaled(96), self._half_size, self._half_size

    @property
    def pet_zyx(self) -> tuple[int, int, int]:
        side = max(self.size // 4, LEAST_SIZE)
        return self._scaled(80), side, side

    @property
    def cine(self) -> tuple[int, int]:
        """Frames and rows."""
        return max(self.slices // 16, 4), max(self.size * 3 // 4, 48)

    @property
    def file_count(self) -> int:
        planes = self.slices + max(self.slices // 4, 4) + self.head_ct_zyx[0] + self.head_mr_zyx[0] + self.pet_zyx[0]
        return planes + len(("film", "cine", "copy", "cut short", "DICOMDIR", "README"))

    @property
    def _half_size(self) -> int:
        return max(self.size // 2, LEAST_SIZE)

    def _scaled(self, at_160_slices: int) -> int:
        return max(self.slices * at_160_slices // 160, 4)


def write_phantom(folder: Path, *, slices: int = 160, size: int = 512, progress: Progress | None = None) -> list[Path]:
    """Write the export into `folder`, made if missing, and give the paths of all its files in writing order.

    The trunk's CT gets `slices` planes of `size` x `size` pixels; other series follow in proportion, and
    all show the same anatomy at any size. The same arguments give the same bytes. The last four paths are
    no good images: a copy of an image, an image cut short, DICOMDIR, README.TXT. `progress` is called
    with 1 after each file; `count_files` tells how many there will be. Raises `InvalidArgument` below 8
    slices or 32 pixels.
    """
    extent = _checked_extent(slices, size)
    report = progress or _ignore
    paths: list[Path] = []
    patient = Record(dataset(DirectoryRecordType="PATIENT", PatientName=PATIENT_NAME, PatientID=PATIENT_ID))
    for number, (study, all_series) in enumerate(_studies(extent)):
        below = Path("DICOM", "PA000000", f"ST{number:06d}")
        patient.below.append(_write_study(folder, below, study, all_series, paths, report))
    for path in (
        *_write_flaws(folder, extent),
        _write_directory(folder, patient, extent),
        _write_readme(folder),
    ):
        paths.append(path)
        report(1)
    return paths


def count_files(*, slices: int = 160, size: int = 512) -> int:
    """Give how many files `write_phantom` writes; raises `InvalidArgument` as it does."""
    return _checked_extent(slices, size).file_count


def write_ct_series(
    folder: Path, *, shape_zyx: tuple[int, int, int] = (40, 128, 128), tilt_deg: float = 0.0
) -> list[Path]:
    """Write one CT series of the trunk, native and Explicit VR, and give its files from head to feet.

    With `tilt_deg` the gantry is tilted: planes turn about x and are sheared along the table.
    """
    slices, rows, columns = shape_zyx
    study = Study(1, "CT of the trunk", "20240305", "091500", f"series {slices}x{rows}x{columns} {tilt_deg}")
    grid = trunk_grid(shape_zyx, tilt_deg=tilt_deg)
    series = trunk_ct(study, 1, grid, scan_trunk(grid))
    return [path for path, _ in _write_series(folder, series)]


def _checked_extent(slices: int, size: int) -> _Extent:
    if slices < LEAST_SLICES or size < LEAST_SIZE:
        raise InvalidArgument(f"{slices} slices of {size} pixels: at least {LEAST_SLICES} of {LEAST_SIZE}")
    return _Extent(slices, size)


def _ignore(_files: int) -> None:
    """Report to nobody."""


def _studies(extent: _Extent) -> Iterator[tuple[Study, Iterator[Series]]]:
    body = Study(1, "Chest/Abdomen CT, PET, film, ultrasound", "20240305", "091500", extent.edition)
    yield body, _body_series(body, extent)
    head = Study(2, "Head CT, MR", "20240612", "143000", extent.edition)
    yield head, _head_series(head, extent)


def _body_series(study: Study, extent: _Extent) -> Iterator[Series]:
    grid = trunk_grid((extent.slices, extent.size, extent.size))
    volume_hu = scan_trunk(grid)
    yield trunk_ct(study, 1, grid, volume_hu)
    yield chest_ct_thick(study, 2, grid, volume_hu)
    yield trunk_pet(study, 3, extent.pet_zyx)
    yield chest_film(study, 4, grid, volume_hu)
    yield abdomen_cine(study, 5, *extent.cine)


def _head_series(study: Study, extent: _Extent) -> Iterator[Series]:
    yield head_ct(study, 1, extent.head_ct_zyx)
    yield head_mr(study, 2, extent.head_mr_zyx)


def _write_study(
    folder: Path, below: Path, study: Study, all_series: Iterator[Series], paths: list[Path], report: Progress
) -> Record:
    """Write a study's series, append their files to `paths`, and give the study's directory record."""
    keys = dataset(
        DirectoryRecordType="STUDY",
        StudyDate=study.date,
        StudyTime=study.time,
        StudyDescription=study.description,
        StudyInstanceUID=study.uid("study"),
        StudyID=f"PH{study.number:02d}",
        AccessionNumber=f"FL2024{study.number:04d}",
    )
    record = Record(keys)
    for number, series in enumerate(all_series):
        record.below.append(_series_record(series))
        for path, own in _write_series(folder / below / f"SE{number:06d}", series):
            record.below[-1].below.append(_image_record(path.relative_to(folder), series, own))
            paths.append(path)
            report(1)
    return record


def _write_series(folder: Path, series: Series) -> Iterator[tuple[Path, Dataset]]:
    folder.mkdir(parents=True, exist_ok=True)
    writer = SeriesWriter(series.header, series.syntax)
    for index, (own, frames) in enumerate(series.images):
        path = folder / f"IM{index:06d}"
        writer.write(path, own, frames)
        yield path, own


def _series_record(series: Series) -> Record:
    header = series.header
    keys = dataset(
        DirectoryRecordType="SERIES",
        Modality=header.Modality,
        SeriesInstanceUID=header.SeriesInstanceUID,
        SeriesNumber=header.SeriesNumber,
        SeriesDescription=header.SeriesDescription,
    )
    return Record(keys)


def _image_record(path: Path, series: Series, own: Dataset) -> Record:
    keys = dataset(
        DirectoryRecordType="IMAGE",
        ReferencedFileID=list(path.parts),
        ReferencedSOPClassUIDInFile=series.header.SOPClassUID,
        ReferencedSOPInstanceUIDInFile=own.SOPInstanceUID,
        ReferencedTransferSyntaxUIDInFile=series.syntax,
        InstanceNumber=own.InstanceNumber,
    )
    return Record(keys)


def _write_flaws(folder: Path, extent: _Extent) -> Iterator[Path]:
    """Write a second copy of one image, and an image that ends amid its pixels."""
    first = folder / "DICOM" / "PA000000" / "ST000000" / "SE000000"
    copied = first / f"IM{extent.slices:06d}"
    shutil.copyfile(first / f"IM{extent.slices // 2:06d}", copied)
    yield copied
    whole = (first / f"IM{extent.slices - 1:06d}").read_bytes()
    cut = first / f"IM{extent.slices + 1:06d}"
    cut.write_bytes(whole[: len(whole) * 3 // 5])
    yield cut


def _write_directory(folder: Path, patient: Record, extent: _Extent) -> Path:
    path = folder / "DICOMDIR"
    write_dicomdir(path, [patient], "PHANTOM", Study(0, "", "", "", extent.edition).uid("directory"))
    return path


def _write_readme(folder: Path) -> Path:
    path = folder / "README.TXT"
    path.write_text(_README, encoding="ascii", newline="\r\n")
    return path
