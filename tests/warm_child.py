"""Run the engine's main jobs after a warm-up, in a process of its own; print each kernel that they had to add.

Arguments: an empty folder, and files to ingest and show (none: the phantom's).
"""

from __future__ import annotations

import itertools
import sys
from io import BytesIO
from pathlib import Path

import filmless
import imagecodecs
import numpy as np
from filmless.demo.phantom import write_phantom
from filmless.engine.decode import decode_frame
from filmless.engine.encode import ENCODERS, encode_frame, encoded_photometric
from filmless.engine.instance import PixelDescription
from filmless.engine.transfer_syntax import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from filmless.engine.volume import ArrayLevel
from filmless.errors import FilmlessError
from filmless.kernels.jit import specialisations
from PIL import Image

DTYPES = ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8")
JPEG = "1.2.840.10008.1.2.4."


def described(values, bits, photometric):
    samples = values.shape[2] if values.ndim == 3 else 1
    signed = values.dtype.kind == "i"
    rows, columns = values.shape[:2]
    allocated = 8 * values.itemsize
    return PixelDescription(rows, columns, 1, samples, allocated, bits, bits - 1, signed, False, 0, photometric)


def code_everything():
    """Encode and decode odd sizes in every transfer syntax that is written, and in those that are only read."""
    random = np.random.default_rng(1)
    for uid, samples, dtype in itertools.product(ENCODERS, (1, 3), ("u1", "i1", "u2", "i2")):
        bits = 6 if dtype[1] == "1" else 13
        values = random.integers(0, 1 << (bits - 1), (37, 51, samples)[: 3 if samples > 1 else 2]).astype(dtype)
        description = described(values, bits, "RGB" if samples > 1 else "MONOCHROME2")
        coded = encode_frame(values, description, uid)
        if uid not in (EXPLICIT_LITTLE, IMPLICIT_LITTLE):
            header = described(values, bits, encoded_photometric(description, uid))
            decode_frame(coded, header, uid)
            decode_frame(coded, header, uid, level=1, region=(3, 9, 2, 11))
    for shape in ((37, 51), (37, 51, 3)):
        image = random.integers(0, 256, shape).astype(np.uint8)
        description = described(image, 8, "RGB" if len(shape) == 3 else "MONOCHROME2")
        for subsampling in ("444", "422", "420") if len(shape) == 3 else (None,):
            decode_frame(bytes(imagecodecs.jpeg8_encode(image, subsampling=subsampling)), description, JPEG + "50")
            coded = BytesIO()
            Image.fromarray(image).save(coded, "JPEG", progressive=True)
            decode_frame(coded.getvalue(), description, JPEG + "55")
        decode_frame(bytes(imagecodecs.jpegls_encode(image, level=3)), description, JPEG + "81")
        decode_frame(bytes(imagecodecs.jpeg2k_encode(image, level=30, codecformat="j2k")), description, JPEG + "91")
        decode_frame(bytes(imagecodecs.htj2k_encode(image, reversible=False)), description, JPEG + "203", level=1)


def show_every_type():
    """Render planes and slabs of volumes of every type of stored value, even and uneven."""
    directions = ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0))
    for dtype, offsets in itertools.product(DTYPES, (None, (0.0, 2.0, 4.0, 6.0, 9.0, 11.0, 13.0, 15.0))):
        values = np.arange(8 * 20 * 20).reshape(8, 20, 20).astype(dtype)
        geometry = filmless.VolumeGeometry((0.0, 0.0, 0.0), directions, (2.0, 1.0, 1.0), offsets)
        verdict = filmless.Verdict(("uniform",), "", {})
        show(filmless.Volume([ArrayLevel(values)], [(1, 1, 1)], geometry, verdict))


def show(volume):
    """Render every kind of plane, slab and window of a volume."""
    windows = [None, "lung", filmless.Window(40, 400, "LINEAR_EXACT"), filmless.Window(40, 400, "SIGMOID")]
    for plane, interpolation in itertools.product(("axial", "coronal", "sagittal"), ("trilinear", "nearest")):
        for window in windows:
            filmless.render(volume, plane, window=window, interpolation=interpolation, size=(33, 31))
        for mode in ("max", "min", "mean"):
            filmless.render(volume, plane, slab_mm=9, mode=mode, interpolation=interpolation)
    filmless.render(volume, normal=(1, 1, 0.3), annotate=True)
    filmless.render(volume, "acquired", index=0)


def keep_and_show(folder, files):
    """Ingest, list, verify, export and show everything."""
    archive = filmless.open(folder / "archive")
    archive.ingest(files)
    archive.verify()
    for row in archive.contents():
        series = archive.series(row.series_uid)
        series.export(folder / "out" / row.short_id)
        for stack in series.stacks:
            try:
                stack.picture(0)
                show(stack.volume())
            except FilmlessError:
                continue


def main(folder, *files):
    ready = filmless.warm()
    before = specialisations()
    if not files:
        write_phantom(folder / "export", slices=8, size=64)
        code_everything()
        show_every_type()
    keep_and_show(folder, files or [folder / "export"])
    print("\n".join(sorted(specialisations() - before)))
    print(ready.kernels, "ready", file=sys.stderr)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(Path, sys.argv[2:]))
