"""Chest and upper abdomen of the phantom: which parts, in which order they are painted."""

from __future__ import annotations

import numpy as np

from .cavities import CAGE_WALL, DIAPHRAGM, MUSCLE_WALL, SKIN_WALL, Abdomen, Lung, Sheet
from .shapes import (
    Block,
    Capsule,
    Common,
    Ellipsoid,
    Part,
    Point,
    Shape,
    Uneven,
    Without,
    mirrored,
    solid,
    tube,
)
from .skeleton import skeleton, vertebra_centre
from .tissue import Tissue
from .vessels import Growth, abdominal_vessels, central_airways, great_vessels, grow_tree, lung_trees

CAVITY = Abdomen()


def trunk(seed: int = 7, *, with_trees: bool = True) -> list[Part]:
    """Give every part of the trunk, in painting order; `seed` decides how the trees grow.

    Without trees lungs and liver are uniform, as a camera sees them that cannot resolve small vessels.
    """
    rng = np.random.default_rng(seed)
    lungs = (Lung(-1), Lung(1))
    parts = [*_walls(), solid(Tissue.LUNG, *lungs), solid(Tissue.FISSURE, *_fissures(lungs))]
    for lung in lungs if with_trees else ():
        parts += lung_trees(lung, lung.side, rng)
    parts += [*_lung_findings(), *_mediastinum(), *_heart(), *great_vessels(), *central_airways()]
    parts += [
        *_liver(rng, with_trees),
        *_upper_abdomen(),
        *_bowel(),
        *_kidneys(),
        *abdominal_vessels(),
        *skeleton(),
    ]
    return parts


def scanner_couch() -> list[Part]:
    """Give the couch below the patient: a thin shell around foam."""
    hollow = Ellipsoid((0, -270, 0), (390, 390, 1e5))
    slab = Block((0, 148, 0), (290, 27, 1e4))
    couch = Without(slab, hollow)
    return [Part((couch,), ((0.0, Tissue.TABLE_SHELL), (1.6, Tissue.TABLE_FOAM)))]


def _walls() -> list[Part]:
    """Give skin, fat, muscle with its fat planes, and what fills the cage before organs come."""
    axilla: list[Shape] = [Ellipsoid((side * 116, -18, 88), (17, 30, 46), (0, 0, side * 18)) for side in (-1, 1)]
    fasciae = [
        Sheet(MUSCLE_WALL, -10.0, 1.6, (-150, 52, -140), (150, 110, 140)),
        Sheet(MUSCLE_WALL, -7.0, 1.5, (-128, -90, 30), (128, -40, 110)),
        Sheet(CAGE_WALL, 11.5, 1.3, (-150, -60, -140), (150, 50, -40)),
        Sheet(CAGE_WALL, 13.0, 1.4, (-150, 0, -20), (150, 90, 100)),
    ]
    midline = Block((0, -92, -85), (1.6, 9, 60))
    nodes = [Ellipsoid((side * 114, -24, z), (5, 7, 6)) for side in (-1, 1) for z in (70, 98)]
    return [
        Part((SKIN_WALL,), ((0.0, Tissue.SKIN), (1.8, Tissue.FAT))),
        solid(Tissue.MUSCLE, Uneven(MUSCLE_WALL, 2.2, 55.0)),
        solid(Tissue.FAT, *(Uneven(shape, 3.0, 47.0) for shape in (*axilla, *fasciae)), midline),
        solid(Tissue.LYMPH_NODE, *nodes),
        solid(Tissue.INNER_FAT, CAGE_WALL),
        solid(Tissue.MUSCLE, *_back_muscles()),
        Part((CAVITY,), ((-1.4, Tissue.MUSCLE), (0.0, Tissue.INNER_FAT))),
    ]


def _back_muscles() -> list[Shape]:
    """Give the erectors of the spine, which fill the gutters between spinous processes and ribs."""
    muscles: list[Shape] = []
    for side in (-1, 1):
        path = [(side * 19.0, vertebra_centre(n)[1] + 37.0, vertebra_centre(n)[2]) for n in range(0, 16, 3)]
        muscles += tube(path, 13.0, 15.0, 17.0, stretch=(1.1, 1, 1))
    return muscles


def _fissures(lungs: tuple[Lung, Lung]) -> list[Shape]:
    """Give the oblique fissure of each lung and the right one's horizontal fissure."""
    oblique = [
        Common((lung, Uneven(Ellipsoid((lung.side * 72, 6, 8), (70, 130, 0.8), (-42, 0, 0)), 5.0, 110.0)))
        for lung in lungs
    ]
    horizontal = Ellipsoid((-70, -44, 22), (56, 48, 0.9), (4, 6, 0))
    return [*oblique, Common((lungs[0], horizontal))]


