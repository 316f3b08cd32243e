"""One instance of an archive, wherever it lies: its bytes, its frames' stored values, pictures of them.

It is served from the inbox just as from a generation: nothing waits for consolidation.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pydicom
from numpy.typing import NDArray

from ..errors import Damaged, Incomplete, InvalidArgument, NotFound, OutOfRange, UnsupportedPixels
from ..storage import inbox
from ..storage.home import Home
from ..storage.rows import INBOX, InstanceRow
from ..storage.whole import MAPPED_BYTES, spool
from .encapsulation import scan_encapsulated
from .instance import Instance
from .labels.draw import Labels
from .loading import Loaded, Received, load
from .packing import Bytes
from .parse import HEAD_BYTES, HEAD_GROWTH, parse_head
from .presentation.header import read_softcopy
from .presentation.show import Frame, Look, show
from .presentation.state import PresentationState
from .rebuild import Rebuilder
from .render.answer import labelled, look_of, sized
from .render.picture import Image
from .render.request import RenderRequest
from .render.tables import read_header
from .render.window import WindowChoice
from .retrieval import Retrieved, Way, way_of
from .rewriting import Origin

if TYPE_CHECKING:
    from .series import Series

_PIECE_BYTES = 1 << 20


class StoredInstance(Protocol):
    """An instance of the archive."""

    row: InstanceRow
    """What the index says of it."""

    @property
    def frames(self) -> int:
        """How many frames it has; 0 where it is no image."""

    def pieces(self) -> Iterator[Bytes]:
        """Give its bytes as received, in pieces; raises `Damaged` at the end at the latest where they are not.

        Where its codestreams were dropped: the same stored values, as `way` says.
        """

    def read(self, transfer_syntax: str | None = None) -> Retrieved:
        """Give its bytes, as `Series.instance` does; raises as that does."""

    def way(self, transfer_syntax: str | None = None) -> Way:
        """Give how it is given back, as received unless another lossless transfer syntax is asked for by UID."""

    def header(self) -> bytes:
        """Give its bytes as far as they tell all but the pixels, which may follow; raises `Damaged`."""

    def frame(self, number: int = 0) -> NDArray[np.generic]:
        """Give a frame's stored values, (rows, columns) or (rows, columns, samples); counted from 0.

        Raises `OutOfRange`, `DecodeError`, `UnsupportedPixels`.
        """

    def picture(self, number: int = 0, *, window: WindowChoice = None) -> Image:
        """Make a picture of a frame as it is stored."""


class WaitingInstance:
    """An instance in the inbox."""

    def __init__(self, home: Home, row: InstanceRow, again: Callable[[str], StoredInstance]) -> None:
        """`again` finds an instance by its UID, for when this one was consolidated."""
        self.row, self._again = row, again
        self._path = inbox.instance_path(home, row.series_uid, row.sop_uid)

    def __repr__(self) -> str:
        return f"<instance {self.row.sop_uid}, waiting>"

    @cached_property
    def _loaded(self) -> Loaded:
        if self.row.size_bytes < MAPPED_BYTES:
            data: bytes | memoryview = b"".join(self.pieces())
        else:
            # Proven, then mapped: should it be consolidated in between, what is mapped stays.
            data = spool(self.pieces(), self._path.parents[3])
        return load(_InMemory(data, Received(self.row.sha256)), _head_of(data))

    @property
    def frames(self) -> int:
        """How many frames it has; 0 where it is no image."""
        pixels = self._loaded.instance.pixels
        return pixels.frames if pixels is not None else 0

    def pieces(self) -> Iterator[Bytes]:
        """Give its bytes as received, in pieces of a megabyte; raises `Damaged`."""
        digest = hashlib.sha256()
        try:
            with self._path.open("rb") as file:
                while piece := file.read(_PIECE_BYTES):
                    digest.update(piece)
                    yield piece
        except FileNotFoundError as problem:
            instance = self._again(self.row.sop_uid)
            if instance.row.place == INBOX:
                raise Damaged(f"{self._path}: is missing") from problem
            yield from instance.pieces()
            return
        except OSError as problem:
            raise Damaged(f"{self._path}: cannot be read ({problem.strerror})") from problem
        if digest.hexdigest() != self.row.sha256 and not self._is_being_replaced(digest.hexdigest()):
            raise Damaged(f"{self._path}: differs from what was received")

    def _is_being_replaced(self, sha256: str) -> bool:
        """Whether the file is another received instance, just as whole, that the index does not know yet."""
        facts = inbox.read_facts(self._path)
        return facts is not None and facts.sha256 == sha256

    def read(self, transfer_syntax: str | None = None) -> Retrieved:
        """Give its bytes, as `Series.instance` does; raises as that does."""
        return self.way(transfer_syntax).read()

    def way(self, transfer_syntax: str | None = None) -> Way:
        """Give how it is given back, as received unless another lossless transfer syntax is asked for by UID."""
        return way_of(self.row.transfer_syntax_uid, self.pieces, self._origin, transfer_syntax)

    def _origin(self) -> Origin | None:
        """Give what it is written anew from; raises `UnsupportedPixels` for a deflated file."""
        loaded, description = self._loaded, self._loaded.instance.pixels
        if description is None:
            return None
        span = loaded.instance.pixel_span
        if span is None:
            raise UnsupportedPixels("its data set is deflated: it is given back only as it was received")
        end = span.offset + span.length
        if loaded.fragments:
            _, end = scan_encapsulated(loaded.data, span)
        shown = replace(description, photometric_interpretation=loaded.decoded(0)[1])
        head, tail = bytes(loaded.data[: span.offset]), bytes(loaded.data[end:])
        return Origin(head, tail, shown, lambda frame: loaded.decoded(frame)[0], self._path.parents[3])

    def header(self) -> bytes:
        """Give its bytes up to the pixels; all of them where these cannot be told apart. Raises `Damaged`."""
        # Pixels are not copied; a deflated file is read whole.
        span = self._loaded.instance.pixel_span
        data = memoryview(self._loaded.data)
        return bytes(data if span is None else data[: span.offset])

    def frame(self, number: int = 0) -> NDArray[np.generic]:
        """Give a frame's stored values, (rows, columns) or (rows, columns, samples); counted from 0."""
        return self._decoded(number)[0]

    def _decoded(self, number: int) -> tuple[NDArray[np.generic], str]:
        pixels = self._loaded.instance.pixels
        if pixels is None:
            raise NotFound(f"instance {self.row.sop_uid} has no pixels")
        if not 0 <= number < pixels.frames:
            raise OutOfRange(f"frame {number}: the instance has {pixels.frames}, counted from 0")
        return self._loaded.decoded(number)

    def verify(self) -> list[str]:
        """Read it; give a line where it is not what was received."""
        try:
            for _ in self.pieces():
                pass
        except Damaged as problem:
            return [f"instance {self.row.sop_uid}: {problem}"]
        return []

    def spacing_mm(self, number: int) -> tuple[float, float]:
        """Give millimetres between rows and between columns of a frame; 1 where the header is silent."""
        table = self._loaded.instance.frames
        rows_mm, columns_mm = np.nan_to_num(table.spacing_mm[number], nan=1.0) if table is not None else (1.0, 1.0)
        return float(rows_mm) or 1.0, float(columns_mm) or 1.0

    def picture(self, number: int = 0, *, window: WindowChoice = None) -> Image:
        """Make a picture of a frame as it is stored."""
        return self.show(number, Look(window=window))

    def show(self, number: int, look: Look) -> Image:
        """Make a picture of a frame, from 0, as `look` wants it; raises as `presentation.show` does."""
        values, photometric_interpretation = self._decoded(number)
        softcopy = read_softcopy(self.dataset, number)
        frame = Frame(
            values,
            photometric_interpretation,
            softcopy,
            lambda: self.dataset,
            self._loaded.instance.is_plain,
            number,
            self.row.sop_uid,
            lambda: self._native_pixels(number),
            self.spacing_mm(number),
        )
        return show(frame, look)

    @cached_property
    def dataset(self) -> pydicom.Dataset:
        """Its header, as pydicom reads it."""
        return read_header(self.header())

    def _native_pixels(self, number: int) -> bytes | None:
        pixels = self._loaded.instance.pixels
        if pixels is None or self._loaded.fragments:
            return None
        frame_bytes = -(-pixels.frame_bits // 8)
        return bytes(self._loaded.pixels[number * frame_bytes : (number + 1) * frame_bytes])


class ConsolidatedInstance:
    """An instance in its series' current generation."""

    def __init__(self, series: Series, row: InstanceRow) -> None:
        self._series, self.row = series, row

    def __repr__(self) -> str:
        return f"<instance {self.row.sop_uid}>"

    @cached_property
    def _number(self) -> int:
        records = enumerate(self._series.manifest.instances)
        return next(n for n, record in records if record.sop_instance_uid == self.row.sop_uid)

    @property
    def frames(self) -> int:
        """How many frames it has; 0 where it is no image."""
        pixels = self._series.manifest.instances[self._number].pixels
        return int(pixels["description"]["frames"]) if pixels is not None else 0

    def pieces(self) -> Iterator[Bytes]:
        """Give its bytes as received, in pieces; where its codestreams were dropped as `way` says; raises `Damaged`."""
        yield from Rebuilder(self._series.published).proven(self._number)

    def read(self, transfer_syntax: str | None = None) -> Retrieved:
        """Give its bytes, as `Series.instance` does; raises as that does."""
        return self.way(transfer_syntax).read()

    def way(self, transfer_syntax: str | None = None) -> Way:
        """Give how it is given back, as received unless another lossless transfer syntax is asked for by UID."""
        return self._series.way(self.row.sop_uid, transfer_syntax)

    def header(self) -> bytes:
        """Give its bytes without the pixels, or all of them where the file was kept whole; raises `Damaged`."""
        published = self._series.published
        is_whole = published.manifest.instances[self._number].source == "whole"
        return b"".join(self.pieces()) if is_whole else published.header(self._number)

    def _place(self, number: int) -> tuple[Any, int]:
        for stack in self._series.stacks:
            if (self._number, number) in stack.places:
                return stack, stack.places[self._number, number]
        if not self.frames:
            raise NotFound(f"instance {self.row.sop_uid} has no pixels")
        raise OutOfRange(f"frame {number}: the instance has {self.frames}, counted from 0")

    def frame(self, number: int = 0) -> NDArray[np.generic]:
        """Give a frame's stored values, (rows, columns) or (rows, columns, samples); counted from 0."""
        stack, at = self._place(number)
        values: NDArray[np.generic] = stack.frame(at)
        return values

    def picture(self, number: int = 0, *, window: WindowChoice = None) -> Image:
        """Make a picture of a frame as it is stored."""
        stack, at = self._place(number)
        picture: Image = stack.picture(at, window=window)
        return picture


def _head_of(data: bytes | memoryview) -> Instance:
    """Parse the header of a whole file; no more than that is copied."""
    if isinstance(data, bytes):
        return parse_head(data, len(data))
    length = HEAD_BYTES
    while True:
        try:
            return parse_head(bytes(data[:length]), len(data))
        except Incomplete as problem:
            length = max(problem.needed_bytes, length * HEAD_GROWTH)


class _InMemory:
    """The bytes of an instance, as a source."""

    def __init__(self, data: bytes | memoryview, received: Received) -> None:
        self._data = data
        self.received: Received | None = received
        self.name, self.size_bytes, self.is_acknowledged = "", len(data), True

    def read(self) -> bytes | memoryview:
        return self._data


def waiting_picture(
    instance: WaitingInstance, request: RenderRequest, state: PresentationState | None, labels: Sequence[Labels] = ()
) -> Image:
    """Answer a request for a frame of an instance that waits; only single frames can be had of it."""
    if request.frame is not None and request.frame < 1:
        raise InvalidArgument("frame is counted from 1")
    number = (request.frame or 1) - 1
    spacing_mm = instance.spacing_mm(number)
    picture = sized(instance.show(number, look_of(request, state)), request, spacing_mm)
    return labelled(picture, request, state, labels, (instance.dataset, number, spacing_mm))
