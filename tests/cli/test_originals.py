"""What the command line says of codestreams that were dropped."""

from __future__ import annotations

import json

import pytest
from coded_slices import JPEG_LS, RLE, coded, coded_slices, read, values_of
from dicom_files import save
from filmless.engine.archive import open_archive
from pydicom.uid import RLELossless


@pytest.fixture
def series(run, tmp_path):
    """The short id of a series of three dropped instances and one that is kept."""
    coded_slices(tmp_path / "in", range(1, 4), JPEG_LS)
    save(coded(values_of(9, (8, 9)), 9, RLE), tmp_path / "in" / "other", RLELossless)
    open_archive(tmp_path / "archive")
    assert run("policy", "originals=drop-when-proven", "-a", tmp_path / "archive")[0] == 0
    assert run("ingest", tmp_path / "in", "-a", tmp_path / "archive")[0] == 0
    (row,) = open_archive(tmp_path / "archive").contents()
    return row.short_id


def test_info_tells_which_originals_were_dropped(run, series, tmp_path):
    code, out, _ = run("info", series, "-a", tmp_path / "archive")

    told = " ".join(out.split())
    uids = [str(read(path).SOPInstanceUID) for path in sorted((tmp_path / "in").glob("1-*"))]
    assert code == 0
    assert f"codestreams of 3 of 4 dropped ({uids[0]} to {uids[2]}; --json names each)" in told
    assert "formerly JPEG-LS Lossless" in told
    assert "proven by Filmless and CharLS" in told
    facts = json.loads(run("info", series, "--json", "-a", tmp_path / "archive")[1])
    assert list(facts["dropped"]) == uids


def test_export_says_what_is_not_as_it_was_received(run, series, tmp_path):
    code, out, _ = run("export", series, tmp_path / "out", "-a", tmp_path / "archive")

    told = " ".join(out.split())
    assert code == 0
    assert "4 instances" in told
    assert "3 written anew in Explicit VR Little Endian" in told
    assert "1 equal to the file received" in told


@pytest.mark.parametrize("one", [True, False])
def test_verify_says_what_it_compared_with(run, series, tmp_path, one):
    code, out, _ = run("verify", *([series] if one else []), "-a", tmp_path / "archive")

    assert code == 0
    assert "3 of them to the stored values that were proven: all is well" in " ".join(out.split())


def test_ingest_warns_of_codestreams_that_are_in_doubt(run, tmp_path, monkeypatch):
    coded_slices(tmp_path / "in", range(1, 4), JPEG_LS)
    open_archive(tmp_path / "archive").set_policy(originals="drop-when-proven")
    monkeypatch.setattr("filmless.engine.proof.decode_again", lambda *_: values_of(77))

    _, out, err = run("ingest", tmp_path / "in", "-a", tmp_path / "archive")

    told = " ".join((out + err).split())
    assert (
        "and 2 more: codestreams kept: frame 1: Filmless and CharLS (imagecodecs) decode it to different values" in told
    )


def test_codecs_names_the_second_decoder_of_each(run):
    code, out, _ = run("codecs")

    assert code == 0
    for name in ("CharLS", "OpenJPEG", "pylibjpeg-rle", "libdeflate", "libjpeg-turbo"):
        assert name in out
