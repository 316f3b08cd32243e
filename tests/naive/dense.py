"""The dense codec's decoder, read off its specification (docs/reference/dense-codec.md): whole numbers, bit by bit."""

from __future__ import annotations

import functools
import struct

import numpy as np

TOTAL = 1024
ESCAPE = 40


def token_of(number):
    """A number's token, and how many extra bits it has."""
    if number < 16:
        return number, 0
    if number >= 1 << 16:
        return ESCAPE, 32
    top = number.bit_length() - 1
    return 16 + 2 * (top - 4) + (number >> (top - 1) & 1), top - 1


def smallest_of(token):
    """The smallest number of a token, and how many extra bits it has."""
    if token < 16:
        return token, 0
    if token == ESCAPE:
        return 0, 32
    bits = 3 + (token - 16) // 2
    return (2 + token % 2) << bits, bits


@functools.cache
def shares(mean, is_gaussian):
    """How 2³⁰ are shared out among tokens."""
    one = 1 << 31
    step, bend = mean * one // (mean + 32), one
    if is_gaussian:
        step = one - 2048 * one // (3 * mean * mean + 2048)
        bend = step * step >> 31
    weights, weight = [0] * 41, one
    for size in range(32768):
        for number in {2 * size, max(2 * size - 1, 0)}:
            weights[token_of(number)[0]] += weight
        weight = weight * step >> 31
        if is_gaussian:
            step = step * bend >> 31
        if not weight:
            break
    return [(share << 14) // ((sum(weights) >> 16) + 1) for share in weights]


@functools.cache
def states_of(model):
    """For each state of a model: token, bits to the next state, that state without them."""
    scale, shape = divmod(model, 3)
    mean = (4 + scale % 4) << (scale // 4)
    kinds = [[False], [True], [False, True]][shape]
    sums = [sum(parts) for parts in zip(*(shares(mean, kind) for kind in kinds), strict=True)]
    last = token_of(min(2 * mean + 4, 0xFFFF))[0]
    counts = [
        max(1, share * TOTAL // sum(sums)) if token <= last or token == ESCAPE else 0
        for token, share in enumerate(sums)
    ]
    counts[counts.index(max(counts))] += TOTAL - sum(counts)
    tokens, at = [0] * TOTAL, 0
    for token, count in enumerate(counts):
        for _ in range(count):
            tokens[at] = token
            at = (at + 643) % TOTAL
    found = []
    for token in tokens:
        short = counts[token]
        counts[token] += 1
        bits = 10 - (short.bit_length() - 1)
        found.append((token, bits, (short << bits) - TOTAL))
    return found


def rows_in_order(planes, rows):
    """(plane, row) in the order of symbols."""
    for first in range(0, planes, 4):
        for step in range(rows + 6):
            for z in range(first, min(first + 4, planes)):
                y = step - 2 * (z - first)
                if 0 <= y < rows:
                    yield z, y


def context(numbers, z, y, x, columns):
    """Half octaves of what lies above and in the plane before."""
    if z == y == 0:
        return 0
    up = (z, y - 1) if y else (z - 1, y)
    before = (z - 1, y) if z else up

    def size(row, x):
        return min(numbers[(*row, min(max(x, 0), columns - 1))] & 0x7FFFFFFF, 4095)

    total = 4 + 2 * size(up, x) + size(up, x - 1) + size(up, x + 1) + 2 * size(before, x)
    top = total.bit_length() - 1
    return min(23, 2 * (top - 2) + (total >> (top - 1) & 1))


def wrapped(value):
    """As 32-bit two's complement."""
    return (value + (1 << 31)) % (1 << 32) - (1 << 31)


def predicted(values, z, y, x, weights, shift, columns, rows):
    """The prediction of a sample."""

    def at(z, y, x):
        if x < 0:
            return at(z, y - 1, 0) if y else at(z - 1, 0, 0) if z else 0
        return values[z, min(y, rows - 1), min(x, columns - 1)]

    left = at(z, y, x - 1)
    above = (
        [(left, left, left), (at(z, y - 1, x), at(z, y - 1, x - 1), at(z, y - 1, x + 1))][y > 0] if y else [left] * 3
    )
    if z == 0:
        taps, chosen = above, weights[:3] if y else [0, 0, 0]
    else:
        behind = at(z - 1, y, x - 1)
        before = (at(z - 1, y - 1, x), at(z - 1, y - 1, x - 1)) if y else (behind, behind)
        taps = [*above, at(z - 1, y, x), behind, *before, at(z - 1, y, x + 1), at(z - 1, y + 1, x)]
        chosen = weights[3:]
    total = sum(w * (tap - left) for w, tap in zip(chosen, taps, strict=True)) + (left << shift)
    return wrapped(total + (1 << shift >> 1)) >> shift


def decode(data, shape, dtype):
    """One chunk, its checksum taken off."""
    dtype = np.dtype(dtype)
    if data[0] == 0:
        return np.frombuffer(data[4:], dtype.newbyteorder("<")).reshape(shape)
    planes, rows, columns = shape
    shift = data[1]
    weights = struct.unpack_from("<12h", data, 4)
    models, states = list(data[28:52]), list(struct.unpack_from("<8H", data, 52))
    stream, position, turn = int.from_bytes(data[68:], "little"), 0, 0
    numbers, values = {}, {}
    for z, y in rows_in_order(planes, rows):
        for x in range(columns):
            model = models[context(numbers, z, y, x, columns)]
            token, bits, base = states_of(model)[states[turn]]
            smallest, extra = smallest_of(token)
            read = stream >> position
            states[turn] = base + read % (1 << bits)
            numbers[z, y, x] = smallest + (read >> bits) % (1 << extra)
            position += bits + extra
            turn = (turn + 1) % 8
        for x in range(columns):
            number = numbers[z, y, x]
            residual = number >> 1 if number % 2 == 0 else -(number + 1 >> 1)
            values[z, y, x] = wrapped(predicted(values, z, y, x, weights, shift, columns, rows) + residual)
    assert states == [0] * 8
    assert 0 <= 8 * (len(data) - 68) - position < 8
    flat = [values[z, y, x] for z in range(planes) for y in range(rows) for x in range(columns)]
    return np.array(flat, np.int64).astype(dtype).reshape(shape)
