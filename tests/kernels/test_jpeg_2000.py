"""JPEG 2000 and HTJ2K, against OpenJPEG, OpenJPH and the reference images of the conformance streams."""

from __future__ import annotations

import re
import struct
import time
from io import BytesIO

import imagecodecs
import numpy as np
import pytest
from filmless.engine.encapsulation import locate_frames, read_codestream
from filmless.engine.parse import extended_offset_table, parse_instance
from filmless.errors import DecodeError, FilmlessError, OutOfRange, UnsupportedPixels
from filmless.kernels.jpeg_2000 import decode_components, decode_jpeg_2000, markers, wavelet
from filmless.storage.pool import run_all
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from jpeg_2000_streams import STREAMS
from PIL import Image

SYNTAXES = {f"1.2.840.10008.1.2.4.{number}" for number in (90, 91, 201, 202, 203)}
FOLDERS = ("transfer_syntaxes", "multiframe", "modalities", "malformed")
NO_CODESTREAM = {"JPEG2000-embedded-sequence-delimiter.dcm"}
REGION_OF_INTEREST = {"p0_03.j2k", "p0_06.j2k", "p0_13.j2k"}
CONFORMING = ("p0_01", "p0_09", "p0_11", "p0_16", "p1_01", "p1_06")
LOSSY_LEVELS = 1


def encode(image, **options):
    options = {"codecformat": "j2k", "level": 0, "reversible": True, "mct": image.ndim == 3} | options
    return imagecodecs.jpeg2k_encode(image, **options)


def encode_by_pillow(image, **options):
    """Pillow hands more of OpenJPEG's encoder through: tiles, layers, progressions, precincts, block sizes."""
    out = BytesIO()
    Image.fromarray(image).save(out, "JPEG2000", no_jp2=True, **options)
    return out.getvalue()


def encode_high_throughput(image, **options):
    return imagecodecs.htj2k_encode(image, **({"level": 0, "reversible": True} | options))


