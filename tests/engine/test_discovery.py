from __future__ import annotations

import os
import struct
import tracemalloc

import pytest
from dicom_files import ODD, image, instance, report, save, slice_values, slices
from filmless.engine import discovery
from filmless.engine.discovery import MAXIMUM_HEAD_BYTES, Found, Rejected, examine, walk
from filmless.engine.parse import HEAD_BYTES
from filmless.errors import NotFound
from filmless.kernels.crc32c import crc32c
from pydicom.uid import DeflatedExplicitVRLittleEndian


def test_files_come_in_order_of_name_each_once(tmp_path):
    for name in ("b/2", "a/1", "b/1", "c"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    os.link(tmp_path / "c", tmp_path / "d")

    found = [str(path.relative_to(tmp_path)) for path in walk([tmp_path, tmp_path / "a", tmp_path / "b" / "1"])]

    assert found == ["c", "a/1", "b/1", "b/2"]


def test_links_to_folders_are_named_and_not_followed_and_pipes_are_not_opened(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "a" / "pipe")

    (passed_over,) = walk([tmp_path])

    assert passed_over == Rejected(tmp_path / "a" / "up", "a link to a folder: not followed", "not an instance")


def test_a_link_that_is_itself_named_is_followed(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "a")

    assert list(walk([tmp_path / "link"])) == [tmp_path / "link" / "1"]


def test_a_folder_that_cannot_be_read_is_named(tmp_path):
    """A path longer than the system takes cannot be read by anybody, not even by root."""
    (tmp_path / "a").write_text("x")
    folder = os.open(tmp_path, os.O_RDONLY)
    for _ in range(18):
        os.mkdir("x" * 250, dir_fd=folder)
        below = os.open("x" * 250, os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = below
    os.close(folder)

    file, unreadable = walk([tmp_path])

    assert file == tmp_path / "a"
    assert (unreadable.kind, unreadable.reason) == ("unreadable", "File name too long")
    assert unreadable.path.is_relative_to(tmp_path / ("x" * 250))


def test_the_archive_s_own_folder_is_named_and_not_read_but_a_path_below_it_may_be(tmp_path):
    for name in ("archive/quarantine/1", "b"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    archive = tmp_path / "archive"
    (tmp_path / "link").symlink_to(archive)

    own = Rejected(archive, "the archive's own folder: not read", "not an instance")
    assert list(walk([tmp_path], skip=tmp_path / "link"))[-2:] == [tmp_path / "b", own]
    assert list(walk([archive], skip=archive)) == [own]
    assert list(walk([archive / "quarantine"], skip=archive)) == [archive / "quarantine" / "1"]


def test_a_broken_link_is_given_so_that_it_can_be_told(tmp_path):
    (tmp_path / "broken").symlink_to(tmp_path / "nowhere")

    (path,) = walk([tmp_path])

    assert examine(path) == Rejected(path, "No such file or directory", "unreadable")


def test_a_path_that_does_not_exist_is_not_found(tmp_path):
    with pytest.raises(NotFound, match="nowhere"):
        list(walk([tmp_path / "nowhere"]))


def test_what_is_read_of_a_file_is_told_so_that_a_change_is_noticed(tmp_path):
    (path,) = slices(tmp_path, [5])
    data = path.read_bytes()

    found = examine(path)

    assert isinstance(found, Found)
    assert (found.size_bytes, found.head_bytes, found.head_crc32c) == (len(data), len(data), crc32c(data))
    assert found.instance.instance_number == 5


def test_of_a_large_image_only_the_head_is_read(tmp_path):
    found = examine(save(image(slice_values(1, (300, 300))), tmp_path / "a"))

    assert found.head_bytes == HEAD_BYTES < found.size_bytes


@pytest.mark.parametrize("size", [HEAD_BYTES - 700, HEAD_BYTES, 3 * HEAD_BYTES, 80 * HEAD_BYTES])
@pytest.mark.parametrize("syntax", ["plain", "deflated"])
def test_a_long_header_is_read_on(tmp_path, size, syntax):
    made = image(slice_values(1), ICCProfile=bytes(size))
    path = save(made, tmp_path / "a", *([DeflatedExplicitVRLittleEndian] if syntax == "deflated" else []))

    found = examine(path)

    assert found.instance.pixels.rows == 6
    assert found.head_bytes <= found.size_bytes


def sparse(path, private_bytes, size_bytes):
    """Write a file whose private value claims `private_bytes`, and is `size_bytes` long without taking room."""
    data = bytearray(save(image(slice_values(1), ICCProfile=b"abcd"), path).read_bytes())
    at = data.index(b"\x28\x00\x00\x20OB") + 8
    data[at : at + 4] = struct.pack("<I", private_bytes)
    path.write_bytes(data[: at + 4])
    os.truncate(path, size_bytes)
    return path


@pytest.mark.parametrize(
    ("private_bytes", "size_bytes", "reason"),
    [(0xFFFFFF00, 3 << 30, "the file ends inside"), (2 << 30, 3 << 30, "too many to hold in memory")],
)
def test_a_length_beyond_the_file_or_beyond_reason_is_not_read_after(tmp_path, private_bytes, size_bytes, reason):
    path = sparse(tmp_path / "a.dcm", private_bytes, size_bytes)
    tracemalloc.start()

    rejected = examine(path)

    assert tracemalloc.get_traced_memory()[1] < 4 << 20
    tracemalloc.stop()
    assert reason in rejected.reason


def test_a_header_that_never_ends_is_given_up_at_the_most_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(discovery, "MAXIMUM_HEAD_BYTES", 1 << 20)
    path = save(image(slice_values(1)), tmp_path / "a.dcm")
    data = path.read_bytes()
    at = data.index(b"\xe0\x7f\x10\x00")
    path.write_bytes(data[:at] + (b"\x29\x00\x10\x10OB\0\0\0\x08\0\0" + bytes(0x800)) * 1000)

    assert "too many to hold in memory" in examine(path).reason
    assert MAXIMUM_HEAD_BYTES > 1 << 20


@pytest.mark.parametrize("name", ODD)
def test_every_odd_kind_is_found(tmp_path, name):
    assert isinstance(examine(ODD[name].write(tmp_path)), Found)


def test_an_object_without_pixels_is_found(tmp_path):
    found = examine(save(report(), tmp_path / "a"))

    assert found.instance.pixels is None


REJECTED = {
    "nothing": ("a", b"", "not an instance"),
    "a text": ("a.txt", b"Dear colleague, please find enclosed", "not an instance"),
    "a text that claims to be DICOM": ("a.DCM", b"Dear colleague, please find enclosed", "malformed"),
    "noise that claims to be DICOM": ("a.dcm", bytes(range(256)) * 9, "malformed"),
    "only a prefix": ("a", bytes(128) + b"DICM", "malformed"),
}


@pytest.mark.parametrize(("name", "data", "kind"), REJECTED.values(), ids=REJECTED)
def test_what_is_no_instance_is_rejected_with_a_reason(tmp_path, name, data, kind):
    (tmp_path / name).write_bytes(data)

    rejected = examine(tmp_path / name)

    assert rejected.kind == kind
    assert rejected.reason


def test_a_file_cut_anywhere_is_never_found_as_the_image_it_was(tmp_path):
    (path,) = slices(tmp_path, [1])
    data = path.read_bytes()

    for length in range(len(data) - 1):
        path.write_bytes(data[:length])
        result = examine(path)
        # Cut between two elements of the header, it is a whole object without pixels.
        assert isinstance(result, Rejected) or result.instance.pixels is None, length


def test_a_folder_is_unreadable(tmp_path):
    assert examine(tmp_path).kind == "unreadable"


@pytest.mark.parametrize("keyword", ["SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID"])
@pytest.mark.parametrize("uid", ["", "../../etc/passwd", "1.2/3", "..", "1" * 65])
def test_a_uid_that_is_none_is_malformed(tmp_path, keyword, uid):
    made = instance(SOPInstanceUID="1.2.3")
    path = save(made, tmp_path / "a.dcm")
    element = made[keyword]
    former, new = (text.encode() + b"\0" * (len(text) % 2) for text in (element.value, uid))
    head = struct.pack("<HH2s", element.tag.group, element.tag.elem, b"UI")
    before, after = (head + struct.pack("<H", len(text)) + text for text in (former, new))
    data = path.read_bytes()
    path.write_bytes(data.replace(before, after))
    assert path.read_bytes() != data

    assert examine(path).kind == "malformed"
