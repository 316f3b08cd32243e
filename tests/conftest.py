"""What all tests share: the naive twins on the path, and the real DICOM data where there is some."""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from filmless.demo.phantom import write_phantom
from filmless.engine.archive import open_archive
from hypothesis import settings

TESTS = Path(__file__).resolve().parent
sys.path.insert(0, str(TESTS))

from object_server import CREDENTIALS, FAST, Proxy, proxy, s3_server, url, without_proxies  # noqa: E402  # on the path now
from postgresql import Server, find_programs  # noqa: E402

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


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """The endpoint of an S3 server with the bucket of the tests."""
    with s3_server() as endpoint:
        yield endpoint


@pytest.fixture(scope="session", autouse=True)
def s3_credentials() -> Iterator[None]:
    """What every S3 client looks for in the environment."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (CREDENTIALS | without_proxies()).items():
            patch.setenv(name, value)
        yield


@pytest.fixture
def s3_proxy(s3: str) -> Iterator[Proxy]:
    """A proxy of its own for a test."""
    with proxy(s3) as passing:
        yield passing


@pytest.fixture(params=["folder", "object store"])
def series_url(request: pytest.FixtureRequest) -> str:
    """Where a new archive keeps its series: in its folder, then in the object store. The same tests run on both."""
    if request.param == "folder":
        return ""
    return url(request.getfixturevalue("s3"), f"archive-{uuid.uuid4().hex}", f"{FAST}&grace_s=0")


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
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
