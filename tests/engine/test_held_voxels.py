"""Pictures of a stored volume, whose voxels are sampled where the cache holds them, and of the same in memory."""

from __future__ import annotations

import numpy as np
import pytest
from filmless.engine.geometry import Verdict, VolumeGeometry
from filmless.engine.render import sample as sample_module
from filmless.engine.render.reformat import render
from filmless.engine.volume import ArrayLevel, Volume
from filmless.storage import bricks
from filmless.storage.array import StoredArray
from filmless.storage.bricks import SLOT_BYTES, BrickCache
from hypothesis import given, settings
from hypothesis import strategies as st
from stored import noisy, planned, write_levels

GEOMETRY = VolumeGeometry((3.0, -4.0, 5.0), ((0, 0, 1), (0, 1, 0), (1, 0, 0)), (1.25, 0.8, 0.7))
VERDICT = Verdict(("uniform",), "in a test", {})
NORMALS = [(0, 0, 1), (0, 1, 0), (1, 0, 0), (1, 0.9, 0.8), (0.2, -1, 0.1)]


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    folder, values = tmp_path_factory.mktemp("level"), noisy((1, 1, 70, 100, 90))
    levels = planned(values)
    write_levels(folder, values, levels)
    return StoredArray(folder / "0", levels[0], values.dtype, "held").volume(), values[0, 0]


@settings(max_examples=80, deadline=None)
@given(
    st.sampled_from([0, 64, 800]),
    st.sampled_from([1 << 30, 1 << 15]),
    st.sampled_from(NORMALS),
    st.sampled_from([0.0, 6.0]),
    st.sampled_from(["trilinear", "nearest", "cubic"]),
    st.sampled_from([{}, {"padding_value": 40}, {"rescale": np.array([[-1.0, 190.0]])}, {"rescale": "by slice"}]),
    st.floats(0.3, 3.0),
)
def test_a_picture_is_the_same_to_the_bit(stored, slots, box_bytes, normal, slab_mm, how, options, zoom):
    level, values = stored
    if options.get("rescale") is not None and isinstance(options["rescale"], str):
        options = {"rescale": np.column_stack([np.linspace(1, 2, 70), np.zeros(70)])}
    made, held = (
        Volume([one], [(1, 1, 1)], GEOMETRY, VERDICT, **options) for one in (level, ArrayLevel(values, (32, 32, 32)))
    )
    look = {"normal": normal, "zoom": zoom, "size": (64, 48), "slab_mm": slab_mm, "interpolation": how}

    with pytest.MonkeyPatch.context() as patch:
        cache = BrickCache(slots * SLOT_BYTES)
        patch.setattr(bricks, "shared", lambda: cache)
        patch.setattr(sample_module, "BOX_BYTES", box_bytes)
        pictures = [np.asarray(render(volume, "oblique", window=(80, 220), **look)) for volume in (made, held)]

    assert np.ptp(pictures[1]) > 0
    np.testing.assert_array_equal(*pictures)
