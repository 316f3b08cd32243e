"""Single frames of a video: MPEG-2, H.264 and H.265, whose one stream holds all frames (PS3.5 A.4.5 and following).

FFmpeg decodes, by PyAV, which is an optional dependency: `pip install filmless[video]`. What the stream says of its
size is compared with the DICOM header before a frame is decoded, and FFmpeg is told the most pixels it may allocate.

FFmpeg makes up what is missing of a stream. So a stream is first proven whole: all of its frames are decoded, none of
them made up, and what follows the last packet must not matter. A decoder that reads on where a packet was cut off
gives different pictures when different bytes follow.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from hashlib import sha256
from io import BytesIO
from itertools import dropwhile
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import DecodeError, FilmlessError, OutOfRange, UnsupportedPixels
from .decode import DecodedFrame
from .instance import PixelDescription
from .transfer_syntax import TRANSFER_SYNTAXES, name_of
from .video_container import BARE, container_of

_CODEC_WORDS = {"MPEG2": "mpeg2video", "H.264": "h264", "H.265": "hevc"}
_BARE_FORMATS = {"mpeg2video": "mpegvideo", "h264": "h264", "hevc": "hevc"}
_MARGIN = 128
_ENDINGS = (b"\x55" * 64, b"\xb3\x6d" * 32)
"""Two that could follow a packet: in neither is a start code, and no bits are the same for long."""
_STREAMS_REMEMBERED = 64


class _Video(NamedTuple):
    """A stream, and what it must hold."""

    stream: bytes
    codec: str
    container: str
    description: PixelDescription


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
        return _decode(av, _Video(stream, codec, container_of(stream), description), index)
    except FilmlessError:
        raise
    except (Exception, MemoryError) as error:
        # FFmpegError for what FFmpeg finds; IndexError, AttributeError and others where PyAV trusts what it is given.
        raise DecodeError(f"{name_of(transfer_syntax_uid)}: {error or type(error).__name__}") from error


def _decode(av: Any, video: _Video, index: int) -> DecodedFrame:
    """Decode up to frame `index`, and on to the end unless the stream was proven whole before."""
    proven = _proven(sha256(video.stream).digest(), video.codec, video.description)
    found, count = None, 0
    for frame in _frames(av, video):
        if count == index:
            found = DecodedFrame(_samples(frame, video.description), _photometric(video.description))
            if proven:
                return found
        count += 1
    if found is None or count != video.description.frames:
        raise DecodeError(f"the video holds {count} frames; Number of Frames is {video.description.frames}")
    _check_end(av, video)
    proven.append(True)
    return found


@lru_cache(maxsize=_STREAMS_REMEMBERED)
def _proven(_digest: bytes, _codec: str, _description: PixelDescription) -> list[bool]:
    """Give a list that is empty until a stream has been proven whole; kept, for its frames are asked for in turn."""
    return []


def _codec_of(transfer_syntax_uid: str) -> str:
    syntax = TRANSFER_SYNTAXES.get(transfer_syntax_uid)
    if syntax is None or not syntax.is_video:
        raise UnsupportedPixels(f"no video in transfer syntax {name_of(transfer_syntax_uid)}")
    return next(codec for word, codec in _CODEC_WORDS.items() if word in syntax.name)


def _check_end(av: Any, video: _Video) -> None:
    """Raise `DecodeError` where what follows the last packet changes its pictures.

    MP4 says how long each of its packets is, and was checked by that.
    """
    if video.container == "mp4":
        return
    packets, key = list[bytes](), 0
    with _opened(av, video) as container:
        for packet in container.demux(video=0):
            if packet.size:
                key = len(packets) if packet.is_keyframe else key
                packets.append(bytes(packet))
    if len({_pictures_of(av, video, [*packets[key:-1], packets[-1] + ending]) for ending in _ENDINGS}) > 1:
        raise DecodeError(f"the video is cut off: its last picture does not end within {len(video.stream)} bytes")


def _pictures_of(av: Any, video: _Video, packets: list[bytes]) -> bytes:
    """Give a hash of the pictures of packets that begin with a key frame; those shown before it lack what they need."""
    context = av.CodecContext.create(video.codec, "r")
    _prepare(context, video, "0")
    digest, frames = sha256(), []
    for packet in (*packets, None):
        try:
            frames += context.decode(None if packet is None else av.Packet(packet))
        except av.FFmpegError:
            digest.update(b"damaged")  # what comes after the last picture is, on purpose
    for frame in dropwhile(lambda frame: not frame.key_frame, frames):
        digest.update(_samples(frame, video.description).tobytes())
    return digest.digest()


def _opened(av: Any, video: _Video) -> Any:
    """Open the stream in the container that it shows; FFmpeg shall not try all it knows."""
    container = _BARE_FORMATS[video.codec] if video.container == BARE else video.container
    return av.open(BytesIO(video.stream), format=container)


def _frames(av: Any, video: _Video) -> Iterator[Any]:
    """Give the frames in the order in which they are shown, each whole and of the size that the description says."""
    with _opened(av, video) as container:
        if not container.streams.video:
            raise DecodeError("the stream holds no video")
        context = container.streams.video[0].codec_context
        if context.name != video.codec:
            raise DecodeError(f"the stream holds {context.name}, not {video.codec}")
        _check_size(context, video.description)
        _prepare(context, video, "explode")
        for packet in container.demux(video=0):
            if packet.size and packet.is_corrupt:
                raise DecodeError(f"the packet at byte {packet.pos} of the video is cut off")
            for frame in packet.decode():
                _check_size(frame, video.description)
                if frame.is_corrupt:
                    raise DecodeError("parts of a picture of the video are missing: the stream is damaged or cut off")
                yield frame


def _prepare(context: Any, video: _Video, error_detection: str) -> None:
    """Tell FFmpeg to work alone, to stop at errors or not, and the most pixels it may allocate."""
    context.thread_type = "NONE"
    context.options = {"err_detect": error_detection, "max_pixels": str(_most_pixels(video.description))}


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
