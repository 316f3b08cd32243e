"""`Index`: the one door to the index, whatever database it lies in."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
import weakref
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Connection, Select, delete, func, or_, select

from ...errors import Damaged, FilmlessError, InvalidArgument, NotFound, Superseded
from .. import inbox
from ..fail import reached
from ..generation import read_manifest
from ..home import Home
from ..keys import Level
from ..manifest import Manifest
from ..rows import INBOX, InboxRow, InstanceRow, Outcome
from ..store.place import Place
from ..store.reading import file_sizes
from ..store.series_folder import SeriesFolder
from . import writing
from .database import Contended, Database, PostgresServer, SqliteFile
from .making import make_tables
from .matching import LAST, Asked, question
from .schema import REVISION, instances, metadata, series, stacks, studies
from .search import Answer, search, statement_of, within
from .statements import SERIES_IDENTITY, SERIES_NAMED
from .writing import held_instances, names_of, short_id

_ATTEMPTS = 8
"""How often a transaction is tried that gave way to another."""
_PAUSE_S = 0.005

Result = TypeVar("Result")
Waiting = Callable[[], Iterable[InboxRow]]
"""Tells what lies in the inbox, from the files."""


@dataclass(frozen=True, slots=True)
class SeriesRow:
    """What the index says of one series."""

    series_uid: str
    short_id: str
    """Eight hexadecimal digits of the UID's SHA-256, for people to type."""
    study_uid: str
    generation: int
    """0 where there is none yet: all instances wait in the inbox."""
    instances: int
    """Of the generation."""
    frames: int
    received_bytes: int
    archived_bytes: int
    waiting: int
    """Instances in the inbox."""
    waiting_bytes: int
    stacks: list[str]
    """A line a stack: its size and verdict."""
    attributes: dict[str, str]


class CaughtUp(NamedTuple):
    """What `Index.catch_up` did."""

    added: int
    """Series of which a generation was added, or took another's place."""
    unreadable: list[str]
    """A line for each generation that cannot be read; an older one stands in for it where there is one."""


