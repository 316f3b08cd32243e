from __future__ import annotations

import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from dicom_files import WORDS, image, save, slice_values, slices
from filmless.engine.archive import open_archive
from object_server import BUCKET, FAST, url
from PIL import Image
from stored import flipped

FILMLESS = Path(sys.executable).with_name("filmless")


class TestIngest:
    def test_all_well_is_exit_code_0(self, run, tmp_path):
        slices(tmp_path / "in", [1, 2, 3])

        code, out, err = run("ingest", tmp_path / "in", "--archive", tmp_path / "a")

        assert (code, err) == (0, "")
        assert "3 files: 3 instances stored in 1 series" in " ".join(out.split())

    def test_what_is_set_aside_is_exit_code_3_and_named(self, run, phantom, tmp_path):
        code, out, err = run("ingest", phantom, "--archive", tmp_path / "a")

        assert code == 3
        assert "1 set aside" in " ".join(out.split())
        assert "IM000009" in err
        assert "Traceback" not in err

    def test_twice_says_there_already(self, run, tmp_path):
        slices(tmp_path / "in", [1, 2])
        run("ingest", tmp_path / "in", "--archive", tmp_path / "a")

        code, out, _ = run("ingest", tmp_path / "in", "--archive", tmp_path / "a")

        assert code == 0
        assert "2 there already" in " ".join(out.split())

    def test_the_archive_may_be_named_by_the_environment(self, run, tmp_path, monkeypatch):
        slices(tmp_path / "in", [1, 2])
        monkeypatch.setenv("FILMLESS_ARCHIVE", str(tmp_path / "by-environment"))

        assert run("ingest", tmp_path / "in")[0] == 0
        assert (tmp_path / "by-environment" / "archive.json").exists()

    @pytest.mark.parametrize("text", [b"no instance", b"\x1b[2J is no UID"])
    def test_a_file_name_that_is_not_utf_8_is_set_aside_and_shown(self, run, tmp_path, text):
        (tmp_path / "in").mkdir()
        Path(os.fsdecode(os.fsencode(tmp_path / "in") + b"/M\xfcller.dcm")).write_bytes(text)

        code, out, err = run("ingest", tmp_path / "in", "-a", tmp_path / "a")

        assert code == 3
        assert "1 set aside" in " ".join(out.split())
        assert r"in/M\xfcller.dcm: not DICOM" in err
        assert "1 file set aside" in run("ls", "-a", tmp_path / "a")[1]
        assert run("verify", "-a", tmp_path / "a")[0] == 0

    def test_a_path_that_does_not_exist_makes_no_archive(self, run, tmp_path):
        code, _, err = run("ingest", tmp_path / "typo", "-a", tmp_path / "new")

        assert code == 1
        assert "typo does not exist" in err
        assert list(tmp_path.iterdir()) == []

    def test_names_with_brackets_are_shown_as_they_are(self, run, tmp_path):
        path = save(image(slice_values(1)), tmp_path / "[red]in[/red]" / "a.dcm")
        path.write_bytes(path.read_bytes()[:-30])

        _, _, err = run("ingest", path.parent, "--archive", tmp_path / "a")

        assert "[red]in[/red]/a.dcm" in err


