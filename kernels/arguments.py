"""Checks that every kernel wrapper makes before compiled code, which checks nothing, runs.

Every message says what to change. Arrays leave here read-only, so that each kernel is compiled once for a
dtype and not again for input that is read-only.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from ..errors import InvalidArgument

Array = NDArray[Any]
Vector = NDArray[np.float64]

Dtypes = frozenset[np.dtype[Any]]
"""Looked up by hash, native byte order only: a check must not cost as much as the kernel."""

GRAY: Dtypes = frozenset({np.dtype(np.uint8)})
INTEGERS: Dtypes = frozenset(map(np.dtype, ("int8", "uint8", "int16", "uint16", "int32", "uint32")))
STORED: Dtypes = INTEGERS | frozenset(map(np.dtype, ("float32", "float64")))


def check_array(name: str, array: object, dtypes: Dtypes, dimensions: int | None = None) -> Array:
    """Give a read-only view of `array`, proven to be native, C-contiguous and of one of the dtypes.

    Raises `InvalidArgument` otherwise, or when it has not `dimensions` axes.
    """
    if not isinstance(array, np.ndarray):
        raise InvalidArgument(f"{name} is a {type(array).__name__}: pass a NumPy array")
    if array.dtype not in dtypes:
        wanted = ", ".join(sorted(dtype.name for dtype in dtypes))
        raise InvalidArgument(f"{name} is {array.dtype!r}: convert it to native {wanted}")
    if dimensions is not None and array.ndim != dimensions:
        raise InvalidArgument(f"{name} has {array.ndim} axes: pass an array with {dimensions}")
    if not array.flags.c_contiguous:
        raise InvalidArgument(f"{name} is not C-contiguous: pass numpy.ascontiguousarray({name})")
    view = array.view()
    view.flags.writeable = False
    return view


def prepare_out(out: object, shape: tuple[int, ...], default: DTypeLike, others: Dtypes = frozenset()) -> Array:
    """Give `out`, proven writable, C-contiguous and of that shape; or a new array of the default dtype.

    `out` must be of the default dtype, or of one of the others where there are any.
    Raises `InvalidArgument` otherwise.
    """
    if out is None:
        return np.empty(shape, default)
    check_array("out", out, others or frozenset({np.dtype(default)}))
    assert isinstance(out, np.ndarray)
    if out.shape != shape:
        raise InvalidArgument(f"out has shape {out.shape}: the result needs {shape}")
    if not out.flags.writeable:
        raise InvalidArgument("out is read-only: pass a writable array")
    return out


def forbid_overlap(out: Array, source: Array) -> None:
    """Raise `InvalidArgument` when writing `out` could change `source` while it is still read."""
    if np.may_share_memory(out, source):
        raise InvalidArgument("out shares memory with the input: pass an array of its own")


def finite_number(name: str, value: float) -> float:
    """Give `value` as a float; raises `InvalidArgument` when it is no finite number."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise InvalidArgument(f"{name} is {value!r}: pass a finite number")
    return number


def finite_vector(name: str, values: ArrayLike, size: int) -> Vector:
    """Give `values` as a float64 array (size,).

    Raises `InvalidArgument` unless they are that many finite numbers.
    """
    try:
        vector = np.ascontiguousarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidArgument(f"{name} is no array of numbers: pass {size} of them") from error
    if vector.shape != (size,):
        raise InvalidArgument(f"{name} has shape {vector.shape}: pass {size} numbers")
    if not np.isfinite(vector).all():
        raise InvalidArgument(f"{name} holds NaN or infinity: pass {size} finite numbers")
    return vector
