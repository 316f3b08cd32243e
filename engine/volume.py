"""A volume: stored values at several resolutions, where they lie, and what they mean.

Rendering reads it through `LevelArray`: whether voxels come from an archive or from memory is all the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from types import EllipsisType
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..errors import InvalidArgument, NotReformattable, OutOfRange
from ..kernels.arguments import STORED
from ..kernels.voxels import Voxels, voxels_of_array
from .bridges import dask_array
from .geometry import UNPLACED, FloatArray, Triple, Verdict, VolumeGeometry
from .render.window import (
    AUTOMATIC,
    Window,
    WindowChoice,
    chosen_window,
    header_window,
    modality_values,
    robust_window,
)

Box: TypeAlias = tuple[int, int, int]
Values: TypeAlias = NDArray[np.generic]
Key: TypeAlias = int | slice | EllipsisType


AUTOMATIC_SLICES = 32
"""Slices of the coarsest level, spread evenly, from which a window is found where the header names none."""


class LevelArray(Protocol):
    """Stored values of one resolution, (z, y, x), read by boxes."""

    @property
    def shape(self) -> Box:
        """(z, y, x)."""
        ...

    @property
    def chunk_shape(self) -> Box:
        """The part that is read as one, (z, y, x)."""
        ...

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """The type of a stored value."""
        ...

    def read_box(self, start: Box, stop: Box, wanted: NDArray[np.bool_] | None = None) -> Values:
        """Read the voxels from `start` up to `stop` as a C-contiguous array.

        `wanted`, (z, y, x) a boolean for each chunk that the box touches, leaves the voxels of the other
        chunks undefined.
        """
        ...

    def hold_voxels(
        self, start: Box, stop: Box, wanted: NDArray[np.bool_] | None = None
    ) -> AbstractContextManager[Voxels | None]:
        """Give such a box for kernels to read where it lies, as long as the context lasts.

        None where that cannot be: `read_box` reads it then.
        """
        ...

    def brick_ranges(self) -> tuple[Values, Values] | None:
        """Give the least and greatest value of each brick (`kernels.ranges`), or None where they are not known."""
        ...


class FrameLevel:
    """What all levels have in common whose slices are frames, decoded when they are looked at."""

    def brick_ranges(self) -> None:
        """Know none before the slices are decoded."""

    def hold_voxels(
        self, start: Box, stop: Box, wanted: NDArray[np.bool_] | None = None
    ) -> AbstractContextManager[None]:
        """Hold none: `read_box` decodes them."""
        return nullcontext()


class ArrayLevel:
    """A level whose values are in memory."""

    def __init__(self, values: Values, chunk_shape: Box = (32, 32, 32)) -> None:
        if values.ndim != 3:
            raise InvalidArgument(f"a level is an array of (z, y, x), not of {values.ndim} axes")
        self._values = values
        z, y, x = values.shape
        self.shape: Box = (z, y, x)
        self.chunk_shape: Box = chunk_shape
        self.dtype = values.dtype

    def brick_ranges(self) -> None:
        """Know none: they are found again for each picture, for the values may change."""

    @contextmanager
    def hold_voxels(self, start: Box, stop: Box, wanted: NDArray[np.bool_] | None = None) -> Iterator[Voxels | None]:
        """Give the box where it lies, unless kernels cannot read the array there."""
        is_plain = self._values.flags.c_contiguous and self.dtype in STORED
        yield voxels_of_array(self._values, start, stop) if is_plain else None

    def read_box(self, start: Box, stop: Box, wanted: NDArray[np.bool_] | None = None) -> Values:
        """Give the box as a C-contiguous array: a view where it is one, else a copy of what is wanted."""
        box = self._values[tuple(slice(first, last) for first, last in zip(start, stop, strict=True))]
        if wanted is None or box.flags.c_contiguous:
            return np.ascontiguousarray(box)
        copied = np.empty(box.shape, box.dtype)
        for place in np.argwhere(wanted).tolist():
            part = tuple(
                slice(
                    max((first // size + number) * size - first, 0),
                    (first // size + number + 1) * size - first,
                )
                for number, first, size in zip(place, start, self.chunk_shape, strict=True)
            )
            copied[part] = box[part]
        return copied


@dataclass(frozen=True)
class Level:
    """One resolution of a volume, indexed like a NumPy array: it reads just what the indices name."""

    array: LevelArray
    factors_zyx: Box
    """How many voxels of level 0 one voxel here is the mean of."""
    geometry: VolumeGeometry | None

    @property
    def shape(self) -> Box:
        """(z, y, x)."""
        return self.array.shape

    @property
    def ndim(self) -> int:
        """Three: z, y, x."""
        return 3

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """The type of a stored value."""
        return self.array.dtype

    @property
    def chunk_shape(self) -> Box:
        """The part that is read as one, (z, y, x)."""
        return self.array.chunk_shape

    @property
    def grid(self) -> VolumeGeometry:
        """The geometry, or where there is none a grid of one unit a level-0 voxel, to lay pictures out by."""
        return self.geometry or UNPLACED.shrunk(self.factors_zyx)

    @property
    def spacing_mm(self) -> Triple:
        """Millimetres between voxels along z, y, x; raises `NotReformattable` where the place is unknown."""
        return _placed(self.geometry).spacing_mm

    @property
    def affine(self) -> FloatArray:
        """(4, 4) from voxel (z, y, x, 1) to patient (x, y, z, 1) in mm; raises `NotReformattable` too."""
        return _placed(self.geometry).affine

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[Values]:
        return (self[z] for z in range(len(self)))

    def __getitem__(self, key: Key | tuple[Key, ...]) -> Any:
        """Read stored values by NumPy's basic indexing; raises `OutOfRange` for an index the level lacks."""
        axes = [_axis_range(part, count) for part, count in zip(_full_key(key), self.shape, strict=True)]
        lows = [min(chosen[0], chosen[-1]) if chosen else 0 for chosen, _ in axes]
        highs = [max(chosen[0], chosen[-1]) + 1 if chosen else 0 for chosen, _ in axes]
        box = self.array.read_box((lows[0], lows[1], lows[2]), (highs[0], highs[1], highs[2]))
        within = tuple(
            (chosen[0] - low) if is_index else _shifted(chosen, low)
            for (chosen, is_index), low in zip(axes, lows, strict=True)
        )
        return box[within]

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Values:
        values: Values = self[...]
        return np.array(values, dtype=dtype, copy=copy)


