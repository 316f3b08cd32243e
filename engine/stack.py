"""One stack of an archived series: its volume, its frames, and pictures of them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property, lru_cache
from io import BytesIO

import numpy as np
import pydicom
from numpy.typing import NDArray

from ..errors import InvalidArgument, NotReformattable, UnsupportedPixels
from ..storage.bricks import cached_frames
from ..storage.manifest import StackRecord
from ..storage.published import Published
from .decode import decode_frame
from .geometry import Verdict, VolumeGeometry
from .packing import Packing
from .presentation.header import read_softcopy
from .presentation.show import Frame, Look, show
from .presentation.softcopy import Softcopy
from .presentation.suv import UNIT, suv_factor
from .render.picture import Image
from .render.tables import read_header
from .render.window import WindowChoice, header_window, preset_called
from .transfer_syntax import TRANSFER_SYNTAXES
from .video import decode_video_frame
from .volume import Box, FrameLevel, LevelArray, Volume

_KEPT_HEADERS = 32
_KEPT_SOFTCOPIES = 1024
"""A pipeline without tables is a hundred bytes or so; one with tables may be some 100 kB."""


class Stack:
    """Frames of one series that share shape, type and meaning, in spatial or temporal order."""

    def __init__(self, published: Published, number: int) -> None:
        self._published, self._number = published, number
        self.record: StackRecord = published.manifest.stacks[number]
        self.verdict = Verdict.from_json(self.record.meaning["verdict"])
        # Headers are read where the manifest does not say all; the next frame, and the next window, find them here.
        self._header_of = lru_cache(_KEPT_HEADERS)(self._read_header)
        self._softcopy = lru_cache(_KEPT_SOFTCOPIES)(self._read_softcopy)
        geometry = self.record.meaning["geometry"]
        self.geometry = VolumeGeometry.from_json(geometry) if geometry else None
        self._volumes: dict[tuple[int, bool], Volume] = {}

    def __repr__(self) -> str:
        return f"<Stack {self.record.name}: {self.record.meaning['summary']}>"

    def __len__(self) -> int:
        """Frames of all time points."""
        return len(self.record.frames)

    @property
    def is_expanded(self) -> bool:
        """Whether stored values are kept as a pyramid; else frames are decoded from codestreams on demand."""
        return bool(self.record.levels)

    @property
    def is_gray(self) -> bool:
        """Whether stored values are amounts of grey; else colours, or places in a palette."""
        return str(self.record.meaning["photometric_interpretation"]).startswith("MONOCHROME")

    @property
    def frame_shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return self._first.description.rows, self._first.description.columns

    @property
    def item_bytes(self) -> int:
        """Bytes of one stored value."""
        return np.dtype(self.record.dtype).itemsize

    @property
    def times(self) -> int:
        """Time points."""
        return self.record.shape[0]

    @cached_property
    def places(self) -> dict[tuple[int, int], int]:
        """Where each (instance, frame) of the generation is in this stack."""
        return {(instance, frame): at for at, (instance, frame) in enumerate(self.record.frames)}

    @cached_property
    def _first(self) -> Packing:
        """The pixel description of the first frame's instance; all frames share it."""
        pixels = self._published.manifest.instances[self.record.frames[0][0]].pixels
        assert pixels is not None
        return Packing.from_json(pixels)

    def volume(self, time: int = 0, *, suv: bool = False) -> Volume:
        """Give the volume at one time point; frames that are no volume are one slice each.

        With `suv` the values of PET are SUV by body weight. Raises `NotReformattable` for colour, and
        `NotQuantitative` where the header allows no SUV.
        """
        if not 0 <= time < self.times:
            raise InvalidArgument(f"time {time}: the stack has {self.times}, counted from 0")
        if not self.is_gray:
            raise NotReformattable("these frames are in colour: only single frames can be shown, by index")
        if (time, suv) not in self._volumes:
            self._volumes[time, suv] = self._make_volume(time, suv=suv)
        return self._volumes[time, suv]

    def _make_volume(self, time: int, *, suv: bool) -> Volume:
        meaning, slices = self.record.meaning, self.record.shape[1]
        rescale = np.array(meaning["rescale"], dtype=np.float64)
        if len(rescale) > 1:
            rescale = rescale[time * slices : (time + 1) * slices]
        # Windows made slice by slice: the outermost slices hold little of the body.
        window, function = self._window(time * slices + slices // 2), meaning["voi_function"]
        if suv:
            factor = self.suv_factor(time * slices)
            rescale = rescale * factor
            window = None if window is None else (window[0] * factor, window[1] * factor)
            function = "SIGMOID" if function == "SIGMOID" else "LINEAR_EXACT"
        return Volume(
            self._levels(time),
            [level.factors_zyx for level in self.record.levels] or [(1, 1, 1)],
            self.geometry,
            self.verdict,
            rescale=rescale,
            window=window,
            voi_function=function,
            photometric_interpretation=meaning["photometric_interpretation"],
            padding_value=meaning["padding_value"],
            rescale_type=UNIT if suv else meaning["rescale_type"],
            frame_of_reference=self._published.manifest.attributes.get("FrameOfReferenceUID", ""),
            series_uid=self._published.manifest.series_instance_uid,
        )

    def _levels(self, time: int) -> list[LevelArray]:
        if self.is_expanded:
            count = len(self.record.levels)
            return [self._published.array(self._number, level).volume(time) for level in range(count)]
        return [_DecodedLevel(self, time)]

    def frame(self, index: int) -> NDArray[np.generic]:
        """Give one frame's stored values, (rows, columns) or (rows, columns, samples).

        `index` counts slices, time point after time point; negative ones from the end. Raises `InvalidArgument`,
        `DecodeError`, `UnsupportedPixels`.
        """
        return self._frame(index)[0]

    def _frame(self, index: int) -> tuple[NDArray[np.generic], str]:
        """Give a frame's stored values and the photometric interpretation they have."""
        if not -len(self) <= index < len(self):
            raise InvalidArgument(f"frame {index}: the stack has {len(self)}, counted from 0")
        index %= len(self)
        if not self.is_expanded:
            return next(self.decoded([index]))
        array = self._published.array(self._number)
        _, channels, slices, rows, columns = array.level.shape
        t, z = divmod(index, slices)
        planes = [array.volume(t, c).read_box((z, 0, 0), (z + 1, rows, columns))[0] for c in range(channels)]
        values = planes[0] if channels == 1 else np.stack(planes, axis=-1)
        return values, self.record.meaning["photometric_interpretation"]

    def decoded(self, indices: list[int]) -> Iterator[tuple[NDArray[np.generic], str]]:
        """Give frames, and the photometric interpretation they have, from the cache or decoded in parallel."""
        description = self._first.description
        key = (self._published.identity, self._number)
        frames = cached_frames(key, len(self), description.frame_bytes, indices, self._decode)
        for values, photometric_interpretation in frames:
            yield values.view(self.record.dtype).reshape(description.frame_shape), photometric_interpretation

    def _decode(self, index: int) -> tuple[NDArray[np.generic], str]:
        instance, frame = self.record.frames[index]
        record = self._published.manifest.instances[instance]
        assert record.pixels is not None
        fragments, uid = record.pixels["fragments"], record.transfer_syntax_uid
        description = Packing.from_json(record.pixels).description
        if uid in TRANSFER_SYNTAXES and TRANSFER_SYNTAXES[uid].is_video:
            stream = b"".join(self._published.codestream(instance, n) for n in range(record.codestreams))
            decoded = decode_video_frame(stream, description, uid, frame)
            return decoded.values, decoded.photometric_interpretation
        if fragments is not None and frame >= len(fragments):
            raise UnsupportedPixels(f"single frames cannot be told apart in transfer syntax {uid}")
        numbers = [frame] if fragments is None else fragments[frame]
        codestream = b"".join(self._published.codestream(instance, number) for number in numbers)
        decoded = decode_frame(codestream, description, uid)
        return decoded.values, decoded.photometric_interpretation

    def _window(self, index: int) -> tuple[float, float] | None:
        """Give center and width of the window that the header names for a frame."""
        windows = self.record.meaning["windows"]
        window = windows[index % len(self)] if len(windows) > 1 else windows[0]
        return (window[0], window[1]) if window else None

    def picture(self, index: int = 0, *, window: WindowChoice = None) -> Image:
        """Make a picture of one frame as it is stored, grey or colour, with its overlays and shutters."""
        return self.show(index, Look(window=window))

    def show(self, index: int, look: Look) -> Image:
        """Make a picture of one frame as `look` wants it; raises as `presentation.show` does."""
        values, photometric_interpretation = self._frame(index)
        index %= len(self)
        instance, number = self.record.frames[index]
        is_plain = self._is_plain and photometric_interpretation != "PALETTE COLOR"
        by_name = isinstance(look.window, str) and preset_called(look.window) is None
        _, row_mm, column_mm = self.record.meaning["spacing_mm"]
        frame = Frame(
            values,
            photometric_interpretation,
            self._plain_softcopy(index) if is_plain and not by_name else self._softcopy(instance, number),
            lambda: self._header_of(instance),
            is_plain,
            number,
            self._published.manifest.instances[instance].sop_instance_uid,
            lambda: self._native_pixels(instance, number),
            (row_mm, column_mm),
        )
        return show(frame, look)

    def header(self, index: int) -> tuple[pydicom.Dataset, int]:
        """Give the header of the instance that a frame is of, and its number within it, from 0."""
        instance, number = self.record.frames[index % len(self)]
        return self._header_of(instance), number

    @property
    def _is_plain(self) -> bool:
        """Whether no header needs to be read to show a frame; archives of old do not say."""
        return bool(self.record.meaning.get("is_plain", False))

    def _plain_softcopy(self, index: int) -> Softcopy:
        """Give the pipeline of a frame of which the manifest says all."""
        meaning = self.record.meaning
        rescale, window, padding = meaning["rescale"], self._window(index), meaning["padding_value"]
        slope, intercept = rescale[index] if len(rescale) > 1 else rescale[0]
        shown = header_window(window, meaning["voi_function"])
        return Softcopy(
            rescale=(slope, intercept),
            voi=() if shown is None else (("", shown),),
            voi_function=meaning["voi_function"],
            invert=meaning["photometric_interpretation"] == "MONOCHROME1",
            padding=None if padding is None else (padding, padding),
            bits_stored=meaning["bits_stored"],
        )

    def suv_factor(self, index: int = 0) -> float:
        """Give what a frame's modality values are multiplied with to be SUVbw; raises `NotQuantitative`."""
        return suv_factor(self._header_of(self.record.frames[index][0]))

    def _read_header(self, instance: int) -> pydicom.Dataset:
        """Read the header of an instance, with the pixels after it where the file was kept whole."""
        is_whole = self._published.manifest.instances[instance].source == "whole"
        return read_header(self._published.codestream(instance) if is_whole else self._published.header(instance))

    def _read_softcopy(self, instance: int, frame: int) -> Softcopy:
        return read_softcopy(self._header_of(instance), frame)

    def _native_pixels(self, instance: int, frame: int) -> bytes | None:
        """Give the bytes of a frame as the file has them, where it was kept whole: what is not stored in stacks."""
        record = self._published.manifest.instances[instance]
        if record.source != "whole" or record.pixels is None:
            return None
        file = pydicom.dcmread(BytesIO(self._published.codestream(instance)), force=True)
        frame_bytes = -(-Packing.from_json(record.pixels).description.frame_bits // 8)
        pixels = bytes(file.PixelData)[frame * frame_bytes : (frame + 1) * frame_bytes]
        return pixels if len(pixels) == frame_bytes else None


class _DecodedLevel(FrameLevel):
    """The slices of one time point whose codestreams are decoded when they are read."""

    def __init__(self, stack: Stack, time: int) -> None:
        self._stack = stack
        self._first = time * stack.record.shape[1]
        rows, columns = stack.frame_shape
        self.shape = (stack.record.shape[1], rows, columns)
        self.chunk_shape = (1, rows, columns)
        self.dtype = np.dtype(stack.record.dtype)

    def read_box(self, start: Box, stop: Box, wanted: NDArray[np.bool_] | None = None) -> NDArray[np.generic]:
        """Read the voxels from `start` up to `stop`; slices that are not wanted are not decoded."""
        (z0, y0, x0), (z1, y1, x1) = start, stop
        box = np.empty((z1 - z0, y1 - y0, x1 - x0), self.dtype)

        slices = range(z0, z1) if wanted is None else (z0 + np.flatnonzero(wanted.any(axis=(1, 2)))).tolist()
        frames = self._stack.decoded([self._first + z for z in slices])
        for z, (values, _) in zip(slices, frames, strict=True):
            box[z - z0] = values[y0:y1, x0:x1]
        return box
