"""Receivers, consolidators and readers on one archive at the same time: policy holds, and nobody sees anything wrong.

FILMLESS_CONCURRENCY_S sets how long it goes on: 60 by hand.
"""

from __future__ import annotations

import hashlib
import logging
import os
import random
import threading
import time
from collections import defaultdict

from dicom_files import image, save, slice_values
from filmless.engine.archive import open_archive

SECONDS = float(os.environ.get("FILMLESS_CONCURRENCY_S", "10"))
RECEIVERS, CONSOLIDATORS, READERS = 8, 2, 4
SERIES, NUMBERS = 3, 400


def test_receivers_consolidators_and_readers_share_an_archive(tmp_path, caplog):
    caplog.set_level(logging.ERROR)
    root, until = tmp_path / "archive", time.monotonic() + SECONDS
    open_archive(root).set_policy(reserve_bytes="0")
    sent: dict[str, set[str]] = defaultdict(set)
    came: dict[tuple[str, str], list[str]] = defaultdict(list)
    problems: list[str] = []
    offered: set[str] = set()
    guard = threading.Lock()

    def made(series, number, variant):
        path = tmp_path / f"{threading.get_ident()}.dcm"
        values = slice_values(number, (24, 24)) + variant
        return save(image(values, number, series=series), path).read_bytes()

    def receive(seed):
        archive, chosen = open_archive(root), random.Random(seed)
        at = 0
        while time.monotonic() < until:
            # Each two receivers send the same instances, and now and then other bytes under the same UID.
            at += 1
            series, number = 1 + at % SERIES, 1 + (at + seed // 2 * 50) % NUMBERS
            data = made(series, number, int(chosen.random() < 0.1))
            with guard:
                offered.add(hashlib.sha256(data).hexdigest())
            receipt = archive.receive(data, f"receiver {seed}")
            with guard:
                sent[receipt.sop_instance_uid].add(receipt.sha256)
                came[receipt.sop_instance_uid, receipt.sha256].append(receipt.outcome)

    def consolidate(_seed):
        archive = open_archive(root)
        while time.monotonic() < until:
            for result in archive.consolidate(quiet_s=0):
                problems.extend([result.problem] if result.problem else [])
                problems.extend(f"{uid} left: {why}" for uid, why in result.left)
            time.sleep(0.2)

    def read(seed):
        archive, chosen = open_archive(root), random.Random(seed)
        while time.monotonic() < until:
            with guard:
                known = sorted(sent)
            if not known:
                continue
            uid = chosen.choice(known)
            data = archive.instance(uid).read()
            if hashlib.sha256(data).hexdigest() not in offered:
                problems.append(f"{uid}: bytes that nobody sent")
            if chosen.random() < 0.05:
                problems.extend(archive.verify(series=archive.contents()[0].series_uid))

    def guarded(work, seed):
        try:
            work(seed)
        except Exception as problem:
            problems.append(f"{work.__name__} {seed}: {problem!r}")

    workers = [(receive, RECEIVERS), (consolidate, CONSOLIDATORS), (read, READERS)]
    threads = [threading.Thread(target=guarded, args=(work, n)) for work, count in workers for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert problems == []
    archive = open_archive(root)
    archive.consolidate(quiet_s=0)
    assert archive.recover() == []
    in_quarantine = {entry.sha256 for entry in archive.set_aside()}
    for uid, hashes in sent.items():
        held = hashlib.sha256(archive.instance(uid).read()).hexdigest()
        outcomes = {sha256: came[uid, sha256] for sha256 in hashes}
        assert held in hashes
        assert outcomes[held].count("new") == 1, f"{uid}: acknowledged as new more than once, or never"
        assert all(set(outcomes[other]) == {"set-aside"} for other in hashes - {held})
        assert hashes - {held} <= in_quarantine
    assert len(sent) > 50
    assert any(len(hashes) == 2 for hashes in sent.values())
    assert archive.verify() == []
    assert archive.unfinished() == []
