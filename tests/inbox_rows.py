"""Rows of the inbox, made up."""

from __future__ import annotations

import hashlib

from filmless.storage.rows import InboxRow


def inbox_row(sop_uid, series_uid="1.2", study_uid="9.9", *, data=None, number=1, at="2024-01-01T00:00:00.000000+00:00",
              sop_class_uid="1.2.840.10008.5.1.4.1.1.2", **attributes):  # fmt: skip
    """An instance as it came in; `data` stands for its bytes."""
    return InboxRow(
        sop_uid, series_uid, study_uid, sop_class_uid, "1.2.840.10008.1.2.1", number,
        hashlib.sha256((data or sop_uid).encode()).hexdigest(), 10, at, "SENDER",
        {"PatientID": "P1", "StudyInstanceUID": study_uid, "Modality": "CT", **attributes},
    )  # fmt: skip
