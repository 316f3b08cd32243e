"""The documents keep their word: their Python runs, their commands exist, their links lead somewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import filmless
import numpy as np
import pytest
from coded_slices import JPEG_2000, JPEG_LS, coded_slices
from dicom_files import report, save
from filmless.cli.app import app
from filmless.demo.phantom import write_phantom
from typer.testing import CliRunner

ROOT = Path(__file__).resolve().parent.parent
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
COMMAND_LINE = ROOT / "docs" / "reference" / "command-line.md"
ARCHIVE_FORMAT = ROOT / "docs" / "reference" / "archive-format.md"
NOT_RUN = "<!-- not run:"

FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^]]*\]\(([^)\s]+)\)")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
HELP_LINE = re.compile(r"^ +(?:-\w, )?(--[a-z][a-z-]*)", re.MULTILINE)
COMMAND = re.compile(r"^\$ filmless (\w+)(.*)$", re.MULTILINE)


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def python_of(page: Path) -> str:
    """All Python of a page in one, each line where it stands, so that a traceback names the page's line."""
    text = page.read_text("utf-8")
    lines = [""] * text.count("\n")
    for block in FENCE.finditer(text):
        if block[1] == "python" and not text[: block.start()].rstrip().split("\n")[-1].startswith(NOT_RUN):
            first = text[: block.start(2)].count("\n")
            lines[first : first + block[2].count("\n")] = block[2].splitlines()
    return "\n".join(lines)


def options_in_help(*command: str) -> set[str]:
    result = CliRunner().invoke(app, [*command, "--help"], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    return set(HELP_LINE.findall(result.output))


def documented_options() -> dict[str, set[str]]:
    """The options in the first column of each section's table, by command; "" is `filmless` itself."""
    options: dict[str, set[str]] = {}
    for section in re.split(r"^## ", COMMAND_LINE.read_text("utf-8"), flags=re.MULTILINE)[1:]:
        title, _, body = section.partition("\n")
        if title.split()[0] == "filmless":
            first_cells = [line.split("|")[1] for line in body.splitlines() if line.startswith("| `-")]
            options[title.removeprefix("filmless").strip()] = set(OPTION.findall(" ".join(first_cells)))
    return options


def anchors_of(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def links_of(page: Path) -> Iterator[tuple[Path, str]]:
    """The relative links of a page: file and anchor."""
    for target in LINK.findall(FENCE.sub("", page.read_text("utf-8"))):
        if "://" not in target:
            path, _, anchor = target.partition("#")
            yield (page.parent / path).resolve() if path else page, anchor


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small phantom in `export`, and the archive made of it in `archive`."""
    folder = tmp_path_factory.mktemp("docs")
    write_phantom(folder / "export", slices=12, size=64)
    filmless.open(folder / "archive").ingest(folder / "export")
    return folder


@pytest.mark.parametrize("page", [page for page in PAGES if python_of(page).strip()], ids=name_of)
def test_the_python_of_a_page_runs_from_top_to_bottom(page, workplace, monkeypatch, capsys):
    monkeypatch.chdir(workplace)

    exec(compile(python_of(page), str(page), "exec"), {"__name__": "__docs__"})

    assert "Traceback" not in capsys.readouterr().out


@pytest.mark.real
def test_the_reader_of_the_format_page_rebuilds_real_instances_of_every_source(real_data, tmp_path, monkeypatch):
    archive = filmless.open(tmp_path / "archive")
    archive.ingest(real_data / name for name in ("modalities", "multiframe", "transfer_syntaxes"))
    monkeypatch.chdir(tmp_path)

    exec(compile(python_of(ARCHIVE_FORMAT), str(ARCHIVE_FORMAT), "exec"), {"__name__": "__docs__"})

    opened = [archive.series(row.series_uid) for row in archive.contents()]
    sources = {instance.source for series in opened for instance in series.manifest.instances}
    assert sources == {"stack", "codestreams", "whole", "none"}


def test_the_reader_of_the_format_page_compares_what_was_dropped_with_its_proof(tmp_path, monkeypatch, capsys):
    archive = filmless.open(tmp_path / "archive")
    archive.set_policy(originals="drop-when-proven")
    coded_slices(tmp_path / "in", range(1, 4), JPEG_LS)
    coded_slices(tmp_path / "in", range(1, 3), JPEG_2000, series=2, kind=np.uint8, shape=(6, 7, 3))
    save(report(1, series=3), tmp_path / "in" / "sr.dcm")
    archive.ingest(tmp_path / "in")
    code = python_of(ARCHIVE_FORMAT)
    monkeypatch.chdir(tmp_path)

    exec(compile(code, str(ARCHIVE_FORMAT), "exec"), {"__name__": "__docs__"})

    assert "1 instances rebuild exactly" in capsys.readouterr().out
    forged = code.replace('proof["frames"], strict', '["0" * 64] * len(frames), strict')
    with pytest.raises(AssertionError):
        exec(compile(forged, str(ARCHIVE_FORMAT), "exec"), {"__name__": "__docs__"})


def test_every_command_is_documented_and_every_documented_command_exists():
    documented = set(documented_options()) - {""}

    assert documented == {command.name for command in app.registered_commands}


@pytest.mark.parametrize("command", sorted(documented_options()))
def test_the_options_documented_are_those_that_help_shows(command):
    assert documented_options()[command] == options_in_help(*command.split())


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_shown_in_a_page_use_options_that_exist(page):
    shown = [
        match.groups() for block in FENCE.finditer(page.read_text("utf-8")) for match in COMMAND.finditer(block[2])
    ]

    assert all(set(OPTION.findall(arguments)) <= options_in_help(command) for command, arguments in shown)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_relative_links_lead_to_files_and_headings_that_exist(page):
    broken = [
        f"{target}#{anchor}"
        for target, anchor in links_of(page)
        if not target.exists() or (anchor and anchor not in anchors_of(target))
    ]

    assert broken == []


def test_every_public_name_is_in_the_python_reference():
    reference = (ROOT / "docs" / "reference" / "python.md").read_text("utf-8")

    assert [name for name in filmless.__all__ if not re.search(rf"\b{name}\b", reference)] == []
