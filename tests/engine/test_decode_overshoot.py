"""Lossy codestreams hold more bits than pixels do, and go beyond white at edges."""

from __future__ import annotations

import imagecodecs
import numpy as np
from filmless.engine.decode import decode_frame
from filmless.engine.instance import PixelDescription

JPEG_EXTENDED = "1.2.840.10008.1.2.4.51"


def test_an_overshoot_beyond_ten_bits_of_a_twelve_bit_codestream_stays_white():
    stripes = np.where(np.arange(64) // 5 % 2, 1023, 0).astype(np.uint16)
    image = np.tile(stripes, (48, 1))
    codestream = imagecodecs.jpeg8_encode(image, level=60, bitspersample=12)
    coded = imagecodecs.jpeg8_decode(codestream)
    description = PixelDescription(48, 64, 1, 1, 16, 10, 9, False, False, 0, "MONOCHROME2")

    values = decode_frame(codestream, description, JPEG_EXTENDED).values

    assert coded.max() > 1023
    assert np.array_equal(values, np.minimum(coded, 1023))
