"""The one request object: what it takes, when two are the same, and that the same request gives the same bytes."""

from __future__ import annotations

import json

import numpy as np
import pytest
from filmless.engine.archive import open_archive
from filmless.engine.render.planes import Plane
from filmless.engine.render.request import RenderRequest
from filmless.engine.render.window import Window
from filmless.errors import InvalidArgument, NotFound, NotReformattable
from hypothesis import given
from hypothesis import strategies as st

ODD = Plane((0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), 4, 5)


@pytest.mark.parametrize(
    ("keywords", "same"),
    [
        ({"at_mm": "12.5", "plane": "coronal"}, {"plane": "coronal", "at_mm": 12.5}),
        ({"window": "40,400"}, {"window": (40, 400.0)}),
        ({"window": "Soft-Tissue"}, {"window": "soft tissue"}),
        ({"window": "brain"}, {"window": Window(40, 80)}),
        ({"size": "512,256"}, {"size": [512, 256]}),
        ({"normal": "0,-1,0.5"}, {"normal": np.array([0, -1, 0.5])}),
        ({"annotate": "true", "index": "-1"}, {"annotate": True, "index": -1}),
        ({"mode": "max", "slab_mm": 0}, {}),
        ({"center": (0.0, -0.0, 1)}, {"center": (0, 0, 1)}),
    ],
)
def test_text_and_values_that_mean_the_same_make_equal_requests(keywords, same):
    one, other = RenderRequest.from_keywords(keywords), RenderRequest(**same)
    assert one == other
    assert hash(one) == hash(other)
    assert (one.canonical, one.key) == (other.canonical, other.key)


def test_the_canonical_form_is_json_of_what_differs_from_the_default():
    request = RenderRequest(plane="coronal", window=(40, 400), size=(8, 9))
    assert json.loads(request.canonical) == {"plane": "coronal", "window": [40.0, 400.0], "size": [8, 9]}
    assert RenderRequest().canonical == "{}"


choices = st.fixed_dictionaries(
    {},
    optional={
        "plane": st.sampled_from(["axial", "coronal", "acquired", ODD]),
        "index": st.integers(-3, 3),
        "window": st.sampled_from([(40, 400), (40, 401), Window(40, 400), Window(40, 400, "SIGMOID"), "bone"]),
        "slab_mm": st.sampled_from([0, 5, 10.5]),
        "mode": st.sampled_from(["max", "min"]),
        "size": st.sampled_from([(4, 5), (5, 4)]),
        "annotate": st.booleans(),
        "quality": st.sampled_from([90, 91]),
    },
)


@given(choices, choices)
def test_requests_have_the_same_key_exactly_when_they_are_equal(one, other):
    one, other = RenderRequest(**one), RenderRequest(**other)
    assert (one.key == other.key) == (one == other)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"plain": "axial"}, "plain: not known; choose from annotate"),
        ({"at_mm": "north"}, "give a number"),
        ({"at_mm": "nan"}, "give a number"),
        ({"index": 1.5}, "give a whole number"),
        ({"normal": "1,2"}, "give 3 numbers"),
        ({"size": "0,5"}, "1 to 16384 a side"),
        ({"annotate": "perhaps"}, "give true or false"),
        ({"format": "bmp"}, "choose from png"),
        ({"quality": 0}, "choose from 1 to 100"),
        ({"frame": 0}, "counted from 1"),
        ({"time": -1}, "counted from 0"),
        ({"window": "40,"}, "window"),
    ],
)
def test_what_cannot_be_read_is_refused_with_advice(keywords, message):
    with pytest.raises(InvalidArgument, match=message):
        RenderRequest.from_keywords(keywords)


@pytest.fixture(scope="module")
def every_series(phantom_archive):
    archive = open_archive(phantom_archive, create=False)
    return [archive.series(row.series_uid) for row in archive.contents() if row.stacks]


def test_the_same_request_gives_the_same_bytes(every_series):
    for series in every_series:
        request = RenderRequest()
        first = series.render(request).encode()
        assert series.render(RenderRequest.from_keywords({"quality": "90"})).encode() == first


def test_an_etag_is_that_of_one_request_of_one_series(every_series):
    requests = [RenderRequest(), RenderRequest(index=0), RenderRequest(window=(40, 80))]
    tags = {series.etag(request) for series in every_series for request in requests}
    assert len(tags) == len(every_series) * len(requests)
    assert tags == {series.etag(request) for series in every_series for request in requests}


def test_every_frame_is_found_by_its_instance(every_series):
    for series in every_series:
        for stack in series.stacks:
            for index, (number, frame) in enumerate(stack.record.frames):
                uid = series.manifest.instances[number].sop_instance_uid
                by_instance = series.render(RenderRequest(instance=uid, frame=frame + 1))
                _, row_mm, column_mm = stack.record.meaning["spacing_mm"]
                expected = stack.picture(index).with_square_pixels(row_mm, column_mm)
                assert np.array_equal(by_instance.pixels, expected.pixels)


def test_a_frame_that_is_not_there_is_told(every_series):
    series = every_series[0]
    uid = series.manifest.instances[0].sop_instance_uid
    with pytest.raises(NotFound, match="has no frame 99"):
        series.render(RenderRequest(instance=uid, frame=99))
    with pytest.raises(NotFound, match=r"no instance 1\.2\.3"):
        series.render(RenderRequest(instance="1.2.3"))
    with pytest.raises(InvalidArgument, match="name the instance"):
        series.render(RenderRequest(frame=1))


def test_a_plane_of_one_frame_is_refused(every_series):
    series = every_series[0]
    uid = series.manifest.instances[0].sop_instance_uid
    with pytest.raises(NotReformattable, match="single frames"):
        series.render(RenderRequest(instance=uid, plane="coronal"))
