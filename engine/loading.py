"""One instance in memory: read whole, hashed, checked, and ready to give its frames' stored values."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ..errors import FormatError, Truncated
from ..kernels.stored_values import swap_pairs
from .decode import decode_frame
from .encapsulation import Fragment, locate_frames, read_codestream, scan_encapsulated
from .instance import Instance, PixelSource, PixelSpan
from .packing import Packing, Values, is_packable, samples_first, unpack_frame
from .parse import extended_offset_table, locate_deflated_pixels
from .proof import Proof, Trial
from .transfer_syntax import TRANSFER_SYNTAXES

WHOLE_BYTES = 64 << 20
"""A file that is kept whole is kept in pieces of this size, so that none has to be held in memory as one."""


@dataclass(frozen=True, slots=True)
class Received:
    """What was known of an instance on reception: the proof of a generation is that its bytes have this hash."""

    sha256: str
    received_at: str = ""
    received_from: str = ""


class Source(Protocol):
    """Where the bytes of an instance come from."""

    @property
    def name(self) -> str:
        """For messages: a path, or the instance in the archive."""

    @property
    def size_bytes(self) -> int:
        """Of the whole file."""

    @property
    def received(self) -> Received | None:
        """What was known on reception, where it was received; else its hash is found out when it is loaded."""

    @property
    def is_acknowledged(self) -> bool:
        """Whether it has to be kept, whatever its pixels turn out to be."""

    def read(self) -> bytes | memoryview | Carried:
        """Give the whole file, mapped where large; raises `FormatError` where it is not the one that was examined."""


@dataclass(frozen=True, slots=True)
class Carried:
    """What a generation keeps of an instance whose codestreams were dropped, to be carried into the next one."""

    header: bytes
    """All bytes received but the codestreams."""
    pixels: dict[str, Any]
    """What the manifest keeps of the pixels, the proof among it."""
    pixel_bytes: int
    """Of the codestreams that were."""
    size_bytes: int
    """Of the file as received."""
    read: Callable[[int], Values]
    """Gives a frame's stored values, (rows, columns[, samples]), compared with the proof; raises `Damaged`."""


@dataclass(frozen=True, slots=True)
class Parted:
    """What the archive keeps of an instance beside the stored values that are in stacks."""

    source: PixelSource
    header: bytes
    """All bytes of the file but those that `source` tells of."""
    kept: list[bytes | memoryview]
    """Codestreams, or the whole file."""
    pixel_bytes: int
    """How many bytes of pixels are missing in `header`."""


