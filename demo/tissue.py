"""What each tissue looks like to each scanner."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Signal(NamedTuple):
    """One tissue's signal per modality."""

    hu: float
    """CT number after contrast medium, Hounsfield units."""
    t1: float
    """T1-weighted MR signal, arbitrary units: fat is about 800."""
    uptake: float
    """FDG uptake, body-weight SUV."""


class Tissue(Enum):
    """Tissues by name; each differs from all others in at least one signal, so no member is an alias."""

    AIR = Signal(-1000, 4, 0.0)
    LUNG = Signal(-842, 40, 0.45)
    FISSURE = Signal(-700, 45, 0.46)
    FAT = Signal(-98, 820, 0.25)
    INNER_FAT = Signal(-104, 780, 0.3)
    SKIN = Signal(35, 420, 0.4)
    MUSCLE = Signal(58, 330, 0.75)
    CARTILAGE = Signal(105, 260, 0.4)
    CORTICAL_BONE = Signal(780, 25, 0.6)
    DENSE_BONE = Signal(1450, 15, 0.3)
    SPONGY_BONE = Signal(178, 640, 1.5)
    SKULL_MARROW = Signal(480, 760, 0.8)
    DISC = Signal(92, 230, 0.5)
    TOOTH = Signal(1900, 10, 0.2)
    FLUID = Signal(14, 95, 0.35)
    CSF = Signal(8, 85, 0.2)
    CORD = Signal(38, 480, 1.6)
    GREY_MATTER = Signal(39, 400, 9.0)
    DEEP_GREY = Signal(38, 445, 9.5)
    WHITE_MATTER = Signal(28, 575, 4.0)
    EYE = Signal(16, 110, 0.5)
    LENS = Signal(75, 330, 0.4)
    MUCOSA = Signal(40, 380, 1.2)
    GLAND = Signal(45, 470, 1.4)
    ARTERIAL_BLOOD = Signal(305, 60, 1.55)
    VENOUS_BLOOD = Signal(165, 70, 1.5)
    PULMONARY_BLOOD = Signal(240, 75, 1.52)
    SUPERIOR_VENA_CAVA = Signal(360, 78, 1.53)
    MYOCARDIUM = Signal(112, 340, 6.5)
    LIVER = Signal(108, 450, 2.3)
    SPLEEN = Signal(128, 360, 1.8)
    KIDNEY_CORTEX = Signal(208, 390, 3.0)
    KIDNEY_MEDULLA = Signal(122, 330, 4.0)
    URINE = Signal(10, 100, 14.0)
    PANCREAS = Signal(98, 460, 1.3)
    GUT_WALL = Signal(82, 350, 1.7)
    GUT_CONTENT = Signal(24, 300, 0.8)
    STOOL = Signal(-60, 420, 0.9)
    LYMPH_NODE = Signal(72, 350, 1.1)
    TUMOUR = Signal(62, 300, 11.0)
    TABLE_SHELL = Signal(-180, 2, 0.0)
    TABLE_FOAM = Signal(-935, 3, 0.0)


HOUNSFIELD = {tissue: tissue.value.hu for tissue in Tissue}
T1_SIGNAL = {tissue: tissue.value.t1 for tissue in Tissue}
UPTAKE = {tissue: tissue.value.uptake for tissue in Tissue}
