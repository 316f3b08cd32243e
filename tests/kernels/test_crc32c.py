from __future__ import annotations

import google_crc32c
import numpy as np
import pytest
from filmless.kernels.crc32c import crc32c
from hypothesis import given
from hypothesis import strategies as st


def test_the_check_value_of_the_catalogue_comes_out():
    assert crc32c(b"123456789") == 0xE3069283


@pytest.mark.parametrize("length", range(101))
def test_short_buffers_agree_with_an_independent_implementation(length):
    data = np.random.default_rng(length).bytes(length)

    assert crc32c(data) == google_crc32c.value(data)


def test_a_megabyte_agrees_with_an_independent_implementation():
    data = np.random.default_rng(7).bytes((1 << 20) + 3)

    assert crc32c(data) == google_crc32c.value(data)


@given(st.binary(max_size=300), st.integers(0, 8))
def test_where_a_buffer_begins_in_memory_makes_no_difference(data, offset):
    shifted = memoryview(bytes(offset) + data)[offset:]

    assert crc32c(shifted) == google_crc32c.value(data)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, lambda b: np.frombuffer(b, np.uint8)])
def test_every_kind_of_buffer_is_taken(kind):
    assert crc32c(kind(b"123456789")) == 0xE3069283
