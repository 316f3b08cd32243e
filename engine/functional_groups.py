"""Geometry and meaning of each frame from functional groups, shared or per frame (PS3.3 C.7.6.16).

A macro may stand in the Shared or in the Per-Frame sequence; per frame wins. Only the macros the engine uses
are read.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .data_set import DataSet
from .frame_table import columns, fixed, rescale_of, seconds_of_moment, time_key, window_of
from .instance import FrameTable

SHARED_GROUPS = 0x52009229
PER_FRAME_GROUPS = 0x52009230

_PIXEL_MEASURES = 0x00289110
_PLANE_POSITION = 0x00209113
_PLANE_ORIENTATION = 0x00209116
_FRAME_CONTENT = 0x00209111
_PIXEL_TRANSFORMATION = 0x00289145
_FRAME_VOI = 0x00289132
_TEMPORAL_POSITION = 0x00209310
_CARDIAC = 0x00189118
_ECHO = 0x00189114
_DIFFUSION = 0x00189117
_SEGMENT = 0x0062000A
_OPTICAL_PATH = 0x00480207
_FRAME_TYPES = (0x00189226, 0x00189329, 0x00189732, 0x00189504, 0x00220032)
"""MR, CT, PET, XA/XRF and OP Image Frame Type."""

_Macros = dict[int, DataSet]


@dataclass(slots=True)
class _Row:
    position: list[float]
    orientation: list[float]
    spacing: list[float]
    thickness: float
    rescale: tuple[float, float]
    window: tuple[float, float]
    time: tuple[float, float]
    """Pass number and seconds, NaN where unknown."""
    stack: str


def read_functional_groups(data_set: DataSet, frames: int) -> FrameTable:
    """Give one row for each of `frames` frames; a frame without an item of its own has the shared values.

    Raises `FormatError` where the sequences do not parse.
    """
    shared = shared_groups(data_set)
    shared_macros = _macros(shared) if shared is not None else {}
    per_frame = data_set.items(PER_FRAME_GROUPS)[:frames]
    rows = [_row(shared_macros | _macros(item), data_set) for item in per_frame]
    if len(rows) < frames:
        rows += [_row(shared_macros, data_set)] * (frames - len(rows))
    return FrameTable(
        position_mm=columns([row.position for row in rows], 3),
        orientation=columns([row.orientation for row in rows], 6),
        spacing_mm=columns([row.spacing for row in rows], 2),
        thickness_mm=np.array([row.thickness for row in rows]),
        rescale=columns([row.rescale for row in rows], 2),
        window=columns([row.window for row in rows], 2),
        time_key=np.array([time_key(*row.time, float(n)) for n, row in enumerate(rows, 1)]),
        stack_id=tuple(row.stack for row in rows),
    )


def shared_groups(data_set: DataSet) -> DataSet | None:
    """Give the item of the Shared Functional Groups Sequence, or None."""
    return data_set.item(SHARED_GROUPS)


def shared_macro(data_set: DataSet, macro: int) -> DataSet | None:
    """Give a macro's item from the shared groups, else from the first frame's, or None."""
    for group in (shared_groups(data_set), data_set.item(PER_FRAME_GROUPS)):
        item = None if group is None else group.item(macro)
        if item is not None:
            return item
    return None


_WANTED = (
    _PIXEL_MEASURES,
    _PLANE_POSITION,
    _PLANE_ORIENTATION,
    _FRAME_CONTENT,
    _PIXEL_TRANSFORMATION,
    _FRAME_VOI,
    _TEMPORAL_POSITION,
    _CARDIAC,
    _ECHO,
    _DIFFUSION,
    _SEGMENT,
    _OPTICAL_PATH,
    *_FRAME_TYPES,
)


def _macros(group: DataSet) -> _Macros:
    return {tag: item for tag in _WANTED if tag in group and (item := group.item(tag)) is not None}


def _row(macros: _Macros, whole: DataSet) -> _Row:
    measures = macros.get(_PIXEL_MEASURES)
    return _Row(
        position=_fixed(macros.get(_PLANE_POSITION), 0x00200032, 3),
        orientation=_fixed(macros.get(_PLANE_ORIENTATION), 0x00200037, 6),
        spacing=_fixed(measures, 0x00280030, 2),
        thickness=_number(measures, 0x00180050, "DS"),
        rescale=rescale_of(macros.get(_PIXEL_TRANSFORMATION, whole)),
        window=window_of(macros.get(_FRAME_VOI, whole)),
        time=_time(macros),
        stack=_stack(macros, whole),
    )


def _fixed(item: DataSet | None, tag: int, count: int) -> list[float]:
    return list(fixed([] if item is None else item.numbers(tag, "DS"), count))


def _number(item: DataSet | None, tag: int, vr: str) -> float:
    return float("nan") if item is None else item.number(tag, vr)


def _time(macros: _Macros) -> tuple[float, float]:
    """Give temporal position or offset, trigger delay or acquisition number; and the time of acquisition."""
    content = macros.get(_FRAME_CONTENT)
    candidates = (
        _number(content, 0x00209128, "UL"),
        _number(macros.get(_TEMPORAL_POSITION), 0x0020930D, "FD"),
        _number(macros.get(_CARDIAC), 0x00209153, "FD"),
        _number(content, 0x00209156, "US"),
    )
    known = [value for value in candidates if value == value]
    moment = "" if content is None else content.text(0x00189074) or content.text(0x00189151)
    return known[0] if known else float("nan"), seconds_of_moment(moment)


def _stack(macros: _Macros, whole: DataSet) -> str:
    parts = [_frame_type(macros, whole)]
    content = macros.get(_FRAME_CONTENT)
    stack = "" if content is None else content.text(0x00209056)
    path = macros[_OPTICAL_PATH].text(0x00480106) if _OPTICAL_PATH in macros else ""
    segment = _number(macros.get(_SEGMENT), 0x0062000B, "US")
    echo_ms = _number(macros.get(_ECHO), 0x00189082, "FD")
    b_value = _number(macros.get(_DIFFUSION), 0x00189087, "FD")
    parts += [f"{word} {text}" for word, text in (("stack", stack), ("optical path", path)) if text]
    named = (("segment", segment), ("echo time", echo_ms), ("b", b_value))
    parts += [f"{word} {value:g}" for word, value in named if value == value]
    return "; ".join(parts)


def _frame_type(macros: _Macros, whole: DataSet) -> str:
    for tag in _FRAME_TYPES:
        if tag in macros:
            item = macros[tag]
            values = [item.text(0x00089007), item.text(0x00089208)]
            return "; ".join(value for value in values if value)
    return whole.text(0x00080008)
