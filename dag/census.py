"""How many nodes are in which state, by action: of all tasks that run.

Each task has a letter a node in one string, and a version that changes with it. So only tasks that have changed are
read again, each by two commands, and the counting is a few microseconds for a thousand nodes.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dag.catalogue import Catalogue, TaskFilter
from dag.graph import Graph
from dag.script import translated
from dag.snapshot import TaskVersion, unpack_stages
from dag.state import STATUS_OF, NodeStatus, TaskStatus
from dag.store import Store
from dag.task import Scope

# The oldest so many tasks are looked at: with more of them, nearly all wait for the hosts of others.
MOST_TASKS = 1000
TASKS_A_CALL = 50

Nodes = Mapping[tuple[str, NodeStatus], int]


@dataclass(frozen=True)
class Counts:
    """How many tasks run, and their nodes by (action, status)."""

    tasks: int
    nodes: Nodes


class Census:
    """Counts; not for use by several threads at once."""

    def __init__(self, store: Store) -> None:
        self._store, self._catalogue = store, Catalogue(store)
        self._known: dict[int, tuple[TaskVersion, Nodes]] = {}

    def take(self) -> Counts:
        """Return the counts of this moment.

        Raises:
            StoreUnavailable: Redis is away.
        """
        ids, total = self._catalogue.page(TaskFilter(statuses=[TaskStatus.RUNNING]), page=1, size=MOST_TASKS)
        versions = dict(zip(ids, self._store.versions(ids), strict=True)) if ids else {}
        kept = {task: found for task, found in self._known.items() if versions.get(task) == found[0]}
        changed = [task for task in ids if task not in kept]
        for at in range(0, len(changed), TASKS_A_CALL):
            chunk = changed[at : at + TASKS_A_CALL]
            for task, nodes in zip(chunk, self._read(chunk), strict=True):
                version = versions[task]
                # Without one it has expired since.
                kept |= {task: (version, nodes)} if version else {}
        self._known = kept
        found: Counter[tuple[str, NodeStatus]] = Counter()
        for _version, nodes in kept.values():
            found.update(nodes)
        return Counts(total, found)

    def _read(self, tasks: Sequence[int]) -> list[Nodes]:
        keys = self._store.keys
        with translated(), self._store.redis.pipeline(transaction=False) as pipe:
            for task in tasks:
                pipe.hmget(keys.task(task), "stages", "width")
                pipe.get(keys.status(task))
            rows: list[Any] = pipe.execute()
        heads, texts = rows[::2], rows[1::2]
        return [_counted(stages, width, text or "") for (stages, width), text in zip(heads, texts, strict=True)]


def _counted(stages: str | None, width: str | None, letters: str) -> Nodes:
    if stages is None or width is None:
        return {}
    graph = Graph(unpack_stages(stages), int(width))
    found: Counter[tuple[str, NodeStatus]] = Counter()
    for stage, first, end in zip(graph.stages, graph.firsts, graph.firsts[1:], strict=False):
        # Wait nodes never run.
        if stage.scope is not Scope.WAIT:
            for letter, status in STATUS_OF.items():
                found[stage.action, status] += letters.count(letter, first, end)
    return found
