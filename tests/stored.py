"""Pyramids for tests: written by the archive's own writer, and made naively beside it."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
from filmless.kernels.downsample import halve_mean
from filmless.storage import ome_zarr
from filmless.storage.array import StoredArray
from filmless.storage.manifest import sealed
from filmless.storage.pyramid import PyramidWriter
from filmless.storage.shape import LevelShape, plan_levels
from naive import downsample as naive


def noisy(shape, dtype="int16", seed=0):
    """Smooth values with some noise and a corner of zeros, (t, c, z, y, x)."""
    random = np.random.default_rng(seed)
    ramp = np.add.outer(np.arange(shape[-2]), np.arange(shape[-1])) % 100
    values = (ramp + random.integers(-20, 90, shape)).clip(0 if np.dtype(dtype).kind == "u" else None)
    values[..., : shape[-2] // 3, : shape[-1] // 3] = 0
    return values.astype(dtype)


def small_levels(shape, chunk=(1, 1, 4, 5, 6), slabs=2, keep_z=False):
    """Plan a pyramid of three levels by hand, with chunks and shards far smaller than the archive's own."""
    levels, factors = [], (1, 1, 1)
    axes = tuple(axis for axis in range(5) if axis >= 3 or shape[axis] > 1)
    for _ in range(3):
        cut = tuple(min(k, n) for k, n in zip(chunk, shape, strict=True))
        whole = [-(-n // k) * k for n, k in zip(shape, cut, strict=True)]
        shard = (1, whole[1], min(slabs * cut[2], whole[2]), *whole[3:])
        levels.append(LevelShape(shape, cut, shard, factors, axes))
        steps = (1 if keep_z or shape[2] == 1 else 2, 2, 2)
        shape = (*shape[:2], *(-(-n // step) for n, step in zip(shape[2:], steps, strict=True)))
        factors = tuple(factor * step for factor, step in zip(factors, steps, strict=True))
    return levels


def write_levels(folder: Path, values, levels, halve=halve_mean, batch=3):
    """Write a pyramid of `values` (t, c, z, y, x), `batch` slices at a time, and describe it as OME-Zarr."""
    writer = PyramidWriter(folder, levels, values.dtype, halve)
    slices = values.swapaxes(1, 2).reshape(-1, values.shape[1], *values.shape[3:])
    while len(slices):
        room = writer.room()
        taken = min(batch, room.shape[1], len(slices))
        room[:, :taken] = slices[:taken].swapaxes(0, 1)
        writer.filled(taken)
        slices = slices[taken:]
    written = writer.close()
    for path, data in ome_zarr.describe("test", levels, values.dtype, (2.0, 0.5, 0.5), "mean", {}):
        (folder / path).write_bytes(data)
    return written


def planned(values, *, is_volume=True, keep_z=False, spacing=(1.0, 1.0, 1.0)):
    """Plan the pyramid that the archive would give `values`."""
    return plan_levels(values.shape, values.dtype.itemsize, is_volume=is_volume, keep_z=keep_z, spacing_mm_zyx=spacing)


def read_level(folder: Path, levels, number, dtype):
    """Read one level whole, (t, c, z, y, x)."""
    array = StoredArray(folder / str(number), levels[number], np.dtype(dtype))
    times, channels, *shape = levels[number].shape
    volumes = [array.volume(t, c).read_box((0, 0, 0), tuple(shape)) for t in range(times) for c in range(channels)]
    return np.stack(volumes).reshape(levels[number].shape)


def naive_levels(values, levels, choose=naive.mean_of_integers):
    """Make each level from the one before, box by box."""
    made = [values]
    for finer, coarser in itertools.pairwise(levels):
        axes = [c > f for f, c in zip(finer.factors_zyx, coarser.factors_zyx, strict=True)]
        halves = [[naive.halve(volume, axes, choose) for volume in time] for time in made[-1]]
        made.append(np.array(halves, values.dtype))
    return made


def altered_manifest(path: Path, old: str, new: str) -> None:
    """Let a manifest say something else, with the checksum that belongs to it."""
    body, _, _ = path.read_bytes().rpartition(b',\n "sha256": "')
    path.write_bytes(sealed(body.replace(old.encode(), new.encode())))


def flipped(path: Path, at: int, bit: int = 0) -> bytes:
    """Flip one bit of a file; give the bytes it had."""
    data = path.read_bytes()
    damaged = bytearray(data)
    damaged[at] ^= 1 << bit
    path.write_bytes(damaged)
    return data
