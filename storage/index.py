"""The index: which series and instances the archive holds, so that no question opens a file.

It is a cache of what the generations say (invariant A5): `rebuild` makes it anew from them.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from ..errors import Damaged, FilmlessError, InvalidArgument, NotFound
from .generation import read_manifest
from .home import Home
from .manifest import Manifest

_SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE series (
    series_uid TEXT PRIMARY KEY,
    short_id TEXT NOT NULL,
    study_uid TEXT NOT NULL,
    generation INTEGER NOT NULL,
    instances INTEGER NOT NULL,
    frames INTEGER NOT NULL,
    received_bytes INTEGER NOT NULL,
    archived_bytes INTEGER NOT NULL,
    stacks TEXT NOT NULL,
    attributes TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX series_by_study ON series (study_uid);
CREATE INDEX series_by_short_id ON series (short_id);
CREATE TABLE instances (
    sop_uid TEXT PRIMARY KEY,
    series_uid TEXT NOT NULL REFERENCES series ON DELETE CASCADE,
    sha256 TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX instances_by_series ON instances (series_uid);
"""


@dataclass(frozen=True, slots=True)
class SeriesRow:
    """What the index says of one series."""

    series_uid: str
    short_id: str
    """Eight hexadecimal digits of the UID's SHA-256, for people to type."""
    study_uid: str
    generation: int
    instances: int
    frames: int
    received_bytes: int
    archived_bytes: int
    stacks: list[str]
    """A line a stack: its size and verdict."""
    attributes: dict[str, str]


def short_id(series_uid: str) -> str:
    """Give the eight hexadecimal digits by which people may name a series."""
    return hashlib.sha256(series_uid.encode()).hexdigest()[:8]


