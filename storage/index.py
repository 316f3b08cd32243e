"""The index: which series and instances the archive holds, so that no question opens a file.

It is a cache of what the generations and the inbox say (invariant A5): `rebuild` makes it anew from them.
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
import threading
import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import Damaged, FilmlessError, InvalidArgument, NotFound, Superseded
from . import inbox
from .durable import flush
from .fail import reached
from .generation import read_manifest
from .home import INDEX_LOCK, Home
from .manifest import Manifest
from .rows import INBOX, InboxRow, InstanceRow, Outcome
from .store.place import Place
from .store.reading import file_sizes
from .store.series_folder import SeriesFolder

_TIMEOUT_S = 30.0
"""How long a call waits for another's transaction."""
_HEAD = struct.Struct(">16s2xB41xI")
"""The beginning of a database file: magic, write version, user version (sqlite.org/fileformat2, section 1.3)."""
_MAGIC = b"SQLite format 3\0"
_WITH_WRITE_AHEAD_LOG = 2
_SCHEMA_VERSION = 3
_INBOX = 0
"""The place of an instance in no generation yet."""
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
    waiting INTEGER NOT NULL,
    waiting_bytes INTEGER NOT NULL,
    stacks TEXT NOT NULL,
    attributes TEXT NOT NULL,
    first_waiting TEXT NOT NULL,
    last_waiting TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX series_by_study ON series (study_uid);
