"""A lossless JPEG encoder, bit by bit, for all that T.81 allows and the encoder of the package does not write."""

from __future__ import annotations

import struct

ALL = bytes(range(17))
STANDARD = ((0, 1, 5, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0), ALL)
LONG = ((1,) * 15 + (2,), ALL[::-1])
"""A code of each length, the rarest categories shortest."""
FLAT = ((0, 0, 0, 0, 17) + (0,) * 11, ALL)


def segment(marker, body):
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def _codes(counts, values):
    codes, code, position = {}, 0, 0
    for length, count in enumerate(counts, 1):
        for value in values[position : position + count]:
            codes[value] = f"{code:0{length}b}"
            code += 1
        code, position = code << 1, position + count
    return codes


def _prediction(plane, y, x, first_row, origin, predictor):
    if y == first_row:
        return plane[y][x - 1] if x else origin
    if x == 0:
        return plane[y - 1][0]
    a, b, c = plane[y][x - 1], plane[y - 1][x], plane[y - 1][x - 1]
    return (a, b, c, a + b - c, a + ((b - c) >> 1), b + ((a - c) >> 1), (a + b) >> 1)[predictor - 1]


def _symbol(difference, codes):
    difference &= 0xFFFF
    if difference == 32768:
        return codes[16]
    signed = difference - 65536 if difference > 32768 else difference
    category = abs(signed).bit_length()
    if category == 0:
        return codes[0]
    return codes[category] + f"{signed if signed > 0 else signed + (1 << category) - 1:0{category}b}"


def _packed(bits):
    bits += "1" * (-len(bits) % 8)
    return int(bits or "0", 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0")


def _scan(planes, numbers, tables, precision, predictor, point_transform, restart_rows):
    rows, columns = len(planes[0]), len(planes[0][0])
    header = bytes([len(numbers)]) + b"".join(bytes([n + 1, s << 4]) for n, (s, _) in zip(numbers, tables, strict=True))
    out = segment(0xDA, header + bytes([predictor, 0, point_transform]))
    origin = 1 << (precision - point_transform - 1)
    step = restart_rows or rows
    for interval, first in enumerate(range(0, rows, step)):
        if interval:
            out += bytes([0xFF, 0xD0 + (interval - 1) % 8])
        bits = [
            _symbol(plane[y][x] - _prediction(plane, y, x, first, origin, predictor), codes)
            for y in range(first, min(first + step, rows))
            for x in range(columns)
            for plane, (_, codes) in zip(planes, tables, strict=True)
        ]
        out += _packed("".join(bits))
    return out


def encode(
    planes, precision, *, predictor=1, point_transform=0, restart_rows=0, is_interleaved=True, tables=(STANDARD,)
):
    """The codestream of `planes`, lists of rows; table n % len(tables) is for plane n."""
    rows, columns, count = len(planes[0]), len(planes[0][0]), len(planes)
    shifted = [[[value >> point_transform for value in row] for row in plane] for plane in planes]
    out = b"\xff\xd8" + segment(
        0xC3,
        struct.pack(">BHHB", precision, rows, columns, count) + b"".join(bytes([n + 1, 17, 0]) for n in range(count)),
    )
    for number, (counts, values) in enumerate(tables):
        out += segment(0xC4, bytes([number, *counts]) + values)
    if restart_rows:
        out += segment(0xDD, struct.pack(">H", restart_rows * columns))
    used = [(n % len(tables), _codes(*tables[n % len(tables)])) for n in range(count)]
    groups = [range(count)] if is_interleaved else [range(n, n + 1) for n in range(count)]
    for group in groups:
        out += _scan(
            [shifted[n] for n in group],
            group,
            [used[n] for n in group],
            precision,
            predictor,
            point_transform,
            restart_rows,
        )
    return out + b"\xff\xd9"
