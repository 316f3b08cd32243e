"""Take files into the archive: find, examine, group by series, and write a generation of each series that has news.

One bad file never stops the rest: it is set aside with its reason. What is in the archive already is not added again.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ..errors import Damaged, FormatError
from ..kernels.crc32c import crc32c
from ..storage import pool
from ..storage.durable import hash_file
from ..storage.generation import remove_generations
from ..storage.home import Home
from ..storage.index import Index
from ..storage.published import Published
from ..storage.quarantine import set_aside
from .consolidate import BadSource, consolidate, series_order
from .discovery import Found, Rejected, examine, walk
from .instance import Instance
from .loading import Source, load
from .parse import parse_instance
from .rebuild import Rebuilder
from .report import IngestReport, Progress, StoredSeries
from .verify import find_damage

_EXAMINE_BATCH = 64


@dataclass(frozen=True, slots=True)
class FileSource:
    """An instance in a file that was examined before."""

    found: Found

    @property
    def name(self) -> str:
        """The file's path."""
        return str(self.found.path)

    def read(self) -> bytes:
        """Give the file's bytes; raises `FormatError` where it has changed since it was examined."""
        data = self.found.path.read_bytes()
        head = memoryview(data)[: self.found.head_bytes]
        if len(data) != self.found.size_bytes or crc32c(head) != self.found.head_crc32c:
            raise FormatError("the file changed while it was being taken in")
        return data


@dataclass(frozen=True, slots=True)
class ArchivedSource:
    """An instance of the generation that the next one continues."""

    rebuilder: Rebuilder
    number: int
    name: str

    def read(self) -> bytes:
        """Give the instance as it was received."""
        return self.rebuilder.read(self.number)


class Ingest:
    """One ingest into one archive; `run` does it all."""

    def __init__(self, home: Home, index: Index, progress: Progress) -> None:
        self._home, self._index, self._progress = home, index, progress
        self._report = IngestReport()
        self._stored_bytes = self._total_bytes = 0

    def run(self, paths: Iterable[Path]) -> IngestReport:
        """Take in everything at or below `paths`; the report accounts for every file."""
        started = time.perf_counter()
        with self._home.writing():
            self._recover()
            found = self._examine(list(walk(paths)))
            fresh = self._without_known(self._without_repeats(found))
            self._total_bytes = sum(file.size_bytes for file in fresh)
            for series in _by_series(fresh):
                self._store(series)
        self._report.seconds = time.perf_counter() - started
        return self._report

    def _recover(self) -> None:
        """Finish or undo what a writer that died left between two steps."""
        self._home.sweep()
        proven = []
        for uid, generation in list(self._home.superseding()):
            with suppress(Damaged):
                self._prove(uid, generation)
                proven.append((uid, generation))
        self._index.catch_up()
        for uid, generation in proven:
            remove_generations(self._home, uid, range(1, generation))

    def _examine(self, paths: Sequence[Path]) -> list[Found]:
        self._report.found = len(paths)
        found: list[Found] = []
        for at in range(0, len(paths), _EXAMINE_BATCH):
            self._progress("examining", at, len(paths))
            for result in pool.run_all(examine, paths[at : at + _EXAMINE_BATCH]):
                if isinstance(result, Found):
                    found.append(result)
                else:
                    self._reject(result)
        self._progress("examining", len(paths), len(paths))
        return found

    def _reject(self, rejected: Rejected) -> None:
        if rejected.kind == "unreadable":
            self._report.unreadable.append((rejected.path, rejected.reason))
        elif rejected.kind == "not an instance":
            self._report.passed_over.append((rejected.path, rejected.reason))
        else:
            self._set_aside(rejected.path, rejected.reason)

    def _set_aside(self, path: Path, reason: str) -> None:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        try:
            self._report.set_aside.append(set_aside(self._home.quarantine, path, reason, now))
        except OSError as problem:
            self._report.unreadable.append((path, f"{reason}; and {problem}"))

    def _without_repeats(self, found: Sequence[Found]) -> list[Found]:
        """Keep the first file of each instance; another is a duplicate, or set aside where it differs."""
        first: dict[str, Found] = {}
        for file in found:
            uid = file.instance.sop_instance_uid
            kept = first.setdefault(uid, file)
            if kept is file:
                continue
            problem = _problem_of(kept) if not _is_same(kept, file) else ""
            if problem:  # the first one is bad, the second may be the whole one
                self._set_aside(kept.path, problem)
                first[uid] = file
            else:
                self._compare(file, _hash(kept.path), f"{kept.path}")
        return list(first.values())

    def _without_known(self, found: Sequence[Found]) -> list[Found]:
        """Leave out what the archive holds already."""
        known = self._index.known_instances(file.instance.sop_instance_uid for file in found)
        hashes = pool.run_all(_hash, [f.path for f in found if f.instance.sop_instance_uid in known])
        digest = iter(hashes)
        fresh = []
        for file in found:
            held = known.get(file.instance.sop_instance_uid)
            if held is None:
                fresh.append(file)
            else:
                self._compare(file, held[1], "the archive", next(digest))
        return fresh

    def _compare(self, file: Found, digest: str, where: str, own_digest: str = "") -> None:
        """Count a second file of an instance as a duplicate where it is the same, byte for byte."""
        if digest and (own_digest or _hash(file.path)) == digest:
            self._report.duplicates.append(file.path)
            return
        uid = file.instance.sop_instance_uid
        other = f"SOP Instance UID {uid} is in {where} too, with other bytes; that one is kept"
        self._set_aside(file.path, _problem_of(file) or other)

    def _store(self, found: Sequence[Found]) -> None:
        """Write one series' next generation, leaving out what turns out to be bad on the way."""
        remaining = list(found)
        while remaining:
            try:
                return self._write_generation(remaining)
            except BadSource as problem:
                bad = [remaining[problem.number]]
                reason = str(problem)
            except Damaged as problem:  # what the archive holds of this series; others go on
                bad = list(remaining)
                reason = f"its series in the archive is damaged, run `filmless verify`: {problem}"
            for file in bad:
                self._set_aside(file.path, reason)
                remaining.remove(file)
                self._total_bytes -= file.size_bytes
        return None

    def _write_generation(self, found: Sequence[Found]) -> None:
        uid = found[0].instance.series_instance_uid
        former = self._former(uid)
        instances, sources, is_new = _members(found, former)
        stored_before = self._stored_bytes
        try:
            manifest, archived_bytes, warnings = consolidate(self._home, instances, sources, self._told)
        except BadSource as problem:
            self._stored_bytes = stored_before
            if not is_new[problem.number]:
                raise Damaged(f"{sources[problem.number].name}: {problem}; run `filmless verify`") from problem
            raise BadSource(_position(found, instances[problem.number]), str(problem)) from problem
        if former is not None:
            self._prove(uid, manifest.generation)
        self._index.put(manifest, archived_bytes)
        remove_generations(self._home, uid, range(1, manifest.generation))
        stacks = [stack.meaning["summary"] for stack in manifest.stacks]
        received = sum(file.size_bytes for file in found)
        self._report.series.append(StoredSeries(uid, manifest.generation, len(found), received, archived_bytes, stacks))
        self._report.warnings.extend(warnings)

    def _former(self, series_uid: str) -> Published | None:
        generation = self._index.generation_of(series_uid)
        return None if generation is None else Published(self._home, series_uid, generation)

    def _prove(self, series_uid: str, generation: int) -> None:
        """Prove a generation before its former one may go; raises `Damaged`, and removes it, where it is not sound."""
        try:
            damage = find_damage(Published(self._home, series_uid, generation))
        except Damaged as problem:
            damage = [str(problem)]
        if damage:
            remove_generations(self._home, series_uid, [generation])
            raise Damaged(f"a new generation was not written well, the former stays: {damage[0]}")

    def _told(self, size_bytes: int) -> None:
        self._stored_bytes += size_bytes
        self._progress("storing", self._stored_bytes, self._total_bytes)