def picture(kind, shape, dtype, bits, seed=0):
    """An image of one kind whose values fit `bits` bits."""
    rng = np.random.default_rng(seed)
    least = -(1 << bits - 1) if np.issubdtype(dtype, np.signedinteger) else 0
    most = least + (1 << bits) - 1
    grid = np.indices(shape[:2]).sum(0)
    if len(shape) == 3:
        grid = grid[..., None] + np.arange(shape[2])
    return {
        "noise": lambda: rng.integers(least, most + 1, shape),
        "flat": lambda: np.full(shape, most // 3),
        "ramp": lambda: least + grid * 3 % (most - least + 1),
        "extremes": lambda: np.where(rng.random(shape) < 0.5, least, most),
        "sparse": lambda: np.where(rng.random(shape) < 0.01, most, least),
    }[kind]().astype(dtype)


KINDS = st.sampled_from(["noise", "flat", "ramp", "extremes", "sparse"])
SIZES = st.tuples(st.integers(1, 90), st.integers(1, 90))
DEPTHS = st.sampled_from([("u1", 8), ("u2", 12), ("u2", 16), ("i2", 16), ("u2", 9)])
SMALL = encode(picture("noise", (17, 23), np.dtype("u2"), 12))


@settings(max_examples=60)
@given(KINDS, SIZES, DEPTHS, st.sampled_from([(), (3,)]), st.integers(1, 6), st.integers(0, 99))
def test_what_a_library_codes_without_loss_comes_back(kind, size, depth, samples, resolutions, seed):
    image = picture(kind, size + samples, np.dtype(depth[0]), depth[1], seed)

    decoded = decode_jpeg_2000(encode(image, resolutions=resolutions))

    assert decoded.dtype == image.dtype
    assert np.array_equal(decoded, image)


@settings(max_examples=20)
@given(KINDS, SIZES, st.integers(1, 60), st.integers(0, 99))
def test_lossy_images_are_those_of_openjpeg(kind, size, quality, seed):
    coded = encode(picture(kind, size, np.dtype("u2"), 12, seed), level=quality, reversible=False)

    assert np.abs(decode_jpeg_2000(coded).astype(int) - imagecodecs.jpeg2k_decode(coded)).max() <= LOSSY_LEVELS


@pytest.mark.parametrize("tile", [(33, 20), (64, 64), (7, 100)])
def test_tiles_are_put_where_they_belong(tile):
    image = picture("noise", (100, 90, 3), np.dtype("u1"), 8)

    assert np.array_equal(decode_jpeg_2000(encode_by_pillow(image, tile_size=tile, num_resolutions=3)), image)


@settings(max_examples=60)
@given(
    KINDS,
    st.tuples(st.integers(8, 90), st.integers(8, 90)),
    st.sampled_from(["LRCP", "RLCP", "RPCL", "PCRL", "CPRL"]),
    st.sampled_from([None, [80, 40, 20, 0], [9, 0]]),
    st.sampled_from([None, (32, 32), (64, 16), (16, 64)]),
    st.sampled_from([None, (4, 4), (32, 8), (4, 256)]),
    st.sampled_from([None, (40, 50), (64, 64)]),
    st.booleans(),
)
def test_every_order_layer_and_precinct(kind, size, progression, layers, precinct, block, tile, is_colour):
    image = picture(kind, (*size, 3) if is_colour else size, np.dtype("u1"), 8)
    options = {"progression": progression, "num_resolutions": 3}
    if layers:
        options |= {"quality_mode": "rates", "quality_layers": layers}
    if precinct:
        options |= {"precinct_size": precinct}
    if block:
        options |= {"codeblock_size": block}
    if tile:
        options |= {"tile_size": tile}

    try:
        coded = encode_by_pillow(image, **options)
    except OSError:  # OpenJPEG's encoder refuses some combinations
        assume(False)

    assert np.array_equal(decode_jpeg_2000(coded), imagecodecs.jpeg2k_decode(coded))


def test_a_large_image_comes_back_from_the_thread_pool():
    image = picture("ramp", (700, 1100), np.dtype("u2"), 16)

    assert np.array_equal(decode_jpeg_2000(encode(image), run=run_all), image)


@settings(max_examples=60)
@given(
    st.integers(1, 40), st.integers(1, 60), st.integers(0, 1), st.integers(0, 1), st.integers(1, 9), st.integers(0, 99)
)
def test_a_resolution_in_strips_is_that_in_one(width, height, parity_x, parity_y, steps, seed):
    rng = np.random.default_rng(seed)
    coefficients = rng.integers(-999, 999, (height, width)).astype(np.int32)
    rectangles = tuple(
        tuple(-(-number >> shift) for number in (parity_x, parity_y, parity_x + width, parity_y + height))
        for shift in (1, 0)
    )

    def synthesised(run):
        target, spare = np.empty(width * height, np.int32), np.empty(width * height, np.int32)
        return wavelet.synthesise(coefficients, rectangles, target, spare, is_reversible=True, run=run)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wavelet, "_STEPS_A_STRIP", steps)
        in_strips = synthesised(lambda function, items: [function(item) for item in reversed(list(items))])

    assert np.array_equal(in_strips, synthesised(None))


@settings(max_examples=60)
@given(KINDS, SIZES, DEPTHS, st.sampled_from([(), (3,)]), st.integers(1, 6), st.integers(0, 99))
def test_high_throughput_images_come_back(kind, size, depth, samples, resolutions, seed):
    image = picture(kind, size + samples, np.dtype(depth[0]), depth[1], seed)

    coded = encode_high_throughput(image, resolutions=resolutions)

    assert np.array_equal(decode_jpeg_2000(coded), image)


@settings(max_examples=20)
@given(KINDS, SIZES, st.sampled_from([0.001, 0.01, 0.05]), st.integers(0, 99))
def test_lossy_high_throughput_images_are_those_of_openjpeg(kind, size, step, seed):
    coded = encode_high_throughput(picture(kind, size, np.dtype("u2"), 12, seed), level=step, reversible=False)

    assert np.abs(decode_jpeg_2000(coded).astype(int) - imagecodecs.jpeg2k_decode(coded)).max() <= LOSSY_LEVELS


@pytest.mark.parametrize("level", [1, 2, 3])
def test_a_reduced_image_of_a_flat_one_is_flat(level):
    image = picture("flat", (77, 130), np.dtype("u2"), 12)

    reduced = decode_jpeg_2000(encode(image, resolutions=4), level=level)

    assert reduced.shape == (-(-77 >> level), -(-130 >> level))
    assert (reduced == image[0, 0]).all()


