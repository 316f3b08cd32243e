"""`filmless receive`, `filmless consolidate` and `filmless policy`: the inbox, and what becomes of it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import typer

from ..engine.archive import Archive, open_archive, policy_of
from ..engine.consolidation import Consolidated
from ..engine.discovery import Rejected, check_exist, walk
from ..errors import FormatError, InvalidArgument, OtherBytes
from .console import bytes_text, count_text, err, out, plain, progress_bars
from .ingest import SET_ASIDE
from .options import DEFAULT_ARCHIVE, ArchiveFolder, AsJson

_LEAST_PAUSE_S = 1.0
_MOST_PAUSE_S = 10.0


def receive(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH…", help="Files and folders to receive.")],
    archive: ArchiveFolder = DEFAULT_ARCHIVE,
    source: Annotated[str, typer.Option("--source", help="Whom the instances come from.")] = "command line",
) -> None:
    """Receive every file at or below PATH… into the inbox, one by one, each durable before the next.

    For bulk work `filmless ingest` is several times as fast. Files that cannot be taken in are set aside with the
    reason, and the exit code is 3.
    """
    check_exist(paths)
    opened = open_archive(archive)
    counts = {"new": 0, "same": 0, "replaced": 0, "set-aside": 0}
    refused = 0
    for path in walk(paths, opened.root):
        if isinstance(path, Rejected):
            err.print(f"[yellow]not read:[/] {plain(f'{path.path}: {path.reason}')}", soft_wrap=True)
            continue
        try:
            counts[opened.receive(path, source).outcome] += 1
        except (FormatError, OtherBytes) as problem:
            refused += 1
            err.print(f"[yellow]refused:[/] {plain(f'{path}: {problem}')}", soft_wrap=True)
    out.print(
        f"{count_text(counts['new'], 'instance')} received, {counts['same']} there already, "
        f"{counts['replaced']} took another's place, {counts['set-aside']} set aside, {refused} refused",
        soft_wrap=True,
    )
    if refused or counts["set-aside"]:
        raise typer.Exit(SET_ASIDE)


def consolidate(
    series: Annotated[
        str | None, typer.Argument(metavar="[SERIES]", help="One series, at once; else each that has been quiet.")
    ] = None,
    archive: ArchiveFolder = DEFAULT_ARCHIVE,
    quiet_s: Annotated[
        float | None, typer.Option("--quiet", metavar="SECONDS", help="Instead of the policy's quiet_s.", min=0)
    ] = None,
    *,
    watch: Annotated[bool, typer.Option("--watch", help="Go on until stopped.")] = False,
) -> None:
    """Turn what waits in the inbox into stacks, prove them, and empty the inbox.

    Where a series fails, all of it stays in the inbox and is served as before; the exit code is 1.
    """
    if watch and series is not None:
        raise InvalidArgument("--watch goes for all series: leave SERIES out")
    opened = open_archive(archive, create=False)
    if watch:
        _watch(opened, quiet_s)
    with progress_bars() as progress:
        done = opened.consolidate(series, quiet_s=quiet_s, progress=progress)
    for result in done:
        _print_result(result)
    waiting = [row for row in opened.contents() if row.waiting]
    if waiting:
        left = count_text(sum(row.waiting for row in waiting), "instance")
        out.print(f"{left} of {count_text(len(waiting), 'series', 'series')} wait", soft_wrap=True)
    if any(result.problem or result.left for result in done):
        raise typer.Exit(1)


def _watch(archive: Archive, quiet_s: float | None) -> None:
    """Consolidate what becomes quiet, until the process is stopped."""
    pause_s = min(max((archive.policy.quiet_s if quiet_s is None else quiet_s) / 4, _LEAST_PAUSE_S), _MOST_PAUSE_S)
    while True:
        for result in archive.consolidate(quiet_s=quiet_s):
            _print_result(result)
        time.sleep(pause_s)


def _print_result(result: Consolidated) -> None:
    uid = result.series_instance_uid
    for sop_uid, reason in result.left:
        err.print(f"[yellow]stays in the inbox:[/] {plain(f'{sop_uid}: {reason}')}", soft_wrap=True)
    for warning in result.warnings:
        err.print(f"[yellow]warning:[/] {plain(warning)}", soft_wrap=True)
    if result.problem:
        err.print(f"[bold red]not consolidated:[/] {plain(f'series {uid}: {result.problem}')}", soft_wrap=True)
        return
    rate = result.new_bytes / result.seconds / 1e6 if result.seconds else 0.0
    out.print(
        f"consolidated {count_text(result.new_instances, 'instance')} of series {uid}: generation {result.generation}, "
        f"{bytes_text(result.new_bytes)} in, {result.seconds:.1f} s, {rate:.0f} MB/s",
        soft_wrap=True,
    )
    for stack in result.stacks:
        out.print(f"  {plain(stack)}", soft_wrap=True)


def policy(
    settings: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE…]", help="What to change; nothing to show all.")
    ] = None,
    archive: ArchiveFolder = DEFAULT_ARCHIVE,
    *,
    as_json: AsJson = False,
) -> None:
    """Show what the archive does where there is a choice, or change it."""
    given: dict[str, str] = {}
    for setting in settings or ():
        name, equals, value = setting.partition("=")
        if not equals:
            raise InvalidArgument(f"{setting!r}: give a setting as key=value")
        given[name] = value
    chosen = policy_of(archive, **given)
    if as_json:
        out.print_json(json.dumps(chosen.to_json()), ensure_ascii=True)
        return
    for name, value in chosen.to_json().items():
        out.print(f"[dim]{name:16}[/]{plain(str(value))}", soft_wrap=True)
