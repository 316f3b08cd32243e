"""An archive's folder: what lies where, who may write, and its format version."""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import ArchiveExists, Damaged, FilmlessError, NotFound
from .durable import write_whole

ARCHIVE_FORMAT = 1
MANIFEST = "series.json"
"""In every generation's folder, and in no other."""
_FOLDERS = ("series", "quarantine")


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
        for folder in _FOLDERS:
            (root / folder).mkdir(parents=True, exist_ok=True)
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
    def quarantine(self) -> Path:
        """Where files that could not be taken in are kept."""
        return self.root / "quarantine"

    def series_folder(self, series_uid: str) -> Path:
        """The folder of a series' generations, below two digits of its UID's hash so that folders stay small."""
        return self.root / "series" / hashlib.sha256(series_uid.encode()).hexdigest()[:2] / series_uid

    def generation_folder(self, series_uid: str, generation: int) -> Path:
        """The folder of one generation."""
        return self.series_folder(series_uid) / str(generation)

    def published(self) -> Iterator[tuple[str, int]]:
        """Give (series UID, newest generation) of every series whose files are there, index or not."""
        for folder in sorted((self.root / "series").glob("??/*")):
            generations = generation_numbers(folder)
            if generations:
                yield folder.name, generations[-1]

    def superseding(self) -> Iterator[tuple[str, int]]:
        """Give (series UID, newest generation) where a former generation is still there beside it."""
        for folder in sorted((self.root / "series").glob("??/*")):
            generations = generation_numbers(folder)
            if len(generations) > 1:
                yield folder.name, generations[-1]

    def sweep(self) -> None:
        """Remove what a writer that died left half-done; only while holding the write lock."""
        for pattern in (".new-*", ".old-*"):
            for folder in (self.root / "series").glob(f"??/*/{pattern}"):
                shutil.rmtree(folder, ignore_errors=True)
        for part in self.quarantine.glob(".*.part"):
            part.unlink(missing_ok=True)

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
    if not series_folder.is_dir():
        return []
    return sorted(int(entry.name) for entry in series_folder.iterdir() if entry.name.isdecimal())
