"""What the index is told, and tells, of one instance."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal, Self, TypeAlias

INBOX: Literal["inbox"] = "inbox"

Place: TypeAlias = int | Literal["inbox"]
"""Where an instance's bytes are: in the inbox, or in the generation of that number."""

Outcome: TypeAlias = Literal["new", "same"] | tuple[Literal["other"], str]
"""What receiving an instance came to: it is new; it is there already, byte for byte; or other bytes are there under
its UID, whose SHA-256 is given."""


@dataclass(frozen=True, slots=True)
class InboxRow:
    """One instance that came in."""

    sop_uid: str
    series_uid: str
    study_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    instance_number: int | None
    sha256: str
    size_bytes: int
    received_at: str
    """UTC, ISO 8601, to the microsecond."""
    source: str
    """Whom it came from."""
    attributes: dict[str, str]
    """By DICOM keyword."""

    def to_json(self) -> bytes:
        """Give what is kept beside the instance."""
        facts = {name: getattr(self, name) for name in self.__slots__}  # asdict copies deeply: 0.2 ms
        return json.dumps(facts, ensure_ascii=False, separators=(",", ":")).encode(errors="surrogatepass")

    @classmethod
    def from_json(cls, text: bytes) -> Self:
        """Read it; raises `ValueError` or `TypeError` where it is none."""
        return cls(**json.loads(text.decode(errors="surrogatepass")))


@dataclass(frozen=True, slots=True)
class InstanceRow:
    """One instance of the archive."""

    sop_uid: str
    series_uid: str
    study_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    instance_number: int | None
    sha256: str
    size_bytes: int
    place: Place
    received_at: str
    """UTC, ISO 8601; "" where it was taken in straight from a file."""
    source: str
    """Whom it came from; "" where it was taken in straight from a file."""
    attributes: dict[str, str]
    """By DICOM keyword; those of its series where it is in a generation."""
