from __future__ import annotations

import contextlib
import mmap
import zlib

import numpy as np
import pytest
from dicom_bytes import CT, encapsulated, encapsulated_image, even, header, image, meta, ushort
from filmless.engine import part10
from filmless.engine.parse import (
    DICOMDIR_SOP_CLASS,
    MAXIMUM_FRAMES,
    extended_offset_table,
    locate_deflated_pixels,
    parse_head,
    parse_instance,
)
from filmless.errors import FilmlessError, FormatError, Incomplete, NotDicom, Truncated, UnsupportedPixels
from hypothesis import given
from hypothesis import strategies as st
from naive.elements import write_data_set, write_element

DEFLATED = "1.2.840.10008.1.2.1.99"
IMPLICIT = "1.2.840.10008.1.2"
BIG = "1.2.840.10008.1.2.2"


def deflate(data: bytes) -> bytes:
    stream = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return stream.compress(data) + stream.flush()


def deflated_image(pixels: bytes = bytes(12)) -> bytes:
    return meta(DEFLATED) + deflate(write_data_set([*header(), (0x7FE00010, b"OW", pixels)]))


def test_a_plain_image_is_read_in_full():
    instance = parse_instance(image())

    assert (instance.sop_instance_uid, instance.sop_class_uid) == ("1.2.3.4", CT)
    assert (instance.study_instance_uid, instance.series_instance_uid) == ("1.2", "1.2.3")
    assert instance.instance_number == 7
    assert instance.attributes["PatientName"] == "Müller^Anna"
    assert instance.attributes["ImageType"] == "ORIGINAL\\PRIMARY\\AXIAL"
    assert "PatientSex" not in instance.attributes
    pixels = instance.pixels
    assert (pixels.rows, pixels.columns, pixels.frames, pixels.bits_stored) == (2, 3, 1, 12)
    assert pixels.stored_dtype == np.int16
    frames = instance.frames
    assert frames.position_mm.tolist() == [[-1.5, 2, 30]]
    assert frames.orientation.tolist() == [[1, 0, 0, 0, 1, 0]]
    assert frames.spacing_mm.tolist() == [[0.5, 0.25]]
    assert frames.rescale.tolist() == [[1, -1024]]
    assert frames.window.tolist() == [[40, 400]]
    assert frames.thickness_mm.tolist() == [1.5]


@pytest.mark.parametrize(
    "data",
    [
        image(IMPLICIT, is_explicit=False),
        image(BIG, order=">"),
        image(IMPLICIT),  # explicit, whatever the file meta information states
        image("", is_explicit=False),
        image()[132:],  # file meta information first
        image()[len(meta()) :],  # the data set alone
        image(BIG, order=">")[len(meta(BIG)) :],
        image(IMPLICIT, is_explicit=False)[len(meta(IMPLICIT)) :],
        image()[128:],  # DICM without preamble
    ],
)
def test_every_way_to_write_a_header_gives_the_same_meaning(data):
    instance, expected = parse_instance(data), parse_instance(image())

    assert instance.attributes == expected.attributes
    assert instance.pixels == expected.pixels
    assert instance.frames.position_mm.tolist() == expected.frames.position_mm.tolist()
    offset = instance.pixel_span.offset
    assert data[offset:] == bytes(12)


def test_the_head_alone_is_enough_to_parse():
    data = image()
    whole = parse_instance(data)
    head_bytes = whole.pixel_span.offset

    head = parse_head(data[:head_bytes], len(data))

    assert head.pixel_span == whole.pixel_span
    with pytest.raises(Incomplete):
        parse_head(data[: head_bytes - 1], len(data))


def test_a_head_without_pixel_data_is_asked_for_to_the_end():
    data = meta() + write_data_set(header())

    with pytest.raises(Incomplete):
        parse_head(data[: -len(write_data_set(header()[-1:]))], len(data))
    assert parse_head(data, len(data)).pixels is None


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.1", IMPLICIT, BIG])
def test_a_head_cut_anywhere_asks_for_more_bytes_and_never_for_more_than_there_are(syntax):
    order = ">" if syntax == BIG else "<"
    nested = ([([(0x00080100, b"SH", b"A "), (0x0040A043, b"SQ", ([([], True)], True))], True)], True)
    data = image(syntax, is_explicit=syntax != IMPLICIT, order=order, t00082218=(b"SQ", nested))
    head_bytes = parse_instance(data).pixel_span.offset

    for kept in range(len(meta(syntax)), head_bytes):
        with pytest.raises(Incomplete) as problem:
            parse_head(data[:kept], len(data))
        assert kept < problem.value.needed_bytes <= head_bytes


