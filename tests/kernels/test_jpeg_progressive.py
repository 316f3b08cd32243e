"""Progressive DCT: to the last bit what libjpeg-turbo gives, and an error wherever it stays silent."""

from __future__ import annotations

import struct
from io import BytesIO
from itertools import pairwise

import imagecodecs
import libjpeg
import numpy as np
import pytest
from codec_images import KINDS, damaged, picture
from filmless.errors import DecodeError, FilmlessError
from filmless.kernels.dct_progressive import ProgressiveScans
from filmless.kernels.jpeg_dct import decode_jpeg_dct
from hypothesis import given, settings
from hypothesis import strategies as st
from naive.jpeg_encoder import segment
from naive.progressive_jpeg import encode_progressive
from PIL import Image
from real_frames import real_frames

JPEG = "1.2.840.10008.1.2.4."
FACTORS = st.tuples(st.sampled_from([1, 2]), st.sampled_from([1, 2]))
SIDES = st.tuples(st.integers(1, 70), st.integers(1, 70))
WHOLE = [([0], 0, 0, 0, 1), ([0], 1, 5, 0, 2), ([0], 6, 63, 0, 2), ([0], 1, 63, 2, 1), ([0], 0, 0, 1, 0)]
"""Scans of one component, but for the last bit of AC coefficients."""
LAST = ([0], 1, 63, 1, 0)


def decoded(codestream, shape, **options):
    rows, columns, *samples = shape
    return decode_jpeg_dct(codestream, (rows, columns, samples[0] if samples else 1), **options)


