"""The manifest of a generation, `series.json`: which instances it holds, where their bytes are, and its stacks.

Storage keeps what an instance or a stack *means* (pixel description, verdict, geometry, rescale) as it was given, in
`pixels` and `meaning`; the engine reads it back.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..errors import Damaged
from .codec import CODECS, OPEN
from .shape import LevelShape
from .store.place import Place

_SEAL = b',\n "sha256": "'
FORMAT_VERSION = 2
"""Format 1 did not tell when and from whom an instance came, nor its attributes; it is read as well."""


@dataclass(frozen=True, slots=True)
class InstanceRecord:
    """One instance of a generation: what it was on reception, and how its file is put together again."""

    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    instance_number: int | None
    sha256: str
    """Of the file as received, hexadecimal."""
    size_bytes: int
    """Of the file as received."""
    source: str
    """Where the pixel bytes are: "stack", "codestreams", "values" (of a stack, codestreams being dropped), "whole" (the
    file as received), or "none" (no pixels)."""
    header: tuple[int, int, int]
    """Group, offset and length in the header pack of all bytes but the pixels; length 0 where `source` is whole."""
    pixel_offset: int
    """Where the pixel bytes go into the header."""
    pixel_bytes: int
    """How many they are."""
    first_codestream: int
    """Its first item in the codestream pack."""
    codestreams: int
    """How many items; a file kept whole is in pieces of 64 MiB."""
    pixels: dict[str, Any] | None
    """The pixel description, and how stored values become pixel bytes again."""
    received_at: str = ""
    """UTC, ISO 8601; "" where it was taken in straight from a file."""
    received_from: str = ""
    """Whom it came from; "" where it was taken in straight from a file."""
    attributes: dict[str, str] = field(default_factory=dict)
    """Its own attributes that a query may ask for, by DICOM keyword; those of its series are the manifest's."""


@dataclass(frozen=True, slots=True)
class StackRecord:
    """One stack of a generation."""

    name: str
    """The stack's folder below the generation, where it has levels: `<name>.ome.zarr`."""
    shape: tuple[int, int]
    """(time points, slices)."""
    dtype: str
    levels: list[LevelShape]
    """Empty where frames are decoded from their codestreams on demand."""
    frames: list[tuple[int, int]]
    """(instance, frame) of each slice, time point after time point."""
    meaning: dict[str, Any]
    codec: str = "open"
    """How the levels' chunks are compressed: see `storage.codec`."""
    with_ranges: int = 0
    """Of how many levels, from the finest, the ranges of bricks are kept."""

    @property
    def folder(self) -> str:
        """The pyramid's folder name."""
        return f"{self.name}.ome.zarr"


@dataclass(frozen=True, slots=True)
class Manifest:
    """One generation of one series."""

    series_instance_uid: str
    study_instance_uid: str
    generation: int
    created: str
    """UTC, ISO 8601."""
    software: str
    attributes: dict[str, str]
    instances: list[InstanceRecord]
    stacks: list[StackRecord]

    @property
    def received_bytes(self) -> int:
        """Bytes of all instances' files as they came in."""
        return sum(instance.size_bytes for instance in self.instances)

    def to_json(self) -> bytes:
        """Give the manifest as JSON: readable, one instance a line."""
        shared = self._shared_attributes()
        head = {
            "format": FORMAT_VERSION,
            **{part.name: getattr(self, part.name) for part in dataclasses.fields(self)[:-2]},
            "instance_fields": [part.name for part in dataclasses.fields(InstanceRecord)],
            "instance_attributes": shared,
        }
        own = (
            replace(i, attributes={keyword: text for keyword, text in i.attributes.items() if keyword not in shared})
            for i in self.instances
        )
        rows = (_compact([getattr(i, name) for name in head["instance_fields"]]) for i in own)
        stacks = (_compact(dataclasses.asdict(stack)) for stack in self.stacks)
        text = json.dumps(head, indent=1, ensure_ascii=False)[:-2]
        text += ',\n "instances": [\n  ' + ",\n  ".join(rows) + '\n ],\n "stacks": [\n  ' + ",\n  ".join(stacks)
        return sealed((text + "\n ]").encode())

    def _shared_attributes(self) -> dict[str, str]:
        """Give what all instances say of themselves alike: written once."""
        first, *others = [i.attributes for i in self.instances] or [{}]
        return {keyword: text for keyword, text in first.items() if all(o.get(keyword) == text for o in others)}

    @classmethod
    def from_json(cls, text: bytes, path: Place) -> Manifest:
        """Read a manifest; `path` is named where it is not one."""
        body, seal, _ = text.rpartition(_SEAL)
        if seal and text != sealed(body):
            raise Damaged(f"{path}: the manifest fails its checksum")
        try:
            value = json.loads(text)
            value.pop("sha256", None)  # there was none before
            if value.pop("format") not in (1, FORMAT_VERSION):
                raise Damaged(f"{path}: written by another version of Filmless")
            names = value.pop("instance_fields")
            shared = value.pop("instance_attributes", {})
            rows = [dict(zip(names, row, strict=True)) for row in value.pop("instances")]
            for row in rows:
                row["attributes"] = shared | row.get("attributes", {})
            instances = [InstanceRecord(**(row | {"header": tuple(row["header"])})) for row in rows]
            stacks = [_stack(stack) for stack in value.pop("stacks")]
            return cls(**value, instances=instances, stacks=stacks)
        except (ValueError, KeyError, TypeError, AttributeError) as problem:
            raise Damaged(f"{path}: not a manifest ({problem})") from problem


def sealed(body: bytes) -> bytes:
    """End a manifest's text with its own SHA-256: nobody reads a wrong rescale or place from one that has rotted."""
    return b'%b%b%b"\n}\n' % (body, _SEAL, hashlib.sha256(body).hexdigest().encode())


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _stack(value: dict[str, Any]) -> StackRecord:
    levels = [LevelShape(**{key: tuple(numbers) for key, numbers in level.items()}) for level in value["levels"]]
    frames = [(instance, frame) for instance, frame in value["frames"]]
    np.dtype(value["dtype"])  # an unknown type is a TypeError here rather than at the first read
    if value.get("codec", OPEN.name) not in CODECS:
        raise ValueError(f"the codec {value['codec']!r} is not known: update Filmless")
    if not 0 <= value.get("with_ranges", 0) <= len(levels):
        raise ValueError("ranges of levels that there are not")
    times, slices = value["shape"]
    return StackRecord(**(value | {"levels": levels, "frames": frames, "shape": (times, slices)}))