def _placed(geometry: VolumeGeometry | None) -> VolumeGeometry:
    if geometry is None:
        raise NotReformattable("these frames have no common place in the patient, so no spacing and no affine")
    return geometry


def _full_key(key: Key | tuple[Key, ...]) -> tuple[int | slice, ...]:
    """Spell a key out as one index or slice for each of z, y, x."""
    parts: list[Key] = list(key) if isinstance(key, tuple) else [key]
    ellipses = [place for place, part in enumerate(parts) if part is Ellipsis]
    if len(ellipses) > 1 or len(parts) - len(ellipses) > 3:
        raise OutOfRange("at most three indices, for z, y and x, and one ellipsis")
    place = ellipses[0] if ellipses else len(parts)
    missing = 3 - (len(parts) - len(ellipses))
    full = [*parts[:place], *[slice(None)] * missing, *parts[place + 1 :]]
    return tuple(part for part in full if not isinstance(part, EllipsisType))


def _axis_range(part: int | slice, count: int) -> tuple[range, bool]:
    """Give the indices that a part of a key names along an axis, and whether it was one integer."""
    if isinstance(part, slice):
        return range(*part.indices(count)), False
    if isinstance(part, (bool, np.bool_)) or not isinstance(part, (int, np.integer)):
        raise OutOfRange(f"a level is indexed by integers and slices, not by {part!r}")
    index = int(part) + count if part < 0 else int(part)
    if not 0 <= index < count:
        raise OutOfRange(f"index {part} is not within an axis of {count}")
    return range(index, index + 1), True


def _shifted(chosen: range, low: int) -> slice:
    """Give a range of a level as a slice of the box that begins at `low`."""
    last = chosen.stop - low
    return slice(chosen.start - low, last if last >= 0 else None, chosen.step)


