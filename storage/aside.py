"""Generations set aside: a damaged one that may hold what nothing else does goes to quarantine, as it is.

quarantine/generations/<series uid>/<generation>-<token>/…, with REASON.txt
"""

from __future__ import annotations

import secrets
import shutil
from pathlib import Path

from ..errors import Damaged
from .durable import flush, flush_tree, write_whole
from .fail import reached
from .home import Home
from .store.place import Place
from .store.reading import file_sizes, open_view

_PIECE_BYTES = 4 << 20


def set_generation_aside(home: Home, series_uid: str, number: int, reason: str) -> Path:
    """Move a generation into quarantine with the reason; durable when this returns. Gives where it is then."""
    source = home.generation_folder(series_uid, number)
    target = home.quarantine / "generations" / series_uid / f"{number}-{secrets.token_hex(4)}"
    target.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(source, Path):
        source.rename(target)
        flush(source.parent)
    else:
        _copy(source, target)
        flush_tree(target)
    for folder in (target.parent, *list(target.parents)[1:3]):
        flush(folder)
    reached("generation: set aside")
    write_whole(target / "REASON.txt", f"{reason}\n".encode(errors="backslashreplace"))
    home.store.remove(series_uid, [number])
    return target


def _copy(source: Place, target: Path) -> None:
    """Copy what can be read of a generation in a store."""
    part = target.with_name(f".{target.name}.part")
    for name, size_bytes in file_sizes(source).items():
        path = part / name
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            view = open_view(source / name)
            with path.open("xb") as file:
                for at in range(0, size_bytes, _PIECE_BYTES):
                    file.write(view.read(at, min(_PIECE_BYTES, size_bytes - at)))
        except Damaged:
            shutil.rmtree(path, ignore_errors=True)
    part.rename(target)
