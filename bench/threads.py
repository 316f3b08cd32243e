"""Two threads against one, over the frames of a real CT: `python bench/threads.py [seconds [codec …]]`.

Whether a second thread pays can only be seen while a second processor is free. So each codec's turns, one thread and
then two, are short, and a pair of turns counts only where other processes used less than a twentieth of the two
processors meanwhile; on a machine shared with other work most do not. Not part of `make bench`, which is one thread.
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
TURN_S = 0.15
MOST_OTHERS = 0.05
TICK_S = 1 / os.sysconf("SC_CLK_TCK")
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


def busy_s() -> float:
    """Processor time that all processes of the machine have used."""
    user, nice, system, _idle, _iowait, *interrupts = map(
        int, Path("/proc/stat").read_text().split("\n")[0].split()[1:8]
    )
    return (user + nice + system + sum(interrupts)) * TICK_S


class Turns:
    """One codec's turns and the ratios of those that count."""

    def __init__(self, job: Job) -> None:
        self.job, self.ratios, self.refused = job, list[float](), 0
        shape = (CODED, *job.description.frame_shape)
        self.room = np.zeros(shape, job.description.stored_dtype)
        self.by_one()
        started = time.perf_counter()
        self.by_one()
        self.rounds = max(1, round(TURN_S / (time.perf_counter() - started)))

    def by_two(self) -> None:
        """Decode all frames on the pool."""
        decode_frames(self.job.codestreams, self.job.description, self.job.uid, out=self.room)

    def by_one(self) -> None:
        """Decode all frames within one task of the pool, which works in that task's thread."""
        pool.run_all(lambda task: task and self.by_two(), range(2))

    def _timed(self, run: Callable[[], None]) -> tuple[float, bool]:
        """Time a turn; tell whether other processes left the processors alone."""
        wall, own, everyone = time.perf_counter(), time.process_time(), busy_s()
        for _ in range(self.rounds):
            run()
        took_s = time.perf_counter() - wall
        others_s = (busy_s() - everyone) - (time.process_time() - own)
        return took_s, others_s <= MOST_OTHERS * 2 * took_s + TICK_S

    def take(self) -> None:
        """Take a turn with one thread, then with two."""
        one, was_quiet = self._timed(self.by_one)
        two, is_quiet = self._timed(self.by_two)
        if was_quiet and is_quiet:
            self.ratios.append(one / two)
        else:
            self.refused += 1


def main(seconds: float, names: list[str]) -> None:
    """Take turns for so long, and print each codec's ratios."""
    turns = {name: Turns(job) for name, job in make_jobs().items() if not names or name in names}
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for one in turns.values():
            one.take()
        time.sleep(0.05)
    for name, one in turns.items():
        ratios = one.ratios
        shown = f"median {median(ratios):.2f}, best {max(ratios):.2f}" if ratios else "no quiet pair of turns"
        print(f"{name:<14} {shown}, of {len(ratios)} pairs ({one.refused} beside other work)")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 30.0, sys.argv[2:])
