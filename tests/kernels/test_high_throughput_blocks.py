"""The HTJ2K block decoder on bytes that no encoder wrote: it stays within its arrays, whatever the block's shape."""

from __future__ import annotations

import numpy as np
import pytest
from filmless.kernels.jit import kernel
from filmless.kernels.jpeg_2000.high_throughput import decode_cleanups
from filmless.kernels.jpeg_2000.high_throughput_quads import (
    BLOCK_ROWS,
    EVENT_BYTES,
    LARGEST,
    PLANE,
    ROW_WORDS,
    STATE_WORDS,
    VLC_BYTES,
)
from filmless.kernels.jpeg_2000.unstuffing import GUARD

MARGIN = 128
CANARY = 0x5A
SHAPES = [(1, 1), (4, 1024), (1024, 4), (3, 1023), (1023, 3), (64, 64), (63, 61), (33, 2), (17, 90), (512, 8), (2, 2)]


@kernel
def _decode(blocks, data, lengths, width, height, states, rows, events, vlc, magnitudes, values):
    return decode_cleanups(blocks, data, lengths, width, height, states, rows, events, vlc, magnitudes, values)


class Scratch:
    """Arrays between margins whose bytes nothing may change."""

    def __init__(self):
        self.whole = []

    def array(self, shape, dtype):
        words = np.frombuffer(
            bytearray([CANARY]) * ((int(np.prod(shape)) + 2 * MARGIN) * np.dtype(dtype).itemsize), dtype
        )
        self.whole.append(words)
        return words[MARGIN:-MARGIN].reshape(shape)

    def are_margins_untouched(self):
        return all(
            (part.view(np.uint8) == CANARY).all() for words in self.whole for part in (words[:MARGIN], words[-MARGIN:])
        )


def random_blocks(random, length):
    """Two blocks of bytes: of any value, mostly full, or mostly empty, with a suffix that may be right."""
    kind = random.integers(3)
    data = random.integers(0, 256, (2, length), np.uint8)
    if kind:
        data[random.random((2, length)) < 0.8] = 0xFF if kind == 1 else 0
    suffix = random.integers(2, min(length, 4079) + 1)
    data[:, -1] = suffix >> 4
    data[:, -2] = data[:, -2] & 0xF0 | suffix & 15
    return data


@pytest.mark.parametrize(("width", "height"), SHAPES)
def test_random_bytes_change_nothing_outside_the_arrays_of_a_block(width, height):
    random = np.random.default_rng(width)
    decoded = 0
    for _ in range(150):
        length = int(random.integers(2, random.choice([8, 200, 9000])))
        scratch = Scratch()
        data = scratch.array((2, length + GUARD), np.uint8)
        data[:, :length], data[:, length:] = random_blocks(random, length), 0xFF
        states = scratch.array((2, STATE_WORDS), np.int64)
        states[:, PLANE], states[:, LARGEST] = random.integers(0, 3), random.integers(2, 32)
        pitch = -(-width // 32) * 32
        count = int(random.integers(1, 3))

        wrong = _decode(
            count,
            data,
            np.array([length, length]),
            width,
            height,
            states,
            scratch.array(2 * BLOCK_ROWS * ROW_WORDS, np.int32),
            scratch.array(2 * EVENT_BYTES, np.uint8),
            scratch.array(2 * VLC_BYTES, np.uint8),
            scratch.array((2, length + 2 * GUARD), np.uint8),
            scratch.array((2, pitch * (height + 1)), np.int32),
        )

        assert scratch.are_margins_untouched()
        assert -1 <= wrong < count
        decoded += wrong == -1
    assert decoded > 0