def _hash(path: Path) -> str:
    """Give a file's SHA-256, "" where it cannot be read."""
    try:
        return hash_file(path)
    except OSError:
        return ""


def _is_same(a: Found, b: Found) -> bool:
    return (a.size_bytes, a.head_crc32c) == (b.size_bytes, b.head_crc32c) and _hash(a.path) == _hash(b.path)


def _problem_of(file: Found) -> str:
    """Read a file whole and say what is wrong with it, "" where nothing is."""
    try:
        load(FileSource(file), file.instance)
    except (FormatError, OSError) as problem:
        return str(problem)
    return ""


def _by_series(found: Iterable[Found]) -> list[list[Found]]:
    series: dict[str, list[Found]] = {}
    for file in found:
        series.setdefault(file.instance.series_instance_uid, []).append(file)
    return list(series.values())


def _position(found: Sequence[Found], instance: Instance) -> int:
    return next(n for n, file in enumerate(found) if file.instance is instance)


def _members(found: Sequence[Found], former: Published | None) -> tuple[list[Instance], list[Source], list[bool]]:
    """Give the instances of the next generation, in order, where each comes from, and which are new."""
    members: list[tuple[Instance, Source, bool]] = [(file.instance, FileSource(file), True) for file in found]
    if former is not None:
        rebuilder = Rebuilder(former)
        for number in rebuilder.stack_order():
            name = f"{former.folder}: instance {former.manifest.instances[number].sop_instance_uid}"
            source = ArchivedSource(rebuilder, number, name)
            members.append((parse_instance(source.read(), name=name), source, False))
    ordered = [members[n] for n in series_order([instance for instance, _, _ in members])]
    return [m[0] for m in ordered], [m[1] for m in ordered], [m[2] for m in ordered]
