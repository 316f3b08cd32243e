"""Bit rot: a bit flipped anywhere in a generation is named by verification, and no reader ever gets a wrong byte."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from dicom_files import every_file_class
from filmless.engine.archive import open_archive
from filmless.errors import Damaged
from stored import flipped

PLACES = 16
"""Places in each file at which a bit is flipped, beside its first and its last byte."""


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rot")
    every_file_class(folder / "in", range(1, 5), shape=(70, 40), coded=(5,))
    open_archive(folder / "archive").ingest(folder / "in")
    return folder / "archive"


def readings(root: Path) -> dict[str, object]:
    """What every way of reading gives: instances, frames of all stacks, every level; an error where it is damaged."""
    archive = open_archive(root)
    found: dict[str, object] = {}

    def read(name, give):
        try:
            found[name] = give()
        except Damaged as problem:
            found[name] = problem

    for row in archive.contents():
        read(f"series {row.series_uid}", lambda row=row: archive.series(row.series_uid).uid)
        if isinstance(found[f"series {row.series_uid}"], Damaged):
            continue
        series = archive.series(row.series_uid)
        for instance in archive.instances_of(row.series_uid):
            read(instance.sop_uid, lambda uid=instance.sop_uid: archive.instance(uid).read())
        for number, stack in enumerate(series.stacks):
            for at in range(len(stack)):
                read(f"frame {number} {at}", lambda stack=stack, at=at: stack.frame(at).tobytes())
            for level, shape in enumerate(series.manifest.stacks[number].levels):
                _, channels, *box = shape.shape
                for c in range(channels):
                    array = series.published.array(number, level)
                    read(
                        f"level {number} {level} {c}",
                        lambda array=array, c=c, box=tuple(box): array.volume(0, c).read_box((0, 0, 0), box).tobytes(),
                    )
    return found


def names(original: Path) -> list[str]:
    return ["series.json", "headers.pack", "codestreams.pack", "SHA256SUMS", "stack-0.ome.zarr/0/c.0.0.0",
            "stack-0.ome.zarr/1/c.0.0.0", "stack-0.ome.zarr/0/zarr.json", "stack-0.ome.zarr/zarr.json"]  # fmt: skip


@pytest.mark.parametrize("name", names(Path()))
def test_a_flipped_bit_is_named_and_no_reader_gets_a_wrong_byte(original, tmp_path, name):
    root = Path(shutil.copytree(original, tmp_path / "archive"))
    (generation,) = (root / "series").glob("??/*/1")
    (path,) = [path for path in generation.rglob("*") if str(path.relative_to(generation)) == name]
    sound = readings(root)
    size, archive, stopped = path.stat().st_size, open_archive(root), 0
    places = {0, size - 1, *np.linspace(0, size - 1, PLACES).astype(int).tolist()}

    for at in sorted(places):
        whole = flipped(path, at, at % 8)
        damage = archive.verify()
        assert damage, f"byte {at} of {size}"
        found = readings(root)
        for what, value in found.items():
            if isinstance(value, Damaged):
                stopped += 1
                assert str(root) in str(value) or "series" in str(value)
            else:
                assert value == sound[what], f"byte {at} of {size}: {what}"
        path.write_bytes(whole)

    assert archive.verify() == []
    assert stopped or name.endswith(("zarr.json", "SHA256SUMS"))


def test_every_shard_has_its_index_at_places_that_are_tried(original):
    """The index lies at a shard's end: the last byte is one of it."""
    (generation,) = (original / "series").glob("??/*/1")

    assert list(generation.rglob("c.0.0.0"))
