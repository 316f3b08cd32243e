"""Segmentations over planes and frames, written by highdicom and beside what highdicom reads in them."""

from __future__ import annotations

import io

import filmless
import highdicom as hd
import numpy as np
import pydicom
import pytest
from dicom_files import ROOT, save
from filmless.engine.labels.segment import PALETTE
from filmless.errors import FormatError, InvalidArgument
from hypothesis import given, settings
from hypothesis import strategies as st
from label_objects import SPACE, TURNED, described, painted, segmentation, slices
from pydicom.uid import ExplicitVRLittleEndian, RLELossless

SHAPE = (12, 24, 20)
IMAGES, LABELS = f"{ROOT}.1", f"{ROOT}.8"
CUBE = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))


def some(shape=SHAPE, seed=1, share=0.3):
    """Random masks, of which slices 3 to 5 are empty: highdicom stores no frame there."""
    masks = np.random.default_rng(seed).random(shape) < share
    masks[3:6] = False
    return masks


def archived(folder, *made):
    for number, one in enumerate(made):
        meta = getattr(one, "file_meta", None)
        syntax = ExplicitVRLittleEndian if meta is None else meta.TransferSyntaxUID
        save(one, folder / "export" / f"{number}.dcm", syntax)
    archive = filmless.open(folder / "archive")
    assert archive.ingest(folder / "export").stored == len(made)
    return archive


def shown(archive, *args, labels, **options):
    """Where labels are seen over a plane of the images."""
    volume = archive.series(IMAGES).volume()
    return painted(filmless.render(volume, *args, labels=labels, **options), filmless.render(volume, *args, **options))


def covered_points(plane):
    """The patient position of each pixel of a plane, (rows, columns, 3)."""
    rows, columns = np.mgrid[: plane.rows, : plane.columns][..., np.newaxis]
    return np.array(plane.origin_mm) + rows * plane.down_mm + columns * plane.right_mm


def nearest_by_highdicom(seg, plane, number):
    """What highdicom's own volume holds nearest to each pixel; and where a pixel is half-way between two voxels."""
    volume = seg.get_volume(segment_numbers=[number], combine_segments=False)
    places = volume.map_reference_to_indices(covered_points(plane).reshape(-1, 3))
    numbers = np.floor(places + 0.5).astype(int)
    values = volume.array[..., 0]
    inside = np.all((numbers >= 0) & (numbers < values.shape), axis=1)
    found = np.zeros(len(places), bool)
    found[inside] = values[tuple(numbers[inside].T)] > 0
    is_tie = (np.abs(places - np.floor(places) - 0.5) < 1e-5).any(axis=1)
    return found.reshape(plane.rows, plane.columns), is_tie.reshape(plane.rows, plane.columns)


@pytest.fixture(scope="module")
def turned(tmp_path_factory):
    """An oblique series with two overlapping segments of which some slices are empty."""
    sources = slices(axes=TURNED)
    seg = segmentation(sources, some((*SHAPE, 2)))
    return archived(tmp_path_factory.mktemp("turned"), *sources, seg), hd.seg.Segmentation.from_dataset(seg)


