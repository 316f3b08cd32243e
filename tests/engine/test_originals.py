"""`originals=drop-when-proven`: lossless codestreams go where two decoders agree, and all others stay."""

from __future__ import annotations

import hashlib
import logging
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from coded_slices import (
    ENCAPSULATED,
    EXPLICIT,
    HTJ2K,
    JPEG,
    JPEG_2000,
    JPEG_LOSSLESS,
    JPEG_LS,
    LOSSLESS,
    RLE,
    coded,
    coded_slices,
    encapsulated,
    pixels_of,
    read,
    values_of,
)
from dicom_files import image, save, slices
from filmless.engine import second_decoder
from filmless.engine.archive import open_archive
from filmless.engine.parse import parse_instance
from filmless.engine.second_decoder import SECONDS
from filmless.errors import Damaged, InvalidArgument, UnsupportedPixels
from filmless.storage import fail
from filmless.storage.pyramid import PyramidWriter
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless


@pytest.fixture
def archive(tmp_path):
    archive = open_archive(tmp_path / "archive")
    archive.set_policy(originals="drop-when-proven")
    return archive


def only(archive):
    (row,) = archive.contents()
    return archive.series(row.series_uid)


def records(archive):
    return only(archive).manifest.instances


def sources(archive):
    return [record.source for record in records(archive)]


def uids(paths):
    return [str(read(path).SOPInstanceUID) for path in paths]


def received(archive, paths):
    for path in paths:
        archive.receive(path)
    (result,) = archive.consolidate(quiet_s=0)
    assert (result.problem, result.left) == ("", [])
    return result


@pytest.mark.parametrize("syntax", LOSSLESS)
@pytest.mark.parametrize("way", ["ingest", "receive"])
def test_a_lossless_volume_loses_its_codestreams_and_keeps_every_stored_value(archive, tmp_path, syntax, way):
    paths = coded_slices(tmp_path / "in", range(1, 5), syntax)

    warnings = archive.ingest(tmp_path / "in").warnings if way == "ingest" else received(archive, paths).warnings

    assert warnings == []
    assert sources(archive) == ["values"] * 4
    assert not (only(archive).folder / "codestreams.pack").exists()
    for number, uid in enumerate(uids(paths), 1):
        file = only(archive).instance(uid)
        assert (file.transfer_syntax_uid, file.is_received) == (EXPLICIT, False)
        np.testing.assert_array_equal(pixels_of(file), values_of(number))
    assert archive.verify() == []


@pytest.mark.parametrize("kind", [np.uint16, np.int16, np.uint8, np.int8])
@pytest.mark.parametrize("syntax", [RLE, JPEG_LOSSLESS, JPEG_LS, JPEG_2000, HTJ2K])
def test_values_of_any_size_and_sign_are_proven(archive, tmp_path, syntax, kind):
    paths = coded_slices(tmp_path / "in", range(1, 3), syntax, kind=kind)

    archive.ingest(tmp_path / "in")

    assert sources(archive) == ["values"] * 2
    np.testing.assert_array_equal(pixels_of(only(archive).instance(uids(paths)[0])), values_of(1, kind=kind))


def test_the_proof_is_a_hash_of_each_frames_stored_values_and_names_who_agreed(archive, tmp_path):
    paths = coded_slices(tmp_path / "in", range(1, 3), JPEG_LS)
    archive.ingest(tmp_path / "in")

    for number, (uid, proof) in enumerate(only(archive).dropped.items(), 1):
        assert uid == uids(paths)[number - 1]
        assert proof.frames == (hashlib.sha256(values_of(number).astype("<i2").tobytes()).hexdigest(),)
        assert proof.decoders == ("Filmless", "CharLS (imagecodecs)")


