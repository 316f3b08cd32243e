"""Codestreams of real files: a second decoder for each, and what is given back once they are dropped."""

from __future__ import annotations

import hashlib
import shutil

import numpy as np
import pydicom
import pytest
from coded_slices import EXPLICIT, HTJ2K, JPEG_LS, pixels_of, read
from filmless.engine.archive import open_archive
from filmless.engine.decode import decode_frame
from filmless.engine.encapsulation import locate_frames, read_codestream
from filmless.engine.parse import extended_offset_table, parse_instance
from filmless.engine.proof import Trial
from filmless.engine.second_decoder import SECONDS
from filmless.errors import FilmlessError

pytestmark = pytest.mark.real

VOLUME = "volumes/ct_chest_jpeg_lossless"
KEPT = {
    "CR-ModalitySequenceLUT.dcm": "something else behind its pixels",
    "US-PAL-8-10x-echo.dcm": "something else behind its pixels",
    "sample-op.dcm": "JPEG process FFC0, which is lossy",
}
"""Real files whose codestreams stay whatever policy says, and why."""


def trials(folder):
    """The verdict of two decoders on the first and last frame of every lossless file."""
    for path in sorted(path for path in folder.rglob("*") if path.suffix not in (".xz", ".md", ".csv")):
        if not path.is_file():
            continue
        data = path.read_bytes()
        try:
            instance = parse_instance(data)
        except FilmlessError:
            continue
        uid, pixels = instance.transfer_syntax_uid, instance.pixels
        if uid not in SECONDS or pixels is None:
            continue
        trial = Trial(instance, data, hashlib.sha256(data).hexdigest())
        frames = locate_frames(data, instance.pixel_span, pixels.frames, extended_offset_table(data, len(data)))
        for number in {0, pixels.frames - 1}:
            codestream = read_codestream(data, frames[number])
            trial.add(number, codestream, decode_frame(codestream, pixels, uid), pixels)
        yield path.name, trial.doubt


def test_two_decoders_agree_on_every_real_lossless_file_or_it_is_named(real_data):
    found = dict(trials(real_data))

    doubts = {name: doubt for name, doubt in found.items() if doubt}
    assert len(found) > 200
    assert doubts.keys() == KEPT.keys()
    for name, doubt in doubts.items():
        assert KEPT[name] in doubt


def test_a_real_volume_is_given_back_with_the_values_that_pydicom_decodes(real_data, tmp_path):
    paths = sorted((real_data / VOLUME).rglob("*.dcm"))
    archive = open_archive(tmp_path / "archive")
    archive.set_policy(originals="drop-when-proven")
    report = archive.ingest(real_data / VOLUME)
    (row,) = archive.contents()
    series = archive.series(row.series_uid)

    assert report.warnings == []
    assert len(series.dropped) == len(paths)
    assert archive.verify() == []
    for path in paths[::20]:
        original = pydicom.dcmread(path)
        given = series.instance(original.SOPInstanceUID)
        assert read(given).file_meta.TransferSyntaxUID == EXPLICIT
        np.testing.assert_array_equal(pixels_of(given), original.pixel_array)
        for wanted in (JPEG_LS, HTJ2K):
            anew = read(series.instance(original.SOPInstanceUID, wanted))
            np.testing.assert_array_equal(anew.pixel_array, original.pixel_array)
            header, before = anew, pydicom.dcmread(path, stop_before_pixels=True)
            del header.PixelData
            assert header == before


def test_dropping_codestreams_of_a_real_volume_leaves_less_on_the_disk(real_data, tmp_path):
    sizes = {}
    for originals in ("keep", "drop-when-proven"):
        archive = open_archive(tmp_path / originals)
        archive.set_policy(originals=originals)
        archive.ingest(real_data / VOLUME)
        (row,) = archive.contents()
        sizes[originals] = row.archived_bytes
        shutil.rmtree(tmp_path / originals)

    assert sizes["drop-when-proven"] < 0.6 * sizes["keep"]
