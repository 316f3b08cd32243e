"""What picture is wanted, of what: one frozen request that every face of the engine fills in.

Two equal requests of one generation give the same bytes, so a request's key names a rendered picture in any cache, and
with the generation it is the picture's ETag.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, Self, get_args

from ...errors import InvalidArgument
from .curve import as_curve
from .formats import FORMATS, check_quality
from .label_choice import LabelChoice, read_labels
from .picture import MAX_SIDE
from .planes import Plane
from .transfer import TransferChoice, TransferFunction, chosen_transfer
from .view import ClipPlane, View, check_view
from .window import Window, WindowChoice, chosen_window, preset_called

Triple = tuple[float, float, float]

PRINCIPAL_PLANES = ("axial", "coronal", "sagittal")
CURVED_PLANES = ("straightened", "stretched")
PLANE_NAMES = (*PRINCIPAL_PLANES, "oblique", "acquired", *CURVED_PLANES)
Mode = Literal["max", "min", "mean", "weighted"]
Interpolation = Literal["trilinear", "nearest", "cubic"]
MAX_ZOOM = 1000
MODES = get_args(Mode)
INTERPOLATIONS = get_args(Interpolation)
MOST_CLIP_PLANES = 16


@dataclass(frozen=True, slots=True)
class RenderRequest:
    """A picture of a plane, slab, whole volume or stored frame; hashable, and equal where the same picture is meant.

    Raises `InvalidArgument` for a value that no picture can be made of; what depends on the images (planes that their
    verdict forbids, slices they lack) is told when the picture is made.
    """

    stack: int | None = None
    """Stack of the series, from 0; None: the one that can be reformatted, or the largest."""
    time: int = 0
    """Time point, from 0."""
    instance: str | None = None
    """SOP Instance UID, where a frame of one instance is wanted."""
    frame: int | None = None
    """Frame of that instance, from 1 as the standard counts; None: its first."""
    plane: str | Plane | None = None
    """One of `PLANE_NAMES`, or a `Plane`; None: straightened where there is a curve, oblique where there is a normal,
    axial in a volume, else acquired."""
    at_mm: float | None = None
    """Patient coordinate (LPS) of a principal plane."""
    index: int | None = None
    """Slice of the plane's axis, or stored frame, from 0; negative from the end."""
    normal: Triple | None = None
    """Of an oblique plane, in patient space (LPS), away from the viewer; of a curved one, how it is looked at."""
    up: Triple | None = None
    """What is on top in an oblique plane."""
    center: Triple | None = None
    """A patient position, mm, in the middle of an oblique plane."""
    curve: tuple[Triple, ...] | None = None
    """Patient positions, mm, through which a curved plane goes."""
    width_mm: float | None = None
    """How far a straightened picture reaches across its curve, and a stretched one beyond it on both sides together."""
    zoom: float = 1.0
    """How much larger the picture is shown, about its middle; 1 fits the whole volume in."""
    pan_mm: tuple[float, float] = (0.0, 0.0)
    """How far it is moved to the right and down, once it is zoomed and turned."""
    rotate_deg: float = 0.0
    """How far it is turned clockwise about its middle, 0 up to 360."""
    slab_mm: float = 0.0
    """Thickness that is gathered by `mode`, the plane in its middle."""
    mode: Mode = "max"
    """One of `MODES`."""
    interpolation: Interpolation = "trilinear"
    """One of `INTERPOLATIONS`."""
    resample: bool = False
    """Whether to interpolate across slices that lie unevenly."""
    view: View | None = None
    """From where the whole volume is seen along parallel rays, instead of a plane: see `view.View`."""
    transfer: TransferChoice | None = None
    """What its values show, for layers of colour; with a view and without this, `mode` is what a ray gathers."""
    clip_mm: tuple[float, ...] | None = None
    """Of a view: the box that is seen, least x, y, z and greatest x, y, z in patient space."""
    clip_planes: tuple[ClipPlane, ...] = ()
    """Of a view: see `view.ClipPlane`."""
    background: tuple[int, int, int] = (0, 0, 0)
    """Of layers of colour: red, green, blue behind them."""
    window: WindowChoice = None
    """A `Window`, (center, width), a preset's name, the name that an image's header gives one of its own windows,
    or "auto" for nearly all of what the image holds; None: what the image says first."""
    bits: int = 8
    """Of a grey picture: 8 or 16."""
    suv: bool = False
    """Whether PET is meant as SUV by body weight (g/ml), windows included."""
    overlays: bool = True
    """Whether a frame's overlays, and a presentation state's annotations, are drawn."""
    shutters: bool = True
    """Whether a frame's display shutters hide what is outside them."""
    srgb: bool = False
    """Whether colours that an ICC profile defines are made those of an sRGB display; else the profile is kept."""
    presentation: str | None = None
    """SOP Instance UID of a presentation state that a frame is to be seen through."""
    screen_mm: float | None = None
    """Width and height of a screen's pixel, for presentation states that ask for true size."""
    size: tuple[int, int] | None = None
    """(columns, rows)."""
    labels: tuple[LabelChoice, ...] = ()
    """Segments, and regions of interest, that are drawn over a plane or frame, the first below: see `LabelChoice`."""
    annotate: bool = False
    """Whether to draw the letters of the edges."""
    format: str = "png"
    """One of `formats.FORMATS`."""
    quality: int = 90
    """1 to 100, for lossy formats."""

    def __post_init__(self) -> None:
        for name, read in _READERS.items():
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, read(name, value))
        check_quality(self.quality)
        if self.frame is not None and self.frame < 1:
            raise InvalidArgument(f"frame {self.frame}: frames of an instance are counted from 1")
        if self.bits not in (8, 16):
            raise InvalidArgument(f"{self.bits} bits: a picture has 8 or 16")
        if self.bits == 16 and self.transfer is not None:
            raise InvalidArgument("16 bits are of grey: leave out bits, or transfer")
        if self.bits == 16 and self.labels:
            raise InvalidArgument("16 bits are of grey, labels are in colour: leave out bits, or labels")
        if self.screen_mm is not None and self.screen_mm <= 0:
            raise InvalidArgument(f"screen_mm {self.screen_mm:g}: a screen's pixel is more than 0 mm wide")
        if self.time < 0:
            raise InvalidArgument(f"time {self.time}: time points are counted from 0")
        self._check_view()

    def _check_view(self) -> None:
        """Raise `InvalidArgument` for what only a view has, without one, and for what none has, with one."""
        if self.transfer is not None and self.view is None:
            object.__setattr__(self, "view", "anterior")
        if self.view is None:
            given = [name for name in ("clip_mm", "clip_planes") if getattr(self, name) != _DEFAULTS[name]]
            if given:
                raise InvalidArgument(f"{', '.join(given)}: only a view has that; add view, such as anterior")
        else:
            given = [name for name in _OF_PLANES if getattr(self, name) != _DEFAULTS[name]]
            if given:
                raise InvalidArgument(f"a view takes no {', '.join(given)}: leave it out")
            if self.mode == "weighted":
                raise InvalidArgument("mode 'weighted' is of slabs: a view gathers max, min or mean")
        if self.transfer is None and self.background != _DEFAULTS["background"]:
            raise InvalidArgument("background is behind layers of colour: add transfer, such as bone")

    @classmethod
    def from_keywords(cls, keywords: Mapping[str, Any]) -> Self:
        """Read a request from keywords, numbers or text ("40,400"), as a command line or an address has them.

        Raises `InvalidArgument` for a keyword that is not known, or a value that cannot be read.
        """
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(keywords) - known)
        if unknown:
            raise InvalidArgument(f"{', '.join(unknown)}: not known; choose from {', '.join(sorted(known))}")
        return cls(**{name: value for name, value in keywords.items() if value is not None})

    @property
    def canonical(self) -> str:
        """The request as JSON: what differs from the default, sorted by name; equal for equal requests alone."""
        differing = {
            field.name: _plain(getattr(self, field.name))
            for field in fields(self)
            if getattr(self, field.name) != field.default
        }
        return json.dumps(differing, sort_keys=True, separators=(",", ":"))

    @property
    def key(self) -> str:
        """Hexadecimal SHA-256 of the canonical form."""
        return hashlib.sha256(self.canonical.encode()).hexdigest()

    def but(self, **changes: Any) -> Self:
        """Give the same request with some fields changed."""
        return replace(self, **changes)


