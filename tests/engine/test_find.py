from __future__ import annotations

import shutil

import pydicom
import pytest
from dicom_files import image, save, slice_values, slices
from filmless.engine.archive import open_archive, policy_of
from filmless.engine.parse import parse_instance
from filmless.errors import FilmlessError
from filmless.storage.home import Home
from filmless.storage.index import Index


@pytest.fixture(params=["sqlite", "postgresql"])
def archive(request, phantom_archive, tmp_path):
    """The phantom's archive, its index made anew in either database."""
    root = shutil.copytree(phantom_archive, tmp_path / "archive")
    if request.param == "postgresql":
        open_archive(root).set_policy(index=request.getfixturevalue("postgresql").new_database())
    return open_archive(root)


def test_series_are_found_by_what_their_headers_say(archive):
    expected = {row.series_uid for row in archive.contents() if row.attributes["Modality"] == "CT"}

    found = archive.find({"Modality": "CT", "PatientName": "*"}, "series")

    assert expected
    assert {row["SeriesInstanceUID"] for row in found} == expected


def test_both_databases_say_the_same_of_all_levels(archive, phantom_archive):
    for level in ("patient", "study", "series", "instance"):
        assert archive.find({}, level) == open_archive(phantom_archive).find({}, level)


def test_an_index_made_anew_from_manifests_gives_the_same_answers(archive):
    before = archive.find({}, "instance")
    index = Index(Home(archive.root))
    index.rebuild()

    assert index.search("instance", {}) == before
    assert all(row["Rows"] and row["SOPClassUID"] for row in before if row["Modality"] == "CT")


class TestAttributes:
    def attributes(self, tmp_path, **elements):
        path = save(image(slice_values(1), **elements), tmp_path / "one.dcm")
        return parse_instance(path.read_bytes()).attributes

    def test_nested_ones_of_all_items_are_read(self, tmp_path):
        items = []
        for number in "AB":
            item = pydicom.Dataset()
            item.ScheduledProcedureStepID, item.RequestedProcedureID = f"SPS{number}", f"RP{number}"
            items.append(item)

        attributes = self.attributes(tmp_path, RequestAttributesSequence=items)

        assert attributes["RequestAttributesSequence.ScheduledProcedureStepID"] == "SPSA\\SPSB"
        assert attributes["RequestAttributesSequence.RequestedProcedureID"] == "RPA\\RPB"

    def test_text_is_decoded_in_its_character_set(self, tmp_path):
        attributes = self.attributes(
            tmp_path, SpecificCharacterSet="ISO_IR 192", InstitutionName="Krankenhaus Süd", OperatorsName="Yamada=山田"
        )

        assert attributes["InstitutionName"] == "Krankenhaus Süd"
        assert attributes["OperatorsName"] == "Yamada=山田"

    def test_sizes_are_told_as_text(self, tmp_path):
        attributes = self.attributes(tmp_path)

        assert attributes["Rows"].isdecimal()
        assert attributes["BitsAllocated"] == "16"


@pytest.mark.parametrize(
    ("url", "told"),
    [("postgresql://me@127.0.0.1:1/archive", "check that the server runs"), ("elsewhere", "give postgresql://")],
)
def test_an_index_that_cannot_be_reached_is_told_and_the_former_stays(tmp_path, url, told):
    archive = open_archive(tmp_path / "archive")

    with pytest.raises(FilmlessError, match=told):
        archive.set_policy(index=url)

    assert open_archive(archive.root).policy.index == ""


def test_an_archive_moves_to_another_index_and_says_the_same(tmp_path, postgresql):
    archive = open_archive(tmp_path / "archive")
    archive.ingest(slices(tmp_path / "in", range(1, 4)))
    before = archive.contents()

    policy_of(archive.root, index=postgresql.new_database())
    assert open_archive(archive.root).contents() == before

    archive.ingest(slices(tmp_path / "more", range(1, 3), series=2))  # still by the former index
    policy_of(archive.root, index="")
    assert len(open_archive(archive.root).contents()) == 2


def test_an_archive_whose_index_is_gone_can_be_told_of_another(tmp_path):
    archive = open_archive(tmp_path / "archive")
    home = Home(archive.root)
    home.set_policy({"index": "postgresql://me@127.0.0.1:1/archive"})
    with pytest.raises(FilmlessError, match="check that the server runs"):
        open_archive(archive.root)

    assert policy_of(archive.root, index="").index == ""
    assert open_archive(archive.root).contents() == []