@pytest.mark.parametrize("is_explicit", [True, False])
@pytest.mark.parametrize("tag", ["t00091001", "t00091001 in a sequence"])
def test_a_length_that_reaches_beyond_the_file_is_final(is_explicit, tag):
    value = (b"OB", bytes(4)) if tag == "t00091001" else (b"SQ", ([([(0x00080100, b"SH", b"AB")], False)], False))
    syntax = "1.2.840.10008.1.2.1" if is_explicit else IMPLICIT
    data = bytearray(image(syntax, is_explicit=is_explicit, **{tag[:9]: value}))
    at = data.index(b"\x09\x00\x01\x10") + (8 if is_explicit else 4)
    data[at : at + 4] = (0xFFFFFF00).to_bytes(4, "little")

    with pytest.raises(Truncated) as problem:
        parse_head(bytes(data[: at + 20]), len(data))
    assert not isinstance(problem.value, Incomplete)


def test_a_long_value_says_how_far_to_read():
    data = image(t00091001=(b"OB", bytes(300_000)))

    with pytest.raises(Incomplete) as problem:
        parse_head(data[: 64 << 10], len(data))
    assert 300_000 < problem.value.needed_bytes < len(data)


@pytest.mark.parametrize("kept", range(1, len(image()), 13))
def test_a_cut_file_is_never_taken_for_whole(kept):
    try:
        instance = parse_instance(image()[:kept])
    except FormatError:
        return
    assert instance.pixels is None


def test_pixel_data_short_of_its_frames_names_both_numbers():
    with pytest.raises(Truncated, match="needs 12 bytes of pixels; 10 are there"):
        parse_instance(image(pixels=bytes(10)))
    with pytest.raises(Truncated, match="needs 12 bytes of pixels; 11 are there"):
        parse_instance(image()[:-1])


EIGHT_BITS = {"t00280100": (b"US", ushort(8)), "t00280101": (b"US", ushort(8)), "t00280102": (b"US", ushort(7))}
ODD_PIXELS = {"t00280010": (b"US", ushort(1)), **EIGHT_BITS}


def test_the_padding_byte_alone_may_be_missing_at_the_end_for_the_head_and_for_the_whole():
    data = image(pixels=b"ABC\0", **ODD_PIXELS)[:-1]
    head_bytes = len(data) - 3

    span = parse_instance(data).pixel_span

    assert (span.offset, span.length) == (head_bytes, 3)
    assert parse_head(data[:head_bytes], len(data)).pixel_span == span


NOT_JUST_PADDING = {
    "a pixel": image(pixels=b"ABC\0", **ODD_PIXELS)[:-2],
    "a byte behind an even number of pixels": image(pixels=b"ABCDEF\0\0", **EIGHT_BITS)[:-1],
    "a byte of surplus": image(pixels=b"ABC\0\0\0", **ODD_PIXELS)[:-1],
    "surplus": image(pixels=bytes(20))[:-4],
    "a pixel of a swapped pair": image(BIG, b"ABC\0", order=">", **{
        tag: (vr, value[::-1]) for tag, (vr, value) in ODD_PIXELS.items()
    })[:-1],
}  # fmt: skip


@pytest.mark.parametrize("data", NOT_JUST_PADDING.values(), ids=NOT_JUST_PADDING)
def test_whatever_else_is_missing_of_the_pixels_is_refused_by_the_head_and_by_the_whole(data):
    head_bytes = data.index(b"OW") + 8

    for parse in (parse_instance, lambda data: parse_head(data[:head_bytes], len(data))):
        with pytest.raises(Truncated) as problem:
            parse(data)
        assert not isinstance(problem.value, Incomplete)


@pytest.mark.parametrize("frames", [str(MAXIMUM_FRAMES + 1), "20000000", "999999999999"])
def test_more_frames_than_anybody_makes_are_refused_though_the_file_has_room(frames):
    bits = {tag: (b"US", ushort(1)) for tag in ("t00280010", "t00280011", "t00280100", "t00280101")}

    with pytest.raises(UnsupportedPixels, match=f"Number of Frames .* is {frames}"):
        parse_instance(image(pixels=bytes(3_000_000), **bits, t00280008=(b"IS", even(frames))))


def test_a_frame_without_a_group_of_its_own_has_the_shared_values_and_its_own_place_in_time():
    position = [(0x00200032, b"DS", b"1\\2\\3 ")]
    groups = {"t52009229": (b"SQ", ([([(0x00209113, b"SQ", ([(position, True)], True))], True)], True))}
    frames = parse_instance(image(pixels=bytes(36), t00280008=(b"IS", b"3 "), **groups)).frames

    assert frames.position_mm.tolist() == [[1, 2, 3]] * 3
    assert frames.time_key.tolist() == [1, 2, 3]


