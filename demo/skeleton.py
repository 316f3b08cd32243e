"""The bones of the trunk: spine, ribs with their cartilage, sternum, clavicles, scapulae."""

from __future__ import annotations

from .cavities import CAGE_WALL, Sheet, Side
from .shapes import Block, Capsule, Ellipsoid, Layers, Part, Point, chain, mirrored, solid, tube
from .tissue import Tissue

COMPACT: Layers = ((0.0, Tissue.CORTICAL_BONE), (1.3, Tissue.SPONGY_BONE))
"""Bone with a cortex and marrow."""
VERTEBRA_PITCH = 21.0
"""Height of a vertebra and its disc, mm."""
SECOND_THORACIC_Z = 112.0


def skeleton() -> list[Part]:
    """Give every bone of the trunk, in painting order."""
    parts = [_sternum(), _clavicles()]
    for side in (-1, 1):
        parts += _scapula(side)
        for number in range(1, 13):
            parts += _rib(number, side)
    for number in range(1, 15):
        parts += _vertebra(number)
    return [*parts, _canal()]


def vertebra_centre(number: float) -> Point:
    """Give the centre of a vertebral body; 1 is the first thoracic, 13 the first lumbar."""
    z = SECOND_THORACIC_Z - (number - 2) * VERTEBRA_PITCH
    kyphosis = 14.0 * (1.0 - ((z - 10) / 125.0) ** 2)
    return 0.0, 34.0 + kyphosis, z


def _vertebra(number: int) -> list[Part]:
    """Give body, disc below, and arch with processes; sizes grow towards the loin."""
    x, y, z = vertebra_centre(number)
    wide, deep = _body_half_size(number)
    body = Block((x, y, z), (wide, deep, 8.6), waist=1.6)
    disc = Block((x, vertebra_centre(number + 0.5)[1], z - VERTEBRA_PITCH / 2), (wide - 0.6, deep - 0.6, 3.0))
    canal_y = y + deep + 8.0
    arch = [shape for side in (-1, 1) for shape in _half_arch(wide, y + deep, z, side)]
    spine = chain([(0, canal_y + 9, z - 1), (0, canal_y + 17, z - 9), (0, canal_y + 23, z - 17)], [3.2, 2.6, 3.4])
    return [
        solid(Tissue.DISC, disc),
        Part((body,), COMPACT),
        Part((*arch, *spine), COMPACT),
    ]


def _body_half_size(number: int) -> tuple[float, float]:
    return 13.5 + 0.55 * number, 11.5 + 0.35 * number


def _canal() -> Part:
    """Give the spinal canal: fat, the dural sac, the cord."""
    centres = [vertebra_centre(number) for number in range(0, 16)]
    path = [(x, y + _body_half_size(number)[1] + 8.0, z) for number, (x, y, z) in enumerate(centres)]
    sac = tube(path, 7.6, stretch=(1.15, 1.0, 1.0))
    return Part(sac, ((0.0, Tissue.INNER_FAT), (1.2, Tissue.CSF), (3.3, Tissue.CORD)))


def _half_arch(wide: float, back: float, z: float, side: Side) -> tuple[Capsule, ...]:
    pedicle = Capsule((side * (wide - 4), back - 3, z + 3), (side * 12.5, back + 8, z + 2), 3.6, 3.4, (1, 1, 1.5))
    lamina = Capsule((side * 12, back + 10, z + 1), (0, back + 17, z - 2), 2.9, 3.0, (1, 1, 2.2))
    process = Capsule((side * 12, back + 9, z + 2), (side * 31, back + 19, z + 4), 3.8, 3.6)
    facet = Capsule((side * 12, back + 10, z + 9), (side * 13, back + 12, z - 9), 3.6, 3.6)
    return pedicle, lamina, process, facet


