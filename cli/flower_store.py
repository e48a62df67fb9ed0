"""What the store knows of runs of which Flower has heard nothing for a while.

Events are told once: those that a worker had not sent when it was killed, or that were sent while the broker was away,
never come. The store has every end, so it is asked.
"""

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from random import sample
from typing import Any

import structlog
from celery import states

from cli.flower_row import NodeRun, run_of
from cli.flower_state import ENDS, NodeRow, NodeState
from dag.error import StoreUnavailable, UnknownTask
from dag.state import NodeStatus
from dag.store import Store
from dag.summary import reason_of
from dag.task import Node

LOOK_SECONDS = 5.0
# Nothing was heard of a run for so long. Later than that it is not asked for any more: the store does not know it.
QUIET_SECONDS, GONE_SECONDS = 10.0, 900.0
# Most just take their time or stand in a queue. So many are asked for in one look, of so many tasks (about 2 ms each);
# where there are more, chance chooses, so that none is left out for long.
MOST_RUNS, MOST_TASKS = 2000, 100
KINDS = {NodeStatus.SUCCESSFUL: "task-succeeded", NodeStatus.FAILED: "task-failed"}

log = structlog.get_logger()


def quiet_runs(state: NodeState, now: float) -> list[NodeRun]:
    """Return the runs of which nothing was heard for a while; `now` is s since the epoch."""
    # Its own `items` takes a lock for each row; rows change in this thread only.
    quiet = [row for row in state.tasks.data.values() if _is_quiet(row, now)]
    chosen = sample(quiet, MOST_RUNS) if len(quiet) > MOST_RUNS else quiet
    return [run for row in chosen if (run := run_of(row.uuid, row.kwargs))]


def _is_quiet(row: NodeRow, now: float) -> bool:
    is_open = row.state not in ENDS and row.state != states.REJECTED
    return is_open and QUIET_SECONDS < now - (row.timestamp or now) < GONE_SECONDS


def ends_of(store: Store, runs: Sequence[NodeRun]) -> list[dict[str, Any]]:
    """Return an event for each of the runs that has ended.

    Raises:
        StoreUnavailable: Redis is away.
    """
    of_task: dict[int, list[NodeRun]] = defaultdict(list)
    for run in runs:
        of_task[run.task_id].append(run)
    asked = sample(list(of_task), min(MOST_TASKS, len(of_task)))
    return [event for task_id in asked for event in _ends_in(store, task_id, of_task[task_id])]


def _ends_in(store: Store, task_id: int, runs: Sequence[NodeRun]) -> Iterator[dict[str, Any]]:
    try:
        before = store.read(task_id)
        offsets = {run.subtask_id - before.graph.base: run for run in runs}
        letters = {status.letter for status in KINDS}
        ended = [at for at in offsets if 0 <= at < len(before.letters) and before.letters[at] in letters]
        now, records = store.read_nodes(task_id, ended)
    except UnknownTask:
        return
    for at in ended:
        node = now.node(now.place(at), records.get(str(at)))
        if node.status in KINDS and node.attempt == offsets[at].attempt and node.finished_at:
            yield _event(store, task_id, at, node, offsets[at].uuid)


def _event(store: Store, task_id: int, offset: int, node: Node, uuid: str) -> dict[str, Any]:
    """Return the event that the worker would have sent; times are s since the epoch."""
    started, finished = (node.started_at or 0) / 1000, (node.finished_at or 0) / 1000
    event = {"type": KINDS[node.status], "uuid": uuid, "executor": node.executor, "timestamp": finished}
    if node.status is NodeStatus.SUCCESSFUL:
        return {**event, "result": repr("succeeded"), "runtime": finished - started}
    return {**event, "exception": reason_of(store, task_id, offset, node.attempt)}


class Reconciler:
    """Lets Flower know, every few seconds, what it was not told."""

    def __init__(self, state: NodeState, store: Store, loop: Any) -> None:
        self._state, self._store, self._loop = state, store, loop

    async def look(self) -> None:
        """Ask for what is quiet; in a thread, for Redis may keep silent."""
        runs = quiet_runs(self._state, time.time())
        if not runs:
            return
        try:
            events = await self._loop.run_in_executor(None, ends_of, self._store, runs)
        except StoreUnavailable as error:
            log.debug("what became of quiet runs is asked for later", reason=str(error))
            return
        for event in events:
            self._state.learn(event)
