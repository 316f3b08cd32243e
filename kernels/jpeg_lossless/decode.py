"""Lossless JPEG codestreams (T.81 process 14) to arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DecodeError
from ..arguments import prepare_out
from .bits import BAD_CODE, LONGEST_PAIR_BITS, PADDING_BYTES, SAMPLE_BYTES
from .first_order import decode_first_order
from .huffman import HuffmanTable
from .markers import Frame, Scan, Segments
from .scan import decode_scan
from .unstuff import CUT_OFF, OUT_OF_ORDER, unstuff


def decode_jpeg_lossless(codestream: bytes, out: NDArray[Any] | None = None) -> NDArray[Any]:
    """Decode to samples (rows, columns), or (rows, columns, components) where there are several.

    uint8 up to 8 bits of precision, else uint16; in `out` where given. Predictors 1 to 7, point transform, restarts,
    and scans of one or all components are decoded; samples are as coded, without any colour transform.
    Raises `DecodeError` for a codestream that is damaged or cut off, `UnsupportedPixels` for other processes,
    subsampling and DNL, `InvalidArgument` for an `out` that does not fit.   Source: T.81 annexes B, C, F.2.2, H.
    """
    segments = Segments(codestream)
    frame: NDArray[Any] | None = None
    todo: set[int] = set()
    for header, scan in segments.scans():
        if frame is None:
            frame = _room(header, codestream, out)
            todo = set(range(len(header.components)))
        if not todo.issuperset(scan.channels):
            raise DecodeError(f"the JPEG scan at byte {scan.start} codes a component again")
        todo.difference_update(scan.channels)
        segments.position = _decode(codestream, header, scan, frame)
    if frame is None or todo:
        raise DecodeError(f"the JPEG codestream ends at byte {segments.position} without scans of all components")
    return frame[:, :, 0] if frame.shape[2] == 1 else frame


def _room(header: Frame, codestream: bytes, out: NDArray[Any] | None) -> NDArray[Any]:
    """Give the array to fill, (rows, columns, components); refused where the codestream is too short for it."""
    count = len(header.components)
    samples = header.rows * header.columns * count
    if samples > 8 * len(codestream):
        raise DecodeError(f"{len(codestream)} bytes are too few for {samples} JPEG samples of a bit or more each")
    shape = (header.rows, header.columns, count)
    room = prepare_out(out, shape[:2] if count == 1 else shape, np.uint8 if header.precision <= 8 else np.uint16)
    return room.reshape(shape)


def _decode(codestream: bytes, header: Frame, scan: Scan, frame: NDArray[Any]) -> int:
    """Decode one scan; give the offset of the marker after it."""
    where = f"the JPEG scan that starts at byte {scan.start}"
    data, ends, following = _unstuffed(codestream, header, scan, where)
    lookup, limits, entries, is_long = _joined(scan.tables)
    coded = (data, ends, lookup, limits, entries, is_long)
    origin = 1 << (header.precision - scan.point_transform - 1)
    if frame.shape[2] == 1 and scan.predictor == 1:
        status, row = decode_first_order(*coded, scan.point_transform, origin, scan.restart_rows, frame[:, :, 0])
    else:
        prediction = (scan.predictor, scan.point_transform, origin, scan.restart_rows)
        status, row = decode_scan(*coded, *prediction, np.array(scan.channels, np.int64), frame)
    if status == BAD_CODE:
        raise DecodeError(f"{where} has bits in row {row} that are no Huffman code")
    if status:
        raise DecodeError(f"{where} is cut off in row {row}, before byte {following}")
    return following


def _unstuffed(codestream: bytes, header: Frame, scan: Scan, where: str) -> tuple[NDArray[Any], NDArray[Any], int]:
    """Give the scan's bytes, padded for the kernels, the end of each restart interval, and where its marker is."""
    ends = np.zeros(-(-header.rows // scan.restart_rows), np.int64)
    overrun = SAMPLE_BYTES * header.columns * len(scan.channels) + PADDING_BYTES
    source = np.frombuffer(memoryview(codestream).toreadonly(), np.uint8)
    data = np.empty(len(codestream) - scan.start + overrun, np.uint8)
    found, following, status = unstuff(source, scan.start, data, ends)
    if status == CUT_OFF:
        raise DecodeError(f"{where} is cut off: no marker before byte {len(codestream)}")
    if status == OUT_OF_ORDER or found < len(ends):
        marker = f"FF{source[following + 1]:02X} at byte {following}"
        raise DecodeError(f"{where} has interval {found} of {len(ends)} end at marker {marker}")
    data[ends[-1] : ends[-1] + overrun] = 0
    return data, ends, int(following)


def _joined(tables: tuple[HuffmanTable, ...]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], bool]:
    """Give look-ups, limits and entries of all tables behind each other, or of the one they all are."""
    first = tables[0]
    is_long = any(table.longest_bits > LONGEST_PAIR_BITS for table in tables)
    if all(table is first for table in tables):
        return first.lookup, first.limits, first.entries, is_long
    lookup = np.concatenate([table.lookup for table in tables])
    limits = np.concatenate([table.limits for table in tables])
    return lookup, limits, np.concatenate([table.entries for table in tables]), is_long
