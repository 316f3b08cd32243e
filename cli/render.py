"""`filmless render`: any plane of a series as a picture."""

from __future__ import annotations

import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from ..engine.archive import open_archive
from ..engine.render.formats import format_of
from ..engine.render.label_choice import LabelChoice
from ..engine.render.request import RenderRequest
from ..engine.render.transfer import TRANSFER_PRESETS
from ..engine.render.view import VIEWS
from ..engine.render.window import PRESETS
from ..errors import InvalidArgument
from .console import out
from .options import DEFAULT_ARCHIVE, ArchiveFolder, SeriesName


class PlaneName(StrEnum):
    """Planes that the command line knows by name."""

    AXIAL = "axial"
    CORONAL = "coronal"
    SAGITTAL = "sagittal"
    STRAIGHTENED = "straightened"
    STRETCHED = "stretched"
    ACQUIRED = "acquired"


class Mode(StrEnum):
    """How a slab is gathered."""

    MAX = "max"
    MIN = "min"
    MEAN = "mean"
    WEIGHTED = "weighted"


class Interpolation(StrEnum):
    """How values between voxels are found."""

    TRILINEAR = "trilinear"
    NEAREST = "nearest"
    CUBIC = "cubic"


def render_picture(
    series: SeriesName,
    *,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE.png|.jpg|.webp", help="Where to write it.")],
    plane: Annotated[
        PlaneName | None, typer.Option(help="axial unless the frames are no volume; acquired: as they are stored.")
    ] = None,
    at: Annotated[float | None, typer.Option(metavar="MM", help="Patient coordinate of the plane (LPS).")] = None,
    index: Annotated[int | None, typer.Option(help="Slice of the plane's axis, from 0; negative from the end.")] = None,
    normal: Annotated[str | None, typer.Option(metavar="X,Y,Z", help="Normal of an oblique plane (LPS).")] = None,
    up: Annotated[str | None, typer.Option(metavar="X,Y,Z", help="Which way is up in an oblique plane.")] = None,
    center: Annotated[str | None, typer.Option(metavar="X,Y,Z", help="A point of an oblique plane, mm (LPS).")] = None,
    curve: Annotated[
        str | None,
        typer.Option(metavar="FILE|X,Y,Z;…", help="Points of a curved plane, mm (LPS); in a file, one a line."),
    ] = None,
    width: Annotated[float | None, typer.Option(metavar="MM", help="Of a curved plane, across its curve.")] = None,
    zoom: Annotated[float, typer.Option(help="Enlarge about the middle; 1 fits the volume in.")] = 1.0,
    pan: Annotated[str | None, typer.Option(metavar="RIGHT,DOWN", help="Move the picture, mm.")] = None,
    rotate: Annotated[float, typer.Option(metavar="DEG", help="Turn it clockwise about the middle.")] = 0.0,
    slab: Annotated[float, typer.Option(metavar="MM", help="Thickness to gather, the plane in its middle.")] = 0.0,
    mode: Annotated[Mode, typer.Option(help="How a slab is gathered.")] = Mode.MAX,
    interpolation: Annotated[Interpolation, typer.Option(help="Between voxels.")] = Interpolation.TRILINEAR,
    view: Annotated[
        str | None,
        typer.Option(metavar="VIEW", help=f"See the whole volume: {', '.join(VIEWS)}; AZIMUTH,ELEVATION; or X,Y,Z."),
    ] = None,
    transfer: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help=f"Show it in colours: {', '.join(TRANSFER_PRESETS)}; or VALUE,RED,GREEN,BLUE,OPACITY;… "
            "Without it, --mode gathers grey.",
        ),
    ] = None,
    clip: Annotated[
        str | None, typer.Option(metavar="X,Y,Z,X,Y,Z", help="Box that a view shows: least, greatest, mm (LPS).")
    ] = None,
    clip_planes: Annotated[
        str | None, typer.Option(metavar="A,B,C,D;…", help="A view shows only where A x + B y + C z is D or more.")
    ] = None,
    background: Annotated[
        str | None, typer.Option(metavar="RED,GREEN,BLUE", help="Behind the colours of a view, 0 to 255.")
    ] = None,
    window: Annotated[
        str | None,
        typer.Option(
            metavar="CENTER,WIDTH|NAME", help="Window, in modality units; or its name in the header, or auto."
        ),
    ] = None,
    preset: Annotated[str | None, typer.Option(help=f"Window by name: {', '.join(PRESETS)}.")] = None,
    size: Annotated[str | None, typer.Option(metavar="W,H", help="Pixels across and down.")] = None,
    bits: Annotated[int, typer.Option(help="8, or 16 for grey in a PNG.")] = 8,
    suv: Annotated[bool, typer.Option("--suv", help="PET as SUV by body weight; windows are in SUV then.")] = False,
    no_overlays: Annotated[
        bool, typer.Option("--no-overlays", help="Leave out overlays, and a presentation state's annotations.")
    ] = False,
    no_shutters: Annotated[bool, typer.Option("--no-shutters", help="Show what display shutters hide.")] = False,
    srgb: Annotated[bool, typer.Option("--srgb", help="Apply the image's ICC profile, for sRGB displays.")] = False,
    presentation: Annotated[
        str | None, typer.Option(metavar="UID", help="Presentation state to see a frame through (with --instance).")
    ] = None,
    screen_mm: Annotated[
        float | None, typer.Option(metavar="MM", help="Of a screen's pixel, for states of true size.")
    ] = None,
    overlay: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SERIES[?…]",
            help="Draw a series of segmentations (SEG) or RT structure sets over it; several times for several. "
            "Of it: SERIES?segments=1,Liver&opacity=0.5&style=outline.",
        ),
    ] = None,
    annotate: Annotated[bool, typer.Option("--annotate", help="Draw the edge letters (R, L, A, P, H, F).")] = False,
    resample: Annotated[bool, typer.Option("--resample", help="Interpolate between uneven slices.")] = False,
    instance: Annotated[
        str | None, typer.Option(metavar="UID", help="SOP Instance UID, for one of its frames.")
    ] = None,
    frame: Annotated[int | None, typer.Option(help="Frame of that instance, from 1.")] = None,
    stack: Annotated[int | None, typer.Option(help="Stack of the series, from 0.")] = None,
    time_point: Annotated[int, typer.Option("--time", help="Time point, from 0.")] = 0,
    quality: Annotated[int, typer.Option(min=1, max=100, help="Of a JPEG or WebP.")] = 90,
    archive: ArchiveFolder = DEFAULT_ARCHIVE,
) -> None:
    """Render a plane, slab or view of a series, or one of its frames, to a PNG, JPEG or WebP file."""
    started = time.perf_counter()
    request = RenderRequest.from_keywords(
        {
            "stack": stack,
            "time": time_point,
            "instance": instance,
            "frame": frame,
            "plane": plane.value if plane else None,
            "at_mm": at,
            "index": index,
            "normal": normal,
            "up": up,
            "center": center,
            "curve": _points(curve),
            "width_mm": width,
            "zoom": zoom,
            "pan_mm": pan,
            "rotate_deg": rotate,
            "slab_mm": slab,
            "mode": mode.value,
            "interpolation": interpolation.value,
            "resample": resample,
            "view": view,
            "transfer": transfer,
            "clip_mm": clip,
            "clip_planes": clip_planes,
            "background": background,
            "window": window or preset,
            "size": size,
            "bits": bits,
            "suv": suv,
            "overlays": not no_overlays,
            "shutters": not no_shutters,
            "srgb": srgb,
            "presentation": presentation,
            "screen_mm": screen_mm,
            "labels": tuple(LabelChoice.parse(text) for text in overlay or ()),
            "annotate": annotate,
            "format": format_of(output),
            "quality": quality,
        }
    )
    picture = open_archive(archive, create=False).series(series).render(request)
    picture.save(output, quality=quality)
    rows, columns = picture.shape[:2]
    elapsed_ms = (time.perf_counter() - started) * 1e3
    out.print(f"{escape(str(output))}: {columns} × {rows}, {elapsed_ms:.0f} ms", soft_wrap=True)


def _points(curve: str | None) -> str | None:
    """Give the points of a curve as text: those in the file of that name, or those that it says itself."""
    if curve is None or ";" in curve:
        return curve
    try:
        return Path(curve).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidArgument(
            f"curve {curve!r}: give a file that can be read, or points, x,y,z;x,y,z ({error})"
        ) from None
