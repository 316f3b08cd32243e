"""Two threads against one, over the frames of a real CT: `python bench/threads.py [turns [codec …]]`.

Beside other work a second thread cannot be seen to pay by the clock. So what Linux says each thread waited for a
processor (schedstat) is taken off: what remains is its work, and its waiting for locks. One thread's processor time,
over the longer of two threads' times so counted, is the ratio; where other work stops one thread and not the other it
comes out too low, so the best of the turns is nearest. Not part of `make bench`, which is one thread.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import NamedTuple

os.environ["FILMLESS_THREADS"] = "2"

import imagecodecs
import numpy as np
from filmless.engine.decode import decode_frame, decode_frames
from filmless.engine.encapsulation import locate_frames, read_codestream
from filmless.engine.encode import encode_frame
from filmless.engine.instance import PixelDescription
from filmless.engine.parse import parse_instance
from filmless.storage import pool

DATA = Path(os.environ.get("FILMLESS_TEST_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
SLICES = DATA / "volumes" / "ct_chest_jpeg_lossless"
CODED = 24
ROUNDS = 4
JPEG = "1.2.840.10008.1.2.4."


class Job(NamedTuple):
    """Frames of one codec."""

    uid: str
    codestreams: list[bytes]
    description: PixelDescription


def slices() -> tuple[list[np.ndarray], PixelDescription]:
    """Some slices' stored values."""
    frames = []
    for path in sorted(SLICES.glob("*.dcm"))[:CODED]:
        data = path.read_bytes()
        instance = parse_instance(data)
        (fragments,) = locate_frames(data, instance.pixel_span, 1)
        coded = read_codestream(data, fragments)
        frames.append(decode_frame(coded, instance.pixels, instance.transfer_syntax_uid).values)
    return frames, instance.pixels


def make_jobs() -> dict[str, Job]:
    """The same slices by every codec of our own."""
    frames, description = slices()
    twelve = [np.minimum(frame.view(np.uint16), 4095) for frame in frames]
    eight = [(frame >> 4).astype(np.uint8) for frame in twelve]
    colour = [np.stack([frame, 255 - frame, np.roll(frame, 3)], axis=-1) for frame in eight]
    deep = replace(description, is_signed=False, bits_stored=12, high_bit=11)
    flat = replace(deep, bits_allocated=8, bits_stored=8, high_bit=7)
    rgb = replace(flat, samples_per_pixel=3, photometric_interpretation="YBR_FULL_422")
    lossless = {"RLE": "1.2.840.10008.1.2.5", "JPEG Lossless": JPEG + "70", "JPEG-LS": JPEG + "80"}
    lossless |= {"JPEG 2000": JPEG + "90", "HTJ2K": JPEG + "201"}
    jobs = {
        name: Job(uid, [encode_frame(frame, description, uid) for frame in frames], description)
        for name, uid in lossless.items()
    }
    jpeg = imagecodecs.jpeg8_encode
    jobs["JPEG, 12 bits"] = Job(JPEG + "51", [bytes(jpeg(f, level=90, bitspersample=12)) for f in twelve], deep)
    jobs["JPEG, 8 bits"] = Job(JPEG + "50", [bytes(jpeg(f, level=90)) for f in eight], flat)
    jobs["JPEG, colour"] = Job(JPEG + "50", [bytes(jpeg(f, level=90)) for f in colour], rgb)
    return jobs


def thread_times() -> dict[str, tuple[float, float]]:
    """Seconds that each thread of this process has run, and has waited for a processor."""
    times = {}
    for thread in Path("/proc/self/task").iterdir():
        ran_ns, waited_ns, _ = map(int, (thread / "schedstat").read_text().split())
        times[thread.name] = (ran_ns / 1e9, waited_ns / 1e9)
    return times


class Turns:
    """One codec's turns."""

    def __init__(self, job: Job) -> None:
        self.job, self.ratios = job, list[float]()
        self.room = np.zeros((CODED, *job.description.frame_shape), job.description.stored_dtype)
        self.by_one()

    def by_two(self) -> None:
        """Decode all frames on the pool."""
        decode_frames(self.job.codestreams, self.job.description, self.job.uid, out=self.room)

    def by_one(self) -> None:
        """Decode all frames within one task of the pool, which works in that task's thread."""
        pool.run_all(lambda task: task and self.by_two(), range(2))

    def _timed(self, run: Callable[[], None]) -> tuple[float, float]:
        """Give the processor time of all threads, and the longest time of one that worked, its waiting taken off."""
        before, started = thread_times(), time.perf_counter()
        for _ in range(ROUNDS):
            run()
        took_s, after = time.perf_counter() - started, thread_times()
        spent = [tuple(np.subtract(after[thread], before.get(thread, (0.0, 0.0)))) for thread in after]
        workers = sorted(spent, reverse=True)[:2]
        return sum(ran for ran, _ in spent), max(took_s - waited for _, waited in workers)

    def take(self) -> None:
        """Take a turn with one thread, then with two."""
        one_s, _ = self._timed(self.by_one)
        _, two_s = self._timed(self.by_two)
        self.ratios.append(one_s / two_s)


def main(count: int, names: list[str]) -> None:
    """Take turns, and print each codec's ratios."""
    for name, job in make_jobs().items():
        if names and name not in names:
            continue
        turns = Turns(job)
        for _ in range(count):
            turns.take()
        print(
            f"{name:<14} best {max(turns.ratios):.2f}, median {median(turns.ratios):.2f} of {count} turns", flush=True
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20, sys.argv[2:])
