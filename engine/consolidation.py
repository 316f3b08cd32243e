"""Consolidation: what waits in the inbox becomes its series' next generation, proven before the inbox is emptied.

One series at a time, under its lock: ingest, receivers and other consolidators go on beside it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..errors import BadSources, Damaged, FilmlessError, FormatError, NoRoom, Unproven
from ..storage import inbox, pool
from ..storage.durable import hash_file
from ..storage.generation import remove_generations
from ..storage.home import Home
from ..storage.index import Index
from ..storage.published import Published
from ..storage.rows import INBOX, InstanceRow
from ..storage.whole import read_whole_file
from .consolidate import consolidate
from .discovery import read_head
from .instance import Instance
from .loading import Received
from .members import all_members, among_new, remove_formers
from .reception import Reception
from .report import Progress

log = logging.getLogger("filmless.consolidation")


@dataclass(slots=True)
class Consolidated:
    """What became of one series' instances in the inbox."""

    series_instance_uid: str
    generation: int = 0
    """The one written; 0 where none was."""
    new_instances: int = 0
    """Taken from the inbox into it."""
    new_bytes: int = 0
    """Of their files."""
    archived_bytes: int = 0
    """Of the whole generation."""
    stacks: list[str] = field(default_factory=list)
    """A line a stack: its size and verdict."""
    left: list[tuple[str, str]] = field(default_factory=list)
    """SOP Instance UID of each instance that stays in the inbox, where it is served as before; with the reason."""
    warnings: list[str] = field(default_factory=list)
    problem: str = ""
    """Why nothing could be written; all stays in the inbox."""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class InboxSource:
    """An instance in the inbox."""

    home: Home
    row: InstanceRow
    is_acknowledged: bool = True

    @property
    def name(self) -> str:
        """The instance's UID."""
        return f"instance {self.row.sop_uid}"

    @property
    def size_bytes(self) -> int:
        """Of the file."""
        return self.row.size_bytes

    @property
    def received(self) -> Received:
        """What was known on reception."""
        return Received(self.row.sha256, self.row.received_at, self.row.source)

    def read(self) -> bytes | memoryview:
        """Give the file's bytes; the proof tells whether they are those received."""
        return read_whole_file(inbox.instance_path(self.home, self.row.series_uid, self.row.sop_uid))

    def parse(self) -> Instance | str:
        """Read just the header; or say why that cannot be."""
        path = inbox.instance_path(self.home, self.row.series_uid, self.row.sop_uid)
        try:
            with path.open("rb") as file:
                return read_head(file, self.row.size_bytes)[1]
        except (OSError, FormatError) as problem:
            return f"it cannot be read any more: {problem}"


