"""From the entropy-coded segments of progressive DCT scans to coefficients, and from these to samples.

A block's AC coefficients lie in zig-zag order, with a word beside them whose bits say which of them are not zero. So a
band that nothing was coded in costs one look at that word, a scan that refines goes from set bit to set bit, memory
that no coefficient is written to is never touched, and the inverse transform knows what is there.

In a refining scan the correction bits of coefficients lie between the codes of new ones: a code says how many zeros
to step over, and every coefficient on the way that is not zero takes one bit. A block takes at most 63 codes of 31 bits
and as many corrections, so reading goes no further beyond a segment's end than `PADDING_BYTES` before it is noticed.
Source: ITU-T T.81 G.1.2 and G.2 (progressive coding with Huffman codes).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .dct_huffman import (
    BAD_CODE,
    BAD_RUN,
    BAND,
    CUT_OFF,
    DC,
    DECODED,
    END_OF_BLOCK_STEP,
    LEFT_OVER,
    SHIFT,
    Bytes,
    Counts,
    is_padding,
    long_entry,
    word_at,
)
from .dct_inverse import fill_block, inverse_dct, inverse_dct_of_corner
from .jit import inlined, kernel
from .jpeg_2000.bits import leading_zeros, set_bits, trailing_zeros

Coefficients = NDArray[np.int16]
Masks = NDArray[np.uint64]

OUT_OF_RANGE = 5
"""A coefficient that 16 bits do not hold."""
BEYOND = 6
"""An end of band that goes for more blocks than the segment has."""

_U0, _U1, _U2, _U3, _U6, _U7, _U8 = (np.uint64(value) for value in (0, 1, 2, 3, 6, 7, 8))
_U56, _U63, _U255 = (np.uint64(value) for value in (56, 63, 255))
_LARGEST = 32767
_CORNER = np.uint64(1 << 10)
"""The ten lowest coefficients lie in the 4 x 4 corner."""


@kernel
def decode_dc_scan(
    scan: Bytes,
    ends: Counts,
    grid: tuple[int, int, int],
    blocks: NDArray[np.uint64],
    tables: NDArray[np.int32],
    long_codes: NDArray[np.int32],
    is_first: bool,
    low: int,
    levels: Coefficients,
) -> tuple[Any, Any]:
    """Decode DC coefficients down to bit `low`, the first time or one bit more; give (outcome, number of the MCU).

    `scan` is without stuffing and goes on for `PADDING_BYTES`; `ends` has the byte after each segment; `grid` is (MCUs
    of the scan, MCUs a segment, MCUs in a row). `blocks` has for each block of an MCU: its component's place among the
    predictions; start of its table in `tables` and in `long_codes`; its row and column in the first MCU; rows and
    columns of blocks an MCU has of that component; rows and columns of blocks that hold samples, which alone are
    kept; and where the first of these is in `levels`, which the caller proves to hold them all.
    """
    mcus, interval, across = np.uint64(grid[0]), np.uint64(grid[1]), np.uint64(grid[2])
    predictions = np.zeros(4, np.int64)
    mcu, column, row = _U0, _U0, _U0
    for segment in range(np.uint64(ends.size)):
        position = ends[segment - _U1] if segment else _U0
        buffer, count = _U0, _U0
        predictions[:] = 0
        last = min(mcu + interval, mcus)
        while mcu < last:
            for number in range(np.uint64(blocks.shape[0])):
                buffer |= word_at(scan, position) >> count
                position += (_U63 - count) >> _U3
                count |= _U56
                if is_first:
                    entry = np.int64(tables[blocks[number, 1] + (buffer >> SHIFT)])
                    if entry & 255 == 0:
                        entry = long_entry(buffer, entry, long_codes, blocks[number, 2], DC)
                        if entry & 255 == 0:
                            return BAD_CODE, mcu
                    used = np.uint64(entry & 255)
                    predictions[blocks[number, 0]] += entry >> 16
                    level = predictions[blocks[number, 0]] << low
                    if not -_LARGEST <= level <= _LARGEST:
                        return OUT_OF_RANGE, mcu
                else:
                    used = _U1
                    level = np.int64(buffer >> _U63) << low
                buffer <<= used
                count -= used
                down, right = (
                    row * blocks[number, 5] + blocks[number, 3],
                    column * blocks[number, 6] + blocks[number, 4],
                )
                if down < blocks[number, 7] and right < blocks[number, 8]:
                    at = blocks[number, 9] + down * blocks[number, 8] + right
                    levels[at] = level if is_first else levels[at] | level
            if position << _U3 > (ends[segment] << _U3) + count:
                return CUT_OFF, mcu
            column += _U1
            if column == across:
                column = _U0
                row += _U1
            mcu += _U1
        if not is_padding(scan, ((position << _U3) - count + _U7) >> _U3, ends[segment]):
            return LEFT_OVER, mcu
    return DECODED, mcu


@kernel
def decode_band(
    scan: Bytes,
    ends: Counts,
    interval: int,
    band: tuple[int, int],
    low: int,
    table: NDArray[np.int32],
    long_codes: NDArray[np.int32],
    coefficients: Coefficients,
    masks: Masks,
) -> tuple[Any, Any]:
    """Decode a band of AC coefficients down to bit `low`, for the first time; give (outcome, number of the block).

    `scan` and `ends` are as for `decode_dc_scan`; `interval` is blocks a segment; `band` is the first and last
    coefficient. `masks` has a word for each block of the component, `coefficients` 64 places: where no bit is set, what
    stands there has no meaning.
    """
    blocks, first, after = np.uint64(masks.size), np.uint64(band[0]), np.uint64(band[1]) + _U1
    number = _U0
    for segment in range(np.uint64(ends.size)):
        position = ends[segment - _U1] if segment else _U0
        buffer, count = _U0, _U0
        last = min(number + np.uint64(interval), blocks)
        while number < last:
            mask, base, k = masks[number], number << _U6, first
            run, value, largest = _U1, np.int64(0), np.int64(0)
            while k < after:
                buffer |= word_at(scan, position) >> count
                position += (_U63 - count) >> _U3
                count |= _U56
                entry = np.int64(table[buffer >> SHIFT])
                if entry & 255 == 0:
                    entry = long_entry(buffer, entry, long_codes, _U0, BAND)
                    if entry & 255 == 0:
                        return BAD_CODE, number
                # Two more that one look-up decides find enough bits in the buffer: 31 + 2 * 11 of 56.
                for turn in range(3):
                    if turn > 0:
                        entry = np.int64(table[buffer >> SHIFT])
                        if k >= after or entry & 255 == 0:
                            break
                    buffer <<= np.uint64(entry & 255)
                    count -= np.uint64(entry & 255)
                    k += (np.uint64(entry >> 8) & _U255) + _U1
                    value = entry >> 16
                    if k > after:
                        break
                    coefficients[base + k - _U1] = value << low
                    largest = max(largest, abs(value))
                    mask |= np.uint64(value != 0) << (k - _U1)
            if k > np.uint64(END_OF_BLOCK_STEP):
                run = np.uint64(value)
            elif k > after:
                return BAD_RUN, number
            if largest << low > _LARGEST:
                return OUT_OF_RANGE, number
            if position << _U3 > (ends[segment] << _U3) + count:
                return CUT_OFF, number
            if run > last - number:
                return BEYOND, number
            masks[number] = mask
            number += run
        if not is_padding(scan, ((position << _U3) - count + _U7) >> _U3, ends[segment]):
            return LEFT_OVER, number
    return DECODED, number


@inlined
def _taken(scan: Bytes, bits: tuple[Any, Any, Any], total: Any, corrections: Any) -> tuple[Any, Any, Any, Any]:
    """Move `total` bits, 63 at most, from the buffer to the end of `corrections`.

    `bits` is the bit buffer, the bits in it, and the next byte; after a code there are 25 or more in it.
    """
    buffer, count, position = bits
    while total > count:
        corrections = corrections << count | buffer >> _U1 >> (_U63 - count)
        total -= count
        buffer, count = word_at(scan, position), _U56
        position += _U7
    corrections = corrections << total | buffer >> _U1 >> (_U63 - total)
    return buffer << total, count - total, position, corrections


@inlined
def _without_lowest(word: Any, total: Any) -> Any:
    """Clear the lowest set bits, at most 15 of them: a loop would end where no processor foresees it."""
    if total > _U3:
        for _ in range(total >> _U2):
            for _ in range(4):
                word &= word - _U1
    once = word & (word - _U1)
    word ^= (word ^ once) & (_U0 - (total & _U1))
    twice = word & (word - _U1)
    twice &= twice - _U1
    return word ^ ((word ^ twice) & (_U0 - (total >> _U1 & _U1)))


@inlined
def _correct(coefficients: Coefficients, base: Any, known: Any, corrections: Any, plus: Any) -> None:
    """Bring each `known` coefficient `plus` away from zero where its bit is set; the last one has the lowest bit."""
    while known:
        k = _U63 - np.uint64(leading_zeros(np.int64(known)))
        value = np.int64(coefficients[base + k])
        sign = value >> 63
        coefficients[base + k] = value + (((plus ^ sign) - sign) & -np.int64(corrections & _U1))
        corrections >>= _U1
        known ^= _U1 << k


@kernel
def refine_band(
    scan: Bytes,
    ends: Counts,
    interval: int,
    band: tuple[int, int],
    low: int,
    table: NDArray[np.int32],
    long_codes: NDArray[np.int32],
    coefficients: Coefficients,
    masks: Masks,
) -> tuple[Any, Any]:
    """Decode bit `low` of a band whose coefficients are known down to the bit above; else as `decode_band`.

    No coefficient leaves its 16 bits: those known have no bit below `2 << low`.
    """
    blocks, plus = np.uint64(masks.size), np.int64(1) << low
    whole = (_U1 << np.uint64(band[1]) << _U1) - (_U1 << np.uint64(band[0]))
    number = _U0
    for segment in range(np.uint64(ends.size)):
        bits = _U0, _U0, ends[segment - _U1] if segment else _U0
        last = min(number + np.uint64(interval), blocks)
        run = _U0
        while number < last:
            mask, base, ahead = masks[number], number << _U6, whole
            known, corrections = mask & whole, _U0
            while run == _U0 and ahead:
                buffer, count, position = bits
                buffer |= word_at(scan, position) >> count
                position += (_U63 - count) >> _U3
                count |= _U56
                entry = np.int64(table[buffer >> SHIFT])
                if entry & 255 == 0:
                    entry = long_entry(buffer, entry, long_codes, _U0, BAND)
                    if entry & 255 == 0:
                        return BAD_CODE, number
                bits = buffer << np.uint64(entry & 255), count - np.uint64(entry & 255), position
                step, value = np.uint64(entry >> 8) & _U255, entry >> 16
                if step == np.uint64(END_OF_BLOCK_STEP):
                    run = np.uint64(value)
                    if run > last - number:
                        return BEYOND, number
                    break
                zeros = _without_lowest(ahead & ~known, step)
                if zeros == _U0 or not -1 <= value <= 1:
                    return BAD_RUN, number
                passed = zeros ^ (zeros - _U1)  # the lowest zero left, and all below
                buffer, count, position, corrections = _taken(scan, bits, set_bits(ahead & known & passed), corrections)
                bits = buffer, count, position
                k = np.uint64(trailing_zeros(np.int64(zeros)))
                coefficients[base + k] = value << low
                mask |= np.uint64(value != 0) << k
                ahead &= ~passed
            if known:
                if run != _U0:
                    buffer, count, position, corrections = _taken(scan, bits, set_bits(ahead & known), corrections)
                    bits = buffer, count, position
                _correct(coefficients, base, known, corrections, plus)
            if run != _U0:
                run -= _U1
            if bits[2] << _U3 > (ends[segment] << _U3) + bits[1]:
                return CUT_OFF, number
            masks[number] = mask
            number += _U1
        if not is_padding(scan, ((bits[2] << _U3) - bits[1] + _U7) >> _U3, ends[segment]):
            return LEFT_OVER, number
    return DECODED, number


@kernel
def transform_blocks(
    levels: Coefficients,
    coefficients: Coefficients,
    masks: Masks,
    grid: tuple[int, int],
    order: Bytes,
    quantisers: NDArray[np.int32],
    white: int,
    place: tuple[int, int],
    samples: NDArray[Any],
) -> None:
    """Write the samples of one component's blocks, `grid` of them in rows and columns.

    `quantisers` is in zig-zag order, which `order` undoes; `place` is the first sample, and samples from row to row.
    `white` is the largest sample. The caller proves that all blocks lie within `samples`.
    """
    rows, columns = np.uint64(grid[0]), np.uint64(grid[1])
    start, stride = np.uint64(place[0]), np.uint64(place[1])
    block = np.zeros(72, np.int32)
    number = _U0
    for row in range(rows):
        at = start + (row << _U3) * stride
        for _ in range(columns):
            dc, mask, base = np.int64(levels[number]) * quantisers[0], masks[number], number << _U6
            if mask == _U0:
                level = ((np.int64(np.int32(dc)) + 4) >> 3) + ((white + 1) >> 1)
                fill_block(samples, at, stride, min(max(level, 0), white))
            else:
                block[0] = dc
                ahead = mask
                while ahead:
                    k = np.uint64(trailing_zeros(np.int64(ahead)))
                    block[np.uint64(order[k])] = np.int64(coefficients[base + k]) * quantisers[k]
                    ahead &= ahead - _U1
                if mask < _CORNER:
                    inverse_dct_of_corner(block, samples, at, stride)
                else:
                    inverse_dct(block, samples, at, stride)
            number += _U1
            at += _U8
