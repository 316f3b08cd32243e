"""Statements that SQLAlchemy compiles once and the driver runs.

Executed through SQLAlchemy a statement costs several times as long as SQLite takes to answer, and each archive that is
opened would compile its own (figures: docs/explanation/benchmarks.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import Connection, Delete, Insert, Select, Update

Expression = Select[Any] | Insert | Update | Delete


class Prepared:
    """A statement with parameters; compiled at its first use on each kind of database, for the whole process."""

    def __init__(self, expression: Expression | Callable[[str], Expression], columns: Iterable[str] = ()) -> None:
        """Take the expression, or what makes it for a dialect's name; `columns` are those that it sets."""
        self._expression, self._columns = expression, list(columns)
        self._texts: dict[str, str] = {}

    def all(self, connection: Connection, **values: Any) -> list[Any]:
        """Give all rows."""
        return list(self._run(connection, values).fetchall())

    def one(self, connection: Connection, **values: Any) -> Any:
        """Give the first row, or None."""
        return self._run(connection, values).fetchone()

    def run(self, connection: Connection, **values: Any) -> None:
        """Run a statement that gives nothing."""
        self._run(connection, values)

    def run_each(self, connection: Connection, rows: Iterable[dict[str, Any]]) -> int:
        """Run it with each of these rows of values; give how many rows of the table were added or changed."""
        cursor: Any = connection.connection.cursor()
        given = list(rows)
        if not given:
            return 0
        cursor.executemany(self._text(connection), given)
        return int(cursor.rowcount)

    def _run(self, connection: Connection, values: dict[str, Any]) -> Any:
        cursor: Any = connection.connection.cursor()
        cursor.execute(self._text(connection), values)
        return cursor

    def _text(self, connection: Connection) -> str:
        name = connection.dialect.name
        if name not in self._texts:
            expression = self._expression(name) if callable(self._expression) else self._expression
            keys = self._columns or None
            self._texts[name] = str(expression.compile(dialect=connection.dialect, column_keys=keys))
        return self._texts[name]