@pytest.mark.parametrize("frames", ["1000000", "999999"])
def test_a_number_of_frames_that_the_file_has_no_room_for_is_refused_before_anything_is_made(frames):
    with pytest.raises(Truncated, match=f"{frames} frames need"):
        parse_instance(image(t00280008=(b"IS", frames.encode())))


def test_a_mapped_file_can_be_closed_after_an_error(tmp_path):
    path = tmp_path / "cut.dcm"
    path.write_bytes(image()[:-1])

    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
        pytest.raises(Truncated, match=r"cut\.dcm"),
    ):
        parse_instance(mapped, name="cut.dcm")


def test_a_header_beyond_the_first_read_of_a_mapping_is_found(tmp_path):
    path = tmp_path / "long.dcm"
    path.write_bytes(image(t00091001=(b"OB", bytes(300_000))))

    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        instance = parse_instance(mapped)

    assert instance.pixel_span.offset > 300_000


@pytest.mark.parametrize("data", [b"", b"hello", bytes(500), b"\x89PNG\r\n" + bytes(200), b"%PDF-1.7" * 99])
def test_other_files_are_not_dicom(data):
    with pytest.raises(NotDicom):
        parse_instance(data)


@pytest.mark.parametrize(
    ("tag", "word"), [("t00080018", "SOP Instance"), ("t0020000D", "Study"), ("t0020000E", "Series")]
)
def test_a_missing_uid_is_named(tag, word):
    with pytest.raises(FormatError, match=f"{word}.* is missing"):
        parse_instance(image(**{tag: None}))


@pytest.mark.parametrize(
    "uid", ["../../etc/passwd", "1.2/3", "1 2", "1..2", ".1", "1.2.", "1\\2", "1" * 66, "1.2\n3", "ü1"]
)
def test_a_uid_that_is_no_file_name_is_refused(uid):
    with pytest.raises(FormatError, match="is no UID"):
        parse_instance(image(t00080018=(b"UI", even(uid))))


def test_a_dicomdir_says_what_it_is():
    directory = meta() + write_element(0x00041220, b"SQ", ([], True))

    assert parse_instance(directory).sop_class_uid == DICOMDIR_SOP_CLASS


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"t00280010": None}, FormatError),
        ({"t00280011": (b"US", ushort(0))}, FormatError),
        ({"t00280100": (b"US", ushort(12))}, UnsupportedPixels),
        ({"t00280101": (b"US", ushort(17))}, FormatError),
        ({"t00280010": (b"DS", b"1e99")}, FormatError),
        ({"t00280011": (b"UL", (65536).to_bytes(4, "little"))}, FormatError),
        ({"t00280011": (b"SS", b"\xff\xff")}, FormatError),
        ({"t00280002": (b"US", ushort(0))}, UnsupportedPixels),
        ({"t00280002": (b"US", ushort(2))}, UnsupportedPixels),
        ({"t00280002": (b"US", ushort(60000))}, UnsupportedPixels),
        ({"t00280002": (b"DS", b"1e99")}, UnsupportedPixels),
    ],
)
def test_impossible_pixel_descriptions_are_refused(change, error):
    with pytest.raises(error):
        parse_instance(image(**change))


@pytest.mark.parametrize(("tag", "allocated"), [(0x7FE00008, 16), (0x7FE00008, 64), (0x7FE00009, 32), (0x7FE00008, 1)])
def test_float_pixels_of_another_size_than_their_element_s_are_refused(tag, allocated):
    elements = [*header(t00280100=(b"US", ushort(allocated)))]
    data = meta() + write_data_set([*elements, (tag, b"OF", bytes(96))])

    with pytest.raises(UnsupportedPixels, match="of float pixels"):
        parse_instance(data)


def test_a_high_bit_that_contradicts_bits_stored_is_put_right():
    assert parse_instance(image(t00280102=(b"US", ushort(3)))).pixels.high_bit == 11


def test_careless_decimals_become_nan():
    frames = parse_instance(image(t00200032=(b"DS", b"1\\x\\3 "), t00280030=(b"DS", b"0.5 "))).frames

    assert np.isnan(frames.position_mm[0]).tolist() == [False, True, False]
    assert np.isnan(frames.spacing_mm).all()


@pytest.mark.parametrize(("order", "syntax"), [("<", "1.2.840.10008.1.2.1"), (">", BIG)])
def test_padding_value_has_the_sign_of_the_pixels(order, syntax):
    padded = image(syntax, order=order, t00280120=(b"US", ushort(0xF830, order)))

    assert parse_instance(padded).padding_value == -2000


