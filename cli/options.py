"""Arguments that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ArchiveFolder = Annotated[
    Path,
    typer.Option("--archive", "-a", envvar="FILMLESS_ARCHIVE", help="The archive's folder.", show_default=True),
]
SeriesName = Annotated[
    str, typer.Argument(metavar="SERIES", help="Series Instance UID, or the id that `filmless ls` shows.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]

DEFAULT_ARCHIVE = Path("archive")