class TestPlanes:
    @pytest.mark.parametrize("segment", [1, 2])
    @pytest.mark.parametrize("index", [0, 2, 4, 11])
    def test_a_stored_slice_shows_each_segment_s_own_pixels(self, turned, segment, index):
        archive, _ = turned

        found = shown(archive, "acquired", index=index, labels=[archive.labels(LABELS, segments=[segment], opacity=1)])

        assert np.array_equal(found, some((*SHAPE, 2))[index, :, :, segment - 1])

    @settings(max_examples=25)
    @given(
        normal=st.tuples(*[st.integers(-4, 4)] * 3).filter(any),
        rotate=st.floats(0, 359),
        zoom=st.floats(0.5, 4),
        segment=st.sampled_from([1, 2]),
    )
    def test_any_plane_shows_the_voxels_that_highdicom_finds_nearest(self, turned, normal, rotate, zoom, segment):
        archive, seg = turned
        volume = archive.series(IMAGES).volume()
        oblique = filmless.engine.render.planes.oblique(volume, normal, size=(60, 50)).adjusted(zoom, (1, 2), rotate)
        inner, is_tie = nearest_by_highdicom(seg, oblique, segment)

        found = shown(archive, oblique, labels=[archive.labels(LABELS, segments=[segment], opacity=1)])

        assert np.array_equal(found[~is_tie], inner[~is_tie])

    def test_a_sphere_is_a_disc_in_every_plane_through_its_middle(self, tmp_path):
        sources = slices((40, 40, 40), (1.0, 1.0, 1.0), origin=(0.0, 0.0, 0.0))
        grid = np.mgrid[:40, :40, :40] - 19.5
        archive = archived(tmp_path, *sources, segmentation(sources, np.sqrt((grid**2).sum(axis=0)) < 15))
        for normal in ((0, 0, 1), (1, 0, 0), (1, 1, 0), (1, -2, 3)):
            volume = archive.series(IMAGES).volume()
            plane = filmless.engine.render.planes.oblique(volume, normal, size=(160, 160))
            away = np.linalg.norm(covered_points(plane) - 19.5, axis=-1)

            found = shown(archive, plane, labels=[archive.labels(LABELS, opacity=1)])

            # The nearest voxel's middle is half its diagonal away at most: 0.87 mm.
            assert found[away < 15 - 0.87].all()
            assert not found[away > 15 + 0.87].any()

    def test_where_no_frame_is_stored_nothing_is_made_up(self, tmp_path):
        sources, masks = slices(), np.zeros(SHAPE, bool)
        masks[[2, 9]] = True
        archive = archived(tmp_path, *sources, segmentation(sources, masks))

        found = shown(archive, "coronal", labels=[archive.labels(LABELS, opacity=1)], size=(30, 24))

        # Slices are 2 mm thick, rows of the picture 1 mm: from the head, slices 9 and 2.
        assert np.flatnonzero(found.any(axis=1)).tolist() == [4, 5, 18, 19]

    @pytest.mark.parametrize(("mode", "share"), [("max", 0.0), ("min", 0.0), ("mean", 0.5), ("weighted", 0.5)])
    def test_a_slab_shows_all_that_is_in_it_or_what_most_of_it_is(self, turned, mode, share):
        archive, _ = turned
        slab = {"slab_mm": 8.0, "mode": mode}  # five slices, 2 mm apart

        found = shown(archive, "acquired", index=8, labels=[archive.labels(LABELS, segments=[1], opacity=1)], **slab)

        counts = some((*SHAPE, 2))[6:11, :, :, 0].mean(axis=0)
        expected = counts > share
        # A weighted mean counts the middle most: where the plain one is near a half the two may differ.
        clear = np.abs(counts - 0.5) > 0.2 if mode == "weighted" else np.ones_like(expected)
        assert expected.any()
        assert np.array_equal(found[clear], expected[clear])

    @pytest.mark.parametrize("kind", ["BINARY", "LABELMAP"])
    def test_of_a_mean_slab_what_lies_outside_all_frames_counts_too(self, tmp_path, kind):
        sources, masks = slices((20, 10, 10), (1.0, 1.0, 1.0), origin=(0.0, 0.0, 0.0)), np.zeros((20, 10, 10), bool)
        masks[8:12, 3:7, 2:8] = True
        archive = archived(tmp_path, *sources, segmentation(sources, masks.astype(np.uint8), kind))

        def found(z, slab_mm, mode="mean"):
            slab = {"at_mm": z, "slab_mm": slab_mm, "mode": mode}
            return shown(archive, labels=[archive.labels(LABELS, opacity=1)], **slab)

        assert np.array_equal(found(9, 4), masks[9])
        assert not found(6, 6).any()
        assert not found(9, 1000).any()
        assert np.array_equal(found(6, 6, "max"), masks[9])

    def test_a_curved_plane_shows_them_too(self, tmp_path):
        sources = slices((20, 20, 20), (1.0, 1.0, 1.0), origin=(0.0, 0.0, 0.0))
        masks = np.zeros((20, 20, 20), bool)
        masks[5:15] = True
        archive = archived(tmp_path, *sources, segmentation(sources, masks))
        curve = {"curve": [(9.0, 9.0, 1.0), (9.0, 9.0, 18.0)], "width_mm": 10.0}

        found = shown(archive, labels=[archive.labels(LABELS, opacity=1)], **curve)

        assert found.all(axis=1).sum() == 10
        assert np.array_equal(found.all(axis=1), found.any(axis=1))

    def test_an_outline_is_the_edge_of_what_is_filled(self, tmp_path):
        sources, masks = slices(), np.zeros(SHAPE, bool)
        masks[:, 5:15, 4:12] = True
        archive = archived(tmp_path, *sources, segmentation(sources, masks))

        found = shown(archive, "acquired", index=3, labels=[archive.labels(LABELS, style="outline")])

        expected = masks[3].copy()
        expected[6:14, 5:11] = False
        assert np.array_equal(found, expected)


