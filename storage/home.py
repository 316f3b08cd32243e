"""An archive's folder: what lies where, who may write, and its format version."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import ArchiveExists, Damaged, FilmlessError, InvalidArgument, NotFound
from .durable import flush, write_whole
from .store.place import Place
from .store.series_folder import SeriesFolder, series_path
from .store.store import Store, open_store

ARCHIVE_FORMAT = 1
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
        self.series_url: str = about.get("series", "")
        """Where series lie: "" for the folder `series/`, or the URL of an object store."""
        self.store: Store = open_store(root / "series", self.series_url)

    @classmethod
    def create(cls, root: Path, series_url: str = "") -> Home:
        """Open the archive at `root`, or make one where the folder is absent or empty.

        `series_url` says where a new archive keeps its series: "" for its own folder, or an object store. Raises
        `InvalidArgument` where an archive is there already that keeps them elsewhere.
        """
        if (root / "archive.json").exists():
            home = cls(root)
            if series_url and series_url != home.series_url:
                held = home.series_url or "its own folder"
                raise InvalidArgument(f"{root} keeps its series in {held}: leave the URL out, or make a new archive")
            return home
        open_store(root / "series", series_url)  # a URL that is none makes no archive
        if root.exists() and not _is_empty_or_begun(root):
            raise ArchiveExists(f"{root} is not an archive and not an empty folder: choose another with --archive")
        made = [folder for folder in (root, *root.absolute().parents) if not folder.exists()]
        for name in _FOLDERS:
            (root / name).mkdir(parents=True, exist_ok=True)
        for folder in made:
            flush(folder.absolute().parent)
        about = {"filmless_archive": ARCHIVE_FORMAT, "codec": "open"} | ({"series": series_url} if series_url else {})
        write_whole(root / "archive.json", json.dumps(about).encode())
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
        """The local folder in which a series' generations are written; published ones may lie elsewhere."""
        return self.root / "series" / series_path(series_uid)

    def generation_folder(self, series_uid: str, generation: int) -> Place:
        """The folder of one published generation."""
        return self.store.series(series_uid) / str(generation)

    def survey(self) -> list[SeriesFolder]:
        """Give what lies in every series' folder, in order of UID; no file is opened."""
        return self.store.survey()

    def sweep(self, surveyed: Iterable[SeriesFolder]) -> None:
        """Remove what a writer that died left half-done; only while holding the write lock."""
        for series in surveyed:
            for leftover in series.leftovers:
                self.store.discard(leftover)
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