class TestShow:
    def test_ls_shows_patients_series_and_sums(self, run, phantom_archive, ct):
        code, out, _ = run("ls", "-a", phantom_archive)

        assert code == 0
        assert "FILMLESS-0001" in out
        assert ct in out
        assert "7 series, 26 instances" in " ".join(out.split())

    def test_ls_json_is_for_programs(self, run, phantom_archive):
        code, out, _ = run("ls", "--json", "-a", phantom_archive)

        rows = json.loads(out)
        assert code == 0
        assert sum(row["instances"] for row in rows) == 26
        assert {row["attributes"]["PatientID"] for row in rows} == {"FILMLESS-0001"}

    def test_info_shows_stacks_and_levels(self, run, phantom_archive, ct):
        code, out, _ = run("info", ct, "-a", phantom_archive)

        assert code == 0
        for text in ("stack 0", "8 × 64 × 64", "uniform", "Modality"):
            assert text in out

    def test_info_json_agrees_with_the_archive(self, run, phantom_archive, ct):
        code, out, _ = run("info", ct, "--json", "-a", phantom_archive)

        facts = json.loads(out)
        series = open_archive(phantom_archive).series(ct)
        assert code == 0
        assert facts["series_uid"] == series.uid
        assert facts["stacks"][0]["levels"][0]["shape"] == list(series.stack().record.levels[0].shape)

    @pytest.mark.parametrize("number", range(7))
    def test_every_series_of_the_phantom_can_be_shown(self, run, phantom_archive, ids, number):
        code, out, err = run("info", sorted(ids.values())[number], "-a", phantom_archive)

        assert (code, err) == (0, "")
        assert "stack 0" in out

    def test_an_empty_archive_lists_nothing(self, run, tmp_path):
        open_archive(tmp_path / "a")

        code, out, _ = run("ls", "-a", tmp_path / "a")

        assert code == 0
        assert "0 series, 0 instances" in " ".join(out.split())

    def test_json_of_a_name_with_other_letters_is_whole(self, run, tmp_path):
        made = image(slice_values(1), SpecificCharacterSet="ISO_IR 192", PatientName="Müller^日本 [bold]")
        save(made, tmp_path / "in" / "a")
        open_archive(tmp_path / "a").ingest(tmp_path / "in")

        names = [row["attributes"]["PatientName"] for row in json.loads(run("ls", "--json", "-a", tmp_path / "a")[1])]

        assert names == ["Müller^日本 [bold]"]
        assert "[bold]" in run("ls", "-a", tmp_path / "a")[1]


PICTURES = {
    "axial": (["--plane", "axial"], None),
    "coronal": (["--plane", "coronal"], None),
    "sagittal": (["--plane", "sagittal"], None),
    "acquired": (["--plane", "acquired", "--index", "2"], (64, 64)),
    "negative index": (["--plane", "axial", "--index", "-2"], None),
    "by position": (["--plane", "coronal", "--at", "0"], None),
    "oblique": (["--normal", "0,-1,0.5"], None),
    "oblique with up and centre": (["--normal", "1,1,0", "--up", "0,0,1", "--center", "0,0,0"], None),
    "maximum slab": (["--plane", "coronal", "--slab", "40"], None),
    "minimum slab": (["--plane", "axial", "--slab", "60", "--mode", "min", "--window", "-500,1500"], None),
    "mean slab": (["--plane", "axial", "--slab", "60", "--mode", "mean"], None),
    "preset": (["--preset", "lung"], None),
    "window": (["--window", "40,400"], None),
    "size": (["--plane", "sagittal", "--size", "120,90"], (90, 120)),
    "annotated": (["--annotate", "--size", "200,200"], (200, 200)),
}


