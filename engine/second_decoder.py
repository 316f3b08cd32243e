"""A second, independent decoder of each lossless transfer syntax, for the proof that the first one is right.

Nothing here is shared with `decode`: libraries decode, NumPy removes unused bits and extends the sign. Only what loses
nothing is decoded: many a file has a lossy codestream under the UID of a lossless transfer syntax.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from rle import rle as pylibjpeg_rle

from ..errors import DecodeError, FilmlessError, UnsupportedPixels
from ..kernels.jpeg_2000.markers import read_codestream as read_jpeg_2000
from ..kernels.jpeg_ls.codestream import Codestream as JpegLs
from .codestream import find_jpeg2000, read_jpeg_header
from .decode import CODECS
from .instance import PixelDescription
from .transfer_syntax import name_of

Values = NDArray[Any]

_JPEG_LOSSLESS = 0xC3


class Second(NamedTuple):
    """How the frames of one transfer syntax are decoded a second time."""

    decode: Callable[[bytes, PixelDescription], Values]
    """Gives samples as they were coded, (rows, columns[, samples]); a `FilmlessError` where the codestream is lossy."""
    by: str
    """The library; the table of decoders names it as the second one."""


def decode_again(codestream: bytes, description: PixelDescription, transfer_syntax_uid: str) -> Values:
    """Give the stored values of one lossless frame, of the description's `stored_dtype`, by the second decoder.

    Raises `UnsupportedPixels` for a transfer syntax that has none, or a codestream that is lossy; `DecodeError`.
    """
    second = SECONDS.get(transfer_syntax_uid)
    if second is None:
        raise UnsupportedPixels(f"there is no second decoder for transfer syntax {name_of(transfer_syntax_uid)}")
    try:
        samples = second.decode(codestream, description)
    except FilmlessError:
        raise
    except (Exception, MemoryError) as error:  # whatever a library raises
        raise DecodeError(f"{second.by}: {error or type(error).__name__}") from error
    if samples.shape != description.frame_shape:
        raise DecodeError(f"{second.by}: decodes to shape {samples.shape}, not {description.frame_shape}")
    return _stored(samples, description)


def _stored(samples: Values, description: PixelDescription) -> Values:
    """Make stored values of samples: the low Bits Stored bits, sign-extended where the pixels are signed."""
    dtype = description.stored_dtype
    unused = 8 * dtype.itemsize - description.bits_stored
    words = np.ascontiguousarray(samples).astype(f"u{dtype.itemsize}") << unused
    stored: Values = words.view(dtype) >> unused
    return stored


def _jpeg(codestream: bytes, description: PixelDescription) -> Values:
    process = read_jpeg_header(codestream).process
    if process != _JPEG_LOSSLESS:
        raise UnsupportedPixels(f"the codestream is of JPEG process FF{process:02X}, which is lossy")
    if description.samples_per_pixel == 1:
        return np.asarray(imagecodecs.jpeg8_decode(codestream))
    return np.asarray(imagecodecs.jpeg8_decode(codestream, colorspace="RGB", outcolorspace="RGB"))


def _jpeg_ls(codestream: bytes, _: PixelDescription) -> Values:
    scan = JpegLs(codestream).next_scan()
    if scan is None or scan.coding.near:
        raise UnsupportedPixels("the JPEG-LS codestream is near-lossless: it is lossy")
    return np.asarray(imagecodecs.jpegls_decode(codestream))


def _jpeg_2000(codestream: bytes, _: PixelDescription) -> Values:
    bare = find_jpeg2000(codestream)
    for tile in read_jpeg_2000(bare).tiles.values():
        styles = [style for style in (tile.parameters.style, *tile.parameters.styles.values()) if style is not None]
        if not all(style.is_reversible for style in styles):
            raise UnsupportedPixels("the JPEG 2000 codestream is coded by the irreversible wavelet: it is lossy")
    return np.asarray(imagecodecs.jpeg2k_decode(bare))


def _rle(codestream: bytes, description: PixelDescription) -> Values:
    pixels = description.rows * description.columns
    if description.bits_allocated == 1:
        packed = pylibjpeg_rle.decode_frame(codestream, -(-pixels // 8), 8, "<")
        return _bits(bytes(packed), description)
    raw = pylibjpeg_rle.decode_frame(codestream, pixels, description.bits_allocated, "<")
    words = np.frombuffer(raw, f"<u{description.stored_dtype.itemsize}")
    planes = words.reshape(description.samples_per_pixel, description.rows, description.columns)
    return planes[0] if len(planes) == 1 else np.moveaxis(planes, 0, -1)


def _deflated(codestream: bytes, description: PixelDescription) -> Values:
    room = bytearray(-(-description.frame_bits // 8) + 1)
    return _uncompressed(bytes(imagecodecs.deflate_decode(codestream, raw=True, out=room)), description)


def _uncompressed(raw: bytes, description: PixelDescription) -> Values:
    if description.bits_allocated == 1:
        return _bits(raw, description)
    size = description.frame_bits // 8
    words = np.frombuffer(raw[:size], f"<u{description.stored_dtype.itemsize}")
    if description.planar_configuration == 1 and description.samples_per_pixel > 1:
        planes = words.reshape(description.samples_per_pixel, description.rows, description.columns)
        return np.moveaxis(planes, 0, -1)
    return words.reshape(description.frame_shape)


def _bits(raw: bytes, description: PixelDescription) -> Values:
    bits = np.unpackbits(np.frombuffer(raw, np.uint8), bitorder="little")
    return bits[: description.frame_bits].reshape(description.frame_shape)


def _named(uid: str, decode: Callable[[bytes, PixelDescription], Values]) -> Second:
    """Give the second decoder under the name that the table of decoders has for it."""
    return Second(decode, CODECS[uid].second)


_JPEG = "1.2.840.10008.1.2.4."
SECONDS: dict[str, Second] = {
    uid: _named(uid, decode)
    for uid, decode in {
        "1.2.840.10008.1.2.1.98": _uncompressed,
        "1.2.840.10008.1.2.5": _rle,
        "1.2.840.10008.1.2.8.1": _deflated,
        _JPEG + "57": _jpeg,
        _JPEG + "70": _jpeg,
        _JPEG + "80": _jpeg_ls,
        _JPEG + "90": _jpeg_2000,
        _JPEG + "201": _jpeg_2000,
        _JPEG + "202": _jpeg_2000,
    }.items()
}
"""The second decoder of a transfer syntax; JPEG XL has none that is independent of libjxl."""
