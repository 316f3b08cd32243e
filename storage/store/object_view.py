"""One object opened for reading: its tail at once, then only what is wanted, many requests at a time.

Chunks that were read stay for the next picture, as many bytes as `CACHE_BYTES`. Items that are read one after another
come with more and more of what follows them, so that an export is not one request an instance.
"""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

import numpy as np

from ...errors import Damaged
from .client import Absent, Client, together
from .coalesce import parts_of, runs_to_read
from .place import ObjectPlace
from .view import Bytes, Ranges

CACHE_BYTES = 128 << 20
"""Most bytes of chunks, as stored, that one archive keeps in memory."""
LEAST_TAIL_BYTES = 16 << 10
"""A little more than is asked for at the end of an object brings all of many small ones."""
MOST_AHEAD_BYTES = 4 << 20
_OUTSIDE = np.uint64(1 << 62)
"""Where a range lies that is not in the object: the kernel that reads it finds it outside its bytes."""

Key = tuple[str, int, int]


class ChunkCache:
    """Byte ranges of objects, those used last, by object, offset and length; safe among threads."""

    def __init__(self, budget_bytes: int = CACHE_BYTES) -> None:
        self._budget_bytes, self._held_bytes = budget_bytes, 0
        self._chunks: OrderedDict[Key, bytes] = OrderedDict()
        self._lock = Lock()

    def find(self, keys: list[Key]) -> dict[Key, bytes]:
        """Give those that are held."""
        with self._lock:
            found = {key: self._chunks[key] for key in keys if key in self._chunks}
            for key in found:
                self._chunks.move_to_end(key)
        return found

    def keep(self, chunks: dict[Key, bytes]) -> None:
        """Hold chunks, and let go of the ones used longest ago."""
        with self._lock:
            for key, chunk in chunks.items():
                self._held_bytes += len(chunk) - len(self._chunks.pop(key, b""))
                self._chunks[key] = chunk
            while self._held_bytes > self._budget_bytes:
                self._held_bytes -= len(self._chunks.popitem(last=False)[1])

    def forget(self, keys: list[Key]) -> None:
        """Let go of chunks."""
        with self._lock:
            for key in keys:
                self._held_bytes -= len(self._chunks.pop(key, b""))


class ObjectView:
    """One object; safe among threads."""

    def __init__(self, client: Client, cache: ChunkCache, place: ObjectPlace, tail_bytes: int) -> None:
        """Read the object's last bytes; raises `Absent`, `StoreFailed`."""
        self._client, self._cache, self.place = client, cache, place
        self._tail, self.size_bytes = client.read_tail(place.path, max(tail_bytes, LEAST_TAIL_BYTES))
        self._ahead = self.size_bytes, b""
        """Offset and bytes of what was read last."""

    def read(self, offset: int, length: int) -> bytes:
        """Give bytes of the object, from what is at hand where they are."""
        stop = min(offset + length, self.size_bytes)
        if offset >= stop:
            return b""
        for start, held in ((self.size_bytes - len(self._tail), self._tail), self._ahead):
            if start <= offset and stop <= start + len(held):
                return held[offset - start : stop - start]
        start, held = self._ahead
        is_next = bool(held) and start <= offset <= start + len(held) + length
        ahead = min(max(2 * len(held), stop - offset), MOST_AHEAD_BYTES) if is_next else 0
        data = self._read_run(offset, min(max(stop, offset + ahead), self.size_bytes))
        self._ahead = offset, data
        return data[: stop - offset]

    def gather(self, ranges: Ranges, end: int) -> tuple[Bytes, Ranges]:
        """Give the ranges back to back, each once; those that are not within `end` lie outside the bytes given."""
        offsets, lengths = ranges[:, 0], ranges[:, 1]
        limit = np.uint64(end)
        is_within = (lengths <= limit) & (offsets <= limit - np.minimum(lengths, limit))
        unique, place_of = np.unique(ranges[is_within].astype(np.int64), axis=0, return_inverse=True)
        chunks = self._chunks([(int(start), int(length)) for start, length in unique])
        starts = np.concatenate([[0], np.cumsum(unique[:, 1])])[:-1]
        moved = ranges.copy()
        # A chunk that is in no shard has offset and length of its own, which say so, and stay.
        moved[~is_within, 0] = np.where(lengths[~is_within] == ~np.uint64(0), offsets[~is_within], _OUTSIDE)
        moved[is_within, 0] = starts[place_of.reshape(-1)]
        return np.frombuffer(b"".join(chunks), dtype=np.uint8), moved

    def _chunks(self, wanted: list[tuple[int, int]]) -> list[bytes]:
        keys = [(self.place.path, start, length) for start, length in wanted]
        held = self._cache.find(keys)
        absent = [key for key in keys if key not in held]
        if absent:
            read = self._read_chunks(absent)
            self._cache.keep(read)
            held |= read
        return [held[key] for key in keys]

    def _read_chunks(self, keys: list[Key]) -> dict[Key, bytes]:
        starts = np.array([start for _, start, _ in keys], np.int64)
        stops = starts + np.array([length for _, _, length in keys], np.int64)
        runs = [(int(start), int(stop)) for start, stop in runs_to_read(starts, stops)]
        parts = [part for run in runs for part in parts_of(*run)]
        brought = dict(zip(parts, together(lambda part: self._read_run(*part), parts), strict=True))
        whole = [b"".join(brought[part] for part in parts_of(*run)) for run in runs]
        run_of = np.searchsorted([start for start, _ in runs], starts, side="right") - 1
        return {
            key: whole[run][key[1] - runs[run][0] : key[1] - runs[run][0] + key[2]]
            for key, run in zip(keys, run_of.tolist(), strict=True)
        }

    def _read_run(self, start: int, stop: int) -> bytes:
        try:
            return self._client.read(self.place.path, start, stop)
        except Absent:
            self.place.store.check_not_superseded(self.place)
            raise Damaged(f"{self.place}: is missing, or empty") from None

    def forget(self, ranges: Ranges) -> bool:
        """Let go of copies of these ranges: read again they may come over the network unharmed."""
        self._cache.forget([(self.place.path, int(start), int(length)) for start, length in ranges])
        self._ahead = self.size_bytes, b""
        return True
