"""Frame tables for tests: made by hand, or read from the headers of real series by pydicom alone."""

from __future__ import annotations

import tarfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pydicom
from filmless.engine.instance import FrameTable

NAN = float("nan")
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def frame_table(
    positions: Sequence[Sequence[float]],
    *,
    orientation=AXIAL,
    spacing=(0.5, 0.5),
    thickness=1.0,
    times=None,
    stack_ids=None,
) -> FrameTable:
    """A table of frames at `positions`; orientation and spacing are one for all, or one a frame."""
    count = len(positions)
    return FrameTable(
        position_mm=np.asarray(positions, dtype=float).reshape(count, 3),
        orientation=np.array(np.broadcast_to(np.asarray(orientation, dtype=float), (count, 6))),
        spacing_mm=np.array(np.broadcast_to(np.asarray(spacing, dtype=float), (count, 2))),
        thickness_mm=np.full(count, thickness),
        rescale=np.tile([1.0, 0.0], (count, 1)),
        window=np.full((count, 2), NAN),
        time_key=np.arange(count, dtype=float) if times is None else np.asarray(times, dtype=float),
        stack_id=("",) * count if stack_ids is None else tuple(stack_ids),
    )


def table_of(datasets: Sequence[pydicom.Dataset]) -> FrameTable:
    """The frame table of single-frame data sets."""
    count = len(datasets)

    def column(keyword: str, width: int) -> np.ndarray:
        return np.array([np.asarray(d.get(keyword) or [NAN] * width, dtype=float) for d in datasets])

    return FrameTable(
        position_mm=column("ImagePositionPatient", 3),
        orientation=column("ImageOrientationPatient", 6),
        spacing_mm=column("PixelSpacing", 2),
        thickness_mm=column("SliceThickness", 1).reshape(count),
        rescale=np.array([[float(d.get("RescaleSlope", 1)), float(d.get("RescaleIntercept", 0))] for d in datasets]),
        window=np.full((count, 2), NAN),
        time_key=np.array([float(d.get("InstanceNumber") or 0) for d in datasets]),
        stack_id=("",) * count,
    )


def unpack(real_data: Path, name: str, folder: Path) -> list[Path]:
    """Unpack a series of `volumes/` into `folder`; its files, in the order of their names."""
    source = real_data / "volumes" / name
    if not source.is_dir():
        with tarfile.open(source.with_name(f"{name}.tar.xz")) as archive:
            archive.extractall(folder, filter="data")
        source = folder / name
    return sorted(source.rglob("*.dcm"))


def read(paths: Sequence[Path], *, pixels: bool = True) -> list[pydicom.Dataset]:
    """Read files by pydicom."""
    return [pydicom.dcmread(path, stop_before_pixels=not pixels) for path in paths]