def _lung_findings() -> list[Part]:
    """Give a spiculated tumour in the right upper lobe and a few nodules: something to find."""
    centre = (-72.0, 8.0, 62.0)
    tips = (
        (-91, 12, 68),
        (-58, -4, 70),
        (-80, 25, 56),
        (-62, 20, 49),
        (-82, -7, 72),
        (-67, 2, 81),
        (-76, 13, 43),
    )
    rays = [Capsule(centre, tip, 3.0, 0.4) for tip in tips]
    nodules = [Ellipsoid((58, -30, 40), (2.6, 2.6, 2.4)), Ellipsoid((-84, 40, -12), (3.4, 3.2, 3.6))]
    return [solid(Tissue.TUMOUR, Uneven(Ellipsoid(centre, (12, 11, 12)), 2.0, 14.0), *rays, *nodules)]


def _mediastinum() -> list[Part]:
    """Give oesophagus, nodes and the thymic remnant; the fat between was there before."""
    gullet = tube(
        [(4, 22, 130), (6, 26, 60), (9, 24, 0), (14, 18, -40), (26, 6, -62)], 6.5, 6.0, stretch=(1.3, 0.85, 1)
    )
    nodes = [
        Ellipsoid((-12, 2, 62), (6, 5, 8)),
        Ellipsoid((4, 16, 40), (8, 5, 9)),
        Ellipsoid((16, -4, 60), (5, 4, 6)),
    ]
    spinal_muscle = [Capsule((side * 26, 16, -90), (side * 34, 22, -140), 5.0, 17.0) for side in (-1, 1)]
    crura = [
        tube([(side * 8, 26, -78), (side * 13, 22, -100), (side * 12, 24, -135)], 5.0, stretch=(0.8, 1.6, 1))
        for side in (-1, 1)
    ]
    return [
        Part(gullet, ((0.0, Tissue.GUT_WALL), (4.6, Tissue.AIR))),
        solid(Tissue.LYMPH_NODE, *nodes, Ellipsoid((2, -50, 66), (12, 4, 20))),
        solid(Tissue.MUSCLE, *spinal_muscle, *crura[0], *crura[1]),
    ]


def _heart() -> list[Part]:
    """Give the heart in its fat: the four chambers around an axis that points left, forward and down."""
    turn: Point = (18.0, 28.0, 34.0)
    left = Ellipsoid((34, -26, -10), (47, 31, 33), turn)
    septum_side = Ellipsoid((13, -44, -11), (42, 24, 34), turn)
    atria = [Ellipsoid((-24, -22, 2), (21, 27, 31)), Ellipsoid((8, 4, 12), (31, 16, 19), (0, 0, -8))]
    fat = [Ellipsoid((18, -33, -8), (63, 42, 41), turn), Ellipsoid((-20, -20, 2), (28, 32, 35))]
    cavity = Ellipsoid((34, -26, -9), (34, 19, 21), turn)
    coronary = [tube([(-4, -30, 18), (14, -50, 16), (36, -56, 0), (58, -52, -22)], 2.0, 1.4),
                tube([(-8, -32, 16), (-20, -48, 6), (-16, -52, -20)], 1.9, 1.4)]  # fmt: skip
    return [
        Part(
            tuple(Uneven(Without(shape, DIAPHRAGM, 1.0), 2.0, 40.0) for shape in fat),
            ((0.0, Tissue.MUSCLE), (1.0, Tissue.INNER_FAT)),
        ),
        Part(
            (Without(septum_side, DIAPHRAGM, 3.0), *atria),
            ((0.0, Tissue.MUSCLE), (3.0, Tissue.PULMONARY_BLOOD)),
        ),
        solid(Tissue.MYOCARDIUM, Without(left, DIAPHRAGM, 3.0)),
        solid(Tissue.ARTERIAL_BLOOD, Uneven(cavity, 1.8, 14.0), *coronary[0], *coronary[1]),
    ]


def _liver(rng: np.random.Generator, with_trees: bool) -> list[Part]:
    """Give liver with its veins and gallbladder."""
    liver = Common((CAVITY, Uneven(Ellipsoid((-62, -4, -72), (84, 92, 66), (0, 16, 0)), 4.0, 62.0)))
    left_lobe = Common((CAVITY, Uneven(Ellipsoid((10, -44, -66), (62, 34, 36), (0, 14, -10)), 3.0, 50.0)))
    portal_roots: list[tuple[Point, Point]] = [
        ((-46, -14, -74), d) for d in ((-1, 0.5, 0.4), (-0.8, -0.8, 0.5), (-0.9, 0.6, -0.6))
    ]
    hepatic_roots: list[tuple[Point, Point]] = [
        ((-28, 6, -42), d) for d in ((-1, 0.5, -0.5), (-0.7, -0.9, -0.6), (-1, -0.2, -0.2))
    ]
    veins = grow_tree(portal_roots, liver, Growth(6, 20, 4.6, thinning=0.74, margin=6), rng)
    veins += grow_tree(hepatic_roots, liver, Growth(6, 24, 4.4, thinning=0.72, margin=6), rng)
    return [
        solid(Tissue.LIVER, liver, left_lobe),
        solid(Tissue.VENOUS_BLOOD, *(veins if with_trees else ())),
        Part(
            (Ellipsoid((-46, -52, -106), (14, 17, 22), (25, 0, 0)),),
            ((0.0, Tissue.GUT_WALL), (1.8, Tissue.FLUID)),
        ),
    ]


