"""The cache of decoded blocks, one for all requests of a process, within a budget of bytes.

Its memory is one arena of equal slots, a block in each; a table a volume says in NumPy which block is in which slot, so
that a read looks up hundreds of blocks at once and pays no Python for each. A block that two reads want at the same
time is decoded by one of them. What a read has in hand is pinned, and cannot be evicted under it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import NDArray

from ..kernels.bricks import UNWANTED, scatter_bricks
from . import pool
from .shape import BLOCK_BYTES

SLOT_BYTES = BLOCK_BYTES
DEFAULT_BUDGET_BYTES = 1 << 30
_LARGEST_SHARE = 8
"""A read of more than this part of the budget goes past the cache: it would turn over what others come back to."""
_EVICTED_SHARE = 32
"""At least this part of the slots is freed at a time, so that choosing them costs little for each."""
_TABLES = 4096
"""Tables of volumes that hold nothing any more are let go beyond this many."""

Slots = NDArray[np.int64]
Decode = Callable[[int], tuple[NDArray[np.generic], str]]
"""Gives a frame's values and a note, such as their photometric interpretation."""


@dataclass(eq=False)
class Table:
    """Where the blocks of one volume are."""

    slots: Slots
    """(z, y, x chunks, blocks of a chunk), flat: its slot, or -1."""
    number: int
    notes: dict[int, str] = field(default_factory=dict)
    """What a decoder said of each frame, where the volume is made of decoded frames."""


@dataclass(eq=False)
class Lease:
    """The slots of the blocks that one read wants, pinned until it ends."""

    slots: Slots
    """One for each block wanted."""
    is_missing: NDArray[np.bool_]
    """Which of them this read has to fill."""
    is_filled: bool = field(default=False)


