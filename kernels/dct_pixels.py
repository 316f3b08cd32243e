"""Sixteen pixels at a time, as vectors: chrominance spread, YCbCr to RGB, samples of three lines side by side.

LLVM made vectors of the same loops too, but they took 0.6 ns a pixel; written as vectors they take 0.25.
Source: JFIF 1.02, conversion; coefficients of 16 bits of fraction and rounding as in the Independent JPEG Group's
`jdcolor`, so that results agree to the last bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

PIXELS = np.uint64(16)
"""How many pixels each call reads and writes."""

_COUNT = int(PIXELS)
_I32, _I64 = ir.IntType(32), ir.IntType(64)
_WIDE = ir.VectorType(_I32, _COUNT)
_FRACTION_BITS = 16
_HALF = 1 << (_FRACTION_BITS - 1)


def _splat(value: int) -> ir.Constant:
    return ir.Constant(_WIDE, [value] * _COUNT)


def _loaded(builder: Any, planes: Any, indices: list[Any], width: int) -> list[Any]:
    """Give sixteen samples from each of the indices, in 32 bits."""
    places = (builder.gep(planes, [index]) for index in indices)
    pointer = ir.VectorType(ir.IntType(width), _COUNT).as_pointer()
    vectors = (builder.load(builder.bitcast(place, pointer), align=width // 8) for place in places)
    return [builder.zext(vector, _WIDE) for vector in vectors]


def _converted(builder: Any, samples: list[Any], white: int) -> list[Any]:
    """Give red, green, blue of Y, Cb, Cr, within 0 and white."""
    y, *chrominance = samples
    cb, cr = (builder.sub(vector, _splat((white + 1) // 2)) for vector in chrominance)

    def part(vector: Any, factor: float) -> Any:
        return builder.mul(vector, _splat(round(factor * (1 << _FRACTION_BITS))))

    added = [
        part(cr, 1.402),
        builder.sub(part(cb, -0.34414), part(cr, 0.71414)),
        part(cb, 1.772),
    ]
    black, brightest = _splat(0), _splat(white)
    colours = []
    for vector in added:
        whole = builder.ashr(builder.add(vector, _splat(_HALF)), _splat(_FRACTION_BITS))
        colour = builder.add(y, whole)
        colour = builder.select(builder.icmp_signed("<", colour, black), black, colour)
        colours.append(builder.select(builder.icmp_signed(">", colour, brightest), brightest, colour))
    return colours


def _stored(builder: Any, vectors: list[Any], out: Any, at: Any, width: int) -> None:
    """Write three vectors, first samples together, then second ones, and so on."""
    narrow = ir.VectorType(ir.IntType(width), _COUNT)
    first, second, third = (builder.trunc(vector, narrow) for vector in vectors)
    for part in range(3):
        places = [divmod(part * _COUNT + number, 3) for number in range(_COUNT)]
        pair = [pixel + _COUNT * (sample == 1) for pixel, sample in places]
        mixed = [pixel + _COUNT if sample == 2 else number for number, (pixel, sample) in enumerate(places)]
        masks = [ir.Constant(_WIDE, mask) for mask in (pair, mixed)]
        row = builder.shuffle_vector(builder.shuffle_vector(first, second, masks[0]), third, masks[1])
        place = builder.gep(out, [builder.add(at, ir.Constant(_I64, part * _COUNT))])
        builder.store(row, builder.bitcast(place, narrow.as_pointer()), align=width // 8)


def _writer(planes: Any, out: Any, is_converted: bool) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        held, target = (
            context.make_array(signature.args[place])(context, builder, arguments[place]).data for place in (0, 4)
        )
        width = out.dtype.bitwidth
        vectors = _loaded(builder, held, arguments[1:4], width)
        if is_converted:
            vectors = _converted(builder, vectors, 255 if width == 8 else 4095)
        _stored(builder, vectors, target, arguments[5], width)
        return context.get_dummy_value()

    return types.void(planes, *[types.uint64] * 3, out, types.uint64), generate


@intrinsic  # type: ignore[untyped-decorator] # Numba ships no types
def write_rgb(_typing: Any, planes: Any, _first: Any, _second: Any, _third: Any, out: Any, _at: Any) -> Any:
    """Convert 16 pixels whose Y, Cb, Cr stand from three indices on in the flat array `planes`.

    Writes 48 samples to the flat array `out` from `at`: of 8 bits where both are uint8, of 12 where they are uint16.
    Nothing is checked: the caller proves that all lie within.
    """
    return _writer(planes, out, is_converted=True)


@intrinsic  # type: ignore[untyped-decorator] # Numba ships no types
def write_pixels(_typing: Any, planes: Any, _first: Any, _second: Any, _third: Any, out: Any, _at: Any) -> Any:
    """As `write_rgb`, but the samples as they are."""
    return _writer(planes, out, is_converted=False)


def _spreader(sums: Any, planes: Any, before_and_after: tuple[int, int], bits: int) -> Any:
    """Give signature and generator for two pixels a sample: weights 3 and 1 of it and of the one before, or after."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        held, target = (
            context.make_array(signature.args[place])(context, builder, arguments[place]).data for place in (0, 2)
        )
        wide = ir.VectorType(ir.IntType(16), _COUNT)
        narrow = ir.VectorType(ir.IntType(planes.dtype.bitwidth), 2 * _COUNT)

        def loaded(offset: int) -> Any:
            place = builder.gep(held, [builder.add(arguments[1], ir.Constant(_I64, offset))])
            return builder.load(builder.bitcast(place, wide.as_pointer()), align=2)

        three = builder.mul(loaded(1), ir.Constant(wide, [3] * _COUNT))
        pixels = []
        for offset, rounding in zip((0, 2), before_and_after, strict=True):
            total = builder.add(builder.add(three, loaded(offset)), ir.Constant(wide, [rounding] * _COUNT))
            pixels.append(builder.lshr(total, ir.Constant(wide, [bits] * _COUNT)))
        mask = [number // 2 + _COUNT * (number % 2) for number in range(2 * _COUNT)]
        row = builder.shuffle_vector(*pixels, ir.Constant(ir.VectorType(_I32, 2 * _COUNT), mask))
        row = row if planes.dtype.bitwidth == 16 else builder.trunc(row, narrow)
        place = builder.bitcast(builder.gep(target, [arguments[3]]), narrow.as_pointer())
        builder.store(row, place, align=planes.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(sums, types.uint64, planes, types.uint64), generate


@intrinsic  # type: ignore[untyped-decorator] # Numba ships no types
def spread_samples(_typing: Any, sums: Any, _x: Any, planes: Any, _at: Any) -> Any:
    """Write 32 pixels to `planes` from `at` of 16 samples of `sums` (uint16) from `x + 1`; both neighbours are read."""
    return _spreader(sums, planes, (1, 2), 2)


@intrinsic  # type: ignore[untyped-decorator] # Numba ships no types
def spread_sums(_typing: Any, sums: Any, _x: Any, planes: Any, _at: Any) -> Any:
    """As `spread_samples`, where `sums` are 4 times the samples, weighted over two rows: 16 bits just suffice."""
    return _spreader(sums, planes, (8, 7), 4)