@dataclass(slots=True)
class Loaded:
    """An instance whose file is in memory."""

    instance: Instance
    data: bytes | memoryview
    received: Received
    pixels: memoryview
    """The native pixel element (of the inflated data set, where the file is deflated); else empty."""
    fragments: list[Fragment]
    """Offset and length in `data` of each codestream fragment, in file order; else empty."""
    frames: list[list[Fragment]]
    """The fragments of each encapsulated frame; empty where they cannot be told apart (video)."""
    packing: Packing | None
    """How native pixels are packed."""
    is_exact: bool
    """Whether stored values tell every native pixel byte."""
    size_bytes: int
    """Of the whole file."""
    trial: Trial | None = None
    """What a second decoder makes of the frames, where codestreams may be dropped."""
    carried: Carried | None = None
    """Where codestreams were dropped before: there is no file any more."""
    proof: Proof | None = None
    """In place of the codestreams, once they are dropped."""
    parted: Parted | None = None
    """What `part` gave, after which only that is left."""

    def source(self, frames_expanded: int) -> PixelSource:
        """Where the archive is to keep the pixel bytes, given how many frames are in stacks as stored values."""
        description = self.instance.pixels
        if description is None:
            return "none"
        if self.carried is not None or self.proof is not None:
            return "values"
        if self.fragments:
            return "codestreams"
        return "stack" if self.is_exact and frames_expanded == description.frames else "whole"

    def part(self, frames_expanded: int) -> Parted:
        """Take apart what the archive keeps, given how many frames are in stacks, and let go of the file.

        A slab's files are not held until it is full: the memory of one serves the next, and stays in the cache.
        """
        if self.parted is None and self.carried is not None:
            self.parted = Parted("values", self.carried.header, [], self.carried.pixel_bytes)
        if self.parted is None:
            self._try_to_drop(frames_expanded)
            source, span = self.source(frames_expanded), self.instance.pixel_span
            cuts = self.fragments
            if source == "stack" and span is not None:
                cuts = [(span.offset, len(self.pixels))]
            view = memoryview(self.data)
            kept: list[bytes | memoryview] = []
            if source == "whole":
                kept = [view[at : at + WHOLE_BYTES] for at in range(0, len(view), WHOLE_BYTES)]
            if source == "codestreams":
                kept = [view[offset : offset + length] for offset, length in cuts]
            header = b"" if source == "whole" else _without(self.data, cuts)
            self.parted = Parted(source, header, kept, sum(length for _, length in cuts))
            self.data, self.pixels = b"", memoryview(b"")
        return self.parted

    def begin_trial(self) -> None:
        """Have every frame that is read from now on decoded a second time, so that codestreams may be dropped."""
        self.trial = Trial(self.instance, self.data, self.received.sha256)

    def _try_to_drop(self, frames_expanded: int) -> None:
        """Make the proof that lets codestreams go, where every frame is in a stack and two decoders agreed on it."""
        description = self.instance.pixels
        if self.trial is not None and description is not None and frames_expanded == description.frames:
            self.proof = self.trial.proof(description.frames, _without(self.data, self.fragments))

    def read_frame(self, frame: int, out: Values) -> None:
        """Put a frame's stored values into `out` (samples, rows, columns); raises `DecodeError`, `FormatError`."""
        description = self.instance.pixels
        assert description is not None
        if self.carried is not None:
            out[...] = samples_first(self.carried.read(frame))
            return
        if self.packing is not None:
            unpack_frame(self.pixels, frame, self.packing, out)
            return
        if frame >= len(self.frames):
            raise FormatError(f"frame {frame + 1} cannot be told apart in the codestreams")
        codestream = read_codestream(self.data, self.frames[frame])
        decoded = decode_frame(codestream, description, self.instance.transfer_syntax_uid)
        out[...] = samples_first(decoded.values)
        if self.trial is not None:
            self.trial.add(frame, codestream, decoded, description)

    def decoded(self, frame: int) -> tuple[Values, str]:
        """Give a frame's stored values, (rows, columns[, samples]), and the photometric interpretation they have."""
        description = self.instance.pixels
        assert description is not None
        if self.packing is None and frame < len(self.frames):
            codestream = read_codestream(self.data, self.frames[frame])
            decoded = decode_frame(codestream, description, self.instance.transfer_syntax_uid)
            return decoded.values, decoded.photometric_interpretation
        shape = (description.samples_per_pixel, description.rows, description.columns)
        values = np.empty(shape, description.stored_dtype)
        self.read_frame(frame, values)
        shown = values[0] if len(values) == 1 else np.moveaxis(values, 0, -1)
        return shown, description.photometric_interpretation

    def fragments_of_frames(self) -> list[list[int]] | None:
        """Give the numbers of each frame's fragments; None where frame n is just fragment n."""
        number = {offset: n for n, (offset, _) in enumerate(self.fragments)}
        located = [[number[offset] for offset, _ in frame] for frame in self.frames]
        return None if located == [[n] for n in range(len(self.fragments))] else located

    def pixels_to_json(self) -> dict[str, Any] | None:
        """Give what the manifest keeps of how the pixels lie."""
        if self.carried is not None:
            return self.carried.pixels
        if self.packing is not None:
            return self.packing.to_json()
        if self.instance.pixels is None:
            return None
        told = Packing(self.instance.pixels, False, None).to_json() | {"fragments": self.fragments_of_frames()}
        return told if self.proof is None else told | {"proof": self.proof.to_json()}


