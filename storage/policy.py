"""Policy: what the archive's owner has decided, kept in `archive.json` beside the format version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, Self, get_args
from urllib.parse import urlsplit

from ..errors import InvalidArgument

Codec = Literal["open", "dense"]
Originals = Literal["keep", "drop-when-proven"]
SameUid = Literal["keep-first", "reject", "replace"]

_CHOICES: dict[str, tuple[str, ...]] = {
    "codec": get_args(Codec),
    "originals": get_args(Originals),
    "same_uid": get_args(SameUid),
}
_YEAR_S = 366 * 86400


@dataclass(frozen=True, slots=True)
class Policy:
    """What one archive does where there is a choice; raises `InvalidArgument` for what none can be."""

    codec: Codec = "open"
    """How stored values are compressed: "open" is Zarr's standard blosc, which every reader opens."""
    originals: Originals = "keep"
    """Whether lossless codestreams stay beside the stored values that are decoded from them, or go where two decoders
    agree on every frame: such an instance is given back with the same values, and no longer as it was received."""
    same_uid: SameUid = "keep-first"
    """What becomes of other bytes under a SOP Instance UID that is there: the first stays and they are set aside, they
    are refused, or they take its place and the first is set aside (invariant A6)."""
    quiet_s: float = 30.0
    """Seconds without a new instance after which a series is consolidated."""
    reserve_bytes: int = 1 << 30
    """Room on the disk below which nothing is received."""
    grace_s: float = 7 * 86400.0
    """Seconds between deletion and removal."""
    series: str = ""
    """Where series lie: "" for the archive's own folder, or the URL of an object store."""
    index: str = ""
    """Where the index lies: "" for SQLite in the archive's folder, or the URL of a database."""

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise InvalidArgument(f"policy {name}={getattr(self, name)!r}: choose {' or '.join(choices)}")
        for name in ("quiet_s", "grace_s", "reserve_bytes"):
            value, most = getattr(self, name), float("inf") if name == "reserve_bytes" else _YEAR_S
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if not is_number or not 0 <= value <= most:
                raise InvalidArgument(f"policy {name}={value!r}: give a number from 0 up")
        for name in ("series", "index"):
            if not isinstance(getattr(self, name), str):
                raise InvalidArgument(f'policy {name}={getattr(self, name)!r}: give a URL, or ""')

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Read what `archive.json` says; what it leaves out is as by default."""
        known = {field.name for field in fields(cls)}
        if unknown := sorted(stored.keys() - known):
            raise InvalidArgument(f"no policy is called {unknown[0]!r}: there are {', '.join(sorted(known))}")
        return cls(**stored)

    def to_json(self) -> dict[str, Any]:
        """Give what `archive.json` keeps."""
        return asdict(self)

    def changed(self, settings: Mapping[str, str]) -> Self:
        """Give the policy with some settings changed, each given as text as on a command line."""
        parsed = {name: _parsed(name, text) for name, text in settings.items()}
        if parsed.get("series", self.series) != self.series:
            raise InvalidArgument("policy series: series lie where the archive was told when it was made; make another")
        if urlsplit(str(parsed.get("index", ""))).password:
            raise InvalidArgument(
                "policy index: no password in a URL, which is kept and shown: put it in PGPASSWORD or ~/.pgpass"
            )
        return replace(type(self).from_json(parsed), **(self.to_json() | parsed))


def _parsed(name: str, text: str) -> str | int | float:
    if name not in ("quiet_s", "grace_s", "reserve_bytes"):
        return text
    try:
        return int(text) if name == "reserve_bytes" else float(text)
    except ValueError:
        raise InvalidArgument(f"policy {name}={text!r}: give a number from 0 up") from None
