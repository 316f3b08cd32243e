from __future__ import annotations

import io
import math
from contextlib import contextmanager

import numpy as np
import pytest
from dicom_series import frame_table
from filmless.engine.geometry import arrange
from filmless.engine.presentation.softcopy import Softcopy
from filmless.engine.render import planes
from filmless.engine.render.color import Palette
from filmless.engine.render.frame import render_frame
from filmless.engine.render.picture import Image
from filmless.engine.render.planes import Plane
from filmless.engine.render.reformat import render
from filmless.engine.render.sample import Cut, choose_level, sample
from filmless.engine.render.window import PRESETS, Window, chosen_window
from filmless.engine.volume import ArrayLevel, Volume
from filmless.errors import FilmlessError, InvalidArgument, InvalidWindow, NotReformattable
from filmless.kernels.voxels import voxels_of_array
from filmless.kernels.window import window_linear
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image as PillowImage

SHAPE = (12, 20, 24)
EVEN = tuple(1.5 * k for k in range(SHAPE[0]))
UNEVEN = (0, 1, 2, 3.4, 4.4, 5.8, 9, 10.5, 12, 13, 14, 15.5)
GAPPED = (0, 1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13)
TILT = np.radians(20)
GANTRY = (1, 0, 0, 0, np.cos(TILT), np.sin(TILT))
OBLIQUE = (0.8, 0.6, 0, -0.48, 0.64, 0.6)
FIELD = np.array([2.0, -3.0, 5.0])
WIDE = Window(0, 4000, "LINEAR_EXACT")

unit = st.floats(-1, 1)


