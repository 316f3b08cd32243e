"""What all tests share: the naive twins on the path, and the real DICOM data where there is some."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
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
