"""Encode one chunk: fit weights, take residuals, choose a distribution for each context, and write rANS backwards."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..jit import inlined, kernel
from .entropy import keep_sizes, sum_magnitudes
from .fitting import fit_weights
from .layout import (
    CONTEXTS,
    HEADER_BYTES,
    IS_WIDE,
    LANES,
    MODE,
    MODELS,
    NARROW_BITS,
    PREDICTED,
    RUN,
    SHIFT,
    STATES,
    TAPS,
    WEIGHTS,
    WORD_COUNT,
    Bytes,
    Ints,
    put_word,
)
from .prediction import NEIGHBOURS, place_of_row, weigh_former, weigh_plane, weights_of_rows
from .tables import DIRECT, ESCAPE, PROBABILITY_BITS, TOKENS, token_of
from .tables import MODELS as MODEL_COUNT


class Workspace(NamedTuple):
    """Arrays that one thread's encoder uses for every chunk."""

    values: Ints
    """Padded planes, as `prediction` has them."""
    numbers: NDArray[np.uint32]
    tokens: Bytes
    contexts: Bytes
    words: NDArray[np.uint16]
    extra_bits: Bytes


@inlined
def _number_row(
    values: Ints, at: int, z: int, columns: int, pitch: int, plane: int, w: Ints, shift: int, rest: Ints, out: Any
) -> None:
    """Give one row's residuals as whole numbers."""
    weigh_plane(values, at - pitch, w, (1 << shift) >> 1, rest, 0, columns)
    if z > 0:
        weigh_former(values, at - plane, pitch, w, rest, 0, columns)
    own = w[NEIGHBOURS]
    for x in range(columns):
        predicted = np.int32(own * values[at + x - 1] + rest[x]) >> shift
        residual = np.int32(values[at + x] - predicted)
        out[x] = np.uint32(np.int32(residual << 1) ^ (residual >> 31))


@inlined
def _tokenize(
    space: Workspace, shape: tuple[int, int, int], weights: Ints, shift: int, classes: Bytes, counts: NDArray[np.int64]
) -> None:
    """Set `numbers`, `tokens` and `contexts` of the workspace, and count tokens by context."""
    planes, rows, columns = shape
    pitch = columns + 2
    of_rows = weights_of_rows(weights, shift)
    sizes = np.zeros(2 * (rows * pitch + RUN) + RUN, np.int32)
    rest, sums = np.zeros(columns + RUN, np.int32), np.zeros(columns + RUN, np.int32)
    numbers = np.zeros(columns + RUN, np.uint32)
    for z in range(planes):
        plane, former = (z & 1) * (rows * pitch + RUN), (1 - (z & 1)) * (rows * pitch + RUN)
        for y in range(rows):
            w, at = of_rows[min(z, 1) * 2 + min(y, 1)], place_of_row(z, y, rows, pitch)
            _number_row(space.values, at, z, columns, pitch, (rows + 2) * pitch, w, shift, rest, numbers)
            if y > 0 or z > 0:
                up = plane + (y - 1) * pitch if y > 0 else former
                sum_magnitudes(sizes, up + 1, (former + y * pitch if z > 0 else up) + 1, sums, columns)
            keep_sizes(numbers, sizes, plane + y * pitch + 1, columns)
            first = (z * rows + y) * columns
            for x in range(columns):
                token, context = token_of(numbers[x]), classes[sums[x]]
                space.numbers[first + x] = numbers[x]
                space.tokens[first + x] = token
                space.contexts[first + x] = context
                counts[context, token] += 1


@inlined
def _choose_models(counts: NDArray[np.int64], costs: NDArray[np.float32], models: NDArray[np.int64]) -> None:
    """Give each context the distribution under which its tokens take the fewest bits."""
    for context in range(CONTEXTS):
        bits = np.zeros(MODEL_COUNT, np.float32)
        for token in range(TOKENS):
            count = np.float32(counts[context, token])
            if count > 0:
                for model in range(MODEL_COUNT):
                    bits[model] += count * costs[token, model]
        models[context] = np.argmin(bits)


