"""`filmless ingest`: take files into the archive and say what became of each."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from ..engine.archive import open_archive
from ..engine.discovery import check_exist
from ..engine.report import IngestReport
from .console import bytes_text, count_text, err, out, progress_bars
from .options import DEFAULT_ARCHIVE, ArchiveFolder

SET_ASIDE = 3
_MOST_LINES = 20


def ingest(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH…", help="Files and folders to take in.")],
    archive: ArchiveFolder = DEFAULT_ARCHIVE,
    series_url: Annotated[
        str,
        typer.Option(
            metavar="URL",
            help="Where a new archive keeps its series: s3://bucket/prefix?endpoint=…&region=…, or its own folder.",
            show_default=False,
        ),
    ] = "",
) -> None:
    """Take every DICOM file at or below PATH… into the archive.

    Files that cannot be taken in are set aside with the reason, and the exit code is 3.
    """
    check_exist(paths)  # before an archive is made for nothing
    with progress_bars() as progress:
        report = open_archive(archive, series_url=series_url).ingest(paths, progress)
    print_report(report, archive)
    if not report.is_complete:
        raise typer.Exit(SET_ASIDE)


def print_report(report: IngestReport, archive: Path) -> None:
    """Print what an ingest did: first what went wrong, last the sums."""
    _print_lines("not read", ((str(path), reason) for path, reason in report.unreadable))
    _print_lines("set aside", ((entry.path, entry.reason) for entry in report.set_aside))
    _print_lines("warning", (("", text) for text in report.warnings))
    for series in report.series:
        stored = count_text(series.new_instances, "instance")
        out.print(f"stored {stored} of series {series.series_instance_uid}", soft_wrap=True)
        for stack in series.stacks:
            out.print(f"  {escape(stack)}", soft_wrap=True)
    rate = report.received_bytes / report.seconds / 1e6 if report.seconds else 0.0
    out.print(
        f"{count_text(report.found, 'file')}: "
        f"{count_text(report.stored, 'instance')} stored in {len(report.series)} series, "
        f"{len(report.duplicates)} there already, {len(report.passed_over)} no DICOM instance, "
        f"{len(report.set_aside)} set aside, {len(report.unreadable)} not readable",
        soft_wrap=True,
    )
    if report.stored:
        out.print(
            f"{bytes_text(report.received_bytes)} in, {bytes_text(report.archived_bytes)} kept "
            f"({report.share_kept:.0%} of these series, all levels included), {report.seconds:.1f} s, {rate:.0f} MB/s",
            soft_wrap=True,
        )
    if report.set_aside:
        out.print(f"the bytes of what was set aside are in {escape(str(archive / 'quarantine'))}", soft_wrap=True)


def _print_lines(word: str, lines: Iterable[tuple[str, str]]) -> None:
    given = list(lines)
    for name, reason in given[:_MOST_LINES]:
        err.print(f"[yellow]{word}:[/] {escape(f'{name}: {reason}' if name else reason)}", soft_wrap=True)
    if len(given) > _MOST_LINES:
        err.print(f"[yellow]{word}:[/] … and {len(given) - _MOST_LINES} more")
