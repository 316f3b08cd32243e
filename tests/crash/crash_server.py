"""A process that forks a child for each run asked of it; the child receives and consolidates until it is killed.

Reads lines of JSON, {"root", "seed", "point", "time", "after_s"}: the fail point to be killed at, "" for none, or the
seconds after which it is killed from outside, 0 for never. Answers each with the child's exit status.

The child keeps a diary beside the archive: a line before each instance is sent, and one after it is acknowledged.
What was written to it survives the child.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dicom_bytes import even, image
from filmless.engine.archive import open_archive
from filmless.storage import fail

SERIES = 2
NUMBERS = 6
STEPS = 8


def instance(series: int, number: int, variant: int) -> bytes:
    """A small image; variants are other bytes under the same UID."""
    sides = ((0x00280010, 24), (0x00280011, 24))
    changed = {
        "t00080018": (b"UI", even(f"1.2.3.{series}.{number}").replace(b" ", b"\0")),
        "t0020000E": (b"UI", even(f"1.2.3.{series}").replace(b" ", b"\0")),
        "t00200013": (b"IS", even(str(number))),
        "t00200032": (b"DS", even(f"0\\0\\{number * 2}")),
        **{f"t{tag:08X}": (b"US", side.to_bytes(2, "little")) for tag, side in sides},
    }
    pixels = bytes((series * 31 + number * 7 + variant + n) % 251 if n % 2 == 0 else 0 for n in range(24 * 24 * 2))
    return image(pixels=pixels, **changed)


def work(root: Path, seed: int) -> None:
    """Receive, resend, send other bytes, and consolidate, in an order that `seed` decides."""
    chosen = random.Random(seed)
    archive = open_archive(root)
    diary = os.open(root.with_suffix(".diary"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for _ in range(STEPS):
        if chosen.random() < 0.25:
            archive.consolidate(quiet_s=0)
            continue
        # Some of the run before, some new: each run has something to consolidate.
        series, number = chosen.randrange(SERIES), seed * NUMBERS // 2 + chosen.randrange(NUMBERS)
        data = instance(series, number, variant=int(chosen.random() < 0.25))
        entry = [f"1.2.3.{series}.{number}", hashlib.sha256(data).hexdigest()]
        os.write(diary, json.dumps(["sent", *entry, ""]).encode() + b"\n")
        receipt = archive.receive(data, "test")
        os.write(diary, json.dumps(["acknowledged", *entry, receipt.outcome]).encode() + b"\n")
    archive.consolidate(quiet_s=0)


def serve() -> None:
    for line in sys.stdin:
        asked = json.loads(line)
        child = os.fork()
        if not child:
            if asked["point"]:
                fail.arm(asked["point"], asked["time"])
            work(Path(asked["root"]), asked["seed"])
            os._exit(0)
        if asked["after_s"]:
            time.sleep(asked["after_s"])
            os.kill(child, signal.SIGKILL)  # not yet waited for: its number is not another's, even if it has ended
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    logging.disable()
    # The kernels are loaded here once; one thread (FILMLESS_THREADS=1) leaves none behind that a fork would lose.
    with tempfile.TemporaryDirectory(dir=sys.argv[1]) as folder:
        durations = []
        for seed in range(4):
            started = time.perf_counter()
            work(Path(folder, "archive"), seed)
            durations.append(time.perf_counter() - started)
        print(min(durations), flush=True)
    serve()
