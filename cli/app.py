"""The `filmless` command: its options, its sub-commands, and how errors end it."""

from __future__ import annotations

import errno
import os
import sys
from importlib.metadata import version
from typing import Annotated

import typer

from ..errors import FilmlessError
from ..kernels.jit import on_first_compilation
from . import codecs, console, demo, export, find, ingest, receive, recode, render, retention, show, warm

_INTERRUPTED = 130
"""Exit code by which Typer answers Ctrl-C."""

app = typer.Typer(
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
)
app.command("demo")(demo.demo)
app.command("ingest")(ingest.ingest)
app.command("receive")(receive.receive)
app.command("consolidate")(receive.consolidate)
app.command("policy")(receive.policy)
app.command("ls")(show.list_series)
app.command("find")(find.find)
app.command("info")(show.show_series)
app.command("render")(render.render_picture)
app.command("export")(export.export)
app.command("verify")(export.verify)
app.command("recode")(recode.recode)
app.command("repair")(export.repair)
app.command("reindex")(export.reindex)
app.command("delete")(retention.delete)
app.command("undelete")(retention.undelete)
app.command("purge")(retention.purge)
app.command("protect")(retention.protect)
app.command("unprotect")(retention.unprotect)
app.command("codecs")(codecs.list_codecs)
app.command("warm")(warm.warm_up)


def _show_version(asked: bool) -> None:
    if asked:
        console.out.print(f"filmless {version('filmless')}")
        raise typer.Exit


@app.callback()
def options(
    *,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """An open PACS imaging engine: DICOM in, an open multiresolution archive, any plane out. Not a medical device."""
    if debug:
        os.environ["FILMLESS_DEBUG"] = "1"


def main() -> None:
    """Run the command line; never shows a traceback unless --debug asks for it."""
    on_first_compilation(console.tell_of_compiling)
    try:
        app()
    except SystemExit as end:
        if end.code == _INTERRUPTED:
            console.fail("stopped; what was stored so far is whole, and the same command goes on from there")
        raise
    except BrokenPipeError:
        console.leave_quietly_when_the_reader_is_gone()
        sys.exit(1)
    except FilmlessError as problem:
        _end(str(problem))
    except OSError as problem:
        _end(_words(problem))
    except Exception as problem:
        _end(f"this is a fault of Filmless: {type(problem).__name__}: {problem} (--debug shows where)")


def _words(problem: OSError) -> str:
    """Say what the operating system refused, and what to do about it."""
    what = problem.strerror or str(problem)
    if problem.filename:
        what = f"{problem.filename}: {what}"
    if problem.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        what += "; nothing half-written stays: make room and run the same command again, it goes on from there"
    return what


def _end(message: str) -> None:
    """End with a message; called from the except clauses of `main`, whose error --debug shows."""
    if os.environ.get("FILMLESS_DEBUG"):
        raise
    console.fail(message)
    sys.exit(1)
