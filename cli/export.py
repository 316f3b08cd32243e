"""`filmless export`, `verify`, `repair` and `reindex`: the bytes that came in, given back, checked, mended."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..engine.archive import open_archive
from ..engine.retrieval import LOSSLESS_DEFAULT
from ..engine.transfer_syntax import name_of
from ..engine.verification import Verified
from ..errors import InvalidArgument
from .console import bytes_text, count_text, fail, out, plain, progress_bars
from .options import DEFAULT_ARCHIVE, ArchiveFolder, SeriesName

DAMAGED = 4
_MOST_LINES = 50


def export(
    series: SeriesName,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to write the files.")],
    archive: ArchiveFolder = DEFAULT_ARCHIVE,
) -> None:
    """Write a series' instances to DIR, byte for byte as they came in.

    Those whose codestreams were dropped, by the policy originals=drop-when-proven, have the same stored values instead.
    """
    opened = open_archive(archive, create=False).series(series)
    with progress_bars() as progress:
        paths = opened.export(folder, progress)
    if not opened.dropped:
        written = f"{count_text(len(paths), 'instance')}, {bytes_text(opened.row.received_bytes)}"
        out.print(f"{written}, each equal to the file received: {plain(str(folder))}", soft_wrap=True)
        return
    written = f"{count_text(len(paths), 'instance')}, {bytes_text(sum(path.stat().st_size for path in paths))}"
    anew = f"{len(opened.dropped)} written anew in {name_of(LOSSLESS_DEFAULT)}, with the stored values proven"
    others = f"{len(paths) - len(opened.dropped)} equal to the file received"
    out.print(f"{written}: {anew}, as their codestreams were dropped; {others}: {plain(str(folder))}", soft_wrap=True)


def verify(
    series: Annotated[
        str | None,
        typer.Argument(metavar="[SERIES]", help="One series; without it, the whole archive."),
    ] = None,
    archive: ArchiveFolder = DEFAULT_ARCHIVE,
    time: Annotated[
        str | None, typer.Option("--for", metavar="TIME", help="Stop after so long (90s, 10m, 8h): oldest first.")
    ] = None,
) -> None:
    """Re-read everything against its checksums and name what is wrong; the exit code is 4 then.

    What a stopped ingest has left, and the next one puts in order, is named too; that is no damage. With --for, the
    series that were verified longest ago come first: the next time goes on where this one stopped.
    """
    if series and time:
        raise InvalidArgument("--for goes for all series: leave SERIES out")
    opened = open_archive(archive, create=False)
    with progress_bars() as progress:
        if series:
            one = opened.series(series)
            found = Verified(opened.verify(progress, series), [one.row], len(one.dropped))
        else:
            found = opened.verify_for(seconds_of(time) if time else None, progress)
    damage = found.damage
    for line in damage[:_MOST_LINES]:
        fail(line)
    for line in [] if series else opened.unfinished()[:_MOST_LINES]:
        out.print(f"unfinished: {plain(line)}", soft_wrap=True)
    if damage:
        out.print(f"{count_text(len(damage), 'thing')} wrong")
        raise typer.Exit(DAMAGED)
    instances = sum(row.instances + row.waiting for row in found.series)
    whole = f"{count_text(instances, 'instance')} of {len(found.series)} series"
    out.print(f"{whole} rebuild to {_what(found)}: all is well", soft_wrap=True)
    if found.left:
        out.print(f"the time was over: {count_text(found.left, 'series', 'series')} were not looked at this time")


def _what(found: Verified) -> str:
    """Say what instances rebuild to: the bytes received, or the stored values of codestreams that were dropped."""
    received = f"the {bytes_text(found.received_bytes)} received"
    return (
        received if not found.dropped else f"{received}, {found.dropped} of them to the stored values that were proven"
    )


_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def seconds_of(text: str) -> float:
    """Read a duration such as 90s, 10m or 8h; raises `InvalidArgument`."""
    unit = _SECONDS.get(text[-1:])
    try:
        seconds = float(text[:-1]) * unit if unit else float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise InvalidArgument(f"{text!r} is no duration: give one such as 90s, 10m or 8h")
    return seconds


def repair(
    series: Annotated[str | None, typer.Argument(metavar="[SERIES]", help="One series; else all.")] = None,
    archive: ArchiveFolder = DEFAULT_ARCHIVE,
    replacements: Annotated[
        list[Path] | None, typer.Option("--from", metavar="PATH", help="Where files with lost bytes may be.")
    ] = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done.")] = False,
) -> None:
    """Put right what `filmless verify` finds; what cannot be mended goes to quarantine, and the exit code is 4.

    Nothing that may be the last copy of anything is deleted.
    """
    opened = open_archive(archive, create=False)
    with progress_bars() as progress:
        done = opened.repair(series, is_dry=dry_run, replacements=replacements or (), progress=progress)
    for entry in done:
        colour = "red" if entry.is_lost else "green"
        out.print(f"{plain(entry.what)}\n  [{colour}]{plain(entry.done)}[/]", soft_wrap=True)
    lost = sum(entry.is_lost for entry in done)
    would = " (dry run: nothing was changed)" if dry_run else ""
    out.print(f"{count_text(len(done), 'thing')} to mend, {lost} lost{would}" if done else "nothing to repair")
    if lost:
        raise typer.Exit(DAMAGED)


def reindex(archive: ArchiveFolder = DEFAULT_ARCHIVE) -> None:
    """Make the index anew from the files alone."""
    opened = open_archive(archive, create=False)
    opened.reindex()
    out.print(f"{count_text(len(opened.contents()), 'series', 'series')} indexed anew")
