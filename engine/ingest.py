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

from ..errors import BadSources, Damaged, FormatError
from ..kernels.crc32c import crc32c
from ..storage import pool
from ..storage.durable import hash_file
from ..storage.generation import remove_generations
from ..storage.home import Home
from ..storage.index import Index
from ..storage.manifest import Manifest
from ..storage.published import Published
from ..storage.quarantine import set_aside
from .consolidate import consolidate, series_order
from .discovery import Found, Rejected, examine, walk
from .instance import Instance
from .loading import Source, load
from .parse import parse_head
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

    @property
    def size_bytes(self) -> int:
        """Of the file."""
        return self.found.size_bytes

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
    size_bytes: int

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
            found = self._examine(list(walk(paths, self._home.root)))
            fresh = self._without_known(self._without_repeats(found))
            self._total_bytes = sum(file.size_bytes for file in fresh)
            for series in _by_series(fresh):
                self._store(series)
        self._report.seconds = time.perf_counter() - started
        return self._report

    def _recover(self) -> None:
        """Finish what a writer that died left between two steps; nothing that holds the only copy is removed."""
        surveyed = self._home.survey()
        self._home.sweep(surveyed)
        self._report.warnings.extend(self._index.catch_up(surveyed).unreadable)
        for series in surveyed:
            if len(series.generations) > 1:
                self._remove_formers(series.uid, *series.generations)

    def _remove_formers(self, uid: str, *generations: int) -> None:
        """Remove generations beside the one in use, where that one is sound and has all they have."""
        *formers, newest = generations
        with suppress(Damaged):
            current = Published(self._home, uid, newest)
            held = (Published(self._home, uid, former).manifest for former in formers)
            is_whole = all(_holds_all_of(current.manifest, manifest) for manifest in held)
            if self._index.generation_of(uid) == newest and is_whole and not find_damage(current):
                remove_generations(self._home, uid, formers)

    def _examine(self, paths: Sequence[Path | Rejected]) -> list[Found]:
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
                former = self._former(remaining[0].instance.series_instance_uid)
                remaining = self._of_one_patient(remaining, former)
                return self._write_generation(remaining, former) if remaining else None
            except BadSources as problem:
                reasons = problem.reasons
            except Damaged as problem:
                why = f"its series in the archive is damaged, run `filmless verify`: {problem}"
                reasons = dict.fromkeys(range(len(remaining)), why)
            except OSError:
                raise  # the disk's fault, not the series': others would fare no better
            except Exception as problem:  # whatever one series does to us, the others are stored
                why = f"its series could not be stored: {problem or type(problem).__name__}"
                reasons = dict.fromkeys(range(len(remaining)), why)
            for number, why in reasons.items():
                self._leave_out(remaining[number], why)
            remaining = [file for number, file in enumerate(remaining) if number not in reasons]
        return None

    def _leave_out(self, file: Found, why: str) -> None:
        self._set_aside(file.path, why)
        self._total_bytes -= file.size_bytes

    def _former(self, series_uid: str) -> Published | None:
        generation = self._index.generation_of(series_uid)
        return None if generation is None else Published(self._home, series_uid, generation)

    def _of_one_patient(self, found: Sequence[Found], former: Published | None) -> list[Found]:
        """Set aside what names another study or patient than its series: two people must not share a volume."""
        instance = found[0].instance
        study, patient = instance.study_instance_uid, instance.attributes.get("PatientID", "")
        if former is not None:
            study, patient = former.manifest.study_instance_uid, former.manifest.attributes.get("PatientID", "")
        kept = []
        for file in found:
            own = file.instance.study_instance_uid, file.instance.attributes.get("PatientID", "")
            if own == (study, patient):
                kept.append(file)
            else:
                self._leave_out(
                    file,
                    f"Series Instance UID {file.instance.series_instance_uid} is that of patient {patient!r}, study "
                    f"{study}; this file says patient {own[1]!r}, study {own[0]}",
                )
        return kept

    def _write_generation(self, found: Sequence[Found], former: Published | None) -> None:
        uid = found[0].instance.series_instance_uid
        members = _members(found, former)
        stored_before = self._stored_bytes
        try:
            manifest, archived_bytes, warnings = consolidate(
                self._home, [member.instance for member in members], [member.source for member in members], self._told
            )
        except BadSources as problem:
            raise _among_found(problem, members) from problem
        finally:
            self._stored_bytes = stored_before
        if former is not None:
            self._prove(former.manifest, manifest)
        self._index.put(manifest, archived_bytes)
        if former is not None:
            # No other: a damaged one between the two may hold what only it has.
            remove_generations(self._home, uid, [former.manifest.generation])
        self._stored_bytes = stored_before + sum(file.size_bytes for file in found)
        self._report.series.append(_stored_series(found, manifest, archived_bytes))
        self._report.warnings.extend(warnings)

    def _prove(self, former: Manifest, manifest: Manifest) -> None:
        """Prove a generation just written before its former one goes; it goes itself where it is not sound."""
        uid, generation = manifest.series_instance_uid, manifest.generation
        damage = find_damage(Published(self._home, uid, generation))
        if damage or not _holds_all_of(manifest, former):
            remove_generations(self._home, uid, [generation])
            lost = damage[0] if damage else "it lacks instances"
            raise Damaged(f"a new generation was not written well, the former stays: {lost}")

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


@dataclass(frozen=True, slots=True)
class _Member:
    """One instance of a generation to be."""

    instance: Instance
    source: Source
    found: int | None
    """Which of the files found it is; None where it comes from the former generation."""


def _members(found: Sequence[Found], former: Published | None) -> list[_Member]:
    """Give the instances of the next generation, in the order in which it lists them."""
    members = [_Member(file.instance, FileSource(file), number) for number, file in enumerate(found)]
    if former is not None:
        rebuilder = Rebuilder(former)
        for number in rebuilder.stack_order():
            record = former.manifest.instances[number]
            source = ArchivedSource(rebuilder, number, f"instance {record.sop_instance_uid}", record.size_bytes)
            data = source.read()
            members.append(_Member(parse_head(data, len(data)), source, None))
    return [members[n] for n in series_order([member.instance for member in members])]


def _among_found(problem: BadSources, members: Sequence[_Member]) -> Exception:
    """Say the same of the files found; where an archived instance is bad, that its series is damaged."""
    reasons: dict[int, str] = {}
    for number, why in problem.reasons.items():
        member = members[number]
        if member.found is None:
            return Damaged(f"{member.source.name}: {why}")
        reasons[member.found] = why
    return BadSources(reasons)


def _holds_all_of(manifest: Manifest, other: Manifest) -> bool:
    """Whether a generation has every instance of another, the same bytes."""
    return _identities(other) <= _identities(manifest)


def _identities(manifest: Manifest) -> set[tuple[str, str]]:
    return {(record.sop_instance_uid, record.sha256) for record in manifest.instances}


def _stored_series(found: Sequence[Found], manifest: Manifest, archived_bytes: int) -> StoredSeries:
    return StoredSeries(
        series_instance_uid=manifest.series_instance_uid,
        generation=manifest.generation,
        new_instances=len(found),
        new_bytes=sum(file.size_bytes for file in found),
        received_bytes=manifest.received_bytes,
        archived_bytes=archived_bytes,
        stacks=[stack.meaning["summary"] for stack in manifest.stacks],
    )
