"""From a JPEG-LS codestream to an array."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DecodeError
from .bits import PADDING, Bytes, unstuff
from .codestream import BY_SAMPLE, Codestream, Frame, Scan
from .decoding import BAD_ERROR, BAD_RUN, OK, POSITION, decode_lines
from .parameters import gradient_classes
from .pixels import decode_pixels

_END_GUARD = 16
"""Bytes FF behind the codestream, which end a scan that is cut off."""
_PIXELS_A_BIT = 1 << 15
"""The most pixels that a bit of a run stands for (T.87 A.7.1.2)."""


def decode_jpeg_ls(codestream: bytes) -> NDArray[Any]:
    """Decode a JPEG-LS codestream, lossless or near-lossless (ISO 14495-1, ITU-T T.87).

    Gives (rows, columns), or (rows, columns, components) for several, uint8 up to 8 bits a sample and else uint16.
    Samples are as coded: no sign, no colour transform. The array is as large as the frame header says: compare that
    with what is expected first; only codestreams too short for any such image are refused before it is allocated.
    Time is linear in the bytes that come in and go out.

    Raises `DecodeError` where the codestream is damaged or cut off, also if only EOI is missing, naming the marker
    or byte; `UnsupportedPixels` for mapping tables, oversize images, subsampled components and point transforms.
    """
    stream = Codestream(codestream)
    scan = stream.next_scan()
    frame = stream.frame
    _check_length(frame, codestream)
    source = np.full(len(codestream) + _END_GUARD, 0xFF, np.uint8)
    source[: len(codestream)] = np.frombuffer(codestream, np.uint8)
    bits = np.empty(len(codestream) + PADDING, np.uint8)
    image = np.empty(
        (frame.rows, frame.columns, len(frame.components)), np.uint8 if frame.precision <= 8 else np.uint16
    )
    missing = set(range(len(frame.components)))
    while scan is not None:
        if not missing.issuperset(scan.components):
            raise DecodeError(f"the JPEG-LS scan before byte {scan.start} codes components a second time")
        missing.difference_update(scan.components)
        scan = stream.next_scan(_decode_scan(stream, scan, source, bits, image))
    if missing:
        raise DecodeError(f"the JPEG-LS codestream has no scan for {len(missing)} of its components")
    return image if len(frame.components) > 1 else image[:, :, 0]


def _check_length(frame: Frame, codestream: bytes) -> None:
    """Refuse sizes that not even the flattest image of so few bytes has: nothing is allocated for them."""
    bits_a_row = -(-frame.columns // _PIXELS_A_BIT)
    if frame.rows * bits_a_row > 8 * len(codestream):
        raise DecodeError(
            f"the JPEG-LS frame header declares {frame.rows} x {frame.columns} pixels:"
            f" more than {len(codestream)} bytes can hold"
        )


def _decode_scan(stream: Codestream, scan: Scan, source: Bytes, bits: Bytes, image: NDArray[Any]) -> int:
    """Decode one scan into its components of `image`; give the byte at which its end marker is."""
    rows, columns, _ = image.shape
    interval = scan.restart_rows or rows
    position, number = scan.start, 0
    first_contexts = scan.coding.contexts()
    lines = np.empty((len(scan.components), 2, columns + 2), np.uint16)
    for first in range(0, rows, interval):
        if first:
            position = stream.restart(position, number)
            number += 1
        lines.fill(0)
        end, bit_count = unstuff(source, position, bits)
        state = np.zeros(1 + len(scan.components), np.int64)
        wanted = (first, min(first + interval, rows))
        status, row = _decode_rows(scan, bits, lines, first_contexts.copy(), state, wanted, image)
        _check_status(status, row, int(state[POSITION]), bit_count, position)
        _check_rest(bits, int(state[POSITION]), bit_count, end)
        position = end
    return position


def _decode_rows(
    scan: Scan,
    bits: Bytes,
    lines: NDArray[np.uint16],
    contexts: NDArray[np.int32],
    state: NDArray[np.int64],
    rows: tuple[int, int],
    image: NDArray[Any],
) -> tuple[int, int]:
    coding = scan.coding
    decode = decode_pixels if scan.interleave == BY_SAMPLE else decode_lines
    return decode(
        bits,
        lines,
        contexts,
        gradient_classes(coding),
        coding.numbers(),
        None if coding.is_modular else 2 * coding.near + 1,
        state,
        rows,
        image.reshape(-1).view(np.uint8),
        image.itemsize,
        image.shape[2],
        scan.components[0],
    )


def _check_status(status: int, row: int, position: int, bit_count: int, start: int) -> None:
    if position > bit_count or (status != OK and bit_count - position < 64):
        raise DecodeError(f"the JPEG-LS scan at byte {start} is cut off: it ends in row {row}")
    if status != OK:
        what = {BAD_RUN: "a run beyond its end", BAD_ERROR: "an impossible error"}.get(status, "an impossible code")
        raise DecodeError(f"JPEG-LS: {what} in row {row}, about byte {start + position // 8}")


def _check_rest(bits: Bytes, position: int, bit_count: int, end: int) -> None:
    """Only zeros may fill the last byte of a scan; some writers add whole bytes of them."""
    whole, used = divmod(position, 8)
    rest = bits[whole : (bit_count + 7) // 8]
    if rest.size and (rest[0] & (0xFF >> used) or rest[1:].any()):
        raise DecodeError(f"JPEG-LS: bits are left before the marker at byte {end}")
