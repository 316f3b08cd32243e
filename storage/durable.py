"""Files that are whole or absent: written to a temporary name, flushed to the disk, then renamed (invariant A1)."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path

from . import pool

_COPY_BYTES = 1 << 20


def flush(path: Path) -> None:
    """Wait until a file's bytes, or a folder's entries, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_whole(path: Path, data: bytes) -> None:
    """Put `data` at `path`, durably and in one step; a former file is replaced."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    flush(path.parent)


def copy_hashed(source: Path, target: Path) -> tuple[str, int]:
    """Copy a file in bounded memory to `target`, a new one, durably; give its SHA-256 and size in bytes."""
    digest, size_bytes = hashlib.sha256(), 0
    with source.open("rb") as read, target.open("xb") as written:
        while piece := read.read(_COPY_BYTES):
            digest.update(piece)
            size_bytes += written.write(piece)
        written.flush()
        os.fsync(written.fileno())
    return digest.hexdigest(), size_bytes


class HashedFile:
    """A new file written front to back, hashed as it grows; `flush_tree` makes it durable with its neighbours."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size_bytes = 0
        self._digest = hashlib.sha256()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("xb")

    def append(self, *pieces: bytes | memoryview) -> int:
        """Write pieces one after another; give the offset of the first."""
        offset = self.size_bytes
        for piece in pieces:
            self._file.write(piece)
            self._digest.update(piece)
            self.size_bytes += len(piece)
        return offset

    def close(self) -> str:
        """Finish the file; give its SHA-256 as hexadecimal digits."""
        self._file.close()
        return self._digest.hexdigest()

    def abandon(self) -> None:
        """Close without promises; the caller removes the folder."""
        with suppress(OSError):  # on a full disk the last bytes cannot be written
            self._file.close()


def hash_file(path: Path) -> str:
    """Give the SHA-256 of a file as hexadecimal digits, read in bounded memory."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def flush_tree(folder: Path) -> None:
    """Wait until every file and folder at and below `folder` is on the disk; many at a time, as disks like it."""
    pool.run_all(flush, [folder, *folder.rglob("*")])
