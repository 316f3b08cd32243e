from __future__ import annotations

import gc
import json
import sqlite3
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress

import pytest
from filmless.errors import Damaged, FilmlessError, InvalidArgument, NotFound
from filmless.storage.home import Home
from filmless.storage.index import Index, short_id
from generations import manifest, publish


@pytest.fixture
def home(tmp_path):
    return Home.create(tmp_path / "archive")


@pytest.fixture
def index(home):
    """An index of three series, two of one study."""
    index = Index(home)
    for uid, sops in (("1.2.30", ["5.1", "5.2"]), ("1.2.31", ["5.3"]), ("1.3.1_2%x", ["5.4"])):
        publish(home, uid, sops, study_uid=uid[:3], PatientName="Ärztin^日本")
    index.catch_up(home.survey())
    index.close()
    return index


def answers(index):
    """What an index says; it is closed then, so that its file may be harmed."""
    told = index.all_series(), index.known_instances(["5.1", "5.2", "5.3", "5.4", "5.5"])
    index.close()
    return told


def test_a_series_is_found_by_its_uid(index):
    assert index.find_series("1.2.31").series_uid == "1.2.31"


def test_a_series_is_found_by_its_short_id(index):
    assert index.find_series(short_id("1.2.30")).series_uid == "1.2.30"


def test_a_series_is_found_by_a_beginning_that_only_it_has(index):
    assert index.find_series("1.3").series_uid == "1.3.1_2%x"
    assert index.find_series(short_id("1.2.31")[:6]).series_uid == "1.2.31"


def test_a_beginning_that_two_have_is_ambiguous(index):
    with pytest.raises(NotFound, match="more than one"):
        index.find_series("1.2.3")


def test_a_whole_uid_is_found_though_others_begin_with_it(index):
    index.put(manifest("1.2", ["6.1"]), 5)

    assert index.find_series("1.2").series_uid == "1.2"


@pytest.mark.parametrize("name", ["%", "_", "1.2.3_", "1%", "1.2.30%", "\\", "1.2.31\\", "9", "1.2.300", "1.2.30 "])
def test_what_no_series_begins_with_is_not_found_wildcards_or_not(index, name):
    with pytest.raises(NotFound, match="no series"):
        index.find_series(name)


def test_wildcards_in_a_name_stand_for_themselves(index):
    assert index.find_series("1.3.1_2%").series_uid == "1.3.1_2%x"


def test_an_empty_name_is_refused(index):
    with pytest.raises(InvalidArgument):
        index.find_series("")


def test_series_come_by_patient_date_study_and_number(home):
    index = Index(home)
    order = [
        ("A", "20240101", "7", ""),
        ("A", "20240101", "7", "2"),
        ("A", "20240101", "7", "10"),
        ("A", "20240102", "1", "1"),
        ("B", "", "1", "-1"),
    ]
    for n, (patient, date, study, number) in enumerate(reversed(order)):
        attributes = {"PatientID": patient, "StudyDate": date, "SeriesNumber": number}
        index.put(manifest(f"1.{n}", [f"2.{n}"], study_uid=study, **attributes), 1)

    rows = [tuple(row.attributes[k] for k in ("PatientID", "StudyDate", "SeriesNumber")) for row in index.all_series()]

    assert rows == [(patient, date, number) for patient, date, _, number in order]


def test_instances_are_known_by_series_and_sha256(index):
    known = index.known_instances(["5.1", "5.4", "nothing"])

    assert known.keys() == {"5.1", "5.4"}
    assert known["5.4"][0] == "1.3.1_2%x"
    assert len(known["5.1"][1]) == 64


def test_a_new_generation_takes_the_place_of_the_former(index):
    index.put(manifest("1.2.30", ["5.1", "5.9"], generation=2), 5)

    assert index.generation_of("1.2.30") == 2
    assert index.known_instances(["5.1", "5.2", "5.9"]).keys() == {"5.1", "5.9"}


def test_a_deleted_index_gives_the_same_answers(home, index):
    before = answers(index)
    home.index.unlink()

    assert answers(Index(home)) == before


@pytest.mark.parametrize("text", [b"", b"this is no database", bytes(8192), b"SQLite format 3\0" + b"\xff" * 4096])
def test_a_file_that_is_no_database_gives_the_same_answers(home, index, text):
    before = answers(index)
    home.index.write_bytes(text)

    assert answers(Index(home)) == before


def test_an_index_cut_short_never_gives_other_answers(home, index):
    before = answers(index)
    whole = home.index.read_bytes()

    for length in range(0, len(whole), 1500):
        home.index.write_bytes(whole[:length])
        with suppress(Damaged):
            assert answers(Index(home)) == before
        home.index.unlink()
        assert answers(Index(home)) == before


