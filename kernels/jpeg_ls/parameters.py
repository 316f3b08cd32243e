"""The numbers that a JPEG-LS scan is coded by, and the tables made of them (T.87 A.1, A.2, C.2.4.1.1)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ...errors import DecodeError

CONTEXTS = 367
"""365 of the regular mode, the first unused unless samples are interleaved, and 2 for the end of a run."""
CONTEXT_SIZE = 8
"""int32 words a context: the rows are half a cache line each."""
A, B, C, N, K, SHIFT, FLAT, RARE = range(CONTEXT_SIZE)
"""Words of a context: A, B, C and N as in T.87 A.2.1 (A is unsigned), the Golomb parameter k that follows from them,
63 - k, 2^30 where k is 0, and whether something rare befell it. A context that ends runs has Nn in B, and no more."""

RUN_END = 365 * CONTEXT_SIZE
"""Index of the context for samples that end a run between different neighbours; the one for equal ones follows."""
FLAT_CLASS = 4 * CONTEXT_SIZE
"""What is added to classes of gradients, so that they are read as unsigned bytes."""

MAXIMUM, NEAR, RANGE, RESET, VALUE_BITS, ESCAPE, T1, T2, T3 = range(9)
"""Places in the tuple of numbers that kernels get, see `Coding.numbers`."""

_BASIC_THRESHOLDS = (3, 7, 21)
_DEFAULT_RESET = 64


@dataclass(frozen=True, slots=True)
class Preset:
    """Preset coding parameters of an LSE segment (T.87 C.2.4.1); 0 stands for the default."""

    maximum: int = 0
    thresholds: tuple[int, int, int] = (0, 0, 0)
    reset: int = 0


@dataclass(frozen=True, slots=True)
class Coding:
    """All that a scan's coding depends on."""

    maximum: int
    """MAXVAL: the largest sample."""
    near: int
    """NEAR: the largest error of a sample; 0 is lossless."""
    thresholds: tuple[int, int, int]
    """T1, T2, T3: where gradients change class."""
    reset: int
    """RESET: how many samples a context counts before it halves its sums."""

    @property
    def range(self) -> int:
        """RANGE: how many prediction errors there are (T.87 A.2.1)."""
        return (self.maximum + 2 * self.near) // (2 * self.near + 1) + 1

    @property
    def is_modular(self) -> bool:
        """Whether samples wrap around at a power of two, so that a mask does it: lossless, as most images are."""
        return self.near == 0 and self.maximum & (self.maximum + 1) == 0

    @property
    def longest_code(self) -> int:
        """LIMIT: the most bits a code can take (T.87 A.2.1)."""
        bits = max(2, self.maximum.bit_length())
        return 2 * (bits + max(8, bits))

    def numbers(self) -> tuple[int, ...]:
        """Give the numbers of this coding in the order of `MAXIMUM`, `NEAR` and so on."""
        value_bits = (self.range - 1).bit_length()
        escape = self.longest_code - value_bits - 1
        return (self.maximum, self.near, self.range, self.reset, value_bits, escape, *self.thresholds)

    def contexts(self) -> NDArray[np.int32]:
        """Give all contexts as a scan, or a restart interval, begins with them (T.87 A.2.1)."""
        first = max(2, (self.range + 32) >> 6)
        row = np.zeros(CONTEXT_SIZE, np.int32)
        k = (first - 1).bit_length()  # not 0: first is 2 or more
        row[[A, N, K, SHIFT]] = first, 1, k, 63 - k
        return np.tile(row, CONTEXTS)


def resolve(preset: Preset, precision: int, near: int) -> Coding:
    """Fill in the defaults for samples of `precision` bits.

    Raises `DecodeError` where a parameter is outside of what T.87 table C.3 allows.
    """
    maximum = preset.maximum or (1 << precision) - 1
    if maximum >= 1 << precision:
        raise DecodeError(f"the JPEG-LS LSE segment has MAXVAL {maximum}; samples have {precision} bits")
    if near > min(255, maximum // 2):
        raise DecodeError(f"the JPEG-LS SOS segment has NEAR {near}; samples reach {maximum}")
    defaults = default_thresholds(maximum, near)
    given = zip(preset.thresholds, defaults, strict=True)
    thresholds = tuple(value or default for value, default in given)
    reset = preset.reset or _DEFAULT_RESET
    if not near < thresholds[0] <= thresholds[1] <= thresholds[2] <= maximum:
        raise DecodeError(f"the JPEG-LS LSE segment has thresholds {thresholds}; they must rise to {maximum}")
    if not 3 <= reset <= max(255, maximum):
        raise DecodeError(f"the JPEG-LS LSE segment has RESET {reset}")
    return Coding(maximum, near, (thresholds[0], thresholds[1], thresholds[2]), reset)


def default_thresholds(maximum: int, near: int) -> tuple[int, int, int]:
    """Give T1, T2 and T3 where no LSE segment does (T.87 C.2.4.1.1.1)."""
    first, second, third = _BASIC_THRESHOLDS
    if maximum >= 128:
        factor = (min(maximum, 4095) + 128) // 256
        wanted = (factor * (first - 2) + 2, factor * (second - 3) + 3, factor * (third - 4) + 4)
        wanted = (wanted[0] + 3 * near, wanted[1] + 5 * near, wanted[2] + 7 * near)
    else:
        factor = 256 // (maximum + 1)
        wanted = (
            max(2, first // factor + 3 * near),
            max(3, second // factor + 5 * near),
            max(4, third // factor + 7 * near),
        )
    t1 = wanted[0] if near + 1 <= wanted[0] <= maximum else near + 1
    t2 = wanted[1] if t1 <= wanted[1] <= maximum else t1
    t3 = wanted[2] if t2 <= wanted[2] <= maximum else t2
    return t1, t2, t3


@lru_cache(maxsize=8)
def gradient_classes(coding: Coding) -> NDArray[np.uint8]:
    """Give the class (T.87 A.3.3) of each difference of two samples, from -maximum on.

    Each is multiplied by `CONTEXT_SIZE`, and `FLAT_CLASS` is added.
    """
    rises = np.arange(coding.maximum + 1)
    steps = (coding.near + 1, *coding.thresholds)
    rising = CONTEXT_SIZE * np.sum([rises >= step for step in steps], axis=0)
    table = (np.concatenate((-rising[:0:-1], rising)) + FLAT_CLASS).astype(np.uint8)
    table.flags.writeable = False
    return table