def test_by_default_codestreams_stay(tmp_path):
    archive = open_archive(tmp_path / "archive")
    paths = coded_slices(tmp_path / "in", range(1, 3), JPEG_LS)
    archive.ingest(tmp_path / "in")

    file = only(archive).instance(uids(paths)[0])

    assert (file, file.transfer_syntax_uid, file.is_received) == (paths[0].read_bytes(), JPEG_LS, True)
    assert only(archive).dropped == {}


# What has to stay stays.


@pytest.mark.parametrize("syntax", SECONDS)
def test_where_the_two_decoders_disagree_the_codestream_stays_and_a_warning_says_so(
    archive, tmp_path, syntax, monkeypatch
):
    paths = coded_slices(tmp_path / "in", range(1, 4), syntax)

    def lie(codestream, description, uid):
        values = decode_again(codestream, description, uid)
        if np.array_equal(values, values_of(2)):
            values = values.copy()
            values[-1, -1] ^= 1
        return values

    decode_again = second_decoder.decode_again
    monkeypatch.setattr("filmless.engine.proof.decode_again", lie)

    (warning,) = received(archive, paths).warnings

    assert "codestreams kept: frame 1" in warning
    assert "different values" in warning
    assert uids(paths)[1] in warning
    assert sources(archive) == ["values", "codestreams", "values"]
    assert only(archive).instance(uids(paths)[1]) == paths[1].read_bytes()
    assert archive.verify() == []


def test_what_the_second_decoder_cannot_decode_stays(archive, tmp_path, monkeypatch):
    coded_slices(tmp_path / "in", range(1, 4), JPEG_LS)

    def fail(*_):
        raise ValueError("out of order")

    monkeypatch.setitem(SECONDS, JPEG_LS, SECONDS[JPEG_LS]._replace(decode=fail))

    (warning,) = archive.ingest(tmp_path / "in").warnings

    assert "and 2 more: codestreams kept: frame 1: CharLS (imagecodecs): out of order" in warning
    assert sources(archive) == ["codestreams"] * 3


def test_a_lossy_codestream_under_a_lossless_uid_stays(archive, tmp_path):
    for number in (1, 2):
        made = coded(values_of(number, kind=np.uint16), number, JPEG_LS)
        made.PixelData = encapsulated_bytes(imagecodecs.jpegls_encode(values_of(number, kind=np.uint16), level=2))
        save(made, tmp_path / "in" / f"{number}", JPEGLSLossless)

    (warning,) = archive.ingest(tmp_path / "in").warnings

    assert "near-lossless" in warning
    assert sources(archive) == ["codestreams"] * 2


def test_an_irreversible_jpeg_2000_under_a_lossless_uid_stays(archive, tmp_path):
    for number in (1, 2):
        values = values_of(number, (64, 64), np.uint16)
        made = coded(values, number, JPEG_2000)
        made.PixelData = encapsulated_bytes(imagecodecs.jpeg2k_encode(values, level=60, codecformat="j2k"))
        save(made, tmp_path / "in" / f"{number}", JPEG2000Lossless)

    (warning,) = archive.ingest(tmp_path / "in").warnings

    assert "irreversible" in warning
    assert sources(archive) == ["codestreams"] * 2


def encapsulated_bytes(codestream):
    return encapsulate([bytes(codestream)])


def test_what_one_decoder_leaves_to_the_other_stays(archive, tmp_path, monkeypatch):
    coded_slices(tmp_path / "in", range(1, 3), JPEG_2000)

    def refuse(*_, **__):
        raise UnsupportedPixels("a region of interest")

    monkeypatch.setattr("filmless.engine.decode.decode_jpeg_2000", refuse)

    (warning,) = archive.ingest(tmp_path / "in").warnings

    assert "no second opinion" in warning
    assert sources(archive) == ["codestreams"] * 2


