"""Overlays, shutters, ICC profiles and presentation states over frames of an archive."""

from __future__ import annotations

import io

import filmless
import highdicom as hd
import numpy as np
import pytest
from dicom_files import ROOT, image, save
from filmless.engine.presentation.area import DisplayedArea
from filmless.engine.presentation.colors import rgb_from_cielab
from filmless.engine.presentation.overlays import placed, read_overlays
from filmless.engine.presentation.show import Look
from filmless.engine.presentation.shutters import read_shutter
from filmless.errors import FilmlessError, InvalidArgument, NotFound, UnsupportedPixels
from PIL import Image as PillowImage
from PIL import ImageCms
from pydicom.dataset import Dataset
from pydicom.overlays import get_overlay_array
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian

VALUES = np.random.default_rng(5).integers(0, 4096, (40, 60)).astype(np.uint16)
IMAGE = f"{ROOT}.1.1"
STATE = f"{ROOT}.9.1"
WINDOW = {"WindowCenter": 2000, "WindowWidth": 3000}


def add_overlay(made, mask, group=0x6000, origin=(1, 1), kind="G", frames=None, first=None):
    made.add_new((group, 0x0010), "US", mask.shape[-2])
    made.add_new((group, 0x0011), "US", mask.shape[-1])
    made.add_new((group, 0x0040), "CS", kind)
    made.add_new((group, 0x0050), "SS", list(origin))
    made.add_new((group, 0x0100), "US", 1)
    made.add_new((group, 0x0102), "US", 0)
    if frames is not None:
        made.add_new((group, 0x0015), "IS", frames)
        made.add_new((group, 0x0051), "US", first)
    bits = np.packbits(mask.astype(np.uint8).ravel(), bitorder="little").tobytes()
    made.add_new((group, 0x3000), "OB", bits + b"\0" * (len(bits) % 2))


def some_mask(shape, seed=1):
    return np.random.default_rng(seed).random(shape) < 0.3


def archived(tmp_path, *made, syntax=ExplicitVRLittleEndian):
    for number, data_set in enumerate(made):
        save(data_set, tmp_path / "export" / f"{number}.dcm", syntax)
    archive = filmless.open(tmp_path / "archive")
    report = archive.ingest(tmp_path / "export")
    assert report.stored == len(made)
    return archive


def series_of(archive, made):
    return archive.series(made.SeriesInstanceUID)


def windowed(values=VALUES, **options):
    return image(values, **(WINDOW | options))


class TestOverlays:
    @pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ExplicitVRBigEndian])
    def test_an_overlay_of_its_own_data_is_white_where_pydicom_has_it(self, tmp_path, syntax):
        is_big = syntax == ExplicitVRBigEndian
        made, mask = windowed(raw=(VALUES.byteswap() if is_big else VALUES).tobytes()), some_mask(VALUES.shape)
        add_overlay(made, mask)
        stack = series_of(archived(tmp_path, made, syntax=syntax), made).stack()

        picture, bare = stack.picture(0).pixels, stack.show(0, Look(overlays=False)).pixels

        assert np.array_equal(get_overlay_array(made, 0x6000), mask)
        assert (picture[mask] == 255).all()
        assert np.array_equal(picture[~mask], bare[~mask])
        assert np.array_equal(bare, filmless.kernels.window.window_linear(VALUES, 2000, 3000))

    def test_an_overlay_in_unused_bits_is_found_there(self, tmp_path):
        mask = some_mask(VALUES.shape)
        made = windowed(raw=(VALUES | mask.astype(np.uint16) << 13).tobytes(), bits_stored=12)
        add_overlay(made, mask)
        made[0x60000100].value, made[0x60000102].value = 16, 13
        del made[0x60003000]
        stack = series_of(archived(tmp_path, made), made).stack()

        picture, bare = stack.picture(0).pixels, stack.show(0, Look(overlays=False)).pixels

        assert (picture[mask] == 255).all()
        assert np.array_equal(picture[~mask], bare[~mask])
        assert np.array_equal(stack.frame(0), VALUES)

    @pytest.mark.parametrize("origin", [(1, 1), (5, 9), (-3, -7), (35, 55), (100, 100)])
    def test_an_origin_moves_an_overlay_and_what_is_outside_is_cut(self, origin):
        mask = some_mask((10, 12))

        laid = placed(mask, origin[0] - 1, origin[1] - 1, VALUES.shape)

        expected = np.zeros((300, 300), bool)
        expected[100 + origin[0] - 1 :, 100 + origin[1] - 1 :][:10, :12] = mask
        assert np.array_equal(laid, expected[100:140, 100:160])

    def test_each_frame_has_its_own_plane_of_an_overlay_of_many(self):
        masks, header = some_mask((3, 5, 7)), Dataset()
        add_overlay(header, masks, frames=3, first=2)

        found = [read_overlays(header, frame, (5, 7), None) for frame in range(5)]

        assert [len(overlays) for overlays in found] == [0, 1, 1, 1, 0]
        for frame, mask in enumerate(masks, 1):
            assert np.array_equal(found[frame][0].mask, mask)

    def test_an_overlay_shorter_than_it_says_is_refused(self):
        header = Dataset()
        add_overlay(header, some_mask((5, 7)))
        header[0x60000010].value = 500

        with pytest.raises(UnsupportedPixels, match="overlay 6000 holds"):
            read_overlays(header, 0, (5, 7), None)


