"""What is marked for deletion, purged or protected: an append-only journal that no index is needed to read.

    retention.jsonl      a line of JSON an act: what was done, to which instances or study, by whom, when and why

A line that was cut short by a crash was never answered for, and is passed over.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from .durable import append_line

Act: TypeAlias = Literal["delete", "undelete", "purge", "protect", "unprotect"]
NAME = "retention.jsonl"


@dataclass(frozen=True, slots=True)
class Entry:
    """One act."""

    act: Act
    at: str
    """UTC, ISO 8601."""
    who: str
    why: str
    what: str
    """What was named: "study 1.2.3"."""
    uids: tuple[str, ...]
    """The instances it goes for, by SOP Instance UID; of a protection, the study."""


@dataclass(frozen=True, slots=True)
class Marks:
    """What the journal comes to."""

    deleted: dict[str, Entry] = field(default_factory=dict)
    """Instances that are marked, with the act that did it."""
    purged: frozenset[str] = frozenset()
    """Instances that were removed for good, or are being removed, and did not come again since."""
    protected: dict[str, Entry] = field(default_factory=dict)
    """Studies that nothing may be deleted of."""


class Retention:
    """The journal of one archive, for any number of threads; what others add is seen at the next question."""

    def __init__(self, root: Path) -> None:
        self.path = root / NAME
        self._guard = threading.Lock()
        self._read: tuple[tuple[int, int], Marks] = (0, 0), Marks()

    def add(self, entry: Entry) -> None:
        """Write an act down; durable when this returns."""
        append_line(self.path, json.dumps(asdict(entry)).encode())

    def entries(self) -> list[Entry]:
        """Give every act, oldest first."""
        try:
            lines = self.path.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        return [entry for line in lines if (entry := _entry(line)) is not None]

    def marks(self) -> Marks:
        """Give what holds now; the journal is read again only where it has grown."""
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return Marks()
        seen = status.st_ino, status.st_size
        with self._guard:
            if self._read[0] != seen:
                self._read = seen, _summed(self.entries())
            return self._read[1]


def _entry(line: bytes) -> Entry | None:
    try:
        value = json.loads(line)
        return Entry(**(value | {"uids": tuple(value["uids"])}))
    except (ValueError, TypeError, KeyError):
        return None


def _summed(entries: Sequence[Entry]) -> Marks:
    deleted: dict[str, Entry] = {}
    protected: dict[str, Entry] = {}
    purged: set[str] = set()
    for entry in entries:
        if entry.act == "delete":
            deleted |= dict.fromkeys(entry.uids, entry)
        elif entry.act == "protect":
            protected |= dict.fromkeys(entry.uids, entry)
        for uid in entry.uids:
            if entry.act in ("undelete", "purge"):
                deleted.pop(uid, None)
            if entry.act == "unprotect":
                protected.pop(uid, None)
        if entry.act == "purge":
            purged |= set(entry.uids)
        elif entry.act == "undelete":
            purged -= set(entry.uids)
    return Marks(deleted, frozenset(purged), protected)
