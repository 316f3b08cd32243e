"""An archive: the public face of the engine."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..errors import Damaged, Superseded
from ..storage.home import Home
from ..storage.index import Index, SeriesRow, newest_readable
from ..storage.published import Published
from ..storage.quarantine import SetAside, all_set_aside, find_damage
from ..storage.store.series_folder import SeriesFolder
from .ingest import Ingest
from .report import IngestReport, Progress, no_progress
from .series import Series

_ATTEMPTS = 20
"""How often a series is opened anew where newer generations take its place meanwhile."""


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
        for _ in range(_ATTEMPTS):
            row = self._index.find_series(name)
            # Between question and answer an ingest may have put a newer generation in this one's place.
            with suppress(Superseded):
                return Series(Published(self._home, row.series_uid, row.generation), row)
        raise Superseded(f"series {name}: newer generations come faster than it can be opened; open it again later")

    def set_aside(self) -> list[SetAside]:
        """Give what is in quarantine, and why, oldest first; notes that cannot be read are left to `verify`."""
        return all_set_aside(self._home.quarantine)

    def unlisted(self) -> list[Unlisted]:
        """Give the series of which the files hold a newer generation than the index; opens no file of the others."""
        listed = {row.series_uid: row.generation for row in self.contents()}
        held = (series for series in self._home.survey() if series.generations)
        return [_unlisted(series) for series in held if listed.get(series.uid, 0) < series.generations[-1]]

    def verify(self, progress: Progress = no_progress, series: str | None = None) -> list[str]:
        """Re-read every series, or one, against its checksums, and compare files, index and quarantine.

        Gives a line for each thing that is wrong; an empty list is a proof. What a stopped ingest has left, and the
        next one puts in order, is no damage: see `unfinished`.
        """
        if series is not None:
            return self._verify_series(self._index.find_series(series), progress)
        rows = self.contents()
        done, total = 0, sum(row.received_bytes for row in rows)
        damage = [line for unlisted in self.unlisted() for line in unlisted.damage]
        damage += self._beyond_files(rows)
        for row in rows:
            damage += self._verify_series(row, _part(progress, done, total))
            done += row.received_bytes
        return damage + find_damage(self._home.quarantine)

    def _beyond_files(self, rows: list[SeriesRow]) -> list[str]:
        """Name series of which only the index knows the generation that it says is current."""
        newest = {series.uid: max(series.generations, default=0) for series in self._home.survey()}
        told = "series {}: the index says generation {}, the files {}"
        pairs = ((row, newest.get(row.series_uid, 0)) for row in rows)
        return [told.format(row.series_uid, row.generation, held) for row, held in pairs if held < row.generation]

    def _verify_series(self, row: SeriesRow, progress: Progress) -> list[str]:
        for _ in range(_ATTEMPTS):
            try:
                series = self.series(row.series_uid)
                return [*_unlike_index(series), *series.verify(progress)]
            except Superseded:
                continue  # a newer generation came while this one was read
            except Damaged as problem:
                return [f"series {row.series_uid}: {problem}"]
        return [f"series {row.series_uid}: newer generations come faster than one can be read; verify it later"]

    def unfinished(self) -> list[str]:
        """Give a line for each thing that an ingest is at, or one that was stopped has left; none of it is damage."""
        sound = [unlisted.uid for unlisted in self.unlisted() if unlisted.is_sound]
        missed = [f"series {uid}: not indexed yet: the next ingest does it" for uid in sound]
        surveyed = self._home.survey()
        formers = [
            f"{series.folder / str(former)}: generation {former} is still beside {series.generations[-1]}"
            for series in surveyed
            for former in series.generations[:-1]
        ]
        leftovers = [leftover for series in surveyed for leftover in series.leftovers]
        parts = [f"{path}: half-written or half-removed" for path in [*leftovers, *self._home.parts()]]
        return missed + formers + parts


@dataclass(frozen=True, slots=True)
class Unlisted:
    """A series of which the files hold a newer generation than the index, or any at all."""

    uid: str
    is_sound: bool
    """Whether the newest generation can be read: then it is just not indexed yet."""
    damage: list[str]
    """A line for each generation that cannot be read."""


def _unlisted(series: SeriesFolder) -> Unlisted:
    _, damage = newest_readable(series)
    return Unlisted(series.uid, not damage, damage)


def _unlike_index(series: Series) -> list[str]:
    """Name what the index says of a series otherwise than its manifest."""
    row, manifest = series.row, series.manifest
    said = (row.instances, row.study_uid)
    true = (len(manifest.instances), manifest.study_instance_uid)
    if said == true:
        return []
    told = "the index says {} instances of study {}, the manifest {} of {}; delete index.sqlite: it is made anew"
    return [f"series {series.uid}: " + told.format(*said, *true)]


def _part(progress: Progress, start: int, total: int) -> Progress:
    """Give what tells `progress` of a part of the work that begins at `start`."""
    return lambda stage, done, _total: progress(stage, start + done, total)


def open_archive(path: str | Path, *, create: bool = True, series_url: str = "") -> Archive:
    """Open the archive at `path`; make one where the folder is absent or empty, unless `create` is false.

    A new archive keeps its series in its own folder, or in the object store at `series_url`, such as
    `s3://bucket/prefix?endpoint=http://127.0.0.1:9000`; index, quarantine and what is being written stay local.
    Raises `NotFound` where there is none, `ArchiveExists` where the folder holds something else, `Damaged` where the
    archive cannot be read, `InvalidArgument` for a URL that is none or not this archive's.
    """
    root = Path(path)
    return Archive(Home.create(root, series_url) if create else Home(root))
