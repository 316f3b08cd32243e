"""`filmless delete`, `undelete`, `purge`, `protect` and `unprotect`: what may go, what must stay, and why."""

from __future__ import annotations

import getpass
from collections.abc import Sequence
from typing import Annotated

import typer

from ..engine.archive import open_archive
from ..engine.removal import LEVELS, Removal
from ..errors import InvalidArgument
from ..storage.keys import Level
from .console import bytes_text, count_text, fail, out
from .export import seconds_of
from .options import DEFAULT_ARCHIVE, ArchiveFolder

LevelName = Annotated[str, typer.Argument(metavar="LEVEL", help="patient, study, series or instance.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="Patient ID or UID; of a series its short id will do.")]
Study = Annotated[str, typer.Argument(metavar="STUDY", help="Study Instance UID.")]
Why = Annotated[str, typer.Option("--why", help="The reason; it is written down.")]
Who = Annotated[str, typer.Option("--who", help="Who does it; it is written down.", show_default="your login")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would go.")]


def _level(text: str) -> Level:
    for level in LEVELS:
        if text == level:
            return level
    raise InvalidArgument(f"{text!r}: name a patient, study, series or instance")


def _who(given: str) -> str:
    return given or getpass.getuser()


def _show(removals: Sequence[Removal], done: str) -> None:
    for removal in removals:
        told = f"{count_text(len(removal.instances), 'instance')} of series {removal.series_instance_uid}"
        if removal.problem:
            fail(f"{told}: {removal.problem}")
        else:
            out.print(f"{told}, {bytes_text(removal.size_bytes)}: {done}", soft_wrap=True)
    if not removals:
        out.print(f"nothing {done}")
    if any(removal.problem for removal in removals):
        raise typer.Exit(1)


def delete(
    level: LevelName,
    name: Name,
    why: Why,
    who: Who = "",
    archive: ArchiveFolder = DEFAULT_ARCHIVE,
    *,
    dry_run: DryRun = False,
) -> None:
    """Mark for deletion: it is hidden at once, and removed by `filmless purge` when the policy's grace is over."""
    opened = open_archive(archive, create=False)
    done = opened.delete(_level(level), name, who=_who(who), why=why, is_dry=dry_run)
    _show(done, "would be marked" if dry_run else "marked for deletion")


def undelete(level: LevelName, name: Name, why: Why, who: Who = "", archive: ArchiveFolder = DEFAULT_ARCHIVE) -> None:
    """Take the mark away again."""
    opened = open_archive(archive, create=False)
    _show(opened.undelete(_level(level), name, who=_who(who), why=why), "no longer marked")


def purge(
    grace: Annotated[
        str | None, typer.Option("--grace", metavar="TIME", help="Instead of the policy's grace_s (0s, 7d).")
    ] = None,
    who: Who = "",
    archive: ArchiveFolder = DEFAULT_ARCHIVE,
    *,
    dry_run: DryRun = False,
) -> None:
    """Remove for good what has been marked for longer than the grace."""
    opened = open_archive(archive, create=False)
    grace_s = None if grace is None else seconds_of(grace)
    done = opened.purge(who=_who(who), grace_s=grace_s, is_dry=dry_run)
    _show(done, "would be removed" if dry_run else "removed")


def protect(study: Study, why: Why, who: Who = "", archive: ArchiveFolder = DEFAULT_ARCHIVE) -> None:
    """Hold a study: nothing of it is deleted or purged."""
    open_archive(archive, create=False).protect(study, who=_who(who), why=why)
    out.print(f"study {study} is protected")


def unprotect(study: Study, why: Why, who: Who = "", archive: ArchiveFolder = DEFAULT_ARCHIVE) -> None:
    """Hold a study no longer."""
    open_archive(archive, create=False).unprotect(study, who=_who(who), why=why)
    out.print(f"study {study} is not protected any more")
