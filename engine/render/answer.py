"""Answer a render request on a series: choose the stack, then the plane of a volume or the frame that is meant."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

import pydicom

from ...errors import InvalidArgument, NotFound, NotReformattable
from ..labels.draw import Labels, draw_over_frame
from ..labels.frame_view import FrameView
from ..presentation.show import Look
from .annotate import with_edge_letters
from .picture import Image, fit_into, square_size
from .placement import Placement
from .planes import stored_plane
from .reformat import draw
from .request import RenderRequest

if TYPE_CHECKING:
    from ..presentation.state import PresentationState
    from ..series import Series
    from ..stack import Stack

_OF_VOLUMES = (
    *("at_mm", "normal", "up", "center", "curve", "width_mm"),
    *("zoom", "pan_mm", "rotate_deg", "slab_mm", "time", "resample", "view"),
)
"""Fields that only a volume has a use for."""
_DEFAULT = RenderRequest()
Spacing: TypeAlias = tuple[float, float]


def answer(series: Series, request: RenderRequest, labels: Sequence[Labels] = ()) -> Image:
    """Make the picture that a request describes of a series, under the labels that it names.

    Raises `NotFound` for a stack, instance or frame that the series lacks, `NotReformattable` where only single frames
    can be shown, and `InvalidArgument`; all say what to change.
    """
    if request.instance is not None or request.frame is not None:
        stack, index = find_frame(series, request)
        return _frame_picture(stack, index, request, state_of(series, request), labels)
    stack = series.stack(request.stack)
    if not (stack.verdict.is_volume and stack.is_gray):
        return _frame_picture(stack, request.index or 0, request, state_of(series, request), labels)
    if request.presentation is not None:
        raise InvalidArgument("a presentation state is of frames: name the instance, and the frame")
    volume = stack.volume(request.time, suv=request.suv)
    if request.plane == "acquired" and request.size is None:
        request = request.but(size=square_size((volume.shape[1], volume.shape[2]), *volume.spacing_mm[1:]))
    return draw(volume, request, labels)


def state_of(series: Series, request: RenderRequest) -> PresentationState | None:
    """Give the presentation state that a request names, or None; raises `NotFound`, `UnsupportedPixels`."""
    if request.presentation is None:
        return None
    if request.annotate:
        raise InvalidArgument("a presentation state may turn the picture: leave annotate out, no letters can be drawn")
    return series.presentation_state(request.presentation)


def etag(series: Series, request: RenderRequest, labels: Sequence[Labels] = ()) -> str:
    """Give the strong validator (RFC 9110, 8.8.3) of what `answer` gives, without quotes.

    It is of the request, the generation, and what the labels hold.
    """
    manifest = series.manifest
    named = (series.uid, str(manifest.generation), manifest.created, manifest.software, request.canonical)
    parts = (*named, *(one.identity for one in labels))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def find_frame(series: Series, request: RenderRequest) -> tuple[Stack, int]:
    """Give the stack that holds a frame of an instance, and the frame's place in it; raises `NotFound`."""
    if request.instance is None:
        raise InvalidArgument("frame is counted within an instance: name the instance, or use index")
    frame = (request.frame or 1) - 1
    records = series.manifest.instances
    number = next((n for n, record in enumerate(records) if record.sop_instance_uid == request.instance), None)
    if number is None:
        raise NotFound(f"no instance {request.instance} in series {series.uid}")
    for stack in series.stacks:
        if (number, frame) in stack.places:
            return stack, stack.places[number, frame]
    raise NotFound(f"instance {request.instance} has no frame {frame + 1}")


def _refuse_for_frames(stack: Stack, request: RenderRequest) -> None:
    """Raise `NotReformattable` for what only volumes have."""
    asked = any(getattr(request, name) != getattr(_DEFAULT, name) for name in _OF_VOLUMES)
    if request.plane in (None, "acquired") and not asked:
        return
    why = str(stack.verdict) if stack.is_gray else "these frames are in colour"
    raise NotReformattable(f"{why}; only single frames can be shown, by index")


def look_of(request: RenderRequest, state: PresentationState | None) -> Look:
    """Give what a request wants to see of a frame."""
    names = ("window", "bits", "overlays", "shutters", "srgb", "suv", "size", "screen_mm")
    return Look(state=state, **{name: getattr(request, name) for name in names})


def sized(picture: Image, request: RenderRequest, spacing_mm: tuple[float, float]) -> Image:
    """Give a frame's picture its physical aspect and the size asked for, unless a state's displayed area did."""
    if request.presentation is not None:
        return picture
    picture = picture.with_square_pixels(*spacing_mm)
    return picture if request.size is None else picture.fitted(request.size)


def _placement(
    request: RenderRequest, state: PresentationState | None, header: pydicom.Dataset, number: int, spacing: Spacing
) -> Placement:
    """Give where a frame lies in the picture that `sized`, or a state's displayed area, made of it."""
    shape = int(header.Rows), int(header.Columns)
    if state is not None:
        area = state.area(str(header.SOPInstanceUID), number, shape, spacing)
        return Placement.of(area.on_screen(request.size, request.screen_mm).from_image)
    inner, (left, top) = square_size(shape, *spacing) or shape[::-1], (0, 0)
    if request.size is not None:
        inner, (left, top) = fit_into(inner[::-1], request.size)
    return Placement.of(lambda x, y: (left + x * inner[0] / shape[1], top + y * inner[1] / shape[0]))


def labelled(
    picture: Image,
    request: RenderRequest,
    state: PresentationState | None,
    labels: Sequence[Labels],
    of: tuple[pydicom.Dataset, int, Spacing],
) -> Image:
    """Lay labels over the picture of a frame: `of` is its header, its number, and its spacing between rows, columns."""
    if not labels:
        return picture
    header, number, spacing = of
    placement = _placement(request, state, header, number, spacing)
    rows, columns = picture.shape[:2]
    frame = FrameView(header, number, (int(header.Rows), int(header.Columns)), placement, (rows, columns))
    return draw_over_frame(picture, frame, labels)


def _frame_picture(
    stack: Stack, index: int, request: RenderRequest, state: PresentationState | None, labels: Sequence[Labels]
) -> Image:
    """Show one frame as it is stored, its physical aspect made right."""
    _refuse_for_frames(stack, request)
    _, row_mm, column_mm = stack.record.meaning["spacing_mm"]
    picture = sized(stack.show(index, look_of(request, state)), request, (row_mm, column_mm))
    if labels:
        picture = labelled(picture, request, state, labels, (*stack.header(index), (row_mm, column_mm)))
    if not request.annotate:
        return picture
    if stack.geometry is None:
        raise InvalidArgument("where these frames lie in the patient is unknown: no letters can be drawn")
    return with_edge_letters(picture, stored_plane(stack.geometry, 0, *stack.frame_shape).letters)
