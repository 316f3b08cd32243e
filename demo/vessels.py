"""Trees that grow into an organ, and the great vessels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .shapes import Capsule, Part, Point, Shape, mirrored, solid, tube
from .tissue import Tissue

Vectors = NDArray[np.float64]
"""(branches, 3)."""


@dataclass(frozen=True, slots=True)
class Growth:
    """How a tree divides."""

    generations: int
    length: float
    """First branch, mm."""
    radius: float
    """First branch, mm."""
    shortening: float = 0.86
    thinning: float = 0.79
    """Ratio of a child's radius to its parent's: Murray's law gives 0.79 for equal children."""
    spread_deg: float = 38.0
    outward: float = 0.14
    """How much each direction turns away from the roots, as a share of a unit vector."""
    margin: float = 3.0
    """Branches end this far below the organ's surface, mm."""


def grow_tree(
    roots: Sequence[tuple[Point, Point]], organ: Shape, growth: Growth, rng: np.random.Generator
) -> tuple[Capsule, ...]:
    """Grow branches from `roots` (point, direction), two from each, as long as they stay in the organ."""
    starts = np.array([point for point, _ in roots], float)
    directions = _unit(np.array([direction for _, direction in roots], float))
    centre, length, radius = starts.mean(axis=0), growth.length, growth.radius
    branches: list[Capsule] = []
    for _ in range(growth.generations):
        starts, ends, directions = _within(organ, growth.margin, starts, directions, length, rng)
        thin = radius * growth.thinning
        branches += [Capsule(_point(a), _point(b), radius, thin) for a, b in zip(starts, ends, strict=True)]
        starts = np.repeat(ends, 2, axis=0)
        away = _unit(starts - centre) * growth.outward
        directions = _unit(_fork(directions, growth.spread_deg, rng) + away)
        length, radius = length * growth.shortening, thin
    return tuple(branches)


def _within(
    organ: Shape, margin: float, starts: Vectors, directions: Vectors, length: float, rng: np.random.Generator
) -> tuple[Vectors, Vectors, Vectors]:
    """Give starts, ends and directions of the branches that stay inside, at full or half length."""
    lengths = length * rng.uniform(0.75, 1.25, len(starts))[:, None]
    ends = starts + directions * lengths
    outside = _depth(organ, ends) < margin
    ends[outside] = (starts + directions * lengths * 0.5)[outside]
    inside = _depth(organ, ends) >= margin
    return starts[inside], ends[inside], directions[inside]


def _depth(organ: Shape, points: Vectors) -> Vectors:
    x, y, z = (points[:, axis].astype(np.float32) for axis in range(3))
    return -organ.distance(x, y, z).astype(float)


def _fork(directions: Vectors, spread_deg: float, rng: np.random.Generator) -> Vectors:
    """Give two directions for each, on opposite sides of it, in a random plane."""
    across = _unit(np.cross(directions, rng.normal(size=directions.shape)))
    angles = np.deg2rad(spread_deg * rng.uniform(0.35, 1.25, (len(directions), 2, 1)))
    angles[:, 1] *= -1
    turned = np.cos(angles) * directions[:, None] + np.sin(angles) * across[:, None]
    return _unit(turned.reshape(-1, 3))


def _unit(vectors: Vectors) -> Vectors:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9))


def _point(values: Vectors) -> Point:
    return float(values[0]), float(values[1]), float(values[2])


AORTA: list[Point] = [
    (-4, -22, 14), (-14, -28, 34), (-13, -26, 56), (-3, -12, 72), (10, 8, 76), (22, 26, 68), (25, 34, 48),
    (24, 36, 0), (21, 33, -40), (14, 27, -75), (9, 18, -105), (8, 12, -135),
]  # fmt: skip
HILUM: Point = (34.0, 4.0, 28.0)


