"""Encode one chunk: fit weights, take residuals, choose a distribution for each context, and write rANS backwards."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..jit import inlined, kernel
from ..memory import bit_length
from .entropy import keep_row, note_contexts
from .fitting import fit_weights
from .layout import (
    ABREAST,
    CONTEXTS,
    HEADER_BYTES,
    LANES,
    MODE,
    MODELS,
    PREDICTED,
    RING,
    RUN,
    SHIFT,
    STATES,
    TAPS,
    WEIGHTS,
    Bytes,
    Ints,
    put_word,
)
from .prediction import NEIGHBOURS, place_of_row, weigh_former, weigh_plane, weights_of_rows
from .tables import ESCAPE, TOKENS, TOTAL, Tables, extra_bits_of, token_of
from .tables import MODELS as MODEL_COUNT


class Workspace(NamedTuple):
    """Arrays that one thread's encoder uses for every chunk."""

    values: Ints
    """Padded planes, as `prediction` has them."""
    numbers: NDArray[np.uint32]
    """Of each sample, in the order of decoding; so are the others."""
    tokens: Bytes
    contexts: Bytes
    bits: NDArray[np.uint64]
    """What each sample writes, and how many bits that is."""
    counts: Bytes


@inlined
def _number_row(
    values: Ints,
    at: int,
    z: int,
    columns: int,
    pitch: int,
    plane: int,
    w: Ints,
    kind: int,
    shift: int,
    rest: Ints,
    out: Any,
) -> None:
    """Give one row's residuals as whole numbers."""
    rest[:] = (1 << shift) >> 1
    weigh_plane(values, at - pitch, w, kind, rest, 0, columns)
    if z > 0:
        weigh_former(values, at - plane, pitch, w, kind, rest, 0, columns)
    own = w[kind, NEIGHBOURS]
    for x in range(columns):
        predicted = np.int32(own * values[at + x - 1] + rest[x]) >> shift
        residual = np.int32(values[at + x] - predicted)
        out[x] = np.int32(residual << 1) ^ (residual >> 31)


@inlined
def _tokenize(
    space: Workspace, shape: tuple[int, int, int], weights: Ints, shift: int, counts: NDArray[np.int64]
) -> None:
    """Set `numbers`, `tokens` and `contexts` of the workspace, and count tokens by context."""
    planes, rows, columns = shape
    pitch, plane_sizes = columns + 2, rows * (columns + 2) + RUN
    of_rows = weights_of_rows(weights, shift)
    sizes = np.zeros(RING * plane_sizes, np.int32)
    rest, contexts = np.zeros(columns + RUN, np.int32), np.zeros(columns + RUN, np.int32)
    numbers = np.zeros(columns + RUN, np.int32)
    out = 0
    for first in range(0, planes, ABREAST):
        for step in range(rows + 2 * (ABREAST - 1)):
            for lane in range(ABREAST):
                z, y = first + lane, step - 2 * lane
                if z >= planes or y < 0 or y >= rows:
                    continue
                kind, at = min(z, 1) * 2 + min(y, 1), place_of_row(z, y, rows, pitch)
                _number_row(
                    space.values, at, z, columns, pitch, (rows + 2) * pitch, of_rows, kind, shift, rest, numbers
                )
                before = ((z - 1) % RING) * plane_sizes + 1
                up = (z % RING) * plane_sizes + (y - 1) * pitch + 1 if y > 0 else before
                contexts[:] = 0
                if z > 0 or y > 0:
                    note_contexts(sizes, up, before + y * pitch if z > 0 else up, contexts, 0, columns)
                keep_row(numbers, 0, sizes, (z % RING) * plane_sizes + y * pitch + 1, shift, rest, columns)
                for x in range(columns):
                    number = np.uint32(numbers[x])
                    token = token_of(number)
                    space.numbers[out], space.tokens[out], space.contexts[out] = number, token, contexts[x]
                    counts[contexts[x], token] += 1
                    out += 1


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
def _code(space: Workspace, samples: int, models: NDArray[np.int64], tables: Tables, states: NDArray[np.int64]) -> int:
    """Set `bits` and `counts` of the workspace, from the last sample to the first; give the count of all bits."""
    states[:] = TOTAL
    total = 0
    for i in range(samples - 1, -1, -1):
        model, token, number = models[space.contexts[i]], np.int64(space.tokens[i]), np.uint64(space.numbers[i])
        if tables.frequencies[model, token] == 0:
            token = np.int64(ESCAPE)
        frequency, state = tables.frequencies[model, token], states[i % LANES]
        # As many bits as leave the state between the frequency and twice that.
        count = np.int64(bit_length(np.uint64(state)) - bit_length(np.uint64(frequency)))
        if state >> count < frequency:
            count -= 1
        extra = extra_bits_of(token)
        number &= (np.uint64(1) << np.uint64(extra)) - np.uint64(1)
        space.bits[i] = np.uint64(state & ((1 << count) - 1)) | (number << np.uint64(count))
        space.counts[i] = count + extra
        total += count + extra
        place = tables.starts[model, token] + (state >> count) - frequency
        states[i % LANES] = TOTAL + np.int64(tables.places[model, place])
    return total


@inlined
def _put_bits(space: Workspace, samples: int, out: Bytes) -> None:
    """Write all bits in the order of decoding, lowest first."""
    held, waiting, at = 0, np.uint64(0), 0
    for i in range(samples):
        waiting |= space.bits[i] << np.uint64(held)
        held += int(space.counts[i])
        while held >= 8:
            out[at] = np.uint8(waiting & np.uint64(0xFF))
            waiting >>= np.uint64(8)
            held -= 8
            at += 1
    if held > 0:
        out[at] = np.uint8(waiting)


@inlined
def _put_header(out: Bytes, shift: int, weights: Ints, models: NDArray[np.int64], states: NDArray[np.int64]) -> None:
    out[:HEADER_BYTES] = 0
    out[MODE], out[SHIFT] = PREDICTED, shift
    for i in range(TAPS):
        put_word(out, WEIGHTS + 2 * i, weights[i], 2)
    for i in range(CONTEXTS):
        out[MODELS + i] = models[i]
    for i in range(LANES):
        put_word(out, STATES + 2 * i, states[i] - TOTAL, 2)


@kernel
def encode_values(space: Workspace, shape: tuple[int, int, int], tables: Tables, out: Bytes) -> int:
    """Encode the padded planes of the workspace; give the bytes written, or 0 where `out` is too small."""
    samples = shape[0] * shape[1] * shape[2]
    weights = np.zeros(TAPS, np.int32)
    shift = fit_weights(space.values, shape, weights)
    counts, models = np.zeros((CONTEXTS, TOKENS), np.int64), np.zeros(CONTEXTS, np.int64)
    _tokenize(space, shape, weights, shift, counts)
    _choose_models(counts, tables.costs, models)
    states = np.zeros(LANES, np.int64)
    size = HEADER_BYTES + (_code(space, samples, models, tables, states) + 7) // 8
    if size > out.size:
        return 0
    _put_header(out, shift, weights, models, states)
    _put_bits(space, samples, out[HEADER_BYTES:size])
    return size