def load(source: Source, instance: Instance) -> Loaded:
    """Read an instance whole; raises `FormatError` where its pixel data is not what its header declares."""
    data, received = source.read(), source.received
    if received is None:
        assert not isinstance(data, Carried)  # what is in the archive was received
        received = Received(hashlib.sha256(data).hexdigest())
    return take_apart(data, received, instance)


def take_apart(data: bytes | memoryview | Carried, received: Received, instance: Instance) -> Loaded:
    """Locate the pixels in a file that was read whole and hashed; raises as `load` does."""
    if isinstance(data, Carried):
        nothing = memoryview(b"")
        return Loaded(instance, b"", received, nothing, [], [], None, True, data.size_bytes, carried=data)
    loaded = Loaded(instance, data, received, memoryview(b""), [], [], None, True, len(data))
    if instance.pixels is None:
        return loaded
    span, holder = instance.pixel_span, data
    if span is None:
        inflated, span = locate_deflated_pixels(bytes(data))
        holder, loaded.is_exact = bytes(inflated), False
    if span is None:
        raise FormatError("the header describes pixels; the deflated data set holds none")
    if span.is_encapsulated:
        if instance.pixel_span is None:
            raise FormatError("a deflated data set holds encapsulated pixels, which no transfer syntax allows")
        _locate_codestreams(loaded)
        return loaded
    _locate_native_pixels(loaded, holder, span)
    return loaded


def _locate_native_pixels(loaded: Loaded, holder: bytes | memoryview, span: PixelSpan) -> None:
    description = loaded.instance.pixels
    assert description is not None
    needed, is_big_endian = description.native_bytes, span.is_big_endian
    loaded.pixels = memoryview(holder)[span.offset : span.offset + needed]
    if len(loaded.pixels) < needed:
        raise Truncated(f"{description.frames} frames need {needed} bytes of pixels; {len(loaded.pixels)} are there")
    if is_big_endian and description.bits_allocated == 8:
        # Bytes are swapped in pairs, across frames and with the padding: the file is kept whole beside its values.
        words = memoryview(holder)[span.offset : span.offset + needed + needed % 2]
        if len(words) % 2:
            raise Truncated(f"{needed} bytes of pixels in words of 16 bits need one byte of padding, which is missing")
        loaded.pixels = swap_pairs(np.frombuffer(words, np.uint8)).data[:needed]
        loaded.is_exact, is_big_endian = False, False
    loaded.packing = Packing.choose(loaded.pixels, description, is_big_endian)
    loaded.is_exact = loaded.is_exact and loaded.packing.fill is not None and is_packable(description)


def _locate_codestreams(loaded: Loaded) -> None:
    instance, span = loaded.instance, loaded.instance.pixel_span
    assert instance.pixels is not None
    assert span is not None
    loaded.fragments, _ = scan_encapsulated(loaded.data, span)
    syntax = TRANSFER_SYNTAXES.get(instance.transfer_syntax_uid)
    if syntax is not None and syntax.is_video:
        if not loaded.fragments:
            raise Truncated("the video has no fragment")
        return
    frames = instance.pixels.frames
    extended = extended_offset_table(bytes(loaded.data[: span.offset + 8]), len(loaded.data)) if frames > 1 else None
    loaded.frames = locate_frames(loaded.data, span, frames, extended)


def _without(data: bytes | memoryview, cuts: Sequence[Fragment]) -> bytes:
    """Give `data` less some runs of it, (offset, length) each, in order."""
    pieces: list[bytes | memoryview] = []
    at = 0
    for offset, length in cuts:
        pieces.append(data[at:offset])
        at = offset + length
    return b"".join([*pieces, data[at:]])
