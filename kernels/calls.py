"""Call C functions, and copy memory, by address from compiled code, without the GIL and without Python.

The address is data, an argument, so the calling kernel is cached on disk like any other. All parameters and the
result are 64-bit integers: pointers (`array.ctypes.data`), sizes, and small integers, which both the System V and the
AArch64 calling conventions pass in whole registers.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core.cgutils import raw_memcpy
from numba.extending import intrinsic


def _caller(count: int) -> Any:
    """Give a code generator for a call with `count` integer parameters."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        word = ir.IntType(64)
        function = ir.FunctionType(word, [word] * count).as_pointer()
        return builder.call(builder.inttoptr(arguments[0], function), list(arguments[1:]))

    return types.int64(*[types.int64] * (count + 1)), generate


@intrinsic  # type: ignore[untyped-decorator] # Numba ships no types
def call4(_typing: Any, _address: Any, _a: Any, _b: Any, _c: Any, _d: Any) -> Any:
    """Call the C function at an address with four 64-bit integers."""
    return _caller(4)


@intrinsic  # type: ignore[untyped-decorator] # Numba ships no types
def call5(_typing: Any, _address: Any, _a: Any, _b: Any, _c: Any, _d: Any, _e: Any) -> Any:
    """Call the C function at an address with five 64-bit integers."""
    return _caller(5)


@intrinsic  # type: ignore[untyped-decorator] # Numba ships no types
def copy_bytes(_typing: Any, _target: Any, _source: Any, _count: Any) -> Any:
    """Copy bytes between addresses; the caller has checked both ranges.

    A row of 32 voxels by slice assignment costs four times as much (18 against 4.7 µs a chunk of 32 × 32 × 32).
    """

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        pointer = ir.IntType(8).as_pointer()
        target, source = (builder.inttoptr(address, pointer) for address in arguments[:2])
        raw_memcpy(builder, target, source, arguments[2], ir.Constant(ir.IntType(64), 1))
        return context.get_dummy_value()

    return types.void(*[types.int64] * 3), generate


WORDS_AT_ONCE = 32


@intrinsic  # type: ignore[untyped-decorator] # Numba ships no types
def split_words(_typing: Any, _low: Any, _high: Any, _source: Any) -> Any:
    """Copy the low and the high bytes of `WORDS_AT_ONCE` words of 16 bits to two addresses.

    As a loop over arrays of bytes it would first ask, for each row of a chunk, whether they overlap.
    """

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        words, octets = (ir.VectorType(ir.IntType(bits), WORDS_AT_ONCE) for bits in (16, 8))
        low, high = (builder.inttoptr(address, octets.as_pointer()) for address in arguments[:2])
        loaded = builder.load(builder.inttoptr(arguments[2], words.as_pointer()), align=2)
        eight = ir.Constant(words, [8] * WORDS_AT_ONCE)
        builder.store(builder.trunc(loaded, octets), low, align=1)
        builder.store(builder.trunc(builder.lshr(loaded, eight), octets), high, align=1)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 3), generate