class TestShutters:
    def shutter(self, shape=(40, 60), aspect=1.0, bitmaps=None, **attributes):
        header = Dataset()
        for keyword, value in attributes.items():
            setattr(header, keyword, value)
        return read_shutter(header, shape, aspect, bitmaps or {})

    def test_a_rectangle_shows_its_edges_and_hides_what_is_beyond(self):
        found = self.shutter(
            ShutterShape="RECTANGULAR", ShutterLeftVerticalEdge=11, ShutterRightVerticalEdge=20,
            ShutterUpperHorizontalEdge=3, ShutterLowerHorizontalEdge=4, ShutterPresentationValue=0x8000,
        )  # fmt: skip

        assert np.argwhere(~found.mask).min(axis=0).tolist() == [2, 10]
        assert np.argwhere(~found.mask).max(axis=0).tolist() == [3, 19]
        assert found.gray == pytest.approx(0.5, abs=1e-4)

    @pytest.mark.parametrize("aspect", [1.0, 2.0])
    def test_a_circle_is_round_in_millimetres(self, aspect):
        circle = {"ShutterShape": "CIRCULAR", "CenterOfCircularShutter": [21, 31], "RadiusOfCircularShutter": 10}

        seen = np.argwhere(~self.shutter(aspect=aspect, **circle).mask)

        assert (np.ptp(seen, axis=0) / 2).tolist() == [10 / aspect, 10]

    def test_a_polygon_and_a_rectangle_show_what_lies_in_both(self):
        square = [6, 6, 6, 26, 26, 26, 26, 6]
        found = self.shutter(
            ShutterShape=["POLYGONAL", "RECTANGULAR"], VerticesOfThePolygonalShutter=square,
            ShutterLeftVerticalEdge=16, ShutterRightVerticalEdge=60, ShutterUpperHorizontalEdge=1,
            ShutterLowerHorizontalEdge=40,
        )  # fmt: skip

        expected = np.ones((40, 60), bool)
        expected[5:26, 15:26] = False
        assert np.array_equal(found.mask, expected)

    def test_a_bitmap_hides_where_its_overlay_is_set(self):
        mask = some_mask((40, 60))

        found = self.shutter(ShutterShape="BITMAP", ShutterOverlayGroup=0x6002, bitmaps={0x6002: mask})

        assert np.array_equal(found.mask, mask)

    @pytest.mark.parametrize("attributes", [
        {"ShutterShape": "ROUND"}, {"ShutterShape": "CIRCULAR"},
        {"ShutterShape": "BITMAP", "ShutterOverlayGroup": 0x6000},
        {"ShutterShape": "POLYGONAL", "VerticesOfThePolygonalShutter": [1, 1, 2, 2]},
    ])  # fmt: skip
    def test_a_shutter_that_is_none_is_refused(self, attributes):
        with pytest.raises(UnsupportedPixels, match="shutter"):
            self.shutter(**attributes)

    def test_an_image_is_shown_through_its_shutter_unless_told_otherwise(self, tmp_path):
        made = windowed(
            ShutterShape="RECTANGULAR", ShutterLeftVerticalEdge=11, ShutterRightVerticalEdge=20,
            ShutterUpperHorizontalEdge=3, ShutterLowerHorizontalEdge=30, ShutterPresentationValue=0xFFFF,
        )  # fmt: skip
        stack = series_of(archived(tmp_path, made), made).stack()

        picture, bare = stack.picture(0).pixels, stack.show(0, Look(shutters=False)).pixels

        assert np.array_equal(picture[2:30, 10:20], bare[2:30, 10:20])
        picture = picture.copy()
        picture[2:30, 10:20] = 255
        assert (picture == 255).all()