class PoisonedLevel(ArrayLevel):
    """Gives voxels of chunks that are not wanted values that no test volume holds."""

    def __init__(self, values):
        super().__init__(values, (4, 8, 8))
        self.chunks_read = 0

    @contextmanager
    def hold_voxels(self, start, stop, wanted=None):
        yield voxels_of_array(self.read_box(start, stop, wanted))

    def read_box(self, start, stop, wanted=None):
        assert all(0 <= a < b <= n for a, b, n in zip(start, stop, self.shape, strict=True))
        box = np.array(super().read_box(start, stop))
        first = [a // c for a, c in zip(start, self.chunk_shape, strict=True)]
        counts = [(b - 1) // c + 1 - f for b, c, f in zip(stop, self.chunk_shape, first, strict=True)]
        wanted = np.ones(counts, bool) if wanted is None else wanted
        assert wanted.shape == tuple(counts)
        self.chunks_read += int(wanted.sum())
        for chunk in np.argwhere(~wanted):
            corner = [(f + n) * c for f, n, c in zip(first, chunk, self.chunk_shape, strict=True)]
            part = [
                slice(max(k - a, 0), max(k + c - a, 0)) for k, c, a in zip(corner, self.chunk_shape, start, strict=True)
            ]
            box[tuple(part)] = 30000
        return box


def make(stored=None, depths=EVEN, *, level=ArrayLevel, orientation=(1, 0, 0, 0, 1, 0), **options) -> Volume:
    """A volume of slices at `depths` along z; by default its stored values are the linear `FIELD` in mm."""
    positions = [(-6.0, -5.0, depth) for depth in depths]
    if orientation == OBLIQUE:
        positions = [np.cross(OBLIQUE[:3], OBLIQUE[3:]) * depth for depth in depths]
    (arrangement,) = arrange(frame_table(positions, orientation=orientation, spacing=(0.5, 0.6)))
    if stored is None:
        indices = np.stack(np.meshgrid(*(range(n) for n in (len(depths), *SHAPE[1:])), indexing="ij"), -1)
        stored = arrangement.geometry.mm_from_voxel(indices) @ FIELD
    return Volume([level(stored)], [(1, 1, 1)], arrangement.geometry, arrangement.verdict, **options)


def values(volume, plane, slab_mm=0.0, mode="max", interpolation="trilinear"):
    return sample(volume, Cut(plane, slab_mm, mode, interpolation), WIDE, False)[0]


def pixel_mm(plane):
    rows, columns = np.meshgrid(np.arange(plane.rows), np.arange(plane.columns), indexing="ij")
    steps = rows[..., np.newaxis] * plane.down_mm + columns[..., np.newaxis] * np.asarray(plane.right_mm)
    return np.asarray(plane.origin_mm) + steps


def noise(depths=EVEN, dtype=np.int16):
    return np.random.default_rng(5).integers(0, 900, (len(depths), *SHAPE[1:])).astype(dtype)


@pytest.mark.parametrize(
    ("depths", "orientation"),
    [
        (EVEN, (1, 0, 0, 0, 1, 0)),
        (EVEN, GANTRY),
        (EVEN, OBLIQUE),
        (UNEVEN, (1, 0, 0, 0, 1, 0)),
        (UNEVEN, GANTRY),
    ],
)
@given(normal=st.tuples(unit, unit, unit))
@settings(max_examples=25, deadline=None)
def test_a_linear_field_is_met_exactly_on_any_plane(depths, orientation, normal):
    assume(np.linalg.norm(normal) > 0.1)
    volume = make(depths=depths, orientation=orientation)
    plane = planes.oblique(volume, normal, size=(40, 40))

    picture = values(volume, plane)

    voxels = volume.geometry.voxel_from_mm(pixel_mm(plane))
    last = np.array(volume.shape) - 1
    inside = np.all((voxels > 1e-3) & (voxels < last - 1e-3), axis=-1)
    outside = np.any((voxels < -0.51) | (voxels > last + 0.51), axis=-1)
    assert inside.any()
    assert picture[inside] == pytest.approx((pixel_mm(plane) @ FIELD)[inside], abs=2e-3)
    assert np.isnan(picture[outside & ((voxels < -1) | (voxels > last + 1)).any(axis=-1)]).all()


@pytest.mark.parametrize("mode", ["max", "min", "mean"])
def test_a_slab_of_a_linear_field_has_its_extreme_on_a_face(mode):
    volume = make()
    plane = planes.oblique(volume, (0.3, 0.2, 1), size=(9, 9))

    picture = values(volume, plane, slab_mm=3.0, mode=mode)

    rise = abs(plane.normal @ FIELD) * 1.5
    expected = pixel_mm(plane) @ FIELD + {"max": rise, "min": -rise, "mean": 0.0}[mode]
    assert picture[4, 4] == pytest.approx(expected[4, 4], abs=2e-3)


@pytest.mark.parametrize("depths", [EVEN, UNEVEN])
@given(normal=st.tuples(unit, unit, unit), slab_mm=st.sampled_from([0.0, 0.0, 2.5]), shift=st.floats(-0.9, 0.9))
@settings(max_examples=60, deadline=None)
def test_voxels_of_chunks_not_asked_for_do_not_matter(depths, normal, slab_mm, shift):
    assume(np.linalg.norm(normal) > 0.1)
    stored = noise(depths)
    whole, poisoned = make(stored, depths), make(stored, depths, level=PoisonedLevel)
    middle = whole.geometry.mm_from_voxel((np.array(whole.shape) - 1) * (1 + np.array([shift, 0, -shift])) / 2)
    plane = planes.oblique(whole, normal, center=middle, size=(33, 33))

    expected = values(whole, plane, slab_mm)

    assert np.array_equal(values(poisoned, plane, slab_mm), expected, equal_nan=True)


def test_a_plane_reads_the_chunks_it_touches_and_no_others():
    volume = make(noise(), level=PoisonedLevel)

    values(volume, planes.axial(volume, index=5))

    assert volume.levels[0].chunks_read == 3 * 3


@pytest.mark.parametrize("interpolation", ["trilinear", "nearest"])
def test_planes_along_the_voxels_show_stored_values(interpolation):
    stored = noise()
    positions = [(0, 0, 0.5 * k) for k in range(SHAPE[0])]
    (found,) = arrange(frame_table(positions))
    volume = Volume([ArrayLevel(stored)], [(1, 1, 1)], found.geometry, found.verdict)

    for plane, expected in (
        (planes.axial(volume, index=4), stored[4]),
        (planes.coronal(volume, index=7), stored[::-1, 7]),
        (planes.sagittal(volume, index=-1), stored[::-1, :, -1]),
        (planes.oblique(volume, (0, 0, -1), center=(0, 0, 2), up=(-1, 0, 0)), stored[4].T),
    ):
        picture = values(volume, plane, interpolation=interpolation)
        assert picture.dtype == np.int16
        assert np.array_equal(picture, expected)


@pytest.mark.parametrize(("depths", "orientation"), [(EVEN, OBLIQUE), (UNEVEN, GANTRY), (GAPPED, (1, 0, 0, 0, 1, 0))])
def test_an_acquired_slice_is_shown_exactly_whatever_the_spacing(depths, orientation):
    stored = noise(depths)
    volume = make(stored, depths, orientation=orientation, window=(300, 500))

    for index in (0, 5, 11):
        picture = render(volume, "acquired", index=index)
        assert np.array_equal(picture.pixels, window_linear(stored[index], 300, 500))


def test_uneven_slices_are_refused_until_resampling_is_asked_for():
    volume = make(depths=UNEVEN)

    with pytest.raises(NotReformattable, match=r"between slices 2 and 3.*pass resample=True \(--resample\)"):
        render(volume, "coronal")
    with pytest.raises(NotReformattable, match="resample"):
        render(volume, "acquired", index=3, slab_mm=4)
    assert render(volume, "coronal", resample=True).pixels.any()


def test_a_gap_between_slices_stays_black_in_resampling():
    stored = np.full((len(GAPPED), *SHAPE[1:]), 500, np.int16)
    volume = make(stored, GAPPED, window=(250, 500))

    column = render(volume, "coronal", resample=True).pixels[:, 12]

    depths = 13.5 - 0.25 - 0.5 * np.arange(len(column))
    assert (column[(depths > 5.6) & (depths < 7.4)] == 0).all()
    assert (column[(depths < 5.4) | (depths > 7.6)] == 255).all()


def test_mixed_frames_show_acquired_slices_only():
    (found,) = arrange(frame_table([(0, 0, 0), (4, 0, 1), (0, 0, 2)]))
    volume = Volume([ArrayLevel(noise()[:3])], [(1, 1, 1)], found.geometry, found.verdict, window=(300, 500))

    assert np.array_equal(render(volume, "acquired", index=1).pixels, window_linear(noise()[1], 300, 500))
    assert render(volume, "acquired", index=1, size=(48, 48)).shape == (48, 48)
    for plane, message in (
        ("axial", "only acquired"),
        (Plane((0, 0, 0.5), (1, 0, 0), (0, 1, 0), 4, 4), "acquired"),
    ):
        with pytest.raises(NotReformattable, match=message):
            render(volume, plane)
    with pytest.raises(InvalidArgument, match="no letters"):
        render(volume, "acquired", annotate=True)


@pytest.mark.parametrize("interpolation", ["trilinear", "nearest"])
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int64, np.float32])
def test_what_lies_outside_the_volume_is_black(photometric, interpolation, dtype):
    stored = np.full(SHAPE, 100, dtype)
    volume = make(stored, photometric_interpretation=photometric, window=(100, 1000))

    pixels = render(volume, "coronal", size=(90, 200), interpolation=interpolation).pixels

    assert (pixels[0] == 0).all()
    assert 120 <= pixels[100, 45] <= 135


