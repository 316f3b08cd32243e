"""When each series was last found well, so that a verification with little time goes on where the last one stopped.

    verified.json     {series uid: [generation, UTC]}

It is no part of what the archive promises: where it is lost, every series is due again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

from .durable import write_whole
from .lease import locked

Verified: TypeAlias = tuple[int, str]
"""The generation that was verified, and when."""
_NAME = "verified.json"


def read(root: Path) -> dict[str, Verified]:
    """Give what is remembered, by Series Instance UID; nothing where it cannot be read."""
    try:
        held = json.loads((root / _NAME).read_bytes())
        return {str(uid): (int(generation), str(at)) for uid, (generation, at) in held.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def remember(root: Path, found: Mapping[str, Verified]) -> None:
    """Add to what is remembered, beside others who do."""
    with locked(root / ".locks" / _NAME):
        write_whole(root / _NAME, json.dumps(read(root) | dict(found), indent=0).encode())
