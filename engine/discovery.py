"""Find the files below some paths and read just enough of each to know which instance it is."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ..errors import FilmlessError, FormatError, Incomplete, NotDicom, NotFound
from ..kernels.crc32c import crc32c
from .instance import Instance
from .parse import DICOMDIR_SOP_CLASS, HEAD_BYTES, HEAD_GROWTH, parse_head

DICOM_SUFFIXES = frozenset({".dcm", ".dicom", ".dic", ".ima"})
"""A file of such a name claims to be DICOM: where it is not, its bytes are kept in quarantine."""

MAXIMUM_HEAD_BYTES = 256 << 20
"""Never more of a file is read to know its instance, so that memory stays bounded; an object without pixels, or
one that is deflated, is read whole."""


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


def check_exist(paths: Iterable[Path]) -> None:
    """Raise `NotFound` for a path that does not exist."""
    for path in paths:
        try:
            path.lstat()
        except (FileNotFoundError, NotADirectoryError):
            raise NotFound(f"{path} does not exist") from None
        except OSError:
            continue  # reading it will tell why


def walk(paths: Iterable[Path], skip: Path | None = None) -> Iterator[Path | Rejected]:
    """Give every regular file at or below `paths`, each once, in order of name.

    Folders that are passed over come with the reason: links (not followed), those that cannot be read, and `skip`,
    the archive's own, though a path below it may be given. Raises `NotFound` for a path that does not exist.
    """
    seen: set[tuple[int, int]] = set()
    for path in paths:
        check_exist([path])
        for entry in _entries_at(path, skip):
            if isinstance(entry, Rejected):
                yield entry
                continue
            try:
                status = entry.stat()
            except OSError:
                yield entry  # reading it will tell why
                continue
            # A fifo or a device would block or never end.
            if stat.S_ISREG(status.st_mode) and _identity(status) not in seen:
                seen.add(_identity(status))
                yield entry


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _entries_at(path: Path, skip: Path | None) -> Iterator[Path | Rejected]:
    """Give what lies at or below a path: one that is itself a link to a folder is followed."""
    if not os.path.isdir(path):  # noqa: PTH112  Path.is_dir raises where a folder above may not be entered
        yield path
        return
    failed: list[OSError] = []
    for current, folders, names in os.walk(path, onerror=failed.append):
        yield from map(_unreadable, failed)
        failed.clear()
        if skip is not None and _is_same_folder(current, skip):
            folders.clear()
            yield Rejected(Path(current), "the archive's own folder: not read", "not an instance")
            continue
        folders.sort()
        paths = [os.path.join(current, name) for name in folders]  # noqa: PTH118
        links = filter(os.path.islink, paths)  # Path.is_symlink raises where the path is too long
        yield from (Rejected(Path(link), "a link to a folder: not followed", "not an instance") for link in links)
        yield from (Path(current, name) for name in sorted(names))
    yield from map(_unreadable, failed)


def _unreadable(problem: OSError) -> Rejected:
    return Rejected(Path(problem.filename), problem.strerror or str(problem), "unreadable")


def _is_same_folder(folder: str, other: Path) -> bool:
    try:
        return Path(folder).samefile(other)
    except OSError:
        return False


def read_head(file: BinaryIO, size_bytes: int) -> tuple[bytes, Instance]:
    """Read a file from its beginning until the instance in it is known; give what was read, and the instance.

    It is read in steps that grow; raises `FormatError` where that is too far.
    """
    head = file.read(HEAD_BYTES)
    while True:
        try:
            return head, parse_head(head, size_bytes)
        except Incomplete as problem:
            if problem.needed_bytes > MAXIMUM_HEAD_BYTES:
                reason = f"the header has more than {MAXIMUM_HEAD_BYTES} bytes: too many to hold in memory"
                raise FormatError(reason) from problem
            wanted = min(max(HEAD_GROWTH * len(head), problem.needed_bytes), MAXIMUM_HEAD_BYTES)
            more = file.read(wanted - len(head))
            if not more:
                raise
            head += more


def examine(path: Path | Rejected) -> Found | Rejected:
    """Read a file's head and parse the instance in it; never raises for what a file holds.

    What `walk` rejected stays so.
    """
    if isinstance(path, Rejected):
        return path
    try:
        with path.open("rb") as file:
            size_bytes = os.fstat(file.fileno()).st_size
            head, instance = read_head(file, size_bytes)
    except OSError as problem:
        return Rejected(path, problem.strerror or str(problem), "unreadable")
    except NotDicom as problem:
        claims_to_be = path.suffix.lower() in DICOM_SUFFIXES
        return Rejected(path, str(problem), "malformed" if claims_to_be else "not an instance")
    except FilmlessError as problem:
        return Rejected(path, str(problem), "malformed")
    if instance.sop_class_uid == DICOMDIR_SOP_CLASS:
        return Rejected(path, "a DICOMDIR: the files it lists are read themselves", "not an instance")
    return Found(path, size_bytes, len(head), crc32c(head), instance)
