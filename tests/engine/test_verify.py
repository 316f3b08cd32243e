from __future__ import annotations

import shutil
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Event

import pytest
from dicom_files import every_file_class, slices
from filmless.engine.archive import open_archive
from filmless.errors import Damaged
from stored import altered_manifest, flipped


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """An archive of one series of every file class: pyramid, headers, codestreams, a file kept whole."""
    folder = tmp_path_factory.mktemp("verify")
    every_file_class(folder / "in")
    archive = open_archive(folder / "archive")
    assert archive.ingest(folder / "in").stored == 7
    return folder / "archive"


@pytest.fixture
def root(original, tmp_path):
    return Path(shutil.copytree(original, tmp_path / "archive"))


def generation(root: Path) -> Path:
    (folder,) = (root / "series").glob("??/*/1")
    return folder


def files(original_generation: Path) -> list[str]:
    return sorted(str(p.relative_to(original_generation)) for p in original_generation.rglob("*") if p.is_file())


CLASSES = {
    "manifest": "series.json",
    "headers": "headers.pack",
    "codestreams": "codestreams.pack",
    "group metadata": "stack-0.ome.zarr/zarr.json",
    "array metadata": "stack-0.ome.zarr/0/zarr.json",
    "shard": "stack-0.ome.zarr/0/c*",
    "sums": "SHA256SUMS",
}


def one_of(root: Path, pattern: str) -> Path:
    return next(path for path in sorted(generation(root).rglob("*")) if path.is_file() and path.match(pattern))


def test_an_untouched_archive_is_well(original):
    assert open_archive(original).verify() == []


def test_the_archive_has_every_class_of_file(original):
    folder = generation(original)

    for pattern in CLASSES.values():
        assert one_of(original, pattern).is_relative_to(folder)


@pytest.mark.parametrize("pattern", CLASSES.values(), ids=CLASSES)
@pytest.mark.parametrize("place", [0.0, 0.3, 0.6, 0.9999])
def test_a_flipped_bit_in_any_file_is_named(root, pattern, place):
    path = one_of(root, pattern)
    flipped(path, int(path.stat().st_size * place), 3)

    damage = open_archive(root).verify()

    assert damage
    assert path.name == "SHA256SUMS" or any(str(path) in line for line in damage)


@pytest.mark.parametrize("name", ["series.json", "SHA256SUMS"])
def test_a_flipped_bit_at_any_place_of_a_text_is_named_and_never_crashes(root, name):
    path = generation(root) / name
    archive = open_archive(root)

    for at in range(0, path.stat().st_size, 19):
        whole = flipped(path, at, at % 8)
        damage = archive.verify()
        assert damage, f"byte {at}"
        path.write_bytes(whole)
    assert archive.verify() == []


def test_every_missing_file_is_named(root):
    folder = generation(root)
    archive = open_archive(root)

    for name in files(folder):
        data = (folder / name).read_bytes()
        (folder / name).unlink()
        assert any(name in line for line in archive.verify()), name
        (folder / name).write_bytes(data)


def test_every_file_cut_short_is_named(root):
    folder = generation(root)
    archive = open_archive(root)

    for name in files(folder):
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[:-1])
        assert any(name in line for line in archive.verify()), name
        (folder / name).write_bytes(data)


@pytest.mark.parametrize("name", ["letter.txt", "stack-0.ome.zarr/0/c.9.9.9", ".hidden"])
def test_a_foreign_file_is_named(root, name):
    (generation(root) / name).write_text("x")

    assert open_archive(root).verify() == [f"{generation(root) / name}: does not belong to the generation"]


def test_damage_to_pixels_names_the_instances_that_no_longer_rebuild(root):
    path = one_of(root, "stack-0.ome.zarr/0/c*")
    flipped(path, 40)

    damage = open_archive(root).verify()

    assert any(line.startswith("instance") and "fails its checksum" in line for line in damage)


def test_damage_to_a_coarser_level_alone_harms_no_instance(root):
    coarser = generation(root) / "stack-0.ome.zarr" / "zarr.json"
    flipped(coarser, 20)

    assert open_archive(root).verify() == [f"{coarser}: differs from its SHA-256"]