def test_bytes_are_swapped_in_pairs_only_in_ow_values():
    eight = {"t00280100": (b"US", b"\0\x08"), "t00280101": (b"US", b"\0\x08"), "t00280102": (b"US", b"\0\x07")}
    words = image(BIG, bytes(6), order=">", **eight)

    assert parse_instance(words).pixel_span.is_big_endian
    assert not parse_instance(words.replace(b"\x7f\xe0\0\x10OW", b"\x7f\xe0\0\x10OB")).pixel_span.is_big_endian


def test_a_deflated_file_has_pixels_but_no_span():
    instance = parse_instance(deflated_image(b"AB" * 6))

    data, span = locate_deflated_pixels(deflated_image(b"AB" * 6))

    assert instance.pixel_span is None
    assert (instance.pixels.rows, instance.transfer_syntax_uid) == (2, DEFLATED)
    assert data[span.offset : span.offset + span.length] == b"AB" * 6


def test_a_deflated_file_is_bounded_and_checked(monkeypatch):
    with pytest.raises(Truncated):
        parse_instance(deflated_image()[:-9])
    with pytest.raises(Truncated):
        parse_instance(deflated_image(bytes(10)))
    with pytest.raises(FormatError):
        parse_instance(meta(DEFLATED) + b"\xff" * 50)

    monkeypatch.setattr(part10, "INFLATED_ALWAYS_ALLOWED_BYTES", 1000)
    with pytest.raises(FormatError, match="inflates to more than"):
        parse_instance(deflated_image(bytes(1_000_000)))


def test_the_span_of_encapsulated_pixels_ends_after_the_delimiter():
    value = encapsulated(b"AB", b"CD")
    data = encapsulated_image(value + write_element(0xFFFCFFFC, b"OB", bytes(4)))

    span = parse_instance(data).pixel_span

    assert span.is_encapsulated
    assert data[span.offset : span.offset + span.length] == value


def test_fewer_fragments_than_frames_is_truncated():
    data = encapsulated_image(encapsulated(b"AB", b"CD"), t00280008=(b"IS", b"3 "))

    with pytest.raises(Truncated, match="3 frames are declared; the pixel data holds 2"):
        parse_instance(data)


def test_one_stream_may_hold_all_frames_of_a_video():
    data = encapsulated_image(encapsulated(b"AB"), "1.2.840.10008.1.2.4.102", t00280008=(b"IS", b"3 "))

    assert parse_instance(data).pixels.frames == 3


def test_the_extended_offset_table_keeps_all_64_bits():
    offsets = (2**60 + 1).to_bytes(8, "little")
    data = encapsulated_image(encapsulated(b"AB"), t7FE00001=(b"OV", offsets), t7FE00002=(b"OV", bytes(8)))

    table = extended_offset_table(data, len(data))

    assert (table.offsets, table.lengths) == ([2**60 + 1], [0])
    assert extended_offset_table(image(), len(image())) is None


@pytest.mark.parametrize(
    ("name", "raw", "text"),
    [
        (b"ISO_IR 192", "張^三".encode(), "張^三"),
        (b"ISO_IR 144", "Ива".encode("iso8859_5"), "Ива"),
        (b"GB18030 ", "王^小东".encode("gb18030"), "王^小东"),
        (b"\\ISO 2022 IR 87", b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B", "Yamada^Tarou=山田^太郎"),
        (b"\\ISO 2022 IR 149", b"Hong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7", "Hong=洪^吉洞"),
        (b"\\ISO 2022 IR 58", b"Zhang=\x1b$)A\xd5\xc5", "Zhang=张"),
        (b"NO SUCH SET ", b"Plain", "Plain"),
        (b"ISO_IR 192", b"A\xff", "A\ufffd"),
    ],
)
def test_names_are_decoded_by_their_character_set(name, raw, text):
    instance = parse_instance(image(t00080005=(b"CS", even(name)), t00100010=(b"PN", even(raw))))

    assert instance.attributes["PatientName"] == text


@given(st.binary(max_size=60), st.sampled_from([b"\\ISO 2022 IR 87", b"ISO_IR 13 ", b"\\ISO 2022 IR 58"]))
def test_no_name_is_an_error(raw, name):
    parse_instance(image(t00080005=(b"CS", even(name)), t00100010=(b"PN", even(raw))))


@given(st.binary(max_size=400))
def test_random_data_sets_give_an_instance_or_an_error_of_ours(data):
    for start in (meta(), meta("1.2.840.10008.1.2"), meta(DEFLATED), b""):
        with contextlib.suppress(FilmlessError):
            parse_instance(start + data)


@given(st.integers(0, len(image()) - 1), st.integers(0, 255))
def test_a_changed_byte_gives_an_instance_or_an_error_of_ours(position, value):
    data = bytearray(image())
    data[position] = value

    with contextlib.suppress(FilmlessError):
        parse_instance(bytes(data))