class TestRender:
    @pytest.mark.parametrize(("options", "shape"), PICTURES.values(), ids=PICTURES)
    def test_a_picture_is_made_and_shows_something(self, run, phantom_archive, ct, tmp_path, options, shape):
        path = tmp_path / "picture.png"

        code, out, err = run("render", ct, "-o", path, "-a", phantom_archive, *options)

        assert (code, err) == (0, "")
        picture = np.asarray(Image.open(path))
        assert shape in (None, picture.shape[:2])
        assert f"{picture.shape[1]} × {picture.shape[0]}" in out
        assert np.ptp(picture) > 100
        assert (picture > 30).mean() > 0.02

    def test_a_jpeg_is_written_by_its_suffix_and_quality(self, run, phantom_archive, ct, tmp_path):
        for quality in (10, 95):
            assert (
                run("render", ct, "-o", tmp_path / f"{quality}.jpg", "--quality", quality, "-a", phantom_archive)[0]
                == 0
            )

        small, large = ((tmp_path / f"{quality}.jpg").read_bytes() for quality in (10, 95))
        assert small[:3] == large[:3] == b"\xff\xd8\xff"
        assert len(small) < len(large)

    def test_annotation_draws_letters(self, run, phantom_archive, ct, tmp_path):
        run("render", ct, "-o", tmp_path / "a.png", "--size", "300,300", "-a", phantom_archive)
        run("render", ct, "-o", tmp_path / "b.png", "--size", "300,300", "--annotate", "-a", phantom_archive)

        plain, annotated = (np.asarray(Image.open(tmp_path / name).convert("L")) for name in ("a.png", "b.png"))
        assert (plain != annotated).any()

    def test_presets_differ(self, run, phantom_archive, ct, tmp_path):
        for preset in ("lung", "bone"):
            run("render", ct, "-o", tmp_path / f"{preset}.png", "--preset", preset, "-a", phantom_archive)

        lung, bone = (np.asarray(Image.open(tmp_path / f"{preset}.png")) for preset in ("lung", "bone"))
        assert lung.mean() > bone.mean() + 20

    def test_a_frame_in_colour_is_rendered_by_index(self, run, phantom_archive, cine, tmp_path):
        for index in (0, 3):
            code, _, err = run("render", cine, "-o", tmp_path / f"{index}.png", "--index", index, "-a", phantom_archive)
            assert (code, err) == (0, "")

        first, last = (np.asarray(Image.open(tmp_path / f"{index}.png")) for index in (0, 3))
        assert first.ndim == 3
        assert (first != last).any()

    def test_a_whole_volume_is_seen_in_grey_and_in_colours(self, run, phantom_archive, ct, tmp_path):
        for name, *options in (("grey",), ("colours", "--transfer", "bone", "--background", "1,2,3")):
            to = ("-o", tmp_path / f"{name}.png", "--size", "40,30", "-a", phantom_archive)
            assert run("render", ct, "--view", "30,15", *options, *to)[0] == 0

        assert np.asarray(Image.open(tmp_path / "grey.png")).shape == (30, 40)
        colours = np.asarray(Image.open(tmp_path / "colours.png"))
        assert colours[0, 0].tolist() == [1, 2, 3]
        assert np.ptp(colours) > 50

    def test_a_view_of_colour_frames_is_refused(self, run, phantom_archive, cine, tmp_path):
        code, _, err = run("render", cine, "--view", "left", "-o", tmp_path / "a.png", "-a", phantom_archive)

        assert code == 1
        assert "only single frames" in err

    @pytest.mark.parametrize("number", range(7))
    def test_every_series_of_the_phantom_renders_without_options(self, run, phantom_archive, ids, number, tmp_path):
        name = sorted(ids.values())[number]

        assert run("render", name, "-o", tmp_path / "a.png", "-a", phantom_archive)[0] == 0
        assert np.ptp(np.asarray(Image.open(tmp_path / "a.png"))) > 20


BAD_OPTIONS = {
    "curve, no file": ["--curve", "nowhere.txt"],
    "curve, one point": ["--curve", "1,2,3;"],
    "zoom of nothing": ["--zoom", "0"],
    "pan, one number": ["--pan", "3"],
    "plane": ["--plane", "diagonal"],
    "at, no number": ["--at", "here"],
    "at, outside": ["--plane", "axial", "--at", "99999"],
    "index, no number": ["--index", "first"],
    "index, outside": ["--index", "8"],
    "index, outside below": ["--index", "-9"],
    "index and at": ["--index", "1", "--at", "2"],
    "normal, two numbers": ["--normal", "1,2"],
    "normal, no numbers": ["--normal", "a,b,c"],
    "normal, zero": ["--normal", "0,0,0"],
    "normal, not finite": ["--normal", "nan,0,1"],
    "normal and plane": ["--normal", "0,0,1", "--plane", "coronal"],
    "up, along the normal": ["--normal", "0,0,1", "--up", "0,0,2"],
    "up, no numbers": ["--normal", "0,0,1", "--up", "x"],
    "center, no numbers": ["--normal", "0,0,1", "--center", "1;2;3"],
    "center, not finite": ["--normal", "0,0,1", "--center", "inf,0,0"],
    "slab, negative": ["--slab", "-1"],
    "slab, no number": ["--slab", "thick"],
    "mode": ["--mode", "median"],
    "window, one number": ["--window", "40"],
    "window, width 0": ["--window", "40,0"],
    "window, negative width": ["--window", "40,-3"],
    "window, not finite": ["--window", "nan,400"],
    "preset": ["--preset", "nose"],
    "size, one number": ["--size", "512"],
    "size, zero": ["--size", "0,0"],
    "size, negative": ["--size", "-5,5"],
    "size, enormous": ["--size", "99999999,99999999"],
    "stack, outside": ["--stack", "1"],
    "stack, negative": ["--stack", "-1"],
    "time, outside": ["--time", "1"],
    "quality, 0": ["--quality", "0"],
    "quality, 101": ["--quality", "101"],
    "an option there is none of": ["--nonsense"],
}


