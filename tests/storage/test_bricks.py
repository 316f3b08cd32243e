"""The cache of blocks: never more than its budget, never a wrong voxel, one decode for all who want the same block."""

from __future__ import annotations

import multiprocessing
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from filmless.errors import Damaged
from filmless.kernels import blosc
from filmless.kernels.voxels import BRICK_AT, WITHIN
from filmless.storage import array as array_module
from filmless.storage import bricks
from filmless.storage.array import StoredArray
from filmless.storage.bricks import SLOT_BYTES, BrickCache
from hypothesis import given, settings
from hypothesis import strategies as st
from stored import flipped, noisy, planned, write_levels

SHAPE = (1, 1, 70, 100, 90)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("level")
    values = noisy(SHAPE)
    levels = planned(values)
    write_levels(folder, values, levels)
    return folder / "0", levels[0], values[0, 0]


@pytest.fixture
def cache(monkeypatch):
    """Put a cache of a budget in the place of the process's own."""

    def use(slots):
        made = BrickCache(slots * SLOT_BYTES)
        monkeypatch.setattr(bricks, "shared", lambda: made)
        return made

    return use


@pytest.fixture
def decoded(monkeypatch):
    """Count the blocks that are decoded into slots."""
    counts = []

    def counting(shard, ranges, slots, *rest):
        counts.append(int((slots >= 0).sum()))
        return real(shard, ranges, slots, *rest)

    real = blosc.decode_bricks
    monkeypatch.setattr(array_module.blosc, "decode_bricks", counting)
    return counts


def volume_of(written, identity="one"):
    folder, level, _ = written
    return StoredArray(folder, level, np.dtype("int16"), identity).volume()


def box_of(data, shape):
    start = tuple(data.draw(st.integers(0, n - 1)) for n in shape)
    return start, tuple(data.draw(st.integers(a + 1, n)) for a, n in zip(start, shape, strict=True))


def part_of(values, start, stop):
    return values[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))]


@settings(max_examples=40)
@given(st.sampled_from([0, 8, 64, 400]), st.data())
def test_every_box_is_right_whatever_the_budget(written, slots, data):
    made = BrickCache(slots * SLOT_BYTES)
    volume = volume_of(written)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bricks, "shared", lambda: made)
        for _ in range(6):
            start, stop = box_of(data, volume.shape)
            assert np.array_equal(volume.read_box(start, stop), part_of(written[2], start, stop))
            assert made.used_bytes <= made.budget_bytes
    assert not made._pins.any()


def test_what_was_read_once_is_not_decoded_again(written, cache, decoded):
    made, volume = cache(800), volume_of(written)
    volume.read_box((0, 50, 0), (70, 51, 90))
    first = sum(decoded)
    volume.read_box((0, 51, 0), (70, 52, 90))
    assert first > 0
    assert (sum(decoded), made.hits) == (first, first)


def test_only_the_blocks_that_hold_wanted_slices_are_decoded(written, cache, decoded):
    cache(800)
    volume_of(written).read_box((3, 0, 0), (4, 100, 90))
    assert sum(decoded) == 4 * 3  # one of the two blocks of each chunk of a layer


def test_another_volume_gets_its_own_blocks(written, cache, decoded):
    cache(800)
    for identity in ("one", "two"):
        volume_of(written, identity).read_box((0, 0, 0), (1, 5, 5))
    assert sum(decoded) == 2


def test_what_was_used_longest_ago_goes_first(written, cache, decoded):
    made, volume = cache(64), volume_of(written)
    often = (0, 0, 0), (1, 32, 32)
    for at in range(0, 96, 4):
        volume.read_box(*often)
        volume.read_box((16, at, 0), (17, at + 1, 90))
        volume.read_box((48, at, 0), (49, at + 1, 90))
    made_before = sum(decoded)
    volume.read_box(*often)
    assert sum(decoded) == made_before
    assert made.used_bytes <= made.budget_bytes


def test_a_read_too_large_for_the_budget_goes_past_it(written, cache, decoded):
    made, volume = cache(8), volume_of(written)
    assert np.array_equal(volume.read_box((0, 0, 0), volume.shape), written[2])
    assert (sum(decoded), made.used_bytes) == (0, 0)


def test_a_read_into_given_memory_goes_past_it(written, cache):
    made, volume = cache(800), volume_of(written)
    volume.read_box((0, 0, 0), (4, 4, 4), out=np.empty((4, 4, 4), np.int16))
    assert made.used_bytes == 0


def test_readers_of_the_same_block_share_one_decode(written, cache, monkeypatch):
    made, volume = cache(800), volume_of(written)
    started, may_go, decodes = threading.Event(), threading.Event(), []

    def slow(*arguments):
        decodes.append(1)
        started.set()
        assert may_go.wait(10)
        return real(*arguments)

    real = blosc.decode_bricks
    monkeypatch.setattr(array_module.blosc, "decode_bricks", slow)
    with ThreadPoolExecutor(3) as readers:
        first = readers.submit(volume.read_box, (0, 0, 0), (1, 9, 9))
        assert started.wait(10)
        others = [readers.submit(volume.read_box, (0, 0, 0), (1, 5, 5)) for _ in range(2)]
        may_go.set()
        assert np.array_equal(first.result(), part_of(written[2], (0, 0, 0), (1, 9, 9)))
        for other in others:
            assert np.array_equal(other.result(), part_of(written[2], (0, 0, 0), (1, 5, 5)))
    assert len(decodes) == 1
    assert (made.misses, made.hits) == (1, 2)


