"""JPEG 2000 as few encoders write it: code-block styles, progression changes, packed packet headers."""

from __future__ import annotations

import struct
from itertools import pairwise

import imagecodecs
import numpy as np
import pytest
from filmless.errors import DecodeError
from filmless.kernels.jpeg_2000 import decode_jpeg_2000
from filmless.kernels.jpeg_2000.markers import read_codestream
from filmless.kernels.jpeg_2000.parameters import (
    BYPASS,
    PREDICTABLE,
    RESET,
    SEGMENTATION,
    TERMINATE_ALL,
    VERTICALLY_CAUSAL,
)
from jpeg_2000_streams import STREAMS, image

STYLES = {
    "BYPASS": BYPASS,
    "RESET": RESET,
    "TERMINATE_ALL": TERMINATE_ALL,
    "VERTICALLY_CAUSAL": VERTICALLY_CAUSAL,
    "PREDICTABLE": PREDICTABLE,
    "SEGMENTATION": SEGMENTATION,
}
ALL_STYLES = 63
SOP, EPH, PPM, PPT, SOT, SOD = (struct.pack(">H", 0xFF00 | low) for low in (0x91, 0x92, 0x60, 0x61, 0x90, 0x93))
WITH_MARKERS = ["two layers with SOP and EPH", "SOP and EPH in two tiles"]


def samples_of(codestream):
    components = len(read_codestream(codestream).size.components)
    return image(components) if components > 1 else image(1)[..., 0]


@pytest.mark.parametrize("name", STREAMS)
def test_what_few_encoders_write_comes_back(name):
    assert np.array_equal(decode_jpeg_2000(STREAMS[name]), samples_of(STREAMS[name]))


@pytest.mark.parametrize("name", [name for name in STREAMS if "SOP" not in name and "progression" not in name])
def test_the_stored_streams_have_the_styles_of_their_names(name):
    expected = ALL_STYLES if name == "all" else sum(STYLES[word] for word in name.replace(" and ", ", ").split(", "))

    assert read_codestream(STREAMS[name]).tiles[0].parameters.style.style == expected


def test_the_stored_progression_changes_are_two():
    volumes = read_codestream(STREAMS["progression changes"]).tiles[0].parameters.volumes

    assert len({volume.progression for volume in volumes}) == 2


def test_a_wrong_segmentation_symbol_is_an_error_and_names_the_block():
    good = STREAMS["SEGMENTATION"]
    start, found = good.index(SOD) + 20, 0

    for position in range(start, start + 60):
        damaged = bytearray(good)
        damaged[position] ^= 0x10
        try:
            decode_jpeg_2000(bytes(damaged))
        except DecodeError as error:
            found += "code block" in str(error)

    assert found > 40


@pytest.mark.parametrize("name", STREAMS)
def test_every_truncated_stream_is_an_error(name):
    for end in range(0, len(STREAMS[name]), 3):
        with pytest.raises(DecodeError):
            decode_jpeg_2000(STREAMS[name][:end])


def take_headers_out(codestream):
    """Give the main header, and (header, packed headers, bodies) of each tile-part of a stream with SOP and EPH.

    FF is followed by less than 90 in packets, so that the markers are found by looking for them.
    """
    first = codestream.index(SOT)
    parts, position = [], first
    while codestream[position : position + 2] == SOT:
        end = position + struct.unpack_from(">I", codestream, position + 6)[0]
        start = codestream.index(SOD, position)
        headers, bodies = [], []
        for packet in codestream[start + 2 : end].split(SOP)[1:]:
            header, body = packet[4:].split(EPH)
            headers.append(header + EPH)
            bodies.append(SOP + packet[:4] + body)
        parts.append((codestream[position:start], b"".join(headers), b"".join(bodies)))
        position = end
    return codestream[:first], parts


def segments(marker, body, count):
    """Cut a body into `count` marker segments, each with its index."""
    cuts = [len(body) * number // count for number in range(count + 1)]
    pieces = [body[start:end] for start, end in pairwise(cuts)]
    return [marker + struct.pack(">HB", len(piece) + 3, index) + piece for index, piece in enumerate(pieces)]


def tile_part(header, between, bodies):
    """Put a tile-part together anew, with its length."""
    part = bytearray(header + between + SOD + bodies)
    part[6:10] = struct.pack(">I", len(part))
    return bytes(part)


@pytest.mark.parametrize("name", WITH_MARKERS)
@pytest.mark.parametrize("count", [1, 3])
def test_packet_headers_packed_in_tile_parts_are_found(name, count):
    main, parts = take_headers_out(STREAMS[name])

    packed = main + b"".join(tile_part(a, b"".join(segments(PPT, b, count)), c) for a, b, c in parts) + b"\xff\xd9"

    assert np.array_equal(imagecodecs.jpeg2k_decode(packed), samples_of(packed))
    assert np.array_equal(decode_jpeg_2000(packed), samples_of(packed))


@pytest.mark.parametrize("name", WITH_MARKERS)
@pytest.mark.parametrize("count", [1, 3])
def test_packet_headers_packed_in_the_main_header_are_found(name, count):
    main, parts = take_headers_out(STREAMS[name])
    packed_headers = b"".join(struct.pack(">I", len(headers)) + headers for _, headers, _ in parts)

    # Segments may come in any order: their index counts.
    body = b"".join(reversed(segments(PPM, packed_headers, count)))
    packed = main + body + b"".join(tile_part(header, b"", bodies) for header, _, bodies in parts) + b"\xff\xd9"

    assert np.array_equal(decode_jpeg_2000(packed), samples_of(packed))


def test_packed_headers_that_end_early_are_an_error():
    main, parts = take_headers_out(STREAMS[WITH_MARKERS[0]])
    header, headers, bodies = parts[0]

    for end in range(1, len(headers) - 2, 7):
        with pytest.raises(DecodeError):
            decode_jpeg_2000(main + tile_part(header, b"".join(segments(PPT, headers[:end], 1)), bodies) + b"\xff\xd9")
