"""One file of a generation opened for reading: what shards and packs need of it, wherever it lies."""

from __future__ import annotations

import mmap
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Bytes: TypeAlias = NDArray[np.uint8]
Ranges: TypeAlias = NDArray[np.uint64]
"""(n, 2): offset and length."""


class View(Protocol):
    """A file's bytes, read by ranges."""

    @property
    def size_bytes(self) -> int:
        """Of the whole file."""
        ...

    def read(self, offset: int, length: int) -> bytes:
        """Give bytes of the file: fewer, or none, where the range reaches beyond its end."""
        ...

    def gather(self, ranges: Ranges, end: int) -> tuple[Bytes, Ranges]:
        """Give bytes that hold all `ranges`, and where each lies in them; what reaches beyond `end` is outside them."""
        ...

    def forget(self, ranges: Ranges) -> bool:
        """Let go of copies of these ranges, and tell whether to read them again may bring other bytes."""
        ...


class MappedView:
    """A local file, mapped into memory: nothing is copied."""

    def __init__(self, mapped: mmap.mmap) -> None:
        self._map = mapped
        self.size_bytes = len(mapped)

    def read(self, offset: int, length: int) -> bytes:
        """Give bytes of the file."""
        return self._map[offset : offset + length]

    def gather(self, ranges: Ranges, end: int) -> tuple[Bytes, Ranges]:
        """Give the file up to `end`, and the ranges as they are."""
        return np.frombuffer(self._map, dtype=np.uint8, count=end), ranges

    def forget(self, ranges: Ranges) -> bool:
        """Tell that the file is all there is."""
        return False
