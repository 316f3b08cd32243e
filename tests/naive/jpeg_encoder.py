"""A slow, plain writer of DCT codestreams from quantised coefficients: any sampling, scans, tables, intervals."""

from __future__ import annotations

import struct

ZIGZAG = sorted(range(64), key=lambda at: (at // 8 + at % 8, at // 8 if (at // 8 + at % 8) % 2 else at % 8))


def segment(marker, body):
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


def optimal_lengths(symbols, longest):
    """Give a valid length for each of the symbols: as short as a chain allows, up to `longest`, then a full tree."""
    lengths, room = [], 1 << 16
    for number in range(len(symbols)):
        remaining = len(symbols) - number
        length = 1
        # It must leave room for the rest at the longest, and one code unused (all ones).
        while room - (1 << (16 - length)) < remaining << (16 - longest):
            length += 1
        lengths.append(length)
        room -= 1 << (16 - length)
    return lengths


class Table:
    """Codes for the symbols that are used; the rarer, the longer."""

    def __init__(self, frequencies, longest):
        ordered = sorted(frequencies, key=lambda symbol: (-frequencies[symbol], symbol)) or [0]
        lengths = optimal_lengths(ordered, longest)
        pairs = sorted(zip(lengths, range(len(ordered)), strict=True))
        self.symbols = bytes(ordered[place] for _, place in pairs)
        self.counts = bytes(sum(length == wanted for length in lengths) for wanted in range(1, 17))
        self.codes, code, former = {}, 0, 0
        for (length, _), symbol in zip(pairs, self.symbols, strict=True):
            code <<= length - former
            self.codes[symbol], former = (code, length), length
            code += 1


def magnitude(value):
    """Give (size, bits) of a difference or coefficient (T.81 F.1.2.1)."""
    size = abs(value).bit_length()
    return size, value if value >= 0 else value + (1 << size) - 1


def block_symbols(block, prediction):
    """Give (class, symbol, size, bits) of a block of 64 coefficients, row-major."""
    size, bits = magnitude(block[0] - prediction)
    out, run = [(0, size, size, bits)], 0
    zigzagged = [block[place] for place in ZIGZAG]
    last = max((k for k in range(1, 64) if zigzagged[k]), default=0)
    for value in zigzagged[1 : last + 1]:
        if not value:
            run += 1
            continue
        out += [(1, 0xF0, 0, 0)] * (run // 16)
        size, bits = magnitude(value)
        out.append((1, (run % 16) << 4 | size, size, bits))
        run = 0
    return out + ([(1, 0, 0, 0)] if last < 63 else [])


class Bits:
    def __init__(self):
        self.text = []

    def put(self, bits, size):
        if size:
            self.text.append(format(bits, f"0{size}b"))

    def stuffed(self):
        text = "".join(self.text)
        text += "1" * (-len(text) % 8)
        return int("1" + text, 2).to_bytes(len(text) // 8 + 1, "big")[1:].replace(b"\xff", b"\xff\0")


def parts_of(size, part):
    return (size + part - 1) // part


def scan_mcus(parts, rows, columns, most):
    """Give the MCUs of a scan, each a list of (place in scan, block index in that component's grid)."""
    if len(parts) == 1:
        component = parts[0]
        down = parts_of(parts_of(rows * component["v"], most[1]), 8)
        across = parts_of(parts_of(columns * component["h"], most[0]), 8)
        return [[(0, y, x)] for y in range(down) for x in range(across)]
    return [
        [
            (place, my * c["v"] + y, mx * c["h"] + x)
            for place, c in enumerate(parts)
            for y in range(c["v"])
            for x in range(c["h"])
        ]
        for my in range(parts_of(rows, 8 * most[1]))
        for mx in range(parts_of(columns, 8 * most[0]))
    ]


def segments(mcus, interval):
    """Give the MCUs of each restart interval."""
    return [mcus[start : start + (interval or len(mcus))] for start in range(0, len(mcus), interval or len(mcus))]


def sequential_symbols(parts, mcus):
    """Give (place in scan, class, symbol, size, bits) of all that a restart interval codes."""
    predictions, coded = [0] * len(parts), []
    for place, y, x in (block for mcu in mcus for block in mcu):
        block = parts[place]["blocks"][y, x]
        coded += [(place, *symbol) for symbol in block_symbols(block, predictions[place])]
        predictions[place] = block[0]
    return coded


def scan_bytes(parts, coded, selection, longest=16, fill=b""):
    """Write one scan of what its intervals code, with tables of its own; a symbol of None is bare bits."""
    out, tables = b"", {}
    for place, kind, symbol, _, _ in (each for some in coded for each in some):
        if symbol is not None:
            counts = tables.setdefault((kind, place), {})
            counts[symbol] = counts.get(symbol, 0) + 1
    for kind, place in sorted(tables, key=lambda key: key[::-1]):
        table = tables[kind, place] = Table(tables[kind, place], longest)
        out += segment(0xC4, bytes([kind << 4 | place]) + table.counts + table.symbols)
    selectors = b"".join(bytes([c["id"], place << 4 | place]) for place, c in enumerate(parts))
    out += segment(0xDA, bytes([len(parts)]) + selectors + selection)
    for number, symbols in enumerate(coded):
        bits = Bits()
        for place, kind, symbol, size, value in symbols:
            if symbol is not None:
                bits.put(*tables[kind, place].codes[symbol])
            bits.put(value, size)
        out += bits.stuffed() + fill
        if number + 1 < len(coded):
            out += bytes([0xFF, 0xD0 | number & 7])
    return out


def headers(shape, components, precision, sof, interval, wide_tables=False):
    """Write quantisation tables, frame header and restart interval."""
    out = b""
    for number, c in enumerate(components):
        steps = [c["q"][place] for place in ZIGZAG]
        body = bytes([0x10 | number]) + struct.pack(">64H", *steps) if wide_tables else bytes([number, *steps])
        out += segment(0xDB, body)
    header = struct.pack(">BHHB", precision, *shape, len(components))
    out += segment(sof, header + b"".join(bytes([c["id"], c["h"] << 4 | c["v"], n]) for n, c in enumerate(components)))
    return out + (segment(0xDD, struct.pack(">H", interval)) if interval else b"")


def encode(
    shape, components, *, scans, precision=8, interval=0, longest=16, sof=0xC1, extra=b"", wide_tables=False, fill=b""
):
    """Write a codestream of (rows, columns) from components with `id`, `h`, `v`, `q` (64 steps) and `blocks`.

    `blocks` maps (y, x) to 64 row-major coefficients; `scans` lists the component indices of each scan.
    """
    rows, columns = shape
    most = max(c["h"] for c in components), max(c["v"] for c in components)
    out = b"\xff\xd8" + extra + headers(shape, components, precision, sof, interval, wide_tables)
    for chosen in scans:
        parts = [components[index] for index in chosen]
        mcus = scan_mcus(parts, rows, columns, most)
        coded = [sequential_symbols(parts, some) for some in segments(mcus, interval)]
        out += scan_bytes(parts, coded, b"\0\x3f\0", longest, fill)
    return out + b"\xff\xd9"
