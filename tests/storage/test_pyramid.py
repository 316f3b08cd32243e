from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
import tensorstore
import zarr
from filmless.errors import InvalidArgument
from filmless.kernels.downsample import halve_mode
from filmless.storage.pyramid import PyramidWriter
from filmless.storage.shape import SHARD_BYTES, SLAB_BYTES
from naive import downsample as naive
from ome_zarr_models.v05 import Image
from stored import naive_levels, noisy, planned, read_level, small_levels, write_levels

SHAPES = {
    "odd": (1, 1, 11, 13, 17),
    "one slice": (1, 1, 1, 13, 17),
    "one voxel": (1, 1, 1, 1, 1),
    "one column": (1, 1, 9, 14, 1),
    "colour": (1, 3, 1, 12, 15),
    "colour over time": (4, 3, 1, 9, 11),
    "volumes over time": (3, 1, 9, 10, 11),
    "one slab exactly": (1, 1, 4, 10, 12),
    "one shard exactly": (1, 1, 8, 10, 12),
    "a slice more than a shard": (1, 1, 9, 10, 12),
    "several shards": (1, 1, 27, 11, 7),
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("keep_z", [False, True])
def test_every_level_is_the_box_mean_of_the_finer_one(tmp_path, shape, keep_z):
    values, levels = noisy(shape), small_levels(shape, keep_z=keep_z)

    write_levels(tmp_path, values, levels)

    for number, expected in enumerate(naive_levels(values, levels)):
        np.testing.assert_array_equal(read_level(tmp_path, levels, number, "int16"), expected)


@pytest.mark.parametrize("batch", [1, 2, 5, 100])
def test_how_many_slices_come_at_a_time_makes_no_difference(tmp_path, batch):
    values = noisy((2, 2, 13, 9, 8), "uint16")
    levels = small_levels(values.shape)

    write_levels(tmp_path, values, levels, batch=batch)

    for number, expected in enumerate(naive_levels(values, levels)):
        np.testing.assert_array_equal(read_level(tmp_path, levels, number, "uint16"), expected)


def test_labels_shrink_to_the_most_frequent(tmp_path):
    values = np.random.default_rng(3).integers(0, 4, (1, 1, 9, 10, 11), np.uint8)
    levels = small_levels(values.shape)

    write_levels(tmp_path, values, levels, halve=halve_mode)

    for number, expected in enumerate(naive_levels(values, levels, naive.mode)):
        np.testing.assert_array_equal(read_level(tmp_path, levels, number, "uint8"), expected)


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((1, 1, 70, 66, 65), {}),
        ((1, 1, 33, 130, 129), {"spacing": (5.0, 0.5, 0.7)}),
        ((5, 1, 1, 300, 20), {"is_volume": False, "keep_z": True}),
        ((2, 3, 1, 270, 280), {"is_volume": False, "keep_z": True}),
    ],
)
def test_pyramids_planned_by_the_archive_equal_naive_ones(tmp_path, shape, options):
    values = noisy(shape, "uint8")
    levels = planned(values, **options)

    write_levels(tmp_path, values, levels, batch=7)

    for number, level in enumerate(levels):
        steps = levels[number].factors_zyx
        whole = read_level(tmp_path, levels, number, "uint8")
        assert whole.shape == level.shape
        if number:
            halved = np.array(steps) > levels[number - 1].factors_zyx
            finer = read_level(tmp_path, levels, number - 1, "uint8")
            np.testing.assert_array_equal(whole, box_mean(finer, halved))
    np.testing.assert_array_equal(read_level(tmp_path, levels, 0, "uint8"), values)


def box_mean(values, halved):
    """The rounded mean of boxes, by NumPy: an edge repeated leaves the mean of what is there."""
    widths = [(0, 0), (0, 0), *((0, n % 2 if half else 0) for n, half in zip(values.shape[2:], halved, strict=True))]
    padded = np.pad(values.astype(np.float64), widths, mode="edge")
    for axis, half in enumerate(halved, start=2):
        if half:
            even, odd = (np.take(padded, np.arange(first, padded.shape[axis], 2), axis) for first in (0, 1))
            padded = (even + odd) / 2
    return np.floor(padded + 0.5).astype(values.dtype)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
