from __future__ import annotations

import itertools
from contextlib import suppress

import pytest
from filmless.errors import InvalidArgument
from filmless.storage.home import Home
from filmless.storage.index import Index
from generations import manifest, record
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from inbox_rows import inbox_row
from naive.matching import matches

NAMES = [
    "DOE^JOHN",
    "Doe^Jane^Q",
    "Müller-Lüdenscheidt^Jürgen",
    "MULLER^ANNA",
    "Yamada^Tarou=山田^太郎=やまだ^たろう",
    "Wang^XiaoDong=王^小東=",
    "O'Hara^Ron",
    "Straße^Ilse",
    "de la Cruz^Ana María",
    "A*B^C?D",
    "[X]^Y",
    "100%^a_b",
    "",
    "X\\Y^Z",
]
TEXTS = ["CT HEAD", "ct head", "MR Knie links", "Thorax a.p.", "100% [x]", "", "a_b", 'say "cheese"', "Schädel"]
DATES = ["20200101", "20200630", "20201231", "20210101", ""]
TIMES = ["080000", "0930", "10", "103059.5", "235959", ""]


def fill(index, names=NAMES):
    """Studies of all combinations, in turn; half of them archived, half waiting; their attributes by UID."""
    studies = {}
    for n, name in enumerate(names * 3):
        attributes = {
            "PatientID": f"P{n % 7}",
            "PatientName": name,
            "StudyDate": DATES[n % 5],
            "StudyTime": TIMES[n % 6],
            "StudyDescription": TEXTS[n % 9],
            "AccessionNumber": f"A{n:03}",
            "OtherPatientIDs": f"X{n}\\Y{n % 4}",
        }
        attributes = {keyword: text for keyword, text in attributes.items() if text}
        for number, modality in enumerate(["CT", "MR"] if n % 3 else ["US"]):
            described = attributes | {
                "Modality": modality,
                "SeriesNumber": str(number),
                "SeriesDescription": TEXTS[(n + number) % 9],
                "OperatorsName": NAMES[(n + 3) % len(NAMES)],
            }
            uid = f"2.{n}.{number}"
            if n % 2:
                index.receive([inbox_row(f"{uid}.1", uid, f"1.{n}", **described)])
            else:
                index.put(manifest(uid, [f"{uid}.1"], study_uid=f"1.{n}", **{"StudyDate": ""} | described), 5)
        studies[f"1.{n}"] = attributes
    return studies


@pytest.fixture
def studies(index):
    return fill(index)


def found(index, fuzzy=False, **matching):
    return {row["StudyInstanceUID"] for row in index.search("study", matching, fuzzy=fuzzy)}


def named(index, name, **options):
    return {row.get("PatientName", "") for row in index.search("study", {"PatientName": name}, **options)}


class TestPersonNames:
    @pytest.mark.parametrize("name", ["doe^john", "DOE^JOHN^^", "Doe^John=", " doe ^ john "])
    def test_case_padding_and_empty_components_do_not_matter(self, index, studies, name):
        assert named(index, name) == {"DOE^JOHN"}

    @pytest.mark.parametrize("name", ["MULLER*", "müller*", "Mu\u0308ller*"])
    def test_diacritics_do_not_matter(self, index, studies, name):
        assert named(index, name) == {"Müller-Lüdenscheidt^Jürgen", "MULLER^ANNA"}

    @pytest.mark.parametrize("name", ["山田*", "=山田^太郎", "やまだ*", "yamada*", "*太郎", "==やまだ*"])
    def test_any_component_group_is_found(self, index, studies, name):
        assert named(index, name) == {"Yamada^Tarou=山田^太郎=やまだ^たろう"}

    def test_a_wildcard_does_not_cross_from_one_group_into_the_next(self, index, studies):
        assert named(index, "yamada*太郎") == set()

    @pytest.mark.parametrize("name", ["*[*", "*%*", "*_*"])
    def test_what_databases_take_for_wildcards_is_plain_text(self, index, studies, name):
        expected = {"*[*": {"[X]^Y"}, "*%*": {"100%^a_b"}, "*_*": {"100%^a_b"}}
        assert named(index, name) == expected[name]

    @pytest.mark.parametrize("name", ["lüdenscheidt", "Jurgen muller", "MULLER, j", "mull"])
    def test_fuzzy_matching_finds_beginnings_of_words(self, index, studies, name):
        assert "Müller-Lüdenscheidt^Jürgen" in named(index, name, fuzzy=True)

    def test_fuzzy_matching_wants_every_word(self, index, studies):
        assert named(index, "muller ron", fuzzy=True) == set()


