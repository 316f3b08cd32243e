"""The phantom's head: face, skull, air spaces, neck, and the brain within; which parts, in painting order."""

from __future__ import annotations

from .brain import FACE, brain
from .shapes import (
    Block,
    Capsule,
    Common,
    Ellipsoid,
    Layers,
    Part,
    Point,
    Shape,
    Uneven,
    Without,
    chain,
    solid,
    tube,
)
from .tissue import Tissue

SKIN: Layers = ((0.0, Tissue.SKIN), (1.6, Tissue.FAT), (8.0, Tissue.MUSCLE))
CALVARIA: Layers = (
    (0.0, Tissue.DENSE_BONE),
    (1.9, Tissue.SKULL_MARROW),
    (4.6, Tissue.DENSE_BONE),
    (6.3, Tissue.CSF),
)
THICK_BONE: Layers = ((0.0, Tissue.CORTICAL_BONE), (1.4, Tissue.SPONGY_BONE))


def head() -> list[Part]:
    """Give every part of head and upper neck."""
    return [
        *_outline(),
        *_muscles(),
        *_face_bones(),
        Part((Without(Ellipsoid((0, 5, 14), (74, 93, 76)), FACE),), CALVARIA),
        *brain(),
        *_skull_base(),
        *_eyes(),
        *_air_spaces(),
        *_neck(),
    ]


def head_rest() -> list[Part]:
    """Give the padded holder under the head in CT."""
    cup = Without(
        Common((Ellipsoid((0, 10, 10), (104, 122, 1e4)), Block((0, 100, 0), (90, 58, 1e4)))),
        Ellipsoid((0, 8, 10), (96, 110, 1e5)),
    )
    return [Part((cup,), ((0.0, Tissue.TABLE_SHELL), (1.6, Tissue.TABLE_FOAM)))]


def _outline() -> list[Part]:
    """Give the skin's outline: scalp, face, nose, lips, chin, ears, neck."""
    scalp = Ellipsoid((0, 5, 14), (80, 99, 83))
    face = chain([(0, -52, 10), (0, -50, -40), (0, -50, -78)], [50, 46, 38], stretch=(1.15, 1, 1))
    jaw = Ellipsoid((0, -40, -78), (54, 54, 26), (12, 0, 0))
    nose: list[Shape] = [
        Capsule((0, -98, -2), (0, -113, -34), 6, 9),
        Ellipsoid((-10, -102, -38), (8, 9, 7)),
        Ellipsoid((10, -102, -38), (8, 9, 7)),
    ]
    lips: list[Shape] = [Ellipsoid((0, -88, -60), (24, 10, 7)), Ellipsoid((0, -88, -70), (20, 9, 6))]
    chin = Ellipsoid((0, -80, -94), (23, 17, 15))
    ears: list[Shape] = [
        Uneven(Ellipsoid((side * 77, 16, -22), (5, 17, 29), (0, 0, side * 24)), 1.5, 13) for side in (-1, 1)
    ]
    neck = chain([(0, 14, -60), (0, 16, -100), (0, 22, -170)], [57, 55, 60], stretch=(1.05, 1, 1))
    outline: tuple[Shape, ...] = (scalp, *face, jaw, *nose, *lips, chin, *ears, *neck)
    return [Part(outline, SKIN)]


def _muscles() -> list[Part]:
    muscles: list[Shape] = []
    for side in (-1, 1):
        muscles += [
            Ellipsoid((side * 67, -24, -8), (6, 30, 36)),
            Ellipsoid((side * 54, -26, -66), (9, 22, 32)),
            Ellipsoid((side * 38, -14, -58), (10, 14, 22)),
            *tube([(side * 62, 30, -50), (side * 46, 2, -120), (side * 40, -10, -170)], 11, 14),
            *tube([(side * 18, 54, -54), (side * 20, 50, -110), (side * 22, 52, -170)], 13, 18),
            *tube([(side * 36, 42, -60), (side * 36, 40, -170)], 12, 14),
        ]
    tongue = Ellipsoid((0, -48, -68), (25, 36, 21), (-10, 0, 0))
    floor = Ellipsoid((0, -48, -92), (30, 32, 11))
    spaces: list[Shape] = []
    for side in (-1, 1):
        spaces += [
            Ellipsoid((side * 36, -50, -52), (13, 24, 20)),
            Ellipsoid((side * 28, -8, -72), (12, 13, 40)),
        ]
        spaces += tube([(side * 40, 30, -60), (side * 34, 34, -120), (side * 36, 40, -170)], 9, 7)
    return [
        solid(Tissue.FAT, *(Uneven(shape, 2.5, 27.0) for shape in spaces), Block((0, 62, -115), (2.5, 16, 60))),
        solid(Tissue.MUSCLE, *(Uneven(shape, 1.2, 23.0) for shape in (*muscles, tongue, floor))),
    ]


