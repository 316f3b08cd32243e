"""Sixteen lanes at once do what NumPy does on arrays of int32."""

from __future__ import annotations

import operator

import numpy as np
import pytest
from filmless.kernels.jit import kernel
from filmless.kernels.lanes import (
    LANES,
    all_lanes,
    larger_lanes,
    largest_lane,
    last_lane,
    leading_zeros_of_lanes,
    load_bits,
    load_lanes,
    running_sum,
    smaller_lanes,
    store_lanes,
    store_pixels,
    store_woven,
)
from numba.core.errors import TypingError

RANDOM = np.random.default_rng(5)
LIMITS = np.array([0, 1, -1, 2**31 - 1, -(2**31)], np.int32)
ONE, OTHER, THIRD = (
    np.concatenate([RANDOM.permutation(LIMITS), RANDOM.integers(-(2**31), 2**31, LANES - len(LIMITS))]).astype(np.int32)
    for _ in range(3)
)
OPERATORS = (operator.add, operator.sub, operator.mul, operator.and_, operator.or_, operator.xor)


@kernel
def _apply_all(one, other, number, out):
    a, b = load_lanes(one, 0), load_lanes(other, 0)
    for place, value in enumerate((a + b, a - b, a * b, a & b, a | b, a ^ b)):
        store_lanes(out, LANES * place, value)
    for place, value in enumerate((a + number, a - number, a * number, a & number, a | number, a ^ number)):
        store_lanes(out, LANES * (6 + place), value)


@kernel
def _shift(one, other, out):
    a, b = load_lanes(one, 0), load_lanes(other, 0)
    store_lanes(out, 0, a << (b & 31))
    store_lanes(out, LANES, a >> (b & 31))
    store_lanes(out, 2 * LANES, a << 5)
    store_lanes(out, 3 * LANES, a >> 5)


@kernel
def _compare(one, other, out):
    a, b = load_lanes(one, 0), load_lanes(other, 0)
    store_lanes(out, 0, larger_lanes(a, b))
    store_lanes(out, LANES, smaller_lanes(a, b))
    store_lanes(out, 2 * LANES, leading_zeros_of_lanes(a))
    store_lanes(out, 3 * LANES, running_sum(a))
    store_lanes(out, 4 * LANES, all_lanes(-7))
    return largest_lane(a), last_lane(a)


@kernel
def _weave(one, other, out):
    store_woven(out, 3, load_lanes(one, 0), load_lanes(other, 0))


@kernel
def _pixels(one, other, third, out):
    store_pixels(out, 5, load_lanes(one, 0), load_lanes(other, 0), load_lanes(third, 0))


@kernel
def _bits(stream, positions, skips, out):
    first, second = load_bits(stream, load_lanes(positions, 0), load_lanes(skips, 0))
    store_lanes(out, 0, first)
    store_lanes(out, LANES, second)


@kernel
def _sum_of_a_strided_array(array):
    return largest_lane(load_lanes(array, 0))


@pytest.mark.parametrize("number", [0, 3, -5, 2**31 - 1])
def test_operators_wrap_like_int32(number):
    out = np.zeros(12 * LANES, np.int32)

    _apply_all(ONE, OTHER, number, out)

    with np.errstate(over="ignore"):
        expected = [apply(ONE, right) for right in (OTHER, np.int32(number)) for apply in OPERATORS]
    assert np.array_equal(out, np.concatenate(expected))


def test_shifts_to_the_right_keep_the_sign():
    out = np.zeros(4 * LANES, np.int32)

    _shift(ONE, OTHER, out)

    by_lane = OTHER & 31
    assert np.array_equal(out, np.concatenate([ONE << by_lane, ONE >> by_lane, ONE << 5, ONE >> 5]))


def test_comparisons_sums_and_counts_are_those_of_each_lane():
    out = np.zeros(5 * LANES, np.int32)

    largest, last = _compare(ONE, OTHER, out)

    zeros = [32 - int(value).bit_length() if value >= 0 else 0 for value in ONE]
    sums = np.cumsum(ONE, dtype=np.int32)
    parts = [np.maximum(ONE, OTHER), np.minimum(ONE, OTHER), zeros, sums, np.full(LANES, -7)]
    assert np.array_equal(out, np.concatenate(parts))
    assert (largest, last) == (ONE.max(), ONE[-1])


def test_woven_lanes_are_neighbours_and_touch_nothing_else():
    out = np.full(2 * LANES + 7, 9, np.int32)

    _weave(ONE, OTHER, out)

    assert np.array_equal(out[3:-4], np.stack([ONE, OTHER], 1).ravel())
    assert (out[:3] == 9).all()
    assert (out[-4:] == 9).all()


@pytest.mark.parametrize("dtype", ["u1", "u2", "u4"])
def test_pixels_are_three_values_in_turn_and_touch_nothing_else(dtype):
    out = np.full(3 * LANES + 11, 9, dtype)

    _pixels(ONE, OTHER, THIRD, out)

    expected = np.stack([ONE, OTHER, THIRD], 1).astype(dtype)
    assert np.array_equal(out[5:-6], expected.ravel())
    assert (out[:5] == 9).all()
    assert (out[-6:] == 9).all()


def test_bits_are_taken_at_any_position_lowest_first():
    stream = RANDOM.integers(0, 256, 64, np.uint8)
    whole = int.from_bytes(stream.tobytes(), "little")
    positions = RANDOM.integers(0, 8 * (64 - 8), LANES).astype(np.int32)
    skips = RANDOM.integers(0, 26, LANES).astype(np.int32)
    out = np.zeros(2 * LANES, np.int32)

    _bits(stream, positions, skips, out)

    starts = [*positions.tolist(), *(positions + skips).tolist()]
    assert out.view(np.uint32).tolist() == [whole >> start & 0xFFFFFFFF for start in starts]


def test_an_array_with_gaps_is_refused():
    with pytest.raises(TypingError, match="load_lanes"):
        _sum_of_a_strided_array(np.zeros((64, 2), np.int32)[:, 0])
