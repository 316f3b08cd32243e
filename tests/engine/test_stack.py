from __future__ import annotations

import imagecodecs
import numpy as np
import pydicom
import pytest
from dicom_files import COLOUR, ODD, image, rle, save, slice_values, slices
from filmless.engine.archive import open_archive
from filmless.engine.decode import decode_frame
from filmless.errors import DecodeError, InvalidArgument, NotFound, NotReformattable
from pydicom.uid import JPEGBaseline8Bit, RLELossless


@pytest.fixture
def stored(tmp_path):
    """Write data sets, ingest them, and open the series they form."""

    def store(*made, syntax=None):
        for number, one in enumerate(made):
            save(one, tmp_path / "in" / str(number), *([syntax] if syntax else []))
        archive = open_archive(tmp_path / "archive")
        archive.ingest(tmp_path / "in")
        (row,) = archive.contents()
        return archive.series(row.series_uid)

    return store


@pytest.fixture
def volume_series(stored):
    return stored(*(image(slice_values(n), n, RescaleSlope=2, RescaleIntercept=-10) for n in (2, 3, 1)))


def test_frames_come_in_spatial_order(volume_series):
    stack = volume_series.stack()

    assert len(stack) == 3
    for number in range(3):
        np.testing.assert_array_equal(stack.frame(number), slice_values(number + 1))
        np.testing.assert_array_equal(stack.frame(number - 3), slice_values(number + 1))


@pytest.mark.parametrize("index", [3, -4, 100])
def test_a_frame_that_is_not_there_is_refused(volume_series, index):
    with pytest.raises(InvalidArgument, match="the stack has 3"):
        volume_series.stack().frame(index)


@pytest.mark.parametrize("time", [1, -1])
def test_a_time_point_that_is_not_there_is_refused(volume_series, time):
    with pytest.raises(InvalidArgument, match="the stack has 1"):
        volume_series.stack().volume(time)


@pytest.mark.parametrize("number", [1, -1])
def test_a_stack_that_is_not_there_is_refused(volume_series, number):
    with pytest.raises(InvalidArgument, match="the series has 1"):
        volume_series.stack(number)


def test_a_volume_has_the_geometry_and_rescale_of_its_slices(volume_series):
    volume = volume_series.volume()

    assert volume.shape == (3, 6, 7)
    assert volume.spacing_mm == (1, 1, 1)
    np.testing.assert_allclose(volume.affine @ [2, 1, 0, 1], [0, 1, 3, 1])
    np.testing.assert_array_equal(volume.level().shape, (3, 6, 7))


def test_the_largest_volume_is_the_default_stack(stored):
    series = stored(
        *(image(slice_values(n), n) for n in range(1, 4)),
        *(image(slice_values(n, (9, 9)), n) for n in range(11, 16)),
        *(image(slice_values(n, (5, 5)), n, ImagePositionPatient=None) for n in range(21, 29)),
    )

    assert series.stack().record.shape == (1, 5)
    assert series.stack().frame(0).shape == (9, 9)


def test_a_series_without_images_has_no_stack(stored):
    made = image(slice_values(1))
    del made.PixelData
    series = stored(made)

    with pytest.raises(NotFound, match="no images"):
        series.volume()


def test_colour_is_shown_frame_by_frame_and_not_reformatted(stored):
    series = stored(image(COLOUR))

    with pytest.raises(NotReformattable, match="colour"):
        series.volume()
    np.testing.assert_array_equal(series.stack().picture().pixels, COLOUR)


def test_codestreams_are_decoded_on_demand(stored):
    series = stored(rle(slice_values(5)), syntax=RLELossless)

    assert not series.stack().is_expanded
    np.testing.assert_array_equal(series.stack().frame(0), slice_values(5))
    np.testing.assert_array_equal(series.volume().level()[0], slice_values(5))


def test_expanded_codestreams_are_read_from_the_pyramid(stored):
    series = stored(*(rle(slice_values(n), n) for n in (1, 2, 3)), syntax=RLELossless)

    assert series.stack().is_expanded
    np.testing.assert_array_equal(series.volume().level()[:], [slice_values(n) for n in (1, 2, 3)])


def test_a_video_that_is_none_is_an_error(tmp_path):
    from_video = ODD["video"].write(tmp_path / "in")
    archive = open_archive(tmp_path / "archive")
    archive.ingest(from_video)
    (row,) = archive.contents()

    with pytest.raises(DecodeError):
        archive.series(row.series_uid).stack().frame(0)


def test_a_picture_uses_the_window_of_its_header(stored):
    values = np.array([[0, 50, 100, 150, 200]], np.int16)
    stack = stored(image(values, WindowCenter=100.5, WindowWidth=101, VOILUTFunction="LINEAR")).stack()

    pixels = stack.picture().pixels[0].tolist()

    assert pixels[:2] == [0, 0]
    assert 126 <= pixels[2] <= 129
    assert pixels[3:] == [255, 255]


def test_time_points_are_volumes_of_their_own(stored):
    made = [
        image(slice_values(10 * t + n), 10 * t + n, ImagePositionPatient=[0, 0, n], TemporalPositionIdentifier=t)
        for t in (1, 2)
        for n in (1, 2, 3)
    ]
    stack = stored(*made).stack()

    assert stack.times == 2
    for time in (1, 2):
        expected = [slice_values(10 * time + n) for n in (1, 2, 3)]
        np.testing.assert_array_equal(stack.volume(time - 1).level()[:], expected)


def test_the_repr_tells_what_the_stack_is(volume_series):
    assert "3 × 6 × 7 int16" in repr(volume_series.stack())
    assert "3 instances" in repr(volume_series)


def test_slices_beyond_the_first_chunk_are_read(tmp_path):
    slices(tmp_path / "in", range(1, 40))
    archive = open_archive(tmp_path / "archive")
    archive.ingest(tmp_path / "in")
    (row,) = archive.contents()

    stack = archive.series(row.series_uid).stack()

    np.testing.assert_array_equal(stack.frame(38), slice_values(39))


def test_a_lossy_volume_decodes_only_the_slices_that_are_read(stored, monkeypatch):
    values = [np.full((8, 8), 10 * n, np.uint8) for n in range(1, 6)]
    made = [image(value, n) for n, value in enumerate(values, 1)]
    for one, value in zip(made, values, strict=True):
        codestream = imagecodecs.jpeg8_encode(value, level=100)
        one.PixelData = pydicom.encaps.encapsulate([codestream])
        one["PixelData"].is_undefined_length = True
    stack = stored(*made, syntax=JPEGBaseline8Bit).stack()
    decoded = []
    monkeypatch.setattr(
        "filmless.engine.stack.decode_frame", lambda *arguments: decoded.append(1) or decode_frame(*arguments)
    )

    volume = stack.volume()

    assert not stack.is_expanded
    assert volume.shape == (5, 8, 8)
    assert volume.level(0)[1:3, 2:4, 5].tolist() == [[20, 20], [30, 30]]
    assert len(decoded) == 2


def test_a_colour_volume_is_kept_and_shown_frame_by_frame(stored):
    values = [np.full((6, 7, 3), (n, 2 * n, 3 * n), np.uint8) for n in (1, 2, 3)]
    series = stored(*(image(value, n) for n, value in enumerate(values, 1)))
    stack = series.stack()

    assert stack.verdict.is_volume
    assert not stack.is_gray
    assert stack.picture(1).pixels[0, 0].tolist() == [2, 4, 6]
    with pytest.raises(NotReformattable, match="only single frames"):
        stack.volume()