def _rib(number: int, side: Side) -> list[Part]:
    """Give a rib that falls from its vertebra along the cage, and the cartilage from it to the sternum."""
    head_z = vertebra_centre(number)[2] + 8
    drop = (22, 40, 52, 62, 68, 72, 74, 72, 66, 58, 44, 26)[number - 1]
    end_deg = (148, 150, 152, 152, 150, 147, 143, 136, 128, 118, 92, 58)[number - 1]
    angles = [11 + (end_deg - 11) * k / 26 for k in range(27)]
    points = [_on_cage(angle, head_z - drop * ((angle - 11) / (end_deg - 11)) ** 1.15, side) for angle in angles]
    neck = _on_side((13.0, vertebra_centre(number)[1] + 12, head_z), side)
    bone = Part(chain([neck, *points], [3.1, 3.4, 3.2, 3.0, 3.4], stretch=(1, 1, 1.75)), COMPACT)
    if number > 10:
        return [bone]
    return [bone, _cartilage(number, points[-1], side)]


def _cartilage(number: int, tip: Point, side: Side) -> Part:
    """Give the bar from a rib's tip to the sternum, or up to the arch where the rib is a false one."""
    level = max(SECOND_THORACIC_Z - 24 - 17.0 * (number - 1), -24.0)
    inner = CAGE_WALL.wall_point(180 - min(8 + 2.5 * max(number - 5, 0), 24), level, 6.5)
    middle_deg = 166 - 3.0 * max(number - 6, 0)
    middle = _on_cage(middle_deg, (tip[2] + level) / 2 - 5, side)
    bar = tube([tip, middle, _on_side(inner, side)], 3.6, 3.8, stretch=(1, 1, 1.5))
    return Part(bar, ((0.0, Tissue.CARTILAGE),))


def _on_cage(angle_deg: float, z: float, side: Side) -> Point:
    return _on_side(CAGE_WALL.wall_point(angle_deg, z, 5.5), side)


def _on_side(point: Point, side: Side) -> Point:
    return point if side > 0 else mirrored([point])[0]


def _sternum() -> Part:
    """Give manubrium, body and xiphoid, along the front of the cage."""
    heights = (98, 84, 70, 56, 42, 28, 14, 0, -12)
    half_widths = (25, 23, 15, 13, 14, 15, 15, 13, 8)
    points = [CAGE_WALL.wall_point(180, z, 7.0) for z in heights]
    segments = []
    for k in range(len(points) - 1):
        stretch = (half_widths[k] / 5.0, 1.0, 1.0)
        segments.append(Capsule(points[k], points[k + 1], 5.0, 5.0, stretch))
    return Part(tuple(segments), COMPACT)


def _clavicles() -> Part:
    right: list[Point] = [(-20, -38, 104), (-52, -48, 112), (-92, -28, 122), (-120, 4, 130)]
    knots = (right, mirrored(right))
    return Part(tuple(s for side in knots for s in tube(side, 8.5, 5.5, 5.5)), COMPACT)


def _scapula(side: Side) -> list[Part]:
    """Give blade, spine, and the joint with its humeral head at the upper rim."""
    low, high = (62.0, 0.0, 2.0), (118.0, 90.0, 118.0)
    if side < 0:
        low, high = (-high[0], low[1], low[2]), (-low[0], high[1], high[2])
    blade = Sheet(CAGE_WALL, 19.0, 4.2, low, high, slope=0.32)
    ridge = tube([_on_side(p, side) for p in ((72, 66, 78), (100, 62, 96), (128, 34, 118))], 3.0, 4.0, 6.0)
    border = tube([_on_side(p, side) for p in ((90, 58, 8), (112, 40, 60), (128, 12, 104))], 4.0, 4.5, 8.0)
    head = Ellipsoid(_on_side((140, 2, 122), side), (19, 20, 20))
    return [
        Part((blade,), ((0.0, Tissue.CORTICAL_BONE), (1.5, Tissue.SPONGY_BONE))),
        Part((*ridge, *border, head), COMPACT),
    ]