def _upper_abdomen() -> list[Part]:
    """Give spleen, stomach with its bubble of air, pancreas."""
    spleen = Common((CAVITY, Uneven(Ellipsoid((98, 34, -74), (33, 47, 42), (0, 0, 22)), 3.0, 45.0)))
    hollow = Ellipsoid((56, -30, -74), (44, 40, 40), (0, 22, 12))
    stomach = Common((CAVITY, Uneven(hollow, 3.0, 28.0)))
    bubble = Common((CAVITY, hollow, Block((56, -110, -74), (80, 72, 80))))
    pancreas = tube([(-22, -16, -116), (-10, -20, -106), (10, -14, -100), (40, 2, -94), (68, 22, -86)], 12, 8, 9, 7)
    return [
        solid(Tissue.SPLEEN, spleen),
        Part((stomach,), ((0.0, Tissue.GUT_WALL), (3.6, Tissue.GUT_CONTENT))),
        Part((bubble,), ((4.4, Tissue.AIR),)),
        solid(Tissue.PANCREAS, *(Uneven(shape, 2.4, 11.0) for shape in pancreas)),
    ]


def _bowel() -> list[Part]:
    """Give the transverse colon with gas and stool, duodenum and loops of small bowel."""
    colon = tube(
        [
            (-104, -28, -132),
            (-88, -52, -112),
            (-40, -68, -122),
            (10, -72, -116),
            (60, -66, -112),
            (98, -30, -98),
            (104, -4, -128),
        ],
        15,
        14,
        16,
    )
    flexure = tube([(60, -70, -112), (84, -52, -104), (98, -34, -100)], 9, 9)
    stool = [
        Ellipsoid((-70, -60, -116), (9, 8, 9)),
        Ellipsoid((-20, -70, -120), (11, 8, 8)),
        Ellipsoid((104, -8, -118), (9, 9, 12)),
    ]
    duodenum = tube([(-14, -24, -96), (-36, -14, -104), (-38, -8, -128), (-36, -4, -140)], 11, 10)
    loops = [*tube([(20, -40, -118), (48, -34, -126), (72, -30, -116), (82, -10, -130)], 12),
             *tube([(2, -44, -130), (26, -52, -138), (60, -40, -134)], 12)]  # fmt: skip
    inside = tuple(Common((CAVITY, Uneven(shape, 2.6, 19.0))) for shape in colon)
    return [
        Part((*duodenum, *loops), ((0.0, Tissue.GUT_WALL), (2.6, Tissue.GUT_CONTENT))),
        Part(inside, ((0.0, Tissue.GUT_WALL), (2.4, Tissue.STOOL))),
        solid(
            Tissue.AIR,
            *(Ellipsoid(c, r) for c, r in (((14, -76, -116), (24, 6, 9)), ((-86, -58, -114), (10, 6, 9)))),
        ),
        solid(Tissue.AIR, *flexure),
        solid(Tissue.GUT_CONTENT, *(Uneven(shape, 2.0, 8.0) for shape in stool)),
    ]


def _kidneys() -> list[Part]:
    """Give kidneys with cortex, pyramids and fatty sinus, and the adrenals above them."""
    parts: list[Part] = []
    for side, z in ((-1, -116.0), (1, -106.0)):
        kidney = Ellipsoid((side * 60, 40, z), (27, 24, 50), (0, side * 10, side * -28))
        sinus = Ellipsoid((side * 46, 32, z), (17, 11, 25), (0, side * 10, side * -28))
        medulla = Ellipsoid((side * 59, 39.5, z), (20.5, 17.5, 42), (0, side * 10, side * -28))
        parts += [
            solid(Tissue.MUSCLE, Ellipsoid((side * 62, 66, z - 10), (26, 9, 60), (0, 0, side * 10))),
            solid(Tissue.KIDNEY_CORTEX, Uneven(kidney, 1.5, 26.0)),
            solid(Tissue.KIDNEY_MEDULLA, Uneven(medulla, 4.5, 13.0)),
            Part((Uneven(sinus, 2.5, 16.0),), ((0.0, Tissue.INNER_FAT),)),
            solid(Tissue.URINE, Ellipsoid((side * 41, 30, z - 2), (7, 5, 11))),
        ]
    limbs: list[list[Point]] = [[(34, 26, -74), (38, 32, -82), (36, 42, -86)], [(38, 32, -82), (46, 40, -86)]]
    adrenals = [tube(limb, 2.4) for limb in (*limbs, *(mirrored(limb) for limb in limbs))]
    return [*parts, solid(Tissue.LYMPH_NODE, *(shape for limb in adrenals for shape in limb))]
