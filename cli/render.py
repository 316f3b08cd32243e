"""`filmless render`: any plane of a series as a picture."""

from __future__ import annotations

import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from ..engine.archive import open_archive
from ..engine.render.annotate import with_edge_letters
from ..engine.render.picture import Image, check_suffix, square_size
from ..engine.render.planes import stored_plane
from ..engine.render.reformat import render
from ..engine.render.window import PRESETS, WindowChoice
from ..engine.stack import Stack
from ..errors import InvalidArgument, NotReformattable
from .console import out
from .options import DEFAULT_ARCHIVE, ArchiveFolder, SeriesName


class PlaneName(StrEnum):
    """Planes that the command line knows by name."""

    AXIAL = "axial"
    CORONAL = "coronal"
    SAGITTAL = "sagittal"
    ACQUIRED = "acquired"


class Mode(StrEnum):
    """How a slab is gathered."""

    MAX = "max"
    MIN = "min"
    MEAN = "mean"


def render_picture(
    series: SeriesName,
    *,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE.png|.jpg", help="Where to write it.")],
    plane: Annotated[
        PlaneName | None, typer.Option(help="axial unless the frames are no volume; acquired: as they are stored.")
    ] = None,
    at: Annotated[float | None, typer.Option(metavar="MM", help="Patient coordinate of the plane (LPS).")] = None,
    index: Annotated[int | None, typer.Option(help="Slice of the plane's axis, from 0; negative from the end.")] = None,
    normal: Annotated[str | None, typer.Option(metavar="X,Y,Z", help="Normal of an oblique plane (LPS).")] = None,
    up: Annotated[str | None, typer.Option(metavar="X,Y,Z", help="Which way is up in an oblique plane.")] = None,
    center: Annotated[str | None, typer.Option(metavar="X,Y,Z", help="A point of an oblique plane, mm (LPS).")] = None,
    slab: Annotated[float, typer.Option(metavar="MM", help="Thickness to gather, the plane in its middle.")] = 0.0,
    mode: Annotated[Mode, typer.Option(help="How a slab is gathered.")] = Mode.MAX,
    window: Annotated[str | None, typer.Option(metavar="CENTER,WIDTH", help="Window, in modality units.")] = None,
    preset: Annotated[str | None, typer.Option(help=f"Window by name: {', '.join(PRESETS)}.")] = None,
    size: Annotated[str | None, typer.Option(metavar="W,H", help="Pixels across and down.")] = None,
    annotate: Annotated[bool, typer.Option("--annotate", help="Draw the edge letters (R, L, A, P, H, F).")] = False,
    resample: Annotated[bool, typer.Option("--resample", help="Interpolate between uneven slices.")] = False,
    stack: Annotated[int | None, typer.Option(help="Stack of the series, from 0.")] = None,
    time_point: Annotated[int, typer.Option("--time", help="Time point, from 0.")] = 0,
    quality: Annotated[int, typer.Option(min=1, max=100, help="Of a JPEG.")] = 90,
    archive: ArchiveFolder = DEFAULT_ARCHIVE,
) -> None:
    """Render a plane or slab of a series, or one of its frames, to a PNG or JPEG file."""
    check_suffix(output)
    started = time.perf_counter()
    chosen = open_archive(archive, create=False).series(series).stack(stack)
    where = {
        "at_mm": at,
        "normal": numbers("--normal", normal, 3),
        "up": numbers("--up", up, 3),
        "center": numbers("--center", center, 3),
    }
    look: dict[str, Any] = {"window": numbers("--window", window, 2) or preset, "size": pixels(size)}
    slab_options = {"slab_mm": slab, "mode": mode.value}
    if chosen.verdict.is_volume and chosen.is_gray:
        name = plane.value if plane else "oblique" if normal else "axial"
        volume = chosen.volume(time_point)
        if plane is PlaneName.ACQUIRED and size is None:
            look["size"] = square_size(volume.shape[1:], *volume.spacing_mm[1:])
        options = where | look | slab_options | {"annotate": annotate, "resample": resample}
        picture = render(volume, name, index=index, **options)
    else:
        _refuse_for_frames(chosen, plane, {"--slab": slab, "--time": time_point, "--resample": resample} | where)
        picture = _frame_picture(chosen, index or 0, annotate=annotate, **look)
    picture.save(output, quality=quality)
    rows, columns = picture.shape[:2]
    elapsed_ms = (time.perf_counter() - started) * 1e3
    out.print(f"{escape(str(output))}: {columns} × {rows}, {elapsed_ms:.0f} ms", soft_wrap=True)


def _refuse_for_frames(stack: Stack, plane: PlaneName | None, asked: dict[str, Any]) -> None:
    """Raise `NotReformattable` for what only volumes have."""
    if plane in (None, PlaneName.ACQUIRED) and not any(asked.values()):
        return
    why = str(stack.verdict) if stack.is_gray else "these frames are in colour"
    raise NotReformattable(f"{why}; only single frames can be shown, by --index")


def _frame_picture(
    stack: Stack, index: int, *, window: WindowChoice, size: tuple[int, int] | None, annotate: bool
) -> Image:
    """Show one frame as it is stored, its physical aspect made right."""
    _, row_mm, column_mm = stack.record.meaning["spacing_mm"]
    picture = stack.picture(index, window=window).with_square_pixels(row_mm, column_mm)
    if size is not None:
        picture = picture.fitted(size)
    if not annotate:
        return picture
    if stack.geometry is None:
        raise InvalidArgument("where these frames lie in the patient is unknown: leave --annotate out")
    return with_edge_letters(picture, stored_plane(stack.geometry, 0, *stack.frame_shape).letters)


def numbers(option: str, text: str | None, count: int) -> tuple[float, ...] | None:
    """Read "1,2.5,-3"; raises `InvalidArgument` for anything else."""
    if text is None:
        return None
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        values = ()
    if len(values) != count:
        raise InvalidArgument(f"{option} {text!r}: give {count} numbers with commas between, such as {_EXAMPLE[count]}")
    return values


_EXAMPLE = {2: "40,400", 3: "0,-1,0.5"}


def pixels(text: str | None) -> tuple[int, int] | None:
    """Read "512,512"; raises `InvalidArgument` for anything else."""
    if text is None:
        return None
    width, _, height = text.partition(",")
    if not (width.strip().isdecimal() and height.strip().isdecimal()):
        raise InvalidArgument(f"--size {text!r}: give pixels across and down, such as 512,512")
    return int(width), int(height)
