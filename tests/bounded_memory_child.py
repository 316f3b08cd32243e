"""Takes an instance larger than its memory limit through an archive, and says how much memory that took at most.

usage: python bounded_memory_child.py FOLDER KIND MEGABYTES LIMIT_MEGABYTES

KIND is "frames" (one native multi-frame instance), "fragments" (one with codestreams), "whole" (one that is kept as it
came) or "slices" (a series of 2,000 slices). The limit is on data: what the process has for itself (RLIMIT_DATA).
"""

from __future__ import annotations

import hashlib
import json
import re
import resource
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
from dicom_bytes import header, meta, ushort
from filmless.engine.archive import open_archive
from naive.elements import write_data_set

SIDE = 512
FRAME_BYTES = SIDE * SIDE * 2


def private_bytes() -> int:
    """Memory that is this process's alone: mapped files, which the system takes back at will, are left out."""
    return int(re.search(r"RssAnon:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024


def head(**changed) -> bytes:
    sides = {f"t{tag:08X}": (b"US", ushort(SIDE)) for tag in (0x00280010, 0x00280011)}
    return write_data_set(header(**sides, **changed), is_explicit=True, order="<")


def frame(number: int) -> bytes:
    """A frame of 12 bits: a ramp with noise, like no other."""
    random = np.random.default_rng(number % 7)
    values = (np.arange(SIDE * SIDE, dtype=np.uint32) // 200 + number + random.integers(0, 64, SIDE * SIDE)) % 2048
    return values.astype("<u2").tobytes()


def write_native(path: Path, frames: int, overlay: bytes = b"") -> None:
    with path.open("wb") as file:
        file.write(meta() + head(t00280008=(b"IS", f"{frames:06}".encode())))
        file.write(b"\xe0\x7f\x10\x00OW\0\0" + (frames * FRAME_BYTES).to_bytes(4, "little"))
        for number in range(frames):
            data = frame(number)
            file.write(data[:-1] + overlay if overlay else data)


def write_fragments(path: Path, frames: int) -> None:
    with path.open("wb") as file:
        file.write(meta("1.2.840.10008.1.2.4.100") + head(t00280008=(b"IS", f"{frames:06}".encode())))
        file.write(b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0" + bytes(4))
        for number in range(frames):
            file.write(b"\xfe\xff\x00\xe0" + FRAME_BYTES.to_bytes(4, "little") + frame(number))
        file.write(b"\xfe\xff\xdd\xe0" + bytes(4))


def write_slices(folder: Path, slices: int) -> list[Path]:
    folder.mkdir()
    paths = []
    for number in range(slices):
        uid, place = f"1.2.3.4.{number}", f"0\\0\\{number}"
        changed = {
            "t00080018": (b"UI", uid.encode() + b"\0" * (len(uid) % 2)),
            "t00200013": (b"IS", f"{number:06}".encode()),
            "t00200032": (b"DS", place.encode() + b" " * (len(place) % 2)),
        }
        paths.append(folder / f"{number:05}.dcm")
        element = b"\xe0\x7f\x10\x00OW\0\0" + FRAME_BYTES.to_bytes(4, "little")
        paths[-1].write_bytes(meta() + head(**changed) + element + frame(number))
    return paths


def made(folder: Path, kind: str, megabytes: int) -> list[Path]:
    frames, path = megabytes * 1_000_000 // FRAME_BYTES, folder / "large.dcm"
    if kind == "slices":
        return write_slices(folder / "in", frames)
    if kind == "fragments":
        write_fragments(path, frames)
    else:
        write_native(path, frames, b"\xf0" if kind == "whole" else b"")
    return [path]


def hash_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Watch:
    """Notes the most memory that is taken meanwhile."""

    def __init__(self) -> None:
        self.peak, self._is_over = 0, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._is_over.is_set():
            self.peak = max(self.peak, private_bytes())
            time.sleep(0.005)

    def close(self) -> None:
        self._is_over.set()
        self._thread.join()


def main(folder: Path, kind: str, megabytes: int, limit_mb: int) -> None:
    paths = made(folder, kind, megabytes)
    digests = sorted(map(hash_of, paths))
    size_bytes = sum(path.stat().st_size for path in paths)
    largest = max(path.stat().st_size for path in paths)
    archive = open_archive(folder / "archive")
    archive.set_policy(reserve_bytes="0")
    resource.setrlimit(resource.RLIMIT_DATA, (limit_mb << 20,) * 2)
    watch, peaks, seconds = Watch(), {}, {}

    def timed(name, call):
        started = time.perf_counter()
        found = call()
        seconds[name], peaks[name] = round(time.perf_counter() - started, 1), watch.peak >> 20
        return found

    timed("receive", lambda: [archive.receive(path) for path in paths])
    for path in paths:
        path.unlink()
    done = timed("consolidate", lambda: archive.consolidate(quiet_s=0))
    assert not any(result.problem or result.left for result in done), done
    damage = timed("verify", archive.verify)
    (row,) = archive.contents()
    exported = timed("export", lambda: archive.series(row.series_uid).export(folder / "out"))
    watch.close()
    told = {
        "size_mb": size_bytes >> 20,
        "largest_mb": largest >> 20,
        "limit_mb": limit_mb,
        "peak_mb": peaks,
        "seconds": seconds,
        "problems": [result.problem for result in done if result.problem],
        "left": [result.left for result in done if result.left],
        "sources": sorted({record.source for record in archive.series(row.series_uid).manifest.instances}),
        "damage": damage,
        "is_exact": sorted(map(hash_of, exported)) == digests,
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
