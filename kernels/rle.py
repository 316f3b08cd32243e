"""RLE Lossless (PS3.5 annex G): PackBits segments, one a byte plane, to words and back.

A frame of n samples of b bytes has n × b segments: sample by sample, the most significant byte first. All
segments are unpacked side by side, a block at a time, into scratch that stays in the first cache, and each block is
woven into words as soon as it is complete, and into stored values where that is asked for: one call a frame, for each
call lets go of Python's lock and has to wait for it again.
"""

from __future__ import annotations

import struct
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DecodeError, InvalidArgument, UnsupportedPixels
from .arguments import check_array, prepare_out
from .jit import inlined, kernel
from .memory import WIDTH, copy_or_fill
from .stored_values import BitRule, bit_rule, settle

HEADER_BYTES = 64
MAXIMUM_SEGMENTS = 15

Bytes = NDArray[np.uint8]
Words = NDArray[Any]
Counts = NDArray[np.uint64]

_BLOCK = 4096
"""Pixels unpacked before they are woven: 3 planes of this size leave room in a first cache of 32 KiB."""
_LONGEST_RUN = 128
_MOST_PER_BYTE = 64
"""Two bytes give a run of 128 at most: what is too short for its plane is refused before anything is allocated."""
_ROOM = _BLOCK + _LONGEST_RUN
"""A run that starts before the block's end lies in here, and so does each wide store of it: 128 is 4 × `WIDTH`."""
_WORDS = frozenset(map(np.dtype, ("uint8", "uint16", "uint32", "uint64")))


@inlined
def _unpack(source: Bytes, start: int, end: int, plane: Bytes, filled: int, wanted: int) -> tuple[Any, Any]:
    """Unpack whole runs into `plane` until `wanted` bytes are there; give (next byte of source, bytes filled).

    Where the segment ends before that, fewer are filled. `wanted` is at most `_BLOCK`, so no write passes `_ROOM`:
    a run starts at `_BLOCK` - 1 at most, and stores cover 128 bytes from there. Wide loads read 128 bytes after the
    control byte at most, and are done only where so many are left of `source`.
    """
    position, stop, done, goal = np.uint64(start), np.uint64(end), np.uint64(filled), np.uint64(wanted)
    zero, one = np.uint64(0), np.uint64(1)
    size = np.uint64(source.size)
    origin, target = np.int64(source.ctypes.data), np.int64(plane.ctypes.data)
    while done < goal and position < stop:
        control = np.uint64(source[position])
        is_run = control > np.uint64(128)
        count = np.uint64(257) - control if is_run else control + one
        taken = one if is_run else count
        if control == np.uint64(128):
            count, taken = zero, zero
        following = position + one + taken
        if following > stop:
            break
        place, begin = target + np.int64(done), origin + np.int64(position + one)
        if position + np.uint64(_LONGEST_RUN) < size:
            copy_or_fill(place, begin, is_run)
            if count > np.uint64(WIDTH):
                for step in range(WIDTH, _LONGEST_RUN, WIDTH):
                    copy_or_fill(place + step, begin if is_run else begin + step, is_run)
        else:
            for index in range(count):
                plane[done + np.uint64(index)] = source[position + one + (zero if is_run else np.uint64(index))]
        done += count
        position = following
    return position, done


