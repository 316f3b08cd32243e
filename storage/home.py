"""An archive's folder: what lies where, who may write, and its format version."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from ..errors import ArchiveExists, Damaged, InvalidArgument, NotFound
from .durable import flush, remove_abandoned, write_whole
from .lease import locked, unleased
from .policy import Policy
from .store.place import Place
from .store.series_folder import SeriesFolder, series_path
from .store.store import Store, open_store

ARCHIVE_FORMAT = 2
"""Format 1 had no inbox and no policy but the codec: it is read as 2, and becomes 2 when an instance is received."""
INDEX_LOCK = ".index.lock"
"""Held by whoever writes the index."""
_FORMAT_KEY = "filmless_archive"
_FOLDERS = ("series", "inbox", "quarantine")


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
        if not isinstance(about, dict) or about.get(_FORMAT_KEY) not in (1, ARCHIVE_FORMAT):
            raise Damaged(f"{self.description}: this archive's format is not {ARCHIVE_FORMAT}; update Filmless")
        self._format: int = about.pop(_FORMAT_KEY)
        try:
            self.policy = Policy.from_json(about)
        except InvalidArgument as problem:
            raise Damaged(f"{self.description}: {problem}") from problem
        self.series_url = self.policy.series
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
        write_whole(root / "archive.json", _described(Policy(series=series_url)))
        return cls(root)

    def set_policy(self, settings: Mapping[str, str]) -> Policy:
        """Change some settings, given as text; raises `InvalidArgument`. Whoever opens the archive next has them."""
        with locked(self.root / ".policy.lock"):
            self.policy = Home(self.root).policy.changed(settings)
            write_whole(self.description, _described(self.policy))
            self._format = ARCHIVE_FORMAT
        return self.policy

    def make_inbox(self) -> None:
        """Make the inbox of an archive of format 1: from here on older software must not write it."""
        if self._format < ARCHIVE_FORMAT:
            self.inbox.mkdir(exist_ok=True)
            flush(self.root)
            self.set_policy({})

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

    def missing_bytes(self, wanted: int) -> int:
        """Give how many bytes of room the disk lacks for `wanted` more; 0 where there is enough."""
        return max(0, wanted - shutil.disk_usage(self.root).free)

    @property
    def inbox(self) -> Path:
        """Where instances lie between reception and consolidation."""
        return self.root / "inbox"

    @property
    def quarantine(self) -> Path:
        """Where files that could not be taken in are kept."""
        return self.root / "quarantine"

    def series_folder(self, series_uid: str) -> Path:
        """The local folder in which a series' generations are written; published ones may lie elsewhere."""
        return self.root / "series" / series_path(series_uid)

    def inbox_folder(self, series_uid: str) -> Path:
        """The folder of a series' instances that are not consolidated."""
        return self.inbox / series_path(series_uid)

    def generation_folder(self, series_uid: str, generation: int) -> Place:
        """The folder of one published generation."""
        return self.store.series(series_uid) / str(generation)

    def survey(self) -> list[SeriesFolder]:
        """Give what lies in every series' folder, in order of UID; no file is opened."""
        return self.store.survey()

    def survey_series(self, series_uid: str) -> SeriesFolder | None:
        """Give what lies in one series' folder, None where there is none."""
        return self.store.survey_series(series_uid)

    def discard_leftovers(self, series: SeriesFolder) -> None:
        """Remove what a writer of this series that died left half-done; only while holding the series' lock."""
        for leftover in series.leftovers:
            self.store.discard(leftover)

    def sweep(self, surveyed: Iterable[SeriesFolder]) -> None:
        """Remove what a writer that died left half-done; what a writer is at stays."""
        for series in surveyed:
            if series.leftovers:
                with self.series_lock(series.uid, waits=False) as is_held:
                    if is_held:
                        self.discard_leftovers(series)
        for part in self._parts_of_files():
            remove_abandoned(part)
        parts_of_index = self._parts_of_index()
        with unleased(self.root / INDEX_LOCK) as is_held:
            for part in parts_of_index if is_held else ():
                part.unlink(missing_ok=True)

    def parts(self) -> list[Path]:
        """Give files, outside the series, that a writer is at or a writer that died has left."""
        return [*self._parts_of_files(), *self._parts_of_index()]

    def _parts_of_files(self) -> list[Path]:
        return [path for folder in (self.quarantine, self.inbox) for path in folder.glob(".*.part")]

    def _parts_of_index(self) -> list[Path]:
        return [*self.root.glob(f".{self.index.name}.*.part*")]

    def series_lock(self, series_uid: str, *, waits: bool = True) -> AbstractContextManager[bool]:
        """Hold the lock of whoever writes generations of a series; without `waits`, tell whether it is held."""
        return locked(self.root / ".locks" / series_uid, waits=waits)


def _described(policy: Policy) -> bytes:
    return json.dumps({_FORMAT_KEY: ARCHIVE_FORMAT} | policy.to_json(), indent=1).encode()


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