class TestErrors:
    def check(self, result, code=(1, 2)):
        exit_code, out, err = result
        assert exit_code in code
        assert out == ""
        assert "Traceback" not in err
        assert "fault of Filmless" not in err
        assert sum("error:" in line.lower() for line in err.splitlines()) == 1

    @pytest.mark.parametrize("options", BAD_OPTIONS.values(), ids=BAD_OPTIONS)
    def test_a_bad_option_is_one_line_and_leaves_no_file(self, run, phantom_archive, ct, tmp_path, options):
        self.check(run("render", ct, "-o", tmp_path / "a.png", "-a", phantom_archive, *options))

        assert not (tmp_path / "a.png").exists()

    @pytest.mark.parametrize("name", ["a.gif", "a", "a.dcm"])
    def test_a_suffix_that_is_none_of_ours_is_told(self, run, phantom_archive, ct, tmp_path, name):
        self.check(run("render", ct, "-o", tmp_path / name, "-a", phantom_archive))

    def test_a_folder_that_is_not_there_is_told(self, run, phantom_archive, ct, tmp_path):
        result = run("render", ct, "-o", tmp_path / "no" / "a.png", "-a", phantom_archive)

        self.check(result)
        assert "no/a.png" in result[2].replace("\n", "")

    def test_a_plane_of_frames_that_are_no_volume_is_told(self, run, phantom_archive, cine, tmp_path):
        self.check(run("render", cine, "-o", tmp_path / "a.png", "--plane", "coronal", "-a", phantom_archive))

    @pytest.mark.parametrize("command", ["ls", "info 1", "render 1 -o a.png", "export 1 x", "verify"])
    def test_no_archive_is_told_and_none_is_made(self, run, tmp_path, command, monkeypatch):
        monkeypatch.chdir(tmp_path)

        self.check(run(*command.split(), "-a", tmp_path / "nowhere"))
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("command", ["info 9.9", "render 9.9 -o a.png", "export 9.9 x", "verify 9.9"])
    def test_a_series_that_is_not_there_is_told(self, run, phantom_archive, command, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)

        result = run(*command.split(), "-a", phantom_archive)

        self.check(result)
        assert "filmless ls" in result[2].replace("\n", " ")

    def test_an_ambiguous_name_is_told(self, run, phantom_archive):
        self.check(run("info", "1.2.826", "-a", phantom_archive))

    def test_a_path_that_does_not_exist_is_told(self, run, tmp_path):
        self.check(run("ingest", tmp_path / "nowhere", "-a", tmp_path / "a"))

    def test_a_foreign_folder_is_told(self, run, tmp_path):
        (tmp_path / "letter.txt").write_text("x")

        self.check(run("ingest", tmp_path, "-a", tmp_path))

    @pytest.mark.parametrize("arguments", [["nonsense"], ["ingest"], ["render"], ["info"], ["export", "1"]])
    def test_wrong_usage_is_exit_code_2(self, run, arguments):
        self.check(run(*arguments), code=(2,))

    @pytest.mark.parametrize("options", [["--slices", "7"], ["--size", "31"], ["--slices", "many"]])
    def test_a_demo_too_small_is_told(self, run, tmp_path, options):
        self.check(run("demo", "-o", tmp_path / "demo", *options), code=(2,))

    def test_a_damaged_archive_is_told(self, run, copy):
        (copy / "archive.json").write_text("{")

        self.check(run("ls", "-a", copy))