@inlined
def _weave(planes: Bytes, words: Words, first: int, count: int, samples: int) -> None:
    """Make words [first, first + count) × samples of the byte planes, the most significant first."""
    width = words.itemsize
    block = words[first * samples : (first + count) * samples]
    if width == 1 and samples == 1:
        only = planes[0]
        for x in range(np.uint64(count)):
            block[x] = only[x]
    elif width == 1 and samples == 3:
        red, green, blue = planes[0], planes[1], planes[2]
        for x in range(np.uint64(count)):
            at = np.uint64(3) * x
            block[at] = red[x]
            block[at + np.uint64(1)] = green[x]
            block[at + np.uint64(2)] = blue[x]
    elif width == 2 and samples == 1:
        high, low = planes[0], planes[1]
        for x in range(np.uint64(count)):
            block[x] = np.uint16(high[x]) << np.uint16(8) | np.uint16(low[x])
    else:
        for segment in range(planes.shape[0]):
            sample, byte, plane = np.uint64(segment // width), segment % width, planes[segment]
            for x in range(np.uint64(count)):
                at = x * np.uint64(samples) + sample
                above = np.uint64(block[at]) << np.uint64(8) if byte else np.uint64(0)
                block[at] = above | np.uint64(plane[x])


@kernel
def _decode(
    source: Bytes, bounds: Counts, words: Words, samples: int, is_whole: bool, shift: int, used: Words, sign: Words
) -> tuple[int, Any]:
    """Unpack and weave the segments at `bounds`; give (-1, 0), or the segment that is cut off and the byte where.

    Words are made stored values unless each `is_whole`.
    """
    pixels, segments = words.size // samples, bounds.shape[0]
    planes, filled = np.empty((segments, _ROOM), np.uint8), np.zeros(segments, np.uint64)
    for first in range(0, pixels, _BLOCK):
        count = min(_BLOCK, pixels - first)
        for segment in range(segments):
            start, end = bounds[segment, 0], bounds[segment, 1]
            position, done = _unpack(source, start, end, planes[segment], filled[segment], count)
            if done < np.uint64(count):
                return segment, np.int64(position)
            bounds[segment, 0], filled[segment] = position, done
        _weave(planes, words, first, count, samples)
        if not is_whole:
            settle(words[first * samples : (first + count) * samples], shift, used, sign)
        for segment in range(segments):
            left = filled[segment] - np.uint64(count)
            for x in range(left):
                planes[segment, x] = planes[segment, np.uint64(count) + x]
            filled[segment] = left
    return -1, 0


@inlined
def _pack_literal(row: Bytes, start: Any, end: Any, coded: Bytes, position: Any) -> Any:
    """Write bytes [start, end) of a row as literal runs; give the position after them."""
    while start < end:
        count = min(end - start, _LONGEST_RUN)
        coded[position] = count - 1
        for index in range(count):
            coded[position + 1 + index] = row[start + index]
        position += 1 + count
        start += count
    return position


@inlined
def _pack_row(row: Bytes, coded: Bytes, position: Any) -> Any:
    """Write one row of one plane; give the position after it.

    Two equal bytes are a run only where no literal run is open: within one they would save nothing.
    """
    size: Any = row.size
    literal = x = np.int64(0)
    while x < size:
        limit = min(size, x + _LONGEST_RUN)
        after = x + 1
        while after < limit and row[after] == row[x]:
            after += 1
        count = after - x
        if count >= 3 or (count == 2 and literal == x):
            position = _pack_literal(row, literal, x, coded, position)
            coded[position] = 257 - count
            coded[position + 1] = row[x]
            position += 2
            literal = after
        x = after
    return _pack_literal(row, literal, size, coded, position)


@kernel
def _encode(words: Words, samples: int, coded: Bytes) -> tuple[Counts, Any]:
    """Write all segments of (rows, columns × samples) words; give where each starts, and the end.

    A row of n bytes takes n + ceil(n / 128) at most: only literal runs of 128 make it longer. Each run of 2 or more
    follows a literal run whose control byte it pays for.
    """
    rows, columns, width = words.shape[0], words.shape[1] // samples, words.itemsize
    offsets, row = np.zeros(samples * width, np.uint64), np.empty(columns, np.uint8)
    # Typed, or the functions called would be compiled once more for a literal 0.
    position = np.int64(0)
    for segment in range(samples * width):
        sample, shift = segment // width, np.uint64(8 * (width - 1 - segment % width))
        offsets[segment] = position
        for y in range(rows):
            for x in range(columns):
                row[x] = np.uint64(words[y, x * samples + sample]) >> shift & np.uint64(0xFF)
            position = _pack_row(row, coded, position)
        if position % 2:
            coded[position] = 0
            position += 1
    return offsets, position


def decode_rle(
    codestream: bytes,
    rows: int,
    columns: int,
    samples: int,
    bytes_per_sample: int,
    out: Words | None = None,
    *,
    rule: BitRule | None = None,
) -> Words:
    """Decode one RLE frame to (rows, columns), or (rows, columns, samples) where samples > 1.

    Unsigned words of 1, 2, 4 or 8 bytes, native order, in `out` where given. Bytes after a complete plane are padding.
    With a `rule`, the words hold stored values, whose type a view gives them.
    Raises `DecodeError` for a header that does not fit, or a segment that ends before its plane is complete;
    `UnsupportedPixels` for more than 15 segments; `InvalidArgument` for impossible sizes.   Source: PS3.5 G.3 to G.5.
    """
    if rows < 0 or columns < 0 or samples < 1 or bytes_per_sample not in (1, 2, 4, 8):
        raise InvalidArgument(f"{rows} x {columns} pixels of {samples} samples of {bytes_per_sample} bytes")
    segments = read_rle_header(codestream, samples * bytes_per_sample)
    for number, (start, end) in enumerate(segments, 1):
        if (end - start) * _MOST_PER_BYTE < rows * columns:
            raise DecodeError(
                f"RLE segment {number} of {len(segments)} is cut off at byte {end}: too short for its plane"
            )
    shape = (rows, columns) if samples == 1 else (rows, columns, samples)
    frame = prepare_out(out, shape, f"u{bytes_per_sample}")
    rule = rule or bit_rule(8 * bytes_per_sample, 8 * bytes_per_sample, 8 * bytes_per_sample - 1, False)
    bounds = np.array(segments, np.uint64)
    source = np.frombuffer(memoryview(codestream).toreadonly(), np.uint8)
    segment, position = _decode(
        source, bounds, frame.reshape(-1), samples, rule.is_whole, rule.shift, rule.used, rule.sign
    )
    if segment >= 0:
        raise DecodeError(f"RLE segment {segment + 1} of {len(segments)} is cut off at byte {position}")
    return frame


def encode_rle(frame: Words) -> bytes:
    """Encode a frame (rows, columns) or (rows, columns, samples) of unsigned words as RLE, rows apart (PS3.5 G.3.1).

    Raises `InvalidArgument` for an array of another kind, an empty one, or one that takes more than 15 segments.
    """
    words = check_array("frame", frame, _WORDS)
    if words.ndim not in (2, 3) or not words.size:
        raise InvalidArgument(f"frame has shape {words.shape}: pass (rows, columns) or (rows, columns, samples)")
    samples = words.shape[2] if words.ndim == 3 else 1
    rows, columns, segments = words.shape[0], words.shape[1], samples * words.itemsize
    if segments > MAXIMUM_SEGMENTS:
        raise InvalidArgument(f"RLE has at most 15 segments; {samples} samples of {words.dtype} take {segments}")
    row_bytes = columns + -(-columns // _LONGEST_RUN)
    if segments * (rows * row_bytes + 1) >= 1 << 32:
        raise InvalidArgument(f"a frame of shape {words.shape} may take more bytes than RLE offsets can tell")
    coded = np.empty(segments * (rows * row_bytes + 1), np.uint8)
    offsets, end = _encode(words.reshape(rows, columns * samples), samples, coded)
    header = struct.pack("<16I", segments, *(offsets + HEADER_BYTES), *[0] * (MAXIMUM_SEGMENTS - segments))
    return header + coded[:end].tobytes()


def read_rle_header(codestream: bytes, segments: int) -> list[tuple[int, int]]:
    """Give start and end of each segment of an RLE frame (PS3.5 G.5).

    Raises `DecodeError` unless there are `segments` of them, in rising order within the codestream, and
    `UnsupportedPixels` for more than the header can hold.
    """
    if segments > MAXIMUM_SEGMENTS:
        raise UnsupportedPixels(f"RLE has at most 15 segments; these pixels would take {segments}")
    if len(codestream) < HEADER_BYTES:
        raise DecodeError(f"an RLE frame of {len(codestream)} bytes has no header")
    count, *offsets = struct.unpack_from("<16I", codestream)
    if count != segments:
        raise DecodeError(f"the RLE frame has {count} segments, not the {segments} that its samples take")
    places = list(pairwise([*offsets[:count], len(codestream)]))
    if places[0][0] < HEADER_BYTES or any(end <= start for start, end in places):
        raise DecodeError(f"the RLE offsets {offsets[:count]} do not rise within {len(codestream)} bytes")
    return places
