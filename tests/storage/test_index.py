from __future__ import annotations

import sqlite3
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
    index.catch_up()
    return index


def answers(index):
    return index.all_series(), index.known_instances(["5.1", "5.2", "5.3", "5.4", "5.5"])


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
        connection.execute("PRAGMA user_version = 99")

    assert answers(Index(home)) == before


def test_an_index_whose_making_was_stopped_is_made_again(home, index):
    before = answers(index)
    with closing(sqlite3.connect(home.index)) as connection, connection:
        connection.execute("DELETE FROM series WHERE series_uid = '1.2.31'")
        connection.execute("PRAGMA user_version = 0")

    assert answers(Index(home)) == before


def test_a_generation_that_cannot_be_read_does_not_hide_the_others(home, index):
    (home.generation_folder("1.2.31", 1) / "series.json").write_bytes(b"{")
    home.index.unlink()

    assert [row.series_uid for row in Index(home).all_series()] == ["1.2.30", "1.3.1_2%x"]


def test_a_damaged_page_is_told_with_what_to_do(home, index):
    data = bytearray(home.index.read_bytes())
    data[4096:] = b"\xa5" * (len(data) - 4096)
    home.index.write_bytes(data)

    with pytest.raises(Damaged, match=r"index\.sqlite: .*delete it"):
        Index(home).all_series()


def test_an_index_that_cannot_be_opened_is_told_without_touching_it(home, index):
    home.index.unlink()
    home.index.mkdir()

    with pytest.raises(FilmlessError, match=r"index\.sqlite"):
        Index(home)
    assert home.index.is_dir()


def test_what_was_published_and_not_indexed_is_caught_up(home, index):
    publish(home, "1.2.30", ["5.1", "5.2", "5.7"])

    assert index.catch_up() == 1
    assert index.generation_of("1.2.30") == 2
    assert index.catch_up() == 0
