"""Which labels a picture shows: of which series, which of its segments, and how they are drawn."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, get_args
from urllib.parse import unquote

from ...errors import InvalidArgument

Style = Literal["filled", "outline"]
STYLES = get_args(Style)
MOST_LABELS = 16
"""Series of labels over one picture."""
_OPACITY = {"filled": 0.4, "outline": 1.0}
_EXAMPLE = "such as 1.2.840…?segments=1,Liver&opacity=0.5&style=outline"


@dataclass(frozen=True, slots=True)
class LabelChoice:
    """Segments of a series of segmentations, or regions of a series of structure sets, over a picture."""

    series: str
    """Series Instance UID; where an archive is asked, also what it knows a series by."""
    segments: tuple[int | str, ...] = ()
    """Numbers or names; empty: all."""
    opacity: float | None = None
    """0 to 1; None: 0.4 where they are filled, 1 where they are outlined."""
    style: Style = "filled"
    """One of `STYLES`."""

    def __post_init__(self) -> None:
        if not self.series:
            raise InvalidArgument(f"labels of no series: name one, {_EXAMPLE}")
        if self.style not in STYLES:
            raise InvalidArgument(f"style {self.style!r}: choose from {', '.join(STYLES)}")
        opacity = _OPACITY[self.style] if self.opacity is None else _share(self.opacity)
        object.__setattr__(self, "opacity", opacity)
        object.__setattr__(self, "segments", _in_order(self.segments))

    @property
    def alpha(self) -> float:
        """The opacity, as a number."""
        return _OPACITY[self.style] if self.opacity is None else self.opacity

    @classmethod
    def parse(cls, text: str) -> LabelChoice:
        """Read a series, and after a `?` what differs from the default, as in an address.

        Names are percent-encoded where they hold one of `,&=;%`. Raises `InvalidArgument`.
        """
        series, _, query = text.strip().partition("?")
        given: dict[str, Any] = {}
        for part in filter(None, query.split("&")):
            name, _, value = part.partition("=")
            if name == "segments":
                given[name] = tuple(unquote(item) for item in value.split(",") if item.strip())
            elif name in ("opacity", "style"):
                given[name] = unquote(value)
            else:
                raise InvalidArgument(f"labels {text!r}: {name!r} is not known; give a series, {_EXAMPLE}")
        return cls(series, **given)


def read_labels(name: str, value: Any) -> tuple[LabelChoice, ...]:
    """Read choices, or text with `;` between them; raises `InvalidArgument` for what is none."""
    if isinstance(value, str | LabelChoice):
        value = value.split(";") if isinstance(value, str) else [value]
    if not isinstance(value, Iterable):
        raise InvalidArgument(f"{name} {value!r}: give series, {_EXAMPLE}")
    given = [LabelChoice.parse(item) if isinstance(item, str) else item for item in value if item]
    if not all(isinstance(item, LabelChoice) for item in given):
        raise InvalidArgument(f"{name} {value!r}: give series, {_EXAMPLE}")
    if len(given) > MOST_LABELS:
        raise InvalidArgument(f"{len(given)} {name}: give {MOST_LABELS} series at most")
    return tuple(given)


def _share(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not 0.0 <= number <= 1.0:
        raise InvalidArgument(f"opacity {value!r}: give 0 to 1")
    return number + 0.0


def _in_order(segments: Iterable[int | str] | int | str) -> tuple[int | str, ...]:
    """Give numbers by size, then names: in which order they are named says nothing."""
    if isinstance(segments, int | str):
        segments = (segments,)
    plain = {int(one) if str(one).strip().isdecimal() else str(one).strip() for one in segments}
    return tuple(sorted(plain, key=lambda one: (isinstance(one, str), one if isinstance(one, str) else f"{one:09}")))