def _face_bones() -> list[Part]:
    mandible = chain([(-50, -6, -52), (-50, -12, -80), (-34, -56, -92), (0, -78, -90)], [6, 7], stretch=(0.85, 1, 1.6))
    other = chain([(50, -6, -52), (50, -12, -80), (34, -56, -92), (0, -78, -90)], [6, 7], stretch=(0.85, 1, 1.6))
    maxilla = Ellipsoid((0, -58, -46), (36, 30, 12))
    palate = Ellipsoid((0, -54, -50), (22, 28, 3))
    cheeks = [
        tube([(s * 62, -16, -24), (s * 60, -48, -26), (s * 42, -72, -28)], 3.5, 6.5, stretch=(1, 1, 1.5))
        for s in (-1, 1)
    ]
    orbits = [
        Without(Ellipsoid((s * 33, -58, -6), (25, 32, 23)), Ellipsoid((s * 33, -66, -6), (21, 38, 19))) for s in (-1, 1)
    ]
    brow = tube([(-56, -62, 10), (-24, -82, 14), (0, -84, 12), (24, -82, 14), (56, -62, 10)], 6.0)
    half_arch = ((4, -84), (11, -82), (18, -76), (22, -68), (25, -59))
    arch = [(side * x, y) for side in (-1, 1) for x, y in half_arch]
    rows = ((-60, 8), (-72, -9))  # z of the crowns, and how far the roots reach from there
    teeth = [Capsule((x, y, z), (x * 0.97, y + 2, z + root), 3.3, 2.6) for z, root in rows for x, y in arch]
    return [
        Part((*mandible, *other, *cheeks[0], *cheeks[1], *brow, maxilla), THICK_BONE),
        solid(Tissue.CORTICAL_BONE, *orbits, palate),
        solid(Tissue.TOOTH, *teeth),
    ]


def _skull_base() -> list[Part]:
    """Give sphenoid, petrous bones and the rim of the foramen magnum."""
    petrous = [tube([(s * 14, -2, -30), (s * 36, 16, -32), (s * 60, 26, -30)], 6, 8, 12) for s in (-1, 1)]
    clivus = tube([(0, -8, -18), (0, 2, -34), (0, 8, -50)], 8, 5, stretch=(1.8, 1, 1))
    wings = [tube([(s * 10, -34, -12), (s * 34, -42, -4), (s * 58, -44, 6)], 4.0, 3.0) for s in (-1, 1)]
    return [
        solid(Tissue.DENSE_BONE, *petrous[0], *petrous[1]),
        Part((*clivus, *wings[0], *wings[1]), THICK_BONE),
        solid(Tissue.GLAND, Ellipsoid((0, -18, -12), (7, 6, 5))),
    ]


def _eyes() -> list[Part]:
    parts: list[Part] = []
    for side in (-1, 1):
        globe: Point = (side * 32, -80, -6)
        muscles = [
            Capsule((side * 32 + a, -76, -6 + b), (side * 16, -40, -6), 2.4, 1.6)
            for a, b in ((-12, 0), (12, 0), (0, 11), (0, -11))
        ]
        parts += [
            solid(Tissue.INNER_FAT, Ellipsoid((side * 31, -64, -6), (19, 32, 18))),
            solid(Tissue.MUSCLE, *muscles),
            solid(
                Tissue.WHITE_MATTER,
                *tube([(side * 31, -68, -6), (side * 22, -50, -5), (side * 8, -28, -6)], 2.2),
            ),
            Part((Ellipsoid(globe, (12.2, 12.4, 12.2)),), ((0.0, Tissue.MUCOSA), (1.2, Tissue.EYE))),
            solid(Tissue.LENS, Ellipsoid((side * 32, -89, -6), (4.6, 2.3, 4.6))),
            solid(Tissue.SKIN, Ellipsoid((side * 32, -93, -6), (14, 2.5, 9))),
        ]
    return parts


