"""Frames of small clips, encoded here by PyAV, out of every container that videos are found in."""

from __future__ import annotations

import sys
from dataclasses import replace
from io import BytesIO

import av
import numpy as np
import pytest
from dicom_files import image, save
from filmless.engine.archive import open_archive
from filmless.engine.decode import decode_frame
from filmless.engine.instance import PixelDescription
from filmless.engine.transfer_syntax import TRANSFER_SYNTAXES
from filmless.engine.video import decode_video_frame
from filmless.errors import DecodeError, FilmlessError, OutOfRange, UnsupportedPixels
from pydicom.encaps import encapsulate
from pydicom.uid import MPEG4HP41

JPEG = "1.2.840.10008.1.2.4."
MPEG_2, H_264, H_265, H_265_MAIN_10 = (JPEG + n for n in ("100", "102", "107", "108"))
FRAMES = 12
VIDEO = PixelDescription(64, 96, FRAMES, 3, 8, 8, 7, False, False, 0, "YBR_PARTIAL_420")
CODECS = {MPEG_2: ("mpeg2video", "mpeg2video"), H_264: ("libx264", "h264"), H_265: ("libx265", "hevc")}


def colour(number):
    """What fills a frame of the clip."""
    return np.array([20 * number, 255 - 20 * number, 100])


def clip(uid, container="", frames=FRAMES, size=(64, 96), pix_fmt="yuv420p"):
    """A clip of flat frames that go from green to red."""
    codec, bare = CODECS[uid]
    coded = BytesIO()
    with av.open(coded, "w", format=container or bare) as file:
        stream = file.add_stream(codec, rate=25)
        stream.height, stream.width, stream.pix_fmt = *size, pix_fmt
        stream.options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
        for number in range(frames):
            picture = np.broadcast_to(colour(number).astype(np.uint8), (*size, 3)).copy()
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        file.mux(stream.encode())
    return coded.getvalue()


@pytest.mark.parametrize("container", ["", "mp4", "mpegts"])
@pytest.mark.parametrize("uid", CODECS)
def test_each_frame_is_the_one_that_was_encoded(uid, container):
    stream = clip(uid, container)

    for number in (0, 5, 11, 1):
        frame = decode_video_frame(stream, VIDEO, uid, number)
        assert frame.values.shape == (64, 96, 3)
        assert frame.values.dtype == np.uint8
        assert frame.photometric_interpretation == "RGB"
        assert np.abs(frame.values.astype(int) - colour(number)).max() <= 6


def test_ten_bits_are_kept():
    deep = replace(VIDEO, bits_allocated=16, bits_stored=10, high_bit=9)

    frame = decode_video_frame(clip(H_265, pix_fmt="yuv420p10le"), deep, H_265_MAIN_10, 3)

    assert frame.values.dtype == np.uint16
    assert np.abs(frame.values.astype(int) - colour(3) * 1023 // 255).max() <= 16


def test_a_video_without_colour_is_gray():
    gray = replace(VIDEO, samples_per_pixel=1, photometric_interpretation="MONOCHROME2")

    frame = decode_video_frame(clip(H_264), gray, H_264, 0)

    assert frame.values.shape == (64, 96)
    assert frame.photometric_interpretation == "MONOCHROME2"


def test_padding_to_even_length_is_no_frame():
    stream = clip(H_264)

    assert decode_video_frame(stream + b"\0", VIDEO, H_264, 11).values.shape == (64, 96, 3)


@pytest.mark.parametrize("declared", [FRAMES - 1, FRAMES + 1])
def test_another_number_of_frames_than_the_header_says_is_an_error(declared):
    with pytest.raises(DecodeError, match=f"holds {FRAMES} frames; Number of Frames is {declared}"):
        decode_video_frame(clip(H_264), replace(VIDEO, frames=declared), H_264, 0)


@pytest.mark.parametrize("size", [(96, 64), (64, 94), (1088, 1920)])
def test_another_size_than_the_header_says_is_an_error(size):
    with pytest.raises(DecodeError, match="64 x 96"):
        decode_video_frame(clip(H_264), replace(VIDEO, rows=size[0], columns=size[1]), H_264, 0)


def test_another_codec_than_the_transfer_syntax_says_is_an_error():
    with pytest.raises(DecodeError):
        decode_video_frame(clip(H_264, "mp4"), VIDEO, H_265, 0)


def test_a_size_that_changes_within_the_stream_is_an_error():
    stream = clip(H_264, frames=6) + clip(H_264, frames=6, size=(128, 192))

    with pytest.raises(DecodeError):
        decode_video_frame(stream, VIDEO, H_264, 11)


@pytest.mark.parametrize("index", [-1, FRAMES])
def test_a_frame_that_is_not_there_is_refused(index):
    with pytest.raises(OutOfRange):
        decode_video_frame(clip(H_264), VIDEO, H_264, index)


def test_without_pyav_the_error_names_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)

    with pytest.raises(UnsupportedPixels, match=r"filmless\[video\]"):
        decode_video_frame(b"", VIDEO, H_264, 0)


