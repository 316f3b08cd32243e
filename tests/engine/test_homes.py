"""An archive with its series in a folder or in an object store: the same pictures, the same bytes, the same damage."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from contextlib import suppress
from pathlib import Path
from threading import Lock

import filmless
import numpy as np
import pytest
from dicom_files import every_file_class, image, save, slices
from filmless.engine.archive import open_archive
from filmless.engine.render.planes import oblique
from filmless.errors import Damaged, InvalidArgument, StoreFailed
from filmless.storage import bricks
from filmless.storage.array import StoredArray
from object_server import FAST, url
from PIL import Image
from stored_files import StoredFiles

FILES = {
    "manifest": "series.json",
    "sums": "SHA256SUMS",
    "headers": "headers.pack",
    "codestreams": "codestreams.pack",
    "metadata": "stack-0.ome.zarr/zarr.json",
    "shard": "stack-0.ome.zarr/0/c.0.0.0",
}


@pytest.fixture(autouse=True)
def nothing_decoded_yet():
    """Let no read of a test be answered from what another has decoded."""
    bricks.shared.cache_clear()


@pytest.fixture(scope="module")
def export(tmp_path_factory) -> Path:
    """Files of one series: slices, codestreams, and one that is kept whole."""
    folder = tmp_path_factory.mktemp("homes") / "export"
    return every_file_class(folder, range(1, 5), shape=(40, 50), coded=(7, 8))


@pytest.fixture(scope="module", params=["folder", "object store"])
def held(request, export, tmp_path_factory):
    """An archive of these files; a test puts back what it harms."""
    where = ""
    if request.param == "object store":
        where = url(request.getfixturevalue("s3"), f"homes-{uuid.uuid4().hex}", f"{FAST}&grace_s=0")
    archive = open_archive(tmp_path_factory.mktemp("held") / "archive", series_url=where)
    assert archive.ingest(export).stored == 7
    return archive


@pytest.fixture
def stored(held):
    return StoredFiles(held.root)


def anew(archive):
    """The archive's only series, opened by one that has read nothing yet."""
    opened = open_archive(archive.root, create=False)
    return opened.series(opened.contents()[0].series_uid)


def test_every_instance_comes_back_byte_for_byte(held, export, tmp_path):
    written = anew(held).export(tmp_path)

    assert {path.read_bytes() for path in written} == {path.read_bytes() for path in export.iterdir()}


def test_an_untouched_archive_is_well_and_nothing_is_unfinished(held):
    assert (held.verify(), held.unfinished()) == ([], [])


def test_a_deleted_index_is_made_again_with_the_same_answers(held):
    before = held.contents()
    (held.root / "index.sqlite").unlink()

    assert open_archive(held.root).contents() == before


@pytest.mark.parametrize("share", [0.0, 0.4, 0.9999])
@pytest.mark.parametrize("name", FILES.values(), ids=FILES)
def test_a_flipped_bit_in_any_file_is_named(held, stored, name, share):
    whole = stored.flip(name, share)

    damage = open_archive(held.root).verify()

    stored.write(name, whole)
    assert any(name == "SHA256SUMS" or str(stored.place / name) in line for line in damage)
    assert held.verify() == []


def test_every_file_is_missed_and_a_foreign_one_is_named(held, stored):
    for name in FILES.values():
        whole = stored.read(name)
        stored.remove(name)
        damage = open_archive(held.root).verify()
        stored.write(name, whole)
        assert any(name in line for line in damage) or name == "series.json", name
        assert damage, name
    stored.write("stray.txt", b"x")

    damage = open_archive(held.root).verify()

    stored.remove("stray.txt")
    assert damage == [f"{stored.place / 'stray.txt'}: does not belong to the generation"]


@pytest.mark.parametrize(
    ("name", "share", "read"),
    [
        ("stack-0.ome.zarr/0/c.0.0.0", 0.1, lambda series: series.volume().level()[:]),
        ("stack-0.ome.zarr/0/c.0.0.0", 0.9999, lambda series: series.volume().level()[:]),
        ("headers.pack", 0.1, lambda series: [series.instance(i.sop_instance_uid) for i in series.manifest.instances]),
        (
            "codestreams.pack",
            0.1,
            lambda series: [series.instance(i.sop_instance_uid) for i in series.manifest.instances],
        ),
    ],
)
def test_the_read_that_meets_a_flipped_bit_names_the_file(held, stored, name, share, read):
    whole = stored.flip(name, share)

    with pytest.raises(Damaged) as problem:
        read(anew(held))

    stored.write(name, whole)
    assert str(stored.place / name) in str(problem.value)


def test_the_size_of_each_level_is_that_of_its_files(held, stored):
    from filmless.cli.show import level_sizes  # noqa: PLC0415

    series = anew(held)
    sizes = level_sizes(series.stack(), series)

    files = [f"stack-{series.stacks.index(series.stack())}.ome.zarr/0/{name}" for name in ("zarr.json", "c.0.0.0")]
    assert sizes[0][1] == sum(len(stored.read(name)) for name in files)


