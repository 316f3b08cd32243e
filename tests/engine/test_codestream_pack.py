"""Encapsulated pixels in an archive: codestreams in a pack, each frame found whatever the offset tables say."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import imagecodecs
import numpy as np
import pydicom
import pytest
from coded_slices import JPEG, JPEG_LS, described
from dicom_bytes import encapsulated, item
from dicom_files import image, save
from filmless.engine import stack as stacks
from filmless.engine.archive import open_archive
from filmless.engine.encode import encode_frame
from filmless.errors import Damaged
from filmless.storage import bricks
from pydicom.uid import JPEGBaseline8Bit, JPEGLSLossless

FRAMES = np.random.default_rng(8).integers(0, 4096, (4, 9, 11)).astype(np.uint16)


def codestreams():
    """The frames as JPEG-LS, padded to even length."""
    description = described(image(FRAMES[0], bits_stored=12))
    coded = [encode_frame(frame, description, JPEG_LS) for frame in FRAMES]
    return [codestream + bytes(len(codestream) % 2) for codestream in coded]


CODED = codestreams()
STARTS = [0, *np.cumsum([8 + len(codestream) for codestream in CODED])[:-1].tolist()]
HALVES = [piece for codestream in CODED for piece in (codestream[:20], codestream[20:])]
OF_HALVES = [8 * n + start for n, start in enumerate(STARTS)]
"""Where frames start whose codestreams lie in two fragments each: one more item header a frame before it."""


def basic(*offsets):
    return struct.pack(f"<{len(offsets)}I", *offsets)


@dataclass
class Case:
    """How the codestreams of four frames are written."""

    fragments: list[bytes]
    table: bytes = b""
    extended: tuple[list[int], list[int]] | None = None
    index: list[list[int]] | None = None
    """What the manifest says: the fragments of each frame; None where frame n is fragment n."""


LENGTHS = [len(codestream) for codestream in CODED]
PAIRS = [[0, 1], [2, 3], [4, 5], [6, 7]]
CASES: dict[str, Case] = {
    "a basic offset table": Case(CODED, basic(*STARTS)),
    "an empty offset table": Case(CODED),
    "an extended offset table": Case(CODED, extended=(STARTS, LENGTHS)),
    "both tables": Case(CODED, basic(*STARTS), (STARTS, LENGTHS)),
    "a basic table that points elsewhere": Case(CODED, basic(0, 7, 13, 29)),
    "a basic table that points beyond the end": Case(CODED, basic(0, 1 << 20, 1 << 21, 1 << 22)),
    "a basic table of another number of frames": Case(CODED, basic(0, STARTS[1])),
    "a basic table that falls": Case(CODED, basic(*STARTS[::-1])),
    "an extended table that points elsewhere": Case(CODED, extended=([0, 7, 13, 29], LENGTHS)),
    "an extended table with wrong lengths": Case(CODED, extended=(STARTS, [3, 3, 3, 3])),
    "an extended table of another number of frames": Case(CODED, extended=(STARTS[:2], LENGTHS[:2])),
    "fragmented frames with a basic table": Case(HALVES, basic(*OF_HALVES), index=PAIRS),
    "fragmented frames with an empty table": Case(HALVES, index=PAIRS),
    "fragmented frames with a wrong table": Case(HALVES, basic(0, 5, 6, 7), index=PAIRS),
    "fragmented frames with a wrong extended table": Case(HALVES, extended=(STARTS, LENGTHS), index=PAIRS),
}


def write(case: Case, path):
    """Write an instance of four frames that are no volume: they stay codestreams."""
    made = image(FRAMES, frames=4, bits_stored=12)
    del made.ImagePositionPatient
    made.PixelData = encapsulated(*case.fragments, table=case.table, delimiter=False)
    made["PixelData"].VR, made["PixelData"].is_undefined_length = "OB", True
    if case.extended is not None:
        made.ExtendedOffsetTable, made.ExtendedOffsetTableLengths = (
            np.array(numbers, "<u8").tobytes() for numbers in case.extended
        )
    return save(made, path, JPEGLSLossless)


@pytest.fixture
def archive(tmp_path):
    return open_archive(tmp_path / "archive")


def only(archive):
    (row,) = archive.contents()
    return archive.series(row.series_uid)


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]


def test_every_frame_is_found_and_every_byte_comes_back(archive, tmp_path, case):
    path = write(case, tmp_path / "in" / "a.dcm")
    uid = archive.receive(path).sop_instance_uid
    waiting = [archive.instance(uid).frame(number) for number in (3, 0, 2, 1)]
    archive.consolidate(quiet_s=0)

    instance = archive.instance(uid)

    for number, before in zip((3, 0, 2, 1), waiting, strict=True):
        np.testing.assert_array_equal(instance.frame(number), FRAMES[number])
        np.testing.assert_array_equal(before, FRAMES[number])
    assert instance.read() == path.read_bytes()
    assert archive.verify() == []


def test_the_pack_holds_each_fragment_and_the_manifest_says_which_make_a_frame(archive, tmp_path, case):
    archive.ingest(write(case, tmp_path / "in" / "a.dcm"))

    series = only(archive)
    (record,) = series.manifest.instances

    assert (record.source, record.codestreams) == ("codestreams", len(case.fragments))
    assert [series.published.codestream(0, n) for n in range(record.codestreams)] == case.fragments
    assert record.pixels["fragments"] == case.index


def test_a_flipped_bit_is_met_by_its_own_frame_alone(archive, tmp_path, case):
    archive.ingest(write(case, tmp_path / "in" / "a.dcm"))
    pack = only(archive).folder / "codestreams.pack"
    data = bytearray(pack.read_bytes())
    data[data.index(CODED[2][20:]) + 5] ^= 1
    pack.write_bytes(data)
    bricks.shared.cache_clear()  # it may know the frames from an archive of the same file, made in the same second

    stack = only(archive).stack()

    for number in (0, 1, 3):
        np.testing.assert_array_equal(stack.frame(number), FRAMES[number])
    with pytest.raises(Damaged, match=r"codestreams\.pack: item \d fails its checksum"):
        stack.frame(2)
    assert archive.verify() != []


def lossy_volume(folder):
    """Five slices of a volume as JPEG Baseline."""
    for number in range(5):
        values = np.random.default_rng(number).integers(0, 256, (16, 16)).astype(np.uint8)
        made = image(values, number + 1)
        made.PixelData = encapsulated(even(imagecodecs.jpeg8_encode(values, level=90)), delimiter=False)
        made["PixelData"].VR, made["PixelData"].is_undefined_length = "OB", True
        made.LossyImageCompression = "01"
        save(made, folder / f"{number}.dcm", JPEGBaseline8Bit)
    return folder


def cine(folder):
    """Five frames in time, lossless: no volume."""
    frames = np.random.default_rng(3).integers(0, 4096, (5, 9, 11)).astype(np.uint16)
    made = image(frames, frames=5, bits_stored=12)
    del made.ImagePositionPatient
    description = described(image(frames[0], bits_stored=12))
    coded = (even(encode_frame(frame, description, JPEG_LS)) for frame in frames)
    made.PixelData = encapsulated(*coded, delimiter=False)
    made["PixelData"].VR, made["PixelData"].is_undefined_length = "OB", True
    save(made, folder / "cine.dcm", JPEGLSLossless)
    return folder


def even(codestream):
    return bytes(codestream) + bytes(len(codestream) % 2)


@pytest.mark.parametrize("make", [lossy_volume, cine])
@pytest.mark.parametrize("originals", ["keep", "drop-when-proven"])
def test_lossy_and_cine_objects_are_not_expanded_and_keep_their_codestreams(archive, tmp_path, make, originals):
    archive.set_policy(originals=originals)

    report = archive.ingest(make(tmp_path / "in"))

    series = only(archive)
    assert not any(stack.is_expanded for stack in series.stacks)
    assert not list(series.folder.glob("stack-*"))
    assert {record.source for record in series.manifest.instances} == {"codestreams"}
    assert (series.dropped, report.warnings) == ({}, [])
    for path in sorted((tmp_path / "in").iterdir()):
        assert series.instance(pydicom.dcmread(path).SOPInstanceUID) == path.read_bytes()


@pytest.mark.parametrize("make", [lossy_volume, cine])
def test_only_the_frame_that_is_asked_for_is_decoded(archive, tmp_path, make, monkeypatch):
    archive.ingest(make(tmp_path / "in"))
    decoded = []

    def counted(codestream, *arguments):
        decoded.append(codestream)
        return decode_frame(codestream, *arguments)

    decode_frame = stacks.decode_frame
    monkeypatch.setattr(stacks, "decode_frame", counted)

    only(archive).stack().frame(3)

    assert len(decoded) == 1


def test_a_lossy_instance_can_be_had_natively_and_says_that_it_was_lossy(archive, tmp_path):
    archive.ingest(lossy_volume(tmp_path / "in"))
    uid = str(pydicom.dcmread(tmp_path / "in" / "2.dcm").SOPInstanceUID)

    file = only(archive).instance(uid, "1.2.840.10008.1.2.1")

    assert not file.is_received
    (tmp_path / "native.dcm").write_bytes(file)
    made = pydicom.dcmread(tmp_path / "native.dcm")
    assert made.LossyImageCompression == "01"
    np.testing.assert_array_equal(made.pixel_array, archive.instance(uid).frame())
    assert only(archive).transfer_syntax_uids == {JPEG + "50"}


def test_an_item_of_no_bytes_is_no_frame(archive, tmp_path):
    case = Case([CODED[0], b"", *CODED[1:]], basic(0), index=[[0], [2], [3], [4]])
    path = write(case, tmp_path / "in" / "a.dcm")
    assert item(b"") in path.read_bytes()
    archive.ingest(path)

    assert only(archive).manifest.instances[0].pixels["fragments"] == case.index
    np.testing.assert_array_equal(only(archive).stack().frame(1), FRAMES[1])
