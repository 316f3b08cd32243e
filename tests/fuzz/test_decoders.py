"""Whatever bytes a decoder is given, it answers with a frame or an error of ours, in bounded time.

FILMLESS_FUZZ_SECONDS is the budget of all decoders together: 10 without it, 60 in CI, hours by `make fuzz`.
"""

from __future__ import annotations

import os
import time
from io import BytesIO

import imagecodecs
import numpy as np
import pytest
from filmless.engine.decode import CODECS, decode_frame
from filmless.engine.instance import PixelDescription
from filmless.errors import FilmlessError
from filmless.kernels.jpeg_lossless import encode_jpeg_lossless
from filmless.kernels.jpeg_ls import encode_jpeg_ls
from filmless.kernels.rle import encode_rle
from PIL import Image

JPEG = "1.2.840.10008.1.2.4."
BUDGET_S = float(os.environ.get("FILMLESS_FUZZ_SECONDS", "60" if os.environ.get("CI") else "10"))
LONGEST_CALL_S = 5.0
SEED = int(os.environ.get("FILMLESS_FUZZ_SEED", "1"))

GRAY = np.clip(np.random.default_rng(0).normal(1200, 300, (33, 47)), 0, 4095).astype(np.uint16)
COLOUR = np.random.default_rng(1).integers(0, 256, (33, 47, 3)).astype(np.uint8)


def description(image):
    bits = 12 if image.dtype == np.uint16 else 8
    return PixelDescription(
        rows=image.shape[0],
        columns=image.shape[1],
        frames=1,
        samples_per_pixel=image.shape[2] if image.ndim == 3 else 1,
        bits_allocated=image.itemsize * 8,
        bits_stored=bits,
        high_bit=bits - 1,
        is_signed=False,
        is_float=False,
        planar_configuration=0,
        photometric_interpretation="RGB" if image.ndim == 3 else "MONOCHROME2",
    )


def progressive(image):
    """A JPEG in several scans, each a bit or a band of coefficients."""
    coded = BytesIO()
    Image.fromarray(image).save(coded, "JPEG", progressive=True, quality=80)
    return coded.getvalue()


SEEDS = {
    "1.2.840.10008.1.2.5": [(GRAY, encode_rle(GRAY)), (COLOUR, encode_rle(COLOUR))],
    JPEG + "50": [
        (COLOUR[..., 0].copy(), imagecodecs.jpeg8_encode(COLOUR[..., 0].copy(), level=80)),
        (COLOUR, imagecodecs.jpeg8_encode(COLOUR, level=80)),
    ],
    JPEG + "51": [(GRAY, imagecodecs.jpeg8_encode(GRAY, level=80, bitspersample=12))],
    JPEG + "55": [(image, progressive(image)) for image in (COLOUR[..., 0].copy(), COLOUR)],
    JPEG + "70": [(GRAY, encode_jpeg_lossless(GRAY, 12)), (COLOUR, encode_jpeg_lossless(COLOUR, 8))],
    JPEG + "80": [(GRAY, encode_jpeg_ls(GRAY, 12)), (COLOUR, encode_jpeg_ls(COLOUR, 8))],
    JPEG + "81": [(GRAY, imagecodecs.jpegls_encode(GRAY, level=2))],
    JPEG + "90": [
        (image, imagecodecs.jpeg2k_encode(image, reversible=True, level=0, codecformat="j2k"))
        for image in (GRAY, COLOUR)
    ],
    JPEG + "110": [(image, imagecodecs.jpegxl_encode(image, lossless=True)) for image in (GRAY, COLOUR)],
    JPEG + "112": [(COLOUR, imagecodecs.jpegxl_encode(COLOUR, distance=1.0, usecontainer=True))],
    JPEG + "201": [(image, imagecodecs.htj2k_encode(image)) for image in (GRAY, COLOUR)],
}


def damaged(good, random):
    """A codestream cut, flipped, spliced, or with its header changed."""
    kind = random.integers(4)
    data = bytearray(good)
    if kind == 0:
        return bytes(data[: random.integers(len(data))])
    if kind == 1:
        for _ in range(random.integers(1, 9)):
            data[random.integers(len(data))] ^= 1 << random.integers(8)
    elif kind == 2:
        start, end = sorted(random.integers(0, len(data), 2).tolist())
        at = random.integers(len(data))
        data[at:at] = data[start:end]
    else:
        for _ in range(random.integers(1, 4)):
            data[random.integers(min(len(data), 120))] = random.integers(256)
    return bytes(data)


@pytest.mark.timeout(max(300, 4 * BUDGET_S))
@pytest.mark.parametrize("uid", SEEDS)
def test_damaged_codestreams_give_a_frame_or_an_error_of_ours(uid):
    random = np.random.default_rng(SEED)
    for image, good in SEEDS[uid]:
        assert decode_frame(bytes(good), description(image), uid).values.shape == image.shape  # compiles, too
    tried, errors = 0, 0
    end = time.monotonic() + BUDGET_S / len(SEEDS)
    while time.monotonic() < end:
        image, good = SEEDS[uid][tried % len(SEEDS[uid])]
        bad = damaged(bytes(good), random)
        started = time.monotonic()
        try:
            frame = decode_frame(bad, description(image), uid)
        except FilmlessError:
            errors += 1
        else:
            assert frame.values.shape == image.shape
            assert frame.values.dtype == image.dtype
        assert time.monotonic() - started < LONGEST_CALL_S, bad.hex()
        tried += 1
    assert tried > 20
    assert errors > 0


def test_every_codec_but_the_trivial_is_fuzzed():
    trivial = {"1.2.840.10008.1.2.1.98", "1.2.840.10008.1.2.8.1"}
    same = {"53": "55", "57": "70", "91": "90", "111": "112", "202": "201", "203": "201"}

    fuzzed = {uid for uid in CODECS if uid in SEEDS or JPEG + same.get(uid.removeprefix(JPEG), "") in SEEDS}

    assert fuzzed == set(CODECS) - trivial
