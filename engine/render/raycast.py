"""Pictures of a whole volume along parallel rays: projections, and layers of colour lit from where they are seen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import NDArray

from ...errors import InvalidArgument, NotReformattable
from ...kernels import raycast
from ...kernels.ranges import leap_distances
from ...kernels.raycast import Colors, Lighting, Part, Rays
from ...storage import pool
from ..volume import Values, Volume
from .annotate import with_edge_letters
from .picture import Image
from .planes import Plane
from .request import RenderRequest
from .sampling import BoolArray
from .scene import Scene, make_scene
from .transfer import TABLE_SIZE, TransferFunction, chosen_transfer
from .view import View, half_spaces, lay_view
from .window import Display, Window

TILE = 64
"""Pixels a side of what a thread does at a time: neighbouring rays meet the same voxels."""
ENOUGH = 0.995
"""Opacity behind which nothing is looked for: what follows changes no pixel by more than a grey level."""
COARSE = 4
"""Times fewer pixels a side, and samples along a ray, in a first picture."""
STEPS_A_VOXEL = 2.0
"""Samples along the finest voxel step, of colours: fewer show as rings on slanting surfaces."""
COSINES = 513


@overload
def render_volume(volume: Volume, view: View = ..., *, progressive: Literal[False] = ..., **options: Any) -> Image: ...
@overload
def render_volume(
    volume: Volume, view: View = ..., *, progressive: Literal[True], **options: Any
) -> Iterator[Image]: ...
def render_volume(
    volume: Volume, view: View = "anterior", *, progressive: bool = False, **options: Any
) -> Image | Iterator[Image]:
    """Make a picture of a whole volume, seen from `view` along parallel rays.

    `view` is a name of `VIEWS`, (azimuth, elevation) in degrees, or the direction of sight (x, y, z) in patient space.
    `options` are fields of `RenderRequest`: `transfer`, a transfer function or its preset's name, for layers of colour;
    without it `mode`, max, min or mean, through a `window`; `up`, `center`, `zoom`, `size`, `slab_mm`, `clip_mm`,
    `clip_planes`, `background`, `resample`, `annotate`. `progressive` gives an iterator of a coarse picture and the
    fine one, of one size.

    Raises `NotReformattable` where the verdict forbids it, and `InvalidArgument`; both say what to change.
    """
    request = RenderRequest(view=view, **options)
    return refined(volume, request) if progressive else cast(volume, request)


def refined(volume: Volume, request: RenderRequest) -> Iterator[Image]:
    """Give the picture that a request describes of a volume coarsely, then finely."""
    yield _cast(volume, request, COARSE)
    yield cast(volume, request)


def cast(volume: Volume, request: RenderRequest) -> Image:
    """Make the picture that a request with a view describes of a volume."""
    return _cast(volume, request, 1)


def _cast(volume: Volume, request: RenderRequest, coarse: int) -> Image:
    _check_verdict(volume, request.resample)
    assert request.view is not None
    names = ("up", "center", "zoom", "pan_mm", "rotate_deg")
    options: dict[str, Any] = {name: getattr(request, name) for name in names}
    plane = lay_view(volume, request.view, size=request.size, **options)
    seen = plane
    if coarse > 1:
        size = (max(plane.columns // coarse, 1), max(plane.rows // coarse, 1))
        seen = lay_view(volume, request.view, size=size, **options)
    spaces = half_spaces(seen, request.clip_mm, request.clip_planes, request.slab_mm)
    if request.transfer is None:
        pixels: NDArray[Any] = _projected(make_scene(volume, seen, spaces, 1.0), request)
    else:
        steps = STEPS_A_VOXEL if coarse == 1 else 1.0
        function = chosen_transfer(request.transfer)
        pixels = _composited(make_scene(volume, seen, spaces, steps), seen, function, request.background)
    picture = Image(pixels)
    if coarse > 1:
        picture = picture.fitted((plane.columns, plane.rows))
    return with_edge_letters(picture, plane.letters) if request.annotate else picture


def _check_verdict(volume: Volume, resample: bool) -> None:
    verdict = volume.verdict
    if verdict.is_reformattable or (verdict.needs_resampling and resample):
        return
    if verdict.needs_resampling:
        raise NotReformattable(f"{verdict}; pass resample=True (--resample) to interpolate across these slices")
    raise NotReformattable(f"{verdict}; only stored slices can be shown: ask for plane 'acquired' by index")


def _on_tiles(scene: Scene, draw: Any, *pictures: NDArray[Any]) -> None:
    """Call `draw(rays, *parts of the pictures)` for every tile on the pool."""

    def do(corner: tuple[int, int]) -> None:
        row, column = corner
        rays = scene.rays
        rays = rays._replace(origin=rays.origin + row * rays.down + column * rays.right)
        views = [picture[row : row + TILE, column : column + TILE] for picture in pictures]
        tiles = [np.ascontiguousarray(view) for view in views]
        draw(rays, *tiles)
        for view, tile in zip(views, tiles, strict=True):
            view[...] = tile

    pool.run_all(do, [(r, c) for r in range(0, scene.rows, TILE) for c in range(0, scene.columns, TILE)])


def _projected(scene: Scene, request: RenderRequest) -> NDArray[Any]:
    """Project onto the picture, and window that."""
    volume = scene.volume
    window = volume.shown_through(request.window)
    display = Display(window, *scene.rescale, volume.photometric_interpretation == "MONOCHROME1")
    mode = request.mode
    assert mode != "weighted"  # the request refuses it
    if scene.rescale[0] < 0:  # the greatest modality value is the least one stored
        mode = {"max": "min", "min": "max", "mean": "mean"}[mode]  # type: ignore[assignment]
    limits = _limits(window, scene.rescale, mode)
    shape = (scene.rows, scene.columns)
    gathered = np.full(shape, {"max": -np.inf, "min": np.inf, "mean": 0.0}[mode], np.float32)
    counts = np.zeros(shape, np.int32)

    def shows(lows: NDArray[Any], highs: NDArray[Any]) -> BoolArray:
        if mode == "mean":
            return np.ones(lows.shape, bool)
        return np.asarray(highs > limits[0] if mode == "max" else lows < limits[0])

    # What is passed over anyway stands where padding is.
    padding = display.black if mode != "min" or not np.isfinite(limits[0]) else limits[0]
    for part, lows, highs in scene.parts(shows, padding, 0):
        tops = (-lows.astype(np.float32) if mode == "min" else highs).astype(np.float32)

        def draw(rays: Rays, tile: Values, met: Values, part: Part = part, tops: Values = tops) -> None:
            raycast.project_rays(part, tops, rays, scene.inside, tile, met, mode=mode, limits=limits)

        _on_tiles(scene, draw, gathered, counts)
    if mode == "mean":
        gathered /= np.maximum(counts, 1)
    gathered[(counts == 0) | ~np.isfinite(gathered)] = np.nan
    return display.gray(gathered, request.bits)


def _limits(window: Window, rescale: tuple[float, float], mode: str) -> tuple[float, float]:
    """Give the stored values at and beyond which a window shows its ends; first the one that is passed over."""
    low, high = window.bounds if window.function == "SIGMOID" else _ends(window)
    if rescale[0] == 0.0 or mode == "mean":
        return (np.inf, -np.inf) if mode == "min" else (-np.inf, np.inf)
    ends = sorted(((low - rescale[1]) / rescale[0], (high - rescale[1]) / rescale[0]))
    return (ends[0], ends[1]) if mode == "max" else (ends[1], ends[0])


def _ends(window: Window) -> tuple[float, float]:
    return window.center - window.width / 2 - 1.0, window.center + window.width / 2 + 1.0


def _composited(
    scene: Scene, plane: Plane, function: TransferFunction, background: tuple[int, int, int]
) -> NDArray[np.uint8]:
    """Lay colours over one another, and the whole over the background."""
    slope, intercept = scene.rescale
    first, last = function.span
    if slope == 0.0:
        raise InvalidArgument("the rescale slope of these images is 0: they have one value, and nothing to show")
    per_value = slope * (TABLE_SIZE - 1) / (last - first)
    colors = Colors(function.table(scene.step_mm), (first - intercept) / slope, per_value)
    opaque = np.concatenate([[0], np.cumsum(colors.table[:, 3] > 0)])

    def shows(lows: NDArray[Any], highs: NDArray[Any]) -> BoolArray:
        ends = [(ends.astype(np.float64) - colors.low) * per_value for ends in (lows, highs)]
        begin = np.clip(np.floor(np.minimum(*ends)), 0, TABLE_SIZE - 1).astype(np.int64)
        end = np.clip(np.ceil(np.maximum(*ends)), 0, TABLE_SIZE - 1).astype(np.int64)
        return np.asarray((opaque[end + 1] > opaque[begin]) & (lows <= highs))

    layers = np.zeros((scene.rows, scene.columns, 4), np.float32)
    lighting = _lighting(scene, plane, function)
    for part, lows, highs in scene.parts(shows, _transparent(colors), int(function.is_shaded)):
        leaps = leap_distances(shows(lows, highs))

        def draw(rays: Rays, tile: Values, part: Part = part, leaps: Values = leaps) -> None:
            raycast.composite_rays(part, leaps, rays, scene.inside, colors, lighting, ENOUGH, tile)

        _on_tiles(scene, draw, layers)
    rest = 1.0 - layers[..., 3:]
    pixels = 255.0 * layers[..., :3] + rest * np.array(background, np.float32)
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)


def _transparent(colors: Colors) -> float:
    """Give a value that shows nothing, or the least opaque one where all show."""
    return colors.low + int(np.argmin(colors.table[:, 3])) / colors.scale


def _lighting(scene: Scene, plane: Plane, function: TransferFunction) -> Lighting:
    if not function.is_shaded:
        nothing = np.empty(0, np.float32)
        return Lighting(np.eye(3), nothing, nothing)
    axes = np.array([plane.right_mm, plane.down_mm, plane.normal])
    axes = axes / np.linalg.norm(axes, axis=1, keepdims=True)
    # Gradients go with the inverse transpose of the map from voxels to space.
    to_view = axes @ np.linalg.inv(scene.grid.steps_mm)
    brightness, highlight = function.light(np.linspace(0.0, 1.0, COSINES))
    return Lighting(np.ascontiguousarray(to_view), brightness, highlight)
