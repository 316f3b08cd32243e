"""The inbox: instances that are durable and not yet consolidated, as plain Part 10 files.

    inbox/<xx>/<series uid>/<sop uid>.dcm

What was known on reception (`InboxRow`: hash, time, source, attributes) lives and dies with the file, as its extended
attribute `user.filmless`: it costs no flush of its own (measured: 0.02 ms of 0.6; a journal beside it 0.1). Where a
file system has none, or no room for it, it is a file `<sop uid>.json` that is durable before the instance is.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from .durable import PartFile, write_whole
from .fail import reached
from .home import Home
from .rows import InboxRow

SUFFIX = ".dcm"
_FACTS = "user.filmless"
_NO_ATTRIBUTES = frozenset({errno.ENOTSUP, errno.E2BIG, errno.ERANGE, errno.ENOSPC, errno.EPERM})


def instance_path(home: Home, series_uid: str, sop_uid: str) -> Path:
    """Give where an instance lies while it waits."""
    return home.inbox_folder(series_uid) / f"{sop_uid}{SUFFIX}"


def write_facts(home: Home, part: PartFile, row: InboxRow) -> None:
    """Keep what is known of an instance beside its bytes; durable with them."""
    _write_facts(home, part.descriptor, row)


def write_facts_again(home: Home, path: Path, row: InboxRow) -> None:
    """Keep what was found out anew of the instance at `path`."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _write_facts(home, descriptor, row)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_facts(home: Home, descriptor: int, row: InboxRow) -> None:
    facts = row.to_json()
    try:
        os.setxattr(descriptor, _FACTS, facts)
    except OSError as problem:
        if problem.errno not in _NO_ATTRIBUTES:
            raise
        folder = home.inbox_folder(row.series_uid)
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / f"{row.sop_uid}.json", facts)


def read_facts(path: Path) -> InboxRow | None:
    """Give what is known of the instance at `path`; None where that was lost, as a copy may lose it."""
    try:
        facts = os.getxattr(path, _FACTS)
    except OSError:
        try:
            facts = path.with_suffix(".json").read_bytes()
        except OSError:
            return None
    try:
        row = InboxRow.from_json(facts)
    except (ValueError, TypeError):
        return None
    return row if path.stem == row.sop_uid and path.parent.name == row.series_uid else None


def rows(home: Home) -> Iterator[InboxRow]:
    """Give what is known of every instance in the inbox; reads no instance."""
    for series_uid in series_uids(home):
        for path in instances(home, series_uid):
            row = read_facts(path)
            if row is not None and path.stat().st_size == row.size_bytes:
                yield row


def series_uids(home: Home) -> list[str]:
    """Give the series that have a folder in the inbox, in order."""
    try:
        buckets = [bucket for bucket in home.inbox.iterdir() if len(bucket.name) == 2]
    except FileNotFoundError:  # an archive that never received
        return []
    return sorted(name for bucket in buckets for name in os.listdir(bucket))  # noqa: PTH208  names are wanted


def instances(home: Home, series_uid: str) -> list[Path]:
    """Give the files of a series' instances, in order of UID."""
    try:
        return sorted(path for path in home.inbox_folder(series_uid).iterdir() if path.suffix == SUFFIX)
    except (FileNotFoundError, NotADirectoryError):
        return []


def link(home: Home, part: PartFile, series_uid: str, sop_uid: str) -> bool:
    """Give what was written its name, unless that is taken; tell whether it has it now. Not durable yet."""
    path = instance_path(home, series_uid, sop_uid)
    while True:
        try:
            os.link(part.path, path)
        except FileExistsError:
            return False
        except FileNotFoundError:  # the first of its series; again where the folder was emptied and removed meanwhile
            path.parent.mkdir(parents=True, exist_ok=True)
        else:
            return True


def remove(home: Home, series_uid: str, sop_uids: list[str]) -> None:
    """Remove instances, and the series' folder where nothing is left in it."""
    folder = home.inbox_folder(series_uid)
    try:
        there = set(os.listdir(folder))  # noqa: PTH208  names are wanted
    except FileNotFoundError:
        return
    for uid in sop_uids:
        for name in (f"{uid}{SUFFIX}", f"{uid}.json"):
            if name in there:
                (folder / name).unlink(missing_ok=True)
        reached("inbox: one instance removed")
    with suppress(OSError):  # others came meanwhile
        folder.rmdir()
    reached("inbox: emptied")
