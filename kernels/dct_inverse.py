"""The inverse DCT of one 8 x 8 block, written as vectors of eight: bit for bit what libjpeg's `islow` gives.

Loops over the columns were not vectorised by LLVM (86 ns a block); these instructions, for any machine that LLVM
knows, take less than half of that. First all columns at once, one coefficient row a vector; then, transposed, all
rows at once.
Source: ITU-T T.81 A.3.3; Loeffler, Ligtenberg and Moschytz, "Practical fast 1-D DCT algorithms with 11
multiplications", 1989, figure 1, in fixed point of 13 bits as in the Independent JPEG Group's `jidctint`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

_I16, _I32, _I64 = ir.IntType(16), ir.IntType(32), ir.IntType(64)
_ROW = ir.VectorType(_I32, 8)
_ZERO = ir.Constant(_ROW, [0] * 8)
_FRACTION_BITS = 13
_KEPT_BITS = {8: 2, 12: 1}
"""Fraction bits kept between the passes, for each precision: as many as 32 bits have room for."""

_PAIRS = ((0, 1), (2, 3), (4, 5), (6, 7))
_FOURS = ((0, 2), (1, 3), (4, 6), (5, 7))
_HALVES = ((0, 4), (1, 5), (2, 6), (3, 7))


def _splat(value: int) -> ir.Constant:
    return ir.Constant(_ROW, [value] * 8)


def _times(builder: Any, vector: Any, factor: float) -> Any:
    """Multiply by a factor in fixed point; a vector known to be zero stays a constant."""
    if vector is _ZERO:
        return _ZERO
    return builder.mul(vector, _splat(round(factor * (1 << _FRACTION_BITS))))


def _plus(builder: Any, left: Any, right: Any) -> Any:
    if left is _ZERO or right is _ZERO:
        return right if left is _ZERO else left
    return builder.add(left, right)


def _even_part(builder: Any, x0: Any, x2: Any, x4: Any, x6: Any) -> list[Any]:
    """Give what inputs 0, 2, 4, 6 add to outputs 0 to 3."""
    shift = _splat(_FRACTION_BITS)
    turned = _times(builder, _plus(builder, x2, x6), 0.541196100)
    low = _plus(builder, turned, _times(builder, x6, -1.847759065))
    high = _plus(builder, turned, _times(builder, x2, 0.765366865))
    total = builder.shl(_plus(builder, x0, x4), shift)
    difference = builder.shl(x0 if x4 is _ZERO else builder.sub(x0, x4), shift)
    return [
        builder.add(total, high),
        builder.add(difference, low),
        builder.sub(difference, low),
        builder.sub(total, high),
    ]


def _odd_part(builder: Any, x1: Any, x3: Any, x5: Any, x7: Any) -> list[Any]:
    """Give what inputs 1, 3, 5, 7 add to outputs 0 to 3, and take from outputs 7 to 4."""

    def add(*terms: Any) -> Any:
        total = terms[0]
        for term in terms[1:]:
            total = _plus(builder, total, term)
        return total

    common = _times(builder, add(x7, x3, x5, x1), 1.175875602)
    outer = _times(builder, add(x7, x1), -0.899976223)
    inner = _times(builder, add(x5, x3), -2.562915447)
    first = add(_times(builder, add(x7, x3), -1.961570560), common)
    second = add(_times(builder, add(x5, x1), -0.390180644), common)
    return [
        add(_times(builder, x1, 1.501321110), outer, second),
        add(_times(builder, x3, 3.072711026), inner, first),
        add(_times(builder, x5, 2.053119869), inner, second),
        add(_times(builder, x7, 0.298631336), outer, first),
    ]


def _pass(builder: Any, x: Sequence[Any], dropped_bits: int) -> list[Any]:
    """Give the eight outputs of a one-dimensional inverse DCT, rounded and without `dropped_bits`."""
    even = _even_part(builder, x[0], x[2], x[4], x[6])
    odd = _odd_part(builder, x[1], x[3], x[5], x[7])
    rounded = [builder.add(value, _splat(1 << (dropped_bits - 1))) for value in even]
    sums = [builder.add(*pair) for pair in zip(rounded, odd, strict=True)]
    differences = [builder.sub(*pair) for pair in zip(rounded, odd, strict=True)]
    return [builder.ashr(value, _splat(dropped_bits)) for value in (*sums, *differences[::-1])]


def _shuffled(builder: Any, rows: list[Any], pairs: Any, mask_low: list[int], mask_high: list[int]) -> list[Any]:
    """Replace each pair of rows by two mixtures of it."""
    masks = [ir.Constant(ir.VectorType(_I32, 8), mask) for mask in (mask_low, mask_high)]
    mixed = list(rows)
    for low, high in pairs:
        for place, mask in zip((low, high), masks, strict=True):
            mixed[place] = builder.shuffle_vector(rows[low], rows[high], mask)
    return mixed


def _transposed(builder: Any, rows: list[Any]) -> list[Any]:
    """Transpose eight vectors of eight: exchange single items, then pairs, then halves."""
    rows = _shuffled(builder, rows, _PAIRS, [0, 8, 2, 10, 4, 12, 6, 14], [1, 9, 3, 11, 5, 13, 7, 15])
    rows = _shuffled(builder, rows, _FOURS, [0, 1, 8, 9, 4, 5, 12, 13], [2, 3, 10, 11, 6, 7, 14, 15])
    return _shuffled(builder, rows, _HALVES, [0, 1, 2, 3, 8, 9, 10, 11], [4, 5, 6, 7, 12, 13, 14, 15])


def _clamped(builder: Any, vector: Any, precision: int) -> Any:
    """Shift to unsigned samples, bound to their range, in 16 bits."""
    levels = builder.add(vector, _splat(1 << (precision - 1)))
    white = _splat((1 << precision) - 1)
    levels = builder.select(builder.icmp_signed("<", levels, _ZERO), _ZERO, levels)
    levels = builder.select(builder.icmp_signed(">", levels, white), white, levels)
    return builder.trunc(levels, ir.VectorType(_I16, 8))


def _inverse(builder: Any, coefficients: Any, samples: Any, stride: Any, used: int, width: int) -> None:
    """Generate both passes for a block whose coefficients lie in its first `used` rows and columns.

    The rows that were read are set to zero, ready for the next block.
    """
    precision = 8 if width == 8 else 12
    kept = _KEPT_BITS[precision]
    rows = []
    for number in range(used):
        place = builder.bitcast(builder.gep(coefficients, [ir.Constant(_I64, 8 * number)]), _ROW.as_pointer())
        rows.append(builder.load(place, align=4))
        builder.store(_ZERO, place, align=4)
    columns = _pass(builder, rows + [_ZERO] * (8 - used), _FRACTION_BITS - kept)
    turned = _transposed(builder, columns)[:used] + [_ZERO] * (8 - used)
    values = _pass(builder, turned, _FRACTION_BITS + kept + 3)
    item = ir.IntType(width)
    for number, row in enumerate(_transposed(builder, [_clamped(builder, value, precision) for value in values])):
        narrow = row if width == 16 else builder.trunc(row, ir.VectorType(item, 8))
        offset = builder.mul(stride, ir.Constant(_I64, number))
        place = builder.bitcast(builder.gep(samples, [offset]), narrow.type.as_pointer())
        builder.store(narrow, place, align=width // 8)


def _generator(used: int) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        held = [
            context.make_array(kind)(context, builder, value).data
            for kind, value in zip(signature.args[:2], arguments[:2], strict=True)
        ]
        target = builder.gep(held[1], [arguments[2]])
        _inverse(builder, held[0], target, arguments[3], used, signature.args[1].dtype.bitwidth)
        return context.get_dummy_value()

    return generate


@intrinsic  # type: ignore[untyped-decorator] # Numba ships no types
def inverse_dct(_typing: Any, coefficients: Any, samples: Any, _at: Any, _stride: Any) -> Any:
    """Transform the dequantised block in `coefficients` (int32, row-major), which becomes zero.

    Writes rows of eight samples to the flat array `samples` from index `at`, `stride` apart: 8 bits each where it is
    uint8, 12 where it is uint16. Nothing is checked: the caller proves that all 64 lie within.
    """
    return types.void(coefficients, samples, types.uint64, types.uint64), _generator(8)


@intrinsic  # type: ignore[untyped-decorator] # Numba ships no types
def inverse_dct_of_corner(_typing: Any, coefficients: Any, samples: Any, _at: Any, _stride: Any) -> Any:
    """As `inverse_dct`, for a block with nothing outside the 4 x 4 lowest frequencies."""
    return types.void(coefficients, samples, types.uint64, types.uint64), _generator(4)


@intrinsic  # type: ignore[untyped-decorator] # Numba ships no types
def fill_block(_typing: Any, samples: Any, _at: Any, _stride: Any, _level: Any) -> Any:
    """Write a block of one level, as `inverse_dct` would; the caller proves that it lies within `samples`."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = signature.args[0]
        target = builder.gep(context.make_array(kind)(context, builder, arguments[0]).data, [arguments[1]])
        width = kind.dtype.bitwidth
        row = ir.VectorType(ir.IntType(width), 8)
        level = builder.trunc(arguments[3], ir.IntType(width))
        first = builder.insert_element(ir.Constant(row, ir.Undefined), level, ir.Constant(_I32, 0))
        levels = builder.shuffle_vector(first, first, ir.Constant(_ROW, [0] * 8))
        for number in range(8):
            place = builder.gep(target, [builder.mul(arguments[2], ir.Constant(_I64, number))])
            builder.store(levels, builder.bitcast(place, row.as_pointer()), align=width // 8)
        return context.get_dummy_value()

    return types.void(samples, types.uint64, types.uint64, types.int64), generate
