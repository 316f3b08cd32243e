"""Side by side: one table at the end of a run, each peer's time as a ratio to ours, and the same as JSON.

A benchmark says which job it does and who does it with the fixture `race`; everything else follows from that.
The machine, the versions of all peers, and the peers that are missing are part of the result.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import os
import platform
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
import one_core  # before any library that sizes a pool of threads

# isort: split
import filmless
from folder import CtFolder, make_ct_folder
from table import OURS

BENCH = Path(__file__).resolve().parent

DISTRIBUTIONS = {
    "SimpleITK": "SimpleITK",
    "cv2": "opencv-python-headless",
    "skimage": "scikit-image",
    "ngff_zarr": "ngff-zarr",
    "rle": "pylibjpeg-rle",
    "libjpeg": "pylibjpeg-libjpeg",
    "jpeg_ls": "pyjpegls",
}
FRESH_ROUNDS = 7
"""Runs of a job that needs a fresh place each time, and is too slow for hundreds."""
MISSING: set[str] = set()
VERSIONS: dict[str, str] = {}


@pytest.fixture
def race(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Give `race(job, peer, run, check)`: check what `run()` gives, then time it as `peer` doing `job`.

    With `fresh`, what it gives (a new folder, say) is handed to `run`, made anew for each run and outside the time.
    """

    def enter(
        job: str,
        peer: str,
        run: Callable[..., Any],
        check: Callable[[Any], None],
        fresh: Callable[[], Any] | None = None,
    ) -> None:
        check(run(fresh()) if fresh else run())
        # Asked for this late because a test that skips for a missing peer must not leave it unused.
        benchmark = request.getfixturevalue("benchmark")
        benchmark.group = job
        benchmark.extra_info["peer"] = peer
        if fresh:
            processor_s = benchmark.extra_info["processor_s"] = []
            timed = _with_processor_time(run, processor_s)
            benchmark.pedantic(timed, setup=lambda: ((fresh(),), {}), rounds=FRESH_ROUNDS)
        else:
            benchmark(run)

    return enter


def _with_processor_time(run: Callable[..., Any], processor_s: list[float]) -> Callable[..., Any]:
    """Note the processor's time of each run, of all threads: a busy machine lengthens it less than the clock's."""

    def timed(fresh: Any) -> Any:
        before = time.process_time()
        try:
            return run(fresh)
        finally:
            processor_s.append(time.process_time() - before)

    return timed


@pytest.fixture(scope="session")
def peer() -> Callable[[str], ModuleType]:
    """Give `peer(module)`: the module, its version noted; where it is not installed, that is noted and skipped."""

    def find(module: str) -> ModuleType:
        try:
            found = importlib.import_module(module)
        except ImportError:
            MISSING.add(module)
            pytest.skip(f"peer missing: {module}")
        package = module.split(".")[0]
        VERSIONS[package] = importlib.metadata.version(DISTRIBUTIONS.get(package, package))
        return found

    return find


@pytest.fixture(scope="session")
def sitk(peer: Callable[[str], ModuleType]) -> ModuleType:
    """SimpleITK on one thread."""
    module = peer("SimpleITK")
    module.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    return module


@pytest.fixture(scope="session")
def vtk(peer: Callable[[str], ModuleType]) -> ModuleType:
    """VTK on one thread."""
    module = peer("vtk")
    peer("vtk.util.numpy_support")
    module.vtkMultiThreader.SetGlobalMaximumNumberOfThreads(1)
    module.vtkSMPTools.Initialize(1)
    return module


@pytest.fixture(scope="session")
def ct(tmp_path_factory: pytest.TempPathFactory) -> CtFolder:
    """A folder of CT slices: the real head where there is one, else a made trunk."""
    return make_ct_folder(tmp_path_factory.mktemp("ct"))


@pytest.fixture(scope="session")
def series(ct: CtFolder, tmp_path_factory: pytest.TempPathFactory) -> filmless.Series:
    """The same in an archive."""
    archive = filmless.open(tmp_path_factory.mktemp("archive"))
    archive.ingest(ct.path)
    return archive.series(ct.series_uid)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print the table, and keep it in bench/results/."""
    rows = _measured(config)
    for module in sorted(MISSING):
        terminalreporter.write_line(f"peer missing: {module}", red=True, bold=True)
    if not rows:
        return
    terminalreporter.section("side by side")
    terminalreporter.write_line(f"{_machine()}; {_versions()}")
    for line in _table(rows):
        terminalreporter.write_line(line)
    terminalreporter.write_line(f"kept in {_keep(rows)}")


def _measured(config: pytest.Config) -> dict[str, list[dict[str, Any]]]:
    """Give, for each job, its peers with median and spread, fastest first."""
    session = getattr(config, "_benchmarksession", None)
    jobs = defaultdict(list)
    for bench in session.benchmarks if session else ():
        if bench.stats.data:
            who = bench.extra_info.get("peer", bench.name)
            stats = bench.stats
            row = {"peer": who, "median_s": stats.median, "iqr_s": stats.iqr, "rounds": stats.rounds}
            if processor_s := bench.extra_info.get("processor_s"):
                row["processor_s"] = statistics.median(processor_s)
            jobs[bench.group or bench.name].append(row)
    return {job: _with_ratios(sorted(rows, key=lambda row: row["median_s"])) for job, rows in jobs.items()}


def _with_ratios(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    ours = next((row["median_s"] for row in rows if row["peer"] == OURS), None)
    return [row | {"ratio": row["median_s"] / ours if ours else None} for row in rows]


def _table(jobs: dict[str, list[dict[str, Any]]]) -> list[str]:
    lines = []
    for job, rows in jobs.items():
        lines += ["", f"{job:<52} {'median':>12} {'spread':>12} {'ratio':>8}"]
        for row in rows:
            ratio = "" if row["ratio"] is None else f"{row['ratio']:.2f}x"
            spread = _time(row["iqr_s"])
            alone = f"  ({_time(row['processor_s'])} of processor)" if "processor_s" in row else ""
            lines.append(f"  {row['peer']:<50} {_time(row['median_s']):>12} {spread:>12} {ratio:>8}{alone}")
    return lines


def _time(seconds: float) -> str:
    unit, scale = ("ms", 1e3) if seconds >= 1e-3 else ("µs", 1e6)
    return f"{seconds * scale:.4g} {unit}"


def _keep(jobs: dict[str, list[dict[str, Any]]]) -> Path:
    now = datetime.now(UTC)
    path = BENCH / "results" / f"{now:%Y%m%dT%H%M%SZ}.json"
    path.parent.mkdir(exist_ok=True)
    result = {
        "utc": now.isoformat(timespec="seconds"),
        "machine": _machine(),
        "versions": {"python": platform.python_version(), OURS: importlib.metadata.version(OURS)} | VERSIONS,
        "missing_peers": sorted(MISSING),
        "jobs": jobs,
    }
    path.write_text(json.dumps(result, indent=1) + "\n")
    return path.relative_to(BENCH.parent)


def _machine() -> str:
    model = platform.processor() or platform.machine()
    about = Path("/proc/cpuinfo")
    if about.exists():
        named = (line for line in about.read_text().splitlines() if line.startswith("model name"))
        model = next(named, f": {model}").split(":", 1)[1].strip()
    return f"{model}, one core of {os.cpu_count()} (number {one_core.CORE}), {platform.system()}"


def _versions() -> str:
    return ", ".join(f"{module} {version}" for module, version in sorted(VERSIONS.items()))