def test_text_is_matched_case_and_all_unless_fuzzy(index, studies):
    assert len(found(index, StudyDescription="*head*")) < len(found(index, fuzzy=True, StudyDescription="head"))


def test_several_values_of_an_attribute_are_matched_one_by_one(index, studies):
    assert found(index, OtherPatientIDs="X5") == {"1.5"}
    assert "1.5" in found(index, OtherPatientIDs="Y1")


def test_a_list_of_uids_matches_any_of_them(index, studies):
    for asked in ("1.3\\1.5\\77", "1.3,1.5", ["1.3", "1.5"]):
        assert found(index, StudyInstanceUID=asked) == {"1.3", "1.5"}


def test_modalities_in_study_match_a_study_by_any_of_its_series(index, studies):
    (row, *_) = index.search("study", {"StudyInstanceUID": "1.1", "ModalitiesInStudy": "MR"})

    assert row["ModalitiesInStudy"] == "CT\\MR"
    assert (row["NumberOfStudyRelatedSeries"], row["NumberOfStudyRelatedInstances"]) == ("2", "2")
    assert found(index, ModalitiesInStudy="US\\MR") == studies.keys()
    assert found(index, ModalitiesInStudy="US") | found(index, ModalitiesInStudy="MR") == studies.keys()


def test_sop_classes_in_study_are_matched_and_told(index, studies):
    (row,) = index.search("study", {"StudyInstanceUID": "1.1", "SOPClassesInStudy": "1.2.840.10008.5.1.4.1.1.2"})

    assert row["SOPClassesInStudy"] == "1.2.840.10008.5.1.4.1.1.2"
    assert found(index, SOPClassesInStudy="1.2.3") == {uid for n, uid in enumerate(studies) if n % 2 == 0}


def test_date_and_time_are_matched_one_by_one_or_as_one_moment(index):
    for n, (date, time) in enumerate(itertools.product(["20200101", "20200102", "20200103"], ["0800", "1200", "1800"])):
        index.receive([inbox_row(f"2.{n}.1", f"2.{n}", f"1.{n}", StudyDate=date, StudyTime=time)])
    asked = {"StudyDate": "20200101-20200102", "StudyTime": "1100-1300"}

    apart = {row["StudyInstanceUID"] for row in index.search("study", asked)}
    together = {row["StudyInstanceUID"] for row in index.search("study", asked, combined=True)}

    assert apart == {"1.1", "1.4"}
    assert together == {"1.1", "1.2", "1.3", "1.4"}


