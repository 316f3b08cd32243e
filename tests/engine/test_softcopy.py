"""The grey pipeline of a frame, beside pydicom and highdicom where they have the same step."""

from __future__ import annotations

import numpy as np
import pytest
from filmless.engine.presentation.header import read_softcopy, signed_as_pixels
from filmless.engine.presentation.softcopy import Softcopy, gray_or_color
from filmless.engine.render.color import Palette
from filmless.engine.render.palette import expand_segments
from filmless.engine.render.tables import Table
from filmless.engine.render.window import Window
from filmless.errors import InvalidArgument, UnsupportedPixels
from highdicom.pixels import apply_voi_window
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydicom.dataset import Dataset
from pydicom.pixels import apply_modality_lut, apply_voi_lut
from pydicom.pixels.processing import _expand_segmented_lut

FUNCTIONS = ["LINEAR", "LINEAR_EXACT", "SIGMOID"]
FRAME = np.random.default_rng(11).integers(-2048, 2048, (70, 90)).astype(np.int16)
WHOLE = np.arange(-(1 << 15), 1 << 15).astype(np.int16).reshape(512, 128)


def table(entries, first_mapped, bits):
    return Table(np.array(entries, np.uint16), first_mapped, bits)


CURVE = table(np.round(np.linspace(0, 1, 400) ** 2 * 4095), -500, 12)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("bits", [8, 16])
def test_a_window_is_that_of_highdicom_at_both_depths(function, bits):
    softcopy = Softcopy(rescale=(2.0, -100.0), voi=(("", Window(300, 900, function)),))

    picture = gray_or_color(FRAME, softcopy, None, bits)

    white = (1 << bits) - 1
    values = FRAME * 2.0 - 100.0
    expected = apply_voi_window(values, 300, 900, voi_lut_function=function, output_range=(0.0, float(white)))
    # Half a level of rounding; 16 bits in float32 arithmetic and a power of two by series: 1e-5 of white.
    assert np.abs(picture - expected).max() <= 0.51 + 2e-5 * white


@pytest.mark.parametrize("frame", [FRAME, WHOLE], ids=["few pixels", "more pixels than values"])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("invert", [False, True])
def test_one_pass_gives_what_step_by_step_gives(frame, bits, invert):
    softcopy = Softcopy(
        modality_table=CURVE,
        voi=(("", Window(1500, 3000)),),
        presentation_table=table([0, 10, 200, 255], 0, 8),
        invert=invert,
        padding=(-2000, -1990),
    )

    picture = gray_or_color(frame, softcopy, None, bits)

    looked_up = CURVE.entries[np.clip(frame.astype(int) + 500, 0, 399)].astype(float)
    windowed = np.clip((looked_up - 1499.5) / 2999 + 0.5, 0, 1)
    shown = np.array([0, 10, 200, 255])[np.floor(windowed * 3 + 0.5).astype(int)] / 255
    shown = 1 - shown if invert else shown
    shown[(frame >= -2000) & (frame <= -1990)] = 0
    assert np.array_equal(picture, np.rint(shown * ((1 << bits) - 1)))


@settings(max_examples=30)
@given(data=st.data())
def test_tables_are_looked_up_as_pydicom_does(data):
    stored = data.draw(arrays("uint16", (7, 9), elements=st.integers(0, 4095)))
    entries = data.draw(st.lists(st.integers(0, 4095), min_size=2, max_size=60))  # of one pydicom makes a scalar
    first = data.draw(st.integers(0, 4000))
    header = Dataset()
    item = Dataset()
    item.LUTDescriptor, item.LUTData = [len(entries), first, 12], entries
    item["LUTDescriptor"].VR, item["LUTData"].VR = "US", "US"
    header.VOILUTSequence = [item]
    header.PixelRepresentation, header.BitsStored, header.PhotometricInterpretation = 0, 12, "MONOCHROME2"

    picture = gray_or_color(stored, read_softcopy(header, 0), None, 16)

    assert np.abs(picture - apply_voi_lut(stored, header) * (65535 / 4095)).max() <= 0.5001


def test_the_rescale_of_a_frame_is_that_of_its_functional_group():
    header = Dataset()
    shared, per_frame = Dataset(), [Dataset(), Dataset()]
    shared.PixelValueTransformationSequence = [rescaled(2, 10)]
    per_frame[1].PixelValueTransformationSequence = [rescaled(3, -5)]
    per_frame[1].FrameVOILUTSequence = [windowed(40, 80, "SIGMOID")]
    header.SharedFunctionalGroupsSequence, header.PerFrameFunctionalGroupsSequence = [shared], per_frame

    first, second = (read_softcopy(header, number) for number in (0, 1))

    assert (first.rescale, first.voi) == ((2.0, 10.0), ())
    assert (second.rescale, second.voi[0][1]) == ((3.0, -5.0), Window(40, 80, "SIGMOID"))
    assert np.array_equal(second.modality(FRAME), apply_modality_lut(FRAME, rescaled(3, -5)))


def rescaled(slope, intercept):
    item = Dataset()
    item.RescaleSlope, item.RescaleIntercept, item.RescaleType = slope, intercept, "US"
    return item


def windowed(center, width, function="LINEAR", names=None):
    item = Dataset()
    item.WindowCenter, item.WindowWidth, item.VOILUTFunction = center, width, function
    if names is not None:
        item.WindowCenterWidthExplanation = names
    return item


