"""Between the pixel bytes of a file and stored values: exactly there, and exactly back (invariants A2 and A7).

A native pixel element is a run of frames without gaps. Stored values go into a stack as (samples, rows, columns);
`Packing` remembers what else decides the bytes: byte order, planar configuration, and how unused bits were filled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InvalidArgument
from ..kernels import stored_values
from ..kernels.stored_values import FillRule
from .decode import decode_native_frame
from .instance import PixelDescription

_PIECE_BYTES = 16 << 20
Values = NDArray[np.generic]
Bytes = bytes | memoryview


@dataclass(frozen=True, slots=True)
class Packing:
    """How the stored values of a native instance lie in its pixel data element."""

    description: PixelDescription
    is_big_endian: bool
    fill: FillRule | None
    """How unused bits were filled; None where stored values do not tell the bytes."""

    @classmethod
    def choose(cls, pixels: Bytes, description: PixelDescription, is_big_endian: bool) -> Packing:
        """Find the packing that gives back every byte of `pixels`, the whole pixel element without padding."""
        raw = np.frombuffer(pixels, np.uint8)
        if description.bits_allocated == 1:
            used = description.frames * description.frame_bits
            return cls(description, False, None if stored_values.padding_bits(raw, used) else "zero")
        return cls(description, is_big_endian, _fill_rule(raw, _bits(description, is_big_endian)))

    def to_json(self) -> dict[str, Any]:
        """Give the manifest's form of it."""
        description = {name: getattr(self.description, name) for name in PixelDescription.__slots__}
        return {"description": description, "is_big_endian": self.is_big_endian, "fill": self.fill}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Packing:
        """Read the manifest's form of it."""
        return cls(PixelDescription(**stored["description"]), stored["is_big_endian"], stored["fill"])


def _fill_rule(raw: NDArray[np.uint8], bits: dict[str, Any]) -> FillRule | None:
    """Find the fill rule piece by piece: words in another order, or at odd places, are copied before they are read."""
    pieces = [raw[at : at + _PIECE_BYTES] for at in range(0, len(raw), _PIECE_BYTES)]
    rules = [stored_values.fill_rule(piece, **bits) for piece in pieces]
    if None in rules:
        return None
    if "sign" not in rules:
        return "zero"
    # What is filled by zeros is filled by the sign too, where that is zero in all words.
    zeros = (piece for piece, rule in zip(pieces, rules, strict=True) if rule == "zero")
    return None if any(_has_sign(piece, bits) for piece in zeros) else "sign"


def _has_sign(piece: NDArray[np.uint8], bits: dict[str, Any]) -> bool:
    order = ">" if bits["is_big_endian"] else "<"
    words = piece.view(f"{order}u{bits['bits_allocated'] // 8}")
    return bool((words >> bits["high_bit"] & 1).any())


def is_packable(description: PixelDescription) -> bool:
    """Whether stored values alone can tell the bytes: not where two pixels share their chroma (4:2:2)."""
    return description.photometric_interpretation != "YBR_FULL_422"


def unpack_frame(pixels: Bytes, frame: int, packing: Packing, out: Values) -> None:
    """Put the stored values of one native frame into `out` (samples, rows, columns).

    `pixels` is the whole pixel element.
    """
    description = packing.description
    first_bit, bits = frame * description.frame_bits, description.frame_bits
    if description.bits_allocated == 1:
        out.reshape(-1)[:] = stored_values.unpack_bits(np.frombuffer(pixels, np.uint8), first_bit, bits)
        return
    raw = pixels[first_bit // 8 : (first_bit + bits) // 8]
    if not is_packable(description):
        out[...] = samples_first(decode_native_frame(raw, description, packing.is_big_endian).values)
        return
    is_interleaved = description.planar_configuration == 0 and description.samples_per_pixel > 1
    # Straight into place where values lie there as in the file: half the time of a copy by way of new memory.
    room = out.reshape(-1) if out.flags.c_contiguous and not is_interleaved else None
    form = _bits(description, packing.is_big_endian) | {"is_signed": description.is_signed}
    flat = stored_values.unpack(np.frombuffer(raw, np.uint8), room=room, **form)
    if is_interleaved:
        out[...] = samples_first(flat.view(out.dtype).reshape(description.frame_shape))
    elif room is None or not np.may_share_memory(flat, room):
        out[...] = flat.view(out.dtype).reshape(out.shape)


def pack_frames(packing: Packing, read: Callable[[int], Values]) -> Iterator[Bytes]:
    """Give the bytes of a native pixel element in pieces; `read(frame)` gives (samples, rows, columns)."""
    description, fill = packing.description, packing.fill
    if fill is None:
        raise InvalidArgument("stored values do not tell these pixel bytes; the file was kept whole")
    if description.bits_allocated == 1:
        # Frames need not end at a byte; eight of them do.
        for first in range(0, description.frames, 8):
            frames = range(first, min(first + 8, description.frames))
            values = np.concatenate([read(frame).reshape(-1) for frame in frames])
            yield stored_values.repack_bits(values).tobytes()
        return
    for frame in range(description.frames):
        values = read(frame)
        if description.planar_configuration == 0:
            values = np.moveaxis(values, 0, -1)
        bits = _bits(description, packing.is_big_endian)
        yield stored_values.repack(np.ascontiguousarray(values), fill, **bits).data


def samples_first(values: Values) -> Values:
    """Give (rows, columns[, samples]) as (samples, rows, columns)."""
    return values[np.newaxis] if values.ndim == 2 else np.moveaxis(values, -1, 0)


def _bits(description: PixelDescription, is_big_endian: bool) -> dict[str, Any]:
    return {
        "bits_allocated": description.bits_allocated,
        "bits_stored": description.bits_stored,
        "high_bit": description.high_bit,
        "is_big_endian": is_big_endian,
    }
