"""Malformed files never crash, hang or eat memory: taken in, drawn and exported in a process of their own."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import malformed_child
import pytest

pytestmark = pytest.mark.real

SECONDS_IN_ALL = 60
"""The start and the first use of every kernel included; measured: 6 s."""
SECONDS_A_FILE = 15
"""Enough to compile a kernel; measured: 0.6 s with kernels cached, 1.4 s without."""
PEAK_BYTES = 600 << 20
"""Measured: 203 MiB, nearly all of it the libraries; one file declares a frame of 4 GiB."""


@pytest.fixture(scope="module")
def accounts(real_data, tmp_path_factory):
    """What the child process says of each malformed file."""
    paths = sorted((real_data / "malformed").iterdir()) + sorted((real_data / "codec_streams" / "malformed").iterdir())
    command = [sys.executable, malformed_child.__file__, tmp_path_factory.mktemp("malformed"), *paths]
    run = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS_IN_ALL)
    assert run.returncode == 0, f"ended by {run.returncode}: {run.stderr[-2000:]}"
    found = [json.loads(line) for line in run.stdout.splitlines()]
    assert [account["name"] for account in found] == [path.name for path in paths]
    return found


def test_each_malformed_file_is_stored_or_refused_in_plain_words(accounts, add_table):
    rows = [f"{'stored' if a['stored'] else 'refused':8} {a['name']}: {'; '.join(a['reasons'])}" for a in accounts]
    add_table("malformed files, each ingested, drawn and exported", rows)

    assert [a["name"] for a in accounts if not a["stored"] and len(a["reasons"]) != 1] == []
    reasons = [reason for account in accounts for reason in account["reasons"]]
    assert [reason for reason in reasons if re.search(r"\w(Error|Exception)\b|Traceback|<\w+ object|\\x", reason)] == []


def test_none_takes_long_or_much_memory(accounts, add_table):
    slowest = max(accounts, key=lambda account: account["seconds"])
    peak = max(account["peak_bytes"] for account in accounts)
    total = sum(account["seconds"] for account in accounts)
    figures = f"{total:.1f} s in all; slowest {slowest['name']} {slowest['seconds']:.2f} s; peak {peak >> 20} MiB"
    add_table("malformed files: time and memory", [figures])

    assert slowest["seconds"] < SECONDS_A_FILE
    assert peak < PEAK_BYTES


def test_what_of_them_is_stored_is_stored_whole(accounts):
    assert [account["damage"] for account in accounts if account["damage"]] == []


def test_bare_codestreams_are_no_instances(accounts, real_data):
    streams = {path.name for path in (real_data / "codec_streams" / "malformed").iterdir()}

    assert [a["name"] for a in accounts if a["name"] in streams and a["stored"]] == []
