"""Reception: durable before acknowledged, once, whoever sends it, served at once (invariants A1, A6, A8)."""

from __future__ import annotations

import errno
import hashlib
import io
import logging
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_files import ODD, image, report, save, slice_values, slices
from filmless.engine.archive import open_archive
from filmless.engine.render.request import RenderRequest
from filmless.errors import Damaged, FormatError, NoRoom, NotDicom, NotFound, OtherBytes, OutOfRange
from filmless.storage import fail, inbox
from filmless.storage.home import Home


@pytest.fixture
def archive(tmp_path):
    return open_archive(tmp_path / "archive")


@pytest.fixture
def one(tmp_path):
    """A slice, and other bytes under its UID."""
    path = slices(tmp_path / "one", [1])[0]
    other = save(image(slice_values(1) + 1, 1), tmp_path / "other" / "1.dcm")
    return path.read_bytes(), other.read_bytes()


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def uid_of(data):
    return str(pydicom.dcmread(io.BytesIO(data)).SOPInstanceUID)


def in_quarantine(archive):
    return {entry.sha256 for entry in archive.set_aside()}


def files_in(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


class Dribble(io.RawIOBase):
    """A stream that gives a few bytes at a time and cannot be asked for its size, as a socket."""

    def __init__(self, data, step=777):
        self._data, self._step = io.BytesIO(data), step

    def readable(self):
        return True

    def read(self, size=-1):
        return self._data.read(min(self._step, size) if size >= 0 else self._step)


@pytest.mark.parametrize("form", [bytes, bytearray, memoryview, io.BytesIO, Dribble])
def test_an_instance_is_received_whatever_form_it_comes_in(archive, one, form):
    data, _ = one

    receipt = archive.receive(form(data), "ct1")

    assert (receipt.outcome, receipt.sha256, receipt.size_bytes) == ("new", sha256(data), len(data))
    assert receipt.sop_instance_uid == uid_of(data)
    assert archive.instance(uid_of(data)).read() == data


def test_a_file_is_received_by_its_path(archive, tmp_path):
    path = slices(tmp_path, [1])[0]

    archive.receive(path)

    assert archive.instance(uid_of(path.read_bytes())).read() == path.read_bytes()


def test_when_and_from_whom_it_came_is_known_before_and_after_consolidation(archive, one):
    data, _ = one
    archive.receive(data, "ct1")
    before = archive.instance(uid_of(data)).row

    archive.consolidate(quiet_s=0)

    after = archive.instance(uid_of(data)).row
    assert before.source == after.source == "ct1"
    assert before.received_at == after.received_at > "2024"
    assert (before.place, after.place) == ("inbox", 1)


def test_a_waiting_instance_is_a_plain_part_10_file_of_its_uid_and_nothing_else_lies_about(archive, one):
    data, _ = one

    archive.receive(data)

    (path,) = files_in(archive.root / "inbox")
    assert path.name == f"{uid_of(data)}.dcm"
    assert path.read_bytes() == data


def test_the_same_instance_twice_is_one_instance(archive, one):
    data, _ = one

    assert [archive.receive(data).outcome for _ in range(3)] == ["new", "same", "same"]

    archive.consolidate(quiet_s=0)
    assert archive.receive(data).outcome == "same"
    assert files_in(archive.root / "inbox") == []
    assert archive.contents()[0].waiting == 0


@pytest.mark.parametrize("is_consolidated", [False, True])
class TestOtherBytes:
    def received(self, archive, one, is_consolidated, policy):
        archive.set_policy(same_uid=policy)
        archive.receive(one[0])
        if is_consolidated:
            archive.consolidate(quiet_s=0)

    def test_the_first_is_kept_and_the_others_are_set_aside(self, archive, one, is_consolidated, caplog):
        self.received(archive, one, is_consolidated, "keep-first")

        assert archive.receive(one[1]).outcome == "set-aside"

        assert archive.instance(uid_of(one[0])).read() == one[0]
        assert in_quarantine(archive) == {sha256(one[1])}
        assert uid_of(one[0]) in caplog.text

    def test_they_are_refused(self, archive, one, is_consolidated, caplog):
        self.received(archive, one, is_consolidated, "reject")

        with pytest.raises(OtherBytes, match=uid_of(one[0])):
            archive.receive(one[1])

        assert archive.instance(uid_of(one[0])).read() == one[0]
        assert in_quarantine(archive) == set()
        assert "refused" in caplog.text

    def test_they_take_its_place_and_the_first_is_set_aside(self, archive, one, is_consolidated, caplog):
        self.received(archive, one, is_consolidated, "replace")

        assert archive.receive(one[1]).outcome == "replaced"

        assert archive.instance(uid_of(one[0])).read() == one[1]
        assert in_quarantine(archive) == {sha256(one[0])}
        assert "took their place" in caplog.text
        assert archive.verify() == []
        (result,) = archive.consolidate(quiet_s=0)
        assert (result.problem, result.new_instances) == ("", 1)
        assert archive.instance(uid_of(one[0])).read() == one[1]
        assert archive.contents()[0].instances == 1
        assert archive.verify() == []


def test_what_is_no_dicom_goes_to_quarantine_with_the_reason(archive, caplog):
    with pytest.raises(NotDicom, match="quarantine"):
        archive.receive(b"hello, world" * 100, "ct1")

    (entry,) = archive.set_aside()
    assert "not DICOM" in entry.reason
    assert entry.path == "received from ct1"
    assert files_in(archive.root / "inbox") == []
    assert "not DICOM" in caplog.text


@pytest.mark.parametrize("kept", [0, 100, 200, 400, -3])
def test_what_was_cut_short_goes_to_quarantine(archive, one, kept):
    cut = one[0][:kept] if kept >= 0 else one[0][:-40]

    with pytest.raises(FormatError):
        archive.receive(cut)

    assert in_quarantine(archive) == {sha256(cut)}


def test_an_instance_of_another_patient_does_not_join_the_series(archive, one, tmp_path):
    archive.receive(one[0])
    foreign = save(image(slice_values(2), 2, PatientID="T2"), tmp_path / "2.dcm").read_bytes()

    assert archive.receive(foreign).outcome == "set-aside"

    assert in_quarantine(archive) == {sha256(foreign)}
    assert "T2" in archive.set_aside()[0].reason


def test_nothing_is_received_where_the_reserve_would_be_touched(archive, one):
    archive.set_policy(reserve_bytes=str(1 << 62))

    with pytest.raises(NoRoom, match="reserve_bytes"):
        archive.receive(one[0])

    assert archive.contents() == []


@pytest.mark.parametrize("name", list(ODD))
def test_each_odd_kind_is_served_from_the_inbox_as_after_consolidation(archive, tmp_path, name):
    odd = ODD[name]
    data = odd.write(tmp_path).read_bytes()
    uid = archive.receive(data).sop_instance_uid
    waiting = archive.instance(uid)
    frames = [waiting.frame(n) for n in range(len(odd.frames))]

    (result,) = archive.consolidate(quiet_s=0)

    assert (result.problem, result.left) == ("", [])
    consolidated = archive.instance(uid)
    assert waiting.read() == consolidated.read() == data
    assert b"".join(consolidated.pieces()) == data
    assert waiting.frames == consolidated.frames
    for number, frame in enumerate(odd.frames):
        np.testing.assert_array_equal(frames[number], frame)
        np.testing.assert_array_equal(consolidated.frame(number), frame)
    assert archive.verify() == []


def test_a_picture_of_a_waiting_frame_is_that_of_the_consolidated_one(archive, tmp_path):
    data = slices(tmp_path, [1, 2, 3], shape=(20, 30))
    for path in data:
        archive.receive(path)
    uid = uid_of(data[1].read_bytes())
    series = archive.series(archive.contents()[0].series_uid)
    request = RenderRequest(instance=uid, window=(250, 400))
    before, before_of_series = archive.instance(uid).picture(window=(250, 400)), series.render(request)

    archive.consolidate(quiet_s=0)

    after = archive.series(series.uid).render(request)
    np.testing.assert_array_equal(before.pixels, archive.instance(uid).picture(window=(250, 400)).pixels)
    np.testing.assert_array_equal(before_of_series.pixels, after.pixels)


def test_a_frame_that_is_not_there_is_out_of_range_and_a_report_has_none(archive, one, tmp_path):
    archive.receive(one[0])
    text = save(report(9), tmp_path / "9.dcm").read_bytes()
    archive.receive(text)

    for _ in range(2):
        with pytest.raises(OutOfRange, match="has 1"):
            archive.instance(uid_of(one[0])).frame(1)
        with pytest.raises(NotFound, match="no pixels"):
            archive.instance(uid_of(text)).frame()
        assert archive.instance(uid_of(text)).frames == 0
        archive.consolidate(quiet_s=0)


def test_a_series_that_waits_is_listed_told_and_exported(archive, tmp_path):
    paths = slices(tmp_path / "in", [1, 2, 3])
    for path in paths:
        archive.receive(path)

    (row,) = archive.contents()
    series = archive.series(row.short_id)

    assert (row.waiting, row.instances, row.generation) == (3, 0, 0)
    assert row.waiting_bytes == sum(path.stat().st_size for path in paths)
    assert row.attributes["Modality"] == "CT"
    assert {path.read_bytes() for path in series.export(tmp_path / "out")} == set(map(Path.read_bytes, paths))
    assert series.stacks == []
    with pytest.raises(NotFound, match="filmless consolidate"):
        series.volume()


def test_an_instance_taken_hold_of_before_consolidation_is_read_after_it(archive, one):
    archive.receive(one[0])
    instance, series = archive.instance(uid_of(one[0])), archive.series(archive.contents()[0].series_uid)

    archive.consolidate(quiet_s=0)

    assert instance.read() == one[0]
    np.testing.assert_array_equal(instance.frame(), slice_values(1))
    assert series.instance(uid_of(one[0])) == one[0]


def test_altered_bytes_in_the_inbox_are_never_served(archive, one):
    archive.receive(one[0])
    (path,) = files_in(archive.root / "inbox")
    with path.open("r+b") as file:
        file.seek(-5, os.SEEK_END)
        file.write(b"\xff")

    with pytest.raises(Damaged, match=path.name):
        archive.instance(uid_of(one[0])).read()
    with pytest.raises(Damaged):
        archive.instance(uid_of(one[0])).frame()
    assert any(path.name in line for line in archive.verify())


def test_without_index_and_without_extended_attributes_all_is_found_again(archive, tmp_path, caplog):
    paths = slices(tmp_path / "in", [1, 2, 3])
    for path in paths:
        archive.receive(path, "ct1")
    files = files_in(archive.root / "inbox")
    for path in files:
        os.removexattr(path, "user.filmless")
    for path in archive.root.glob("index.sqlite*"):
        path.unlink()

    opened = open_archive(archive.root)
    opened.recover()

    assert opened.contents()[0].waiting == 3
    assert opened.verify() == []
    assert "lost" in caplog.text


def test_where_a_file_system_has_no_extended_attributes_what_is_known_is_kept_beside(archive, one, monkeypatch):
    def none(*_):
        raise OSError(errno.ENOTSUP, "none here")

    monkeypatch.setattr(os, "setxattr", none)
    archive.receive(one[0], "ct1")
    row = archive.instance(uid_of(one[0])).row
    for path in archive.root.glob("index.sqlite*"):
        path.unlink()

    again = open_archive(archive.root)

    assert again.instance(uid_of(one[0])).row == row
    again.consolidate(quiet_s=0)
    assert files_in(archive.root / "inbox") == []


@pytest.mark.parametrize("how", ["enospc", "eio"])
@pytest.mark.parametrize("point", [point for point in fail.POINTS if point.startswith(("inbox", "index: b"))][:6])
def test_a_disk_that_fails_is_told_and_sending_again_succeeds(archive, one, point, how):
    fail.arm(point, how=how)
    try:
        with pytest.raises(OSError, match="made to fail"):
            archive.receive(one[0])
    finally:
        fail.disarm()

    assert archive.receive(one[0]).outcome in ("new", "same")

    archive.recover()
    assert archive.instance(uid_of(one[0])).read() == one[0]
    assert archive.unfinished() == []
    assert archive.verify() == []


def test_of_many_threads_that_send_the_same_exactly_one_is_new(archive, tmp_path):
    paths = slices(tmp_path / "in", range(1, 13))
    sent = [path.read_bytes() for path in paths for _ in range(8)]

    with ThreadPoolExecutor(16) as threads:
        receipts = list(threads.map(archive.receive, sent))

    assert sorted(receipt.outcome for receipt in receipts) == ["new"] * 12 + ["same"] * 84
    assert archive.contents()[0].waiting == 12
    assert archive.verify() == []


def test_of_many_threads_that_send_other_bytes_one_is_kept_and_all_others_are_in_quarantine(archive, tmp_path):
    sent = [save(image(slice_values(n), 1), tmp_path / f"{n}.dcm").read_bytes() for n in range(24)]

    with ThreadPoolExecutor(12) as threads:
        receipts = list(threads.map(archive.receive, sent))

    kept = archive.instance(receipts[0].sop_instance_uid).read()
    assert [r.outcome for r in receipts].count("new") == 1
    assert in_quarantine(archive) == {sha256(data) for data in sent} - {sha256(kept)}
    assert archive.verify() == []


SENDER = """
import sys
from pathlib import Path
from filmless.engine.archive import open_archive
archive = open_archive(sys.argv[1])
for path in sorted(Path(sys.argv[2]).iterdir()):
    print(archive.receive(path).outcome)
"""


def test_of_many_processes_that_send_the_same_exactly_one_is_new(archive, tmp_path):
    slices(tmp_path / "in", range(1, 9))
    command = [sys.executable, "-c", SENDER, str(archive.root), str(tmp_path / "in")]

    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    outcomes = [outcome for process in processes for outcome in process.communicate()[0].split()]

    assert sorted(outcomes) == ["new"] * 8 + ["same"] * 16
    assert archive.contents()[0].waiting == 8
    assert archive.verify() == []


def test_a_receiver_at_work_is_left_alone_by_recovery(archive, one, monkeypatch):
    linked = inbox.link

    def link_and_recover(*arguments):
        is_linked = linked(*arguments)
        open_archive(archive.root).recover()
        return is_linked

    monkeypatch.setattr(inbox, "link", link_and_recover)

    assert archive.receive(one[0]).outcome in ("new", "same")

    assert archive.instance(uid_of(one[0])).read() == one[0]


def test_an_archive_made_before_there_was_an_inbox_receives(archive, one):
    archive.root.joinpath("archive.json").write_text('{"filmless_archive": 1, "codec": "open"}')
    archive.root.joinpath("inbox").rmdir()
    former = open_archive(archive.root)
    assert former.contents() == former.verify() == []

    former.receive(one[0])

    assert open_archive(archive.root).instance(uid_of(one[0])).read() == one[0]
    assert Home(archive.root).policy.same_uid == "keep-first"


def test_nothing_is_logged_of_what_goes_well(archive, one, caplog):
    caplog.set_level(logging.DEBUG, "filmless")

    archive.receive(one[0])
    archive.receive(one[0])
    archive.consolidate(quiet_s=0)

    assert caplog.text == ""
