"""RT structure sets over planes: contours as they were drawn, and the solids that they make cut by any plane."""

from __future__ import annotations

import filmless
import numpy as np
import pytest
from dicom_files import ROOT, save
from filmless.engine.labels.pile import pile_up
from filmless.errors import FormatError, InvalidArgument
from label_objects import SPACE, TURNED, painted, slices, structure_set
from naive import contours as naive

IMAGES, LABELS = f"{ROOT}.1", f"{ROOT}.9"
SIDE = 40


def archived(folder, rois, sources=None, **options):
    made = [*(sources or cube()), structure_set(rois, **options)]
    for number, one in enumerate(made):
        save(one, folder / "export" / f"{number}.dcm")
    archive = filmless.open(folder / "archive")
    assert archive.ingest(folder / "export").stored == len(made)
    return archive


def cube(**options):
    """40 slices, 1 mm a side, from the origin."""
    return slices((SIDE, SIDE, SIDE), (1.0, 1.0, 1.0), origin=(0.0, 0.0, 0.0), **options)


def shown(archive, *args, style="filled", segments=(), **options):
    labels = [archive.labels(LABELS, opacity=1, style=style, segments=segments)]
    volume = archive.series(IMAGES).volume()
    return painted(filmless.render(volume, *args, labels=labels, **options), filmless.render(volume, *args, **options))


def circle(z, radius, middle=(19.5, 19.5), points=180):
    angles = np.arange(points) * 2 * np.pi / points
    return [(middle[0] + radius * np.cos(a), middle[1] + radius * np.sin(a), z) for a in angles]


def sphere(radius=15.0, step=1):
    """A sphere about the middle, a contour on each slice that it meets."""
    heights = [z for z in range(0, SIDE, step) if abs(z - 19.5) < radius]
    return [("CLOSED_PLANAR", circle(z, np.sqrt(radius**2 - (z - 19.5) ** 2))) for z in heights]


def pixel_points(plane):
    rows, columns = np.mgrid[: plane.rows, : plane.columns][..., np.newaxis]
    return np.array(plane.origin_mm) + rows * plane.down_mm + columns * plane.right_mm


@pytest.fixture(scope="module")
def ball(tmp_path_factory):
    return archived(tmp_path_factory.mktemp("ball"), [("Ball", sphere())])


