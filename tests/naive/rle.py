"""The RLE decoder of PS3.5 annex G.3.2 as it is written there."""

from __future__ import annotations

import struct


def decode_segment(segment, plane_bytes):
    """The first `plane_bytes` of the unpacked segment, or None where it ends before them."""
    out, position = bytearray(), 0
    while len(out) < plane_bytes:
        if position >= len(segment):
            return None
        control = segment[position]
        if control <= 127:
            literal = segment[position + 1 : position + 2 + control]
            if len(literal) <= control:
                return None
            out += literal
            position += 2 + control
        elif control == 128:
            position += 1
        else:
            value = segment[position + 1 : position + 2]
            if not value:
                return None
            out += value * (257 - control)
            position += 2
    return bytes(out[:plane_bytes])


def decode(codestream, pixels, samples, bytes_per_sample):
    """Words of all pixels, sample by sample within a pixel; None where a segment is cut off."""
    count, *offsets = struct.unpack_from("<16I", codestream)
    bounds = [*offsets[:count], len(codestream)]
    planes = [decode_segment(codestream[bounds[n] : bounds[n + 1]], pixels) for n in range(count)]
    if None in planes:
        return None
    return [
        int.from_bytes([planes[sample * bytes_per_sample + byte][x] for byte in range(bytes_per_sample)], "big")
        for x in range(pixels)
        for sample in range(samples)
    ]