class BrickCache:
    """Decoded blocks of any number of volumes; safe to use from any thread."""

    def __init__(self, budget_bytes: int) -> None:
        self.budget_bytes = budget_bytes
        count = max(budget_bytes // SLOT_BYTES, 0)
        self.memory: NDArray[np.uint8] = np.empty((count + 2, SLOT_BYTES), np.uint8)
        """The slots, one of zeros, and one that is read over, never used. Untouched pages of it cost nothing."""
        self.arena = self.memory[:count]
        self.zeros = count
        """The slot that stands for blocks that are not stored."""
        self.memory[count] = 0
        self.hits = self.misses = self.evictions = 0
        """Blocks, since the beginning."""
        self._changed = threading.Condition()
        self._tables: dict[Hashable, Table] = {}
        self._by_number: dict[int, Table] = {}
        self._next_number = 0
        self._free = list(range(count - 1, -1, -1))
        self._clock = 0
        self._table_of = np.full(count, -1, np.int64)
        self._place_of = np.zeros(count, np.int64)
        self._used_at = np.zeros(count, np.int64)
        self._pins = np.zeros(count, np.int32)
        self._is_ready = np.zeros(count, np.bool_)

    @property
    def used_bytes(self) -> int:
        """Bytes of the slots that hold a block."""
        return (len(self.arena) - len(self._free)) * SLOT_BYTES

    def takes(self, blocks: int) -> bool:
        """Whether a read of so many blocks goes through the cache."""
        return blocks <= len(self.arena) // _LARGEST_SHARE

    def table(self, key: Hashable, size: int) -> Table:
        """Give the table of a volume of `size` blocks; `key` names its stored values for ever."""
        with self._changed:
            found = self._tables.get(key)
            if found is None:
                self._drop_empty_tables()
                found = Table(np.full(size, -1, np.int64), self._next_number)
                self._tables[key] = self._by_number[found.number] = found
                self._next_number += 1
            return found

    def _drop_empty_tables(self) -> None:
        if len(self._tables) < _TABLES:
            return
        held = set(np.unique(self._table_of).tolist())
        self._tables = {key: table for key, table in self._tables.items() if table.number in held}
        self._by_number = {table.number: table for table in self._tables.values()}

    @contextmanager
    def lease(self, table: Table, places: NDArray[np.int64], *, may_wait: bool) -> Iterator[Lease | None]:
        """Pin the blocks at `places` of a table, each named once; None where there is no room for them.

        Those missing have slots that the caller fills, and then calls `fill`; where it does not, because it failed,
        they are given back. Unless the caller `may_wait`, it gets None too where another is filling some of them.
        """
        lease = self._pin(table, places, may_wait=may_wait)
        try:
            yield lease
        finally:
            if lease is not None:
                self._unpin(table, places, lease)

    def _pin(self, table: Table, places: NDArray[np.int64], *, may_wait: bool) -> Lease | None:
        with self._changed:
            self._by_number[table.number] = table  # it may have been let go, empty, before this read came
            slots = table.slots[places]
            held = slots[slots >= 0]
            if not may_wait and not self._is_ready[held].all():
                return None
            self._clock += 1
            self._pins[held] += 1  # before room is made, which might else evict them
            is_missing = slots < 0
            fresh = self._take(int(is_missing.sum()))
            if fresh is None:
                self._pins[held] -= 1
                return None
            slots[is_missing] = fresh
            table.slots[places[is_missing]] = fresh
            self._table_of[fresh], self._place_of[fresh] = table.number, places[is_missing]
            self._pins[fresh], self._is_ready[fresh] = 1, False
            self._used_at[slots] = self._clock
            self.hits += len(held)
            self.misses += len(fresh)
            return Lease(slots, is_missing)

    def fill(self, lease: Lease) -> None:
        """Say that the missing slots hold their blocks now."""
        with self._changed:
            self._is_ready[lease.slots[lease.is_missing]] = True
            lease.is_filled = True
            self._changed.notify_all()

    def wait(self, table: Table, places: NDArray[np.int64], lease: Lease) -> bool:
        """Wait until the blocks that others fill are there; tell whether they are: another may have failed."""
        with self._changed:
            self._changed.wait_for(
                lambda: bool((self._is_ready[lease.slots] | (table.slots[places] != lease.slots)).all())
            )
            return bool((table.slots[places] == lease.slots).all())

    def _unpin(self, table: Table, places: NDArray[np.int64], lease: Lease) -> None:
        with self._changed:
            self._pins[lease.slots] -= 1
            if not lease.is_filled:
                failed = lease.slots[lease.is_missing]
                table.slots[places[lease.is_missing]] = -1
                self._table_of[failed] = -1
                self._changed.notify_all()
            # A slot given back while others waited for it is free once the last of them has let go.
            orphaned = lease.slots[(self._pins[lease.slots] == 0) & (self._table_of[lease.slots] < 0)]
            self._free.extend(orphaned.tolist())

    def _take(self, count: int) -> Slots | None:
        """Take free slots, evicting the blocks that were used longest ago where too few are free."""
        if count > len(self._free) and not self._evict(count - len(self._free)):
            return None
        at = len(self._free) - count
        taken = np.array(self._free[at:], np.int64)
        del self._free[at:]
        return taken

    def _evict(self, count: int) -> bool:
        idle = np.flatnonzero((self._pins == 0) & (self._table_of >= 0))
        if len(idle) < count:
            return False
        count = min(max(count, len(self.arena) // _EVICTED_SHARE), len(idle))
        victims = idle[np.argpartition(self._used_at[idle], count - 1)[:count]]
        for number in np.unique(self._table_of[victims]).tolist():
            places = self._place_of[victims[self._table_of[victims] == number]]
            self._by_number[number].slots[places] = -1
        self._table_of[victims] = -1
        self._free.extend(victims.tolist())
        self.evictions += count
        return True


def _budget_bytes() -> int:
    """Give FILMLESS_CACHE_BYTES, or an eighth of the machine's memory, a GiB at most."""
    asked = os.environ.get("FILMLESS_CACHE_BYTES", "")
    if asked.isdigit():
        return int(asked)
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min(DEFAULT_BUDGET_BYTES, memory_bytes // 8)


@cache
def shared() -> BrickCache:
    """Give the process's one cache."""
    return BrickCache(_budget_bytes())


os.register_at_fork(after_in_child=shared.cache_clear)  # its lock may have been held by a thread that is no more


def cached_frames(
    key: Hashable, count: int, frame_bytes: int, wanted: list[int], decode: Decode
) -> Iterator[tuple[NDArray[np.uint8], str]]:
    """Give bytes and note of `wanted` frames, each named once, of `count`; `decode` makes those that the cache lacks.

    The frames are decoded in parallel and given one by one, so that no more of them is held than the cache holds.
    """
    bricks, blocks = shared(), -(-frame_bytes // SLOT_BYTES)
    table = bricks.table(key, count * blocks) if bricks.takes(blocks * len(wanted)) else None
    places = (np.array(wanted, np.int64)[:, None] * blocks + np.arange(blocks)).reshape(-1)
    if table is not None:
        with bricks.lease(table, places, may_wait=not pool.is_worker()) as lease:
            if lease is not None and _have_frames(bricks, table, places, lease, wanted, decode):
                for number, slots in zip(wanted, lease.slots.reshape(-1, blocks), strict=True):
                    yield bricks.arena[slots].reshape(-1)[:frame_bytes], table.notes[number]
                return
    for number in wanted:
        values, note = decode(number)
        yield np.ascontiguousarray(values).reshape(-1).view(np.uint8), note


def _have_frames(
    bricks: BrickCache,
    table: Table,
    places: Slots,
    lease: Lease,
    wanted: list[int],
    decode: Decode,
) -> bool:
    """Decode the frames whose slots are missing; tell whether all are there then."""
    by_frame = np.where(lease.is_missing, lease.slots, UNWANTED).reshape(len(wanted), -1)

    def fill(number: int) -> None:
        values, table.notes[wanted[number]] = decode(wanted[number])
        frame = np.ascontiguousarray(values).reshape(1, -1).view(np.uint8)
        scatter_bricks(frame, by_frame[number : number + 1], SLOT_BYTES, bricks.arena)

    pool.run_all(fill, np.flatnonzero((by_frame >= 0).any(axis=1)).tolist())
    bricks.fill(lease)
    return bricks.wait(table, places, lease)