def test_windows_are_chosen_by_the_name_the_header_gives_them():
    softcopy = read_softcopy(windowed([40, 400], [80, 1800], names=["BRAIN SOFT", "KNOCHEN"]), 0)

    assert softcopy.chosen("knochen", FRAME) == Window(400, 1800)
    assert softcopy.chosen(None, FRAME) == Window(40, 80)
    assert softcopy.chosen("lung", FRAME) == Window(-600, 1500)
    with pytest.raises(InvalidArgument, match="BRAIN SOFT, KNOCHEN; or abdomen"):
        softcopy.chosen("bones", FRAME)


def test_an_unusable_window_of_several_is_passed_over():
    softcopy = read_softcopy(windowed([40, 400], [0, 1800]), 0)

    assert [voi for _, voi in softcopy.voi] == [Window(400, 1800)]


def test_the_automatic_window_is_found_in_spite_of_the_header_and_without_padding():
    frame = np.tile(np.arange(100, dtype=np.int16), (10, 1))
    frame[0] = 3000
    softcopy = Softcopy(voi=(("", Window(0, 1)),), padding=(2990, 3000))

    window = softcopy.chosen("auto", frame)

    assert (window.center - window.width / 2, window.center + window.width / 2) == pytest.approx((0, 99), abs=1)


@pytest.mark.parametrize(("photometric", "shape", "invert"), [
    ("MONOCHROME1", None, True), ("MONOCHROME2", None, False), ("MONOCHROME2", "INVERSE", True),
    ("MONOCHROME1", "INVERSE", True), ("MONOCHROME2", "IDENTITY", False),
])  # fmt: skip
def test_monochrome1_and_an_inverse_shape_invert_once(photometric, shape, invert):
    header = Dataset()
    header.PhotometricInterpretation = photometric
    if shape:
        header.PresentationLUTShape = shape

    assert read_softcopy(header, 0).invert is invert


@pytest.mark.parametrize(
    ("is_signed", "value", "meant"), [(1, 63536, -2000), (0, -2000, 63536), (1, -5, -5), (0, 7, 7)]
)
def test_padding_has_the_sign_of_the_pixels_whatever_its_vr(is_signed, value, meant):
    header = Dataset()
    header.BitsAllocated, header.PixelRepresentation = 16, is_signed
    header.add_new(0x00280120, "SS" if value < 0 else "US", value)

    assert signed_as_pixels(header, "PixelPaddingValue") == meant


def test_a_range_of_padding_is_black_even_inverted():
    header = Dataset()
    header.BitsAllocated, header.PixelRepresentation, header.PhotometricInterpretation = 16, 1, "MONOCHROME1"
    header.PixelPaddingValue, header.PixelPaddingRangeLimit = -2000, -1500

    pixels = gray_or_color(FRAME, read_softcopy(header, 0), (0, 9000), 8)

    is_padding = (FRAME >= -2000) & (FRAME <= -1500)
    assert is_padding.any()
    assert not pixels[is_padding].any()
    assert pixels[~is_padding].min() > 0


def test_supplemental_colours_begin_at_their_first_value():
    ramp = np.arange(0, 256, 64, dtype=np.uint16)
    softcopy = Softcopy(voi=(("", Window(500, 1000)),), supplemental=Palette(ramp, ramp[::-1], ramp, 1024, 8))

    pixels = gray_or_color(np.array([[1023, 1024, 1025, 9999]], np.int32), softcopy, None, 8)

    assert pixels[0].tolist() == [[255] * 3, [0, 192, 0], [64, 128, 64], [192, 0, 192]]


class TestSegmentedPalettes:
    @pytest.mark.parametrize("width", [1, 2])
    def test_segments_of_every_kind_are_those_of_pydicom(self, width):
        discrete, linear = [0, 3, 1, 5, 9], [1, 7, 100]
        offset = [len(discrete) * width, 0] if width == 2 else [len(discrete), 0, 0, 0]
        offset = [len(discrete), 0] if width == 2 else offset
        words = np.array([*discrete, *linear, 2, 1, *offset, 0, 1, 250], f"u{width}")

        entries = expand_segments(words, 3 + 7 + 7 + 1)

        assert entries[:3].tolist() == [1, 5, 9]
        assert entries[9] == 100
        assert entries[10:17].tolist() == [100] * 7
        assert entries[17] == 250

    @settings(max_examples=60)
    @given(
        st.lists(
            st.tuples(st.just(0), st.lists(st.integers(0, 65535), min_size=1, max_size=9))
            | st.tuples(st.just(1), st.tuples(st.integers(1, 40), st.integers(0, 65535))),
            min_size=1, max_size=8,
        )
    )  # fmt: skip
    def test_discrete_and_linear_segments_are_those_of_pydicom(self, segments):
        words = [0, 1, 17]
        for kind, body in segments:
            words += [0, len(body), *body] if kind == 0 else [1, *body]

        expected = _expand_segmented_lut(tuple(words), "<H")

        # Values half way between two are rounded either way, by the last bit of a float.
        assert np.abs(expand_segments(np.array(words, np.uint16), len(expected)).astype(int) - expected).max() <= 1

    @pytest.mark.parametrize("words", [
        [1, 3, 9], [0, 4, 1, 2], [3, 1, 1], [0, 1], [0, 2, 5, 5, 0, 3, 1, 1, 1], [0, 0, 1], [2, 1, 0, 0],
        [0, 1, 5, 2, 1, 9, 0], [0, 1, 5, 2, 2, 0, 0], [0, 1, 5], [1, 0, 5],
    ])  # fmt: skip
    def test_malformed_segments_are_refused(self, words):
        with pytest.raises(UnsupportedPixels, match="palette"):
            expand_segments(np.array(words, np.uint16), 4)
