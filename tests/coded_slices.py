"""Slices of one volume as lossless codestreams, one DICOM file each, and what pydicom reads of a file."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
from dicom_files import image, save
from filmless.engine.encode import encode_frame, encoded_photometric
from filmless.engine.instance import PixelDescription
from pydicom.encaps import encapsulate

JPEG = "1.2.840.10008.1.2.4."
RLE, ENCAPSULATED, DEFLATED = "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.1.98", "1.2.840.10008.1.2.8.1"
JPEG_LOSSLESS, JPEG_LS, JPEG_2000, HTJ2K = JPEG + "70", JPEG + "80", JPEG + "90", JPEG + "201"
EXPLICIT = "1.2.840.10008.1.2.1"
LOSSLESS = (RLE, ENCAPSULATED, DEFLATED, JPEG + "57", JPEG_LOSSLESS, JPEG_LS, JPEG_2000, HTJ2K, JPEG + "202")


def values_of(number, shape=(6, 7), kind=np.int16):
    """The stored values of slice `number`: 12 bits, signed or not, or 8 bits of colour."""
    random = np.random.default_rng(number)
    if np.dtype(kind).itemsize == 1:
        return random.integers(0, 256, shape).astype(kind)
    return random.integers(-2048 if np.dtype(kind).kind == "i" else 0, 2048, shape).astype(kind)


def described(made) -> PixelDescription:
    """The pixel description of one frame of a data set."""
    return PixelDescription(
        made.Rows, made.Columns, 1, made.SamplesPerPixel, made.BitsAllocated, made.BitsStored, made.HighBit,
        made.PixelRepresentation == 1, False, 0, made.PhotometricInterpretation,
    )  # fmt: skip


def encapsulated(made, values, syntax, **options):
    """Put codestreams, one of each frame of `values`, in the place of the native pixels of a data set."""
    description = described(made)
    made.PhotometricInterpretation = encoded_photometric(description, syntax)
    made.PixelData = encapsulate([encode_frame(frame, description, syntax) for frame in values], **options)
    made["PixelData"].VR, made["PixelData"].is_undefined_length = "OB", True
    return made


def coded(values, number, syntax, *, series=1, **attributes):
    """A data set of one slice in a lossless transfer syntax."""
    bits = 12 if values.itemsize == 2 else None
    return encapsulated(image(values, number, series=series, bits_stored=bits, **attributes), [values], syntax)


def coded_slices(folder: Path, numbers, syntax, *, series=1, kind=np.int16, shape=(6, 7), **attributes) -> list[Path]:
    """Write slices of one volume."""
    paths = []
    for number in numbers:
        made = coded(values_of(number, shape, kind), number, syntax, series=series, **attributes)
        path = folder / f"{series}-{number:03}.dcm"
        paths.append(save(made, path, ENCAPSULATED if syntax == DEFLATED else syntax))
        if syntax == DEFLATED:  # which pydicom does not know; with its padding it is as long
            path.write_bytes(path.read_bytes().replace(ENCAPSULATED.encode(), DEFLATED.encode() + b"\0", 1))
    return paths


def read(file) -> pydicom.Dataset:
    """What pydicom reads of a file's bytes, or of a path."""
    return pydicom.dcmread(BytesIO(file) if isinstance(file, bytes) else file)


def pixels_of(file, frames=1):
    """The stored values of a file, by pydicom alone where it is native."""
    made = read(file)
    assert made.file_meta.TransferSyntaxUID == EXPLICIT
    samples = made.SamplesPerPixel
    words = np.frombuffer(made.PixelData, f"<{'i' if made.PixelRepresentation else 'u'}{made.BitsAllocated // 8}")
    shape = (frames, made.Rows, made.Columns, samples)
    found = words[: int(np.prod(shape))].reshape(shape)
    return found[0, :, :, 0] if samples == 1 and frames == 1 else found[0] if frames == 1 else found
