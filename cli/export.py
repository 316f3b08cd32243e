"""`filmless export` and `filmless verify`: the bytes that came in, given back or checked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..engine.archive import open_archive
from .console import bytes_text, count_text, fail, out, plain, progress_bars
from .options import DEFAULT_ARCHIVE, ArchiveFolder, SeriesName

DAMAGED = 4
_MOST_LINES = 50


def export(
    series: SeriesName,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to write the files.")],
    archive: ArchiveFolder = DEFAULT_ARCHIVE,
) -> None:
    """Write a series' instances to DIR, byte for byte as they came in."""
    opened = open_archive(archive, create=False).series(series)
    with progress_bars() as progress:
        paths = opened.export(folder, progress)
    written = f"{count_text(len(paths), 'instance')}, {bytes_text(opened.row.received_bytes)}"
    out.print(f"{written}, each equal to the file received: {plain(str(folder))}", soft_wrap=True)


def verify(
    series: Annotated[
        str | None,
        typer.Argument(metavar="[SERIES]", help="One series; without it, the whole archive."),
    ] = None,
    archive: ArchiveFolder = DEFAULT_ARCHIVE,
) -> None:
    """Re-read everything against its checksums and name what is wrong; the exit code is 4 then.

    What a stopped ingest has left, and the next one puts in order, is named too; that is no damage.
    """
    opened = open_archive(archive, create=False)
    with progress_bars() as progress:
        damage = opened.verify(progress, series)
    for line in damage[:_MOST_LINES]:
        fail(line)
    for line in [] if series else opened.unfinished()[:_MOST_LINES]:
        out.print(f"unfinished: {plain(line)}", soft_wrap=True)
    if damage:
        out.print(f"{count_text(len(damage), 'thing')} wrong")
        raise typer.Exit(DAMAGED)
    checked = [opened.series(series).row] if series else opened.contents()
    instances, size = sum(row.instances for row in checked), sum(row.received_bytes for row in checked)
    whole = f"{count_text(instances, 'instance')} of {len(checked)} series"
    out.print(f"{whole} rebuild to the {bytes_text(size)} received: all is well")
