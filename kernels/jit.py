"""How every kernel is compiled: one decorator, one set of flags, one cache that cannot go stale.

Numba's disk cache looks only at the file of the cached function: after an edit of a callee in another file the
caller would still run the old machine code. So the cache lives in a folder named by a hash of all kernels' sources.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numba
from numba import config
from numba.core import event

Function = TypeVar("Function", bound=Callable[..., Any])


def _sources_hash() -> str:
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def _cache_folder() -> Path | None:
    """Give the first folder that can be written, or None: then each process compiles for itself."""
    home = os.environ.get("NUMBA_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    temporary = Path(tempfile.gettempdir()) / f"filmless-{os.getuid()}"
    for base in (Path(home).expanduser() / "filmless", temporary):
        folder = base / f"kernels-{_sources_hash()}"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError:
            continue
        # Machine code is loaded from here: another user's folder is never trusted.
        if os.access(folder, os.W_OK) and folder.stat().st_uid == os.getuid():
            return folder
    return None


CACHE_FOLDER = _cache_folder()


def on_first_compilation(tell: Callable[[], None]) -> None:
    """Call `tell` once, when a kernel is about to be compiled because no cache has it."""

    class Listener(event.Listener):  # type: ignore[misc] # Numba ships no types
        def on_start(self, event: object) -> None:
            nonlocal tell
            said, tell = tell, _say_nothing
            said()

        def on_end(self, event: object) -> None:
            """Nothing is to be told then."""

    event.register("numba:compile", Listener())


_KERNELS: list[Any] = []
"""Every kernel of the modules imported so far; not the helpers, which are compiled into them."""


def count_specialisations() -> tuple[int, int]:
    """Give how many specialisations this process has, one for each kernel and types, and how many it compiled.

    The others came from the cache.
    """
    loaded_or_compiled = sum(len(kernel.signatures) for kernel in _KERNELS)
    return loaded_or_compiled, sum(sum(kernel.stats.cache_misses.values()) for kernel in _KERNELS)


def specialisations() -> frozenset[str]:
    """Name what this process has compiled or loaded: each kernel with the types of its arguments."""
    return frozenset(f"{k.__module__}.{k.__name__}{s}" for k in _KERNELS for s in k.signatures)


def _say_nothing() -> None:
    """Tell nobody any more."""


def kernel(function: Function) -> Function:
    """Compile `function` to run without the GIL, single-threaded, cached on disk.

    No `parallel=True`: Numba's layers abort under threads (workqueue) or die after a fork (GNU OpenMP); callers
    run kernels on the pool in `storage.pool`. No `fastmath`, but contraction to fused multiply-add.
    """
    compiled = _compile(function)
    _KERNELS.append(compiled)
    return compiled


def inlined(function: Function) -> Function:
    """Compile a helper that kernels call; LLVM inlines it into each caller."""
    return _compile(function)


def always_inlined(function: Function) -> Function:
    """Compile a helper that LLVM must inline, however large and often called: a decoder's innermost steps.

    Only kernels can call it: it gets no wrapper for Python, which would take as long to compile as itself.
    """
    return _compile(function, forceinline=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)


def routine(function: Function) -> Function:
    """Compile a helper that only kernels call: without a wrapper for Python, it is compiled sooner."""
    return _compile(function, no_cpython_wrapper=True, no_cfunc_wrapper=True)


def _compile(function: Function, **options: bool) -> Function:
    former = config.CACHE_DIR
    if CACHE_FOLDER is not None:
        config.CACHE_DIR = str(CACHE_FOLDER)
    try:
        compiled: Function = numba.njit(
            nogil=True,
            cache=CACHE_FOLDER is not None,
            boundscheck=None,
            error_model="numpy",
            fastmath={"contract"},
            **options,
        )(function)
    finally:
        config.CACHE_DIR = former
    return compiled
