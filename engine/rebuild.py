"""Give an archived instance back, byte for byte the file that came in (invariant A2).

One whose codestreams were dropped is written anew from its stored values; each frame is compared with the proof.
"""

from __future__ import annotations

import dataclasses
import hashlib
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from threading import Lock

import numpy as np

from ..errors import Damaged, UnsupportedPixels
from ..storage.manifest import InstanceRecord
from ..storage.published import Published
from ..storage.whole import MAPPED_BYTES, spool
from .instance import Instance
from .loading import Carried
from .packing import Bytes, Packing, Values, pack_frames
from .parse import parse_head
from .part10 import read_part10
from .proof import Proof, frame_sha256
from .retrieval import LOSSLESS_DEFAULT, is_dropped
from .rewriting import Origin, tail_of_codestreams, write_anew

_ITEM = b"\xfe\xff\x00\xe0"
"""Item (FFFE,E000), little endian: encapsulated pixel data is never anything else (PS3.5 A.4)."""

_HEAD_PIECES = 4
"""Of a file kept whole, that its header, which reception bounds, surely ends in."""

_SLAB_SLICES = 32
"""Slices read at a time: a chunk's depth, so that no chunk is decoded twice while instances come in stack order."""


class Rebuilder:
    """Rebuilds the instances of one generation; cheapest in stack order, right in any."""

    def __init__(self, published: Published) -> None:
        self._published = published
        self._places = _places_of_frames(published)
        self._slab: tuple[tuple[int, int, int, int], Values] | None = None
        self._lock = Lock()

    def stack_order(self) -> list[int]:
        """Give every instance's number, in the order in which rebuilding is cheapest."""
        manifest = self._published.manifest
        seen = dict.fromkeys(instance for stack in manifest.stacks for instance, _ in stack.frames)
        return [*seen, *(n for n in range(len(manifest.instances)) if n not in seen)]

    def batches(self) -> Iterator[list[int]]:
        """Give the same in runs to be rebuilt at a time, by many threads; the slab of each run is read by then."""
        run: list[int] = []
        slab: object = None
        for number in self.stack_order():
            own = self._slab_of(number)
            if run and (own is None or own != slab or len(run) == _SLAB_SLICES):
                yield self._prepared(run, slab)
                run = []
            run.append(number)
            slab = own
        if run:
            yield self._prepared(run, slab)

    def _slab_of(self, instance: int) -> object:
        """Give what tells the slab that has all pixels of an instance; 0 where no slab has any, None where several."""
        record = self._published.manifest.instances[instance]
        if record.source not in ("stack", "values"):
            return 0
        frames = record.pixels["description"]["frames"] if record.pixels else 0
        if frames != 1 or (instance, 0) not in self._places:
            return None
        stack, t, z = self._places[instance, 0]
        return stack, t, z - z % _SLAB_SLICES

    def _prepared(self, run: list[int], slab: object) -> list[int]:
        """Read the slab of a run here, where all threads can help; damage in it is told by whoever needs it."""
        if isinstance(slab, tuple):
            with suppress(Damaged):
                self._read_slice(*slab)
        return run

    def head(self, instance: int) -> bytes:
        """Give the beginning of an instance's file, up to its pixels at least; no stored value is read for it."""
        record = self._published.manifest.instances[instance]
        if record.source == "whole":
            pieces = range(min(record.codestreams, _HEAD_PIECES))
            return b"".join(self._published.codestream(instance, piece) for piece in pieces)
        header = self._published.header(instance)
        return header if record.source == "none" else header[: record.pixel_offset]

    def instance(self, instance: int) -> Instance:
        """Parse an instance's header; where codestreams were dropped, its pixels need no decoder any more."""
        record = self._published.manifest.instances[instance]
        parsed = parse_head(self.head(instance), record.size_bytes)
        if not is_dropped(record) or parsed.pixel_span is None:
            return parsed
        return dataclasses.replace(parsed, pixel_span=dataclasses.replace(parsed.pixel_span, is_encapsulated=False))

    def check_values(self, instance: int) -> None:
        """Raise `Damaged` where header or frames are not what was proven before the codestreams were dropped."""
        origin = self._proven_origin(instance, self._published.manifest.instances[instance])
        for frame in range(origin.description.frames):
            origin.read(frame)

    def pieces(self, instance: int) -> Iterator[Bytes]:
        """Give an instance's file in pieces; raises `Damaged` where the archive's bytes are not what was stored."""
        record = self._published.manifest.instances[instance]
        if is_dropped(record):
            yield from write_anew(self._proven_origin(instance, record), LOSSLESS_DEFAULT)
            return
        if record.source == "whole":
            yield from (self._published.codestream(instance, piece) for piece in range(record.codestreams))
            return
        header = self._published.header(instance)
        if record.source == "stack":
            yield header[: record.pixel_offset]
            yield from self._native_pixels(instance, record)
            yield header[record.pixel_offset :]
        elif record.source == "codestreams":
            yield from self._encapsulated(instance, record, header)
        else:
            yield header

    def proven(self, instance: int) -> Iterator[Bytes]:
        """Give an instance's file in pieces, and raise `Damaged` at their end where they are not what was received.

        Of one whose codestreams were dropped the frames are proven instead, each before it is given.
        """
        digest = hashlib.sha256()
        for piece in self.pieces(instance):
            digest.update(piece)
            yield piece
        record = self._published.manifest.instances[instance]
        if not is_dropped(record) and digest.hexdigest() != record.sha256:
            raise Damaged(f"{self._published.folder}: instance {record.sop_instance_uid} does not rebuild exactly")

    def read(self, instance: int) -> bytes:
        """Give an instance's file whole; raises as `proven` does."""
        return b"".join(self.proven(instance))

    def read_or_spool(self, instance: int) -> bytes | memoryview | Carried:
        """Give the same, in memory where it is small, else in a mapped file that has no name and goes with it.

        Of one whose codestreams were dropped, what the next generation has to carry on.
        """
        record = self._published.manifest.instances[instance]
        if is_dropped(record):
            read, header = self._proven_origin(instance, record).read, self._published.header(instance)
            return Carried(header, record.pixels or {}, record.pixel_bytes, record.size_bytes, read)
        if record.size_bytes < MAPPED_BYTES:
            return self.read(instance)
        return spool(self.proven(instance), self._published.local_folder)

    def origin(self, instance: int, decoded: Callable[[int], tuple[Values, str]]) -> Origin | None:
        """Give what an instance is written anew from, in another transfer syntax; None where it has no pixels.

        `decoded` decodes a frame whose codestream was kept, and tells its photometric interpretation. Raises
        `UnsupportedPixels` for a file that was kept whole.
        """
        record = self._published.manifest.instances[instance]
        if record.source == "none" or record.pixels is None:
            return None
        if record.source == "whole":
            raise UnsupportedPixels("it was kept whole, and is given back only as it was received")
        if is_dropped(record):
            return self._proven_origin(instance, record)
        header, description = self._published.header(instance), Packing.from_json(record.pixels).description
        head, folder = header[: record.pixel_offset], self._published.local_folder
        if record.source == "codestreams":
            shown = dataclasses.replace(description, photometric_interpretation=decoded(0)[1])
            tail = tail_of_codestreams(header, record.pixel_offset)
            return Origin(head, tail, shown, lambda frame: decoded(frame)[0], folder)
        part = read_part10(head, len(head) + record.pixel_bytes + 1)
        _, length = part.data_set.place(part.pixel_tag or 0) or (0, record.pixel_bytes)
        tail = header[record.pixel_offset + length - record.pixel_bytes :]
        return Origin(head, tail, description, lambda frame: self._frame(instance, frame), folder)

    def _proven_origin(self, instance: int, record: InstanceRecord) -> Origin:
        """Give what an instance is written anew from whose codestreams were dropped; its frames are proven as read."""
        assert record.pixels is not None
        proof, header = Proof.of(record), self._published.header(instance)
        named = f"{self._published.folder}: {{}} of {record.sop_instance_uid} is not what was proven"
        if hashlib.sha256(header).hexdigest() != proof.header_sha256:
            raise Damaged(named.format("the header"))

        def read(frame: int) -> Values:
            values = self._frame(instance, frame)
            if frame_sha256(values) != proof.frames[frame]:
                raise Damaged(named.format(f"frame {frame}"))
            return values

        description = dataclasses.replace(
            Packing.from_json(record.pixels).description, photometric_interpretation=proof.photometric_interpretation
        )
        tail = tail_of_codestreams(header, record.pixel_offset)
        return Origin(header[: record.pixel_offset], tail, description, read, self._published.local_folder)

    def _native_pixels(self, instance: int, record: InstanceRecord) -> Iterator[Bytes]:
        assert record.pixels is not None
        return pack_frames(Packing.from_json(record.pixels), lambda frame: self._slice_of(instance, frame))

    def _frame(self, instance: int, frame: int) -> Values:
        """Give a frame's stored values from its stack, (rows, columns) or (rows, columns, samples)."""
        values = self._slice_of(instance, frame)
        return values[0] if len(values) == 1 else np.moveaxis(values, 0, -1)

    def _slice_of(self, instance: int, frame: int) -> Values:
        """Give a frame's stored values from its stack, (samples, rows, columns)."""
        if (instance, frame) not in self._places:
            uid = self._published.manifest.instances[instance].sop_instance_uid
            raise Damaged(f"{self._published.folder}: frame {frame} of {uid} is in no stack")
        return self._read_slice(*self._places[instance, frame])

    def _read_slice(self, stack: int, t: int, z: int) -> Values:
        """Give one slice (samples, rows, columns), from the slab that was read last or a new one."""
        record = self._published.manifest.stacks[stack]
        first = z - z % _SLAB_SLICES
        wanted = (stack, t, first, record.levels[0].shape[1])
        with self._lock:
            if self._slab is None or self._slab[0] != wanted:
                self._slab = wanted, self._read_slab(stack, t, first)
            return self._slab[1][:, z - first]

    def _read_slab(self, stack: int, t: int, first: int) -> Values:
        array = self._published.array(stack)
        _, channels, depth, rows, columns = array.level.shape
        last = min(first + _SLAB_SLICES, depth)
        slab = np.empty((channels, last - first, rows, columns), array.dtype)
        for c in range(channels):
            array.volume(t, c).read_box((first, 0, 0), (last, rows, columns), out=slab[c])
        return slab

    def _encapsulated(self, instance: int, record: InstanceRecord, header: bytes) -> Iterator[Bytes]:
        """Put codestreams back between the item headers that the header kept."""
        at = record.pixel_offset
        (table_bytes,) = struct.unpack_from("<I", header, at + 4)
        at += 8 + table_bytes
        yield header[:at]
        for number in range(record.codestreams):
            item = header[at : at + 8]
            codestream = self._published.codestream(instance, number)
            if item[:4] != _ITEM or struct.unpack("<I", item[4:]) != (len(codestream),):
                raise Damaged(f"{self._published.folder}: fragment {number} of {record.sop_instance_uid} has no item")
            yield item
            yield codestream
            at += 8
        yield header[at:]


def _places_of_frames(published: Published) -> dict[tuple[int, int], tuple[int, int, int]]:
    """Give (stack, time, slice) of each (instance, frame) whose stored values are in a stack."""
    places: dict[tuple[int, int], tuple[int, int, int]] = {}
    for number, stack in enumerate(published.manifest.stacks):
        if stack.levels:
            slices = stack.shape[1]
            for at, (instance, frame) in enumerate(stack.frames):
                places[instance, frame] = number, at // slices, at % slices
    return places
