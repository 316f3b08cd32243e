"""Renders planes of a 4 GB volume in a process of its own, and says how much memory that took at most.

usage: python out_of_core_child.py FOLDER
"""

from __future__ import annotations

import json
import re
import sys
import threading
import time
from pathlib import Path

import numpy as np
from filmless.engine.geometry import Verdict, VolumeGeometry
from filmless.engine.render.reformat import draw, lay_plane
from filmless.engine.render.request import RenderRequest
from filmless.engine.render.window import Window
from filmless.engine.volume import Volume
from filmless.storage import bricks
from filmless.storage.array import StoredArray
from filmless.storage.shape import plan_levels

WINDOW = Window(2048, 4096, "LINEAR_EXACT")
SHAPE = (1024, 2048, 1024)
REQUESTS = [
    RenderRequest(plane="axial", size=(256, 256), window=WINDOW),
    RenderRequest(plane="coronal", window=WINDOW, index=700),
    RenderRequest(normal=(1, 1, 1), window=WINDOW),
    RenderRequest(normal=(1, -2, 0.5), window=WINDOW, slab_mm=6, mode="mean"),
    RenderRequest(plane="sagittal", window=WINDOW, slab_mm=20),
]


def level_shape():
    return plan_levels((1, 1, *SHAPE), 2, is_volume=True, keep_z=False, spacing_mm_zyx=(1.0, 1.0, 1.0))[0]


def slab(first, last):
    """Slices `first` to `last`: z + y + x, which is what interpolation must find between voxels too."""
    z = np.arange(first, last, dtype=np.int16)[:, None, None]
    y, x = np.arange(SHAPE[1], dtype=np.int16), np.arange(SHAPE[2], dtype=np.int16)
    return z + y[:, None] + x


def error_of(picture, volume, request) -> int:
    """Most grey levels by which a plane differs from the ramp at the patient position of its pixels."""
    plane = lay_plane(volume, request)
    rows, columns = np.mgrid[: plane.rows, : plane.columns]
    place = (
        np.asarray(plane.origin_mm)
        + rows[..., None] * np.asarray(plane.down_mm)
        + columns[..., None] * np.asarray(plane.right_mm)
    )
    last = np.array(SHAPE[::-1]) - 1
    is_inside = np.all((place >= 0) & (place <= last), axis=-1)
    gray = np.where(is_inside, np.clip(place.sum(axis=-1) / 4096 * 255, 0, 255), 0)
    # The outermost voxels reach half a voxel beyond their centres, where their value holds on.
    is_in_rim = np.all((place > -0.6) & (place < last + 0.6), axis=-1) & ~is_inside
    return int(np.abs(picture.pixels - np.rint(gray))[~is_in_rim].max())


def private_bytes() -> int:
    """Memory that is this process's alone: the mapped files, which the system takes back at will, are left out."""
    return int(re.search(r"RssAnon:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024


def main(folder: str) -> None:
    geometry = VolumeGeometry((0.0, 0.0, 0.0), ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0)), (1.0, 1.0, 1.0))
    stored = StoredArray(Path(folder) / "0", level_shape(), np.dtype("int16"), folder).volume()
    verdict = Verdict(("uniform",), "made by a test", {})
    volume = Volume([stored], [(1, 1, 1)], geometry, verdict)
    small = RenderRequest(plane="axial", size=(8, 8), window=WINDOW)
    draw(volume, small)  # kernels are loaded, and threads started
    before, peak, is_over = private_bytes(), 0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not is_over.is_set():
            peak = max(peak, private_bytes())
            time.sleep(0.002)

    watcher = threading.Thread(target=watch)
    watcher.start()
    pictures = [draw(volume, request) for request in REQUESTS for _ in range(2)]
    is_over.set()
    errors = [
        error_of(picture, volume, request)
        for picture, request in zip(pictures[::2], REQUESTS, strict=True)
        if not request.slab_mm
    ]
    watcher.join()
    cache = bricks.shared()
    told = {
        "grown_bytes": peak - before,
        "budget_bytes": cache.budget_bytes,
        "evictions": cache.evictions,
        "errors": errors,
        "is_repeatable": all(
            np.array_equal(a.pixels, b.pixels) for a, b in zip(pictures[::2], pictures[1::2], strict=True)
        ),
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1])
