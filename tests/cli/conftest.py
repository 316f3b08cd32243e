"""The command line run in the tests' own process, and an archive of the phantom to run it on."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from filmless.cli import main
from filmless.engine.archive import open_archive


@pytest.fixture
def run(monkeypatch, capsys):
    """Run the command line in this process; (exit code, standard output, standard error)."""
    monkeypatch.delenv("FILMLESS_ARCHIVE", raising=False)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["filmless", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
        out, err = capsys.readouterr()
        return code, out, "".join(line for line in err.splitlines(True) if not line.startswith("compiling kernels"))

    return run


@pytest.fixture(scope="module")
def ids(phantom_archive):
    """Short ids of the phantom's series, by modality and number of instances."""
    return {
        (row.attributes["Modality"], row.instances, row.attributes["SeriesNumber"]): row.short_id
        for row in open_archive(phantom_archive).contents()
    }


@pytest.fixture(scope="module")
def ct(ids):
    return ids["CT", 8, "1"]


@pytest.fixture(scope="module")
def cine(ids):
    return next(short for (modality, _, _), short in ids.items() if modality == "US")


@pytest.fixture
def copy(phantom_archive, tmp_path):
    return Path(shutil.copytree(phantom_archive, tmp_path / "copy"))
