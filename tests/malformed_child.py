"""Take each file into an archive, draw and export what was stored; one line of JSON a file, as it is done.

Run as a process of its own: `python malformed_child.py WORKING_FOLDER FILE…`, so that a crash ends nobody else.
"""

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path

import filmless


def use(archive: filmless.Archive, folder: Path) -> list[str]:
    """Draw every frame and export every series; give what was refused."""
    refused = []
    for row in archive.contents():
        series = archive.series(row.series_uid)
        series.export(folder / "export")
        for stack in series.stacks:
            for index in range(len(stack)):
                try:
                    stack.picture(index)
                except filmless.FilmlessError as problem:
                    refused.append(str(problem))
    return refused


def peak_bytes() -> int:
    """The most memory this program has held; `ru_maxrss` would count that of the process which started it."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) << 10


def account(path: Path, folder: Path) -> dict[str, object]:
    """Do everything with one file, and say how it went."""
    started = time.perf_counter()
    archive = filmless.open(folder / "archive")
    report = archive.ingest(path)
    reasons = [entry.reason for entry in report.set_aside] + [reason for _, reason in report.passed_over]
    return {
        "name": path.name,
        "stored": report.stored,
        "reasons": [*reasons, *report.warnings, *use(archive, folder)],
        "damage": archive.verify(),
        "seconds": time.perf_counter() - started,
        "peak_bytes": peak_bytes(),
    }


def main() -> None:
    working = Path(sys.argv[1])
    for number, path in enumerate(map(Path, sys.argv[2:])):
        print(f"begins {path.name}", file=sys.stderr, flush=True)
        print(json.dumps(account(path, working / str(number))), flush=True)


if __name__ == "__main__":
    main()