def test_frames_that_are_in_no_volume_stay_without_a_word(archive, tmp_path):
    made = coded(values_of(1), 1, RLE)
    del made.ImagePositionPatient
    path = save(made, tmp_path / "in" / "a.dcm", RLELossless)

    report = archive.ingest(tmp_path / "in")

    assert (report.warnings, sources(archive)) == ([], ["codestreams"])
    assert only(archive).instance(uids([path])[0]) == path.read_bytes()


def test_a_signed_header_stays(archive, tmp_path):
    paths = coded_slices(tmp_path / "in", range(1, 3), JPEG_LS, MACParametersSequence=[])

    (warning,) = archive.ingest(tmp_path / "in").warnings

    assert "digital signatures" in warning
    assert only(archive).instance(uids(paths)[0]) == paths[0].read_bytes()


def test_what_lies_behind_the_pixels_stays_with_them_unless_it_is_padding(archive, tmp_path):
    first, second = coded_slices(tmp_path / "in", range(1, 3), JPEG_LS)
    first.write_bytes(first.read_bytes() + b"\xfc\xff\xfc\xffOB\0\0\x04\0\0\0abcd")
    second.write_bytes(second.read_bytes() + b"\xfa\xff\xfa\xffSQ\0\0\0\0\0\0")

    archive.ingest(tmp_path / "in")

    assert sources(archive) == ["values", "codestreams"]
    assert only(archive).instance(uids([second])[0]) == second.read_bytes()
    given = only(archive).instance(uids([first])[0])
    assert read(given).DataSetTrailingPadding == b"abcd"
    np.testing.assert_array_equal(pixels_of(given), values_of(1))


def test_a_file_that_rotted_in_the_inbox_is_not_believed(archive, tmp_path):
    (path, other) = coded_slices(tmp_path / "in", range(1, 3), ENCAPSULATED)
    for each in (path, other):
        archive.receive(each)
    (waiting,) = archive.root.glob(f"inbox/*/*/{uids([path])[0]}.dcm")
    data = bytearray(waiting.read_bytes())
    data[-20] ^= 1  # a pixel: both decoders agree on the wrong value
    waiting.write_bytes(data)

    (result,) = archive.consolidate(quiet_s=0)

    assert [uid for uid, _ in result.left] == uids([path])
    assert [record.sop_instance_uid for record in records(archive)] == uids([other])


# What is given back.


def test_only_what_must_differ_does(archive, tmp_path):
    made = coded(values_of(1), 1, JPEG_2000, LossyImageCompression="00", BurnedInAnnotation="NO")
    made.add_new(0x00091001, "LO", "private")
    made.add_new(0x00090010, "LO", "MADE UP")
    made.OtherPatientIDsSequence = [image(values_of(1, (2, 2)))]
    path = save(made, tmp_path / "in" / "1.dcm", JPEG2000Lossless)
    coded_slices(tmp_path / "in", [2], JPEG_2000)
    archive.ingest(tmp_path / "in")

    before, after = read(path), read(only(archive).instance(uids([path])[0]))

    np.testing.assert_array_equal(pixels_of(only(archive).instance(uids([path])[0])), values_of(1))
    assert after["PixelData"].VR == "OW"
    assert after.file_meta.FileMetaInformationGroupLength == before.file_meta.FileMetaInformationGroupLength - 2
    del before.PixelData, after.PixelData
    assert before == after


def test_colour_that_jpeg_2000_transformed_is_rgb_by_pixel(archive, tmp_path):
    paths = coded_slices(tmp_path / "in", range(1, 3), JPEG_2000, kind=np.uint8, shape=(6, 7, 3))
    assert read(paths[0]).PhotometricInterpretation == "YBR_RCT"
    archive.ingest(tmp_path / "in")

    made = read(only(archive).instance(uids(paths)[0]))

    assert (made.PhotometricInterpretation, made.PlanarConfiguration, made["PixelData"].VR) == ("RGB", 0, "OB")
    np.testing.assert_array_equal(pixels_of(only(archive).instance(uids(paths)[0])), values_of(1, (6, 7, 3), np.uint8))
    again = read(only(archive).instance(uids(paths)[0], HTJ2K))
    assert again.PhotometricInterpretation == "YBR_RCT"
    assert read(only(archive).instance(uids(paths)[0], JPEG_LS)).PhotometricInterpretation == "RGB"


