"""Halving box by box, with the box's voxels in a list."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from fractions import Fraction
from math import floor
from typing import Any

import numpy as np


def halve(array: np.ndarray, axes: Sequence[bool], choose: Callable[[list[Any]], Any]) -> np.ndarray:
    steps = [2 if flag else 1 for flag in axes]
    shape = [-(-size // step) for size, step in zip(array.shape, steps, strict=True)]
    halved = np.zeros(shape, array.dtype)
    for index in itertools.product(*map(range, shape)):
        box = tuple(slice(i * step, (i + 1) * step) for i, step in zip(index, steps, strict=True))
        halved[index] = choose(array[box].ravel().tolist())
    return halved


def mean_of_integers(box: list[int]) -> int:
    return floor(Fraction(sum(box), len(box)) + Fraction(1, 2))


def mean_of_floats(box: list[float]) -> float:
    return sum(value / len(box) for value in box)


def mode(box: list[int]) -> int:
    counts = Counter(box)
    return max(counts, key=lambda label: (counts[label], label))
