from __future__ import annotations

import gc
import hashlib
import os
import resource
import shutil
import zlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_files import ODD, image, report, rle, save, slice_values, slices
from filmless.engine.archive import open_archive
from filmless.engine.series import Series
from filmless.errors import ArchiveExists, FilmlessError, NotFound, Superseded
from filmless.storage.generation import GenerationWriter
from filmless.storage.home import Home
from filmless.storage.index import Index
from pydicom.uid import RLELossless


@pytest.fixture
def archive(tmp_path, series_url):
    return open_archive(tmp_path / "archive", series_url=series_url)


@pytest.fixture
def local_archive(tmp_path):
    """An archive whose generations are folders that a test can copy and harm."""
    return open_archive(tmp_path / "archive")


@pytest.fixture
def export(tmp_path):
    folder = tmp_path / "export"
    folder.mkdir()
    return folder


def files_of(folder: Path) -> dict[str, bytes]:
    """Every file of an archive but the index, which may be written anew with the same content."""
    paths = (path for path in folder.rglob("*") if path.is_file() and "index" not in path.name)
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def only_series(archive):
    (row,) = archive.contents()
    return archive.series(row.series_uid)


def exported_bytes(archive) -> set[bytes]:
    """Every instance of an archive, as it was received."""
    opened = [archive.series(row.series_uid) for row in archive.contents()]
    return {series.instance(i.sop_instance_uid) for series in opened for i in series.manifest.instances}


@contextmanager
def files_limited_to(size_bytes):
    """Let no file grow beyond a size, as on a full disk."""
    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, former[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, former)


def accounted(report) -> Counter:
    stored = ["stored"] * report.stored
    others = [path for path, _ in report.passed_over + report.unreadable] + report.duplicates
    return Counter(stored + list(map(str, others)) + [entry.path for entry in report.set_aside])


class TestPhantom:
    def test_every_file_is_in_exactly_one_count(self, phantom, archive):
        report = archive.ingest(phantom)

        counts = accounted(report)
        assert report.found == counts.total() == sum(path.is_file() for path in phantom.rglob("*"))
        assert counts.pop("stored") == 26
        assert set(counts.values()) == {1}
        assert (len(report.duplicates), len(report.passed_over), len(report.set_aside)) == (1, 2, 1)
        assert not report.unreadable
        assert not report.is_complete

    def test_what_was_set_aside_is_kept_with_its_reason(self, phantom, archive):
        (entry,) = archive.ingest(phantom).set_aside

        assert "cut short" in entry.reason
        assert archive.set_aside() == [entry]
        kept = archive.root / "quarantine" / f"{entry.sha256}.dcm"
        assert kept.read_bytes() == Path(entry.path).read_bytes()

    def test_every_instance_comes_back_byte_for_byte(self, phantom, phantom_archive, tmp_path):
        exported = {}
        for row in open_archive(phantom_archive).contents():
            for path in open_archive(phantom_archive).series(row.series_uid).export(tmp_path / row.short_id):
                exported[path.name] = path.read_bytes()

        received = set(map(Path.read_bytes, (path for path in phantom.rglob("IM*"))))
        assert len(exported) == 26
        assert set(exported.values()) <= received
        assert len(received - set(exported.values())) == 1  # the one cut short

    def test_twice_adds_nothing_and_changes_no_byte(self, phantom, phantom_archive, tmp_path):
        copy = shutil.copytree(phantom_archive, tmp_path / "copy")
        before, rows = files_of(copy), open_archive(copy).contents()

        report = open_archive(copy).ingest(phantom)

        assert report.stored == 0
        assert len(report.duplicates) == 27
        assert files_of(copy) == before
        assert open_archive(copy).contents() == rows

    def test_the_stored_values_are_those_that_pydicom_reads(self, phantom, phantom_archive):
        archive = open_archive(phantom_archive)
        read = [pydicom.dcmread(path) for path in sorted(phantom.rglob("SE000000/IM*"))[:8]]
        chest = archive.series(read[0].SeriesInstanceUID)

        expected = {made.SOPInstanceUID: made.pixel_array for made in read}
        for index, (number, _) in enumerate(chest.stack().record.frames):
            uid = chest.manifest.instances[number].sop_instance_uid
            np.testing.assert_array_equal(chest.stack().frame(index), expected[uid])

    def test_a_deleted_index_is_made_again_with_the_same_answers(self, phantom_archive, tmp_path):
        copy = shutil.copytree(phantom_archive, tmp_path / "copy")
        before = open_archive(copy).contents()
        for path in copy.glob("index.sqlite*"):
            path.unlink()

        assert open_archive(copy).contents() == before


