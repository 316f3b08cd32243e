"""Everything is received one by one, consolidated and exported: byte for byte, by the sums of MANIFEST.csv."""

from __future__ import annotations

import hashlib

import filmless
import pytest
from filmless.errors import FormatError

pytestmark = pytest.mark.real


def test_every_file_that_is_an_instance_comes_out_as_it_was_received(files, slices, sums, tmp_path, add_table):
    archive = filmless.open(tmp_path / "archive")
    archive.set_policy(reserve_bytes="0")
    refused, received, aside = {}, {}, {}
    for file in [*files, *slices]:
        try:
            outcome = archive.receive(file.path, "test").outcome
        except FormatError as problem:
            refused[file.name] = str(problem)
            continue
        (aside if outcome == "set-aside" else received)[file.name] = sums[file.name]

    results = archive.consolidate(quiet_s=0)

    assert [result.problem for result in results if result.problem] == []
    left = {uid: why for result in results for uid, why in result.left}
    exported = set()
    for row in archive.contents():
        for path in archive.series(row.series_uid).export(tmp_path / row.short_id):
            exported.add(hashlib.sha256(path.read_bytes()).hexdigest())
    missing = sorted(name for name, sum_ in received.items() if sum_ not in exported)
    lines = [f"{len(received)} received, {len(results)} series, {len(left)} left in the inbox"]
    lines += [f"refused, in quarantine: {name}: {why}" for name, why in sorted(refused.items())]
    lines += [f"set aside: {name}" for name in sorted(aside)]
    add_table("everything received, consolidated, exported", [*lines, *(missing or ["no exception"])])
    assert missing == []
    assert exported == set(received.values())
    assert {entry.sha256 for entry in archive.set_aside()} >= set(aside.values())
    assert {entry.sha256 for entry in archive.set_aside()} >= {sums[name] for name in refused}
    named = {name: why for name, why in refused.items() if not name.startswith("malformed/")}
    assert all("is missing" in why or "a DICOMDIR" in why for why in named.values())
    assert archive.verify() == []