def test_monochrome1_is_inverted():
    stored = noise()
    volume = make(stored, photometric_interpretation="MONOCHROME1", window=(300, 500))

    assert np.array_equal(render(volume, "acquired", index=0).pixels, window_linear(stored[0], 300, 500, invert=True))


@pytest.mark.parametrize("padding", [0, 2000, -32768])
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_padding_is_black(photometric, padding):
    stored = np.full(SHAPE, 400, np.int16)
    stored[:, :10] = padding
    volume = make(stored, padding_value=padding, photometric_interpretation=photometric, window=(400, 600))

    for plane in ("acquired", "coronal"):
        pixels = render(volume, plane, index=3).pixels
        assert (pixels[5, 4:10] == 0).all()
    assert 120 < render(volume, "acquired").pixels[15, 5] < 135


def test_slices_of_differing_rescale_are_mixed_in_modality_units():
    slopes = np.linspace(1, 3, SHAPE[0])
    truth = 600.0 + 0 * noise()
    stored = np.rint(truth / slopes[:, np.newaxis, np.newaxis]).astype(np.int16)
    volume = make(stored, rescale=np.stack([slopes, 0 * slopes], axis=1), window=(600, 20))

    pixels = render(volume, "coronal").pixels[1:-1]

    assert np.abs(pixels.astype(int) - 134).max() <= 45
    assert np.array_equal(
        render(volume, "acquired", index=3).pixels, window_linear(stored[3], 600, 20, slope=slopes[3])
    )