def test_the_planar_configuration_of_what_was_coded_by_plane_is_told_anew(archive, tmp_path):
    paths = coded_slices(tmp_path / "in", range(1, 3), RLE, kind=np.uint8, shape=(6, 7, 3), PlanarConfiguration=1)
    archive.ingest(tmp_path / "in")

    file = only(archive).instance(uids(paths)[0])

    assert read(file).PlanarConfiguration == 0
    np.testing.assert_array_equal(pixels_of(file), values_of(1, (6, 7, 3), np.uint8))


@pytest.mark.parametrize("wanted", LOSSLESS)
def test_any_lossless_transfer_syntax_can_be_asked_for(archive, tmp_path, wanted):
    paths = coded_slices(tmp_path / "in", range(1, 3), JPEG_LS)
    archive.ingest(tmp_path / "in")

    file = only(archive).instance(uids(paths)[0], wanted)

    assert (file.transfer_syntax_uid, file.is_received) == (wanted, False)
    parse_instance(bytes(file))
    other = open_archive(tmp_path / "other")
    other.receive(file)
    np.testing.assert_array_equal(other.instance(uids(paths)[0]).frame(), values_of(1))
    if wanted in (RLE, JPEG_LS, JPEG_2000, JPEG_LOSSLESS):
        made = read(file)
        np.testing.assert_array_equal(made.pixel_array, values_of(1))


def test_a_transfer_syntax_that_is_lossy_or_unknown_is_refused(archive, tmp_path):
    paths = coded_slices(tmp_path / "in", range(1, 3), JPEG_LS)
    archive.ingest(tmp_path / "in")

    for wanted in (JPEG + "50", "1.2.840.10008.1.2", "1.2.3"):
        with pytest.raises(InvalidArgument, match="choose one of"):
            only(archive).instance(uids(paths)[0], wanted)


def test_frames_of_a_volume_in_one_instance_are_given_back_with_a_right_offset_table(archive, tmp_path):
    stack = np.stack([values_of(number) for number in range(5)])
    path = save(enhanced(stack, JPEG_LS), tmp_path / "in" / "a.dcm", JPEGLSLossless)
    archive.ingest(tmp_path / "in")
    assert sources(archive) == ["values"]

    native = only(archive).instance(uids([path])[0])
    coded_anew = only(archive).instance(uids([path])[0], RLE)

    np.testing.assert_array_equal(pixels_of(native, 5)[..., 0], stack)
    np.testing.assert_array_equal(read(coded_anew).pixel_array, stack)
    offsets = read(coded_anew).PixelData[8:28]
    starts = np.frombuffer(offsets, "<u4").tolist()
    assert starts[0] == 0
    assert all(read(coded_anew).PixelData[28 + start :][:4] == b"\xfe\xff\x00\xe0" for start in starts)


@pytest.mark.parametrize("syntax", [JPEG_LS, RLE])
def test_an_extended_offset_table_goes_with_the_codestreams(archive, tmp_path, syntax):
    stack = np.stack([values_of(number) for number in range(3)])
    made = enhanced(stack, syntax, has_bot=False)
    lengths = [len(made.PixelData)]
    made.ExtendedOffsetTable = np.array([0, 0, 0], "<u8").tobytes()  # a wrong one at that
    made.ExtendedOffsetTableLengths = np.array(lengths * 3, "<u8").tobytes()
    path = save(made, tmp_path / "in" / "a.dcm", syntax)
    archive.ingest(tmp_path / "in")
    assert sources(archive) == ["values"]

    given = read(only(archive).instance(uids([path])[0]))

    assert "ExtendedOffsetTable" not in given
    assert "ExtendedOffsetTableLengths" not in given


