"""`filmless ls` and `filmless info`: what the archive holds."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math

from rich.table import Table

from ..engine.archive import Archive, open_archive
from ..engine.retrieval import LOSSLESS_DEFAULT
from ..engine.series import Series
from ..engine.stack import Stack
from ..engine.transfer_syntax import name_of
from ..storage.index import SeriesRow
from ..storage.store.reading import file_sizes
from .console import bytes_text, count_text, err, out, plain
from .options import DEFAULT_ARCHIVE, ArchiveFolder, AsJson, SeriesName


def list_series(archive: ArchiveFolder = DEFAULT_ARCHIVE, *, as_json: AsJson = False) -> None:
    """List patients, studies and series."""
    opened = open_archive(archive, create=False)
    rows = opened.contents()
    _tell_of_unlisted(opened)
    if as_json:
        _print_json([dataclasses.asdict(row) for row in rows])
        return
    for _, study in itertools.groupby(rows, key=lambda row: (row.attributes.get("PatientID", ""), row.study_uid)):
        _print_study(list(study))
    received, archived = sum(row.received_bytes for row in rows), sum(row.archived_bytes for row in rows)
    out.print(
        f"{count_text(len({row.attributes.get('PatientID', '') for row in rows}), 'patient')}, "
        f"{count_text(len({row.study_uid for row in rows}), 'study', 'studies')}, {len(rows)} series, "
        f"{count_text(sum(row.instances for row in rows), 'instance')}, {bytes_text(received)} received, "
        f"{bytes_text(archived)} kept",
        soft_wrap=True,
    )
    waiting = sum(row.waiting for row in rows)
    if waiting:
        size = bytes_text(sum(row.waiting_bytes for row in rows))
        out.print(f"{count_text(waiting, 'instance')}, {size}, waiting to be consolidated", soft_wrap=True)
    aside = opened.set_aside()
    if aside:
        files = count_text(len(aside), "file")
        out.print(f"{files} set aside in {plain(str(archive / 'quarantine'))}", soft_wrap=True)


def _tell_of_unlisted(archive: Archive) -> None:
    """Say of how many series the list tells less than the files hold, on standard error as it is no result."""
    unlisted = archive.unlisted()
    damaged = [series for series in unlisted if not series.is_sound]
    if damaged:
        err.print(f"{count_text(len(damaged), 'series', 'series')} cannot be read: run filmless verify", soft_wrap=True)
    if len(unlisted) > len(damaged):
        missed = count_text(len(unlisted) - len(damaged), "series", "series")
        err.print(f"{missed} not indexed yet: the next ingest does it", soft_wrap=True)


def _print_json(value: object) -> None:
    """Print JSON in ASCII: whatever a header or a file name holds, each program reads the same."""
    out.print_json(json.dumps(value), ensure_ascii=True)


def _print_study(rows: list[SeriesRow]) -> None:
    get = rows[0].attributes.get
    patient = f"{get('PatientName', '(no name)')} [{get('PatientID', 'no ID')}]"
    born = f", born {get('PatientBirthDate')}" if get("PatientBirthDate") else ""
    study = f"{get('StudyDate', 'no date')} {get('StudyDescription', '')}".strip()
    out.print(f"[bold]{plain(patient)}[/]{plain(born)}  {plain(study)}", soft_wrap=True)
    is_wide = out.width >= _WIDE
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in _COLUMNS:
        if is_wide or column not in _WIDE_ONLY:
            is_number = column in ("instances", "received", "kept")
            is_text = column in ("description", "stacks")
            table.add_column(column, justify="right" if is_number else "left", no_wrap=not is_text, overflow="fold")
    for row in rows:
        cells = _cells(row)
        table.add_row(*(plain(cells[column]) for column in _COLUMNS if is_wide or column not in _WIDE_ONLY))
    out.print(table)


_COLUMNS = ("  id", "modality", "no.", "description", "instances", "received", "kept", "stacks")
_WIDE_ONLY = frozenset({"no.", "received", "instances"})
"""Left out where they would squeeze the stacks: a stack's size tells its instances, `info` tells the rest."""
_WIDE = 110
"""Columns of a terminal that has room for all."""


def _cells(row: SeriesRow) -> dict[str, str]:
    get = row.attributes.get
    stacks = [stack.partition(":")[0].replace(" × ", "×") for stack in row.stacks]
    shown = "; ".join(stacks[:3]) + (f" and {len(stacks) - 3} more" if len(stacks) > 3 else "")
    values = (
        f"  {row.short_id}",
        get("Modality", ""),
        get("SeriesNumber", ""),
        get("SeriesDescription", ""),
        str(row.instances),
        bytes_text(row.received_bytes),
        bytes_text(row.archived_bytes),
        _waiting(row, shown) if row.waiting else shown or "no images",
    )
    return dict(zip(_COLUMNS, values, strict=True))


def _waiting(row: SeriesRow, shown: str) -> str:
    """Say how many instances of a series wait, beside the stacks that it has."""
    waiting = f"{row.waiting} waiting"
    return f"{shown}; {waiting}" if shown else waiting