class TestSolids:
    @pytest.mark.parametrize("normal", [(0, 0, 1), (1, 0, 0), (0, -1, 0), (1, 1, 0), (1, -2, 3)])
    def test_a_sphere_of_contours_is_a_disc_in_every_plane_through_its_middle(self, ball, normal):
        plane = filmless.engine.render.planes.oblique(ball.series(IMAGES).volume(), normal, size=(160, 160))
        away = np.linalg.norm(pixel_points(plane) - 19.5, axis=-1)

        found = shown(ball, plane)

        # A pixel belongs to the contour at most half a slice above or below, 0.5 mm, and the sphere's side leans.
        assert found[away < 15 - 0.6].all()
        assert not found[away > 15 + 0.6].any()

    @pytest.mark.parametrize("normal", [(0, 0, 1), (2, 1, -2)])
    def test_a_thick_slab_shows_the_whole_of_it_as_a_disc(self, ball, normal):
        plane = filmless.engine.render.planes.oblique(
            ball.series(IMAGES).volume(), normal, center=(19.5, 19.5, 19.5), size=(120, 120)
        )
        points = pixel_points(plane) - 19.5
        across = points - (points @ plane.normal)[..., np.newaxis] * plane.normal
        away = np.linalg.norm(across, axis=-1)

        found = shown(ball, plane, slab_mm=40, mode="max")

        assert found[away < 15 - 0.8].all()
        assert not found[away > 15 + 0.8].any()

    def test_a_slab_that_shows_a_mean_shows_what_most_of_it_is(self, tmp_path):
        square = [(5, 5), (30, 5), (30, 30), (5, 30)]
        archive = archived(
            tmp_path, [("Slices", [("CLOSED_PLANAR", [(*p, z) for p in square]) for z in range(10, 20)])]
        )

        def is_seen(z, mode):
            return bool(shown(archive, at_mm=z, slab_mm=8, mode=mode).any())

        assert is_seen(12, "mean")
        assert not is_seen(7, "mean")
        assert is_seen(7, "max")
        assert not is_seen(0, "mean")

    def test_the_mean_of_a_slab_is_of_what_of_it_lies_in_the_volume(self, tmp_path):
        square = [(5, 5), (30, 5), (30, 30), (5, 30)]
        archive = archived(tmp_path, [("End", [("CLOSED_PLANAR", [(*p, z) for p in square]) for z in range(4)])])

        # From -0.5 mm, where the volume begins, to 5 mm: of 5.5 mm 4 are inside. Of the whole 10 mm they are not half.
        assert shown(archive, at_mm=0, slab_mm=10, mode="mean").any()
        assert not shown(archive, at_mm=5, slab_mm=10, mode="mean").any()

    def test_an_oblique_plane_shows_what_the_naive_twin_finds(self, tmp_path):
        random = np.random.default_rng(7)
        star = {z: [(*(19.5 + (6 + 12 * random.random()) * np.array([np.cos(a), np.sin(a)])), z)
                    for a in np.arange(9) * 2 * np.pi / 9] for z in range(8, 30, 2)}  # fmt: skip
        archive = archived(tmp_path, [("Star", [("CLOSED_PLANAR", points) for points in star.values()])])
        plane = filmless.engine.render.planes.oblique(archive.series(IMAGES).volume(), (1, 3, -2), size=(40, 40))

        found = shown(archive, plane)

        rounded = {z: [tuple(float(f"{v:.10g}") for v in point) for point in points] for z, points in star.items()}
        expected = np.zeros(found.shape, bool)
        for place in np.ndindex(found.shape):
            x, y, z = pixel_points(plane)[place]
            layer = 2 * int(np.floor((z + 1) / 2))
            expected[place] = layer in rounded and naive.is_inside(x, y, [[p[:2] for p in rounded[layer]]])
        assert expected.any()
        assert np.array_equal(found, expected)

    def test_an_inner_contour_is_a_hole(self, tmp_path):
        rois = [
            ("Ring", [(kind, circle(20, radius)) for kind, radius in (("CLOSED_PLANAR", 15), ("CLOSED_PLANAR", 6))])
        ]
        archive = archived(tmp_path, rois)
        away = np.hypot(*(np.mgrid[:SIDE, :SIDE] - 19.5))

        found = shown(archive, "acquired", index=20)

        assert np.array_equal(found, (away < 15) & (away > 6))

    @pytest.mark.filterwarnings("ignore:The value for the data element:UserWarning")
    def test_a_contour_longer_than_its_vr_can_say_is_read(self, tmp_path):
        archive = archived(tmp_path, [("Fine", [("CLOSED_PLANAR", circle(20, 15, points=5000))])])
        away = np.hypot(*(np.mgrid[:SIDE, :SIDE] - 19.5))

        assert np.array_equal(shown(archive, "acquired", index=20), away < 15)

    def test_where_contours_are_missing_nothing_is_made_up(self, tmp_path):
        square = [(5, 5), (30, 5), (30, 30), (5, 30)]
        heights = [*range(5, 10), *range(25, 30)]
        archive = archived(tmp_path, [("Two", [("CLOSED_PLANAR", [(*p, z) for p in square]) for z in heights])])

        found = shown(archive, "coronal", index=20)

        # From the head: the picture's row 0 is slice 39.
        assert np.flatnonzero(found.any(axis=1)).tolist() == sorted(39 - z for z in heights)

    def test_contours_of_an_oblique_series_lie_in_its_slices(self, tmp_path):
        sources = slices((10, 30, 30), (1.0, 1.0, 1.0), axes=TURNED, origin=(3.0, -8.0, 12.0))
        right, down = (np.array(axis) for axis in TURNED)
        first = np.array(sources[4].ImagePositionPatient)
        contour = [first + c * right + r * down for c, r in ((4.5, 6.5), (20.5, 6.5), (20.5, 11.5), (4.5, 11.5))]
        archive = archived(tmp_path, [("Box", [("CLOSED_PLANAR", contour)])], sources)

        found = [shown(archive, "acquired", index=z) for z in (3, 4, 5)]

        expected = np.zeros((30, 30), bool)
        expected[7:12, 5:21] = True
        assert np.array_equal(found[1], expected)
        assert not found[0].any()
        assert not found[2].any()

    def test_a_curved_plane_cuts_it_too(self, ball):
        found = shown(ball, curve=[(19.5, 19.5, 0.0), (19.5, 19.5, 39.0)], width_mm=38.0)

        rows, columns = np.mgrid[: found.shape[0], : found.shape[1]]
        away = np.hypot(rows - 19.5, columns - (found.shape[1] - 1) / 2)
        assert found[away < 14].all()
        assert not found[away > 16].any()