@pytest.mark.parametrize("name", ODD)
def test_every_odd_kind_is_kept_byte_exact_with_its_values(name, archive, export, tmp_path):
    odd = ODD[name]
    path = odd.write(export)

    report = archive.ingest(export)

    assert (report.found, report.stored, report.is_complete) == (1, 1, True)
    series = only_series(archive)
    (record,) = series.manifest.instances
    assert record.source == odd.source
    assert series.instance(record.sop_instance_uid) == path.read_bytes()
    assert [exported.read_bytes() for exported in series.export(tmp_path / "out")] == [path.read_bytes()]
    assert archive.verify() == []
    for number, expected in enumerate(odd.frames):
        np.testing.assert_array_equal(series.stack().frame(number), expected)
        assert series.stack().picture(number).shape[:2] == expected.shape[:2]


class TestLateInstances:
    def test_they_make_the_next_generation_and_the_former_goes(self, archive, export):
        early = slices(export / "early", [1, 2, 4])
        late = slices(export / "late", [3, 5])
        archive.ingest(export / "early")

        report = archive.ingest(export / "late")

        (stored,) = report.series
        assert (stored.generation, stored.new_instances) == (2, 2)
        series = only_series(archive)
        assert [held.generations for held in Home(archive.root).survey()] == [(2,)]
        assert exported_bytes(archive) == set(map(Path.read_bytes, early + late))
        np.testing.assert_array_equal(series.volume().level()[:], [slice_values(n) for n in range(1, 6)])
        assert archive.verify() == []

    def test_a_series_opened_before_is_read_to_its_end_and_goes_when_nobody_reads_it(
        self, local_archive, export, tmp_path
    ):
        archive = local_archive
        paths = slices(export / "early", [1, 2, 3])
        archive.ingest(export / "early")
        former = only_series(archive)
        slices(export / "late", [4])

        archive.ingest(export / "late")

        np.testing.assert_array_equal(former.volume().level()[:], [slice_values(n) for n in (1, 2, 3)])
        assert former.verify() == []
        former.export(tmp_path / "out")
        assert {path.read_bytes() for path in (tmp_path / "out").iterdir()} == set(map(Path.read_bytes, paths))
        assert len(only_series(archive).stack()) == 4
        assert sorted(path.name for path in former.folder.parent.iterdir()) == ["1", "2"]
        folder = former.folder.parent
        del former
        gc.collect()
        archive.ingest(export)
        assert [path.name for path in folder.iterdir()] == ["2"]

    @pytest.mark.parametrize("series_url", ["object store"], indirect=True)
    @pytest.mark.parametrize(
        "read", [lambda series, _: series.volume().level()[0], lambda series, _: series.verify(), Series.export]
    )
    def test_in_an_object_store_a_series_opened_before_and_not_yet_read_is_superseded(
        self, archive, export, read, tmp_path
    ):
        slices(export / "early", [1, 2, 3])
        archive.ingest(export / "early")
        former = only_series(archive)
        slices(export / "late", [4])
        archive.ingest(export / "late")

        with pytest.raises(Superseded):
            read(former, tmp_path / "out")

    def test_late_codestreams_and_reports_join_too(self, archive, export):
        paths = [save(rle(slice_values(n), n), export / "a" / f"{n}", RLELossless) for n in (1, 2)]
        archive.ingest(export / "a")
        paths += [save(rle(slice_values(3), 3), export / "b" / "3", RLELossless), save(report(9), export / "b" / "9")]

        archive.ingest(export / "b")

        assert exported_bytes(archive) == set(map(Path.read_bytes, paths))
        assert archive.verify() == []


