"""A file or folder of a series: a `Path` of this machine, or an address in an object store."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from .objects import ObjectStore


@dataclass(frozen=True, slots=True)
class ObjectPlace:
    """An object, or what all objects below it have in common; joined and shown like a `Path`."""

    store: ObjectStore
    path: str
    """Below `series/`, its parts joined by slashes."""

    def __truediv__(self, name: str) -> ObjectPlace:
        return ObjectPlace(self.store, f"{self.path}/{name}")

    def __str__(self) -> str:
        return f"{self.store.address}/{self.path}"

    @property
    def name(self) -> str:
        """The last part."""
        return self.path.rpartition("/")[2]


Place: TypeAlias = Path | ObjectPlace
