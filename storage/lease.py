"""Locks by which processes and threads keep out of one another's way; all end with the process that holds them.

A *series lock* is held by whoever writes a series: one generation is written at a time. A *lease* is held by whoever
reads a generation: a former one is removed only when nobody has one on it. Both are `flock`s on files.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def locked(path: Path, *, waits: bool = True) -> Iterator[bool]:
    """Hold the lock that the file at `path` stands for; it is made, and goes again with its last holder.

    Gives whether the lock is held: always, unless `waits` is false and another holds it.
    """
    descriptor = _take(path, waits=waits)
    if descriptor is None:
        yield False
        return
    try:
        yield True
    finally:
        path.unlink(missing_ok=True)  # whoever waits for it finds it gone, and makes it anew
        os.close(descriptor)


def _take(path: Path, *, waits: bool) -> int | None:
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB))
            if _is_at(descriptor, path):
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether the open file is still the one at `path`."""
    try:
        held, there = os.fstat(descriptor), path.stat()
    except FileNotFoundError:
        return False
    return (held.st_dev, held.st_ino) == (there.st_dev, there.st_ino)


def lease(path: Path) -> int | None:
    """Open a file and hold a lease on it until the descriptor that is given is closed; None where it is gone."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    with suppress(OSError):  # a file system without locks: its files are removed while they are read
        fcntl.flock(descriptor, fcntl.LOCK_SH)
    if os.fstat(descriptor).st_nlink:
        return descriptor
    os.close(descriptor)
    return None


@contextmanager
def unleased(path: Path) -> Iterator[bool]:
    """Tell whether nobody holds a lease or lock on a file, and keep it so within the block; false where it is gone."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        yield False
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
    finally:
        os.close(descriptor)
