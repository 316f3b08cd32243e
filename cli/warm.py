"""`filmless warm`: every kernel compiled before it is wanted."""

from __future__ import annotations

from ..engine.warm import warm
from .console import count_text, out, progress_bars


def warm_up() -> None:
    """Compile every kernel for this machine, or load it from the cache, so that no later command waits for one."""
    with progress_bars() as progress:
        done = warm(progress)
    out.print(
        f"{count_text(done.kernels, 'kernel')} ready in {done.seconds:.1f} s:"
        f" {done.compiled} compiled, {done.kernels - done.compiled} loaded from the cache"
    )
