"""What an archive needs of where its series lie, and which kind it gets."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any, Protocol

from .address import Address
from .local import LocalStore
from .objects import ObjectStore
from .place import Place
from .series_folder import SeriesFolder


class Store(Protocol):
    """Where the generations of all series lie."""

    def series(self, series_uid: str) -> Place:
        """Give the place of a series' generations."""
        ...

    def next_number(self, series_uid: str) -> int:
        """Give a number for a series' next generation."""
        ...

    def publish(self, written: Path, series_uid: str, number: int) -> None:
        """Let what lies in the local folder `written` appear as a generation, whole, durably, or not at all."""
        ...

    def remove(self, series_uid: str, numbers: Collection[int]) -> None:
        """Remove published generations."""
        ...

    def restore(self, series_uid: str, number: int, manifest: bytes) -> None:
        """Put a generation's manifest, byte for byte as it was, in the place of a damaged or missing one."""
        ...

    def discard(self, leftover: Any) -> None:
        """Remove what `survey` called a leftover of this store."""
        ...

    def survey_series(self, series_uid: str) -> SeriesFolder | None:
        """Give what lies in one series' folder, None where there is none."""
        ...

    def survey(self) -> list[SeriesFolder]:
        """Give what lies in every series' folder, in order of UID."""
        ...


def open_store(folder: Path, url: str) -> Store:
    """Give the store at `url`, or that of the local `folder` where it is "".

    Generations of either kind are written below `folder` first. Raises `InvalidArgument` for a URL that is none;
    nothing is asked of an object store yet.
    """
    local = LocalStore(folder)
    return ObjectStore(Address.parse(url), local) if url else local