def test_a_damaged_instance_is_never_given_out(root, tmp_path):
    flipped(one_of(root, "stack-0.ome.zarr/0/c*"), 40)
    (row,) = open_archive(root).contents()
    series = open_archive(root).series(row.series_uid)

    with pytest.raises(Damaged) as problem:
        series.export(tmp_path / "out")

    exported = {path.stem: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    damaged = [record for record in series.manifest.instances if record.sop_instance_uid not in exported]
    assert len(exported) == 4
    assert all(record.sop_instance_uid in str(problem.value) for record in damaged)
    assert not [uid for uid in exported if f"{uid}," in str(problem.value) or f"{uid}:" in str(problem.value)]
    assert exported == {uid: series.instance(uid) for uid in exported}


def test_an_index_that_names_another_generation_is_told(root):
    with closing(sqlite3.connect(root / "index.sqlite")) as connection, connection:
        connection.execute("UPDATE series SET generation = 2")

    damage = open_archive(root).verify()

    assert any("the index says generation 2, the files 1" in line for line in damage)


def change_index(root, statement):
    with closing(sqlite3.connect(root / "index.sqlite")) as connection, connection:
        connection.execute(statement)


def test_a_series_that_is_not_indexed_yet_is_no_damage_and_is_told(root):
    change_index(root, "DELETE FROM series")
    archive = open_archive(root)

    assert archive.verify() == []
    assert [line.partition(": ")[2] for line in archive.unfinished()] == ["not indexed yet: the next ingest does it"]
    assert [unlisted.is_sound for unlisted in archive.unlisted()] == [True]


def test_a_series_that_is_not_indexed_because_it_cannot_be_read_is_damage(root):
    change_index(root, "DELETE FROM series")
    (generation(root) / "series.json").write_text("{")
    archive = open_archive(root)

    assert ["not a manifest" in line for line in archive.verify()] == [True]
    assert archive.unfinished() == []


def test_a_newer_generation_that_cannot_be_read_is_damage_though_the_former_is_sound(root):
    shutil.copytree(generation(root), generation(root).with_name("2"))
    (root / "index.sqlite").unlink()
    archive = open_archive(root)

    (line,) = archive.verify()
    assert f"{generation(root).with_name('2')}: the manifest is that of another" in line
    assert archive.contents()[0].generation == 1


def test_a_newer_generation_that_cannot_be_read_is_kept_when_the_next_continues_the_former(root, tmp_path):
    damaged = Path(shutil.copytree(generation(root), generation(root).with_name("2")))
    (root / "index.sqlite").unlink()
    slices(tmp_path / "late", [4])
    archive = open_archive(root)

    report = archive.ingest(tmp_path / "late")

    assert report.stored == 1
    assert ["the manifest is that of another" in warning for warning in report.warnings] == [True]
    assert archive.contents()[0].generation == 3
    assert sorted(path.name for path in damaged.parent.iterdir()) == ["2", "3"]
    assert archive.verify() == []
    assert archive.unfinished() == [f"{damaged}: generation 2 is still beside 3"]


def test_what_a_stopped_ingest_left_is_no_damage_and_is_named(root):
    folder = generation(root)
    left = [folder.with_name(".new-7-ab"), folder.with_name(".old-1-cd"), root / "quarantine" / ".ab.part"]
    for path in left:
        path.mkdir()
    current = shutil.copytree(folder, folder.with_name("2")) / "series.json"
    altered_manifest(current, '"generation": 1', '"generation": 2')
    (root / "index.sqlite").unlink()
    archive = open_archive(root)

    unfinished = archive.unfinished()

    assert [str(path) for path in left if not any(line.startswith(str(path)) for line in unfinished)] == []
    assert f"{folder}: generation 1 is still beside 2" in unfinished
    assert len(unfinished) == 4


def test_damage_in_quarantine_is_named(root, tmp_path):
    (tmp_path / "bad.dcm").write_text("no instance")
    (aside,) = open_archive(root).ingest(tmp_path).set_aside
    kept = root / "quarantine" / f"{aside.sha256}.dcm"
    flipped(kept, 3)

    assert open_archive(root).verify() == [f"{kept}: the bytes are not those its name tells"]


@pytest.mark.parametrize("change", ["series SET instances = 8", "studies SET study_uid = '9.9'"])
def test_an_index_that_says_otherwise_than_the_manifest_is_told(root, change):
    change_index(root, f"UPDATE {change}")

    damage = open_archive(root).verify()

    assert damage
    assert all("the index does not say what the manifest does; run `filmless reindex`" in line for line in damage)


def test_one_series_is_verified_by_its_name(root):
    flipped(one_of(root, "stack-0.ome.zarr/0/c*"), 40)
    archive = open_archive(root)
    (row,) = archive.contents()

    assert archive.verify(series=row.short_id) == archive.verify()


def test_reading_goes_on_while_newer_generations_come(root, tmp_path):
    """Every question is answered and nothing is called damaged while an ingest replaces the generation in use."""
    problems, ended = [], Event()
    slices(tmp_path / "late", range(21, 41))

    def read():
        archive = open_archive(root)
        while not ended.is_set():
            problems.extend(archive.verify())
            archive.series(archive.contents()[0].series_uid)

    with ThreadPoolExecutor(2) as pool:
        readers = [pool.submit(read) for _ in range(2)]
        for path in sorted((tmp_path / "late").iterdir()):
            open_archive(root).ingest(path)
        ended.set()
        for reader in readers:
            reader.result()

    assert problems == []


def test_a_series_that_only_the_index_knows_is_told(root):
    shutil.rmtree(generation(root).parent)

    assert any("the index says generation 1, the files 0" in line for line in open_archive(root).verify())


def test_a_series_is_not_taken_for_another(root):
    (uid,) = (path.name for path in (root / "series").glob("??/*"))
    folder = generation(root)
    altered_manifest(folder / "series.json", f'"series_instance_uid": "{uid}"', '"series_instance_uid": "1.2"')

    with pytest.raises(Damaged, match="another series"):
        open_archive(root).series(uid)


def test_a_damaged_series_is_not_added_to_and_the_others_are_stored(root, tmp_path):
    flipped(one_of(root, "stack-0.ome.zarr/0/c*"), 40)
    slices(tmp_path / "late", [4])
    slices(tmp_path / "late", [1, 2], series=9)
    folder = generation(root)
    before = files(folder)

    report = open_archive(root).ingest(tmp_path / "late")

    assert files(folder) == before
    assert report.stored == 2
    (aside,) = report.set_aside
    assert "its series in the archive is damaged" in aside.reason
    assert "fails its checksum" in aside.reason


def test_progress_reaches_the_bytes_received(original):
    told = []

    open_archive(original).verify(lambda *what: told.append(what))

    (row,) = open_archive(original).contents()
    assert told[-1] == ("verifying", row.received_bytes, row.received_bytes)
    assert told == sorted(told)
