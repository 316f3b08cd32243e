"""The thread pool on which kernels run in parallel: they hold no lock, so threads are all it takes."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


@cache
def thread_count() -> int:
    """Give the number of threads: FILMLESS_THREADS, or the processors this process may use."""
    asked = os.environ.get("FILMLESS_THREADS", "")
    return max(1, int(asked)) if asked.isdigit() else len(os.sched_getaffinity(0))


_thread = threading.local()


def mark_worker() -> None:
    """Make this thread work alone: `run_all` runs in it, as in a thread of the pool."""
    _thread.is_worker = True


@cache
def _executor() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(thread_count(), thread_name_prefix="filmless", initializer=mark_worker)


os.register_at_fork(after_in_child=_executor.cache_clear)  # threads do not survive a fork


def is_worker() -> bool:
    """Whether this is a thread of the pool, which must not wait for another task of it."""
    return getattr(_thread, "is_worker", False)


def run_all(function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """Call `function` on every item in parallel; give the results in order, or raise the first error.

    The calling thread works too, and threads take the next item themselves: nobody is woken for each. Called from a
    task of the pool it works in that task's thread alone: tasks that wait for tasks could stand still.
    """
    items = list(items)
    if len(items) <= 1 or thread_count() == 1 or is_worker():
        return [function(item) for item in items]
    results: list[Any] = [None] * len(items)
    failed: dict[int, BaseException] = {}
    numbers = iter(range(len(items)))  # taking the next of a range is one step: no two threads get the same

    def work() -> None:
        for number in numbers:
            try:
                results[number] = function(items[number])
            except BaseException as problem:
                failed[number] = problem
            if failed:
                return

    helpers = [_executor().submit(work) for _ in range(min(thread_count(), len(items)) - 1)]
    _thread.is_worker = True
    try:
        work()
    finally:
        _thread.is_worker = False
        # Those that have begun are waited for, after an error too: they may still write into shared arrays.
        for helper in helpers:
            if not helper.cancel():
                helper.result()
    if failed:
        raise failed[min(failed)]
    return results


def split(count: int, least: int = 1) -> Sequence[tuple[int, int]]:
    """Cut `range(count)` into one run a thread, or fewer, so that none is shorter than `least`."""
    parts = max(1, min(thread_count(), count // least))
    bounds = [count * part // parts for part in range(parts + 1)]
    return list(itertools.pairwise(bounds))
