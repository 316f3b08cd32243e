"""Single frames of a video: MPEG-2, H.264 and H.265, whose one stream holds all frames (PS3.5 A.4.5 and following).

FFmpeg decodes, by PyAV, which is an optional dependency: `pip install filmless[video]`. What the stream says of its
size is compared with the DICOM header before a frame is decoded, and FFmpeg is told the most pixels it may allocate.
"""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DecodeError, FilmlessError, OutOfRange, UnsupportedPixels
from .decode import DecodedFrame
from .instance import PixelDescription
from .transfer_syntax import TRANSFER_SYNTAXES, name_of

_CODEC_WORDS = {"MPEG2": "mpeg2video", "H.264": "h264", "H.265": "hevc"}
_BARE_FORMATS = {"mpeg2video": "mpegvideo", "h264": "h264", "hevc": "hevc"}
_TRANSPORT_PACKET_BYTES = 188
_MARGIN = 128


def decode_video_frame(
    stream: bytes, description: PixelDescription, transfer_syntax_uid: str, index: int
) -> DecodedFrame:
    """Decode frame `index` (from 0) of a video, its fragments joined, as RGB, or as grey where samples are single.

    All frames before it are decoded too. Raises `UnsupportedPixels` where PyAV is not installed or the transfer syntax
    is none of a video, `OutOfRange` for an index beyond Number of Frames, `DecodeError` for a stream that is damaged,
    or has another size or number of frames than the description.
    """
    codec = _codec_of(transfer_syntax_uid)
    if not 0 <= index < description.frames:
        raise OutOfRange(f"frame {index}: the video has {description.frames}, counted from 0")
    try:
        import av  # noqa: PLC0415 an optional dependency
    except ImportError:
        raise UnsupportedPixels(
            f"{name_of(transfer_syntax_uid)} is decoded by PyAV: install it, pip install 'filmless[video]'"
        ) from None
    try:
        _check_count(av, stream, codec, description)
        for number, frame in enumerate(_frames(av, stream, codec, description)):
            if number == index:
                return DecodedFrame(_samples(frame, description), _photometric(description))
    except FilmlessError:
        raise
    except (Exception, MemoryError) as error:
        # FFmpegError for what FFmpeg finds; IndexError, AttributeError and others where PyAV trusts what it is given.
        raise DecodeError(f"{name_of(transfer_syntax_uid)}: {error or type(error).__name__}") from error
    raise DecodeError(f"the video ends before frame {index} of {description.frames}")


def _codec_of(transfer_syntax_uid: str) -> str:
    syntax = TRANSFER_SYNTAXES.get(transfer_syntax_uid)
    if syntax is None or not syntax.is_video:
        raise UnsupportedPixels(f"no video in transfer syntax {name_of(transfer_syntax_uid)}")
    return next(codec for word, codec in _CODEC_WORDS.items() if word in syntax.name)


def _check_count(av: Any, stream: bytes, codec: str, description: PixelDescription) -> None:
    """Raise `DecodeError` unless there are Number of Frames: packets, or else (fields) what these decode to."""
    with _opened(av, stream, codec) as container:
        packets = sum(1 for packet in container.demux(video=0) if packet.size)
    if packets == description.frames:
        return
    frames = sum(1 for _ in _frames(av, stream, codec, description))
    if frames != description.frames:
        raise DecodeError(f"the video holds {frames} frames; Number of Frames is {description.frames}")


def _opened(av: Any, stream: bytes, codec: str) -> Any:
    """Open the stream in the container that it shows by its first bytes; FFmpeg shall not try all it knows."""
    if stream[4:8] == b"ftyp":
        container_format = "mp4"
    elif stream[:4] == b"\x00\x00\x01\xba":
        container_format = "mpeg"
    elif stream[:1] == b"\x47" and stream[_TRANSPORT_PACKET_BYTES : _TRANSPORT_PACKET_BYTES + 1] in (b"\x47", b""):
        container_format = "mpegts"
    else:
        container_format = _BARE_FORMATS[codec]
    return av.open(BytesIO(stream), format=container_format)


def _frames(av: Any, stream: bytes, codec: str, description: PixelDescription) -> Iterator[Any]:
    """Give the frames in the order in which they are shown, each of the size that the description says."""
    with _opened(av, stream, codec) as container:
        if not container.streams.video:
            raise DecodeError("the stream holds no video")
        context = container.streams.video[0].codec_context
        if context.name != codec:
            raise DecodeError(f"the stream holds {context.name}, not {codec}")
        _check_size(context, description)
        context.thread_type = "NONE"
        context.options = {"err_detect": "explode", "max_pixels": str(_most_pixels(description))}
        for frame in container.decode(video=0):
            _check_size(frame, description)
            yield frame


def _most_pixels(description: PixelDescription) -> int:
    """Give what FFmpeg may allocate a frame: whole macroblocks, and a margin about them."""
    return (description.rows + _MARGIN) * (description.columns + _MARGIN)


def _check_size(shown: Any, description: PixelDescription) -> None:
    if (shown.height, shown.width) != (description.rows, description.columns):
        raise DecodeError(
            f"the video has {shown.height} x {shown.width} pixels;"
            f" the DICOM header declares {description.rows} x {description.columns}"
        )


def _samples(frame: Any, description: PixelDescription) -> NDArray[Any]:
    """Give a frame's samples, (rows, columns) or (rows, columns, 3), of Bits Stored in full range."""
    is_deep, is_gray = description.bits_stored > 8, description.samples_per_pixel == 1
    kind = ("gray16le" if is_deep else "gray") if is_gray else ("rgb48le" if is_deep else "rgb24")
    samples = frame.to_ndarray(format=kind)
    if is_deep:
        samples = samples >> (16 - description.bits_stored)
    if samples.shape != description.frame_shape or description.is_signed or description.is_float:
        raise DecodeError(f"the video decodes to {samples.shape}, not {description.frame_shape} of unsigned integers")
    return np.ascontiguousarray(samples.astype(description.stored_dtype, copy=False))


def _photometric(description: PixelDescription) -> str:
    return description.photometric_interpretation if description.samples_per_pixel == 1 else "RGB"
