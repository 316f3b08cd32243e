"""Pictures of planes, slabs and curved planes of a volume, cut in patient space and windowed in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from ...errors import InvalidArgument, NotReformattable
from ..labels.draw import Labels, draw_labels
from ..labels.space import Cover, Space
from ..volume import Volume
from . import curve as curves
from . import planes
from .annotate import with_edge_letters
from .curve import CurvedPlane
from .picture import Image
from .planes import Plane, Size
from .raycast import cast
from .request import CURVED_PLANES, Interpolation, Mode, RenderRequest
from .sample import Cut, sample, stored_slice
from .window import WindowChoice

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
    curve: Sequence[Point] | None = None,
    width_mm: float | None = None,
    zoom: float = 1.0,
    pan_mm: Point = (0.0, 0.0),
    rotate_deg: float = 0.0,
    slab_mm: float = 0.0,
    mode: Mode = "max",
    window: WindowChoice = None,
    size: Size | None = None,
    annotate: bool = False,
    resample: bool = False,
    interpolation: Interpolation = "trilinear",
    labels: Sequence[Labels] = (),
) -> Image:
    """Make a picture of a plane or slab of a volume; what lies outside the volume is black.

    `plane` is axial (the default), coronal or sagittal `at_mm` (a patient coordinate) or at slice `index`; acquired,
    a stored slice at `index`; oblique, across `normal` with `up` on top through `center`; straightened or stretched,
    along the smooth `curve` through points, `width_mm` across it, seen along `normal`; or a `Plane`.
    `slab_mm` gathers the maximum, minimum, mean or weighted mean (`mode`) of that thickness, the plane in its middle;
    the weights of the last fall evenly to its faces. `size` is (columns, rows). The picture is turned clockwise by
    `rotate_deg` and enlarged by `zoom`, about its middle, then moved right and down by `pan_mm`. Where the plane's
    pixels are voxels it shows stored values exactly. `labels`, of `Archive.labels`, are drawn over it.

    Raises `NotReformattable` where the verdict forbids the plane (`resample` allows it between uneven
    slices), and `InvalidArgument` for what no picture can be made of; both say what to change.
    """
    options = {name: value for name, value in locals().items() if name not in ("volume", "labels")}
    return draw(volume, RenderRequest(**options, labels=tuple(one.choice for one in labels)), labels)


def draw(volume: Volume, request: RenderRequest, labels: Sequence[Labels] = ()) -> Image:
    """Make the picture that a request describes of a volume; raises as `render` does.

    `labels` are those that the request names, found by the archive.
    """
    if len(labels) != len(request.labels):
        raise InvalidArgument("labels of a request are found by an archive: ask Series.render")
    if request.view is not None:
        return cast(volume, request)
    cut = Cut(lay_plane(volume, request), request.slab_mm, request.mode, request.interpolation)
    _check_verdict(volume, cut, request.resample)
    shown = volume.shown_through(request.window)
    values, display = sample(volume, cut, shown, volume.photometric_interpretation == "MONOCHROME1")
    space = Space(volume.frame_of_reference, volume.series_uid)
    cover = Cover(cut.plane, space, cut.slab_mm, cut.mode, volume.grid.spacing_mm[0])
    cover = cover.within(volume.grid.corners_mm(volume.shape))
    picture = draw_labels(Image(display.gray(values, request.bits)), cover, labels)
    if not request.annotate:
        return picture
    if volume.geometry is None:
        raise InvalidArgument("where these frames lie in the patient is unknown: no letters can be drawn")
    if isinstance(cut.plane, CurvedPlane):
        raise InvalidArgument("the edges of a curved plane are nowhere the same: leave out annotate")
    return with_edge_letters(picture, cut.plane.letters)


def lay_plane(volume: Volume, request: RenderRequest) -> Plane | CurvedPlane:
    """Give the plane that a request means, through one volume, as it is zoomed, turned and moved."""
    if request.curve is not None or request.plane in CURVED_PLANES:
        return _lay_curved(volume, request)
    _refuse(request, "a plane that is not curved", "width_mm")
    plane = _lay_flat(volume, request)
    if (request.zoom, request.pan_mm, request.rotate_deg) == (1.0, (0.0, 0.0), 0.0):
        return plane
    return plane.adjusted(request.zoom, request.pan_mm, request.rotate_deg)


def _lay_curved(volume: Volume, request: RenderRequest) -> CurvedPlane:
    name = request.plane or "straightened"
    if request.curve is None:
        raise InvalidArgument(f"a {name} plane needs its curve")
    if name not in CURVED_PLANES:
        raise InvalidArgument(f"a plane along a curve is {' or '.join(CURVED_PLANES)}: choose one, or leave out curve")
    _refuse(request, "a curved plane", "at_mm", "index", "up", "center")
    if request.rotate_deg:
        raise InvalidArgument("a curved plane is not turned by rotate_deg: choose another normal")
    if volume.geometry is None:
        raise NotReformattable(f"{volume.verdict.reason}: only acquired slices, by index")
    finest_mm = min(volume.geometry.spacing_mm)
    framing = curves.Framing(finest_mm, request.size, request.width_mm, request.zoom, request.pan_mm)
    lay = curves.straightened if name == "straightened" else curves.stretched
    return lay(curves.as_curve(request.curve), framing, request.normal)


def _lay_flat(volume: Volume, request: RenderRequest) -> Plane:
    """Give the plane before it is zoomed; a `normal` makes the default plane an oblique one."""
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
    if cut.slab_mm == 0 and isinstance(cut.plane, Plane) and stored_slice(volume, cut.plane) is not None:
        return
    if verdict.needs_resampling:
        raise NotReformattable(f"{verdict}; pass resample=True (--resample) to interpolate across these slices")
    raise NotReformattable(f"{verdict}; only stored slices can be shown: ask for plane 'acquired' by index")
