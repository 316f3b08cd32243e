"""The statements of reception, as the driver runs them.

SQLAlchemy compiles them, once for each kind of database; executing them through it takes several times as long as
SQLite takes to answer (see `bench/test_index.py`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Text, bindparam, func, literal_column, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.engine import Dialect

from .schema import instances, series, studies


class Hot:
    """Statements on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._cursor: Any = connection.connection.cursor()
        self._texts = _texts(connection.dialect)
        self._is_server = connection.dialect.name == "postgresql"

    def held(self, sop_uids: Sequence[str]) -> list[tuple[str, str, str]]:
        """Give (SOP Instance UID, Series Instance UID, SHA-256) of those instances that are held."""
        given = list(sop_uids) if self._is_server else json.dumps(sop_uids)
        self._cursor.execute(self._texts["held"], {"uids": given})
        rows: list[tuple[str, str, str]] = self._cursor.fetchall()
        return rows

    def series(self, uid: str) -> tuple[int, int, int, str, str] | None:
        """Give (id, study's id, generation, speaker, SOP classes) of a series."""
        self._cursor.execute(self._texts["series"], {"uid": uid})
        row: tuple[int, int, int, str, str] | None = self._cursor.fetchone()
        return row

    def identity(self, series_uid: str) -> tuple[str, str] | None:
        """Give study UID and Patient ID of a series."""
        self._cursor.execute(self._texts["identity"], {"uid": series_uid})
        row = self._cursor.fetchone()
        return None if row is None else (row[0], json.loads(row[1]).get("PatientID", ""))

    def insert(self, values: Iterable[dict[str, Any]]) -> int:
        """Add instances; one that is held stays as it is. Gives how many were added."""
        self._cursor.executemany(self._texts["insert"], list(values))
        return int(self._cursor.rowcount)


def hot(connection: Connection) -> Hot:
    """Give the statements, on a connection that is in a transaction."""
    return Hot(connection)


@lru_cache
def _texts(dialect: Dialect) -> dict[str, str]:
    name = dialect.name
    uids = bindparam("uids", type_=ARRAY(Text) if name == "postgresql" else Text())
    if name == "postgresql":
        among = instances.c.sop_uid == func.any(uids)
    else:
        among = instances.c.sop_uid.in_(select(literal_column("value")).select_from(func.json_each(uids)))
    joined = instances.join(series, instances.c.series_id == series.c.id)
    columns = series.c.id, series.c.study_id, series.c.generation, series.c.speaker, series.c.sop_classes
    insert = postgresql.insert if name == "postgresql" else sqlite.insert
    statements = {
        "held": select(instances.c.sop_uid, series.c.series_uid, instances.c.sha256).select_from(joined).where(among),
        "series": select(*columns).where(series.c.series_uid == bindparam("uid", type_=Text())),
        "identity": select(studies.c.study_uid, series.c.attributes)
        .join(studies, series.c.study_id == studies.c.id)
        .where(series.c.series_uid == bindparam("uid", type_=Text())),
        "insert": insert(instances).on_conflict_do_nothing(),
    }
    keys = {"insert": [column.name for column in instances.columns if column.name != "id"]}
    return {
        label: str(statement.compile(dialect=dialect, column_keys=keys.get(label)))
        for label, statement in statements.items()
    }
