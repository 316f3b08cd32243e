from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from filmless.errors import FilmlessError, NotFound
from filmless.storage.home import Home
from filmless.storage.index import Index
from filmless.storage.index.schema import metadata
from generations import manifest, publish
from generations import record as archived_record
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from inbox_rows import inbox_row
from sqlalchemy import inspect


def test_an_instance_is_new_then_the_same_and_other_bytes_are_told_with_what_is_held(index):
    row, other = inbox_row("3.1"), inbox_row("3.1", data="other")

    assert index.receive([row]) == ["new"]
    assert index.receive([row]) == ["same"]
    assert index.receive([other]) == [("other", row.sha256)]


def test_of_instances_with_one_uid_in_one_group_the_first_counts(index):
    row, other = inbox_row("3.1"), inbox_row("3.1", data="other")

    assert index.receive([row, row, other]) == ["new", "same", ("other", row.sha256)]
    assert len(index.instances_of("1.2")) == 1


def test_other_bytes_take_the_place_of_the_former_where_they_are_to(index):
    index.receive([inbox_row("3.1", SeriesDescription="former"), inbox_row("3.2", number=2)])
    index.put(manifest("1.3", ["3.3"]), 5)
    newer = [
        inbox_row("3.1", data="x", SeriesDescription="newer"),
        inbox_row("3.2", number=2),
        inbox_row("3.3", data="x"),
    ]

    assert index.receive(newer, replaces=True) == ["new", "same", "new"]

    assert [index.find_instance(row.sop_uid).sha256 for row in newer] == [row.sha256 for row in newer]
    assert index.find_series("1.2").attributes["SeriesDescription"] == "newer"
    assert index.find_instance("3.3").series_uid == "1.2"


def test_an_instance_of_a_generation_is_the_same_when_it_comes_again(index):
    index.put(manifest("1.2", ["3.1"]), 5)

    assert index.receive([inbox_row("3.1"), inbox_row("3.1", data="x")])[0] == "same"
    assert index.find_instance("3.1").place == 1


def test_what_came_in_is_given_back(index):
    row = inbox_row("3.1", number=-7, SeriesDescription="x")
    index.receive([row])

    held = index.find_instance("3.1")

    assert held.place == "inbox"
    assert {name: getattr(held, name) for name in row.__slots__} == {name: getattr(row, name) for name in row.__slots__}
    with pytest.raises(NotFound):
        index.find_instance("3.2")


def test_a_generation_takes_its_instances_from_the_inbox_and_leaves_the_others(index):
    index.receive([inbox_row(f"3.{n}", number=n) for n in range(4)])

    index.put(manifest("1.2", ["3.0", "3.1", "3.2"], study_uid="9.9"), 5)

    assert [row.place for row in index.instances_of("1.2")] == ["inbox", 1, 1, 1] or {
        row.sop_uid: row.place for row in index.instances_of("1.2")
    } == {"3.0": 1, "3.1": 1, "3.2": 1, "3.3": "inbox"}
    (row,) = index.all_series()
    assert (row.instances, row.waiting, row.generation) == (3, 1, 1)


def test_other_bytes_that_wait_stay_when_a_generation_has_the_uid_too(index):
    index.receive([inbox_row("3.1", data="newer")])

    index.put(manifest("1.2", ["3.1"], study_uid="9.9"), 5)

    assert index.find_instance("3.1").place == "inbox"


def test_a_series_waits_until_it_has_been_quiet(index):
    now = datetime.now(UTC)

    def at(seconds):
        return (now - timedelta(seconds=seconds)).isoformat(timespec="microseconds")

    index.receive(
        [inbox_row("3.1", "1.1", at=at(100)), inbox_row("3.2", "1.1", at=at(5)), inbox_row("3.3", "1.2", at=at(40))]
    )
    index.put(manifest("1.3", ["3.9"]), 5)

    assert index.waiting_series(30) == ["1.2"]
    assert index.waiting_series(0) == ["1.2", "1.1"]
    assert index.waiting_series(3600) == []


def test_a_forgotten_series_takes_its_study_and_patient_with_it(index):
    index.receive([inbox_row("3.1", "1.1", "9.1"), inbox_row("3.2", "1.2", "9.1", SeriesDescription="stays")])
    index.forget("1.1")
    assert [row["SeriesDescription"] for row in index.search("series", {})] == ["stays"]

    index.forget("1.2", ["3.2", "8.8"])

    assert [index.search(level, {}) for level in ("patient", "study", "series", "instance")] == [[], [], [], []]