def _plain(value: Any) -> Any:
    """Give a field's value as JSON knows it."""
    if isinstance(value, tuple) and value and isinstance(value[0], LabelChoice):
        return [[choice.series, choice.segments, choice.opacity, choice.style] for choice in value]
    if isinstance(value, Window):
        return [value.center, value.width, value.function]
    if isinstance(value, TransferFunction):
        return [value.points, value.ambient, value.diffuse, value.specular, value.shininess]
    if isinstance(value, Plane):
        return [value.origin_mm, value.right_mm, value.down_mm, value.rows, value.columns]
    return value


def _whole(name: str, value: Any) -> int:
    try:
        number = int(value)
        if number == float(value):
            return number
    except (TypeError, ValueError, OverflowError):
        pass
    raise InvalidArgument(f"{name} {value!r}: give a whole number")


def _number(name: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise InvalidArgument(f"{name} {value!r}: give a number")
    return number + 0.0  # -0.0 is 0.0


def _thickness(name: str, value: Any) -> float:
    number = _number(name, value)
    if number < 0:
        raise InvalidArgument(f"a slab of {number:g} mm: its thickness is 0 or more")
    return number


def _parts(name: str, value: Any, count: int, example: str) -> Sequence[Any]:
    parts = value.split(",") if isinstance(value, str) else value
    try:
        if len(parts) == count:
            return tuple(parts)
    except TypeError:
        pass
    raise InvalidArgument(f"{name} {value!r}: give {count} numbers, such as {example}")


def _pair(name: str, value: Any) -> tuple[float, float]:
    right, down = (_number(name, part) for part in _parts(name, value, 2, "10,-5"))
    return right, down


def _length(name: str, value: Any) -> float:
    number = _number(name, value)
    if number <= 0:
        raise InvalidArgument(f"{name} {number:g}: it is above 0")
    return number


def _zoom(name: str, value: Any) -> float:
    number = _number(name, value)
    if not 1 / MAX_ZOOM <= number <= MAX_ZOOM:
        raise InvalidArgument(f"{name} {number:g}: 1/{MAX_ZOOM} to {MAX_ZOOM} are possible")
    return number


def _turn(name: str, value: Any) -> float:
    return _number(name, value) % 360.0


def _curve(name: str, value: Any) -> tuple[Triple, ...]:
    """Read points, or text with a point a line or between semicolons, its numbers between commas or blanks."""
    if isinstance(value, str):
        lines = (line.partition("#")[0].replace(",", " ").split() for line in value.replace(";", "\n").splitlines())
        value = [line for line in lines if line]
    try:
        points = tuple(_triple(name, point) for point in value)
    except TypeError:
        raise InvalidArgument(f"{name} {value!r}: give points, such as 0,0,0;10,0,5") from None
    as_curve(points)
    return points


def _triple(name: str, value: Any) -> Triple:
    x, y, z = (_number(name, part) for part in _parts(name, value, 3, "0,-1,0.5"))
    return x, y, z


def _size(name: str, value: Any) -> tuple[int, int]:
    columns, rows = (_whole(name, part) for part in _parts(name, value, 2, "512,512"))
    if not (1 <= columns <= MAX_SIDE and 1 <= rows <= MAX_SIDE):
        raise InvalidArgument(f"a picture of {columns} × {rows} pixels: 1 to {MAX_SIDE} a side are possible")
    return columns, rows


def _flag(name: str, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    known = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    try:
        return known[str(value).strip().lower()]
    except KeyError:
        raise InvalidArgument(f"{name} {value!r}: give true or false") from None


def _one_of(*names: str) -> Callable[[str, Any], str]:
    def read(name: str, value: Any) -> str:
        if value not in names:
            raise InvalidArgument(f"{name} {value!r}: choose from {', '.join(names)}")
        return str(value)

    return read


def _plane(name: str, value: Any) -> str | Plane:
    if isinstance(value, Plane):
        return value
    if value not in PLANE_NAMES:
        raise InvalidArgument(f"no {name} is called {value!r}: choose from {', '.join(PLANE_NAMES)}")
    return str(value)


def _window(name: str, value: Any) -> WindowChoice:
    """Read a window; (center, width) stays so, for the image knows its VOI function."""
    if isinstance(value, str) and "," not in value:
        # An image may have a window of its own by that name: whether it has is told when the picture is made.
        return preset_called(value) or value.strip()
    if isinstance(value, str):
        value = _parts(name, value, 2, "40,400")
    if isinstance(value, Window):
        return value
    chosen_window(value, "LINEAR_EXACT")  # raises for what is no window in any function
    center, width = value
    return _number(name, center), _number(name, width)


def _view(name: str, value: Any) -> View:
    """Read a name, or two angles, or three parts of a direction."""
    if isinstance(value, str) and "," not in value:
        return check_view(value.strip().lower())
    parts = value.split(",") if isinstance(value, str) else value
    if not hasattr(parts, "__len__") or len(parts) not in (2, 3):
        raise InvalidArgument(f"{name} {value!r}: give a name, azimuth,elevation in degrees, or x,y,z")
    return check_view(tuple(_number(name, part) for part in parts))


def _transfer(name: str, value: Any) -> TransferFunction:
    if not isinstance(value, str | TransferFunction):
        raise InvalidArgument(f"{name} {value!r}: give a TransferFunction, or a preset's name")
    return chosen_transfer(value)


def _box(name: str, value: Any) -> tuple[float, ...]:
    box = tuple(_number(name, part) for part in _parts(name, value, 6, "-50,-50,0,50,50,100"))
    if not all(low < high for low, high in zip(box[:3], box[3:], strict=True)):
        raise InvalidArgument(f"{name} {box}: the least x, y, z come first, then the greatest")
    return box


def _clip_planes(name: str, value: Any) -> tuple[ClipPlane, ...]:
    planes = [part for part in value.split(";") if part.strip()] if isinstance(value, str) else value
    found = []
    for plane in planes:
        a, b, c, d = (_number(name, part) for part in _parts(name, plane, 4, "0,0,1,100"))
        if a == b == c == 0.0:
            raise InvalidArgument(f"{name} {plane!r}: the first three numbers are the direction that is kept")
        found.append((a, b, c, d))
    if len(found) > MOST_CLIP_PLANES:
        raise InvalidArgument(f"{len(found)} {name}: give {MOST_CLIP_PLANES} at most")
    return tuple(found)


def _color(name: str, value: Any) -> tuple[int, int, int]:
    red, green, blue = (_whole(name, part) for part in _parts(name, value, 3, "255,255,255"))
    if not all(0 <= part <= 255 for part in (red, green, blue)):
        raise InvalidArgument(f"{name} {value!r}: colours are 0 to 255")
    return red, green, blue


def _text(_name: str, value: Any) -> str:
    return str(value)


_READERS: Mapping[str, Callable[[str, Any], Any]] = {
    "stack": _whole,
    "time": _whole,
    "instance": _text,
    "frame": _whole,
    "plane": _plane,
    "at_mm": _number,
    "index": _whole,
    "normal": _triple,
    "up": _triple,
    "center": _triple,
    "curve": _curve,
    "width_mm": _length,
    "zoom": _zoom,
    "pan_mm": _pair,
    "rotate_deg": _turn,
    "slab_mm": _thickness,
    "mode": _one_of(*MODES),
    "interpolation": _one_of(*INTERPOLATIONS),
    "resample": _flag,
    "view": _view,
    "transfer": _transfer,
    "clip_mm": _box,
    "clip_planes": _clip_planes,
    "background": _color,
    "window": _window,
    "bits": _whole,
    "suv": _flag,
    "overlays": _flag,
    "shutters": _flag,
    "srgb": _flag,
    "presentation": _text,
    "screen_mm": _number,
    "size": _size,
    "labels": read_labels,
    "annotate": _flag,
    "format": _one_of(*FORMATS),
    "quality": _whole,
}
"""How each field is read: a value of the field's type, or text that stands for it, is taken; else `InvalidArgument`."""

_OF_PLANES = ("plane", "at_mm", "index", "normal", "curve", "width_mm", "labels")
"""Fields for which a view has no use."""
_DEFAULTS: Mapping[str, Any] = {field.name: field.default for field in fields(RenderRequest)}