class Volume:
    """A stack of frames with its levels, its geometry and its meaning; what `render` makes pictures of."""

    def __init__(
        self,
        levels: Sequence[LevelArray],
        factors: Sequence[Box],
        geometry: VolumeGeometry | None,
        verdict: Verdict,
        *,
        rescale: FloatArray | None = None,
        window: tuple[float, float] | None = None,
        voi_function: str = "LINEAR",
        photometric_interpretation: str = "MONOCHROME2",
        padding_value: int | None = None,
        rescale_type: str = "",
        frame_of_reference: str = "",
        series_uid: str = "",
    ) -> None:
        """Put a volume together; `factors` tells for each level how many level-0 voxels one voxel spans.

        `rescale` is (slices, 2) slope and intercept of the modality LUT of each slice of level 0, or (1, 2)
        for all; None is the identity. `frame_of_reference` and `series_uid` say what may be drawn over it, "" where
        they are unknown. Raises `InvalidArgument` where the parts do not fit.
        """
        if not levels or len(levels) != len(factors):
            raise InvalidArgument(f"{len(levels)} levels with {len(factors)} factors: one each, at least one")
        self.levels = tuple(levels)
        self.factors = tuple(factors)
        self.geometry = geometry
        self.verdict = verdict
        self.rescale = _rescale_table(rescale, levels[0].shape[0])
        self.window = window
        self.voi_function = voi_function
        self.photometric_interpretation = photometric_interpretation
        self.padding_value = padding_value
        self.rescale_type = rescale_type
        self.frame_of_reference = frame_of_reference
        self.series_uid = series_uid

    def __repr__(self) -> str:
        z, y, x = self.shape
        return f"<Volume {z} × {y} × {x} {self.levels[0].dtype}, {self.level_count} levels; {self.verdict}>"

    @property
    def shape(self) -> Box:
        """(z, y, x) of level 0."""
        return self.levels[0].shape

    @property
    def spacing_mm(self) -> Triple:
        """Millimetres between voxels along z, y, x; raises `NotReformattable` where the place is unknown."""
        return _placed(self.geometry).spacing_mm

    @property
    def affine(self) -> FloatArray:
        """(4, 4) from voxel (z, y, x, 1) to patient (x, y, z, 1) in mm; raises `NotReformattable` too."""
        return _placed(self.geometry).affine

    @property
    def level_count(self) -> int:
        """Resolutions there are; level 0 is the stored values."""
        return len(self.levels)

    @property
    def grid(self) -> VolumeGeometry:
        """The geometry, or where there is none a grid of one unit a voxel, to lay pictures out by."""
        return self.geometry or UNPLACED

    @cached_property
    def is_rescale_even(self) -> bool:
        """Whether one modality LUT serves all slices, so that stored values may be mixed across them."""
        return bool(np.all(self.rescale == self.rescale[0]))

    def shown_through(self, choice: WindowChoice) -> Window:
        """Give the window that a caller's choice means here; raises `InvalidArgument`, `InvalidWindow`."""
        if choice == AUTOMATIC:
            return self.robust_window
        return chosen_window(choice, self.voi_function) or self.own_window

    @cached_property
    def own_window(self) -> Window:
        """The window to use when none is asked for: the header's, or one found from the values."""
        return header_window(self.window, self.voi_function) or self.robust_window

    @cached_property
    def robust_window(self) -> Window:
        """The window that holds nearly all values, found on the coarsest level."""
        coarsest = self.level(-1)
        chosen = np.unique(np.linspace(0, len(coarsest) - 1, min(len(coarsest), AUTOMATIC_SLICES)).astype(int))
        rescale = self.rescale[np.minimum(chosen * coarsest.factors_zyx[0], self.shape[0] - 1)]
        values = [
            modality_values(coarsest[int(z)], self.padding_value, slope, intercept)
            for z, (slope, intercept) in zip(chosen, rescale, strict=True)
        ]
        return robust_window(np.concatenate(values))

    def level(self, number: int = 0) -> Level:
        """Give one resolution; negative numbers count from the coarsest. Raises `OutOfRange`."""
        if not -self.level_count <= number < self.level_count:
            raise OutOfRange(f"level {number} of a volume of {self.level_count} levels")
        return self._levels[number]

    @cached_property
    def _levels(self) -> tuple[Level, ...]:
        grids = (self.geometry.shrunk(factors) if self.geometry else None for factors in self.factors)
        return tuple(Level(*parts) for parts in zip(self.levels, self.factors, grids, strict=True))

    def dask(self, level: int = 0) -> Any:
        """Give a level as a lazy `dask.array.Array` (z, y, x) of stored values, in blocks of whole chunks."""
        return dask_array(self.level(level))


def _rescale_table(rescale: FloatArray | None, slices: int) -> FloatArray:
    table = np.array([[1.0, 0.0]]) if rescale is None else np.asarray(rescale, dtype=np.float64)
    if table.shape not in ((1, 2), (slices, 2)):
        raise InvalidArgument(f"rescale is {table.shape}: not slope and intercept of {slices} slices")
    return np.broadcast_to(table, (slices, 2))
