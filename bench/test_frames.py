"""A CT frame at hand becomes a picture file: windowed and encoded, end to end in Python; and PNG files alone.

One core. What everyone gives is compared before it is timed: windowed pixels to one grey level, files by what an
independent decoder reads from them.
"""

from __future__ import annotations

import io

import numpy as np
import pytest
from filmless.engine.presentation.softcopy import Softcopy
from filmless.engine.render.formats import encode_picture
from filmless.engine.render.frame import render_frame
from inputs import ct_volume
from PIL import Image as PillowImage
from pydicom.pixels import apply_modality_lut, apply_voi_lut

CENTER, WIDTH = 40.0, 400.0
QUALITY = 90
AS_STORED = Softcopy()
TO_JPEG = "window and JPEG, CT 512 x 512"
TO_PNG = "PNG, windowed CT 512 x 512"


@pytest.fixture(scope="module")
def frame():
    return np.ascontiguousarray(ct_volume()[200])


@pytest.fixture(scope="module")
def windowed(frame):
    return render_frame(frame, AS_STORED, window=(CENTER, WIDTH)).pixels


@pytest.fixture
def is_shown(windowed):
    """Check a file: JPEG of this quality is near the windowed frame, PNG is it."""

    def check(tolerance):
        def compare(data):
            shown = np.asarray(PillowImage.open(io.BytesIO(bytes(data))))
            assert np.abs(shown.astype(int) - windowed).mean() <= tolerance

        return compare

    return check


def test_filmless_jpeg(race, frame, is_shown):
    race(
        TO_JPEG,
        "filmless",
        lambda: render_frame(frame, AS_STORED, window=(CENTER, WIDTH)).encode("jpeg", QUALITY),
        is_shown(2),
    )


def test_pydicom_and_pillow_jpeg(race, peer, frame, is_shown):
    pydicom = peer("pydicom")
    header = pydicom.Dataset()
    header.WindowCenter, header.WindowWidth = CENTER, WIDTH
    header.RescaleSlope, header.RescaleIntercept = 1, 0
    header.BitsStored, header.PixelRepresentation = 16, 1
    header.PhotometricInterpretation = "MONOCHROME2"

    def run():
        shown = apply_voi_lut(apply_modality_lut(frame, header), header)
        gray = (shown - shown.min()) * (255.0 / (shown.max() - shown.min()))
        file = io.BytesIO()
        PillowImage.fromarray(gray.astype(np.uint8)).save(file, "jpeg", quality=QUALITY, subsampling=0)
        return file.getvalue()

    race(TO_JPEG, "pydicom and Pillow", run, is_shown(2))


def test_opencv_jpeg(race, peer, frame, is_shown):
    cv2 = peer("cv2")
    table = np.clip((np.arange(-32768, 32768) - (CENTER - 0.5)) / (WIDTH - 1) + 0.5, 0, 1) * 255
    table = np.rint(table).astype(np.uint8)

    def run():
        gray = table[frame.astype(np.int32) + 32768]
        return cv2.imencode(".jpg", gray, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()

    race(TO_JPEG, "NumPy table and OpenCV", run, is_shown(2))


def test_filmless_png(race, windowed, is_shown):
    race(TO_PNG, "filmless", lambda: encode_picture(windowed, "png"), is_shown(0))


def test_pillow_png(race, windowed, is_shown):
    def run():
        file = io.BytesIO()
        PillowImage.fromarray(windowed).save(file, "png", compress_level=1)
        return file.getvalue()

    race(TO_PNG, "Pillow", run, is_shown(0))


def test_opencv_png(race, peer, windowed, is_shown):
    cv2 = peer("cv2")
    options = [cv2.IMWRITE_PNG_COMPRESSION, 1]
    race(TO_PNG, "OpenCV", lambda: cv2.imencode(".png", windowed, options)[1].tobytes(), is_shown(0))
