"""Stored values and colour samples to the pixels of a picture, in one pass each: tables, palettes, YBR.

Whatever a softcopy pipeline does with a whole-numbered stored value, it does the same wherever that value stands. So
modality table, window, presentation table, padding and palette are composed into one table over the stored values
before a frame is touched, and a frame costs one look-up a pixel.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import InvalidArgument
from .arguments import GRAY, INTEGERS, Array, Dtypes, check_array, forbid_overlap, prepare_out
from .jit import kernel

ENTRIES: Dtypes = GRAY | {np.dtype(np.uint16)}
"""What a table can hold: grey of 8 or 16 bits, or colours of 8 bits a sample."""

# YBR_FULL to RGB (PS3.3 C.7.6.3.1.2), in units of 2**-16: 1.402, 0.344136, 0.714136 and 1.772.
_RED_CR, _GREEN_CB, _GREEN_CR, _BLUE_CB = 91881, 22553, 46802, 116130
_HALF = 1 << 15


def look_up(stored: Array, table: Array, first_mapped: int = 0, out: Array | None = None) -> Array:
    """Give the table's entry for every stored value; values beyond the table take the nearest end.

    `stored` is integers of 8 to 32 bits of any shape. `table` is (entries,) grey, uint8 or uint16, or (entries, 3)
    uint8; the first entry is for the stored value `first_mapped`. The result, or `out`, has the shape of `stored`, with
    an axis of 3 more for colours. Raises `InvalidArgument` for an empty table and for what else cannot be used.
    """
    values = check_array("stored", stored, INTEGERS)
    entries = check_array("table", table, ENTRIES)
    is_color = entries.ndim == 2 and entries.shape[1] == 3 and entries.dtype == np.uint8
    if not entries.size or not (is_color or entries.ndim == 1):
        raise InvalidArgument(f"table is {entries.dtype} {entries.shape}: pass (entries,), or (entries, 3) of uint8")
    shape = (*values.shape, 3) if is_color else values.shape
    picture = prepare_out(out, shape, entries.dtype)
    forbid_overlap(picture, values)
    if is_color:
        _look_up_color(values.reshape(-1), _packed(entries), int(first_mapped), picture.reshape(-1))
    else:
        _look_up_gray(values.reshape(-1), entries, int(first_mapped), picture.reshape(-1))
    return picture


def rgb_from_ybr(samples: Array, out: Array | None = None) -> Array:
    """Give YBR_FULL samples (…, 3), uint8, as RGB: PS3.3 C.7.6.3.1.2 solved for RGB, to the nearest, cut to 0..255.

    Raises `InvalidArgument` for what cannot be used.
    """
    values = check_array("samples", samples, GRAY)
    if values.ndim < 1 or values.shape[-1] != 3:
        raise InvalidArgument(f"samples are {values.shape}: pass (…, 3)")
    picture = prepare_out(out, values.shape, np.uint8)
    forbid_overlap(picture, values)
    _ybr_to_rgb(values.reshape(-1), picture.reshape(-1))
    return picture


def lay_color(picture: Array, shares: Array, color: tuple[int, int, int], opacity: float = 1.0) -> None:
    """Lay a colour over a picture (rows, columns, 3), uint8, in place, rounded to the nearest.

    `shares` (rows, columns), uint8, is how much of each pixel is covered, 255 all of it; `opacity`, 0 to 1, how much
    of what is below a covered pixel hides. Raises `InvalidArgument` for what cannot be used.
    """
    covered = check_array("shares", shares, GRAY, 2)
    pixels = prepare_out(picture, (*covered.shape, 3), np.uint8)
    if not (0.0 <= opacity <= 1.0 and all(0 <= part <= 255 for part in color)):
        raise InvalidArgument(f"color {color}, opacity {opacity}: 0 to 255, and 0 to 1")
    forbid_overlap(pixels, covered)
    _cover(pixels.reshape(-1, 3), covered.reshape(-1), np.array(color, np.float64), opacity / 255.0)


@kernel
def _cover(pixels: Array, shares: Array, color: Array, scale: float) -> None:
    for i in range(shares.size):
        if shares[i]:
            weight = shares[i] * scale
            for sample in range(3):
                below = float(pixels[i, sample])
                pixels[i, sample] = np.uint8(below + weight * (color[sample] - below) + 0.5)


@kernel
def _look_up_gray(stored: Array, table: Array, first: int, picture: Array) -> None:
    last = np.int64(table.size - 1)
    for i in range(stored.size):
        picture[i] = table[max(np.int64(0), min(last, np.int64(stored[i]) - first))]


def _packed(entries: Array) -> Array:
    """Give colours as numbers, red lowest."""
    wide = entries.astype(np.uint32)
    packed: Array = wide[:, 0] | wide[:, 1] << 8 | wide[:, 2] << 16
    packed.flags.writeable = False
    return packed


@kernel
def _look_up_color(stored: Array, table: Array, first: int, picture: Array) -> None:
    """Write three bytes a pixel, four pixels at a time as three words (little endian): 138 µs where bytes take 168."""
    last = np.int64(table.size - 1)
    fours = stored.size // 4
    words = picture[: 12 * fours].view(np.uint32)
    for i in range(fours):
        a = table[max(np.int64(0), min(last, np.int64(stored[4 * i]) - first))]
        b = table[max(np.int64(0), min(last, np.int64(stored[4 * i + 1]) - first))]
        c = table[max(np.int64(0), min(last, np.int64(stored[4 * i + 2]) - first))]
        d = table[max(np.int64(0), min(last, np.int64(stored[4 * i + 3]) - first))]
        words[3 * i] = a | b << np.uint32(24)
        words[3 * i + 1] = b >> np.uint32(8) | c << np.uint32(16)
        words[3 * i + 2] = c >> np.uint32(16) | d << np.uint32(8)
    for i in range(4 * fours, stored.size):
        color = table[max(np.int64(0), min(last, np.int64(stored[i]) - first))]
        for sample in range(3):
            picture[3 * i + sample] = np.uint8(color >> np.uint32(8 * sample))


@kernel
def _ybr_to_rgb(samples: Any, picture: Any) -> None:
    for i in range(samples.size // 3):
        # 32 bits are enough: the greatest sum is 255 * 2**16 + 128 * 116130.
        y = (np.int32(samples[3 * i]) << np.int32(16)) + np.int32(_HALF)
        cb = np.int32(np.int32(samples[3 * i + 1]) - np.int32(128))
        cr = np.int32(np.int32(samples[3 * i + 2]) - np.int32(128))
        red = np.int32(y + np.int32(_RED_CR) * cr) >> np.int32(16)
        green = np.int32(y - np.int32(_GREEN_CB) * cb - np.int32(_GREEN_CR) * cr) >> np.int32(16)
        blue = np.int32(y + np.int32(_BLUE_CB) * cb) >> np.int32(16)
        picture[3 * i] = np.uint8(max(np.int32(0), min(np.int32(255), red)))
        picture[3 * i + 1] = np.uint8(max(np.int32(0), min(np.int32(255), green)))
        picture[3 * i + 2] = np.uint8(max(np.int32(0), min(np.int32(255), blue)))
