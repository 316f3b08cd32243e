"""A process that forks a child for each ingest asked of it, and kills that child at the moment asked.

Reads "archive<TAB>source<TAB>seconds" lines, the seconds 0 where nobody is to be killed; answers each with the
child's exit status.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time

from filmless.engine.archive import open_archive


def ingest(archive: str, source: str) -> None:
    open_archive(archive).ingest(source)


def serve() -> None:
    for line in sys.stdin:
        archive, source, seconds = line.rstrip("\n").split("\t")
        child = os.fork()
        if not child:
            ingest(archive, source)
            os._exit(0)
        if float(seconds):
            time.sleep(float(seconds))
            os.kill(child, signal.SIGKILL)  # not yet waited for: its number is not another's, even if it has ended
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    # The kernels are loaded here once; one thread (FILMLESS_THREADS=1) leaves none behind that a fork would lose.
    with tempfile.TemporaryDirectory() as folder:
        ingest(f"{folder}/archive", sys.argv[1])
    print("ready", flush=True)
    serve()