def pyramid(**options):
    stored = noise()
    base = make(stored, **options)
    halved = stored[:, ::2, ::2]
    levels = [ArrayLevel(stored), ArrayLevel(halved), ArrayLevel(halved[::2, ::2, ::2])]
    return Volume(levels, [(1, 1, 1), (1, 2, 2), (2, 4, 4)], base.geometry, base.verdict, rescale=base.rescale)


@pytest.mark.parametrize(("pixel_mm", "level"), [(0.5, 0), (1.19, 0), (1.2, 1), (2.3, 1), (3.0, 2), (50, 2)])
def test_the_level_is_the_coarsest_one_as_fine_as_the_pixels(pixel_mm, level):
    plane = Plane((0, 0, 3), (pixel_mm, 0, 0), (0, pixel_mm, 0), 4, 4)

    assert choose_level(pyramid(), plane) == level


def test_levels_that_mix_slices_are_left_out_where_slices_differ():
    plane = Plane((0, 0, 3), (50, 0, 0), (0, 50, 0), 4, 4)
    rescale = np.stack([np.arange(1.0, 13.0), np.zeros(12)], axis=1)

    assert choose_level(pyramid(rescale=rescale), plane) == 1
    assert choose_level(pyramid(depths=UNEVEN), plane) == 1


def test_a_coarser_level_shows_the_same_place():
    full = make()
    blocks = np.asarray(full.level()).reshape(6, 2, 10, 2, 12, 2).mean(axis=(1, 3, 5))
    volume = Volume([full.levels[0], ArrayLevel(blocks)], [(1, 1, 1), (2, 2, 2)], full.geometry, full.verdict)
    plane = Plane((0.0, 0.0, 5.0), (3.0, 0, 0), (0, 3.0, 0), 1, 2)

    assert choose_level(volume, plane) == 1
    assert values(volume, plane) == pytest.approx(pixel_mm(plane) @ FIELD, abs=1e-3)


def test_a_plane_far_outside_is_black():
    plane = Plane((1e5, 1e5, 1e5), (1, 0, 0), (0, 1, 0), 3, 3)

    assert not render(make(), plane).pixels.any()
    assert not render(make(), plane, slab_mm=5).pixels.any()


