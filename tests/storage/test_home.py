from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from filmless.errors import ArchiveExists, Damaged, InvalidArgument, NotFound
from filmless.storage import home as home_module
from filmless.storage.durable import PartFile
from filmless.storage.home import Home
from filmless.storage.policy import Policy
from generations import publish


@pytest.fixture
def home(tmp_path, series_url):
    return Home.create(tmp_path / "archive", series_url)


def test_an_archive_is_made_where_nothing_is_and_opened_where_it_is(tmp_path):
    for _ in range(2):
        assert Home.create(tmp_path / "deep" / "below").root == tmp_path / "deep" / "below"


def test_the_folders_in_which_a_new_archive_appears_are_flushed(tmp_path, monkeypatch):
    flushed = []
    monkeypatch.setattr(home_module, "flush", flushed.append)
    monkeypatch.chdir(tmp_path)

    Home.create(Path("deep") / "below")

    assert {tmp_path / "deep", tmp_path} == set(flushed)


def test_an_empty_folder_becomes_an_archive(tmp_path):
    Home.create(tmp_path)

    assert Home(tmp_path).root == tmp_path


@pytest.mark.parametrize("name", ["letter.txt", ".hidden", "series/letter.txt"])
def test_a_folder_that_holds_something_else_is_refused_and_left_alone(tmp_path, name):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("precious")

    with pytest.raises(ArchiveExists, match="not an archive and not an empty folder"):
        Home.create(tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / name]


def test_a_file_in_place_of_an_archive_is_refused(tmp_path):
    (tmp_path / "archive").write_text("x")

    with pytest.raises(ArchiveExists):
        Home.create(tmp_path / "archive")


@pytest.mark.parametrize("left", [["series"], ["series", "quarantine"], ["quarantine", ".archive.json.77.part"]])
def test_an_archive_whose_making_was_stopped_is_made_again(tmp_path, left):
    for name in left:
        (tmp_path / name).touch() if name.startswith(".") else (tmp_path / name).mkdir()

    Home.create(tmp_path)

    assert Home(tmp_path).description.exists()


def test_no_archive_is_not_found(tmp_path):
    with pytest.raises(NotFound, match="--archive"):
        Home(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"filmless_archive": 3}', '{"filmless_archive": null}'])
def test_a_description_that_is_none_of_ours_is_damaged(home, text):
    home.description.write_text(text)

    with pytest.raises(Damaged, match=r"archive\.json"):
        Home(home.root)


def test_a_survey_tells_every_series_with_its_generations(home):
    publish(home, "1.2.3")
    publish(home, "1.2.4")
    publish(home, "1.2.4")
    (home.series_folder("1.2.5")).mkdir(parents=True)

    surveyed = home.survey()

    told = [(series.uid, series.generations) for series in surveyed]
    assert told[:2] == [("1.2.3", (1,)), ("1.2.4", (1, 2))]
    assert told[2:] == ([] if home.series_url else [("1.2.5", ())])  # nothing is in an empty folder of an object store
    assert [series.folder for series in surveyed] == [home.store.series(series.uid) for series in surveyed]


def test_a_survey_opens_each_folder_once_and_no_file(tmp_path, monkeypatch):
    home = Home.create(tmp_path / "archive")
    for n in range(5):
        publish(home, f"1.2.{n}")
    (home.root / "series" / "letter.txt").write_text("x")
    (home.series_folder("1.2.3") / ".new-7-ab").mkdir()
    opened = []
    monkeypatch.setattr(os, "scandir", lambda path, scandir=os.scandir: opened.append(str(path)) or scandir(path))
    monkeypatch.setattr(Path, "open", None)

    surveyed = home.survey()

    assert len(opened) == len(set(opened)) == 1 + 5 + len({series.folder.parent for series in surveyed})
    assert [len(series.leftovers) for series in surveyed] == [0, 0, 0, 1, 0]


