"""A disk that is full, fails, or refuses: nothing acknowledged is lost, the error is one of ours or the system's,
nothing half-written is taken for whole, and the work goes on when the disk does.
"""

from __future__ import annotations

import errno
import os
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
from dicom_files import slices
from filmless.engine.archive import open_archive
from filmless.errors import FilmlessError, NoRoom
from filmless.storage import durable

CALLS = ("write", "fsync", "link", "rename", "replace", "mkdir", "setxattr", "unlink")
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


class Disk:
    """Counts calls that change the disk below a folder, and refuses one of them."""

    def __init__(self, refused: int, code: int, *, halves: bool = False) -> None:
        self.refused, self.code, self.halves, self.calls = refused, code, halves, 0

    def check(self) -> None:
        self.calls += 1
        if self.calls == self.refused:
            raise OSError(self.code, os.strerror(self.code))

    @property
    def has_refused(self) -> bool:
        return self.calls >= self.refused


@contextmanager
def faulty(disk: Disk):
    with pytest.MonkeyPatch.context() as patch:
        for name in CALLS:
            patch.setattr(os, name, wrapped(getattr(os, name), disk, name))
        append = durable.HashedFile.append

        def checked(self, *pieces):
            disk.check()
            return append(self, *pieces)

        patch.setattr(durable.HashedFile, "append", checked)
        yield


def wrapped(call, disk: Disk, name: str):
    def checked(*arguments, **options):
        disk.check()
        if name == "write" and disk.halves and len(arguments[1]) > 1:
            return call(arguments[0], arguments[1][: len(arguments[1]) // 2])
        return call(*arguments, **options)

    return checked


@pytest.fixture
def in_memory():
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        yield Path(folder)


def work(archive, paths, acknowledged) -> None:
    for path in paths:
        archive.receive(path, "test")
        acknowledged[path] = path.read_bytes()
    for result in archive.consolidate(quiet_s=0):
        if result.problem:
            raise FilmlessError(result.problem)


def held(archive):
    rows = [row for series in archive.contents() for row in archive.instances_of(series.series_uid)]
    return {archive.instance(row.sop_uid).read() for row in rows}


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EACCES], ids=errno.errorcode.get)
def test_whatever_call_the_disk_refuses_nothing_acknowledged_is_lost_and_work_goes_on(code, in_memory):
    paths = slices(in_memory / "in", range(1, 3))
    everything = {path.read_bytes() for path in paths}
    open_archive(in_memory / "warm").receive(paths[0])
    refused, failures = 0, 0
    while True:
        refused += 1
        root = in_memory / f"archive-{refused}"
        archive, acknowledged, disk = open_archive(root), {}, Disk(refused, code)
        archive.set_policy(reserve_bytes="0")
        with faulty(disk):
            try:
                work(archive, paths, acknowledged)
            except (FilmlessError, OSError):
                failures += 1
        if not disk.has_refused:
            break

        again = open_archive(root)
        assert set(acknowledged.values()) <= held(again), f"call {refused}"
        work(again, paths, {})
        again.recover()
        assert held(again) == everything, f"call {refused}"
        assert again.verify() == [], f"call {refused}"
        assert again.unfinished() == [], f"call {refused}"

    assert failures > 20


def test_short_writes_are_carried_on(in_memory):
    paths = slices(in_memory / "in", range(1, 4))
    archive = open_archive(in_memory / "archive")
    archive.set_policy(reserve_bytes="0")

    with faulty(Disk(1 << 30, 0, halves=True)):
        work(archive, paths, {})

    assert archive.verify() == []
    assert held(archive) == {path.read_bytes() for path in paths}


@contextmanager
def small_disk(size_mb: int):
    """A file system of its own of so many megabytes."""
    with tempfile.TemporaryDirectory() as folder:
        made = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size_mb}m", "tmpfs", folder], capture_output=True, check=False
        )
        if made.returncode:
            pytest.skip(f"no small file system can be made here: {made.stderr.decode().strip()}")
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)  # the index may still be open


def receive_all(archive, paths, received):
    """Receive files as streams, of which the size is not known before."""
    for path in paths:
        with path.open("rb") as stream:
            archive.receive(stream)
        received.append(path)


def test_reception_refuses_before_the_disk_is_full_and_goes_on_when_there_is_room(tmp_path):
    paths = slices(tmp_path / "in", range(1, 41), shape=(256, 256))
    with small_disk(8) as disk:
        archive = open_archive(disk / "archive")
        archive.set_policy(reserve_bytes=str(4 << 20))
        (disk / "ballast").write_bytes(bytes(1 << 20))
        received = []

        with pytest.raises(NoRoom, match=r"reserve_bytes"):
            receive_all(archive, paths, received)

        assert 5 < len(received) < 40
        assert held(archive) == {path.read_bytes() for path in received}
        (disk / "ballast").unlink()
        archive.receive(paths[len(received)])
        assert archive.verify() == []


def test_a_disk_that_is_full_stops_consolidation_and_harms_nothing(tmp_path):
    paths = slices(tmp_path / "in", range(1, 11), shape=(256, 256))
    with small_disk(6) as disk:
        archive = open_archive(disk / "archive")
        archive.set_policy(reserve_bytes="0")
        for path in paths:
            archive.receive(path)
        free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
        (disk / "ballast").write_bytes(bytes(free - (100 << 10)))

        (result,) = archive.consolidate(quiet_s=0)

        assert "bytes too few are free" in result.problem
        assert [path.name for path in (disk / "archive" / "series").rglob("*") if path.is_file()] == []
        assert held(archive) == {path.read_bytes() for path in paths}
        (disk / "ballast").unlink()
        (result,) = archive.consolidate(quiet_s=0)
        assert (result.problem, result.generation) == ("", 1)
        assert held(archive) == {path.read_bytes() for path in paths}
        assert archive.verify() == []


def test_a_disk_that_fills_up_amid_reception_leaves_nothing_half_written(tmp_path):
    paths = slices(tmp_path / "in", range(1, 41), shape=(256, 256))
    with small_disk(3) as disk:
        archive = open_archive(disk / "archive")
        archive.set_policy(reserve_bytes="0")
        received = []

        with pytest.raises(OSError, match=r"No space|too few"):
            receive_all(archive, paths, received)

        assert received
        again = open_archive(disk / "archive")
        assert held(again) == {path.read_bytes() for path in received}
        assert list((disk / "archive").rglob("*.part")) == []
