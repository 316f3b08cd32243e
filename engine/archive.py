"""An archive: the public face of the engine."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from ..errors import NotFound, Superseded
from ..storage.home import Home
from ..storage.index import Index, SeriesRow
from ..storage.keys import Level
from ..storage.policy import Policy
from ..storage.published import Published
from ..storage.quarantine import SetAside, all_set_aside
from ..storage.retention import Entry, Retention
from ..storage.rows import INBOX, InstanceRow
from .consolidation import Consolidated, Consolidation
from .ingest import Ingest
from .labels.draw import Labels, LabelSet
from .labels.reading import read_label_sets
from .reception import Given, Receipt, Reception
from .recode import Recoded, recode
from .recovery import recover
from .removal import Removal, Remover
from .render.label_choice import LabelChoice, Style
from .repair import Repair, Repaired
from .report import IngestReport, Progress, no_progress
from .series import Series
from .stored_instance import ConsolidatedInstance, StoredInstance, WaitingInstance
from .verification import ATTEMPTS, Unlisted, Verification, Verified, unfinished, unindexed_in_inbox

_KEPT_LABELS = 8
"""Series of labels whose headers stay read: the next picture finds them here."""


class Archive:
    """One archive folder; any number may be open, in any number of threads."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._index = Index(home)
        self._reception = Reception(home, self._index)
        self._retention = Retention(home.root)
        self._remover = Remover(home, self._index, self._reception, self._retention)
        self._verification = Verification(home, self._index, self._open_series)
        self._label_sets = lru_cache(_KEPT_LABELS)(self._read_label_sets)

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
        """Change some settings, each given as text; raises `InvalidArgument`.

        Another index is made from the files before it counts, or `FilmlessError` is raised where it cannot be reached;
        it is used by whoever opens the archive after that.
        """
        return _changed_policy(self._home, settings)

    def instance(self, sop_instance_uid: str) -> StoredInstance:
        """Find one instance, whether it waits in the inbox or is consolidated; raises `NotFound`."""
        for _ in range(ATTEMPTS):
            row = self._index.find_instance(sop_instance_uid)
            if row.sop_uid in self._retention.marks().deleted:
                raise NotFound(
                    f"instance {sop_instance_uid} is marked for deletion: `filmless undelete` brings it back"
                )
            if row.place == INBOX:
                return self._waiting(row)
            series = self._open_series(row.series_uid)
            if series.row.generation == row.place:
                return ConsolidatedInstance(series, row)
        raise Superseded(f"instance {sop_instance_uid}: newer generations come faster than it can be opened")

    def _waiting(self, row: InstanceRow) -> WaitingInstance:
        return WaitingInstance(self._home, row, self.instance)

    def contents(self, *, with_deleted: bool = False) -> list[SeriesRow]:
        """Give every series, by patient, study date and series number; opens no file but the index.

        Those of which all instances are marked for deletion are left out, unless they are asked for.
        """
        rows = self._index.all_series()
        hidden = set() if with_deleted else self._hidden()
        return [row for row in rows if row.series_uid not in hidden]

    def _hidden(self) -> set[str]:
        """Give the series of which all instances are marked."""
        deleted = self._retention.marks().deleted
        touched = {uid for uid, _ in self._index.known_instances(deleted).values()} if deleted else set()
        return {uid for uid in touched if all(row.sop_uid in deleted for row in self._index.instances_of(uid))}

    def instances_of(self, series_uid: str, *, with_deleted: bool = False) -> list[InstanceRow]:
        """Give every instance of a series, by number, then UID; opens no file but the index.

        Those that are marked for deletion are left out, unless they are asked for.
        """
        deleted = {} if with_deleted else self._retention.marks().deleted
        return [row for row in self._index.instances_of(series_uid) if row.sop_uid not in deleted]

    def delete(self, level: Level, name: str, *, who: str, why: str, is_dry: bool = False) -> list[Removal]:
        """Mark a patient (by ID), study, series or instance for deletion: it is hidden, and removed by `purge`.

        Raises `NotFound`, and `Protected` where its study is held. A dry run tells what would be marked.
        """
        return self._remover.delete(level, name, who, why, is_dry=is_dry)

    def undelete(self, level: Level, name: str, *, who: str, why: str) -> list[Removal]:
        """Take the mark away again; raises `NotFound` where there is none."""
        return self._remover.undelete(level, name, who, why)

    def purge(self, *, who: str, grace_s: float | None = None, is_dry: bool = False) -> list[Removal]:
        """Remove for good what was marked before the grace (the policy's, unless given) began.

        A dry run tells what would go. Nothing of a protected study goes.
        """
        return self._remover.purge(who, self.policy.grace_s if grace_s is None else grace_s, is_dry=is_dry)

    def protect(self, study_uid: str, *, who: str, why: str) -> None:
        """Hold a study: nothing of it is deleted or purged until `unprotect`. Raises `NotFound`."""
        self._remover.protect(study_uid, who, why, is_held=True)

    def unprotect(self, study_uid: str, *, who: str, why: str) -> None:
        """Hold a study no longer; raises `NotFound` where it is not held."""
        self._remover.protect(study_uid, who, why, is_held=False)

    def retention(self) -> list[Entry]:
        """Give every deletion, purge and protection, oldest first: by whom, when and why."""
        return self._retention.entries()

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
        if not self._retention.marks().deleted:
            return self._index.search(
                level, matching, return_keys=return_keys, limit=limit, offset=offset, fuzzy=fuzzy, combined=combined
            )
        answers = self._index.search(level, matching, return_keys=return_keys, fuzzy=fuzzy, combined=combined)
        hidden, key = self._hidden_at(level), _UNIQUE[level]
        shown = [answer for answer in answers if answer[key] not in hidden]
        return shown[offset : None if limit is None else offset + limit]

    def _hidden_at(self, level: Level) -> set[str]:
        """Give the unique keys of what is hidden at a level: of which everything is marked for deletion."""
        if level == "instance":
            return set(self._retention.marks().deleted)
        hidden = self._hidden()
        if level == "series":
            return hidden
        of = {row.series_uid: _name_of(row, level) for row in self._index.all_series()}
        return {of[uid] for uid in hidden if uid in of} - {name for uid, name in of.items() if uid not in hidden}

    def series(self, name: str) -> Series:
        """Open a series by its UID, its short id, or a beginning of either that only one has; raises `NotFound`."""
        series = self._open_series(name)
        if self._retention.marks().deleted and series.uid in self._hidden():
            raise NotFound(f"series {series.uid} is marked for deletion: `filmless undelete` brings it back")
        return series

    def _open_series(self, name: str) -> Series:
        for _ in range(ATTEMPTS):
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
        return Series(
            published, row, waiting, inbox, lambda uid: self.instance(uid).read(), lambda choice: self._chosen(choice)
        )

    def labels(
        self,
        series: str,
        *,
        segments: Sequence[int | str] = (),
        opacity: float | None = None,
        style: Style = "filled",
    ) -> Labels:
        """Give the segmentations (SEG) or RT structure sets of a series, to be drawn over pictures.

        `segments` are numbers or names, all of them unless given; `opacity` is 0 to 1, by default 0.4, or 1 where the
        style is "outline". Raises `NotFound`, `InvalidArgument`; what the instances hold is read when it is drawn.
        """
        return self._chosen(LabelChoice(series, tuple(segments), opacity, style))

    def _chosen(self, choice: LabelChoice) -> Labels:
        uid = self.series(choice.series).uid
        content = tuple(sorted((row.sop_uid, row.sha256) for row in self.instances_of(uid)))
        identity = hashlib.sha256(repr(content).encode()).hexdigest()
        return Labels(replace(choice, series=uid), identity, lambda: self._label_sets(uid, content))

    def _read_label_sets(self, series_uid: str, content: tuple[tuple[str, str], ...]) -> tuple[LabelSet, ...]:
        return read_label_sets(series_uid, (self.instance(sop_uid) for sop_uid, _ in content))

    def set_aside(self) -> list[SetAside]:
        """Give what is in quarantine, and why, oldest first; notes that cannot be read are left to `verify`."""
        return all_set_aside(self._home.quarantine)

    def verify(self, progress: Progress = no_progress, series: str | None = None) -> list[str]:
        """Re-read every series, or one, against its checksums, and compare files, index and quarantine.

        Gives a line for each thing that is wrong; an empty list is a proof. What a stopped ingest has left, and the
        next one puts in order, is no damage: see `unfinished`.
        """
        if series is not None:
            return self._verification.verify_series(self._index.find_series(series), progress)
        return self._verification.run(progress).damage

    def verify_for(self, seconds: float | None = None, progress: Progress = no_progress) -> Verified:
        """Verify for so many seconds, those series first that were verified longest ago; None for all of them.

        What was found well is remembered: the next time goes on where this one stopped.
        """
        return self._verification.run(progress, seconds)

    def repair(
        self,
        series: str | None = None,
        *,
        is_dry: bool = False,
        replacements: Iterable[str | Path] = (),
        progress: Progress = no_progress,
    ) -> list[Repaired]:
        """Put right what `verify` finds wrong, in all series or one; give what was done, or would be in a dry run.

        Lost bytes are looked for in other generations, inbox and quarantine, and in files at or below `replacements`.
        What cannot be mended goes to quarantine as it is; nothing that may be the last copy is deleted.
        """
        uid = None if series is None else self._index.find_series(series).series_uid
        repair = Repair(
            self._home,
            self._index,
            self._reception,
            self._verification,
            progress,
            is_dry=is_dry,
            is_dropped=self._retention.marks().purged.__contains__,
        )
        return repair.run(uid, [Path(path) for path in replacements])

    def reindex(self) -> None:
        """Make the index anew from the files alone: its answers are the same as before."""
        self._index.rebuild()
        self._reception.recover()

    def unlisted(self) -> list[Unlisted]:
        """Give the series of which the files hold a newer generation than the index; opens no file of the others."""
        return self._verification.unlisted(self._index.all_series(), self._home.survey())

    def unfinished(self) -> list[str]:
        """Give a line for each thing that a writer is at, or one that was stopped has left; none of it is damage."""
        sound = [unlisted.uid for unlisted in self.unlisted() if unlisted.is_sound]
        received = unindexed_in_inbox(self._home, self._index)
        return unfinished(self._home, sound) + [f"{path}: received, and not indexed yet" for path in received]


