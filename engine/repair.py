"""Repair: what verification finds is put right where the bytes are still somewhere, and set aside where they are not.

Nothing that may be the last copy of anything is deleted: a damaged generation goes only when a new one, proven, has
every instance of it; else it goes to quarantine as it is. An instance that nothing gives back any more leaves the
index, so that it is received as new when it is sent again.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from ..errors import Damaged, FilmlessError, FormatError
from ..storage import inbox
from ..storage.aside import set_generation_aside
from ..storage.durable import PartFile, append_line, flush, hash_file
from ..storage.foreign import foreign_files
from ..storage.generation import copied_manifest, read_sums, remove_generations
from ..storage.home import Home
from ..storage.index import Index, newest_readable
from ..storage.manifest import InstanceRecord
from ..storage.published import Published
from ..storage.quarantine import damaged_files, set_aside, write_note
from ..storage.rows import INBOX, InboxRow, InstanceRow
from ..storage.store.place import Place
from ..storage.store.reading import read_whole
from ..storage.store.series_folder import MANIFEST, SeriesFolder
from ..storage.whole import read_whole_file
from .consolidate import consolidate, series_order
from .discovery import Rejected, read_head, walk
from .instance import Instance
from .loading import Received, Source
from .members import ArchivedSource
from .rebuild import Rebuilder
from .reception import Reception
from .report import Progress
from .verification import Verification, unsound_index
from .verify import find_damage, find_unlike, foreign_names

log = logging.getLogger("filmless.repair")

JOURNAL = "repairs.jsonl"


@dataclass(frozen=True, slots=True)
class Repaired:
    """One thing that was wrong, and what was done about it, or would be in a dry run."""

    what: str
    done: str
    is_lost: bool = False
    """Whether something could not be given back."""


@dataclass(frozen=True, slots=True)
class HeldFile:
    """A file somewhere that holds the bytes of an instance, as a source."""

    path: Path
    size_bytes: int
    received: Received
    is_acknowledged: bool = True

    @property
    def name(self) -> str:
        """The file's path."""
        return str(self.path)

    def read(self) -> bytes | memoryview:
        """Give the file's bytes; the proof tells whether they are those received."""
        return read_whole_file(self.path)


@dataclass(slots=True)
class _Wanted:
    """One instance that a series should have in its generation, and where its bytes were found."""

    sha256: str
    size_bytes: int
    received: Received
    found: tuple[Instance, Source] | None = None


@dataclass(slots=True)
class _Generation:
    """One generation, judged."""

    number: int
    published: Published | None
    damage: list[str]
    unlike: Collection[int] = field(default_factory=tuple)

    @property
    def records(self) -> list[InstanceRecord]:
        return self.published.manifest.instances if self.published is not None else []


