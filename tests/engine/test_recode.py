from __future__ import annotations

import json

import numpy as np
import pytest
import zarr
from dicom_files import every_file_class, slices
from filmless.engine import recode as recoding
from filmless.engine.archive import open_archive
from filmless.errors import Damaged, InvalidArgument, NotFound, Unproven
from filmless.storage import zarr_codec


@pytest.fixture
def archive(tmp_path):
    """One series of every kind of file: pyramid, codestreams, a file kept whole."""
    every_file_class(tmp_path / "in", range(1, 6), coded=(7, 8))
    archive = open_archive(tmp_path / "archive")
    assert archive.ingest(tmp_path / "in").is_complete
    return archive


def only(archive):
    (row,) = archive.contents()
    return row


def files_of(archive, folder):
    return {path.name: path.read_bytes() for path in archive.series(only(archive).series_uid).export(folder)}


def levels_of(archive):
    series = archive.series(only(archive).series_uid)
    folder = archive.root.joinpath(*series._published.folder.relative_to(archive.root).parts)
    return {
        (stack.name, number): zarr.open_array(folder / stack.folder / str(number), mode="r")[...]
        for stack in series.manifest.stacks
        for number in range(len(stack.levels))
    }


def test_every_instance_comes_back_byte_for_byte_from_either_tier(archive, tmp_path):
    before = files_of(archive, tmp_path / "before")

    archive.recode(only(archive).series_uid, "dense")
    dense = files_of(archive, tmp_path / "dense")
    archive.recode(only(archive).series_uid, "open")

    assert before == dense == files_of(archive, tmp_path / "open")
    assert archive.verify() == []


def test_every_level_has_the_same_values_and_metadata_in_either_tier(archive):
    zarr_codec.register()
    before = levels_of(archive)
    stacks = archive.series(only(archive).series_uid).manifest.stacks

    archive.recode(only(archive).series_uid, "dense")

    after = levels_of(archive)
    assert before.keys() == after.keys()
    for key in before:
        np.testing.assert_array_equal(before[key], after[key])
    for old, new in zip(stacks, archive.series(only(archive).series_uid).manifest.stacks, strict=True):
        assert (old.name, old.meaning, old.levels, old.frames) == (new.name, new.meaning, new.levels, new.frames)
        assert new.codec == ("dense" if new.levels else "open")


def test_it_is_a_new_generation_and_the_former_is_gone(archive):
    done = archive.recode(only(archive).series_uid, "dense")

    assert (done.generation, done.is_new) == (2, True)
    assert only(archive).generation == 2
    assert [path.name for path in archive.root.glob("series/*/*/*")] == ["2"]
    assert only(archive).archived_bytes == done.archived_bytes


def test_a_series_that_has_the_codec_already_is_left_alone(archive):
    done = archive.recode(only(archive).series_uid, "open")

    assert not done.is_new
    assert only(archive).generation == 1


def test_progress_counts_every_byte_that_was_received(archive):
    told = []

    archive.recode(only(archive).series_uid, "dense", lambda *step: told.append(step))

    assert told[-1] == ("proving", only(archive).received_bytes, only(archive).received_bytes)


def test_a_generation_that_does_not_prove_well_goes_and_the_former_stays(archive, monkeypatch):
    def find_fault(*_):
        raise Unproven({3: "a bit is lost"})

    monkeypatch.setattr(recoding, "prove", find_fault)

    with pytest.raises(Unproven, match="a bit is lost"):
        archive.recode(only(archive).series_uid, "dense")

    assert [path.name for path in archive.root.glob("series/*/*/*")] == ["1"]
    assert archive.verify() == []


def test_a_damaged_former_generation_stays_as_it_is(archive):
    (shard,) = archive.root.glob("series/*/*/1/stack-0.ome.zarr/0/c*")
    data = bytearray(shard.read_bytes())
    data[30] ^= 1
    shard.write_bytes(data)

    with pytest.raises(Damaged, match="fails its checksum"):
        archive.recode(only(archive).series_uid, "dense")

    assert [path.name for path in archive.root.glob("series/*/*/*")] == ["1"]


def test_an_unknown_codec_or_series_is_refused(archive):
    with pytest.raises(InvalidArgument, match="open or dense"):
        archive.recode(only(archive).series_uid, "tight")
    with pytest.raises(NotFound):
        archive.recode("1.2.3.4", "dense")


def test_a_late_instance_keeps_to_the_policy(archive, tmp_path):
    archive.recode(only(archive).series_uid, "dense")
    slices(tmp_path / "late", range(6, 8))

    archive.ingest(tmp_path / "late")

    codecs = {stack.codec for stack in archive.series(only(archive).series_uid).manifest.stacks}
    assert codecs == {"open"}
    assert archive.verify() == []


def test_the_policy_chooses_the_codec_of_what_comes_in(tmp_path):
    slices(tmp_path / "in", range(1, 6))
    archive = open_archive(tmp_path / "archive")
    archive.set_policy(codec="dense")
    archive.ingest(tmp_path / "in")

    assert archive.series(only(archive).series_uid).manifest.stacks[0].codec == "dense"
    assert archive.verify() == []


def test_a_series_that_only_waits_is_refused(tmp_path):
    (path, *_) = slices(tmp_path / "in", range(1, 3))
    archive = open_archive(tmp_path / "archive")
    receipt = archive.receive(path)

    with pytest.raises(InvalidArgument, match="consolidate it first"):
        archive.recode(receipt.series_instance_uid, "dense")


def test_instances_that_wait_go_on_waiting(archive, tmp_path):
    (path,) = slices(tmp_path / "late", [20])
    archive.receive(path)

    archive.recode(only(archive).series_uid, "dense")

    assert (only(archive).waiting, only(archive).generation) == (1, 2)
    assert archive.consolidate(quiet_s=0)[0].generation == 3
    assert archive.verify() == []


def test_what_was_known_on_reception_stays_known(archive, tmp_path):
    (path,) = slices(tmp_path / "late", [20])
    archive.receive(path, source="scanner 3")
    archive.consolidate(quiet_s=0)

    archive.recode(only(archive).series_uid, "dense")

    assert "scanner 3" in {row.source for row in archive.instances_of(only(archive).series_uid)}


def test_a_policy_that_names_no_codec_is_refused(tmp_path):
    open_archive(tmp_path / "archive")
    description = tmp_path / "archive" / "archive.json"
    description.write_text(json.dumps(json.loads(description.read_text()) | {"codec": "tight"}))

    with pytest.raises(Damaged, match="open or dense"):
        open_archive(tmp_path / "archive")
