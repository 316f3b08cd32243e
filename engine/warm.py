"""Every kernel compiled, or loaded from the cache, before the first user waits for one.

Numba compiles a kernel once for each combination of types, at the first call; so the jobs here call all of them, on
tiny arrays, by the ways and with the types that the engine uses.
"""

from __future__ import annotations

import io
import itertools
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..kernels import elements, window
from ..kernels.contours import fill_contours
from ..kernels.crc32c import crc32c
from ..kernels.downsample import halve_mean, halve_mode
from ..kernels.jit import count_specialisations
from ..kernels.paint import lay_color, look_up, rgb_from_ybr
from ..kernels.reslice import reslice
from ..kernels.sha256 import sha256_of_each
from ..kernels.slab import project_slab
from ..storage.array import StoredArray
from ..storage.bricks import cached_frames
from ..storage.pyramid import PyramidWriter
from ..storage.shape import plan_levels
from .decode import decode_frame, decode_frames, decode_native_frame
from .encode import ENCODERS, encode_frame, encoded_photometric
from .instance import PixelDescription
from .packing import Packing
from .report import Progress, no_progress
from .transfer_syntax import EXPLICIT_LITTLE, IMPLICIT_LITTLE

Job = Callable[[], object]
Values = NDArray[Any]

_JPEG = "1.2.840.10008.1.2.4."
_INTEGERS = tuple(map(np.dtype, ("u1", "i1", "u2", "i2", "u4", "i4")))
_NUMBERS = (*_INTEGERS, np.dtype("f4"), np.dtype("f8"))
_SIDE = 32
_SIDE_OF_BLOCKS = 512
_PLANE = ((0.5, 0.5, 0.5), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
_SCALABLE = (_JPEG + "90", _JPEG + "201")


@dataclass(frozen=True, slots=True)
class Warmth:
    """What a warm-up did."""

    kernels: int
    """How many are ready, each counted once for each combination of types."""
    compiled: int
    """How many of them no cache had."""
    seconds: float


def warm(progress: Progress = no_progress) -> Warmth:
    """Compile or load every kernel with the types that the engine uses; afterwards no call waits for the compiler.

    Takes about two minutes where no cache has them, seconds where one has. `progress("warming", done, total)` is told
    after each job. A service calls this before it reports that it is ready.
    """
    started = time.perf_counter()
    jobs = [*_file_jobs(), *_stored_value_jobs(), *_picture_jobs(), *_pyramid_jobs(), *_codec_jobs()]
    for done, job in enumerate(jobs):
        progress("warming", done, len(jobs))
        job()
    progress("warming", len(jobs), len(jobs))
    return Warmth(*count_specialisations(), time.perf_counter() - started)


def _file_jobs() -> Iterator[Job]:
    """Walk data elements, items and fragments, and sum bytes."""
    raw = np.frombuffer(bytes(16), np.uint8)
    yield partial(elements.scan_elements, raw, 0, 16, is_explicit=True, is_big_endian=False)
    yield partial(elements.scan_items, raw, 0, 16, is_explicit=True, is_big_endian=False)
    yield partial(elements.scan_fragments, raw, 0, 16)
    yield partial(crc32c, bytes(16))
    # Long enough to be hashed side by side.
    yield partial(sha256_of_each, [bytes(1 << 17)] * 2)


def _stored_value_jobs() -> Iterator[Job]:
    """Read native frames whose bits lie at the bottom, higher up, or fill the word; and write them again."""
    for bits, is_signed in itertools.product((8, 16, 32, 64), (False, True)):
        for stored, high in ((bits, bits - 1), (bits - 4, bits - 5), (bits - 4, bits - 1)):
            yield partial(_pack_and_unpack, _description(1, bits, stored, high, is_signed))


def _pack_and_unpack(description: PixelDescription) -> None:
    values = np.zeros(description.frame_shape, description.stored_dtype)
    raw = encode_frame(values, description, EXPLICIT_LITTLE)
    decode_native_frame(raw, description)
    Packing.choose(raw, description, False)


def _picture_jobs() -> Iterator[Job]:
    """Reslice, gather slabs and window, for every type of stored value."""
    for dtype in _NUMBERS:
        volume = np.zeros((4, _SIDE, _SIDE), dtype)
        for interpolation in ("trilinear", "nearest"):
            options: dict[str, Any] = {"shape": (4, 4), "interpolation": interpolation}
            yield partial(reslice, volume, *_PLANE, **options)
            yield partial(project_slab, volume, *_PLANE, (1.0, 0.0, 0.0), 2, **options)
        yield partial(_window, volume[0])
    yield partial(reslice, np.zeros((4, 4, 4), np.uint8), *_PLANE, shape=(4, 4), interpolation="nearest")
    yield partial(rgb_from_ybr, np.zeros((1, 1, 3), np.uint8))
    yield _draw_labels


def _draw_labels() -> None:
    line, edge = np.zeros((1, 3)), np.zeros((1, 4))
    coverage = fill_contours(line, line, np.zeros((1, 2)), edge, np.array([0, 1], np.int64), 4)
    lay_color(np.zeros((*coverage.shape, 3), np.uint8), coverage, (0, 0, 0))


def _window(plane: Values) -> None:
    window.window_linear(plane, 40, 400)
    window.window_sigmoid(plane, 40, 400)
    deep = np.empty(plane.shape, np.uint16)
    window.window_linear(plane, 40, 400, out=deep)
    window.window_sigmoid(plane, 40, 400, out=deep)
    if plane.dtype.kind != "f":
        for table in (np.zeros(2, np.uint8), np.zeros(2, np.uint16), np.zeros((2, 3), np.uint8)):
            look_up(plane, table)


def _pyramid_jobs() -> Iterator[Job]:
    """Halve every type, and write and read one pyramid: chunks are bytes, whatever their type."""
    for dtype in _NUMBERS:
        volume = np.zeros((4, _SIDE, _SIDE), dtype)
        yield partial(halve_mean, volume)
        if dtype.kind != "f":
            yield partial(halve_mode, volume)
    yield _write_and_read_pyramid
    yield _keep_frame


def _write_and_read_pyramid() -> None:
    values = np.zeros((1, 1, 4, 4 * _SIDE, 4 * _SIDE), np.uint16)
    levels = plan_levels(values.shape, 2, is_volume=True, keep_z=False, spacing_mm_zyx=(1.0, 1.0, 1.0))
    with tempfile.TemporaryDirectory() as folder:
        writer = PyramidWriter(Path(folder), levels, values.dtype, halve_mean)
        writer.room()[:] = 1  # chunks of zeros are not stored
        writer.filled(values.shape[2])
        writer.close()
        box = ((0, 0, 0), (4, _SIDE, _SIDE))
        for identity in (None, "warm"):  # straight from the shard, and through the cache
            volume = StoredArray(Path(folder) / "0", levels[0], values.dtype, identity).volume()
            volume.read_box(*box)
            with volume.hold_voxels(*box):
                pass


def _keep_frame() -> None:
    """Put frames into the cache, new arrays and views of what was read, and take them out."""
    frames: list[Values] = [np.zeros(_SIDE, np.uint8), np.frombuffer(bytes(_SIDE), np.uint8)]
    list(cached_frames("warm", len(frames), _SIDE, [0, 1], lambda number: (frames[number], "")))


def _codec_jobs() -> Iterator[Job]:
    """Encode and decode grey and colour frames of 8 and of more bits, signed and not, in every transfer syntax."""
    for uid in ENCODERS:
        for samples, bits, is_signed in itertools.product((1, 3), (8, 16), (False, True)):
            if uid not in (EXPLICIT_LITTLE, IMPLICIT_LITTLE):
                stored = bits - 4 * (bits > 8)
                yield partial(_code, uid, _description(samples, bits, stored, stored - 1, is_signed))
    # Many code blocks are shared out among threads, as other arrays.
    large, wide = _description(1, 16, 12, 11, False, side=_SIDE_OF_BLOCKS), np.zeros((_SIDE_OF_BLOCKS,) * 2, np.uint16)
    wide[::3] = 1
    for uid in _SCALABLE:
        yield partial(decode_frame, encode_frame(wide, large, uid), large, uid)
    for uid, image, codestream in _lossy_frames():
        bits = 8 * image.itemsize
        stored = 12 if bits > 8 else 8
        samples = image.shape[2] if image.ndim == 3 else 1
        yield partial(decode_frame, codestream, _description(samples, bits, stored, stored - 1, False), uid)


def _code(uid: str, description: PixelDescription) -> None:
    values = _ramp(description.samples_per_pixel).astype(description.stored_dtype)
    codestream = encode_frame(values, description, uid)
    described = replace(description, photometric_interpretation=encoded_photometric(description, uid))
    decode_frame(codestream, described, uid)
    if uid in _SCALABLE:
        # Side by side frames are decoded by a plan; parts by our kernels, whoever decodes whole frames.
        decode_frames([codestream] * 2, described, uid)
        decode_frame(codestream, described, uid, level=1)


def _lossy_frames() -> Iterator[tuple[str, Values, bytes]]:
    """Give frames that others encoded: lossy, by other interleaving, HTJ2K for our own kernels."""
    for image in (_ramp(1).astype(np.uint8), _ramp(3).astype(np.uint8), _ramp(1).astype(np.uint16)):
        bits = 12 if image.itemsize > 1 else 8
        is_deep = bits > 8
        yield (
            _JPEG + ("51" if is_deep else "50"),
            image,
            bytes(imagecodecs.jpeg8_encode(image, level=90, bitspersample=bits)),
        )
        yield _JPEG + "55", image, _progressive(image)
        for level in (0, 2):
            yield _JPEG + "81", image, bytes(imagecodecs.jpegls_encode(image, level=level))
        yield _JPEG + "91", image, bytes(imagecodecs.jpeg2k_encode(image, level=40, codecformat="j2k"))


def _progressive(image: Values) -> bytes:
    """Give a JPEG in many scans; that of 12 bits is one of 8 which says so."""
    coded = io.BytesIO()
    Image.fromarray(image.astype(np.uint8)).save(coded, "JPEG", progressive=True)
    header = b"\xff\xc2\0\x0b"
    return coded.getvalue().replace(header + b"\x08", header + b"\x0c") if image.itemsize > 1 else coded.getvalue()


def _ramp(samples: int) -> Values:
    """Give values that are not all equal, so that no coder takes a short way."""
    plane = (np.arange(_SIDE)[:, None] * 3 + np.arange(_SIDE) * 5) % 100
    noise = np.random.default_rng(0).integers(0, 20, (_SIDE, _SIDE))
    return plane + noise if samples == 1 else np.stack([plane + noise] * samples, axis=-1)


def _description(
    samples: int, allocated: int, stored: int, high_bit: int, is_signed: bool, side: int = _SIDE
) -> PixelDescription:
    photometric = "RGB" if samples == 3 else "MONOCHROME2"
    return PixelDescription(side, side, 1, samples, allocated, stored, high_bit, is_signed, False, 0, photometric)
