"""Verification of an archive: every byte re-read, and files, inbox, index and quarantine compared.

It changes nothing; `repair` does. With a time budget the series that were verified longest ago come first, and what
was found well is remembered, so that the next run goes on where this one stopped.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from ..errors import Damaged, NotFound, Superseded
from ..storage import inbox, verified
from ..storage.foreign import foreign_files
from ..storage.home import Home
from ..storage.index import Index, SeriesRow, newest_readable, short_id
from ..storage.manifest import InstanceRecord, Manifest
from ..storage.quarantine import find_damage as find_damage_in_quarantine
from ..storage.rows import INBOX, InboxRow, InstanceRow
from ..storage.store.series_folder import SeriesFolder
from .report import Progress
from .series import Series

ATTEMPTS = 20
"""How often a series is opened anew where newer generations take its place meanwhile."""
_REMEMBERED_EVERY_S = 10.0
_REINDEX = "run `filmless reindex`"


@dataclass(slots=True)
class Verified:
    """What a verification came to."""

    damage: list[str] = field(default_factory=list)
    """A line for each thing that is wrong."""
    series: list[SeriesRow] = field(default_factory=list)
    """Those that were re-read."""
    dropped: int = 0
    """Instances of which the stored values were compared with their proof, as their codestreams were dropped."""
    left: int = 0
    """How many series were not looked at, as the time was over."""

    @property
    def received_bytes(self) -> int:
        """Of the files of all instances that were checked."""
        return sum(row.received_bytes + row.waiting_bytes for row in self.series)


@dataclass(frozen=True, slots=True)
class Unlisted:
    """A series of which the files hold a newer generation than the index, or any at all."""

    uid: str
    is_sound: bool
    """Whether the newest generation can be read: then it is just not indexed yet."""
    damage: list[str]
    """A line for each generation that cannot be read."""


class Verification:
    """Verifies one archive; `opened` opens a series by its UID."""

    def __init__(self, home: Home, index: Index, opened: Callable[[str], Series]) -> None:
        self._home, self._index, self._opened = home, index, opened
        self._found: dict[str, verified.Verified] = {}
        self.dropped = 0
        """Instances met so far whose codestreams were dropped."""

    def run(self, progress: Progress, seconds: float | None = None) -> Verified:
        """Verify the archive, for so many seconds if they are given: then at least one series."""
        started = time.monotonic()
        remembered_at = started
        rows = self._by_age(self._index.all_series())
        result, self.dropped = Verified(self.beyond_series(rows)), 0
        total = sum(row.received_bytes + row.waiting_bytes for row in rows)
        for number, row in enumerate(rows):
            if number and seconds is not None and time.monotonic() - started >= seconds:
                result.left = len(rows) - number
                break
            result.damage += self.verify_series(row, _part(progress, result.received_bytes, total))
            result.series.append(row)
            if time.monotonic() - remembered_at >= _REMEMBERED_EVERY_S:
                self._remember()
                remembered_at = time.monotonic()
        self._remember()
        result.dropped = self.dropped
        return result

    def _by_age(self, rows: list[SeriesRow]) -> list[SeriesRow]:
        """Sort what was verified longest ago to the front; what never was, in this generation, comes first."""
        held = verified.read(self._home.root)

        def age(row: SeriesRow) -> str:
            generation, at = held.get(row.series_uid, (0, ""))
            return at if generation == row.generation and not row.waiting else ""

        return sorted(rows, key=age)

    def _remember(self) -> None:
        if self._found and self._home.is_writable:
            verified.remember(self._home.root, self._found)
        self._found = {}

    def beyond_series(self, rows: Sequence[SeriesRow]) -> list[str]:
        """Name what is wrong anywhere but in a series that can be opened; reads the quarantine, and no series."""
        surveyed = self._home.survey()
        damage = unsound_index(self._home)
        damage += [line for series in self.unlisted(rows, surveyed) for line in series.damage]
        newest = {series.uid: max(series.generations, default=0) for series in surveyed}
        told = "series {}: the index says generation {}, the files {}"
        pairs = ((row, newest.get(row.series_uid, 0)) for row in rows)
        damage += [told.format(row.series_uid, row.generation, held) for row, held in pairs if held < row.generation]
        damage += [f"{path}: does not belong to the archive" for path in foreign_files(self._home)]
        return damage + find_damage_in_quarantine(self._home.quarantine)

    def unlisted(self, rows: Sequence[SeriesRow], surveyed: Sequence[SeriesFolder]) -> list[Unlisted]:
        """Give the series of which the files hold a newer generation than the index; opens no file of the others."""
        listed = {row.series_uid: row.generation for row in rows}
        held = (series for series in surveyed if series.generations)
        return [_unlisted(series) for series in held if listed.get(series.uid, 0) < series.generations[-1]]

    def verify_series(self, row: SeriesRow, progress: Progress) -> list[str]:
        """Re-read one series, and compare it with the index; give a line for each thing that is wrong."""
        for _ in range(ATTEMPTS):
            try:
                series = self._opened(row.series_uid)
                damage = [*self.unlike_index(series.row, series.manifest if series.is_consolidated else None)]
                damage += series.verify(progress)
                self.dropped += len(series.dropped)
            except Superseded:
                continue  # a newer generation came while this one was read
            except NotFound:
                is_listed = any(other.series_uid == row.series_uid for other in self._index.all_series())
                told = f"series {row.series_uid}: the index lists it, and does not find it; {_REINDEX}"
                return [told] if is_listed else []  # else it was purged meanwhile
            except Damaged as problem:
                damage = [f"series {row.series_uid}: {problem}"]
            if not damage:
                now = datetime.now(UTC).isoformat(timespec="seconds")
                self._found[row.series_uid] = row.generation, now
            return damage
        return [f"series {row.series_uid}: newer generations come faster than one can be read; verify it later"]

    def unlike_index(self, row: SeriesRow, manifest: Manifest | None) -> list[str]:
        """Name what the index says of a series otherwise than its files; raises `Superseded` where that has changed."""
        damage = self.unlike_rows(row, manifest)
        if damage and self._home.is_writable:  # a replacement, or a generation, may be on its way: it holds this lock
            with self._home.series_lock(row.series_uid):
                if (self._index.generation_of(row.series_uid) or 0) != row.generation:
                    raise Superseded(f"series {row.series_uid} has a newer generation")
                damage = self.unlike_rows(row, manifest)
        return damage

    def unlike_rows(self, row: SeriesRow, manifest: Manifest | None) -> list[str]:
        """Name what the index says of a series otherwise than its files; only while nobody else writes it."""
        rows = self._index.instances_of(row.series_uid)
        damage = _unlike_manifest(row, rows, manifest) if manifest is not None else _unlike_waiting(row, rows)
        if self._contradicts_itself(row):
            damage.append(f"series {row.series_uid}: the index does not agree with itself; {_REINDEX}")
        waiting = [instance for instance in rows if instance.place == INBOX and self._is_unlike_facts(instance)]
        told = "the index does not say what its file in the inbox does"
        return damage + [f"instance {instance.sop_uid}: {told}; {_REINDEX}" for instance in waiting]

    def _contradicts_itself(self, row: SeriesRow) -> bool:
        """Whether what the index says of a series is not what it says of its instances, at one moment."""
        if row.short_id != short_id(row.series_uid):
            return True
        for _ in range(ATTEMPTS):
            before = self._index.find_series(row.series_uid)
            waiting = sum(instance.place == INBOX for instance in self._index.instances_of(row.series_uid))
            if before.waiting == waiting:
                return False
            if before == self._index.find_series(row.series_uid):
                return True
        return False  # instances come faster than they can be counted

    def _is_unlike_facts(self, row: InstanceRow) -> bool:
        path = inbox.instance_path(self._home, row.series_uid, row.sop_uid)
        facts = inbox.read_facts(path)
        return path.exists() and (facts is None or not _is_told_by(row, facts))


def _is_told_by(row: InstanceRow, facts: InboxRow) -> bool:
    own = {name: getattr(facts, name) for name in InboxRow.__slots__ if name != "attributes"}
    same = all(getattr(row, name) == value for name, value in own.items())
    return same and all(row.attributes.get(name) == value for name, value in facts.attributes.items())


def _unlike_manifest(row: SeriesRow, rows: Sequence[InstanceRow], manifest: Manifest) -> list[str]:
    told = f"the index does not say what the manifest does; {_REINDEX}"
    facts = {instance.sop_uid: instance for instance in rows}
    listed = {instance.sop_uid for instance in rows if instance.place != INBOX}
    records = {record.sop_instance_uid: record for record in manifest.instances}
    unlike = sorted(listed - records.keys())
    for uid, record in records.items():
        held = facts.get(uid)
        is_replaced = held is not None and held.place == INBOX
        if held is None or (not is_replaced and not _is_recorded(held, record, manifest)):
            unlike.append(uid)
    frames, summaries = (
        sum(len(stack.frames) for stack in manifest.stacks),
        [s.meaning["summary"] for s in manifest.stacks],
    )
    said = (row.instances, row.study_uid, row.frames, row.received_bytes, row.stacks)
    true = (len(records), manifest.study_instance_uid, frames, manifest.received_bytes, summaries)
    is_told = all(row.attributes.get(name) == value for name, value in manifest.attributes.items())
    lines = [] if said == true and is_told else [f"series {row.series_uid}: {told}"]
    return lines + [f"instance {uid}: {told}" for uid in unlike]


def _unlike_waiting(row: SeriesRow, rows: Sequence[InstanceRow]) -> list[str]:
    """Name a series that says of itself what none of its waiting instances does, and instances in no generation."""
    own = {*row.attributes.items(), ("StudyInstanceUID", row.study_uid)}
    is_said = any(own <= {*i.attributes.items(), ("StudyInstanceUID", i.study_uid)} for i in rows)
    damage = [f"instance {i.sop_uid}: only the index knows it, in {i.place}" for i in rows if i.place != INBOX]
    return damage if is_said else [*damage, f"series {row.series_uid}: none of its instances says so; {_REINDEX}"]


def _is_recorded(row: InstanceRow, record: InstanceRecord, manifest: Manifest) -> bool:
    attributes = manifest.attributes | record.attributes
    if any(row.attributes.get(name) != value for name, value in attributes.items()):
        return False
    return (
        row.study_uid, row.sop_class_uid, row.transfer_syntax_uid, row.instance_number, row.sha256, row.size_bytes,
        row.received_at, row.source,
    ) == (
        manifest.study_instance_uid, record.sop_class_uid, record.transfer_syntax_uid, record.instance_number,
        record.sha256, record.size_bytes, record.received_at, record.received_from,
    )  # fmt: skip


def unsound_index(home: Home) -> list[str]:
    """Say what SQLite finds wrong in the index' own structure; nothing where the index is elsewhere."""
    path = home.index
    if home.policy.index or not path.exists() or not home.is_writable:
        return []
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)) as connection:
            found = [line for (line,) in connection.execute("PRAGMA integrity_check(3)")]
    except sqlite3.Error as problem:
        found = [str(problem)]
    return [] if found == ["ok"] else [f"{path}: {'; '.join(found)}; {_REINDEX}"]


