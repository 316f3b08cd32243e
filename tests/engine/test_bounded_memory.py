"""Invariant A8: what is larger than the memory there is goes through reception, consolidation, verification, export.

FILMLESS_LARGE_MB sets the size in megabytes: 3000 for the figures in the documentation.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CHILD = Path(__file__).resolve().parent.parent / "bounded_memory_child.py"
SIZE_MB = int(os.environ.get("FILMLESS_LARGE_MB", "800"))
LIMIT_MB = 640


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    ("kind", "source"), [("frames", "stack"), ("fragments", "codestreams"), ("whole", "whole"), ("slices", "stack")]
)
def test_what_is_larger_than_the_memory_limit_goes_through_the_archive_byte_for_byte(kind, source, tmp_path, capsys):
    command = [sys.executable, str(CHILD), str(tmp_path), kind, str(SIZE_MB), str(LIMIT_MB)]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout)
    with capsys.disabled():
        print(f"\n{kind}: {told}")
    assert told["size_mb"] > LIMIT_MB
    assert (told["problems"], told["left"], told["damage"], told["sources"]) == ([], [], [], [source])
    assert told["is_exact"]
    assert max(told["peak_mb"].values()) < LIMIT_MB
