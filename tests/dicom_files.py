"""DICOM files for tests, written by pydicom: plain slices, and one of each odd kind that archives hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    MPEG4HP41,
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

BASIC_TEXT_SR = "1.2.840.10008.5.1.4.1.1.88.11"
ROOT = "1.2.826.0.1.3680043.10.543"


def instance(number=1, *, series=1, **attributes) -> Dataset:
    """A CT-like data set without pixels; instance `number` lies that many millimetres up."""
    made = Dataset()
    made.SOPClassUID = CTImageStorage
    made.SOPInstanceUID = f"{ROOT}.{series}.{number}"
    made.PatientName, made.PatientID = "Test^Made", "T1"
    made.StudyInstanceUID, made.SeriesInstanceUID = f"{ROOT}.0", f"{ROOT}.{series}"
    made.Modality, made.SeriesNumber, made.InstanceNumber = "CT", series, number
    made.ImagePositionPatient, made.ImageOrientationPatient = [0, 0, number], [1, 0, 0, 0, 1, 0]
    made.PixelSpacing = [1, 1]
    for keyword, value in attributes.items():
        setattr(made, keyword, value)
    return made


def image(values, number=1, *, series=1, raw=None, bits_stored=None, high_bit=None, frames=1, **attributes) -> Dataset:
    """A data set with native pixels; `raw` are the pixel bytes where they are not just those of `values`."""
    made = instance(number, series=series)
    shape = values.shape[1:] if frames > 1 else values.shape
    made.Rows, made.Columns = shape[:2]
    made.SamplesPerPixel = shape[2] if len(shape) == 3 else 1
    made.PhotometricInterpretation = "RGB" if len(shape) == 3 else "MONOCHROME2"
    if len(shape) == 3:
        made.PlanarConfiguration = 0
    made.BitsAllocated = values.itemsize * 8
    made.BitsStored = bits_stored or made.BitsAllocated
    made.HighBit = made.BitsStored - 1 if high_bit is None else high_bit
    made.PixelRepresentation = int(values.dtype.kind == "i")
    if frames > 1:
        made.NumberOfFrames = frames
    for keyword, value in attributes.items():
        setattr(made, keyword, value)
    data = values.tobytes() if raw is None else raw
    made.PixelData = data + b"\0" * (len(data) % 2)
    made["PixelData"].VR = "OB" if values.itemsize == 1 else "OW"
    return made


def save(made: Dataset, path: Path, syntax=ExplicitVRLittleEndian) -> Path:
    """Write a data set as a Part 10 file."""
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = syntax
    is_big = syntax == ExplicitVRBigEndian
    path.parent.mkdir(parents=True, exist_ok=True)
    encoding = {"implicit_vr": syntax == ImplicitVRLittleEndian, "little_endian": not is_big}
    pydicom.dcmwrite(path, made, enforce_file_format=True, **encoding)
    return path


def slices(folder: Path, numbers, *, series=1, shape=(6, 7), syntax=ExplicitVRLittleEndian) -> list[Path]:
    """Write slices of one volume, the value of each pixel told by its place."""
    return [
        save(image(slice_values(n, shape), n, series=series), folder / f"{series}-{n:03}.dcm", syntax) for n in numbers
    ]


def slice_values(number, shape=(6, 7)):
    """The stored values of slice `number`."""
    return (np.arange(shape[0] * shape[1]).reshape(shape) + 100 * number).astype(np.int16)


@dataclass
class Odd:
    """One odd kind of file, and what the archive should make of it."""

    write: Callable[[Path], Path]
    source: str
    """Where the archive is to keep its pixels."""
    frames: list[np.ndarray] = field(default_factory=list)
    """Stored values of each frame, where they can be told."""


RANDOM = np.random.default_rng(42)
WORDS = RANDOM.integers(0, 1 << 16, (5, 7), np.uint16)
BYTES = RANDOM.integers(0, 256, (5, 7), np.uint8)
COLOUR = RANDOM.integers(0, 256, (5, 7, 3), np.uint8)
TWELVE = RANDOM.integers(-2048, 2048, (5, 7)).astype(np.int16)
BITS = RANDOM.integers(0, 2, (3, 5, 3), np.uint8)
FLOATS = RANDOM.random((5, 7)).astype(np.float32)


def _native(made: Dataset, syntax=ExplicitVRLittleEndian) -> Callable[[Path], Path]:
    return lambda folder: save(made, folder / "a.dcm", syntax)


def _in_words(made: Dataset) -> Callable[[Path], Path]:
    made["PixelData"].VR = "OW"
    return _native(made, ExplicitVRBigEndian)


def _one_bit(raw: bytes) -> Dataset:
    return image(BITS, raw=raw, frames=3, BitsAllocated=1, BitsStored=1, HighBit=0)


def _float(keyword: str, values) -> Dataset:
    made = image(values, BitsAllocated=values.itemsize * 8)
    del made.PixelData, made.BitsStored, made.HighBit, made.PixelRepresentation
    setattr(made, keyword, values.tobytes())
    return made


def _encapsulated(made: Dataset, syntax, frames: list[bytes], **options) -> Callable[[Path], Path]:
    made.PixelData = encapsulate(frames, **options)
    made["PixelData"].VR = "OB"
    made["PixelData"].is_undefined_length = True
    return _native(made, syntax)


def rle(values, number=1, *, series=1) -> Dataset:
    """A slice compressed by RLE."""
    made = image(values, number, series=series)
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.compress(RLELossless, generate_instance_uid=False)
    return made


def every_file_class(folder: Path, numbers=range(1, 4), *, shape=(6, 7), coded=(5, 6, 7)) -> Path:
    """Write one series of every class of file that a generation has: slices, codestreams, a file kept whole."""
    slices(folder, numbers, shape=shape)
    for n in coded:
        save(rle(slice_values(n, (8, 9)), n), folder / f"rle-{n}", RLELossless)
    save(image(WORDS, 9, bits_stored=12), folder / "overlay.dcm")
    return folder


def rle_frames(values) -> list[bytes]:
    """The RLE codestream of each frame."""
    return [next(iter(pydicom.encaps.generate_frames(rle(frame).PixelData, number_of_frames=1))) for frame in values]


def _altered(write: Callable[[Path], Path], alter: Callable[[bytes], bytes]) -> Callable[[Path], Path]:
    def altered(folder: Path) -> Path:
        path = write(folder)
        path.write_bytes(alter(path.read_bytes()))
        return path

    return altered


def report(number=1, *, series=1) -> Dataset:
    """A structured report: an instance without pixels."""
    made = instance(number, series=series, SOPClassUID=BASIC_TEXT_SR, Modality="SR", ValueType="CONTAINER")
    text = Dataset()
    text.ValueType, text.TextValue = "TEXT", "Nothing abnormal, ünless otherwise said."
    made.SpecificCharacterSet, made.ContentSequence = "ISO_IR 192", [text]
    return made


_PADDING = b"\xfc\xff\xfc\xffOB\0\0\x04\0\0\0abcd"
_TWELVE_ZERO = (TWELVE & 0x0FFF).astype(np.int16).tobytes()
_SWAPPED = np.append(BYTES, np.uint8(0)).view(np.uint16).byteswap().tobytes()
_FRAMES = RANDOM.integers(0, 500, (3, 5, 7)).astype(np.int16)
_PALETTE = {
    f"{color}PaletteColorLookupTable{part}": [256, 0, 16] if part == "Descriptor" else bytes(512)
    for color in ("Red", "Green", "Blue")
    for part in ("Descriptor", "Data")
}

ODD: dict[str, Odd] = {
    "an odd number of pixel bytes": Odd(_native(image(BYTES)), "stack", [BYTES]),
    "an odd number of pixel bytes, the padding forgotten": Odd(
        _altered(_native(image(BYTES)), lambda data: data[:-1]), "stack", [BYTES]
    ),
    "signed 12 bits in 16, sign extended": Odd(_native(image(TWELVE, bits_stored=12)), "stack", [TWELVE]),
    "signed 12 bits in 16, zeros above": Odd(
        _native(image(TWELVE, raw=_TWELVE_ZERO, bits_stored=12)), "stack", [TWELVE]
    ),
    "an overlay in the high bits": Odd(_native(image(WORDS, bits_stored=12)), "whole", [WORDS & 0x0FFF]),
    "values in the high bits": Odd(
        _native(image(WORDS, raw=(WORDS & 0xFFF0).tobytes(), bits_stored=12, high_bit=15)), "stack", [WORDS >> 4]
    ),
    "an overlay in the low bits": Odd(_native(image(WORDS, bits_stored=12, high_bit=15)), "whole", [WORDS >> 4]),
    "big endian words": Odd(
        _native(image(WORDS, raw=WORDS.byteswap().tobytes()), ExplicitVRBigEndian), "stack", [WORDS]
    ),
    "big endian bytes in words": Odd(_in_words(image(BYTES, raw=_SWAPPED)), "whole", [BYTES]),
    "big endian bytes by themselves": Odd(_native(image(BYTES), ExplicitVRBigEndian), "stack", [BYTES]),
    "implicit VR": Odd(_native(image(WORDS), ImplicitVRLittleEndian), "stack", [WORDS]),
    "colour by pixel": Odd(_native(image(COLOUR)), "stack", [COLOUR]),
    "colour by plane": Odd(
        _native(image(COLOUR, raw=np.moveaxis(COLOUR, -1, 0).tobytes(), PlanarConfiguration=1)), "stack", [COLOUR]
    ),
    "colour with shared chroma": Odd(
        _native(image(COLOUR[:4, :6], raw=bytes(range(48)), PhotometricInterpretation="YBR_FULL_422")), "whole"
    ),
    "a palette": Odd(_native(image(BYTES, PhotometricInterpretation="PALETTE COLOR", **_PALETTE)), "stack", [BYTES]),
    "one bit, frames not at byte boundaries": Odd(
        _native(_one_bit(np.packbits(BITS.ravel(), bitorder="little").tobytes())), "stack", list(BITS)
    ),
    "one bit, the last byte filled with ones": Odd(
        _native(_one_bit(np.packbits(np.append(BITS.ravel(), [1, 1, 1]), bitorder="little").tobytes())),
        "whole",
        list(BITS),
    ),
    "elements after the pixels": Odd(_altered(_native(image(WORDS)), lambda data: data + _PADDING), "stack", [WORDS]),
    "more pixel bytes than pixels": Odd(_native(image(WORDS, raw=WORDS.tobytes() + b"more")), "stack", [WORDS]),
    "32 bits": Odd(_native(image(WORDS.astype(np.uint32) * 65537)), "stack", [WORDS.astype(np.uint32) * 65537]),
    "floats": Odd(_native(_float("FloatPixelData", FLOATS)), "stack", [FLOATS]),
    "doubles": Odd(_native(_float("DoubleFloatPixelData", FLOATS.astype(float))), "stack", [FLOATS.astype(float)]),
    "a deflated data set": Odd(_native(image(WORDS), DeflatedExplicitVRLittleEndian), "whole", [WORDS]),
    "frames": Odd(_native(image(_FRAMES, frames=3)), "stack", list(_FRAMES)),
    "no preamble": Odd(_altered(_native(image(WORDS)), lambda data: data[132:]), "stack", [WORDS]),
    "a preamble with something in it": Odd(
        _altered(_native(image(WORDS)), lambda data: b"II*\0".ljust(128, b"x") + data[128:]), "stack", [WORDS]
    ),
    "a structured report": Odd(_native(report()), "none"),
    "RLE": Odd(_native(rle(WORDS), RLELossless), "codestreams", [WORDS]),
    "RLE frames in one fragment each": Odd(
        _encapsulated(image(_FRAMES, frames=3), RLELossless, rle_frames(_FRAMES)), "codestreams", list(_FRAMES)
    ),
    "RLE frames in two fragments each": Odd(
        _encapsulated(image(_FRAMES, frames=3), RLELossless, rle_frames(_FRAMES), fragments_per_frame=2),
        "codestreams",
        list(_FRAMES),
    ),
    "RLE without an offset table": Odd(
        _encapsulated(image(_FRAMES, frames=3), RLELossless, rle_frames(_FRAMES), has_bot=False),
        "codestreams",
        list(_FRAMES),
    ),
    "RLE without a sequence delimiter": Odd(
        _altered(_native(rle(WORDS), RLELossless), lambda data: data[:-8]), "codestreams", [WORDS]
    ),
    "video": Odd(_encapsulated(image(_FRAMES, frames=3), MPEG4HP41, [b"not really H.264"]), "codestreams"),
}