class Consolidation:
    """Empties the inbox of one archive, series by series."""

    def __init__(self, home: Home, index: Index, reception: Reception, progress: Progress) -> None:
        self._home, self._index, self._reception, self._progress = home, index, reception, progress

    def run(self, series_uids: Sequence[str]) -> list[Consolidated]:
        """Consolidate some series; where one fails the others go on. Gives those that had something in the inbox."""
        done = []
        for uid in series_uids:
            started = time.perf_counter()
            with self._home.series_lock(uid):
                result = self._consolidate(uid)
            if result is not None:
                result.seconds = time.perf_counter() - started
                done.append(result)
        return done

    def _consolidate(self, uid: str) -> Consolidated | None:
        self._recover(uid)
        rows = [row for row in self._index.instances_of(uid) if row.place == INBOX]
        if not rows:
            return None
        result = Consolidated(uid)
        try:
            self._write(rows, result)
        except OSError as problem:
            if not isinstance(problem, FilmlessError):
                raise  # the disk's fault, not the series': others would fare no better
            self._fail(result, problem)
        except Exception as problem:  # whatever one series does to us, the others are consolidated
            self._fail(result, problem)
        for sop_uid, reason in result.left:
            log.error("instance %s of series %s stays in the inbox: %s", sop_uid, uid, reason)
        return result

    def _fail(self, result: Consolidated, problem: Exception) -> None:
        result.problem = str(problem) or type(problem).__name__
        log.error("series %s was not consolidated, all stays in the inbox: %s", result.series_instance_uid, problem)

    def _recover(self, uid: str) -> None:
        """Finish what a consolidator, or a receiver, that died left of this series."""
        surveyed = self._home.survey_series(uid)
        if surveyed is not None:
            self._home.discard_leftovers(surveyed)
            self._index.catch_up([surveyed])
            if len(surveyed.generations) > 1:
                remove_formers(self._home, self._index, uid, surveyed.generations)
        self._reception.recover(uid)

    def _write(self, rows: list[InstanceRow], result: Consolidated) -> None:
        """Write the next generation, leaving in the inbox what turns out to be bad on the way."""
        former = self._former(result.series_instance_uid)
        sources = self._of_one_patient([InboxSource(self._home, row) for row in rows], former, result)
        while sources:
            instances = pool.run_all(InboxSource.parse, sources)
            bad = {n: instance for n, instance in enumerate(instances) if isinstance(instance, str)}
            if not bad:
                whole = [instance for instance in instances if isinstance(instance, Instance)]
                bad = self._write_generation(whole, sources, former, result)
            if not bad:
                return
            result.left += [(sources[n].row.sop_uid, why) for n, why in bad.items()]
            sources = [source for n, source in enumerate(sources) if n not in bad]

    def _former(self, uid: str) -> Published | None:
        generation = self._index.generation_of(uid)
        return None if generation is None else Published(self._home, uid, generation)

    def _of_one_patient(
        self, sources: list[InboxSource], former: Published | None, result: Consolidated
    ) -> list[InboxSource]:
        """Leave out what names another study or patient than its series: two people must not share a volume.

        Reception sees to that; only where two came at the very same time can both have been acknowledged.
        """
        if former is not None:
            manifest = former.manifest
            identity = manifest.study_instance_uid, manifest.attributes.get("PatientID", "")
        else:
            identity = _identity(min(sources, key=lambda source: (source.row.received_at, source.row.sop_uid)))
        told = f"its series is that of patient {identity[1]!r}, study {identity[0]}; it names another"
        result.left += [(source.row.sop_uid, told) for source in sources if _identity(source) != identity]
        return [source for source in sources if _identity(source) == identity]

    def _write_generation(
        self, instances: list[Instance], sources: list[InboxSource], former: Published | None, result: Consolidated
    ) -> dict[int, str]:
        """Write, prove, publish and index one generation, then empty the inbox; or give the sources that are bad."""
        held = {source.row.sop_uid: source for source in sources}
        replaced = self._replaced(held, former)
        members = all_members(list(zip(instances, sources, strict=True)), former, held.keys())
        done, total = 0, sum(member.source.size_bytes for member in members)
        # It may use the room that reception leaves free: when it is done there is more than before.
        if missing := self._home.missing_bytes(total):
            raise NoRoom(f"{self._home.root}: {missing} bytes too few are free for its next generation; make room")

        def told(size_bytes: int) -> None:
            nonlocal done
            done += size_bytes
            self._progress("consolidating", done, total)

        try:
            manifest, archived_bytes, warnings = consolidate(
                self._home, [m.instance for m in members], [m.source for m in members], told, proves=True
            )
        except BadSources as problem:
            found = among_new(problem, members)
            if isinstance(found, BadSources):
                return found.reasons
            raise found from problem
        except Unproven as problem:
            numbers = [members[number].new for number in problem.faults]
            bad = _altered([(n, sources[n]) for n in numbers if n is not None])
            if len(bad) < len(numbers):
                raise Damaged(f"a new generation was not written well, the inbox keeps all: {problem}") from problem
            return bad
        for row in replaced:
            log.warning("series %s: instance %s was replaced", row.series_uid, row.sop_uid)
        self._index.put(manifest, archived_bytes)
        inbox.remove(self._home, manifest.series_instance_uid, list(held))
        if former is not None:
            former.release()
            # No other: a damaged one between the two may hold what only it has.
            remove_generations(self._home, manifest.series_instance_uid, [former.manifest.generation])
        result.generation, result.archived_bytes = manifest.generation, archived_bytes
        result.new_instances, result.new_bytes = len(sources), sum(source.size_bytes for source in sources)
        result.stacks = [stack.meaning["summary"] for stack in manifest.stacks]
        result.warnings += warnings
        return {}

    def _replaced(self, held: dict[str, InboxSource], former: Published | None) -> list[InstanceRow]:
        """Set aside the bytes in the former generation of which the inbox has others: these take their place."""
        replaced = []
        for record in former.manifest.instances if former is not None else ():
            source = held.get(record.sop_instance_uid)
            if former is not None and source is not None and source.row.sha256 != record.sha256:
                row = source.row
                was = InstanceRow(
                    row.sop_uid, row.series_uid, former.manifest.study_instance_uid, record.sop_class_uid,
                    record.transfer_syntax_uid, record.instance_number, record.sha256, record.size_bytes,
                    former.manifest.generation, record.received_at, record.received_from, former.manifest.attributes,
                )  # fmt: skip
                self._reception.keep_former(was, f"SOP Instance UID {row.sop_uid} came with other bytes")
                replaced.append(was)
        return replaced


def _identity(source: InboxSource) -> tuple[str, str]:
    return source.row.study_uid, source.row.attributes.get("PatientID", "")


def _altered(sources: list[tuple[int, InboxSource]]) -> dict[int, str]:
    """Give those of which the file in the inbox is not what was received any more."""
    altered = {}
    for number, source in sources:
        path = inbox.instance_path(source.home, source.row.series_uid, source.row.sop_uid)
        if hash_file(path) != source.row.sha256:
            altered[number] = f"{path}: differs from what was received; send the instance again"
    return altered
