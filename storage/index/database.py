"""Where the index lies: a SQLite file in the archive's folder, or a PostgreSQL database by URL.

Both give connections in a transaction, for reading or for writing; writers of one SQLite file take turns by a lock, and
those of a PostgreSQL database by advisory locks on the studies that they write.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import Connection, Engine, create_engine, event, exc, text
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool, QueuePool

from ...errors import Damaged, FilmlessError, InvalidArgument
from ..durable import flush
from ..home import INDEX_LOCK

_TIMEOUT_S = 30
"""How long a call waits for another's transaction."""
_MAGIC = b"SQLite format 3\0"
_SAVED_CONNECTIONS = 8
_VERSION = "SELECT version_num FROM alembic_version"
_EVERYTHING = 0x46494C4D
"""The advisory lock that all writers of a PostgreSQL index share, and whoever makes it anew has alone."""


_CONTENTION = frozenset({"40001", "40P01"})
"""SQLSTATE of transactions that PostgreSQL ends for another's sake: to be tried again."""
_NOT_WRITTEN = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE})
"""SQLite's codes where the disk, or a quota, takes no more."""


class Contended(FilmlessError):
    """Two transactions waited for each other, and this one was given up: nothing of it happened."""


class Database(Protocol):
    """What the index asks of the place where it lies."""

    engine: Engine

    def reading(self) -> AbstractContextManager[Connection]:
        """Give a connection that sees one state of the index; raises `FilmlessError` or `Damaged`."""
        ...

    def writing(self, names: Iterable[str] | None) -> AbstractContextManager[Connection]:
        """Give a connection that alone writes what these names stand for, or everything (None); durable at the end."""
        ...

    def revision(self) -> str:
        """Give the schema's version, "" where there is no index."""
        ...

    def close(self) -> None:
        """Close all connections."""
        ...


