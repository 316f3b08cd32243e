"""Reception and consolidation on all processors, side by side: run `python bench/reception.py FOLDER`.

Each instance is durable before the next of its sender: Filmless through its Python API, Orthanc (Debian's package,
SQLite, same disk) through POST /instances on connections that stay open, and a copy of the file with fsync of the
file alone. All take turns in rounds of fresh archives; the median of each is given, and the ratio to Filmless.

Consolidation is timed beside an ingest of the same files, which proves nothing.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import filmless

SENDERS = (1, 4, 16)
ROUNDS = 5


def rate(files: Sequence[bytes], senders: int, make_send: Callable[[], Callable[[bytes], None]]) -> float:
    """Send every file once, shared out among `senders` threads; give files a second."""
    sends = [make_send() for _ in range(senders)]

    def work(number: int) -> None:
        for data in files[number::senders]:
            sends[number](data)

    with ThreadPoolExecutor(senders) as threads:
        started = time.perf_counter()
        list(threads.map(work, range(senders)))
        return len(files) / (time.perf_counter() - started)


def receive(files: Sequence[bytes], senders: int, folder: Path) -> float:
    """Receive into a new archive."""
    archive = filmless.open(folder / "archive")
    return rate(files, senders, lambda: lambda data: archive.receive(data, "bench") and None)


def copy(files: Sequence[bytes], senders: int, folder: Path) -> float:
    """Write each file and flush it, no more."""
    folder.mkdir(exist_ok=True)
    numbers = iter(range(len(files)))

    def write(data: bytes) -> None:
        with (folder / f"{next(numbers)}.dcm").open("xb", buffering=0) as file:
            file.write(data)
            os.fsync(file.fileno())

    return rate(files, senders, lambda: write)


def post(files: Sequence[bytes], senders: int, folder: Path) -> float:
    """Post to an Orthanc that was just started with an empty storage."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder.mkdir(exist_ok=True)
    settings = {
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "HttpPort": port,
        "DicomServerEnabled": False,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "KeepAlive": True,
        "TcpNoDelay": True,
        "Plugins": [],
    }
    (folder / "orthanc.json").write_text(json.dumps(settings))
    process = subprocess.Popen(
        ["Orthanc", str(folder / "orthanc.json")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait_for(port)
        return rate(files, senders, lambda: _poster(port))
    finally:
        process.terminate()
        process.wait()


def _wait_for(port: int) -> None:
    for _ in range(200):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port)
            connection.request("GET", "/system")
            connection.getresponse().read()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError("Orthanc did not start")


def _poster(port: int) -> Callable[[bytes], None]:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.connect()
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(data: bytes) -> None:
        connection.request("POST", "/instances", data, {"Content-Type": "application/dicom"})
        response = connection.getresponse()
        response.read()
        if response.status != 200:
            raise RuntimeError(f"Orthanc answered {response.status}")

    return send


def race_receivers(files: Sequence[bytes], place: Path) -> None:
    """Print a table of files a second."""
    who: dict[str, Callable[[Sequence[bytes], int, Path], float]] = {"Filmless": receive, "copy with fsync": copy}
    if shutil.which("Orthanc"):
        who["Orthanc"] = post
    else:
        print("Orthanc is missing: apt-get install orthanc")
    for senders in SENDERS:
        rates: dict[str, list[float]] = defaultdict(list)
        for _ in range(ROUNDS):
            for name, run in who.items():
                with tempfile.TemporaryDirectory(dir=place) as folder:
                    rates[name].append(run(files, senders, Path(folder, "in")))
        ours = statistics.median(rates["Filmless"])
        for name, found in rates.items():
            median = statistics.median(found)
            spread = f"{min(found):.0f}-{max(found):.0f}"
            print(f"{senders:2} senders  {name:16} {median:7.0f}/s  {spread}  ours x {ours / median:.2f}")


def race_consolidation(files: Sequence[Path], place: Path, stored_bytes: int) -> None:
    """Print MB of stored values a second, of consolidation and of ingest."""
    times: dict[str, list[float]] = defaultdict(list)
    for _ in range(ROUNDS + 1):
        with tempfile.TemporaryDirectory(dir=place) as folder:
            archive = filmless.open(Path(folder, "a"))
            for path in files:
                archive.receive(path, "bench")
            os.sync()
            started = time.perf_counter()
            (result,) = archive.consolidate(quiet_s=0)
            times["consolidate"].append(time.perf_counter() - started)
            if result.problem:
                raise RuntimeError(result.problem)
            other = filmless.open(Path(folder, "b"))
            os.sync()
            started = time.perf_counter()
            other.ingest(files)
            times["ingest"].append(time.perf_counter() - started)
    for name, found in times.items():
        median = statistics.median(found[1:])
        rate_mb = stored_bytes / median / 1e6
        print(f"{name:12} {median * 1e3:6.0f} ms  {rate_mb:5.0f} MB/s  least {min(found) * 1e3:.0f} ms")
    ratios = [a / b for a, b in zip(times["consolidate"][1:], times["ingest"][1:], strict=True)]
    print(f"consolidation takes {statistics.median(ratios):.2f} times as long as ingest without proof")


def main(folder: str, place: str) -> None:
    """Race on the files of one series below `folder`, with archives below `place`."""
    paths = sorted(path for path in Path(folder).rglob("*") if path.is_file())
    files = [path.read_bytes() for path in paths]
    print(f"{len(files)} files, {sum(map(len, files)) / 1e6:.1f} MB, {len(os.sched_getaffinity(0))} processors")
    race_consolidation(paths, Path(place), sum(map(len, files)))
    race_receivers(files, Path(place))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else tempfile.gettempdir())