def test_a_level_beyond_the_decompositions_is_not_there():
    with pytest.raises(OutOfRange, match="level 3"):
        decode_jpeg_2000(encode(picture("ramp", (40, 40), np.dtype("u1"), 8), resolutions=3), level=3)


@settings(max_examples=40)
@given(st.data(), st.sampled_from([None, (50, 60)]), st.booleans(), st.integers(0, 2))
def test_a_region_is_that_part_of_the_image(data, tile, is_reversible, level):
    image = picture("noise", (150, 170), np.dtype("u2"), 16)
    coded = encode_by_pillow(image, irreversible=not is_reversible, num_resolutions=4, tile_size=tile)
    whole = decode_jpeg_2000(coded, level=level)
    rows, columns = (sorted(data.draw(st.sets(st.integers(0, n), min_size=2, max_size=2))) for n in whole.shape)

    part = decode_jpeg_2000(coded, level=level, region=(*rows, *columns))

    assert np.array_equal(part, whole[rows[0] : rows[1], columns[0] : columns[1]])


@pytest.mark.parametrize("region", [(0, 0, 0, 5), (0, 18, 0, 5), (-1, 5, 0, 5), (5, 4, 0, 5)])
def test_a_region_outside_the_image_is_not_there(region):
    with pytest.raises(OutOfRange):
        decode_jpeg_2000(SMALL, region=region)


@pytest.mark.parametrize("coded", [SMALL, encode_high_throughput(picture("noise", (17, 23), np.dtype("u2"), 12))])
def test_every_truncation_is_an_error(coded):
    for end in range(len(coded)):
        with pytest.raises(DecodeError):
            decode_jpeg_2000(coded[:end])


def test_a_shortened_tile_part_is_an_error_even_with_an_end_marker():
    at = SMALL.index(b"\xff\x90")
    for cut in range(2, 60):
        coded = bytearray(SMALL[: -2 - cut] + SMALL[-2:])
        coded[at + 6 : at + 10] = struct.pack(">I", struct.unpack(">I", SMALL[at + 6 : at + 10])[0] - cut)
        with pytest.raises(DecodeError, match="packet"):
            decode_jpeg_2000(bytes(coded))


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_damaged_bytes_give_an_image_or_an_error_of_ours(data):
    coded = bytearray(data.draw(st.sampled_from(DAMAGED)))
    for position in data.draw(st.lists(st.integers(0, len(coded) - 1), min_size=1, max_size=4)):
        coded[position] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        start, end = sorted(data.draw(st.integers(0, len(coded))) for _ in range(2))
        del coded[start:end]
    start_s = time.monotonic()

    try:
        # The caller's part: what the header declares is compared with what is expected.
        if read_shape(coded) <= 64 * 64 * 3:
            decode_components(bytes(coded))
    except FilmlessError:
        pass

    assert time.monotonic() - start_s < 30


def read_shape(coded):
    """Samples that the SIZ segment declares."""
    if len(coded) < 42:
        return 0
    x1, y1, x0, y0 = struct.unpack_from(">4I", coded, 8)
    return (x1 - x0) * (y1 - y0) * struct.unpack_from(">H", coded, 40)[0]


DAMAGED = [
    SMALL,
    encode_by_pillow(picture("noise", (30, 30, 3), np.dtype("u1"), 8), tile_size=(16, 16), num_resolutions=3),
    encode_by_pillow(picture("ramp", (30, 41), np.dtype("u1"), 8), progression="RPCL", precinct_size=(16, 16)),
    encode(picture("ramp", (40, 33), np.dtype("u2"), 16), reversible=False, level=40),
    encode_high_throughput(picture("noise", (21, 37), np.dtype("u2"), 12)),
    encode_high_throughput(picture("sparse", (40, 40, 3), np.dtype("u1"), 8)),
    *STREAMS.values(),
]


def test_a_header_cannot_declare_more_than_is_decoded():
    coded = bytearray(SMALL)
    coded[8:16] = struct.pack(">II", 1 << 31, 1 << 31)
    coded[24:32] = struct.pack(">II", 1 << 31, 1 << 31)

    with pytest.raises(UnsupportedPixels, match="samples"):
        decode_jpeg_2000(bytes(coded))


def test_more_packets_than_bytes_are_refused_before_they_are_listed():
    coded = bytearray(SMALL)
    at = coded.index(b"\xff\x52")
    coded[at + 6 : at + 8] = b"\xff\xff"  # layers

    with pytest.raises(DecodeError, match="layers"):
        decode_jpeg_2000(bytes(coded))