class SqliteFile:
    """A SQLite database with a write-ahead log, flushed at each commit."""

    def __init__(self, path: Path, *, is_writable: bool, is_private: bool = False) -> None:
        """Take a file; what goes wrong in one that is `is_private`, known to nobody else yet, is not made good."""
        self.path = path
        self._is_writable, self._is_private = is_writable, is_private
        self.engine = create_engine(
            "sqlite://",
            creator=self._connect,
            paramstyle="named",
            **(
                {"poolclass": QueuePool, "pool_size": _SAVED_CONNECTIONS, "max_overflow": -1}
                if is_writable
                else {"poolclass": NullPool}
            ),
        )
        event.listen(self.engine, "connect", self._remember)
        event.listen(self.engine, "checkout", self._check)

    def _connect(self) -> sqlite3.Connection:
        log = self.path.with_name(f"{self.path.name}-wal")
        # A file that nobody writes may lie on a medium where no log can be made beside it; one that another writes
        # is read together with that one's log, and neither is touched.
        mode = "rw" if self._is_writable else "ro&readonly_shm=1" if log.exists() else "ro&immutable=1"
        address = f"{self.path.absolute().as_uri()}?mode={mode}"
        connection = sqlite3.connect(
            address, uri=True, timeout=_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(f"PRAGMA synchronous = {'OFF' if self._is_private else 'FULL'}")
        return connection

    def _remember(self, _: Any, record: Any) -> None:
        record.info["file"] = self._identity()

    def _check(self, _: Any, record: Any, __: Any) -> None:
        """Connect anew where the file was replaced, or this is another process than that which connected."""
        if record.info["file"] != self._identity():
            raise exc.DisconnectionError

    def _identity(self) -> tuple[int, int, int]:
        try:
            found = self.path.stat()
        except OSError:
            return 0, 0, os.getpid()
        return found.st_dev, found.st_ino, os.getpid()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection that sees one state of the index."""
        with _in_our_words(f"{self.path}", sqlite3, self.path), self.engine.connect() as connection:
            connection.exec_driver_sql("BEGIN")
            yield connection

    @contextmanager
    def writing(self, names: Iterable[str] | None) -> Iterator[Connection]:  # one writer at a time
        """Give a connection that alone writes."""
        with self.locked(), self.changing() as connection:
            yield connection

    @contextmanager
    def changing(self) -> Iterator[Connection]:
        """Give a connection that writes; only while holding the lock, or where nobody else knows the file."""
        with _in_our_words(f"{self.path}", sqlite3, self.path), self.engine.connect() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection
            connection.commit()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Wait for the turn to write, among threads and processes; fairer than SQLite's own polling."""
        with self.path.with_name(INDEX_LOCK).open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def revision(self) -> str:
        """Give the schema's version, "" where the file is missing, or no index."""
        try:
            with self.path.open("rb") as file:
                if file.read(len(_MAGIC)) != _MAGIC:
                    return ""
        except FileNotFoundError:
            return ""
        except OSError as problem:
            raise FilmlessError(f"{self.path}: cannot be read ({problem.strerror})") from problem
        try:
            with self.reading() as connection:
                return str(connection.exec_driver_sql(_VERSION).scalar_one())
        except (Damaged, exc.NoResultFound):
            return ""

    @contextmanager
    def replaced(self) -> Iterator[SqliteFile]:
        """Give an empty database beside this one, which takes its place in one step when the block ends well.

        Only while holding the lock. The journals of the former file would be played back into the new one.
        """
        part = SqliteFile(
            self.path.with_name(f".{self.path.name}.{os.getpid()}-{secrets.token_hex(4)}.part"),
            is_writable=True,
            is_private=True,
        )
        try:
            part.path.touch()
            yield part
            with part.engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA journal_mode = WAL")
            part.close()
            for journal in journals(self.path):
                journal.unlink(missing_ok=True)
            flush(part.path)
            part.path.replace(self.path)
            flush(self.path.parent)
        finally:
            part.close()
            for path in (part.path, *journals(part.path)):
                path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close all connections; the last one of all processes puts the log into the file and removes it."""
        self.engine.dispose()


class PostgresServer:
    """A database of a PostgreSQL server, which is the index's alone."""

    def __init__(self, url: str) -> None:
        try:
            parsed = make_url(re.sub("^postgres(ql)?:", "postgresql+psycopg:", url))
            self.engine = create_engine(
                parsed, pool_size=_SAVED_CONNECTIONS, max_overflow=-1, isolation_level="READ COMMITTED"
            )
        except (exc.ArgumentError, exc.NoSuchModuleError) as problem:
            raise InvalidArgument(f"index {url!r}: give postgresql://user@host/database ({problem})") from problem
        except ImportError as problem:
            raise InvalidArgument(
                f"a PostgreSQL index needs psycopg: pip install 'filmless[postgresql]' ({problem})"
            ) from problem
        self._name = parsed.set(drivername="postgresql").render_as_string(hide_password=True)
        event.listen(self.engine, "connect", lambda _, record: record.info.update(process=os.getpid()))
        event.listen(self.engine, "checkout", _check_process)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection that sees one state of the index."""
        with _in_our_words(self._name, self.engine.dialect.loaded_dbapi), self.engine.connect() as connection:
            yield connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

    @contextmanager
    def writing(self, names: Iterable[str] | None) -> Iterator[Connection]:
        """Give a connection that alone writes what these names stand for, or everything (None)."""
        with _in_our_words(self._name, self.engine.dialect.loaded_dbapi), self.engine.connect() as connection:
            if names is None:
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _EVERYTHING})
            else:
                connection.execute(text("SELECT pg_advisory_xact_lock_shared(:key)"), {"key": _EVERYTHING})
                hold(connection, names)
            yield connection
            connection.commit()

    def revision(self) -> str:
        """Give the schema's version, "" where there is no index."""
        with self.reading() as connection:
            if connection.exec_driver_sql("SELECT to_regclass('alembic_version')").scalar_one() is None:
                return ""
            return str(connection.exec_driver_sql(_VERSION).scalar_one_or_none() or "")

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def hold(connection: Connection, names: Iterable[str]) -> None:
    """Wait until no other transaction holds these names; in one order, so that few wait in a circle.

    The one writer of a SQLite file holds all.
    """
    if connection.dialect.name != "postgresql":
        return
    for name in sorted(set(names)):
        statement = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, :key))")
        connection.execute(statement, {"name": name, "key": _EVERYTHING})


def _check_process(_: Any, record: Any, __: Any) -> None:
    if record.info["process"] != os.getpid():  # a child made by fork must not share its parent's
        record.dbapi_connection = None
        raise exc.DisconnectionError


def journals(path: Path) -> list[Path]:
    """Name the files that SQLite may put beside a database."""
    return [path.with_name(path.name + suffix) for suffix in ("-journal", "-wal", "-shm")]


@contextmanager
def _in_our_words(name: str, driver: Any, path: Path | None = None) -> Iterator[None]:
    """Tell errors of a database and its driver: `Damaged` where its file is no sound one, else `FilmlessError`."""
    try:
        yield
    except (exc.DBAPIError, driver.Error) as problem:
        cause = problem.orig if isinstance(problem, exc.DBAPIError) else problem
        told = f"{name}: {' '.join(str(cause).split())}"
        is_unsound = isinstance(cause, sqlite3.DatabaseError) and not isinstance(
            cause, sqlite3.OperationalError | sqlite3.InterfaceError | sqlite3.ProgrammingError
        )
        if path is not None and is_unsound:
            raise Damaged(f"{told}; delete it: it is made anew from the files") from problem
        if getattr(cause, "sqlite_errorcode", None) in _NOT_WRITTEN:
            raise OSError(errno.ENOSPC, f"the index could not be written ({cause})", str(path or name)) from problem
        if getattr(cause, "sqlstate", None) in _CONTENTION:
            raise Contended(told) from problem
        if path is None and isinstance(cause, driver.OperationalError):
            told += "; check that the server runs, the index of `filmless policy`, and PGPASSWORD or ~/.pgpass"
        raise FilmlessError(told) from problem