def test_an_index_of_another_version_gives_the_same_answers(home, index):
    before = answers(index)
    with closing(sqlite3.connect(home.index)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")

    assert answers(Index(home)) == before


def test_an_index_whose_making_was_stopped_is_made_again(home, index):
    before = answers(index)
    with closing(sqlite3.connect(home.index)) as connection, connection:
        connection.execute("DELETE FROM stacks")
        connection.execute("DELETE FROM alembic_version")

    assert answers(Index(home)) == before


def test_a_generation_that_cannot_be_read_does_not_hide_the_others(home, index):
    (home.generation_folder("1.2.31", 1) / "series.json").write_bytes(b"{")
    home.index.unlink()

    assert [row.series_uid for row in Index(home).all_series()] == ["1.2.30", "1.3.1_2%x"]


def test_a_damaged_page_is_told_with_what_to_do(home, index):
    data = bytearray(home.index.read_bytes())
    data[4096:] = b"\xa5" * (len(data) - 4096)
    opened = Index(home)
    home.index.write_bytes(data)

    with pytest.raises(Damaged, match=r"index\.sqlite: .*delete it"):
        opened.all_series()


def test_an_index_that_cannot_be_opened_is_told_without_touching_it(home, index):
    home.index.unlink()
    home.index.mkdir()

    with pytest.raises(FilmlessError, match=r"index\.sqlite"):
        Index(home)
    assert home.index.is_dir()


def test_what_was_published_and_not_indexed_is_caught_up(home, index):
    publish(home, "1.2.30", ["5.1", "5.2", "5.7"])

    assert index.catch_up(home.survey()) == (1, [])
    assert index.generation_of("1.2.30") == 2
    assert index.catch_up(home.survey()) == (0, [])


def test_a_damaged_generation_is_named_and_the_other_series_are_caught_up(home, index):
    for uid, sop in (("1.2.30", "5.1"), ("1.2.31", "5.3"), ("1.2.32", "5.8")):
        publish(home, uid, [sop])
    for uid, generation in (("1.2.30", 2), ("1.2.32", 1)):
        (home.generation_folder(uid, generation) / "series.json").write_bytes(b"{")

    added, unreadable = index.catch_up(home.survey())

    assert added == 1
    assert [index.generation_of(uid) for uid in ("1.2.30", "1.2.31", "1.2.32")] == [1, 2, None]
    assert ["1.2.30" in line or "1.2.32" in line for line in unreadable] == [True, True]


@pytest.mark.parametrize("harm", ["cut", "of another generation", "missing"])
def test_an_older_generation_stands_in_for_a_damaged_one(home, index, harm):
    before = answers(index)
    publish(home, "1.2.30", ["5.1", "5.2", "5.7"])
    newest, former = (home.generation_folder("1.2.30", n) / "series.json" for n in (2, 1))
    newest.write_bytes(newest.read_bytes()[:100] if harm == "cut" else former.read_bytes())
    if harm == "missing":
        newest.unlink()
    home.index.unlink()

    assert answers(Index(home)) == before


@pytest.mark.parametrize("number", ["--5", "-", "+-1", "²", "1\\\\2", "9" * 5000, "1e3", " 7 ", "٣"])
def test_no_series_number_stops_the_list(home, number):
    index = Index(home)
    for n, given in enumerate([number, "3"]):
        index.put(manifest(f"1.{n}", [f"2.{n}"], SeriesNumber=given), 1)

    assert {row.attributes["SeriesNumber"] for row in index.all_series()} == {number, "3"}


def test_an_index_that_nobody_has_open_is_one_file(home, index):
    assert index.all_series()
    index.close()

    assert {path.name for path in home.root.iterdir() if path.name.startswith("index")} == {"index.sqlite"}


def test_a_reader_never_sees_half_of_an_index_that_is_made_anew(home):
    for n in range(40):
        publish(home, f"1.{n}", [f"2.{n}"])
    seen = []

    def open_and_count(_):
        seen.append(len(Index(home).all_series()))

    for _ in range(5):
        home.index.unlink(missing_ok=True)
        with ThreadPoolExecutor(6) as pool:
            list(pool.map(open_and_count, range(6)))

    assert set(seen) == {40}


def test_what_is_put_while_others_make_the_index_anew_is_not_lost(home):
    """Processes that find no index make it while a writer adds to it: whoever is last, all is there."""
    publish(home, "1.0", ["2.0"])
    code = (
        "import sys; from pathlib import Path\n"
        "from filmless.storage.home import Home; from filmless.storage.index import Index\n"
        "home = Home(Path(sys.argv[1]))\n"
        "for _ in range(30):\n"
        "    home.index.unlink(missing_ok=True); Index(home)\n"
    )
    started = subprocess.Popen([sys.executable, "-c", code, str(home.root)])
    index, puts = Index(home), 0
    while started.poll() is None:
        puts += 1
        publish(home, f"1.{puts}", [f"2.{puts}"])
        with suppress(FilmlessError):  # the index was unlinked at this moment: as if the writer had died
            index.put(manifest(f"1.{puts}", [f"2.{puts}"]), 1)
    index = Index(home)
    index.catch_up(home.survey())

    assert started.returncode == 0
    assert len(index.all_series()) == puts + 1
    assert not list(home.root.glob(".index.sqlite.*"))


def test_the_journal_of_a_former_index_is_not_played_back_into_a_new_one(home, index):
    before = answers(index)
    for suffix in ("-journal", "-wal", "-shm"):
        home.index.with_name(f"index.sqlite{suffix}").write_bytes(b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7" + bytes(9000))
    home.index.write_bytes(b"")

    assert answers(Index(home)) == before
    assert not list(home.root.glob("index.sqlite-*"))


class ReadOnly(Home):
    """An archive mounted read-only: whatever is written into it fails the test."""

    is_writable = False


def contents(home):
    return {path.name: path.read_bytes() for path in home.root.iterdir() if path.is_file()}


def leave_log(home, *, is_committed):
    """Leave the index as a writer that was killed does: its log holds all that it wrote last, or half a transaction."""
    with closing(sqlite3.connect(home.index)) as connection:
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("PRAGMA cache_size = 1")
        connection.execute("BEGIN IMMEDIATE")
        text = json.dumps({"PatientID": "P1", "SeriesDescription": "new" + " " * 9000})
        connection.execute("UPDATE series SET attributes = ?", (text,))
        if is_committed:
            connection.commit()
        copied = {name: data for name, data in contents(home).items() if name.startswith("index")}
    assert copied.keys() == {"index.sqlite", "index.sqlite-wal", "index.sqlite-shm"}
    assert len(copied["index.sqlite-wal"]) > 9000
    del copied["index.sqlite-shm"]  # which holds nothing after a restart
    for name, data in copied.items():
        (home.root / name).write_bytes(data)


class TestReadOnly:
    def test_a_sound_index_answers_and_nothing_is_written(self, home, index):
        before, files = answers(index), contents(home)

        assert answers(Index(ReadOnly(home.root))) == before
        assert contents(home) == files

    @pytest.mark.parametrize(
        "state", ["half a transaction", "no index", "another version", "a stray log", "no database"]
    )
    def test_an_index_that_is_not_sound_is_made_anew_elsewhere(self, home, index, state):
        before = answers(index)
        log = home.index.with_name("index.sqlite-wal")
        {
            "half a transaction": lambda: leave_log(home, is_committed=False),
            "no index": home.index.unlink,
            "another version": lambda: set_version(home, "9999"),
            "a stray log": lambda: log.write_bytes(bytes(9000)),
            "no database": lambda: home.index.write_bytes(b"x" * 5000),
        }[state]()
        files = contents(home)

        assert answers(Index(ReadOnly(home.root))) == before
        assert contents(home) == files

    def test_what_was_made_elsewhere_is_removed_with_the_index(self, home, monkeypatch, tmp_path):
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "elsewhere"))
        home.index.unlink(missing_ok=True)

        index = Index(ReadOnly(home.root))
        assert len(list((tmp_path / "elsewhere").iterdir())) == 1
        del index
        gc.collect()
        assert list((tmp_path / "elsewhere").iterdir()) == []

    def test_what_another_process_writes_is_seen_and_nothing_is_touched(self, home, index):
        index.put(manifest("1.4", ["6.1"]), 5)
        assert home.index.with_name("index.sqlite-wal").exists()
        reader, files = Index(ReadOnly(home.root)), contents(home)

        assert reader.find_series("1.4").instances == 1
        index.put(manifest("1.4", ["6.1", "6.2"], generation=2), 5)
        assert reader.find_series("1.4").instances == 2
        assert contents(home).keys() == files.keys()


def test_half_a_transaction_in_the_log_is_not_seen(home, index):
    before = answers(index)
    leave_log(home, is_committed=False)

    assert answers(Index(home)) == before


def test_a_transaction_in_the_log_of_a_killed_writer_is_seen(home, index):
    leave_log(home, is_committed=True)

    assert {row.attributes["SeriesDescription"].strip() for row in Index(home).all_series()} == {"new"}


def set_version(home, version):
    with closing(sqlite3.connect(home.index)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (version,))