class TestFilesHashedTogether:
    """Files large enough to be hashed two at a time, and of a number that leaves one over."""

    @pytest.fixture
    def paths(self, export):
        return [save(image(slice_values(n, (150, 150 + n)), n), export / f"{n}.dcm") for n in range(1, 6)]

    def test_each_has_its_own_sha256_in_the_manifest(self, archive, export, paths):
        archive.ingest(export)

        records = only_series(archive).manifest.instances
        assert [r.sha256 for r in records] == [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]

    @pytest.mark.parametrize("bad", [0, 1, 4])
    def test_one_that_changes_meanwhile_does_not_take_its_neighbour_with_it(self, archive, export, paths, bad):
        others = {path.read_bytes() for path in paths if path != paths[bad]}

        def change(stage, done, total):
            if stage == "examining" and done == total:
                paths[bad].write_bytes(paths[bad].read_bytes() + b"xx")

        report = archive.ingest(export, change)

        assert [Path(entry.path) for entry in report.set_aside] == [paths[bad]]
        assert exported_bytes(archive) == others


class TestIndex:
    def test_a_former_generation_left_beside_a_sound_one_is_removed_by_the_next_ingest(
        self, local_archive, export, tmp_path
    ):
        slices(export, [1, 2])
        local_archive.ingest(export)
        folder = only_series(local_archive).folder
        shutil.copytree(folder, tmp_path / "former")
        slices(export, [3])
        local_archive.ingest(export)
        shutil.copytree(tmp_path / "former", folder)

        local_archive.ingest(export)

        assert [path.name for path in folder.parent.iterdir()] == ["2"]
        assert len(exported_bytes(local_archive)) == 3

    def test_beside_a_new_generation_that_is_not_sound_the_former_stays(self, local_archive, export):
        slices(export, [1, 2])
        local_archive.ingest(export)
        folder = only_series(local_archive).folder
        shutil.copytree(folder, folder.parent / "2")
        (folder.parent / "2" / "headers.pack").write_bytes(b"cut")

        report = local_archive.ingest(export)

        assert sorted(path.name for path in folder.parent.iterdir()) == ["1", "2"]
        assert len(report.duplicates) == 2
        assert len(exported_bytes(local_archive)) == 2

    def test_generations_restored_beside_a_flawed_current_one_remove_nothing(self, local_archive, export, tmp_path):
        slices(export, [1, 2])
        local_archive.ingest(export)
        folder = only_series(local_archive).folder
        shutil.copytree(folder, tmp_path / "former")
        slices(export, [3])
        local_archive.ingest(export)
        shutil.copytree(tmp_path / "former", folder)
        (folder.parent / "2" / ".DS_Store").touch()

        local_archive.ingest(export)

        assert sorted(path.name for path in folder.parent.iterdir()) == ["1", "2"]
        assert len(exported_bytes(local_archive)) == 3

    def test_a_generation_published_and_not_indexed_is_found_by_the_next_ingest(self, archive, export):
        slices(export, [1, 2, 3])
        archive.ingest(export)
        before = archive.contents()
        Index(Home(archive.root)).forget(before[0].series_uid)

        report = archive.ingest(export)

        assert (report.stored, len(report.duplicates)) == (0, 3)
        assert archive.contents() == before


