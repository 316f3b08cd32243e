"""Sixteen 32-bit integers as one value in a kernel, for loops that the compiler does not turn into vectors by itself.

`load_lanes` and its kin give a value of sixteen lanes; the operators `+ - * & | ^ << >>` take two of them, or one and
an integer for all lanes, and wrap like int32. LLVM's own vector types are behind it: one register with AVX-512, two
with AVX2, four with SSE or NEON. Loads and stores check nothing: the caller proves that all sixteen places are in the
array.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.imputils import lower_builtin
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, models, register_model

LANES = 16
_LANE = ir.IntType(32)
_VECTOR = ir.VectorType(_LANE, LANES)


class _Lanes(types.Type):  # type: ignore[misc] # Numba ships no types
    def __init__(self) -> None:
        super().__init__(name=f"int32x{LANES}")


_lanes = _Lanes()


@register_model(_Lanes)
class _LanesModel(models.PrimitiveModel):  # type: ignore[misc] # Numba ships no types
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _VECTOR)


def _spread(builder: Any, value: Any, vector: Any = _VECTOR) -> Any:
    """Put an integer of any width into all lanes."""
    width, own = vector.element.width, value.type.width
    if own != width:
        value = builder.trunc(value, vector.element) if own > width else builder.sext(value, vector.element)
    nothing = ir.Constant(vector, ir.Undefined)
    first = builder.insert_element(nothing, value, ir.IntType(32)(0))
    return builder.shuffle_vector(first, nothing, _order([0] * LANES))


def _order(places: Iterable[int]) -> Any:
    """Give the constant that names lanes for a shuffle."""
    listed = [*places]
    return ir.Constant(ir.VectorType(_LANE, len(listed)), listed)


def _define(name: Any, build: Callable[[Any], Callable[[Any, Any], Any]]) -> None:
    """Let an operator take lanes and lanes, or lanes and an integer."""

    @infer_global(name)
    class Template(AbstractTemplate):  # type: ignore[misc] # Numba ships no types
        def generic(self, arguments: Any, _keywords: Any) -> Any:
            one, other = arguments
            is_other = other == _lanes or isinstance(other, types.Integer)
            return signature(_lanes, _lanes, other) if one == _lanes and is_other else None

    def lower(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        one, other = arguments
        return build(builder)(one, other if other.type == _VECTOR else _spread(builder, other))

    lower_builtin(name, _Lanes, _Lanes)(lower)
    lower_builtin(name, _Lanes, types.Integer)(lower)


_define(operator.add, lambda builder: builder.add)
_define(operator.sub, lambda builder: builder.sub)
_define(operator.mul, lambda builder: builder.mul)
_define(operator.and_, lambda builder: builder.and_)
_define(operator.or_, lambda builder: builder.or_)
_define(operator.xor, lambda builder: builder.xor)
_define(operator.lshift, lambda builder: builder.shl)
_define(operator.rshift, lambda builder: builder.ashr)


def _is_flat(array: Any, *widths: int) -> bool:
    """Say whether a type is that of a one-dimensional, contiguous array of integers of one of these widths."""
    is_flat = isinstance(array, types.Array) and array.ndim == 1 and array.layout == "C"
    return is_flat and isinstance(array.dtype, types.Integer) and array.dtype.bitwidth in widths


def _place(context: Any, builder: Any, kind: Any, where: Any, vector: Any) -> Any:
    array, index = where
    start = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(start, [index]), vector.as_pointer())


@intrinsic  # type: ignore[untyped-decorator] # Numba ships no types
def load_lanes(_typing: Any, array: Any, _index: Any) -> Any:
    """Give the sixteen places of an int32 array from `array[index]` on."""

    def lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(_place(context, builder, signature.args[0], arguments, _VECTOR), align=4)

    return (_lanes(array, types.int64), lower) if _is_flat(array, 32) else None


@intrinsic  # type: ignore[untyped-decorator] # Numba ships no types
def store_lanes(_typing: Any, array: Any, _index: Any, _value: Any) -> Any:
    """Write all lanes to an int32 array from `array[index]` on."""

    def lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = _place(context, builder, signature.args[0], arguments[:2], _VECTOR)
        builder.store(arguments[2], place, align=4)
        return context.get_dummy_value()

    return (types.void(array, types.int64, _lanes), lower) if _is_flat(array, 32) else None


@intrinsic  # type: ignore[untyped-decorator] # Numba ships no types
def store_woven(_typing: Any, array: Any, _index: Any, _even: Any, _odd: Any) -> Any:
    """Write lanes of both values in turn, thirty-two in all, to an int32 array from `array[index]` on."""

    def lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        order = [place for lane in range(LANES) for place in (lane, lane + LANES)]
        both = builder.shuffle_vector(*arguments[2:], _order(order))
        place = _place(context, builder, signature.args[0], arguments[:2], both.type)
        builder.store(both, place, align=4)
        return context.get_dummy_value()

    return (types.void(array, types.int64, _lanes, _lanes), lower) if _is_flat(array, 32) else None


@intrinsic  # type: ignore[untyped-decorator] # Numba ships no types
def store_pixels(_typing: Any, array: Any, _index: Any, _red: Any, _green: Any, _blue: Any) -> Any:
    """Write lanes of three values in turn, forty-eight in all, to an array of 8, 16 or 32 bits from an index on."""

    def lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        item = ir.IntType(signature.args[0].dtype.bitwidth)
        narrow = ir.VectorType(item, LANES)
        planes = [value if item == _LANE else builder.trunc(value, narrow) for value in arguments[2:]]
        pair = builder.shuffle_vector(*planes[:2], _order(range(2 * LANES)))
        last = builder.shuffle_vector(planes[2], planes[2], _order([*range(LANES)] * 2))
        order = [plane * LANES + lane for lane in range(LANES) for plane in range(3)]
        pixels = builder.shuffle_vector(pair, last, _order(order))
        place = _place(context, builder, signature.args[0], arguments[:2], pixels.type)
        builder.store(pixels, place, align=1)
        return context.get_dummy_value()

    kind = types.void(array, types.int64, _lanes, _lanes, _lanes)
    return (kind, lower) if _is_flat(array, 8, 16, 32) else None


@intrinsic  # type: ignore[untyped-decorator] # Numba ships no types
def all_lanes(_typing: Any, _value: Any) -> Any:
    """Put one integer into all lanes."""

    def lower(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return _spread(builder, arguments[0])

    return _lanes(types.int64), lower


@intrinsic  # type: ignore[untyped-decorator] # Numba ships no types
def larger_lanes(_typing: Any, _one: Any, _other: Any) -> Any:
    """Give the larger of each two signed lanes."""

    def lower(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.select(builder.icmp_signed(">", *arguments), *arguments)

    return _lanes(_lanes, _lanes), lower


@intrinsic  # type: ignore[untyped-decorator] # Numba ships no types
def smaller_lanes(_typing: Any, _one: Any, _other: Any) -> Any:
    """Give the smaller of each two signed lanes."""

    def lower(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.select(builder.icmp_signed("<", *arguments), *arguments)

    return _lanes(_lanes, _lanes), lower


@intrinsic  # type: ignore[untyped-decorator] # Numba ships no types
def running_sum(_typing: Any, _value: Any) -> Any:
    """Give in each lane the sum of it and all lanes before."""

    def lower(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        sums, nothing = arguments[0], ir.Constant(_VECTOR, [0] * LANES)
        for step in (1, 2, 4, 8):
            # Lanes move up by `step`; zeros, of the second operand, follow.
            order = [LANES + lane if lane < step else lane - step for lane in range(LANES)]
            moved = builder.shuffle_vector(sums, nothing, _order(order))
            sums = builder.add(sums, moved)
        return sums

    return _lanes(_lanes), lower


@intrinsic  # type: ignore[untyped-decorator] # Numba ships no types
def last_lane(_typing: Any, _value: Any) -> Any:
    """Give the last lane."""

    def lower(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.sext(builder.extract_element(arguments[0], ir.IntType(32)(LANES - 1)), ir.IntType(64))

    return types.int64(_lanes), lower


@intrinsic  # type: ignore[untyped-decorator] # Numba ships no types
def load_bits(_typing: Any, stream: Any, _positions: Any, _skips: Any) -> Any:
    """Give 32 bits of a uint8 array, lowest first, from each lane's bit position on, and 32 after skipping some.

    Eight bytes are read for each lane, of which 57 bits are sure to be there.
    """

    def lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        wide = ir.VectorType(ir.IntType(64), LANES)
        position, skip = (builder.zext(argument, wide) for argument in arguments[1:])
        start = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        address = _spread(builder, builder.ptrtoint(start, wide.element), wide)
        address = builder.add(address, builder.lshr(position, ir.Constant(wide, [3] * LANES)))
        places = builder.inttoptr(address, ir.VectorType(wide.element.as_pointer(), LANES))
        mask = ir.VectorType(ir.IntType(1), LANES)
        kind = ir.FunctionType(wide, [places.type, ir.IntType(32), mask, wide])
        gather = cgutils.get_or_insert_function(builder.module, kind, f"llvm.masked.gather.v{LANES}i64.v{LANES}p0")
        everywhere = ir.Constant(mask, [1] * LANES)
        words = builder.call(gather, [places, ir.IntType(32)(1), everywhere, ir.Constant(wide, [0] * LANES)])
        words = builder.lshr(words, builder.and_(position, ir.Constant(wide, [7] * LANES)))
        both = [builder.trunc(word, _VECTOR) for word in (words, builder.lshr(words, skip))]
        return context.make_tuple(builder, signature.return_type, both)

    return (types.UniTuple(_lanes, 2)(stream, _lanes, _lanes), lower) if _is_flat(stream, 8) else None


@intrinsic  # type: ignore[untyped-decorator] # Numba ships no types
def largest_lane(_typing: Any, _value: Any) -> Any:
    """Give the largest signed lane."""

    def lower(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(_LANE, [_VECTOR])
        reduce = cgutils.get_or_insert_function(builder.module, kind, f"llvm.vector.reduce.smax.v{LANES}i32")
        return builder.sext(builder.call(reduce, arguments), ir.IntType(64))

    return types.int64(_lanes), lower


@intrinsic  # type: ignore[untyped-decorator] # Numba ships no types
def leading_zeros_of_lanes(_typing: Any, _value: Any) -> Any:
    """Count the zero bits above the highest set bit of each lane; 32 for 0."""

    def lower(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(_VECTOR, [_VECTOR, ir.IntType(1)])
        count = cgutils.get_or_insert_function(builder.module, kind, f"llvm.ctlz.v{LANES}i32")
        return builder.call(count, [arguments[0], ir.IntType(1)(0)])

    return _lanes(_lanes), lower
