"""The logs of runs that are under way, as their worker stores them: what is new of many, in one round trip."""

from collections.abc import Sequence
from dataclasses import dataclass

from dag.lease import Run
from dag.store import Store

# What is stored of a run that does not hold its node any more.
NOT_HELD = -1


@dataclass(frozen=True)
class LogPart:
    """A part of one run's log: `text` (UTF-8) stands behind its first `before` bytes; `token` is that of its begin."""

    run: Run
    token: int
    before: int
    text: bytes


class RunningLogs:
    """Writes what runs log before they have ended; their end replaces it by the whole (`dag.lease.Report`)."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def append(self, parts: Sequence[LogPart]) -> list[int]:
        """Return for each part how many bytes of its run's log are stored now.

        Fewer than `before`: some are missing, and nothing was written. NOT_HELD: the run is another worker's or has
        ended, and its log is left as it is. A part may be told twice.

        Raises:
            StoreUnavailable: Redis is away; any of the parts may have been written.
        """
        answers = self._store.scripts.call_each("append", [self._call(part) for part in parts])
        return list(map(int, answers))

    def _call(self, part: LogPart) -> tuple[list[str], list[str | int | bytes]]:
        keys, run = self._store.keys, part.run
        names = [keys.status(run.task_id), keys.nodes(run.task_id), keys.log(run.task_id)]
        return names, [run.offset, run.attempt, part.token, part.before, part.text]
