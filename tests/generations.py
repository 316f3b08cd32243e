"""Generations for tests of storage: manifests and headers made up, without any DICOM."""

from __future__ import annotations

import hashlib

from filmless.storage.generation import GenerationWriter
from filmless.storage.manifest import InstanceRecord, Manifest, StackRecord

CREATED = "2024-01-01T00:00:00+00:00"


def record(sop_uid, header=(0, 0, 0), size_bytes=10):
    return InstanceRecord(
        sop_uid, "1.2.3", "1.2.840.10008.1.2.1", 1, hashlib.sha256(sop_uid.encode()).hexdigest(), size_bytes, "none",
        header, 0, 0, 0, 0, None,
    )  # fmt: skip


def manifest(series_uid, sop_uids=("1.1",), generation=1, study_uid="9.9", instances=None, **attributes):
    """A manifest of instances without pixels, and one stack that has no levels."""
    stack = StackRecord("stack-0", (1, 1), "int16", [], [(0, 0)], {"summary": "1 × 2 × 3 int16"})
    attributes = {"PatientID": "P1", "StudyDate": "20240101", "SeriesNumber": "1", **attributes}
    records = instances or [record(uid) for uid in sop_uids]
    return Manifest(series_uid, study_uid, generation, CREATED, "test", attributes, records, [stack])


def publish(home, series_uid, sop_uids=("1.1",), **attributes):
    """Publish the next generation of a series; its number."""
    writer = GenerationWriter(home, series_uid)
    records = [record(uid, writer.headers.append(uid.encode()), len(uid)) for uid in sop_uids]
    writer.publish(manifest(series_uid, generation=writer.number, instances=records, **attributes))
    return writer.number
