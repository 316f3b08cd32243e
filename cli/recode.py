"""`filmless recode`: move a series between codec tiers."""

from __future__ import annotations

from typing import Annotated

import typer

from ..engine.archive import open_archive
from ..storage.codec import CODECS
from .console import bytes_text, out, plain, progress_bars
from .options import DEFAULT_ARCHIVE, ArchiveFolder, SeriesName


def recode(
    series: SeriesName,
    codec: Annotated[str, typer.Option("--codec", metavar="CODEC", help=f"One of: {', '.join(CODECS)}.")],
    archive: ArchiveFolder = DEFAULT_ARCHIVE,
) -> None:
    """Store a series' values by another codec; every instance is proven before the former generation goes."""
    with progress_bars() as progress:
        done = open_archive(archive, create=False).recode(series, codec, progress)
    if not done.is_new:
        out.print(f"nothing to do: all that {plain(codec)} can hold has it already", soft_wrap=True)
        return
    sizes = f"{bytes_text(done.former_bytes)} before, {bytes_text(done.archived_bytes)} now"
    others = sorted({name for name in done.codecs.values() if name != codec})
    kept = f"; stacks that it cannot hold stay {', '.join(others)}" if others else ""
    out.print(f"generation {done.generation}, proven: {sizes}{kept}", soft_wrap=True)
