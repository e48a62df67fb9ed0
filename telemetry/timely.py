"""Questions that may hang: whoever asks waits for a moment only."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

T = TypeVar("T")

# Prometheus waits for 10 s, a supervisor's probe often less.
WITHIN_SECONDS = 2.0


class Timely(Generic[T]):
    """A question that is asked in a thread of its own; while one hangs, it is not asked again."""

    def __init__(self, ask: Callable[[], T]) -> None:
        self._ask, self._lock = ask, threading.Lock()
        self._asked: Future[T] | None = None

    def ask(self) -> "Future[T]":
        """Ask, unless it is being asked, and return what will have the answer, or the error."""
        with self._lock:
            if self._asked is None or self._asked.done():
                self._asked = Future()
                threading.Thread(target=self._answer, args=(self._asked,), name="asked", daemon=True).start()
            return self._asked

    def _answer(self, asked: "Future[T]") -> None:
        try:
            asked.set_result(self._ask())
        except BaseException as error:
            asked.set_exception(error)


def deadline() -> Callable[[], float]:
    """Return a function that tells how much of the time from now on is left (s)."""
    until = time.monotonic() + WITHIN_SECONDS
    return lambda: max(0.0, until - time.monotonic())
