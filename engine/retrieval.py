"""How an instance is given back: as received, or written anew with the same values in another transfer syntax."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ..storage.manifest import InstanceRecord
from .packing import Bytes
from .rewriting import Origin, check_written, write_anew
from .transfer_syntax import EXPLICIT_LITTLE

LOSSLESS_DEFAULT = EXPLICIT_LITTLE
"""In which an instance is given back whose codestreams were dropped, unless another is asked for: all can read it."""


class Retrieved(bytes):
    """A Part 10 file, and what it is."""

    transfer_syntax_uid: str
    is_received: bool
    """Whether these are the bytes received; else the same header and stored values, written anew."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way to give an instance back."""

    transfer_syntax_uid: str
    is_received: bool
    """Whether its bytes are those received."""
    pieces: Callable[[], Iterator[Bytes]]
    """Gives them; raises `Damaged`, at the end at the latest, where they are not what was received or proven."""

    def read(self) -> Retrieved:
        """Give the whole file."""
        file = Retrieved(b"".join(self.pieces()))
        file.transfer_syntax_uid, file.is_received = self.transfer_syntax_uid, self.is_received
        return file


def way_of(
    received_uid: str,
    received: Callable[[], Iterator[Bytes]],
    origin: Callable[[], Origin | None],
    transfer_syntax: str | None,
) -> Way:
    """Give the way to give an instance back in a transfer syntax, or as it was received where None is asked for.

    An instance without pixels is given as it was received, whatever is asked for. Raises `InvalidArgument` for a
    transfer syntax that is not written here; the pieces raise `UnsupportedPixels` where pixels or header forbid it.
    """
    if transfer_syntax in (None, received_uid):
        return Way(received_uid, True, received)
    asked = check_written(transfer_syntax or "")
    found = origin()
    return Way(received_uid, True, received) if found is None else Way(asked, False, lambda: write_anew(found, asked))


def is_dropped(record: InstanceRecord) -> bool:
    """Whether an instance's codestreams were dropped, so that its bytes cannot be given back as received."""
    return record.source == "values"
