"""RLE Lossless beside the libraries a user would pick, real images, one frame a run.

Samples of a pixel lie together in every result: libraries that give planes have them woven by NumPy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from filmless.kernels.rle import decode_rle, encode_rle
from real_frames import first_frame

IMAGES = {
    "CT": "transfer_syntaxes/wg04/CT1_RLE.dcm",
    "CT, other writer": "transfer_syntaxes/ct_one_image_many_syntaxes/CT_1.2.840.10008.1.2.5.dcm",
    "MR": "transfer_syntaxes/wg04/MR1_RLE.dcm",
    "NM": "transfer_syntaxes/wg04/NM1_RLE.dcm",
    "US palette": "multiframe/US-PAL-8-10x-echo.dcm",
    "US RGB": "transfer_syntaxes/wg04/US1_RLE.dcm",
    "VL RGB": "transfer_syntaxes/wg04/VL1_RLE.dcm",
}


@pytest.fixture(params=IMAGES)
def image(request):
    """Its name, codestream, pixel description, and what it decodes to."""
    codestream, pixels = first_frame(IMAGES[request.param])
    name = f"{request.param} {pixels.rows}x{pixels.columns}, {pixels.bits_allocated} bits"
    return name, codestream, pixels, decoded(codestream, pixels)


def decoded(codestream, pixels):
    return decode_rle(codestream, pixels.rows, pixels.columns, pixels.samples_per_pixel, pixels.bits_allocated // 8)


def woven(planes, pixels):
    """Samples together, of planes one after the other."""
    if pixels.samples_per_pixel == 1:
        return planes.reshape(pixels.rows, pixels.columns)
    shape = (pixels.samples_per_pixel, pixels.rows, pixels.columns)
    return np.ascontiguousarray(np.moveaxis(planes.reshape(shape), 0, -1))


def same(expected: np.ndarray) -> Callable[[Any], None]:
    """Give a check that a result is exactly `expected`."""

    def check(result: Any) -> None:
        assert np.array_equal(result, expected)

    return check


def test_decode_filmless(race, image):
    name, codestream, pixels, expected = image
    race(f"decode RLE, {name}", "filmless", lambda: decoded(codestream, pixels), same(expected))


def test_decode_pylibjpeg(race, peer, image):
    name, codestream, pixels, expected = image
    library, dtype = peer("rle").rle, np.dtype(f"<u{pixels.bits_allocated // 8}")

    def run():
        raw = library.decode_frame(codestream, pixels.rows * pixels.columns, pixels.bits_allocated, "<")
        return woven(np.frombuffer(raw, dtype), pixels)

    race(f"decode RLE, {name}", "pylibjpeg-rle", run, same(expected))


def test_decode_imagecodecs(race, peer, image):
    name, codestream, pixels, expected = image
    library, dtype = peer("imagecodecs"), np.dtype(f"<u{pixels.bits_allocated // 8}")

    def run():
        return woven(np.frombuffer(library.dicomrle_decode(codestream, dtype), dtype), pixels)

    race(f"decode RLE, {name}", "imagecodecs", run, same(expected))


def test_encode_filmless(race, image):
    name, _, pixels, expected = image
    race(
        f"encode RLE, {name}",
        "filmless",
        lambda: encode_rle(expected),
        lambda coded: same(expected)(decoded(coded, pixels)),
    )


def test_encode_pylibjpeg(race, peer, image):
    name, _, pixels, expected = image
    library = peer("rle").rle
    layout = (pixels.rows, pixels.columns, pixels.samples_per_pixel, pixels.bits_allocated, "<")

    race(
        f"encode RLE, {name}",
        "pylibjpeg-rle",
        lambda: library.encode_frame(expected.tobytes(), *layout),
        lambda coded: same(expected)(decoded(bytes(coded), pixels)),
    )