def test_retired_group_lengths_that_would_be_wrong_are_left_out(archive, tmp_path):
    paths = coded_slices(tmp_path / "in", range(1, 3), JPEG_LS)
    for path in paths:
        data = path.read_bytes()
        for group in (b"\x28\x00", b"\xe0\x7f"):
            at = data.index(group + (b"\x02\x00" if group[0] == 0x28 else b"\x10\x00"))
            data = data[:at] + group + b"\0\0UL\x04\0\x63\0\0\0" + data[at:]
        path.write_bytes(data)
    archive.ingest(tmp_path / "in")

    file = only(archive).instance(uids(paths)[0])

    assert sources(archive) == ["values"] * 2
    assert b"\x28\x00\0\0UL" not in file
    assert b"\xe0\x7f\0\0UL" not in file
    np.testing.assert_array_equal(pixels_of(file), values_of(1))


def enhanced(stack, syntax, **options):
    """A multi-frame instance whose frames lie in a row."""
    made = image(stack, frames=len(stack), bits_stored=12)
    del made.ImagePositionPatient
    orientation, measures, shared = Dataset(), Dataset(), Dataset()
    orientation.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    measures.PixelSpacing, measures.SliceThickness = [1, 1], 1
    shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = [orientation], [measures]
    made.SharedFunctionalGroupsSequence = [shared]
    groups = []
    for number in range(len(stack)):
        position, group = Dataset(), Dataset()
        position.ImagePositionPatient = [0, 0, number]
        group.PlanePositionSequence = [position]
        groups.append(group)
    made.PerFrameFunctionalGroupsSequence = groups
    return encapsulated(made, stack, syntax, **options)


@pytest.mark.parametrize("place", ["inbox", "generation"])
def test_an_instance_that_is_kept_as_received_can_be_had_in_another_transfer_syntax_too(tmp_path, place):
    archive = open_archive(tmp_path / "archive")
    native, coded_path = slices(tmp_path / "a", [1, 2])[0], coded_slices(tmp_path / "b", [1, 2], JPEG_LS, series=2)[0]
    for path in (native, coded_path):
        archive.receive(path)
    if place == "generation":
        archive.consolidate(quiet_s=0)

    for path, wanted in ((native, JPEG_LS), (coded_path, EXPLICIT), (coded_path, RLE)):
        stored = archive.instance(uids([path])[0])
        file = stored.read(wanted)
        assert (file.transfer_syntax_uid, file.is_received) == (wanted, False)
        np.testing.assert_array_equal(read(file).pixel_array, stored.frame())
        assert stored.read() == path.read_bytes()
        assert stored.read().is_received


# What comes after: the generation is as good as any.


def test_export_writes_the_values_of_what_was_dropped_and_the_bytes_of_the_rest(archive, tmp_path):
    paths = coded_slices(tmp_path / "in", range(1, 4), JPEG_LS)
    other = save(coded(values_of(9, (8, 9)), 9, RLE), tmp_path / "in" / "other", RLELossless)
    archive.ingest(tmp_path / "in")

    written = {path.stem: path.read_bytes() for path in only(archive).export(tmp_path / "out")}

    assert set(only(archive).dropped) == set(uids(paths))
    assert written[uids([other])[0]] == other.read_bytes()
    for number, uid in enumerate(uids(paths), 1):
        assert written[uid] == only(archive).instance(uid) == archive.instance(uid).read()
        np.testing.assert_array_equal(pixels_of(written[uid]), values_of(number))


