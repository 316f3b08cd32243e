"""Stored values one at a time, by the words of PS3.5 section 8.1, in Python integers."""

from __future__ import annotations


def unpack(raw, *, bits_allocated, bits_stored, high_bit, is_signed, is_big_endian):
    values = []
    for word in _words(raw, bits_allocated, is_big_endian):
        value = word >> (high_bit + 1 - bits_stored) & ((1 << bits_stored) - 1)
        if is_signed and value >> (bits_stored - 1):
            value -= 1 << bits_stored
        values.append(value)
    return values


def fill_rule(raw, *, bits_allocated, bits_stored, high_bit, is_big_endian):
    low = high_bit + 1 - bits_stored
    rules = {"zero", "sign"}
    for word in _words(raw, bits_allocated, is_big_endian):
        above = word >> (high_bit + 1)
        copies = (1 << (bits_allocated - high_bit - 1)) - 1
        expected = copies if word >> high_bit & 1 else 0
        below = word & ((1 << low) - 1)
        if above or below:
            rules.discard("zero")
        if above != expected or below:
            rules.discard("sign")
    return "zero" if "zero" in rules else "sign" if rules else None


def _words(raw, bits_allocated, is_big_endian):
    size = bits_allocated // 8
    if size == 1 and is_big_endian:
        raw = bytes(raw[i ^ 1] for i in range(len(raw)))
    order = "big" if is_big_endian else "little"
    return [int.from_bytes(raw[i : i + size], order) for i in range(0, len(raw), size)]
