"""From the bytes of native pixel data to stored values, and exactly back (PS3.5 section 8.1, PS3.3
C.7.6.3.1).

A stored value is the Bits Stored bits that end at High Bit, sign-extended if the pixels are signed. What the
unused bits hold is a fill rule; where it is none of the named ones (old overlays live there), values alone do
not rebuild the bytes, and `fill_rule` says so.
"""

from __future__ import annotations

import sys
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import InvalidArgument
from .jit import inlined, kernel

FillRule = Literal["zero", "sign"]
"""All unused bits are 0, or those above High Bit repeat the highest stored bit (and those below are 0)."""

Bytes = NDArray[np.uint8]
Words = NDArray[Any]
"""Unsigned integers of Bits Allocated bits, native byte order."""


_IS_BIG_ENDIAN_HOST = sys.byteorder == "big"


class BitRule(NamedTuple):
    """How a stored value lies in its word; the constants are arrays of one, to have the words' type in kernels."""

    kind: np.dtype[Any]
    """Of the stored value."""
    words: np.dtype[Any]
    is_whole: bool
    """Whether every bit is stored: then a word is its value."""
    shift: int
    used: Words
    sign: Words
    """The sign bit, 0 for unsigned values."""


@lru_cache(maxsize=256)
def bit_rule(bits_allocated: int, bits_stored: int, high_bit: int, is_signed: bool) -> BitRule:
    """Give how stored values lie in words. Raises `InvalidArgument` for impossible bit numbers.

    Kept: to make it takes as long as to decode a few rows, and a series has one.
    """
    _check_bits(bits_allocated, bits_stored, high_bit)
    words = np.dtype(f"u{bits_allocated // 8}")
    kind = np.dtype(f"{'i' if is_signed else 'u'}{bits_allocated // 8}")
    used, sign = (1 << bits_stored) - 1, 1 << (bits_stored - 1) if is_signed else 0
    constants = (_frozen(np.array([bits], words)) for bits in (used, sign))
    return BitRule(kind, words, bits_stored == bits_allocated, high_bit + 1 - bits_stored, *constants)


@inlined
def settle(words: Words, shift: Any, used: Words, sign: Words) -> None:
    """Make stored values of words, in place, by the numbers of a `BitRule`."""
    used_bits, sign_bit = used[0], sign[0]
    for index in range(words.shape[0]):
        words[index] = (((words[index] >> np.uint64(shift)) & used_bits) ^ sign_bit) - sign_bit


@kernel
def _mask(words: Words, used: Words, sign: Words, out: Words) -> None:
    # (x ^ s) - s extends sign bit s; s is 0 for unsigned. Constants come in arrays to have the words' type.
    used_bits, sign_bit = used[0], sign[0]
    for index in range(words.shape[0]):
        out[index] = ((words[index] & used_bits) ^ sign_bit) - sign_bit


@kernel
def _shift_and_mask(words: Words, shift: int, used: Words, sign: Words, out: Words) -> None:
    used_bits, sign_bit = used[0], sign[0]
    for index in range(words.shape[0]):
        out[index] = (((words[index] >> np.uint64(shift)) & used_bits) ^ sign_bit) - sign_bit


@kernel
def _place(values: Words, shift: int, used: Words, sign: Words, out: Words) -> None:
    used_bits, sign_bit = used[0], sign[0]
    for index in range(values.shape[0]):
        out[index] = (((values[index] & used_bits) ^ sign_bit) - sign_bit) << np.uint64(shift)


@kernel
def _faults(words: Words, unused: Words, above: Words, sign: Words, out: Words) -> None:
    """Gather in `out` the unused bits that are 1, and those that differ from the rule "sign"."""
    unused_bits, above_bits, sign_bit = unused[0], above[0], sign[0]
    from_zero = unused_bits & np.uint8(0)
    from_sign = from_zero
    for index in range(words.shape[0]):
        word = words[index]
        # All bits above the sign bit, if it is 1: 0 - (sign << 1), without the shift leaving the word.
        expected = (((word & sign_bit) ^ sign_bit) - sign_bit) & above_bits
        from_zero |= word & unused_bits
        from_sign |= (word & unused_bits) ^ expected
    out[0] = from_zero
    out[1] = from_sign


def unpack(
    raw: Bytes,
    *,
    bits_allocated: int,
    bits_stored: int,
    high_bit: int,
    is_signed: bool,
    is_big_endian: bool,
    room: Words | None = None,
) -> NDArray[Any]:
    """Give the stored values in `raw`, one-dimensional, in native byte order.

    `raw` is contiguous uint8, a whole number of words of 8, 16, 32 or 64 bits. Where every bit is stored and
    the bytes are in native order the result is a view of `raw`; else it is a new array, or lies in `room`, as many
    words, where that is given. For 8 bits `is_big_endian` means that bytes are swapped in pairs, as in an OW value.
    Raises `InvalidArgument` for impossible bit numbers, or room of another shape.
    """
    rule = bit_rule(bits_allocated, bits_stored, high_bit, is_signed)
    words = _to_words(raw, bits_allocated, is_big_endian)
    if rule.is_whole:
        return words.view(rule.kind)
    out = np.empty_like(words) if room is None else _checked_room(room, words)
    if rule.shift:
        _shift_and_mask(words, rule.shift, rule.used, rule.sign, out)
    else:
        _mask(words, rule.used, rule.sign, out)
    return out.view(rule.kind)


