"""The folder of DICOM files that the archive is timed on, and what NumPy and pydicom alone make of it."""

from __future__ import annotations

import os
import tarfile
from dataclasses import dataclass
from pathlib import Path

import inputs
import numpy as np
import pydicom
from filmless.demo.phantom import write_ct_series
from numpy.typing import NDArray

REAL_SERIES = "ct_head_phantom_1mm"
MADE_SHAPE_ZYX = (160, 512, 512)
ALONG_Z = 2


@dataclass(frozen=True)
class CtFolder:
    """A folder of uncompressed CT slices, one file a slice, and the volume in it, from the feet up."""

    path: Path
    name: str
    series_uid: str
    stored: NDArray[np.int16]
    """(z, y, x) stored values."""
    intercept: float
    """Of the rescale to HU; its slope is 1."""
    spacing_mm_zyx: tuple[float, float, float]

    @property
    def job(self) -> str:
        """What is worked on, for the name of a job."""
        return f"{self.name}, {'x'.join(map(str, self.stored.shape))}"


def make_ct_folder(target: Path) -> CtFolder:
    """Unpack the real CT of a head where there is one, else write a made one, to `target`; give what is in it."""
    packed = _real_data() / "volumes" / f"{REAL_SERIES}.tar.xz"
    if packed.exists():
        with tarfile.open(packed) as archive:
            archive.extractall(target, filter="data")
        return _described(target / REAL_SERIES, "CT of a head")
    files = write_ct_series(target, shape_zyx=MADE_SHAPE_ZYX)
    return _described(files[0].parent, "made CT of a trunk")


def _real_data() -> Path:
    beside = Path(inputs.__file__).parents[2] / "shared" / "data"
    return Path(os.environ.get("FILMLESS_TEST_DATA") or beside)


def _described(path: Path, name: str) -> CtFolder:
    slices = [pydicom.dcmread(file) for file in path.iterdir()]
    slices.sort(key=lambda header: header.ImagePositionPatient[ALONG_Z])
    first, last = slices[0], slices[-1]
    assert first.RescaleSlope == 1
    height_mm = last.ImagePositionPatient[ALONG_Z] - first.ImagePositionPatient[ALONG_Z]
    row_mm, column_mm = first.PixelSpacing
    return CtFolder(
        path,
        name,
        str(first.SeriesInstanceUID),
        np.stack([header.pixel_array for header in slices]).astype(np.int16),
        float(first.RescaleIntercept),
        (float(height_mm) / (len(slices) - 1), float(row_mm), float(column_mm)),
    )
