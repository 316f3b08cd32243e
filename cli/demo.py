"""`filmless demo`: the whole engine at work in one command, with no data at hand."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from ..demo.contact_sheet import contact_sheet
from ..demo.phantom import count_files, write_phantom
from ..engine.archive import open_archive
from .console import err, out, progress_bars
from .ingest import print_report


def demo(
    folder: Annotated[
        Path | None, typer.Argument(metavar="[FOLDER]", help="DICOM files to use; without it a phantom is made.")
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Where everything is put.")] = Path("filmless-demo"),
    slices: Annotated[int, typer.Option(min=8, help="Slices of the phantom's largest CT.")] = 160,
    size: Annotated[int, typer.Option(min=32, help="Rows and columns of the phantom's largest CT.")] = 512,
) -> None:
    """Make (or take) DICOM series, ingest them, and render their planes into one contact sheet."""
    times: list[tuple[str, float]] = []
    source = folder or output / f"export-{slices}x{size}"
    output.mkdir(parents=True, exist_ok=True)
    with progress_bars() as progress:
        if folder is None and not (source / "README.TXT").exists():  # the file that is written last
            started, total, done = time.perf_counter(), count_files(slices=slices, size=size), 0

            def made(files: int) -> None:
                nonlocal done
                done += files
                progress("making", done, total)

            write_phantom(source, slices=slices, size=size, progress=made)
            times.append((f"make a synthetic hospital export of {total} files", time.perf_counter() - started))
        archive = open_archive(output / "archive")
        report = archive.ingest(source, progress)
    times.append((f"ingest {report.found} files", report.seconds))
    print_report(report, archive.root)
    started = time.perf_counter()
    sheet, problems = contact_sheet(archive)
    path = output / "contact-sheet.png"
    sheet.save(path)
    times.append(("render the contact sheet", time.perf_counter() - started))
    for problem in problems:
        err.print(f"[yellow]not on the sheet:[/] {escape(problem)}", soft_wrap=True)
    for what, seconds in times:
        out.print(f"{seconds:6.1f} s  {what}")
    out.print(
        f"look at [bold]{escape(str(path))}[/]; then try: filmless ls --archive {escape(str(archive.root))}",
        soft_wrap=True,
    )
