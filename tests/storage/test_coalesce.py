from __future__ import annotations

import itertools

import numpy as np
from filmless.storage.store.coalesce import GAP_BYTES, PART_BYTES, parts_of, runs_to_read
from hypothesis import given
from hypothesis import strategies as st

GAPS = st.lists(st.tuples(st.integers(0, 3 * GAP_BYTES), st.integers(1, 50_000)), min_size=1, max_size=40)


def ranges(drawn):
    """(starts, stops) of ranges with these gaps before them and lengths."""
    gaps, lengths = np.array(drawn, np.int64).T
    stops = np.cumsum(gaps + lengths)
    return stops - lengths, stops


@given(GAPS)
def test_every_range_lies_in_one_run_and_runs_lie_apart(drawn):
    starts, stops = ranges(drawn)

    runs = runs_to_read(starts, stops)

    for start, stop in zip(starts, stops, strict=True):
        assert sum(a <= start and stop <= b for a, b in runs) == 1
    assert (runs[1:, 0] > runs[:-1, 1]).all()


@given(GAPS)
def test_no_more_is_read_in_vain_than_is_wanted(drawn):
    starts, stops = ranges(drawn)

    runs = runs_to_read(starts, stops)

    assert (runs[:, 1] - runs[:, 0]).sum() <= 2 * (stops - starts).sum()


def test_ranges_that_touch_are_one_run_and_far_ones_are_not():
    starts = np.array([0, 10, 10 + GAP_BYTES * 2])

    runs = runs_to_read(starts, starts + 10)

    assert runs.tolist() == [[0, 20], [10 + GAP_BYTES * 2, 20 + GAP_BYTES * 2]]


def test_a_small_gap_is_read_with_its_neighbours():
    starts = np.array([0, 70_000])

    assert runs_to_read(starts, starts + 60_000).tolist() == [[0, 130_000]]


def test_ranges_that_overlap_as_in_a_harmed_index_are_covered():
    starts, stops = np.array([0, 5, 8]), np.array([100, 7, 120])

    assert runs_to_read(starts, stops).tolist() == [[0, 120]]


def test_nothing_wanted_is_no_run():
    assert len(runs_to_read(np.empty(0, np.int64), np.empty(0, np.int64))) == 0


@given(st.integers(0, 1 << 40), st.integers(1, 5 * PART_BYTES))
def test_a_run_is_cut_into_parts_that_follow_each_other(start, length):
    parts = parts_of(start, start + length)

    assert (parts[0][0], parts[-1][1]) == (start, start + length)
    assert all(a[1] == b[0] for a, b in itertools.pairwise(parts))
    assert all(0 < stop - first <= PART_BYTES for first, stop in parts)
