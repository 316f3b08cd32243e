"""How a user would turn a folder of slices into a pyramid without Filmless: read, halve, write.

Every writer makes the levels that Filmless makes of the same volume, in the codec it uses, but for ngff-zarr, which
is left its own defaults. None of them keeps headers, hashes a file, or waits until its bytes are on the disk.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Factors = tuple[int, int, int]
Volume = NDArray[np.int16]


def read_simpleitk(sitk: Any, folder: Path) -> Any:
    """Read the one series of a folder as SimpleITK's manual does; the image holds HU."""
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder)))
    return reader.Execute()


def read_pydicom(pydicom: Any, folder: Path) -> Volume:
    """Read the slices of a folder and stack them along z; the array holds stored values."""
    slices = [pydicom.dcmread(path) for path in folder.iterdir()]
    slices.sort(key=lambda header: header.ImagePositionPatient[2])
    return np.stack([header.pixel_array for header in slices])


def halved_simpleitk(sitk: Any, image: Any, steps: Sequence[Factors]) -> Iterator[Volume]:
    """Give the image's levels, each the BinShrink of the one before by (z, y, x) `steps`."""
    for step in steps:
        if step != (1, 1, 1):
            image = sitk.BinShrink(image, step[::-1])
        yield sitk.GetArrayViewFromImage(image)


def halved_numpy(volume: Volume, steps: Sequence[Factors]) -> Iterator[Volume]:
    """Give the volume's levels, each the rounded mean of the one before by (z, y, x) `steps`."""
    for z, y, x in steps:
        depth, height, width = (size // step for size, step in zip(volume.shape, (z, y, x), strict=True))
        if (z, y, x) != (1, 1, 1):
            boxes = volume[: depth * z, : height * y, : width * x].reshape(depth, z, height, y, width, x)
            volume = np.rint(boxes.mean(axis=(1, 3, 5), dtype=np.float32)).astype(volume.dtype)
        yield volume


def write_zarr(zarr: Any, levels: Iterator[Volume], folder: Path, chunk: Factors, *, is_sharded: bool) -> list[Path]:
    """Write levels with zarr-python, each in one shard or a file a chunk, in Filmless' own codec."""
    codecs = zarr.codecs
    compressors = [
        codecs.BloscCodec(cname="zstd", clevel=1, shuffle="shuffle", typesize=2),
        codecs.Crc32cCodec(),
    ]
    paths = []
    for number, level in enumerate(levels):
        path = folder / str(number)
        chunks = tuple(min(size, limit) for size, limit in zip(level.shape, chunk, strict=True))
        whole = tuple(-(-size // part) * part for size, part in zip(level.shape, chunks, strict=True))
        array = zarr.create_array(
            path,
            shape=level.shape,
            dtype=level.dtype,
            chunks=chunks,
            shards=whole if is_sharded else None,
            compressors=compressors,
            fill_value=0,
        )
        array[...] = level
        paths.append(path)
    return paths


def write_ngff_zarr(
    ngff_zarr: Any, volume: Volume, steps: Sequence[Factors], spacing_mm: Sequence[float], folder: Path
) -> list[Path]:
    """Halve and write a volume with ngff-zarr by box means, its quickest way, in its own chunks and codec."""
    dims = ("z", "y", "x")
    image = ngff_zarr.to_ngff_image(volume, dims=dims, scale=dict(zip(dims, spacing_mm, strict=True)))
    factors = np.cumprod(np.array(steps), axis=0)[1:].tolist()
    levels = ngff_zarr.to_multiscales(
        image,
        scale_factors=[dict(zip(dims, factor, strict=True)) for factor in factors],
        method=ngff_zarr.Methods.ITKWASM_BIN_SHRINK,
    )
    ngff_zarr.to_ngff_zarr(folder, levels, version="0.5")
    return [folder / f"scale{number}" / "image" for number in range(len(steps))]
