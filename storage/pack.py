"""Packs: many byte strings in one file, found by number, each with its checksum.

    items back to back | index: one record an item | footer

The footer comes last, so a pack cut short is never mistaken for a whole one. Numbers are little endian.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..errors import Damaged, InvalidArgument
from ..kernels.crc32c import crc32c
from . import native
from .durable import HashedFile
from .store.place import Place
from .store.reading import open_view

_MAGIC = b"FLMSPACK"
_VERSION = 1
_ITEM = np.dtype([("offset", "<u8"), ("stored", "<u8"), ("length", "<u8"), ("crc32c", "<u4"), ("is_zstd", "<u4")])
_FOOTER = np.dtype([("count", "<u8"), ("index_crc32c", "<u4"), ("version", "<u4"), ("magic", "S8")])

_TAIL_BYTES = 64 << 10
"""Read with the footer where each read is a request: the index of 1,600 items."""

ZSTD_LEVEL = 3
"""zstd's default: header text packs to about a tenth at 300 MB/s."""


class PackWriter:
    """Grows one pack."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = HashedFile(path)
        self._items: list[tuple[int, int, int, int, int]] = []

    def append(self, item: bytes | memoryview, *, compress: bool = False) -> int:
        """Add an item, compressed with zstd where that is asked and pays; give its number."""
        length = len(item)
        stored = native.zstd_compress(bytes(item), ZSTD_LEVEL) if compress else item
        is_zstd = compress and len(stored) < length
        if not is_zstd:
            stored = item
        offset = self._file.append(stored)
        self._items.append((offset, len(stored), length, crc32c(stored), int(is_zstd)))
        return len(self._items) - 1

    def close(self) -> tuple[str, int]:
        """Write index and footer; give the file's SHA-256 and size in bytes."""
        index = np.array(self._items, dtype=_ITEM).tobytes()
        footer = np.array([(len(self._items), crc32c(index), _VERSION, _MAGIC)], dtype=_FOOTER)
        self._file.append(index, footer.tobytes())
        return self._file.close(), self._file.size_bytes

    def abandon(self) -> None:
        """Close without promises."""
        self._file.abandon()


class Pack:
    """A pack opened for reading."""

    def __init__(self, path: Place) -> None:
        """Read the index; raises `Damaged` where the file is missing, short or altered, `Superseded`, `StoreFailed`."""
        self.path = path
        self._view = open_view(path, _TAIL_BYTES)
        self._items = self._read_index()

    def _read_index(self) -> np.ndarray[tuple[int], np.dtype[np.void]]:
        body = self._view.size_bytes - _FOOTER.itemsize
        if body < 0:
            raise Damaged(f"{self.path}: shorter than a pack's footer")
        footer = np.frombuffer(self._view.read(body, _FOOTER.itemsize), dtype=_FOOTER)[0]
        start = body - int(footer["count"]) * _ITEM.itemsize
        if footer["magic"] != _MAGIC or footer["version"] != _VERSION or start < 0:
            raise Damaged(f"{self.path}: the footer is not a pack's")
        index = self._view.read(start, body - start)
        if crc32c(index) != footer["index_crc32c"]:
            raise Damaged(f"{self.path}: the pack's index fails its checksum")
        return np.frombuffer(index, dtype=_ITEM)

    def __len__(self) -> int:
        return len(self._items)

    def read(self, number: int) -> bytes:
        """Give an item's bytes; raises `Damaged` where they are not what was written."""
        if not 0 <= number < len(self._items):
            raise InvalidArgument(f"{self.path}: item {number} of {len(self._items)}")
        offset, stored_bytes, length, checksum, is_zstd = self._items[number].item()
        stored = self._view.read(offset, stored_bytes)
        if len(stored) != stored_bytes or crc32c(stored) != checksum:
            raise Damaged(f"{self.path}: item {number} fails its checksum")
        item = native.zstd_decompress(stored, length) if is_zstd else stored
        if item is None:
            raise Damaged(f"{self.path}: item {number} does not decompress")
        return item


class GroupedPackWriter:
    """Packs small, similar items by the group, so that zstd sees what they share (headers of one series)."""

    GROUP_BYTES = 1 << 20
    GROUP_ITEMS = 64

    def __init__(self, path: Path) -> None:
        self._pack = PackWriter(path)
        self.path = path
        self._group = bytearray()
        self._held = 0

    def append(self, item: bytes) -> tuple[int, int, int]:
        """Add an item; give the group it is in, its offset there, and its length."""
        if self._held >= self.GROUP_ITEMS or (self._held and len(self._group) + len(item) > self.GROUP_BYTES):
            self._flush()
        place = len(self._pack._items), len(self._group), len(item)
        self._group += item
        self._held += 1
        return place

    def _flush(self) -> None:
        if self._held:
            self._pack.append(bytes(self._group), compress=True)
        self._group, self._held = bytearray(), 0

    def close(self, last: bytes = b"") -> tuple[str, int]:
        """Write the last group, `last` as an item by itself, index and footer; give SHA-256 and size in bytes."""
        self._flush()
        if last:
            self._pack.append(last, compress=True)
        return self._pack.close()

    def abandon(self) -> None:
        """Close without promises."""
        self._pack.abandon()


class GroupedPack:
    """A pack of groups opened for reading; the last group read stays decompressed."""

    def __init__(self, path: Place) -> None:
        self._pack = Pack(path)
        self._last: tuple[int, bytes] = (-1, b"")

    def read(self, group: int, offset: int, length: int) -> bytes:
        """Give one item's bytes; raises `Damaged` where they are not what was written."""
        number, items = self._last
        if number != group:
            items = self._pack.read(group)
            self._last = group, items
        if offset + length > len(items):
            raise Damaged(f"{self._pack.path}: group {group} is shorter than its items")
        return items[offset : offset + length]
