"""Every byte that came in comes out again: exported files against the sums of MANIFEST.csv."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import pytest

pytestmark = pytest.mark.real


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def sources_of(series):
    return Counter(instance.source for instance in series.manifest.instances)


def test_every_file_alone_is_exported_as_it_was_listed(singles, sums, tmp_path, add_table):
    stored = [taken for taken in singles if taken.is_stored]
    kept, unlike = Counter(), []
    for number, taken in enumerate(stored):
        (path,) = taken.series.export(tmp_path / str(number))
        kept += sources_of(taken.series)
        if sha256_of(path) != sums[taken.file.name]:
            unlike.append(f"{taken.file.name}, kept as {sources_of(taken.series)}")

    lines = [f"{count:5} by {source}" for source, count in sorted(kept.items())]
    exceptions = [f"differs: {line}" for line in unlike] or ["no exception"]
    add_table("single files exported, SHA-256 equal to the manifest's", [*lines, *exceptions])
    assert unlike == []
    assert kept.total() == len(stored)
    assert set(kept) == {"stack", "codestreams", "whole", "none"}


def test_the_archive_of_everything_exports_every_file_it_stored(everything, files, slices, sums, tmp_path, add_table):
    kept, exported, refused = Counter(), set(), {entry.path for entry in everything.report.set_aside}
    refused |= {str(path) for path, _ in everything.report.passed_over}
    for row in everything.archive.contents():
        series = everything.archive.series(row.series_uid)
        kept += sources_of(series)
        exported |= {sha256_of(path) for path in series.export(tmp_path / row.short_id)}

    expected = {sums[file.name]: file.name for file in [*files, *slices] if str(file.path) not in refused}
    missing = [name for sum_, name in expected.items() if sum_ not in exported]
    lines = [f"{count:5} by {source}" for source, count in sorted(kept.items())]
    add_table("everything exported, SHA-256 equal to the manifest's", [*lines, *(missing or ["no exception"])])
    assert missing == []
    assert exported == set(expected)
    assert kept.total() == everything.report.stored


def test_a_native_series_is_kept_once_as_its_stack(everything):
    series = everything.series("ct_head_phantom_1mm")

    assert sources_of(series) == {"stack": 140}
    assert not (series.folder / "codestreams.pack").exists()


def test_compressed_slices_keep_their_codestreams_beside_the_stack(everything):
    series = everything.series("ct_chest_jpeg_lossless")

    assert sources_of(series) == {"codestreams": 148}
    assert all(instance.codestreams >= 1 for instance in series.manifest.instances)
