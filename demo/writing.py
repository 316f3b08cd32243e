"""DICOM files of one series, fast: what is the same in every file is encoded once (PS3.5 7, PS3.10 7.1)."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import correct_ambiguous_vr, write_data_element
from pydicom.uid import UID, generate_uid

IMPLEMENTATION_UID = generate_uid(entropy_srcs=["filmless", "phantom", "implementation"])
IMPLEMENTATION_NAME = "FILMLESS_DEMO"
_PIXEL_DATA = 0x7FE00010


def dataset(**elements: object) -> Dataset:
    """Give a data set of elements by DICOM keyword."""
    made = Dataset()
    for keyword, value in elements.items():
        setattr(made, keyword, value)
    return made


def encode_elements(source: Dataset, *, is_implicit: bool) -> dict[int, bytes]:
    """Give each element's bytes, little endian, by tag."""
    if "PixelRepresentation" in source:
        correct_ambiguous_vr(source, True)
    encoded: dict[int, bytes] = {}
    for element in source:
        buffer = DicomBytesIO()
        buffer.is_little_endian, buffer.is_implicit_VR = True, is_implicit
        write_data_element(buffer, element, encodings="utf-8")
        encoded[int(element.tag)] = buffer.getvalue()
    return encoded


def file_head(sop_class_uid: str, sop_instance_uid: str, syntax: str) -> bytes:
    """Give preamble, prefix and File Meta Information (PS3.10 7.1)."""
    meta = dataset(
        FileMetaInformationVersion=b"\x00\x01",
        MediaStorageSOPClassUID=sop_class_uid,
        MediaStorageSOPInstanceUID=sop_instance_uid,
        TransferSyntaxUID=syntax,
        ImplementationClassUID=IMPLEMENTATION_UID,
        ImplementationVersionName=IMPLEMENTATION_NAME,
    )
    elements = b"".join(encode_elements(meta, is_implicit=False).values())
    return bytes(128) + b"DICM" + struct.pack("<HH2sHI", 2, 0, b"UL", 4, len(elements)) + elements


class SeriesWriter:
    """Writes the instances of one series, which share `constant` and one transfer syntax."""

    def __init__(self, constant: Dataset, syntax: UID) -> None:
        self.syntax = syntax
        self.sop_class_uid = str(constant.SOPClassUID)
        self._pixel_vr = b"OW" if constant.BitsAllocated > 8 or syntax.is_implicit_VR else b"OB"
        self._constant = encode_elements(constant, is_implicit=syntax.is_implicit_VR)

    def write(self, path: Path, changing: Dataset, frames: Sequence[bytes]) -> None:
        """Write one instance: the series' elements, with `changing` over them, and the pixels.

        `frames` are codestreams where the transfer syntax encapsulates, else native pixels.
        """
        elements = self._constant | encode_elements(changing, is_implicit=self.syntax.is_implicit_VR)
        elements[_PIXEL_DATA] = self._pixel_element(frames)
        with path.open("wb") as file:
            file.write(file_head(self.sop_class_uid, str(changing.SOPInstanceUID), self.syntax))
            file.writelines(_in_order(elements))

    def _pixel_element(self, frames: Sequence[bytes]) -> bytes:
        if self.syntax.is_encapsulated:
            items: bytes = encapsulate(list(frames), has_bot=True)
            delimiter = struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
            return struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF) + items + delimiter
        value = b"".join(frames)
        value += bytes(len(value) % 2)
        if self.syntax.is_implicit_VR:
            return struct.pack("<HHI", 0x7FE0, 0x0010, len(value)) + value
        return struct.pack("<HH2sHI", 0x7FE0, 0x0010, self._pixel_vr, 0, len(value)) + value


def _in_order(elements: dict[int, bytes]) -> Iterable[bytes]:
    return (elements[tag] for tag in sorted(elements))
