"""What an ingest did with every file it was given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ..storage.quarantine import SetAside

Progress = Callable[[str, int, int], None]
"""`progress(stage, done, total)`: told as work goes on; `done` and `total` count files, or bytes while storing."""


def no_progress(_stage: str, _done: int, _total: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class StoredSeries:
    """One series that an ingest wrote a generation of."""

    series_instance_uid: str
    generation: int
    new_instances: int
    new_bytes: int
    """Of their files."""
    received_bytes: int
    """Of the files of all instances of the generation."""
    archived_bytes: int
    """Of the whole generation."""
    stacks: list[str]
    """A line a stack: its size and verdict."""


@dataclass(slots=True)
class IngestReport:
    """The account of one ingest: every file found is in exactly one of the counts."""

    found: int = 0
    series: list[StoredSeries] = field(default_factory=list)
    duplicates: list[Path] = field(default_factory=list)
    """Files whose instance was there already, byte for byte."""
    passed_over: list[tuple[Path, str]] = field(default_factory=list)
    """Files that are no instances: not DICOM, or a DICOMDIR; with the reason."""
    set_aside: list[SetAside] = field(default_factory=list)
    """Files that claim to be instances and could not be taken in; their bytes are in quarantine."""
    unreadable: list[tuple[Path, str]] = field(default_factory=list)
    """Files the operating system would not let us read; with the reason."""
    warnings: list[str] = field(default_factory=list)
    """What was taken in, but not as one would wish."""
    seconds: float = 0.0

    @property
    def stored(self) -> int:
        """Instances added to the archive."""
        return sum(series.new_instances for series in self.series)

    @property
    def received_bytes(self) -> int:
        """Bytes of the files added."""
        return sum(series.new_bytes for series in self.series)

    @property
    def share_kept(self) -> float:
        """Bytes of the generations written, as a share of the files of all their instances."""
        received = sum(series.received_bytes for series in self.series)
        return self.archived_bytes / received if received else 0.0

    @property
    def archived_bytes(self) -> int:
        """Bytes of the generations written."""
        return sum(series.archived_bytes for series in self.series)

    @property
    def is_complete(self) -> bool:
        """Whether every instance found is in the archive now."""
        return not self.set_aside and not self.unreadable
