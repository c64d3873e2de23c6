"""Calls that cannot be interrupted, name resolution above all, in threads of their own."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def in_thread(call: Callable[[], T], name: str) -> "Future[T]":
    """Run a call in a thread that does not keep the process alive.

    The future has what the call returns or raises; where the system has no thread left, that.
    """
    result: Future[T] = Future()

    def work() -> None:
        try:
            result.set_result(call())
        except BaseException as exc:  # noqa: BLE001, raised again where the result is asked for
            result.set_exception(exc)

    try:
        threading.Thread(target=work, name=name, daemon=True).start()
    except RuntimeError as exc:
        result.set_exception(exc)
    return result
