"""Single processor instructions that NumPy and Numba have no name for."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from ..jit import inlined


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


@intrinsic  # type: ignore[untyped-decorator] # Numba ships no types
def set_bits(_typing: Any, _word: Any) -> Any:
    """Count the bits of a 64-bit word that are set."""

    def lower(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), lower


@intrinsic  # type: ignore[untyped-decorator] # Numba ships no types
def swap_bytes(_typing: Any, _word: Any) -> Any:
    """Turn the order of the eight bytes of a word round."""

    def lower(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.bswap(arguments[0])

    return types.uint64(types.uint64), lower


@intrinsic  # type: ignore[untyped-decorator] # Numba ships no types
def opaque(_typing: Any, _value: Any) -> Any:
    """Give a 64-bit integer of which the compiler knows nothing: a mask made of it cannot become a branch."""

    def lower(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        word = ir.IntType(64)
        return builder.asm(ir.FunctionType(word, [word]), "", "=r,0", arguments, side_effect=False)

    return types.int64(types.int64), lower


def _pointer(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    place = builder.gep(array.data, [arguments[1]])
    return builder.bitcast(place, ir.IntType(64).as_pointer())


@intrinsic  # type: ignore[untyped-decorator] # Numba ships no types
def load_word(_typing: Any, array: Any, index: Any) -> Any:
    """Give the eight bytes from `array[index]` on, the first one lowest; the caller has checked the place."""

    def lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(_pointer(context, builder, signature, arguments), align=1)

    return types.uint64(array, types.int64), lower


@intrinsic  # type: ignore[untyped-decorator] # Numba ships no types
def store_word(_typing: Any, array: Any, index: Any, _word: Any) -> Any:
    """Put eight bytes at `array[index]` and after, the lowest first; the caller has checked the place."""

    def lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store(arguments[2], _pointer(context, builder, signature, arguments), align=1)
        return context.get_dummy_value()

    return types.void(array, types.int64, types.uint64), lower


@intrinsic  # type: ignore[untyped-decorator] # Numba ships no types
def pointer_to(_typing: Any, array: Any) -> Any:
    """Give the place of a contiguous array's first element, to be indexed like the array.

    Handing an array to a helper counts references to it, handing over a pointer costs nothing. The caller keeps the
    array, and every index within it.
    """

    def lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return context.make_array(signature.args[0])(context, builder, arguments[0]).data

    return types.CPointer(array.dtype)(array), lower


@intrinsic  # type: ignore[untyped-decorator] # Numba ships no types
def load_word_at(_typing: Any, pointer: Any, _index: Any) -> Any:
    """Give the eight bytes from `pointer[index]` on, the first one lowest; the caller has checked the place."""

    def lower(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        place = builder.gep(arguments[0], [arguments[1]])
        return builder.load(builder.bitcast(place, ir.IntType(64).as_pointer()), align=1)

    return types.uint64(pointer, types.int64), lower


@inlined
def has_full_byte(word: Any) -> Any:
    """Say whether a byte of an unsigned word is FF."""
    return (~word - np.uint64(0x0101010101010101)) & word & np.uint64(0x8080808080808080) != np.uint64(0)
