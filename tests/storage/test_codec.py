from __future__ import annotations

import tomllib
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import zarr
from filmless.errors import Damaged, InvalidArgument
from filmless.kernels.downsample import halve_mean
from filmless.storage import ome_zarr, zarr_codec
from filmless.storage.array import StoredArray
from filmless.storage.codec import CODECS, DENSE_NAME, OPEN, codec_for, codec_named
from filmless.storage.pyramid import PyramidWriter
from stored import flipped, naive_levels, noisy, planned, small_levels

DENSE = CODECS["dense"]
TYPES = ["uint8", "int8", "uint16", "int16", "uint32", "int32"]


@pytest.fixture(autouse=True)
def registered():
    zarr_codec.register()  # as the entry point does where the package is installed


def write(folder, values, levels):
    """Write a pyramid by the dense codec."""
    writer = PyramidWriter(folder, levels, values.dtype, halve_mean, DENSE)
    for t in range(values.shape[0]):
        z = 0
        while z < values.shape[2]:
            room = writer.room()
            room[:] = values[t, :, z : z + room.shape[1]]
            writer.filled(room.shape[1])
            z += room.shape[1]
    writer.close()
    for path, data in ome_zarr.describe("test", levels, values.dtype, (1.0, 1.0, 1.0), "mean", {}, codec=DENSE):
        (folder / path).write_bytes(data)


def read(folder, level, dtype):
    array = StoredArray(folder, level, np.dtype(dtype), codec=DENSE)
    times, channels, *shape = level.shape
    boxes = [array.volume(t, c).read_box((0, 0, 0), tuple(shape)) for t in range(times) for c in range(channels)]
    return np.stack(boxes).reshape(level.shape)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", [(1, 1, 11, 13, 17), (3, 2, 9, 10, 11), (1, 1, 1, 1, 1)])
def test_zarr_python_and_we_read_the_values_that_were_written(tmp_path, shape, dtype):
    values, levels = noisy(shape, dtype), small_levels(shape)

    write(tmp_path, values, levels)

    for number, expected in enumerate(naive_levels(values, levels)):
        ours = read(tmp_path / str(number), levels[number], dtype)
        by_zarr = zarr.open_array(tmp_path / str(number), mode="r")[...]
        np.testing.assert_array_equal(ours, expected)
        np.testing.assert_array_equal(by_zarr.reshape(expected.shape), expected)


@pytest.mark.parametrize("identity", [None, "dense, through the cache"])
def test_every_plane_of_a_chunk_can_be_read_alone(tmp_path, identity):
    values = noisy((1, 1, 70, 40, 33))
    (level, *_) = levels = planned(values)
    write(tmp_path, values, levels)
    volume = StoredArray(tmp_path / "0", level, values.dtype, identity, DENSE).volume()

    for z in range(70):
        np.testing.assert_array_equal(volume.read_box((z, 0, 0), (z + 1, 40, 33))[0], values[0, 0, z])


def test_zarr_python_writes_what_it_and_we_read(tmp_path):
    values = noisy((1, 1, 8, 10, 12))
    (level, *_) = levels = small_levels(values.shape)
    write(tmp_path, np.zeros_like(values), levels)
    zarr.open_array(tmp_path / "0", mode="r+")[...] = values[0, 0]

    np.testing.assert_array_equal(zarr.open_array(tmp_path / "0", mode="r")[...], values[0, 0])
    np.testing.assert_array_equal(read(tmp_path / "0", level, "int16"), values)


def test_a_chunk_of_zeros_that_zarr_python_asks_for_comes_back():
    encoded = zarr_codec.encode_chunk(np.zeros((2, 3), np.int16))

    np.testing.assert_array_equal(zarr_codec.decode_chunk(encoded, (2, 3), np.dtype("int16")), np.zeros((2, 3)))


def test_big_endian_values_are_stored_and_given_back_little_endian():
    values = np.arange(60, dtype=">i2").reshape(3, 4, 5)

    decoded = zarr_codec.decode_chunk(zarr_codec.encode_chunk(values), values.shape, np.dtype(">i2"))

    np.testing.assert_array_equal(decoded, values)


def test_a_flipped_bit_is_damage_that_names_shard_and_chunk(tmp_path):
    values = noisy((1, 1, 8, 10, 12))
    (level, *_) = levels = small_levels(values.shape)
    write(tmp_path, values, levels)
    flipped(tmp_path / "0" / "c.0.0.0", 20)

    with pytest.raises(Damaged, match=r"c\.0\.0\.0: chunk \(0, 0, 0\) fails its checksum"):
        read(tmp_path / "0", level, "int16")


def test_bytes_that_are_no_chunk_are_damage_to_zarr_python_too():
    with pytest.raises(Damaged, match=f"codec {DENSE_NAME}"):
        zarr_codec.decode_chunk(b"\1" + bytes(50), (8, 8), np.dtype("int16"))


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "uint64"])
def test_types_that_the_dense_codec_cannot_hold_stay_open(dtype):
    assert codec_for("dense", np.dtype(dtype)) is OPEN


@pytest.mark.parametrize("dtype", TYPES)
def test_integers_up_to_32_bits_are_held_densely(dtype):
    assert codec_for("dense", np.dtype(dtype)) is DENSE


def test_zarr_python_refuses_floats(tmp_path):
    with pytest.raises(InvalidArgument, match="integers of up to 32 bits"):
        zarr.create_array(
            tmp_path,
            shape=(4, 4),
            dtype="float32",
            chunks=(4, 4),
            serializer=zarr_codec.DenseZarrCodec(),
            compressors=None,
        )


def test_a_configuration_that_cannot_be_is_refused():
    with pytest.raises(InvalidArgument, match="no configuration"):
        zarr_codec.DenseZarrCodec.from_dict({"name": DENSE_NAME, "configuration": {"level": 3}})


def test_an_unknown_codec_is_refused_and_the_known_are_named():
    with pytest.raises(InvalidArgument, match="open or dense"):
        codec_named("denser")


def test_the_entry_point_leads_to_the_codec():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    module, _, name = project["entry-points"]["zarr.codecs"][DENSE_NAME].partition(":")

    assert getattr(import_module(module), name) is zarr_codec.DenseZarrCodec