def test_edge_letters_are_drawn_when_asked_for():
    plain, lettered = (render(make(), size=(200, 200), annotate=wish).pixels for wish in (False, True))

    assert plain.shape == lettered.shape
    changed = np.argwhere(plain != lettered)
    assert len(changed) > 50
    assert not np.any((changed > 30) & (changed < 80))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"plane": "diagonal"}, InvalidArgument, "choose from axial"),
        ({"plane": "oblique"}, InvalidArgument, "needs its normal"),
        ({"plane": "coronal", "normal": (0, 0, 1)}, InvalidArgument, "takes no normal"),
        ({"plane": "acquired", "at_mm": 3}, InvalidArgument, "takes no at_mm"),
        ({"normal": (0, 0, 1), "index": 3}, InvalidArgument, "takes no index"),
        ({"slab_mm": -1}, InvalidArgument, "slab"),
        ({"slab_mm": math.nan}, InvalidArgument, "slab"),
        ({"mode": "median"}, InvalidArgument, "choose from max, min, mean, weighted"),
        ({"interpolation": "quintic"}, InvalidArgument, "choose from trilinear, nearest, cubic"),
        ({"window": (40, 0)}, InvalidWindow, "width above 0"),
        ({"window": (math.nan, 80)}, InvalidWindow, "finite"),
        ({"window": "teeth"}, InvalidArgument, "choose from abdomen"),
        ({"window": (1, 2, 3)}, InvalidArgument, "pass \\(center, width\\)"),
        ({"size": (5, 1 << 20)}, InvalidArgument, "1048576 pixels"),
    ],
)
def test_what_no_picture_can_be_made_of_is_refused_with_advice(arguments, error, message):
    with pytest.raises(error, match=message):
        render(make(), **arguments)


def test_a_plane_given_whole_takes_no_further_place():
    with pytest.raises(InvalidArgument, match="takes no index, size"):
        render(make(), planes.axial(make()), index=1, size=(5, 5))


@given(
    st.sampled_from(["axial", "coronal", "sagittal", "acquired", "oblique"]),
    st.dictionaries(st.sampled_from(["at_mm", "slab_mm"]), st.floats(allow_nan=True, allow_infinity=True), max_size=2),
    st.none() | st.tuples(*[st.floats(allow_nan=True)] * 3),
    st.none() | st.tuples(st.floats(), st.floats()),
)
@settings(deadline=None)
def test_any_argument_gives_a_picture_or_an_error_of_ours(plane, numbers, normal, window):
    try:
        picture = render(make(noise()), plane, **numbers, normal=normal, window=window, size=(7, 5))
    except FilmlessError:
        return
    assert picture.shape == (5, 7)


def test_presets_are_found_by_name_however_it_is_written():
    assert chosen_window("Soft-Tissue", "LINEAR") is PRESETS["soft tissue"]
    assert chosen_window("lung", "SIGMOID").function == "LINEAR"
    assert chosen_window((40, 80), "SIGMOID").function == "SIGMOID"


def test_a_grey_frame_is_windowed():
    stored = noise()[0]

    picture = render_frame(stored, Softcopy(rescale=(2.0, -100.0), voi=(("", Window(500, 800)),)))

    assert np.array_equal(picture.pixels, window_linear(stored, 500, 800, slope=2.0, intercept=-100.0))
    assert np.array_equal(render_frame(stored, Softcopy(), window="bone").pixels, window_linear(stored, 400, 1800))


def test_a_frame_without_a_window_is_shown_over_its_range_less_padding():
    stored = np.tile(np.arange(100, dtype=np.int16), (10, 1))
    stored[0] = 3000

    pixels = render_frame(stored, Softcopy(padding=(3000, 3000), invert=True)).pixels

    assert (pixels[0] == 0).all()
    assert pixels[1, 0] == 255
    assert pixels[1, -1] == 0
    assert pixels[1, 50] == pytest.approx(127, abs=3)


@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.int8, np.uint32, np.int64, np.float64])
def test_frames_of_any_type_are_shown(dtype):
    pixels = render_frame(np.array([[0, 1]], dtype), Softcopy()).pixels

    assert pixels.tolist() == [[0, 255]]


def test_a_frame_of_nothing_finite_is_black():
    assert not render_frame(np.full((2, 2), np.nan), Softcopy()).pixels.any()


def test_rgb_of_eight_bits_passes_unchanged():
    rgb = np.random.default_rng(2).integers(0, 256, (5, 6, 3), np.uint8)

    assert np.array_equal(render_frame(rgb, Softcopy(), photometric_interpretation="RGB").pixels, rgb)


