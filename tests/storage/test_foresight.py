"""Reading ahead: what is read, when, and what is dropped where someone turns round."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from filmless.storage import bricks, foresight
from filmless.storage.array import StoredArray, StoredVolume
from filmless.storage.bricks import SLOT_BYTES, BrickCache
from filmless.storage.foresight import Foresight
from stored import noisy, planned, write_levels

LAYER = (16, 32, 32)
SHAPE = (64, 128, 96)


class Ahead:
    """Remembers the boxes read ahead, and waits for them."""

    def __init__(self):
        self.boxes, self._arrived = [], threading.Semaphore(0)

    def __call__(self, start, stop):
        self.boxes.append((start, stop))
        self._arrived.release()

    def wait(self):
        assert self._arrived.acquire(timeout=10)
        return self.boxes[-1]


@pytest.fixture
def ahead():
    return Ahead()


def scroll(seer, ahead, axis, places, key="volume"):
    for place in places:
        start, stop = [0, 0, 0], list(SHAPE)
        start[axis], stop[axis] = place, place + 1
        seer.saw(key, tuple(start), tuple(stop), LAYER, SHAPE, ahead)


@pytest.mark.parametrize(
    ("axis", "places", "expected"),
    [
        (0, [3, 4, 5], 16),
        (1, [5, 6, 7], 32),
        (2, [40, 41, 42], 64),
        (1, [60, 57, 54], 0),
        (0, [40, 39, 38], 16),
    ],
)
def test_scrolling_reads_the_next_layer_ahead(ahead, axis, places, expected):
    scroll(Foresight(), ahead, axis, places)
    start, stop = ahead.wait()
    assert (start[axis], stop[axis]) == (expected, expected + 1)
    others = [other for other in range(3) if other != axis]
    assert all((start[other], stop[other]) == (0, SHAPE[other]) for other in others)


def test_one_layer_is_read_ahead_once(ahead):
    seer = Foresight()
    scroll(seer, ahead, 1, range(5, 31))
    ahead.wait()
    scroll(seer, ahead, 1, range(32, 40))
    ahead.wait()
    assert [start[1] for start, _ in ahead.boxes] == [32, 64]


@pytest.mark.parametrize("places", [[5], [5, 6], [5, 90, 3, 70], [5, 5, 5]])
def test_nothing_is_read_ahead_of_who_does_not_scroll(ahead, places):
    seer = Foresight()
    scroll(seer, ahead, 1, places)
    assert seer._next is None
    assert seer._thread is None


@pytest.mark.parametrize(("axis", "places"), [(1, [125, 126, 127]), (1, [2, 1, 0])])
def test_nothing_is_read_beyond_the_ends(ahead, axis, places):
    seer = Foresight()
    scroll(seer, ahead, axis, places)
    assert seer._thread is None


def test_who_turns_round_drops_what_waits(ahead):
    seer = Foresight()
    busy, may_go = threading.Event(), threading.Event()

    def slow(_start, _stop):
        busy.set()
        may_go.wait(10)

    scroll(seer, slow, 0, [3, 4, 5], key="other")
    assert busy.wait(10)
    scroll(seer, ahead, 1, [5, 6, 7])
    scroll(seer, ahead, 1, [6])
    may_go.set()
    scroll(seer, ahead, 2, [40, 41, 42])
    ahead.wait()
    assert [start for start, _ in ahead.boxes] == [(0, 0, 64)]


def test_a_scroll_finds_its_next_blocks_decoded(tmp_path, monkeypatch):
    values = noisy((1, 1, 70, 100, 90))
    levels = planned(values)
    write_levels(tmp_path, values, levels)
    made, seer = BrickCache(800 * SLOT_BYTES), Foresight()
    monkeypatch.setattr(bricks, "shared", lambda: made)
    monkeypatch.setattr(foresight, "shared", lambda: seer)
    volume = StoredArray(tmp_path / "0", levels[0], np.dtype("int16"), "scrolled").volume()
    decoded = threading.Event()
    read_ahead = StoredVolume._read_ahead

    def read_and_tell(volume, *box):
        read_ahead(volume, *box)
        decoded.set()  # not at the first of the shards: threads of the pool fill the others

    monkeypatch.setattr(StoredVolume, "_read_ahead", read_and_tell)
    for y in (4, 5, 6):
        volume.read_box((0, y, 0), (70, y + 1, 90))
    assert decoded.wait(20)
    monkeypatch.setattr(StoredVolume, "_read_ahead", lambda *_: None)  # else the layer after counts, too
    misses = made.misses
    assert np.array_equal(volume.read_box((0, 32, 0), (70, 33, 90)), values[0, 0, :, 32:33])
    assert made.misses == misses
