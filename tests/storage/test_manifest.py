from __future__ import annotations

import dataclasses
import json
from dataclasses import replace
from pathlib import Path

import pytest
from filmless.errors import Damaged
from filmless.storage.manifest import InstanceRecord, Manifest, StackRecord
from generations import manifest, record
from hypothesis import given, settings
from hypothesis import strategies as st
from stored import small_levels

TEXT = st.text(max_size=20)
NUMBER = st.integers(0, 1 << 50)
INSTANCES = st.builds(
    InstanceRecord,
    **{field.name: NUMBER for field in dataclasses.fields(InstanceRecord)}
    | dict.fromkeys(
        [
            "sop_instance_uid",
            "sop_class_uid",
            "transfer_syntax_uid",
            "sha256",
            "source",
            "received_at",
            "received_from",
        ],
        TEXT,
    )
    | {
        "instance_number": st.none() | st.integers(),
        "header": st.tuples(NUMBER, NUMBER, NUMBER),
        "attributes": st.dictionaries(st.sampled_from(["Rows", "ContentTime", "ImageType"]), st.sampled_from("ab")),
        "pixels": st.none() | st.dictionaries(TEXT, st.booleans() | TEXT | st.none(), max_size=3),
    },
)
STACKS = st.builds(
    StackRecord,
    name=TEXT,
    shape=st.tuples(NUMBER, NUMBER),
    dtype=st.sampled_from(["uint8", "int16", "float32"]),
    levels=st.sampled_from([[], small_levels((2, 3, 9, 10, 11)), small_levels((1, 1, 1, 5, 5))]),
    frames=st.lists(st.tuples(NUMBER, NUMBER), max_size=4),
    meaning=st.dictionaries(TEXT, st.none() | TEXT | st.lists(st.floats(allow_nan=False)), max_size=3),
)
MANIFESTS = st.builds(
    Manifest,
    **dict.fromkeys(["series_instance_uid", "study_instance_uid", "created", "software"], TEXT),
    generation=NUMBER,
    attributes=st.dictionaries(TEXT, TEXT, max_size=4),
    instances=st.lists(INSTANCES, max_size=4),
    stacks=st.lists(STACKS, max_size=3),
)


@settings(max_examples=100)
@given(MANIFESTS)
def test_a_manifest_is_read_back_as_it_was_written(original):
    assert Manifest.from_json(original.to_json(), Path("series.json")) == original


def test_each_instance_has_a_line_of_its_own():
    text = manifest("1.2", ["1.2.1", "1.2.2", "1.2.3"]).to_json().decode()

    lines = [line for line in text.splitlines() if '"1.2.' in line]
    assert [json.loads(line.strip().rstrip(","))[0] for line in lines] == ["1.2.1", "1.2.2", "1.2.3"]


def test_what_all_instances_say_alike_is_written_once():
    records = [replace(record(f"1.{n}"), attributes={"Rows": "31415", "ContentTime": f"10000{n}"}) for n in range(3)]

    text = manifest("1.2", instances=records).to_json()

    assert text.count(b"31415") == 1
    assert [i.attributes for i in Manifest.from_json(text, Path("x")).instances] == [r.attributes for r in records]


def test_a_manifest_without_attributes_of_instances_is_read():
    """As the first version wrote it."""
    value = json.loads(manifest("1.2").to_json())
    del value["instance_attributes"], value["instance_fields"][-3:]
    value["instances"] = [row[:-3] for row in value["instances"]]

    (instance,) = Manifest.from_json(json.dumps(value).encode(), Path("x")).instances

    assert (instance.attributes, instance.received_at) == ({}, "")


NOT_MANIFESTS = {
    "nothing": b"",
    "no JSON": b"hello",
    "cut short": manifest("1.2").to_json()[:-9],
    "not UTF-8": b"\xff" + manifest("1.2").to_json(),
    "a number": b"1",
    "a list": b"[]",
    "null": b"null",
    "an empty object": b"{}",
    "another version": manifest("1.2").to_json().replace(b'"format": 2', b'"format": 3'),
    "a field too many": manifest("1.2").to_json().replace(b'"created"', b'"x": 1, "created"'),
    "a field too few": manifest("1.2").to_json().replace(b'"created": "2024-01-01T00:00:00+00:00",', b""),
    "an instance too short": manifest("1.2").to_json().replace(b',"","",{}]\n', b',"",""]\n'),
    "a type that is none": manifest("1.2").to_json().replace(b'"int16"', b'"int17"'),
    "instances that are no list": manifest("1.2").to_json().replace(b'"instances": [', b'"instances": 3, "x": ['),
    "a stack that is no object": manifest("1.2").to_json().replace(b'"stacks": [\n', b'"stacks": [\n7,'),
}


@pytest.mark.parametrize("text", NOT_MANIFESTS.values(), ids=NOT_MANIFESTS)
def test_what_is_no_manifest_is_named_as_damaged(text):
    with pytest.raises(Damaged, match=r"folder/series\.json"):
        Manifest.from_json(text, Path("folder/series.json"))