class Index:
    """The index of one archive; any number of threads and processes may ask and write."""

    def __init__(self, home: Home, url: str | None = None, waiting: Waiting | None = None) -> None:
        """Open the index: a SQLite file in the archive, or the PostgreSQL database that the policy names.

        An older one is migrated; where there is none, or a SQLite file is no index of a version known here, it is made
        anew from generations and inbox. `url` and `waiting` stand in for what the policy and the inbox say. Where the
        archive cannot be written (a mounted copy), nothing is: an index that would have to be put right first is made
        anew in a temporary folder, which goes with this object.
        """
        self._home = home
        self._waiting = waiting or (lambda: inbox.rows(home))
        url = home.policy.index if url is None else url
        self._database: Database = PostgresServer(url) if url else self._sqlite()
        weakref.finalize(self, self._database.close)
        found = self._database.revision()
        if found == REVISION:
            return
        if isinstance(self._database, SqliteFile):
            self._renew_file(self._database)
        else:
            self._renew_tables()

    def _sqlite(self) -> SqliteFile:
        if self._home.is_writable:
            return SqliteFile(self._home.index, is_writable=True)
        kept = SqliteFile(self._home.index, is_writable=False)
        if _answers(kept):
            return kept
        kept.close()
        folder = Path(tempfile.mkdtemp(prefix="filmless-index-"))
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return SqliteFile(folder / self._home.index.name, is_writable=True)

    def close(self) -> None:
        """Close all connections; a later call opens new ones."""
        self._database.close()

    def _renew_file(self, file: SqliteFile) -> None:
        """Migrate a SQLite index, or make it anew beside what is there: nobody ever reads half of it."""
        with file.locked():
            found = file.revision()
            if found == REVISION:
                return  # another made it while this one waited
            if found and _migrate().is_known(found):
                with file.changing() as connection:
                    _migrate().upgrade(connection)
                return
            with file.replaced() as part, part.changing() as connection:
                make_tables(connection)
                self._fill(connection)

    def _renew_tables(self) -> None:
        """Migrate a PostgreSQL index, or make it where there is none; a newer one is left as it is."""
        with self._database.writing(None) as connection:
            migrate = _migrate()
            found = self._database.revision()
            if found == REVISION:
                return
            if found and not migrate.is_known(found):
                raise FilmlessError(f"the index at the policy's URL has version {found}, unknown here: update Filmless")
            migrate.upgrade(connection)
            if not found:
                self._fill(connection)

    def rebuild(self) -> None:
        """Make all rows anew from generations and inbox, in one step; a generation that cannot be read is left to
        `verify`.
        """
        with self._database.writing(None) as connection:
            for table in reversed(metadata.sorted_tables):
                connection.execute(delete(table))
            self._fill(connection)

    def _fill(self, connection: Connection) -> None:
        writing.receive(connection, list(self._waiting()))
        _add_missed(connection, self._home.survey())

    def catch_up(self, surveyed: Sequence[SeriesFolder]) -> CaughtUp:
        """Add what was published and not indexed, as a writer that dies between the two leaves it.

        `surveyed` is what lies in the archive. A damaged generation stops nothing: it is named, and the newest one
        of its series that can be read is the current one.
        """
        return self._written(None, lambda connection: _add_missed(connection, surveyed))

    def receive(self, rows: Sequence[InboxRow], *, replaces: bool = False) -> list[Outcome]:
        """Add instances that lie in the inbox, in one durable transaction; say of each what it came to.

        Of all that come under one SOP Instance UID, whoever receives them, exactly one is "new" (invariant A6); with
        `replaces` rows take the place of other bytes.
        """
        names = names_of({row.series_uid for row in rows}, {row.study_uid for row in rows})
        outcomes = self._written(
            None if replaces else names, lambda connection: writing.receive(connection, rows, replaces=replaces)
        )
        reached("index: rows received")
        return outcomes

    def put(self, manifest: Manifest, archived_bytes: int) -> None:
        """Make a generation the current one of its series; durable when this returns."""
        names = names_of([manifest.series_instance_uid], [manifest.study_instance_uid])
        self._written(names, lambda connection: writing.put(connection, manifest, archived_bytes))
        reached("index: generation put")

    def forget(self, series_uid: str, sop_uids: Collection[str] | None = None) -> None:
        """Forget some instances of a series, or all of it; durable when this returns."""
        if sop_uids is None:
            self._written(None, lambda connection: writing.forget_series(connection, series_uid))
        else:
            self._written(None, lambda connection: writing.forget_instances(connection, series_uid, sop_uids))

    def _written(self, names: Iterable[str] | None, write: Callable[[Connection], Result]) -> Result:
        """Run a transaction, again where it gave way to another."""
        for attempt in range(_ATTEMPTS - 1):
            try:
                return self._written_once(names, write)
            except Contended:
                time.sleep(_PAUSE_S * (attempt + 1))
        return self._written_once(names, write)

    def _written_once(self, names: Iterable[str] | None, write: Callable[[Connection], Result]) -> Result:
        with self._database.writing(names) as connection:
            result = write(connection)
            reached("index: before commit")
            return result

    def _reading(self) -> AbstractContextManager[Connection]:
        return self._database.reading()

    def all_series(self) -> list[SeriesRow]:
        """Give every series, by patient, study date, study and series number."""
        with self._reading() as connection:
            rows = _series_rows(connection, select(*_SERIES_COLUMNS).select_from(_SERIES_OF_STUDIES))
        return sorted(rows, key=_reading_order)

    def find_series(self, name: str) -> SeriesRow:
        """Find a series by UID, by short id, or by a beginning of either that only one has."""
        if not name:
            raise InvalidArgument("name a series by its UID or the short id that `filmless ls` shows")
        chosen = select(*_SERIES_COLUMNS).select_from(_SERIES_OF_STUDIES)
        begins = or_(*(within(column, name, name + LAST) for column in (series.c.series_uid, series.c.short_id)))
        with self._reading() as connection:
            found = _series_rows(connection, chosen.where(series.c.series_uid == name))
            found = found or _series_rows(connection, chosen.where(begins).limit(2))
        if not found:
            raise NotFound(f"no series {name!r} in {self._home.root}: `filmless ls` shows what there is")
        if len(found) > 1:
            raise NotFound(f"more than one series begins with {name!r}: give more of it")
        return found[0]

    def generation_of(self, series_uid: str) -> int | None:
        """Give the current generation of a series, None where the archive has none."""
        with self._reading() as connection:
            found = SERIES_NAMED.one(connection, uid=series_uid)
        return (found[2] or None) if found else None

    def known_instances(self, sop_uids: Iterable[str]) -> dict[str, tuple[str, str]]:
        """Give (series UID, SHA-256) of those instances that the archive holds."""
        with self._reading() as connection:
            return held_instances(connection, list(sop_uids))

    def held(self, sop_uid: str) -> tuple[str, str] | None:
        """Give series UID and SHA-256 of an instance, None where there is none: the quickest question there is."""
        return self.known_instances([sop_uid]).get(sop_uid)

    def identity_of(self, series_uid: str) -> tuple[str, str] | None:
        """Give study UID and Patient ID of a series, None where there is none."""
        with self._reading() as connection:
            row = SERIES_IDENTITY.one(connection, uid=series_uid)
        return None if row is None else (row[0], json.loads(row[1]).get("PatientID", ""))

    def instances_of(self, series_uid: str) -> list[InstanceRow]:
        """Give the instances of a series, by number and UID; none where there is no such series."""
        statement = _INSTANCES.where(series.c.series_uid == series_uid)
        with self._reading() as connection:
            rows = [_instance_row(row) for row in connection.execute(statement)]
        return sorted(rows, key=lambda row: (row.instance_number is None, row.instance_number or 0, row.sop_uid))

    def find_instance(self, sop_uid: str) -> InstanceRow:
        """Find an instance by its UID; raises `NotFound`."""
        with self._reading() as connection:
            row = connection.execute(_INSTANCES.where(instances.c.sop_uid == sop_uid)).one_or_none()
        if row is None:
            raise NotFound(f"no instance {sop_uid!r} in {self._home.root}")
        return _instance_row(row)

    def waiting_series(self, quiet_s: float) -> list[str]:
        """Give the series of which instances wait, and none came in the last `quiet_s` seconds; longest quiet first."""
        until = (datetime.now(UTC) - timedelta(seconds=quiet_s)).isoformat(timespec="microseconds")
        latest = func.max(instances.c.received_at)
        statement = (
            select(series.c.series_uid)
            .join(instances, instances.c.series_id == series.c.id)
            .where(instances.c.generation == 0)
            .group_by(series.c.series_uid)
            .having(latest <= until)
            .order_by(latest, series.c.series_uid)
        )
        with self._reading() as connection:
            return list(connection.execute(statement).scalars())

    def search(
        self,
        level: Level,
        matching: Mapping[str, Asked],
        *,
        return_keys: Collection[str] | None = None,
        limit: int | None = None,
        offset: int = 0,
        fuzzy: bool = False,
        combined: bool = False,
    ) -> list[Answer]:
        """Give the patients, studies, series or instances that match all keys, by the rules of PS3.4 C.2.2.2.

        A row gives attributes by keyword, those of the levels above included; `return_keys` says which (unique keys
        are always there), None all. `fuzzy` matches text by beginnings of words, whatever their case and diacritics;
        `combined` takes a date and its time as one moment. Raises `InvalidArgument` naming a key that cannot be asked.
        """
        if offset < 0 or (limit is not None and limit < 0):
            raise InvalidArgument(f"limit {limit}, offset {offset}: neither may be negative")
        asked = question(level, matching, fuzzy=fuzzy, combined=combined)
        with self._reading() as connection:
            return search(connection, asked, return_keys, limit, offset)

    def plan(self, level: Level, matching: Mapping[str, Asked], *, fuzzy: bool = False) -> list[str]:
        """Tell how the database would look up what is asked, line by line."""
        asked = question(level, matching, fuzzy=fuzzy, combined=False)
        with self._reading() as connection:
            compiled = statement_of(connection, asked).compile(connection, compile_kwargs={"render_postcompile": True})
            word = "EXPLAIN QUERY PLAN" if connection.dialect.name == "sqlite" else "EXPLAIN"
            rows = connection.exec_driver_sql(f"{word} {compiled}", compiled.params).all()
        return [str(row[-1]) for row in rows]


