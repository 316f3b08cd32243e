"""Colour by ICC profile: kept with a picture, written into its file, or applied for a display that shows sRGB."""

from __future__ import annotations

import io
import struct
import zlib
from functools import lru_cache
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageCms

from ...errors import UnsupportedPixels

_JPEG_SEGMENT_BYTES = 65519
"""Most of a profile that one APP2 segment holds (ICC.1, B.4)."""


def read_profile(header: pydicom.Dataset) -> bytes | None:
    """Give the ICC profile of an image, or of its first optical path; None where there is none."""
    paths = header.get("OpticalPathSequence") or ()
    for home in (header, *paths[:1]):
        profile = home.get("ICCProfile")
        if profile:
            return bytes(profile)
    return None


def to_srgb(rgb: NDArray[np.uint8], profile: bytes) -> NDArray[np.uint8]:
    """Give RGB (rows, columns, 3) that a profile defines as sRGB, perceptually; raises `UnsupportedPixels`."""
    picture = PillowImage.fromarray(rgb)
    try:
        converted = ImageCms.applyTransform(picture, _transform(profile))
    except (ImageCms.PyCMSError, OSError) as problem:
        raise UnsupportedPixels(f"the ICC profile (0028,2000) cannot be applied: {problem}") from problem
    return np.asarray(converted)


@lru_cache(maxsize=8)
def _transform(profile: bytes) -> Any:
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    return ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), "RGB", "RGB")


def with_profile(file: bytes, format: str, profile: bytes) -> bytes:  # noqa: A002  as `Image.encode` has it
    """Put an ICC profile into a PNG or JPEG file that has none; other formats stay as they are."""
    if format == "png":
        data = b"iCCP" + b"ICC profile\0\0" + zlib.compress(profile)
        chunk = struct.pack(">I", len(data) - 4) + data + struct.pack(">I", zlib.crc32(data))
        after_head = 33  # signature of 8 bytes, IHDR of 25
        return file[:after_head] + chunk + file[after_head:]
    if format == "jpeg":
        parts = [profile[at : at + _JPEG_SEGMENT_BYTES] for at in range(0, len(profile), _JPEG_SEGMENT_BYTES)]
        segments = [
            b"\xff\xe2" + struct.pack(">H", len(part) + 16) + b"ICC_PROFILE\0" + bytes((number, len(parts))) + part
            for number, part in enumerate(parts, 1)
        ]
        # Behind SOI, and JFIF's APP0 where there is one, which must come first.
        at = 4 + struct.unpack(">H", file[4:6])[0] if file[2:4] == b"\xff\xe0" else 2
        return b"".join((file[:at], *segments, file[at:]))
    return file