def great_vessels() -> list[Part]:
    """Give aorta, caval veins, pulmonary trunk and the branches of the arch, in painting order."""
    cava_up = tube([(-20, -30, 112), (-26, -20, 95), (-29, -12, 60), (-26, -10, 22)], 7.0, 9.0, 10.0)
    brachiocephalic = tube([(42, -24, 116), (18, -34, 92), (-12, -32, 84), (-26, -20, 76)], 6.0, 7.0)
    cava_down = tube([(-22, -2, -8), (-24, 6, -34), (-24, 10, -75), (-18, 8, -105), (-17, 8, -135)], 12.0, 11.0)
    trunk = tube([(14, -44, 8), (16, -38, 26), (12, -18, 42), (16, -4, 44)], 12.0, 12.5)
    to_right = tube([(14, -10, 42), (-6, -4, 38), (-26, 0, 34), (-40, 4, 28)], 10.5, 9.0, 7.5)
    to_left = tube([(14, -10, 43), (26, 6, 44), (36, 14, 36), (40, 12, 26)], 10.5, 8.5, 7.5)
    arch_branches = [
        *tube([(-8, -20, 72), (-14, -14, 92), (-20, -6, 125)], 6.5, 5.0),
        *tube([(2, -4, 76), (6, 0, 98), (16, 2, 125)], 4.2, 3.6),
        *tube([(12, 8, 78), (20, 16, 100), (36, 10, 125)], 5.0, 4.5),
    ]
    azygos = tube([(-27, -2, 52), (-22, 24, 54), (-12, 32, 44), (-9, 32, -20), (-8, 26, -100)], 4.0, 3.2)
    return [
        solid(Tissue.VENOUS_BLOOD, *cava_down, *azygos),
        solid(Tissue.SUPERIOR_VENA_CAVA, *brachiocephalic, *cava_up),
        Part((*trunk, *to_right, *to_left), ((-0.8, Tissue.GUT_WALL), (0.0, Tissue.PULMONARY_BLOOD))),
        Part(tuple(arch_branches), ((-1.0, Tissue.GUT_WALL), (0.0, Tissue.ARTERIAL_BLOOD))),
        Part(tube(AORTA, 14.5, 13.5, 11.0, 10.5, 9.0), ((-1.1, Tissue.GUT_WALL), (0.0, Tissue.ARTERIAL_BLOOD))),
    ]


def abdominal_vessels() -> list[Part]:
    """Give coeliac trunk, mesenteric artery, renal vessels, portal and splenic vein."""
    renal: list[Point] = [(9, 12, -108), (26, 20, -110), (46, 30, -110)]
    arteries = [
        *tube([(10, 18, -88), (8, 4, -90), (-14, -6, -86), (-34, -14, -80)], 3.4, 2.4),
        *tube([(8, 4, -90), (34, 6, -84), (66, 24, -76)], 2.8, 2.2),
        *tube([(9, 14, -98), (8, -2, -108), (8, -8, -135)], 3.6, 3.2),
        *tube(renal, 2.8, 2.4),
        *tube(mirrored(renal), 2.8, 2.4),
    ]
    portal = tube([(0, -14, -112), (-10, -8, -98), (-30, -10, -84), (-46, -14, -74)], 6.0, 6.5)
    splenic = tube([(-6, -10, -102), (24, -2, -94), (58, 20, -82), (80, 34, -76)], 4.5, 4.0)
    return [solid(Tissue.VENOUS_BLOOD, *portal, *splenic), solid(Tissue.ARTERIAL_BLOOD, *arteries)]


def lung_trees(lung: Shape, side: int, rng: np.random.Generator) -> list[Part]:
    """Give arteries and veins of one lung, and its airways with their walls."""
    x, y, z = side * HILUM[0], HILUM[1], HILUM[2]
    fan: list[Point] = [
        (0.5, -0.3, 1.0),
        (0.9, -0.7, 0.3),
        (0.9, 0.8, 0.3),
        (0.6, -0.7, -0.8),
        (0.5, 0.5, -1.0),
        (1, 0.2, -0.5),
        (0.8, 0.4, 0.8),
        (1, -0.1, 0.6),
        (0.9, -0.3, -0.3),
    ]
    roots = [((x, y, z - 3.0), (side * a, b, c)) for a, b, c in fan]
    vein_roots = [((x - side * 4, y - 10.0, z - 14.0), (side * a, b, c)) for a, b, c in fan]
    airway_roots = [((x - side * 3, y + 5.0, z), (side * a, b, c)) for a, b, c in fan]
    arteries = grow_tree(roots, lung, Growth(9, 18.0, 4.4, thinning=0.77), rng)
    veins = grow_tree(vein_roots, lung, Growth(8, 20.0, 4.0, thinning=0.74), rng)
    airways = grow_tree(airway_roots, lung, Growth(5, 17.0, 3.8, thinning=0.72, spread_deg=26), rng)
    return [
        Part(airways, ((-0.7, Tissue.MUCOSA), (0.0, Tissue.AIR))),
        solid(Tissue.VENOUS_BLOOD, *veins),
        solid(Tissue.PULMONARY_BLOOD, *arteries),
    ]


def central_airways() -> list[Part]:
    """Give trachea and main bronchi."""
    trachea = tube([(0, 4, 130), (0, 8, 90), (1, 12, 52)], 8.2, stretch=(1.05, 0.95, 1.0))
    right = tube([(1, 12, 52), (-16, 12, 38), (-32, 8, 28)], 7.4, 6.0, 5.0)
    left = tube([(1, 12, 52), (20, 14, 36), (36, 10, 26)], 6.8, 5.4, 4.6)
    return [Part((*trachea, *right, *left), ((-1.5, Tissue.CARTILAGE), (0.0, Tissue.AIR)))]
