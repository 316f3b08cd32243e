"""Trigrams of the terms, so that a piece of text is found without looking through all of them."""

from __future__ import annotations

import warnings

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
_TERMS = ("study_terms", "series_terms")


def upgrade() -> None:
    """Index what is there, and what will come."""
    if op.get_bind().dialect.name == "sqlite":
        for table in _TERMS:
            _index_in_sqlite(table)
    elif _has_trigrams():
        for table in _TERMS:
            op.create_index(
                f"{table}_words", table, ["text"], postgresql_using="gin", postgresql_ops={"text": "gin_trgm_ops"}
            )
    else:
        warnings.warn(
            "this PostgreSQL has no extension pg_trgm: searches for a piece of text look through all values of the "
            "attribute; install it (Debian: postgresql-contrib) and drop the index's tables, they are made anew",
            stacklevel=2,
        )


def _index_in_sqlite(table: str) -> None:
    """Make a full-text table that holds no text of its own, and keep it like the table that does."""
    words = f"{table}_words"
    op.execute(
        f"CREATE VIRTUAL TABLE {words} USING fts5(text, content='{table}', content_rowid='id', tokenize='trigram')"
    )
    op.execute(
        f"CREATE TRIGGER {words}_added AFTER INSERT ON {table} BEGIN "
        f"INSERT INTO {words} (rowid, text) VALUES (new.id, new.text); END"
    )
    op.execute(
        f"CREATE TRIGGER {words}_gone AFTER DELETE ON {table} BEGIN "
        f"INSERT INTO {words} ({words}, rowid, text) VALUES ('delete', old.id, old.text); END"
    )
    op.execute(f"INSERT INTO {words} ({words}) VALUES ('rebuild')")


def _has_trigrams() -> bool:
    """Whether pg_trgm is there, or may be made; a trusted extension, so that a database's owner may."""
    bind = op.get_bind()
    question = sa.text("SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_trgm'")
    if not bind.execute(question).scalar_one():
        return False
    attempt = bind.begin_nested()
    try:
        bind.execute(sa.text("CREATE EXTENSION IF NOT EXISTS pg_trgm"))
    except sa.exc.ProgrammingError:  # not ours to make
        attempt.rollback()
        return False
    attempt.commit()
    return True
