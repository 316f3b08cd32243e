from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import zarr
from filmless.errors import Damaged
from filmless.kernels.downsample import halve_mean
from filmless.kernels.ranges import BRICK
from filmless.storage import ome_zarr, ranges
from filmless.storage.array import StoredArray
from filmless.storage.pyramid import PyramidWriter
from naive import raycast as naive
from stored import flipped, noisy, planned, small_levels

SHAPES = [(1, 1, 8, 9, 10), (1, 1, 9, 20, 17), (1, 1, 27, 11, 7), (3, 2, 17, 10, 11), (1, 1, 5, 9, 30)]


def write(folder, values, levels, with_ranges, batch=3):
    writer = PyramidWriter(folder, levels, values.dtype, halve_mean, with_ranges=with_ranges)
    for slices in values.swapaxes(1, 2).reshape(-1, values.shape[1], *values.shape[3:]):
        writer.room()[:, 0] = slices
        writer.filled(1)
    written = writer.close()
    described = ome_zarr.describe("test", levels, values.dtype, (1.0, 1.0, 1.0), "mean", {}, with_ranges=with_ranges)
    for path, data in described:
        (folder / path).write_bytes(data)
    return written


def deep(shape):
    """Levels in chunks a brick deep."""
    return small_levels(shape, chunk=(1, 1, 8, 6, 5))[:1]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", ["uint8", "int16"])
def test_ranges_are_those_of_the_voxels_across_slabs_too(tmp_path, shape, dtype):
    values, levels = noisy(shape, dtype), deep(shape)

    written = write(tmp_path, values, levels, 1)

    place = tmp_path / "ranges" / "0"
    assert place / ranges.chunk_name(levels[0]) in written
    array = StoredArray(tmp_path / "0", levels[0], values.dtype, ranges=place)
    for t, c in np.ndindex(*shape[:2]):
        found = array.volume(t, c).brick_ranges()
        for end, expected in zip(found, naive.ranges(values[t, c], BRICK), strict=True):
            np.testing.assert_array_equal(end, expected)


@pytest.mark.parametrize("shape", SHAPES)
def test_ranges_are_a_plain_zarr_array_beside_the_levels(tmp_path, shape):
    levels = deep(shape)
    write(tmp_path, noisy(shape), levels, 1)

    array = zarr.open_group(tmp_path, mode="r")["ranges/0"]

    read = ranges.read_ranges(tmp_path / "ranges" / "0", levels[0], np.dtype("int16"))
    np.testing.assert_array_equal(array[...], read.reshape(array.shape))
    assert array.attrs["brick"] == BRICK


def test_where_none_are_kept_none_are_known(tmp_path):
    levels = deep((1, 1, 9, 9, 9))
    write(tmp_path, noisy((1, 1, 9, 9, 9)), levels, 0)

    assert StoredArray(tmp_path / "0", levels[0], np.dtype("int16")).volume().brick_ranges() is None
    assert not (tmp_path / "ranges").exists()


def test_damaged_ranges_are_named(tmp_path):
    levels = deep((1, 1, 9, 9, 9))
    write(tmp_path, noisy((1, 1, 9, 9, 9)), levels, 1)
    path = tmp_path / "ranges" / "0" / ranges.chunk_name(levels[0])
    whole = flipped(path, 12)

    with pytest.raises(Damaged, match="checksum"):
        ranges.read_ranges(path.parent, levels[0], np.dtype("int16"))

    path.write_bytes(whole)
    other = dataclasses.replace(levels[0], shape=(1, 1, 9, 9, 19))
    with pytest.raises(Damaged, match="not the ranges"):
        ranges.read_ranges(path.parent, other, np.dtype("int16"))


def test_ranges_are_kept_of_large_levels_of_volumes_alone():
    large, small = np.empty((1, 1, 300, 256, 256), np.int16), np.empty((1, 1, 64, 128, 128), np.int16)

    assert ranges.levels_with_ranges(planned(large), large.dtype, is_volume=True) == 2
    assert ranges.levels_with_ranges(planned(small), small.dtype, is_volume=True) == 0
    assert ranges.levels_with_ranges(planned(large), large.dtype, is_volume=False) == 0
    assert ranges.levels_with_ranges(planned(large), np.dtype("int64"), is_volume=True) == 0
