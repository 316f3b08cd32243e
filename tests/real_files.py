"""The real DICOM files that tests take in: where each lies, what its manifest says, how it is unpacked."""

from __future__ import annotations

import csv
import lzma
import tarfile
from dataclasses import dataclass
from pathlib import Path

SINGLE_FILE_FOLDERS = ("transfer_syntaxes", "multiframe", "modalities")
"""Folders in which each file is a case of its own."""

VOLUMES = (
    "ct_chest_jpeg_lossless",
    "ct_gantry_tilt_variable_gap",
    "ct_head_phantom_1mm",
    "mr_4d_fmri_interleaved",
    "mr_t1_structural_384",
    "pet_whole_body",
)


@dataclass(frozen=True)
class RealFile:
    """One DICOM file as a modality or another archive wrote it."""

    name: str
    """As MANIFEST.csv has it: a path, with `archive!member` where the file comes packed."""
    path: Path
    """Where it lies unpacked."""


def expected_sums(real_data: Path) -> dict[str, str]:
    """SHA-256 of each file that MANIFEST.csv lists, by name."""
    with (real_data / "MANIFEST.csv").open(newline="") as file:
        return {row["path"]: row["sha256"] for row in csv.DictReader(file)}


def unpack_everything(real_data: Path, folder: Path) -> None:
    """Unpack every volume and every compressed single file below `folder`, under its own name."""
    for packed in sorted((real_data / "volumes").glob("*.tar.xz")):
        with tarfile.open(packed) as archive:
            archive.extractall(folder / "volumes", filter="data")
    for area in SINGLE_FILE_FOLDERS:
        for packed in sorted((real_data / area).rglob("*.xz")):
            target = folder / packed.relative_to(real_data).with_suffix("")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(lzma.decompress(packed.read_bytes()))


def single_files(real_data: Path, unpacked: Path) -> list[RealFile]:
    """Every file that is a case of its own, in order of name."""
    found = []
    for area in SINGLE_FILE_FOLDERS:
        for path in sorted((real_data / area).rglob("*")):
            name = str(path.relative_to(real_data))
            if path.suffix == ".xz":
                path = unpacked / Path(name).with_suffix("")
                name = f"{name}!{path.name}"
            if path.is_file():
                found.append(RealFile(name, path))
    return found


def volume_folder(real_data: Path, unpacked: Path, volume: str) -> Path:
    """The folder of one series of `volumes/`."""
    plain = real_data / "volumes" / volume
    return plain if plain.is_dir() else unpacked / "volumes" / volume


def volume_files(real_data: Path, unpacked: Path) -> list[RealFile]:
    """Every slice of every series of `volumes/`."""
    found = []
    for volume in VOLUMES:
        folder = volume_folder(real_data, unpacked, volume)
        is_packed = unpacked in folder.parents
        prefix = f"volumes/{volume}.tar.xz!{volume}" if is_packed else f"volumes/{volume}"
        found += [RealFile(f"{prefix}/{path.name}", path) for path in sorted(folder.glob("*.dcm"))]
    return found
