"""Find the files below some paths and read just enough of each to know which instance it is."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ..errors import FilmlessError, NotDicom, NotFound, Truncated
from ..kernels.crc32c import crc32c
from .instance import Instance
from .parse import parse_head

MEDIA_STORAGE_DIRECTORY = "1.2.840.10008.1.3.10"
"""SOP class of a DICOMDIR (PS3.4 annex B)."""

DICOM_SUFFIXES = frozenset({".dcm", ".dicom", ".dic", ".ima"})
"""A file of such a name claims to be DICOM: where it is not, its bytes are kept in quarantine."""

HEAD_BYTES = 64 << 10
"""Read at first of each file; most headers are shorter (a CT's is 2–10 kB)."""


@dataclass(frozen=True, slots=True)
class Found:
    """One readable file and the instance in it."""

    path: Path
    size_bytes: int
    head_bytes: int
    """How much of the file was read to know the instance."""
    head_crc32c: int
    """Of those bytes, to notice a file that changes before it is read whole."""
    instance: Instance


@dataclass(frozen=True, slots=True)
class Rejected:
    """One file that is not taken in, and why."""

    path: Path
    reason: str
    kind: str
    """"unreadable", "not an instance" (nothing is lost by passing it over), or "malformed"."""


def walk(paths: Iterable[Path]) -> Iterator[Path]:
    """Give every regular file at or below `paths`, each once, in order of name; links to folders are not followed.

    Raises `NotFound` for a path that does not exist.
    """
    seen: set[tuple[int, int]] = set()
    for path in paths:
        if not path.exists():
            raise NotFound(f"{path} does not exist")
        for file in [path] if not path.is_dir() else _files_below(path):
            try:
                status = file.stat()
            except OSError:
                yield file  # reading it will tell why
                continue
            identity = status.st_dev, status.st_ino
            # A fifo or a device would block or never end.
            if stat.S_ISREG(status.st_mode) and identity not in seen:
                seen.add(identity)
                yield file


def _files_below(folder: Path) -> Iterator[Path]:
    for current, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            yield Path(current, name)


def _read_head(file: BinaryIO, size_bytes: int) -> tuple[bytes, Instance]:
    """Read on, sixteen times as far each time, until the header is whole or the file ends."""
    head = file.read(HEAD_BYTES)
    while True:
        try:
            return head, parse_head(head, size_bytes)
        except Truncated:
            more = file.read(15 * len(head))
            if not more:
                raise
            head += more


def examine(path: Path) -> Found | Rejected:
    """Read a file's head and parse the instance in it; never raises for what a file holds."""
    try:
        with path.open("rb") as file:
            size_bytes = os.fstat(file.fileno()).st_size
            head, instance = _read_head(file, size_bytes)
    except OSError as problem:
        return Rejected(path, problem.strerror or str(problem), "unreadable")
    except NotDicom as problem:
        claims_to_be = path.suffix.lower() in DICOM_SUFFIXES
        return Rejected(path, str(problem), "malformed" if claims_to_be else "not an instance")
    except FilmlessError as problem:
        return Rejected(path, str(problem), "malformed")
    if instance.sop_class_uid == MEDIA_STORAGE_DIRECTORY:
        return Rejected(path, "a DICOMDIR: the files it lists are read themselves", "not an instance")
    return Found(path, size_bytes, len(head), crc32c(head), instance)
