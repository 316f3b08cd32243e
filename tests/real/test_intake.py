"""What becomes of every single real file: in the archive, or set aside with a reason a person understands."""

from __future__ import annotations

import re

import pytest
from filmless import errors
from filmless.cli.app import app
from typer.testing import CliRunner

pytestmark = pytest.mark.real

ERROR_NAMES = "|".join(name for name in vars(errors) if isinstance(vars(errors)[name], type))
UNREADABLE = re.compile(
    rf"\b({ERROR_NAMES})\b|\w+(Error|Exception)\b|Traceback|NoneType|<[\w.]+ object|\bb['\"]|\\x|\barray\(|\n"
)
"""What no reason may hold: names of Python's or our own errors, and how Python prints its objects."""


def outcome(report):
    """What became of the one file of a report: a word, and the reason where there is one."""
    if report.stored:
        return "stored", "; ".join([*report.series[0].stacks, *report.warnings]) or "no images"
    reasons = [entry.reason for entry in report.set_aside] or [reason for _, reason in report.passed_over]
    return ("set aside" if report.set_aside else "passed over"), "".join(reasons)


def shortened(text):
    return text if len(text) <= 200 else f"{text[:200]} …"


def is_plain(reason):
    return 12 <= len(reason) <= 400 and UNREADABLE.search(reason) is None


def test_every_file_alone_is_stored_or_refused_with_a_reason_people_understand(singles, add_table):
    outcomes = [(taken, *outcome(taken.report)) for taken in singles]
    rows = [f"{word:11}  {taken.file.name}: {shortened(reason)}" for taken, word, reason in outcomes]
    counted = {kind: sum(word == kind for _, word, _ in outcomes) for kind in ("stored", "set aside", "passed over")}
    add_table("every real file in an archive of its own", [*rows, str(counted)])

    accounted = [taken for taken, _, _ in outcomes if taken.report.found == 1 and not taken.report.unreadable]
    assert len(accounted) == len(singles)
    assert [reason for _, word, reason in outcomes if word != "stored" and not is_plain(reason)] == []


def test_only_files_without_the_uids_that_name_an_instance_are_refused(singles):
    refused = {taken.file.path.name: outcome(taken.report)[1] for taken in singles if not taken.is_stored}
    directory = refused.pop("DICOMDIR")

    assert "the files it lists are read themselves" in directory
    assert [reason for reason in refused.values() if not re.search(r"UID \(\w{4},\w{4}\) is missing", reason)] == []
    assert len(refused) == 12


def test_all_files_together_are_each_accounted_for_once(everything, files, slices):
    report = everything.report
    counts = (report.stored, len(report.duplicates), len(report.set_aside), len(report.passed_over))

    # The compressed singles are found twice: as .xz, passed over, and unpacked.
    packed = [reason for path, reason in report.passed_over if path.suffix == ".xz"]
    assert sum(counts) == report.found == len(files) + len(slices) + len(packed)
    assert report.unreadable == []
    assert [entry.reason for entry in report.set_aside if not is_plain(entry.reason)] == []


def test_an_instance_that_comes_a_second_time_with_other_bytes_is_set_aside_and_says_where_the_first_is(everything):
    reasons = [entry.reason for entry in everything.report.set_aside if "other bytes" in entry.reason]

    assert reasons
    assert all(re.search(r"SOP Instance UID [\d.]+ is in \S.* too", reason) for reason in reasons)


def test_taking_everything_in_again_adds_nothing(everything):
    before = everything.archive.contents()

    again = everything.archive.ingest(everything.given)

    assert again.stored == 0
    assert again.series == []
    assert len(again.duplicates) == everything.report.stored
    assert everything.archive.contents() == before


def test_the_archive_of_everything_is_without_a_fault(everything):
    result = CliRunner().invoke(app, ["verify", "--archive", str(everything.archive.root)])

    assert result.exit_code == 0, result.output
    assert everything.archive.verify() == []