@pytest.mark.parametrize(
    ("level", "keyword", "value"),
    [
        ("study", "Nonsense", "1"),
        ("study", "SeriesDescription", "x"),
        ("patient", "StudyDate", "20200101"),
        ("study", "StudyDate", "yesterday"),
        ("study", "StudyDate", "-"),
        ("study", "StudyTime", "noon"),
        ("study", "NumberOfStudyRelatedSeries", "3"),
        ("ward", "PatientID", "1"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_name(index, level, keyword, value):
    with pytest.raises(InvalidArgument, match=keyword if level != "ward" else "ward"):
        index.search(level, {keyword: value})


def test_rows_come_in_pages_latest_study_first(index, studies):
    whole = index.search("study", {})
    pages = [index.search("study", {}, limit=5, offset=at) for at in range(0, len(whole) + 5, 5)]

    assert [row for page in pages for row in page] == whole
    dates = [row.get("StudyDate", "") for row in whole]
    assert dates == sorted(dates, reverse=True)
    assert index.search("study", {}, offset=3) == whole[3:]


def test_only_what_is_asked_for_is_given_and_unique_keys(index, studies):
    (row,) = index.search("study", {"StudyInstanceUID": "1.0"}, return_keys=["StudyDescription"])

    assert row == {"PatientID": "P0", "StudyInstanceUID": "1.0", "StudyDescription": "CT HEAD"}


def test_series_say_what_their_study_says(index, studies):
    rows = index.search("series", {"StudyInstanceUID": "1.1"})

    assert [row["SeriesNumber"] for row in rows] == ["0", "1"]
    assert {row["NumberOfSeriesRelatedInstances"] for row in rows} == {"1"}
    assert {row["PatientName"] for row in rows} == {NAMES[1]}


def test_patients_are_told_apart_by_id(index, studies):
    rows = index.search("patient", {})

    assert [row["PatientID"] for row in rows] == [f"P{n}" for n in range(7)]
    assert sum(int(row["NumberOfPatientRelatedStudies"]) for row in rows) == len(studies)
    assert [row["PatientID"] for row in index.search("patient", {"PatientName": "DOE^JOHN"})] == ["P0"]


def test_two_studies_without_a_patient_id_are_two_patients(index):
    for n in range(2):
        index.receive([inbox_row(f"2.{n}.1", f"2.{n}", f"1.{n}", PatientID="")])

    assert len(index.search("patient", {})) == 2


def test_patients_of_two_issuers_with_one_id_are_two(index):
    for n in range(2):
        index.receive([inbox_row(f"2.{n}.1", f"2.{n}", f"1.{n}", PatientID="7", IssuerOfPatientID=f"hospital {n}")])

    assert [row["IssuerOfPatientID"] for row in index.search("patient", {"PatientID": "7"})] == [
        "hospital 0",
        "hospital 1",
    ]


def test_instances_are_matched_by_their_own_attributes(index):
    rows = [
        inbox_row(
            f"3.{n}",
            number=10 - n,
            ImageType=f"ORIGINAL\\{'LOCALIZER' if n == 3 else 'AXIAL'}",
            ContentTime=f"10{n:02}00",
        )
        for n in range(9)
    ]
    index.receive(rows)
    whole = [row["SOPInstanceUID"] for row in index.search("instance", {"SeriesInstanceUID": "1.2"})]

    def asked(**matching):
        return [row["SOPInstanceUID"] for row in index.search("instance", matching)]

    assert whole == [f"3.{n}" for n in range(8, -1, -1)]
    assert asked(ImageType="LOCALIZER") == ["3.3"]
    assert asked(ContentTime="1002-1004", PatientID="P1") == ["3.4", "3.3", "3.2"]
    assert asked(InstanceNumber="7") == ["3.3"]
    assert asked(SOPInstanceUID="3.1\\3.5\\8.8", Modality="CT") == ["3.5", "3.1"]
    page = index.search("instance", {}, limit=2, offset=3, return_keys=[])
    assert [row["SOPInstanceUID"] for row in page] == whole[3:5]


def test_archived_instances_answer_like_waiting_ones(index):
    row = inbox_row("3.1", ContentDate="20240101", SeriesDescription="x", ImageType="A\\B")
    index.receive([row])
    before = index.search("instance", {"ContentDate": "20240101"})
    own = {keyword: text for keyword, text in row.attributes.items() if keyword in ("ContentDate", "ImageType")}
    kept = {keyword: text for keyword, text in row.attributes.items() if keyword not in own}
    archived = record("3.1")
    archived = type(archived)(
        **{name: getattr(archived, name) for name in archived.__slots__}
        | {"attributes": own, "sop_class_uid": row.sop_class_uid}
    )
    made = manifest("1.2", study_uid="9.9", instances=[archived])
    made.attributes.clear()
    made.attributes.update(kept)
    index.put(made, 5)

    assert index.search("instance", {"ContentDate": "20240101"}) == before


@pytest.mark.parametrize(
    "name", ["\0", "A\0B", "\ud800", "x" * 5000, "語" * 5000, "\U0010ffff", "'; DROP TABLE studies; --", '"']
)
def test_whatever_a_header_says_is_kept_and_can_be_asked_for(index, name):
    index.receive([inbox_row("3.1", PatientName=name, StudyDescription=name, StudyDate=name[:9])])

    index.search("study", {"PatientName": f"*{name[:40]}*", "StudyDescription": name[:100]})
    assert len(index.search("study", {"PatientID": "P1"})) == 1


ASKED = st.fixed_dictionaries(
    {},
    optional={
        "PatientName": st.one_of(
            st.sampled_from(NAMES),
            st.text("*?müDOE^ 山[]%_o'", max_size=6),
            st.sampled_from(["*oe*", "*jo?n", "mul*", "*太*"]),
        ),
        "StudyDescription": st.one_of(st.sampled_from(TEXTS), st.text("*?CT HEADct%_[", max_size=5)),
        "StudyDate": st.sampled_from([*DATES, "20200101-20200630", "-20200630", "20200630-"]),
        "StudyTime": st.sampled_from(["", "08-10", "0930", "-093000", "1030-", "10"]),
        "AccessionNumber": st.sampled_from(["A001", "A00?", "*1", "", "*"]),
        "StudyInstanceUID": st.sampled_from(["1.1", "1.1\\1.2,1.9", ""]),
    },
)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_answers_are_those_of_matching_one_by_one(kind, request, tmp_path_factory):
    url = "" if kind == "sqlite" else request.getfixturevalue("postgresql").new_database()
    index = Index(Home.create(tmp_path_factory.mktemp("archive") / "archive"), url)
    studies = fill(index, [name for name in NAMES if "*" not in name])

    @settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
    @given(ASKED, st.booleans())
    def compare(asked, fuzzy):
        expected = {
            uid
            for uid, attributes in studies.items()
            if all(
                matches(keyword, ({"StudyInstanceUID": uid} | attributes).get(keyword, ""), value, fuzzy=fuzzy)
                for keyword, value in asked.items()
            )
        }
        with suppress(InvalidArgument):  # a name of delimiters alone
            assert found(index, fuzzy=fuzzy, **asked) == expected

    compare()
    index.close()


LOOKED_UP = [
    ("study", {"PatientName": "DOE*"}),
    ("study", {"PatientName": "*OHN*"}),
    ("study", {"StudyDescription": "*head*"}),
    ("study", {"PatientID": "P1", "StudyDate": "20200101-20201231"}),
    ("study", {"AccessionNumber": "A00?"}),
    ("study", {"ModalitiesInStudy": "CT", "StudyDate": "20200101"}),
    ("series", {"PatientName": "*DOE*", "Modality": "MR"}),
    ("series", {"StudyInstanceUID": "1.1"}),
    ("patient", {"PatientName": "*doe*"}),
    ("study", {"StudyInstanceUID": "1.1\\1.2"}),
    ("instance", {"SOPInstanceUID": "1.1"}),
    ("study", {"PatientName": "*x*"}),
]


@pytest.mark.parametrize(("level", "asked"), LOOKED_UP)
@pytest.mark.parametrize("fuzzy", [False, True])
def test_no_search_scans_a_table_of_sqlite(home, level, asked, fuzzy):
    index = Index(home)
    fill(index)

    plan = index.plan(level, asked, fuzzy=fuzzy)

    assert [line for line in plan if line.startswith("SCAN") and "VIRTUAL TABLE INDEX" not in line] == []


def test_a_piece_of_a_name_is_found_by_trigrams(home, postgresql):
    asked = {"PatientName": "*OHN*"}
    plan = "\n".join(Index(home).plan("study", asked))
    assert "study_terms_words VIRTUAL TABLE INDEX" in plan
    assert "SEARCH study_terms USING INTEGER PRIMARY KEY" in plan

    index = Index(home, postgresql.new_database())
    with index._database.writing(None) as connection:  # few rows are quicker scanned; the plan for many is asked for
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        connection.exec_driver_sql("SET LOCAL enable_indexscan = off")
        rows = connection.exec_driver_sql("EXPLAIN SELECT owner FROM study_terms WHERE text LIKE '%%ohn%%'").all()
    index.close()
    assert any("study_terms_words" in row[0] for row in rows)