def test_a_late_instance_makes_a_generation_that_still_does_not_claim_what_was_received(archive, tmp_path):
    early = coded_slices(tmp_path / "a", [1, 2, 4], JPEG_LS)
    received(archive, early)
    before = {uid: only(archive).dropped[uid] for uid in uids(early)}
    late = coded_slices(tmp_path / "b", [3, 5], JPEG_2000)

    result = received(archive, late)

    assert (result.generation, sources(archive)) == (2, ["values"] * 5)
    assert {uid: only(archive).dropped[uid] for uid in uids(early)} == before
    np.testing.assert_array_equal(only(archive).volume().level()[:], [values_of(n) for n in range(1, 6)])
    assert not only(archive).instance(uids(early)[0]).is_received
    assert archive.verify() == []


def test_a_late_instance_that_undoes_the_volume_leaves_dropped_frames_in_a_stack(archive, tmp_path):
    early = coded_slices(tmp_path / "a", [1, 2], JPEG_LS)
    received(archive, early)
    odd = coded(values_of(7), 7, JPEG_LS)
    odd.ImageOrientationPatient = [0, 1, 0, 0, 0, 1]
    save(odd, tmp_path / "b" / "odd", JPEGLSLossless)
    twin = coded(values_of(8), 8, JPEG_LS)
    twin.ImagePositionPatient = [0, 0, 1]
    save(twin, tmp_path / "b" / "twin", JPEGLSLossless)

    received(archive, [tmp_path / "b" / "odd", tmp_path / "b" / "twin"])

    given = only(archive)
    assert set(uids(early)) <= set(given.dropped)
    for number, uid in enumerate(uids(early), 1):
        np.testing.assert_array_equal(pixels_of(given.instance(uid)), values_of(number))
    assert archive.verify() == []


def test_codestreams_kept_before_go_with_the_next_generation(tmp_path):
    archive = open_archive(tmp_path / "archive")
    received(archive, coded_slices(tmp_path / "a", [1, 2], JPEG_LS))
    assert sources(archive) == ["codestreams"] * 2
    archive.set_policy(originals="drop-when-proven")

    received(archive, coded_slices(tmp_path / "b", [3], JPEG_LS))

    assert sources(archive) == ["values"] * 3
    assert archive.verify() == []


def test_what_was_dropped_stays_dropped_when_policy_changes_back(archive, tmp_path):
    received(archive, coded_slices(tmp_path / "a", [1, 2], JPEG_LS))
    archive.set_policy(originals="keep")

    received(archive, coded_slices(tmp_path / "b", [3], JPEG_LS))

    assert sources(archive) == ["values", "values", "codestreams"]
    np.testing.assert_array_equal(only(archive).volume().level()[:], [values_of(n) for n in (1, 2, 3)])
    assert archive.verify() == []


def test_another_tier_holds_the_same_proven_values(archive, tmp_path):
    paths = coded_slices(tmp_path / "in", range(1, 4), JPEG_LS)
    archive.ingest(tmp_path / "in")
    before = {uid: only(archive).instance(uid) for uid in uids(paths)}

    archive.recode(only(archive).uid, "dense")

    assert before == {uid: only(archive).instance(uid) for uid in uids(paths)}
    assert archive.verify() == []


def test_what_was_dropped_is_given_back_wherever_series_lie(series_url, tmp_path):
    archive = open_archive(tmp_path / "archive", series_url=series_url)
    archive.set_policy(originals="drop-when-proven")
    paths = coded_slices(tmp_path / "in", range(1, 4), JPEG_LS)
    received(archive, paths[:2])

    received(archive, paths[2:])

    assert sources(archive) == ["values"] * 3
    for number, uid in enumerate(uids(paths), 1):
        np.testing.assert_array_equal(pixels_of(only(archive).instance(uid)), values_of(number))
    assert archive.verify() == []


def test_the_index_is_the_same_when_it_is_made_anew(archive, tmp_path):
    coded_slices(tmp_path / "in", range(1, 4), JPEG_LS)
    archive.ingest(tmp_path / "in")
    rows = archive.contents(), archive.instances_of(only(archive).uid)

    archive.reindex()

    assert rows == (archive.contents(), archive.instances_of(only(archive).uid))
    assert archive.verify() == []


