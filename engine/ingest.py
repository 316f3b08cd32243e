"""Take files into the archive: find, examine, group by series, and write a generation of each series that has news.

One bad file never stops the rest: it is set aside with its reason. What is in the archive already is not added again.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ..errors import BadSources, Damaged, FormatError, Unproven
from ..kernels.crc32c import crc32c
from ..storage import pool
from ..storage.durable import hash_file
from ..storage.generation import remove_generations
from ..storage.home import Home
from ..storage.index import Index
from ..storage.manifest import Manifest
from ..storage.published import Published
from ..storage.quarantine import set_aside
from ..storage.retention import Retention
from .consolidate import consolidate
from .discovery import Found, Rejected, examine, walk
from .loading import Received, load
from .members import all_members, among_new
from .reception import Reception
from .recovery import recover
from .report import IngestReport, Progress, StoredSeries

_EXAMINE_BATCH = 64


@dataclass(frozen=True, slots=True)
class FileSource:
    """An instance in a file that was examined before."""

    found: Found
    received: Received | None = None
    is_acknowledged: bool = False

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


class Ingest:
    """One ingest into one archive; `run` does it all."""

    def __init__(self, home: Home, index: Index, reception: Reception, progress: Progress) -> None:
        self._home, self._index, self._reception, self._progress = home, index, reception, progress
        self._report = IngestReport()
        self._deleted = Retention(home.root).marks().deleted
        self._stored_bytes = self._total_bytes = 0

    def run(self, paths: Iterable[Path]) -> IngestReport:
        """Take in everything at or below `paths`; the report accounts for every file."""
        started = time.perf_counter()
        self._report.warnings.extend(recover(self._home, self._index, self._reception))
        found = self._examine(list(walk(paths, self._home.root)))
        fresh = self._without_known(self._without_repeats(found))
        self._total_bytes = sum(file.size_bytes for file in fresh)
        for series in _by_series(fresh):
            with self._home.series_lock(series[0].instance.series_instance_uid):
                self._store(self._without_known(series))
        self._report.seconds = time.perf_counter() - started
        return self._report

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
            if file.instance.sop_instance_uid in self._deleted:
                self._reception.receive(file.path)  # which takes the mark away
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
        members = all_members([(file.instance, FileSource(file)) for file in found], former)
        stored_before = self._stored_bytes
        try:
            manifest, archived_bytes, warnings = consolidate(
                self._home,
                [member.instance for member in members],
                [member.source for member in members],
                self._told,
                proves=former is not None,  # before the former goes
            )
        except Unproven as problem:
            raise Damaged(f"a new generation was not written well, the former stays: {problem}") from problem
        except BadSources as problem:
            raise among_new(problem, members) from problem
        finally:
            self._stored_bytes = stored_before
        self._index.put(manifest, archived_bytes)
        self._reception.recover(uid)  # received meanwhile, some may be in the inbox too
        if former is not None:
            former.release()
            # No other: a damaged one between the two may hold what only it has.
            remove_generations(self._home, uid, [former.manifest.generation])
        self._stored_bytes = stored_before + sum(file.size_bytes for file in found)
        self._report.series.append(_stored_series(found, manifest, archived_bytes))
        self._report.warnings.extend(warnings)

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
