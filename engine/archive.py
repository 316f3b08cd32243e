"""An archive: the public face of the engine."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..errors import Damaged, Superseded
from ..storage.home import Home
from ..storage.index import Index, SeriesRow, newest_readable
from ..storage.keys import Level
from ..storage.policy import Policy
from ..storage.published import Published
from ..storage.quarantine import SetAside, all_set_aside, find_damage
from ..storage.rows import INBOX, InstanceRow
from ..storage.store.series_folder import SeriesFolder
from .consolidation import Consolidated, Consolidation
from .ingest import Ingest
from .reception import Given, Receipt, Reception
from .recode import Recoded, recode
from .recovery import recover
from .report import IngestReport, Progress, no_progress
from .series import Series
from .stored_instance import ConsolidatedInstance, StoredInstance, WaitingInstance

_ATTEMPTS = 20
"""How often a series is opened anew where newer generations take its place meanwhile."""


class Archive:
    """One archive folder; any number may be open, in any number of threads."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._index = Index(home)
        self._reception = Reception(home, self._index)

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
        that does not exist. Receivers, and other processes that ingest or consolidate, may go on beside it.
        """
        given = [paths] if isinstance(paths, str | Path) else paths
        return Ingest(self._home, self._index, self._reception, progress).run(Path(path) for path in given)

    def receive(self, given: Given, source: str = "") -> Receipt:
        """Take in one instance: its bytes, a stream of them, or a file's path; `source` says whom it comes from.

        It is durable, and served, when this returns; any number of threads and processes may receive at once. Raises
        `FormatError` for what is no instance, which is in quarantine then, `OtherBytes` where policy refuses it,
        `NoRoom` where the disk is nearly full, and `OSError` where it fails.
        """
        return self._reception.receive(given, source)

    def consolidate(
        self, series: str | None = None, *, quiet_s: float | None = None, progress: Progress = no_progress
    ) -> list[Consolidated]:
        """Turn what waits in the inbox into proven generations: one series, or each that has been quiet for so long.

        `quiet_s` is the policy's unless given. One series that fails stops no other: see `Consolidated.problem`.
        """
        if series is not None:
            uids = [self._index.find_series(series).series_uid]
        else:
            self._reception.recover()
            uids = self._index.waiting_series(self.policy.quiet_s if quiet_s is None else quiet_s)
        return Consolidation(self._home, self._index, self._reception, progress).run(uids)

    def recode(self, series: str, codec: str, progress: Progress = no_progress) -> Recoded:
        """Move a series to another codec ("open" or "dense"), as a new generation that is proven before it counts.

        Raises `NotFound`, `InvalidArgument` for a codec that does not exist or a series that only waits in the inbox,
        `Damaged` where the series cannot be read, and `Unproven` where the new generation is not sound; the former
        stays then.
        """
        uid = self._index.find_series(series).series_uid
        return recode(self._home, self._index, uid, codec, progress)

    def recover(self) -> list[str]:
        """Finish, or take back, what processes that died left half-done; give what cannot be read.

        Ingest does it first of all, and consolidation for its series: nobody has to.
        """
        return recover(self._home, self._index, self._reception)

    @property
    def policy(self) -> Policy:
        """What the archive does where there is a choice."""
        return self._home.policy

    def set_policy(self, **settings: str) -> Policy:
        """Change some settings, each given as text; raises `InvalidArgument`."""
        return self._home.set_policy(settings)

    def instance(self, sop_instance_uid: str) -> StoredInstance:
        """Find one instance, whether it waits in the inbox or is consolidated; raises `NotFound`."""
        for _ in range(_ATTEMPTS):
            row = self._index.find_instance(sop_instance_uid)
            if row.place == INBOX:
                return self._waiting(row)
            series = self.series(row.series_uid)
            if series.row.generation == row.place:
                return ConsolidatedInstance(series, row)
        raise Superseded(f"instance {sop_instance_uid}: newer generations come faster than it can be opened")

    def _waiting(self, row: InstanceRow) -> WaitingInstance:
        return WaitingInstance(self._home, row, self.instance)

    def contents(self) -> list[SeriesRow]:
        """Give every series, by patient, study date and series number; opens no file but the index."""
        return self._index.all_series()

    def instances_of(self, series_uid: str) -> list[InstanceRow]:
        """Give every instance of a series, by number, then UID; opens no file but the index."""
        return self._index.instances_of(series_uid)

    def find(
        self,
        matching: Mapping[str, str | Sequence[str]],
        level: Level = "study",
        *,
        return_keys: Collection[str] | None = None,
        limit: int | None = None,
        offset: int = 0,
        fuzzy: bool = False,
        combined: bool = False,
    ) -> list[dict[str, str]]:
        """Give the patients, studies, series or instances that match query keys; opens no file but the index.

        Keys and their values are those of a DICOM query (PS3.4 C.2.2.2). See `storage.index.Index.search`.
        """
        return self._index.search(
            level, matching, return_keys=return_keys, limit=limit, offset=offset, fuzzy=fuzzy, combined=combined
        )

    def series(self, name: str) -> Series:
        """Open a series by its UID, its short id, or a beginning of either that only one has; raises `NotFound`."""
        for _ in range(_ATTEMPTS):
            row = self._index.find_series(name)
            # Between question and answer an ingest may have put a newer generation in this one's place.
            with suppress(Superseded):
                return self._opened(row)
        raise Superseded(f"series {name}: newer generations come faster than it can be opened; open it again later")

    def _opened(self, row: SeriesRow) -> Series:
        published = Published(self._home, row.series_uid, row.generation) if row.generation else None
        rows = self._index.instances_of(row.series_uid) if row.waiting else []
        waiting = [self._waiting(instance) for instance in rows if instance.place == INBOX]
        if published is None and not waiting:
            raise Superseded(f"series {row.series_uid} was consolidated; open it again")
        inbox = self._home.inbox_folder(row.series_uid)
        return Series(published, row, waiting, inbox, lambda sop_instance_uid: self.instance(sop_instance_uid).read())

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
        done, total = 0, sum(row.received_bytes + row.waiting_bytes for row in rows)
        damage = [line for unlisted in self.unlisted() for line in unlisted.damage]
        damage += self._beyond_files(rows)
        for row in rows:
            damage += self._verify_series(row, _part(progress, done, total))
            done += row.received_bytes + row.waiting_bytes
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
    if not series.is_consolidated:
        return []
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