class TestKinds:
    @pytest.mark.parametrize("kind", ["BINARY", "LABELMAP"])
    @pytest.mark.parametrize("slab_mm", [0.0, 6.0])
    def test_several_segments_each_have_their_colour(self, tmp_path, kind, slab_mm):
        sources, numbers = slices(), np.zeros(SHAPE, np.uint8)
        numbers[:, 2:10, 3:9], numbers[:, 8:20, 9:15] = 1, 3
        segments = [described(n, f"Part {n}") for n in (1, 2, 3)]
        archive = archived(tmp_path, *sources, segmentation(sources, numbers, kind, segments))

        volume = archive.series(IMAGES).volume()
        labels = [archive.labels(LABELS, opacity=1)]
        picture = filmless.render(volume, "acquired", index=5, labels=labels, slab_mm=slab_mm).pixels

        for number in (1, 3):
            assert (picture[numbers[5] == number] == PALETTE[number - 1]).all()
        assert (picture[numbers[5] == 0] == filmless.render(volume, "acquired", index=5).pixels[0, 0]).all()

    def test_fractions_are_laid_on_as_thick_as_they_say(self, tmp_path):
        sources = slices()
        shares = np.round(np.random.default_rng(3).random(SHAPE) * 100) / 100
        seg = segmentation(sources, shares, "FRACTIONAL", max_fractional_value=100)
        archive = archived(tmp_path, *sources, seg)
        volume = archive.series(IMAGES).volume()
        black = {"window": (1000, 10)}

        picture = filmless.render(volume, "acquired", index=4, labels=[archive.labels(LABELS, opacity=0.5)], **black)

        expected = shares[4, :, :, np.newaxis] * 0.5 * PALETTE[0]
        # Fractions are kept in 1/255 on the way: half of one of 255, and rounding to the nearest level.
        assert np.abs(picture.pixels - expected).max() <= 0.75

    def test_a_recommended_colour_is_used(self, tmp_path):
        sources, masks = slices(), np.ones(SHAPE, bool)
        lab = hd.color.CIELabColor(54.29, 80.81, 69.89)  # red of sRGB, of white D50
        archive = archived(tmp_path, *sources, segmentation(sources, masks, segments=[described(1, "Red", lab)]))

        (segment,) = archive.labels(LABELS).segments

        assert np.abs(np.subtract(segment.rgb, (255, 0, 0))).max() <= 2

    @pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, RLELossless])
    @pytest.mark.parametrize("kind", ["FRACTIONAL", "LABELMAP"])
    def test_compressed_frames_are_labels_as_well(self, tmp_path, syntax, kind):
        sources, masks = slices(), some()
        numbers = masks.astype(np.uint8 if kind == "LABELMAP" else float)
        seg = segmentation(sources, numbers, kind, [described(1, "A")], transfer_syntax_uid=syntax)
        archive = archived(tmp_path, *sources, seg)

        found = shown(archive, "acquired", index=7, labels=[archive.labels(LABELS, opacity=1)])

        assert np.array_equal(found, masks[7])

    def test_labels_that_wait_in_the_inbox_are_drawn_as_those_that_are_consolidated(self, tmp_path):
        sources, masks = slices(), some()
        archive = archived(tmp_path, *sources)
        path = save(segmentation(sources, masks), tmp_path / "late.dcm")
        archive.receive(path)
        waiting = shown(archive, "acquired", index=7, labels=[archive.labels(LABELS, opacity=1)])

        archive.consolidate(LABELS)
        consolidated = shown(archive, "acquired", index=7, labels=[archive.labels(LABELS, opacity=1)])

        assert np.array_equal(waiting, masks[7])
        assert np.array_equal(consolidated, masks[7])

    def test_several_instances_of_a_series_are_all_drawn(self, tmp_path):
        sources, one, other = slices(), some(seed=1), some(seed=2)
        made = [segmentation(sources, masks, number=number) for number, masks in ((1, one), (2, other))]
        archive = archived(tmp_path, *sources, *made)

        found = shown(archive, "acquired", index=7, labels=[archive.labels(LABELS, opacity=1)])

        assert np.array_equal(found, one[7] | other[7])


