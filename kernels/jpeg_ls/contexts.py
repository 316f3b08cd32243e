"""What the coder learns: one context's statistics, its Golomb parameter and its bias (T.87 A.6 and A.7.2).

Each context keeps its next Golomb parameter ready, so that reading a code waits for one load and no computation.
Indices are unsigned throughout: Numba then looks for no negative ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..jit import always_inlined
from .bits import leading_zeros

Contexts = NDArray[np.int32]

RUN_LENGTH_BITS = np.array(
    [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 9, 10, 11, 12, 13, 14, 15], np.int64
)
"""J: by the run index, the logarithm of the pixels that one set bit stands for (T.87 A.2.1, initialisation 3)."""
LAST_RUN_INDEX = 31

_A, _B, _C, _N, _K, _SHIFT, _FLAT, _RARE = (np.uint64(word) for word in range(8))
_LOWEST_BIAS, _HIGHEST_BIAS = -128, 127


@always_inlined
def word(contexts: Contexts, at: Any, number: Any) -> Any:
    """Give a word of the context at index `at` (uint64) as int64."""
    return np.int64(contexts[at + number])


@always_inlined
def natural(contexts: Contexts, at: Any, number: Any) -> Any:
    """Give a word that is never negative, which takes no sign extension."""
    return np.int64(np.uint32(contexts[at + number]))


@always_inlined
def magnitude_sum(contexts: Contexts, at: Any) -> Any:
    """Give A as int64: the one word that may need 32 bits, where RESET is 65535 and samples have 16 bits."""
    return natural(contexts, at, _A)


@always_inlined
def golomb_parameter(count: Any, total: Any) -> Any:
    """Give the smallest k with count << k at least total (T.87 A.5.1)."""
    k = max(np.int64(leading_zeros(np.uint64(count))) - np.int64(leading_zeros(np.uint64(total))), np.int64(0))
    return k + np.int64((count << k) < total)


@always_inlined
def learn(contexts: Contexts, at: Any, error: Any, k: Any, step: Any, reset: Any) -> None:
    """Take a prediction error into the context at index `at`, and make its next code parameter (T.87 A.6).

    `k` is the context's parameter so far; `step` is None for lossless coding, else 2 NEAR + 1.
    """
    a = magnitude_sum(contexts, at) + abs(error)
    b = word(contexts, at, _B) + (error if step is None else error * step)
    n = natural(contexts, at, _N)
    if n == reset:
        a >>= 1
        b >>= 1
        n >>= 1
        contexts[at + _RARE] = 1  # a store, so that LLVM keeps a branch for what is rare
    n += 1
    # Which way the bias goes is as good as random, so this is arithmetic: -1 down, 1 up.
    way = ((b + n - 1) >> 63) - (-b >> 63)
    b = min(max(b - way * n, 1 - n), np.int64(0))
    c = word(contexts, at, _C) + way
    contexts[at + _A] = np.int32(a)
    contexts[at + _B] = np.int32(b)
    contexts[at + _C] = np.int32(min(max(c, np.int64(_LOWEST_BIAS)), np.int64(_HIGHEST_BIAS)))
    contexts[at + _N] = np.int32(n)
    # The parameter seldom changes: a branch on that costs less than to compute it, and nothing waits for it.
    if np.uint64((n << k) - a) >= np.uint64(a | natural(contexts, at, _FLAT)):
        k = golomb_parameter(n, a)
        contexts[at + _K] = np.int32(k)
        contexts[at + _SHIFT] = np.int32(63 - k)
        contexts[at + _FLAT] = np.int32(np.int64(k == 0) << 30)


@always_inlined
def learn_run_end(contexts: Contexts, at: Any, error: Any, mapped: Any, kind: Any, reset: Any) -> None:
    """Take the error of the sample that ended a run into its context (T.87 A.7.2.2, code segment A.23)."""
    a = magnitude_sum(contexts, at) + ((mapped + 1 - kind) >> 1)
    negative = word(contexts, at, _B) + np.int64(error < 0)
    n = natural(contexts, at, _N)
    if n == reset:
        a >>= 1
        negative >>= 1
        n >>= 1
    contexts[at + _A] = np.int32(a)
    contexts[at + _B] = np.int32(negative)
    contexts[at + _N] = np.int32(n + 1)


@always_inlined
def run_end_parameter(contexts: Contexts, at: Any, kind: Any) -> Any:
    """Give the Golomb parameter for the sample that ends a run (T.87 A.7.2, code segment A.18)."""
    n = natural(contexts, at, _N)
    return golomb_parameter(n, magnitude_sum(contexts, at) + (n >> 1) * kind)


@always_inlined
def median_edge(left: Any, up: Any, corner: Any) -> Any:
    """Predict a sample from its neighbours: the median of them and their plane (T.87 A.4.1)."""
    low, high = min(left, up), max(left, up)
    return max(low, min(high, left + up - corner))


@always_inlined
def rebuilt(predicted: Any, error: Any, maximum: Any, step: Any, span: Any) -> Any:
    """Give the sample: prediction plus signed error, wrapped around (T.87 A.4.4, code segment A.14).

    Always within 0 and `maximum`, whatever the error: differences of samples index tables.
    """
    if step is None:
        return (predicted + error) & maximum
    return wrapped(predicted + error * step, maximum, step, span)


@always_inlined
def wrapped(value: Any, maximum: Any, step: Any, span: Any) -> Any:
    """Bring a rebuilt sample back into range: around by RANGE steps, then to the nearest end."""
    near = step >> 1
    if value < -near:
        value += span * step
    elif value > maximum + near:
        value -= span * step
    return min(max(value, np.int64(0)), maximum)