def test_leftovers_of_a_writer_that_died_are_swept_and_nothing_else(home):
    publish(home, "1.2.3")
    kept = {path for path in home.root.rglob("*") if path.is_file()}
    for leftover in (home.series_folder("1.2.3") / ".new-7-ab", home.series_folder("1.2.9") / ".old-1-cd"):
        (leftover / "stack-0.ome.zarr").mkdir(parents=True)
        (leftover / "stack-0.ome.zarr" / "zarr.json").write_text("x")
    (home.quarantine / ".abc.dcm.77.part").write_text("x")

    (home.root / ".index.lock").touch()
    kept |= {home.root / ".index.lock"}
    (home.root / ".index.sqlite.77-ab.part").write_text("x")
    (home.root / ".index.sqlite.77-ab.part-journal").write_text("x")

    home.sweep(home.survey())

    assert {path for path in home.root.rglob("*") if path.is_file()} == kept
    assert not list((home.root / "series").rglob(".*"))


def test_a_series_lock_is_held_by_one_at_a_time(home):
    with home.series_lock("1.2"), home.series_lock("1.2", waits=False) as is_held:
        assert not is_held


def test_a_series_lock_leaves_other_series_free(home):
    with home.series_lock("1.2"), home.series_lock("1.3", waits=False) as is_held:
        assert is_held


def test_a_series_lock_is_free_again_after_an_error_and_leaves_no_file(home):
    with pytest.raises(ZeroDivisionError), home.series_lock("1.2"):
        1 / 0  # noqa: B018  any error will do

    with home.series_lock("1.2", waits=False) as is_held:
        assert is_held
    assert not list((home.root / ".locks").iterdir())


def test_a_series_lock_keeps_other_processes_out_until_it_ends(home):
    code = (
        "import sys; from pathlib import Path; from filmless.storage.home import Home\n"
        "with Home(Path(sys.argv[1])).series_lock('1.2', waits=False) as is_held: print(is_held)"
    )
    command = [sys.executable, "-c", code, str(home.root)]

    with home.series_lock("1.2"):
        refused = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    allowed = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert (refused, allowed) == ("False\n", "True\n")


def test_many_threads_that_take_turns_at_a_series_lock_are_never_two_at_a_time(home):
    inside, most = [], []

    def work(_):
        with home.series_lock("1.2"):
            inside.append(1)
            most.append(len(inside))
            inside.pop()

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(200)))

    assert set(most) == {1}


def test_what_a_writer_is_at_is_not_swept(home):
    publish(home, "1.2")
    at_work = home.series_folder("1.2") / ".new-1-ab"
    at_work.mkdir()
    part = PartFile(home.quarantine)

    with home.series_lock("1.2"):
        home.sweep(home.survey())

    assert at_work.exists()
    assert part.path.exists()
    part.close()
    home.sweep(home.survey())
    assert not at_work.exists()


def test_an_archive_of_format_1_opens_with_the_policy_it_had_and_becomes_2_with_an_inbox(home):
    home.description.write_text('{"filmless_archive": 1, "codec": "open"}')
    home.inbox.rmdir()
    opened = Home(home.root)

    opened.make_inbox()

    assert opened.policy == Policy()
    assert home.inbox.is_dir()
    assert json.loads(home.description.read_bytes())["filmless_archive"] == 2


def test_a_setting_is_kept_and_others_stay(home):
    home.set_policy({"quiet_s": "7.5"})
    home.set_policy({"same_uid": "reject"})

    assert Home(home.root).policy == replace(home.policy, quiet_s=7.5, same_uid="reject", codec="open")


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("codec", "tiny", "choose open or dense"),
        ("originals", "drop", "choose keep or drop-when-proven"),
        ("same_uid", "", "choose keep-first or reject or replace"),
        ("quiet_s", "soon", "a number from 0"),
        ("quiet_s", "-1", "a number from 0"),
        ("quiet_s", "nan", "a number from 0"),
        ("reserve_bytes", "1.5", "a number from 0"),
        ("colour", "red", "no policy is called 'colour'"),
        ("series", "s3://elsewhere/a", "where the archive was told"),
        ("index", "postgresql://me:secret@host/archive", "PGPASSWORD"),
    ],
)
def test_a_setting_that_none_can_be_is_refused_and_nothing_changes(home, name, text, told):
    before = home.description.read_bytes()

    with pytest.raises(InvalidArgument, match=told):
        home.set_policy({name: text})

    assert home.description.read_bytes() == before


def test_a_policy_of_newer_software_is_refused(home):
    home.description.write_text('{"filmless_archive": 2, "mirror": "yes"}')

    with pytest.raises(Damaged, match="no policy is called 'mirror'"):
        Home(home.root)