class TestFrames:
    def test_a_frame_shows_the_labels_that_lie_in_it(self, turned):
        archive, _ = turned
        request = filmless.RenderRequest(instance=f"{ROOT}.1.8", labels=f"{LABELS}?segments=1&opacity=1")
        series = archive.series(IMAGES)

        picture, bare = series.render(request), series.render(request.but(labels=()))

        # Rows are 1 mm apart, columns 1.5 mm: the picture is stretched to square pixels, labels drawn afterwards.
        assert picture.shape[:2] == (24, 30)
        columns = np.clip(np.floor((np.arange(30) + 0.5) / 1.5), 0, 19).astype(int)
        is_tie = np.isclose((np.arange(30) + 0.5) / 1.5 % 1, 0)
        expected = some((*SHAPE, 2))[7, :, :, 0][:, columns]
        assert np.array_equal(painted(picture, bare)[:, ~is_tie], expected[:, ~is_tie])

    @pytest.mark.parametrize("size", [None, (90, 40), (31, 77)])
    def test_a_frame_without_a_place_shows_the_labels_that_name_it(self, tmp_path, size):
        sources, masks = _radiographs(), some((1, 16, 18))[0]
        seg = segmentation(sources[:1], masks[np.newaxis])
        archive = archived(tmp_path, *sources, seg)
        series = archive.series(IMAGES)
        request = filmless.RenderRequest(instance=f"{ROOT}.1.1", labels=f"{LABELS}?opacity=1", size=size)

        found = painted(series.render(request), series.render(request.but(labels=())))

        assert found.any()
        rows, columns = size[::-1] if size else masks.shape
        scale = min(rows / 16, columns / 18)
        assert found.sum() == pytest.approx(masks.sum() * scale**2, rel=0.2 if size else 0)
        if size is None:
            assert np.array_equal(found, masks)

    def test_a_frame_that_labels_do_not_name_shows_none(self, tmp_path):
        sources = _radiographs()
        archive = archived(tmp_path, *sources, segmentation(sources[:1], np.ones((1, 16, 18), bool)))
        request = filmless.RenderRequest(instance=f"{ROOT}.1.2", labels=LABELS)
        series = archive.series(IMAGES)

        assert not painted(series.render(request), series.render(request.but(labels=()))).any()

    def test_other_time_points_of_the_same_place_show_none(self, tmp_path):
        early, late = slices(), slices()
        for number, one in enumerate(late, 100):
            one.SOPInstanceUID, one.InstanceNumber = f"{ROOT}.1.{number}", number
        archive = archived(tmp_path, *early, *late, segmentation(early, np.ones(SHAPE, bool)))
        series = archive.series(IMAGES)

        def found(instance):
            request = filmless.RenderRequest(instance=instance, labels=LABELS)
            return painted(series.render(request), series.render(request.but(labels=()))).any()

        assert found(early[4].SOPInstanceUID)
        assert not found(late[4].SOPInstanceUID)


def _radiographs():
    made = []
    for number in (1, 2):
        one = slices((1, 16, 18), (1.0, 1.0, 1.0))[0]
        one.SOPInstanceUID, one.InstanceNumber = f"{ROOT}.1.{number}", number
        del one.ImagePositionPatient, one.ImageOrientationPatient
        one.PatientOrientation, one.PixelSpacing = ["L", "F"], [1, 1]
        made.append(one)
    return made


def rewritten(seg):
    """The same as a plain data set, which checks nothing when it is changed."""
    file = io.BytesIO()
    seg.save_as(file)
    file.seek(0)
    return pydicom.dcmread(file)