def test_a_study_says_what_the_first_of_its_series_says_and_the_next_where_that_is_silent(index):
    index.receive([inbox_row("3.2", "1.2", StudyDescription="second", AccessionNumber="A2")])
    index.receive([inbox_row("3.1", "1.1", StudyDescription="first")])

    (study,) = index.search("study", {"StudyDescription": "first", "AccessionNumber": "A2"})

    assert index.search("study", {"StudyDescription": "second"}) == []
    assert study["NumberOfStudyRelatedSeries"] == "2"


def test_exactly_one_of_many_threads_receives_an_instance_as_new(index):
    """The same instances, and others under their UIDs, from eight receivers in other orders."""
    rows = [[inbox_row(f"3.{(n * 7 + t) % 40}", f"1.{n % 3}", data=str(t % 2)) for n in range(40)] for t in range(8)]

    def receive(mine):
        outcomes = []
        for at in range(0, 40, 5):
            outcomes += index.receive(mine[at : at + 5])
        return outcomes

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(receive, rows))

    new = {}
    for mine, outcomes in zip(rows, results, strict=True):
        for row, outcome in zip(mine, outcomes, strict=True):
            if outcome == "new":
                assert row.sop_uid not in new
                new[row.sop_uid] = row.sha256
    assert {uid: sha256 for uid, (_, sha256) in index.known_instances([f"3.{n}" for n in range(40)]).items()} == new
    for mine, outcomes in zip(rows, results, strict=True):
        for row, outcome in zip(mine, outcomes, strict=True):
            assert (
                outcome in ("new", "same") if new[row.sop_uid] == row.sha256 else outcome == ("other", new[row.sop_uid])
            )


RECEIVER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[4])
from filmless.storage.home import Home
from filmless.storage.index import Index
from inbox_rows import inbox_row
index, mine = Index(Home(Path(sys.argv[1])), sys.argv[2]), sys.argv[3]
for n in range(60):
    (outcome,) = index.receive([inbox_row(f"3.{n}", f"1.{n % 2}", data=mine)])
    print(outcome if isinstance(outcome, str) else outcome[0])
