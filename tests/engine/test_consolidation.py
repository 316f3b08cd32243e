"""Consolidation: the inbox becomes proven generations; nothing is lost, and nobody who reads is disturbed."""

from __future__ import annotations

import gc
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from dicom_bytes import encapsulated_image, item
from dicom_files import image, report, rle, save, slice_values, slices
from filmless.engine.archive import open_archive
from filmless.engine.loading import Loaded
from filmless.storage import fail
from filmless.storage.pack import PackWriter
from pydicom.uid import RLELossless


@pytest.fixture
def archive(tmp_path):
    return open_archive(tmp_path / "archive")


def receive_all(archive, paths):
    return [archive.receive(path) for path in paths]


def exported_bytes(archive, folder):
    return {path.read_bytes() for row in archive.contents() for path in archive.series(row.series_uid).export(folder)}


def files_in(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def test_what_waits_becomes_a_volume_and_the_inbox_is_empty(archive, tmp_path):
    paths = slices(tmp_path / "in", [3, 1, 2])
    receive_all(archive, paths)

    (result,) = archive.consolidate(quiet_s=0)

    assert (result.generation, result.new_instances, result.left, result.problem) == (1, 3, [], "")
    series = archive.series(result.series_instance_uid)
    np.testing.assert_array_equal(series.volume().level()[:], [slice_values(n) for n in (1, 2, 3)])
    assert exported_bytes(archive, tmp_path / "out") == set(map(Path.read_bytes, paths))
    assert list((archive.root / "inbox").rglob("*.dcm")) == []
    assert archive.contents()[0].waiting == 0
    assert archive.verify() == []


def test_it_is_the_generation_that_an_ingest_makes(archive, tmp_path):
    paths = slices(tmp_path / "in", range(1, 6))
    receive_all(archive, paths)
    archive.consolidate(quiet_s=0)
    ingested = open_archive(tmp_path / "other")
    ingested.ingest(tmp_path / "in")

    (row,), (other,) = archive.contents(), ingested.contents()
    ours, theirs = archive.series(row.series_uid), ingested.series(other.series_uid)

    assert [ours.published.header(n) for n in range(5)] == [theirs.published.header(n) for n in range(5)]
    for name in ("stack-0.ome.zarr/zarr.json", "stack-0.ome.zarr/0/c.0.0.0"):
        assert (ours.folder / name).read_bytes() == (theirs.folder / name).read_bytes()


def test_late_instances_make_the_next_generation_from_the_former_and_the_inbox(archive, tmp_path):
    early = slices(tmp_path / "a", [2, 3, 5])
    receive_all(archive, early)
    archive.consolidate(quiet_s=0)
    late = [*slices(tmp_path / "b", [1, 4]), save(report(9), tmp_path / "b" / "9.dcm")]
    receive_all(archive, late)
    partly = archive.series(archive.contents()[0].series_uid)
    assert (partly.row.instances, partly.row.waiting) == (3, 3)
    assert {path.read_bytes() for path in partly.export(tmp_path / "x")} == set(map(Path.read_bytes, early + late))
    del partly

    (result,) = archive.consolidate(quiet_s=0)

    assert (result.generation, result.new_instances) == (2, 3)
    series = archive.series(result.series_instance_uid)
    np.testing.assert_array_equal(series.volume().level()[:], [slice_values(n) for n in range(1, 6)])
    assert exported_bytes(archive, tmp_path / "out") == set(map(Path.read_bytes, early + late))
    assert [path.name for path in series.folder.parent.iterdir()] == ["2"]
    assert archive.verify() == []


def test_late_codestreams_join_those_that_are_there(archive, tmp_path):
    paths = [save(rle(slice_values(n), n), tmp_path / f"{n}", RLELossless) for n in (1, 2, 3)]
    for path in paths:
        archive.receive(path)
        archive.consolidate(quiet_s=0)

    series = archive.series(archive.contents()[0].series_uid)

    assert series.manifest.generation == 3
    np.testing.assert_array_equal(series.volume().level()[:], [slice_values(n) for n in (1, 2, 3)])
    assert exported_bytes(archive, tmp_path / "out") == set(map(Path.read_bytes, paths))


def test_a_reader_of_the_former_generation_finishes_undisturbed_and_then_it_goes(archive, tmp_path):
    receive_all(archive, slices(tmp_path / "a", [1, 2]))
    archive.consolidate(quiet_s=0)
    reader = archive.series(archive.contents()[0].series_uid)
    receive_all(archive, slices(tmp_path / "b", [3]))

    archive.consolidate(quiet_s=0)

    folder = reader.folder.parent
    assert sorted(path.name for path in folder.iterdir()) == ["1", "2"]
    assert reader.verify() == []
    np.testing.assert_array_equal(reader.volume().level()[:], [slice_values(n) for n in (1, 2)])
    del reader
    gc.collect()
    archive.recover()
    assert [path.name for path in folder.iterdir()] == ["2"]


def test_only_series_that_have_been_quiet_are_consolidated(archive, tmp_path):
    receive_all(archive, slices(tmp_path / "a", [1, 2], series=1))
    assert archive.consolidate(quiet_s=60) == []
    assert archive.consolidate() == []

    (result,) = archive.consolidate(archive.contents()[0].short_id)

    assert result.new_instances == 2


def test_a_generation_that_does_not_prove_is_not_published_and_all_is_served_from_the_inbox(
    archive, tmp_path, monkeypatch, caplog
):
    paths = slices(tmp_path / "in", [1, 2, 3])
    receive_all(archive, paths)
    put = Loaded.read_frame

    def put_wrong(loaded, frame, out):
        put(loaded, frame, out)
        out[0, 0, 0] += loaded.instance.instance_number == 2

    monkeypatch.setattr(Loaded, "read_frame", put_wrong)

    (result,) = archive.consolidate(quiet_s=0)

    assert "not written well" in result.problem
    assert "not written well" in caplog.text
    assert archive.contents()[0].waiting == 3
    assert exported_bytes(archive, tmp_path / "out") == set(map(Path.read_bytes, paths))
    assert archive.unfinished() == []
    monkeypatch.undo()
    assert archive.consolidate(quiet_s=0)[0].problem == ""


def test_an_altered_file_stays_in_the_inbox_and_the_others_are_consolidated(archive, tmp_path, caplog):
    receive_all(archive, slices(tmp_path / "in", [1, 2, 3]))
    altered = sorted((archive.root / "inbox").rglob("*.dcm"))[1]
    data = bytearray(altered.read_bytes())
    data[-3] ^= 1
    altered.write_bytes(data)

    (result,) = archive.consolidate(quiet_s=0)

    assert (result.new_instances, result.problem) == (2, "")
    ((uid, reason),) = result.left
    assert altered.stem == uid
    assert "differs from what was received" in reason
    assert altered.exists()
    assert uid in caplog.text
    assert any(uid in line for line in archive.verify())


def test_an_acknowledged_instance_whose_pixels_turn_out_to_be_none_is_kept_byte_for_byte(archive, tmp_path):
    # The header is that of an image; behind the offset table's item comes something that is no item.
    data = encapsulated_image(item(b"") + b"\x01\x02\x03\x04" * 8)
    archive.receive(data)

    (result,) = archive.consolidate(quiet_s=0)

    assert (result.new_instances, result.left, result.problem) == (1, [], "")
    assert result.warnings
    assert archive.instance("1.2.3.4").read() == data
    archive.receive(save(image(slice_values(2), 2), tmp_path / "2.dcm"))
    archive.consolidate(quiet_s=0)
    assert archive.verify() == []


@pytest.mark.parametrize("how", ["enospc", "eio"])
@pytest.mark.parametrize("point", [point for point in fail.POINTS if point.startswith(("generation", "index: g"))][:7])
def test_a_disk_that_fails_leaves_all_in_the_archive_and_work_resumes(archive, tmp_path, point, how):
    early, late = slices(tmp_path / "a", [1, 2]), slices(tmp_path / "b", [3])
    receive_all(archive, early)
    archive.consolidate(quiet_s=0)
    receive_all(archive, late)
    fail.arm(point, how=how)
    try:
        with pytest.raises(OSError, match="made to fail"):
            archive.consolidate(quiet_s=0)
    finally:
        fail.disarm()
    assert exported_bytes(archive, tmp_path / "out") == set(map(Path.read_bytes, early + late))

    archive.recover()
    archive.consolidate(quiet_s=0)

    assert archive.contents()[0].instances == 3
    assert archive.contents()[0].waiting == 0
    assert archive.unfinished() == []
    assert archive.verify() == []


def test_an_ingest_and_the_inbox_may_have_the_same_instance(archive, tmp_path):
    paths = slices(tmp_path / "in", [1, 2, 3])
    receive_all(archive, paths[:2])

    report = archive.ingest(tmp_path / "in")

    assert (report.stored, len(report.duplicates)) == (1, 2)
    archive.consolidate(quiet_s=0)
    assert archive.contents()[0].instances == 3
    assert archive.verify() == []


def test_an_instance_received_while_an_ingest_stores_it_is_one_instance(archive, tmp_path):
    paths = slices(tmp_path / "in", [1, 2, 3])

    def receive_too(stage, _done, _total):
        if stage == "storing":
            archive.receive(paths[0])

    archive.ingest(tmp_path / "in", receive_too)

    assert (archive.contents()[0].instances, archive.contents()[0].waiting) == (3, 0)
    assert list((archive.root / "inbox").rglob("*.dcm")) == []
    assert archive.verify() == []


def test_receivers_consolidators_readers_and_ingests_do_not_disturb_one_another(archive, tmp_path):
    paths = [path for series in range(1, 4) for path in slices(tmp_path / "in", range(1, 17), series=series)]
    bulk = slices(tmp_path / "bulk", range(1, 9), series=9)
    ends = time.monotonic() + 60
    done, faults = threading.Event(), []

    def receive(part):
        other = open_archive(archive.root)
        for path in paths[part::4] + paths[::7]:
            other.receive(path)

    def consolidate(_):
        other = open_archive(archive.root)
        while not done.is_set() and time.monotonic() < ends:
            faults.extend(result.problem for result in other.consolidate(quiet_s=0) if result.problem)

    def read(_):
        other = open_archive(archive.root)
        while not done.is_set() and time.monotonic() < ends:
            for row in other.contents():
                faults.extend(other.series(row.series_uid).verify())

    with ThreadPoolExecutor(12) as threads:
        work = [threads.submit(consolidate, n) for n in range(2)] + [threads.submit(read, n) for n in range(2)]
        receivers = [threads.submit(receive, n) for n in range(4)]
        ingested = threads.submit(lambda: open_archive(archive.root).ingest(tmp_path / "bulk"))
        try:
            for future in [*receivers, ingested]:
                future.result()
        finally:
            done.set()
        for future in work:
            future.result()

    assert faults == []
    archive.consolidate(quiet_s=0)
    gc.collect()
    archive.recover()
    assert [row.instances for row in archive.contents()] == [16, 16, 16, 8]
    assert exported_bytes(archive, tmp_path / "out") == set(map(Path.read_bytes, paths + bulk))
    assert archive.verify() == []
    assert archive.unfinished() == []


def test_what_a_pack_writer_breaks_is_found_by_the_proof(archive, tmp_path, monkeypatch):
    archive.receive(save(report(1), tmp_path / "1.dcm"))
    append = PackWriter.append

    def append_wrong(pack, data, **options):
        return append(pack, bytes([*data[:-1], data[-1] ^ 1]), **options)

    monkeypatch.setattr(PackWriter, "append", append_wrong)

    (result,) = archive.consolidate(quiet_s=0)

    assert result.problem
    assert archive.contents()[0].waiting == 1
