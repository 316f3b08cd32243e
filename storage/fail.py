"""Fail points: the places between two durable actions at which tests stop a process, or make the disk refuse.

`reached(name)` does nothing unless that point is armed: by `arm`, or by the environment before the program starts:
FILMLESS_FAIL_AT="name" or "name:3" for the third time, and FILMLESS_FAIL_HOW as one of `HOWS`.
"""

from __future__ import annotations

import errno
import os
import signal
from dataclasses import dataclass

POINTS = (
    "inbox: part begun",
    "inbox: part written",
    "inbox: linked",
    "inbox: part flushed",
    "inbox: folder flushed",
    "inbox: part removed",
    "inbox: former set aside",
    "inbox: replaced",
    "inbox: one instance removed",
    "inbox: emptied",
    "index: before commit",
    "index: rows received",
    "index: generation put",
    "quarantine: written",
    "quarantine: named",
    "quarantine: noted",
    "generation: begun",
    "generation: written",
    "generation: proven",
    "generation: flushed",
    "generation: named",
    "generation: published",
    "generation: former hidden",
    "generation: former removed",
    "generation: set aside",
    "retention: noted",
    "retention: purge noted",
    "retention: generations removed",
)
"""All there are, in the order in which they are met by and large."""

HOWS = {"kill": 0, "enospc": errno.ENOSPC, "eio": errno.EIO}
"""What happens at an armed point: the process is killed, or the operating system refuses."""


@dataclass(slots=True)
class _Armed:
    point: str
    times: int
    """How often it is still passed before it fails."""
    how: str


_armed: _Armed | None = None


def arm(point: str, time: int = 1, how: str = "kill") -> None:
    """Let `point` fail at the `time`-th time that it is reached; raises `ValueError` for one that is not listed."""
    global _armed
    if point not in POINTS or how not in HOWS or time < 1:
        raise ValueError(f"no such fail point: {point!r}, {how!r}, time {time}")
    _armed = _Armed(point, time, how)


def disarm() -> None:
    """Let nothing fail."""
    global _armed
    _armed = None


def reached(point: str) -> None:
    """Fail here, if this point is armed; raises `OSError` or does not return then."""
    armed = _armed
    if armed is None or armed.point != point:
        return
    armed.times -= 1
    if armed.times > 0:
        return
    if armed.how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    disarm()
    raise OSError(HOWS[armed.how], f"made to fail at {point!r}")


if _asked := os.environ.get("FILMLESS_FAIL_AT"):
    _point, _, _time = _asked.rpartition(":") if _asked.rpartition(":")[2].isdigit() else (_asked, "", "1")
    arm(_point, int(_time), os.environ.get("FILMLESS_FAIL_HOW", "kill"))
