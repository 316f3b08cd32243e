from __future__ import annotations

import hashlib
import resource
from contextlib import contextmanager
from pathlib import Path

import pytest
from filmless.storage.durable import HashedFile, hash_file, write_whole
from filmless.storage.quarantine import all_set_aside, set_aside


@contextmanager
def files_limited_to(size_bytes):
    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, former[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, former)


def test_a_file_is_written_whole_and_nothing_else_is_left(tmp_path):
    write_whole(tmp_path / "a", b"first")
    write_whole(tmp_path / "a", b"second")

    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"second"}


def test_a_failing_write_leaves_the_former_file_and_nothing_else(tmp_path):
    write_whole(tmp_path / "a", b"former")

    with files_limited_to(100), pytest.raises(OSError, match="File too large"):
        write_whole(tmp_path / "a", bytes(1000))

    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"former"}


def test_a_failing_rename_leaves_nothing_behind(tmp_path):
    (tmp_path / "a").mkdir()

    with pytest.raises(OSError, match="directory"):
        write_whole(tmp_path / "a", b"x")

    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_hashed_file_tells_offsets_size_and_sha256(tmp_path):
    file = HashedFile(tmp_path / "below" / "a")

    offsets = file.append(b"one", b"two"), file.append(memoryview(b"three")), file.append()

    assert offsets == (0, 6, 11)
    assert file.close() == hashlib.sha256(b"onetwothree").hexdigest() == hash_file(file.path)
    assert file.size_bytes == 11


def test_a_hashed_file_on_a_full_disk_can_be_abandoned(tmp_path):
    file = HashedFile(tmp_path / "a")

    with files_limited_to(100):
        file.append(bytes(1000))  # still in the buffer
        file.abandon()


class TestQuarantine:
    @pytest.fixture
    def source(self, tmp_path):
        (tmp_path / "quarantine").mkdir()
        (tmp_path / "bad").write_bytes(b"not good")
        return tmp_path / "bad"

    def test_bytes_and_reason_are_kept(self, source):
        folder = source.with_name("quarantine")

        entry = set_aside(folder, source, "why not", "2024-01-01T00:00:00+00:00")

        assert (folder / f"{entry.sha256}.dcm").read_bytes() == b"not good"
        assert all_set_aside(folder) == [entry]
        assert (entry.reason, entry.path, entry.size_bytes) == ("why not", str(source), 8)

    def test_the_same_bytes_again_change_nothing(self, source):
        folder = source.with_name("quarantine")
        set_aside(folder, source, "first", "2024-01-01T00:00:00+00:00")
        before = {path: path.read_bytes() for path in folder.iterdir()}

        set_aside(folder, source, "second", "2024-01-02T00:00:00+00:00")

        assert {path: path.read_bytes() for path in folder.iterdir()} == before

    def test_entries_come_oldest_first(self, source):
        folder = source.with_name("quarantine")
        for day, data in ((2, b"b"), (1, b"a"), (3, b"c")):
            source.write_bytes(data)
            set_aside(folder, source, "why", f"2024-01-0{day}T00:00:00+00:00")

        assert [entry.at[9] for entry in all_set_aside(folder)] == ["1", "2", "3"]

    def test_a_source_that_is_gone_raises_and_keeps_nothing(self, source):
        folder = source.with_name("quarantine")

        with pytest.raises(FileNotFoundError):
            set_aside(folder, Path("/nowhere/at/all"), "why", "now")

        assert list(folder.iterdir()) == []
