"""Calls that cannot be interrupted, such as name resolution, in threads of their own."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def in_thread(call: Callable[[], T], name: str) -> "Future[T]":
    """Run a call in a daemon thread.

    The future has the result or the exception of the call, or of starting the thread.
    """
    result: Future[T] = Future()

    def work() -> None:
        try:
            result.set_result(call())
        except BaseException as exc:  # noqa: BLE001, raised again by the future
            result.set_exception(exc)

    try:
        threading.Thread(target=work, name=name, daemon=True).start()
    except RuntimeError as exc:
        result.set_exception(exc)
    return result
