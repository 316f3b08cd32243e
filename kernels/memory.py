"""Wide loads, stores and copies at addresses, of fixed width, for loops over bytes from outside.

An array index reads one element; these read 8 bytes at any alignment, or move 32 at once, as one machine instruction.
They check nothing: the caller proves that the whole width lies inside its arrays, and says how. Addresses are
`array.ctypes.data` plus an offset.
"""

from __future__ import annotations

import sys
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

WIDTH = 32
"""Bytes that `copy_wide` and `fill_wide` write."""

_BYTE = ir.IntType(8)
_WORD = ir.IntType(64)


@intrinsic  # type: ignore[untyped-decorator] # Numba ships no types
def load_word(_typing: Any, _address: Any) -> Any:
    """Read 8 bytes as they lie, as a uint64 in native order."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.load(builder.inttoptr(arguments[0], _WORD.as_pointer()), align=1)

    return types.uint64(types.int64), generate


@intrinsic  # type: ignore[untyped-decorator] # Numba ships no types
def load_big_endian(_typing: Any, _address: Any) -> Any:
    """Read 8 bytes as a uint64 whose highest byte is the first: a bit stream that starts at the highest bit."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        word = builder.load(builder.inttoptr(arguments[0], _WORD.as_pointer()), align=1)
        return word if sys.byteorder == "big" else builder.bswap(word)

    return types.uint64(types.int64), generate


@intrinsic  # type: ignore[untyped-decorator] # Numba ships no types
def store_word(_typing: Any, _address: Any, _word: Any) -> Any:
    """Write a uint64 in native order as 8 bytes."""

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        builder.store(arguments[1], builder.inttoptr(arguments[0], _WORD.as_pointer()), align=1)
        return context.get_dummy_value()

    return types.void(types.int64, types.uint64), generate


@intrinsic  # type: ignore[untyped-decorator] # Numba ships no types
def store_big_endian(_typing: Any, _address: Any, _word: Any) -> Any:
    """Write a uint64 as 8 bytes, the highest first."""

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        word = arguments[1] if sys.byteorder == "big" else builder.bswap(arguments[1])
        builder.store(word, builder.inttoptr(arguments[0], _WORD.as_pointer()), align=1)
        return context.get_dummy_value()

    return types.void(types.int64, types.uint64), generate


@intrinsic  # type: ignore[untyped-decorator] # Numba ships no types
def copy_or_fill(_typing: Any, _target: Any, _source: Any, _is_fill: Any) -> Any:
    """Copy `WIDTH` bytes, or write the first of them `WIDTH` times, without a branch; both ranges are accessed."""

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        vector = ir.VectorType(_BYTE, WIDTH)
        target, source = (builder.inttoptr(address, vector.as_pointer()) for address in arguments[:2])
        bytes_there = builder.load(source, align=1)
        first = ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), [0] * WIDTH)
        spread = builder.shuffle_vector(bytes_there, ir.Constant(vector, ir.Undefined), first)
        chosen = builder.select(context.cast(builder, arguments[2], types.boolean, types.boolean), spread, bytes_there)
        builder.store(chosen, target, align=1)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.boolean), generate


@intrinsic  # type: ignore[untyped-decorator] # Numba ships no types
def bit_length(_typing: Any, _word: Any) -> Any:
    """Give the number of bits of a uint64 from its highest 1 down; 0 for 0."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.sub(_WORD(64), builder.ctlz(arguments[0], ir.IntType(1)(0)))

    return types.uint64(types.uint64), generate


@intrinsic  # type: ignore[untyped-decorator] # Numba ships no types
def uncounted(_typing: Any, array: Any) -> Any:
    """Give a kernel's argument as an array whose references nobody counts: the caller of the kernel holds it.

    Numba counts by an atomic step wherever an array is passed on or viewed, which costs a row as much as its samples.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        view = context.make_array(signature.return_type)(context, builder, arguments[0])
        view.meminfo = ir.Constant(view.meminfo.type, None)
        return view._getvalue()

    return array(array), generate
