from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest
from dicom_files import image, save, slice_values, slices
from filmless.engine.archive import open_archive

EVIL = "\x1b[2J\x1b[31mEVIL\x07\x9b1m"


class TestWhatATerminalObeys:
    """Control characters of a header never reach the terminal; programs get them escaped."""

    @pytest.fixture
    def archive(self, tmp_path):
        made = image(slice_values(1), SpecificCharacterSet="ISO_IR 192", SeriesDescription=EVIL, StudyDescription=EVIL)
        made.PatientName = made.PatientID = EVIL
        save(made, tmp_path / "in" / "a")
        open_archive(tmp_path / "a").ingest(tmp_path / "in")
        return tmp_path / "a"

    @pytest.mark.parametrize("options", [[], ["--json"]])
    def test_no_control_character_is_printed(self, run, archive, options):
        (row,) = open_archive(archive).contents()

        printed = [run(*command, *options, "-a", archive)[1] for command in (["ls"], ["info", row.short_id])]

        assert all("EVIL" in text for text in printed)
        assert not {"\x1b", "\x07", "\x9b"} & set("".join(printed))

    def test_json_gives_what_the_header_says(self, run, archive):
        (row,) = json.loads(run("ls", "--json", "-a", archive)[1])

        assert row["attributes"]["PatientID"] == EVIL

    def test_an_error_shows_it_by_number(self, run, archive):
        _, _, err = run("info", EVIL, "-a", archive)

        assert r"\x1b[2J" in err.replace("\n", "") or r"\\x1b[2J" in err.replace("\n", "")
        assert "\x1b" not in err


class TestUnlisted:
    def damaged(self, copy, ct, run):
        (open_archive(copy).series(ct).folder / "series.json").write_text("{")
        (copy / "index.sqlite").unlink()
        return run("ls", "-a", copy)

    def test_a_series_that_cannot_be_read_is_told(self, run, copy, ct):
        code, out, err = self.damaged(copy, ct, run)

        assert code == 0
        assert "6 series" in out
        assert err == "1 series cannot be read: run filmless verify\n"
        assert run("verify", "-a", copy)[0] == 4

    def test_the_others_can_be_added_to(self, run, copy, ct, tmp_path):
        self.damaged(copy, ct, run)
        slices(tmp_path / "more", [1, 2])

        code, out, err = run("ingest", tmp_path / "more", "-a", copy)

        assert code == 0
        assert "2 instances stored" in " ".join(out.split())
        assert "not a manifest" in err

    def test_a_series_that_is_not_indexed_yet_is_told_and_is_no_damage(self, run, copy):
        with closing(sqlite3.connect(copy / "index.sqlite")) as connection, connection:
            connection.execute("DELETE FROM series WHERE instances = 8")

        code, out, err = run("ls", "-a", copy)
        assert (code, err) == (0, "1 series not indexed yet: the next ingest does it\n")
        code, out, err = run("verify", "-a", copy)
        assert (code, err) == (0, "")
        assert "not indexed yet" in out

    def test_what_a_stopped_ingest_left_is_named_and_no_damage(self, run, copy, ct):
        (open_archive(copy).series(ct).folder.parent / ".new-7-ab").mkdir()

        code, out, err = run("verify", "-a", copy)

        assert (code, err) == (0, "")
        assert ".new-7-ab: half-written or half-removed" in out.replace("\n", "")
