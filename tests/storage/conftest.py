"""The databases that an index may lie in: the same tests run on both."""

from __future__ import annotations

import os

import pytest
from filmless.storage.home import Home
from filmless.storage.index import Index
from postgresql import Server, find_programs


@pytest.fixture(scope="session")
def postgresql():
    """A running PostgreSQL server; without one, tests fail in CI and are skipped elsewhere, with what to do."""
    programs = find_programs()
    if programs is None:
        reason = "no PostgreSQL server is installed: apt-get install postgresql (it need not run)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    server = Server(programs)
    yield server
    server.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request):
    """Where the index lies: "" for SQLite."""
    return "" if request.param == "sqlite" else request.getfixturevalue("postgresql").new_database()


@pytest.fixture
def home(tmp_path):
    return Home.create(tmp_path / "archive")


@pytest.fixture
def index(home, url):
    """An empty index, once in each database."""
    index = Index(home, url)
    yield index
    index.close()
