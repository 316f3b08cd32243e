"""From the bytes of a frame to stored values, whatever the transfer syntax (PS3.5 section 8, annexes A and
G).

Each decoder gets a codestream whose declared size was compared with the DICOM header, so it allocates no more
than the header promises; whatever it raises becomes a `DecodeError`. Codecs give samples as they were coded;
signedness and unused bits are put right here, by Bits Stored alone, since codestream and DICOM header often
disagree on sign.
"""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from ..errors import DecodeError, InvalidArgument, OutOfRange, Truncated, UnsupportedPixels
from ..kernels.downsample import halve_mean
from ..kernels.jpeg_2000.decode import decode_jpeg_2000, run_serially
from ..kernels.jpeg_2000.wavelet import Run
from ..kernels.jpeg_dct import decode_jpeg_dct
from ..kernels.jpeg_lossless import decode_jpeg_lossless
from ..kernels.jpeg_ls import decode_jpeg_ls
from ..kernels.rle import decode_rle
from ..kernels.stored_values import bit_rule, swap_pairs, unpack, unpack_bits
from ..storage.pool import is_worker, run_all, thread_count
from .codestream import (
    CodestreamHeader,
    check_tile_parts,
    find_jpeg2000,
    read_jpeg2000_header,
    read_jpeg_header,
)
from .data_set import Buffer
from .instance import PixelDescription, PixelSpan
from .jpeg_xl import decode_jpeg_xl, read_jpeg_xl_size
from .transfer_syntax import TRANSFER_SYNTAXES, name_of

MAXIMUM_FRAME_BYTES = 2 << 30
"""No decoder is asked for a larger frame: headers of a few bytes can declare any size."""

_TASKS_A_THREAD = 4
"""Of frames decoded together: more would share them out more evenly, where some are harder to decode."""
_YBR = ("YBR_FULL", "YBR_FULL_422")
_JPEG_LOSSLESS = 0xC3
_BITS_OF_A_BIT = 8
"""The most that pixels of one bit are coded with: JPEG has none of one bit, and some writers code whole bytes."""
_EOI = b"\xff\xd9"
_EOI_SEARCHED_BYTES = 1024
"""Writers pad the last fragment, some generously."""


class DecodedFrame(NamedTuple):
    """A frame's stored values and what they mean."""

    values: NDArray[Any]
    """(rows, columns) or (rows, columns, samples), of the description's `stored_dtype`, contiguous."""
    photometric_interpretation: str
    """Of these values: differs from the header's where the codec undid a colour transform."""
    is_by_second: bool = False
    """Whether the table's second decoder gave them, as the first leaves out a feature of this codestream."""


Region = tuple[int, int, int, int]
"""First row, end row, first column, end column, of the frame at the level asked for."""

Room = NDArray[Any] | None
"""Where a frame's values may be written: contiguous, of their shape and type."""
Decoder = Callable[[bytes, PixelDescription, Room], DecodedFrame]
"""Whoever takes no notice of the room leaves it to `decode_frame` to copy the values there."""


class Codec(NamedTuple):
    """How the frames of one transfer syntax are decoded."""

    decode: Decoder
    by: str
    """Who decodes: our kernels, or a library where it stays ahead."""
    second: str
    """The independent decoder that the tests compare with on every real file; see `second_decoder` too."""


def decode_frame(
    codestream: bytes,
    description: PixelDescription,
    transfer_syntax_uid: str,
    *,
    level: int = 0,
    region: Region | None = None,
    out: NDArray[Any] | None = None,
) -> DecodedFrame:
    """Decode one encapsulated frame, its fragments joined.

    `level` halves the resolution that many times: JPEG 2000 decodes no more than it needs (the smooth part of its
    wavelets), others are decoded whole and averaged 2 × 2. `region` is cut from the frame at that level. The values go
    into `out` where it is given, which is partly written where decoding fails.

    Raises `UnsupportedPixels` for a transfer syntax without decoder here, `DecodeError` for a codestream that is
    damaged or declares another size than the description, `OutOfRange` for a level or region that is not there.
    """
    codec = CODECS.get(transfer_syntax_uid)
    if codec is None:
        syntax = TRANSFER_SYNTAXES.get(transfer_syntax_uid)
        hint = ": one stream holds all frames, see decode_video_frame" if syntax and syntax.is_video else ""
        raise UnsupportedPixels(f"no decoder for transfer syntax {name_of(transfer_syntax_uid)}{hint}")
    _check_frame_size(description)
    if not (level or region):
        decoded = codec.decode(codestream, description, _room_in(out, description))
    elif transfer_syntax_uid in _SCALABLE:
        decoded = _decode_part_of_jpeg_2000(codestream, description, level, region)
    else:
        whole = codec.decode(codestream, description, None)
        decoded = whole._replace(values=_part(whole.values, level, region))
    if out is None or decoded.values is out:
        return decoded
    if out.shape != decoded.values.shape or out.dtype != decoded.values.dtype:
        raise InvalidArgument(f"out must be {decoded.values.dtype} {decoded.values.shape}")
    out[...] = decoded.values
    return decoded._replace(values=out)


