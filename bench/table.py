"""Print kept results as Markdown: `python bench/table.py bench/results/*.json`, or the latest run without names.

Of several runs each figure is the least of their medians, and ratios are of those: other work on a shared machine
only makes times longer. The greatest median stands beside it, to show how much that was.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

OURS = "filmless"
RESULTS = Path(__file__).resolve().parent / "results"

Medians = dict[str, dict[str, list[float]]]
"""For each job and peer, the figure of each run."""


def gather(runs: list[dict[str, Any]], figure: str) -> Medians:
    """Give `figure` of all runs that have it."""
    found: Medians = defaultdict(lambda: defaultdict(list))
    for run in runs:
        for job, rows in run["jobs"].items():
            for row in rows:
                if figure in row:
                    found[job][row["peer"]].append(row[figure])
    return found


def markdown(runs: list[dict[str, Any]]) -> list[str]:
    """Give the lines of one table a job, fastest first."""
    medians, processors = gather(runs, "median_s"), gather(runs, "processor_s")
    lines = []
    for job, peers in medians.items():
        alone = processors.get(job, {})
        more, rule = (" of processor | ratio |", " ---: | ---: |") if alone else ("", "")
        lines += ["", f"| {job} | median | in other runs up to | ratio |{more}", f"| --- | ---: | ---: | ---: |{rule}"]
        for who in sorted(peers, key=lambda who: min(peers[who])):
            line = f"| {who} | {written(min(peers[who]))} | {written(max(peers[who]))} | {ratio(peers, who)} |"
            lines.append(line + (f" {written(min(alone[who]))} | {ratio(alone, who)} |" if who in alone else ""))
    return lines


def ratio(peers: dict[str, list[float]], who: str) -> str:
    """Give a peer's time over ours, "" where ours is missing."""
    return f"{min(peers[who]) / min(peers[OURS]):.2f}" if OURS in peers else ""


def written(seconds: float) -> str:
    """Write a time with three digits and its unit."""
    unit, scale = ("ms", 1e3) if seconds >= 1e-3 else ("µs", 1e6)
    number = seconds * scale
    return f"{number:.0f} {unit}" if number >= 100 else f"{number:.3g} {unit}"


def main(names: list[str]) -> None:
    """Print the machine, the versions and the tables of some results."""
    paths = [Path(name) for name in names] or sorted(RESULTS.glob("*.json"))[-1:]
    runs = [json.loads(path.read_text()) for path in paths]
    if not runs:
        sys.exit(f"no results in {RESULTS}: run `make bench` first")
    machines = sorted({run["machine"] for run in runs})
    versions = {name: version for run in runs for name, version in run["versions"].items()}
    missing = {name for run in runs for name in run["missing_peers"]}
    print(f"{len(runs)} runs; {'; '.join(machines)}; {', '.join(f'{k} {v}' for k, v in sorted(versions.items()))}")
    if missing:
        print(f"missing peers: {', '.join(sorted(missing))}")
    print("\n".join(markdown(runs)))


if __name__ == "__main__":
    main(sys.argv[1:])
