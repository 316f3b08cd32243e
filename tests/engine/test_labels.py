"""How labels are asked for, what names a picture of them, and where they lie in pictures of frames."""

from __future__ import annotations

import dataclasses
import json

import filmless
import numpy as np
import pytest
from dicom_files import ROOT, save
from filmless.cli import main
from filmless.engine.labels.segment import PALETTE, Segment, choose_segments, palette_color
from filmless.engine.labels.trace import outline
from filmless.engine.render.label_choice import LabelChoice
from filmless.engine.render.placement import Placement
from filmless.engine.series import Series
from filmless.errors import InvalidArgument, NotFound
from hypothesis import given
from hypothesis import strategies as st
from label_objects import painted, segmentation, slices, structure_set
from pydicom.dataset import Dataset

IMAGES, LABELS, CONTOURS, STATE = (f"{ROOT}.{series}" for series in (1, 8, 9, 7))
SHAPE = (4, 24, 20)
ARROW = np.zeros(SHAPE, bool)
"""A segment that no turn and no flip leaves as it is."""
ARROW[:, 3:20, 4] = ARROW[:, 3, 4:12] = ARROW[:, 6:9, 4:9] = True


def state(**options):
    """A presentation state of every slice, turned and flipped as the options say."""
    made = Dataset()
    made.SOPClassUID, made.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.11.1", f"{STATE}.1"
    made.PatientName, made.PatientID = "Test^Made", "T1"
    made.StudyInstanceUID, made.SeriesInstanceUID = f"{ROOT}.0", STATE
    made.Modality, made.SeriesNumber, made.InstanceNumber, made.PresentationLUTShape = "PR", 7, 1, "IDENTITY"
    series = Dataset()
    series.SeriesInstanceUID, series.ReferencedImageSequence = IMAGES, []
    for number in range(1, SHAPE[0] + 1):
        one = Dataset()
        one.ReferencedSOPInstanceUID = f"{IMAGES}.{number}"
        series.ReferencedImageSequence.append(one)
    made.ReferencedSeriesSequence = [series]
    for keyword, value in options.items():
        setattr(made, keyword, value)
    return made


def archived(folder, *made):
    for number, one in enumerate(made):
        save(one, folder / "export" / f"{number}.dcm")
    archive = filmless.open(folder / "archive")
    assert archive.ingest(folder / "export").stored == len(made)
    return archive


def square_slices(**options):
    return slices(SHAPE, (1.0, 1.0, 1.0), **options)


