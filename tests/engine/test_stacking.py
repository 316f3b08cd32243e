from __future__ import annotations

import numpy as np
import pytest
from dicom_files import image, report, rle, save, slice_values, slices
from filmless.engine.parse import parse_instance
from filmless.engine.stacking import SEGMENTATIONS, plan_stacks
from pydicom.uid import JPEGBaseline8Bit, RLELossless


@pytest.fixture
def parsed(tmp_path):
    """Parse data sets as they come out of files."""

    def parse(*made, syntax=None):
        paths = [save(m, tmp_path / str(n), *([syntax] if syntax else [])) for n, m in enumerate(made)]
        return [parse_instance(path.read_bytes()) for path in paths]

    return parse


def places(plan):
    return [number for number, _ in plan.members]


def test_slices_lie_in_the_order_of_their_positions(tmp_path):
    paths = slices(tmp_path, [3, 1, 4, 2])

    (plan,) = plan_stacks([parse_instance(path.read_bytes()) for path in paths])

    assert plan.times_slices == (1, 4)
    assert plan.is_volume
    assert places(plan) == [1, 3, 0, 2]


def test_other_shapes_types_and_photometric_meanings_are_other_stacks(parsed):
    values = slice_values(1)
    instances = parsed(
        image(values, 1),
        image(values, 2),
        image(slice_values(1, (9, 8)), 3),
        image(values.astype(np.uint16), 4),
        image(values, 5, bits_stored=12),
        image(values, 6, PhotometricInterpretation="MONOCHROME1"),
        image(values, 7, RescaleType="HU", RescaleSlope=1, RescaleIntercept=0),
    )

    plans = plan_stacks(instances)

    assert [places(plan) for plan in plans] == [[0, 1], [2], [3], [4], [5], [6]]


def test_objects_without_pixels_are_in_no_stack(parsed):
    plans = plan_stacks(parsed(report(1), image(slice_values(2), 2), report(3)))

    assert [places(plan) for plan in plans] == [[1]]


def test_lossless_codestreams_are_expanded_where_they_form_a_volume(parsed):
    (plan,) = plan_stacks(parsed(*(rle(slice_values(n), n) for n in range(1, 4)), syntax=RLELossless))

    assert plan.is_expanded
    assert plan.is_volume


def test_a_lone_lossless_codestream_is_not_expanded(parsed):
    (plan,) = plan_stacks(parsed(rle(slice_values(1)), syntax=RLELossless))

    assert not plan.is_expanded


def test_a_lone_native_frame_is_expanded(parsed):
    (plan,) = plan_stacks(parsed(image(slice_values(1))))

    assert plan.is_expanded
    assert plan.times_slices == (1, 1)


def test_lossy_codestreams_are_never_expanded(parsed):
    made = [rle(slice_values(n), n) for n in range(1, 4)]

    (plan,) = plan_stacks(parsed(*made, syntax=JPEGBaseline8Bit))

    assert not plan.is_expanded


def test_what_does_not_decode_is_a_stack_of_its_own_and_not_expanded(parsed):
    instances = parsed(*(rle(slice_values(n), n) for n in range(1, 5)), syntax=RLELossless)

    plans = plan_stacks(instances, frozenset({instances[1].sop_instance_uid}))

    assert [(places(plan), plan.is_expanded) for plan in plans] == [([0, 2, 3], True), ([1], False)]


def test_native_and_encapsulated_slices_of_one_volume_share_a_stack(parsed):
    instances = parsed(image(slice_values(1), 1), image(slice_values(3), 3))
    instances += parsed(rle(slice_values(2), 2), syntax=RLELossless)

    (plan,) = plan_stacks(instances)

    assert places(plan) == [0, 2, 1]
    assert plan.is_expanded


def test_native_and_encapsulated_frames_that_are_no_volume_are_parted(parsed):
    nowhere = {"ImagePositionPatient": None, "ImageOrientationPatient": None}
    instances = parsed(*(image(slice_values(n), n, **nowhere) for n in (1, 2)))
    encapsulated = rle(slice_values(3), 3)
    encapsulated.update(dict.fromkeys(nowhere))
    instances += parsed(encapsulated, syntax=RLELossless)

    plans = plan_stacks(instances)

    assert [(places(plan), plan.is_expanded) for plan in plans] == [([0, 1], True), ([2], False)]


def test_frames_that_are_no_volume_are_time_points_of_one_slice(parsed):
    values = np.arange(5 * 6 * 7, dtype=np.int16).reshape(5, 6, 7)
    (plan,) = plan_stacks(parsed(image(values, frames=5, ImagePositionPatient=None)))

    assert plan.times_slices == (5, 1)
    assert plan.members == [(0, frame) for frame in range(5)]
    assert plan.spacing_mm_zyx[0] == 1


def test_one_rescale_for_all_is_kept_once_and_differing_ones_a_slice(parsed):
    same = [image(slice_values(n), n, RescaleSlope=2, RescaleIntercept=-5) for n in range(1, 4)]
    differing = [image(slice_values(n), n, RescaleSlope=n, RescaleIntercept=0) for n in (3, 1, 2)]

    (first,), (second,) = plan_stacks(parsed(*same)), plan_stacks(parsed(*differing))

    assert first.meaning()["rescale"] == [[2, -5]]
    assert second.meaning()["rescale"] == [[1, 0], [2, 0], [3, 0]]


@pytest.mark.parametrize("uid", sorted(SEGMENTATIONS))
def test_segmentations_hold_labels(parsed, uid):
    (plan,) = plan_stacks(parsed(image(slice_values(1), SOPClassUID=uid)))

    assert plan.has_labels


def test_palette_entries_are_labels_and_grey_values_are_not(parsed):
    values = np.zeros((5, 6), np.uint8)
    plans = plan_stacks(parsed(image(values, 1, PhotometricInterpretation="PALETTE COLOR"), image(values, 2)))

    assert [plan.has_labels for plan in plans] == [True, False]


@pytest.mark.parametrize(
    ("windows", "kept"),
    [
        ([(40, 400), (40, 400)], [[40, 400]]),
        ([(None, None), (None, None)], [None]),
        ([(40, None), (40, None)], [None]),
        ([(40, 400), (50, 300)], [[40, 400], [50, 300]]),
        ([(40, 400), (None, None)], [[40, 400], None]),
    ],
)
def test_windows_are_kept_once_or_a_slice_where_the_header_has_whole_ones(parsed, windows, kept):
    made = [
        image(slice_values(n), n, WindowCenter=center, WindowWidth=width)
        for n, (center, width) in enumerate(windows, start=1)
    ]

    (plan,) = plan_stacks(parsed(*made))

    assert plan.meaning()["windows"] == kept


def test_the_summary_tells_size_and_verdict(parsed):
    colour = np.zeros((4, 5, 6, 3), np.uint8)

    (volume,) = plan_stacks(parsed(*(image(slice_values(n), n) for n in range(1, 4))))
    (cine,) = plan_stacks(parsed(image(colour, frames=4)))

    assert volume.meaning()["summary"].startswith("3 × 6 × 7 int16, uniform")
    assert cine.meaning()["summary"].startswith("4 × 5 × 6 uint8 colour")
