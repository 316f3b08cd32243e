"""Invariants A1 and A4: an ingest that is killed leaves a whole archive, and the same command completes it."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from filmless.engine.archive import open_archive

KILLS = 15
SERVER = Path(__file__).resolve().parent.parent / "ingest_server.py"


class Server:
    """Ingests in child processes that can be killed."""

    def __init__(self, source: Path) -> None:
        environment = os.environ | {"FILMLESS_THREADS": "1"}
        command = [sys.executable, str(SERVER), str(source)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, bufsize=1, env=environment)
        assert self.process.stdout.readline() == "ready\n"

    def ingest(self, archive: Path, source: Path, kill_after_s: float = 0) -> int:
        """Ingest in a child; its exit status, -9 where it was killed before it ended."""
        self.process.stdin.write(f"{archive}\t{source}\t{kill_after_s}\n")
        return int(self.process.stdout.readline())

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture(scope="module")
def server(phantom):
    server = Server(phantom)
    yield server
    server.close()


@pytest.fixture(scope="module")
def half(phantom, tmp_path_factory):
    """An archive that holds every second image of the phantom."""
    folder = tmp_path_factory.mktemp("half") / "archive"
    open_archive(folder).ingest(sorted(phantom.rglob("IM*"))[::2])
    return folder


@pytest.fixture(scope="module")
def duration_s(server, phantom, tmp_path_factory):
    """How long an ingest takes that nobody kills."""
    started = time.perf_counter()
    assert server.ingest(tmp_path_factory.mktemp("whole") / "archive", phantom) == 0
    return time.perf_counter() - started


def exported_bytes(archive) -> set[bytes]:
    opened = [archive.series(row.series_uid) for row in archive.contents()]
    return {series.instance(record.sop_instance_uid) for series in opened for record in series.manifest.instances}


def check_whole_then_complete(root: Path, phantom: Path) -> None:
    """Whatever the archive holds is sound, and ingesting once more makes it hold everything."""
    received = {path.read_bytes() for path in phantom.rglob("IM*")}
    archive = open_archive(root)
    assert [line for line in archive.verify() if "the index says generation" not in line] == []
    assert exported_bytes(archive) <= received

    archive.ingest(phantom)

    assert archive.verify() == []
    assert len(exported_bytes(archive) & received) == 26
    assert not [path for path in root.rglob("*") if path.name.startswith((".new-", ".old-"))]


@pytest.mark.parametrize("start", ["nothing", "half"])
def test_killed_at_any_moment_it_leaves_a_whole_archive_that_can_be_completed(
    start, server, phantom, half, duration_s, tmp_path
):
    moments = random.Random(start)
    killed = 0

    for number in range(KILLS):
        root = tmp_path / str(number)
        if start == "half":
            shutil.copytree(half, root)
        killed += server.ingest(root, phantom, moments.uniform(0, duration_s)) == -signal.SIGKILL
        check_whole_then_complete(root, phantom)

    assert killed >= KILLS // 2


def test_killed_again_and_again_it_still_completes(server, phantom, duration_s, tmp_path):
    moments = random.Random(5)

    for _ in range(KILLS):
        server.ingest(tmp_path / "archive", phantom, moments.uniform(0, duration_s / 2))

    check_whole_then_complete(tmp_path / "archive", phantom)
