"""Re-read a generation and name everything in it that is not what was stored."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from ..errors import Damaged
from ..storage import pool
from ..storage.generation import read_sums
from ..storage.published import Published
from ..storage.store.place import Place
from ..storage.store.reading import check_not_superseded, file_sizes, hash_whole
from ..storage.store.series_folder import MANIFEST, SUMS
from .rebuild import Rebuilder
from .retrieval import is_dropped

Told = Callable[[int], None]
"""Called with the received bytes of each instance that was checked."""


def find_damage(published: Published, told: Told = lambda _: None) -> list[str]:
    """Check every file against its sum, then rebuild every instance and compare with what was received.

    Gives a line for each thing that is wrong, naming file or instance; an empty list is a proof. Raises `Superseded`
    where a newer generation has taken this one's place meanwhile: what is missing then is no damage.
    """
    damage = _damage_of(published, told)
    if damage:
        check_not_superseded(published.folder / MANIFEST)
    return damage


def _damage_of(published: Published, told: Told) -> list[str]:
    try:
        sums = read_sums(published.folder)
    except Damaged as problem:
        return [str(problem)]
    present = set(file_sizes(published.folder))
    damage = [
        f"{published.folder / name}: does not belong to the generation"
        for name in foreign_names(published.folder, sums)
    ]
    damage += [f"{published.folder / name}: is missing" for name in sorted({*sums, SUMS} - present)]
    there = [name for name in sums if name in present]
    lines = pool.run_all(lambda name: _check_sum(published.folder / name, sums[name]), there)
    damaged = {name: line for name, line in zip(there, lines, strict=True) if line}
    damage += damaged.values()
    if MANIFEST in damaged:
        return damage  # it says how instances are put together: without it none can be judged
    failed: dict[str, list[str]] = {}
    for number, fault in find_unlike(published, told).items():
        failed.setdefault(fault, []).append(published.manifest.instances[number].sop_instance_uid)
    return damage + [f"{_named(uids)}: {fault}" for fault, uids in failed.items()]


def find_unlike(published: Published, told: Told = lambda _: None) -> dict[int, str]:
    """Rebuild every instance on the pool; give what is wrong with those that are not what was received, by number."""
    rebuilder = Rebuilder(published)
    faults: dict[int, str] = {}
    for batch in rebuilder.batches():
        found = pool.run_all(lambda number: _fault_of_instance(published, rebuilder, number), batch)
        for number, fault in zip(batch, found, strict=True):
            if fault:
                faults[number] = fault
            told(published.manifest.instances[number].size_bytes)
    return faults


def _named(uids: list[str]) -> str:
    return f"instance {uids[0]}" + (f" and {len(uids) - 1} more" if len(uids) > 1 else "")


def foreign_names(folder: Place, sums: dict[str, str]) -> list[str]:
    """Name the files in a generation's folder that it does not list, by their paths below it."""
    return sorted(file_sizes(folder).keys() - {*sums, SUMS})


def _check_sum(path: Place, digest: str) -> str:
    try:
        return "" if hash_whole(path) == digest else f"{path}: differs from its SHA-256"
    except Damaged as problem:
        return str(problem)


def _fault_of_instance(published: Published, rebuilder: Rebuilder, number: int) -> str:
    digest = hashlib.sha256()
    try:
        if is_dropped(published.manifest.instances[number]):
            rebuilder.check_values(number)
            return ""
        for piece in rebuilder.pieces(number):
            digest.update(piece)
    except Damaged as problem:
        return str(problem)
    if digest.hexdigest() != published.manifest.instances[number].sha256:
        return f"{published.folder}: does not rebuild to the bytes received"
    return ""
