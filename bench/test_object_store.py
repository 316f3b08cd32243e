"""The first coronal of a series in an object store that answers after 20 ms, beside other readers of the same OME-Zarr.

A real S3 server on loopback, and before it a proxy in a process of its own, which adds the latency to every request.
All objects are made anew for each picture. Filmless starts from the series' UID and reads its manifest first; its peers
are given the address of the array.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import filmless
import numpy as np
import pytest
from folder import CtFolder

TESTS = Path(__file__).resolve().parents[1] / "tests"
sys.path.insert(0, str(TESTS))

from object_server import BUCKET, CREDENTIALS, s3_server, url, without_proxies  # noqa: E402

LATENCY_S = 0.02
PREFIX = "bench"


@pytest.fixture(scope="module")
def slow_proxy() -> Iterator[subprocess.Popen[str]]:
    """A proxy before an S3 server; a line to it is answered by the requests and bytes since the last one."""
    os.environ |= CREDENTIALS | without_proxies()
    with s3_server() as upstream:
        command = [sys.executable, str(TESTS / "object_server.py"), upstream, str(LATENCY_S)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            process.endpoint = process.stdout.readline().strip()
            yield process
            process.stdin.close()


@pytest.fixture(scope="module")
def root(ct: CtFolder, slow_proxy: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("remote") / "archive"
    filmless.open(folder, series_url=url(slow_proxy.endpoint, PREFIX)).ingest(ct.path)
    return folder


@pytest.fixture(scope="module")
def level(root: Path, ct: CtFolder) -> str:
    """The key of level 0 in the bucket."""
    return f"{PREFIX}/{filmless.open(root).series(ct.series_uid).folder.path}/stack-0.ome.zarr/0"


@pytest.fixture
def row(ct: CtFolder) -> int:
    return ct.stored.shape[1] // 2


@pytest.fixture
def counted(slow_proxy: Any, capsys: pytest.CaptureFixture[str]) -> Callable[[str, Any], Any]:
    """Give `counted(peer, run)`: a run that has told once how much it asked for."""

    def count(peer: str, run: Callable[[], Any]) -> Callable[[], Any]:
        for ask in (lambda: None, run):
            ask()
            slow_proxy.stdin.write("\n")
            slow_proxy.stdin.flush()
            requests, received = slow_proxy.stdout.readline().split()
        with capsys.disabled():
            print(f"\n{peer}: {requests} requests, {int(received) / 1e6:.2f} MB")
        return run

    return count


@pytest.fixture
def same_values(ct: CtFolder, row: int) -> Callable[[Any], None]:
    return lambda values: np.testing.assert_array_equal(values, ct.stored[:, row, :])


def job(ct: CtFolder) -> str:
    return f"first coronal's values from an object store at {LATENCY_S * 1e3:.0f} ms: {ct.job}"


def test_coronal_filmless(race, ct, root, row, counted, same_values):
    def run():
        return filmless.open(root).series(ct.series_uid).volume().level()[:, row, :]

    race(job(ct), "filmless", counted("filmless", run), same_values)


def with_zarr(zarr, endpoint, level, row):
    from obstore.store import S3Store  # noqa: PLC0415

    def run():
        store = S3Store(BUCKET, prefix=level, endpoint=endpoint, client_options={"allow_http": True})
        return zarr.open_array(zarr.storage.ObjectStore(store, read_only=True), mode="r")[:, row, :]

    return run


def test_coronal_zarr(race, peer, ct, slow_proxy, level, row, counted, same_values):
    run = with_zarr(peer("zarr"), slow_proxy.endpoint, level, row)
    name = "zarr-python, obstore, of the same OME-Zarr"

    race(job(ct), name, counted(name, run), same_values)


def test_coronal_tensorstore(race, peer, ct, slow_proxy, level, row, counted, same_values):
    ts = peer("tensorstore")
    kvstore = {"driver": "s3", "bucket": BUCKET, "path": f"{level}/", "endpoint": slow_proxy.endpoint}
    kvstore |= {"aws_region": "us-east-1", "aws_credentials": {"type": "environment"}}

    def run():
        array = ts.open({"driver": "zarr3", "kvstore": kvstore}, context=ts.Context()).result()
        return array[:, row, :].read().result()

    name = "TensorStore, of the same OME-Zarr"
    race(job(ct), name, counted(name, run), same_values)
