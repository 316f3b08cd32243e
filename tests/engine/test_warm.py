"""After a warm-up no call waits for the compiler."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import filmless
import pytest

CHILD = Path(__file__).resolve().parent.parent / "warm_child.py"


def added_after_a_warm_up(folder, *files):
    """The kernels that the engine's main jobs had to add, each with its types."""
    command = [sys.executable, str(CHILD), str(folder), *map(str, files)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.split("\n")[:-1]


@pytest.mark.timeout(600)
def test_the_main_jobs_compile_and_load_nothing_after_a_warm_up(tmp_path):
    assert added_after_a_warm_up(tmp_path) == [""]


@pytest.mark.real
@pytest.mark.timeout(600)
def test_real_files_need_no_other_kernels(real_data, tmp_path):
    folders = [real_data / name for name in ("transfer_syntaxes", "modalities", "multiframe")]

    assert added_after_a_warm_up(tmp_path, *folders) == [""]


def test_a_warm_up_tells_how_far_it_is_and_what_it_did():
    told = []

    first = filmless.warm(lambda stage, done, total: told.append((stage, done, total)))
    second = filmless.warm()

    assert {stage for stage, _, _ in told} == {"warming"}
    assert [done for _, done, _ in told] == list(range(len(told)))
    assert told[-1][1] == told[-1][2]
    assert first.kernels > 100
    assert second.kernels == first.kernels
    assert second.compiled == first.compiled


def test_the_first_compilation_is_told_once_and_a_cached_kernel_is_not_compiled(tmp_path):
    code = (
        "from filmless.kernels import jit; import numpy as np; told = [];"
        "jit.on_first_compilation(lambda: told.append(1));"
        "from filmless.kernels.crc32c import crc32c; crc32c(b'1'); crc32c(b'2');"
        "print(len(told), jit.count_specialisations())"
    )

    def run():
        environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
        return subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
        ).stdout.split()

    assert run() == ["1", "(1,", "1)"]
    assert run() == ["0", "(1,", "0)"]