class TestOddFiles:
    def test_one_bad_file_never_stops_the_rest(self, archive, export):
        good = slices(export, range(1, 6))
        whole = good[0].read_bytes()
        bad = {
            "cut.dcm": whole[:-20],
            "header-only.dcm": whole[:200],
            "empty.dcm": b"",
            "noise.dcm": np.random.default_rng(1).bytes(500),
            "no-uid.dcm": whole.replace(b"\x08\0\x18\0UI", b"\x08\0\x19\0UI"),
            "letter.txt": b"Dear colleague,",
        }
        for name, data in bad.items():
            (export / f"0-{name}").write_bytes(data)

        report = archive.ingest(export)

        assert report.stored == 5
        assert {Path(entry.path).name for entry in report.set_aside} == {f"0-{name}" for name in bad if "dcm" in name}
        assert [path.name for path, _ in report.passed_over] == ["0-letter.txt"]
        assert accounted(report).total() == report.found == 11
        assert archive.verify() == []

    def test_a_codestream_cut_short_is_set_aside_and_the_rest_stored(self, archive, export):
        for n in (1, 2, 3):
            save(rle(slice_values(n), n), export / f"{n}.dcm", RLELossless)
        (export / "2.dcm").write_bytes((export / "2.dcm").read_bytes()[:-30])

        report = archive.ingest(export)

        assert report.stored == 2
        assert [Path(entry.path).name for entry in report.set_aside] == ["2.dcm"]
        assert archive.verify() == []

    def test_other_bytes_under_a_known_uid_are_set_aside_and_the_first_kept(self, archive, export):
        first = save(image(slice_values(1)), export / "a.dcm")
        second = save(image(slice_values(2), 1), export / "b.dcm")

        report = archive.ingest(export)

        (entry,) = report.set_aside
        assert entry.path == str(second)
        assert "with other bytes; that one is kept" in entry.reason
        assert only_series(archive).instance(pydicom.dcmread(first).SOPInstanceUID) == first.read_bytes()

    def test_other_bytes_under_an_archived_uid_are_set_aside(self, archive, export):
        first = save(image(slice_values(1)), export / "a" / "a.dcm")
        archive.ingest(export / "a")
        second = save(image(slice_values(2), 1), export / "b" / "b.dcm")
        before = files_of(archive.root / "series")

        (entry,) = archive.ingest(export / "b").set_aside

        assert entry.path == str(second)
        assert "is in the archive too" in entry.reason
        assert files_of(archive.root / "series") == before
        assert only_series(archive).manifest.instances[0].size_bytes == first.stat().st_size

    @pytest.mark.parametrize("order", ["cut first", "whole first"])
    @pytest.mark.parametrize("is_rle", [False, True])
    def test_the_whole_copy_wins_over_the_one_cut_short(self, archive, export, order, is_rle):
        names = ["a.dcm", "b.dcm"] if order == "cut first" else ["b.dcm", "a.dcm"]
        made = rle(slice_values(1)) if is_rle else image(slice_values(1))
        whole = save(made, export / names[1], RLELossless) if is_rle else save(made, export / names[1])
        (export / names[0]).write_bytes(whole.read_bytes()[:-30])

        report = archive.ingest(export)

        assert report.stored == 1
        assert [Path(entry.path).name for entry in report.set_aside] == [names[0]]
        (record,) = only_series(archive).manifest.instances
        assert only_series(archive).instance(record.sop_instance_uid) == whole.read_bytes()

    def test_links_loops_and_pipes_neither_stop_nor_block_it(self, archive, export):
        (path,) = slices(export, [1])
        (export / "dangling").symlink_to(export / "nothing")
        (export / "loop").symlink_to(export)
        (export / "round").symlink_to(export / "round")
        (export / "same").symlink_to(path)
        os.mkfifo(export / "pipe")

        report = archive.ingest(export)

        assert (report.stored, report.found) == (1, 4)
        assert {path.name for path, _ in report.unreadable} == {"dangling", "round"}
        assert [path.name for path, _ in report.passed_over] == ["loop"]
        assert not report.is_complete

    def test_the_same_folder_named_twice_is_read_once(self, archive, export):
        slices(export, [1, 2])

        assert archive.ingest([export, export, export / "1-001.dcm"]).found == 2

    def test_an_empty_folder_is_an_empty_report(self, archive, export):
        report = archive.ingest(export)

        assert (report.found, report.stored, report.is_complete) == (0, 0, True)
        assert archive.contents() == []

    def test_a_path_that_does_not_exist_is_not_found_and_nothing_is_stored(self, archive, export):
        slices(export, [1])

        with pytest.raises(NotFound, match="nowhere"):
            archive.ingest([export, export / "nowhere"])
        assert archive.contents() == []

    def test_a_codestream_that_does_not_decode_is_kept_and_not_expanded(self, archive, export):
        paths = [save(rle(slice_values(n), n), export / f"{n}.dcm", RLELossless) for n in range(1, 6)]
        data = bytearray(paths[2].read_bytes())
        data[-60:-8] = b"\x80" * 52
        paths[2].write_bytes(data)

        report = archive.ingest(export)

        assert report.stored == 5
        (warning,) = report.warnings
        assert "3.dcm: kept, not expanded" in warning
        series = only_series(archive)
        assert sorted((len(stack), stack.is_expanded) for stack in series.stacks) == [(1, False), (4, True)]
        assert exported_bytes(archive) == set(map(Path.read_bytes, paths))
        assert archive.verify() == []

    def test_two_shapes_make_two_stacks(self, archive, export):
        slices(export, range(1, 4))
        slices(export / "other", range(11, 13), shape=(9, 8))

        archive.ingest(export)

        stacks = only_series(archive).stacks
        assert [stack.frame(0).shape for stack in stacks] == [(6, 7), (9, 8)]
        assert [len(stack) for stack in stacks] == [3, 2]

    def test_reports_among_images_are_kept(self, archive, export):
        slices(export, range(1, 4))
        path = save(report(7), export / "report")

        archive.ingest(export)

        series = only_series(archive)
        assert series.instance(pydicom.dcmread(path).SOPInstanceUID) == path.read_bytes()
        assert len(series.stacks) == 1

    @pytest.mark.parametrize(
        ("name", "alter"),
        [
            ("video", lambda data: data[: data.index(b"\xfe\xff\x00\xe0\x10\0\0\0not really")] + data[-8:]),
            ("RLE", lambda data: data.replace(b"1.2.840.10008.1.2.5\0", b"1.2.840.10008.1.2.1\0")),
            ("big endian bytes in words", lambda data: data.replace(b"OW\0\0\0\0\0\x24", b"OW\0\0\0\0\0\x23")[:-1]),
        ],
    )
    def test_pixels_that_contradict_their_header_are_set_aside_or_come_back(self, archive, export, name, alter):
        path = ODD[name].write(export)
        path.write_bytes(alter(path.read_bytes()))
        slices(export, [3, 4], series=7)

        report = archive.ingest(export)

        assert report.stored + len(report.set_aside) == 3
        assert path.read_bytes() in exported_bytes(archive) or report.set_aside
        assert archive.verify() == []

    def test_encapsulated_pixels_in_a_deflated_data_set_are_set_aside(self, archive, export):
        path = save(rle(slice_values(1)), export / "a.dcm", RLELossless)
        whole = path.read_bytes()
        start = whole.index(b"\x08\0\x16\0UI", 132)
        meta = whole[:start].replace(b"UI\x14\x001.2.840.10008.1.2.5\0", b"UI\x16\x001.2.840.10008.1.2.1.99")
        deflate = zlib.compressobj(wbits=-15)
        path.write_bytes(meta + deflate.compress(whole[start:]) + deflate.flush())
        slices(export, [3, 4], series=7)

        report = archive.ingest(export)

        assert report.stored == 2
        assert "deflated" in report.set_aside[0].reason


