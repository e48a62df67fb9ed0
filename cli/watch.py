"""Follows a task to its end: asks the API how far it is, has it drawn, and names the hosts that failed."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from cli.client import Refused, Unavailable
from cli.interrupt import StopAsked, raise_on_stop
from cli.patience import PAUSE_SECONDS, patiently
from cli.progress import Drawing
from cli.snapshot import Snapshot, Stage, of_summary
from cli.task import TaskClient

# Steps are taken within a second or two; those of a worker that was lost, once that is noticed.
IDLE_SECONDS = 20.0
IDLE = (
    "No step has run for a while: its hosts are with other tasks, or no worker takes steps. "
    "`muster doctor` tells what is missing."
)


class Watch:
    """Looks at one task; `names` are those of hosts that are known already. Clock and wait are seams."""

    def __init__(
        self,
        client: TaskClient,
        task_id: int,
        names: Mapping[int, str] | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client, self._task_id = client, task_id
        self._names = dict(names or {})
        self._clock, self._wait = clock, wait

    def look(self) -> Snapshot:
        """Return the task as it is now.

        Raises:
            CommandError: the API does not answer, refuses the caller, or knows no such task.

        """
        task = self._client.summary(self._task_id)
        for failed in task["summary"]["failed"]:
            self._name(failed["hostId"])
        return of_summary(task, self._names)

    def follow(self, show: Drawing) -> Snapshot:
        """Return the task once it has ended.

        Raises:
            Unavailable: the API has not answered for two minutes.
            CommandError: it refuses the caller, or knows no such task.

        """
        told: set[int] = set()
        idleness = _Idleness(self._clock)
        while True:
            snapshot = self._look_patiently(show)
            show.update(snapshot)
            if idleness.is_news(snapshot):
                show.say(IDLE)
            for failure in snapshot.failures:
                if failure.subtask not in told:
                    show.say(f"FAILED {failure}")
            # One that runs again may fail for another reason.
            told = {failure.subtask for failure in snapshot.failures}
            if snapshot.ended:
                return snapshot
            # A summary costs the API milliseconds, whatever the size of the task.
            self._wait(PAUSE_SECONDS)

    def _look_patiently(self, show: Drawing) -> Snapshot:
        return patiently(self.look, show.say, clock=self._clock, wait=self._wait)

    def _name(self, host_id: int) -> None:
        """Learn the name of a host, of one that may not be seen (any more) that there is none."""
        if host_id not in self._names:
            try:
                host: dict[str, Any] = self._client.host(host_id)
                self._names[host_id] = host["name"]
            except Refused:
                self._names[host_id] = f"host {host_id}"


class _Idleness:
    """Notices where nothing runs and nothing has changed for a while, once each time."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock, self._since, self._is_told = clock, clock(), False
        self._seen: tuple[Stage, ...] = ()

    def is_news(self, snapshot: Snapshot) -> bool:
        """Tell whether it has come to that just now."""
        if snapshot.stages != self._seen or snapshot.running or snapshot.ended:
            self._seen, self._since, self._is_told = snapshot.stages, self._clock(), False
        is_news = not self._is_told and self._clock() - self._since >= IDLE_SECONDS
        self._is_told = self._is_told or is_news
        return is_news


@contextmanager
def saying_how_to_return(task_id: int, again: str) -> Iterator[None]:
    """Where Ctrl-C or a silent API end the block before the task ends, say that it goes on; `again` is a command.

    Call it in the main thread.
    """
    raise_on_stop()
    try:
        yield
    except (StopAsked, Unavailable):
        print(f"Task {task_id} goes on without this command. To come back: {again}", file=sys.stderr, flush=True)
        raise
