from __future__ import annotations

import math

import numpy as np
import pydicom
import pytest
from filmless.errors import InvalidArgument, InvalidWindow
from filmless.kernels.window import window_linear, window_linear_exact, window_sigmoid
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from naive import window as naive
from pydicom.dataset import Dataset
from pydicom.pixels import apply_modality_lut, apply_windowing

DTYPES = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "float32", "float64"]
FUNCTIONS = {
    "LINEAR": (window_linear, naive.linear),
    "LINEAR_EXACT": (window_linear_exact, naive.linear_exact),
    "SIGMOID": (window_sigmoid, naive.sigmoid),
}
SHAPES = array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=70)
SLOPES = st.sampled_from([1.0, -1.0, 0.0, 0.5, 9.12329, -2.25])


def limits(dtype):
    info = np.finfo(dtype) if np.dtype(dtype).kind == "f" else np.iinfo(dtype)
    return info.min, info.max


def stored_values(dtype):
    if np.dtype(dtype).kind == "f":
        width = np.dtype(dtype).itemsize * 8
        elements = st.floats(-1e5, 1e5, width=width) | st.sampled_from([math.nan, math.inf, -math.inf])
    else:
        elements = st.integers(*map(int, limits(dtype))) | st.integers(0, 100)
    return arrays(dtype, SHAPES, elements=elements)


def expected_gray(stored, function, center, width, slope, intercept, invert):
    if math.isnan(stored) or (slope == 0 and math.isinf(stored)):
        return 0.0
    gray = function(slope * stored + intercept, center, width)
    return 255.0 - gray if invert else gray


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FUNCTIONS)
@settings(max_examples=40)
@given(data=st.data())
def test_every_gray_is_the_nearest_to_what_the_standard_says(name, dtype, data):
    fast, slow = FUNCTIONS[name]
    stored = data.draw(stored_values(dtype))
    center, width = data.draw(st.floats(-3000, 3000)), data.draw(st.floats(2, 5000))
    slope, intercept = data.draw(SLOPES), data.draw(st.sampled_from([0.0, -1024.0, 0.25]))
    invert = data.draw(st.booleans())

    gray = fast(stored, center, width, slope=slope, intercept=intercept, invert=invert)

    exact = [expected_gray(v, slow, center, width, slope, intercept, invert) for v in stored.ravel().tolist()]
    assert gray.dtype == np.uint8
    assert gray.shape == stored.shape
    # A float32 input near 1e5 is itself only known to 1/128, a few grey levels in the narrowest window.
    slack = 0.01 if np.dtype(dtype).kind != "f" else 0.01 + 255 * abs(slope) * 2**-7 / width
    np.testing.assert_array_less(np.abs(gray.ravel() - np.array(exact, dtype=float)), 0.5 + slack)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_ends_of_a_type_are_black_and_white(dtype):
    stored = np.array(limits(dtype), dtype=dtype)

    assert window_linear(stored, 50, 40).tolist() == [0, 255]
    assert window_linear_exact(stored, 50, 40, invert=True).tolist() == [255, 0]
    assert window_sigmoid(stored, 50, 10).tolist() == [0, 255]


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_linear_window_of_width_one_is_a_step_above_center_minus_a_half(dtype):
    stored = np.arange(35, 46).astype(dtype)

    assert window_linear(stored, 40.5, 1).tolist() == [0] * 6 + [255] * 5
    assert window_linear(stored, 40, 1).tolist() == [0] * 5 + [255] * 6
    assert window_linear(stored, 40.5, 1, invert=True).tolist() == [255] * 6 + [0] * 5


def test_a_narrow_window_far_from_zero_keeps_its_grays():
    stored = np.arange(64000, 64011, dtype=np.uint16)

    gray = window_linear_exact(stored, 64005, 10)

    assert np.abs(gray - np.linspace(0, 255, 11)).max() <= 0.501


@pytest.mark.parametrize("function", [window_linear, window_linear_exact, window_sigmoid])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("invert", [False, True])
def test_nan_is_black_inverted_or_not(function, dtype, invert):
    stored = np.full(67, np.nan, dtype)

    assert not function(stored, 40, 400, invert=invert).any()


@pytest.mark.parametrize("width", [0.999, 0, -5])
def test_a_width_below_one_is_no_linear_window(width):
    with pytest.raises(InvalidWindow, match="at least 1"):
        window_linear(np.zeros(3, np.int16), 40, width)


@pytest.mark.parametrize("function", [window_linear_exact, window_sigmoid])
def test_a_width_of_zero_is_no_window(function):
    with pytest.raises(InvalidWindow, match="more than 0"):
        function(np.zeros(3, np.int16), 40, 0)


@pytest.mark.parametrize("function", [window_linear_exact, window_sigmoid])
def test_the_narrowest_width_there_is_makes_a_step(function):
    stored = np.array([39, 41], np.int16)

    assert function(stored, 40, 5e-324).tolist() == [0, 255]


