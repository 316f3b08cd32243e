"""What a person sees: tables, progress bars, errors without tracebacks."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from ..engine.report import Progress as ToldProgress
from ..engine.report import no_progress

_BYTES_NOT_UTF_8 = range(0xDC80, 0xDD00)
"""The surrogates by which Python keeps such bytes of a file name (PEP 383)."""
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))}
_SURROGATES = {
    code: f"\\x{code - 0xDC00:02x}" if code in _BYTES_NOT_UTF_8 else f"\\u{code:04x}" for code in range(0xD800, 0xE000)
}
_HARMFUL = _CONTROLS | _SURROGATES
_HARMFUL_IN_LINES = {code: shown for code, shown in _HARMFUL.items() if chr(code) not in "\n\t"}


def plain(text: str) -> str:
    """Give text from outside as a terminal may show it: no markup, and each control character by its number.

    A header or a file name may hold sequences that a terminal obeys, or bytes that no encoding can print.
    """
    return escape(text.translate(_HARMFUL))


class SafeConsole(Console):
    """A console through which no control character but the end of a line reaches the terminal."""

    def print(self, *objects: Any, **options: Any) -> None:
        """Print as Rich does; text is made harmless first."""
        harmless = (o.translate(_HARMFUL_IN_LINES) if isinstance(o, str) else o for o in objects)
        super().print(*harmless, **options)


out = SafeConsole(highlight=False)
"""Results."""
err = SafeConsole(stderr=True, highlight=False)
"""Progress and errors: never mixed into results that another program reads."""

_COUNTED = frozenset({"examining", "making", "warming"})
"""Stages counted in pieces; the others are counted in bytes."""


@contextmanager
def progress_bars() -> Iterator[ToldProgress]:
    """Show a bar for each stage that the block is told of, on a terminal; elsewhere show nothing."""
    if not err.is_terminal:
        yield no_progress
        return
    text = TextColumn("{task.description:<10}")
    counts = Progress(text, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=err, transient=True)
    sizes = Progress(
        text, BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn(), console=err, transient=True
    )
    tasks: dict[str, TaskID] = {}
    shown: Progress | None = None

    def told(stage: str, done: int, total: int) -> None:
        nonlocal shown
        bars = counts if stage in _COUNTED else sizes
        if shown is not bars:  # one live display at a time
            if shown is not None:
                shown.stop()
            shown = bars
            bars.start()
        if stage not in tasks:
            tasks[stage] = bars.add_task(stage, total=total)
        bars.update(tasks[stage], completed=done, total=total)

    try:
        yield told
    finally:
        if shown is not None:
            shown.stop()


def tell_of_compiling() -> None:
    """Say why the first run takes longer."""
    err.print("[dim]compiling kernels for this machine; later runs load them from the cache[/]", soft_wrap=True)


def count_text(number: int, word: str, plural: str = "") -> str:
    """Give a count with its word, "1 series" or "3 instances"."""
    return f"{number} {word if number == 1 else plural or word + 's'}"


def bytes_text(size: float) -> str:
    """Give a size as people read it, in powers of 1000."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if size < 1000 or unit == "TB":
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    raise AssertionError("unreachable")


def fail(message: str) -> None:
    """Say what went wrong, in red where there is colour."""
    err.print(f"[bold red]error:[/] {plain(message)}", soft_wrap=True)


def leave_quietly_when_the_reader_is_gone() -> None:
    """Close standard output after a broken pipe (`filmless ls | head`), so that Python does not complain at exit."""
    sys.stdout = None