_SERIES_OF_STUDIES = series.join(studies, series.c.study_id == studies.c.id)
_SERIES_COLUMNS = (
    series.c.id,
    series.c.series_uid,
    series.c.short_id,
    studies.c.study_uid,
    series.c.generation,
    series.c.instances,
    series.c.frames,
    series.c.received_bytes,
    series.c.archived_bytes,
    series.c.attributes,
)
_INSTANCES = select(
    instances, series.c.series_uid, studies.c.study_uid, series.c.attributes.label("shared")
).select_from(instances.join(_SERIES_OF_STUDIES, instances.c.series_id == series.c.id))


def _migrate() -> Any:
    from . import migrate  # noqa: PLC0415 - Alembic takes 90 ms to import, and most runs need no migration

    return migrate


def newest_readable(series: SeriesFolder) -> tuple[Manifest | None, list[str]]:
    """Read the newest manifest that can be read; give it, and a line for each newer one that cannot."""
    problems: list[str] = []
    for generation in reversed(series.generations):
        folder = series.folder / str(generation)
        try:
            manifest = read_manifest(folder)
        except Superseded:
            continue
        except Damaged as problem:
            problems.append(f"series {series.uid}: {problem}")
            continue
        if (manifest.series_instance_uid, manifest.generation) == (series.uid, generation):
            return manifest, problems
        problems.append(f"series {series.uid}: {folder}: the manifest is that of another series or generation")
    return None, problems


