"""The pool: results in order, the first error, nothing left running, no standing still."""

from __future__ import annotations

import threading
import time

import pytest
from filmless.storage import pool


@pytest.fixture(autouse=True)
def two_threads(monkeypatch):
    monkeypatch.setattr(pool, "thread_count", lambda: 2)


@pytest.mark.parametrize("count", [0, 1, 2, 7, 100])
def test_results_come_in_order(count):
    assert pool.run_all(lambda number: number * number, range(count)) == [n * n for n in range(count)]


def test_two_items_are_worked_on_at_the_same_time():
    both = threading.Barrier(2, timeout=10)
    assert len(pool.run_all(lambda _: both.wait(), range(2))) == 2


def test_the_first_error_by_order_is_raised_and_the_rest_is_left():
    done, both = [], threading.Barrier(2, timeout=10)

    def fail(number):
        if number < 2:
            both.wait()
            raise ValueError(f"item {number}")
        done.append(number)

    with pytest.raises(ValueError, match="item 0"):
        pool.run_all(fail, range(50))
    assert done == []


def test_nothing_runs_any_more_when_an_error_is_told():
    started, running = threading.Event(), []

    def work(number):
        if number == 0:
            assert started.wait(10)
            raise KeyError
        running.append(number)
        started.set()
        time.sleep(0.05)
        running.remove(number)

    with pytest.raises(KeyError):
        pool.run_all(work, range(10))
    assert running == []


def test_tasks_that_start_tasks_do_not_stand_still():
    outer = pool.run_all(lambda a: sum(pool.run_all(lambda b: a * b, range(5))), range(8))
    assert outer == [a * 10 for a in range(8)]


def test_the_caller_is_no_worker_afterwards():
    pool.run_all(str, range(4))
    assert not pool.is_worker()
    with pytest.raises(ZeroDivisionError):
        pool.run_all(lambda n: 1 // n, range(4))
    assert not pool.is_worker()


def test_many_callers_at_once_get_their_own_results():
    answers = {}

    def ask(caller):
        answers[caller] = pool.run_all(lambda n: caller * 1000 + n, range(40))

    callers = [threading.Thread(target=ask, args=(caller,)) for caller in range(8)]
    for thread in callers:
        thread.start()
    for thread in callers:
        thread.join()
    assert answers == {caller: [caller * 1000 + n for n in range(40)] for caller in range(8)}
