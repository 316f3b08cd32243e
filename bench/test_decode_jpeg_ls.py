"""JPEG-LS beside CharLS (two bindings) and libjpeg, on real images, everyone on one thread.

Every image is coded once, by CharLS, with its own number of bits; a job decodes all images of one modality. What
each peer decodes is compared before anything is timed. A job's name says how many MB of stored values it decodes.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from filmless.engine.decode import decode_frame, read_native_frame
from filmless.engine.encapsulation import locate_frames, read_codestream
from filmless.engine.parse import extended_offset_table, parse_instance
from filmless.kernels.jpeg_ls import decode_jpeg_ls, encode_jpeg_ls

DATA = Path(os.environ.get("FILMLESS_TEST_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
IMAGES = {
    "CT": (
        "transfer_syntaxes/wg04/CT1_J2KR.dcm",
        "transfer_syntaxes/jpeg2000_oddities/693_J2KI.dcm",
        "volumes/ct_chest_jpeg_lossless/0030.dcm",
    ),
    "MR": (
        "transfer_syntaxes/wg04/MR1_J2KR.dcm",
        "modalities/12bitUnsigned_0x0F0F.dcm",
        "modalities/examples_overlay.dcm",
    ),
    "CR": (
        "transfer_syntaxes/wg04/RG3_J2KI.dcm",
        "modalities/CR-MONO1-10-chest.dcm",
        "modalities/CR-ModalitySequenceLUT.dcm",
    ),
    "XA": ("transfer_syntaxes/wg04/XA1_J2KR.dcm",),
    "NM": ("transfer_syntaxes/wg04/NM1_J2KR.dcm",),
    "US grey": (
        "transfer_syntaxes/jpeg_lossless/JPEGLosslessP14SV1_1s_1f_u_08_08.dcm",
        "multiframe/US-PAL-8-10x-echo.dcm",
    ),
    "US colour": ("transfer_syntaxes/wg04/US1_J2KR.dcm", "modalities/YBR_FULL-RLE.dcm"),
}
PEERS = {"CharLS (imagecodecs)": "imagecodecs", "CharLS (pyjpegls)": "jpeg_ls", "libjpeg": "libjpeg"}
NEAR = 2

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="no real DICOM data: set FILMLESS_TEST_DATA")


class Coded(NamedTuple):
    """The images of one modality as stored values, and their codestreams."""

    images: list[np.ndarray]
    codestreams: list[bytes]

    @property
    def megabytes(self) -> float:
        return sum(image.nbytes for image in self.images) / 1e6


def read_image(path: Path) -> np.ndarray:
    """The first frame's stored values as unsigned integers of Bits Stored."""
    data = path.read_bytes()
    instance = parse_instance(data)
    pixels, span = instance.pixels, instance.pixel_span
    if span.is_encapsulated:
        frames = locate_frames(data, span, pixels.frames, extended_offset_table(data, len(data)))
        frame = decode_frame(read_codestream(data, frames[0]), pixels, instance.transfer_syntax_uid)
    else:
        frame = read_native_frame(data, span, pixels, 0)
    unsigned = frame.values.view(f"u{frame.values.itemsize}")
    return np.ascontiguousarray(unsigned & ((1 << pixels.bits_stored) - 1))


@pytest.fixture(scope="module")
def coded(peer: Callable[[str], Any]) -> Callable[[str, int], Coded]:
    charls = peer("imagecodecs")

    def give(modality: str, near: int) -> Coded:
        images = [read_image(DATA / name) for name in IMAGES[modality]]
        return Coded(images, [charls.jpegls_encode(image, level=near) for image in images])

    return give


def decoder(peer: Callable[[str], Any], name: str) -> Callable[[bytes], np.ndarray]:
    if name == "filmless":
        return decode_jpeg_ls
    module = peer(PEERS[name])
    return module.jpegls_decode if name == "CharLS (imagecodecs)" else _from_bytes(module, name)


def _from_bytes(module: Any, name: str) -> Callable[[bytes], np.ndarray]:
    if name == "libjpeg":
        return lambda codestream: module.decode(codestream)
    return lambda codestream: module.decode(np.frombuffer(codestream, np.uint8))


def decode_all(race: Callable[..., Any], job: str, name: str, decode: Callable[[bytes], Any], coded: Coded) -> None:
    def check(decoded: list[np.ndarray]) -> None:
        for found, codestream in zip(decoded, coded.codestreams, strict=True):
            assert np.array_equal(np.squeeze(found), decode_jpeg_ls(codestream))

    race(f"{job}, {coded.megabytes:.1f} MB", name, lambda: [decode(one) for one in coded.codestreams], check)


@pytest.mark.parametrize("modality", IMAGES)
@pytest.mark.parametrize("name", ["filmless", *PEERS])
def test_decode_lossless(race, peer, coded, modality, name):
    decode_all(race, f"JPEG-LS lossless {modality}", name, decoder(peer, name), coded(modality, 0))


@pytest.mark.parametrize("modality", IMAGES)
@pytest.mark.parametrize("name", ["filmless", *PEERS])
def test_decode_near_lossless(race, peer, coded, modality, name):
    decode_all(race, f"JPEG-LS near-lossless {modality}", name, decoder(peer, name), coded(modality, NEAR))


@pytest.mark.parametrize("modality", IMAGES)
@pytest.mark.parametrize("name", ["filmless", "CharLS (imagecodecs)"])
def test_encode_lossless(race, peer, coded, modality, name):
    images, job = coded(modality, 0).images, f"JPEG-LS encode {modality}"

    def check(codestreams: list[bytes]) -> None:
        for image, codestream in zip(images, codestreams, strict=True):
            assert np.array_equal(decode_jpeg_ls(codestream), image)

    if name == "filmless":
        bits = [max(int(image.max()).bit_length(), 2) for image in images]
        race(job, name, lambda: [encode_jpeg_ls(*one) for one in zip(images, bits, strict=True)], check)
    else:
        charls = peer("imagecodecs")
        race(job, name, lambda: [charls.jpegls_encode(image) for image in images], check)