class TestProfiles:
    @pytest.fixture
    def colored(self, tmp_path):
        rgb = np.random.default_rng(8).integers(0, 256, (30, 20, 3)).astype(np.uint8)
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
        made = image(rgb, ICCProfile=swapped_profile())
        assert profile
        return rgb, made, series_of(archived(tmp_path, made), made).stack()

    @pytest.mark.parametrize("name", ["png", "jpeg"])
    def test_a_profile_is_kept_in_the_file(self, colored, name):
        rgb, made, stack = colored

        picture = stack.picture(0)

        assert np.array_equal(picture.pixels, rgb)
        opened = PillowImage.open(io.BytesIO(picture.encode(name)))
        opened.load()
        assert opened.info["icc_profile"] == made.ICCProfile[: len(opened.info["icc_profile"])]

    def test_a_profile_is_applied_on_request_as_littlecms_does(self, colored):
        rgb, _, stack = colored

        picture = stack.show(0, Look(srgb=True))

        expected = ImageCms.profileToProfile(
            PillowImage.fromarray(rgb), io.BytesIO(swapped_profile()), ImageCms.createProfile("sRGB")
        )
        assert picture.icc_profile is None
        assert np.array_equal(picture.pixels, np.asarray(expected))
        assert not np.array_equal(picture.pixels, rgb)

    def test_a_profile_that_is_none_is_told(self, tmp_path):
        made = image(np.zeros((4, 6, 3), np.uint8), ICCProfile=b"no profile")
        stack = series_of(archived(tmp_path, made), made).stack()

        with pytest.raises(UnsupportedPixels, match="ICC profile"):
            stack.show(0, Look(srgb=True))


