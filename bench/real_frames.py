"""Codestreams of real images: the first frame of each of some files of the real DICOM data."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import pytest
from filmless.engine.encapsulation import locate_frames, read_codestream
from filmless.engine.instance import PixelDescription
from filmless.engine.parse import parse_instance


def real_data() -> Path:
    """Give FILMLESS_TEST_DATA, or ../shared/data beside the checkout; skips where neither is there."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("FILMLESS_TEST_DATA") or beside)
    if not folder.is_dir():
        pytest.skip(f"no real DICOM data in {folder}")
    return folder


@cache
def first_frame(name: str) -> tuple[bytes, PixelDescription]:
    """Give the codestream and the pixel description of a file, named by its path below the data."""
    data = (real_data() / name).read_bytes()
    instance = parse_instance(data)
    assert instance.pixels is not None
    assert instance.pixel_span is not None
    frames = locate_frames(data, instance.pixel_span, instance.pixels.frames)
    return read_codestream(data, frames[0]), instance.pixels
