"""The index: look-ups, searches and reception, beside the same SQL by plain `sqlite3` on the same file.

The index holds FILMLESS_BENCH_STUDIES studies (50,000) of one series of 20 instances, one of them of 500.
Run as `pytest bench/test_index.py -s`; each line gives the median of the index, of plain sqlite3, and their ratio.
"""

from __future__ import annotations

import json
import os
import random
import sqlite3
import statistics
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from filmless.storage.home import Home
from filmless.storage.index import Index, writing

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from generations import manifest, record
from inbox_rows import inbox_row

STUDIES = int(os.environ.get("FILMLESS_BENCH_STUDIES", "50000"))
FAMILY = ["Smith", "Müller", "García", "Yamada", "Okafor", "Ivanova", "Nguyen", "Haddad", "Kowalski", "Rossi"]
GIVEN = ["Anna", "John", "María", "Tarou", "Chidi", "Olga", "Minh", "Layla", "Piotr", "Luca", "Zoë", "Ron"]


def series_of(number: int):
    """The manifest of one study's series."""
    random.seed(number)
    count = 500 if number == STUDIES // 2 else 20
    instances = [record(f"1.2.826.0.1.3680043.8.498.{number:08}.1.{n}", size_bytes=500_000) for n in range(count)]
    name = f"{random.choice(FAMILY)}{number % 977}^{random.choice(GIVEN)}"
    uid = f"1.2.826.0.1.3680043.8.498.{number:08}"
    return manifest(
        f"{uid}.1",
        study_uid=uid,
        instances=instances,
        PatientName=name,
        PatientID=f"PID{number % (STUDIES // 2):07}",
        StudyDate=f"20{number % 24:02}{number % 12 + 1:02}{number % 28 + 1:02}",
        StudyTime="101530",
        AccessionNumber=f"ACC{number:08}",
        StudyDescription=random.choice(["CT HEAD", "MR KNEE", "CT CHEST W CONTRAST"]),
        Modality=random.choice(["CT", "MR", "US"]),
        SeriesDescription="axial 1.0 B31f",
        SeriesNumber="2",
        StationName=f"STATION{number % 17}",
        BodyPartExamined="HEAD",
        Manufacturer="ACME",
    )


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    index = Index(Home.create(tmp_path_factory.mktemp("bench") / "archive"))
    started = time.perf_counter()
    with index._database.writing(None) as connection:
        for number in range(STUDIES):
            writing.put(connection, series_of(number), 1000)
    seconds = time.perf_counter() - started
    size = index._home.index.stat().st_size
    print(f"\n{STUDIES} studies, {STUDIES * 20 + 480} instances: {seconds:.0f} s, {size / 1e6:.0f} MB of index")
    yield index
    index.close()


@pytest.fixture(scope="module")
def plain(index):
    with closing(sqlite3.connect(index._home.index, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = FULL")
        yield connection


def milliseconds(*calls, repeats=60):
    """Medians of calls that take turns."""
    times = [[] for _ in calls]
    for _ in range(repeats):
        for mine, call in zip(times, calls, strict=True):
            started = time.perf_counter()
            call()
            mine.append((time.perf_counter() - started) * 1e3)
    return [statistics.median(mine) for mine in times]


def told(name, ours, theirs):
    print(f"{name:44} {ours:9.3f} ms   sqlite3 {theirs:9.3f} ms   ratio {ours / theirs:5.2f}")


UID = f"1.2.826.0.1.3680043.8.498.{STUDIES // 2:08}"


def test_look_ups(index, plain):
    def ask(sql, *values):
        return lambda: plain.execute(sql, values).fetchall()

    joined = "SELECT * FROM instances JOIN series ON series.id = series_id JOIN studies ON studies.id = study_id WHERE "
    for name, ours, theirs in (
        ("instance by UID", lambda: index.find_instance(f"{UID}.1.7"), ask(f"{joined} sop_uid = ?", f"{UID}.1.7")),
        (
            "series by UID",
            lambda: index.find_series(f"{UID}.1"),
            ask("SELECT * FROM series WHERE series_uid = ?", f"{UID}.1"),
        ),
        (
            "64 instances known",
            lambda: index.known_instances([f"{UID}.1.{n}" for n in range(64)]),
            ask(
                "SELECT sop_uid, series_uid, sha256 FROM instances JOIN series ON series.id = series_id "
                "WHERE sop_uid IN (SELECT value FROM json_each(?))",
                json.dumps([f"{UID}.1.{n}" for n in range(64)]),
            ),
        ),
    ):
        told(name, *milliseconds(ours, theirs))


def test_searches(index, plain):
    def study(**asked):
        return lambda: index.search("study", asked, limit=100)

    name = (
        "SELECT DISTINCT studies.* FROM studies JOIN study_terms ON owner = studies.id WHERE key = 0x00100010 AND text "
    )
    date = "SELECT studies.* FROM studies WHERE moment BETWEEN ? AND ? ORDER BY moment DESC LIMIT 100"
    of_series = "SELECT instances.attributes FROM instances JOIN series ON series.id = series_id WHERE series_uid = ?"
    for label, ours, sql, values in (
        ("studies of one accession number", study(AccessionNumber="ACC00000077"), f"{name} = ?", ("x",)),
        ("studies named smith12^*", study(PatientName="SMITH12^*"), f"{name} GLOB ?", ("smith12^*",)),
        (
            "studies named *mith123*, by a scan in sqlite3",
            study(PatientName="*MITH123*"),
            f"{name} LIKE ?",
            ("%mith123%",),
        ),
        ("studies of a day", study(StudyDate="20200909"), date, ("20200909", "20200910")),
        (
            "instances of a series of 500 (QIDO)",
            lambda: index.search("instance", {"SeriesInstanceUID": f"{UID}.1"}),
            of_series,
            (f"{UID}.1",),
        ),
    ):
        told(
            label, *milliseconds(ours, lambda sql=sql, values=values: plain.execute(sql, values).fetchall(), repeats=30)
        )


@pytest.mark.parametrize("group", [1, 16, 64])
def test_durable_reception(index, plain, group):
    """Beside plain sqlite3 that only inserts the same rows, with neither question nor lock."""
    serial = iter(range(10**9))
    plain.execute("CREATE TABLE IF NOT EXISTS plain AS SELECT * FROM instances LIMIT 0")
    plain.execute("CREATE UNIQUE INDEX IF NOT EXISTS plain_uid ON plain (sop_uid)")
    described = {"StudyDate": "20240101", "PatientName": "Doe^John", "SeriesDescription": "axial", "Rows": "512"}

    def rows():
        return [
            inbox_row(f"5.{group}.{next(serial):09}", f"4.{group}", f"3.{group}", number=n, **described)
            for n in range(group)
        ]

    prepared = iter([rows() for _ in range(200)])
    values = iter([[writing._waiting_values(row, 1) for row in rows()] for _ in range(200)])
    names = list(writing._waiting_values(rows()[0], 1))
    sql = f"INSERT INTO plain ({', '.join(names)}) VALUES ({', '.join(f':{name}' for name in names)})"

    def insert():
        plain.execute("BEGIN IMMEDIATE")
        plain.executemany(sql, next(values))
        plain.execute("COMMIT")

    index.receive(rows())
    ours, theirs = milliseconds(lambda: index.receive(next(prepared)), insert, repeats=150)
    told(f"receive in groups of {group}: {group / ours * 1e3:.0f}/s", ours, theirs)
