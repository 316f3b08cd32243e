"""DCT frames, sequential and progressive, of several modalities, beside the libraries; everyone on one thread.

Our samples must be libjpeg-turbo's to the last bit; pylibjpeg-libjpeg may differ by 2. The real frames are coded
strongly, with 0.2 to 2.5 bits a pixel: the CT is timed once more at a quality for diagnosis. Of progressive frames
only two are real; the others are sequential ones coded anew by libjpeg-turbo's own scans.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from filmless.kernels.jpeg_dct import decode_jpeg_dct
from PIL import Image
from pydicom.encaps import generate_frames

imagecodecs = pytest.importorskip("imagecodecs")

_SYNTAXES = "transfer_syntaxes/ct_one_image_many_syntaxes/CT_1.2.840.10008.1.2.4."
TWELVE_BITS = {
    "CT 512x512": f"{_SYNTAXES}51.dcm",
    "MR 512x512": "transfer_syntaxes/wg04/MR1_JPLY.dcm",
    "NM 1024x256": "transfer_syntaxes/wg04/NM1_JPLY.dcm",
    "CR 1760x1760": "transfer_syntaxes/wg04/RG3_JPLY.dcm",
    "XA 1024x1024": "transfer_syntaxes/wg04/XA1_JPLY.dcm",
}
EIGHT_BITS = {
    "CT 512x512": f"{_SYNTAXES}50.dcm",
    "XA 512x512": "multiframe/jpeg_baseline_8bit.dcm",
    "US 240x320 in colour": "multiframe/examples_ybr_color.dcm",
    "XC 600x600 in colour": "modalities/JPEGwithIcon.dcm",
    "pattern 400x640 in colour": "transfer_syntaxes/test_pattern/TestPattern_JPEG-Baseline_YBRFull.dcm",
}
PROGRESSIVE_12 = {
    "CT 512x512, bands alone": f"{_SYNTAXES}53.dcm",
    "CT 512x512, bands and bits": f"{_SYNTAXES}55.dcm",
}
PROGRESSIVE_8 = {f"{name}, progressive": name for name in ("CT 512x512", "XA 512x512", "XC 600x600 in colour")}
DIAGNOSTIC = "CT 512x512 at quality 95"
CASES = [
    (bits, name)
    for bits, names in ((12, [*TWELVE_BITS, DIAGNOSTIC, *PROGRESSIVE_12]), (8, [*EIGHT_BITS, *PROGRESSIVE_8]))
    for name in names
]
TOLERANCE = 2
"""Levels by which inverse transforms of one precision may differ."""

Samples = np.ndarray[Any, Any]


def data_folder() -> Path:
    """Where the real data is: FILMLESS_TEST_DATA, or ../shared/data beside the checkout."""
    folder = Path(os.environ.get("FILMLESS_TEST_DATA") or Path(__file__).parents[2] / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no real DICOM data in {folder}")
    return folder


@cache
def codestream(bits: int, name: str) -> bytes:
    if name == DIAGNOSTIC:
        image = imagecodecs.jpeg8_decode(codestream(12, "CT 512x512"))
        return bytes(imagecodecs.jpeg8_encode(image, level=95, bitspersample=12))
    if bits == 8 and name in PROGRESSIVE_8:
        coded = BytesIO()
        image = Image.fromarray(imagecodecs.jpeg8_decode(codestream(8, PROGRESSIVE_8[name])))
        image.save(coded, "JPEG", progressive=True, quality=90)
        return coded.getvalue()
    dataset = pydicom.dcmread(data_folder() / (TWELVE_BITS | PROGRESSIVE_12 if bits == 12 else EIGHT_BITS)[name])
    return next(generate_frames(dataset.PixelData, number_of_frames=int(dataset.get("NumberOfFrames", 1))))


def ours(coded: bytes, shape: tuple[int, ...]) -> Callable[[], Samples]:
    rows, columns, *samples = shape
    expected = (rows, columns, samples[0] if samples else 1)
    return lambda: decode_jpeg_dct(coded, expected).samples


def libjpeg_turbo(coded: bytes, shape: tuple[int, ...]) -> Callable[[], Samples]:
    return lambda: imagecodecs.jpeg8_decode(coded)


def pylibjpeg(coded: bytes, shape: tuple[int, ...]) -> Callable[[], Samples]:
    libjpeg = pytest.importorskip("libjpeg")
    if b"\xff\xc2" in coded[:1000]:
        return lambda: libjpeg.decode(coded)
    # It refuses a spectral selection that ends at 0, as some of these scan headers have it: it is given the right one.
    scan = coded.index(b"\xff\xda")
    end = scan + 2 + coded[scan + 3] - 2
    mended = coded[:end] + b"\x3f" + coded[end + 1 :]
    return lambda: libjpeg.decode(mended)


PEERS = {"filmless": ours, "libjpeg-turbo (imagecodecs)": libjpeg_turbo, "pylibjpeg-libjpeg": pylibjpeg}


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize(("bits", "name"), CASES)
def test_decode(race: Callable[..., None], bits: int, name: str, peer: str) -> None:
    coded = codestream(bits, name)
    expected = imagecodecs.jpeg8_decode(coded)
    is_exact = peer != "pylibjpeg-libjpeg"

    def check(samples: Samples) -> None:
        if is_exact:
            assert np.array_equal(samples, expected)
        elif expected.ndim == 2:
            assert np.abs(samples.astype(int) - expected).max() <= TOLERANCE

    job = f"JPEG {bits}-bit DCT, {name}, {expected.nbytes / 1e6:.2f} MB"
    race(job, peer, PEERS[peer](coded, expected.shape), check)
