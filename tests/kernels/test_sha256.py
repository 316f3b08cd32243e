from __future__ import annotations

import hashlib

import numpy as np
import pytest
from filmless.kernels import sha256
from hypothesis import given
from hypothesis import strategies as st

needs_instructions = pytest.mark.skipif(
    not sha256.HAS_INSTRUCTIONS, reason="this processor has no instructions for SHA-256"
)


def hashed(*strings):
    return [hashlib.sha256(string).hexdigest() for string in strings]


@needs_instructions
def test_the_examples_of_the_standard_come_out():
    two_blocks = b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"

    assert sha256.sha256_of_two(b"abc", two_blocks) == (
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
    )


@needs_instructions
@pytest.mark.parametrize("length", range(131))
def test_strings_of_every_length_around_a_block_agree_with_hashlib(length):
    data = np.random.default_rng(length).bytes(length)

    assert list(sha256.sha256_of_two(data, data[::-1])) == hashed(data, data[::-1])


@needs_instructions
@given(st.binary(max_size=400), st.binary(max_size=400))
def test_strings_of_unequal_lengths_agree_with_hashlib(first, second):
    assert list(sha256.sha256_of_two(first, second)) == hashed(first, second)


@given(st.lists(st.integers(0, 100_000), max_size=7), st.integers(0, 1 << 32))
def test_each_of_many_strings_agrees_with_hashlib(lengths, seed):
    random = np.random.default_rng(seed)
    strings = [random.bytes(length) for length in lengths]

    assert sha256.sha256_of_each(strings) == hashed(*strings)


def test_without_instructions_the_digests_are_the_same(monkeypatch):
    strings = [np.random.default_rng(n).bytes(50_000 + n) for n in range(3)]
    monkeypatch.setattr(sha256, "HAS_INSTRUCTIONS", False)

    assert sha256.sha256_of_each(strings) == hashed(*strings)