class TestRefusals:
    def test_a_segment_that_is_not_there_is_named_beside_those_that_are(self, turned):
        archive, _ = turned
        with pytest.raises(InvalidArgument, match=r"no segment 7, Liver: choose from 1 Part 1, 2 Part 2"):
            shown(archive, labels=[archive.labels(LABELS, segments=[7, "Liver"])])

    def test_names_of_segments_are_found_however_they_are_written(self, turned):
        archive, _ = turned
        assert [one.number for one in archive.labels(LABELS, segments=["PART 2", 1]).segments] == [1, 2]

    def test_another_frame_of_reference_is_refused(self, tmp_path):
        sources, others = slices(), slices(series=2)
        for one in others:
            one.FrameOfReferenceUID = f"{SPACE}.1"
        archive = archived(tmp_path, *sources, *others, segmentation(others, some()))

        with pytest.raises(InvalidArgument, match="another frame of reference"):
            shown(archive, labels=[archive.labels(LABELS)])

    def test_a_series_without_labels_is_refused(self, turned):
        archive, _ = turned
        with pytest.raises(InvalidArgument, match="holds no labels"):
            shown(archive, labels=[archive.labels(IMAGES)])

    @pytest.mark.parametrize(
        ("spoil", "message"),
        [
            (lambda seg: seg.__delattr__("SegmentationType"), "Segmentation Type"),
            (lambda seg: seg.__delattr__("SegmentSequence"), "no Segment Sequence"),
            (lambda seg: seg.SegmentSequence[0].__delattr__("SegmentNumber"), "cannot be read"),
            (lambda seg: seg.__delattr__("PerFrameFunctionalGroupsSequence"), "not say where in the patient"),
        ],
    )
    def test_a_header_that_is_none_is_a_typed_error(self, tmp_path, spoil, message):
        sources = slices()
        seg = rewritten(segmentation(sources, some()))
        spoil(seg)
        archive = archived(tmp_path, *sources, seg)

        with pytest.raises((FormatError, InvalidArgument), match=message):
            shown(archive, labels=[archive.labels(LABELS)])

    def test_positions_too_far_apart_are_refused_and_not_allocated(self, tmp_path):
        sources = slices()
        seg = rewritten(segmentation(sources, some()))
        for group in seg.SharedFunctionalGroupsSequence:
            group.PixelMeasuresSequence[0].SpacingBetweenSlices = 1e-5
        last = seg.PerFrameFunctionalGroupsSequence[-1]
        last.PlanePositionSequence[0].ImagePositionPatient = [-10, 5, 30 + 1e5]
        archive = archived(tmp_path, *sources, seg)

        with pytest.raises(FormatError, match="too many"):
            shown(archive, labels=[archive.labels(LABELS)])


def test_frames_in_one_place_are_drawn_together(tmp_path):
    """Label maps of unknown origin repeat positions; nothing of them is lost."""
    sources = slices((1, 10, 10), (1.0, 1.0, 1.0))
    seg = rewritten(segmentation(sources * 1, np.ones((1, 10, 10), bool)))
    first = np.zeros((10, 10), np.uint8)
    second = first.copy()
    first[2:4], second[6:9] = 1, 1
    seg.NumberOfFrames = 2
    seg.PerFrameFunctionalGroupsSequence = [seg.PerFrameFunctionalGroupsSequence[0]] * 2
    bits = np.packbits(np.concatenate([first.ravel(), second.ravel()]), bitorder="little").tobytes()
    seg.PixelData = bits + b"\0" * (len(bits) % 2)
    seg["PixelData"].VR = "OB"
    archive = archived(tmp_path, *sources, seg)
    series = archive.series(IMAGES)
    request = filmless.RenderRequest(labels=f"{LABELS}?opacity=1", instance=f"{ROOT}.1.1")

    found = painted(series.render(request), series.render(request.but(labels=())))

    assert np.array_equal(found, (first | second) > 0)


def test_labels_over_a_picture_of_16_bits_are_refused():
    with pytest.raises(InvalidArgument, match="16 bits"):
        filmless.RenderRequest(bits=16, labels="1.2")