def _room_in(out: Room, description: PixelDescription) -> Room:
    """Give `out` if a decoder can write all of it in one piece."""
    if out is None or out.dtype != description.stored_dtype or out.shape != description.frame_shape:
        return None
    return out if out.flags.c_contiguous and out.flags.writeable else None


def decode_frames(
    codestreams: Sequence[bytes],
    description: PixelDescription,
    transfer_syntax_uid: str,
    *,
    out: NDArray[Any] | None = None,
) -> NDArray[Any]:
    """Decode frames of one description on the thread pool into one array, (frames, rows, columns[, samples]).

    Raises as `decode_frame` does, for the first frame that fails; then `out` is partly written.
    """
    _check_frame_size(description)
    shape = (len(codestreams), *description.frame_shape)
    if out is None:
        out = np.empty(shape, description.stored_dtype)
    elif out.shape != shape or out.dtype != description.stored_dtype:
        raise InvalidArgument(f"out must be {description.stored_dtype} {shape}")
    frames = out

    def decode(first: int) -> None:
        for number in range(first, min(first + a_task, len(codestreams))):
            decode_frame(codestreams[number], description, transfer_syntax_uid, out=frames[number])

    # To hand out a task holds Python's lock for as long as half a frame of RLE takes.
    a_task = -(-len(codestreams) // (_TASKS_A_THREAD * thread_count()))
    run_all(decode, range(0, len(codestreams), max(a_task, 1)))
    return frames


def _part(values: NDArray[Any], level: int, region: Region | None) -> NDArray[Any]:
    """Halve a whole frame in the plane, `level` times, and cut a region from it."""
    if not 0 <= level <= _MOST_LEVELS:
        raise OutOfRange(f"no level {level}: 0 to {_MOST_LEVELS} can be asked for")
    planes = np.ascontiguousarray(values[np.newaxis] if values.ndim == 2 else np.moveaxis(values, -1, 0))
    for _ in range(level):
        planes = halve_mean(planes, axes=(False, True, True))
    if region is not None:
        top, bottom, left, right = region
        rows, columns = planes.shape[1:]
        if not (0 <= top < bottom <= rows and 0 <= left < right <= columns):
            raise OutOfRange(f"region {region} is not inside the {rows} × {columns} pixels at level {level}")
        planes = planes[:, top:bottom, left:right]
    return np.ascontiguousarray(planes[0] if values.ndim == 2 else np.moveaxis(planes, 0, -1))


def decode_native_frame(
    raw: bytes | memoryview, description: PixelDescription, is_big_endian: bool = False, *, first_bit: int = 0
) -> DecodedFrame:
    """Give the stored values of one native frame.

    `raw` holds the frame, which starts at bit `first_bit` (not 0 only for one-bit pixels, whose frames are
    not padded to bytes). 4:2:2 chroma is repeated for each pixel; then the photometric interpretation is
    YBR_FULL. Raises `Truncated` if `raw` is too short.
    """
    _check_frame_size(description)
    array = np.frombuffer(raw, np.uint8)
    if 8 * len(raw) < first_bit + description.frame_bits:
        raise Truncated(f"a frame takes {description.frame_bits} bits; {8 * len(raw) - first_bit} are here")
    if description.bits_allocated == 1:
        bits = unpack_bits(array, first_bit, description.frame_bits)
        return _shaped(bits, description, is_planar=description.planar_configuration == 1)
    values = _unpacked(array[: description.frame_bits // 8], description, is_big_endian)
    if description.frame_bits < _full_bits(description):
        return _chroma_repeated(values, description)
    return _shaped(values, description, is_planar=description.planar_configuration == 1)


def read_native_frame(data: Buffer, span: PixelSpan, description: PixelDescription, index: int) -> DecodedFrame:
    """Give the stored values of frame `index` (from 0) of native pixel data in `data`.

    Raises `InvalidArgument` for an index beyond Number of Frames or an encapsulated span, `Truncated` where
    the bytes end before the frame does.
    """
    if not 0 <= index < description.frames or span.is_encapsulated:
        raise InvalidArgument(f"no native frame {index} among {description.frames}")
    first_bit = index * description.frame_bits
    start, skipped_bits = divmod(first_bit, 8)
    end = (first_bit + description.frame_bits + 7) // 8
    if not (span.is_big_endian and description.bits_allocated <= 8):
        raw = bytes(data[span.offset + start : span.offset + min(end, span.length)])
        return decode_native_frame(raw, description, is_big_endian=span.is_big_endian, first_bit=skipped_bits)
    # Bytes are swapped in pairs over the whole value, so pairs may cross frames of odd size.
    even_start, even_end = start & ~1, min(end + (end & 1), span.length & ~1)
    swapped = np.frombuffer(bytes(data[span.offset + even_start : span.offset + even_end]), np.uint8)
    raw = swap_pairs(swapped[: len(swapped) & ~1])[start - even_start :].tobytes()
    return decode_native_frame(raw, description, first_bit=skipped_bits)


def _full_bits(description: PixelDescription) -> int:
    pixels = description.rows * description.columns
    return pixels * description.samples_per_pixel * description.bits_allocated


def _check_frame_size(description: PixelDescription) -> None:
    if _full_bits(description) > 8 * MAXIMUM_FRAME_BYTES:
        raise UnsupportedPixels(
            f"a frame of {description.rows} x {description.columns} exceeds {MAXIMUM_FRAME_BYTES} bytes"
        )


def _check_header(header: CodestreamHeader, description: PixelDescription) -> None:
    declared = (header.rows, header.columns, header.samples)
    expected = (description.rows, description.columns, description.samples_per_pixel)
    if declared != expected:
        raise DecodeError(f"the codestream declares rows, columns, samples {declared}; the DICOM header {expected}")
    if header.precision > max(description.bits_allocated, _BITS_OF_A_BIT):
        raise DecodeError(
            f"the codestream has {header.precision} bits a sample; {description.bits_allocated} are allocated"
        )
    if description.is_float:
        raise UnsupportedPixels("float pixels are never coded as an image codestream")


def _guarded(decoder: Callable[[], Any], codec: str) -> Any:
    """Run a library's decoder; whatever it raises becomes a `DecodeError`."""
    try:
        return decoder()
    except (Exception, MemoryError) as error:
        raise DecodeError(f"{codec}: {error or type(error).__name__}") from error


def _shaped(
    values: NDArray[Any], description: PixelDescription, photometric: str = "", *, is_planar: bool = False
) -> DecodedFrame:
    shape = description.frame_shape
    if is_planar and description.samples_per_pixel > 1:
        planes = values.reshape(description.samples_per_pixel, description.rows, description.columns)
        values = np.ascontiguousarray(np.moveaxis(planes, 0, -1))
    shaped = values if values.shape == shape else values.reshape(shape)
    return DecodedFrame(shaped, photometric or description.photometric_interpretation)


def _unpacked(raw: NDArray[np.uint8], description: PixelDescription, is_big_endian: bool) -> NDArray[Any]:
    """Give stored values of whole words, with unused bits removed and the sign extended."""
    if description.is_float:
        native = description.stored_dtype
        return raw.view(native.newbyteorder(">" if is_big_endian else "<")).astype(native)
    return unpack(
        raw,
        bits_allocated=description.bits_allocated,
        bits_stored=description.bits_stored,
        high_bit=description.high_bit,
        is_signed=description.is_signed,
        is_big_endian=is_big_endian,
    )


def _bits(description: PixelDescription) -> tuple[int, int, int, bool]:
    """Give what `bit_rule` asks for: how stored values lie in native words."""
    return description.bits_allocated, description.bits_stored, description.high_bit, description.is_signed


def _chroma_repeated(values: NDArray[Any], description: PixelDescription) -> DecodedFrame:
    """Spread Y1 Y2 Cb Cr over two pixels (PS3.3 C.7.6.3.1.2, YBR_FULL_422).

    By plane, which the standard does not allow for shared chroma but writers do, all Y come first, then Cb, then Cr.
    """
    if values.size % 4 or description.columns % 2:
        raise DecodeError(f"4:2:2 chroma takes an even number of columns, not {description.columns}")
    quads = values.reshape(-1, 4)
    if description.planar_configuration == 1:
        luma, blue, red = np.split(values, [values.size // 2, values.size // 4 * 3])
        quads = np.column_stack([luma.reshape(-1, 2), blue, red])
    out = np.empty((len(quads), 2, 3), values.dtype)
    out[:, :, 0] = quads[:, :2]
    out[:, :, 1:] = quads[:, None, 2:]
    return _shaped(out, description, "YBR_FULL")


def _from_codec(samples: NDArray[Any], description: PixelDescription, out: Room, photometric: str = "") -> DecodedFrame:
    """Make stored values of a codec's samples: the low Bits Stored bits, sign-extended if the pixels are
    signed; in `out` where they differ.
    """
    if samples.shape != description.frame_shape:
        raise DecodeError(f"the codestream decodes to shape {samples.shape}, not {description.frame_shape}")
    if description.bits_allocated == 1:
        if not 0 <= samples.min() <= samples.max() <= 1:
            raise DecodeError(
                f"the codestream holds values from {samples.min()} to {samples.max()}; one bit is allocated"
            )
        return _shaped((samples & 1).astype(np.uint8), description, photometric)
    words = np.ascontiguousarray(samples)
    if words.itemsize != description.bits_allocated // 8:
        words = words.astype(f"i{description.bits_allocated // 8}")
    values = unpack(
        words.reshape(-1).view(np.uint8),
        bits_allocated=description.bits_allocated,
        bits_stored=description.bits_stored,
        high_bit=description.bits_stored - 1,
        is_signed=description.is_signed,
        is_big_endian=False,
        room=None if out is None else out.reshape(-1),
    )
    if out is not None and description.bits_stored < description.bits_allocated:
        values = out
    return _shaped(values, description, photometric)


def _decode_jpeg(codestream: bytes, description: PixelDescription, out: Room) -> DecodedFrame:
    """Decode JPEG (T.81), sequential, progressive or lossless, with Huffman codes: no transfer syntax has others.

    The codestream says which process it is: baseline is found under the UIDs of lossless transfer syntaxes, and the
    other way round. YCbCr becomes RGB unless the process is lossless.
    """
    header = read_jpeg_header(codestream)
    _check_header(header, description)
    if header.process == _JPEG_LOSSLESS:
        return _from_codec(decode_jpeg_lossless(_ended(codestream)), description, out)
    is_ycc = header.samples > 1 and _is_ybr(header, description)
    shape = (header.rows, header.columns, header.samples)
    samples = decode_jpeg_dct(_ended(codestream), shape, is_ycc=is_ycc).samples
    if header.samples == 1:
        return _from_codec(_clipped(samples, description, header.precision), description, out)
    return _from_codec(samples, description, out, "RGB")


def _clipped(samples: NDArray[Any], description: PixelDescription, precision: int = 16) -> NDArray[Any]:
    """Bring what a lossy process gave beyond Bits Stored back to white, before unused bits are removed.

    Codestreams of 12 bits hold pixels of 10 or 11, and overshoot at edges: cut to 10 bits, 1024 would show black.
    """
    if description.is_signed or precision <= description.bits_stored:
        return samples
    white = min((1 << description.bits_stored) - 1, np.iinfo(samples.dtype).max)
    clipped: NDArray[Any] = np.minimum(samples, white)
    return clipped


def _is_ybr(header: CodestreamHeader, description: PixelDescription) -> bool:
    """Believe the Adobe flag; else the DICOM header, unless a JFIF header says YCbCr, or letters as names say RGB."""
    if header.adobe_transform is not None:
        return header.adobe_transform != 0
    if description.photometric_interpretation in _YBR:
        return not header.has_rgb_names
    return header.has_jfif


def _has_end(codestream: bytes) -> bool:
    """Whether there is an EOI or EOC, whatever zeros and few other bytes come after it."""
    return _EOI in codestream.rstrip(b"\0")[-_EOI_SEARCHED_BYTES:]


def _ended(codestream: bytes) -> bytes:
    """Give the codestream with an EOI or EOC where it has none: some writers forget it.

    It hides nothing: our kernels, and OpenJPEG, count what they decode, and name what is cut off.
    """
    return codestream if _has_end(codestream) else codestream + _EOI


def _decode_jpeg_ls(codestream: bytes, description: PixelDescription, out: Room) -> DecodedFrame:
    _check_header(read_jpeg_header(codestream), description)
    return _from_codec(decode_jpeg_ls(_ended(codestream)), description, out)


def _decode_jpeg_2000(codestream: bytes, description: PixelDescription, out: Room) -> DecodedFrame:
    """Decode JPEG 2000 (T.800) and HTJ2K (T.814) by our own kernels, code blocks in parallel."""
    bare = _checked_jpeg_2000(codestream, description)
    try:
        samples = decode_jpeg_2000(bare, run=_threads())
    except UnsupportedPixels:
        # Rare features are left to OpenJPEG: regions of interest, for one.
        return _decode_by_openjpeg(bare, description, out)
    return _from_codec(samples, description, out, _after_transform(description))


def _decode_part_of_jpeg_2000(
    codestream: bytes, description: PixelDescription, level: int, region: Region | None
) -> DecodedFrame:
    """Decode JPEG 2000 or HTJ2K at a lower resolution, or a region, and only the code blocks that takes."""
    bare = _checked_jpeg_2000(codestream, description)
    samples = decode_jpeg_2000(bare, level=level, region=region, run=_threads())
    part = dataclasses.replace(description, rows=samples.shape[0], columns=samples.shape[1])
    return _from_codec(samples, part, None, _after_transform(description))


def _threads() -> Run:
    """Give who works on the parts of one frame: all threads, or in a task of the pool that one, undivided.

    Each call of a kernel lets go of Python's lock and has to wait for it again: fewer calls, fewer waits.
    """
    return run_serially if is_worker() or thread_count() == 1 else run_all


def _checked_jpeg_2000(codestream: bytes, description: PixelDescription) -> bytes:
    """Give the codestream out of its JP2 boxes, its size and tile-parts checked."""
    bare = find_jpeg2000(codestream)
    _check_header(read_jpeg2000_header(bare), description)
    bare = _ended(bare)
    check_tile_parts(bare)
    return bare


def _decode_by_openjpeg(bare: bytes, description: PixelDescription, out: Room) -> DecodedFrame:
    """Decode what our kernels leave out. OpenJPH's binding would not do: it drops errors and returns memory never
    written.
    """
    samples = _guarded(lambda: imagecodecs.jpeg2k_decode(bare), "JPEG 2000")
    return _from_codec(samples, description, out, _after_transform(description))._replace(is_by_second=True)


def _decode_jpeg_xl(codestream: bytes, description: PixelDescription, out: Room) -> DecodedFrame:
    """Decode JPEG XL; what was coded as XYB, or recompressed from a JPEG in YCbCr, comes as RGB."""
    if description.is_float:
        raise UnsupportedPixels("float pixels are never coded as an image codestream")
    declared, expected = read_jpeg_xl_size(codestream), (description.rows, description.columns)
    if declared != expected:
        raise DecodeError(f"the codestream declares rows, columns {declared}; the DICOM header {expected}")
    samples = _guarded(lambda: decode_jpeg_xl(codestream), "JPEG XL")
    if samples.dtype.kind != "u" or 8 * samples.itemsize > max(description.bits_allocated, 8):
        raise DecodeError(f"the codestream decodes to {samples.dtype}; {description.bits_allocated} bits are allocated")
    is_ours = description.photometric_interpretation == "XYB" or description.photometric_interpretation in _YBR
    return _from_codec(_clipped(samples, description), description, out, "RGB" if is_ours else "")


def _after_transform(description: PixelDescription) -> str:
    """Give the photometric interpretation that an undone component transform makes, "" where there was none."""
    return "RGB" if description.photometric_interpretation in ("YBR_RCT", "YBR_ICT") else ""


def _decode_rle(codestream: bytes, description: PixelDescription, out: Room) -> DecodedFrame:
    """Decode RLE Lossless (PS3.5 annex G); one-bit pixels are one plane of eight a byte."""
    rows, columns, samples = description.rows, description.columns, description.samples_per_pixel
    if description.bits_allocated == 1:
        plane = decode_rle(codestream, 1, (rows * columns + 7) // 8, samples, 1)
        return _decode_uncompressed(plane.tobytes(), description, None)
    kind = description.stored_dtype
    rule = None if description.is_float else bit_rule(*_bits(description))
    room = None if out is None else out.view(f"u{kind.itemsize}")
    words = decode_rle(codestream, rows, columns, samples, kind.itemsize, room, rule=rule)
    return _shaped(words.view(kind) if out is None else out, description)


def _decode_deflated(codestream: bytes, description: PixelDescription, _out: Room) -> DecodedFrame:
    """Inflate a frame of Deflated Image Frame Compression (PS3.5 A.4.13)."""
    expected = (description.frame_bits + 7) // 8
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    raw = _guarded(lambda: stream.decompress(codestream, expected + 2), "deflate")
    if not expected <= len(raw) <= expected + 1:
        raise DecodeError(f"the frame inflates to {len(raw)} bytes, not {expected}")
    return decode_native_frame(raw, description)


def _decode_uncompressed(codestream: bytes, description: PixelDescription, _out: Room) -> DecodedFrame:
    try:
        return decode_native_frame(codestream, description)
    except Truncated as error:
        raise DecodeError(str(error)) from error


_JPEG = "1.2.840.10008.1.2.4."
_OURS = "Filmless"
_LIBJPEG_TURBO = "libjpeg-turbo (imagecodecs)"
_OPENJPEG = "OpenJPEG (imagecodecs)"
_LIBJXL = "libjxl (imagecodecs)"
CODECS: dict[str, Codec] = {
    "1.2.840.10008.1.2.1.98": Codec(_decode_uncompressed, _OURS, "NumPy"),
    "1.2.840.10008.1.2.5": Codec(_decode_rle, _OURS, "pylibjpeg-rle"),
    "1.2.840.10008.1.2.8.1": Codec(_decode_deflated, "zlib", "libdeflate (imagecodecs)"),
    _JPEG + "50": Codec(_decode_jpeg, _OURS, "libjpeg (pylibjpeg)"),
    _JPEG + "51": Codec(_decode_jpeg, _OURS, "libjpeg (pylibjpeg)"),
    _JPEG + "53": Codec(_decode_jpeg, _OURS, _LIBJPEG_TURBO),
    _JPEG + "55": Codec(_decode_jpeg, _OURS, _LIBJPEG_TURBO),
    _JPEG + "57": Codec(_decode_jpeg, _OURS, _LIBJPEG_TURBO),
    _JPEG + "70": Codec(_decode_jpeg, _OURS, _LIBJPEG_TURBO),
    _JPEG + "80": Codec(_decode_jpeg_ls, _OURS, "CharLS (imagecodecs)"),
    _JPEG + "81": Codec(_decode_jpeg_ls, _OURS, "CharLS (imagecodecs)"),
    _JPEG + "90": Codec(_decode_jpeg_2000, _OURS, _OPENJPEG),
    _JPEG + "91": Codec(_decode_jpeg_2000, _OURS, _OPENJPEG),
    _JPEG + "110": Codec(_decode_jpeg_xl, _LIBJXL, "the values encoded"),
    _JPEG + "111": Codec(_decode_jpeg_xl, _LIBJXL, "libjpeg-turbo, of the JPEG recompressed"),
    _JPEG + "112": Codec(_decode_jpeg_xl, _LIBJXL, "the values encoded"),
    _JPEG + "201": Codec(_decode_jpeg_2000, _OURS, _OPENJPEG),
    _JPEG + "202": Codec(_decode_jpeg_2000, _OURS, _OPENJPEG),
    _JPEG + "203": Codec(_decode_jpeg_2000, _OURS, _OPENJPEG),
}
"""Which decoder serves a transfer syntax."""
_SCALABLE = frozenset(_JPEG + syntax for syntax in ("90", "91", "201", "202", "203"))
_MOST_LEVELS = 32

DECODABLE = frozenset(CODECS) | frozenset(
    uid for uid, syntax in TRANSFER_SYNTAXES.items() if not syntax.is_encapsulated and not syntax.is_referenced
)
"""Transfer syntaxes whose pixels can be read here, native ones included."""