class TestRequests:
    @pytest.mark.parametrize(
        ("text", "choice"),
        [
            ("1.2.3", LabelChoice("1.2.3")),
            (" 1.2.3?", LabelChoice("1.2.3", opacity=0.4)),
            ("1.2.3?segments=Liver,2,1,2", LabelChoice("1.2.3", (1, 2, "Liver"))),
            ("1.2.3?segments=a%2Cb%26c,%C3%A4", LabelChoice("1.2.3", ("a,b&c", "ä"))),
            ("1.2.3?style=outline", LabelChoice("1.2.3", style="outline", opacity=1.0)),
            ("1.2.3?opacity=0.25&style=outline", LabelChoice("1.2.3", opacity=0.25, style="outline")),
        ],
    )
    def test_text_and_values_that_mean_the_same_are_equal(self, text, choice):
        assert LabelChoice.parse(text) == choice
        one, other = filmless.RenderRequest.from_keywords({"labels": text}), filmless.RenderRequest(labels=[choice])
        assert (one, one.key) == (other, other.key)

    def test_the_canonical_form_tells_series_segments_opacity_and_style(self):
        request = filmless.RenderRequest(labels="1.2?segments=3,Liver;1.3?style=outline")

        named = [["1.2", [3, "Liver"], 0.4, "filled"], ["1.3", [], 1.0, "outline"]]
        assert json.loads(request.canonical) == {"labels": named}

    choices = st.lists(
        st.builds(
            LabelChoice,
            st.sampled_from(["1.2", "1.3"]),
            st.lists(st.sampled_from([1, 2, "2", "Liver"]), max_size=2),
            st.sampled_from([None, 0.4, 1.0]),
            st.sampled_from(["filled", "outline"]),
        ),
        max_size=2,
    )

    @given(choices, choices)
    def test_requests_have_the_same_key_exactly_when_their_labels_are_equal(self, one, other):
        one, other = filmless.RenderRequest(labels=one), filmless.RenderRequest(labels=other)
        assert (one.key == other.key) == (one == other)

    @pytest.mark.parametrize(
        ("labels", "message"),
        [
            ("?style=outline", "labels of no series"),
            ("1.2?style=dotted", "choose from filled, outline"),
            ("1.2?opacity=2", "give 0 to 1"),
            ("1.2?opacity=nan", "give 0 to 1"),
            ("1.2?color=red", "'color' is not known"),
            (7, "give series"),
            ([7], "give series"),
            (";".join(["1.2"] * 17), "16 series at most"),
        ],
    )
    def test_labels_that_are_none_are_refused(self, labels, message):
        with pytest.raises(InvalidArgument, match=message):
            filmless.RenderRequest(labels=labels)

    def test_a_view_takes_none(self):
        with pytest.raises(InvalidArgument, match="a view takes no labels"):
            filmless.RenderRequest(labels="1.2", view="left")

    def test_a_request_without_an_archive_cannot_find_its_labels(self, tmp_path):
        series = archived(tmp_path, *square_slices()).series(IMAGES)
        with pytest.raises(NotFound, match=r"Archive\.series"):
            Series(series.published, series.row).render(filmless.RenderRequest(labels=LABELS))

    def test_a_series_that_is_not_there_is_not_found(self, tmp_path):
        series = archived(tmp_path, *square_slices()).series(IMAGES)
        with pytest.raises(NotFound):
            series.render(filmless.RenderRequest(labels="9.9.9"))


class TestNames:
    """What names a picture's bytes."""

    def test_other_labels_or_other_contents_of_theirs_make_another_etag(self, tmp_path):
        sources = square_slices()
        archive = archived(tmp_path, *sources, segmentation(sources, ARROW))
        plain, over = filmless.RenderRequest(), filmless.RenderRequest(labels=LABELS)

        def etags():
            series = archive.series(IMAGES)
            return series.etag(plain), series.etag(over), series.etag(over.but(labels=f"{LABELS}?opacity=1"))

        before, again = etags(), etags()
        archive.receive(save(segmentation(sources, ARROW[:, ::-1], number=2), tmp_path / "late.dcm"))
        waiting = etags()
        archive.consolidate(LABELS)

        assert before == again
        assert len(set(before)) == 3
        assert waiting[0] == before[0]
        assert not set(waiting[1:]) & set(before)
        assert etags() == waiting  # consolidation changes no content

    def test_what_is_late_is_seen_though_headers_stay_read(self, tmp_path):
        sources = square_slices()
        archive = archived(tmp_path, *sources, segmentation(sources, ARROW))
        request = filmless.RenderRequest(labels=LABELS, plane="acquired")
        before = archive.series(IMAGES).render(request)

        archive.receive(save(segmentation(sources, ARROW[:, ::-1], number=2), tmp_path / "late.dcm"))

        assert not np.array_equal(archive.series(IMAGES).render(request).pixels, before.pixels)

    def test_the_same_request_gives_the_same_bytes(self, tmp_path):
        sources = square_slices()
        archive = archived(tmp_path, *sources, segmentation(sources, ARROW))
        request = filmless.RenderRequest(labels=f"{LABELS}?style=outline", normal=(1, 2, 3))

        one, other = (archive.series(IMAGES).render(request).encode() for _ in range(2))

        assert one == other