def _unlisted(series: SeriesFolder) -> Unlisted:
    _, damage = newest_readable(series)
    return Unlisted(series.uid, not damage, damage)


def _part(progress: Progress, start: int, total: int) -> Progress:
    """Give what tells `progress` of a part of the work that begins at `start`."""
    return lambda stage, done, _total: progress(stage, start + done, total)


def unfinished(home: Home, sound: Sequence[str]) -> list[str]:
    """Give a line for each thing that a writer is at, or one that was stopped has left; none of it is damage.

    `sound` are the series that are whole and just not indexed.
    """
    missed = [f"series {uid}: not indexed yet: the next ingest does it" for uid in sound]
    surveyed = home.survey()
    formers = [
        f"{series.folder / str(former)}: generation {former} is still beside {series.generations[-1]}"
        for series in surveyed
        for former in series.generations[:-1]
    ]
    leftovers = [leftover for series in surveyed for leftover in series.leftovers]
    return missed + formers + [f"{path}: half-written or half-removed" for path in [*leftovers, *home.parts()]]


def unindexed_in_inbox(home: Home, index: Index) -> list[Path]:
    """Give the files in the inbox that the index does not know: being received now, or left by who died amid."""
    found: list[Path] = []
    for uid in inbox.series_uids(home):
        paths = inbox.instances(home, uid)
        known = {row.sop_uid for row in index.instances_of(uid)}
        found += [path for path in paths if path.stem not in known and path.exists()]
    return found
