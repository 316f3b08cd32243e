"""Admission: how an instance that was written enters the inbox, once, durably, whoever else is at it.

No lock is held over a disk's work. The name in the inbox is taken by an exclusive link, and the index is the arbiter
of what is new. What must reach the disk after that, the folder's entry and the index' row, is flushed for all
receivers that wait at that moment by one of them.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from . import inbox
from .durable import PartFile, flush
from .fail import reached
from .home import Home
from .index import Index
from .rows import INBOX, InboxRow, Outcome

UNKNOWN: Outcome = ("other", "")
"""A file is in the inbox under the instance's UID that the index does not know: recover it, and try again."""
_MOST_FOLDERS = 10_000


@dataclass(slots=True)
class _Waiting:
    """One receiver's instance that is linked and not committed."""

    row: InboxRow
    outcome: Outcome | None = None
    problem: BaseException | None = field(default=None)


class Admission:
    """Admits instances to one archive's inbox, for any number of threads."""

    def __init__(self, home: Home, index: Index) -> None:
        self._home, self._index = home, index
        self._queue: deque[_Waiting] = deque()
        self._turn = threading.Lock()
        self._durable: dict[Path, int] = {}
        """Inode of each folder whose own entry this process knows to be on the disk."""

    def admit(self, part: PartFile, row: InboxRow) -> Outcome:
        """Let a written instance into the inbox; durable when this returns, and hidden name and all stay the caller's.

        An instance that comes to "other" is not in the inbox.
        """
        inbox.write_facts(self._home, part, row)
        reached("inbox: part written")
        if inbox.link(self._home, part, row.series_uid, row.sop_uid):
            reached("inbox: linked")
            # After the link, so that one flush may carry the name too (ext4, XFS); until the index knows the
            # instance nobody relies on its bytes, but `recover`, which reads them first.
            part.seal()
            reached("inbox: part flushed")
            return self._settled(self.commit(row), row)
        # Another receiver's, or left by one that died: its bytes may not be on the disk, nor be those of its facts.
        return UNKNOWN

    def _settled(self, outcome: Outcome, row: InboxRow) -> Outcome:
        """Take a linked instance out of the inbox again where the archive has its UID already in a generation."""
        if outcome == "same" and self._index.find_instance(row.sop_uid).place == INBOX:
            return "new"  # it is the one that was linked: somebody else's recovery told the index of it
        if outcome != "new":
            inbox.remove(self._home, row.series_uid, [row.sop_uid])
        return outcome

    def commit(self, row: InboxRow) -> Outcome:
        """Make a linked instance durable and known, together with those of all others who wait for that."""
        mine = _Waiting(row)
        self._queue.append(mine)
        with self._turn:
            if mine.outcome is None and mine.problem is None:
                self._commit_all([self._queue.popleft() for _ in range(len(self._queue))])
        if mine.problem is not None:
            raise mine.problem
        assert mine.outcome is not None
        return mine.outcome

    def _commit_all(self, batch: list[_Waiting]) -> None:
        try:
            for folder in {self._home.inbox_folder(waiting.row.series_uid) for waiting in batch}:
                self._flush_folder(folder)
            reached("inbox: folder flushed")
            outcomes = self._index.receive([waiting.row for waiting in batch])
        except BaseException as problem:
            for waiting in batch:
                waiting.problem = problem
            return
        for waiting, outcome in zip(batch, outcomes, strict=True):
            waiting.outcome = outcome

    def _flush_folder(self, folder: Path) -> None:
        """Flush a folder's entries, and those that lead to it where this process has not done so before."""
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return  # consolidated and emptied already: the index knows
        try:
            os.fsync(descriptor)
            inode = os.fstat(descriptor).st_ino
        finally:
            os.close(descriptor)
        if self._durable.get(folder) != inode:
            flush(folder.parent)
            flush(folder.parent.parent)
            if len(self._durable) >= _MOST_FOLDERS:
                self._durable.clear()
            self._durable[folder] = inode

    def replace(self, part: PartFile, row: InboxRow, keep_former: Callable[[], None]) -> None:
        """Let an instance take the place of other bytes under its UID, which `keep_former` has set aside by then.

        Only while holding the lock of its series; the former must be one of it.
        """
        keep_former()
        reached("inbox: former set aside")
        inbox.write_facts(self._home, part, row)
        part.seal()
        path = inbox.instance_path(self._home, row.series_uid, row.sop_uid)
        path.parent.mkdir(parents=True, exist_ok=True)
        part.path.replace(path)
        self._flush_folder(path.parent)
        reached("inbox: replaced")
        self._index.receive([row], replaces=True)
