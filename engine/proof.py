"""The proof that stored values are all that the codestreams of an instance held, so that these may be dropped.

Each frame is decoded twice, by decoders that share nothing, as it goes into its stack. Where both agree on every bit of
every frame, the generation keeps the SHA-256 of each frame's stored values instead of the codestreams: from then on
that, and the SHA-256 of the header, is what verification compares with. Where anything is in doubt they stay.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import FilmlessError
from ..storage.manifest import InstanceRecord
from .decode import CODECS, DecodedFrame
from .instance import Instance, PixelDescription
from .packing import Bytes, Values
from .rewriting import why_not_rewritable
from .second_decoder import SECONDS, decode_again
from .transfer_syntax import name_of


def frame_sha256(values: Values) -> str:
    """Hash a frame's stored values, (rows, columns[, samples]), in that order, as little-endian words."""
    little = values.dtype.newbyteorder("<")
    return hashlib.sha256(np.ascontiguousarray(values, dtype=little).view(np.uint8).data).hexdigest()


@dataclass(frozen=True, slots=True)
class Proof:
    """What a generation keeps of an instance in place of its codestreams."""

    decoders: tuple[str, str]
    """Who agreed."""
    photometric_interpretation: str
    """Of the stored values: the header's may be that of the codestream."""
    header_sha256: str
    """Of all bytes received but the codestreams."""
    frames: tuple[str, ...]
    """`frame_sha256` of each."""

    def to_json(self) -> dict[str, Any]:
        """Give the manifest's form of it."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def of(cls, record: InstanceRecord) -> Proof:
        """Read that of an instance whose codestreams were dropped."""
        assert record.pixels is not None
        stored = record.pixels["proof"]
        return cls(**(stored | {"decoders": tuple(stored["decoders"]), "frames": tuple(stored["frames"])}))


class Trial:
    """The frames of one instance, decoded a second time while they are taken into a generation."""

    def __init__(self, instance: Instance, data: Bytes, sha256: str) -> None:
        """`data` is the whole file, `sha256` that of its reception: nothing proves it any more afterwards."""
        self._uid = instance.transfer_syntax_uid
        self._frames: dict[int, str] = {}
        self._photometric: set[str] = set()
        self.doubt = _doubt_about(instance, data, sha256)
        """Why the codestreams stay; "" as long as nothing speaks for it."""

    def add(self, number: int, codestream: bytes, decoded: DecodedFrame, description: PixelDescription) -> None:
        """Compare what the first decoder made of a frame with what the second does."""
        if self.doubt:
            return
        try:
            again = decode_again(codestream, description, self._uid)
        except FilmlessError as problem:
            self.doubt = f"frame {number + 1}: {problem}"
            return
        first, second = CODECS[self._uid].by, SECONDS[self._uid].by
        if decoded.is_by_second:
            self.doubt = f"frame {number + 1}: {first} leaves it to {second}, so there is no second opinion"
        elif again.dtype != decoded.values.dtype or not np.array_equal(again, decoded.values):
            self.doubt = f"frame {number + 1}: {first} and {second} decode it to different values"
        else:
            self._frames[number] = frame_sha256(decoded.values)
            self._photometric.add(decoded.photometric_interpretation)

    def proof(self, frames: int, header: bytes) -> Proof | None:
        """Give the proof, where every one of so many frames was agreed on; `header` is all but the codestreams."""
        if self.doubt or len(self._frames) != frames or len(self._photometric) != 1:
            return None
        decoders = CODECS[self._uid].by, SECONDS[self._uid].by
        (photometric,) = self._photometric
        hashes = tuple(self._frames[number] for number in range(frames))
        return Proof(decoders, photometric, hashlib.sha256(header).hexdigest(), hashes)


def _doubt_about(instance: Instance, data: Bytes, sha256: str) -> str:
    """Say what speaks against dropping codestreams before any is decoded."""
    if instance.transfer_syntax_uid not in SECONDS:
        return f"there is no second decoder for {name_of(instance.transfer_syntax_uid)}"
    if reason := why_not_rewritable(instance, data):
        return reason
    if hashlib.sha256(data).hexdigest() != sha256:
        return "its bytes are not those that were received"
    return ""