def swapped_profile():
    """An sRGB profile whose red and blue primaries are exchanged."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = int.from_bytes(data[128:132], "big")
    places = {bytes(data[at : at + 4]): at for at in range(132, 132 + 12 * count, 12)}
    red, blue = places[b"rXYZ"], places[b"bXYZ"]
    data[red + 4 : red + 12], data[blue + 4 : blue + 12] = data[blue + 4 : blue + 12], data[red + 4 : red + 12]
    return bytes(data) + b"\0" * (len(data) % 2)


@pytest.mark.parametrize(("lab", "rgb"), [
    ((65535, 32896, 32896), (255, 255, 255)), ((0, 32896, 32896), (0, 0, 0)), ((35000, 32896, 32896), None),
])  # fmt: skip
def test_neutral_cielab_is_grey(lab, rgb):
    found = rgb_from_cielab(lab)

    assert max(found) - min(found) <= 1
    assert rgb is None or found == rgb


def test_cielab_is_the_colour_that_littlecms_made_it_from():
    to_lab = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
    for rgb in ((255, 0, 0), (0, 128, 0), (30, 60, 200), (240, 230, 120)):
        lab = ImageCms.applyTransform(PillowImage.new("RGB", (1, 1), rgb), to_lab).getpixel((0, 0))
        found = rgb_from_cielab([value * 257 for value in lab])
        # LittleCMS gives CIELab of 8 bits here: one unit of b* is up to three levels of blue.
        assert np.abs(np.subtract(found, rgb)).max() <= 4, rgb


def twelve_bits():
    """An image that has no window: highdicom would copy it into a state."""
    return image(VALUES, bits_stored=12)


def referenced(made):
    """What highdicom asks of an image that a presentation state refers to."""
    for keyword in ("StudyID", "StudyDate", "StudyTime", "AccessionNumber", "PatientBirthDate", "PatientSex",
                    "ReferringPhysicianName"):  # fmt: skip
        if keyword not in made:
            setattr(made, keyword, "")
    return made


def grayscale_state(made, **options):
    return hd.pr.GrayscaleSoftcopyPresentationState(
        [referenced(made)], series_instance_uid=f"{ROOT}.9", series_number=9, sop_instance_uid=STATE,
        instance_number=1, manufacturer="Test", manufacturer_model_name="Test", software_versions="1",
        device_serial_number="1", content_label="STATE", **options,
    )  # fmt: skip


def through(tmp_path, made, state, **options):
    """The picture of an image through a state, by request."""
    archive = archived(tmp_path, made, state)
    request = filmless.RenderRequest(instance=IMAGE, presentation=STATE, **options)
    return series_of(archive, made).render(request).pixels


class TestStates:
    def test_a_window_of_a_state_takes_the_place_of_the_image_s_own(self, tmp_path):
        voi = hd.pr.SoftcopyVOILUTTransformation(window_center=1000, window_width=700)

        picture = through(tmp_path, windowed(), grayscale_state(windowed(), voi_lut_transformations=[voi]))

        assert np.array_equal(picture, filmless.kernels.window.window_linear(VALUES, 1000, 700))

    def test_a_state_without_a_window_shows_all_that_can_be_stored(self, tmp_path):
        made = twelve_bits()

        picture = through(tmp_path, made, grayscale_state(made))

        assert np.abs(picture - VALUES / 4095 * 255).max() <= 0.51

    def test_tables_of_a_state_follow_one_another(self, tmp_path):
        modality = hd.ModalityLUT("US", 0, (np.arange(4096) // 16).astype(np.uint8))
        voi = hd.VOILUT(0, (np.arange(256)[::-1] * 16).astype(np.uint16))
        presentation = hd.PresentationLUT(0, (np.arange(4096) ** 2 / 4095 * 16).astype(np.uint16))
        state = grayscale_state(
            twelve_bits(),
            modality_lut_transformation=hd.ModalityLUTTransformation(modality_lut=modality),
            voi_lut_transformations=[hd.pr.SoftcopyVOILUTTransformation(voi_luts=[voi])],
            presentation_lut_transformation=hd.PresentationLUTTransformation(presentation_lut=presentation),
        )

        picture = through(tmp_path, twelve_bits(), state)

        looked_up = (255 - VALUES // 16) * 16 / 65535
        curve = (np.arange(4096) ** 2 / 4095 * 16).astype(np.uint16)
        assert np.array_equal(picture, np.rint(curve[np.rint(looked_up * 4095).astype(int)] / 65535 * 255))

    def test_an_inverse_shape_inverts(self, tmp_path):
        voi = hd.pr.SoftcopyVOILUTTransformation(window_center=1000, window_width=700)
        inverse = hd.PresentationLUTTransformation(presentation_lut_shape="INVERSE")
        state = grayscale_state(windowed(), voi_lut_transformations=[voi], presentation_lut_transformation=inverse)

        picture = through(tmp_path, windowed(), state)

        assert np.array_equal(picture, filmless.kernels.window.window_linear(VALUES, 1000, 700, invert=True))

    def test_a_pseudo_colour_state_paints_what_its_window_gives(self, tmp_path):
        ramp = np.arange(256, dtype=np.uint8)
        red, green, blue = (
            hd.PaletteColorLUT(0, entries.astype(np.uint16) * 257, color)
            for color, entries in (("red", ramp), ("green", ramp[::-1].copy()), ("blue", ramp // 2))
        )
        state = hd.pr.PseudoColorSoftcopyPresentationState(
            [referenced(windowed())], f"{ROOT}.9", 9, STATE, 1, "Test", "Test", "1", "1",
            hd.PaletteColorLUTTransformation(red, green, blue), "STATE",
        )  # fmt: skip

        picture = through(tmp_path, windowed(), state)

        # The window is the image's own, which highdicom copies.
        gray = filmless.kernels.window.window_linear(VALUES, 2000, 3000)
        assert np.array_equal(picture, np.stack([gray, 255 - gray, gray // 2], axis=-1))

    @pytest.mark.parametrize("turns", range(4))
    @pytest.mark.parametrize("flip", ["N", "Y"])
    def test_rotation_is_clockwise_and_comes_before_the_flip(self, tmp_path, turns, flip):
        state = grayscale_state(twelve_bits())
        state.ImageRotation, state.ImageHorizontalFlip = 90 * turns, flip

        picture = through(tmp_path, twelve_bits(), state)

        turned = np.rot90(np.rint(VALUES / 4095 * 255), -turns)
        assert np.abs(picture - (turned[:, ::-1] if flip == "Y" else turned)).max() <= 1

    def test_a_displayed_area_beyond_the_image_is_black_there(self, tmp_path):
        state = grayscale_state(twelve_bits())
        state.DisplayedAreaSelectionSequence = [area_item((-4, 11), (20, 30))]

        picture = through(tmp_path, twelve_bits(), state)

        assert picture.shape == (20, 25)
        assert not picture[:, :5].any()
        assert np.abs(picture[:, 5:] - VALUES[10:30, :20] / 4095 * 255).max() <= 0.51

    def test_a_state_is_of_the_images_it_names_alone(self, tmp_path):
        other = image(VALUES, 2)
        archive = archived(tmp_path, windowed(), other, grayscale_state(windowed()))
        series = series_of(archive, other)

        with pytest.raises(InvalidArgument, match="is not of frame 1"):
            series.render(filmless.RenderRequest(instance=other.SOPInstanceUID, presentation=STATE))
        with pytest.raises(NotFound, match=r"no instance '1\.2\.3'"):
            series.render(filmless.RenderRequest(instance=IMAGE, presentation="1.2.3"))
        with pytest.raises(UnsupportedPixels, match="CT Image Storage"):
            series.render(filmless.RenderRequest(instance=IMAGE, presentation=IMAGE))

    def test_an_etag_tells_the_state(self, tmp_path):
        series = series_of(archived(tmp_path, windowed()), windowed())
        plain, dressed = (filmless.RenderRequest(instance=IMAGE, presentation=state) for state in (None, STATE))

        assert series.etag(plain) != series.etag(dressed)


def area_item(first, last, mode="SCALE TO FIT", **attributes):
    item = Dataset()
    item.DisplayedAreaTopLeftHandCorner, item.DisplayedAreaBottomRightHandCorner = list(first), list(last)
    item.PresentationSizeMode = mode
    for keyword, value in attributes.items():
        setattr(item, keyword, value)
    return item


class TestAnnotations:
    def annotated(self, tmp_path, *objects, texts=(), layer=None, change=None, **options):
        layer = layer or hd.pr.GraphicLayer("LAYER", 1)
        item = hd.pr.GraphicAnnotation(
            [referenced(dark())], layer, graphic_objects=list(objects) or None, text_objects=list(texts) or None
        )
        state = grayscale_state(dark(), graphic_annotations=[item], graphic_layers=[layer])
        if change:
            change(state)
        return through(tmp_path, dark(), state, **options)

    def test_a_point_marked_in_the_image_is_drawn_there(self, tmp_path):
        point = hd.pr.GraphicObject("POINT", np.array([[20.5, 10.5]]), "PIXEL")

        picture = self.annotated(tmp_path, point)

        middle = np.argwhere(picture == 255).mean(axis=0) + 0.5
        assert np.abs(middle - [10.5, 20.5]).max() <= 0.5

    @pytest.mark.parametrize("turns", range(4))
    @pytest.mark.parametrize("flip", ["N", "Y"])
    def test_graphics_turn_with_the_image(self, tmp_path, turns, flip):
        line = hd.pr.GraphicObject("POLYLINE", np.array([[5.5, 6.5], [30.5, 6.5], [30.5, 20.5]]), "PIXEL")

        def turn(state):
            state.ImageRotation, state.ImageHorizontalFlip = 90 * turns, flip

        plain = self.annotated(tmp_path / "plain", line)
        turned = self.annotated(tmp_path / "turned", line, change=turn)

        expected = np.rot90(plain, -turns)
        expected = expected[:, ::-1] if flip == "Y" else expected
        # A line of one pixel may fall to either side of where it is exactly.
        rows, columns = np.nonzero(turned)
        near = [np.roll(expected, (dy, dx), (0, 1))[rows, columns] for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
        assert np.all(np.max(near, axis=0) > 0)
        assert abs(int((turned > 0).sum()) - int((plain > 0).sum())) <= 3

    @pytest.mark.parametrize(("kind", "data", "area"), [
        ("CIRCLE", [[20, 20], [32, 20]], np.pi * 144),
        ("ELLIPSE", [[8, 20], [38, 20], [23, 12], [23, 28]], np.pi * 15 * 8),
        ("POLYLINE", [[5, 5], [25, 5], [25, 35], [5, 35], [5, 5]], 600),
    ])  # fmt: skip
    def test_a_filled_graphic_covers_its_area(self, tmp_path, kind, data, area):
        picture = self.annotated(tmp_path, hd.pr.GraphicObject(kind, np.array(data, float), "PIXEL", is_filled=True))

        # The outline is a pixel wide, half of it outside.
        assert (picture == 255).sum() == pytest.approx(area, rel=0.13)

    def test_a_smooth_curve_goes_through_its_points(self, tmp_path):
        points = np.array([[5.5, 5.5], [20.5, 30.5], [40.5, 8.5], [55.5, 33.5]])

        picture = self.annotated(tmp_path, hd.pr.GraphicObject("INTERPOLATED", points, "PIXEL"))

        for x, y in points:
            assert picture[int(y) - 1 : int(y) + 2, int(x) - 1 : int(x) + 2].any()

    def test_display_units_are_parts_of_the_displayed_area(self, tmp_path):
        point = hd.pr.GraphicObject("POINT", np.array([[0.5, 0.25]]), "DISPLAY")

        picture = self.annotated(tmp_path, point, size=(120, 80))

        assert np.abs(np.argwhere(picture == 255).mean(axis=0) + 0.5 - [20, 60]).max() <= 1

    def test_text_lies_in_its_box(self, tmp_path):
        text = hd.pr.TextObject("Ab", "PIXEL", bounding_box=(10.0, 10.0, 50.0, 30.0))

        picture = self.annotated(tmp_path, texts=[text])

        rows, columns = np.nonzero(picture)
        assert len(rows) > 20
        assert (rows.min() >= 9, rows.max() <= 31, columns.min() >= 9, columns.max() <= 51) == (True,) * 4

    def test_a_coloured_layer_makes_a_coloured_picture(self, tmp_path):
        red = hd.pr.GraphicLayer("LAYER", 1, display_color=hd.color.CIELabColor(54.29, 80.81, 69.89))
        box = hd.pr.GraphicObject("POLYLINE", np.array([[5, 5], [25, 5], [25, 35], [5, 5.0]]), "PIXEL", is_filled=True)

        picture = self.annotated(tmp_path, box, layer=red)

        assert np.abs(picture[12, 20] - np.array([255, 0, 0])).max() <= 2
        assert not picture[38, 2].any()

    def test_annotations_can_be_left_out(self, tmp_path):
        box = hd.pr.GraphicObject("POLYLINE", np.array([[5, 5], [25, 5.0]]), "PIXEL")

        assert not self.annotated(tmp_path, box, overlays=False).any()

    def test_sixteen_bits_are_annotated_in_sixteen_bits(self, tmp_path):
        box = hd.pr.GraphicObject("POLYLINE", np.array([[5, 5], [25, 5.0]]), "PIXEL")

        picture = self.annotated(tmp_path, box, bits=16, size=(120, 80))

        assert picture.dtype == np.uint16
        assert picture.max() == 65535


def dark():
    return image(np.zeros((40, 60), np.uint16), bits_stored=12)


class TestStateOverlays:
    def test_an_overlay_of_the_image_is_seen_where_the_state_activates_it(self, tmp_path):
        made, mask = dark(), some_mask((40, 60))
        add_overlay(made, mask)
        state = grayscale_state(made, graphic_layers=[hd.pr.GraphicLayer("LAYER", 1)])
        assert not through(tmp_path / "passive", made, state).any()
        state.add_new(0x60001001, "CS", "LAYER")

        picture = through(tmp_path / "active", made, state)

        assert np.array_equal(picture == 255, mask)

    def test_a_bitmap_shutter_of_the_state_hides_and_is_not_drawn(self, tmp_path):
        state, mask = grayscale_state(twelve_bits()), some_mask((40, 60))
        add_overlay(state, mask, group=0x6002)
        state.ShutterShape, state.ShutterOverlayGroup, state.ShutterPresentationValue = "BITMAP", 0x6002, 0
        state.add_new(0x60021001, "CS", "LAYER")

        picture = through(tmp_path, twelve_bits(), state)

        assert not picture[mask].any()
        assert np.abs(picture - VALUES / 4095 * 255)[~mask].max() <= 0.51


class TestDisplayedArea:
    def area(self, *corners, spacing=(1.0, 1.0), turns=0, flipped=False, **attributes):
        mode = attributes.pop("mode", "SCALE TO FIT")
        return DisplayedArea.read(area_item(*corners, mode, **attributes), (40, 60), spacing, turns, flipped)

    def test_scale_to_fit_is_as_large_as_goes_in_with_its_aspect(self):
        screen = self.area((1, 1), (60, 40), spacing=(2.0, 1.0)).on_screen((300, 200), None)

        assert screen.inner == (150, 200)
        assert screen.corner == (75, 0)

    def test_true_size_is_in_millimetres_of_the_screen(self):
        area = self.area((1, 1), (60, 40), mode="TRUE SIZE", PresentationPixelSpacing=[0.5, 0.5])

        assert area.on_screen(None, 0.25).size == (120, 80)
        with pytest.raises(InvalidArgument, match="screen_mm"):
            area.on_screen(None, None)

    def test_magnify_counts_screen_pixels_a_pixel(self):
        area = self.area((1, 1), (60, 40), mode="MAGNIFY", PresentationPixelMagnificationRatio=3)

        assert area.on_screen(None, None).size == (180, 120)
        assert area.on_screen((60, 60), None).corner == (-60, -30)

    def test_corners_are_those_of_the_turned_picture(self):
        upright, turned = self.area((11, 6), (20, 30)), self.area((20, 6), (11, 30), turns=1)

        assert (upright.left, upright.top, upright.columns, upright.rows) == (10, 5, 10, 25)
        assert (turned.left, turned.top) == (10, 5)

    @pytest.mark.parametrize("turns", range(4))
    @pytest.mark.parametrize("flipped", [False, True])
    def test_a_position_follows_the_pixel_it_marks(self, turns, flipped):
        pixels = np.zeros((40, 60), np.uint8)
        pixels[7, 31] = 255
        screen = self.area((1, 1), (60, 40), turns=turns, flipped=flipped).on_screen(None, None)

        (row, column), *_ = np.argwhere(screen.lay(pixels))

        assert screen.from_image(31.5, 7.5) == pytest.approx((column + 0.5, row + 0.5))

    @pytest.mark.parametrize("item", [
        area_item((1, 1), (99999, 5)), area_item((1, 1), (5, 5), "HUGE"),
        area_item((1, 1), (5, 5), PresentationPixelSpacing=[0, 1]),
    ])  # fmt: skip
    def test_an_impossible_area_is_refused(self, item):
        with pytest.raises(FilmlessError):
            DisplayedArea.read(item, (40, 60), (1.0, 1.0), 0, False)


class TestWaiting:
    """What is still in the inbox is seen as it will be once it is consolidated."""

    def test_an_instance_in_the_inbox_looks_as_it_does_in_a_generation(self, tmp_path):
        mask = some_mask(VALUES.shape)
        made = windowed(raw=(VALUES | mask.astype(np.uint16) << 13).tobytes(), bits_stored=12)
        add_overlay(made, mask)
        made[0x60000100].value, made[0x60000102].value = 16, 13
        del made[0x60003000]
        state = grayscale_state(twelve_bits())
        state.ImageRotation = 90
        archive = filmless.open(tmp_path / "archive")
        for number, data_set in enumerate((made, state)):
            archive.receive(save(data_set, tmp_path / f"{number}.dcm"))
        requests = [
            filmless.RenderRequest(instance=IMAGE, presentation=uid, bits=bits)
            for uid in (None, STATE)
            for bits in (8, 16)
        ]

        waiting = [series_of(archive, made).render(request).pixels for request in requests]
        archive.consolidate()
        consolidated = [series_of(archive, made).render(request).pixels for request in requests]

        assert (waiting[0][mask] == 255).all()
        assert waiting[2].shape == VALUES.shape[::-1]
        for before, after in zip(waiting, consolidated, strict=True):
            assert np.array_equal(before, after)
