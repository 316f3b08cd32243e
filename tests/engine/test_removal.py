"""Deletion in two steps: marked and hidden at once, removed after the grace, never while protected or sent again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from dicom_files import slices
from filmless.engine.archive import open_archive
from filmless.errors import InvalidArgument, NotFound, Protected
from filmless.storage import fail

ME = {"who": "Ada", "why": "a test"}
STUDY = "1.2.826.0.1.3680043.10.543.0"


@pytest.fixture
def paths(tmp_path):
    return slices(tmp_path / "in", range(1, 5)) + slices(tmp_path / "in", range(1, 3), series=2)


@pytest.fixture
def archive(paths, tmp_path):
    """A consolidated series of four, of which a fifth waits, and one of two that waits."""
    archive = open_archive(tmp_path / "archive")
    archive.set_policy(reserve_bytes="0")
    for path in paths[:4]:
        archive.receive(path)
    archive.consolidate(quiet_s=0)
    for path in [*paths[4:], *slices(tmp_path / "late", [5])]:
        archive.receive(path)
    return archive


def uid(number, series=1):
    return f"1.2.826.0.1.3680043.10.543.{series}.{number}"


def listed(archive, **asked):
    rows = archive.contents(**asked)
    return {row.sop_uid for series in rows for row in archive.instances_of(series.series_uid, **asked)}


ALL = {uid(n) for n in range(1, 6)} | {uid(n, 2) for n in (1, 2)}


@pytest.mark.parametrize(
    ("level", "name", "gone"),
    [
        ("patient", "T1", ALL),
        ("study", STUDY, ALL),
        ("series", uid(1).rpartition(".")[0], {uid(n) for n in range(1, 6)}),
        ("instance", uid(2), {uid(2)}),
        ("instance", uid(5), {uid(5)}),
        ("instance", uid(1, 2), {uid(1, 2)}),
    ],
)
def test_what_is_deleted_is_hidden_comes_back_and_is_gone_after_the_purge(archive, level, name, gone):
    bytes_before = {one: archive.instance(one).read() for one in ALL}
    archive.delete(level, name, **ME)
    assert listed(archive) == ALL - gone
    assert listed(archive, with_deleted=True) == ALL
    with pytest.raises(NotFound, match="undelete"):
        archive.instance(min(gone))
    archive.undelete(level, name, **ME)
    assert listed(archive) == ALL
    archive.delete(level, name, **ME)
    assert archive.purge(who="Ada") == []

    removed = archive.purge(who="Ada", grace_s=0)

    assert {one for removal in removed for one in removal.instances} == gone
    assert [removal.problem for removal in removed] == [""] * len(removed)
    again = open_archive(archive.root)
    assert listed(again, with_deleted=True) == ALL - gone
    assert {one: again.instance(one).read() for one in ALL - gone} == {one: bytes_before[one] for one in ALL - gone}
    assert again.verify() == []
    assert again.unfinished() == []
    assert [entry.act for entry in again.retention()][:3] == ["delete", "undelete", "delete"]
    assert {(entry.who, bool(entry.why)) for entry in again.retention()} == {("Ada", True)}


def test_nothing_of_a_protected_study_is_deleted_or_purged(archive):
    archive.delete("instance", uid(1), **ME)
    archive.protect(STUDY, who="Grace", why="a law suit")

    with pytest.raises(Protected, match=r"Grace.*a law suit"):
        archive.delete("instance", uid(2), **ME)
    assert archive.purge(who="Ada", grace_s=0) == []
    archive.unprotect(STUDY, **ME)
    (removal,) = archive.purge(who="Ada", grace_s=0)
    assert removal.instances == (uid(1),)


def test_dry_runs_tell_what_would_go_and_change_nothing(archive):
    (removal,) = archive.delete("instance", uid(1), is_dry=True, **ME)
    assert removal.instances == (uid(1),)
    assert listed(archive) == ALL
    archive.delete("instance", uid(1), **ME)

    (removal,) = archive.purge(who="Ada", grace_s=0, is_dry=True)

    assert removal.instances == (uid(1),)
    assert listed(archive, with_deleted=True) == ALL


def test_marks_survive_the_loss_of_the_index_and_a_line_cut_short(archive):
    archive.delete("instance", uid(1), **ME)
    with (archive.root / "retention.jsonl").open("ab") as journal:
        journal.write(b'{"act": "del')
    archive.reindex()

    again = open_archive(archive.root)
    again.delete("instance", uid(2), **ME)

    assert listed(again) == ALL - {uid(1), uid(2)}


@pytest.mark.parametrize("way", ["received", "ingested"])
def test_what_comes_again_while_it_is_marked_is_not_deleted_any_more(archive, paths, way):
    archive.delete("series", uid(1).rpartition(".")[0], **ME)
    if way == "received":
        assert archive.receive(paths[0], "CT1").outcome == "same"
    else:
        open_archive(archive.root).ingest(paths[0])

    archive.purge(who="Ada", grace_s=0)

    assert uid(1) in listed(archive)
    assert uid(2) not in listed(archive)
    assert archive.instance(uid(1)).read() == paths[0].read_bytes()


def test_what_comes_again_after_the_purge_is_new(archive, paths):
    archive.delete("study", STUDY, **ME)
    archive.purge(who="Ada", grace_s=0)
    assert archive.contents(with_deleted=True) == []
    assert [path for path in (archive.root / "series").rglob("*") if path.is_file()] == []

    assert archive.receive(paths[0]).outcome == "new"

    assert listed(archive) == {uid(1)}
    archive.consolidate(quiet_s=0)
    assert archive.recover() == []
    assert archive.instance(uid(1)).read() == paths[0].read_bytes()
    assert archive.verify() == []


def test_an_archive_without_reasons_keeps_all(archive):
    with pytest.raises(InvalidArgument, match="why"):
        archive.delete("instance", uid(1), who="Ada", why="")
    with pytest.raises(NotFound):
        archive.delete("study", "9.9", **ME)
    with pytest.raises(NotFound):
        archive.undelete("instance", uid(1), **ME)
    with pytest.raises(NotFound):
        archive.protect("9.9", **ME)


@pytest.mark.parametrize(
    "point",
    ["retention: purge noted", "generation: written", "generation: named", "index: generation put",
     "generation: former hidden", "inbox: one instance removed", "retention: generations removed"],
)  # fmt: skip
def test_a_purge_that_is_killed_is_finished_by_the_next_and_harms_nothing_else(archive, point):
    for one in (uid(1), uid(5), uid(2, 2)):
        archive.delete("instance", one, **ME)
    root = archive.root
    child = os.fork()
    if not child:
        fail.arm(point)
        open_archive(root).purge(who="Ada", grace_s=0)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -9

    again = open_archive(root)
    again.purge(who="Ada", grace_s=0)
    again.recover()

    assert listed(again, with_deleted=True) == ALL - {uid(1), uid(5), uid(2, 2)}
    assert again.verify() == []
    assert again.unfinished() == []
    assert Path(root / "retention.jsonl").exists()
