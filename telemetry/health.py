"""Whether a process is well: what is asked, and how it is told."""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from dag.error import MusterError
from telemetry.timely import WITHIN_SECONDS, Timely, deadline

# A loop that has not turned for so long hangs: each of its steps waits for Redis or the broker a few seconds at most.
STUCK_SECONDS = 30.0
OK = "OK"

# Returns "" where all is well, else what is wrong in a sentence; a MusterError that it raises is that sentence.
Check = Callable[[], str]
Checks = Mapping[str, Check]


@dataclass(frozen=True)
class Health:
    """The checks of a process. `alive`: unless all are well, it is to be replaced. `ready`: it can do its work now."""

    alive: Checks
    ready: Checks


class Examination:
    """Checks that are asked all at once, each for a moment: what hangs is not well, either."""

    def __init__(self, checks: Checks) -> None:
        self._questions = {name: Timely(check) for name, check in checks.items()}

    def examine(self) -> tuple[bool, dict[str, Any]]:
        """Return whether all is well, and what to tell: each check with "OK" or what is wrong."""
        asked = {name: question.ask() for name, question in self._questions.items()}
        left = deadline()
        found = {name: _text(answer, left()) or OK for name, answer in asked.items()}
        is_well = all(text == OK for text in found.values())
        return is_well, {"status": "UP" if is_well else "DOWN", "checks": found}


def _text(answer: "Future[str]", seconds: float) -> str:
    try:
        return answer.result(seconds)
    except MusterError as error:
        return str(error)
    except TimeoutError:
        return f"No answer within {WITHIN_SECONDS:g} s."


def turning(turned_at: Callable[[], float], what: str, seconds: float = STUCK_SECONDS) -> Check:
    """Return a check that `turned_at` (s, monotonic) is not too long ago."""

    def check() -> str:
        ago = time.monotonic() - turned_at()
        return f"{what} has not turned for {ago:.0f} s." if ago > seconds else ""

    return check


def answering(ask: Callable[[], object]) -> Check:
    """Return a check that `ask` returns instead of raising a MusterError."""

    def check() -> str:
        ask()
        return ""

    return check
