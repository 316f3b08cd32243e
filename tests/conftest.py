"""What all tests share: the naive twins on the path, and the real DICOM data where there is some."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from filmless.demo.phantom import write_phantom
from filmless.engine.archive import open_archive
from hypothesis import settings

TESTS = Path(__file__).resolve().parent
sys.path.insert(0, str(TESTS))

# The first example of a test may compile a kernel: a deadline would measure that.
settings.register_profile("filmless", deadline=None)
settings.load_profile("filmless")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real DICOM data: FILMLESS_TEST_DATA, or ../shared/data beside the checkout."""
    named = os.environ.get("FILMLESS_TEST_DATA")
    folder = Path(named) if named else TESTS.parent.parent / "shared" / "data"
    if not folder.is_dir():
        reason = f"no real DICOM data: FILMLESS_TEST_DATA is {named!r}, and ../shared/data is not there"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return folder


@pytest.fixture(scope="session")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small synthetic hospital export: seven series, a copy, a file cut short; not to be changed."""
    folder = tmp_path_factory.mktemp("phantom") / "export"
    write_phantom(folder, slices=8, size=64)
    return folder


@pytest.fixture(scope="session")
def phantom_archive(phantom: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an archive that holds the phantom; not to be changed: copy it."""
    folder = tmp_path_factory.mktemp("phantom-archive") / "archive"
    open_archive(folder).ingest(phantom)
    return folder
