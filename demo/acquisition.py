"""What scanners add to a body: noise with a reconstruction's texture, coil shading, blur, projection."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .shapes import FloatArray

StoredArray = NDArray[np.uint16]


def band_noise(
    shape: tuple[int, int], low: float, high: float, rng: np.random.Generator, *, ramp: bool = True
) -> FloatArray:
    """Give a periodic (rows, columns) noise image of unit deviation with a band-limited spectrum.

    `low` and `high` are soft limits in cycles per pixel; with `ramp` power rises with frequency in between,
    as filtered back-projection leaves it.
    """
    spectrum = np.fft.rfft2(rng.standard_normal(shape, np.float32))
    frequency = np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])[None, :])
    response = np.exp(-((frequency / high) ** 2)) * (1 - np.exp(-((frequency / max(low, 1e-6)) ** 2)))
    if ramp:
        response *= np.sqrt(frequency)
    noise = np.fft.irfft2(spectrum * response, shape)
    return np.asarray(noise / noise.std(), np.float32)


def add_ct_noise(volume: FloatArray, centre_hu: float, rng: np.random.Generator) -> None:
    """Add reconstruction noise to (slices, rows, columns) HU in place: `centre_hu` amid it, less outwards.

    Few tiles are made and shifted for each slice, blended with the slice before: thin slices overlap.
    """
    rows, columns = volume.shape[1:]
    tiles = [band_noise((rows, columns), 0.02, 0.32, rng) for _ in range(4)]
    grain = [band_noise((rows, columns), 0.004, 0.06, rng, ramp=False) for _ in range(2)]
    strength = _centre_weight(rows, columns) * np.float32(centre_hu)
    former = tiles[0]
    for index, plane in enumerate(volume):
        fresh = _shifted(tiles[index % len(tiles)], rng)
        plane += (np.float32(0.86) * fresh + np.float32(0.5) * former) * strength
        # Tissue is not uniform: fat septa, perfusion, fibres; lung, air and bone have other textures.
        soft = np.float32(0.35) + np.float32(0.65) * (np.abs(plane) < 250)
        plane += grain[index % 2] * soft * np.float32(5)
        former = fresh


def _centre_weight(rows: int, columns: int) -> FloatArray:
    y, x = np.linspace(-1, 1, rows)[:, None], np.linspace(-1, 1, columns)[None, :]
    return np.asarray(0.45 + 0.55 * np.exp(-(x * x + 1.4 * y * y) / 0.42), np.float32)


def _shifted(tile: FloatArray, rng: np.random.Generator) -> FloatArray:
    down, right = (int(rng.integers(size)) for size in tile.shape)
    sign = np.float32(rng.choice((-1.0, 1.0)))
    return np.roll(tile, (down, right), axis=(0, 1)) * sign


def add_mr_noise(volume: FloatArray, deviation: float, rng: np.random.Generator) -> None:
    """Shade (slices, rows, columns) T1 signal by the coil and add a magnitude's Rician noise, in place."""
    slices, rows, columns = volume.shape
    z, y, x = (np.linspace(-1, 1, size, dtype=np.float32) for size in (slices, rows, columns))
    shading = 0.86 + 0.2 * (y * y)[:, None] + 0.16 * (x * x)[None, :] - 0.06 * x[None, :]
    for index, plane in enumerate(volume):
        plane *= shading + np.float32(0.1) * z[index] ** 2
        real = rng.standard_normal(plane.shape, np.float32) * np.float32(deviation)
        imaginary = rng.standard_normal(plane.shape, np.float32) * np.float32(deviation)
        np.hypot(plane + real, imaginary, out=plane)


def add_pet_noise(volume: FloatArray, rng: np.random.Generator) -> None:
    """Add the blobs of an iterative reconstruction to (slices, rows, columns) uptake, in place; none below 0.

    Their deviation grows with the root of the uptake, as counts do.
    """
    tiles = [band_noise(volume.shape[1:], 0.01, 0.13, rng, ramp=False) for _ in range(3)]
    blobs = _shifted(tiles[0], rng)
    for index, plane in enumerate(volume):
        blobs = np.float32(0.8) * blobs + np.float32(0.6) * _shifted(tiles[index % 3], rng)
        plane += np.float32(0.12) * blobs * np.sqrt(np.maximum(plane, np.float32(0.02)))
        np.maximum(plane, 0, out=plane)


def project(volume_hu: FloatArray, spacing_zyx: tuple[float, float, float], shape: tuple[int, int]) -> FloatArray:
    """Give the line integral of attenuation from front to back, (rows, columns) from head to feet.

    `volume_hu` is (slices, rows, columns), feet first; the unit is that of water's path in mm.
    """
    water_mm = np.empty((volume_hu.shape[0], volume_hu.shape[2]), np.float32)
    for index, plane in enumerate(volume_hu):
        # The couch is no part of a chest film: rows behind the patient are left out.
        body = np.maximum(plane[: int(plane.shape[0] * 0.82)], np.float32(-1000))
        # A film's beam is softer than a CT's: bone and iodine absorb more of it.
        body += np.float32(0.9) * np.maximum(body - np.float32(150), 0)
        water_mm[index] = (body + np.float32(1000)).sum(axis=0) * np.float32(spacing_zyx[1] / 1000)
    image = Image.fromarray(water_mm[::-1]).resize(shape[::-1], Image.Resampling.BICUBIC)
    return np.asarray(image, np.float32)


def radiograph(water_mm: FloatArray, rng: np.random.Generator) -> StoredArray:
    """Turn water paths (rows, columns) into a 12-bit MONOCHROME1 chest film: dense is low, as on film.

    Exposure falls by Beer and Lambert's law; the plate takes its logarithm; an unsharp mask lifts edges.
    """
    exposure = np.exp(np.float32(-0.0185) * water_mm)
    quanta = exposure * np.float32(9000)
    quanta += np.sqrt(quanta) * rng.standard_normal(quanta.shape, np.float32)
    density = np.log(np.maximum(quanta, 1)) / np.float32(np.log(9000))
    sharpened = density + np.float32(0.9) * (density - _box_mean(density, max(density.shape[0] // 48, 1)))
    film: StoredArray = np.clip(np.rint(sharpened * np.float32(3600) + 200), 0, 4095).astype(np.uint16)
    return film


def _box_mean(image: FloatArray, radius: int) -> FloatArray:
    """Give the mean over a square of side 2·radius + 1, by running sums, edges repeated."""
    size = 2 * radius + 1
    for axis in (0, 1):
        padding = [(0, 0), (0, 0)]
        padding[axis] = (radius + 1, radius)
        sums = np.cumsum(np.pad(image, padding, mode="edge"), axis=axis, dtype=np.float64)
        starts = np.arange(sums.shape[axis] - size)
        image = ((np.take(sums, starts + size, axis) - np.take(sums, starts, axis)) / size).astype(np.float32)
    return image
