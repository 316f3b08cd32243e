"""Images that codecs are tried with: sizes from 1 × 1 to odd and long, and noise, flats, ramps, extremes, steps."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

KINDS = ("noise", "flat", "ramp", "extremes", "steps")


def picture(kind, shape, precision, seed):
    """An array of that kind and shape whose values have `precision` bits."""
    rng = np.random.default_rng(seed)
    white = (1 << precision) - 1
    dtype = np.uint8 if precision <= 8 else np.uint16 if precision <= 16 else np.uint32
    if kind == "noise":
        return rng.integers(0, white, shape, dtype, endpoint=True)
    if kind == "flat":
        return np.full(shape, rng.integers(0, white, endpoint=True), dtype)
    if kind == "ramp":
        position = sum(axis * (seed % 7 + 1) for axis in np.indices(shape))
        return (position & white).astype(dtype)
    if kind == "extremes":
        return (rng.integers(0, 2, shape) * white).astype(dtype)
    steps = rng.integers(0, white, 1 + shape[0] * shape[1] // 5, endpoint=True)
    return np.resize(np.repeat(steps, 5), shape).astype(dtype)


@st.composite
def shapes(draw, samples=(1, 1, 3)):
    """(rows, columns) or (rows, columns, samples); one side may be long."""
    long = st.integers(1, 700)
    short = st.integers(1, 20)
    rows, columns = draw(st.one_of(st.tuples(short, short), st.tuples(long, short), st.tuples(short, long)))
    count = draw(st.sampled_from(samples))
    return (rows, columns) if count == 1 else (rows, columns, count)


@st.composite
def images(draw, dtypes):
    """Arrays of one of the unsigned dtypes, using all of its bits or the lowest few."""
    dtype = np.dtype(draw(st.sampled_from(dtypes)))
    precision = draw(st.sampled_from([1, 3, 8, 12, 16, 31])) if draw(st.booleans()) else 8 * dtype.itemsize
    precision = min(precision, 8 * dtype.itemsize)
    shape, kind, seed = draw(shapes()), draw(st.sampled_from(KINDS)), draw(st.integers(0, 1 << 20))
    return picture(kind, shape, precision, seed).astype(dtype)


def damaged(codestream, data):
    """Give a codestream with bits flipped and bytes set, inserted, taken out or copied, as hypothesis draws them."""
    coded = bytearray(codestream)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(coded) - 1))
        kind = data.draw(st.sampled_from(["flip", "set", "insert", "drop", "splice"]))
        if kind == "flip":
            coded[at] ^= 1 << data.draw(st.integers(0, 7))
        elif kind == "set":
            coded[at] = data.draw(st.sampled_from([0, 1, 0x7F, 0xFF, 0xD0, 0xDA]))
        elif kind == "insert":
            coded[at:at] = data.draw(st.binary(max_size=4))
        elif kind == "drop":
            del coded[at : at + data.draw(st.integers(1, 9))]
        else:
            coded[at:at] = coded[data.draw(st.integers(0, len(coded) - 1)) :][:64]
    return bytes(coded)
