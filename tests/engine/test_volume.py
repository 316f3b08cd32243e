from __future__ import annotations

import numpy as np
import pytest
from dicom_series import frame_table
from filmless.engine.geometry import arrange
from filmless.engine.volume import ArrayLevel, Volume
from filmless.errors import InvalidArgument, NotReformattable, OutOfRange
from hypothesis import given
from hypothesis import strategies as st

STORED = np.arange(7 * 9 * 11, dtype=np.int16).reshape(7, 9, 11)
INDICES = st.integers(-4, 6) | st.slices(9)


def make(stored=STORED, **options):
    positions = [(0, 0, 2 * k) for k in range(len(stored))]
    (arrangement,) = arrange(frame_table(positions))
    halved = stored[::2, ::2, ::2]
    levels = [ArrayLevel(stored, (4, 4, 4)), ArrayLevel(halved, (4, 4, 4))]
    return Volume(levels, [(1, 1, 1), (2, 2, 2)], arrangement.geometry, arrangement.verdict, **options)


@given(INDICES | st.tuples(INDICES) | st.tuples(INDICES, INDICES) | st.tuples(INDICES, INDICES, INDICES))
def test_a_level_is_indexed_like_an_array(key):
    level = make().level()

    assert np.array_equal(level[key], STORED[key])
    assert np.shape(level[key]) == np.shape(STORED[key])


def test_an_ellipsis_stands_for_the_axes_left_out():
    level = make().level()

    assert np.array_equal(level[..., 3], STORED[..., 3])
    assert np.array_equal(level[2, ..., ::-2], STORED[2, ..., ::-2])
    assert np.array_equal(level[...], STORED)


@pytest.mark.parametrize("key", [7, -8, (0, 9), (0, 0, 11), (0, 0, 0, 0), True, 1.0, None, [1, 2]])
def test_what_no_level_has_is_out_of_range(key):
    with pytest.raises(OutOfRange):
        make().level()[key]


def test_a_level_is_an_array_to_numpy():
    level = make().level()

    assert np.array_equal(np.asarray(level), STORED)
    assert np.asarray(level, dtype=np.float32).dtype == np.float32
    assert [slice_[0, 0] for slice_ in level] == STORED[:, 0, 0].tolist()


def test_levels_are_counted_from_both_ends():
    volume = make()

    assert volume.level_count == 2
    assert volume.level(-1).shape == (4, 5, 6)
    with pytest.raises(OutOfRange, match="level 2"):
        volume.level(2)


def test_a_coarser_level_lies_in_the_middle_of_what_it_means():
    level = make().level(1)

    assert level.spacing_mm == (4.0, 1.0, 1.0)
    assert level.affine @ (0, 0, 0, 1) == pytest.approx((0.25, 0.25, 1, 1))


def test_a_dask_array_gives_the_stored_values():
    lazy = make().dask()

    assert lazy.dtype == np.int16
    assert np.array_equal(lazy[1:6, ::2].compute(scheduler="synchronous"), STORED[1:6, ::2])


def test_a_dask_array_of_a_coarser_level_has_its_shape():
    assert make().dask(1).shape == (4, 5, 6)


def test_frames_without_a_place_have_no_spacing_to_tell():
    (arrangement,) = arrange(frame_table([(np.nan,) * 3] * 2))
    volume = Volume([ArrayLevel(STORED[:2])], [(1, 1, 1)], arrangement.geometry, arrangement.verdict)

    for ask in (lambda: volume.affine, lambda: volume.spacing_mm, lambda: volume.level().affine):
        with pytest.raises(NotReformattable, match="no common place"):
            ask()


def test_parts_that_do_not_fit_are_refused():
    (arrangement,) = arrange(frame_table([(0, 0, 0)]))

    with pytest.raises(InvalidArgument, match="1 levels with 2 factors"):
        Volume([ArrayLevel(STORED)], [(1, 1, 1)] * 2, None, arrangement.verdict)
    with pytest.raises(InvalidArgument, match="rescale"):
        Volume([ArrayLevel(STORED)], [(1, 1, 1)], None, arrangement.verdict, rescale=np.ones((3, 2)))
    with pytest.raises(InvalidArgument, match="axes"):
        ArrayLevel(STORED[0])


def test_the_header_window_is_the_volume_s_own():
    window = make(window=(40, 80), voi_function="SIGMOID").own_window

    assert (window.center, window.width, window.function) == (40, 80, "SIGMOID")


def test_without_a_usable_window_one_is_found_from_the_values_less_padding():
    stored = np.full((4, 8, 8), -2000, np.int16)
    stored[:, 2:6] = [0, 0, 0, 0, 100, 100, 100, 100]

    window = make(stored, window=(0, 0), padding_value=-2000, rescale=np.array([[2.0, -10.0]])).own_window

    assert (window.center, window.width) == (90, 200)


def test_a_volume_of_one_value_still_has_a_window():
    assert make(np.zeros((2, 4, 4), np.uint8)).own_window.width == 1.0


def test_a_volume_tells_what_it_is():
    assert repr(make()) == "<Volume 7 × 9 × 11 int16, 2 levels; uniform: 7 slices, 2 mm apart>"


@given(st.tuples(*[st.integers(0, 6)] * 3), st.randoms(use_true_random=False))
def test_a_level_in_memory_gives_at_least_the_chunks_that_are_wanted(start, random):
    stop = tuple(random.randint(a + 1, n) for a, n in zip(start, STORED.shape, strict=True))
    counts = [(b - 1) // 4 + 1 - a // 4 for a, b in zip(start, stop, strict=True)]
    wanted = np.array([random.random() < 0.5 for _ in range(int(np.prod(counts)))]).reshape(counts)

    box = ArrayLevel(STORED, (4, 4, 4)).read_box(start, stop, wanted)

    assert box.flags.c_contiguous
    for z, y, x in np.ndindex(box.shape):
        voxel = (start[0] + z, start[1] + y, start[2] + x)
        if wanted[tuple(v // 4 - a // 4 for v, a in zip(voxel, start, strict=True))]:
            assert box[z, y, x] == STORED[voxel]