CREATE INDEX series_by_short_id ON series (short_id);
CREATE INDEX series_that_wait ON series (last_waiting) WHERE waiting > 0;
CREATE TABLE instances (
    sop_uid TEXT PRIMARY KEY,
    series_uid TEXT NOT NULL,
    study_uid TEXT NOT NULL,
    sop_class_uid TEXT NOT NULL,
    transfer_syntax_uid TEXT NOT NULL,
    instance_number INTEGER,
    sha256 TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    place INTEGER NOT NULL,
    received_at TEXT NOT NULL,
    source TEXT NOT NULL,
    attributes TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX instances_by_series ON instances (series_uid);
"""
_SERIES_COLUMNS = (
    "series_uid, short_id, study_uid, generation, instances, frames, received_bytes, archived_bytes, "
    "waiting, waiting_bytes, stacks, attributes"
)
_INSERT_INSTANCE = f"INSERT OR REPLACE INTO instances VALUES ({','.join('?' * 12)})"


@dataclass(frozen=True, slots=True)
class SeriesRow:
    """What the index says of one series."""

    series_uid: str
    short_id: str
    """Eight hexadecimal digits of the UID's SHA-256, for people to type."""
    study_uid: str
    generation: int
    """The current one; 0 where all instances wait in the inbox."""
    instances: int
    """In the current generation."""
    frames: int
    received_bytes: int
    archived_bytes: int
    waiting: int
    """Instances in the inbox."""
    waiting_bytes: int
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
    """The SQLite index of one archive, for any number of threads.

    It keeps a write-ahead log, and each transaction waits for the disk. Writers, of which several may be making the
    index anew at the same time, take turns by a lock. Reception asks and tells through one connection that stays
    open; every other question opens one of its own.
    """

    def __init__(self, home: Home) -> None:
        """Open the index; where it is missing, unreadable or of another version it is rebuilt from the files.

        Where the archive cannot be written (a mounted copy), nothing is: an index that would have to be put right
        first is made anew in a temporary folder, which goes with this object.
        """
        self._home = home
        self._path = home.index
        self._is_writable = home.is_writable
        self._kept = _Kept()
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
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Write in one transaction on the connection that stays open; durable when the block ends well."""
        with self._kept.guard, self._lock(), _explained(self._path):
            connection = self._kept.connection(self._path)
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                reached("index: before commit")
                connection.execute("COMMIT")
            except BaseException:
                connection.rollback()
                raise

    @contextmanager
    def _question(self) -> Iterator[sqlite3.Connection]:
        """Ask on the connection that stays open."""
        with self._kept.guard, _explained(self._path):
            yield self._kept.connection(self._path)

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """Wait for the turn to write, among threads and processes."""
        descriptor = os.open(self._path.with_name(INDEX_LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def rebuild(self) -> None:
        """Make the index anew from generations and inbox; what cannot be read is left to `verify`.

        It is made beside the former and takes its place in one step, so that nobody ever reads half of it.
        """
        with self._lock():
            if _version(self._path) == _SCHEMA_VERSION:
                return  # another made it while this one waited
            part = self._path.with_name(f".{self._path.name}.{os.getpid()}-{secrets.token_hex(4)}.part")
            try:
                part.touch()
                with _open(part) as connection:
                    connection.execute("PRAGMA journal_mode = WAL")
                    connection.executescript(f"{_SCHEMA} PRAGMA user_version = {_SCHEMA_VERSION};")
                    _add_missed(connection, self._home.survey())
                    _add_waiting(connection, inbox.rows(self._home))
                # Closed by its last user the log goes into the file, which is then all there is.
                flush(part)
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
        """Make a generation the current one of its series; durable when this returns.

        Its instances move to it from the inbox. What else waits there stays: so does an instance of which the
        generation has other bytes.
        """
        with self._transaction() as connection:
            _put(connection, manifest, archived_bytes)
        reached("index: generation put")

    def receive(self, rows: Sequence[InboxRow], *, replaces: bool = False) -> list[Outcome]:
        """Take in instances that lie in the inbox, in one transaction; durable when this returns.

        Of all that come under one SOP Instance UID, at whatever time, exactly one is "new"; with `replaces` rows take
        the place of other bytes.
        """
        with self._transaction() as connection:
            outcomes = [_receive(connection, row, replaces=replaces) for row in rows]
        reached("index: rows received")
        return outcomes

    def forget(self, series_uid: str, sop_uids: Sequence[str] | None = None) -> None:
        """Forget some instances of a series, or the series; durable when this returns."""
        with self._transaction() as connection:
            if sop_uids is None:
                connection.execute("DELETE FROM instances WHERE series_uid = ?", (series_uid,))
                connection.execute("DELETE FROM series WHERE series_uid = ?", (series_uid,))
                return
            pairs = [(series_uid, uid) for uid in sop_uids]
            connection.executemany("DELETE FROM instances WHERE series_uid = ? AND sop_uid = ?", pairs)
            _recount(connection, series_uid)

    def waiting_series(self, quiet_s: float) -> list[str]:
        """Give the series with instances in the inbox of which none came in the last `quiet_s` seconds."""
        then = (datetime.now(UTC) - timedelta(seconds=quiet_s)).isoformat(timespec="microseconds")
        question = "SELECT series_uid FROM series WHERE waiting > 0 AND last_waiting <= ? ORDER BY last_waiting"
        with self._connection() as connection:
            return [uid for (uid,) in connection.execute(question, (then,))]

    def instances_of(self, series_uid: str) -> list[InstanceRow]:
        """Give all instances of a series, by instance number, then UID."""
        question = (
            f"{_INSTANCES} WHERE i.series_uid = ? ORDER BY i.instance_number IS NULL, i.instance_number, i.sop_uid"
        )
        with self._connection() as connection:
            return [_instance_row(values) for values in connection.execute(question, (series_uid,))]

    def find_instance(self, sop_uid: str) -> InstanceRow:
        """Find one instance; raises `NotFound`."""
        with self._connection() as connection:
            found = connection.execute(f"{_INSTANCES} WHERE i.sop_uid = ?", (sop_uid,)).fetchone()
        if found is None:
            raise NotFound(f"no instance {sop_uid!r} in {self._home.root}")
        return _instance_row(found)

    def held(self, sop_uid: str) -> tuple[str, str] | None:
        """Give series UID and SHA-256 of an instance, None where there is none: the quickest question there is."""
        question = "SELECT series_uid, sha256 FROM instances WHERE sop_uid = ?"
        with self._question() as connection:
            found: tuple[str, str] | None = connection.execute(question, (sop_uid,)).fetchone()
        return found

    def identity_of(self, series_uid: str) -> tuple[str, str] | None:
        """Give study UID and Patient ID of a series, None where there is none."""
        question = "SELECT study_uid, attributes ->> 'PatientID' FROM series WHERE series_uid = ?"
        with self._question() as connection:
            found = connection.execute(question, (series_uid,)).fetchone()
        return None if found is None else (found[0], found[1] or "")

    def all_series(self) -> list[SeriesRow]:
        """Give every series, by patient, study date, study and series number."""
        with self._connection() as connection:
            rows = [_row(values) for values in connection.execute(f"SELECT {_SERIES_COLUMNS} FROM series")]
        return sorted(rows, key=_reading_order)

    def find_series(self, name: str) -> SeriesRow:
        """Find a series by UID, by short id, or by a beginning of either that only one has."""
        if not name:
            raise InvalidArgument("name a series by its UID or the short id that `filmless ls` shows")
        pattern = name.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
        select = f"SELECT {_SERIES_COLUMNS} FROM series WHERE"
        question = f"{select} series_uid LIKE ? ESCAPE '\\' OR short_id LIKE ? ESCAPE '\\' LIMIT 2"
        with self._connection() as connection:
            found = connection.execute(f"{select} series_uid = ?", (name,)).fetchall()
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
        return (found[0] or None) if found else None

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


class _Kept:
    """A connection that stays open, used by one thread at a time."""

    def __init__(self) -> None:
        self.guard = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._of: tuple[int, int, int] = (0, 0, 0)

    def connection(self, path: Path) -> sqlite3.Connection:
        """Give the connection, or a new one after a fork or where another index took the file's place."""
        status = path.stat()
        of = os.getpid(), status.st_dev, status.st_ino
        if self._connection is None or self._of != of:
            if self._connection is not None and self._of[0] != of[0]:
                _OF_PARENTS.append(self._connection)  # closing it would end what its process is at
            self._connection = sqlite3.connect(
                _address(path), uri=True, timeout=_TIMEOUT_S, isolation_level=None, check_same_thread=False
            )
            self._connection.execute("PRAGMA synchronous = FULL")
            self._of = of
        return self._connection


_OF_PARENTS: list[sqlite3.Connection] = []


def _journals(path: Path) -> list[Path]:
    """Name the files that SQLite may put beside a database; a rollback journal comes from former versions."""
    return [path.with_name(path.name + suffix) for suffix in ("-journal", "-wal", "-shm")]


def _address(path: Path, *, is_writable: bool = True) -> str:
    # Nothing may be written beside a read-only index, not even who reads it: nobody else may write it either.
    return f"{path.absolute().as_uri()}?{'mode=rw' if is_writable else 'mode=ro&immutable=1'}"


@contextmanager
def _open(path: Path, *, is_writable: bool = True) -> Iterator[sqlite3.Connection]:
    """Open a database that is there for one transaction; raises `Damaged` where it is no sound one."""
    address = _address(path, is_writable=is_writable)
    with _explained(path), closing(sqlite3.connect(address, uri=True, timeout=_TIMEOUT_S)) as connection:
        connection.execute("PRAGMA synchronous = FULL")
        with connection:
            yield connection


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Raise what SQLite says as our own errors."""
    try:
        yield
    except FileNotFoundError as problem:
        raise FilmlessError(f"{path}: is gone; open the archive again: the index is made anew") from problem
    except sqlite3.OperationalError as problem:
        if (problem.sqlite_errorname or "").startswith(("SQLITE_FULL", "SQLITE_IOERR")):
            told = f"{path}: {problem}: where the disk is full, make room and run the same command again"
            raise FilmlessError(told) from problem
        # Locked, read-only: the index itself may be sound.
        raise FilmlessError(f"{path}: {problem}") from problem
    except sqlite3.DatabaseError as problem:
        raise Damaged(f"{path}: {problem}; delete it: it is made anew from the series") from problem


def _version(path: Path) -> int:
    """Give the schema's version, 0 where the file is missing, no database, or one without a write-ahead log.

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
    return int(user_version) if (magic, write_version) == (_MAGIC, _WITH_WRITE_AHEAD_LOG) else 0


def _answers_unwritten(path: Path) -> bool:
    """Whether an index can be asked without writing: it is sound, and no log is to be played back into it."""
    log = path.with_name(f"{path.name}-wal")
    if _version(path) != _SCHEMA_VERSION or (log.exists() and log.stat().st_size):
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


def _add_waiting(connection: sqlite3.Connection, rows: Iterable[InboxRow]) -> None:
    """Add what lies in the inbox, in the order in which it came; other bytes there have taken a former's place."""
    for row in sorted(rows, key=lambda row: (row.received_at, row.sop_uid)):
        _receive(connection, row, replaces=True)


def _receive(connection: sqlite3.Connection, row: InboxRow, *, replaces: bool) -> Outcome:
    question = "SELECT sha256, series_uid FROM instances WHERE sop_uid = ?"
    found = connection.execute(question, (row.sop_uid,)).fetchone()
    if found is not None and found[0] == row.sha256:
        return "same"
    if found is not None and not replaces:
        return "other", found[0]
    values = (
        row.sop_uid,
        row.series_uid,
        row.study_uid,
        row.sop_class_uid,
        row.transfer_syntax_uid,
        row.instance_number,
        row.sha256,
        row.size_bytes,
        _INBOX,
        row.received_at,
        row.source,
        json.dumps(row.attributes, ensure_ascii=False),
    )
    connection.execute(_INSERT_INSTANCE, values)
    if found is None:
        _count_waiting(connection, row, values[-1])
    else:
        for uid in {row.series_uid, found[1]}:
            _recount(connection, uid)
    return "new"


def _count_waiting(connection: sqlite3.Connection, row: InboxRow, attributes: Any) -> None:
    """Count one more instance that waits; a series in no generation says what its first one does."""
    first = f"{row.received_at} {row.sop_uid}"
    empty = (row.series_uid, short_id(row.series_uid), row.study_uid, attributes, first, row.received_at)
    connection.execute(
        "INSERT OR IGNORE INTO series VALUES (?, ?, ?, 0, 0, 0, 0, 0, 0, 0, '[]', ?, ?, ?)",
        empty,
    )
    connection.execute(
        "UPDATE series SET waiting = waiting + 1, waiting_bytes = waiting_bytes + ?, "
        "last_waiting = max(last_waiting, ?) WHERE series_uid = ?",
        (row.size_bytes, row.received_at, row.series_uid),
    )
    connection.execute(
        "UPDATE series SET first_waiting = ?, study_uid = ?, attributes = ? "
        "WHERE series_uid = ? AND generation = 0 AND first_waiting > ?",
        (first, row.study_uid, attributes, row.series_uid, first),
    )


def _recount(connection: sqlite3.Connection, series_uid: str) -> None:
    """Count anew what waits of a series; where nothing is left, it goes."""
    question = (
        "SELECT count(*), coalesce(sum(size_bytes), 0), min(received_at || ' ' || sop_uid), study_uid, attributes "
        "FROM instances WHERE series_uid = ? AND place = 0"
    )
    waiting, size_bytes, first, study_uid, attributes = connection.execute(question, (series_uid,)).fetchone()
    question = "SELECT coalesce(max(received_at), '') FROM instances WHERE series_uid = ? AND place = 0"
    (last,) = connection.execute(question, (series_uid,)).fetchone()
    if waiting:
        empty = (series_uid, short_id(series_uid), study_uid, attributes, first, last)
        connection.execute("INSERT OR IGNORE INTO series VALUES (?, ?, ?, 0, 0, 0, 0, 0, 0, 0, '[]', ?, ?, ?)", empty)
    connection.execute(
        "UPDATE series SET waiting = ?, waiting_bytes = ?, last_waiting = ?, first_waiting = ? WHERE series_uid = ?",
        (waiting, size_bytes, last, first or "", series_uid),
    )
    if waiting:
        connection.execute(
            "UPDATE series SET study_uid = ?, attributes = ? WHERE series_uid = ? AND generation = 0",
            (study_uid, attributes, series_uid),
        )
    connection.execute("DELETE FROM series WHERE series_uid = ? AND waiting = 0 AND generation = 0", (series_uid,))


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
        0,
        0,
        json.dumps([stack.meaning["summary"] for stack in manifest.stacks], ensure_ascii=False),
        json.dumps(manifest.attributes, ensure_ascii=False),
        "",
        "",
    )
    question = "SELECT sop_uid, sha256 FROM instances WHERE series_uid = ? AND place = 0"
    waiting = dict(connection.execute(question, (uid,)).fetchall())
    rows = [
        (
            i.sop_instance_uid,
            uid,
            manifest.study_instance_uid,
            i.sop_class_uid,
            i.transfer_syntax_uid,
            i.instance_number,
            i.sha256,
            i.size_bytes,
            manifest.generation,
            i.received_at,
            i.received_from,
            "",
        )
        for i in manifest.instances
        if waiting.get(i.sop_instance_uid, i.sha256) == i.sha256
    ]
    connection.execute("DELETE FROM instances WHERE series_uid = ? AND place > 0", (uid,))
    connection.execute(f"INSERT OR REPLACE INTO series VALUES ({','.join('?' * len(row))})", row)
    connection.executemany(_INSERT_INSTANCE, rows)
    _recount(connection, uid)


_INSTANCES = (
    "SELECT i.sop_uid, i.series_uid, i.study_uid, i.sop_class_uid, i.transfer_syntax_uid, i.instance_number, i.sha256, "
    "i.size_bytes, i.place, i.received_at, i.source, iif(i.place > 0, s.attributes, i.attributes) "
    "FROM instances i JOIN series s USING (series_uid)"
)


def _instance_row(values: tuple[Any, ...]) -> InstanceRow:
    *facts, place, received_at, source, attributes = values
    try:
        return InstanceRow(*facts, place or INBOX, received_at, source, json.loads(attributes))  # type: ignore[call-arg]
    except ValueError as problem:
        raise Damaged(f"the index holds a row that is no instance ({problem}): delete index.sqlite") from problem


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
