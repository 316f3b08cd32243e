"""Every picture format, read back by a decoder that is not ours."""

from __future__ import annotations

import io
from pathlib import Path

import av
import imagecodecs
import numpy as np
import pytest
from filmless.engine.render.formats import ANIMATIONS, FORMATS, encode_animation, encode_picture, format_of
from filmless.engine.render.picture import Image
from filmless.errors import InvalidArgument
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image as PillowImage

sides = st.integers(1, 40)
gray_8 = hnp.arrays(np.uint8, st.tuples(sides, sides))
gray_16 = hnp.arrays(np.uint16, st.tuples(sides, sides))
rgb = hnp.arrays(np.uint8, st.tuples(sides, sides, st.just(3)))


def smooth(rows, columns, samples=1):
    y, x = np.mgrid[:rows, :columns]
    planes = [(128 + 100 * np.sin((x + 9 * s) / 17) * np.cos(y / (11 + s))) for s in range(samples)]
    return np.stack(planes, axis=-1).astype(np.uint8).squeeze()


@settings(max_examples=60, deadline=None)
@given(gray_8 | gray_16 | rgb)
def test_a_png_holds_every_pixel_whoever_reads_it(pixels):
    data = encode_picture(pixels, "png")
    assert np.array_equal(imagecodecs.png_decode(data), pixels)
    order = "<" if pixels.dtype == np.uint16 else "|"
    by_pillow = np.asarray(PillowImage.open(io.BytesIO(data)))
    assert np.array_equal(by_pillow.astype(f"{order}u{pixels.itemsize}"), pixels)


def test_a_png_of_a_strided_view_is_that_of_its_copy():
    pixels = smooth(64, 48)[::2, ::-3]
    assert encode_picture(pixels, "png") == encode_picture(pixels.copy(), "png")


def test_a_png_is_smaller_than_that_of_pillows_quickest_level():
    pixels = smooth(512, 512)
    by_pillow = io.BytesIO()
    PillowImage.fromarray(pixels).save(by_pillow, "png", compress_level=1)
    assert len(encode_picture(pixels, "png")) <= len(by_pillow.getvalue())


@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize(("quality", "error"), [(100, 3), (90, 6), (50, 16)])
def test_a_jpeg_is_as_close_as_its_quality(samples, quality, error):
    pixels = smooth(70, 90, samples)
    data = encode_picture(pixels, "jpeg", quality)
    decoded = np.asarray(PillowImage.open(io.BytesIO(data)))
    assert decoded.shape == pixels.shape
    assert np.abs(decoded.astype(int) - pixels).max() <= error


def test_a_lower_quality_takes_fewer_bytes():
    pixels = smooth(200, 200, 3)
    sizes = [len(encode_picture(pixels, "jpeg", quality)) for quality in (10, 50, 90, 100)]
    assert sizes == sorted(sizes)


def test_a_jpeg_keeps_colour_at_full_resolution():
    stripes = np.zeros((32, 32, 3), np.uint8)
    stripes[:, ::2, 0] = 255
    decoded = np.asarray(PillowImage.open(io.BytesIO(encode_picture(stripes, "jpeg", 95))))
    assert np.abs(decoded.astype(int) - stripes).max() <= 40


@pytest.mark.parametrize("samples", [1, 3])
def test_webp_shows_the_picture(samples):
    pixels = smooth(40, 60, samples)
    decoded = np.asarray(PillowImage.open(io.BytesIO(encode_picture(pixels, "webp", 95))).convert("RGB"))
    expected = np.stack([pixels] * 3, axis=-1) if samples == 1 else pixels
    assert np.abs(decoded.astype(int) - expected).mean() <= 3


def test_raw_is_the_pixels_alone_little_endian():
    assert encode_picture(np.array([[1, 258]], np.uint16), "raw") == b"\x01\x00\x02\x01"
    assert encode_picture(smooth(3, 4, 3), "raw") == smooth(3, 4, 3).tobytes()


@pytest.mark.parametrize("name", ["jpeg", "webp"])
def test_a_format_without_16_bits_says_which_has_them(name):
    with pytest.raises(InvalidArgument, match="choose png, raw, or 8 bits"):
        encode_picture(np.zeros((2, 2), np.uint16), name)


@pytest.mark.parametrize(("name", "quality"), [("bmp", 90), ("png", 0), ("jpeg", 101)])
def test_what_no_file_can_be_is_refused(name, quality):
    with pytest.raises(InvalidArgument, match="choose from"):
        encode_picture(smooth(4, 4), name, quality)


@pytest.mark.parametrize(("name", "suffix"), [(n, s) for n, known in FORMATS.items() for s in known.suffixes])
def test_a_suffix_names_its_format(name, suffix):
    assert format_of(Path("a" + suffix.upper())) == name


def test_a_picture_of_16_bits_is_saved_and_read_back(tmp_path):
    pixels = np.arange(12, dtype=np.uint16).reshape(3, 4) * 5000
    Image(pixels).save(tmp_path / "deep.png")
    assert np.array_equal(imagecodecs.imread(str(tmp_path / "deep.png")), pixels)


def moving(samples, count=5, rows=33, columns=47):
    return [np.roll(smooth(rows, columns, samples), 4 * step, axis=1) for step in range(count)]


@pytest.mark.parametrize("samples", [1, 3])
def test_a_film_plays_every_picture_in_order(samples):
    pictures = moving(samples)
    with av.open(io.BytesIO(encode_animation(pictures, "mp4", 10, 100))) as film:
        stream = film.streams.video[0]
        assert (stream.codec_context.name, float(stream.average_rate)) == ("h264", 10)
        frames = [frame.to_ndarray(format="gray" if samples == 1 else "rgb24") for frame in film.decode(stream)]
    assert len(frames) == len(pictures)
    for frame, picture in zip(frames, pictures, strict=True):
        shown = frame[: picture.shape[0], : picture.shape[1]]
        # Colour at half resolution, and studio swing: close is all that H.264 in 4:2:0 promises.
        assert np.abs(shown.astype(int) - picture).mean() < (4 if samples == 1 else 12)


@pytest.mark.parametrize("name", ["gif", "webp"])
@pytest.mark.parametrize("samples", [1, 3])
def test_an_animation_shows_every_picture_for_its_time(name, samples):
    with PillowImage.open(io.BytesIO(encode_animation(moving(samples), name, 20))) as animation:
        assert animation.n_frames == 5
        animation.seek(1)
        animation.load()
        assert animation.info["duration"] == 50


@pytest.mark.parametrize("name", ANIMATIONS)
@pytest.mark.parametrize(
    ("pictures", "rate"),
    [([], 25), ([np.zeros((2, 2), np.uint8), np.zeros((2, 3), np.uint8)], 25), ([np.zeros((2, 2), np.uint8)], 0)],
)
def test_what_no_animation_can_be_is_refused(name, pictures, rate):
    with pytest.raises(InvalidArgument):
        encode_animation(pictures, name, rate)
