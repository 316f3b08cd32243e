"""Filmless: a PACS imaging engine.

    import filmless

    archive = filmless.open("archive")
    archive.ingest("export/")
    series = archive.series("1.2.840…")
    volume = series.volume()
    filmless.render(volume, "coronal", window="lung").save("coronal.png")

Not a medical device: not for diagnosis.
"""

from .engine.archive import Archive
from .engine.archive import open_archive as open  # noqa: A004  `filmless.open` reads as it should
from .engine.geometry import Verdict, VolumeGeometry
from .engine.labels.draw import Labels
from .engine.render.label_choice import LabelChoice
from .engine.render.picture import Image
from .engine.render.planes import Plane
from .engine.render.raycast import render_volume
from .engine.render.reformat import render
from .engine.render.request import RenderRequest
from .engine.render.transfer import TRANSFER_PRESETS, TransferFunction
from .engine.render.window import PRESETS, Window
from .engine.report import IngestReport
from .engine.series import Series
from .engine.stack import Stack
from .engine.volume import Level, Volume
from .engine.warm import Warmth, warm
from .errors import FilmlessError

__all__ = [
    "PRESETS",
    "TRANSFER_PRESETS",
    "Archive",
    "FilmlessError",
    "Image",
    "IngestReport",
    "LabelChoice",
    "Labels",
    "Level",
    "Plane",
    "RenderRequest",
    "Series",
    "Stack",
    "TransferFunction",
    "Verdict",
    "Volume",
    "VolumeGeometry",
    "Warmth",
    "Window",
    "open",
    "render",
    "render_volume",
    "warm",
]

__version__ = "0.1.0"