def test_an_archive_keeps_its_series_where_it_was_told_first(held):
    with pytest.raises(InvalidArgument, match="leave the URL out"):
        open_archive(held.root, series_url="s3://elsewhere/a")


def test_a_url_that_is_none_makes_no_archive(tmp_path):
    with pytest.raises(InvalidArgument, match="s3://bucket/prefix"):
        open_archive(tmp_path / "archive", series_url="ftp://a/b")

    assert not (tmp_path / "archive").exists()


INGEST = """
import sys
from filmless.engine.archive import open_archive
open_archive(sys.argv[1], create=False).ingest(sys.argv[2])
"""


@pytest.fixture
def begun(s3_proxy, tmp_path):
    """Give `begun(number)`: the root of an archive of two slices behind the proxy; a third waits in `late`."""
    slices(tmp_path / "early", [1, 2])
    slices(tmp_path / "late", [3])

    def begin(number: int) -> Path:
        where = url(s3_proxy.endpoint, f"killed-{uuid.uuid4().hex}", "timeout_s=5&retries=0&grace_s=0")
        archive = open_archive(tmp_path / f"archive-{number}", series_url=where)
        archive.ingest(tmp_path / "early")
        return archive.root

    return begin


def check_whole_then_complete(root: Path, received: Path) -> None:
    """Whatever the archive holds is sound, and ingesting once more makes it hold everything, and nothing beside."""
    early, late = ({path.read_bytes() for path in (received / name).iterdir()} for name in ("early", "late"))
    archive = open_archive(root)
    assert archive.verify() == []
    assert {path.read_bytes() for path in anew(archive).export(root.with_suffix(".before"))} in (early, early | late)
    archive.ingest(received / "late")
    assert (archive.verify(), archive.unfinished()) == ([], [])
    assert {path.read_bytes() for path in anew(archive).export(root.with_suffix(".after"))} == early | late


def from_change(number, then):
    """A fault of the n-th request that changes the store, and of all that follow; and the list of these."""
    changes, failed, lock = [], [], Lock()

    def choose(request):
        with lock:
            if request.method != "GET":
                changes.append(request)
            if len(changes) < number or (request.method == "GET" and not failed):
                return ""
            failed.append(request)
        return then()

    return choose, failed


def test_an_ingest_cut_off_at_any_request_leaves_a_whole_archive_and_the_next_completes_it(begun, s3_proxy, tmp_path):
    failed, number = [True], 0
    while failed:
        root, number = begun(number), number + 1
        archive = open_archive(root)
        s3_proxy.fault, failed = from_change(number, lambda: "reset")

        with suppress(StoreFailed):
            archive.ingest(tmp_path / "late")

        s3_proxy.fault = lambda _: ""
        check_whole_then_complete(root, tmp_path)
    assert number > 10


@pytest.mark.parametrize("number", [1, 4, 9])
def test_an_ingest_that_is_killed_leaves_a_whole_archive_and_the_next_completes_it(begun, s3_proxy, tmp_path, number):
    root = begun(number)
    environment = os.environ | {"PYTHONPATH": str(Path(filmless.__file__).parent / ".import")}
    child = subprocess.Popen([sys.executable, "-c", INGEST, str(root), str(tmp_path / "late")], env=environment)
    s3_proxy.fault, _ = from_change(number, lambda: child.kill() or "reset")

    assert child.wait(120) == -signal.SIGKILL

    s3_proxy.fault = lambda _: ""
    check_whole_then_complete(root, tmp_path)


SHAPE = (288, 224, 256)
SERIES = "1.2.826.0.1.3680043.10.543.77"


@pytest.fixture(scope="module")
def volume(tmp_path_factory):
    """Two archives of a CT of nine slabs, one in a folder, one beside it in the object store."""
    folder = tmp_path_factory.mktemp("planes")
    noise = np.random.default_rng(5).normal(0, 40, SHAPE)
    body = np.hypot(*np.ogrid[-112:112, -128:128]) < 100
    values = (np.where(body, 40, -1000) + noise * body).astype(np.int16)
    for n, plane in enumerate(values):
        save(
            image(plane, n + 1, series=77, WindowCenter=40, WindowWidth=400, RescaleSlope=1, RescaleIntercept=0),
            folder / "in" / f"{n:03}.dcm",
        )
    open_archive(folder / "local").ingest(folder / "in")
    return folder, values


@pytest.fixture(scope="module")
def remote(volume, s3):
    """The prefix under which the volume lies in the object store."""
    prefix = f"planes-{uuid.uuid4().hex}"
    open_archive(volume[0] / "remote", series_url=url(s3, prefix)).ingest(volume[0] / "in")
    return prefix


@pytest.fixture
def through(volume, remote, s3_proxy, tmp_path):
    """The root of the archive in the object store, reached through the proxy."""
    root = tmp_path / "archive"
    open_archive(root, series_url=url(s3_proxy.endpoint, remote, "timeout_s=1&retries=2"))  # makes the index
    s3_proxy.requests.clear()
    return root