def test_the_same_instance_again_is_the_same_instance(archive, tmp_path):
    paths = coded_slices(tmp_path / "in", range(1, 4), JPEG_LS)
    received(archive, paths)

    assert archive.receive(paths[0]).outcome == "same"


def test_one_instance_is_purged_and_the_others_stay_proven(archive, tmp_path):
    paths = coded_slices(tmp_path / "in", range(1, 5), JPEG_LS)
    archive.ingest(tmp_path / "in")
    archive.delete("instance", uids(paths)[3], who="me", why="a test")

    (removal,) = archive.purge(who="me", grace_s=0)

    assert removal.problem == ""
    assert list(only(archive).dropped) == uids(paths)[:3]
    assert archive.verify() == []


def test_other_bytes_that_replace_it_set_its_values_aside(archive, tmp_path, caplog):
    caplog.set_level(logging.CRITICAL)
    archive.set_policy(same_uid="replace")
    paths = coded_slices(tmp_path / "in", range(1, 4), JPEG_LS)
    received(archive, paths)
    given = only(archive).instance(uids(paths)[0])
    other = save(coded(values_of(50), 1, JPEG_LS), tmp_path / "other", JPEGLSLossless)
    assert archive.receive(other).outcome == "replaced"

    archive.consolidate(quiet_s=0)

    kept = {entry.sha256: entry.reason for entry in archive.set_aside()}
    assert "codestreams had been dropped" in kept[hashlib.sha256(given).hexdigest()]
    np.testing.assert_array_equal(pixels_of(only(archive).instance(uids(paths)[0])), values_of(50))
    assert archive.verify() == []


# Whatever moment it is stopped at, nothing that was acknowledged is lost.

STOPS = (
    "generation: begun", "generation: written", "generation: proven", "generation: flushed", "generation: named",
    "generation: published", "index: generation put", "inbox: one instance removed", "inbox: emptied",
    "generation: former hidden", "generation: former removed",
)  # fmt: skip
KILLED = """
import sys
from filmless.engine.archive import open_archive
open_archive(sys.argv[1]).consolidate(quiet_s=0)
"""


def check_nothing_is_lost(archive, paths):
    """Each instance is as it was received, or says that it is not and has the stored values that were received."""
    for path in paths:
        uid = uids([path])[0]
        file = archive.instance(uid).read()
        if file.is_received:
            assert file == path.read_bytes()
        else:
            np.testing.assert_array_equal(pixels_of(file), values_of(int(path.stem[-3:])))


def half_received(archive, folder):
    """Two instances in a generation with their codestreams, two in the inbox, and the policy to drop them all."""
    archive.set_policy(originals="keep")
    early = coded_slices(folder / "a", [1, 2], JPEG_LS)
    received(archive, early)
    late = coded_slices(folder / "b", [3, 4], JPEG_2000)
    for path in late:
        archive.receive(path)
    archive.set_policy(originals="drop-when-proven")
    return early + late


@pytest.mark.parametrize("stop", STOPS)
def test_killed_while_codestreams_go_it_loses_nothing(archive, tmp_path, stop):
    paths = half_received(archive, tmp_path)
    environment = os.environ | {"FILMLESS_FAIL_AT": stop, "FILMLESS_THREADS": "1"}

    status = subprocess.run([sys.executable, "-c", KILLED, archive.root], env=environment, check=False).returncode

    assert status == -signal.SIGKILL
    again = open_archive(archive.root)
    check_nothing_is_lost(again, paths)
    assert again.recover() == []
    check_nothing_is_lost(again, paths)
    again.consolidate(quiet_s=0)
    check_nothing_is_lost(again, paths)
    assert sources(again) == ["values"] * 4
    assert again.verify() == []
    assert again.unfinished() == []