def test_single_frames_of_a_video_are_not_decoded_as_codestreams():
    with pytest.raises(UnsupportedPixels, match=r"H\.264.*decode_video_frame"):
        decode_frame(clip(H_264), VIDEO, H_264)
    with pytest.raises(UnsupportedPixels):
        decode_video_frame(b"", VIDEO, JPEG + "50", 0)


@pytest.mark.parametrize("uid", [uid for uid, syntax in TRANSFER_SYNTAXES.items() if syntax.is_video])
def test_every_video_transfer_syntax_has_its_codec(uid):
    codec = MPEG_2 if uid.startswith((JPEG + "100", JPEG + "101")) else H_265 if uid[-3:] in ("107", "108") else H_264

    assert decode_video_frame(clip(codec), VIDEO, uid, 2).values.shape == (64, 96, 3)


@pytest.mark.parametrize("uid", CODECS)
def test_a_damaged_video_gives_a_frame_or_an_error_of_ours(uid):
    random, errors = np.random.default_rng(5), 0
    streams = [clip(uid), clip(uid, "mp4"), clip(uid, "mpegts")]

    for number in range(300):
        bad = bytearray(streams[number % 3])
        for _ in range(random.integers(1, 9)):
            bad[random.integers(len(bad))] ^= 1 << random.integers(8)
        try:
            frame = decode_video_frame(bytes(bad[: random.integers(1, len(bad) + 1)]), VIDEO, uid, 4)
        except FilmlessError:
            errors += 1
            continue
        assert frame.values.shape == (64, 96, 3)
    assert errors > 100


def test_frames_and_pictures_of_an_archived_video(tmp_path):
    stream = clip(H_264, "mp4")
    made = image(np.zeros((FRAMES, 64, 96, 3), np.uint8), frames=FRAMES, PhotometricInterpretation="YBR_PARTIAL_420")
    made.Rows, made.Columns, made.SamplesPerPixel, made.PlanarConfiguration = 64, 96, 3, 0
    made.PixelData = encapsulate([stream[:700], stream[700:]])
    made["PixelData"].VR, made["PixelData"].is_undefined_length = "OB", True
    archive = open_archive(tmp_path / "archive")
    archive.ingest(save(made, tmp_path / "in" / "a.dcm", MPEG4HP41))
    (row,) = archive.contents()

    stack = archive.series(row.series_uid).stack()

    assert len(stack) == FRAMES
    assert np.abs(stack.frame(7).astype(int) - colour(7)).max() <= 6
    assert np.abs(stack.picture(7).pixels.astype(int) - colour(7)).max() <= 6


def test_a_video_is_not_dropped_or_expanded_and_comes_back_byte_for_byte(tmp_path):
    stream = clip(H_264, "mp4")
    made = image(np.zeros((FRAMES, 64, 96, 3), np.uint8), frames=FRAMES, PhotometricInterpretation="YBR_PARTIAL_420")
    made.PixelData = encapsulate([stream])
    made["PixelData"].VR, made["PixelData"].is_undefined_length = "OB", True
    path = save(made, tmp_path / "in" / "a.dcm", MPEG4HP41)
    archive = open_archive(tmp_path / "archive")
    archive.set_policy(originals="drop-when-proven")
    archive.receive(path)
    archive.consolidate(quiet_s=0)
    (row,) = archive.contents()

    series = archive.series(row.series_uid)

    assert (series.stack().is_expanded, series.dropped) == (False, {})
    assert series.instance(made.SOPInstanceUID) == path.read_bytes()
    assert np.abs(series.stack().frame(7).astype(int) - colour(7)).max() <= 6
