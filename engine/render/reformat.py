"""Pictures of planes and slabs of a volume, cut in patient space and windowed in one pass over the picture alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from ...errors import InvalidArgument, NotReformattable
from ..volume import Volume
from . import planes
from .annotate import with_edge_letters
from .picture import Image
from .planes import Plane, Size
from .request import Interpolation, Mode, RenderRequest
from .sample import Cut, sample, stored_slice
from .window import AUTOMATIC, Window, WindowChoice, chosen_window

Point: TypeAlias = Sequence[float]

_PRINCIPAL = {"axial": planes.axial, "coronal": planes.coronal, "sagittal": planes.sagittal}


def render(
    volume: Volume,
    plane: Plane | str | None = None,
    *,
    at_mm: float | None = None,
    index: int | None = None,
    normal: Point | None = None,
    up: Point | None = None,
    center: Point | None = None,
    slab_mm: float = 0.0,
    mode: Mode = "max",
    window: WindowChoice = None,
    size: Size | None = None,
    annotate: bool = False,
    resample: bool = False,
    interpolation: Interpolation = "trilinear",
) -> Image:
    """Make a picture of a plane or slab of a volume; what lies outside the volume is black.

    `plane` is axial (the default), coronal or sagittal `at_mm` (a patient coordinate) or at slice `index`; acquired,
    a stored slice at `index`; oblique, across `normal` with `up` on top through `center`; or a `Plane`.
    `slab_mm` gathers the maximum, minimum or mean (`mode`) of that thickness, the plane in its middle.
    `size` is (columns, rows). Where the plane's pixels are voxels the picture shows stored values exactly.

    Raises `NotReformattable` where the verdict forbids the plane (`resample` allows it between uneven
    slices), and `InvalidArgument` for what no picture can be made of; both say what to change.
    """
    options = {name: value for name, value in locals().items() if name != "volume"}
    return draw(volume, RenderRequest(**options))


def draw(volume: Volume, request: RenderRequest) -> Image:
    """Make the picture that a request describes of a volume; raises as `render` does."""
    cut = Cut(lay_plane(volume, request), request.slab_mm, request.mode, request.interpolation)
    _check_verdict(volume, cut, request.resample)
    shown = _window_of(volume, request)
    values, display = sample(volume, cut, shown, volume.photometric_interpretation == "MONOCHROME1")
    picture = Image(display.gray(values, request.bits))
    if not request.annotate:
        return picture
    if volume.geometry is None:
        raise InvalidArgument("where these frames lie in the patient is unknown: no letters can be drawn")
    return with_edge_letters(picture, cut.plane.letters)


def _window_of(volume: Volume, request: RenderRequest) -> Window:
    if request.window == AUTOMATIC:
        return volume.robust_window
    return chosen_window(request.window, volume.voi_function) or volume.own_window


def lay_plane(volume: Volume, request: RenderRequest) -> Plane:
    """Give the plane that a request means, through one volume; a `normal` makes the default plane an oblique one."""
    plane = request.plane or ("axial" if request.normal is None else "oblique")
    if isinstance(plane, Plane):
        _refuse(request, "a Plane", "at_mm", "index", "normal", "up", "center", "size")
        return plane
    if plane == "oblique":
        _refuse(request, "an oblique plane", "at_mm", "index")
        if request.normal is None:
            raise InvalidArgument("an oblique plane needs its normal")
        return planes.oblique(volume, request.normal, up=request.up, center=request.center, size=request.size)
    _refuse(request, f"plane {plane!r}", "normal", "up", "center")
    if plane == "acquired":
        _refuse(request, "an acquired plane", "at_mm")
        return planes.acquired(volume, request.index, size=request.size)
    return _PRINCIPAL[plane](volume, at_mm=request.at_mm, index=request.index, size=request.size)


def _refuse(request: RenderRequest, what: str, *names: str) -> None:
    """Raise `InvalidArgument` for any of the named fields that is given: `what` has no use for it."""
    given = [name for name in names if getattr(request, name) is not None]
    if given:
        raise InvalidArgument(f"{what} takes no {', '.join(given)}: leave it out")


def _check_verdict(volume: Volume, cut: Cut, resample: bool) -> None:
    """Raise `NotReformattable` for a plane that would make up values which the verdict does not vouch for."""
    verdict = volume.verdict
    if verdict.is_reformattable or (verdict.needs_resampling and resample):
        return
    if cut.slab_mm == 0 and stored_slice(volume, cut.plane) is not None:
        return
    if verdict.needs_resampling:
        raise NotReformattable(f"{verdict}; pass resample=True (--resample) to interpolate across these slices")
    raise NotReformattable(f"{verdict}; only stored slices can be shown: ask for plane 'acquired' by index")
