"""A slow, plain writer of progressive DCT codestreams from quantised coefficients: any scans, in any order."""

from __future__ import annotations

from naive.jpeg_encoder import ZIGZAG, headers, magnitude, scan_bytes, scan_mcus, segments

ZERO_RUN = 0xF0


def encode_progressive(
    shape, components, scans, *, precision=8, interval=0, longest_run=0x7FFF, longest=16, wide_tables=False, fill=b""
):
    """Write a codestream as `jpeg_encoder.encode` does; a scan is (component indices, first, last, high, low).

    What a scan says of bits and coefficients is written, whether it makes sense or not.
    """
    most = max(c["h"] for c in components), max(c["v"] for c in components)
    out = b"\xff\xd8" + headers(shape, components, precision, 0xC2, interval, wide_tables)
    for chosen, first, last, high, low in scans:
        parts = [components[index] for index in chosen]
        coded = []
        for mcus in segments(scan_mcus(parts, *shape, most), interval):
            blocks = [(place, parts[place]["blocks"][y, x]) for mcu in mcus for place, y, x in mcu]
            if first == 0:
                coded.append(level_bits(blocks, low) if high else level_symbols(blocks, low))
            else:
                bands = [[block[place] for place in ZIGZAG[first : last + 1]] for _, block in blocks]
                coded.append(band_symbols(bands, low, refined if high else begun, longest_run))
        out += scan_bytes(parts, coded, bytes([first, last, high << 4 | low]), longest, fill)
    return out + b"\xff\xd9"


def level_symbols(blocks, low):
    """Give the symbols of DC coefficients without their `low` lowest bits."""
    former, out = {}, []
    for place, block in blocks:
        level = block[0] >> low
        size, bits = magnitude(level - former.get(place, 0))
        out.append((place, 0, size, size, bits))
        former[place] = level
    return out


def level_bits(blocks, low):
    return [(place, 0, None, 1, block[0] >> low & 1) for place, block in blocks]


def begun(band, low):
    """Give (symbols, whether the band ends early, bits that follow the end) of AC coefficients coded first."""
    values = [(abs(value) >> low) * (1 if value > 0 else -1) for value in band]
    end = max((k + 1 for k, value in enumerate(values) if value), default=0)
    out, run = [], 0
    for value in values[:end]:
        if not value:
            run += 1
            continue
        size, bits = magnitude(value)
        out += [(0, 1, ZERO_RUN, 0, 0)] * (run // 16) + [(0, 1, (run % 16) << 4 | size, size, bits)]
        run = 0
    return out, end < len(band), []


def refined(band, low):
    """Give the same of one bit more: what was not zero before takes one bit, between the codes of what was."""
    values = [abs(value) >> low for value in band]
    end = max((k + 1 for k, value in enumerate(values) if value == 1), default=0)
    out, run, passed = [], 0, []
    for value, signed in zip(values[:end], band, strict=False):
        if value > 1:
            passed.append((0, 1, None, 1, value & 1))
        elif value == 0 and run < 15:
            run += 1
        else:
            symbol = (0, 1, run << 4 | 1, 1, int(signed > 0)) if value else (0, 1, ZERO_RUN, 0, 0)
            out += [symbol, *passed]
            run, passed = 0, []
    return out, end < len(band), [(0, 1, None, 1, value & 1) for value in values[end:] if value > 1]


def band_symbols(bands, low, coded, longest_run):
    """Give the symbols of a restart interval; ends of bands are counted, up to `longest_run`."""
    out, ends, after = [], 0, []

    def end():
        if not ends:
            return []
        size = ends.bit_length() - 1
        return [(0, 1, size << 4, size, ends - (1 << size)), *after]

    for band in bands:
        symbols, is_ended, bits = coded(band, low)
        if symbols or ends == longest_run:
            out += end()
            ends, after = 0, []
        out += symbols
        ends += is_ended
        after = after + bits
    return out + end()
