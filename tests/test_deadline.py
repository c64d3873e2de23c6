"""The alarm for all deadlines: its one thread must survive any call."""

import threading

import pytest

from exporter.docspace.deadline import Alarm


def test_a_call_that_raises_costs_no_other_call() -> None:
    failed: list[BaseException] = []
    alarm, called = Alarm(failed.append), threading.Event()
    for kind in (LookupError, MemoryError, SystemExit):
        alarm.call_in(0.0, lambda kind=kind: _raise(kind()))
    alarm.call_in(0.01, called.set)
    assert called.wait(60)
    assert [type(each) for each in failed] == [LookupError, MemoryError, SystemExit]


def test_calls_come_in_the_order_of_their_moments() -> None:
    alarm, busy, done = Alarm(), threading.Event(), threading.Event()
    order: list[int] = []
    alarm.call_in(0.0, lambda: busy.wait(60))  # so that the others are due together
    for number in (3, 1, 2):
        alarm.call_in(number / 1000, lambda number=number: order.append(number))
    alarm.call_in(0.01, done.set)
    busy.set()
    assert done.wait(60)
    assert order == [1, 2, 3]


def test_a_call_that_is_cancelled_does_not_come() -> None:
    alarm, done = Alarm(), threading.Event()
    called: list[int] = []
    entry = alarm.call_in(0.05, lambda: called.append(1))
    alarm.cancel(entry)
    alarm.cancel(entry)
    alarm.call_in(0.1, done.set)
    assert done.wait(60)
    assert called == []


def test_cancelled_calls_do_not_pile_up() -> None:
    alarm = Alarm()
    for _ in range(10_000):
        alarm.cancel(alarm.call_in(3600.0, lambda: None))
    assert not alarm._entries


def test_an_alarm_whose_thread_could_not_start_starts_it_with_the_next_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alarm, called = Alarm(), threading.Event()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", _no_thread)
        with pytest.raises(RuntimeError):
            alarm.call_in(0.0, called.set)
    alarm.call_in(0.0, called.set)
    assert called.wait(60)


def _raise(error: BaseException) -> None:
    raise error


def _no_thread(_: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")