_UNIQUE = {
    "patient": "PatientID",
    "study": "StudyInstanceUID",
    "series": "SeriesInstanceUID",
    "instance": "SOPInstanceUID",
}


def _name_of(row: SeriesRow, level: Level) -> str:
    return row.study_uid if level == "study" else row.attributes.get("PatientID", "")


def policy_of(path: str | Path, **settings: str) -> Policy:
    """Give an archive's policy, after changing `settings` as `Archive.set_policy` does; its index is not asked.

    So an archive whose index cannot be reached any more can be told of another.
    """
    home = Home(Path(path))
    return _changed_policy(home, settings) if settings else home.policy


def _changed_policy(home: Home, settings: Mapping[str, str]) -> Policy:
    new = home.policy.changed(settings)
    if new.index != home.policy.index:
        index = Index(home, new.index)
        index.rebuild()  # what a former use of it has left is of no use
        index.close()
    return home.set_policy(settings)


def open_archive(path: str | Path, *, create: bool = True, series_url: str = "") -> Archive:
    """Open the archive at `path`; make one where the folder is absent or empty, unless `create` is false.

    A new archive keeps its series in its own folder, or in the object store at `series_url`, such as
    `s3://bucket/prefix?endpoint=http://127.0.0.1:9000`; index, quarantine and what is being written stay local.
    Raises `NotFound` where there is none, `ArchiveExists` where the folder holds something else, `Damaged` where the
    archive cannot be read, `InvalidArgument` for a URL that is none or not this archive's.
    """
    root = Path(path)
    return Archive(Home.create(root, series_url) if create else Home(root))
