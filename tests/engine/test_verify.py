from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from dicom_files import WORDS, image, rle, save, slice_values, slices
from filmless.engine.archive import open_archive
from filmless.errors import Damaged
from pydicom.uid import RLELossless
from stored import flipped


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """An archive of one series of every file class: pyramid, headers, codestreams, a file kept whole."""
    folder = tmp_path_factory.mktemp("verify")
    slices(folder / "in", range(1, 4))
    for n in (5, 6, 7):
        save(rle(slice_values(n, (8, 9)), n), folder / "in" / f"rle-{n}", RLELossless)
    save(image(WORDS, 9, bits_stored=12), folder / "in" / "overlay.dcm")
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

    with pytest.raises(Damaged):
        series.export(tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_an_index_that_names_another_generation_is_told(root):
    with closing(sqlite3.connect(root / "index.sqlite")) as connection, connection:
        connection.execute("UPDATE series SET generation = 2")

    damage = open_archive(root).verify()

    assert any("the index says generation 2, the files 1" in line for line in damage)


def test_an_index_that_lacks_a_series_is_told(root):
    with closing(sqlite3.connect(root / "index.sqlite")) as connection, connection:
        connection.execute("DELETE FROM series")

    assert any("the index says generation None, the files 1" in line for line in open_archive(root).verify())


def test_a_series_that_only_the_index_knows_is_told(root):
    shutil.rmtree(generation(root).parent)

    assert any("the index says generation 1, the files None" in line for line in open_archive(root).verify())


def test_a_series_is_not_taken_for_another(root):
    (uid,) = (path.name for path in (root / "series").glob("??/*"))
    folder = generation(root)
    text = (
        (folder / "series.json").read_text().replace(f'"series_instance_uid": "{uid}"', '"series_instance_uid": "1.2"')
    )
    (folder / "series.json").write_text(text)

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