class TestLines:
    def test_an_outline_on_a_parallel_plane_is_the_contour_itself(self, ball):
        found = shown(ball, "acquired", index=20, style="outline")

        away = np.hypot(*(np.mgrid[:SIDE, :SIDE] - 19.5))
        radius = np.sqrt(15**2 - 0.25)
        assert found.sum() > 2 * np.pi * radius * 0.8
        assert (np.abs(away[found] - radius) < 1).all()

    def test_an_outline_on_another_plane_is_the_edge_of_the_solid(self, ball):
        found = shown(ball, "coronal", index=20, style="outline")

        away = np.hypot(*(np.mgrid[:SIDE, :SIDE] - 19.5))
        assert found.any()
        assert (np.abs(away[found] - 15) < 2).all()
        assert not found[away < 12].any()

    def test_open_contours_and_points_are_seen_in_their_slice_alone(self, tmp_path):
        rois = [
            ("Wire", [("OPEN_PLANAR", [(5, 5, 20), (30, 5, 20), (30, 25, 20)])]),
            ("Spot", [("POINT", [(12, 31, 20)])]),
        ]
        archive = archived(tmp_path, rois)

        wire, spot = (shown(archive, "acquired", index=20, segments=[number]) for number in (1, 2))

        expected = np.zeros((SIDE, SIDE), bool)
        expected[5, 5:31] = expected[5:26, 30] = True
        assert np.array_equal(wire, expected)
        assert spot[31, 12]
        assert spot.sum() <= 16
        assert not shown(archive, "acquired", index=22).any()

    def test_a_wire_through_slices_is_cut_to_each(self, tmp_path):
        archive = archived(tmp_path, [("Lead", [("OPEN_NONPLANAR", [(0, 10, 0), (39, 10, 39)])])])

        found = shown(archive, "acquired", index=12)

        # Within half a slice, 11.5 to 12.5 mm, the wire goes from x = 11.5 to 12.5.
        assert set(map(tuple, np.argwhere(found))) <= {(10, 11), (10, 12), (10, 13)}
        assert found[10, 12]


class TestRefusals:
    def test_another_frame_of_reference_is_refused(self, tmp_path):
        archive = archived(tmp_path, [("Ball", sphere())], space=f"{SPACE}.5")
        with pytest.raises(InvalidArgument, match="another frame of reference"):
            shown(archive)

    @pytest.mark.parametrize(("kind", "points"), [("CLOSED_PLANAR", [(1, 2)]), ("BLOB", [(1, 2, 3)]), ("POINT", [])])
    def test_contours_that_are_none_are_a_typed_error(self, tmp_path, kind, points):
        archive = archived(tmp_path, [("Odd", [(kind, points)])])
        with pytest.raises(FormatError, match=r"contour of type|cannot be read"):
            shown(archive)

    def test_a_region_without_contours_shows_nothing(self, tmp_path):
        archive = archived(tmp_path, [("Empty", []), ("Flat", [("CLOSED_PLANAR", [(1, 1, 9), (5, 5, 9), (3, 3, 9)])])])

        assert not shown(archive, "acquired", index=20).any()
        assert shown(archive, "acquired", index=9, segments=["flat"]).any()


def test_contours_are_piled_up_by_direction_whichever_way_they_turn():
    square = np.array([(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0)], float)
    upright = square[:, [2, 0, 1]]

    piles, lines = pile_up(
        [square, square[::-1] + np.array([0, 0, 2]), upright, square[:2], square + np.array([0, 0, 4])]
    )

    assert [len(pile.planes) for pile in piles] == [3, 1]
    assert [pile.step_mm for pile in piles] == [2.0, 0.0]
    assert len(lines) == 1
    assert piles[0].layers(9.0).tolist() == [[-1, 1], [1, 3], [3, 5]]
    assert piles[1].layers(9.0).tolist() == [[-4.5, 4.5]]
