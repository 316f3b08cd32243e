from __future__ import annotations

import math

import filmless
import numpy as np
import pytest
from dicom_series import frame_table
from filmless.engine.geometry import Verdict, VolumeGeometry, arrange
from filmless.engine.render import raycast, scene
from filmless.engine.render.planes import direction_letters
from filmless.engine.render.request import RenderRequest
from filmless.engine.render.transfer import TRANSFER_PRESETS, TransferFunction
from filmless.engine.render.view import VIEWS, lay_view, sight
from filmless.engine.volume import ArrayLevel, Volume
from filmless.errors import InvalidArgument, NotReformattable
from filmless.kernels.downsample import halve_mean
from filmless.kernels.ranges import brick_ranges
from hypothesis import given, settings
from hypothesis import strategies as st

UNIFORM = Verdict(("uniform",), "made", {"spacing_mm": 1.0})
WINDOW = filmless.Window(127.5, 255.0, "LINEAR_EXACT")
SOLID = TransferFunction(((95, 200, 100, 50, 0.0), (105, 200, 100, 50, 1.0)), ambient=1, diffuse=0, specular=0)


class KnownLevel(ArrayLevel):
    """A level that knows its ranges, as an archive does, and spoils every chunk that is not asked for."""

    def __init__(self, values, chunk_shape):
        super().__init__(values, chunk_shape)
        self.values, self.read = values, []

    def brick_ranges(self):
        return brick_ranges(self.values)

    def read_box(self, start, stop, wanted=None):
        counts = [(b - 1) // k + 1 - a // k for a, b, k in zip(start, stop, self.chunk_shape, strict=True)]
        wanted = np.ones(counts, bool) if wanted is None else wanted
        self.read.append(float(wanted.mean()))
        box = self.values[tuple(map(slice, start, stop))].copy()
        for place in np.argwhere(~wanted):
            low = [(a // k + n) * k - a for a, k, n in zip(start, self.chunk_shape, place, strict=True)]
            box[tuple(slice(max(a, 0), max(a + k, 0)) for a, k in zip(low, self.chunk_shape, strict=True))] = 255
        return box


def make(values, *, spacing=(1.0, 1.0, 1.0), directions=((0, 0, 1), (0, 1, 0), (1, 0, 0)), level=None, **options):
    """A volume whose middle is at (0, 0, 0)."""
    steps = np.array(directions, float) * np.array(spacing)[:, np.newaxis]
    origin = -((np.array(values.shape) - 1) / 2) @ steps
    geometry = VolumeGeometry(tuple(origin.tolist()), directions, spacing)
    levels = [level or ArrayLevel(values)]
    return Volume(levels, [(1, 1, 1)], geometry, UNIFORM, **options)


def ball(shape=(40, 40, 40), spacing=(1.0, 1.0, 1.0), at_mm=(0.0, 0.0, 0.0), radius=12.0, shear=0.0, edge=1.0):
    """A ball of 200 in 0 with an edge so many millimetres wide, half of it at its radius; `at_mm` is (x, y, z)."""
    z, y, x = np.indices(shape) - ((np.array(shape) - 1) / 2).reshape(3, 1, 1, 1)
    z_mm, y_mm, x_mm = z * spacing[0], y * spacing[1], x * spacing[2]
    distance = np.sqrt((x_mm - at_mm[0]) ** 2 + (y_mm + shear * z_mm - at_mm[1]) ** 2 + (z_mm - at_mm[2]) ** 2)
    return (100 + 200 / edge * (radius - distance)).clip(0, 200).astype(np.int16)


def middle(picture):
    """Row and column of the middle of what is bright."""
    pixels = np.asarray(picture).reshape(*picture.shape[:2], -1)[..., 0]
    return np.argwhere(pixels > 100).mean(axis=0)


@pytest.mark.parametrize("view", VIEWS)
def test_a_named_view_looks_from_there(view):
    """The middle of the patient's side that a view is named after is nearest to the viewer."""
    direction, _ = sight(view)
    side = {"anterior": "A", "posterior": "P", "left": "L", "right": "R", "head": "H", "feet": "F"}[view]
    letters = lay_view(make(ball()), view).letters

    assert direction_letters(-np.array(direction)) == side
    if view in ("anterior", "posterior", "left", "right"):
        assert letters.top == "H"
    if view == "anterior":
        assert letters.left == "R"


@pytest.mark.parametrize(("angles", "view"), [((0, 0), "anterior"), ((90, 0), "left"), ((180, 0), "posterior"),
                                               ((-90, 0), "right"), ((0, 90), "head"), ((0, -90), "feet")])  # fmt: skip
def test_angles_turn_from_the_front_to_the_left_and_up(angles, view):
    direction, up = sight(angles)

    assert np.allclose(direction, sight(view)[0])
    assert abs(np.dot(direction, up)) < 1e-12


@given(st.floats(-180, 180), st.floats(-90, 90))
@settings(max_examples=30)
def test_a_ball_is_a_disc_where_it_lies_from_every_side(azimuth, elevation):
    volume, at_mm = make(ball(at_mm=(5.0, -3.0, 4.0))), np.array([5.0, -3.0, 4.0])

    picture = filmless.render_volume(volume, (azimuth, elevation), size=(96, 96), window=WINDOW)

    plane = lay_view(volume, (azimuth, elevation), size=(96, 96))
    right, down = np.array(plane.right_mm), np.array(plane.down_mm)
    pixel = np.linalg.norm(right)
    offset = at_mm - plane.origin_mm
    expected = offset @ down / pixel**2, offset @ right / pixel**2
    np.testing.assert_allclose(middle(picture), expected, atol=0.15)
    area = (np.asarray(picture) > 100).sum() * pixel**2
    assert area == pytest.approx(math.pi * 12.0**2, rel=0.03)


@pytest.mark.parametrize("transfer", [None, SOLID])
@pytest.mark.parametrize("view", ["anterior", "left", "head", (40, 25)])
def test_neither_anisotropic_nor_tilted_voxels_distort(view, transfer):
    shear = 0.3
    travel = np.array([0.0, shear, 1.0])
    stretch = float(np.linalg.norm(travel))
    squat = ball((16, 60, 48), (2.5, 0.8, 0.9), edge=10.0)
    tilted = ball((16, 60, 48), (2.5, 0.8, 0.9), shear=shear, edge=10.0)
    directions = (tuple((travel / stretch).tolist()), (0, 1, 0), (1, 0, 0))
    options = {"size": (128, 128), "zoom": 1.0, "window": WINDOW, "transfer": transfer}

    for volume in (
        make(squat, spacing=(2.5, 0.8, 0.9)),
        make(tilted, spacing=(2.5 * stretch, 0.8, 0.9), directions=directions),
    ):
        picture = filmless.render_volume(volume, view, **options)
        pixel = np.linalg.norm(lay_view(volume, view, size=(128, 128)).right_mm)
        is_bright = np.asarray(picture).reshape(128, 128, -1)[..., 0] > 100
        height, width = (np.ptp(np.argwhere(is_bright), axis=0) + 1) * pixel
        assert height == pytest.approx(24.0, abs=0.8)
        assert width == pytest.approx(24.0, abs=0.8)


def test_a_projection_along_an_axis_is_that_of_the_stored_values():
    values = np.random.default_rng(4).integers(0, 256, (9, 12, 15)).astype(np.int16)
    volume = make(values)

    for mode in ("max", "min", "mean"):
        picture = filmless.render_volume(volume, "head", size=(15, 12), mode=mode, window=WINDOW)
        # Seen from the head with the front on top, the patient's right is at the right.
        expected = getattr(values, mode)(axis=0)[:, ::-1]
        np.testing.assert_allclose(np.asarray(picture).astype(int), expected, atol=1)


def test_a_falling_modality_lut_turns_greatest_into_least():
    values = np.random.default_rng(4).integers(0, 256, (9, 12, 15)).astype(np.int16)
    falling = make(values, rescale=np.array([[-1.0, 255.0]]))

    picture = filmless.render_volume(falling, "head", size=(15, 12), window=WINDOW)

    np.testing.assert_allclose(np.asarray(picture).astype(int), (255 - values).max(axis=0)[:, ::-1], atol=1)


@pytest.mark.parametrize(
    "options", [{}, {"mode": "min"}, {"mode": "mean"}, {"transfer": "vessels"}, {"transfer": SOLID}]
)
@pytest.mark.parametrize("view", [(25, 35), (205, -50)])
def test_parts_and_kept_ranges_change_no_picture(options, view, monkeypatch):
    values = ball((70, 40, 44), at_mm=(3.0, 2.0, -20.0), radius=9.0)
    options = {"size": (80, 80), "window": (300, 300), **options}
    expected = filmless.render_volume(make(values), view, **options)

    level = KnownLevel(values, (8, 8, 8))
    known = filmless.render_volume(make(values, level=level), view, **options)
    monkeypatch.setattr(scene, "PART_BYTES", 16 * 40 * 44 * 2)
    parted = filmless.render_volume(make(values, level=KnownLevel(values, (8, 8, 8))), view, **options)

    np.testing.assert_array_equal(known, expected)
    np.testing.assert_allclose(np.asarray(parted).astype(int), np.asarray(expected), atol=1)
    if "transfer" in options or not options.get("mode"):
        assert max(level.read) < 0.5, "chunks that show nothing were read"


def test_a_zoomed_picture_reads_only_the_chunks_in_its_frame():
    values = np.full((64, 64, 64), 200, np.int16)
    level = KnownLevel(values, (8, 8, 8))

    picture = filmless.render_volume(make(values, level=level), "anterior", zoom=8.0, size=(64, 64), window=WINDOW)

    assert set(np.unique(picture)) == {200}
    assert level.read[0] < 0.1


def test_the_level_follows_the_pixels():
    values = ball((64, 64, 64), radius=20.0)
    fine, coarse = KnownLevel(values, (8, 8, 8)), KnownLevel(halve_mean(values), (8, 8, 8))
    geometry = make(values).geometry
    volume = Volume([fine, coarse], [(1, 1, 1), (2, 2, 2)], geometry, UNIFORM)

    filmless.render_volume(volume, "anterior", size=(32, 32), window=WINDOW)
    assert coarse.read
    assert not fine.read
    filmless.render_volume(volume, "anterior", size=(64, 64), window=WINDOW)
    assert fine.read


def test_a_coarse_picture_comes_first_and_is_about_the_fine_one():
    volume = make(ball((64, 64, 64), radius=20.0))

    first, last = filmless.render_volume(volume, (30, 20), progressive=True, size=(200, 160), transfer=SOLID)

    assert first.shape == last.shape == (160, 200, 3)
    np.testing.assert_array_equal(last, filmless.render_volume(volume, (30, 20), size=(200, 160), transfer=SOLID))
    assert np.abs(np.asarray(first).astype(int) - np.asarray(last)).mean() < 6


def test_what_is_clipped_is_not_seen():
    volume = make(np.full((40, 40, 40), 200, np.int16))
    options = {"size": (40, 40), "window": WINDOW}

    box = filmless.render_volume(volume, "anterior", clip_mm=(-10, -40, -40, 5, 40, 40), **options)
    planes = filmless.render_volume(volume, "anterior", clip_planes=((1, 0, 0, -10), (-1, 0, 0, -5)), **options)

    np.testing.assert_array_equal(box, planes)
    assert np.flatnonzero(np.asarray(box)[20]).tolist() == list(range(10, 25))


def test_a_slab_is_about_the_centre():
    values = np.broadcast_to(np.arange(40, dtype=np.int16)[:, np.newaxis] * 5, (40, 40, 40)).copy()

    picture = filmless.render_volume(
        make(values), "anterior", slab_mm=10, center=(0, 4.5, 0), size=(40, 40), window=WINDOW
    )

    assert np.asarray(picture)[20, 20] == pytest.approx((19.5 + 4.5 + 5) * 5, abs=3)


def test_background_is_behind_everything():
    picture = filmless.render_volume(make(ball()), size=(64, 64), transfer=SOLID, background=(10, 20, 250))

    assert np.asarray(picture)[0, 0].tolist() == [10, 20, 250]
    np.testing.assert_allclose(np.asarray(picture)[32, 32], (200, 100, 50), atol=2)


def test_padding_is_never_seen():
    values = ball()
    values[:, :6] = 3000

    for options in ({"window": WINDOW}, {"transfer": SOLID}):
        padded = filmless.render_volume(make(values, padding_value=3000), "anterior", size=(64, 64), **options)
        clean = values.copy()
        clean[:, :6] = 0
        np.testing.assert_array_equal(padded, filmless.render_volume(make(clean), "anterior", size=(64, 64), **options))


def test_light_comes_from_the_viewer():
    shaded = TransferFunction(SOLID.points, ambient=0.1, diffuse=0.9, specular=0.0)

    volume = make(ball(radius=15.0, edge=12.0))
    picture = np.asarray(filmless.render_volume(volume, (20, 10), size=(128, 128), transfer=shaded))

    pixel = np.linalg.norm(lay_view(volume, (20, 10), size=(128, 128)).right_mm)
    row, column = (np.indices((128, 128)) - 63.5) * pixel
    depth = np.sqrt(np.maximum(15.0**2 - row**2 - column**2, 0.0))
    where = depth > 6.0
    np.testing.assert_allclose(picture[..., 0][where], 200 * (0.1 + 0.9 * depth[where] / 15.0), atol=8)


def uneven(offsets, **options):
    (arrangement,) = arrange(frame_table([(0, 0, offset) for offset in offsets]))
    z = np.array(offsets)[:, np.newaxis, np.newaxis]
    values = np.broadcast_to(z * 10 + 50, (len(offsets), 9, 11)).astype(np.int16)
    return Volume([ArrayLevel(values)], [(1, 1, 1)], arrangement.geometry, arrangement.verdict, **options)


def test_uneven_slices_are_resampled_only_when_asked():
    volume = uneven([0, 1, 2, 3.5, 5, 6, 7])
    with pytest.raises(NotReformattable, match="resample"):
        filmless.render_volume(volume)

    picture = np.asarray(filmless.render_volume(volume, window=WINDOW, resample=True, size=(40, 40)))

    lit = picture[:, 20][picture[:, 20] > 0].astype(int)
    assert (np.diff(lit) <= 0).all()  # values rise to the head, evenly, whatever the slices do
    assert np.ptp(np.diff(lit)) <= 2


def test_nothing_is_made_up_where_slices_are_missing():
    volume = uneven([0, 1, 2, 3, 8, 9, 10, 11])

    picture = np.asarray(filmless.render_volume(volume, window=WINDOW, resample=True, size=(48, 48)))

    column = picture[:, 24]
    lit = np.flatnonzero(column)
    assert (column[lit[0] : lit[-1]] == 0).any()


def test_slices_of_unlike_rescale_are_compared_in_modality_units():
    values = np.full((4, 8, 8), 10, np.int16)
    rescale = np.array([[1.0, 0], [3.0, 0], [20.0, 0], [2.0, 0]])

    picture = filmless.render_volume(make(values, rescale=rescale), "head", size=(8, 8), window=WINDOW)

    assert np.unique(picture).tolist() == [200]


@pytest.mark.parametrize("preset", TRANSFER_PRESETS)
def test_a_preset_is_asked_for_by_name_or_as_itself(preset):
    by_name, itself = RenderRequest(transfer=preset), RenderRequest(transfer=TRANSFER_PRESETS[preset], view="anterior")

    assert by_name == itself
    assert by_name.key == itself.key
    assert hash(by_name) == hash(itself)


def test_text_says_the_same_as_values():
    text = RenderRequest.from_keywords(
        {
            "view": "30,-10",
            "transfer": "0,1,2,3,0;100,255,255,255,0.5",
            "clip_planes": "0,0,1,5;1,0,0,-3",
            "clip_mm": "0,0,0,1,2,3",
            "background": "1,2,3",
            "zoom": "2",
        }
    )

    assert text == RenderRequest(
        view=(30, -10),
        transfer=TransferFunction(((0, 1, 2, 3, 0), (100, 255, 255, 255, 0.5))),
        clip_planes=((0, 0, 1, 5), (1, 0, 0, -3)),
        clip_mm=(0, 0, 0, 1, 2, 3),
        background=(1, 2, 3),
        zoom=2.0,
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"view": "above"}, "anterior"),
        ({"view": (1, 2, 3, 4)}, "azimuth"),
        ({"view": (0, 0, 0)}, "no direction"),
        ({"view": (math.nan, 0)}, "number"),
        ({"view": "left", "up": (1, 0, 0)}, "parallel"),
        ({"view": "left", "plane": "axial"}, "leave it out"),
        ({"view": "left", "index": 3}, "leave it out"),
        ({"view": "left", "zoom": 0}, "zoom"),
        ({"view": "left", "clip_mm": (0, 0, 0, 1, 1, 0)}, "least"),
        ({"view": "left", "clip_planes": ((0, 0, 0, 1),)}, "direction"),
        ({"view": "left", "clip_planes": ((0, 0, 1, 1),) * 17}, "at most"),
        ({"view": "left", "size": (16384, 16384)}, "smaller size"),
        ({"view": "left", "background": (1, 2, 3)}, "add transfer"),
        ({"transfer": "bone", "background": (1, 2, 256)}, "0 to 255"),
        ({"transfer": "glass"}, "bone"),
        ({"transfer": "0,1,2,3,0;0,1,2,3,0"}, "increasing"),
        ({"transfer": "0,1,2,3;5,1,2,3,0"}, "opacity"),
        ({"transfer": "0,1,2,3,2;5,1,2,3,0"}, "opacity"),
        ({"clip_planes": ((0, 0, 1, 1),)}, "view"),
    ],
)
def test_what_cannot_be_seen_is_refused_with_what_to_do(options, words):
    with pytest.raises(InvalidArgument, match=words):
        raycast.cast(make(np.zeros((200, 200, 200), np.int16)), RenderRequest(**options))


def test_a_view_in_grey_has_sixteen_bits_and_automatic_windows_too():
    volume = make(ball(), window=(100, 50))
    request = RenderRequest(view="anterior", window=(100.0, 200.0))

    shallow, deep = (raycast.cast(volume, request.but(bits=bits)).pixels for bits in (8, 16))
    automatic = raycast.cast(volume, request.but(window="auto")).pixels

    assert deep.dtype == np.uint16
    assert np.abs(deep / 257.0 - shallow).max() <= 0.51
    assert np.array_equal(automatic, raycast.cast(volume, request.but(window=volume.robust_window)).pixels)


def test_sixteen_bits_of_layers_of_colour_are_refused():
    with pytest.raises(InvalidArgument, match="16 bits are of grey"):
        RenderRequest(view="anterior", transfer="bone", bits=16)
