"""The members of a series' next generation: new instances, and those of the generation that it continues."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass

from ..errors import BadSources, Damaged
from ..storage.generation import remove_generations
from ..storage.home import Home
from ..storage.index import Index
from ..storage.manifest import Manifest
from ..storage.published import Published
from ..storage.retention import Retention
from .consolidate import series_order
from .instance import Instance
from .loading import Carried, Received, Source
from .rebuild import Rebuilder
from .verify import find_damage


@dataclass(frozen=True, slots=True)
class ArchivedSource:
    """An instance of the generation that the next one continues."""

    rebuilder: Rebuilder
    number: int
    name: str
    size_bytes: int
    received: Received
    is_acknowledged: bool = True

    def read(self) -> bytes | memoryview | Carried:
        """Give the instance as it was received, or what is left of it where its codestreams were dropped."""
        return self.rebuilder.read_or_spool(self.number)


@dataclass(frozen=True, slots=True)
class Member:
    """One instance of a generation to be."""

    instance: Instance
    source: Source
    new: int | None
    """Which of the new instances it is; None where it comes from the former generation."""


def all_members(
    new: Sequence[tuple[Instance, Source]], former: Published | None, replaced: Collection[str] = ()
) -> list[Member]:
    """Give the instances of the next generation, in the order in which it lists them.

    Of the former one those whose UID is in `replaced` are left out.
    """
    members = [Member(instance, source, number) for number, (instance, source) in enumerate(new)]
    if former is not None:
        members += _archived(former, replaced)
    return [members[n] for n in series_order([member.instance for member in members])]


def _archived(former: Published, replaced: Collection[str]) -> list[Member]:
    rebuilder, members = Rebuilder(former), []
    for number in rebuilder.stack_order():
        record = former.manifest.instances[number]
        if record.sop_instance_uid in replaced:
            continue
        received = Received(record.sha256, record.received_at, record.received_from)
        name = f"instance {record.sop_instance_uid}"
        source = ArchivedSource(rebuilder, number, name, record.size_bytes, received)
        members.append(Member(rebuilder.instance(number), source, None))
    return members


def among_new(problem: BadSources, members: Sequence[Member]) -> Exception:
    """Say the same of the new instances; where an archived one is bad, that its series is damaged."""
    reasons: dict[int, str] = {}
    for number, why in problem.reasons.items():
        member = members[number]
        if member.new is None:
            return Damaged(f"{member.source.name}: {why}")
        reasons[member.new] = why
    return BadSources(reasons)


def holds_all_of(manifest: Manifest, other: Manifest, dropped: Collection[str] = ()) -> bool:
    """Whether a generation has every instance of another, the same bytes, but those that were purged."""
    return {one for one in _identities(other) if one[0] not in dropped} <= _identities(manifest)


def _identities(manifest: Manifest) -> set[tuple[str, str]]:
    return {(record.sop_instance_uid, record.sha256) for record in manifest.instances}


def remove_formers(home: Home, index: Index, uid: str, generations: Sequence[int]) -> None:
    """Remove generations that a stopped writer left beside the newest, where that is sound and has all they have."""
    *formers, newest = generations
    with suppress(Damaged):
        current = Published(home, uid, newest)
        held = [Published(home, uid, former) for former in formers]
        dropped = Retention(home.root).marks().purged
        is_whole = all(holds_all_of(current.manifest, former.manifest, dropped) for former in held)
        for former in held:
            former.release()
        if index.generation_of(uid) == newest and is_whole and not find_damage(current):
            remove_generations(home, uid, formers)
