"""Show one frame whole: pipeline, shutter, overlays, and what a presentation state adds, in the standard's order."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray

from ...errors import InvalidArgument
from ..render.color_profile import read_profile, to_srgb
from ..render.frame import render_frame
from ..render.picture import Image
from ..render.window import Window, WindowChoice
from .area import Screen
from .graphics import draw_layer
from .overlays import Overlay, overlay_groups, read_overlays
from .shutters import Shutter, read_shutter
from .softcopy import Softcopy
from .state import Layer, PresentationState
from .suv import suv_factor

Pixels = NDArray[Any]
Coverage = NDArray[np.uint8]


@dataclass(frozen=True)
class Look:
    """What a caller wants to see of a frame."""

    window: WindowChoice = None
    bits: int = 8
    """Of grey: 8 or 16."""
    overlays: bool = True
    shutters: bool = True
    srgb: bool = False
    """Whether colours that an ICC profile defines are made those of an sRGB display."""
    suv: bool = False
    """Whether PET is meant as SUV by body weight."""
    state: PresentationState | None = None
    size: tuple[int, int] | None = None
    """(columns, rows), where a state is applied: its displayed area is laid into it."""
    screen_mm: float | None = None
    """Of the screen's pixels, for states that ask for TRUE SIZE."""


@dataclass(frozen=True, eq=False)
class Frame:
    """A frame, and where what is known of it can be had."""

    stored: Pixels
    photometric_interpretation: str
    """Of the decoded samples."""
    softcopy: Softcopy
    header: Callable[[], pydicom.Dataset]
    is_plain: bool
    """Whether the header need not be read, since `softcopy` is all that it says of the display."""
    number: int
    """Within the instance, from 0."""
    instance: str
    native_pixels: Callable[[], bytes | None]
    """The frame's bytes, if it is not compressed."""
    spacing_mm: tuple[float, float]
    """Between rows, between columns."""

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return self.stored.shape[0], self.stored.shape[1]


def show(frame: Frame, look: Look) -> Image:
    """Make the picture of a frame.

    Raises `InvalidArgument` for a look that it cannot have, `NotQuantitative` for SUV that the header does not allow,
    and `UnsupportedPixels` for tables, overlays, shutters or graphics that are malformed.
    """
    state = look.state
    if state is not None:
        state.check(frame.instance, frame.number)
        if state.kind != "color" and not frame.photometric_interpretation.startswith("MONOCHROME"):
            raise InvalidArgument(f"presentation state {state.uid} is of grey images, and these frames are in colour")
    picture = render_frame(
        frame.stored,
        _softcopy(frame, look),
        photometric_interpretation=frame.photometric_interpretation,
        window=look.window,
        bits=look.bits,
    )
    if frame.is_plain and state is None and not look.srgb:
        return picture
    profile = read_profile(frame.header() if state is None or state.kind == "grayscale" else state.data_set)
    profile = profile if picture.pixels.ndim == 3 else None
    pixels = picture.pixels
    if look.srgb and profile is not None:
        pixels, profile = to_srgb(pixels, profile), None
    return Image(_dressed(pixels, frame, look), profile)


def _softcopy(frame: Frame, look: Look) -> Softcopy:
    own = frame.softcopy
    if look.state is not None:
        own = look.state.softcopy(own, frame.instance, frame.number)
    return in_suv(own, suv_factor(frame.header())) if look.suv else own


def in_suv(softcopy: Softcopy, factor: float) -> Softcopy:
    """Give the pipeline with modality values, and windows, in SUV."""
    slope, intercept = softcopy.rescale
    # LINEAR is of whole numbers, one apart: SUV are none.
    function = "SIGMOID" if softcopy.voi_function == "SIGMOID" else "LINEAR_EXACT"
    windows = ((name, voi) for name, voi in softcopy.voi if isinstance(voi, Window))
    return dataclasses.replace(
        softcopy,
        rescale=(slope * factor, intercept * factor),
        voi=tuple((name, Window(voi.center * factor, voi.width * factor, function)) for name, voi in windows),
        voi_function=function,
    )


