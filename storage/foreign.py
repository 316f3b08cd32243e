"""What lies in an archive's folders and belongs to nothing there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from .home import Home
from .store.series_folder import generation_numbers_among, series_path

_PARTS = (".new-", ".old-")
"""How the names of generations begin that are being written or removed."""


def foreign_files(home: Home) -> list[Path]:
    """Give every file in the inbox and beside the generations that is none of the archive's, in order.

    What is inside a generation is told by its own list of files; what lies in an object store is not looked at.
    """
    return sorted([*_beside_generations(home.root / "series"), *_amid_inbox(home.inbox)])


def _beside_generations(top: Path) -> Iterator[Path]:
    for at, folders, names in os.walk(top):
        yield from (Path(at, name) for name in names)
        if len(Path(at).relative_to(top).parts) == 2:
            # Generations, and what becomes one, are not entered.
            folders[:] = [n for n in folders if not (generation_numbers_among([n]) or n.startswith(_PARTS))]


def _amid_inbox(top: Path) -> Iterator[Path]:
    for at, _, names in os.walk(top):
        place = Path(at).relative_to(top)
        yield from (Path(at, name) for name in names if not _is_of_inbox(place / name))


def _is_of_inbox(path: Path) -> bool:
    is_hidden_part = path.name.startswith(".") and path.suffix == ".part"
    if len(path.parts) == 1:
        return is_hidden_part
    is_in_place = len(path.parts) == 3 and str(path.parent) == series_path(path.parts[1])
    return is_in_place and (is_hidden_part or path.suffix in (".dcm", ".json"))
