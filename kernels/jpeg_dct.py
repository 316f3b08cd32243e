"""JPEG Baseline and Extended sequential, Huffman coded, 8 and 12 bits: codestream in, samples out.

Exact to the last bit with libjpeg-turbo's accurate integer DCT, interpolation of chrominance and conversion to RGB.
Markers are read in `dct_markers`, scans decoded in `dct_huffman`, colour put together in `dct_colour`. Several scans,
restart markers, any tables and any sampling factors are read; progressive, arithmetic and hierarchical are refused.
Whatever the bytes, work and memory are bounded by them and by the declared size, which the caller gives.
Source: ITU-T T.81 (processes 1, 2 and 4).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import DecodeError, UnsupportedPixels
from . import dct_colour
from .dct_huffman import (
    BAD_CODE,
    BAD_RUN,
    CUT_OFF,
    DECODED,
    LEFT_OVER,
    LONG_CODE_WORDS,
    PADDED_COEFFICIENTS,
    PADDING_BYTES,
    TABLE_ENTRIES,
    ZIGZAG,
    build_table,
    decode_scan,
    unstuff,
)
from .dct_markers import (
    CodingState,
    Component,
    FrameHeader,
    HuffmanSpecification,
    ScanHeader,
    read_to_scan,
    start_of_image,
)
from .dct_pixels import PIXELS
from .dct_plain import Picture, ScanArguments, find_plan, keep_plan

Colour = Literal["MONO", "RGB", "YBR"]

_OUTCOMES = {
    BAD_CODE: "bits that are no Huffman code",
    BAD_RUN: "more coefficients than a block has",
    CUT_OFF: "the coded data ends before the block does",
    LEFT_OVER: "coded data is left over",
}


class DctImage(NamedTuple):
    """The samples of one codestream, and what they mean."""

    samples: NDArray[Any]
    """(rows, columns) or (rows, columns, 3), contiguous; uint8, or uint16 for 12 bits."""
    colour: Colour
    """YBR is YCbCr in full range, at full resolution."""


class _Planes:
    """All components' samples in one flat array, each padded to whole MCUs; then room for three rows."""

    def __init__(self, frame: FrameHeader) -> None:
        self.mcu_rows = -(-frame.rows // (8 * frame.most_down))
        self.mcu_columns = -(-frame.columns // (8 * frame.most_across))
        self.strides = [8 * self.mcu_columns * component.across for component in frame.components]
        sizes = [
            8 * self.mcu_rows * component.down * stride
            for component, stride in zip(frame.components, self.strides, strict=True)
        ]
        self.starts = [sum(sizes[:index]) for index in range(len(sizes))]
        spare = 3 * dct_colour.row_room(frame.columns) if len(sizes) == 3 else 0
        self.samples = np.empty(sum(sizes) + spare, np.uint8 if frame.precision == 8 else np.uint16)


def decode_jpeg_dct(
    codestream: bytes, shape: tuple[int, int, int], *, is_ycc: bool | None = None, to_rgb: bool = True
) -> DctImage:
    """Decode a codestream of the given shape: rows, columns, and 1 or 3 samples.

    `is_ycc` says whether three components are YCbCr, None that the codestream's own markers tell. They become RGB
    unless `to_rgb` is false. Bytes after EOI are not looked at. Raises `DecodeError` where the codestream is damaged,
    cut off or of another shape, with the marker or byte; `UnsupportedPixels` where it is of another process.
    """
    if (plan := find_plan(codestream, shape)) is not None:
        is_coloured = shape[2] == 3 and (plan.picture.is_ycc if is_ycc is None else is_ycc)
        pixels = plan.decode(codestream, is_coloured and to_rgb)
        if pixels is not None:
            return DctImage(pixels, _colour(shape[2], is_coloured, to_rgb))
    position = start_of_image(codestream)
    state = CodingState()
    source = np.frombuffer(codestream, np.uint8)
    planes: _Planes | None = None
    decoded: set[int] = set()
    while (scan := read_to_scan(codestream, position, state)) is not None:
        assert state.frame is not None
        if planes is None:
            _check_shape(state.frame, shape)
            planes = _Planes(state.frame)
            picture = _picture(state, planes)
        chosen = {index for index, _, _ in scan.components}
        if chosen & decoded:
            raise DecodeError(f"the scan at byte {scan.start} codes a component again")
        decoded |= chosen
        arguments = _scan_arguments(scan, state, planes)
        position = _decode_scan(source, scan, arguments, planes)
        if plan is None and len(chosen) == len(state.frame.components):
            keep_plan(codestream[: scan.start], arguments, picture)
    if planes is None or state.frame is None or len(decoded) < len(state.frame.components):
        raise DecodeError("the JPEG codestream ends without a scan for each component")
    return _finish(picture, planes.samples, picture.is_ycc if is_ycc is None else is_ycc, to_rgb)


def _check_shape(frame: FrameHeader, shape: tuple[int, int, int]) -> None:
    declared = (frame.rows, frame.columns, len(frame.components))
    if declared[2] not in (1, 3):
        raise UnsupportedPixels(f"the frame header declares {declared[2]} components: 1 or 3 are read")
    if declared != shape:
        raise DecodeError(f"the codestream declares rows, columns, samples {declared}; {shape} are expected")


def _decode_scan(source: NDArray[np.uint8], scan: ScanHeader, arguments: ScanArguments, planes: _Planes) -> int:
    """Decode one scan into the planes; give the offset of the marker after it."""
    mcus, interval, _ = arguments.grid
    coded = np.zeros(source.size - scan.start + PADDING_BYTES, np.uint8)
    ends = np.zeros(-(-mcus // interval), np.uint64)
    segments, position = unstuff(source, scan.start, coded, ends)
    if segments == 0:
        raise DecodeError(f"the scan at byte {scan.start} is cut off: no marker ends it")
    if segments != ends.size:
        raise DecodeError(
            f"the scan at byte {scan.start} has {ends.size} restart intervals: the marker at byte {position} "
            "is out of order"
        )
    grid, blocks, tables, long_codes, quantisers, white = arguments
    outcome, mcu = decode_scan(
        coded, ends, grid, blocks, tables, long_codes, ZIGZAG, quantisers, white, planes.samples
    )
    if outcome != DECODED:
        raise DecodeError(f"{_OUTCOMES[outcome]}, at MCU {mcu} of {mcus} of the scan at byte {scan.start}")
    return int(position)


def _scan_arguments(scan: ScanHeader, state: CodingState, planes: _Planes) -> ScanArguments:
    """Give what `decode_scan` asks for beside bits and samples."""
    frame = state.frame
    assert frame is not None
    mcu_rows, across = _mcu_grid(frame, scan, planes)
    mcus = mcu_rows * across
    tables, long_codes = _tables(
        tuple(state.huffman[key] for _, dc, ac in scan.components for key in ((0, dc), (1, ac)))
    )
    return ScanArguments(
        (mcus, state.restart_interval or mcus, across),
        _blocks(frame, scan, planes),
        tables,
        long_codes,
        _quantisers(frame, scan, state),
        (1 << frame.precision) - 1,
    )


def _mcu_grid(frame: FrameHeader, scan: ScanHeader, planes: _Planes) -> tuple[int, int]:
    """Give rows and columns of MCUs: of one component alone, its blocks that hold samples (T.81 A.2.2)."""
    if len(scan.components) > 1:
        return planes.mcu_rows, planes.mcu_columns
    rows, columns = frame.size_of(frame.components[scan.components[0][0]])
    return -(-rows // 8), -(-columns // 8)


def _blocks(frame: FrameHeader, scan: ScanHeader, planes: _Planes) -> NDArray[np.uint64]:
    """Give the table of an MCU's blocks that `decode_scan` asks for."""
    is_interleaved = len(scan.components) > 1
    blocks = []
    for place, (index, _, _) in enumerate(scan.components):
        component, stride = frame.components[index], planes.strides[index]
        across, down = (component.across, component.down) if is_interleaved else (1, 1)
        table, long_codes = 2 * place * TABLE_ENTRIES, 2 * place * LONG_CODE_WORDS
        blocks += [
            (
                place,
                table,
                table + TABLE_ENTRIES,
                long_codes,
                long_codes + LONG_CODE_WORDS,
                place * PADDED_COEFFICIENTS,
                planes.starts[index] + 8 * (row * stride + column),
                stride,
                8 * across,
                8 * down * stride,
            )
            for row in range(down)
            for column in range(across)
        ]
    return np.array(blocks, np.uint64)


def _quantisers(frame: FrameHeader, scan: ScanHeader, state: CodingState) -> NDArray[np.int32]:
    """Give the quantisation tables of the scan's components, one after the other."""
    quantisers = np.zeros((len(scan.components), PADDED_COEFFICIENTS), np.int32)
    for place, (index, _, _) in enumerate(scan.components):
        quantisers[place, :64] = state.quantisers[frame.components[index].quantiser]
    return quantisers.reshape(-1)


@lru_cache(maxsize=16)
def _tables(specifications: tuple[HuffmanSpecification, ...]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Give look-up tables and long codes, DC and AC in turn, one after the other.

    Kept, for the frames of an instance mostly share them: to build those of a colour image takes 15 µs.
    """
    tables = np.empty((len(specifications), TABLE_ENTRIES), np.int32)
    long_codes = np.zeros((len(specifications), LONG_CODE_WORDS), np.int32)
    for place, specification in enumerate(specifications):
        counts, symbols = (np.frombuffer(part, np.uint8) for part in (specification.counts, specification.symbols))
        build_table(counts, symbols, place % 2 == 0, tables[place], long_codes[place])
    for shared in (tables, long_codes):
        shared.flags.writeable = False
    return tables.reshape(-1), long_codes.reshape(-1)


def _picture(state: CodingState, planes: _Planes) -> Picture:
    """Tell how planes become pixels."""
    frame = state.frame
    assert frame is not None
    layout = [
        (start, stride, *frame.size_of(part), part.across, part.down, _spread(frame, part))
        for part, start, stride in zip(frame.components, planes.starts, planes.strides, strict=True)
    ]
    return Picture(
        (frame.rows, frame.columns, len(frame.components)),
        planes.samples.size,
        np.array(layout, np.uint64),
        (frame.most_across, frame.most_down),
        planes.samples.dtype,
        len(frame.components) == 3 and state.is_ycc,
    )


def _finish(picture: Picture, samples: NDArray[Any], is_ycc: bool, to_rgb: bool) -> DctImage:
    """Cut the planes to the picture, and put three of them together."""
    rows, columns, components = picture.shape
    if components == 1:
        plane = samples.reshape(-1, int(picture.layout[0, 1]))
        return DctImage(np.ascontiguousarray(plane[:rows, :columns]), "MONO")
    size = rows * columns * 3
    out = np.empty(size + 3 * int(PIXELS), picture.dtype)
    dct_colour.merge_components(samples, picture.layout, picture.most, is_ycc and to_rgb, (rows, columns), out)
    return DctImage(out[:size].reshape(rows, columns, 3), _colour(components, is_ycc, to_rgb))


def _colour(components: int, is_ycc: bool, to_rgb: bool) -> Colour:
    return "MONO" if components == 1 else "RGB" if to_rgb or not is_ycc else "YBR"


def _spread(frame: FrameHeader, component: Component) -> int:
    """Tell how a component comes to full resolution; two columns are too few to interpolate between."""
    halves = (2 * component.across == frame.most_across, 2 * component.down == frame.most_down)
    whole = (component.across == frame.most_across, component.down == frame.most_down)
    is_wide = frame.size_of(component)[1] > 2
    if whole == (True, True):
        return dct_colour.WHOLE
    if halves[0] and whole[1] and is_wide:
        return dct_colour.ACROSS
    if whole[0] and halves[1]:
        return dct_colour.DOWN
    if halves[0] and halves[1] and is_wide:
        return dct_colour.BOTH
    return dct_colour.REPEAT
