"""The archive beside what a user would put together instead, everyone on one core and one thread.

Two jobs. A folder of slices becomes a pyramid; Filmless also hashes each file, keeps every byte of the headers, and
waits until all is on the disk. The first coronal picture is made of a series that nobody has opened; all objects
are made anew, and the files are in the operating system's cache for everyone.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import filmless
import numpy as np
import pytest
from folder import CtFolder
from pyramids import (
    halved_numpy,
    halved_simpleitk,
    read_pydicom,
    read_simpleitk,
    write_ngff_zarr,
    write_zarr,
)

CUBE = (32, 32, 32)
CENTER, WIDTH = 40.0, 400.0
LOW_HU, GAIN = CENTER - 0.5 - (WIDTH - 1) / 2, 255 / (WIDTH - 1)
SAME_LAYOUT = "SimpleITK + zarr-python, 32x32x32 in one shard"
FILE_A_CHUNK = {"128x128x128": (128, 128, 128), "16x256x256": (16, 256, 256), "1x512x512": (1, 512, 512)}


@pytest.fixture(scope="module")
def root(series: filmless.Series) -> Path:
    """The archive's folder: series/<xx>/<uid>/<generation> lie below it."""
    return series.folder.parents[3]


@pytest.fixture(scope="module")
def steps(series: filmless.Series) -> list[tuple[int, int, int]]:
    """By how much each level of Filmless' pyramid is smaller than the one before, (z, y, x)."""
    factors = np.array([(1, 1, 1), *series.volume().factors])
    return [tuple(step) for step in (factors[1:] // factors[:-1]).tolist()]


@pytest.fixture(scope="module")
def zarr(peer: Callable[[str], Any]) -> Any:
    module = peer("zarr")
    peer("numcodecs").blosc.set_nthreads(1)
    module.config.set({"threading.max_workers": 1})
    return module


@pytest.fixture
def zarrs(peer: Callable[[str], Any], zarr: Any) -> Iterator[Any]:
    """zarr-python with the codec pipeline of zarrs."""
    peer("zarrs")
    with zarr.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"}):
        yield zarr


@pytest.fixture
def fresh(tmp_path: Path) -> Callable[[], Path]:
    """Give a folder that does not exist yet; the one given before is removed, and the disk has nothing left to do.

    Else the one that waits for its bytes to be on the disk would wait for those of the others too.
    """
    target = tmp_path / "target"

    def give() -> Path:
        shutil.rmtree(target, ignore_errors=True)
        os.sync()
        return target

    return give


@pytest.fixture
def same_levels(ct: CtFolder, zarr: Any, steps: list[Any]) -> Callable[..., None]:
    """Give a check of levels by path: level 0 exactly, each further one within 1 more grey value."""
    expected = [ct.stored, *list(halved_numpy(ct.stored, steps))[1:]]

    def check(paths: list[Path], offset: float = 0.0) -> None:
        assert len(paths) == len(expected)
        for number, (path, wanted) in enumerate(zip(paths, expected, strict=True)):
            found = zarr.open_array(path, mode="r")[...].astype(np.int32) - int(offset)
            common = tuple(slice(min(sizes)) for sizes in zip(found.shape, wanted.shape, strict=True))
            assert np.abs(found[common] - wanted[common]).max() <= number

    return check


def pyramid_job(ct):
    return f"folder to pyramid: {ct.job}"


def coronal_job(ct):
    return f"first coronal of a cold series: {ct.job}"


def test_pyramid_filmless(race, ct, fresh, same_levels):
    def run(target):
        archive = filmless.open(target)
        archive.ingest(ct.path)
        return archive

    def check(archive):
        levels = archive.series(ct.series_uid).folder / "stack-0.ome.zarr"
        same_levels([levels / str(n) for n in range(len(list(levels.glob("[0-9]*"))))])

    race(pyramid_job(ct), "filmless", run, check, fresh)


def with_simpleitk(sitk, zarr, ct, steps, chunk, is_sharded):
    def run(target):
        levels = halved_simpleitk(sitk, read_simpleitk(sitk, ct.path), steps)
        return write_zarr(zarr, levels, target, chunk, is_sharded=is_sharded)

    return run


def test_pyramid_simpleitk_sharded(race, sitk, zarr, ct, steps, fresh, same_levels):
    run = with_simpleitk(sitk, zarr, ct, steps, CUBE, is_sharded=True)

    race(pyramid_job(ct), SAME_LAYOUT, run, lambda paths: same_levels(paths, ct.intercept), fresh)


def test_pyramid_simpleitk_sharded_by_zarrs(race, sitk, zarrs, ct, steps, fresh, same_levels):
    run = with_simpleitk(sitk, zarrs, ct, steps, CUBE, is_sharded=True)

    race(pyramid_job(ct), f"{SAME_LAYOUT}, zarrs", run, lambda paths: same_levels(paths, ct.intercept), fresh)


@pytest.mark.parametrize("chunk", FILE_A_CHUNK)
def test_pyramid_simpleitk_file_a_chunk(race, sitk, zarr, ct, steps, fresh, same_levels, chunk):
    run = with_simpleitk(sitk, zarr, ct, steps, FILE_A_CHUNK[chunk], is_sharded=False)
    name = f"SimpleITK + zarr-python, {chunk} a file"

    race(pyramid_job(ct), name, run, lambda paths: same_levels(paths, ct.intercept), fresh)


def test_pyramid_ngff_zarr(race, sitk, peer, ct, steps, fresh, same_levels):
    ngff_zarr = peer("ngff_zarr")
    peer("itkwasm_downsample")

    def run(target):
        image = read_simpleitk(sitk, ct.path)  # owns the memory of the view
        values = sitk.GetArrayViewFromImage(image)
        return write_ngff_zarr(ngff_zarr, values, steps, ct.spacing_mm_zyx, target)

    race(
        pyramid_job(ct),
        "SimpleITK + ngff-zarr, its defaults",
        run,
        lambda paths: same_levels(paths, ct.intercept),
        fresh,
    )


def test_pyramid_pydicom(race, peer, zarr, ct, steps, fresh, same_levels):
    pydicom = peer("pydicom")

    def run(target):
        levels = halved_numpy(read_pydicom(pydicom, ct.path), steps)
        return write_zarr(zarr, levels, target, FILE_A_CHUNK["128x128x128"], is_sharded=False)

    race(pyramid_job(ct), "pydicom + NumPy + zarr-python, 128x128x128 a file", run, same_levels, fresh)


class Coronal:
    """The coronal picture through the middle, pixels as large as the finest voxel step, head on top."""

    def __init__(self, ct: CtFolder) -> None:
        spacing_z, _, pixel = ct.spacing_mm_zyx
        slices = ct.stored.shape[0]
        self.row = ct.stored.shape[1] // 2
        rows = int(np.ceil(slices * spacing_z / pixel - 1e-6))
        heights = slices - 0.5 - (np.arange(rows) + 0.5) * pixel / spacing_z
        self._is_inside = (heights >= -0.5) & (heights <= slices - 0.5)  # a voxel reaches half a step out
        heights = np.clip(heights, 0, slices - 1)
        self._below = np.minimum(heights.astype(int), slices - 2)
        self._weight = (heights - self._below).astype(np.float32)[:, np.newaxis]

    def of(self, hu: np.ndarray) -> np.ndarray:
        """Stretch the (z, x) row of the volume to square pixels, and window it to 8 bits."""
        stretched = hu[self._below] * (1 - self._weight) + hu[self._below + 1] * self._weight
        gray = np.rint(np.clip((stretched - LOW_HU) * GAIN, 0, 255)).astype(np.uint8)
        gray[~self._is_inside] = 0
        return gray


@pytest.fixture(scope="module")
def coronal(ct: CtFolder) -> Coronal:
    return Coronal(ct)


@pytest.fixture
def same_picture(ct: CtFolder, coronal: Coronal) -> Callable[[Any], None]:
    wanted = coronal.of(ct.stored[:, coronal.row] + ct.intercept).astype(int)

    def check(picture: Any) -> None:
        assert np.abs(np.asarray(picture).astype(int) - wanted).max() <= 1

    return check


def test_coronal_filmless(race, ct, root, coronal, same_picture):
    def run():
        volume = filmless.open(root).series(ct.series_uid).volume()
        return filmless.render(volume, "coronal", index=coronal.row, window=(CENTER, WIDTH))

    race(coronal_job(ct), "filmless", run, same_picture)


def with_zarr(zarr, ct, series, coronal):
    level = series.folder / "stack-0.ome.zarr" / "0"

    def run():
        return coronal.of(zarr.open_array(level, mode="r")[:, coronal.row, :] + ct.intercept)

    return run


def test_coronal_zarr(race, zarr, ct, series, coronal, same_picture):
    run = with_zarr(zarr, ct, series, coronal)

    race(coronal_job(ct), "zarr-python, of the same OME-Zarr", run, same_picture)


def test_coronal_zarrs(race, zarrs, ct, series, coronal, same_picture):
    run = with_zarr(zarrs, ct, series, coronal)

    race(coronal_job(ct), "zarr-python with zarrs, of the same", run, same_picture)


def test_coronal_tensorstore(race, peer, ct, series, coronal, same_picture):
    ts = peer("tensorstore")
    level = series.folder / "stack-0.ome.zarr" / "0"
    source = {"driver": "zarr3", "kvstore": {"driver": "file", "path": str(level)}}

    def run():
        context = ts.Context({"data_copy_concurrency": {"limit": 1}, "file_io_concurrency": {"limit": 1}})
        array = ts.open(source, context=context).result()
        return coronal.of(array[:, coronal.row, :].read().result() + ct.intercept)

    race(coronal_job(ct), "TensorStore, of the same OME-Zarr", run, same_picture)


def test_coronal_simpleitk(race, sitk, ct, coronal, same_picture):
    def run():
        image = read_simpleitk(sitk, ct.path)  # owns the memory of the view
        return coronal.of(sitk.GetArrayViewFromImage(image)[:, coronal.row])

    race(coronal_job(ct), "SimpleITK, of the DICOM folder", run, same_picture)


def test_coronal_pydicom(race, peer, ct, coronal, same_picture):
    pydicom = peer("pydicom")

    def run():
        return coronal.of(read_pydicom(pydicom, ct.path)[:, coronal.row] + ct.intercept)

    race(coronal_job(ct), "pydicom + NumPy, of the DICOM folder", run, same_picture)
