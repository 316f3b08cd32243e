"""Pictures of volumes and frames: DICOM's softcopy pipeline, from stored values to 8 bits (PS3.4 N.2).

stored values → modality LUT → VOI window → inversion for MONOCHROME1, in one pass over the picture's values
alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...errors import InvalidArgument, NotReformattable
from ...kernels.window import window_table
from ..volume import Volume
from . import planes
from .annotate import with_edge_letters
from .color import Palette, rgb_from_color
from .picture import Image
from .planes import Plane, Size
from .sample import Interpolation, Mode, Request, sample, stored_slice, without_padding
from .tables import Table
from .window import Display, WindowChoice, chosen_window, header_window, modality_values, robust_window

Point: TypeAlias = Sequence[float]

_PRINCIPAL = {"axial": planes.axial, "coronal": planes.coronal, "sagittal": planes.sagittal}
PLANE_NAMES = (*_PRINCIPAL, "oblique", "acquired")


def render(
    volume: Volume,
    plane: Plane | str = "axial",
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

    `plane` is axial, coronal or sagittal `at_mm` (a patient coordinate) or at slice `index`; acquired, a
    stored slice at `index`; oblique, across `normal` with `up` on top through `center`; or a `Plane`.
    `slab_mm` gathers the maximum, minimum or mean (`mode`) of that thickness, the plane in its middle.
    `size` is (columns, rows). Where the plane's pixels are voxels the picture shows stored values exactly.

    Raises `NotReformattable` where the verdict forbids the plane (`resample` allows it between uneven
    slices), and `InvalidArgument` for what no picture can be made of; both say what to change.
    """
    request = Request(
        _resolved(volume, plane, Placing(at_mm, index, normal, up, center, size)),
        _checked_slab(slab_mm),
        mode,
        interpolation,
    )
    _check_options(request)
    _check_verdict(volume, request, resample)
    shown = chosen_window(window, volume.voi_function) or volume.own_window
    values, display = sample(volume, request, shown, volume.photometric_interpretation == "MONOCHROME1")
    picture = Image(display.gray(values))
    if not annotate:
        return picture
    if volume.geometry is None:
        raise InvalidArgument("where these frames lie in the patient is unknown: no letters can be drawn")
    return with_edge_letters(picture, request.plane.letters)


def render_frame(
    stored: NDArray[Any],
    *,
    photometric_interpretation: str = "MONOCHROME2",
    bits_stored: int = 8,
    rescale: tuple[float, float] = (1.0, 0.0),
    window: WindowChoice = None,
    frame_window: tuple[float, float] | None = None,
    voi_function: str = "LINEAR",
    padding_value: int | None = None,
    palette: Palette | None = None,
    modality_table: Table | None = None,
    voi_table: Table | None = None,
) -> Image:
    """Make a picture of a decoded frame, as stored: grey (rows, columns) or colour (rows, columns, 3).

    `modality_table` takes the place of `rescale`. `window` is the caller's choice; without it the header's
    `voi_table` is used, else its `frame_window` (center, width), else grey is shown from percentile 0.5 to 99.5.
    `photometric_interpretation` is that of the decoded samples; `bits_stored` matters to colour alone. Raises
    `InvalidArgument` for a shape that does not fit it, or PALETTE COLOR without a palette.
    """
    if photometric_interpretation == "PALETTE COLOR":
        if palette is None:
            raise InvalidArgument("PALETTE COLOR needs its palette")
        return Image(palette.paint(_plane_of(stored)))
    if not photometric_interpretation.startswith("MONOCHROME"):
        return Image(rgb_from_color(stored, photometric_interpretation, bits_stored))
    values, (slope, intercept) = _plane_of(stored), rescale
    if modality_table is not None:
        values, slope, intercept, padding_value = modality_table.look_up(values), 1.0, 0.0, None
    invert = photometric_interpretation == "MONOCHROME1"
    if window is None and voi_table is not None:
        table, first = voi_table.gray, voi_table.first_mapped
        return Image(window_table(values, table, first, slope=slope, intercept=intercept, invert=invert))
    shown = chosen_window(window, voi_function) or header_window(frame_window, voi_function)
    shown = shown or robust_window(modality_values(values, padding_value, slope, intercept))
    display = Display(shown, slope, intercept, invert)
    return Image(display.gray(without_padding(values, padding_value, display)))


@dataclass(frozen=True)
class Placing:
    """Where a caller wants a named plane."""

    at_mm: float | None = None
    index: int | None = None
    normal: Point | None = None
    up: Point | None = None
    center: Point | None = None
    size: Size | None = None

    def refuse(self, what: str, *names: str) -> None:
        """Raise `InvalidArgument` for any of the named arguments that is given: `what` has no use for it."""
        given = [name for name in names if getattr(self, name) is not None]
        if given:
            raise InvalidArgument(f"{what} takes no {', '.join(given)}: leave it out")


def _resolved(volume: Volume, plane: Plane | str, placing: Placing) -> Plane:
    """Give the plane that a caller means; a `normal` makes the default plane an oblique one."""
    if isinstance(plane, Plane):
        placing.refuse("a Plane", "at_mm", "index", "normal", "up", "center", "size")
        return plane
    if plane == "oblique" or (plane == "axial" and placing.normal is not None):
        placing.refuse("an oblique plane", "at_mm", "index")
        if placing.normal is None:
            raise InvalidArgument("an oblique plane needs its normal")
        return planes.oblique(volume, placing.normal, up=placing.up, center=placing.center, size=placing.size)
    placing.refuse(f"plane {plane!r}", "normal", "up", "center")
    if plane == "acquired":
        placing.refuse("an acquired plane", "at_mm")
        return planes.acquired(volume, placing.index, size=placing.size)
    if plane not in _PRINCIPAL:
        raise InvalidArgument(f"no plane is called {plane!r}: choose from {', '.join(PLANE_NAMES)}")
    return _PRINCIPAL[plane](volume, at_mm=placing.at_mm, index=placing.index, size=placing.size)


def _checked_slab(slab_mm: float) -> float:
    if not (math.isfinite(slab_mm) and slab_mm >= 0):
        raise InvalidArgument(f"a slab of {slab_mm} mm: its thickness is 0 or more")
    return float(slab_mm)


def _check_options(request: Request) -> None:
    if request.mode not in ("max", "min", "mean"):
        raise InvalidArgument(f"mode {request.mode!r}: choose max, min or mean")
    if request.interpolation not in ("trilinear", "nearest"):
        raise InvalidArgument(f"interpolation {request.interpolation!r}: choose trilinear or nearest")


def _check_verdict(volume: Volume, request: Request, resample: bool) -> None:
    """Raise `NotReformattable` for a plane that would make up values which the verdict does not vouch for."""
    verdict = volume.verdict
    if verdict.is_reformattable or (verdict.needs_resampling and resample):
        return
    if request.slab_mm == 0 and stored_slice(volume, request.plane) is not None:
        return
    if verdict.needs_resampling:
        raise NotReformattable(f"{verdict}; pass resample=True (--resample) to interpolate across these slices")
    raise NotReformattable(f"{verdict}; only stored slices can be shown: ask for plane 'acquired' by index")


def _plane_of(stored: NDArray[Any]) -> NDArray[Any]:
    if stored.ndim != 2 or stored.dtype.kind not in "biuf":
        raise InvalidArgument(f"a grey frame is numbers (rows, columns), not {stored.dtype} {stored.shape}")
    return np.ascontiguousarray(stored)
