from __future__ import annotations

import random
import shutil

import pytest
from dicom_files import slices
from filmless.engine.archive import open_archive
from filmless.engine.rebuild import Rebuilder
from filmless.errors import Damaged, NotFound
from filmless.storage.home import Home
from filmless.storage.manifest import _SEAL, sealed
from filmless.storage.published import Published

COUNT = 70


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A series of more slices than a slab, and its files by instance UID."""
    folder = tmp_path_factory.mktemp("rebuild")
    paths = slices(folder / "in", range(1, COUNT + 1))
    archive = open_archive(folder / "archive")
    archive.ingest(folder / "in")
    (row,) = archive.contents()
    return archive.series(row.series_uid), paths, Published(Home(archive.root), row.series_uid, 1)


def test_instances_rebuild_in_any_order(made):
    _, paths, published = made
    rebuilder = Rebuilder(published)
    order = list(range(COUNT))
    random.Random(4).shuffle(order)

    assert all(rebuilder.read(number) == paths[number].read_bytes() for number in order)


def test_the_cheapest_order_has_every_instance_once(made):
    _, _, published = made

    assert sorted(Rebuilder(published).stack_order()) == list(range(COUNT))


def test_pieces_join_to_the_file_that_came_in(made):
    _, paths, published = made

    assert b"".join(Rebuilder(published).pieces(33)) == paths[33].read_bytes()


def test_exported_files_are_named_by_uid_and_replace_former_ones(made, tmp_path):
    series, paths, _ = made
    (tmp_path / f"{series.manifest.instances[3].sop_instance_uid}.dcm").write_bytes(b"old")

    exported = series.export(tmp_path)

    assert {path.name.removesuffix(".dcm") for path in exported} == {
        record.sop_instance_uid for record in series.manifest.instances
    }
    assert {path.read_bytes() for path in tmp_path.iterdir()} == {path.read_bytes() for path in paths}


def test_export_tells_its_progress_in_received_bytes(made, tmp_path):
    series, paths, _ = made
    told = []

    series.export(tmp_path, lambda *what: told.append(what))

    total = sum(path.stat().st_size for path in paths)
    assert told[-1] == ("exporting", total, total)
    assert len(told) == COUNT


def test_what_does_not_rebuild_to_the_bytes_received_is_never_given_out(made, tmp_path):
    original, _, _ = made
    root = shutil.copytree(original.folder.parents[3], tmp_path / "copy")
    record = original.manifest.instances[5]
    manifest = next(root.glob("series/??/*/1/series.json"))
    body = manifest.read_bytes().rpartition(_SEAL)[0]
    manifest.write_bytes(sealed(body.replace(record.sha256.encode(), b"0" * 64)))
    series = open_archive(root).series(original.uid)

    with pytest.raises(Damaged, match=f"{record.sop_instance_uid} does not rebuild exactly"):
        series.instance(record.sop_instance_uid)
    with pytest.raises(Damaged):
        series.export(tmp_path / "out")
    assert not (tmp_path / "out" / f"{record.sop_instance_uid}.dcm").exists()


def test_an_instance_of_another_series_is_not_found(made):
    with pytest.raises(NotFound, match=r"9\.9\.9"):
        made[0].instance("9.9.9")