def repack(
    values: NDArray[Any],
    fill: FillRule,
    *,
    bits_allocated: int,
    bits_stored: int,
    high_bit: int,
    is_big_endian: bool,
) -> Bytes:
    """Give the bytes that `unpack` made `values` from, if `fill_rule` gave `fill` for them.

    Where nothing needs to change the result is a view of `values`. Raises `InvalidArgument` as `unpack` does.
    """
    _check_bits(bits_allocated, bits_stored, high_bit)
    flat = np.ascontiguousarray(values).reshape(-1)
    words = _frozen(np.require(flat.view(f"u{bits_allocated // 8}"), requirements="A"))
    if bits_stored < bits_allocated:
        used = _constant(words, (1 << bits_stored) - 1)
        sign = _sign(words, bits_stored, fill == "sign")
        placed = np.empty_like(words)
        _place(words, high_bit + 1 - bits_stored, used, sign, placed)
        words = placed
    return _from_words(words, bits_allocated, is_big_endian)


def fill_rule(
    raw: Bytes, *, bits_allocated: int, bits_stored: int, high_bit: int, is_big_endian: bool
) -> FillRule | None:
    """Give the rule the unused bits of every word follow, "zero" before "sign", or None for anything else."""
    _check_bits(bits_allocated, bits_stored, high_bit)
    if bits_stored == bits_allocated:
        return "zero"
    words = _to_words(raw, bits_allocated, is_big_endian)
    everything, stored = (1 << bits_allocated) - 1, (1 << bits_stored) - 1
    unused = everything & ~(stored << (high_bit + 1 - bits_stored))
    above = everything & ~((1 << (high_bit + 1)) - 1)
    out = np.empty(2, words.dtype)
    sign = _constant(words, 1 << high_bit)
    _faults(words, _constant(words, unused), _constant(words, above), sign, out)
    if out[0] == 0:
        return "zero"
    return "sign" if out[1] == 0 else None


def unpack_bits(raw: Bytes, first_bit: int, count: int) -> Bytes:
    """Give `count` one-bit pixels from bit `first_bit` on, each 0 or 1 (PS3.5 section 8.2).

    The lowest bit of a byte is its first pixel, and frames follow each other without padding: `first_bit` of
    frame n is n × rows × columns. Raises `InvalidArgument` if `raw` has fewer bits.
    """
    if first_bit < 0 or count < 0 or first_bit + count > 8 * len(raw):
        raise InvalidArgument(f"bits {first_bit} to {first_bit + count} of {8 * len(raw)}")
    first_byte, skipped = divmod(first_bit, 8)
    last_byte = (first_bit + count + 7) // 8
    bits = np.unpackbits(raw[first_byte:last_byte], bitorder="little")
    return np.ascontiguousarray(bits[skipped : skipped + count])


def repack_bits(values: NDArray[Any], padding: int = 0) -> Bytes:
    """Give the bytes of one-bit pixels; `padding`, from `padding_bits`, fills the last byte."""
    packed = np.packbits(np.ascontiguousarray(values).reshape(-1), bitorder="little")
    used = values.size % 8
    if used and padding:
        packed[-1] |= np.uint8(padding << used & 0xFF)
    return packed


def padding_bits(raw: Bytes, count: int) -> int:
    """Give, as a number, the bits that follow the `count` pixels in the last byte these occupy."""
    used = count % 8
    return int(raw[count // 8]) >> used if used else 0


def _check_bits(bits_allocated: int, bits_stored: int, high_bit: int) -> None:
    if bits_allocated not in (8, 16, 32, 64) or not bits_stored <= high_bit + 1 <= bits_allocated:
        raise InvalidArgument(f"{bits_stored} bits ending at bit {high_bit} of {bits_allocated}")
    if bits_stored < 1:
        raise InvalidArgument(f"{bits_stored} bits stored")


def _checked_room(room: Words, words: Words) -> Words:
    flags = room.flags
    if room.shape != words.shape or room.itemsize != words.itemsize or not (flags.c_contiguous and flags.writeable):
        raise InvalidArgument(f"{len(words)} words do not fit into room for {room.dtype} {room.shape}")
    return room.view(words.dtype)


def _constant(words: Words, bits: int) -> Words:
    return _frozen(np.array([bits], words.dtype))


def _sign(words: Words, bits_stored: int, is_signed: bool) -> Words:
    return _constant(words, 1 << (bits_stored - 1) if is_signed else 0)


def _to_words(raw: Bytes, bits_allocated: int, is_big_endian: bool) -> Words:
    size = bits_allocated // 8
    if len(raw) % size:
        raise InvalidArgument(f"{len(raw)} bytes are no whole number of {bits_allocated}-bit words")
    if is_big_endian and size == 1:
        return _frozen(swap_pairs(raw))
    # Aligned and read-only, so that each kernel has one specialisation a type, not four.
    words: Words = np.require(raw.view(f"u{size}"), requirements="A")
    return _frozen(words.byteswap() if is_big_endian != _IS_BIG_ENDIAN_HOST else words)


def _frozen(words: Words) -> Words:
    view = words.view()
    view.flags.writeable = False
    return view


def _from_words(words: Words, bits_allocated: int, is_big_endian: bool) -> Bytes:
    size = bits_allocated // 8
    if is_big_endian and size == 1:
        return swap_pairs(words)
    return (words.byteswap() if is_big_endian != _IS_BIG_ENDIAN_HOST else words).view(np.uint8)


def swap_pairs(raw: Bytes) -> Bytes:
    """Swap the two bytes of each 16-bit word: what 8-bit pixels in a big endian OW value need (PS3.5 section
    7.3).

    Raises `InvalidArgument` for an odd number of bytes.
    """
    if len(raw) % 2:
        raise InvalidArgument(f"{len(raw)} bytes are no whole number of 16-bit words")
    return np.ascontiguousarray(raw).view(np.uint16).byteswap().view(np.uint8)
