"""Geometry and meaning of each frame from the attributes of a data set without functional groups.

Single frames (CT, MR, PET and most others), RT Dose (PS3.3 C.8.8.3), NM multi-frame (PS3.3 C.8.4.8) and plain
multi-frame objects, whose frames share what the header says once.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np

from .data_set import DataSet
from .instance import FloatArray, FrameTable

_NAN = float("nan")
_TIME_SPAN_S = float(1 << 22)
_ORDINAL_STEP = 2.0**-44

_NM_PASS_VECTORS = (0x00540070, 0x00540100, 0x00540030, 0x00540060)
"""Time Slot, Time Slice, Phase and R-R Interval Vector: the dimensions in which positions repeat."""
_NM_MEANING_VECTORS = ((0x00540010, "energy"), (0x00540020, "detector"), (0x00540050, "rotation"))


def read_frame_table(data_set: DataSet, frames: int) -> FrameTable:
    """Give one row for each of `frames` frames; where the header is silent the row holds NaN."""
    if 0x00540022 in data_set and frames > 1:
        return _nuclear_medicine(data_set, frames)
    position = fixed(data_set.numbers(0x00200032, "DS"), 3)
    orientation = fixed(data_set.numbers(0x00200037, "DS"), 6)
    positions = np.array([position]).repeat(frames, axis=0) if frames > 1 else np.array([position])
    if 0x3004000C in data_set:
        positions = _grid_positions(positions, orientation, data_set.numbers(0x3004000C, "DS"))
    return _table(data_set, positions, orientation, _time_keys(data_set, frames), stack_id(data_set))


def fixed(values: Sequence[float], count: int) -> Sequence[float]:
    """Give `values` if there are `count` of them, else as many NaN: half a position is none."""
    return values if len(values) == count else [_NAN] * count


def time_key(pass_number: float, seconds: float, ordinal: float) -> float:
    """Order frames by pass number, then acquisition time, then instance or frame number.

    The three share one float: seconds become a fraction that wraps after 48 days, the ordinal counts in steps
    of 2^-44 (0.2 microseconds of the former). Where pass and time are unknown (NaN) the ordinal stands alone.
    """
    if pass_number != pass_number and seconds != seconds:
        return ordinal if ordinal == ordinal else 0.0
    key = 0.0 if pass_number != pass_number else pass_number
    if seconds == seconds:
        key += seconds % _TIME_SPAN_S / _TIME_SPAN_S
    return key if ordinal != ordinal else key + ordinal * _ORDINAL_STEP


def seconds_of(day: str, time: str) -> float:
    """Give the seconds a DA and a TM value stand for, from day 0 of the calendar; NaN without a readable
    time.

    The retired forms 2000.01.31 and 12:00:00 are read too (PS3.5 table 6.2-1).
    """
    digits = time.replace(":", "")
    try:
        seconds = int(digits[:2]) * 3600.0 + int(digits[2:4] or 0) * 60 + float(digits[4:] or 0)
    except ValueError:
        return _NAN
    return seconds + 86400.0 * _ordinal_day(day.replace(".", ""))


def stack_id(data_set: DataSet) -> str:
    """Name what separates frames of a series beside shape and geometry: image type, echo, b-value, …"""
    parts = [data_set.text(0x00080008)]
    echo = data_set.text(0x00180086)
    echo_time = "" if echo else data_set.text(0x00180081)
    parts += [f"{name} {value}" for name, value in (("echo", echo), ("echo time", echo_time)) if value]
    if 0x00209056 in data_set:
        parts.append(f"stack {data_set.text(0x00209056)}")
    if 0x00189087 in data_set:
        parts.append(f"b {data_set.number(0x00189087, 'FD'):g}")
    return "; ".join(parts)


def acquisition_seconds(data_set: DataSet) -> float:
    """Give the best known time of a frame: Acquisition DateTime, Acquisition Date and Time, else Content
    Time.
    """
    moment = data_set.text(0x0008002A)
    if moment:
        return seconds_of_moment(moment)
    seconds = seconds_of(data_set.text(0x00080022), data_set.text(0x00080032))
    return seconds if seconds == seconds else seconds_of(data_set.text(0x00080023), data_set.text(0x00080033))


def seconds_of_moment(moment: str) -> float:
    """Give the seconds of a DT value, its offset from UTC ignored: one series has one clock."""
    local = moment.partition("+")[0].partition("-")[0]
    return seconds_of(local[:8], local[8:])


def columns(rows: Sequence[Sequence[float]], count: int) -> FloatArray:
    """Give rows as a float64 array of (rows, count)."""
    return np.array(rows, np.float64).reshape(len(rows), count)


def _ordinal_day(digits: str) -> int:
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:8])).toordinal()
    except ValueError:
        return 0


def _table(
    data_set: DataSet, positions: FloatArray, orientation: Sequence[float], times: FloatArray, stack: str
) -> FrameTable:
    frames = len(positions)
    table = FrameTable(
        position_mm=positions,
        orientation=np.array([orientation]),
        spacing_mm=np.array([fixed(data_set.numbers(0x00280030, "DS"), 2)]),
        thickness_mm=np.array([data_set.number(0x00180050, "DS")]),
        rescale=np.array([rescale_of(data_set)]),
        window=np.array([window_of(data_set)]),
        time_key=times,
        stack_id=(stack,) * frames,
    )
    return table if frames == 1 else _repeated(table, frames)


def _repeated(table: FrameTable, frames: int) -> FrameTable:
    return FrameTable(
        position_mm=table.position_mm,
        orientation=table.orientation.repeat(frames, axis=0),
        spacing_mm=table.spacing_mm.repeat(frames, axis=0),
        thickness_mm=table.thickness_mm.repeat(frames),
        rescale=table.rescale.repeat(frames, axis=0),
        window=table.window.repeat(frames, axis=0),
        time_key=table.time_key,
        stack_id=table.stack_id,
    )


def rescale_of(data_set: DataSet) -> tuple[float, float]:
    """Give slope and intercept of the modality LUT (PS3.3 C.11.1.1.2); (1, 0) where the header is silent."""
    slope = data_set.number(0x00281053, "DS")
    intercept = data_set.number(0x00281052, "DS")
    return (slope if slope == slope else 1.0, intercept if intercept == intercept else 0.0)


def window_of(data_set: DataSet) -> tuple[float, float]:
    """Give center and width of the first VOI window (PS3.3 C.11.2.1.2), or NaN."""
    return (data_set.number(0x00281050, "DS"), data_set.number(0x00281051, "DS"))


def _pass_number(data_set: DataSet) -> float:
    """Give the pass over the positions: temporal position, trigger time or acquisition number, or NaN."""
    position = data_set.number(0x00200100, "IS")
    if position == position and data_set.integer(0x00200105, "IS") != 1:
        return position
    trigger_ms = data_set.number(0x00181060, "DS")
    return trigger_ms if trigger_ms == trigger_ms else data_set.number(0x00200012, "IS")


def _time_keys(data_set: DataSet, frames: int) -> FloatArray:
    number, seconds = _pass_number(data_set), acquisition_seconds(data_set)
    ordinal = data_set.number(0x00200013, "IS")
    if frames == 1:
        return np.array([time_key(number, seconds, ordinal)])
    return np.arange(1, frames + 1, dtype=np.float64)


def _normal(orientation: Sequence[float]) -> FloatArray:
    return np.cross(np.array(orientation[:3]), np.array(orientation[3:]))


def _grid_positions(positions: FloatArray, orientation: Sequence[float], offsets: Sequence[float]) -> FloatArray:
    """Place the planes of an RT Dose by Grid Frame Offset Vector (PS3.3 C.8.8.3.2)."""
    if len(offsets) != len(positions):
        return positions if len(positions) == 1 else np.full_like(positions, _NAN)
    first = positions[0]
    if offsets[0] != 0.0 and offsets[0] == first[2]:
        # Absolute: the offsets are patient z themselves, allowed for transverse planes only.
        placed = positions.copy()
        placed[:, 2] = offsets
        return placed
    steps = np.array(offsets) - offsets[0]
    moved: FloatArray = positions + steps[:, None] * _normal(orientation)
    return moved


def _vector(data_set: DataSet, tag: int, frames: int) -> FloatArray | None:
    values = data_set.numbers(tag, "US")
    return np.array(values) if len(values) == frames else None


def _nuclear_medicine(data_set: DataSet, frames: int) -> FrameTable:
    """Place NM frames by Detector Information and Slice Vector (PS3.3 C.8.4.8, C.8.4.11, C.8.4.15)."""
    detector = data_set.item(0x00540022) or data_set
    position = fixed(detector.numbers(0x00200032, "DS"), 3)
    orientation = fixed(detector.numbers(0x00200037, "DS"), 6)
    slices = _vector(data_set, 0x00540080, frames)
    positions = np.full((frames, 3), _NAN)
    if slices is not None:
        step_mm = data_set.number(0x00180088, "DS")
        positions = np.array(position) + (slices - 1.0)[:, None] * step_mm * _normal(orientation)
    passes = [vector for tag in _NM_PASS_VECTORS if (vector := _vector(data_set, tag, frames)) is not None]
    times: FloatArray = np.arange(1, frames + 1, dtype=np.float64) * _ORDINAL_STEP
    for vector in reversed(passes):
        times = times / 4096.0 + vector
    table = _table(data_set, positions, orientation, times, "")
    return _with_stacks(table, _meanings(data_set, frames))


def _meanings(data_set: DataSet, frames: int) -> tuple[str, ...]:
    names = [data_set.text(0x00080008)] * frames
    for tag, word in _NM_MEANING_VECTORS:
        vector = _vector(data_set, tag, frames)
        if vector is not None:
            names = [f"{name}; {word} {value:g}" for name, value in zip(names, vector, strict=True)]
    return tuple(names)


def _with_stacks(table: FrameTable, stacks: tuple[str, ...]) -> FrameTable:
    return FrameTable(
        table.position_mm,
        table.orientation,
        table.spacing_mm,
        table.thickness_mm,
        table.rescale,
        table.window,
        table.time_key,
        stacks,
    )
