"""The index: which series and instances the archive holds, so that no question opens a file.

It is a cache of what the generations say (invariant A5): `rebuild` makes it anew from them.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
import shutil
import sqlite3
import struct
import tempfile
import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import Damaged, FilmlessError, InvalidArgument, NotFound, Superseded
from .durable import flush
from .generation import read_manifest
from .home import Home
from .manifest import Manifest
from .store.place import Place
from .store.reading import file_sizes
from .store.series_folder import SeriesFolder

_TIMEOUT_S = 30.0
"""How long a call waits for another's transaction."""
_HEAD = struct.Struct(">16s2xB41xI")
"""The beginning of a database file: magic, write version, user version (sqlite.org/fileformat2, section 1.3)."""
_MAGIC = b"SQLite format 3\0"
_WITH_ROLLBACK_JOURNAL = 1
_SCHEMA_VERSION = 2
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


class CaughtUp(NamedTuple):
    """What `Index.catch_up` did."""

    added: int
    """Series of which a generation was added, or took another's place."""
    unreadable: list[str]
    """A line for each generation that cannot be read; an older one stands in for it where there is one."""


class Index:
    """The SQLite index of one archive; one connection a call, so that any thread may ask.

    SQLite keeps a rollback journal, not a write-ahead log: the index is one file, and whoever may only read it needs
    no other. Writers, of which several may be making the index anew at the same time, take turns by a lock.
    """

    def __init__(self, home: Home) -> None:
        """Open the index; where it is missing, unreadable or of another version it is rebuilt from the files.

        Where the archive cannot be written (a mounted copy), nothing is: an index that would have to be put right
        first is made anew in a temporary folder, which goes with this object.
        """
        self._home = home
        self._path = home.index
        self._is_writable = home.is_writable
        if not self._is_writable and not _answers_unwritten(self._path):
            folder = Path(tempfile.mkdtemp(prefix="filmless-index-"))
            weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
            self._path, self._is_writable = folder / self._path.name, True
        if _version(self._path) != _SCHEMA_VERSION:
            self.rebuild()

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """Open the index for one transaction; raises `Damaged` where the file is no sound database."""
        with _open(self._path, is_writable=self._is_writable) as connection:
            yield connection

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """Wait for the turn to write, among threads and processes."""
        with self._path.with_name(".index.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def rebuild(self) -> None:
        """Make the index anew from the published generations; one that cannot be read is left to `verify`.

        It is made beside the former and takes its place in one step, so that nobody ever reads half of it.
        """
        with self._lock():
            if _version(self._path) == _SCHEMA_VERSION:
                return  # another made it while this one waited
            part = self._path.with_name(f".{self._path.name}.{os.getpid()}-{secrets.token_hex(4)}.part")
            try:
                part.touch()
                with _open(part) as connection:
                    connection.executescript(f"{_SCHEMA} PRAGMA user_version = {_SCHEMA_VERSION};")
                    _add_missed(connection, self._home.survey())
                # The journal of the former index would be played back into the new one.
                for journal in _journals(self._path):
                    journal.unlink(missing_ok=True)
                part.replace(self._path)
                flush(self._path.parent)
            finally:
                for path in (part, *_journals(part)):
                    path.unlink(missing_ok=True)

    def catch_up(self, surveyed: Sequence[SeriesFolder]) -> CaughtUp:
        """Add what was published and not indexed, as a writer that dies between the two leaves it.

        `surveyed` is what lies in the archive. A damaged generation stops nothing: it is named, and the newest one
        of its series that can be read is the current one.
        """
        with self._lock(), self._connection() as connection:
            return _add_missed(connection, surveyed)

    def put(self, manifest: Manifest, archived_bytes: int) -> None:
        """Make a generation the current one of its series; durable when this returns."""
        with self._lock(), self._connection() as connection:
            _put(connection, manifest, archived_bytes)

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


def _journals(path: Path) -> list[Path]:
    """Name the files that SQLite may put beside a database; those of a write-ahead log come from former versions."""
    return [path.with_name(path.name + suffix) for suffix in ("-journal", "-wal", "-shm")]


@contextmanager
def _open(path: Path, *, is_writable: bool = True) -> Iterator[sqlite3.Connection]:
    """Open a database that is there for one transaction; raises `Damaged` where it is no sound one."""
    address = f"{path.absolute().as_uri()}?mode={'rw' if is_writable else 'ro'}"
    try:
        with closing(sqlite3.connect(address, uri=True, timeout=_TIMEOUT_S)) as connection:
            connection.execute("PRAGMA foreign_keys = ON")
            # EXTRA flushes the folder too after the journal is gone: without it a power cut undoes the last commit.
            connection.execute("PRAGMA synchronous = EXTRA")
            with connection:
                yield connection
    except sqlite3.OperationalError as problem:  # locked, read-only, disk full: the index itself may be sound
        raise FilmlessError(f"{path}: {problem}") from problem
    except sqlite3.DatabaseError as problem:
        raise Damaged(f"{path}: {problem}; delete it: it is made anew from the series") from problem


def _version(path: Path) -> int:
    """Give the schema's version, 0 where the file is missing, no database, or one with a write-ahead log.

    Read from the file itself: SQLite may have to write before it answers.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD.size)
    except FileNotFoundError:
        return 0
    except OSError as problem:
        raise FilmlessError(f"{path}: cannot be read ({problem.strerror})") from problem
    if len(head) < _HEAD.size:
        return 0
    magic, write_version, user_version = _HEAD.unpack(head)
    return int(user_version) if (magic, write_version) == (_MAGIC, _WITH_ROLLBACK_JOURNAL) else 0


def _answers_unwritten(path: Path) -> bool:
    """Whether an index can be asked without writing: it is sound, and no journal is to be played back into it."""
    if _version(path) != _SCHEMA_VERSION or path.with_name(f"{path.name}-wal").exists():
        return False
    try:
        with _open(path, is_writable=False) as connection:
            connection.execute("SELECT * FROM series LIMIT 1").fetchall()
    except FilmlessError:
        return False
    return True


def _add_missed(connection: sqlite3.Connection, surveyed: Sequence[SeriesFolder]) -> CaughtUp:
    known = dict(connection.execute("SELECT series_uid, generation FROM series").fetchall())
    missed = [s for s in surveyed if s.generations and known.get(s.uid) != s.generations[-1]]
    added, unreadable = 0, []
    for series in missed:
        manifest, problems = newest_readable(series)
        unreadable += problems
        if manifest is not None and manifest.generation != known.get(series.uid):
            _put(connection, manifest, _size_bytes(series.folder / str(manifest.generation)))
            added += 1
    return CaughtUp(added, unreadable)


def _put(connection: sqlite3.Connection, manifest: Manifest, archived_bytes: int) -> None:
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
    connection.execute("DELETE FROM series WHERE series_uid = ?", (uid,))
    connection.execute(f"INSERT INTO series VALUES ({','.join('?' * len(row))})", row)
    connection.executemany("INSERT INTO instances VALUES (?, ?, ?)", rows)


def _row(values: tuple[Any, ...]) -> SeriesRow:
    try:
        return SeriesRow(*values[:-2], *map(json.loads, values[-2:]))
    except ValueError as problem:
        raise Damaged(f"the index holds a row that is no series ({problem}): delete index.sqlite") from problem


def _reading_order(row: SeriesRow) -> tuple[str, str, str, int, str]:
    get = row.attributes.get
    try:
        number = int(get("SeriesNumber", ""))
    except ValueError:  # "", "--5", "1\\2": whatever a header says
        number = 0
    return get("PatientID", ""), get("StudyDate", ""), row.study_uid, number, row.series_uid
