from __future__ import annotations

import hashlib
import json
import os
import resource
import tracemalloc
from contextlib import contextmanager
from pathlib import Path

import pytest
from filmless.storage.durable import HashedFile, hash_file, write_whole
from filmless.storage.quarantine import all_set_aside, find_damage, set_aside


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

    with files_limited_to(100), pytest.raises(OSError, match="File too large"):
        file.append(bytes(60), bytes(1000))
    file.abandon()

    assert file.path.stat().st_size == 100


def test_more_pieces_than_one_call_takes_are_written_in_order(tmp_path):
    pieces = [bytes([n % 251]) * (n % 7) for n in range(3000)]
    file = HashedFile(tmp_path / "a")

    file.append(*pieces)

    assert file.close() == hashlib.sha256(b"".join(pieces)).hexdigest() == hash_file(file.path)


@pytest.mark.parametrize("taken", [1, 5, 6, 13])
def test_what_a_call_leaves_unwritten_is_written_by_the_next(tmp_path, monkeypatch, taken):
    writev = os.writev
    monkeypatch.setattr(os, "writev", lambda descriptor, pieces: writev(descriptor, [b"".join(pieces)[:taken]]))
    file = HashedFile(tmp_path / "a")

    file.append(b"first", b"", b"second", b"third")

    assert file.close() == hash_file(file.path) == hashlib.sha256(b"firstsecondthird").hexdigest()


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

    def test_a_large_file_is_kept_in_bounded_memory(self, source):
        folder = source.with_name("quarantine")
        os.truncate(source, 64 << 20)
        tracemalloc.start()

        entry = set_aside(folder, source, "why", "now")

        assert tracemalloc.get_traced_memory()[1] < 8 << 20
        tracemalloc.stop()
        assert entry.size_bytes == 64 << 20
        assert hash_file(folder / f"{entry.sha256}.dcm") == entry.sha256

    def test_a_full_disk_leaves_nothing_behind(self, source):
        folder = source.with_name("quarantine")
        source.write_bytes(bytes(1000))

        with files_limited_to(100), pytest.raises(OSError, match="File too large"):
            set_aside(folder, source, "why", "now")

        assert list(folder.iterdir()) == []

    def test_a_name_that_is_not_utf_8_is_kept_as_it_is(self, source):
        named = source.rename(source.with_name(os.fsdecode(b"M\xfcller.dcm")))
        folder = source.with_name("quarantine")

        entry = set_aside(folder, named, "why", "now")

        assert os.fsencode(entry.path).endswith(b"M\xfcller.dcm")
        assert all_set_aside(folder) == [entry]
        assert (folder / f"{entry.sha256}.json").read_bytes().isascii()

    @pytest.mark.parametrize("text", ["", "{", "[]", "7", "{}", '{"sha256": 1}', "\xff", None])
    def test_what_is_no_note_is_passed_over_and_named(self, source, text):
        folder = source.with_name("quarantine")
        entry = set_aside(folder, source, "why", "now")
        foreign = folder / "letter.json"
        foreign.mkdir() if text is None else foreign.write_bytes(text.encode("latin-1"))

        assert all_set_aside(folder) == [entry]
        assert find_damage(folder) == [f"{foreign}: not a note of what was set aside"]

    @pytest.mark.parametrize("value", [7, None, ["x"]])
    def test_a_note_of_wrong_types_is_none(self, source, value):
        folder = source.with_name("quarantine")
        note = folder / f"{set_aside(folder, source, 'why', 'now').sha256}.json"
        note.write_text(json.dumps(json.loads(note.read_text()) | {"reason": value}))

        assert all_set_aside(folder) == []
        assert find_damage(folder) == [f"{note}: not a note of what was set aside"]

    def test_a_damaged_note_is_written_anew_with_the_next_same_file(self, source):
        folder = source.with_name("quarantine")
        (folder / f"{set_aside(folder, source, 'why', 'now').sha256}.json").write_text("{")

        assert all_set_aside(folder) == []
        assert [set_aside(folder, source, "why", "later")] == all_set_aside(folder)

    def test_bytes_that_are_not_those_of_their_name_or_missing_are_named(self, source):
        folder = source.with_name("quarantine")
        kept = folder / f"{set_aside(folder, source, 'why', 'now').sha256}.dcm"
        assert find_damage(folder) == []

        kept.write_bytes(b"not goot")
        assert find_damage(folder) == [f"{kept}: the bytes are not those its name tells"]

        kept.unlink()
        assert find_damage(folder) == [f"{kept.with_suffix('.json')}: the bytes that it tells of are missing"]