def _dressed(pixels: Pixels, frame: Frame, look: Look) -> Pixels:
    """Give a frame's pixels with all that lies over them."""
    state = look.state
    home = frame.header() if state is None else state.data_set
    own = _own_overlays(frame) if look.overlays or look.shutters else []
    overlays = own if state is None else _activated(state, own, frame)
    bitmaps = {overlay.group: overlay.mask for overlay in (own if state is None else _of_state(state, frame))}
    row_mm, column_mm = frame.spacing_mm
    shutter = read_shutter(home, frame.shape, row_mm / column_mm, bitmaps) if look.shutters else None
    shuttered_by = home.get("ShutterOverlayGroup") if shutter is not None else None
    overlays = [overlay for overlay in overlays if look.overlays and overlay.group != shuttered_by]
    pixels = pixels if shutter is None else _shut(pixels, shutter)
    if state is None:
        for overlay in overlays:
            pixels = _cover(pixels, overlay.mask.astype(np.uint8) * 255, Layer("", 0))
        return pixels
    area = state.area(frame.instance, frame.number, frame.shape, frame.spacing_mm)
    screen = area.on_screen(look.size, look.screen_mm)
    return _annotated(screen.lay(pixels), state, frame, screen, overlays, look)


def _own_overlays(frame: Frame) -> list[Overlay]:
    header = frame.header()
    groups = overlay_groups(header)
    is_embedded = any((group, 0x3000) not in header for group in groups)
    pixels = frame.native_pixels() if is_embedded else None
    return read_overlays(header, frame.number, frame.shape, pixels) if groups else []


def _of_state(state: PresentationState, frame: Frame) -> list[Overlay]:
    return read_overlays(state.data_set, frame.number, frame.shape, None)


def _activated(state: PresentationState, own: list[Overlay], frame: Frame) -> list[Overlay]:
    """Give the overlays that a state activates in a layer: its own of a group, else the image's (PS3.3 C.11.7)."""
    held = {overlay.group: overlay for overlay in (*own, *_of_state(state, frame))}
    layers = {group: state.data_set.get((group, 0x1001)) for group in held}
    return [
        dataclasses.replace(overlay, layer=str(layers[group].value))
        for group, overlay in held.items()
        if layers[group] is not None and layers[group].value
    ]


def _annotated(
    pixels: Pixels, state: PresentationState, frame: Frame, screen: Screen, overlays: list[Overlay], look: Look
) -> Pixels:
    """Draw the layers, from the lowest; what names a layer that the state lacks lies on top, white."""
    annotations = state.annotations(frame.instance, frame.number) if look.overlays else []
    used = {str(item.get("GraphicLayer") or "") for item in annotations} | {overlay.layer for overlay in overlays}
    known = {layer.name for layer in state.layers}
    layers = [*state.layers, *(Layer(name, 0) for name in sorted(used - known))]
    for layer in layers:
        if layer.name not in used:
            continue
        coverage = draw_layer(annotations, layer.name, screen)
        for overlay in overlays:
            if overlay.layer == layer.name:
                coverage = np.maximum(coverage, screen.lay(overlay.mask.astype(np.uint8) * 255))
        pixels = _cover(pixels, coverage, layer)
    return pixels


def _shut(pixels: Pixels, shutter: Shutter) -> Pixels:
    return _cover(pixels, shutter.mask.astype(np.uint8) * 255, Layer("", 0, shutter.gray, shutter.rgb))


def _cover(pixels: Pixels, coverage: Coverage, layer: Layer) -> Pixels:
    """Lay a layer's colour over pixels; grey ones become colour where the layer is, unless they have 16 bits."""
    if not coverage.any():
        return pixels
    is_colored = layer.rgb is not None and len(set(layer.rgb)) > 1
    if is_colored and pixels.ndim == 2 and pixels.dtype == np.uint8:
        pixels = np.repeat(pixels[..., np.newaxis], 3, axis=-1)
    white = np.iinfo(pixels.dtype).max
    has_color = layer.rgb is not None and pixels.ndim == 3
    paint = np.array(layer.rgb if has_color else layer.gray * white, np.float64)
    share = coverage.astype(np.float64) / 255.0
    share = share if pixels.ndim == 2 else share[..., np.newaxis]
    covered: Pixels = np.rint(pixels * (1.0 - share) + paint * share).astype(pixels.dtype)
    return covered
