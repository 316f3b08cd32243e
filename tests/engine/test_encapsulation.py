from __future__ import annotations

import struct

import pytest
from dicom_bytes import encapsulated, item
from filmless.engine.encapsulation import (
    ExtendedOffsets,
    locate_frames,
    read_codestream,
    scan_encapsulated,
)
from filmless.engine.instance import PixelSpan
from filmless.errors import FormatError, Truncated
from hypothesis import given
from hypothesis import strategies as st

SOI, EOI = b"\xff\xd8\xff\xe0", b"\xff\xd9"


def span_of(value: bytes) -> PixelSpan:
    return PixelSpan(0, len(value), is_encapsulated=True, is_big_endian=False)


def codestreams(value, frames, extended=None):
    located = locate_frames(value, span_of(value), frames, extended)
    return [read_codestream(value, fragments) for fragments in located]


def offset_table(*offsets: int) -> bytes:
    return struct.pack(f"<{len(offsets)}I", *offsets)


def test_one_frame_has_all_fragments():
    assert codestreams(encapsulated(b"AB", b"CD", b"EF"), 1) == [b"ABCDEF"]


def test_the_basic_offset_table_groups_fragments():
    value = encapsulated(b"AB", b"CD", b"EF", table=offset_table(0, 20))

    assert codestreams(value, 2) == [b"ABCD", b"EF"]


def test_as_many_fragments_as_frames_need_no_table():
    assert codestreams(encapsulated(b"AB", b"CD"), 2) == [b"AB", b"CD"]


@pytest.mark.parametrize("table", [(0, 11), (10, 20), (20, 0), (0,), (0, 0), (0, 1 << 31)])
def test_a_wrong_offset_table_is_not_believed(table):
    value = encapsulated(SOI + b"AB", b"CD", SOI + b"EF", table=offset_table(*table))

    assert codestreams(value, 2) == [SOI + b"ABCD", SOI + b"EF"]


def test_end_markers_tell_frames_apart_where_starts_do_not():
    value = encapsulated(b"AB", b"CD" + EOI, b"EF" + EOI + b"\0\0"[:2], b"GH" + EOI)

    assert codestreams(encapsulated(b"AB", b"C" + EOI + b"\0", b"EF" + EOI), 2)[0] == b"ABC" + EOI + b"\0"
    with pytest.raises(FormatError):
        codestreams(value, 3)


def test_the_extended_offset_table_leaves_padding_out():
    value = encapsulated(b"ABC\0", b"DE")

    assert codestreams(value, 2, ExtendedOffsets([0, 12], [3, 2])) == [b"ABC", b"DE"]


@pytest.mark.parametrize(
    "extended", [ExtendedOffsets([0, 13], [4, 2]), ExtendedOffsets([0, 12], [9, 2]), ExtendedOffsets([0], [4])]
)
def test_a_wrong_extended_table_is_not_believed(extended):
    assert codestreams(encapsulated(b"ABC\0", b"DE"), 2, extended) == [b"ABC\0", b"DE"]


def test_a_delimiter_inside_a_fragment_is_data():
    inside = b"\xfe\xff\xdd\xe0\0\0\0\0"

    assert codestreams(encapsulated(inside, b"CD"), 2) == [inside, b"CD"]


def test_a_missing_delimiter_is_tolerated_at_the_exact_end():
    value = encapsulated(b"AB", delimiter=False)

    fragments, end = scan_encapsulated(value, span_of(value))

    assert (fragments, end) == ([(16, 2)], len(value))


@pytest.mark.parametrize(
    ("value", "error", "place"),
    [
        (b"", Truncated, "byte 0"),
        (item(b"") + item(b"AB", 3), Truncated, "byte 8"),
        (item(b"") + item(b"AB")[:-3], Truncated, "byte 8"),
        (item(b"") + b"\x10\0\x10\0\0\0\0\0", FormatError, "byte 8"),
        (item(b"") + item(b"", 0xFFFFFFFF), FormatError, "byte 8"),
    ],
)
def test_broken_items_are_named_by_their_offset(value, error, place):
    with pytest.raises(error, match=place):
        scan_encapsulated(value, span_of(value))


def test_too_few_fragments_are_truncated():
    with pytest.raises(Truncated, match="3 frames"):
        codestreams(encapsulated(b"AB", b"CD"), 3)


def test_fragments_that_nothing_tells_apart_are_refused():
    with pytest.raises(FormatError, match="cannot be told apart"):
        codestreams(encapsulated(b"AB", b"CD", b"EF"), 2)


@given(st.lists(st.lists(st.binary(max_size=6), min_size=1, max_size=3), min_size=1, max_size=5))
def test_a_right_table_gives_back_every_frame(frames):
    padded = [[body + b"\0" * (len(body) % 2) for body in frame] for frame in frames]
    sizes = [sum(8 + len(body) for body in frame) for frame in padded]
    table = offset_table(*(sum(sizes[:number]) for number in range(len(frames))))
    value = encapsulated(*(body for frame in padded for body in frame), table=table)

    assert codestreams(value, len(frames)) == [b"".join(frame) for frame in padded]
