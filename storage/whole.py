"""A file's bytes for who wants them all at hand: read where they are few, mapped where they are many (invariant A8).

A mapped file takes no memory that the system cannot take back. Only files that nobody shortens may be mapped.
"""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Iterable
from pathlib import Path

MAPPED_BYTES = 64 << 20
"""Files from this size on are mapped: what a slab of the largest usual frames takes."""


def read_whole_file(path: Path) -> bytes | memoryview:
    """Give the bytes of a file."""
    with path.open("rb") as file:
        if path.stat().st_size < MAPPED_BYTES:
            return file.read()
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def spool(pieces: Iterable[bytes | memoryview], folder: Path) -> memoryview:
    """Give the bytes of all pieces, mapped: they lie in a file in `folder` without a name, which goes with them."""
    with tempfile.TemporaryFile(dir=folder) as file:
        for piece in pieces:
            file.write(piece)
        file.flush()
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
