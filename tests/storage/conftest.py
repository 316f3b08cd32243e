"""The databases that an index may lie in: the same tests run on both."""

from __future__ import annotations

import pytest
from filmless.storage.home import Home
from filmless.storage.index import Index


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
