"""Waiting for what another process or thread does, where it gives no event.

The usual limit only ends a test whose event never comes; where a test proves how long something takes, it says so.
"""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(condition: Callable[[], T], seconds: float = 30.0) -> T:
    """Poll until the condition is truthy and return its value; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{condition} did not come true within {seconds} s"
        time.sleep(0.01)
    return value
