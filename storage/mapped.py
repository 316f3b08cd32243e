"""Map published files into memory, and tell a damaged file from one whose whole generation was replaced."""

from __future__ import annotations

import mmap
from pathlib import Path

from ..errors import Damaged, Superseded
from .home import MANIFEST, generation_numbers


def map_file(path: Path) -> mmap.mmap:
    """Map a file of a generation for reading.

    Raises `Superseded` where a newer generation has taken its generation's place, and `Damaged` where it is missing
    otherwise, empty, or cannot be read.
    """
    try:
        with path.open("rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as problem:
        check_not_superseded(path)
        why = problem.strerror if isinstance(problem, OSError) else "it is empty"
        raise Damaged(f"{path}: cannot be read ({why})") from problem


def check_not_superseded(path: Path) -> None:
    """Raise `Superseded` where the generation that `path` lies in is gone and a newer one is there."""
    gone = path
    while not gone.parent.exists():
        gone = gone.parent
    newest = max(generation_numbers(gone.parent), default=0)
    # Only a generation has a manifest: shards and levels are numbered folders too.
    if gone.name.isdecimal() and newest > int(gone.name) and (gone.parent / str(newest) / MANIFEST).exists():
        raise Superseded(f"{gone.parent.name}: generation {gone.name} was replaced by {newest}; open the series again")