def components(shape, factors, *, seed=0, scale=40, density=0.4):
    """Random coefficients for each component, as many blocks as whole MCUs have; many zero, more so higher up."""
    rng = np.random.default_rng(seed)
    most = max(h for h, _ in factors), max(v for _, v in factors)
    fall = 1 / (1 + np.add.outer(np.arange(8), np.arange(8)).reshape(-1))
    out = []
    for number, (h, v) in enumerate(factors):
        down, across = -(-shape[0] // (8 * most[1])) * v, -(-shape[1] // (8 * most[0])) * h
        blocks = np.round(rng.standard_normal((down * across, 64)) * scale * fall).astype(int)
        blocks[rng.random(blocks.shape) > density] = 0
        blocks[rng.random(len(blocks)) < 0.3, 1:] = 0
        grid = {(n // across, n % across): block for n, block in enumerate(blocks.tolist())}
        out.append({"id": number + 1, "h": h, "v": v, "q": rng.integers(1, 6, 64).tolist(), "blocks": grid})
    return out


def random_scans(rng, parts, most_bits=3):
    """Any order that T.81 G.1.1.1 allows: components together or apart for DC, bands split as it goes for AC."""
    cuts = [sorted({1, 64, *rng.integers(2, 64, rng.integers(0, 4)).tolist()}) for _ in parts]
    levels = dict.fromkeys(range(len(parts)))
    bands = [(c, a, b - 1, None) for c, cut in enumerate(cuts) for a, b in pairwise(cut)]
    scans = []
    while bands or levels:
        if levels and (not bands or rng.random() < 0.3):
            level = levels[rng.choice(list(levels))]
            together = [c for c in sorted(levels) if levels[c] == level][: rng.integers(1, 4)]
            if sum(parts[c]["h"] * parts[c]["v"] for c in together) > 10:
                together = together[:1]
            low = level - 1 if level else int(rng.integers(0, most_bits))
            scans.append((together, 0, 0, level or 0, low))
            levels = {c: low if c in together else old for c, old in levels.items() if low or c not in together}
            continue
        c, first, last, level = bands.pop(rng.integers(len(bands)))
        if last > first and rng.random() < 0.2:
            middle = int(rng.integers(first, last))
            bands += [(c, first, middle, level), (c, middle + 1, last, level)]
            continue
        low = level - 1 if level else int(rng.integers(0, most_bits))
        scans.append(([c], first, last, level or 0, low))
        bands += [(c, first, last, low)] * bool(low)
    return scans


def made_up(shape, factors, *, seed=0, scans=None, scale=40, density=0.4, **options):
    parts = components(shape, factors, seed=seed, scale=scale, density=density)
    scans = scans or random_scans(np.random.default_rng(seed), parts)
    return encode_progressive(shape, parts, scans, **options)


def saved(image, **options):
    """A progressive codestream by Pillow: libjpeg-turbo's own scans."""
    coded = BytesIO()
    Image.fromarray(image).save(coded, "JPEG", progressive=True, **options)
    return coded.getvalue()


@settings(max_examples=80)
@given(
    SIDES,
    st.sampled_from(KINDS),
    st.sampled_from([None, "4:4:4", "4:2:2", "4:2:0"]),
    st.sampled_from([20, 75, 95, 100]),
    st.sampled_from([0, 1, 3]),
    st.integers(0, 1000),
)
def test_what_libjpeg_turbo_writes_decodes_as_it_does(shape, kind, subsampling, quality, interval, seed):
    shape = (*shape, 3) if subsampling else shape
    image = picture(kind, shape, 8, seed)
    options = {"subsampling": subsampling} if subsampling else {}
    coded = saved(image, quality=quality, restart_marker_blocks=interval, **options)

    frame = decoded(coded, shape)

    assert np.array_equal(frame.samples, imagecodecs.jpeg8_decode(coded))
    assert frame.colour == ("RGB" if subsampling else "MONO")


@settings(max_examples=120)
@given(
    SIDES,
    st.lists(FACTORS, min_size=3, max_size=3),
    st.sampled_from([0, 1, 2, 7]),
    st.sampled_from([8, 12]),
    st.sampled_from([9, 12, 16]),
    st.sampled_from([1, 2, 9, 0x7FFF]),
    st.sampled_from([0.02, 0.4, 1.0]),
    st.booleans(),
    st.integers(0, 10000),
)
def test_any_sampling_and_any_order_of_scans_decode_as_with_libjpeg_turbo(
    shape, factors, interval, bits, longest, longest_run, density, is_wide, seed
):
    coded = made_up(
        shape,
        factors,
        seed=seed,
        density=density,
        interval=interval,
        precision=bits,
        longest=longest,
        longest_run=longest_run,
        wide_tables=is_wide,
    )

    frame = decoded(coded, (*shape, 3))

    assert np.array_equal(frame.samples, imagecodecs.jpeg8_decode(coded))


@settings(max_examples=40)
@given(SIDES, st.tuples(st.integers(1, 4), st.integers(1, 4)), st.integers(0, 9), st.integers(0, 1000))
def test_one_component_has_no_sampling_whatever_its_factors(shape, factors, interval, seed):
    coded = made_up(shape, [factors], interval=interval, seed=seed)

    assert np.array_equal(decoded(coded, shape).samples, imagecodecs.jpeg8_decode(coded))


@pytest.mark.parametrize("factors", [[(4, 1), (1, 1), (2, 1)], [(1, 4), (1, 2), (1, 1)], [(3, 1), (1, 1), (3, 1)]])
def test_blocks_beyond_the_picture_take_bits_but_are_not_kept(factors):
    scans = [([0, 1, 2], 0, 0, 0, 1), ([0, 1, 2], 0, 0, 1, 0), *(([c], 1, 63, 0, 0) for c in range(3))]
    for shape in ((37, 61), (1, 1), (33, 8)):
        coded = made_up(shape, factors, scans=scans, interval=3)
        frame = decoded(coded, (*shape, 3), to_rgb=False)
        whole = imagecodecs.jpeg8_decode(coded, colorspace="YCBCR", outcolorspace="YCBCR")

        assert np.array_equal(frame.samples, whole)


@pytest.mark.parametrize("longest", [9, 16])
@pytest.mark.parametrize("first_bits", [0, 6, 9])
def test_long_codes_and_large_values_need_more_than_one_look_up(longest, first_bits):
    bits = [([0], 1, 63, bit, bit - 1) for bit in range(first_bits, 0, -1)]
    scans = [([0], 0, 0, 0, 0), ([0], 1, 63, 0, first_bits), *bits]
    coded = made_up((64, 64), [(1, 1)], precision=12, scale=3000, scans=scans, longest=longest)

    assert np.array_equal(decoded(coded, (64, 64)).samples, imagecodecs.jpeg8_decode(coded))


def test_blocks_with_all_coefficients_known_take_more_correction_bits_than_a_buffer_has():
    scans = [([0], 0, 0, 0, 0), ([0], 1, 63, 0, 1), ([0], 1, 63, 1, 0)]
    part = components((40, 40), [(1, 1)])[0]
    part["blocks"] = {at: [9 + n % 7 * (-1) ** n for n in range(64)] for at in part["blocks"]}
    for at in list(part["blocks"])[::3]:
        part["blocks"][at][63] = 1  # a new one behind 62 that are corrected
    coded = encode_progressive((40, 40), [part], scans)

    assert np.array_equal(decoded(coded, (40, 40)).samples, imagecodecs.jpeg8_decode(coded))


def test_runs_of_many_ends_of_bands_pass_over_rows_of_blocks():
    part = components((8 * 40, 8 * 41), [(1, 1)], density=0)[0]
    part["blocks"][39, 40] = [5] * 64
    scans = [([0], 0, 0, 0, 0), ([0], 1, 63, 0, 1), ([0], 1, 63, 1, 0)]
    coded = encode_progressive((8 * 40, 8 * 41), [part], scans)

    assert np.array_equal(decoded(coded, (8 * 40, 8 * 41)).samples, imagecodecs.jpeg8_decode(coded))


def test_a_quantisation_table_counts_as_the_first_scan_of_its_component_found_it():
    coded = made_up((24, 24), [(1, 1)], scans=[*WHOLE, LAST])
    expected = decoded(coded, (24, 24)).samples
    last = coded.rindex(b"\xff\xda")
    changed = coded[:last] + segment(0xDB, b"\0" + b"\x63" * 64) + coded[last:]

    assert np.array_equal(decoded(changed, (24, 24)).samples, expected)
    assert np.array_equal(imagecodecs.jpeg8_decode(changed), expected)


def test_a_restart_interval_may_change_between_scans():
    parts = components((24, 40), [(1, 1)])
    plain = encode_progressive((24, 40), parts, [*WHOLE, LAST])
    divided = encode_progressive((24, 40), parts, [*WHOLE, LAST], interval=2)
    second = divided.index(b"\xff\xc4", divided.index(b"\xff\xda"))
    tail = plain.index(b"\xff\xc4", plain.index(b"\xff\xda"))
    mixed = divided[:second] + segment(0xDD, b"\0\0") + plain[tail:]

    assert np.array_equal(decoded(mixed, (24, 40)).samples, decoded(plain, (24, 40)).samples)
    assert np.array_equal(decoded(mixed, (24, 40)).samples, imagecodecs.jpeg8_decode(mixed))


CUT = {
    "grey": (saved(picture("ramp", (24, 40), 8, 1), quality=90), (24, 40)),
    "colour": (saved(picture("noise", (19, 21, 3), 8, 1), quality=60, subsampling="4:2:0"), (19, 21, 3)),
    "with restart markers": (
        saved(picture("steps", (24, 40, 3), 8, 2), subsampling="4:2:2", restart_marker_blocks=2),
        (24, 40, 3),
    ),
    "12 bits": (made_up((24, 40), [(1, 1)], precision=12, scale=900, scans=[*WHOLE, LAST]), (24, 40)),
    "any order of scans": (made_up((24, 24), [(2, 1), (1, 1), (1, 2)], seed=5), (24, 24, 3)),
}


@pytest.mark.parametrize("name", CUT)
@pytest.mark.parametrize("end", [b"", b"\xff\xd9"])
def test_a_codestream_cut_anywhere_is_an_error_even_with_an_end_marker_put_back(name, end):
    coded, shape = CUT[name]
    assert decoded(coded, shape).samples.shape == shape

    for length in range(len(coded) - 2):
        with pytest.raises(DecodeError):
            decoded(coded[:length] + end, shape)


@pytest.mark.parametrize("name", CUT)
def test_a_scan_cut_anywhere_is_an_error_though_all_others_follow(name):
    coded, shape = CUT[name]
    start = coded.index(b"\xff\xda")
    while start >= 0:
        begin = start + 2 + struct.unpack_from(">H", coded, start + 2)[0]
        end = min(at for at in (coded.find(mark, begin) for mark in (b"\xff\xc4", b"\xff\xda", b"\xff\xd9")) if at > 0)
        for length in range(begin, end):
            with pytest.raises(DecodeError):
                decoded(coded[:length] + coded[end:], shape)
        start = coded.find(b"\xff\xda", end)


@pytest.mark.parametrize("left_out", range(len(WHOLE) + 1))
def test_a_scan_left_out_is_an_error(left_out):
    scans = [*WHOLE, LAST]
    del scans[left_out]

    with pytest.raises(DecodeError, match=r"out of order|scans of 1 components are missing"):
        decoded(made_up((24, 24), [(1, 1)], scans=scans), (24, 24))


def test_a_component_without_scans_is_an_error():
    scans = [([0, 1, 2], 0, 0, 0, 0), ([0], 1, 63, 0, 0), ([2], 1, 63, 0, 0)]

    with pytest.raises(DecodeError, match="scans of 1 components are missing"):
        decoded(made_up((24, 24), [(1, 1)] * 3, scans=scans), (24, 24, 3))


OUT_OF_ORDER = {
    "DC twice": [*WHOLE[:1], ([0], 0, 0, 0, 0)],
    "a band twice": [*WHOLE[:2], WHOLE[1]],
    "bands that overlap": [*WHOLE[:2], ([0], 5, 63, 0, 2)],
    "a bit twice": [*WHOLE, LAST, LAST],
    "a bit left out": [*WHOLE[:3], ([0], 1, 63, 1, 0)],
    "a bit of what is unknown": [WHOLE[0], ([0], 1, 63, 2, 1)],
    "a bit of a band known in part": [*WHOLE[:2], ([0], 1, 63, 2, 1)],
}


@pytest.mark.parametrize("order", OUT_OF_ORDER)
def test_scans_out_of_order_are_an_error(order):
    with pytest.raises(DecodeError, match=r"scan at byte \d+ codes bit \d+ of coefficients .* out of order"):
        decoded(made_up((24, 24), [(1, 1)], scans=OUT_OF_ORDER[order]), (24, 24))


@pytest.mark.parametrize(
    "selection",
    [(0, 5, 0), (0, 63, 0), (5, 1, 0), (1, 64, 0), (1, 255, 0), (1, 63, 0x0E), (1, 63, 0x31), (1, 63, 0x12)],
)
def test_a_scan_of_what_the_process_does_not_have_is_an_error(selection):
    coded = bytearray(made_up((24, 24), [(1, 1)], scans=[([0], 1, 63, 0, 0)]))
    end = coded.index(b"\xff\xda") + 10
    coded[end - 3 : end] = bytes(selection)

    with pytest.raises(DecodeError, match=r"segment FFDA at byte \d+"):
        decoded(bytes(coded), (24, 24))


def test_ac_coefficients_of_several_components_in_one_scan_are_an_error():
    coded = made_up((24, 24), [(1, 1)] * 3, scans=[([0, 1], 0, 0, 0, 0)])
    end = coded.index(b"\xff\xda") + 12

    with pytest.raises(DecodeError, match="of 2 components are in no progressive scan"):
        decoded(coded[: end - 3] + b"\1\5\0" + coded[end:], (24, 24, 3))


def test_data_that_no_block_needs_is_an_error_and_padding_is_not():
    coded = made_up((24, 24), [(1, 1)], scans=[*WHOLE, LAST])

    with pytest.raises(DecodeError, match="left over"):
        decoded(coded[:-2] + b"\x12\x34\xff\xd9", (24, 24))
    for padding in (b"\0", b"\0\0\0\0", b"\xff", b"\xff\0"):
        padded = decoded(coded[:-2] + padding + b"\xff\xd9", (24, 24))
        assert np.array_equal(padded.samples, decoded(coded, (24, 24)).samples)


def with_bits(codes, selections, bits, precision=8):
    """One block whose scans have one table of `codes`, of two bits each, and such bits."""
    table = bytes([0, len(codes), *[0] * 14, *codes])
    out = b"\xff\xd8" + segment(0xDB, b"\0" + b"\1" * 64)
    out += segment(0xC2, struct.pack(">BHHB", precision, 8, 8, 1) + b"\1\x11\0")
    out += segment(0xC4, (b"\x10" if selections[0][0] else b"\0") + table)
    for selection, text in zip(selections, bits, strict=True):
        text += "1" * (-len(text) % 8)
        coded = int(text, 2).to_bytes(len(text) // 8, "big").replace(b"\xff", b"\xff\0")
        out += segment(0xDA, b"\1\1\0" + bytes(selection)) + coded
    return out + b"\xff\xd9"


@pytest.mark.parametrize(
    ("codes", "selections", "bits", "message"),
    [
        ((15,), [(0, 0, 3)], ["00" + "1" * 15], "more than 16 bits"),
        ((15,), [(1, 1, 3)], ["00" + "1" * 15], "more than 16 bits"),
        ((0xF0,), [(1, 5, 0)], ["00"], "more coefficients than .*"),
        ((0x51,), [(1, 5, 0)], ["001"], "more coefficients than .*"),
        ((0x10,), [(1, 5, 0)], ["000"], "for more blocks than are left"),
        ((0x00,), [(1, 5, 1), (1, 5, 0x10)], ["00", "11"], "no Huffman code"),
        ((0x00, 0x03), [(1, 5, 1), (1, 5, 0x10)], ["00", "01111"], "larger ones"),
        ((0x00, 0x51), [(1, 5, 1), (1, 5, 0x10)], ["00", "011"], "more coefficients than .*"),
        ((0x00, 0x10), [(1, 5, 1), (1, 5, 0x10)], ["00", "011"], "for more blocks than are left"),
    ],
)
def test_symbols_that_mean_nothing_are_an_error_that_names_the_scan(codes, selections, bits, message):
    with pytest.raises(DecodeError, match=rf"{message}, at .* of the scan at byte \d+"):
        decoded(with_bits(codes, selections, bits), (8, 8))


def test_no_number_of_scans_makes_more_work_than_fourteen_looks_at_each_coefficient(monkeypatch):
    visited = []
    decode = ProgressiveScans.decode
    monkeypatch.setattr(
        ProgressiveScans,
        "decode",
        lambda self, bits, scan, state: (visited.append(scan.last - scan.first + 1), decode(self, bits, scan, state))[
            1
        ],
    )
    part = components((8, 8), [(1, 1)], density=0)[0]
    every_bit = [([0], k, k, bit + 1 if bit < 13 else 0, bit) for k in range(64) for bit in range(13, -1, -1)]

    assert np.ptp(decoded(encode_progressive((8, 8), [part], every_bit), (8, 8)).samples) == 0
    assert sum(visited) == 14 * 64
    for again in (every_bit[0], every_bit[14], every_bit[-1]):
        with pytest.raises(DecodeError, match="out of order"):
            decoded(encode_progressive((8, 8), [part], [*every_bit, again]), (8, 8))


@settings(max_examples=300)
@given(st.sampled_from([8, 12]), st.integers(0, 3), st.data())
def test_damaged_codestreams_give_samples_or_an_error_of_ours(bits, seed, data):
    coded = made_up((24, 40), [(2, 2), (1, 1), (1, 2)], interval=seed, precision=bits, seed=seed)

    try:
        frame = decoded(damaged(coded, data), (24, 40, 3))
    except FilmlessError:
        return

    assert frame.samples.shape == (24, 40, 3)
    assert frame.samples.max() < 1 << bits


def test_random_scan_data_never_reads_or_writes_outside():
    rng = np.random.default_rng(11)
    for scans in ([WHOLE[0]], WHOLE[1:2], [*WHOLE[1:3], WHOLE[3]], [WHOLE[0], WHOLE[4]]):
        coded = made_up((64, 64), [(1, 1)], precision=12, scale=3000, scans=scans)
        start = coded.rindex(b"\xff\xda") + 10
        for _ in range(100):
            noise = rng.integers(0, 255, rng.integers(0, 9000), np.uint8).tobytes()
            with pytest.raises(DecodeError):
                decoded(coded[:start] + noise + b"\xff\xd9", (64, 64))


@pytest.mark.real
def test_every_real_frame_decodes_as_with_libjpeg_turbo_and_near_an_implementation_that_shares_nothing(real_data):
    sizes = []
    for _, coded, description in real_frames(real_data / "transfer_syntaxes", {JPEG + "53", JPEG + "55"}):
        samples = decoded(coded, description.frame_shape).samples

        assert np.array_equal(samples, imagecodecs.jpeg8_decode(coded))
        assert np.abs(samples.astype(int) - libjpeg.decode(coded)).max() <= 2
        sizes.append(samples.shape)

    assert sizes == [(512, 512)] * 2


@pytest.mark.real
def test_real_frames_cut_anywhere_are_an_error_even_with_an_end_marker_put_back(real_data):
    for _, coded, description in real_frames(real_data / "transfer_syntaxes", {JPEG + "53", JPEG + "55"}):
        for length in [*range(2, len(coded) - 2, 211), *range(len(coded) - 40, len(coded) - 2)]:
            with pytest.raises(DecodeError):
                decoded(coded[:length] + b"\xff\xd9", description.frame_shape)
