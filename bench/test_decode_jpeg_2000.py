"""JPEG 2000 and HTJ2K frames of real modalities beside OpenJPEG and OpenJPH, everyone on one thread.

The frames are the NEMA WG-04 images of CT, MR, CR, NM, US, VL and XA, lossless and lossy, from the folder that
FILMLESS_TEST_DATA names, or from ../shared/data. What everyone gives is compared with OpenJPEG first.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from filmless.engine.encapsulation import locate_frames, read_codestream
from filmless.engine.parse import extended_offset_table, parse_instance
from filmless.kernels.jpeg_2000 import decode_jpeg_2000

FOLDER = Path(os.environ.get("FILMLESS_TEST_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
KINDS = {"lossless": "J2KR", "lossy": "J2KI", "high-throughput": "JPH"}
JOBS = sorted(
    (kind, path.stem.split("_")[0])
    for kind, suffix in KINDS.items()
    for path in (FOLDER / "transfer_syntaxes" / "wg04").glob(f"*_{suffix}.dcm")
)
LOSSY_LEVELS = 1

pytestmark = pytest.mark.skipif(not JOBS, reason="no real DICOM data")
each_frame = pytest.mark.parametrize(("kind", "name"), JOBS)


def codestream(kind, name):
    data = (FOLDER / "transfer_syntaxes" / "wg04" / f"{name}_{KINDS[kind]}.dcm").read_bytes()
    instance = parse_instance(data)
    places = locate_frames(data, instance.pixel_span, instance.pixels.frames, extended_offset_table(data, len(data)))
    return read_codestream(data, places[0])


def job(kind, name, pixels):
    return f"JPEG 2000 {kind} {name}, {pixels.nbytes / 1e6:.2f} MB"


@pytest.fixture
def imagecodecs(peer):
    return peer("imagecodecs")


def entered(race, kind, name, imagecodecs, who, decode):
    coded = codestream(kind, name)
    expected = imagecodecs.jpeg2k_decode(coded, numthreads=1)
    levels = LOSSY_LEVELS if kind == "lossy" else 0

    def check(pixels):
        assert np.abs(pixels.astype(int) - expected).max() <= levels

    race(job(kind, name, expected), who, lambda: decode(coded), check)


@each_frame
def test_filmless(race, imagecodecs, kind, name):
    entered(race, kind, name, imagecodecs, "filmless", decode_jpeg_2000)


@each_frame
def test_openjpeg(race, imagecodecs, kind, name):
    entered(
        race, kind, name, imagecodecs, "OpenJPEG (imagecodecs)", lambda c: imagecodecs.jpeg2k_decode(c, numthreads=1)
    )


@pytest.mark.parametrize(("kind", "name"), [job for job in JOBS if job[0] == "high-throughput"])
def test_openjph(race, imagecodecs, kind, name):
    entered(race, kind, name, imagecodecs, "OpenJPH (imagecodecs)", imagecodecs.htj2k_decode)
