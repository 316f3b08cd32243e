from __future__ import annotations

import numpy as np
import pytest
from filmless.kernels import elements
from filmless.kernels.elements import scan_elements, scan_fragments, scan_items
from hypothesis import given
from hypothesis import strategies as st
from naive.elements import ITEM, SEQUENCE_END, places, write_data_set, write_element, write_tag

TAGS = st.integers(0x00080000, 0x00FFFFFF).filter(lambda tag: tag >> 16 < 0xFFFE)
LEAVES = st.tuples(TAGS, st.sampled_from([b"LO", b"DS", b"OB", b"UN", b"UT", b"US"]), st.binary(max_size=20))


def _nested(children):
    items = st.lists(st.tuples(st.lists(children, max_size=3), st.booleans()), max_size=3)
    return st.tuples(TAGS, st.just(b"SQ"), st.tuples(items, st.booleans()))


ELEMENTS = st.lists(st.recursive(LEAVES, _nested, max_leaves=8), max_size=6)
ENCODINGS = st.tuples(st.booleans(), st.booleans())


def scan(data: bytes, *, start=0, is_explicit=True, is_big_endian=False, **options):
    array = np.frombuffer(data, np.uint8)
    return scan_elements(array, start, len(data), is_explicit=is_explicit, is_big_endian=is_big_endian, **options)


@given(ELEMENTS, ENCODINGS)
def test_every_top_level_element_is_found_where_it_was_written(data_set, encoding):
    is_explicit, is_big_endian = encoding
    order = ">" if is_big_endian else "<"
    data = write_data_set(data_set, is_explicit=is_explicit, order=order)

    found = scan(data, is_explicit=is_explicit, is_big_endian=is_big_endian)

    rows = [(tag, offset, length) for tag, _, offset, length in found.table.T.tolist()]
    assert rows == places(data_set, is_explicit=is_explicit, order=order)
    assert (found.status, found.position) == (elements.AT_END, len(data))


@given(ELEMENTS, st.integers(0, 200))
def test_a_cut_data_set_is_truncated_or_ends_at_an_element(data_set, cut):
    data = write_data_set(data_set)[:cut]

    found = scan(data)

    ends = {offset + length for offset, length in found.table[2:].T.tolist()} | {0}
    assert found.status in (elements.TRUNCATED, elements.AT_END)
    assert found.position <= len(data)
    assert all(end <= len(data) for end in ends)


@given(st.binary(max_size=300), ENCODINGS)
def test_random_bytes_are_scanned_within_bounds(data, encoding):
    is_explicit, is_big_endian = encoding

    found = scan(data, is_explicit=is_explicit, is_big_endian=is_big_endian)

    offsets, lengths = found.table[2], found.table[3]
    assert 0 <= found.position <= len(data)
    assert ((offsets >= 0) & (lengths >= 0) & (offsets + lengths <= len(data))).all()


def test_pixel_data_stops_the_scan_though_its_value_is_not_here():
    header = write_element(0x00280010, b"US", b"\x02\x00")
    data = header + write_tag(0x7FE00010, "<") + b"OW\0\0" + (1 << 20).to_bytes(4, "little")

    found = scan(data, stops_at_pixels=True)

    assert found.table[:, -1].tolist() == [0x7FE00010, 0x4F57, len(data), 1 << 20]
    assert (found.status, found.position) == (elements.STOPPED, len(data))


def test_another_group_stops_the_scan():
    meta = write_element(0x00020010, b"UI", b"1.2\0")

    found = scan(meta + write_element(0x00080005, b"CS", b"X "), only_group=2)

    assert (found.status, found.position) == (elements.STOPPED, len(meta))


def test_an_unknown_element_of_undefined_length_holds_implicit_items():
    inner = write_element(0x00081155, b"UI", b"1.2.3\0", is_explicit=False)
    items = write_tag(ITEM, "<") + b"\xff" * 4 + inner + write_tag(0xFFFEE00D, "<") + bytes(4)
    data = write_tag(0x00081140, "<") + b"UN\0\0" + b"\xff" * 4 + items + write_tag(SEQUENCE_END, "<") + bytes(4)

    found = scan(data + write_element(0x00100020, b"LO", b"ID"))

    assert found.table[0].tolist() == [0x00081140, 0x00100020]
    assert found.table[3, 0] == len(items)


def test_an_element_without_vr_among_explicit_ones_is_read_as_implicit():
    data = write_element(0x00080005, b"CS", b"A ", is_explicit=False) + write_element(0x00100020, b"LO", b"ID")

    assert scan(data).table[0].tolist() == [0x00080005, 0x00100020]


@pytest.mark.parametrize(("depth", "status"), [(60, elements.AT_END), (70, elements.TOO_DEEP)])
def test_nesting_is_bounded(depth, status):
    data_set: list = []
    for _ in range(depth):
        data_set = [(0x00081140, b"SQ", ([(data_set, True)], True))]

    assert scan(write_data_set(data_set)).status == status


def test_something_else_than_an_item_is_named_by_its_offset():
    data = write_tag(0x00081140, "<") + b"SQ\0\0" + b"\xff" * 4 + write_element(0x00100020, b"LO", b"ID")

    found = scan(data)

    assert (found.status, found.position) == (elements.BAD_STRUCTURE, 12)


def test_tables_grow_past_their_first_capacity():
    data = write_data_set([(0x00090000 + number, b"LO", b"") for number in range(3000)])

    found = scan(data)

    assert found.table.shape == (4, 3000)
    assert found.table[0].tolist() == [0x00090000 + number for number in range(3000)]


def test_items_of_both_length_forms_are_found():
    leaf = (0x00100020, b"LO", b"ID")
    data = write_element(0x00081140, b"SQ", ([([leaf], True), ([leaf, leaf], False), ([], True)], False))

    found = scan_items(np.frombuffer(data, np.uint8), 12, len(data), is_explicit=True, is_big_endian=False)

    assert found.table[1].tolist() == [10, 20, 0]
    assert found.status == elements.AT_END


def test_fragments_end_at_the_delimiter_or_at_the_end_of_the_bytes():
    items = b"".join(write_tag(ITEM, "<") + len(body).to_bytes(4, "little") + body for body in (b"", b"ABCD"))
    closed = items + write_tag(SEQUENCE_END, "<") + bytes(4)

    open_end = scan_fragments(np.frombuffer(items, np.uint8), 0, len(items))
    delimited = scan_fragments(np.frombuffer(closed, np.uint8), 0, len(closed))

    assert open_end.table.tolist() == delimited.table.tolist() == [[8, 16], [0, 4]]
    assert (open_end.status, delimited.status) == (elements.AT_END, elements.STOPPED)


@given(st.binary(max_size=100), st.integers(0, 8))
def test_random_fragments_are_scanned_within_bounds(data, count):
    data = (write_tag(ITEM, "<") + b"\x02\0\0\0AB") * count + data

    found = scan_fragments(np.frombuffer(data, np.uint8), 0, len(data))

    assert found.table.shape[1] >= count
    assert (found.table.sum(axis=0) <= len(data)).all()
