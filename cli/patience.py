"""Asks an API again that can't serve for a while: it, or its Redis, is started anew, and what is followed goes on."""

from collections.abc import Callable
from typing import TypeVar

from cli.client import Unavailable

T = TypeVar("T")

PAUSE_SECONDS = 0.5
# An API or a Redis that was restarted is back by then.
PATIENCE_SECONDS = 120.0


def patiently(
    ask: Callable[[], T], say: Callable[[str], None], *, clock: Callable[[], float], wait: Callable[[float], None]
) -> T:
    """Return what is asked for; `say` is told once where that takes patience.

    Raises:
        Unavailable: the API has not answered for two minutes.
        CommandError: what else `ask` raises.

    """
    until, is_silent = clock() + PATIENCE_SECONDS, False
    while True:
        try:
            return ask()
        except Unavailable as error:
            if clock() >= until:
                raise
            if not is_silent:
                say(f"{error} It is asked again; the task goes on meanwhile.")
            is_silent = True
            wait(max(PAUSE_SECONDS, error.after_seconds))
