"""From stored values to the bytes of a frame, for the transfer syntaxes that are written here: none loses a bit.

Most codecs hold unsigned samples, so signed values go in as their two's complement, cut to Bits Stored; `decode`
extends the sign again. JPEG 2000 says in its own header whether samples are signed.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from ..errors import InvalidArgument, UnsupportedPixels
from ..kernels.jpeg_lossless import encode_jpeg_lossless
from ..kernels.jpeg_ls import encode_jpeg_ls
from ..kernels.rle import MAXIMUM_SEGMENTS, encode_rle
from ..kernels.stored_values import repack_bits
from .instance import PixelDescription
from .packing import Packing, is_packable, pack_frames, samples_first
from .transfer_syntax import EXPLICIT_LITTLE, IMPLICIT_LITTLE, name_of

Values = NDArray[Any]

_FIRST_SSIZ = 42
"""Where a codestream says precision and sign of its first component: SIZ is its first segment (T.800 A.5.1)."""
_THUMBNAIL_SIDE = 64
"""The most columns and rows of the lowest resolution of HTJ2K with RPCL options (PS3.5 section 10.18)."""
_USUAL_DECOMPOSITIONS = 5
_BY_RESOLUTION = 1
"""OpenJPH begins a tile part with each resolution, so that TLM tells where they are."""


class Encoder(NamedTuple):
    """How the frames of one transfer syntax are written."""

    encode: Callable[[Values, PixelDescription], bytes]
    by: str
    """Who encodes: our kernels, or a library."""
    most_bits: int
    """The most Bits Stored that are held."""
    most_samples: int
    """The most samples a pixel."""


def encode_frame(frame: Values, description: PixelDescription, transfer_syntax_uid: str) -> bytes:
    """Encode stored values (rows, columns[, samples]), of the description's `stored_dtype`, as one frame.

    `decode_frame`, or `decode_native_frame` for native syntaxes, gives the same values back. JPEG 2000 codes RGB by
    its reversible component transform: the header then has to say what `encoded_photometric` gives. Codecs hold the
    low Bits Stored bits, High Bit being the one below. A native frame is whole bytes: frames of one bit whose size is
    no multiple of 8 have to be joined before they are packed.

    Raises `UnsupportedPixels` for a transfer syntax that is not written here, or pixels that it does not hold;
    `InvalidArgument` for a frame that is not what the description says.
    """
    encoder = ENCODERS.get(transfer_syntax_uid)
    if encoder is None:
        raise UnsupportedPixels(f"no encoder for transfer syntax {name_of(transfer_syntax_uid)}")
    if not is_packable(description):
        raise UnsupportedPixels("in YBR_FULL_422 pixels share chroma: describe values as they are decoded, YBR_FULL")
    name, bits, samples = name_of(transfer_syntax_uid), description.bits_stored, description.samples_per_pixel
    if description.is_float and encoder is not _UNCOMPRESSED:
        raise UnsupportedPixels(f"{name} holds integers: floats can only be written uncompressed")
    if bits > encoder.most_bits or samples > encoder.most_samples:
        raise UnsupportedPixels(
            f"{name} is written with at most {encoder.most_bits} bits a sample and {encoder.most_samples} samples"
            f" a pixel, not {bits} and {samples}"
        )
    return encoder.encode(_checked_values(frame, description), description)


def encoded_photometric(description: PixelDescription, transfer_syntax_uid: str) -> str:
    """Give the Photometric Interpretation of encoded frames: YBR_RCT where JPEG 2000 transforms RGB (PS3.5 8.2.4)."""
    is_transformed = transfer_syntax_uid in _JPEG_2000 and _has_transform(description)
    return "YBR_RCT" if is_transformed else description.photometric_interpretation


def _checked_values(frame: Values, description: PixelDescription) -> Values:
    """Give the values, contiguous; refused where they are not as described, or would lose bits."""
    if frame.shape != description.frame_shape or frame.dtype != description.stored_dtype or not frame.size:
        raise InvalidArgument(
            f"the frame is {frame.dtype} {frame.shape};"
            f" described are {description.stored_dtype} {description.frame_shape}, not empty"
        )
    bits = description.bits_stored
    if bits < 8 * frame.itemsize and not description.is_float:
        span = 1 << bits
        least = -(span >> 1) if description.is_signed else 0
        if int(frame.min()) < least or int(frame.max()) >= least + span:
            raise InvalidArgument(
                f"the frame holds {frame.min()} to {frame.max()}; Bits Stored {bits} is {least} to {least + span - 1}"
            )
    return np.ascontiguousarray(frame)


def _native(values: Values, description: PixelDescription) -> bytes:
    """Give the bytes of one frame of a native pixel element, little endian, without padding to even length."""
    packing = Packing(replace(description, frames=1), False, "sign" if description.is_signed else "zero")
    return b"".join(pack_frames(packing, lambda _: samples_first(values)))


def _deflated(values: Values, description: PixelDescription) -> bytes:
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return stream.compress(_native(values, description)) + stream.flush()


def _rle(values: Values, description: PixelDescription) -> bytes:
    """Encode byte planes; eight pixels of one bit are a byte."""
    if description.bits_allocated == 1:
        return encode_rle(repack_bits(values).reshape(1, -1))
    segments = description.samples_per_pixel * values.itemsize
    if segments > MAXIMUM_SEGMENTS:
        raise UnsupportedPixels(f"RLE has at most {MAXIMUM_SEGMENTS} segments: these pixels take {segments}")
    raw = np.frombuffer(_native(values, replace(description, planar_configuration=0)), f"<u{values.itemsize}")
    return encode_rle(raw.astype(f"u{values.itemsize}", copy=False).reshape(values.shape))


def _jpeg_ls(values: Values, description: PixelDescription) -> bytes:
    return encode_jpeg_ls(_unsigned(values, description), description.bits_stored)


def _jpeg_lossless(values: Values, description: PixelDescription) -> bytes:
    return encode_jpeg_lossless(_unsigned(values, description), max(description.bits_stored, 2))


def _unsigned(values: Values, description: PixelDescription) -> Values:
    """Give the low Bits Stored bits of each value as uint8 or uint16."""
    if description.bits_allocated == 1:
        raise UnsupportedPixels("JPEG has at least 2 bits a sample: write one-bit pixels as RLE or JPEG 2000")
    words = values.view(f"u{values.itemsize}") & np.array((1 << description.bits_stored) - 1, f"u{values.itemsize}")
    narrow: Values = words.astype(np.uint8 if description.bits_stored <= 8 else np.uint16, copy=False)
    return narrow


def _jpeg_2000(values: Values, description: PixelDescription) -> bytes:
    """Encode by OpenJPEG, whose buffer is too small for noise of few bits; as wider samples this fits."""
    # In the smallest type: OpenJPEG codes 0 as 1 where few bits are in words of 32.
    item_bytes = _item_bytes(description.bits_stored)
    narrow = values.astype(f"{values.dtype.kind}{item_bytes}", copy=False)
    try:
        return _by_openjpeg(narrow, description.bits_stored, description)
    except imagecodecs.Jpeg2kError:
        kind = np.dtype(f"u{2 * item_bytes}")
        coded = _by_openjpeg(_shifted(values, description, kind), 8 * kind.itemsize, description)
        return _with_format(coded, description)


def _by_openjpeg(values: Values, bits: int, description: PixelDescription) -> bytes:
    return bytes(
        imagecodecs.jpeg2k_encode(
            values,
            level=0,
            codecformat="j2k",
            reversible=True,
            bitspersample=bits,
            mct=_has_transform(description),
        )
    )


def _htj2k(values: Values, description: PixelDescription) -> bytes:
    """Encode by OpenJPH with RPCL progression, TLM, and a lowest resolution that is a thumbnail (PS3.5 10.18)."""
    longest = max(description.rows, description.columns)
    coded = imagecodecs.htj2k_encode(
        _shifted(values, description, np.dtype(f"u{_item_bytes(description.bits_stored)}")),
        reversible=True,
        rgb=_has_transform(description) if values.ndim == 3 else None,
        resolutions=max(_USUAL_DECOMPOSITIONS, (-(-longest // _THUMBNAIL_SIDE) - 1).bit_length()),
        tlm=True,
        tilepart=_BY_RESOLUTION,
    )
    return _with_format(coded, description)


def _item_bytes(bits: int) -> int:
    return 1 if bits <= 8 else 2 if bits <= 16 else 4


def _shifted(values: Values, description: PixelDescription, kind: np.dtype[Any]) -> Values:
    """Give values as an encoder of whole unsigned words wants them, to write what `_with_format` then says they are.

    It shifts them down by half the range of the words. So they are shifted up by that here, less what a decoder adds
    for their own precision.
    """
    half = 1 << (8 * kind.itemsize - 1)
    level_shift = 0 if description.is_signed else 1 << (description.bits_stored - 1)
    shifted: Values = (values.astype(np.int64) + (half - level_shift)).astype(kind)
    return shifted


def _with_format(coded: bytes | bytearray, description: PixelDescription) -> bytes:
    """Put precision and sign of the samples into SIZ."""
    changed = bytearray(coded)
    for sample in range(description.samples_per_pixel):
        changed[_FIRST_SSIZ + 3 * sample] = (description.bits_stored - 1) | (0x80 if description.is_signed else 0)
    return bytes(changed)


def _has_transform(description: PixelDescription) -> bool:
    """Whether JPEG 2000 codes these samples as differences of red, green and blue."""
    return description.samples_per_pixel == 3 and description.photometric_interpretation == "RGB"


_JPEG = "1.2.840.10008.1.2.4."
_OURS = "Filmless"
_OPENJPH = "OpenJPH (imagecodecs)"
_ANY_SAMPLES = (1 << 16) - 1
_UNCOMPRESSED = Encoder(_native, _OURS, 64, _ANY_SAMPLES)
ENCODERS: dict[str, Encoder] = {
    IMPLICIT_LITTLE: _UNCOMPRESSED,
    EXPLICIT_LITTLE: _UNCOMPRESSED,
    "1.2.840.10008.1.2.1.98": _UNCOMPRESSED,
    "1.2.840.10008.1.2.5": Encoder(_rle, _OURS, 64, MAXIMUM_SEGMENTS),
    "1.2.840.10008.1.2.8.1": Encoder(_deflated, "zlib", 64, _ANY_SAMPLES),
    _JPEG + "57": Encoder(_jpeg_lossless, _OURS, 16, 4),
    _JPEG + "70": Encoder(_jpeg_lossless, _OURS, 16, 4),
    _JPEG + "80": Encoder(_jpeg_ls, _OURS, 16, 4),
    # OpenJPEG takes more than 24 bits, and gives what does not decode to the same values.
    _JPEG + "90": Encoder(_jpeg_2000, "OpenJPEG (imagecodecs)", 24, 4),
    _JPEG + "201": Encoder(_htj2k, _OPENJPH, 16, 4),
    _JPEG + "202": Encoder(_htj2k, _OPENJPH, 16, 4),
}
"""Which encoder writes a transfer syntax."""
_JPEG_2000 = frozenset(_JPEG + syntax for syntax in ("90", "201", "202"))