class TestFailures:
    def test_a_file_that_changes_while_it_is_taken_in_is_set_aside(self, archive, export):
        paths = slices(export, range(1, 4))

        def change(stage, done, total):
            if stage == "examining" and done == total:
                paths[1].write_bytes(paths[1].read_bytes()[:-2] + b"xxxx")

        report = archive.ingest(export, change)

        assert report.stored == 2
        assert "changed while it was being taken in" in report.set_aside[0].reason
        assert archive.verify() == []

    def test_a_file_that_vanishes_meanwhile_is_told_as_unreadable(self, archive, export):
        paths = slices(export, range(1, 4))

        report = archive.ingest(export, lambda stage, done, total: done == total and paths[1].unlink(missing_ok=True))

        assert report.stored == 2
        assert [path for path, _ in report.unreadable] == [paths[1]]

    def test_ingests_at_the_same_time_take_in_each_instance_once(self, archive, export):
        paths = slices(export / "a", range(1, 9), series=1) + slices(export / "b", range(11, 19), series=2)

        with ThreadPoolExecutor(4) as threads:
            reports = list(threads.map(lambda _: open_archive(archive.root).ingest(export), range(4)))

        assert sum(report.stored for report in reports) == len(paths)
        assert all(report.is_complete for report in reports)
        assert [row.instances for row in archive.contents()] == [8, 8]
        assert archive.verify() == []

    def test_a_folder_with_something_else_in_it_is_no_archive(self, export):
        (export / "letter.txt").write_text("precious")

        with pytest.raises(ArchiveExists):
            open_archive(export)

    @pytest.mark.parametrize("limit", [0, 300, 2000, 5000, 10_000])
    def test_a_full_disk_is_told_and_leaves_the_archive_whole(self, archive, export, limit):
        archive.ingest(slices(export / "first", [1, 2], series=1))
        paths = slices(export / "second", range(1, 5), series=2, shape=(100, 101))
        before = files_of(archive.root)

        with files_limited_to(limit), pytest.raises((OSError, FilmlessError), match=r"File too large|full|I/O error"):
            archive.ingest(export / "second")

        left = files_of(archive.root)
        assert {name: left[name] for name in before} == before
        assert not [name for name in left if "/.new-" in name or name.endswith(".part")]
        reopened = open_archive(archive.root)
        assert reopened.ingest(export).is_complete
        assert reopened.verify() == []
        assert exported_bytes(reopened).issuperset(map(Path.read_bytes, paths))


