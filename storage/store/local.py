"""`series/` in a folder of this machine: a generation appears by one rename (invariant A4)."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Collection
from pathlib import Path

from ..durable import flush, flush_tree, write_whole
from ..fail import reached
from ..lease import unleased
from .place import Place
from .series_folder import MANIFEST, SeriesFolder, generation_numbers_among, series_path

_LEFTOVERS = (".new-", ".old-")
"""How the names of half-written and half-removed generations begin."""


class LocalStore:
    """The folder `series/` of an archive."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def series(self, series_uid: str) -> Path:
        """Give the folder of a series' generations."""
        return self._root / series_path(series_uid)

    def next_number(self, series_uid: str) -> int:
        """Give a number that no generation has."""
        return max(generation_numbers(self.series(series_uid)), default=0) + 1

    def publish(self, written: Path, series_uid: str, number: int) -> None:
        """Wait until the folder `written` is on the disk, then let it appear as a generation."""
        folder = self.series(series_uid)
        flush_tree(written)
        reached("generation: flushed")
        written.rename(folder / str(number))
        reached("generation: named")
        for parent in (folder, *list(folder.parents)[:2]):
            flush(parent)
        reached("generation: published")

    def remove(self, series_uid: str, numbers: Collection[int]) -> None:
        """Remove generations of a series, but for such as somebody reads."""
        folder = self.series(series_uid)
        for number in generation_numbers(folder):
            if number in numbers:
                _remove_unleased(folder, number)

    def restore(self, series_uid: str, number: int, manifest: bytes) -> None:
        """Put a generation's manifest in the place of a damaged or missing one."""
        write_whole(self.series(series_uid) / str(number) / MANIFEST, manifest)

    def discard(self, leftover: Path) -> None:
        """Remove what a writer that died has left."""
        shutil.rmtree(leftover, ignore_errors=True)

    def survey_series(self, series_uid: str) -> SeriesFolder | None:
        """Give what lies in one series' folder, None where there is none."""
        found = [entry for entry in _entries(self.series(series_uid).parent) if entry.name == series_uid]
        return _survey_series(found[0]) if found else None

    def survey(self) -> list[SeriesFolder]:
        """Give what lies in every series' folder, in order of UID, in one pass over the folders; no file is opened."""
        buckets = [entry for entry in _entries(self._root) if len(entry.name) == 2]
        found = [_survey_series(entry) for bucket in buckets for entry in _entries(bucket.path)]
        return sorted((series for series in found if series is not None), key=lambda series: series.uid)


def _remove_unleased(folder: Path, number: int) -> None:
    manifest = folder / str(number) / MANIFEST
    with unleased(manifest) as is_unread:
        if is_unread or not manifest.exists():
            # Out of sight in one step, so that a half-removed generation is never taken for one.
            hidden = folder / f".old-{number}-{secrets.token_hex(4)}"
            (folder / str(number)).rename(hidden)
            reached("generation: former hidden")
            shutil.rmtree(hidden, ignore_errors=True)
            reached("generation: former removed")


def generation_numbers(series_folder: Path) -> list[int]:
    """Give the numbers of a series' published generations, ascending."""
    return generation_numbers_among(entry.name for entry in _entries(series_folder))


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
    leftovers: tuple[Place, ...] = tuple(Path(folder.path, name) for name in names if name.startswith(_LEFTOVERS))
    return SeriesFolder(folder.name, Path(folder.path), tuple(generation_numbers_among(names)), leftovers)