@pytest.mark.parametrize("how", ["enospc", "eio"])
@pytest.mark.parametrize("stop", STOPS[:5])
def test_where_the_disk_fails_codestreams_stay(archive, tmp_path, stop, how):
    paths = half_received(archive, tmp_path)
    fail.arm(stop, how=how)

    with pytest.raises(OSError, match="made to fail"):
        archive.consolidate(quiet_s=0)

    check_nothing_is_lost(archive, paths)
    archive.consolidate(quiet_s=0)
    assert sources(archive) == ["values"] * 4
    assert archive.verify() == []


def test_a_generation_that_did_not_get_the_proven_values_is_not_published(archive, tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.CRITICAL)
    paths = half_received(archive, tmp_path)
    write = PyramidWriter.filled

    def wrong(self, count):
        self.room()[..., 0, 0] ^= 1
        write(self, count)

    monkeypatch.setattr(PyramidWriter, "filled", wrong)

    (result,) = archive.consolidate(quiet_s=0)

    assert "not what was proven" in result.problem
    assert sources(archive) == ["codestreams"] * 2
    check_nothing_is_lost(archive, paths)


# Damage is found, and never given.


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def test_a_wrong_value_is_named_by_verify_and_never_given(archive, tmp_path, monkeypatch):
    paths = coded_slices(tmp_path / "in", range(1, 4), JPEG_LS)
    archive.ingest(tmp_path / "in")
    series = only(archive)
    record = series.manifest.instances[1]
    forged = record.pixels | {"proof": record.pixels["proof"] | {"frames": ["0" * 64]}}
    series.manifest.instances[1] = replace(record, pixels=forged)

    damage = series.verify()

    assert any("frame 0" in line and "not what was proven" in line for line in damage)
    with pytest.raises(Damaged, match="not what was proven"):
        series.instance(uids(paths)[1])
    with pytest.raises(Damaged, match="2 of 3 instances were written"):
        series.export(tmp_path / "out")
    assert not (tmp_path / "out" / f"{uids(paths)[1]}.dcm").exists()


def test_a_header_that_is_not_what_was_proven_is_named(archive, tmp_path):
    paths = coded_slices(tmp_path / "in", range(1, 4), JPEG_LS)
    archive.ingest(tmp_path / "in")
    series = only(archive)
    record = series.manifest.instances[1]
    forged = record.pixels | {"proof": record.pixels["proof"] | {"header_sha256": "0" * 64}}
    series.manifest.instances[1] = replace(record, pixels=forged)

    with pytest.raises(Damaged, match="the header"):
        series.instance(uids(paths)[1])
    assert any("the header" in line for line in series.verify())


def test_repair_takes_the_received_file_where_it_is_given_again(archive, tmp_path):
    paths = coded_slices(tmp_path / "in", range(1, 4), JPEG_LS)
    archive.ingest(tmp_path / "in")
    (shard,) = archive.root.glob("series/*/*/1/stack-0.ome.zarr/0/c*")
    flip(shard, 30)
    assert archive.verify() != []

    archive.repair(replacements=[tmp_path / "in"])

    assert archive.verify() == []
    assert sources(archive) == ["values"] * 3
    np.testing.assert_array_equal(pixels_of(only(archive).instance(uids(paths)[2])), values_of(3))


def test_repair_makes_a_coarser_level_anew_and_keeps_the_proof(archive, tmp_path):
    paths = coded_slices(tmp_path / "in", range(1, 4), JPEG_LS, shape=(300, 300))
    archive.ingest(tmp_path / "in")
    before = only(archive).dropped
    shard = next(archive.root.glob("series/*/*/1/stack-0.ome.zarr/1/c*"))
    flip(shard, 30)

    done = archive.repair()

    assert not any(entry.is_lost for entry in done)
    assert only(archive).dropped == before
    assert archive.verify() == []
    np.testing.assert_array_equal(pixels_of(only(archive).instance(uids(paths)[0])), values_of(1, (300, 300)))
