"""Follows the log of a step to the step's end: asks the API for what is new, and has it shown."""

import sys
import time
from collections.abc import Callable

from cli.patience import PAUSE_SECONDS, patiently
from cli.task import Row, TaskClient


def warn(text: str) -> None:
    """Say something on stderr: stdout is the log's."""
    print(text, file=sys.stderr, flush=True)


class LogFollower:
    """Follows one log; `say` is told what is wrong meanwhile. Clock and wait are seams."""

    def __init__(
        self,
        client: TaskClient,
        task_id: int,
        subtask_id: int,
        *,
        say: Callable[[str], None] = warn,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client, self._ids = client, (task_id, subtask_id)
        self._say, self._clock, self._wait = say, clock, wait

    def follow(self, show: Callable[[str], None]) -> str:
        """Show the log as it grows, and return the subtask's status once nothing will be added.

        Raises:
            Unavailable: the API has not answered for two minutes.
            CommandError: it refuses the caller, or knows no such subtask.

        """
        place = 0
        while True:
            part = self._ask(place)
            if part["begin"] != place:
                # Another, shorter log: the store has lost data. What there is now is shown from its beginning.
                place = 0
                continue
            if part["log"]:
                show(part["log"])
            place = part["next"]
            if part["ended"]:
                return str(part["status"])
            self._wait(PAUSE_SECONDS)

    def _ask(self, place: int) -> Row:
        return patiently(
            lambda: self._client.log_from(*self._ids, place), self._say, clock=self._clock, wait=self._wait
        )