@pytest.mark.parametrize("options", [{"slope": math.nan}, {"intercept": math.inf}, {"slope": "steep"}])
def test_a_rescale_that_is_no_finite_number_is_refused(options):
    with pytest.raises(InvalidArgument, match="finite"):
        window_linear(np.zeros(3, np.int16), 40, 400, **options)


@pytest.mark.parametrize(
    ("stored", "words"),
    [
        ([1, 2], "NumPy array"),
        (np.zeros(3, np.int64), "convert"),
        (np.zeros(3, ">i2"), "native"),
        (np.zeros((4, 6), np.int16)[:, ::2], "ascontiguousarray"),
    ],
)
def test_unfit_stored_values_are_refused_with_what_to_do(stored, words):
    with pytest.raises(InvalidArgument, match=words):
        window_linear(stored, 40, 400)


def test_out_is_filled_and_given_back():
    stored, out = np.arange(12, dtype=np.int16).reshape(3, 4), np.empty((3, 4), np.uint8)

    assert window_linear(stored, 6, 12, out=out) is out
    np.testing.assert_array_equal(out, window_linear(stored, 6, 12))


@pytest.mark.parametrize(
    ("out", "words"),
    [
        (np.empty(11, np.uint8), "shape"),
        (np.empty(12, np.int8), "uint8"),
        (np.empty(24, np.uint8)[::2], "contiguous"),
        (np.frombuffer(bytes(12), np.uint8), "read-only"),
    ],
)
def test_an_unfit_out_is_refused_with_what_to_do(out, words):
    with pytest.raises(InvalidArgument, match=words):
        window_linear(np.zeros(12, np.int16), 40, 400, out=out)


def test_an_out_over_the_stored_values_is_refused():
    stored = np.zeros(12, np.int16)

    with pytest.raises(InvalidArgument, match="shares memory"):
        window_linear(stored, 40, 400, out=stored.view(np.uint8)[:12])


def test_read_only_and_misaligned_stored_values_are_read():
    raw = bytes(1) + np.arange(100, dtype=np.int16).tobytes()
    stored = np.frombuffer(raw, np.int16, offset=1)

    np.testing.assert_array_equal(window_linear(stored, 50, 100), window_linear(stored.copy(), 50, 100))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FUNCTIONS)
@settings(max_examples=20)
@given(data=st.data())
def test_sixteen_bits_are_the_same_line_over_a_greater_range(name, dtype, data):
    fast, slow = FUNCTIONS[name]
    stored = data.draw(stored_values(dtype))
    center, width, invert = data.draw(st.floats(-3000, 3000)), data.draw(st.floats(2, 5000)), data.draw(st.booleans())

    gray = fast(stored, center, width, slope=0.5, invert=invert, out=np.empty(stored.shape, np.uint16))

    expected = [expected_gray(float(x), slow, center, width, 0.5, 0.0, invert) for x in stored.ravel()]
    # Half a level, and 1/1000 of one of 8 bits, which float32 loses: a quarter of one of 16 bits.
    tolerance = 0.5 + (1.5 if name == "SIGMOID" else 0.3)
    assert np.abs(gray.ravel() - np.array(expected) * 257).max(initial=0) <= tolerance


def rendered_by_pydicom(stored, header):
    """The VOI transformation of pydicom, scaled from its output range to 0..255."""
    with np.errstate(over="ignore"):
        gray = apply_windowing(apply_modality_lut(stored, header), header)
        black, white = apply_windowing(np.array([-1e12, 1e12]), header)
    return (gray - black) / (white - black) * 255


@pytest.mark.parametrize("name", FUNCTIONS)
@given(
    center=st.floats(-500, 500),
    width=st.floats(2, 3000),
    rescale=st.sampled_from([(1.0, -1024.0), (0.5, 0.0), (2.5, 100.0)]),
)
def test_pydicom_shows_the_same_gray_within_one(name, center, width, rescale):
    header = Dataset()
    header.PixelRepresentation, header.BitsStored, header.PhotometricInterpretation = 1, 16, "MONOCHROME2"
    header.WindowCenter, header.WindowWidth, header.VOILUTFunction = f"{center:.8g}", f"{width:.8g}", name
    header.RescaleSlope, header.RescaleIntercept = rescale
    stored = np.arange(-3000, 3000, 7, dtype=np.int16)

    gray = FUNCTIONS[name][0](
        stored, float(header.WindowCenter), float(header.WindowWidth), slope=rescale[0], intercept=rescale[1]
    )

    assert np.abs(gray - rendered_by_pydicom(stored, header)).max() <= 1


@pytest.mark.real
@pytest.mark.parametrize("name", ["modalities/1.dcm", "modalities/12bitUnsigned_0x0F0F.dcm"])
def test_real_images_look_as_in_pydicom(real_data, name):
    header = pydicom.dcmread(real_data / name)
    stored = header.pixel_array
    slope, intercept = header.get("RescaleSlope", 1), header.get("RescaleIntercept", 0)

    gray = window_linear(
        stored, header.WindowCenter, header.WindowWidth, slope=float(slope), intercept=float(intercept)
    )

    assert np.abs(gray - rendered_by_pydicom(stored, header)).max() <= 1