class TestOneBadSeries:
    """Whatever one file or series holds, the others are stored, and nothing is lost."""

    def stored_beside(self, archive, export):
        slices(export, [1, 2], series=77)
        report = archive.ingest(export)
        assert archive.verify() == []
        return report

    @pytest.mark.parametrize("syntax", ["1.2.3.4.5", "1.2.840.10008.1.2.4.50"])
    def test_native_pixels_under_a_syntax_that_has_none_come_back(self, archive, export, syntax):
        (path,) = slices(export, [1])
        raw = path.read_bytes()
        stated = b"1.2.840.10008.1.2.1\0"
        uid = syntax.encode() + b"\0" * (len(syntax) % 2)
        at = raw.index(stated)
        length = len(uid).to_bytes(2, "little")
        group_length = int.from_bytes(raw[140:144], "little") + len(uid) - len(stated)
        head = raw[:140] + group_length.to_bytes(4, "little") + raw[144 : at - 2]
        path.write_bytes(head + length + uid + raw[at + len(stated) :])

        report = self.stored_beside(archive, export)

        assert report.stored == 3
        assert path.read_bytes() in exported_bytes(archive)

    def test_integers_of_64_bits_are_stored_without_coarser_levels(self, archive, export):
        made = image(np.arange(300 * 300, dtype=np.int16).reshape(300, 300), 1)
        made.BitsAllocated = made.BitsStored = 64
        made.HighBit = 63
        values = np.arange(300 * 300, dtype=np.int64).reshape(300, 300)
        made.PixelData = values.tobytes()
        path = save(made, export / "wide.dcm")

        report = self.stored_beside(archive, export)

        assert report.stored == 3
        series = archive.series(made.SeriesInstanceUID)
        assert series.instance(made.SOPInstanceUID) == path.read_bytes()
        assert np.array_equal(series.stack().frame(0), values)
        assert len(series.stack().record.levels) == 1

    def test_a_codestream_that_claims_to_be_huge_takes_no_memory(self, archive, export):
        for number in (1, 2):
            made = rle(slice_values(number), number)
            made.Rows = made.Columns = 65535
            save(made, export / f"{number}.dcm", RLELossless)

        report = self.stored_beside(archive, export)

        assert report.stored == 4

    @pytest.mark.parametrize("keyword", ["StudyInstanceUID", "PatientID"])
    def test_two_patients_or_studies_never_share_a_series(self, archive, export, keyword):
        slices(export, [1, 2])
        made = image(slice_values(3), 3)
        setattr(made, keyword, "1.2.3.999")
        save(made, export / "other.dcm")

        report = self.stored_beside(archive, export)

        (aside,) = report.set_aside
        assert report.stored == 4
        assert "this file says" in aside.reason
        assert "1.2.3.999" in aside.reason

    def test_many_codestreams_that_do_not_decode_take_two_passes(self, archive, export, monkeypatch):
        for number in range(1, 21):
            made = rle(slice_values(number), number)
            if number % 2:
                made.Rows = 5
            save(made, export / f"{number}.dcm", RLELossless)
        passes = []
        begin = GenerationWriter.__init__

        def counted(*arguments):
            passes.append(arguments[-1])
            begin(*arguments)

        monkeypatch.setattr(GenerationWriter, "__init__", counted)

        report = archive.ingest(export)

        assert report.stored == 20
        assert len(passes) <= 3
