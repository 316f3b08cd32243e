"""The front door of decoding: levels, regions, many frames, and room given by the caller."""

from __future__ import annotations

import imagecodecs
import numpy as np
import pytest
from filmless.engine.decode import decode_frame, decode_frames
from filmless.engine.instance import PixelDescription
from filmless.errors import DecodeError, InvalidArgument, OutOfRange, UnsupportedPixels
from filmless.kernels.downsample import halve_mean
from filmless.kernels.jpeg_ls import encode_jpeg_ls
from filmless.kernels.rle import encode_rle

RLE = "1.2.840.10008.1.2.5"
JPEG_LS = "1.2.840.10008.1.2.4.80"
JPEG_2000 = "1.2.840.10008.1.2.4.90"
HTJ2K = "1.2.840.10008.1.2.4.201"


def smooth(rows=40, columns=53, samples=1, seed=0):
    """A smooth image of 12 bits, with some noise."""
    y, x = np.mgrid[:rows, :columns]
    image = 1000 + 9 * x + 5 * y + np.random.default_rng(seed).integers(0, 20, (rows, columns))
    stacked = image if samples == 1 else np.stack([image + 50 * n for n in range(samples)], axis=-1)
    return stacked.astype(np.uint16)


def description(image):
    return PixelDescription(
        rows=image.shape[0],
        columns=image.shape[1],
        frames=1,
        samples_per_pixel=image.shape[2] if image.ndim == 3 else 1,
        bits_allocated=16,
        bits_stored=12,
        high_bit=11,
        is_signed=False,
        is_float=False,
        planar_configuration=0,
        photometric_interpretation="RGB" if image.ndim == 3 else "MONOCHROME2",
    )


def jpeg_2000(image):
    return bytes(imagecodecs.jpeg2k_encode(image, reversible=True, level=0, codecformat="j2k"))


def htj2k(image):
    return bytes(imagecodecs.htj2k_encode(image))


@pytest.mark.parametrize("samples", [1, 3])
def test_a_region_is_cut_from_the_frame(samples):
    image = smooth(samples=samples)

    for uid, codestream in ((RLE, encode_rle(image)), (JPEG_2000, jpeg_2000(image)), (HTJ2K, htj2k(image))):
        part = decode_frame(codestream, description(image), uid, region=(3, 20, 7, 50))
        assert np.array_equal(part.values, image[3:20, 7:50])


def test_a_level_of_a_plain_codec_is_the_mean_of_two_by_two():
    image = smooth()

    half = decode_frame(encode_rle(image), description(image), RLE, level=1)

    assert np.array_equal(half.values, halve_mean(image[np.newaxis], axes=(False, True, True))[0])


@pytest.mark.parametrize(("uid", "encode"), [(JPEG_2000, jpeg_2000), (HTJ2K, htj2k)])
def test_a_level_of_jpeg_2000_is_what_openjpeg_gives_at_that_resolution(uid, encode):
    image = smooth(64, 96)

    for level in (1, 2):
        part = decode_frame(encode(image), description(image), uid, level=level)
        mean = image.reshape(64 >> level, 1 << level, 96 >> level, 1 << level).mean(axis=(1, 3))
        assert part.values.shape == mean.shape
        assert np.abs(part.values - mean).max() < 40  # the wavelet's smooth part, near the mean


def test_a_region_counts_pixels_of_the_level():
    image = smooth(64, 96)
    codestream = jpeg_2000(image)

    whole = decode_frame(codestream, description(image), JPEG_2000, level=1).values
    part = decode_frame(codestream, description(image), JPEG_2000, level=1, region=(2, 30, 5, 41)).values

    assert np.array_equal(part, whole[2:30, 5:41])


@pytest.mark.parametrize("region", [(0, 41, 0, 10), (5, 5, 0, 10), (-1, 3, 0, 10), (0, 3, 10, 54)])
@pytest.mark.parametrize(("uid", "encode"), [(RLE, encode_rle), (JPEG_2000, jpeg_2000)])
def test_a_region_that_is_not_there_is_refused(uid, encode, region):
    image = smooth()

    with pytest.raises(OutOfRange):
        decode_frame(encode(image), description(image), uid, region=region)


def test_frames_are_decoded_into_one_array():
    images = [smooth(seed=n) for n in range(9)]

    frames = decode_frames([encode_jpeg_ls(image, 12) for image in images], description(images[0]), JPEG_LS)

    assert frames.dtype == np.uint16
    assert np.array_equal(frames, np.stack(images))


def test_room_given_by_the_caller_is_filled():
    image = smooth()
    frame, frames = np.empty((40, 53), np.uint16), np.empty((2, 40, 53), np.uint16)

    assert decode_frame(encode_rle(image), description(image), RLE, out=frame).values is frame
    assert decode_frames([encode_rle(image)] * 2, description(image), RLE, out=frames) is frames
    assert np.array_equal(frame, image)
    assert np.array_equal(frames[1], image)


def test_room_of_another_shape_is_refused():
    image = smooth()

    with pytest.raises(InvalidArgument, match="out must be"):
        decode_frame(encode_rle(image), description(image), RLE, out=np.empty((2, 2), np.uint16))
    with pytest.raises(InvalidArgument, match="out must be"):
        decode_frames([encode_rle(image)], description(image), RLE, out=np.empty((2, 40, 53), np.uint16))


def test_one_damaged_frame_among_many_is_an_error():
    image = smooth()
    codestreams = [encode_jpeg_ls(image, 12)] * 5
    codestreams[3] = codestreams[3][:100]

    with pytest.raises(DecodeError):
        decode_frames(codestreams, description(image), JPEG_LS)


def test_a_transfer_syntax_without_decoder_is_named():
    with pytest.raises(UnsupportedPixels, match="MPEG2"):
        decode_frame(b"", description(smooth()), "1.2.840.10008.1.2.4.100")
