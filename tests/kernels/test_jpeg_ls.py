from __future__ import annotations

import struct
import time

import imagecodecs
import libjpeg
import numpy as np
import pytest
from filmless.errors import DecodeError, FilmlessError, InvalidArgument, UnsupportedPixels
from filmless.kernels.jpeg_ls import decode_jpeg_ls, encode_jpeg_ls
from filmless.kernels.jpeg_ls.parameters import default_thresholds
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import jpeg_ls as naive

SOI, EOI = b"\xff\xd8", b"\xff\xd9"


def picture(shape, maximum, kind, seed=0):
    """Noise, one value, ramps with noise, extremes, or flat blocks: (rows, columns, components)."""
    rng = np.random.default_rng(seed)
    rows, columns = np.indices(shape)[:2]
    if kind == "noise":
        values = rng.integers(0, maximum + 1, shape)
    elif kind == "flat":
        values = np.full(shape, rng.integers(0, maximum + 1))
    elif kind == "ramp":
        values = (rows * 3 + columns * 5 + rng.integers(0, 3, shape)) % (maximum + 1)
    elif kind == "extremes":
        values = rng.integers(0, 2, shape) * maximum
    else:
        values = (rows // 5 + columns // 17 + (rng.random(shape) < 0.03)) * 7 % (maximum + 1)
    return values.astype(np.uint8 if maximum < 256 else np.uint16)


KINDS = ("noise", "flat", "ramp", "extremes", "blocks")
SIDES = st.one_of(st.integers(1, 9), st.integers(10, 150))
PICTURES = st.builds(
    lambda rows, columns, components, bits, kind, seed: (
        picture((rows, columns, components), (1 << bits) - 1, kind, seed),
        bits,
    ),
    SIDES,
    SIDES,
    st.sampled_from([1, 1, 3, 4]),
    st.integers(2, 16),
    st.sampled_from(KINDS),
    st.integers(0, 1000),
)


def squeezed(image):
    return image[:, :, 0] if image.shape[2] == 1 else image


@settings(max_examples=150)
@given(PICTURES, st.sampled_from([0, 0, 1, 3, 20]))
def test_what_the_library_encodes_decodes_as_it_decodes_it(coded, near):
    image, _ = coded
    stream = imagecodecs.jpegls_encode(squeezed(image), level=near)

    decoded = decode_jpeg_ls(stream)

    assert decoded.dtype == image.dtype
    assert np.array_equal(decoded, imagecodecs.jpegls_decode(stream))
    if near == 0:
        assert np.array_equal(decoded, squeezed(image))


@settings(max_examples=150)
@given(PICTURES)
def test_what_is_encoded_here_is_decoded_by_all(coded):
    image, bits = squeezed(coded[0]), coded[1]

    stream = encode_jpeg_ls(image, bits)

    assert np.array_equal(decode_jpeg_ls(stream), image)
    assert np.array_equal(imagecodecs.jpegls_decode(stream), image)


@pytest.mark.parametrize("bits", range(2, 17))
@pytest.mark.parametrize("components", [1, 3])
def test_another_library_decodes_every_depth_that_is_encoded_here(bits, components):
    image = squeezed(picture((31, 45, components), (1 << bits) - 1, "blocks", bits))

    assert np.array_equal(libjpeg.decode(encode_jpeg_ls(image, bits)), image)


@pytest.mark.parametrize("interleave", [naive.NOT_INTERLEAVED, naive.BY_LINE, naive.BY_SAMPLE])
@pytest.mark.parametrize("components", [1, 2, 3, 4])
@pytest.mark.parametrize("near", [0, 1, 3])
@pytest.mark.parametrize("restart_rows", [0, 1, 4])
def test_every_way_of_coding_decodes_as_the_standard_says(interleave, components, near, restart_rows):
    for number, kind in enumerate(KINDS):
        bits = (4, 5, 8, 12, 16)[number]
        image = picture((9, 13, components), (1 << bits) - 1, kind, number)
        thresholds = default_thresholds((1 << bits) - 1, near)

        stream, expected = naive.encode(
            image, bits, near=near, interleave=interleave, thresholds=thresholds, restart_rows=restart_rows
        )

        assert np.array_equal(decode_jpeg_ls(stream), squeezed(expected)), kind


@settings(max_examples=60)
@given(st.data())
def test_preset_parameters_are_followed(data):
    bits = data.draw(st.integers(3, 16))
    maximum = data.draw(st.integers(3, (1 << bits) - 1))
    near = data.draw(st.integers(0, min(20, maximum // 2 - 1)))
    thresholds = sorted(data.draw(st.lists(st.integers(near + 1, maximum), min_size=3, max_size=3)))
    reset = data.draw(st.integers(3, max(255, maximum)))
    kind = data.draw(st.sampled_from(KINDS))
    interleave = data.draw(st.sampled_from([naive.NOT_INTERLEAVED, naive.BY_LINE, naive.BY_SAMPLE]))
    image = picture((8, 11, 3), maximum, kind, bits)

    stream, expected = naive.encode(
        image, bits, near=near, interleave=interleave, maximum=maximum, thresholds=tuple(thresholds), reset=reset
    )

    assert np.array_equal(decode_jpeg_ls(stream), expected)


@pytest.mark.parametrize("interleave", [naive.BY_LINE, naive.BY_SAMPLE])
@pytest.mark.parametrize("reset", [7, 64])
def test_another_library_agrees_where_charls_forgets_reset_and_maxval(interleave, reset):
    image = picture((9, 13, 3), 250, "blocks")

    stream, expected = naive.encode(image, 8, interleave=interleave, maximum=254, reset=reset, thresholds=(4, 7, 21))

    assert np.array_equal(decode_jpeg_ls(stream), expected)
    assert np.array_equal(libjpeg.decode(stream), expected)


def test_contexts_that_halve_late_keep_large_sums():
    image = picture((60, 70, 1), 65535, "extremes")

    stream, expected = naive.encode(image, 16, thresholds=(65535,) * 3, reset=65535)

    assert np.array_equal(decode_jpeg_ls(stream), expected[:, :, 0])


# What a codestream may hold beside its image.

IMAGE = picture((6, 7, 1), 4095, "ramp")[:, :, 0]
STREAM = encode_jpeg_ls(IMAGE, 12)
SCAN = STREAM.index(b"\xff\xda")


def with_segments(*segments, before=SCAN, stream=STREAM):
    return stream[:before] + b"".join(segments) + stream[before:]


def test_spiff_headers_application_data_and_comments_are_passed_over():
    spiff = naive.segment(0xE8, b"SPIFF\0" + bytes(22)) + naive.segment(0xE8, b"\0\0\0\1" + SOI)
    stream = with_segments(spiff, naive.segment(0xFE, b"\xff\xf7 none"), naive.segment(0xE0, b""), before=2)

    assert np.array_equal(decode_jpeg_ls(stream), IMAGE)


def test_fill_bytes_and_zeros_before_markers_are_passed_over():
    stream = with_segments(b"\xff\xff", before=SCAN)
    stream = stream[:-2] + bytes(5) + b"\xff\xff" + EOI

    assert np.array_equal(decode_jpeg_ls(stream), IMAGE)


def test_zeros_in_a_preset_segment_stand_for_the_defaults():
    assert np.array_equal(decode_jpeg_ls(with_segments(naive.segment(0xF8, b"\1" + bytes(10)))), IMAGE)


def test_a_mapping_table_is_refused_where_it_is_used():
    table = naive.segment(0xF8, b"\2\1\1\0\1")
    used = bytearray(STREAM)
    used[SCAN + 6] = 1

    assert np.array_equal(decode_jpeg_ls(with_segments(table)), IMAGE)
    with pytest.raises(UnsupportedPixels, match="mapping table"):
        decode_jpeg_ls(bytes(used))


REFUSED = {
    "beyond 65535": with_segments(naive.segment(0xF8, b"\4\4" + bytes(8))),
    "unknown type": with_segments(naive.segment(0xF8, b"\7")),
    "DNL": with_segments(naive.segment(0xDC, b"\0\1")),
    "colour transform": with_segments(naive.segment(0xE8, b"mrfx\1")),
    "rows or columns open": STREAM.replace(struct.pack(">HH", 6, 7), struct.pack(">HH", 0, 7)),
    "point transform": STREAM[: SCAN + 9] + b"\1" + STREAM[SCAN + 10 :],
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_the_standard_allows_and_nobody_uses_is_refused_by_name(what):
    with pytest.raises(UnsupportedPixels, match=what):
        decode_jpeg_ls(REFUSED[what])


def test_subsampled_components_are_refused():
    stream = bytearray(encode_jpeg_ls(picture((4, 4, 3), 255, "noise"), 8))
    stream[stream.index(b"\2\x11\0") + 1] = 0x12

    with pytest.raises(UnsupportedPixels, match="subsampled"):
        decode_jpeg_ls(bytes(stream))


RESTARTED, _ = naive.encode(picture((9, 8, 3), 255, "ramp"), 8, interleave=naive.NOT_INTERLEAVED, restart_rows=2)
BROKEN = {
    "not with SOI": STREAM[1:],
    "no frame header": SOI + STREAM[SCAN:],
    "second JPEG-LS frame header": with_segments(STREAM[2:15]),
    "FFC4": with_segments(naive.segment(0xC4, b"")),
    "out of place": with_segments(SOI),
    "DRI": with_segments(naive.segment(0xDD, b"\0")),
    "where FFD0 is due": RESTARTED.replace(b"\xff\xd0", b"\xff\xd3", 1),
    "MAXVAL": with_segments(naive.segment(0xF8, struct.pack(">B5H", 1, 4096, 0, 0, 0, 0))),
    "thresholds": with_segments(naive.segment(0xF8, struct.pack(">B5H", 1, 0, 9, 8, 7, 0))),
    "RESET": with_segments(naive.segment(0xF8, struct.pack(">B5H", 1, 0, 0, 0, 0, 2))),
    "NEAR": with_segments(
        naive.segment(0xF8, struct.pack(">B5H", 1, 20, 0, 0, 0, 0)),
        stream=STREAM[: SCAN + 7] + b"\x0b" + STREAM[SCAN + 8 :],
    ),
    "selects components": STREAM[: SCAN + 5] + b"\7" + STREAM[SCAN + 6 :],
    "interleaves": STREAM[: SCAN + 8] + b"\3" + STREAM[SCAN + 9 :],
    "bits are left": STREAM[:-2] + b"\1" + EOI,
    "a second time": STREAM[:-2] + STREAM[SCAN:],
    "no scan": STREAM[:SCAN] + EOI,
    "no EOI": STREAM[:-2],
    "is cut off": STREAM[: SCAN + 3],
}


@pytest.mark.parametrize("what", BROKEN)
def test_damage_is_named(what):
    with pytest.raises(DecodeError, match=what):
        decode_jpeg_ls(BROKEN[what])


# Hostile input.

SMALL = {
    "grey": STREAM,
    "flat": encode_jpeg_ls(picture((40, 50, 1), 255, "blocks")[:, :, 0], 8),
    "colour": encode_jpeg_ls(picture((7, 6, 3), 255, "noise"), 8),
    "by sample": imagecodecs.jpegls_encode(picture((9, 8, 3), 255, "blocks")),
    "near": imagecodecs.jpegls_encode(picture((9, 8, 1), 4095, "noise")[:, :, 0], level=3),
    "restarts": RESTARTED,
    "presets": naive.encode(picture((9, 8, 3), 100, "ramp"), 7, interleave=naive.BY_SAMPLE, maximum=100)[0],
}


@pytest.mark.parametrize("name", SMALL)
def test_every_truncation_is_an_error(name):
    stream = SMALL[name]
    decode_jpeg_ls(stream)

    for length in range(len(stream)):
        with pytest.raises(DecodeError):
            decode_jpeg_ls(stream[:length])
        if length > stream.index(b"\xff\xda") + 20 and length < len(stream) - 3:
            with pytest.raises(FilmlessError):
                decode_jpeg_ls(stream[:length] + EOI)


@settings(max_examples=400)
@given(st.sampled_from(sorted(SMALL)), st.data())
def test_damaged_codestreams_give_an_array_or_an_error_of_ours(name, data):
    stream = bytearray(SMALL[name])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(stream) - 1))
        how = data.draw(st.sampled_from(["flip", "set", "cut", "splice"]))
        if how == "flip":
            stream[at] ^= 1 << data.draw(st.integers(0, 7))
        elif how == "set":
            stream[at] = data.draw(st.sampled_from([0, 1, 0x7F, 0x80, 0xD0, 0xD9, 0xDA, 0xFF]))
        elif how == "cut":
            del stream[at : at + data.draw(st.integers(1, 9))]
        else:
            other = SMALL[data.draw(st.sampled_from(sorted(SMALL)))]
            start = data.draw(st.integers(0, len(other) - 1))
            stream[at:at] = other[start : start + data.draw(st.integers(1, 40))]
        if not stream:
            break

    started = time.process_time()
    try:
        decoded = decode_jpeg_ls(bytes(stream))
    except FilmlessError:
        pass
    else:
        assert decoded.ndim in (2, 3)
    assert time.process_time() - started < 5  # the first of its kind compiles


def test_scans_of_noise_end_in_time_and_in_bounds():
    rng = np.random.default_rng(9)
    for name in SMALL:
        head = SMALL[name][: SMALL[name].index(b"\xff\xda")]
        head += SMALL[name][
            len(head) : len(head) + 2 + int.from_bytes(SMALL[name][len(head) + 2 : len(head) + 4], "big")
        ]
        for size in (1, 7, 64, 5000):
            for fill in (
                rng.bytes(size).replace(b"\xff", b"\xfe"),
                bytes(size),
                b"\x55" * size,
                b"\xfe" * size,
                b"\xff\x7f" * size,
            ):
                with pytest.raises(DecodeError):
                    decode_jpeg_ls(head + fill + EOI)


def test_a_giant_header_is_refused_before_anything_is_allocated():
    stream = STREAM.replace(struct.pack(">HH", 6, 7), b"\xff\xff\xff\xff")

    with pytest.raises(DecodeError, match="65535 x 65535"):
        decode_jpeg_ls(stream)


# The encoder's arguments.

BAD_IMAGES = {
    "convert": (np.zeros((2, 2), np.int16), 12),
    "components": (np.zeros((2, 2, 5), np.uint8), 8),
    "pass rows": (np.zeros(4, np.uint8), 8),
    "1 to 65535": (np.zeros((0, 3), np.uint8), 8),
    "65535 rows": (np.zeros((65536, 1), np.uint8), 8),
    "bits_stored is 9": (np.zeros((2, 2), np.uint8), 9),
    "bits_stored is 0": (np.zeros((2, 2), np.uint8), 0),
    "more than 4 bits": (np.full((2, 2), 16, np.uint8), 4),
    "contiguous": (np.zeros((4, 4), np.uint8)[:, ::2], 8),
}


@pytest.mark.parametrize("what", BAD_IMAGES)
def test_images_that_jpeg_ls_cannot_hold_are_refused(what):
    with pytest.raises(InvalidArgument, match=what):
        encode_jpeg_ls(*BAD_IMAGES[what])


def test_one_bit_is_coded_as_two():
    image = picture((5, 9, 1), 1, "noise")[:, :, 0]

    stream = encode_jpeg_ls(image, 1)

    assert stream[stream.index(b"\xff\xf7") + 4] == 2
    assert np.array_equal(decode_jpeg_ls(stream), image)


def test_an_image_that_grows_is_still_encoded():
    image = np.zeros((300, 1200), np.uint16)
    image[:, ::2] = np.random.default_rng(4).integers(0, 2, (300, 600)) * 65535

    stream = encode_jpeg_ls(image, 16)

    assert np.array_equal(decode_jpeg_ls(stream), image)
    assert np.array_equal(imagecodecs.jpegls_decode(stream), image)
