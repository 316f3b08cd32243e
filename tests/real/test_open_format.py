"""Real stacks in the archive are plain OME-Zarr: validated by one library, read alike by two others."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
import tensorstore
import zarr
from ome_zarr_models.v05 import Image

pytestmark = pytest.mark.real


@dataclass(frozen=True)
class Case:
    """A stack in the archive, and what its headers say of it."""

    where: str
    """A series of `volumes/`, or a single file."""
    axes: str
    spacing_mm: dict[str, float]
    """Along each axis, from the headers' Pixel Spacing and Image Position (Patient); 1 where they are silent."""


CASES = {
    "ct head": Case("ct_head_phantom_1mm", "zyx", {"z": 1.0, "y": 0.451171875, "x": 0.451171875}),
    "chest from codestreams": Case("ct_chest_jpeg_lossless", "zyx", {"z": 2.0, "y": 0.748046875, "x": 0.748046875}),
    "fmri": Case("mr_4d_fmri_interleaved", "tzyx", {"z": 5.0, "y": 3.75, "x": 3.75}),
    "colour": Case("transfer_syntaxes/small/SC_ybr_full_uncompressed.dcm", "cyx", {}),
    "flat": Case("transfer_syntaxes/wg04/NM1_UNC.dcm", "yx", {"y": 2.26, "x": 2.26}),
    "float": Case("modalities/parametric_map_float.dcm", "yx", {"y": 0.661468, "x": 0.661468}),
    "labels": Case("transfer_syntaxes/small/liver.dcm", "zyx", {"z": 1.0, "y": 0.810547, "x": 0.810547}),
}


@pytest.fixture(params=CASES.values(), ids=CASES.keys())
def case(request):
    return request.param


@pytest.fixture
def series(case, everything, singles):
    """The archived series of a case."""
    if case.where in everything.folders:
        return everything.series(case.where)
    (taken,) = (taken for taken in singles if taken.file.name == case.where)
    return taken.series


@pytest.fixture
def pyramid(series):
    """Where the pyramid of the series' stack lies."""
    return series.folder / series.stack().record.folder


@pytest.fixture
def multiscale(pyramid):
    return Image.from_zarr(zarr.open_group(pyramid, mode="r")).attributes.ome.multiscales[0]


def read_by_tensorstore(path):
    spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": str(path)}}
    return tensorstore.open(spec, open=True, read=True).result()


def test_the_metadata_is_valid_and_names_the_axes_that_the_stack_has(case, multiscale):
    assert "".join(axis.name for axis in multiscale.axes) == case.axes


def test_zarr_python_and_tensorstore_read_the_same_values_at_every_level(series, pyramid, multiscale):
    for dataset in multiscale.datasets:
        stock = zarr.open_array(pyramid / dataset.path, mode="r")
        other = read_by_tensorstore(pyramid / dataset.path)
        assert stock.dtype == other.dtype.numpy_dtype == np.dtype(series.stack().record.dtype)
        assert np.array_equal(stock[...], other.read().result(), equal_nan=stock.dtype.kind == "f")


def test_level_0_holds_the_frames_that_we_read(case, series, pyramid):
    stack = series.stack()
    level = read_by_tensorstore(pyramid / "0").read().result()
    frames = level[np.newaxis] if case.axes in ("yx", "cyx") else level.reshape(-1, *level.shape[-2:])

    assert len(frames) == len(stack)
    for number in sorted({0, len(stack) // 3, len(stack) - 1}):
        expected = np.moveaxis(frames[number], 0, -1) if "c" in case.axes else frames[number]
        assert np.array_equal(stack.frame(number), expected, equal_nan=level.dtype.kind == "f")


def test_each_level_says_its_spacing_and_how_far_in_its_first_voxel_lies(case, pyramid, multiscale):
    finest = zarr.open_array(pyramid / "0", mode="r").shape

    for dataset in multiscale.datasets:
        scale, translation = dataset.coordinateTransformations
        shape = zarr.open_array(pyramid / dataset.path, mode="r").shape
        factors = [2 ** round(math.log2(whole / part)) for whole, part in zip(finest, shape, strict=True)]
        steps = [case.spacing_mm.get(axis, 1.0) for axis in case.axes]
        centers = [step * (factor - 1) / 2 for step, factor in zip(steps, factors, strict=True)]
        assert scale.scale == pytest.approx(
            [step * factor for step, factor in zip(steps, factors, strict=True)], rel=1e-5
        )
        assert translation.translation == pytest.approx(centers, abs=1e-5)
