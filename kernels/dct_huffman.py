"""From the entropy-coded segments of a DCT scan to samples: Huffman decoding, dequantisation, inverse DCT.

A first pass takes out stuffed zeros and finds the restart markers, so that the bit loop sees nothing but bits. One
look-up in a table of `LOOKED_AT_BITS` gives length, run and value of a coefficient together. Every block is
transformed as soon as it is decoded: a sequential scan needs no memory for coefficients. Progressive scans, which do,
are decoded in `dct_approximation`, by the same tables.

How an entry of a table reads: value in the upper 16 bits, signed; coefficients to step over in the next 8; bits used,
code and value, in the lowest 8. Where the value does not fit the bits looked at, bits used are 0 and code length and
symbol stand in the place of value and step. Longer codes have entry 0.
Source: ITU-T T.81 F.2.2 (decoding), B.1.1.5 (stuffing), annex C (tables).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from .dct_inverse import fill_block, inverse_dct, inverse_dct_of_corner
from .jit import inlined, kernel

Bytes = NDArray[np.uint8]
Counts = NDArray[np.uint64]

LOOKED_AT_BITS = 11
TABLE_ENTRIES = 1 << LOOKED_AT_BITS
LONG_CODE_WORDS = 17 + 17 + 256
"""For each table: by code length, the first 16-bit window beyond it, and index less code; then the symbols."""
PADDED_COEFFICIENTS = 192
"""A step from coefficient 63 reaches 190: tables by coefficient go that far, so that no step needs a check."""
PADDING_BYTES = 320
"""A block takes at most 64 times 31 bits, and eight bytes are loaded at a time: so far beyond its end may a segment be
read before that is noticed."""

DC = 0
"""Kinds of tables: differences of DC coefficients,"""
AC = 1
"""AC coefficients of a sequential scan,"""
BAND = 2
"""and AC coefficients of a progressive one: there an end of the band goes for a run of blocks."""

DECODED = 0
BAD_CODE = 1
"""Bits that are no code of the table."""
BAD_RUN = 2
"""A run beyond the last coefficient of its block or band, or a symbol that the process does not have."""
CUT_OFF = 3
"""The segment ends before its last block does."""
LEFT_OVER = 4
"""Bytes of the segment that no block needed, other than padding."""

SHIFT = np.uint64(64 - LOOKED_AT_BITS)
END_OF_BLOCK_STEP = 127
_NO_SYMBOL_STEP = 64
_END_OF_BLOCK = np.uint64(0x00)
_ZERO_RUN = np.uint64(0xF0)
_DUMMY = 64
"""Where steps beyond the block are written."""

_U0, _U1, _U3, _U4, _U7, _U8, _U15, _U16 = (np.uint64(value) for value in (0, 1, 3, 4, 7, 8, 15, 16))
_U48, _U56, _U63, _U64, _U255 = (np.uint64(value) for value in (48, 56, 63, 64, 255))
_EACH_BYTE = np.uint64(0x0101010101010101)
_AFTER_END = np.uint64(END_OF_BLOCK_STEP + 2)
"""The coefficient reached by an end of block that follows the DC coefficient at once."""
_AFTER_CORNER = _AFTER_END + np.uint64(9)
"""The same where at most the ten lowest coefficients are coded: they lie in the 4 x 4 corner."""


def _zigzag() -> NDArray[np.uint8]:
    """Give the row-major place of each coefficient in zig-zag order, then the dummy place."""
    places = sorted(
        ((row, column) for row in range(8) for column in range(8)),
        key=lambda place: (sum(place), place[0] if sum(place) % 2 else place[1]),
    )
    order = np.full(PADDED_COEFFICIENTS, _DUMMY, np.uint8)
    order[:64] = [8 * row + column for row, column in places]
    return order


ZIGZAG = _zigzag()


@intrinsic  # type: ignore[untyped-decorator] # Numba ships no types
def word_at(_typing: Any, scan: Any, _at: Any) -> Any:
    """Give the eight bytes of `scan` from index `at` as a big-endian number; the caller proves that they are there."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        source = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        place = builder.bitcast(builder.gep(source, [arguments[1]]), ir.IntType(64).as_pointer())
        return builder.bswap(builder.load(place, align=1))

    return types.uint64(scan, types.uint64), generate