def chunk_bytes(volume, *, row=None, slab=None) -> int:
    """Bytes that the chunks of level 0 in a row or a slab of chunks hold."""
    folder = open_archive(volume[0] / "local").series(SERIES).folder
    record = open_archive(volume[0] / "local").series(SERIES).manifest.stacks[0]
    array = StoredArray(folder / record.folder / "0", record.levels[0], np.dtype(record.dtype))
    index = array.shard(0, 0).index[0, 0]
    lengths = index[(slice(None) if slab is None else slab), (slice(None) if row is None else row), :, 1]
    return int(lengths[lengths != np.iinfo(np.uint64).max].sum())


def test_a_cold_process_makes_a_coronal_by_five_requests_for_just_its_chunks(volume, through, s3_proxy, tmp_path):
    s3_proxy.latency_s = 0.02
    picture = tmp_path / "coronal.png"
    command = ["-m", "filmless.cli", "render", SERIES, "--plane", "coronal", "--index", "100", "-o", str(picture)]
    program = "import sys; from filmless.cli import main; sys.argv[0] = 'filmless'; main()"

    subprocess.run(
        [sys.executable, "-c", program, *command[2:], "--archive", str(through)],
        check=True,
        capture_output=True,
        env=os.environ | {"PYTHONPATH": str(Path(filmless.__file__).parent / ".import")},
    )

    expected = open_archive(volume[0] / "local").series(SERIES).volume()
    np.testing.assert_array_equal(Image.open(picture), filmless.render(expected, "coronal", index=100))
    assert len(s3_proxy.requests) <= 5  # manifest, the shard's index, a run of chunks for each of three groups of slabs
    assert s3_proxy.response_bytes <= 2 * chunk_bytes(volume, row=100 // 32)


PLANES = {
    "axial": lambda volume: filmless.render(volume, "axial", index=50),
    "coronal": lambda volume: filmless.render(volume, "coronal", index=50),
    "sagittal": lambda volume: filmless.render(volume, "sagittal", index=50),
    "oblique slab": lambda volume: filmless.render(volume, oblique(volume, (1, 0.9, 0.8)), slab_mm=5),
    "coarse": lambda volume: filmless.render(volume, "coronal", size=(64, 64)),
}


@pytest.mark.parametrize("draw", PLANES.values(), ids=PLANES)
def test_every_plane_is_the_one_that_a_folder_gives(volume, through, draw):
    local = open_archive(volume[0] / "local").series(SERIES).volume()

    np.testing.assert_array_equal(draw(open_archive(through).series(SERIES).volume()), draw(local))


def test_a_plane_drawn_again_asks_for_nothing(through, s3_proxy):
    volume = open_archive(through).series(SERIES).volume()
    first = filmless.render(volume, "coronal", index=100)
    s3_proxy.requests.clear()

    again = filmless.render(volume, "coronal", index=100)
    filmless.render(volume, "coronal", index=101)

    np.testing.assert_array_equal(again, first)
    assert s3_proxy.requests == []


def test_an_axial_takes_few_requests_too(volume, through, s3_proxy):
    series = open_archive(through).series(SERIES).volume()
    s3_proxy.requests.clear()

    filmless.render(series, "axial", index=100)

    assert len(s3_proxy.requests) <= 12
    assert s3_proxy.response_bytes <= 2 * chunk_bytes(volume, slab=100 // 32) + (64 << 10)


@pytest.mark.parametrize("fault", ["500", "503", "reset", "cut", "short", "flip", "stall"])
def test_a_fault_of_any_one_request_gives_the_right_picture(volume, through, s3_proxy, fault):
    expected = filmless.render(open_archive(volume[0] / "local").series(SERIES).volume(), "coronal", index=100)
    count = 0
    for number in range(6 if fault != "stall" else 2):
        seen = []
        s3_proxy.fault = lambda r, seen=seen, at=number: fault if seen.append(r) or len(seen) == at + 1 else ""
        try:
            picture = filmless.render(open_archive(through).series(SERIES).volume(), "coronal", index=100)
        except Damaged:  # a flipped bit in manifest or index: told, never drawn
            assert fault == "flip"
            continue
        np.testing.assert_array_equal(picture, expected)
        count += 1
    assert count >= 2


@pytest.mark.parametrize("fault", ["500", "reset", "cut", "short", "flip"])
def test_faults_that_do_not_end_are_told_and_never_drawn(through, s3_proxy, fault):
    volume = open_archive(through).series(SERIES).volume()
    s3_proxy.fault = lambda _: fault

    with pytest.raises((StoreFailed, Damaged)):
        filmless.render(volume, "coronal", index=100)


def test_reads_at_the_same_time_see_the_same_values(volume, through):
    level = open_archive(through).series(SERIES).volume().level()
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415

    with ThreadPoolExecutor(8) as threads:
        slabs = list(threads.map(lambda z: level[z : z + 24], range(0, 288, 24)))

    np.testing.assert_array_equal(np.concatenate(slabs), volume[1])
