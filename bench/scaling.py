"""How kernels for pictures use the machine: one thread against two, and their share of memory and arithmetic.

    python bench/scaling.py

Prints for each kernel the time on one thread, how many times as fast two threads are, the bytes of the cache lines that
its voxels lie in over the measured rate of reading memory, and its multiply-adds over the measured rate of those.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from filmless.kernels.jit import kernel
from filmless.kernels.positions import Rows
from filmless.kernels.reslice import reslice
from filmless.kernels.slab import project_rows, project_slab

SIDE, SHAPE, ROUNDS, LINE_BYTES = 512, (400, 512, 512), 15, 64
BACKGROUND = -2000.0


@kernel
def _add(numbers: np.ndarray) -> float:
    total = np.int64(0)
    for number in numbers:
        total += number
    return total


@kernel
def _multiply_add(a: np.ndarray, b: np.ndarray, rounds: int) -> None:
    for _ in range(rounds):
        for i in range(a.size):
            a[i] = a[i] * np.float32(0.5) + b[i]


def fastest(*runs: Callable[[], object]) -> list[float]:
    """Time each run, in turn, and give each one's least seconds."""
    times: list[list[float]] = [[] for _ in runs]
    for run in runs:
        run()
    for _ in range(ROUNDS):
        for run, taken in zip(runs, times, strict=True):
            begin = time.perf_counter()
            run()
            taken.append(time.perf_counter() - begin)
    return [min(taken) for taken in times]


def processor_time(job: Job, out: np.ndarray, first: int, last: int) -> float:
    """Seconds that this thread works on some rows: unlike the clock's, they leave out what other processes take."""
    begin = time.thread_time()
    job.draw(out, first, last)
    return time.thread_time() - begin


@dataclass(frozen=True)
class Job:
    name: str
    draw: Callable[[np.ndarray, int, int], None]
    """Draws rows first to last into an array."""
    points: np.ndarray
    """(samples, 3) every position sampled, once."""
    reach: int
    multiply_adds: int
    """For each sample."""


def jobs(volume: np.ndarray) -> list[Job]:
    normal = np.array([1.0, 0.9, 0.8]) / np.linalg.norm([1.0, 0.9, 0.8])
    right = np.cross(normal, [1.0, 0, 0])
    right *= 0.8 / np.linalg.norm(right)
    down = np.cross(normal, right)
    origin = np.array(SHAPE) / 2 - SIDE / 2 * (right + down)
    rows, columns = np.indices((SIDE, SIDE)).reshape(2, -1, 1)
    flat = origin + rows * down + columns * right
    deep = np.concatenate([flat + s * normal for s in np.arange(-5, 6)])
    curve = Rows(origin + np.arange(SIDE)[:, None] * down, np.tile(right, (SIDE, 1)), np.zeros((SIDE, 3)))

    def plane(interpolation: str) -> Callable[[np.ndarray, int, int], None]:
        def draw(out: np.ndarray, first: int, last: int) -> None:
            options = {"background": BACKGROUND, "interpolation": interpolation}
            reslice(volume, origin + first * down, down, right, out=out[first:last], **options)

        return draw

    def slab(out: np.ndarray, first: int, last: int) -> None:
        begin = origin + first * down - 5 * normal
        project_slab(volume, begin, down, right, normal, 11, out=out[first:last], background=BACKGROUND)

    def curved(out: np.ndarray, first: int, last: int) -> None:
        project_rows(volume, *(part[first:last] for part in curve), 1, out[first:last], background=BACKGROUND)

    return [
        Job("oblique plane, trilinear", plane("trilinear"), flat, 1, 7),
        Job("oblique plane, cubic", plane("cubic"), flat, 2, 84),
        Job("10 mm maximum slab", slab, deep, 1, 7),
        Job("curved plane, trilinear", curved, flat, 1, 7),
    ]


def touched_bytes(job: Job, volume: np.ndarray) -> int:
    """Count the cache lines in which the voxels about all samples lie."""
    low = np.floor(job.points).astype(np.int64) - (job.reach - 1)
    inside = np.all((low >= 0) & (low + 2 * job.reach <= volume.shape), axis=1)
    lines: set[int] = set()
    for z in range(2 * job.reach):
        for y in range(2 * job.reach):
            at = ((low[inside, 0] + z) * SHAPE[1] + low[inside, 1] + y) * SHAPE[2] + low[inside, 2]
            for x in (0, 2 * job.reach - 1):
                lines.update(np.unique((at + x) * volume.itemsize // LINE_BYTES).tolist())
    return len(lines) * LINE_BYTES


def main() -> None:
    volume = np.random.default_rng(0).integers(-1000, 2000, SHAPE, dtype=np.int16)
    wide = volume.reshape(-1).view(np.int64)
    a, b = np.ones(2048, np.float32), np.ones(2048, np.float32)
    read_s, add_s = fastest(lambda: _add(wide), lambda: _multiply_add(a, b, 2000))
    read_rate, add_rate = volume.nbytes / read_s, 2000 * a.size / add_s
    print(f"reading memory {read_rate / 1e9:.1f} GB/s, multiply-adds {add_rate / 1e9:.1f} G/s, one thread")
    out = np.empty((SIDE, SIDE), np.float32)
    with ThreadPoolExecutor(2) as pool:
        for job in jobs(volume):

            def both(job: Job = job) -> None:
                list(pool.map(lambda half: job.draw(out, half, half + SIDE // 2), (0, SIDE // 2)))

            def busy(job: Job = job) -> float:
                return max(pool.map(lambda half: processor_time(job, out, half, half + SIDE // 2), (0, SIDE // 2)))

            one_s, two_s = fastest(lambda job=job: job.draw(out, 0, SIDE), both)
            alone_s = min(processor_time(job, out, 0, SIDE) for _ in range(ROUNDS))
            shared_s = min(busy() for _ in range(ROUNDS))
            memory = touched_bytes(job, volume) / read_rate / one_s
            arithmetic = len(job.points) * job.multiply_adds / add_rate / one_s
            print(
                f"{job.name}: {one_s * 1e3:.2f} ms, {one_s / len(job.points) * 1e9:.1f} ns a sample; "
                f"two threads {one_s / two_s:.2f} times as fast, {alone_s / shared_s:.2f} by processor time; "
                f"{memory:.0%} of memory's rate, {arithmetic:.0%} of arithmetic's"
            )


if __name__ == "__main__":
    main()
