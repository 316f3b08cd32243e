"""Real JPEG-LS codestreams: ours beside CharLS, libjpeg and the images that conformance streams were made of."""

from __future__ import annotations

import contextlib
import time

import imagecodecs
import libjpeg
import numpy as np
import pydicom
import pytest
from filmless.errors import DecodeError, FilmlessError, UnsupportedPixels
from filmless.kernels.jpeg_ls import decode_jpeg_ls, encode_jpeg_ls
from pydicom.encaps import generate_frames

pytestmark = pytest.mark.real

JPEG_LS = ("1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81")
FOLDERS = ("transfer_syntaxes", "multiframe", "modalities", "malformed")
IMAGES = {
    "banny": "banny.ppm",
    "t16e0": "test16.pgm",
    "test16_rm_5": "test16.pgm",
    "t8c0e0": "test8.ppm",
    "t8c0e3": "test8.ppm",
    "t8c2e0": "test8.ppm",
    "test8_ilv_none_rm_7": "test8.ppm",
    "t8nde0": "test8bs2.pgm",
}
"""Conformance streams, and the image each was made of."""


def read_pnm(path):
    """A binary PGM or PPM file as (rows, columns, components)."""
    data, words, at = path.read_bytes(), [], 0
    while len(words) < 4:
        if data[at : at + 1] == b"#":
            at = data.index(b"\n", at)
        elif data[at : at + 1].isspace():
            at += 1
        else:
            end = next(i for i in range(at, len(data)) if data[i : i + 1].isspace())
            words.append(data[at:end])
            at = end
    columns, rows, maximum = map(int, words[1:])
    dtype = np.dtype(">u2" if maximum > 255 else "u1")
    return np.frombuffer(data, dtype, offset=at + 1).reshape(rows, columns, 3 if words[0] == b"P6" else 1)


@pytest.fixture(scope="module")
def codestreams(real_data):
    """Name and bytes of every JPEG-LS frame in the DICOM files, and of the bare streams of one tile."""
    found = [(path.name, path.read_bytes()) for path in (real_data / "codec_streams").glob("one_tile*/*.jls")]
    for path in sorted(path for folder in FOLDERS for path in (real_data / folder).rglob("*.dcm")):
        try:
            dataset = pydicom.dcmread(path)
        except Exception:
            continue
        if dataset.file_meta.get("TransferSyntaxUID") in JPEG_LS and "PixelData" in dataset:
            frames = int(dataset.get("NumberOfFrames", 1))
            coded = generate_frames(dataset.PixelData, number_of_frames=frames)
            found += [(f"{path.name} {number}", frame) for number, frame in enumerate(coded)]
    assert len(found) > 35
    return found


def test_every_real_codestream_decodes_as_two_libraries_decode_it(codestreams):
    for name, codestream in codestreams:
        decoded = decode_jpeg_ls(codestream)
        assert np.array_equal(decoded, imagecodecs.jpegls_decode(codestream)), name
        assert np.array_equal(decoded, libjpeg.decode(codestream).reshape(decoded.shape)), name


def test_every_real_image_survives_our_own_encoder(codestreams):
    for name, codestream in codestreams:
        image = decode_jpeg_ls(codestream)
        again = encode_jpeg_ls(image, max(int(image.max()).bit_length(), 1))
        assert np.array_equal(decode_jpeg_ls(again), image), name
        assert np.array_equal(imagecodecs.jpegls_decode(again), image), name


@pytest.mark.parametrize("name", IMAGES)
def test_conformance_streams_give_the_image_they_were_made_of(real_data, name):
    folder = real_data / "codec_streams" / "jpegls"
    near = 3 if name.endswith("e3") else 0
    image = read_pnm(folder / IMAGES[name]).astype(int)

    decoded = decode_jpeg_ls((folder / f"{name}.jls").read_bytes())

    assert np.abs(decoded.reshape(image.shape) - image).max() == near


def test_a_conformance_stream_with_subsampled_components_is_refused(real_data):
    with pytest.raises(UnsupportedPixels, match="subsampled"):
        decode_jpeg_ls((real_data / "codec_streams" / "jpegls" / "t8sse0.jls").read_bytes())


def test_streams_made_to_break_decoders_fail_at_once(real_data):
    for path in (real_data / "codec_streams" / "malformed").glob("*.jls"):
        started = time.process_time()
        with pytest.raises(FilmlessError):
            decode_jpeg_ls(path.read_bytes())
        assert time.process_time() - started < 0.1


def test_damaged_real_frames_fail_in_the_time_they_decode_in(codestreams):
    rng = np.random.default_rng(7)
    for name, codestream in codestreams:
        decode_jpeg_ls(codestream)
        for _ in range(6):
            damaged = bytearray(codestream)
            damaged[rng.integers(len(damaged) // 10, len(damaged))] ^= 1 << int(rng.integers(8))
            started = time.process_time()
            with contextlib.suppress(FilmlessError):
                decode_jpeg_ls(bytes(damaged))
            assert time.process_time() - started < 1, name
        with pytest.raises(DecodeError):
            decode_jpeg_ls(codestream[: len(codestream) // 2])