class TestPictures:
    def test_the_first_labels_lie_below_the_next(self, tmp_path):
        sources = square_slices()
        box = [("CLOSED_PLANAR", [(-9.5, 5.5, z), (8.5, 5.5, z), (8.5, 27.5, z), (-9.5, 27.5, z)]) for z in (30, 31)]
        archive = archived(tmp_path, *sources, segmentation(sources, ARROW), structure_set([("Box", box)]))
        series = archive.series(IMAGES)

        def colors(*labels):
            request = filmless.RenderRequest(plane="acquired", index=0, labels=labels)
            return series.render(request).pixels[ARROW[0]]

        assert (colors(f"{LABELS}?opacity=1", f"{CONTOURS}?opacity=1") == (10, 200, 30)).all()
        assert (colors(f"{CONTOURS}?opacity=1", f"{LABELS}?opacity=1") == PALETTE[0]).all()

    def test_letters_lie_over_labels(self, tmp_path):
        sources = square_slices()
        archive = archived(tmp_path, *sources, segmentation(sources, np.ones(SHAPE, bool)))
        request = filmless.RenderRequest(plane="acquired", labels=f"{LABELS}?opacity=1", annotate=True, size=(200, 200))

        series = archive.series(IMAGES)

        drawn, bare = (series.render(request.but(annotate=flag)).pixels for flag in (True, False))

        is_label = (bare == PALETTE[0]).all(axis=-1)
        assert (drawn != bare).any(axis=-1)[is_label].any()

    @pytest.mark.parametrize("turns", range(4))
    @pytest.mark.parametrize("flip", ["N", "Y"])
    @pytest.mark.parametrize("kind", ["SEG", "RTSTRUCT"])
    def test_labels_are_turned_and_flipped_with_the_frame_by_a_presentation_state(self, tmp_path, turns, flip, kind):
        sources = square_slices()
        corners = [(3.5, 2.5), (11.5, 2.5), (11.5, 5.5), (6.5, 5.5), (6.5, 19.5), (3.5, 19.5)]
        rois = [("Arrow", [("CLOSED_PLANAR", [(x - 10, y + 5, 31.0) for x, y in corners])])]
        mask = np.zeros(SHAPE[1:], bool)
        mask[3:6, 4:12] = mask[3:20, 4:7] = True
        labels = segmentation(sources, np.tile(mask, (4, 1, 1))) if kind == "SEG" else structure_set(rois)
        archive = archived(tmp_path, *sources, labels, state(ImageRotation=90 * turns, ImageHorizontalFlip=flip))
        series, of = archive.series(IMAGES), labels.SeriesInstanceUID
        request = filmless.RenderRequest(
            instance=f"{IMAGES}.2", presentation=f"{STATE}.1", labels=f"{of}?opacity=1", window=(0, 1)
        )

        found = painted(series.render(request), series.render(request.but(labels=())))

        turned = np.rot90(mask, -turns)
        assert np.array_equal(found, turned[:, ::-1] if flip == "Y" else turned)

    def test_labels_of_a_waiting_image_are_those_of_a_consolidated_one(self, tmp_path):
        sources = square_slices()
        archive = archived(tmp_path, segmentation(sources, ARROW))
        for one in sources:
            archive.receive(save(one, tmp_path / "one.dcm"))
        request = filmless.RenderRequest(instance=f"{IMAGES}.2", labels=LABELS, size=(70, 50))
        waiting = archive.series(IMAGES).render(request)

        archive.consolidate(IMAGES)

        assert np.array_equal(archive.series(IMAGES).render(request).pixels, waiting.pixels)
        assert painted(waiting, archive.series(IMAGES).render(request.but(labels=()))).any()

    def test_nothing_of_the_picture_itself_changes_where_labels_are_not(self, tmp_path):
        sources = square_slices()
        archive = archived(tmp_path, *sources, segmentation(sources, ARROW))
        volume = archive.series(IMAGES).volume()

        picture = filmless.render(volume, "acquired", index=1, labels=[archive.labels(LABELS)]).pixels

        bare = filmless.render(volume, "acquired", index=1).pixels
        assert (picture[~ARROW[1]] == bare[~ARROW[1]][:, np.newaxis]).all()