def show_series(series: SeriesName, archive: ArchiveFolder = DEFAULT_ARCHIVE, *, as_json: AsJson = False) -> None:
    """Show one series: its stacks, verdicts, levels, chunks and sizes."""
    opened = open_archive(archive, create=False).series(series)
    if as_json:
        _print_json(_facts(opened))
        return
    row = opened.row
    for keyword, value in opened.attributes.items():
        out.print(f"[dim]{keyword:24}[/]{plain(value)}", soft_wrap=True)
    out.print(f"[dim]{'Series Instance UID':24}[/]{row.series_uid}", soft_wrap=True)
    syntaxes = sorted({name_of(uid) for uid in opened.transfer_syntax_uids})
    out.print(f"[dim]{'transfer syntax':24}[/]{plain(', '.join(syntaxes))}", soft_wrap=True)
    out.print(f"[dim]{'instances':24}[/]{row.instances}, generation {row.generation}")
    if row.waiting:
        out.print(f"[dim]{'waiting':24}[/]{count_text(row.waiting, 'instance')}, {bytes_text(row.waiting_bytes)}")
    if opened.dropped:
        out.print(f"[dim]{'originals':24}[/]{plain(_dropped(opened))}", soft_wrap=True)
    ratio = row.received_bytes / max(row.archived_bytes, 1)
    out.print(
        f"[dim]{'size':24}[/]{bytes_text(row.received_bytes)} received, {bytes_text(row.archived_bytes)} kept "
        f"(ratio {ratio:.2f}, all levels included)",
        soft_wrap=True,
    )
    out.print(f"[dim]{'folder':24}[/]{plain(str(opened.folder))}", soft_wrap=True)
    for number, stack in enumerate(opened.stacks):
        _print_stack(number, stack, opened)


def _dropped(series: Series) -> str:
    """Say of which instances the codestreams were dropped, and what is given in their place."""
    gone = series.dropped
    records = [record for record in series.manifest.instances if record.sop_instance_uid in gone]
    uids, formerly = list(gone), sorted({name_of(record.transfer_syntax_uid) for record in records})
    decoders = sorted({" and ".join(proof.decoders) for proof in gone.values()})
    named = uids[0] if len(uids) == 1 else f"{uids[0]} to {uids[-1]}"
    whole = "" if len(uids) == series.row.instances else f" ({named}; --json names each)"
    return (
        f"codestreams of {len(uids)} of {series.row.instances} dropped{whole}, formerly {', '.join(formerly)}; "
        f"proven by {', '.join(decoders)}; given back in {name_of(LOSSLESS_DEFAULT)}"
    )


def _print_stack(number: int, stack: Stack, series: Series) -> None:
    out.print(f"\n[bold]stack {number}[/]  {plain(stack.record.meaning['summary'])}", soft_wrap=True)
    for name, figure in stack.verdict.figures.items():
        out.print(f"  [dim]{name:22}[/]{_figure(figure)}", soft_wrap=True)
    if stack.geometry is not None:
        z, y, x = stack.geometry.spacing_mm
        out.print(f"  [dim]{'spacing z, y, x':22}[/]{z:g} × {y:g} × {x:g} mm")
    if not stack.is_expanded:
        out.print("  frames stay in their codestreams and are decoded on demand")
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("  level", "shape", "chunk", "shard"):
        table.add_column(column)
    for column in ("values", "kept", "ratio"):
        table.add_column(column, justify="right")
    for level, (values, kept) in enumerate(level_sizes(stack, series)):
        shape = stack.record.levels[level]
        cut = (shape.without_missing_axes(axes) for axes in (shape.shape, shape.chunk, shape.shard))
        ratio = f"{values / max(kept, 1):.2f}"
        table.add_row(f"  {level}", *map(_product, cut), bytes_text(values), bytes_text(kept), ratio)
    out.print(table)


def level_sizes(stack: Stack, series: Series) -> list[tuple[int, int]]:
    """Give (bytes of the stored values, bytes on disk) of each level."""
    folder = series.folder / stack.record.folder
    return [
        (math.prod(level.shape) * stack.item_bytes, sum(file_sizes(folder / str(n)).values()))
        for n, level in enumerate(stack.record.levels)
    ]


def _facts(series: Series) -> dict[str, object]:
    stacks = []
    for stack in series.stacks:
        levels = [
            dataclasses.asdict(level) | {"stored_bytes": values, "archived_bytes": kept}
            for level, (values, kept) in zip(stack.record.levels, level_sizes(stack, series), strict=True)
        ]
        stacks.append({"name": stack.record.name, "dtype": stack.record.dtype, "levels": levels} | stack.record.meaning)
    dropped = {uid: proof.to_json() for uid, proof in series.dropped.items()}
    return dataclasses.asdict(series.row) | {"folder": str(series.folder), "dropped": dropped, "stacks": stacks}


def _product(numbers: tuple[int, ...]) -> str:
    return " × ".join(map(str, numbers))


def _figure(figure: float | list[float]) -> str:
    if isinstance(figure, list):
        shown = ", ".join(f"{value:g}" for value in figure[:12])
        return shown + (f", … ({len(figure)} in all)" if len(figure) > 12 else "")
    return f"{figure:g}"
