"""Quarantine: the bytes of what could not be taken in, and why.

One file a content, named by its SHA-256, with a JSON beside it that a person can read. Filling it twice with the same
file adds nothing.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from .durable import write_whole


@dataclass(frozen=True, slots=True)
class SetAside:
    """One file that was set aside."""

    sha256: str
    path: str
    """Where it came from."""
    reason: str
    size_bytes: int
    at: str
    """UTC, ISO 8601."""


def set_aside(folder: Path, source: Path, reason: str, at: str) -> SetAside:
    """Keep a copy of `source` in quarantine with the reason; durable when this returns."""
    data = source.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    entry = SetAside(digest, str(source), reason, len(data), at)
    kept = folder / f"{digest}.dcm"
    if not kept.exists():
        write_whole(kept, data)
    note = folder / f"{digest}.json"
    if not note.exists():
        write_whole(note, json.dumps(asdict(entry), indent=1, ensure_ascii=False).encode())
    return entry


def all_set_aside(folder: Path) -> list[SetAside]:
    """Give every entry, oldest first."""
    entries = [SetAside(**json.loads(path.read_bytes())) for path in folder.glob("*.json")]
    return sorted(entries, key=lambda entry: (entry.at, entry.path))