def _size_bytes(folder: Place) -> int:
    return sum(file_sizes(folder).values())


def _answers(file: SqliteFile) -> bool:
    """Whether a file that may not be written is a sound index of this version."""
    try:
        if file.revision() != REVISION:
            return False
        with file.reading() as connection:
            connection.execute(select(series).limit(1)).all()
    except FilmlessError:
        return False
    return True


def _add_missed(connection: Connection, surveyed: Sequence[SeriesFolder]) -> CaughtUp:
    listed = connection.execute(select(series.c.series_uid, series.c.generation))
    known = {row[0]: row[1] for row in listed}
    missed = [s for s in surveyed if s.generations and known.get(s.uid) != s.generations[-1]]
    added, unreadable = 0, []
    for found in missed:
        manifest, problems = newest_readable(found)
        unreadable += problems
        if manifest is not None and manifest.generation != known.get(found.uid):
            writing.put(connection, manifest, _size_bytes(found.folder / str(manifest.generation)))
            added += 1
    return CaughtUp(added, unreadable)


def _series_rows(connection: Connection, statement: Select[Any]) -> list[SeriesRow]:
    rows = connection.execute(statement).all()
    # Of a handful just theirs is asked, of an archive all at once.
    identities = [row[0] for row in rows] if len(rows) <= 2 else None
    summaries: dict[int, list[str]] = {}
    listed = select(stacks.c.series_id, stacks.c.summary).order_by(stacks.c.series_id, stacks.c.number)
    waiting = select(instances.c.series_id, func.count(), func.sum(instances.c.size_bytes))
    waiting = waiting.where(instances.c.generation == 0)
    if identities is not None:
        listed = listed.where(stacks.c.series_id.in_(identities))
        waiting = waiting.where(instances.c.series_id.in_(identities))
    for identity, summary in connection.execute(listed):
        summaries.setdefault(identity, []).append(summary)
    counted = connection.execute(waiting.group_by(instances.c.series_id))
    counts = {row[0]: (int(row[1]), int(row[2])) for row in counted}
    return [_series_row(row, summaries.get(row[0], []), counts.get(row[0], (0, 0))) for row in rows]


def _series_row(row: Any, summaries: list[str], waiting: tuple[int, int]) -> SeriesRow:
    try:
        figures: Sequence[Any] = row[1:-1]
        return SeriesRow(*figures, *waiting, summaries, json.loads(row[-1]))  # type: ignore[call-arg]
    except ValueError as problem:
        raise Damaged(f"the index holds a row that is no series ({problem}): run `filmless reindex`") from problem


def _instance_row(row: Any) -> InstanceRow:
    is_waiting = row.generation == 0
    try:
        own = json.loads(row.attributes)
        attributes = own if is_waiting else json.loads(row.shared) | own
    except (ValueError, TypeError) as problem:
        raise Damaged(f"the index holds a row that is no instance ({problem}): run `filmless reindex`") from problem
    return InstanceRow(
        sop_uid=row.sop_uid,
        series_uid=row.series_uid,
        study_uid=row.study_uid,
        sop_class_uid=row.sop_class_uid,
        transfer_syntax_uid=row.transfer_syntax_uid,
        instance_number=row.number,
        sha256=row.sha256,
        size_bytes=row.size_bytes,
        place=INBOX if is_waiting else row.generation,
        received_at=row.received_at,
        source=row.source,
        attributes=attributes,
    )


def _reading_order(row: SeriesRow) -> tuple[str, str, str, int, str]:
    get = row.attributes.get
    try:
        number = int(get("SeriesNumber", ""))
    except ValueError:  # "", "--5", "1\\2": whatever a header says
        number = 0
    return get("PatientID", ""), get("StudyDate", ""), row.study_uid, number, row.series_uid


__all__ = ["CaughtUp", "Index", "SeriesRow", "newest_readable", "short_id"]
