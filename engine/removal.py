"""Deletion in two steps: `delete` marks instances, which hides them; `purge` removes them when the grace is over.

Who, why and when is written down before anything is done. An instance that is received again while it is marked is
not deleted any more: it was acknowledged anew. One that was purged is received as if it had never been there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import get_args

from ..errors import FilmlessError, InvalidArgument, NotFound, Protected
from ..storage import inbox
from ..storage.fail import reached
from ..storage.generation import remove_generations
from ..storage.home import Home
from ..storage.index import Index
from ..storage.keys import Level
from ..storage.published import Published
from ..storage.retention import Act, Entry, Retention
from ..storage.rows import InstanceRow
from .consolidate import consolidate
from .members import all_members
from .reception import Reception

LEVELS: tuple[Level, ...] = get_args(Level)


@dataclass(frozen=True, slots=True)
class Removal:
    """Instances of one series that are marked, or were removed, or would be in a dry run."""

    series_instance_uid: str
    study_instance_uid: str
    instances: tuple[str, ...]
    size_bytes: int
    """Of their files as received."""
    problem: str = ""
    """Why they could not be removed; nothing of the series was then."""


class Remover:
    """Marks and removes instances of one archive."""

    def __init__(self, home: Home, index: Index, reception: Reception, retention: Retention) -> None:
        self._home, self._index, self._reception, self._retention = home, index, reception, retention

    def delete(self, level: Level, name: str, who: str, why: str, *, is_dry: bool) -> list[Removal]:
        """Mark what a name stands for; raises `NotFound`, and `Protected` where its study is held."""
        rows = [row for row in self._rows(level, name) if row.sop_uid not in self._retention.marks().deleted]
        if not rows:
            raise NotFound(f"nothing of {level} {name} is there, or all of it is marked already")
        if held := sorted({row.study_uid for row in rows} & self._retention.marks().protected.keys()):
            entry = self._retention.marks().protected[held[0]]
            raise Protected(f"study {held[0]} is protected by {entry.who} ({entry.why}): unprotect it first")
        if not is_dry:
            self._note("delete", who, why, f"{level} {name}", rows)
        return _by_series(rows)

    def undelete(self, level: Level, name: str, who: str, why: str) -> list[Removal]:
        """Take the mark away from what a name stands for; raises `NotFound` where none of it has one."""
        rows = [row for row in self._rows(level, name) if row.sop_uid in self._retention.marks().deleted]
        if not rows:
            raise NotFound(f"nothing of {level} {name} is marked: what was purged cannot come back")
        self._note("undelete", who, why, f"{level} {name}", rows)
        return _by_series(rows)

    def protect(self, study_uid: str, who: str, why: str, *, is_held: bool) -> None:
        """Hold a study, or no longer: nothing of a held one is deleted or purged. Raises `NotFound`."""
        act: Act = "protect" if is_held else "unprotect"
        if is_held:
            self._rows("study", study_uid)
        elif study_uid not in self._retention.marks().protected:
            raise NotFound(f"study {study_uid} is not protected")
        self._retention.add(Entry(act, _now(), who, why, f"study {study_uid}", (study_uid,)))

    def purge(self, who: str, grace_s: float, *, is_dry: bool) -> list[Removal]:
        """Remove what was marked at least so long ago, but of protected studies; a series that fails stops no other."""
        marks = self._retention.marks()
        until = (datetime.now(UTC) - timedelta(seconds=grace_s)).isoformat(timespec="microseconds")
        due = {uid for uid, entry in marks.deleted.items() if entry.at <= until} | marks.purged
        rows = [row for row in self._held(due) if row.study_uid not in marks.protected]
        removals = _by_series(rows)
        return removals if is_dry else [self._purge_series(removal, who, due) for removal in removals]

    def _purge_series(self, removal: Removal, who: str, due: set[str]) -> Removal:
        uid = removal.series_instance_uid
        try:
            with self._home.series_lock(uid):
                # What was received again meanwhile is marked no more.
                marks = self._retention.marks()
                rows = [row for row in self._index.instances_of(uid) if row.sop_uid in due]
                rows = [row for row in rows if row.sop_uid in marks.deleted or row.sop_uid in marks.purged]
                if not rows:
                    return Removal(uid, removal.study_instance_uid, (), 0)
                self._note("purge", who, "the grace is over", f"series {uid}", rows)
                reached("retention: purge noted")
                self._remove(uid, {row.sop_uid for row in rows})
        except FilmlessError as problem:
            return Removal(uid, removal.study_instance_uid, removal.instances, removal.size_bytes, str(problem))
        return _by_series(rows)[0]

    def _remove(self, uid: str, gone: set[str]) -> None:
        """Remove instances of a series whose lock is held: by a generation without them, or all there is of it."""
        inbox.remove(self._home, uid, [row.sop_uid for row in self._index.instances_of(uid) if row.sop_uid in gone])
        surveyed = self._home.survey_series(uid)
        generations = surveyed.generations if surveyed is not None else ()
        current = self._index.generation_of(uid)
        former = Published(self._home, uid, current) if current is not None else None
        held = former is not None and any(i.sop_instance_uid in gone for i in former.manifest.instances)
        members = all_members([], former, gone) if held else []
        manifest = None
        if members:
            manifest, archived_bytes, _ = consolidate(
                self._home, [m.instance for m in members], [m.source for m in members], lambda _: None, proves=True
            )
            self._index.put(manifest, archived_bytes)
        if former is not None:
            former.release()
        if held:
            remove_generations(self._home, uid, generations)
        reached("retention: generations removed")
        self._index.forget(uid)
        surveyed = self._home.survey_series(uid)
        if surveyed is not None and surveyed.generations:
            self._index.catch_up([surveyed])
        self._reception.recover(uid)

    def _rows(self, level: Level, name: str) -> list[InstanceRow]:
        """Give the instances that a name stands for; raises `NotFound`, `InvalidArgument`."""
        if level == "instance":
            return [self._index.find_instance(name)]
        if level == "series":
            return self._index.instances_of(self._index.find_series(name).series_uid)
        if level not in LEVELS or not name:
            raise InvalidArgument(f"{level} {name!r}: name a patient, study, series or instance")
        of: Callable[[InstanceRow], str] = lambda row: row.study_uid  # noqa: E731
        if level == "patient":
            of = lambda row: row.attributes.get("PatientID", "")  # noqa: E731
        found = [row for row in self._all_rows() if of(row) == name]
        if not found:
            raise NotFound(f"no {level} {name!r} in {self._home.root}")
        return found

    def _held(self, uids: set[str]) -> list[InstanceRow]:
        """Give those of the instances that the archive still holds."""
        series = {series_uid for series_uid, _ in self._index.known_instances(uids).values()}
        return [row for uid in sorted(series) for row in self._index.instances_of(uid) if row.sop_uid in uids]

    def _all_rows(self) -> list[InstanceRow]:
        return [row for series in self._index.all_series() for row in self._index.instances_of(series.series_uid)]

    def _note(self, act: Act, who: str, why: str, what: str, rows: Sequence[InstanceRow]) -> None:
        if not who or not why:
            raise InvalidArgument("say who does it, and why: both are written down")
        self._retention.add(Entry(act, _now(), who, why, what, tuple(row.sop_uid for row in rows)))
        reached("retention: noted")


def _by_series(rows: Sequence[InstanceRow]) -> list[Removal]:
    series: dict[tuple[str, str], list[InstanceRow]] = {}
    for row in rows:
        series.setdefault((row.series_uid, row.study_uid), []).append(row)
    return [
        Removal(uid, study, tuple(row.sop_uid for row in own), sum(row.size_bytes for row in own))
        for (uid, study), own in series.items()
    ]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")
