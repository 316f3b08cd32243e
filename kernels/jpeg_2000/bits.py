"""Single processor instructions that NumPy and Numba have no name for."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic


@intrinsic  # type: ignore[untyped-decorator] # Numba ships no types
def leading_zeros(_typing: Any, _value: Any) -> Any:
    """Count the zero bits above the highest set bit of a 64-bit integer; 64 for 0."""

    def lower(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.ctlz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.int64), lower


@intrinsic  # type: ignore[untyped-decorator] # Numba ships no types
def trailing_zeros(_typing: Any, _value: Any) -> Any:
    """Count the zero bits below the lowest set bit of a 64-bit integer; 64 for 0."""

    def lower(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.int64), lower
