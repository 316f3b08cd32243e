"""How pictures use the machine: one thread against two, and what share of memory and arithmetic their kernels take.

    python bench/scaling.py

Prints for each kernel the time on one thread, how many times as fast two threads are, the bytes of the cache lines that
its voxels lie in over the measured rate of reading memory, and its multiply-adds over the measured rate of those. Then
the same of whole pictures of a volume in memory, from the request to its pixels. Two threads are compared by the clock
and, as other processes take some of that, by the processor's time of the thread that works longest.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import filmless
import numpy as np
from filmless.engine.geometry import Verdict, VolumeGeometry
from filmless.engine.volume import ArrayLevel
from filmless.kernels.jit import kernel
from filmless.kernels.positions import Rows
from filmless.kernels.reslice import reslice
from filmless.kernels.slab import project_rows, project_slab
from filmless.storage import pool

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


def pictures(volume: np.ndarray) -> dict[str, Callable[[], object]]:
    """Give whole pictures to make, on as many threads as the pool has."""
    geometry = VolumeGeometry((0.0, 0.0, 0.0), ((0, 0, 1), (0, 1, 0), (1, 0, 0)), (1.0, 0.8, 0.8))
    made = filmless.Volume([ArrayLevel(volume)], [(1, 1, 1)], geometry, Verdict(("uniform",), "in memory", {}))
    look = {"normal": (1.0, 0.9, 0.8), "size": (SIDE, SIDE), "window": (500, 2000)}
    rays = {"view": (0.3, 0.8, 0.2), "size": (SIDE, SIDE)}
    return {
        "oblique plane": partial(filmless.render, made, "oblique", **look),
        "oblique plane, cubic": partial(filmless.render, made, "oblique", interpolation="cubic", **look),
        "10 mm maximum slab": partial(filmless.render, made, "oblique", slab_mm=10.0, **look),
        "maximum of every ray": partial(filmless.render_volume, made, window=(500, 2000), **rays),
        "lit layers of colour": partial(filmless.render_volume, made, transfer="bone", **rays),
    }


def on_threads(count: int, run: Callable[[], object]) -> object:
    pool.thread_count = lambda: count
    return run()


def main() -> None:
    volume = np.random.default_rng(0).integers(-1000, 2000, SHAPE, dtype=np.int16)
    wide = volume.reshape(-1).view(np.int64)
    a, b = np.ones(2048, np.float32), np.ones(2048, np.float32)
    read_s, add_s = fastest(lambda: _add(wide), lambda: _multiply_add(a, b, 2000))
    read_rate, add_rate = volume.nbytes / read_s, 2000 * a.size / add_s
    print(f"reading memory {read_rate / 1e9:.1f} GB/s, multiply-adds {add_rate / 1e9:.1f} G/s, one thread\n")
    print("| kernel | ms | ns a sample | two threads, clock | processor | of memory | of arithmetic |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
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
                f"| {job.name} | {one_s * 1e3:.2f} | {one_s / len(job.points) * 1e9:.1f} | {one_s / two_s:.2f} "
                f"| {alone_s / shared_s:.2f} | {memory:.0%} | {arithmetic:.0%} |"
            )
    print("\n| whole picture | ms | two threads, clock |\n| --- | ---: | ---: |")
    for name, draw in pictures(np.sort(volume, axis=0)).items():
        one_s, two_s = fastest(partial(on_threads, 1, draw), partial(on_threads, 2, draw))
        print(f"| {name} | {one_s * 1e3:.2f} | {one_s / two_s:.2f} |")


if __name__ == "__main__":
    main()
