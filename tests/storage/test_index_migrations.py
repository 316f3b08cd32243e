from __future__ import annotations

from contextlib import suppress

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from filmless.storage.index import Index
from filmless.storage.index import index as module
from filmless.storage.index.making import make_tables
from filmless.storage.index.migrate import upgrade
from filmless.storage.index.schema import REVISION, metadata
from inbox_rows import inbox_row
from sqlalchemy import create_engine


def back_to_first(index):
    """Take an index back to its first version: what the second adds is dropped."""
    with index._database.writing(None) as connection:
        for table in ("study_terms", "series_terms"):
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql(f"DROP TRIGGER {table}_words_added")
                connection.exec_driver_sql(f"DROP TRIGGER {table}_words_gone")
                connection.exec_driver_sql(f"DROP TABLE {table}_words")
            else:
                connection.exec_driver_sql(f"DROP INDEX {table}_words")
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0001'")


def test_an_older_index_is_migrated_and_keeps_its_rows(home, url, index, monkeypatch):
    index.receive([inbox_row("3.1", PatientName="Doe^John")])
    back_to_first(index)
    index.close()
    monkeypatch.setattr(module, "_add_missed", lambda *_: pytest.fail("it was made anew"))

    migrated = Index(home, url)

    assert len(migrated.search("study", {"PatientName": "*OHN*"})) == 1
    migrated.forget("1.2", ["3.1"])
    assert migrated.search("study", {"PatientName": "*OHN*"}) == []
    migrated.close()


def test_the_migrations_make_the_tables_that_the_code_knows(index):
    def is_ours(_object, name, kind, *_):
        return not (kind in ("table", "index") and "_words" in name)

    with index._database.reading() as connection:
        context = MigrationContext.configure(connection, opts={"include_object": is_ours})
        assert context.get_current_revision() == REVISION
        assert compare_metadata(context, metadata) == []


def test_a_new_index_is_what_the_migrations_come_to(tmp_path):
    made = {}
    for make in (make_tables, upgrade):
        with create_engine(f"sqlite:///{tmp_path / make.__name__}").begin() as connection:
            make(connection)
            rows = connection.exec_driver_sql("SELECT type, name, tbl_name, sql FROM sqlite_master")
            schema = {(*row[:3], "".join((row[3] or "").split())) for row in rows}
            version = connection.exec_driver_sql("SELECT version_num FROM alembic_version").all()
        made[make] = schema, version

    assert made[make_tables] == made[upgrade]
    assert len(made[upgrade][0]) > 20


def test_a_migration_that_fails_leaves_the_index_as_it_was(home, index):
    index.receive([inbox_row("3.1")])
    with suppress(RuntimeError), index._database.writing(None) as connection:
        connection.exec_driver_sql("DROP TABLE stacks")
        upgrade(connection, "head")
        raise RuntimeError

    assert len(index.all_series()) == 1
