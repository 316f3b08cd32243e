"""Invariants A1, A4, A5: whatever moment a process is killed at, what it acknowledged is there and all is in order."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import random
import signal
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import pytest
from filmless.engine.archive import Archive, open_archive
from filmless.storage import fail

SERVER = Path(__file__).with_name("crash_server.py")
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else tempfile.gettempdir()
RANDOM_KILLS = int(os.environ.get("FILMLESS_CRASHES", "200"))
KILLS_AN_ARCHIVE = 12
"""After so many the next archive is begun, so that all states of one are met."""
TIMES = 5
"""How often each fail point is met."""
BY_POLICY = {
    "inbox: former set aside": "replace",
    "inbox: replaced": "replace",
    "quarantine: written": "keep-first",
    "quarantine: named": "keep-first",
    "quarantine: noted": "keep-first",
}
"""The policy under which a fail point is reached; the others are under any."""


class Server:
    def __init__(self) -> None:
        pipe = subprocess.PIPE
        environment = os.environ | {"FILMLESS_THREADS": "1"}
        self.process = subprocess.Popen(
            [sys.executable, str(SERVER), MEMORY], stdin=pipe, stdout=pipe, text=True, bufsize=1, env=environment
        )
        self.duration_s = float(self.process.stdout.readline())

    def run(self, root: Path, seed: int, *, point: str = "", time: int = 1, after_s: float = 0) -> int:
        """Let a child work; its exit status, -9 where it was killed before it ended."""
        asked = {"root": str(root), "seed": seed, "point": point, "time": time, "after_s": after_s}
        self.process.stdin.write(json.dumps(asked) + "\n")
        return int(self.process.stdout.readline())

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture(scope="module")
def server():
    server = Server()
    yield server
    server.close()


@pytest.fixture(autouse=True)
def _quiet():
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def in_memory():
    """A folder on a file system in memory, where there is one: nothing but the kill decides how long a run takes."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        yield Path(folder)


def begin(root: Path, policy: str) -> None:
    open_archive(root).set_policy(same_uid=policy, reserve_bytes="0")


def answers(archive: Archive) -> object:
    rows = archive.contents()
    return rows, [archive.instances_of(row.series_uid) for row in rows]


def check(root: Path) -> None:
    """What was acknowledged is there, byte for byte; then recovery leaves nothing to wish for."""
    archive = open_archive(root)
    path = root.with_suffix(".diary")
    diary = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    check_acknowledged(archive, diary)

    assert archive.recover() == []

    assert archive.verify() == []
    assert archive.unfinished() == []
    check_acknowledged(archive, diary)
    known = answers(archive)
    for path in root.glob("index.sqlite*"):
        path.unlink()
    assert answers(open_archive(root)) == known


def check_acknowledged(archive: Archive, diary: list[list[str]]) -> None:
    allowed: dict[str, set[str]] = defaultdict(set)  # the last acknowledged, or what was being sent when it was killed
    kept: set[tuple[str, str]] = set()
    for event, uid, sha256, outcome in diary:
        if event == "sent":
            allowed[uid].add(sha256)
            continue
        kept.add((uid, sha256))
        if outcome != "set-aside":
            allowed[uid] = {sha256}
    in_quarantine = {entry.sha256 for entry in archive.set_aside()}
    for uid in {uid for uid, _ in kept}:
        held = hashlib.sha256(archive.instance(uid).read()).hexdigest()
        assert held in allowed[uid]
        assert {sha256 for other, sha256 in kept if other == uid} <= {held} | in_quarantine


# Deleting and repairing, which the child does not do, are killed in tests/engine/test_removal.py.
REACHED = [point for point in fail.POINTS if not point.startswith("retention") and point != "generation: set aside"]


@pytest.mark.parametrize("point", REACHED)
def test_killed_at_a_fail_point_it_loses_nothing(point, server, in_memory):
    root, killed = in_memory / "archive", 0
    policy = BY_POLICY.get(point, "keep-first")
    begin(root, policy)

    for seed in range(TIMES * 8):
        killed += server.run(root, seed, point=point, time=1 + seed % 2) == -signal.SIGKILL
        check(root)
        if killed == TIMES:
            break

    assert killed == TIMES


@pytest.mark.timeout(max(300, 5 * RANDOM_KILLS))
@pytest.mark.parametrize("policy", ["keep-first", "replace"])
def test_killed_at_any_moment_it_loses_nothing(policy, server, in_memory):
    moments, killed, runs = random.Random(policy), 0, 0

    while killed < RANDOM_KILLS // 2:
        root = in_memory / f"{runs // KILLS_AN_ARCHIVE}"
        if runs % KILLS_AN_ARCHIVE == 0:
            begin(root, policy)
        killed += server.run(root, runs, after_s=moments.uniform(0.001, server.duration_s)) == -signal.SIGKILL
        check(root)
        runs += 1
        assert runs < 10 * RANDOM_KILLS