def _air_spaces() -> list[Part]:
    """Give sinuses, nasal cavity with turbinates, pharynx, ear canals and mastoid cells."""
    sinuses: list[Shape] = [
        Ellipsoid((0, -20, -26), (12, 12, 8)),
        Ellipsoid((-9, -86, 22), (9, 4, 12)),
        Ellipsoid((8, -86, 20), (7, 4, 10)),
    ]
    nasal: list[Shape] = [Ellipsoid((s * 7, -62, -32), (6, 33, 19)) for s in (-1, 1)]
    turbinates = [Ellipsoid((s * 8, -62, z), (3.6, 26, 3.8)) for s in (-1, 1) for z in (-42, -31)]
    for side in (-1, 1):
        sinuses += [Uneven(Ellipsoid((side * 30, -60, -36), (15, 18, 16)), 1.5, 19.0)]
        sinuses += [Ellipsoid((side * 10, -58 + 9 * k, -8 - (k % 2) * 6), (5, 4.3, 6)) for k in range(4)]
    cells = [
        Ellipsoid((s * (58 + 4 * (k % 3)), 28 + 3.5 * (k % 4), -34 - 3.2 * k), (3.2, 3.0, 2.8))
        for s in (-1, 1)
        for k in range(7)
    ]
    canals = [Capsule((s * 82, 12, -30), (s * 52, 10, -31), 3.2, 3.6) for s in (-1, 1)]
    pharynx = tube(
        [(0, -28, -36), (0, -12, -46), (0, -10, -70), (0, -12, -100), (0, -20, -170)],
        8,
        7,
        6,
        8.5,
        stretch=(1.5, 1, 1),
    )
    bone = tuple(Uneven(Ellipsoid((s * 62, 32, -46), (12, 13, 20)), 1.0, 11.0) for s in (-1, 1))
    return [
        Part(bone, THICK_BONE),
        Part(tuple(sinuses), ((-1.0, Tissue.CORTICAL_BONE), (0.0, Tissue.MUCOSA), (0.7, Tissue.AIR))),
        Part((*nasal, *pharynx), ((-1.2, Tissue.MUCOSA), (0.0, Tissue.AIR))),
        solid(Tissue.MUCOSA, *turbinates, Ellipsoid((0, -66, -32), (1.3, 38, 20))),
        solid(Tissue.AIR, *cells, *canals),
    ]


def _neck() -> list[Part]:
    """Give the upper cervical spine around its canal, carotid sheaths and larynx."""
    bodies = [
        Block((0, 20 + 0.06 * (z + 72) * -1, z), (9.5, 8.0, 6.6), waist=0.8) for z in (-84, -101, -118, -135, -152)
    ]
    discs = [Block((0, 21, z), (9, 7.5, 2.4)) for z in (-92.5, -109.5, -126.5, -143.5)]
    arches = [
        tube(
            [(-13, 28, z), (-10, 42, z - 2), (0, 52, z - 6), (10, 42, z - 2), (13, 28, z)],
            3.0,
            stretch=(1, 1, 1.5),
        )
        for z in (-66, -84, -101, -118, -135, -152)
    ]
    spines = [Capsule((0, 52, z - 5), (0, 66, z - 11), 3.2, 3.6) for z in (-84, -101, -118, -135, -152)]
    dens = [Capsule((0, 16, -66), (0, 19, -82), 4.5, 6.0), Capsule((-16, 22, -66), (16, 22, -66), 1.0, 1.0)]
    atlas = [Capsule((s * 15, 20, -63), (s * 17, 24, -72), 6.5, 7.0) for s in (-1, 1)]
    carotids = [tube([(s * 30, 2, -50), (s * 30, -2, -110), (s * 26, -4, -170)], 3.2, 4.0) for s in (-1, 1)]
    jugulars = [tube([(s * 37, 8, -50), (s * 38, 6, -170)], 5.0, 6.5) for s in (-1, 1)]
    return [
        solid(Tissue.DISC, *discs),
        Part((*bodies, *dens, *atlas, *(s for arch in arches for s in arch), *spines), THICK_BONE),
        solid(Tissue.ARTERIAL_BLOOD, *carotids[0], *carotids[1]),
        solid(Tissue.VENOUS_BLOOD, *jugulars[0], *jugulars[1]),
    ]
