"""Answer a render request on a series: choose the stack, then the plane of a volume or the frame that is meant."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from ...errors import InvalidArgument, NotFound, NotReformattable
from .annotate import with_edge_letters
from .picture import Image, square_size
from .planes import stored_plane
from .reformat import draw
from .request import RenderRequest

if TYPE_CHECKING:
    from ..series import Series
    from ..stack import Stack

_OF_VOLUMES = (
    *("at_mm", "normal", "up", "center", "curve", "width_mm"),
    *("zoom", "pan_mm", "rotate_deg", "slab_mm", "time", "resample", "view"),
)
"""Fields that only a volume has a use for."""
_DEFAULT = RenderRequest()


def answer(series: Series, request: RenderRequest) -> Image:
    """Make the picture that a request describes of a series.

    Raises `NotFound` for a stack, instance or frame that the series lacks, `NotReformattable` where only single frames
    can be shown, and `InvalidArgument`; all say what to change.
    """
    if request.instance is not None or request.frame is not None:
        stack, index = find_frame(series, request)
        return _frame_picture(stack, index, request)
    stack = series.stack(request.stack)
    if not (stack.verdict.is_volume and stack.is_gray):
        return _frame_picture(stack, request.index or 0, request)
    volume = stack.volume(request.time)
    if request.plane == "acquired" and request.size is None:
        request = request.but(size=square_size((volume.shape[1], volume.shape[2]), *volume.spacing_mm[1:]))
    return draw(volume, request)


def etag(series: Series, request: RenderRequest) -> str:
    """Give the strong validator (RFC 9110, 8.8.3) of what `answer` gives, without quotes: of request and generation."""
    manifest = series.manifest
    parts = (series.uid, str(manifest.generation), manifest.created, manifest.software, request.canonical)
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


def _frame_picture(stack: Stack, index: int, request: RenderRequest) -> Image:
    """Show one frame as it is stored, its physical aspect made right."""
    _refuse_for_frames(stack, request)
    _, row_mm, column_mm = stack.record.meaning["spacing_mm"]
    picture = stack.picture(index, window=request.window).with_square_pixels(row_mm, column_mm)
    if request.size is not None:
        picture = picture.fitted(request.size)
    if not request.annotate:
        return picture
    if stack.geometry is None:
        raise InvalidArgument("where these frames lie in the patient is unknown: no letters can be drawn")
    return with_edge_letters(picture, stored_plane(stack.geometry, 0, *stack.frame_shape).letters)
