"""The brain, with cortex folded along a gyroid, a surface that meanders through space as sulci do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .shapes import Ellipsoid, FloatArray, Part, Point, Shape, Uneven, Without, solid, tube
from .tissue import Tissue

HEMISPHERES = Ellipsoid((0, 5, 16), (66, 84, 66))
CEREBELLUM = Ellipsoid((0, 47, -31), (50, 33, 25), (16, 0, 0))
FACE = Ellipsoid((0, -82, -42), (72, 54, 50))
"""What the skull's egg gives up to orbits and nose; its top is the floor of the anterior fossa."""


@dataclass(frozen=True, slots=True)
class Folds:
    """What of `outline` lies within `reach` mm of a sulcus or near its surface: cortex, or water in sulci."""

    outline: Shape
    wavelength: float
    reach: float
    """Half thickness of the sheet along the fold; negative where even the middle of a fold is closed."""
    rim: float
    """Thickness along the outer surface, mm."""
    depth: float
    """How deep folds go, mm."""

    def bounds(self) -> tuple[Point, Point]:
        """Give the outline's box."""
        return self.outline.bounds()

    def distance(self, x: FloatArray, y: FloatArray, z: FloatArray) -> FloatArray:
        """Join the sheets of the gyroid, down to `depth`, with the rim, within the outline."""
        outer = self.outline.distance(x, y, z)
        k = np.float32(2 * np.pi / self.wavelength)
        # Two slow waves bend the sheets, lest they repeat.
        u = k * x + np.float32(1.1) * np.sin(np.float32(0.37) * k * y + np.float32(0.23) * k * z)
        v = k * y + np.float32(1.1) * np.sin(np.float32(0.31) * k * z + np.float32(0.29) * k * x)
        w = k * z + np.float32(0.9) * np.sin(np.float32(0.33) * k * x)
        fold = np.abs(np.sin(u) * np.cos(v) + np.sin(v) * np.cos(w) + np.sin(w) * np.cos(u)) / (np.float32(1.35) * k)
        sheet = np.maximum(fold - np.float32(self.reach), -outer - np.float32(self.depth))
        joined = np.minimum(sheet, -outer - np.float32(self.rim))
        return np.asarray(np.maximum(joined, outer), np.float32)


def brain() -> list[Part]:
    """Give hemispheres, cerebellum, brainstem, deep nuclei, ventricles and falx, in painting order."""
    return [
        *_hemispheres(),
        *_cerebellum(),
        *_stem(),
        *_deep_nuclei(),
        *_ventricles(),
        *_falx(),
    ]


def _grown(shape: Ellipsoid, by: float) -> Ellipsoid:
    x, y, z = (radius + by for radius in shape.radii)
    return Ellipsoid(shape.centre, (x, y, z), shape.turn_deg)


def _hemispheres() -> list[Part]:
    temporal = [Ellipsoid((side * 42, -18, -20), (23, 38, 22), (0, 0, side * 8)) for side in (-1, 1)]
    base = Ellipsoid((0, 6, -34), (26, 60, 26))
    whole: list[Shape] = [Without(HEMISPHERES, base, 2.0), *temporal]
    lobes = [Without(lobe, FACE, 8.0) for lobe in whole]
    medial = Without(Ellipsoid((0, 5, 22), (9, 81, 58)), Ellipsoid((0, 2, 0), (30, 46, 38)))
    return [
        solid(Tissue.WHITE_MATTER, *lobes),
        *(solid(Tissue.GREY_MATTER, Folds(lobe, 27.0, 3.1, 3.2, 24.0)) for lobe in lobes),
        solid(Tissue.GREY_MATTER, Folds(medial, 27.0, 3.1, 0.0, 12.0)),
        *(solid(Tissue.CSF, Folds(lobe, 27.0, 0.5, 0.3, 19.0)) for lobe in lobes),
        solid(Tissue.CSF, Folds(medial, 27.0, 0.5, 0.0, 12.0)),
        # The lateral fissures, and the insula beneath.
        *(
            solid(Tissue.GREY_MATTER, *tube([(s * 62, -30, 2), (s * 42, -12, 4), (s * 50, 16, 14)], 4.5))
            for s in (-1, 1)
        ),
        *(solid(Tissue.CSF, *tube([(s * 66, -32, 1), (s * 44, -12, 4), (s * 58, 16, 14)], 2.2, 1.4)) for s in (-1, 1)),
    ]


