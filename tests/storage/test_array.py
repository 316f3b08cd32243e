from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from filmless.errors import Damaged, InvalidArgument
from filmless.storage.array import StoredArray
from hypothesis import given, settings
from hypothesis import strategies as st
from stored import flipped, noisy, read_level, small_levels, write_levels

SHAPE = (2, 2, 19, 13, 17)
LEVELS = small_levels(SHAPE)
VALUES = noisy(SHAPE)


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """Level 0 of a small pyramid in three shards a time point, and its values."""
    folder = tmp_path_factory.mktemp("array")
    write_levels(folder, VALUES, LEVELS)
    return StoredArray(folder / "0", LEVELS[0], VALUES.dtype)


@st.composite
def boxes(draw):
    """(start, stop) of a box inside the volume, empty ones included."""
    bounds = [sorted(draw(st.tuples(st.integers(0, n), st.integers(0, n)))) for n in SHAPE[2:]]
    return tuple(a for a, _ in bounds), tuple(b for _, b in bounds)


@settings(max_examples=150)
@given(box=boxes(), t=st.integers(0, 1), c=st.integers(0, 1))
def test_any_box_holds_the_values_that_were_written(stored, box, t, c):
    start, stop = box

    read = stored.volume(t, c).read_box(start, stop)

    assert read.flags.c_contiguous
    np.testing.assert_array_equal(read, VALUES[(t, c, *map(slice, start, stop))])


@settings(max_examples=100)
@given(box=boxes(), seed=st.integers(0, 1 << 32))
def test_wanted_chunks_are_read_and_the_others_left_alone(stored, box, seed):
    start, stop = box
    chunk = LEVELS[0].chunk[2:]
    touched = [(b - 1) // k - a // k + 1 if b > a else 0 for a, b, k in zip(start, stop, chunk, strict=True)]
    wanted = np.random.default_rng(seed).random(touched) < 0.5
    out = np.full([b - a for a, b in zip(start, stop, strict=True)], 12345, np.int16)

    read = stored.volume(0, 1).read_box(start, stop, wanted, out)

    cells = [np.arange(a, b) // k - a // k for a, b, k in zip(start, stop, chunk, strict=True)]
    mask = wanted[np.ix_(*cells)]
    values = VALUES[(0, 1, *map(slice, start, stop))]
    np.testing.assert_array_equal(read, np.where(mask, values, 12345))


def test_many_threads_may_read_one_array(stored):
    box = (3, 2, 1), (18, 12, 16)

    with ThreadPoolExecutor(8) as threads:
        reads = list(threads.map(lambda _: stored.volume(1, 0).read_box(*box), range(40)))

    for read in reads:
        np.testing.assert_array_equal(read, VALUES[1, 0, 3:18, 2:12, 1:16])


@pytest.mark.parametrize(
    ("start", "stop"),
    [((-1, 0, 0), (1, 1, 1)), ((0, 0, 0), (20, 1, 1)), ((2, 0, 0), (1, 1, 1)), ((0, 0, 18), (1, 1, 18))],
)
def test_a_box_outside_the_volume_is_refused(stored, start, stop):
    with pytest.raises(InvalidArgument, match="not inside"):
        stored.volume().read_box(start, stop)


@pytest.mark.parametrize(("t", "c"), [(2, 0), (0, 2), (-1, 0), (0, -1)])
def test_a_time_point_or_channel_that_is_not_there_is_refused(stored, t, c):
    with pytest.raises(InvalidArgument, match="outside the 2 × 2"):
        stored.volume(t, c)


class TestDamage:
    """One shard of two chunks; `read` reads all of it."""

    shape = (1, 1, 4, 6, 10)
    levels = small_levels(shape, chunk=(1, 1, 4, 6, 5))

    @pytest.fixture
    def shard(self, tmp_path):
        written = write_levels(tmp_path, noisy(self.shape, seed=2), self.levels)
        (path,) = (path for path in written if path.is_relative_to(tmp_path / "0"))
        return path

    @pytest.fixture
    def read(self, tmp_path):
        return lambda: read_level(tmp_path, self.levels, 0, "int16")

    def test_an_undamaged_shard_is_read(self, shard, read):
        np.testing.assert_array_equal(read(), noisy(self.shape, seed=2))

    def test_a_missing_shard_is_named(self, shard, read):
        shard.unlink()

        with pytest.raises(Damaged, match=str(shard)):
            read()

    def test_a_folder_in_place_of_a_shard_is_named(self, shard, read):
        shard.unlink()
        shard.mkdir()

        with pytest.raises(Damaged, match=str(shard)):
            read()

    def test_a_shard_cut_anywhere_is_named(self, shard, read):
        data = shard.read_bytes()
        for length in range(len(data)):
            shard.write_bytes(data[:length])
            with pytest.raises(Damaged, match=str(shard)):
                read()

    def test_a_shard_that_grew_is_named(self, shard, read):
        shard.write_bytes(shard.read_bytes() + b"\0")

        with pytest.raises(Damaged, match=str(shard)):
            read()

    def test_a_bit_flipped_in_any_byte_of_chunk_index_or_checksum_is_named(self, shard, read):
        for at in range(shard.stat().st_size):
            whole = flipped(shard, at, at % 8)
            with pytest.raises(Damaged, match=str(shard)):
                read()
            shard.write_bytes(whole)

    def test_the_damaged_chunk_is_named(self, shard, read):
        flipped(shard, 30)

        with pytest.raises(Damaged, match=r"chunk \(0, 0, 0\) fails its checksum"):
            read()

    def test_chunks_beside_a_damaged_one_are_still_read(self, shard, tmp_path):
        flipped(shard, 30)

        volume = StoredArray(tmp_path / "0", self.levels[0], np.dtype("int16")).volume()

        read = volume.read_box((0, 0, 5), (4, 6, 10))
        np.testing.assert_array_equal(read, noisy(self.shape, seed=2)[0, 0, :, :, 5:])
