"""The static distributions of tokens, by integer arithmetic alone, so that any implementation gets the same.

A residual becomes a whole number (0, -1, 1, -2, … → 0, 1, 2, 3, …), and that a token: itself below 16, else one of two
a power of two, with extra bits. Each distribution is that of tokens of residuals of a certain mean size, Laplacian,
Gaussian, or half and half: noise is Gaussian, anatomy is not.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..jit import inlined, kernel
from ..memory import bit_length

PROBABILITY_BITS = 10
TOTAL = 1 << PROBABILITY_BITS
DIRECT = 16
"""Numbers below are their own tokens."""
ESCAPE = 40
"""The token of every number from 65536, and of what a distribution has no token for; 32 extra bits."""
TOKENS = ESCAPE + 1
MODELS = 192
"""64 mean sizes, three shapes each."""
MAGNITUDE_MAXIMUM = 4095
"""Larger numbers count as this in a context."""

_SHAPES = 3
_LAPLACIAN, _GAUSSIAN = 0, 1
_ONE_BITS = np.uint64(31)
_LONGEST = 32768


class Tables(NamedTuple):
    """What kernels of this codec look up."""

    slots: NDArray[np.uint32]
    """(models × 1024): what a state stands for: how many bits to read, how many of them lead to the next state << 8,
    token << 12, and the next state but for those bits << 18."""
    smallest: NDArray[np.uint32]
    """A token's smallest number; 64 long, so that any six bits may index it."""
    frequencies: NDArray[np.int64]
    """(models, tokens): out of 2048; 0 where a model escapes the token."""
    starts: NDArray[np.int64]
    """(models, tokens): where the token's states begin in `places`."""
    places: NDArray[np.uint16]
    """(models, 2048): the states that stand for token 0, ascending, then for token 1, …."""
    costs: NDArray[np.float32]
    """(tokens, models): bits that a token takes, without its extra ones but with those of an escape."""


@inlined
def token_of(number: Any) -> Any:
    """Give the token of a number, as if every model had it."""
    if number < DIRECT:
        return np.int64(number)
    if number > 0xFFFF:
        return np.int64(ESCAPE)
    top = np.int64(bit_length(np.uint64(number))) - 1
    return DIRECT + 2 * (top - 4) + ((np.int64(number) >> (top - 1)) & 1)


@inlined
def extra_bits_of(token: Any) -> Any:
    """Give how many extra bits follow a token."""
    if token < DIRECT:
        return 0
    return 32 if token == ESCAPE else 3 + (token - DIRECT) // 2


@inlined
def _add_shape(mean_in_32nds: int, is_gaussian: bool, sums: NDArray[np.uint64]) -> None:
    """Add one shape's weights a token, of 2³⁰ in all, to `sums`."""
    one = np.uint64(1) << _ONE_BITS
    mean = np.uint64(mean_in_32nds)
    step, bend = (mean * one) // (mean + np.uint64(32)), one
    if is_gaussian:
        spread = np.uint64(3) * mean * mean
        step = one - (one << np.uint64(11)) // (spread + np.uint64(2048))
        bend = (step * step) >> _ONE_BITS
    weights, weight = np.zeros(TOKENS, np.uint64), one
    for size in range(_LONGEST):
        weights[token_of(2 * size)] += weight
        if size > 0:
            weights[token_of(2 * size - 1)] += weight
        weight = (weight * step) >> _ONE_BITS
        step = (step * bend) >> _ONE_BITS if is_gaussian else step
    whole = (np.sum(weights) >> np.uint64(16)) + np.uint64(1)
    for token in range(TOKENS):
        sums[token] += (weights[token] << np.uint64(14)) // whole


@kernel
def _fill_frequencies(frequencies: NDArray[np.int64]) -> None:
    for model in range(MODELS):
        scale, shape = model // _SHAPES, model % _SHAPES
        mean = (4 + scale % 4) << (scale // 4)
        sums = np.zeros(TOKENS, np.uint64)
        if shape != _GAUSSIAN:
            _add_shape(mean, False, sums)
        if shape != _LAPLACIAN:
            _add_shape(mean, True, sums)
        whole, last = np.sum(sums), token_of(min(2 * mean + 4, 0xFFFF))
        left, largest = TOTAL, 0
        for token in range(TOKENS):
            if token <= last or token == ESCAPE:
                share = np.int64(sums[token] * np.uint64(TOTAL) // whole)
                frequencies[model, token] = share if share > 1 else 1
                left -= frequencies[model, token]
                if frequencies[model, token] > frequencies[model, largest]:
                    largest = token
        frequencies[model, largest] += left


@cache
def tables() -> Tables:
    """Make the tables, once a process."""
    frequencies = np.zeros((MODELS, TOKENS), np.int64)
    _fill_frequencies(frequencies)
    starts = np.cumsum(frequencies, axis=1) - frequencies
    tokens = _spread(frequencies)
    places = np.argsort(tokens, axis=1, kind="stable")
    ranks = np.argsort(places, axis=1) - np.take_along_axis(starts, tokens, axis=1)
    # A token of frequency f has states f to 2f - 1 by rank; bits make each one of 2048 to 4095.
    short = ranks + np.take_along_axis(frequencies, tokens, axis=1)
    bits = PROBABILITY_BITS - np.floor(np.log2(short)).astype(np.int64)
    extra_bits = np.array([extra_bits_of(token) for token in range(TOKENS)])
    slots = bits + extra_bits[tokens] | bits << 8 | tokens << 12 | ((short << bits) - TOTAL) << 18
    information = np.log2(TOTAL / np.maximum(frequencies, 1))
    costs = np.where(frequencies > 0, information, information[:, ESCAPE:] + 32).T
    return Tables(
        slots.astype(np.uint32).ravel(),
        _smallest(),
        frequencies,
        starts,
        places.astype(np.uint16),
        np.ascontiguousarray(costs, np.float32),
    )


def _spread(frequencies: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give the token of each state, (models, 2048): a token's states lie about evenly, as in zstd's FSE (RFC 8878)."""
    order = np.arange(TOTAL) * (TOTAL // 2 + TOTAL // 8 + 3) % TOTAL
    tokens = np.empty((MODELS, TOTAL), np.int64)
    for model in range(MODELS):
        tokens[model, order] = np.repeat(np.arange(TOKENS), frequencies[model])
    return tokens


def _smallest() -> NDArray[np.uint32]:
    smallest = np.zeros(64, np.uint32)
    smallest[:DIRECT] = np.arange(DIRECT)
    for token in range(DIRECT, ESCAPE):
        smallest[token] = (2 + (token - DIRECT) % 2) << extra_bits_of(token)
    return smallest