class TestExportAndVerify:
    def test_exported_files_are_those_that_came_in(self, run, phantom, phantom_archive, ct, tmp_path):
        code, out, _ = run("export", ct, tmp_path / "out", "-a", phantom_archive)

        received = {path.read_bytes() for path in phantom.rglob("SE000000/IM*")}
        exported = [path.read_bytes() for path in (tmp_path / "out").iterdir()]
        assert code == 0
        assert "8 instances" in out
        assert len(exported) == 8
        assert received.issuperset(exported)

    @pytest.mark.parametrize("one", [True, False])
    def test_a_sound_archive_is_exit_code_0(self, run, phantom_archive, ct, one):
        code, out, err = run("verify", *([ct] if one else []), "-a", phantom_archive)

        assert (code, err) == (0, "")
        assert f"{8 if one else 26} instances" in out

    @pytest.mark.parametrize("one", [True, False])
    def test_damage_is_exit_code_4_and_named(self, run, copy, ct, one):
        shard = next(open_archive(copy).series(ct).folder.glob("stack-0.ome.zarr/0/c*"))
        flipped(shard, 50)

        code, _, err = run("verify", *([ct] if one else []), "-a", copy)

        assert code == 4
        assert str(shard) in err.replace("\n", "")
        assert "Traceback" not in err

    def test_damage_elsewhere_does_not_matter_to_a_series(self, run, copy, ct, cine):
        flipped(next(open_archive(copy).series(ct).folder.glob("stack-0.ome.zarr/0/c*")), 50)

        assert run("verify", cine, "-a", copy)[0] == 0

    def test_a_damaged_instance_is_not_exported(self, run, copy, ct, tmp_path):
        flipped(next(open_archive(copy).series(ct).folder.glob("stack-0.ome.zarr/0/c*")), 50)

        code, out, err = run("export", ct, tmp_path / "out", "-a", copy)

        assert (code, out) == (1, "")
        assert "fails its checksum" in err.replace("\n", " ")

    def test_what_is_whole_beside_a_damaged_instance_is_exported(self, run, tmp_path):
        slices(tmp_path / "in", [1])
        save(image(WORDS, 9, bits_stored=12), tmp_path / "in" / "kept-whole")
        archive = open_archive(tmp_path / "a")
        archive.ingest(tmp_path / "in")
        (row,) = archive.contents()
        flipped(next(archive.series(row.series_uid).folder.glob("stack-0.ome.zarr/0/c*")), 50)

        code, _, err = run("export", row.short_id, tmp_path / "out", "-a", tmp_path / "a")

        assert code == 1
        assert "1 of 2 instances were written, but not" in err.replace("\n", " ")
        assert len(list((tmp_path / "out").iterdir())) == 1


class TestCommand:
    """The installed command, in a process of its own."""

    @pytest.fixture(autouse=True)
    def _environment(self, monkeypatch):
        monkeypatch.delenv("FILMLESS_DEBUG", raising=False)

    def test_the_version_is_that_of_the_package(self):
        ended = subprocess.run([FILMLESS, "--version"], capture_output=True, text=True, check=True)

        assert ended.stdout == "filmless 0.1.0\n"

    def test_an_error_is_one_line_without_a_traceback(self, tmp_path):
        ended = subprocess.run([FILMLESS, "ls", "-a", tmp_path / "x"], capture_output=True, text=True, check=False)

        assert ended.returncode == 1
        assert ended.stdout == ""
        assert ended.stderr.startswith("error: ")
        assert ended.stderr.count("\n") == 1

    def test_debug_shows_the_traceback(self, tmp_path):
        command = [FILMLESS, "--debug", "ls", "-a", tmp_path / "x"]

        ended = subprocess.run(command, capture_output=True, text=True, check=False)

        assert ended.returncode == 1
        assert "Traceback" in ended.stderr
        assert "NotFound" in ended.stderr

    def test_an_interrupt_says_that_the_work_can_go_on(self, tmp_path):
        command = [FILMLESS, "demo", "-o", tmp_path / "demo", "--slices", "400", "--size", "256"]
        started = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
        )
        while started.poll() is None and not (tmp_path / "demo").exists():
            time.sleep(0.02)
        started.send_signal(signal.SIGINT)

        _, err = started.communicate()

        assert started.returncode == 130
        assert err.splitlines()[-1].startswith("error: stopped")
        assert "Traceback" not in err

    def test_a_reader_that_leaves_early_is_no_error(self, phantom_archive):
        command = f"'{FILMLESS}' ls --json -a '{phantom_archive}' | head -1"

        ended = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)

        assert ended.stdout == "[\n"
        assert ended.stderr == ""

    def test_a_reader_that_is_gone_before_the_first_line_is_no_error(self, phantom_archive):
        read, write = os.pipe()
        os.close(read)

        ended = subprocess.run(
            [FILMLESS, "ls", "-a", phantom_archive], stdout=write, stderr=subprocess.PIPE, text=True, check=False
        )
        os.close(write)

        assert ended.stderr == ""