def test_many_threads_in_a_small_budget_read_what_was_written(written, cache):
    made, volume = cache(48), volume_of(written)
    random = np.random.default_rng(5)
    jobs = []
    for _ in range(300):
        start = [int(random.integers(0, n - 1)) for n in volume.shape]
        stop = [min(a + int(random.integers(1, 40)), n) for a, n in zip(start, volume.shape, strict=True)]
        jobs.append((tuple(start), tuple(stop)))
    with ThreadPoolExecutor(8) as readers:
        for job, box in zip(jobs, readers.map(lambda job: volume.read_box(*job), jobs), strict=True):
            assert np.array_equal(box, part_of(written[2], *job))
    assert not made._pins.any()
    assert len(made._free) * SLOT_BYTES + made.used_bytes == made.budget_bytes
    assert len(set(made._free)) == len(made._free)


def test_damage_is_told_to_every_reader_and_never_kept(written, tmp_path, cache):
    folder, level, _ = written
    copy = tmp_path / "0"
    copy.mkdir()
    for file in folder.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    shard = next(copy.glob("c.*"))
    flipped(shard, 40)
    made = cache(800)
    volume = StoredArray(copy, level, np.dtype("int16"), "harmed").volume()
    for _ in range(2):
        with pytest.raises(Damaged, match="fails its checksum"):
            volume.read_box((0, 0, 0), volume.shape)
        with pytest.raises(Damaged, match="fails its checksum"), volume.hold_voxels((0, 0, 0), volume.shape):
            pass
    assert (made.used_bytes, made._pins.sum()) == (0, 0)


def values_of(voxels):
    """The values of a box held, by its tables alone."""
    sums = voxels.z[:, None, None] + voxels.y[:, None] + voxels.x
    return voxels.flat[voxels.firsts[sums >> BRICK_AT] + (sums & WITHIN)]


@settings(max_examples=40)
@given(st.sampled_from([0, 8, 64, 800]), st.data())
def test_voxels_are_held_where_the_cache_takes_them(written, slots, data):
    made, volume = BrickCache(slots * SLOT_BYTES), volume_of(written)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bricks, "shared", lambda: made)
        for _ in range(6):
            start, stop = box_of(data, volume.shape)
            with volume.hold_voxels(start, stop) as voxels:
                if voxels is not None:
                    assert np.array_equal(values_of(voxels), part_of(written[2], start, stop))
            assert slots < 800 or voxels is not None
    assert not made._pins.any()


def test_voxels_held_stay_while_others_turn_the_cache_over(written, cache):
    made, volume = cache(48), volume_of(written)
    with volume.hold_voxels((0, 0, 0), (5, 40, 40)) as voxels:
        for number in range(20):
            volume_of(written, number).read_box((30, 10, 20), (40, 30, 60))
        assert made.evictions > 0
        assert np.array_equal(values_of(voxels), part_of(written[2], (0, 0, 0), (5, 40, 40)))


def test_chunks_that_are_not_wanted_are_not_decoded_for_a_hold(written, cache, decoded):
    cache(800)
    wanted = np.zeros((1, 4, 3), bool)
    wanted[0, 1, 2] = True
    with volume_of(written).hold_voxels((0, 0, 0), (10, 100, 90), wanted) as voxels:
        assert np.array_equal(values_of(voxels)[:, 32:64, 64:], written[2][:10, 32:64, 64:90])
    assert sum(decoded) == 1


def test_chunks_that_are_not_stored_are_held_as_zeros(tmp_path, cache):
    cache(800)
    values = noisy(SHAPE)
    values[..., 32:64, :] = 0
    levels = planned(values)
    write_levels(tmp_path, values, levels)
    volume = StoredArray(tmp_path / "0", levels[0], values.dtype, "holed").volume()
    with volume.hold_voxels((0, 0, 0), volume.shape) as voxels:
        assert np.array_equal(values_of(voxels), values[0, 0])


def test_blocks_that_cut_through_slices_are_no_bricks(tmp_path, cache):
    cache(800)
    values = noisy((1, 1, 40, 40, 20))
    levels = planned(values)
    write_levels(tmp_path, values, levels)
    volume = StoredArray(tmp_path / "0", levels[0], values.dtype, "narrow").volume()
    with volume.hold_voxels((0, 0, 0), volume.shape) as voxels:
        assert voxels is None


def test_many_threads_in_a_small_budget_hold_what_was_written(written, cache):
    made, volume = cache(64), volume_of(written)
    random = np.random.default_rng(7)
    jobs = []
    for _ in range(300):
        start = [int(random.integers(0, n - 1)) for n in volume.shape]
        stop = [min(a + int(random.integers(1, 40)), n) for a, n in zip(start, volume.shape, strict=True)]
        jobs.append((start, stop))

    def is_right(job):
        with volume.hold_voxels(*map(tuple, job)) as voxels:
            return voxels is None or np.array_equal(values_of(voxels), part_of(written[2], *job))

    with ThreadPoolExecutor(8) as readers:
        assert all(readers.map(is_right, jobs))
    assert not made._pins.any()
    assert len(made._free) * SLOT_BYTES + made.used_bytes == made.budget_bytes


def _read_in_child(folder, level, queue):
    volume = StoredArray(folder, level, np.dtype("int16"), "one").volume()
    queue.put(int(volume.read_box((0, 0, 0), (2, 20, 20)).sum()))


@pytest.mark.filterwarnings("ignore:This process")  # that a fork beside threads is a risk is what is tested
def test_a_forked_child_reads_though_a_thread_held_the_lock(written):
    folder, level, values = written
    context, parent = multiprocessing.get_context("fork"), bricks.shared()
    with parent._changed:
        queue = context.Queue()
        child = context.Process(target=_read_in_child, args=(folder, level, queue))
        child.start()
        assert queue.get(timeout=60) == values[:2, :20, :20].sum()
        child.join()
