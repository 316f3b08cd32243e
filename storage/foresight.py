"""Reading ahead where someone scrolls: the next layer of blocks is decoded before a read asks for it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Hashable
from functools import cache
from typing import TypeAlias

from . import pool

Box: TypeAlias = tuple[int, int, int]

_STEPS = 2
"""Reads in one direction that make it scrolling."""
_FOLLOWED = 64
"""Volumes whose last read is remembered."""


class Foresight:
    """Follows the reads of each volume, and reads ahead in one thread of its own; a new direction drops what waits."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._last: dict[Hashable, tuple[Box, Box, int, int]] = {}
        """Start and stop of the last read, the axis and steps (negative downwards) of the scrolling so far."""
        self._next: tuple[Hashable, Callable[[], None]] | None = None
        self._ahead: dict[Hashable, tuple[int, int]] = {}
        """The axis, and layer, that was read ahead last."""
        self._thread: threading.Thread | None = None

    def saw(
        self, key: Hashable, start: Box, stop: Box, layer: Box, shape: Box, read: Callable[[Box, Box], None]
    ) -> None:
        """Take note of a read; where it continues a scroll, have the next layer along the axis read by `read`.

        `layer` is how many voxels lie in one block along each axis, `shape` how many the volume has.
        """
        with self._changed:
            axis, steps = self._direction(key, start, stop)
            self._last.pop(key, None)
            self._last[key] = start, stop, axis, steps
            if len(self._last) > _FOLLOWED:
                gone = next(iter(self._last))
                del self._last[gone]
                self._ahead.pop(gone, None)
            if abs(steps) < _STEPS:
                self._next = None if self._next is not None and self._next[0] == key else self._next
                return
            edge = stop[axis] - 1 if steps > 0 else start[axis]
            number = edge // layer[axis] + (1 if steps > 0 else -1)
            first = number * layer[axis]
            if not 0 <= first < shape[axis] or self._ahead.get(key) == (axis, number):
                return
            self._ahead[key] = axis, number
            ahead_start, ahead_stop = list(start), list(stop)
            ahead_start[axis], ahead_stop[axis] = first, first + 1
            box = _box(ahead_start), _box(ahead_stop)
            self._next = key, lambda: read(*box)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="filmless-foresight", daemon=True)
                self._thread.start()
            self._changed.notify()

    def _direction(self, key: Hashable, start: Box, stop: Box) -> tuple[int, int]:
        """Give the axis along which this read has moved on, and how many reads in a row have; (0, 0) where it jumps."""
        if key not in self._last:
            return 0, 0
        last_start, last_stop, last_axis, last_steps = self._last[key]
        moves = [b - a for a, b in zip(last_start, start, strict=True)]
        moved = [axis for axis, move in enumerate(moves) if move]
        is_same_size = all(b - a == d - c for a, b, c, d in zip(start, stop, last_start, last_stop, strict=True))
        if len(moved) != 1 or not is_same_size:
            return 0, 0
        axis, sign = moved[0], 1 if moves[moved[0]] > 0 else -1
        goes_on = axis == last_axis and last_steps * sign > 0
        return axis, last_steps + sign if goes_on else sign

    def _work(self) -> None:
        pool.mark_worker()  # it decodes by itself, and never waits for another
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._next is not None)
                job, self._next = self._next, None
            if job is not None:
                job[1]()


def _box(values: list[int]) -> Box:
    z, y, x = values
    return z, y, x


@cache
def shared() -> Foresight:
    """Give the process's one reader ahead."""
    return Foresight()


os.register_at_fork(after_in_child=shared.cache_clear)
