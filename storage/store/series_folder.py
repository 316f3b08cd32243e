"""What lies in the folder of one series, in whichever store."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from .place import Place

MANIFEST = "series.json"
"""In every generation's folder, and in no other."""
SUMS = "SHA256SUMS"
"""The SHA-256 of every other file of a generation."""


@dataclass(frozen=True, slots=True)
class SeriesFolder:
    """What lies in the folder of one series."""

    uid: str
    folder: Place
    generations: tuple[int, ...]
    """Numbers of the published ones, ascending; none where the first is still being written."""
    leftovers: tuple[Place, ...]
    """What a writer is at, or a writer that died has left."""


def series_path(series_uid: str) -> str:
    """Give a series' path below `series/`: below two digits of its UID's hash, so that folders stay small."""
    return f"{hashlib.sha256(series_uid.encode()).hexdigest()[:2]}/{series_uid}"


def generation_numbers_among(names: Iterable[str]) -> list[int]:
    """Give those of the names that number a generation, ascending."""
    return sorted(int(name) for name in names if name.isascii() and name.isdecimal())
