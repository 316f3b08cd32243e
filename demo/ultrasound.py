"""A short cine as an abdominal ultrasound scanner shows it: a sector of speckle, with flow in colour."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from .acquisition import band_noise
from .shapes import FloatArray

ColourFrames = NDArray[np.uint8]
"""(frames, rows, columns, 3)."""

DEPTH_MM = 150.0
_APEX_MM = 45.0
_HALF_ANGLE = np.deg2rad(36.0)


def ultrasound_cine(frames: int, rows: int, columns: int, seed: int = 11) -> ColourFrames:
    """Give RGB frames of one heart beat: liver, kidney, diaphragm, and two vessels that pulse."""
    rng = np.random.default_rng(seed)
    x, depth = _pixel_mm(rows, columns)
    radius, angle = np.hypot(x, depth + _APEX_MM), np.arctan2(x, depth + _APEX_MM)
    inside = (np.abs(angle) < _HALF_ANGLE) & (radius > _APEX_MM) & (radius < _APEX_MM + DEPTH_MM)
    speckle = _speckle(radius, angle, rng)
    cine = np.zeros((frames, rows, columns, 3), np.uint8)
    for index in range(frames):
        beat = float(np.sin(2 * np.pi * index / frames))
        echo = _echogenicity(x, depth, beat) * _gain(radius) * (speckle + rng.normal(0, 0.03, speckle.shape))
        grey = np.clip(58 + 92 * np.log10(np.maximum(echo, 0.02) * 1.9), 0, 255) * inside
        cine[index] = _with_colour(grey, _flow(x, depth, 0.6 + 0.4 * beat) * inside)
        cine[index] = _annotated(cine[index])
    return cine


def pixel_spacing_mm(rows: int) -> float:
    """Give the side of a pixel."""
    return (DEPTH_MM + 20.0) / rows


def _pixel_mm(rows: int, columns: int) -> tuple[FloatArray, FloatArray]:
    spacing = pixel_spacing_mm(rows)
    depth = (np.arange(rows, dtype=np.float32)[:, None] + np.float32(0.5)) * np.float32(spacing) - np.float32(8)
    across = (np.arange(columns, dtype=np.float32)[None, :] - np.float32(columns / 2)) * np.float32(spacing)
    return np.broadcast_to(across, (rows, columns)), np.broadcast_to(depth, (rows, columns))


def _speckle(radius: FloatArray, angle: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Give Rayleigh speckle that is fine along the beam and widens with depth, as beams do."""
    real, imaginary = (band_noise((1024, 160), 0.0, 0.16, rng, ramp=False) for _ in range(2))
    envelope = np.hypot(real, imaginary)
    along = ((radius - _APEX_MM) / DEPTH_MM * 1023).astype(int) % 1024
    across = ((angle / _HALF_ANGLE + 1) * 79.5).astype(int) % 160
    return np.asarray(envelope[along, across], np.float32)


def _oval(
    x: FloatArray, y: FloatArray, centre: tuple[float, float], half: tuple[float, float], turn: float
) -> FloatArray:
    """Give the normalised radius in a turned ellipse: 1 on its rim."""
    c, s = np.cos(np.deg2rad(turn)), np.sin(np.deg2rad(turn))
    u, v = x - centre[0], y - centre[1]
    return np.asarray(np.hypot((u * c + v * s) / half[0], (v * c - u * s) / half[1]), np.float32)


def _echogenicity(x: FloatArray, depth: FloatArray, beat: float) -> FloatArray:
    echo = np.ones(x.shape, np.float32)
    kidney = _oval(x, depth, (16, 84), (36, 18), 14)
    echo[kidney < 1.06] = 2.6
    echo[kidney < 1.0] = 0.5
    echo[_oval(x, depth, (16, 84), (21, 7.5), 14) < 1] = 3.2
    diaphragm = _oval(x, depth, (-14, 40), (88, 92), 0)
    echo[np.abs(diaphragm - 1) < 0.016] = 9.0
    echo[diaphragm > 1.016] *= 0.45
    for centre, half, turn in _vessels(beat):
        lumen = _oval(x, depth, centre, half, turn)
        echo[lumen < 1.12] = 2.2
        echo[lumen < 1.0] = 0.05
    echo[depth < 9] = 2.2
    echo[(depth > 9) & (depth < 10.5)] = 5.0
    return echo


def _vessels(beat: float) -> tuple[tuple[tuple[float, float], tuple[float, float], float], ...]:
    swell = 1 + 0.08 * beat
    return ((-28, 58), (26, 5.4 * swell), -24), ((-8, 34), (18, 3.6 * swell), 12)


def _gain(radius: FloatArray) -> FloatArray:
    depth = (radius - np.float32(_APEX_MM)) / np.float32(DEPTH_MM)
    return np.asarray(np.exp(-1.3 * depth) * (1 + 0.5 * np.exp(-(((depth - 0.45) / 0.2) ** 2))), np.float32)


def _flow(x: FloatArray, depth: FloatArray, speed: float) -> FloatArray:
    """Give the speed of blood, fastest amid a vessel: positive to the probe, 0 outside vessels, 1 at most."""
    flow = np.zeros(x.shape, np.float32)
    for (centre, half, turn), sign in zip(_vessels(0.0), (1, -1), strict=True):
        lumen = _oval(x, depth, centre, half, turn)
        flow += np.where(lumen < 0.95, sign * speed * (1.05 - lumen * lumen), 0).astype(np.float32)
    return flow


def _with_colour(grey: FloatArray, flow: FloatArray) -> ColourFrames:
    """Give RGB, with flow to the probe in red and from it in blue."""
    hue = np.where((flow > 0)[..., None], np.array((235, 120, 20), np.float32), np.array((20, 110, 235), np.float32))
    colour = hue * (np.float32(0.35) + np.float32(0.65) * np.abs(flow))[..., None]
    return np.clip(np.where((flow != 0)[..., None], colour, grey[..., None]), 0, 255).astype(np.uint8)


def _annotated(frame: ColourFrames) -> ColourFrames:
    """Give the frame with a grey scale at its left and depth marks at its right."""
    rows, columns = frame.shape[:2]
    image = Image.fromarray(frame)
    draw = ImageDraw.Draw(image)
    for row in range(rows // 8, rows // 2):
        level = 255 - round(255 * (row - rows // 8) / max(rows // 2 - rows // 8 - 1, 1))
        draw.line((columns // 40, row, columns // 40 + max(columns // 60, 1), row), fill=(level, level, level))
    for centimetre in range(0, int(DEPTH_MM / 10) + 1):
        row = int((centimetre * 10 + 8) / pixel_spacing_mm(rows))
        length = columns // 40 if centimetre % 5 == 0 else columns // 80
        draw.line((columns - 4 - length, row, columns - 4, row), fill=(200, 200, 120))
    return np.asarray(image)
