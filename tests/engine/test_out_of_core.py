"""A volume of 4 GB is rendered within a cache of 256 MB: the right pixels, in bounded memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import out_of_core_child as child
import pytest
from filmless.kernels.downsample import halve_mean
from filmless.storage.pyramid import PyramidWriter

BUDGET_BYTES = 256 << 20
BOXES_BYTES = 6 * (64 << 20)
"""Two threads, each with the voxels about one part of a picture, once as stored and once as the kernel takes them."""


@pytest.fixture(scope="module")
def huge(tmp_path_factory):
    """The level on the disk; ramps pack well."""
    folder = tmp_path_factory.mktemp("huge")
    writer = PyramidWriter(folder, [child.level_shape()], np.dtype("int16"), halve_mean)
    first = 0
    while first < child.SHAPE[0]:
        room = writer.room()
        count = min(room.shape[1], child.SHAPE[0] - first)
        room[0, :count] = child.slab(first, first + count)
        writer.filled(count)
        first += count
    writer.close()
    return folder


def test_planes_of_a_volume_larger_than_the_budget_are_right_within_it(huge):
    environment = os.environ | {"FILMLESS_CACHE_BYTES": str(BUDGET_BYTES)}
    done = subprocess.run(
        [sys.executable, Path(child.__file__), huge], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    print(f"grown by {told['grown_bytes'] >> 20} MiB at most, {told['evictions']} blocks evicted")
    assert told["budget_bytes"] == BUDGET_BYTES
    assert told["evictions"] > 0
    assert told["is_repeatable"]
    assert max(told["errors"]) <= 1
    assert told["grown_bytes"] <= BUDGET_BYTES + BOXES_BYTES
