"""Quarantine: the bytes of what could not be taken in, and why.

One file a content, named by its SHA-256, with a JSON beside it that a person can read. Filling it twice with the same
file adds nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from . import pool
from .durable import PartFile, flush, hash_file, write_whole
from .fail import reached

_COPY_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class SetAside:
    """One file that was set aside."""

    sha256: str
    path: str
    """Where it came from; bytes of a name that are not UTF-8 are surrogates, as the operating system gives them."""
    reason: str
    size_bytes: int
    at: str
    """UTC, ISO 8601."""


def set_aside(folder: Path, source: Path, reason: str, at: str) -> SetAside:
    """Keep a copy of `source` in quarantine with the reason, in bounded memory; durable when this returns."""
    with source.open("rb") as file:
        return set_bytes_aside(folder, iter(lambda: file.read(_COPY_BYTES), b""), str(source), reason, at)


def set_bytes_aside(folder: Path, pieces: Iterable[bytes | memoryview], origin: str, reason: str, at: str) -> SetAside:
    """Keep bytes that came from `origin` in quarantine with the reason; durable when this returns."""
    part = PartFile(folder)
    try:
        for piece in pieces:
            part.append(piece)
        return set_part_aside(folder, part, origin, reason, at)
    finally:
        part.close()


def set_part_aside(folder: Path, part: PartFile, origin: str, reason: str, at: str) -> SetAside:
    """Move what was written into quarantine with the reason; durable when this returns."""
    part.seal()
    reached("quarantine: written")
    digest = part.sha256
    part.path.replace(folder / f"{digest}.dcm")
    flush(folder)
    reached("quarantine: named")
    entry = SetAside(digest, origin, reason, part.size_bytes, at)
    note = folder / f"{digest}.json"
    if _read_note(note) is None:
        # In ASCII: a name that is not UTF-8 has no other form in JSON.
        write_whole(note, json.dumps(asdict(entry), indent=1).encode())
    reached("quarantine: noted")
    return entry


def all_set_aside(folder: Path) -> list[SetAside]:
    """Give every entry, oldest first; what is no note of ours is left to `find_damage`."""
    entries = [entry for path in folder.glob("*.json") if (entry := _read_note(path)) is not None]
    return sorted(entries, key=lambda entry: (entry.at, entry.path))


def find_damage(folder: Path) -> list[str]:
    """Give a line for each file in quarantine that is not what was put there, and each that is missing."""
    return [f"{path}: {why}" for path, why in damaged_files(folder)]


def damaged_files(folder: Path) -> list[tuple[Path, str]]:
    """Give each file in quarantine that is not what was put there, or lacks its other half, and why."""
    names = sorted(
        path.name for path in folder.iterdir() if not path.name.startswith(".") and path.name != "generations"
    )
    faults = pool.run_all(lambda name: _fault(folder / name), names)
    return [(folder / name, why) for name, why in zip(names, faults, strict=True) if why]


def write_note(folder: Path, path: Path, reason: str, at: str) -> None:
    """Note of a file in quarantine why it is there."""
    entry = SetAside(path.stem, str(path), reason, path.stat().st_size, at)
    write_whole(folder / f"{path.stem}.json", json.dumps(asdict(entry), indent=1).encode())


def _fault(path: Path) -> str:
    if path.suffix == ".json":
        if _read_note(path) is None:
            return "not a note of what was set aside"
        return "" if path.with_suffix(".dcm").exists() else "the bytes that it tells of are missing"
    try:
        digest = hash_file(path)
    except OSError as problem:
        return f"cannot be read ({problem.strerror})"
    return "" if path.name == f"{digest}.dcm" else "the bytes are not those its name tells"


def _read_note(path: Path) -> SetAside | None:
    """Read a note; None where it is none, or another file's."""
    try:
        entry = SetAside(**json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
    texts = (value for field in fields(entry) if isinstance(value := getattr(entry, field.name), str))
    is_ours = len(list(texts)) == len(fields(entry)) - 1 and isinstance(entry.size_bytes, int)
    return entry if is_ours and path.stem == entry.sha256 else None
