"""JPEG Lossless beside the libraries a user would pick, real images, one frame a run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from filmless.kernels.jpeg_lossless import decode_jpeg_lossless, encode_jpeg_lossless
from real_frames import first_frame

IMAGES = {
    "CT chest": "volumes/ct_chest_jpeg_lossless/0060.dcm",
    "CT head": "transfer_syntaxes/wg04/CT1_JPLL.dcm",
    "CT bone": "transfer_syntaxes/ct_one_image_many_syntaxes/CT_1.2.840.10008.1.2.4.70.dcm",
    "CT bone, predictor 6": "transfer_syntaxes/ct_one_image_many_syntaxes/CT_1.2.840.10008.1.2.4.57.dcm",
    "MR": "transfer_syntaxes/wg04/MR1_JPLL.dcm",
    "CR": "modalities/CR-ModalitySequenceLUT.dcm",
    "XA": "transfer_syntaxes/wg04/XA1_JPLL.dcm",
    "NM": "transfer_syntaxes/wg04/NM1_JPLL.dcm",
    "US": "transfer_syntaxes/jpeg_lossless/JPEGLosslessP14SV1_1s_1f_u_08_08.dcm",
    "OT RGB": "transfer_syntaxes/test_pattern/TestPattern_JPEG-Lossless_RGB.dcm",
}


@pytest.fixture(params=IMAGES)
def image(request):
    """Its name, codestream, bits a sample, and what it decodes to."""
    codestream, pixels = first_frame(IMAGES[request.param])
    name = f"{request.param} {pixels.rows}x{pixels.columns}, {pixels.bits_stored} bits"
    return name, codestream, pixels.bits_stored, decode_jpeg_lossless(codestream)


def same(expected: np.ndarray) -> Callable[[Any], None]:
    """Give a check that a result is exactly `expected`."""

    def check(result: Any) -> None:
        assert np.array_equal(np.asarray(result).reshape(expected.shape), expected)

    return check


def test_decode_filmless(race, image):
    name, codestream, _, expected = image
    race(f"decode JPEG Lossless, {name}", "filmless", lambda: decode_jpeg_lossless(codestream), same(expected))


def test_decode_libjpeg_turbo(race, peer, image):
    name, codestream, _, expected = image
    library = peer("imagecodecs")
    colour = {"colorspace": "RGB", "outcolorspace": "RGB"} if expected.ndim == 3 else {}

    race(
        f"decode JPEG Lossless, {name}",
        "libjpeg-turbo 3 (imagecodecs)",
        lambda: library.jpeg8_decode(codestream, **colour),
        same(expected),
    )


def test_decode_lj92(race, peer, image):
    name, codestream, _, expected = image
    library = peer("imagecodecs")
    if expected.ndim == 3:
        pytest.skip("liblj92 gives another order of components")

    race(
        f"decode JPEG Lossless, {name}",
        "liblj92 (imagecodecs)",
        lambda: library.ljpeg_decode(codestream),
        same(expected),
    )


def test_decode_libjpeg(race, peer, image):
    name, codestream, _, expected = image
    library = peer("libjpeg")

    race(f"decode JPEG Lossless, {name}", "pylibjpeg-libjpeg", lambda: library.decode(codestream, 0), same(expected))


def test_encode_filmless(race, image):
    name, _, precision, expected = image
    race(
        f"encode JPEG Lossless, {name}",
        "filmless",
        lambda: encode_jpeg_lossless(expected, precision),
        lambda coded: same(expected)(decode_jpeg_lossless(coded)),
    )


def test_encode_libjpeg_turbo(race, peer, image):
    name, _, precision, expected = image
    library = peer("imagecodecs")
    colour = {"colorspace": "RGB", "outcolorspace": "RGB"} if expected.ndim == 3 else {}

    race(
        f"encode JPEG Lossless, {name}",
        "libjpeg-turbo 3 (imagecodecs)",
        lambda: library.jpeg8_encode(expected, lossless=True, predictor=1, bitspersample=precision, **colour),
        lambda coded: same(expected)(decode_jpeg_lossless(coded)),
    )