@inlined
def _put_extra_bits(
    space: Workspace, samples: int, models: NDArray[np.int64], frequencies: NDArray[np.int64]
) -> tuple[int, bool]:
    """Write extra bits, lowest first; escape tokens that their distribution lacks. Give bytes, and whether wide."""
    bits, held, at, is_wide = np.uint64(0), 0, 0, False
    for i in range(samples):
        number, token = np.uint64(space.numbers[i]), np.int64(space.tokens[i])
        if frequencies[models[space.contexts[i]], token] == 0:
            token = ESCAPE
            space.tokens[i] = token
        if token < DIRECT:
            continue
        count = 32 if token == ESCAPE else 3 + (token - DIRECT) // 2
        is_wide |= count > NARROW_BITS
        bits |= (number & ((np.uint64(1) << np.uint64(count)) - np.uint64(1))) << np.uint64(held)
        held += count
        while held >= 8:
            space.extra_bits[at] = bits & np.uint64(0xFF)
            bits >>= np.uint64(8)
            held -= 8
            at += 1
    if held > 0:
        space.extra_bits[at] = bits
        at += 1
    return at, is_wide


@inlined
def _put_words(
    space: Workspace,
    rows: int,
    columns: int,
    models: NDArray[np.int64],
    frequencies: NDArray[np.int64],
    starts: NDArray[np.int64],
    states: NDArray[np.int64],
) -> int:
    """Write words from the last of `words` backwards, last symbol first; give how many."""
    at = space.words.size
    states[:] = 1 << 16
    for row in range(rows - 1, -1, -1):
        for x in range(columns - 1, -1, -1):
            i = row * columns + x
            model, token = models[space.contexts[i]], np.int64(space.tokens[i])
            frequency, state = frequencies[model, token], states[x % LANES]
            if state >= frequency << (32 - PROBABILITY_BITS):
                at -= 1
                space.words[at] = state & 0xFFFF
                state >>= 16
            quotient = np.int64(np.uint32(state) // np.uint32(frequency))
            states[x % LANES] = (quotient << PROBABILITY_BITS) + state - quotient * frequency + starts[model, token]
    return space.words.size - at


@inlined
def _put_header(
    out: Bytes, shift: int, is_wide: bool, weights: Ints, models: Any, states: Any, word_count: int
) -> None:
    out[MODE], out[SHIFT], out[IS_WIDE], out[3] = PREDICTED, shift, is_wide, 0
    for i in range(TAPS):
        put_word(out, WEIGHTS + 2 * i, weights[i], 2)
    for i in range(CONTEXTS):
        out[MODELS + i] = models[i]
    for i in range(LANES):
        put_word(out, STATES + 4 * i, states[i], 4)
    put_word(out, WORD_COUNT, word_count, 4)


@kernel
def encode_values(
    space: Workspace,
    shape: tuple[int, int, int],
    classes: Bytes,
    frequencies: NDArray[np.int64],
    starts: NDArray[np.int64],
    costs: NDArray[np.float32],
    out: Bytes,
) -> int:
    """Encode the padded planes of the workspace; give the bytes written, or 0 where `out` is too small."""
    planes, rows, columns = shape
    weights = np.zeros(TAPS, np.int32)
    shift = fit_weights(space.values, shape, weights)
    counts, models = np.zeros((CONTEXTS, TOKENS), np.int64), np.zeros(CONTEXTS, np.int64)
    _tokenize(space, shape, weights, shift, classes, counts)
    _choose_models(counts, costs, models)
    extra_bytes, is_wide = _put_extra_bits(space, planes * rows * columns, models, frequencies)
    states = np.zeros(LANES, np.int64)
    count = _put_words(space, planes * rows, columns, models, frequencies, starts, states)
    size = HEADER_BYTES + 2 * count + extra_bytes
    if size > out.size:
        return 0
    _put_header(out, shift, is_wide, weights, models, states, count)
    first = space.words.size - count
    for i in range(count):
        put_word(out, HEADER_BYTES + 2 * i, np.int64(space.words[first + i]), 2)
    out[HEADER_BYTES + 2 * count : size] = space.extra_bits[:extra_bytes]
    return size