@given(
    turn=st.sampled_from([(1, 0, 0, 1), (0, 1, -1, 0), (-1, 0, 0, 1), (0.5, 0, 0, 2)]),
    shift=st.tuples(st.integers(-50, 50), st.integers(-50, 50)),
    place=st.tuples(st.integers(0, 60), st.integers(0, 60)),
)
def test_a_placement_finds_the_pixel_of_the_frame_under_each_of_the_picture(turn, shift, place):
    a, b, c, d = turn
    placement = Placement.of(lambda x, y: (a * x + b * y + shift[0], c * x + d * y + shift[1]))

    (row, column), (r, c_) = (
        tuple(
            start + place[0] * down + place[1] * right
            for start, down, right in zip(placement.start, placement.down, placement.right, strict=True)
        ),
        place,
    )

    x, y = column + 0.5, row + 0.5
    assert (a * x + b * y + shift[0], c * x + d * y + shift[1]) == pytest.approx((c_ + 0.5, r + 0.5))


@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 9))
def test_an_outline_is_what_has_a_neighbour_outside(rows, columns, seed):
    inside = np.random.default_rng(seed).random((rows, columns)) < 0.7
    padded = np.pad(inside, 1, constant_values=True)
    core = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]

    assert np.array_equal(outline(inside.astype(np.uint8) * 255) > 0, inside & ~core)


def test_segments_without_a_colour_have_one_of_their_own():
    assert len(set(PALETTE)) == len(PALETTE)
    assert palette_color(1) == palette_color(1 + len(PALETTE)) == PALETTE[0]


def test_segments_that_are_wanted_twice_are_chosen_once():
    liver, other = Segment(4, "Liver", (0, 0, 0)), Segment(5, "4", (0, 0, 0))

    assert choose_segments([liver, other], [4, "liver"], "x") == [liver]
    assert choose_segments([liver, other], ["4"], "x") == [other]
    assert choose_segments([liver, dataclasses.replace(other, name="")], [], "x")[0] == liver


class TestCommandLine:
    def test_overlays_are_drawn_by_short_id_with_options_of_their_own(self, tmp_path, monkeypatch, capsys):
        sources = square_slices()
        archive = archived(tmp_path, *sources, segmentation(sources, ARROW))
        short = archive.series(LABELS).row.short_id
        target = tmp_path / "over.png"
        command = ["filmless", "render", archive.series(IMAGES).row.short_id, "-o", str(target)]
        command += ["--overlay", f"{short}?segments=1&opacity=1", "--plane", "acquired", "--index", "1"]
        monkeypatch.setattr("sys.argv", [*command, "--archive", str(archive.root)])

        with pytest.raises(SystemExit) as end:
            main()

        assert not end.value.code
        assert "20 × 24" in capsys.readouterr().out
        request = filmless.RenderRequest(labels=f"{LABELS}?segments=1&opacity=1", plane="acquired", index=1)
        assert target.read_bytes() == archive.series(IMAGES).render(request).encode()

    def test_an_overlay_that_cannot_be_read_is_told(self, tmp_path, monkeypatch, capsys):
        archive = archived(tmp_path, *square_slices())
        command = ["filmless", "render", IMAGES, "-o", str(tmp_path / "x.png"), "--overlay", "1.2?style=dotted"]
        monkeypatch.setattr("sys.argv", [*command, "--archive", str(archive.root)])

        with pytest.raises(SystemExit) as end:
            main()

        assert end.value.code
        assert "choose from filled, outline" in " ".join(capsys.readouterr().err.split())