class Index:
    """The SQLite index of one archive; one connection a call, so that any thread may ask."""

    def __init__(self, home: Home) -> None:
        """Open the index; where it is missing, unreadable or of another version it is rebuilt from the files."""
        self._home = home
        if self._version() != _SCHEMA_VERSION:
            self.rebuild()

    def _version(self) -> int:
        """Give the schema's version, 0 where the file is missing or no database."""
        try:
            with self._connection() as connection:
                return int(connection.execute("PRAGMA user_version").fetchone()[0])
        except Damaged:
            return 0

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """Open the index for one transaction; raises `Damaged` where the file is no sound database."""
        try:
            with closing(self._connect()) as connection:
                connection.execute("PRAGMA foreign_keys = ON")
                connection.execute("PRAGMA synchronous = FULL")
                with connection:
                    yield connection
        except sqlite3.OperationalError as problem:  # locked, read-only, disk full: the index itself may be sound
            raise FilmlessError(f"{self._home.index}: {problem}") from problem
        except sqlite3.DatabaseError as problem:
            raise Damaged(f"{self._home.index}: {problem}; delete it: it is made anew from the series") from problem

    def _connect(self) -> sqlite3.Connection:
        """Connect to the index, without a lock or journal where the archive cannot be written (a mounted copy)."""
        path = self._home.index
        if path.exists() and not os.access(path.parent, os.W_OK):
            return sqlite3.connect(f"{path.absolute().as_uri()}?immutable=1", uri=True)
        return sqlite3.connect(path, timeout=30)

    def rebuild(self) -> None:
        """Make the index anew from the published generations; one that cannot be read is left to `verify`."""
        for suffix in ("", "-wal", "-shm"):
            self._home.index.with_name(self._home.index.name + suffix).unlink(missing_ok=True)
        with self._connection() as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(_SCHEMA)
        for uid, generation in self._home.published():
            with suppress(Damaged):
                self._put_published(uid, generation)
        # The version comes last: an index whose making was stopped is made again.
        with self._connection() as connection:
            connection.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")

    def catch_up(self) -> int:
        """Add what was published and not indexed, as a writer that dies between the two leaves it; give the number."""
        with self._connection() as connection:
            known = dict(connection.execute("SELECT series_uid, generation FROM series").fetchall())
        missed = [(uid, generation) for uid, generation in self._home.published() if known.get(uid) != generation]
        for uid, generation in missed:
            self._put_published(uid, generation)
        return len(missed)

    def _put_published(self, series_uid: str, generation: int) -> None:
        folder = self._home.generation_folder(series_uid, generation)
        size_bytes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        self.put(read_manifest(folder), size_bytes)

    def put(self, manifest: Manifest, archived_bytes: int) -> None:
        """Make a generation the current one of its series; durable when this returns."""
        uid = manifest.series_instance_uid
        row = (
            uid,
            short_id(uid),
            manifest.study_instance_uid,
            manifest.generation,
            len(manifest.instances),
            sum(len(stack.frames) for stack in manifest.stacks),
            manifest.received_bytes,
            archived_bytes,
            json.dumps([stack.meaning["summary"] for stack in manifest.stacks], ensure_ascii=False),
            json.dumps(manifest.attributes, ensure_ascii=False),
        )
        rows = [(i.sop_instance_uid, uid, i.sha256) for i in manifest.instances]
        with self._connection() as connection:
            connection.execute("DELETE FROM series WHERE series_uid = ?", (uid,))
            connection.execute(f"INSERT INTO series VALUES ({','.join('?' * len(row))})", row)
            connection.executemany("INSERT INTO instances VALUES (?, ?, ?)", rows)

    def all_series(self) -> list[SeriesRow]:
        """Give every series, by patient, study date, study and series number."""
        with self._connection() as connection:
            rows = [_row(values) for values in connection.execute("SELECT * FROM series")]
        return sorted(rows, key=_reading_order)

    def find_series(self, name: str) -> SeriesRow:
        """Find a series by UID, by short id, or by a beginning of either that only one has."""
        if not name:
            raise InvalidArgument("name a series by its UID or the short id that `filmless ls` shows")
        pattern = name.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
        question = "SELECT * FROM series WHERE series_uid LIKE ? ESCAPE '\\' OR short_id LIKE ? ESCAPE '\\' LIMIT 2"
        with self._connection() as connection:
            found = connection.execute("SELECT * FROM series WHERE series_uid = ?", (name,)).fetchall()
            found = found or connection.execute(question, (pattern, pattern)).fetchall()
        if not found:
            raise NotFound(f"no series {name!r} in {self._home.root}: `filmless ls` shows what there is")
        if len(found) > 1:
            raise NotFound(f"more than one series begins with {name!r}: give more of it")
        return _row(found[0])

    def generation_of(self, series_uid: str) -> int | None:
        """Give the current generation of a series, None where the archive has none."""
        with self._connection() as connection:
            found = connection.execute("SELECT generation FROM series WHERE series_uid = ?", (series_uid,)).fetchone()
        return found[0] if found else None

    def known_instances(self, sop_uids: Iterable[str]) -> dict[str, tuple[str, str]]:
        """Give (series UID, SHA-256) of those instances that the archive holds."""
        question = "SELECT series_uid, sha256 FROM instances WHERE sop_uid = ?"
        known: dict[str, tuple[str, str]] = {}
        with self._connection() as connection:
            for uid in sop_uids:
                found = connection.execute(question, (uid,)).fetchone()
                if found:
                    known[uid] = found
        return known


def _row(values: tuple[Any, ...]) -> SeriesRow:
    try:
        return SeriesRow(*values[:-2], *map(json.loads, values[-2:]))
    except ValueError as problem:
        raise Damaged(f"the index holds a row that is no series ({problem}): delete index.sqlite") from problem


def _reading_order(row: SeriesRow) -> tuple[str, str, str, int, str]:
    get = row.attributes.get
    number = get("SeriesNumber", "")
    order = int(number) if number.lstrip("-").isdecimal() else 0
    return get("PatientID", ""), get("StudyDate", ""), row.study_uid, order, row.series_uid
