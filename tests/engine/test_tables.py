"""Modality and VOI LUTs that are tables, in frames and out of headers."""

from __future__ import annotations

import io

import numpy as np
import pytest
from filmless.engine.presentation.header import read_softcopy
from filmless.engine.presentation.softcopy import Softcopy
from filmless.engine.render.frame import render_frame
from filmless.engine.render.tables import Table, read_header, table_entries
from filmless.errors import UnsupportedPixels
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

STORED = np.array([[0, 10, 11], [12, 13, 200]], np.uint16)
RISING = Table(np.array([0, 1000, 3000, 4095], np.uint16), first_mapped=10, bits=12)
OF_TABLE = Softcopy(voi=(("", RISING),))


def table_item(entries, first_mapped, bits):
    item = Dataset()
    item.add_new(0x00283002, "US", [len(entries), first_mapped, bits])
    item.add_new(0x00283006, "OW", np.array(entries, "<u2").tobytes())
    return item


def header_with(**sequences):
    header = Dataset()
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header.SOPClassUID, header.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1", "1.2.3"
    for keyword, items in sequences.items():
        setattr(header, keyword, items)
    file = io.BytesIO()
    header.save_as(file, enforce_file_format=True)
    return file.getvalue()


def test_a_voi_table_gives_grey_and_its_ends_serve_all_beyond_them():
    picture = render_frame(STORED, OF_TABLE)

    assert picture.pixels.tolist() == [[0, 0, 62], [187, 255, 255]]


def test_a_voi_table_is_inverted_for_monochrome1():
    picture = render_frame(STORED, Softcopy(voi=(("", RISING),), invert=True))

    assert picture.pixels.tolist() == [[255, 255, 193], [68, 0, 0]]


def test_a_window_that_is_asked_for_takes_the_place_of_the_voi_table():
    asked = render_frame(STORED, OF_TABLE, window=(100, 200))

    assert np.array_equal(asked.pixels, render_frame(STORED, Softcopy(), window=(100, 200)).pixels)


def test_a_modality_table_takes_the_place_of_the_rescale():
    picture = render_frame(STORED, Softcopy(modality_table=RISING, rescale=(7, 7)), window=(2048, 4096))

    assert np.array_equal(picture.pixels, render_frame(RISING.look_up(STORED), Softcopy(), window=(2048, 4096)).pixels)


def test_tables_are_read_from_a_header():
    item = table_item([5, 6, 7], 2, 8)

    softcopy = read_softcopy(read_header(header_with(VOILUTSequence=[item, table_item([1], 0, 8)])), 0)

    (_, voi), (_, other) = softcopy.voi
    assert softcopy.modality_table is None
    assert (other.entries.tolist(), other.bits) == ([1], 8)
    assert (voi.entries.tolist(), voi.first_mapped, voi.bits) == ([5, 6, 7], 2, 8)


def test_a_header_without_tables_has_none():
    softcopy = read_softcopy(read_header(header_with()), 0)

    assert (softcopy.modality_table, softcopy.voi, softcopy.presentation_table) == (None, (), None)


def test_entries_of_eight_bits_may_lie_two_to_a_word():
    assert table_entries(b"\1\2\3\4", 4, "<").tolist() == [1, 2, 3, 4]


def test_a_table_with_fewer_entries_than_it_says_is_refused():
    with pytest.raises(UnsupportedPixels, match="holds 4 of 8"):
        table_entries(b"\1\2\3\4", 8, "<")