def read_pgx(path):
    data = path.read_bytes()
    head = re.match(rb"PG\s+(ML|LM)\s+([+-]?)\s*(\d+)\s+(\d+)\s+(\d+)\s*?\n", data)
    depth, width, height = (int(number) for number in head.groups()[2:])
    kind = ("i" if head[2] == b"-" else "u") + ("1" if depth <= 8 else "2" if depth <= 16 else "4")
    order = ">" if head[1] == b"ML" else "<"
    return np.frombuffer(data[head.end() :], order + kind)[: width * height].reshape(height, width)


@pytest.mark.real
@pytest.mark.parametrize("name", CONFORMING)
def test_conformance_streams_decode_to_their_references(real_data, name):
    folder = real_data / "codec_streams" / "jpeg2000"

    components = decode_components((folder / f"{name}.j2k").read_bytes())

    for path in sorted(folder.glob(f"c1{name}_*.pgx")):
        expected = read_pgx(path)
        decoded = components[int(path.stem.split("_")[-1])]
        assert np.abs(decoded.astype(int) - expected).max() <= LOSSY_LEVELS, path.name


@pytest.mark.real
@pytest.mark.parametrize("name", sorted(REGION_OF_INTEREST))
def test_a_region_of_interest_is_refused_by_name(real_data, name):
    with pytest.raises(UnsupportedPixels, match="RGN"):
        decode_components((real_data / "codec_streams" / "jpeg2000" / name).read_bytes())


def real_codestreams(real_data):
    """(name, codestream) of every first and last frame, and of every bare stream."""
    for path in (path for folder in FOLDERS for path in sorted((real_data / folder).rglob("*.dcm"))):
        data = path.read_bytes()
        try:
            instance = parse_instance(data)
        except FilmlessError:
            continue
        if instance.transfer_syntax_uid in SYNTAXES and instance.pixels is not None:
            frames = instance.pixels.frames
            places = locate_frames(data, instance.pixel_span, frames, extended_offset_table(data, len(data)))
            for index in {0, frames - 1}:
                yield path.name, read_codestream(data, places[index])
    for pattern in ("one_tile_many_codecs/*.jp2", "jpeg2000/*.j2*", "htj2k/*.j*"):
        for path in sorted((real_data / "codec_streams").glob(pattern)):
            yield path.name, path.read_bytes()


@pytest.mark.real
def test_every_real_codestream_decodes_as_with_openjpeg(real_data):
    compared = []
    for name, codestream in real_codestreams(real_data):
        if name in NO_CODESTREAM | REGION_OF_INTEREST or (codestream[:3] and is_subsampled(codestream)):
            continue
        decoded = decode_jpeg_2000(codestream)
        expected = imagecodecs.jpeg2k_decode(codestream[codestream.find(b"\xff\x4f\xff\x51") :])
        assert decoded.dtype == expected.dtype, name
        difference = np.abs(decoded.astype(int) - expected).max()
        assert difference <= (0 if is_reversible(codestream) else LOSSY_LEVELS), name
        compared.append((name, decoded.shape, str(decoded.dtype), difference))
    assert len(compared) >= 30
    print(*compared, sep="\n")


def is_subsampled(codestream):
    start = codestream.find(b"\xff\x4f\xff\x51")
    count = struct.unpack_from(">H", codestream, start + 40)[0]
    steps = codestream[start + 42 : start + 42 + 3 * count]
    return len(set(zip(steps[1::3], steps[2::3], strict=True)) | {(1, 1)}) > 1


def is_reversible(codestream):
    return codestream[codestream.find(b"\xff\x52") + 13] == 1


@pytest.mark.real
def test_more_tiles_than_are_decoded_here_are_refused_by_name(real_data, monkeypatch):
    codestream = (real_data / "codec_streams" / "jpeg2000" / "p1_06.j2k").read_bytes()
    tiles = len(markers.read_codestream(codestream).tiles)
    assert tiles > 1
    monkeypatch.setattr("filmless.kernels.jpeg_2000.decode.MAXIMUM_TILES", tiles - 1)

    with pytest.raises(UnsupportedPixels, match=f"{tiles} tiles"):
        decode_jpeg_2000(codestream)
