"""An archive's folder: what lies where, who may write, and its format version."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..errors import ArchiveExists, Damaged, FilmlessError, NotFound
from .durable import flush, write_whole

ARCHIVE_FORMAT = 1
MANIFEST = "series.json"
"""In every generation's folder, and in no other."""
_FOLDERS = ("series", "quarantine")
_LEFTOVERS = (".new-", ".old-")
"""How the names of half-written and half-removed generations begin."""


@dataclass(frozen=True, slots=True)
class SeriesFolder:
    """What lies in the folder of one series."""

    uid: str
    folder: Path
    generations: tuple[int, ...]
    """Numbers of the published ones, ascending; none where the first is still being written."""
    leftovers: tuple[Path, ...]
    """What a writer is at, or a writer that died has left."""


class Home:
    """The folder of one archive."""

    def __init__(self, root: Path) -> None:
        """Open an archive's folder; raises `NotFound` where there is none."""
        self.root = root
        try:
            about = json.loads(self.description.read_bytes())
        except FileNotFoundError:
            raise NotFound(
                f"{root} is not a Filmless archive: name one with --archive, or make one by ingesting"
            ) from None
        except (OSError, ValueError) as problem:
            raise Damaged(f"{self.description}: cannot be read ({problem})") from problem
        if not isinstance(about, dict) or about.get("filmless_archive") != ARCHIVE_FORMAT:
            raise Damaged(f"{self.description}: this archive's format is not {ARCHIVE_FORMAT}; update Filmless")

    @classmethod
    def create(cls, root: Path) -> Home:
        """Open the archive at `root`, or make one where the folder is absent or empty."""
        if (root / "archive.json").exists():
            return cls(root)
        if root.exists() and not _is_empty_or_begun(root):
            raise ArchiveExists(f"{root} is not an archive and not an empty folder: choose another with --archive")
        made = [folder for folder in (root, *root.absolute().parents) if not folder.exists()]
        for name in _FOLDERS:
            (root / name).mkdir(parents=True, exist_ok=True)
        for folder in made:
            flush(folder.absolute().parent)
        write_whole(root / "archive.json", json.dumps({"filmless_archive": ARCHIVE_FORMAT, "codec": "open"}).encode())
        return cls(root)

    @property
    def description(self) -> Path:
        """The file with the format version and policy."""
        return self.root / "archive.json"

    @property
    def index(self) -> Path:
        """The SQLite index."""
        return self.root / "index.sqlite"

    @property
    def is_writable(self) -> bool:
        """Whether the archive can be changed: not where it is mounted read-only, or another's."""
        return os.access(self.root, os.W_OK)

    @property
    def quarantine(self) -> Path:
        """Where files that could not be taken in are kept."""
        return self.root / "quarantine"

    def series_folder(self, series_uid: str) -> Path:
        """The folder of a series' generations, below two digits of its UID's hash so that folders stay small."""
        return self.root / "series" / hashlib.sha256(series_uid.encode()).hexdigest()[:2] / series_uid

    def generation_folder(self, series_uid: str, generation: int) -> Path:
        """The folder of one generation."""
        return self.series_folder(series_uid) / str(generation)

    def survey(self) -> list[SeriesFolder]:
        """Give what lies in every series' folder, in order of UID, in one pass over the folders; no file is opened."""
        buckets = [entry for entry in _entries(self.root / "series") if len(entry.name) == 2]
        found = [_survey_series(entry) for bucket in buckets for entry in _entries(bucket.path)]
        return sorted((series for series in found if series is not None), key=lambda series: series.uid)

    def sweep(self, surveyed: Iterable[SeriesFolder]) -> None:
        """Remove what a writer that died left half-done; only while holding the write lock."""
        for series in surveyed:
            for leftover in series.leftovers:
                shutil.rmtree(leftover, ignore_errors=True)
        for part in self.parts():
            part.unlink(missing_ok=True)

    def parts(self) -> list[Path]:
        """Give files, outside the series, that a writer is at or a writer that died has left."""
        return [*self.quarantine.glob(".*.part"), *self.root.glob(f".{self.index.name}.*.part*")]

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the archive's write lock; raises at once where another process has it."""
        with (self.root / ".lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise FilmlessError(f"{self.root} is being written by another process: wait for it to end") from None
            yield


def _is_empty_or_begun(root: Path) -> bool:
    """Whether a folder is empty, or holds only what `create` makes before `archive.json` and was stopped amid."""
    if not root.is_dir():
        return False
    for entry in root.iterdir():
        is_part = entry.name.startswith(".archive.json.") and entry.name.endswith(".part")
        is_empty_folder = entry.name in _FOLDERS and entry.is_dir() and not any(entry.iterdir())
        if not (is_part or is_empty_folder):
            return False
    return True


def generation_numbers(series_folder: Path) -> list[int]:
    """Give the numbers of a series' published generations, ascending."""
    return _numbers(entry.name for entry in _entries(series_folder))


def _numbers(names: Iterable[str]) -> list[int]:
    return sorted(int(name) for name in names if name.isascii() and name.isdecimal())


def _entries(folder: str | Path) -> list[os.DirEntry[str]]:
    """Give what lies in a folder; nothing where it is none, or gone."""
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _survey_series(folder: os.DirEntry[str]) -> SeriesFolder | None:
    if not folder.is_dir():
        return None
    names = [entry.name for entry in _entries(folder.path)]
    leftovers = (Path(folder.path, name) for name in names if name.startswith(_LEFTOVERS))
    return SeriesFolder(folder.name, Path(folder.path), tuple(_numbers(names)), tuple(leftovers))
