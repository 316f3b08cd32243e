from __future__ import annotations

import json


def found(run, archive, *arguments):
    code, text, _ = run("find", *arguments, "-a", archive, "--json")
    assert code == 0
    return json.loads(text)


def test_studies_are_found_by_name_and_shown_with_their_counts(run, phantom_archive):
    studies = found(run, phantom_archive, "PatientName=*")
    assert studies

    name = studies[0]["PatientName"]
    _, shown, _ = run("find", f"PatientName={name.lower()}", "-a", phantom_archive)

    assert studies[0]["PatientID"] in shown
    assert studies[0]["NumberOfStudyRelatedSeries"] in shown


def test_series_of_a_modality_are_found_with_all_that_is_known(run, phantom_archive):
    rows = found(run, phantom_archive, "Modality=CT", "--level", "series")

    assert rows
    assert {row["Modality"] for row in rows} == {"CT"}


def test_instances_know_their_own_attributes(run, phantom_archive):
    rows = found(run, phantom_archive, "Modality=CT", "-l", "instance", "--limit", "3")

    assert len(rows) == 3
    assert all(row["Rows"].isdecimal() and row["ImageType"] for row in rows)


def test_nothing_found_is_an_answer(run, phantom_archive):
    assert run("find", "PatientID=nobody", "-a", phantom_archive) == (0, "0 studies\n", "")


def test_what_is_no_key_is_told(run, phantom_archive):
    for given in ("PatientName", "Nonsense=1"):
        code, _, told = run("find", given, "-a", phantom_archive)
        assert code == 1
        assert "is no query key" in told
