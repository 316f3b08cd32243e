from __future__ import annotations

import numpy as np
import pytest
from filmless.errors import InvalidArgument
from filmless.kernels.stored_values import (
    fill_rule,
    padding_bits,
    repack,
    repack_bits,
    swap_pairs,
    unpack,
    unpack_bits,
)
from hypothesis import given
from hypothesis import strategies as st
from naive import stored_values as naive


@st.composite
def words(draw):
    """Bytes of whole words, and the bit numbers to read them by."""
    allocated = draw(st.sampled_from([8, 16, 32, 64]))
    stored = draw(st.integers(1, allocated))
    high_bit = draw(st.integers(stored - 1, allocated - 1))
    is_big_endian = draw(st.booleans())
    pairs = 2 if allocated == 8 and is_big_endian else 1
    count = draw(st.integers(0, 20)) * pairs * allocated // 8
    raw = draw(st.binary(min_size=count, max_size=count))
    bits = {"bits_allocated": allocated, "bits_stored": stored, "high_bit": high_bit}
    return raw, bits | {"is_big_endian": is_big_endian}


@given(words(), st.booleans())
def test_unpack_into_room_gives_the_same_values(example, is_signed):
    raw, bits = example
    room = np.empty(8 * len(raw) // bits["bits_allocated"], f"u{bits['bits_allocated'] // 8}")

    values = unpack(np.frombuffer(raw, np.uint8), is_signed=is_signed, room=room, **bits)

    assert values.tolist() == naive.unpack(raw, is_signed=is_signed, **bits)
    assert np.shares_memory(values, room) == (bits["bits_stored"] < bits["bits_allocated"] and len(room) > 0)


@pytest.mark.parametrize("room", [np.empty(3, np.uint16), np.empty(2, np.uint8), np.empty(4, np.uint16)[::2]])
def test_room_of_another_shape_or_type_is_refused(room):
    raw = np.zeros(4, np.uint8)

    with pytest.raises(InvalidArgument, match="room"):
        unpack(raw, bits_allocated=16, bits_stored=12, high_bit=11, is_signed=False, is_big_endian=False, room=room)


@given(words(), st.booleans())
def test_unpack_agrees_with_its_naive_twin(example, is_signed):
    raw, bits = example

    values = unpack(np.frombuffer(raw, np.uint8), is_signed=is_signed, **bits)

    assert values.tolist() == naive.unpack(raw, is_signed=is_signed, **bits)
    assert values.dtype == np.dtype(f"{'i' if is_signed else 'u'}{bits['bits_allocated'] // 8}")


@given(words())
def test_fill_rule_agrees_with_its_naive_twin(example):
    raw, bits = example

    found = fill_rule(np.frombuffer(raw, np.uint8), **bits)

    expected = naive.fill_rule(raw, **bits)
    assert found == ("zero" if bits["bits_stored"] == bits["bits_allocated"] else expected)


@given(words(), st.booleans(), st.sampled_from(["zero", "sign"]))
def test_repacked_values_follow_the_rule_and_unpack_to_themselves(example, is_signed, fill):
    raw, bits = example
    values = unpack(np.frombuffer(raw, np.uint8), is_signed=is_signed, **bits)

    packed = repack(values, fill, **bits)

    assert unpack(packed, is_signed=is_signed, **bits).tolist() == values.tolist()
    assert fill_rule(packed, **bits) in ("zero", fill)


@given(words(), st.booleans())
def test_bytes_that_follow_a_rule_are_rebuilt_exactly(example, is_signed):
    raw, bits = example
    source = np.frombuffer(raw, np.uint8)
    rule = fill_rule(source, **bits)

    if rule is not None:
        values = unpack(source, is_signed=is_signed, **bits)
        assert repack(values, rule, **bits).tobytes() == raw


def test_an_overlay_in_the_high_bits_follows_no_rule():
    raw = np.array([0x0123, 0x1456], "<u2").view(np.uint8)

    rule = fill_rule(raw, bits_allocated=16, bits_stored=12, high_bit=11, is_big_endian=False)

    assert rule is None


def test_whole_native_words_are_not_copied():
    raw = np.zeros(8, np.uint8)

    values = unpack(raw, bits_allocated=16, bits_stored=16, high_bit=15, is_signed=True, is_big_endian=False)

    assert np.shares_memory(raw, values)


def test_words_at_an_odd_address_are_read():
    raw = np.frombuffer(b"\0\x01\x02\x03\x04", np.uint8)[1:]

    values = unpack(raw, bits_allocated=16, bits_stored=12, high_bit=11, is_signed=False, is_big_endian=False)

    assert values.tolist() == [0x0201, 0x0403]


@pytest.mark.parametrize(
    ("allocated", "stored", "high_bit"), [(12, 12, 11), (16, 17, 16), (16, 12, 10), (16, 8, 16), (16, 0, -1)]
)
def test_impossible_bit_numbers_are_refused(allocated, stored, high_bit):
    raw = np.zeros(16, np.uint8)
    bits = {"bits_allocated": allocated, "bits_stored": stored, "high_bit": high_bit, "is_big_endian": False}

    with pytest.raises(InvalidArgument):
        unpack(raw, is_signed=False, **bits)


def test_half_a_word_is_refused():
    with pytest.raises(InvalidArgument):
        fill_rule(np.zeros(3, np.uint8), bits_allocated=16, bits_stored=8, high_bit=7, is_big_endian=False)
    with pytest.raises(InvalidArgument):
        swap_pairs(np.zeros(3, np.uint8))


@given(st.binary(min_size=1, max_size=40), st.data())
def test_bits_are_read_from_the_lowest_up_across_bytes(raw, data):
    first = data.draw(st.integers(0, 8 * len(raw)))
    count = data.draw(st.integers(0, 8 * len(raw) - first))

    bits = unpack_bits(np.frombuffer(raw, np.uint8), first, count)

    whole = int.from_bytes(raw, "little")
    assert bits.tolist() == [whole >> (first + number) & 1 for number in range(count)]


@given(st.binary(min_size=1, max_size=40), st.integers(0, 7))
def test_bits_and_their_padding_rebuild_the_bytes(raw, unused):
    source, count = np.frombuffer(raw, np.uint8), 8 * len(raw) - unused

    values = unpack_bits(source, 0, count)

    assert repack_bits(values, padding_bits(source, count)).tobytes() == raw


def test_more_bits_than_there_are_is_refused():
    with pytest.raises(InvalidArgument):
        unpack_bits(np.zeros(2, np.uint8), 4, 13)
