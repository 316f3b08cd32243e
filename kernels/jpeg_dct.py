"""JPEG Baseline, Extended sequential and progressive, Huffman coded, 8 and 12 bits: codestream in, samples out.

Exact to the last bit with libjpeg-turbo's accurate integer DCT, interpolation of chrominance and conversion to RGB.
Markers are read in `dct_markers`, scans decoded in `dct_sequential` and `dct_progressive`, colour put together in
`dct_colour`. Several scans, restart markers, any tables and any sampling factors are read; arithmetic coding and
hierarchies are refused.
Whatever the bytes, work and memory are bounded by them and by the declared size, which the caller gives.
Source: ITU-T T.81 (processes 1, 2, 4, 6, 8, 10 and 12).
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import DecodeError, UnsupportedPixels
from . import dct_colour
from .dct_markers import CodingState, Component, FrameHeader, read_to_scan, start_of_image
from .dct_pixels import PIXELS
from .dct_planes import Planes
from .dct_progressive import ProgressiveScans
from .dct_scan import Bits
from .dct_sequential import SequentialScans

Colour = Literal["MONO", "RGB", "YBR"]


class DctImage(NamedTuple):
    """The samples of one codestream, and what they mean."""

    samples: NDArray[Any]
    """(rows, columns) or (rows, columns, 3), contiguous; uint8, or uint16 for 12 bits."""
    colour: Colour
    """YBR is YCbCr in full range, at full resolution."""


def decode_jpeg_dct(
    codestream: bytes, shape: tuple[int, int, int], *, is_ycc: bool | None = None, to_rgb: bool = True
) -> DctImage:
    """Decode a codestream of the given shape: rows, columns, and 1 or 3 samples.

    `is_ycc` says whether three components are YCbCr, None that the codestream's own markers tell. They become RGB
    unless `to_rgb` is false. Bytes after EOI are not looked at. Raises `DecodeError` where the codestream is damaged,
    cut off or of another shape, with the marker or byte; `UnsupportedPixels` where it is of another process.
    """
    position = start_of_image(codestream)
    state = CodingState()
    bits = Bits(codestream)
    scans: SequentialScans | ProgressiveScans | None = None
    while (scan := read_to_scan(codestream, position, state)) is not None:
        assert state.frame is not None
        if scans is None:
            _check_shape(state.frame, shape)
            scans = (ProgressiveScans if state.frame.is_progressive else SequentialScans)(state.frame)
        position = scans.decode(bits, scan, state)
    if scans is None:
        raise DecodeError("the JPEG codestream ends without a scan for each component")
    return _finish(state, scans.finish(), state.is_ycc if is_ycc is None else is_ycc, to_rgb)


def _check_shape(frame: FrameHeader, shape: tuple[int, int, int]) -> None:
    declared = (frame.rows, frame.columns, len(frame.components))
    if declared[2] not in (1, 3):
        raise UnsupportedPixels(f"the frame header declares {declared[2]} components: 1 or 3 are read")
    if declared != shape:
        raise DecodeError(f"the codestream declares rows, columns, samples {declared}; {shape} are expected")


def _finish(state: CodingState, planes: Planes, is_ycc: bool, to_rgb: bool) -> DctImage:
    """Cut the planes to the picture, and put three of them together."""
    frame = state.frame
    assert frame is not None
    if len(frame.components) == 1:
        plane = planes.samples.reshape(-1, planes.strides[0])
        return DctImage(np.ascontiguousarray(plane[: frame.rows, : frame.columns]), "MONO")
    layout = [
        (start, stride, *frame.size_of(part), part.across, part.down, _spread(frame, part))
        for part, start, stride in zip(frame.components, planes.starts, planes.strides, strict=True)
    ]
    size = frame.rows * frame.columns * 3
    out = np.empty(size + 3 * int(PIXELS), planes.samples.dtype)
    dct_colour.merge_components(
        planes.samples,
        np.array(layout, np.uint64),
        (frame.most_across, frame.most_down),
        is_ycc and to_rgb,
        (frame.rows, frame.columns),
        out,
    )
    pixels = out[:size].reshape(frame.rows, frame.columns, 3)
    return DctImage(pixels, "RGB" if to_rgb or not is_ycc else "YBR")


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