def test_zarr_python_and_tensorstore_read_the_same_values(tmp_path, shape, dtype):
    values, levels = noisy(shape, dtype), small_levels(shape)
    write_levels(tmp_path, values, levels)

    for number, level in enumerate(levels):
        ours = read_level(tmp_path, levels, number, dtype).reshape(level.without_missing_axes(level.shape))
        by_zarr = zarr.open_array(tmp_path / str(number), mode="r")
        kv = {"driver": "file", "path": f"{tmp_path}/{number}"}
        by_tensorstore = tensorstore.open({"driver": "zarr3", "kvstore": kv}).result().read().result()
        assert by_zarr.dtype == by_tensorstore.dtype == dtype
        np.testing.assert_array_equal(by_zarr[...], ours)
        np.testing.assert_array_equal(by_tensorstore, ours)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_the_metadata_are_valid_ome_zarr(tmp_path, shape):
    levels = small_levels(shape)
    write_levels(tmp_path, noisy(shape), levels)

    image = Image.from_zarr(zarr.open_group(tmp_path, mode="r"))

    datasets = image.ome_attributes.multiscales[0].datasets
    assert [dataset.path for dataset in datasets] == ["0", "1", "2"]
    scales = [dataset.coordinateTransformations[0].scale[-1] for dataset in datasets]
    assert scales == [0.5 * level.factors_zyx[2] for level in levels]


def test_a_coarse_voxel_lies_in_the_middle_of_the_voxels_it_is_the_mean_of(tmp_path):
    levels = small_levels((1, 1, 9, 10, 12))
    write_levels(tmp_path, noisy((1, 1, 9, 10, 12)), levels)

    datasets = json.loads((tmp_path / "zarr.json").read_bytes())["attributes"]["ome"]["multiscales"][0]["datasets"]

    shifts = [dataset["coordinateTransformations"][1]["translation"] for dataset in datasets]
    assert shifts == [[0, 0, 0], [1.0, 0.25, 0.25], [3.0, 0.75, 0.75]]


def test_every_file_is_reported_with_its_sha256_and_size(tmp_path):
    shape = SHAPES["several shards"]

    written = write_levels(tmp_path, noisy(shape), small_levels(shape))

    shards = {path for path in tmp_path.rglob("*") if path.is_file() and path.name != "zarr.json"}
    assert written.keys() == shards
    for path, (digest, size) in written.items():
        data = path.read_bytes()
        assert (digest, size) == (hashlib.sha256(data).hexdigest(), len(data))


def test_the_same_values_give_the_same_bytes(tmp_path):
    values = noisy((1, 1, 27, 11, 7))

    levels = small_levels(values.shape)
    sums = [write_levels(tmp_path / str(batch), values, levels, batch=batch) for batch in (3, 4)]

    assert list(sums[0].values()) == list(sums[1].values())


def test_a_stack_that_ends_early_cannot_be_closed(tmp_path):
    writer = PyramidWriter(tmp_path, small_levels((1, 1, 9, 10, 12)), np.dtype("int16"), halve_mode)
    writer.room()[:] = 1
    writer.filled(4)

    with pytest.raises(InvalidArgument, match="slice 4"):
        writer.close()
    writer.abandon()


def test_a_stack_takes_no_more_slices_than_it_has(tmp_path):
    writer = PyramidWriter(tmp_path, small_levels((1, 1, 4, 10, 12)), np.dtype("int16"), halve_mode)
    writer.room()[:] = 1
    writer.filled(4)

    with pytest.raises(InvalidArgument, match="more slices"):
        writer.room()
    writer.close()


@pytest.mark.parametrize(
    ("shape", "is_volume"),
    [
        ((1, 1, 2000, 512, 512), True),
        ((1, 1, 600, 4000, 3000), True),
        ((30, 1, 100, 256, 256), True),
        ((900, 3, 1, 1080, 1920), False),
        ((1, 1, 1, 20000, 20000), False),
    ],
)
def test_plans_stay_within_the_budgets_of_slab_and_shard(shape, is_volume):
    levels = planned(np.broadcast_to(np.int16(0), shape), is_volume=is_volume, keep_z=not is_volume)

    for level in levels:
        _, c, z, _, _ = level.chunk
        assert all(whole % part == 0 for whole, part in zip(level.shard, level.chunk, strict=True))
        slab_bytes = 2 * level.shape[1] * z * level.shape[3] * level.shape[4]
        assert c == 1
        assert slab_bytes <= 2 * max(SLAB_BYTES, 2 * level.shape[1] * level.shape[3] * level.shape[4])
        assert np.prod(level.shard) * 2 <= max(SHARD_BYTES, 2 * slab_bytes)
        assert [-(-n // f) for n, f in zip(shape[2:], level.factors_zyx, strict=True)] == list(level.shape[2:])


def test_the_finer_axes_shrink_first_until_voxels_are_about_isotropic():
    levels = planned(np.broadcast_to(np.int16(0), (1, 1, 100, 512, 512)), spacing=(4.0, 1.0, 1.0))

    assert [level.factors_zyx for level in levels] == [(1, 1, 1), (1, 2, 2), (1, 4, 4), (2, 8, 8)]