@intrinsic  # type: ignore[untyped-decorator] # Numba ships no types
def _put_word(_typing: Any, scan: Any, _at: Any, _word: Any) -> Any:
    """Write what `word_at` gave to `scan` from index `at`; the caller proves that there is room."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        target = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        place = builder.bitcast(builder.gep(target, [arguments[1]]), ir.IntType(64).as_pointer())
        builder.store(builder.bswap(arguments[2]), place, align=1)
        return context.get_dummy_value()

    return types.void(scan, types.uint64, types.uint64), generate


@inlined
def _size_of(symbol: Any, kind: int) -> Any:
    """Give how many bits follow the code of a symbol."""
    is_end_of_band = kind == BAND and symbol & _U15 == _U0 and symbol != _ZERO_RUN
    return symbol >> _U4 if is_end_of_band else symbol & _U15


@inlined
def _step_of(symbol: Any, kind: int) -> Any:
    """Give how many coefficients a symbol steps over before the one it codes."""
    if kind == DC:
        return 0
    if symbol & _U15 != _U0 or symbol == _ZERO_RUN:
        return np.int64(symbol >> _U4)
    return END_OF_BLOCK_STEP if symbol == _END_OF_BLOCK or kind == BAND else _NO_SYMBOL_STEP


@inlined
def _value_of(bits: Any, size: Any, step: Any, kind: int) -> Any:
    """Give what the `size` bits after a code stand for: difference, coefficient, or blocks that the band ends in."""
    if kind == BAND and step == END_OF_BLOCK_STEP:
        return np.int64((_U1 << size) + bits)
    return _extended(bits, size)


@inlined
def _extended(bits: Any, size: Any) -> Any:
    """Give the signed value that `size` bits stand for (T.81 F.2.2.1, EXTEND)."""
    value = np.int64(bits)
    if size != _U0 and bits < (_U1 << (size - _U1)):
        value -= np.int64((_U1 << size) - _U1)
    return value


@kernel
def build_table(
    counts: Bytes, symbols: Bytes, kind: int, table: NDArray[np.int32], long_codes: NDArray[np.int32]
) -> None:
    """Fill one look-up table of a kind, and its `long_codes`, from a DHT segment's counts (16,) and symbols.

    The caller proves that the counts fit the symbols and the code space (T.81 C.2).
    """
    table[:] = 0
    code, index = np.uint64(0), np.uint64(0)
    for length in range(np.uint64(1), np.uint64(17)):
        long_codes[_U16 + _U1 + length] = np.int64(index) - np.int64(code)
        for _ in range(np.uint64(counts[length - _U1])):
            symbol = np.uint64(symbols[index])
            long_codes[np.uint64(34) + index] = symbol
            if length <= np.uint64(LOOKED_AT_BITS):
                rest = np.uint64(LOOKED_AT_BITS) - length
                _fill_entries(table[code << rest : (code + _U1) << rest], length, rest, symbol, kind)
            code += _U1
            index += _U1
        long_codes[length] = code << (_U16 - length)
        code <<= _U1


@inlined
def _fill_entries(entries: NDArray[np.int32], length: Any, rest: Any, symbol: Any, kind: int) -> None:
    """Fill the entries that begin with one code, whatever the `rest` bits after it are."""
    size, step = _size_of(symbol, kind), _step_of(symbol, kind)
    if size > rest:
        entries[:] = np.int64(length << _U16 | symbol << _U8)
        return
    for bits in range(np.uint64(entries.size)):
        value = _value_of(bits >> (rest - size), size, step, kind)
        entries[bits] = (value << 16) | (step << 8) | np.int64(length + size)


@inlined
def long_entry(buffer: Any, entry: Any, long_codes: NDArray[np.int32], base: Any, kind: int) -> Any:
    """Give the entry for a code and value that one look-up does not decide; 0 bits used where there is no code."""
    length, symbol = np.uint64(entry >> 16), np.uint64(entry >> 8) & _U255
    if entry == 0:
        window = buffer >> _U48
        length = np.uint64(LOOKED_AT_BITS + 1)
        while length <= _U16 and window >= np.uint64(long_codes[base + length]):
            length += _U1
        if length > _U16:
            return np.int64(0)
        index = np.int64(window >> (_U16 - length)) + long_codes[base + _U16 + _U1 + length]
        symbol = np.uint64(long_codes[base + np.uint64(34) + (np.uint64(index) & _U255)])
    size, step = _size_of(symbol, kind), _step_of(symbol, kind)
    value = _value_of((buffer << length) >> _U1 >> (_U63 - size), size, step, kind)
    return (value << 16) | (step << 8) | np.int64(length + size)


@inlined
def is_padding(scan: Bytes, start: Any, end: Any) -> bool:
    """Whether the bytes are all zero or all ones, as some writers pad with."""
    for at in range(start, end):
        if scan[at] != 0 and scan[at] != 255:
            return False
    return True


@kernel
def decode_scan(
    scan: Bytes,
    ends: Counts,
    grid: tuple[int, int, int],
    blocks: NDArray[np.uint64],
    tables: NDArray[np.int32],
    long_codes: NDArray[np.int32],
    order: Bytes,
    quantisers: NDArray[np.int32],
    white: int,
    samples: NDArray[Any],
) -> tuple[Any, Any]:
    """Decode all segments of one scan to samples; give (outcome, number of the MCU it happened at).

    `scan` is without stuffing and ends with `PADDING_BYTES`; `ends` has the byte after each segment; `grid` is (MCUs of
    the scan, MCUs a segment, MCUs in a row). `blocks` has for each block of an MCU: its component's place among the
    predictions; start of its DC and AC table in `tables`, then in `long_codes`; start of its quantisation table in
    `quantisers`, whose tables are in zig-zag order; its first sample in the first MCU; samples from row to row, from
    MCU to MCU, and from one row of MCUs to the next. `white` is the largest sample. The caller proves that all blocks
    of all MCUs lie within `samples`. In one piece, for a call a block would cost more than most blocks (60 ns).
    """
    mcus, interval, across = np.uint64(grid[0]), np.uint64(grid[1]), np.uint64(grid[2])
    coefficients = np.zeros(_DUMMY + 8, np.int32)
    predictions = np.zeros(4, np.int64)
    mcu, column, row = _U0, _U0, _U0
    for segment in range(np.uint64(ends.size)):
        position = ends[segment - _U1] if segment else _U0
        buffer, count = _U0, _U0
        predictions[:] = 0
        last = min(mcu + interval, mcus)
        while mcu < last:
            for number in range(np.uint64(blocks.shape[0])):
                table, quantiser = blocks[number, 2], blocks[number, 5]
                buffer |= word_at(scan, position) >> count
                position += (_U63 - count) >> _U3
                count |= _U56
                entry = np.int64(tables[blocks[number, 1] + (buffer >> SHIFT)])
                if entry & 255 == 0:
                    entry = long_entry(buffer, entry, long_codes, blocks[number, 3], DC)
                    if entry & 255 == 0:
                        return BAD_CODE, mcu
                buffer <<= np.uint64(entry & 255)
                count -= np.uint64(entry & 255)
                predictions[blocks[number, 0]] = np.int32(predictions[blocks[number, 0]] + (entry >> 16))
                dc = predictions[blocks[number, 0]] * quantisers[quantiser]
                coefficients[0] = dc
                k = _U1
                while k < _U64:
                    buffer |= word_at(scan, position) >> count
                    position += (_U63 - count) >> _U3
                    count |= _U56
                    entry = np.int64(tables[table + (buffer >> SHIFT)])
                    if entry & 255 == 0:
                        entry = long_entry(buffer, entry, long_codes, blocks[number, 4], AC)
                        if entry & 255 == 0:
                            return BAD_CODE, mcu
                    # Two more that one look-up decides find enough bits in the buffer: 31 + 2 * 11 of 56.
                    for turn in range(3):
                        if turn > 0:
                            entry = np.int64(tables[table + (buffer >> SHIFT)])
                            if k >= _U64 or entry & 255 == 0:
                                break
                        buffer <<= np.uint64(entry & 255)
                        count -= np.uint64(entry & 255)
                        k += np.uint64(entry >> 8) & _U255
                        coefficients[np.uint64(order[k])] = (entry >> 16) * quantisers[quantiser + k]
                        k += _U1
                if _U64 < k < _AFTER_END:
                    return BAD_RUN, mcu
                if position << _U3 > (ends[segment] << _U3) + count:
                    return CUT_OFF, mcu
                at = blocks[number, 6] + column * blocks[number, 8] + row * blocks[number, 9]
                if k == _AFTER_END:
                    coefficients[0] = 0
                    level = ((np.int64(np.int32(dc)) + 4) >> 3) + ((white + 1) >> 1)
                    fill_block(samples, at, blocks[number, 7], min(max(level, 0), white))
                elif _AFTER_END < k <= _AFTER_CORNER:
                    inverse_dct_of_corner(coefficients, samples, at, blocks[number, 7])
                else:
                    inverse_dct(coefficients, samples, at, blocks[number, 7])
            column += _U1
            if column == across:
                column = _U0
                row += _U1
            mcu += _U1
        if not is_padding(scan, ((position << _U3) - count + _U7) >> _U3, ends[segment]):
            return LEFT_OVER, mcu
    return DECODED, mcu


@kernel
def unstuff(source: Bytes, start: int, scan: Bytes, ends: Counts) -> tuple[Any, Any]:
    """Copy entropy-coded segments to `scan`, without stuffed zeros; give (segments, offset of the marker after).

    `source` is read from offset `start`, and `scan` is as long as `source` from there, or longer; `ends` gets the byte
    of `scan` after each segment. Segments are -1 where a restart marker is out of order or one too many, then the
    offset is its own; 0 where no marker follows.
    """
    at, size = np.uint64(start), np.uint64(source.size)
    filled, segment = _U0, _U0
    while at < size:
        while at + _U8 <= size:
            word = word_at(source, at)
            if (~word - _EACH_BYTE) & word & (_EACH_BYTE << _U7):
                break  # one of the eight bytes is 0xFF
            _put_word(scan, filled, word)
            filled += _U8
            at += _U8
        if at == size:
            break
        byte = source[at]
        at += _U1
        if byte != 255:
            scan[filled] = byte
            filled += _U1
            continue
        if at == size:
            break
        following = np.uint64(source[at])
        if following == _U0:
            scan[filled] = 255
            filled += _U1
            at += _U1
        elif following == _U255:
            pass  # a fill byte (T.81 B.1.1.2); the next one is looked at again
        else:
            ends[segment] = filled
            segment += _U1
            if following & np.uint64(0xF8) != np.uint64(0xD0):
                return np.int64(segment), np.int64(at - _U1)
            if segment == np.uint64(ends.size) or (following + _U1 - segment) & np.uint64(7):
                return -1, np.int64(at - _U1)
            at += _U1
    return 0, np.int64(size)