def test_rgb_of_more_bits_is_scaled_to_eight():
    rgb = np.array([[[0, 2048, 4095]]], np.uint16)

    pixels = render_frame(rgb, Softcopy(bits_stored=12), photometric_interpretation="RGB").pixels

    assert pixels.tolist() == [[[0, 128, 255]]]


@pytest.mark.parametrize(
    ("ybr", "rgb"),
    [((0, 128, 128), (0, 0, 0)), ((255, 128, 128), (255, 255, 255)), ((76, 85, 255), (254, 0, 0))],
)
def test_ybr_becomes_rgb(ybr, rgb):
    pixels = render_frame(np.array([[ybr]], np.uint8), Softcopy(), photometric_interpretation="YBR_FULL").pixels

    assert pixels[0, 0] == pytest.approx(rgb, abs=1)


@pytest.mark.parametrize(("bits", "scale"), [(8, 1), (16, 257), (16, 1)])
def test_palettes_give_colours_and_hold_their_ends(bits, scale):
    entries = np.array([10, 20, 255], np.uint16) * scale
    palette = Palette(entries, entries[::-1], entries, first_mapped=-1, bits=bits)

    pixels = render_frame(
        np.array([[-9, -1, 0, 1, 9]], np.int16), Softcopy(palette=palette), photometric_interpretation="PALETTE COLOR"
    ).pixels

    assert pixels[0, :, 0].tolist() == [10, 10, 20, 255, 255]
    assert pixels[0, :, 1].tolist() == [255, 255, 20, 10, 10]


@pytest.mark.parametrize(
    ("stored", "photometric"),
    [
        (np.zeros((2, 2, 3), np.uint8), "MONOCHROME2"),
        (np.zeros((2, 2), np.uint8), "RGB"),
        (np.zeros((2, 2, 3), np.int16), "RGB"),
        (np.zeros((2, 2, 3), np.uint8), "CMYK"),
        (np.zeros((2, 2), np.uint8), "PALETTE COLOR"),
        (np.zeros((2, 0), np.uint8), "MONOCHROME2"),
    ],
)
def test_frames_that_do_not_fit_their_interpretation_are_refused(stored, photometric):
    with pytest.raises(InvalidArgument):
        render_frame(stored, Softcopy(), photometric_interpretation=photometric)


@pytest.mark.parametrize("shape", [(7, 9), (7, 9, 3)])
def test_a_picture_survives_png(shape, tmp_path):
    picture = Image(np.random.default_rng(3).integers(0, 256, shape, np.uint8))

    picture.save(tmp_path / "picture.PNG")

    assert np.array_equal(np.asarray(PillowImage.open(tmp_path / "picture.PNG")), picture.pixels)
    assert picture._repr_png_() == (tmp_path / "picture.PNG").read_bytes()
    assert np.array_equal(np.asarray(picture), picture.pixels)


def test_a_picture_becomes_jpeg():
    encoded = Image(np.full((16, 16), 90, np.uint8)).encode("jpeg", quality=95)

    assert np.asarray(PillowImage.open(io.BytesIO(encoded))) == pytest.approx(90, abs=1)


def test_a_picture_is_never_changed():
    picture = Image(np.zeros((2, 2), np.uint8))

    with pytest.raises(ValueError, match="read-only"):
        picture.pixels[0, 0] = 1


def test_what_no_picture_is_is_refused(tmp_path):
    picture = Image(np.zeros((2, 2), np.uint8))

    for refused in (
        lambda: Image(np.zeros((2, 2), np.int16)),
        lambda: Image(np.zeros((2, 2, 4), np.uint8)),
        lambda: picture.save(tmp_path / "picture.bmp"),
        lambda: picture.encode("gif"),
        lambda: picture.encode("jpeg", quality=0),
    ):
        with pytest.raises(InvalidArgument):
            refused()
