"""From wavelet samples to an image: component transforms, level shift, clamping (T.800 annex G)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..jit import kernel
from ..lanes import LANES, all_lanes, larger_lanes, load_lanes, smaller_lanes, store_pixels
from .parameters import Component

Plane = NDArray[Any]
Word = np.int32

_RED_CR, _GREEN_CB, _GREEN_CR, _BLUE_CB = (
    np.float32(1.402),
    np.float32(0.344136),
    np.float32(0.714136),
    np.float32(1.772),
)


def undo_transform(planes: list[Plane], *, is_reversible: bool) -> None:
    """Turn the first three planes (all of one shape) into red, green and blue, in place (G.2.2, G.3.2)."""
    first, second, third = (plane.reshape(-1) for plane in planes[:3])
    if is_reversible:
        _undo_reversible(first, second, third)
    else:
        _undo_irreversible(first, second, third)


def store_colour(
    planes: list[Plane], out: Plane, place: tuple[int, int], component: Component, *, has_transform: bool
) -> None:
    """Write three reversibly coded planes, all of one shape and kind, into `out` from pixel (row, column) `place` on.

    `out` is contiguous: (height, width, 3). If `has_transform`, the planes are turned into red, green and blue on the
    way (G.2.2).
    """
    words = out.reshape(-1).view(f"u{out.dtype.itemsize}")
    stride = 3 * out.shape[1]
    first, second, third = planes
    start = place[0] * stride + 3 * place[1]
    store_pixels_of(first, second, third, words, start, stride, has_transform, *sample_range(component))


def sample_range(component: Component) -> tuple[Word, Word, Word]:
    """Give what is added to samples, and the least and the most they may be then."""
    shift = 0 if component.is_signed else 1 << (component.precision - 1)
    least = -(1 << (component.precision - 1)) if component.is_signed else 0
    most = least + (1 << component.precision) - 1
    # 32-bit numbers, or all arithmetic would be of 64 bits.
    return np.int32(shift), np.int32(least), np.int32(most)


def store(plane: Plane, out: Plane, component: Component) -> None:
    """Write samples into `out` (height, width, of any strides), shifted and clamped to the component's range."""
    words = out.view(f"u{out.dtype.itemsize}")
    kernel_of = store_integers if plane.dtype == np.int32 else _store_floats
    kernel_of(plane, words, *sample_range(component))


@kernel
def _undo_reversible(first: NDArray[np.int32], second: NDArray[np.int32], third: NDArray[np.int32]) -> None:
    for i in range(first.size):
        blue, red = second[i], third[i]
        green = first[i] - ((blue + red) >> 2)
        first[i], second[i], third[i] = red + green, green, blue + green


@kernel
def _undo_irreversible(first: NDArray[np.float32], second: NDArray[np.float32], third: NDArray[np.float32]) -> None:
    for i in range(first.size):
        luma, blue, red = first[i], second[i], third[i]
        first[i] = luma + _RED_CR * red
        second[i] = luma - _GREEN_CB * blue - _GREEN_CR * red
        third[i] = luma + _BLUE_CB * blue


@kernel
def store_pixels_of(
    first: NDArray[np.int32],
    second: NDArray[np.int32],
    third: NDArray[np.int32],
    out: Plane,
    at: int,
    stride: int,
    has_transform: bool,
    shift: Word,
    least: Word,
    most: Word,
) -> None:
    """Do what `store_colour` says, into flat `out` from `at` on, whose rows are `stride` apart."""
    height, width = first.shape
    smallest, largest = all_lanes(least), all_lanes(most)
    for y in range(height):
        ones, twos, threes, row = first[y], second[y], third[y], at + y * stride
        # The last sixteen may overlap those before.
        for start in range(0, width if width >= LANES else 0, LANES):
            x = min(start, width - LANES)
            red, green, blue = load_lanes(ones, x), load_lanes(twos, x), load_lanes(threes, x)
            if has_transform:
                middle = red - ((green + blue) >> 2)
                red, green, blue = blue + middle, middle, green + middle
            store_pixels(
                out,
                row + 3 * x,
                smaller_lanes(larger_lanes(red + shift, smallest), largest),
                smaller_lanes(larger_lanes(green + shift, smallest), largest),
                smaller_lanes(larger_lanes(blue + shift, smallest), largest),
            )
        for x in range(width if width < LANES else 0):
            one, two, three = ones[x], twos[x], threes[x]
            if has_transform:
                centre = one - ((two + three) >> 2)
                one, two, three = three + centre, centre, two + centre
            out[row + 3 * x] = min(max(np.int32(one + shift), least), most)
            out[row + 3 * x + 1] = min(max(np.int32(two + shift), least), most)
            out[row + 3 * x + 2] = min(max(np.int32(three + shift), least), most)


@kernel
def store_integers(plane: NDArray[np.int32], out: Plane, shift: Word, least: Word, most: Word) -> None:
    """Do what `store` says, for a plane of the 5/3 wavelet."""
    for y in range(plane.shape[0]):
        for x in range(plane.shape[1]):
            out[y, x] = min(max(np.int32(plane[y, x] + shift), least), most)


@kernel
def _store_floats(plane: NDArray[np.float32], out: Plane, shift: Word, least: Word, most: Word) -> None:
    for y in range(plane.shape[0]):
        for x in range(plane.shape[1]):
            # Bounded as a float first: a damaged codestream gives numbers that no integer holds.
            value = min(max(plane[y, x], np.float32(-1.0e9)), np.float32(1.0e9))
            out[y, x] = min(max(np.int32(np.int32(np.rint(value)) + shift), least), most)
