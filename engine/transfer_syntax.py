"""What each transfer syntax says about bytes and pixels (PS3.5 section 10 and annex A; PS3.6 table A-1)."""

from __future__ import annotations

from typing import NamedTuple

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
GE_PRIVATE = "1.2.840.113619.5.2"
"""Implicit VR little endian elements, big endian pixels: old GE archives are full of it."""
_JPEG = "1.2.840.10008.1.2.4."
_DICOM = "1.2.840.10008.1.2."


class TransferSyntax(NamedTuple):
    """The facts of one transfer syntax."""

    name: str
    is_encapsulated: bool = True
    is_lossless: bool = True
    """Whether decoding gives the values that were encoded; False for syntaxes that allow loss."""
    is_explicit: bool = True
    is_big_endian: bool = False
    is_deflated: bool = False
    """The whole data set after the file meta information is one deflate stream (PS3.5 A.5)."""
    is_video: bool = False
    """One stream holds all frames, so fragments do not correspond to frames (PS3.5 A.4.5 and following)."""
    is_referenced: bool = False
    """Pixels are fetched from a provider; the data set has none (PS3.5 A.6)."""
    has_big_endian_pixels: bool = False
    """Pixel values are big endian, whatever the elements are."""


def _native(name: str, *, is_explicit: bool = True, is_big_endian: bool = False) -> TransferSyntax:
    return TransferSyntax(name, False, True, is_explicit, is_big_endian, has_big_endian_pixels=is_big_endian)


def _lossy(name: str) -> TransferSyntax:
    return TransferSyntax(name, is_lossless=False)


def _video(name: str) -> TransferSyntax:
    return TransferSyntax(name, is_lossless=False, is_video=True)


def _referenced(name: str, *, is_deflated: bool = False) -> TransferSyntax:
    return TransferSyntax(name, is_encapsulated=False, is_deflated=is_deflated, is_referenced=True)


TRANSFER_SYNTAXES: dict[str, TransferSyntax] = {
    IMPLICIT_LITTLE: _native("Implicit VR Little Endian", is_explicit=False),
    EXPLICIT_LITTLE: _native("Explicit VR Little Endian"),
    EXPLICIT_BIG: _native("Explicit VR Big Endian", is_big_endian=True),
    GE_PRIVATE: TransferSyntax(
        "GE Private Implicit VR Big Endian Pixels", False, is_explicit=False, has_big_endian_pixels=True
    ),
    DEFLATED: TransferSyntax("Deflated Explicit VR Little Endian", is_encapsulated=False, is_deflated=True),
    _DICOM + "1.98": TransferSyntax("Encapsulated Uncompressed Explicit VR Little Endian"),
    _DICOM + "5": TransferSyntax("RLE Lossless"),
    _DICOM + "8.1": TransferSyntax("Deflated Image Frame Compression"),
    _JPEG + "50": _lossy("JPEG Baseline (Process 1)"),
    _JPEG + "51": _lossy("JPEG Extended (Process 2 & 4)"),
    _JPEG + "53": _lossy("JPEG Spectral Selection, Non-Hierarchical (Process 6 & 8)"),
    _JPEG + "55": _lossy("JPEG Full Progression, Non-Hierarchical (Process 10 & 12)"),
    _JPEG + "57": TransferSyntax("JPEG Lossless, Non-Hierarchical (Process 14)"),
    _JPEG + "70": TransferSyntax("JPEG Lossless, Non-Hierarchical, First-Order Prediction"),
    _JPEG + "80": TransferSyntax("JPEG-LS Lossless"),
    _JPEG + "81": _lossy("JPEG-LS Near-Lossless"),
    _JPEG + "90": TransferSyntax("JPEG 2000 (Lossless Only)"),
    _JPEG + "91": _lossy("JPEG 2000"),
    _JPEG + "92": TransferSyntax("JPEG 2000 Part 2 Multi-component (Lossless Only)"),
    _JPEG + "93": _lossy("JPEG 2000 Part 2 Multi-component"),
    _JPEG + "94": _referenced("JPIP Referenced"),
    _JPEG + "95": _referenced("JPIP Referenced Deflate", is_deflated=True),
    _JPEG + "100": _video("MPEG2 Main Profile / Main Level"),
    _JPEG + "100.1": _video("Fragmentable MPEG2 Main Profile / Main Level"),
    _JPEG + "101": _video("MPEG2 Main Profile / High Level"),
    _JPEG + "101.1": _video("Fragmentable MPEG2 Main Profile / High Level"),
    _JPEG + "102": _video("MPEG-4 AVC/H.264 High Profile / Level 4.1"),
    _JPEG + "102.1": _video("Fragmentable MPEG-4 AVC/H.264 High Profile / Level 4.1"),
    _JPEG + "103": _video("MPEG-4 AVC/H.264 BD-compatible High Profile / Level 4.1"),
    _JPEG + "103.1": _video("Fragmentable MPEG-4 AVC/H.264 BD-compatible High Profile / Level 4.1"),
    _JPEG + "104": _video("MPEG-4 AVC/H.264 High Profile / Level 4.2 for 2D Video"),
    _JPEG + "104.1": _video("Fragmentable MPEG-4 AVC/H.264 High Profile / Level 4.2 for 2D Video"),
    _JPEG + "105": _video("MPEG-4 AVC/H.264 High Profile / Level 4.2 for 3D Video"),
    _JPEG + "105.1": _video("Fragmentable MPEG-4 AVC/H.264 High Profile / Level 4.2 for 3D Video"),
    _JPEG + "106": _video("MPEG-4 AVC/H.264 Stereo High Profile / Level 4.2"),
    _JPEG + "106.1": _video("Fragmentable MPEG-4 AVC/H.264 Stereo High Profile / Level 4.2"),
    _JPEG + "107": _video("HEVC/H.265 Main Profile / Level 5.1"),
    _JPEG + "108": _video("HEVC/H.265 Main 10 Profile / Level 5.1"),
    _JPEG + "110": TransferSyntax("JPEG XL Lossless"),
    _JPEG + "111": _lossy("JPEG XL JPEG Recompression"),
    _JPEG + "112": _lossy("JPEG XL"),
    _JPEG + "201": TransferSyntax("High-Throughput JPEG 2000 (Lossless Only)"),
    _JPEG + "202": TransferSyntax("High-Throughput JPEG 2000 with RPCL Options (Lossless Only)"),
    _JPEG + "203": _lossy("High-Throughput JPEG 2000"),
    _JPEG + "204": _referenced("JPIP HTJ2K Referenced"),
    _JPEG + "205": _referenced("JPIP HTJ2K Referenced Deflate", is_deflated=True),
}


def name_of(uid: str) -> str:
    """Give the name and UID of a transfer syntax for messages; a private one has only its UID."""
    known = TRANSFER_SYNTAXES.get(uid)
    return uid if known is None else f"{known.name} ({uid})"
