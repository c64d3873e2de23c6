"""Threads for fetches: their number stays right with any calls."""

import gc
import threading
import time
import weakref
from collections.abc import Callable, Iterator

import pytest

from exporter.docspace.workers import Workers


class Sleeper:
    """A call that waits for an event."""

    def __init__(self) -> None:
        self.running, self.going_on = threading.Event(), threading.Event()

    def __call__(self) -> None:
        """Wait."""
        self.running.set()
        assert self.going_on.wait(60)


@pytest.fixture
def workers() -> Iterator[Workers]:
    workers = Workers(1)
    yield workers
    workers.close()


def is_done(workers: Workers) -> bool:
    """Whether a job that is submitted now is run."""
    done = threading.Event()
    workers.submit((), done.set)
    return done.wait(60)


def no_thread(_: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


def no_memory(_: threading.Thread) -> None:
    raise MemoryError


@pytest.mark.parametrize("kind", [LookupError, MemoryError, SystemExit])
@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_call_that_raises_costs_no_thread(kind: type[BaseException]) -> None:
    failed: list[BaseException] = []
    workers = Workers(1, failed.append)

    def fault() -> None:
        raise kind

    for _ in range(3):
        workers.submit((), fault)
    assert is_done(workers)
    assert [type(each) for each in failed] == [kind] * 3
    workers.close()


def test_an_idle_thread_keeps_nothing_of_its_last_call_alive(workers: Workers) -> None:
    """Else it would hold the keys of a removed portal until its next job."""
    call: Sleeper | None = Sleeper()
    assert call is not None
    call.going_on.set()
    last = weakref.ref(call)
    job = workers.submit((), call)
    while job.state != "done":
        time.sleep(0.005)
    call = None
    gc.collect()
    assert last() is None


@pytest.mark.parametrize("start", [no_thread, no_memory])
def test_a_job_for_which_no_thread_can_start_is_not_done_later(
    workers: Workers,
    monkeypatch: pytest.MonkeyPatch,
    start: Callable[[threading.Thread], None],
) -> None:
    done: list[int] = []
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        with pytest.raises((RuntimeError, MemoryError)):
            workers.submit((), lambda: done.append(1))
    assert is_done(workers)
    assert done == []


def test_a_job_waits_for_the_threads_there_are_where_no_more_can_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    workers, sleeper, done = Workers(2), Sleeper(), threading.Event()
    workers.submit((), sleeper)
    assert sleeper.running.wait(60)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_thread)
        workers.submit((), done.set)
    sleeper.going_on.set()
    assert done.wait(60)
    workers.close()


def test_jobs_left_by_an_abandoned_thread_that_cannot_be_replaced_come_with_the_next(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    sleeper, done = Sleeper(), threading.Event()
    hanging = workers.submit((), sleeper)
    assert sleeper.running.wait(60)
    workers.submit((), done.set)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_thread)
        workers.abandon(hanging)
    assert not done.is_set()
    assert is_done(workers)
    assert done.wait(60)
    sleeper.going_on.set()


def test_a_job_taken_back_is_not_done(workers: Workers) -> None:
    sleeper = Sleeper()
    workers.submit((), sleeper)
    assert sleeper.running.wait(60)
    done: list[int] = []
    job = workers.submit((), lambda: done.append(1))
    assert workers.withdraw(job)
    assert not workers.withdraw(job)
    sleeper.going_on.set()
    assert is_done(workers)
    assert done == []


def test_the_most_urgent_job_comes_first(workers: Workers) -> None:
    sleeper, done = Sleeper(), threading.Event()
    workers.submit((), sleeper)
    assert sleeper.running.wait(60)
    order: list[int] = []
    for number in (3, 1, 2):
        workers.submit((number,), lambda number=number: order.append(number))
    workers.submit((4,), done.set)
    sleeper.going_on.set()
    assert done.wait(60)
    assert order == [1, 2, 3]
