"""Read files of a generation, wherever it lies, and tell a damaged file from one whose whole generation was replaced.

Each raises `Superseded` where a newer generation has taken the place of the file's own, `Damaged` where the file is
missing otherwise or cannot be read, and `StoreFailed` where an object store does not answer.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path

from ...errors import Damaged, Superseded
from ..durable import hash_file
from .local import generation_numbers
from .place import Place
from .series_folder import MANIFEST
from .view import MappedView, View


def open_view(place: Place, tail_bytes: int = 0) -> View:
    """Open a file for reading by ranges; its last `tail_bytes` are wanted first."""
    if not isinstance(place, Path):
        return place.store.open_view(place, tail_bytes)
    try:
        with place.open("rb") as file:
            return MappedView(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except (OSError, ValueError) as problem:
        check_not_superseded(place)
        why = problem.strerror if isinstance(problem, OSError) else "it is empty"
        raise Damaged(f"{place}: cannot be read ({why})") from problem


def read_whole(place: Place) -> bytes:
    """Give the bytes of a small file."""
    if not isinstance(place, Path):
        return place.store.read_whole(place)
    try:
        return place.read_bytes()
    except OSError as problem:
        check_not_superseded(place)
        raise Damaged(f"{place}: cannot be read ({problem})") from problem


def hash_whole(place: Place) -> str:
    """Give the SHA-256 of a file as hexadecimal digits, read in bounded memory."""
    if not isinstance(place, Path):
        return place.store.hash_whole(place)
    try:
        return hash_file(place)
    except OSError as problem:
        raise Damaged(f"{place}: cannot be read ({problem.strerror})") from problem


def file_sizes(folder: Place) -> dict[str, int]:
    """Give the sizes in bytes of all files below a folder, by their paths below it."""
    if not isinstance(folder, Path):
        return folder.store.files(folder)
    # Not by rglob, which raises where a folder goes while it looks.
    found = (Path(at, name) for at, _, names in os.walk(folder) for name in names)
    return {str(path.relative_to(folder)): size for path in found if (size := _size_bytes(path)) is not None}


def _size_bytes(path: Path) -> int | None:
    try:
        return path.lstat().st_size
    except FileNotFoundError:
        return None


def check_not_superseded(place: Place) -> None:
    """Raise `Superseded` where the generation that `place` lies in is gone and a newer one is there."""
    if not isinstance(place, Path):
        place.store.check_not_superseded(place)
        return
    gone = place
    while not gone.parent.exists():
        gone = gone.parent
    newest = max(generation_numbers(gone.parent), default=0)
    # Only a generation has a manifest: shards and levels are numbered folders too.
    if gone.name.isdecimal() and newest > int(gone.name) and (gone.parent / str(newest) / MANIFEST).exists():
        raise Superseded(f"{gone.parent.name}: generation {gone.name} was replaced by {newest}; open the series again")