def _deep_nuclei() -> list[Part]:
    nuclei: list[Shape] = []
    for side in (-1, 1):
        nuclei += [
            Ellipsoid((side * 11, 8, 8), (8, 15, 9), (0, 0, side * -18)),
            Ellipsoid((side * 26, -10, 7), (6, 16, 10), (0, 0, side * -14)),
            *tube([(side * 12, -26, 12), (side * 14, -10, 22), (side * 17, 8, 25)], 5.5, 3.5),
        ]
    callosum = tube(
        [(0, -30, 8), (0, -34, 18), (0, -20, 27), (0, 8, 29), (0, 30, 22), (0, 34, 14)],
        4.0,
        3.2,
        4.6,
        stretch=(3.2, 1, 1),
    )
    return [solid(Tissue.DEEP_GREY, *nuclei), solid(Tissue.WHITE_MATTER, *callosum)]


def _ventricles() -> list[Part]:
    parts: list[Shape] = [*tube([(0, -8, -6), (0, 8, -2), (0, 16, 0)], 5.0, stretch=(0.35, 1, 1.5))]
    for side in (-1, 1):
        parts += tube(
            [(side * 9, -32, 14), (side * 7, -14, 18), (side * 8, 8, 20), (side * 17, 30, 15)],
            4.5,
            4.0,
            6.0,
            stretch=(1.1, 1, 1.15),
        )
        parts += tube([(side * 17, 30, 15), (side * 24, 50, 12)], 6.0, 3.0)
        parts += tube([(side * 18, 30, 12), (side * 30, 20, -6), (side * 32, -2, -18)], 4.5, 2.0)
    aqueduct = tube([(0, 16, 0), (0, 26, -14), (0, 32, -30), (0, 30, -46)], 1.2, 4.5, 2.0, stretch=(1.6, 1, 1))
    return [solid(Tissue.CSF, *(Uneven(shape, 0.8, 17.0) for shape in parts), *aqueduct)]


def _falx() -> list[Part]:
    """Give the fissure between the hemispheres, the falx in it, and the venous sinus along it."""
    cleft = Without(Ellipsoid((0, 4, 24), (1.1, 83, 60)), Ellipsoid((0, 2, 0), (30, 44, 36)))
    blade = Without(Ellipsoid((0, 4, 24), (0.55, 84, 61)), Ellipsoid((0, 0, 6), (30, 60, 44)))
    sinus = tube([(0, -74, 40), (0, -50, 72), (0, -10, 85), (0, 40, 77), (0, 76, 46), (0, 88, 8)], 2.5, 4.5)
    return [solid(Tissue.CSF, cleft), solid(Tissue.SKIN, blade), solid(Tissue.GLAND, *sinus)]


def _cerebellum() -> list[Part]:
    return [
        solid(Tissue.CSF, _grown(CEREBELLUM, 2.0)),
        solid(Tissue.GREY_MATTER, CEREBELLUM),
        solid(Tissue.WHITE_MATTER, Ellipsoid((-18, 47, -33), (20, 13, 8)), Ellipsoid((18, 47, -33), (20, 13, 8))),
        solid(Tissue.CSF, Folds(CEREBELLUM, 9.5, 0.42, 0.2, 14.0)),
    ]


def _stem() -> list[Part]:
    pons = Ellipsoid((0, 14, -32), (17, 13, 15))
    stem = tube([(0, 12, -4), (0, 16, -24), (0, 22, -50), (0, 30, -75), (0, 36, -140)], 15, 12, 7.5, 6.5, 6.0)
    cistern = tube([(0, 12, -10), (0, 16, -30), (0, 24, -56), (0, 31, -76), (0, 37, -140)], 21, 14, 10.0, 9.5)
    return [solid(Tissue.CSF, *cistern), solid(Tissue.WHITE_MATTER, *stem, pons)]
