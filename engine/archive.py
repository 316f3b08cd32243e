"""An archive: the public face of the engine."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..errors import Damaged
from ..storage.home import Home
from ..storage.index import Index, SeriesRow
from ..storage.published import Published
from ..storage.quarantine import SetAside, all_set_aside
from .ingest import Ingest
from .report import IngestReport, Progress, no_progress
from .series import Series


class Archive:
    """One archive folder; any number may be open, in any number of threads."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._index = Index(home)

    def __repr__(self) -> str:
        return f"<Archive {self.root}>"

    @property
    def root(self) -> Path:
        """The archive's folder."""
        return self._home.root

    def ingest(self, paths: str | Path | Iterable[str | Path], progress: Progress = no_progress) -> IngestReport:
        """Take in every DICOM file at or below `paths`.

        What cannot be taken in is set aside with its reason and never stops the rest; what the archive has already is
        not added again. When this returns all that the report calls stored is durable. Raises `NotFound` for a path
        that does not exist, and `FilmlessError` where another process is writing.
        """
        given = [paths] if isinstance(paths, str | Path) else paths
        return Ingest(self._home, self._index, progress).run(Path(path) for path in given)

    def contents(self) -> list[SeriesRow]:
        """Give every series, by patient, study date and series number; opens no file but the index."""
        return self._index.all_series()

    def series(self, name: str) -> Series:
        """Open a series by its UID, its short id, or a beginning of either that only one has; raises `NotFound`."""
        row = self._index.find_series(name)
        return Series(Published(self._home, row.series_uid, row.generation), row)

    def set_aside(self) -> list[SetAside]:
        """Give what is in quarantine, and why, oldest first."""
        return all_set_aside(self._home.quarantine)

    def verify(self, progress: Progress = no_progress) -> list[str]:
        """Re-read every series against its checksums, and index against files; give a line for each thing wrong."""
        rows = self.contents()
        damage = self._unlike_index(rows)
        done, total = 0, sum(row.received_bytes for row in rows)
        for row in rows:
            try:
                damage += self.series(row.series_uid).verify(_part(progress, done, total))
            except Damaged as problem:
                damage.append(f"series {row.series_uid}: {problem}")
            done += row.received_bytes
        return damage

    def _unlike_index(self, rows: list[SeriesRow]) -> list[str]:
        """Name series that only the files, or only the index, know."""
        published = dict(self._home.published())
        indexed = {row.series_uid: row.generation for row in rows}
        return [
            f"series {uid}: the index says generation {indexed.get(uid)}, the files {published.get(uid)}"
            for uid in sorted(published.keys() | indexed.keys())
            if published.get(uid) != indexed.get(uid)
        ]


def _part(progress: Progress, start: int, total: int) -> Progress:
    """Give what tells `progress` of a part of the work that begins at `start`."""
    return lambda stage, done, _total: progress(stage, start + done, total)


def open_archive(path: str | Path, *, create: bool = True) -> Archive:
    """Open the archive at `path`; make one where the folder is absent or empty, unless `create` is false.

    Raises `NotFound` where there is none, `ArchiveExists` where the folder holds something else, `Damaged` where the
    archive cannot be read.
    """
    root = Path(path)
    return Archive(Home.create(root) if create else Home(root))
