"""Palette and YBR frames to RGB beside OpenCV, pydicom and NumPy, one thread each; results are compared first."""

from __future__ import annotations

import numpy as np
import pytest
from filmless.kernels.paint import look_up, rgb_from_ybr

PALETTE_JOB = "palette 512x512 uint8 to RGB"
TABLE_JOB = "any pipeline of tables, 512x512 int16 to 8 bits"
YBR_JOB = "YBR_FULL 512x512 to RGB"

RNG = np.random.default_rng(6)
INDICES = RNG.integers(0, 256, (512, 512)).astype(np.uint8)
COLORS = RNG.integers(0, 256, (256, 3)).astype(np.uint8)
YBR = RNG.integers(0, 256, (512, 512, 3)).astype(np.uint8)
STORED = RNG.integers(-1024, 3000, (512, 512)).astype(np.int16)
GRAYS = RNG.integers(0, 256, 1 << 16).astype(np.uint8)


@pytest.fixture(scope="module")
def cv2(peer):
    module = peer("cv2")
    module.setNumThreads(1)
    return module


def within(expected, levels):
    """Give a check that a result is `expected`, to some levels."""

    def check(result):
        assert np.abs(np.asarray(result).astype(int) - expected).max() <= levels

    return check


PAINTED = within(COLORS[INDICES], 0)


def test_palette_filmless(race):
    out = np.empty((512, 512, 3), np.uint8)
    race(PALETTE_JOB, "filmless", lambda: look_up(INDICES, COLORS, 0, out), PAINTED)


def test_palette_opencv(race, cv2):
    table = COLORS.reshape(256, 1, 3)
    race(PALETTE_JOB, "OpenCV applyColorMap", lambda: cv2.applyColorMap(INDICES, table), PAINTED)


def test_palette_numpy(race):
    race(PALETTE_JOB, "NumPy take", lambda: np.take(COLORS, INDICES, axis=0), PAINTED)


def test_palette_pydicom(race, peer):
    processing = peer("pydicom").pixels
    header = peer("pydicom").Dataset()
    for name, column in zip(("Red", "Green", "Blue"), COLORS.T, strict=True):
        setattr(header, f"{name}PaletteColorLookupTableDescriptor", [256, 0, 8])
        setattr(header, f"{name}PaletteColorLookupTableData", column.tobytes())
    race(PALETTE_JOB, "pydicom", lambda: processing.apply_color_lut(INDICES, header), PAINTED)


def test_table_filmless(race):
    out = np.empty((512, 512), np.uint8)
    race(TABLE_JOB, "filmless", lambda: look_up(STORED, GRAYS, -(1 << 15), out), in_grays())


def test_table_numpy(race):
    race(TABLE_JOB, "NumPy take", lambda: np.take(GRAYS, STORED.view(np.uint16) ^ np.uint16(1 << 15)), in_grays())


def in_grays():
    return within(GRAYS[STORED.astype(int) + (1 << 15)], 0)


def in_rgb():
    y, cb, cr = (YBR[..., n].astype(float) - (0, 128, 128)[n] for n in range(3))
    rgb = np.stack([y + 1.402 * cr, y - 0.344136 * cb - 0.714136 * cr, y + 1.772 * cb], axis=-1)
    return within(np.clip(np.rint(rgb), 0, 255), 2)


def test_ybr_filmless(race):
    out = np.empty_like(YBR)
    race(YBR_JOB, "filmless", lambda: rgb_from_ybr(YBR, out), in_rgb())


def test_ybr_opencv(race, cv2):
    # OpenCV has Cr before Cb: the exchange is done for it.
    swapped, out = np.ascontiguousarray(YBR[..., [0, 2, 1]]), np.empty_like(YBR)
    race(YBR_JOB, "OpenCV cvtColor", lambda: cv2.cvtColor(swapped, cv2.COLOR_YCrCb2RGB, out), in_rgb())


def test_ybr_pydicom(race, peer):
    convert = peer("pydicom").pixels.convert_color_space
    race(YBR_JOB, "pydicom", lambda: convert(YBR, "YBR_FULL", "RGB"), in_rgb())