"""


def test_exactly_one_of_many_processes_receives_an_instance_as_new(index, home, url, request):
    tests = str(request.config.rootpath / "tests")
    commands = [[sys.executable, "-c", RECEIVER, str(home.root), url, str(n), tests] for n in range(4)]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for command in commands]
    told = [process.communicate(timeout=120)[0].split() for process in started]

    assert [process.returncode for process in started] == [0] * 4
    assert all(sorted(outcomes) == ["new", "other", "other", "other"] for outcomes in zip(*told, strict=True))
    assert len(index.instances_of("1.0")) == 30


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["receive", "receive", "receive", "consolidate", "forget instance", "forget series"]),
        st.integers(0, 11),
        st.integers(-1, 3),
        st.sampled_from(["", "a", "b"]),
    ),
    max_size=25,
)


class Twin:
    """Files that an archive would hold: an inbox and the current generation of each series."""

    def __init__(self, home, index):
        self.home, self.index, self.inbox, self.generations = home, index, {}, {}

    def run(self, event, number, order, text):
        series = f"1.{number % 3}"
        if event == "receive":
            row = inbox_row(
                f"3.{number}",
                series,
                f"9.{number % 2}" if number % 3 == 2 else "9.0",
                number=None if order < 0 else order,
                StudyDescription=text,
                PatientName=f"{text}^{number}",
                PatientID=f"P{order % 2}",
                Modality="CTMR"[order:][:2],
                SeriesNumber=str(order),
                sop_class_uid=f"1.{order}",
                StudyDate=f"2020010{number % 9}",
            )
            if self.index.receive([row]) == ["new"]:
                self.inbox[row.sop_uid] = row
        elif event == "consolidate":
            self.consolidate(series)
        elif event == "forget instance" and f"3.{number}" in self.inbox:
            self.index.forget(series, [f"3.{number}"])
            del self.inbox[f"3.{number}"]
        elif event == "forget series":
            self.index.forget(series)
            self.generations.pop(series, None)
            self.inbox = {uid: row for uid, row in self.inbox.items() if row.series_uid != series}

    def consolidate(self, series):
        rows = [row for row in self.inbox.values() if row.series_uid == series]
        if not rows:
            return
        former = self.generations.get(series)
        rows.sort(key=lambda row: (1 << 31 if row.instance_number is None else row.instance_number, row.sop_uid))
        records = [*(former.instances if former else []), *map(archived, rows)]
        first = former or manifest(series, study_uid=rows[0].study_uid, **rows[0].attributes)
        made = replace(first, instances=records, generation=(former.generation if former else 0) + 1)
        self.index.put(made, 7)
        self.generations[series] = made
        self.inbox = {uid: row for uid, row in self.inbox.items() if row.series_uid != series}

    def answers(self):
        index = self.index
        told = [index.search(level, {}) for level in ("patient", "study", "series", "instance")]
        told += [index.search("study", {"PatientName": "a^*"}), index.search("series", {"StudyDescription": "b"})]
        told += [
            index.search("study", {"SOPClassesInStudy": "1.1"}),
            index.search("study", {"ModalitiesInStudy": "MR"}),
        ]
        return [*told, index.all_series(), *(index.instances_of(f"1.{n}") for n in range(3)), index.waiting_series(0)]

    def rebuilt(self):
        """What an index says that is made anew from the files, in whatever order these come."""
        index = self.index
        index._waiting = lambda: list(self.inbox.values())
        index._home = FromMemory(self.generations)
        index.rebuild()
        return self.answers()


class FromMemory:
    def __init__(self, generations):
        self.generations = generations

    def survey(self):
        return list(self.generations)


def archived(row):
    record = archived_record(row.sop_uid)
    return replace(
        record,
        sha256=row.sha256,
        instance_number=row.instance_number,
        sop_class_uid=row.sop_class_uid,
        received_at=row.received_at,
        received_from=row.source,
    )


def no_rows_left(index):
    with index._database.reading() as connection:
        names = set(metadata.tables) & set(inspect(connection).get_table_names())
        return {name: connection.exec_driver_sql(f"SELECT count(*) FROM {name}").scalar_one() for name in names}


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_an_index_made_anew_gives_the_same_answers_whatever_happened_before(
    kind, request, tmp_path_factory, monkeypatch
):
    url = "" if kind == "sqlite" else request.getfixturevalue("postgresql").new_database()
    home = Home.create(tmp_path_factory.mktemp("archive") / "archive")
    index = Index(home, url)
    module = sys.modules["filmless.storage.index.index"]

    def add_missed(connection, surveyed):
        for uid in reversed(surveyed):
            module.writing.put(connection, index._home.generations[uid], 7)

    monkeypatch.setattr(module, "_add_missed", add_missed)

    @settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
    @given(EVENTS)
    def compare(events):
        twin = Twin(home, index)
        for event in events:
            twin.run(*event)
        assert twin.answers() == twin.rebuilt()
        for n in range(3):
            index.forget(f"1.{n}")
        assert set(no_rows_left(index).values()) == {0}

    compare()
    index.close()


def test_generations_and_inbox_are_indexed_anew_in_an_empty_database(home, url):
    publish(home, "1.2", ["3.1", "3.2"], study_uid="9.9")
    rows = [inbox_row("3.2"), inbox_row("3.5"), inbox_row("3.7", "1.7")]

    index = Index(home, url, lambda: rows)
    index.close()

    assert {row.series_uid: (row.generation, row.waiting) for row in index.all_series()} == {
        "1.2": (1, 1),
        "1.7": (0, 1),
    }
    assert index.find_instance("3.2").place == 1
    index.close()


def test_a_newer_index_in_postgresql_is_left_as_it_is(home, postgresql):
    url = postgresql.new_database()
    index = Index(home, url)
    with index._database.writing(None) as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    index.close()

    with pytest.raises(FilmlessError, match="update Filmless"):
        Index(home, url)


@pytest.mark.parametrize("wrong", ["mysql://host/x", "nonsense", "postgresql://nobody@127.0.0.1:1/x"])
def test_a_url_that_leads_nowhere_is_told(home, wrong):
    with pytest.raises(FilmlessError):
        Index(home, wrong)