def test_the_demo_makes_ingests_and_draws_everything(run, tmp_path):
    code, out, err = run("demo", "-o", tmp_path, "--slices", 8, "--size", 48)

    sheet = np.asarray(Image.open(tmp_path / "contact-sheet.png").convert("L"))
    assert code == 0
    assert "not on the sheet" not in err
    assert min(sheet.shape) > 100
    assert np.ptp(sheet) > 200
    assert "filmless ls --archive" in " ".join(out.split())
    assert open_archive(tmp_path / "archive").verify() == []


def test_the_demo_takes_files_of_the_user(run, tmp_path):
    slices(tmp_path / "mine", range(1, 5), shape=(40, 40))

    assert run("demo", tmp_path / "mine", "-o", tmp_path / "demo")[0] == 0
    assert (tmp_path / "demo" / "contact-sheet.png").exists()


def test_codecs_lists_who_decodes_and_encodes_what_and_how_fast(run):
    code, out, _ = run("codecs")

    assert code == 0
    assert "RLE Lossless" in out
    assert "CharLS" in out
    assert "encoded" in out
    assert "OpenJPH" in out
    assert "PyAV" in out


def test_warm_says_how_many_kernels_are_ready(run):
    code, out, _ = run("warm")

    assert code == 0
    assert re.fullmatch(r"\d+ kernels ready in [\d.]+ s: \d+ compiled, \d+ loaded from the cache\n", out)


def test_a_full_disk_is_told_with_what_to_do(run, phantom, tmp_path):
    (tmp_path / "nothing").mkdir()
    run("ingest", tmp_path / "nothing", "--archive", tmp_path / "archive")
    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, former[1]))
    try:
        code, _, err = run("ingest", phantom, "--archive", tmp_path / "archive")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, former)

    assert code == 1
    assert "make room and run the same command again" in err
    assert "Traceback" not in err
    assert run("ingest", phantom, "--archive", tmp_path / "archive")[0] == 3
    assert run("verify", "--archive", tmp_path / "archive")[0] == 0


def test_an_archive_in_an_object_store_takes_every_command(run, phantom, tmp_path, s3):
    root, where = tmp_path / "archive", url(s3, "cli", FAST)

    code, out, _ = run("ingest", phantom, "--archive", root, "--series-url", where)
    row = next(row for row in open_archive(root).contents() if row.attributes["Modality"] == "CT")

    assert (code, "26 instances stored" in out) == (3, True)
    assert row.series_uid in run("ls", "--archive", root, "--json")[1]
    assert f"s3://{BUCKET}/cli/" in run("info", row.short_id, "--archive", root)[1]
    picture = tmp_path / "coronal.png"
    assert run("render", row.short_id, "--plane", "coronal", "-o", picture, "--archive", root)[0] == 0
    assert picture.stat().st_size > 100
    assert run("export", row.short_id, tmp_path / "out", "--archive", root)[0] == 0
    code, out, err = run("verify", "--archive", root)
    assert (code, "all is well" in out) == (0, True), err


def test_a_store_that_does_not_answer_ends_a_command_with_what_to_check(run, phantom, tmp_path):
    where = "s3://bucket/a?endpoint=http://127.0.0.1:9&retries=0&timeout_s=1"

    code, _, err = run("ingest", phantom, "--archive", tmp_path / "archive", "--series-url", where)

    assert (code, "check that the endpoint runs" in err) == (1, True)
    assert "Traceback" not in err
