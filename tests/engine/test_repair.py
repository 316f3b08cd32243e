"""Whatever is wrong in an archive: verification names it, repair mends it or sets it aside, and nothing is deleted."""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import pytest
from dicom_files import every_file_class, slices
from filmless.engine.archive import open_archive
from filmless.errors import FilmlessError, NotFound
from filmless.storage import inbox
from stored import flipped


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An archive with every class of bytes: a generation of all kinds of pixels, and instances that wait."""
    folder = tmp_path_factory.mktemp("repair")
    every_file_class(folder / "in")
    archive = open_archive(folder / "archive")
    archive.set_policy(reserve_bytes="0")
    archive.ingest(folder / "in")
    for path in slices(folder / "waiting", range(1, 4), series=2):
        archive.receive(path, "test")
    return folder


@pytest.fixture
def root(whole, tmp_path):
    copied = Path(shutil.copytree(whole / "archive", tmp_path / "archive"))
    for path in (whole / "archive").rglob("*.dcm"):  # a copy may lose what was known on reception
        for name in os.listxattr(path):
            os.setxattr(copied / path.relative_to(whole / "archive"), name, os.getxattr(path, name))
    return copied


def received(whole):
    return {
        hashlib.sha256(path.read_bytes()).hexdigest() for name in ("in", "waiting") for path in (whole / name).iterdir()
    }


def held(archive):
    """The SHA-256 of each instance that the archive gives back."""
    rows = [row for series in archive.contents() for row in archive.instances_of(series.series_uid)]
    return {hashlib.sha256(archive.instance(row.sop_uid).read()).hexdigest() for row in rows}


def answers(archive):
    rows = archive.contents()
    return rows, [archive.instances_of(row.series_uid) for row in rows]


def generation(root: Path) -> Path:
    (folder,) = (root / "series").glob("??/*/1")
    return folder


def one_of(root: Path, pattern: str) -> Path:
    return next(path for path in sorted(generation(root).rglob("*")) if path.is_file() and path.match(pattern))


def waiting(root: Path) -> Path:
    return sorted((root / "inbox").rglob("*.dcm"))[0]


CLASSES = {
    "manifest": "series.json",
    "headers": "headers.pack",
    "codestreams": "codestreams.pack",
    "group metadata": "stack-0.ome.zarr/zarr.json",
    "array metadata": "stack-0.ome.zarr/0/zarr.json",
    "shard": "stack-0.ome.zarr/0/c*",
    "sums": "SHA256SUMS",
}
HARMLESS = {"group metadata", "array metadata", "sums", "manifest"}
"""Classes that are written elsewhere too."""


def test_an_archive_in_order_needs_no_repair(root):
    archive = open_archive(root)

    assert archive.verify() == []
    assert archive.repair() == []


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize("place", [0.0, 0.5, 0.9999])
def test_after_a_flipped_bit_repair_keeps_all_it_can_and_verification_is_clean(root, whole, kind, place):
    path = one_of(root, CLASSES[kind])
    flipped(path, int(path.stat().st_size * place), 3)
    archive = open_archive(root)
    assert archive.verify() != []

    done = archive.repair()

    lost = [entry for entry in done if entry.is_lost]
    assert done
    assert archive.verify() == []
    assert archive.unfinished() == []
    assert held(archive) <= received(whole)
    assert len(received(whole)) - len(held(archive)) == len(lost)
    assert bool(lost) <= bool(list((root / "quarantine" / "generations").rglob("series.json")))
    assert not (lost and kind in HARMLESS)


def test_lost_instances_come_back_from_files_that_have_their_bytes(root, whole):
    flipped(one_of(root, "codestreams.pack"), 10)
    flipped(one_of(root, "headers.pack"), 10)
    archive = open_archive(root)

    done = archive.repair(replacements=[whole / "in"])

    assert not any(entry.is_lost for entry in done)
    assert archive.verify() == []
    assert held(archive) == received(whole)


def test_lost_instances_are_received_as_new_when_they_are_sent_again(root, whole):
    flipped(one_of(root, "codestreams.pack"), 10)
    archive = open_archive(root)
    archive.repair()

    outcomes = [archive.receive(path).outcome for path in sorted((whole / "in").iterdir())]
    results = archive.consolidate(quiet_s=0)

    assert "new" in outcomes
    assert [result.problem for result in results] == [""] * len(results)
    assert held(archive) == received(whole)
    assert archive.verify() == []


def test_an_instance_that_lies_in_quarantine_is_taken_from_there(root, whole):
    (path,) = (path for path in (whole / "in").iterdir() if path.name == "overlay.dcm")
    name = hashlib.sha256(path.read_bytes()).hexdigest()
    flipped(one_of(root, "codestreams.pack"), one_of(root, "codestreams.pack").stat().st_size // 2)
    shutil.copy(path, root / "quarantine" / f"{name}.dcm")
    for other in (whole / "in").iterdir():
        shutil.copy(other, root / "quarantine" / f"{hashlib.sha256(other.read_bytes()).hexdigest()}.dcm")
    archive = open_archive(root)

    assert not any(entry.is_lost for entry in archive.repair())
    assert held(archive) == received(whole)


def test_a_dry_run_changes_nothing_and_tells_what_would_be_done(root):
    flipped(one_of(root, "stack-0.ome.zarr/0/c*"), 40)
    (root / "series" / "letter.txt").write_text("x")
    archive = open_archive(root)
    archive.verify()
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file() and "sqlite" not in path.name}

    done = archive.repair(is_dry=True)

    assert len(done) >= 3
    assert before == {path: path.read_bytes() for path in before if path.exists()}
    assert archive.verify() != []


@pytest.mark.parametrize("name", ["letter.txt", "stack-0.ome.zarr/0/c.9.9.9", ".hidden"])
def test_a_foreign_file_in_a_generation_goes_to_quarantine(root, name):
    (generation(root) / name).write_text("letter")
    archive = open_archive(root)

    (entry,) = archive.repair()

    assert "quarantine" in entry.done
    assert archive.verify() == []
    assert (root / "quarantine" / f"{hashlib.sha256(b'letter').hexdigest()}.dcm").read_text() == "letter"


@pytest.mark.parametrize(
    "name", ["series/letter", "series/ab/letter", "inbox/letter", "inbox/ab/letter", "inbox/ab/c/x.dcm"]
)
def test_a_foreign_file_elsewhere_is_named_and_goes_to_quarantine(root, name):
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text("letter")
    archive = open_archive(root)

    assert archive.verify() == [f"{root / name}: does not belong to the archive"]
    archive.repair()

    assert archive.verify() == []
    assert not (root / name).exists()


def test_a_file_in_the_inbox_that_has_rotted_is_named_kept_aside_and_sent_again(root, whole):
    path = waiting(root)
    flipped(path, 600)
    rotten = hashlib.sha256(path.read_bytes()).hexdigest()
    archive = open_archive(root)
    assert any(str(path) in line and "differs from what was received" in line for line in archive.verify())

    (entry,) = archive.repair()

    assert entry.is_lost
    assert (root / "quarantine" / f"{rotten}.dcm").exists()
    assert archive.verify() == []
    with pytest.raises(NotFound):
        archive.instance(path.stem)
    outcomes = {archive.receive(path).outcome for path in (whole / "waiting").iterdir()}
    assert outcomes == {"new", "same"}
    assert held(archive) == received(whole)


@pytest.mark.parametrize("harm", ["rot", "loss"])
def test_a_file_of_the_inbox_is_written_again_from_what_was_given(root, whole, harm):
    path = waiting(root)
    flipped(path, 600) if harm == "rot" else path.unlink()
    archive = open_archive(root)
    assert archive.verify() != []

    archive.repair(replacements=[whole / "waiting"])

    assert archive.verify() == []
    assert held(archive) == received(whole)


@pytest.mark.parametrize("harm", ["gone", "altered", "no text"])
def test_what_was_known_on_reception_is_written_again_from_the_index(root, harm):
    path = waiting(root)
    facts = inbox.read_facts(path)
    if harm == "gone":
        os.removexattr(path, "user.filmless")
    elif harm == "altered":
        os.setxattr(path, "user.filmless", facts.to_json().replace(facts.sha256[:8].encode(), b"00000000"))
    else:
        os.setxattr(path, "user.filmless", b"{")
    archive = open_archive(root)
    assert archive.verify() != []

    (entry,) = archive.repair()

    assert not entry.is_lost
    assert inbox.read_facts(path) == facts
    assert archive.verify() == []


ROT_IN_INDEX = [
    "UPDATE {table} SET sha256 = 'ff' || substr(sha256, 3)",
    "UPDATE {table} SET size_bytes = size_bytes + 1",
    "UPDATE {table} SET transfer_syntax_uid = '1.2'",
    "UPDATE {table} SET source = 'elsewhere'",
    "UPDATE {table} SET received_at = 'then'",
    "DELETE FROM {table} WHERE sop_uid LIKE '%.2.1' OR sop_uid LIKE '%.1.1'",
]


@pytest.mark.parametrize("statement", ROT_IN_INDEX)
def test_rows_of_the_index_that_have_rotted_are_named_and_made_anew(root, statement):
    known = answers(open_archive(root))
    with closing(sqlite3.connect(root / "index.sqlite")) as connection, connection:
        connection.execute(statement.format(table="instances"))
    archive = open_archive(root)
    assert archive.verify() + archive.unfinished() != []

    archive.repair()

    assert archive.verify() == []
    assert answers(archive) == known


def test_bytes_of_the_index_that_have_rotted_do_no_harm(root):
    known = answers(open_archive(root))
    with closing(sqlite3.connect(root / "index.sqlite")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    size = (root / "index.sqlite").stat().st_size
    told = 0
    for at in range(4096, size, 797):
        before = flipped(root / "index.sqlite", at, 2)
        archive = open_archive(root)
        try:
            is_same = answers(archive) == known
        except FilmlessError:
            is_same = False
        if not is_same:
            told += 1
            with suppress(FilmlessError):
                assert archive.verify() + archive.unfinished() != [], f"byte {at}"
        (root / "index.sqlite").write_bytes(before)
    assert told

    archive = open_archive(root)
    archive.reindex()
    assert answers(archive) == known


def test_a_series_that_only_the_index_knows_is_forgotten_and_told(root, whole):
    shutil.rmtree(generation(root).parent)
    archive = open_archive(root)
    assert archive.verify() != []

    done = archive.repair()

    assert sum(entry.is_lost for entry in done) == 7
    assert archive.verify() == []
    assert len(archive.contents()) == 1


def test_half_published_generations_are_removed(root):
    folder = generation(root)
    shutil.copytree(folder, folder.with_name(".new-7-ab"))
    shutil.copytree(folder, folder.with_name(".old-1-cd"))
    archive = open_archive(root)
    assert len(archive.unfinished()) == 2

    archive.repair()

    assert archive.unfinished() == []
    assert [path.name for path in folder.parent.iterdir()] == ["1"]


def test_a_newer_generation_that_cannot_be_read_goes_to_quarantine_and_the_former_serves(root, whole):
    newer = Path(shutil.copytree(generation(root), generation(root).with_name("2")))
    (newer / "series.json").write_text("{")
    (newer / "headers.pack").write_bytes(b"")
    (root / "index.sqlite").unlink()
    archive = open_archive(root)
    assert archive.verify() != []

    archive.repair()

    assert archive.verify() == []
    assert held(archive) == received(whole)
    assert list((root / "quarantine" / "generations").rglob("REASON.txt"))


def test_damage_in_quarantine_is_kept_under_its_own_name(root, tmp_path):
    (tmp_path / "bad.dcm").write_text("no instance")
    archive = open_archive(root)
    (aside,) = archive.ingest(tmp_path / "bad.dcm").set_aside
    kept = root / "quarantine" / f"{aside.sha256}.dcm"
    flipped(kept, 3)

    archive.repair()

    assert archive.verify() == []
    assert len(list((root / "quarantine").glob("*.dcm"))) == 2


def test_verification_with_little_time_goes_on_where_the_last_one_stopped(root):
    looked_at = []
    for _ in range(4):
        found = open_archive(root).verify_for(0.0)
        assert (found.damage, found.left) == ([], 1)
        looked_at += [row.series_uid for row in found.series]

    assert looked_at[0] != looked_at[1]
    assert set(looked_at) == {row.series_uid for row in open_archive(root).contents()}


def test_reindexing_gives_the_same_answers(root):
    archive = open_archive(root)
    known = answers(archive)

    archive.reindex()

    assert answers(archive) == known
    assert answers(open_archive(root)) == known


def test_what_was_repaired_is_written_down(root):
    (generation(root) / "letter").write_text("x")
    archive = open_archive(root)

    archive.repair()

    assert "does not belong" in (root / "repairs.jsonl").read_text()
