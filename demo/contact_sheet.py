"""One picture of an archive: the planes of its largest volume, then one picture of every other series."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from ..engine.archive import Archive
from ..engine.render.picture import Image
from ..engine.render.reformat import render
from ..engine.series import Series
from ..engine.volume import Volume
from ..errors import FilmlessError, NotFound

TILE_PIXELS = 384
_CAPTION_PIXELS = 22
_ACROSS = 4
_MOST_SERIES = 40
"""A sheet of more would be no overview."""


@dataclass(frozen=True, slots=True)
class Tile:
    """One picture with its caption."""

    caption: str
    picture: Image


def contact_sheet(archive: Archive) -> tuple[PillowImage.Image, list[str]]:
    """Render the sheet; give it, and a line for each series that could not be shown.

    Raises `NotFound` where the archive has no images.
    """
    opened = [archive.series(row.series_uid) for row in archive.contents() if row.stacks]
    if not opened:
        raise NotFound(f"{archive.root} holds no images to show")
    largest = max(opened, key=_voxels_of_volume)
    tiles, problems = [], []
    jobs: list[Callable[[], Iterator[Tile]]] = []
    if _voxels_of_volume(largest):
        jobs.append(lambda: _planes(largest.stack().volume(), largest))
    others = [series for series in opened if series is not largest or not _voxels_of_volume(largest)]
    jobs += [lambda series=series: _overview(series) for series in others[:_MOST_SERIES]]  # type: ignore[misc]
    for job in jobs:
        try:
            tiles += list(job())
        except FilmlessError as problem:
            problems.append(str(problem))
    if len(others) > _MOST_SERIES:
        problems.append(f"{len(others) - _MOST_SERIES} more series are not on the sheet")
    return _paste(tiles), problems


def _voxels_of_volume(series: Series) -> int:
    stack = series.stack()
    levels = stack.record.levels
    return int(np.prod(levels[0].shape)) if levels and stack.is_gray and stack.verdict.is_reformattable else 0


def _planes(volume: Volume, series: Series) -> Iterator[Tile]:
    """Show the planes that a radiologist asks for first."""
    is_ct = series.attributes.get("Modality") == "CT"
    soft, lung, bone = ("mediastinum", "lung", "bone") if is_ct else (None, None, None)
    square: dict[str, Any] = {"size": (TILE_PIXELS, TILE_PIXELS), "annotate": True}
    yield Tile("axial", render(volume, "axial", window=soft, **square))
    yield Tile("coronal", render(volume, "coronal", window=soft, **square))
    yield Tile("sagittal", render(volume, "sagittal", window=bone, **square))
    oblique: dict[str, Any] = {"normal": (0.5, -0.8, 0.33), "up": (0, 0, 1)}
    yield Tile("oblique", render(volume, "oblique", window=soft, **oblique, **square))
    yield Tile("coronal slab, 30 mm MIP", render(volume, "coronal", window=bone, slab_mm=30, **square))
    if is_ct:
        yield Tile("coronal, lung window", render(volume, "coronal", window=lung, **square))
        yield Tile(
            "axial slab, 20 mm MinIP, lung window",
            render(volume, "axial", window=lung, slab_mm=20, mode="min", **square),
        )


def _overview(series: Series) -> Iterator[Tile]:
    """Show one picture of a series: a plane across its slices where it is a volume, else its middle frame."""
    stack = series.stack()
    name = " ".join(filter(None, (series.attributes.get("Modality"), series.attributes.get("SeriesDescription"))))
    if stack.verdict.is_reformattable and stack.is_gray:
        picture = _view_of_volume(stack.volume(), series.attributes.get("Modality", ""))
    else:
        picture = stack.picture(len(stack) // 2)
    yield Tile(name or series.uid, picture)


def _view_of_volume(volume: Volume, modality: str) -> Image:
    square: dict[str, Any] = {"size": (TILE_PIXELS, TILE_PIXELS), "annotate": True}
    if modality == "PT":  # uptake is read from projections
        return render(volume, "coronal", slab_mm=_DEEP_MM, **square)
    return render(volume, "sagittal" if modality in ("MR", "CT") else "axial", **square)


_DEEP_MM = 400.0
"""A slab through a whole body."""


def _paste(tiles: list[Tile]) -> PillowImage.Image:
    across = min(_ACROSS, len(tiles))
    down = -(-len(tiles) // _ACROSS)
    cell = TILE_PIXELS + _CAPTION_PIXELS
    sheet = PillowImage.new("RGB", (across * TILE_PIXELS, down * cell), (16, 16, 16))
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
    for number, tile in enumerate(tiles):
        x, y = number % _ACROSS * TILE_PIXELS, number // _ACROSS * cell
        picture = PillowImage.fromarray(tile.picture.pixels).convert("RGB")
        picture.thumbnail((TILE_PIXELS, TILE_PIXELS), PillowImage.Resampling.LANCZOS)
        sheet.paste(picture, (x + (TILE_PIXELS - picture.width) // 2, y + (TILE_PIXELS - picture.height) // 2))
        draw.text((x + 6, y + TILE_PIXELS + 2), tile.caption[:52], fill=(210, 210, 210), font=font)
    return sheet
