"""Every series of `volumes/`, taken in whole: what geometry says of each."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.real


def only_stack(everything, volume):
    (stack,) = everything.series(volume).stacks
    return stack


def test_every_slice_of_every_volume_is_in_the_archive(everything, slices):
    held = sum(everything.series(volume).row.instances for volume in everything.folders)

    assert held == len(slices) == 1149


@pytest.mark.parametrize(
    ("volume", "shape", "step_mm"),
    [
        ("ct_head_phantom_1mm", (140, 512, 512), 1.0),
        ("ct_chest_jpeg_lossless", (148, 512, 512), 2.0),
        ("mr_t1_structural_384", (384, 384, 274), 2 / 3),
        ("pet_whole_body", (299, 128, 128), 3.375),
    ],
)
def test_a_regular_series_is_one_uniform_volume(everything, volume, shape, step_mm):
    stack = only_stack(everything, volume)

    assert stack.verdict.kinds == ("uniform",)
    assert stack.volume().shape == shape
    assert stack.volume().spacing_mm[0] == pytest.approx(step_mm, abs=1e-3)
    assert f"{shape[0]} slices" in stack.verdict.reason


def test_losslessly_compressed_slices_are_expanded_into_a_pyramid(everything):
    stack = only_stack(everything, "ct_chest_jpeg_lossless")

    assert stack.is_expanded
    assert stack.volume().level_count > 1


def test_a_tilted_gantry_with_a_variable_gap_is_one_stack_and_the_verdict_names_both(everything):
    stack = only_stack(everything, "ct_gantry_tilt_variable_gap")

    assert len(stack) == 28
    assert stack.verdict.kinds == ("tilted", "uneven")
    assert stack.verdict.figures["tilt_deg"] == pytest.approx(18.5, abs=0.01)
    for words in ("18.50 degrees", "4.22 mm", "1.14 mm", "7.38 mm"):
        assert words in stack.verdict.reason


def test_interleaved_fmri_is_ten_time_points_of_fifteen_slices(everything):
    stack = only_stack(everything, "mr_4d_fmri_interleaved")

    assert stack.verdict.kinds == ("uniform", "temporal")
    assert stack.times == 10
    assert stack.volume(time=9).shape == (15, 64, 64)
    assert "10 times" in stack.verdict.reason