class Repair:
    """Repairs one archive, series by series, each under its lock."""

    def __init__(
        self, home: Home, index: Index, reception: Reception, verification: Verification, progress: Progress,
        *, is_dry: bool = False, is_dropped: Callable[[str], bool] = lambda _: False,
    ) -> None:  # fmt: skip
        """`is_dropped` tells which instances are gone on purpose, by their UIDs."""
        self._home, self._index, self._reception, self._progress = home, index, reception, progress
        self._verification, self._is_dry, self._is_dropped = verification, is_dry, is_dropped
        self._given: dict[str, Path] = {}
        self._done: list[Repaired] = []

    def run(self, series: str | None = None, replacements: Iterable[Path] = ()) -> list[Repaired]:
        """Repair the archive, or one series; files at or below `replacements` are used where they have lost bytes."""
        self._given = {hash_file(path): path for path in walk(replacements) if not isinstance(path, Rejected)}
        if series is None:
            self._sweep()
            self._mend_index_file()
        uids = [series] if series is not None else self._all_series()
        for number, uid in enumerate(uids):
            self._progress("repairing", number, len(uids))
            with self._home.series_lock(uid):
                self._mend_series(uid)
        if series is None:
            self._move_foreign(foreign_files(self._home))
            self._mend_quarantine()
        return self._done

    def _sweep(self) -> None:
        for part in self._home.parts():
            self._tell(f"{part}: half-written", "removed, unless somebody is at it")
        if not self._is_dry:
            self._home.sweep(())

    def _all_series(self) -> list[str]:
        surveyed = {folder.uid for folder in self._home.survey()}
        return sorted(
            surveyed | {row.series_uid for row in self._index.all_series()} | {*inbox.series_uids(self._home)}
        )

    def _tell(self, what: str, done: str, act: Callable[[], object] = lambda: None, *, is_lost: bool = False) -> None:
        """Do something, unless this is a dry run, and write down that it was done."""
        if not self._is_dry:
            act()
            entry = {"at": _now(), "what": what, "done": done}
            append_line(self._home.root / JOURNAL, json.dumps(entry).encode())
            log.warning("%s: %s", what, done)
        self._done.append(Repaired(what, done, is_lost))

    def _mend_index_file(self) -> None:
        for line in unsound_index(self._home):
            self._tell(line, "the index is made anew", self._index.rebuild)

    def _move_foreign(self, paths: Iterable[Path]) -> None:
        for path in paths:
            what = f"{path}: does not belong to the archive"
            self._tell(what, "moved to quarantine", partial(self._move_to_quarantine, path, what))

    def _move_to_quarantine(self, path: Path, reason: str) -> None:
        set_aside(self._home.quarantine, path, reason, _now())
        path.unlink()
        flush(path.parent)

    def _mend_quarantine(self) -> None:
        """Keep what is not what was put there under its own name, and notes whose bytes are gone as bytes."""
        for path, why in damaged_files(self._home.quarantine):
            self._tell(f"{path}: {why}", "set aside anew as it is", partial(self._set_aside_anew, path, why))

    def _set_aside_anew(self, path: Path, why: str) -> None:
        note, data = path.with_suffix(".json"), path.with_suffix(".dcm")
        for each in {path, note} if path == data else {path}:
            if each.is_file():
                self._move_to_quarantine(each, f"in quarantine: {why}")
        if path == note and data.is_file():
            write_note(self._home.quarantine, data, "what was noted of it is lost", _now())

    def _mend_series(self, uid: str) -> None:
        surveyed = self._home.survey_series(uid)
        if surveyed is not None:
            for leftover in surveyed.leftovers:
                act = partial(self._home.store.discard, leftover)
                self._tell(f"{leftover}: half-written or half-removed", "removed", act)
            for number in surveyed.generations:
                self._mend_files(uid, number)
            self._mend_generations(uid, surveyed)
        self._mend_inbox(uid)
        self._mend_rows(uid)

    def _mend_files(self, uid: str, number: int) -> None:
        """Give a generation its manifest back, and move what is none of its files out of it."""
        folder = self._home.generation_folder(uid, number)
        try:
            sums = read_sums(folder)
        except Damaged:
            return
        copy = copied_manifest(folder)
        if copy is not None and hashlib.sha256(copy).hexdigest() == sums[MANIFEST] and not _is_same(folder, copy):
            told = f"{folder / MANIFEST}: differs from its SHA-256"
            self._tell(told, "written again from its copy", lambda: self._home.store.restore(uid, number, copy))
        if isinstance(folder, Path):
            self._move_foreign(folder / name for name in foreign_names(folder, sums))

    def _judge(self, uid: str, number: int) -> _Generation:
        try:
            published = Published(self._home, uid, number)
            damage = find_damage(published)
            unlike = find_unlike(published) if damage else {}
        except Damaged as problem:
            return _Generation(number, None, [str(problem)])
        return _Generation(number, published, damage, unlike.keys())

    def _mend_generations(self, uid: str, surveyed: SeriesFolder) -> None:
        """Have one sound generation with every instance that can be found."""
        judged = [self._judge(uid, number) for number in reversed(surveyed.generations)]
        if not judged:
            return
        wanted = self._wanted(uid, judged)
        newest = judged[0]
        held = {(r.sop_instance_uid, r.sha256) for r in newest.records}
        if not newest.damage and all((name, want.sha256) in held for name, want in wanted.items()):
            self._drop(uid, judged[1:], held)
            return
        for generation in judged:
            self._find_in_generation(generation, wanted)
        for name, want in wanted.items():
            if want.found is None:
                want.found = self._find_elsewhere(uid, name, want)
        found = {name: want for name, want in wanted.items() if want.found is not None}
        lines = [line for generation in judged for line in generation.damage]
        told = f"series {uid}: {'; '.join(lines) or 'its newest generation lacks instances of a former one'}"
        for name in wanted.keys() - found.keys():
            self._tell(
                f"instance {name}", "its bytes are nowhere: send it again; what is left is in quarantine", is_lost=True
            )
        done = f"a new generation of {len(found)} of {len(wanted)} instances" if found else "no instance can be read"
        self._tell(told, done, lambda: self._renew(uid, found, judged))

    def _wanted(self, uid: str, judged: list[_Generation]) -> dict[str, _Wanted]:
        """Give what the generations, newest first, or else the index, say of the instances there should be."""
        wanted: dict[str, _Wanted] = {}
        rows = {row.sop_uid: row for row in self._index.instances_of(uid)}
        for generation in judged:
            for record in generation.records:
                received = Received(record.sha256, record.received_at, record.received_from)
                wanted.setdefault(record.sop_instance_uid, _Wanted(record.sha256, record.size_bytes, received))
        for row in rows.values():
            if row.place != INBOX:
                received = Received(row.sha256, row.received_at, row.source)
                wanted.setdefault(row.sop_uid, _Wanted(row.sha256, row.size_bytes, received))
        return {name: want for name, want in wanted.items() if not self._is_dropped(name)}

    def _find_in_generation(self, generation: _Generation, wanted: Mapping[str, _Wanted]) -> None:
        if generation.published is None:
            return
        rebuilder = Rebuilder(generation.published)
        for number, record in enumerate(generation.records):
            want = wanted.get(record.sop_instance_uid)
            if want is None or want.found or number in generation.unlike or record.sha256 != want.sha256:
                continue
            try:
                instance = rebuilder.instance(number)
            except (Damaged, FormatError):
                continue
            if instance.sop_instance_uid == record.sop_instance_uid:
                name = f"instance {record.sop_instance_uid}"
                want.found = instance, ArchivedSource(rebuilder, number, name, record.size_bytes, want.received)

    def _find_elsewhere(self, uid: str, name: str, want: _Wanted) -> tuple[Instance, Source] | None:
        """Find a file that has an instance's bytes: in quarantine, in the inbox, or among those that were given."""
        path = self._file_of(want.sha256, inbox.instance_path(self._home, uid, name))
        if path is None:
            return None
        with path.open("rb") as file:
            instance = read_head(file, want.size_bytes)[1]
        return instance, HeldFile(path, want.size_bytes, want.received)

    def _file_of(self, sha256: str, *others: Path) -> Path | None:
        known = (self._home.quarantine / f"{sha256}.dcm", *others, self._given.get(sha256))
        there = (path for path in known if path is not None and path.is_file())
        return next((path for path in there if _hash(path) == sha256), None)

    def _renew(self, uid: str, found: Mapping[str, _Wanted], judged: list[_Generation]) -> None:
        held: set[tuple[str, str]] = set()
        if found:
            members = [want.found for want in found.values() if want.found is not None]
            members = [members[n] for n in series_order([instance for instance, _ in members])]
            manifest, archived_bytes, _ = consolidate(
                self._home, [i for i, _ in members], [source for _, source in members], lambda _: None, proves=True
            )
            self._index.put(manifest, archived_bytes)
            held = {(record.sop_instance_uid, record.sha256) for record in manifest.instances}
        self._drop(uid, judged, held)
        if not found:
            self._index.forget(uid)
        self._reception.recover(uid)

    def _drop(self, uid: str, generations: Iterable[_Generation], held: set[tuple[str, str]]) -> None:
        """Let go of generations: those of which all instances are `held` now go, the others to quarantine."""
        for generation in generations:
            own = {(record.sop_instance_uid, record.sha256) for record in generation.records}
            own = {(name, sha256) for name, sha256 in own if not self._is_dropped(name)}
            folder = self._home.generation_folder(uid, generation.number)
            if generation.published is not None:
                generation.published.release()
            if own and own <= held:
                act = partial(remove_generations, self._home, uid, [generation.number])
                self._tell(f"{folder}: a former generation", "removed: a newer one has all of it", act)
            else:
                reason = "; ".join(generation.damage) or "a newer generation has other instances"
                put = partial(set_generation_aside, self._home, uid, generation.number, reason)
                self._tell(f"{folder}: {reason}", "moved to quarantine", put)

    def _mend_inbox(self, uid: str) -> None:
        if not self._is_dry:
            self._reception.recover(uid)
        rows = {row.sop_uid: row for row in self._index.instances_of(uid) if row.place == INBOX}
        for row in rows.values():
            path = inbox.instance_path(self._home, uid, row.sop_uid)
            facts, digest = inbox.read_facts(path), _hash(path)
            if facts is not None and facts.sha256 == digest:
                continue
            if digest == row.sha256:
                told = "what was known on reception was written again from the index"
                self._tell(f"{path}: what was known on reception is lost", told, partial(self._write_again, path, row))
                continue
            self._mend_waiting(row, path, facts)

    def _mend_waiting(self, row: InstanceRow, path: Path, facts: InboxRow | None) -> None:
        """Put an instance's bytes in the inbox again, or, where they are nowhere, what is left in quarantine."""
        told = f"{path}: differs from what was received" if path.exists() else f"{path}: is missing"
        other = self._file_of(row.sha256)
        if other is not None:
            self._tell(told, f"written again from {other}", lambda: self._write_again(other, row))
            return

        def put_aside() -> None:
            if path.exists():
                set_aside(self._home.quarantine, path, told, _now())
            inbox.remove(self._home, row.series_uid, [row.sop_uid])
            self._renew_rows(row.series_uid)

        self._tell(told, "its bytes are nowhere: send it again; what is left is in quarantine", put_aside, is_lost=True)

    def _write_again(self, source: Path, row: InstanceRow) -> None:
        facts = InboxRow(**{name: getattr(row, name) for name in InboxRow.__slots__})
        part = PartFile(self._home.inbox)
        try:
            with source.open("rb") as file:
                part.copy(file)
            path = inbox.instance_path(self._home, row.series_uid, row.sop_uid)
            path.parent.mkdir(parents=True, exist_ok=True)
            inbox.write_facts(self._home, part, facts)
            part.seal()
            part.path.replace(path)
            flush(path.parent)
        finally:
            part.close()

    def _mend_rows(self, uid: str) -> None:
        """Let the index say of a series what its files do."""
        surveyed = self._home.survey_series(uid)
        newest = newest_readable(surveyed)[0] if surveyed is not None and surveyed.generations else None
        try:
            row = self._index.find_series(uid)
            lines = [] if row.generation == (newest.generation if newest else 0) else ["another generation is current"]
            lines += self._verification.unlike_rows(row, newest)
            for instance in self._index.instances_of(uid) if newest is None else ():
                if instance.place != INBOX:
                    told = f"instance {instance.sop_uid}: only the index knows it"
                    self._tell(told, "its bytes are nowhere: send it again", is_lost=True)
        except FilmlessError as problem:
            if newest is None and not inbox.instances(self._home, uid):
                return
            lines = [str(problem)]
        if lines:
            told = f"series {uid}: {'; '.join(lines)}"
            self._tell(told, "the index was made to say what the files do", lambda: self._renew_rows(uid))

    def _renew_rows(self, uid: str) -> None:
        self._index.forget(uid)
        surveyed = self._home.survey_series(uid)
        if surveyed is not None:
            self._index.catch_up([surveyed])
        self._reception.recover(uid)


def _is_same(folder: Place, text: bytes) -> bool:
    try:
        return read_whole(folder / MANIFEST) == text
    except Damaged:
        return False


def _hash(path: Path) -> str:
    """Give a file's SHA-256, "" where it cannot be read."""
    try:
        return hash_file(path)
    except OSError:
        return ""


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")
