"""What all tests on real data share: everything in one archive, each file in an archive of its own, and tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import filmless
import pydicom
import pytest
from real_files import (
    SINGLE_FILE_FOLDERS,
    VOLUMES,
    RealFile,
    expected_sums,
    single_files,
    unpack_everything,
    volume_files,
    volume_folder,
)

_TABLES = pytest.StashKey[dict[str, list[str]]]()


@dataclass(frozen=True)
class Taken:
    """One file, the archive it was given to, and what became of it."""

    file: RealFile
    archive: filmless.Archive
    report: filmless.IngestReport

    @property
    def series(self) -> filmless.Series:
        """The one series of the archive."""
        (row,) = self.archive.contents()
        return self.archive.series(row.series_uid)

    @property
    def is_stored(self) -> bool:
        return self.report.stored == 1

    @property
    def header(self) -> pydicom.Dataset:
        """The file as pydicom reads it, without pixels."""
        return pydicom.dcmread(self.file.path, force=True, stop_before_pixels=True)


@dataclass(frozen=True)
class Everything:
    """One archive that was given every file."""

    archive: filmless.Archive
    report: filmless.IngestReport
    given: list[Path]
    folders: dict[str, Path]
    """The folder of each series of `volumes/`."""

    def series(self, volume: str) -> filmless.Series:
        """The archived series of a folder of `volumes/`."""
        first = min(self.folders[volume].glob("*.dcm"))
        return self.archive.series(pydicom.dcmread(first, stop_before_pixels=True).SeriesInstanceUID)


@pytest.fixture(scope="session")
def unpacked(real_data, tmp_path_factory):
    """The folder in which all that comes compressed lies unpacked."""
    folder = tmp_path_factory.mktemp("unpacked")
    unpack_everything(real_data, folder)
    return folder


@pytest.fixture(scope="session")
def files(real_data, unpacked):
    """Every file that is a case of its own."""
    return single_files(real_data, unpacked)


@pytest.fixture(scope="session")
def slices(real_data, unpacked):
    """Every slice of every series of `volumes/`."""
    return volume_files(real_data, unpacked)


@pytest.fixture(scope="session")
def sums(real_data):
    """SHA-256 of each file by its name in MANIFEST.csv."""
    return expected_sums(real_data)


@pytest.fixture(scope="session")
def singles(files, tmp_path_factory):
    """Each file taken into a fresh archive of its own."""
    folder = tmp_path_factory.mktemp("singles")

    def take(number: int, file: RealFile) -> Taken:
        archive = filmless.open(folder / f"{number:03}")
        return Taken(file, archive, archive.ingest(file.path))

    return [take(number, file) for number, file in enumerate(files)]


@pytest.fixture(scope="session")
def everything(real_data, unpacked, tmp_path_factory):
    """All volumes and all single files in one archive."""
    folders = {volume: volume_folder(real_data, unpacked, volume) for volume in VOLUMES}
    given = [*folders.values(), *(real_data / area for area in SINGLE_FILE_FOLDERS)]
    given += [unpacked / area for area in SINGLE_FILE_FOLDERS if (unpacked / area).is_dir()]
    archive = filmless.open(tmp_path_factory.mktemp("everything") / "archive")
    return Everything(archive, archive.ingest(given), given, folders)


@pytest.fixture(scope="session")
def add_table(request) -> Callable[[str, list[str]], None]:
    """Have a table printed at the end of the run, whether tests pass or fail."""
    tables = request.config.stash.setdefault(_TABLES, {})
    return tables.__setitem__


def pytest_terminal_summary(terminalreporter, config):
    """Print what tests had to say of the real files."""
    for title, lines in config.stash.get(_TABLES, {}).items():
        terminalreporter.section(title)
        terminalreporter.write_line("\n".join(lines))
