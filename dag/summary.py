"""How far a task is, told by its letters: counts and the first failures, without making its nodes."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise

from dag.snapshot import Snapshot
from dag.state import STATUS_OF, NodeStatus, Operation, TaskStatus
from dag.store import Store
from dag.task import Node, Stage

MOST_FAILURES = 20
LONGEST_REASON = 400


@dataclass(frozen=True)
class StageCount:
    """How many nodes of a stage stand where; all statuses are there."""

    stage: Stage
    total: int
    statuses: Mapping[NodeStatus, int]


@dataclass(frozen=True)
class Failure:
    """A node that is FAILED, and the last line that it logged."""

    node: Node
    reason: str


@dataclass(frozen=True)
class Progress:
    """How much is done, and how quickly that went: `seconds` from the task's start to its last change.

    Done are nodes that are SUCCESSFUL; in a rollback those that are PENDING (again).
    """

    done: int
    total: int
    seconds: float
    is_running: bool

    @property
    def per_second(self) -> float:
        """Nodes a second on average, 0 where that can't be told yet."""
        return self.done / self.seconds if self.seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """How long the rest would take at this rate; None where that can't be told, or nothing runs."""
        return (self.total - self.done) / self.per_second if self.is_running and self.per_second else None


def count_stages(snapshot: Snapshot) -> list[StageCount]:
    """Return the counts of each stage, in their order."""
    firsts, found = snapshot.graph.firsts, []
    for number, stage in enumerate(snapshot.graph.stages):
        part = snapshot.letters[firsts[number] : firsts[number + 1]]
        found.append(StageCount(stage, len(part), count_letters(part)))
    return found


def count_letters(letters: str) -> dict[NodeStatus, int]:
    """Return how many of these letters stand for each status; all statuses are there."""
    statuses = dict.fromkeys(NodeStatus, 0)
    for letter, status in STATUS_OF.items():
        statuses[status] += letters.count(letter)
    return statuses


def progress(snapshot: Snapshot, statuses: Mapping[NodeStatus, int]) -> Progress:
    """Return how far the task is, of whose nodes so many stand where."""
    head = snapshot.head
    return progress_of(
        statuses,
        head.operation,
        size=snapshot.graph.size,
        ms=snapshot.changed_at - head.started_at,
        is_running=head.status is TaskStatus.RUNNING,
    )


def progress_of(
    statuses: Mapping[NodeStatus, int], operation: Operation, *, size: int, ms: int, is_running: bool
) -> Progress:
    """Return how far a task of so many nodes is, so many ms after its start."""
    done = statuses[NodeStatus.PENDING if operation is Operation.ROLLBACK else NodeStatus.SUCCESSFUL]
    return Progress(done, size, max(0, ms) / 1000, is_running)


def first_failures(store: Store, snapshot: Snapshot) -> list[Failure]:
    """Return the first nodes that are FAILED, at most 20; a task without any asks Redis nothing.

    Raises:
        UnknownTask: it has expired since.
        StoreUnavailable: Redis is away.
    """
    return _failures(store, snapshot, 0, MOST_FAILURES)


def page_of_failures(store: Store, task_id: int, *, first: int, size: int) -> tuple[list[Failure], int]:
    """Return `size` nodes that are FAILED from the one at `first`, and how many there are.

    Raises:
        UnknownTask: there is none of this id.
        StoreUnavailable: Redis is away.
    """
    snapshot = store.read(task_id)
    return _failures(store, snapshot, first, size), snapshot.letters.count(NodeStatus.FAILED.letter)


def _failures(store: Store, snapshot: Snapshot, first: int, size: int) -> list[Failure]:
    everywhere = [(0, len(snapshot.letters))]
    wanted = list(islice(_places_of(snapshot.letters, NodeStatus.FAILED.letter, everywhere), first, first + size))
    if not wanted:
        return []
    task_id = snapshot.head.id
    now, records = store.read_nodes(task_id, wanted)
    nodes = {offset: now.node(now.place(offset), records.get(str(offset))) for offset in wanted}
    failed = {offset: node for offset, node in nodes.items() if node.status is NodeStatus.FAILED}
    reasons = _reasons(store, task_id, [(offset, node.attempt) for offset, node in failed.items()])
    return [Failure(node, reason) for node, reason in zip(failed.values(), reasons, strict=True)]


def reason_of(store: Store, task_id: int, offset: int, attempt: int) -> str:
    """Return the last line that a run logged, "" where it has logged nothing."""
    return _reasons(store, task_id, [(offset, attempt)])[0]


def _reasons(store: Store, task_id: int, runs: Sequence[tuple[int, int]]) -> list[str]:
    """Return the last line of each run's log, read a few at a time: one may be 1 MiB."""
    tails: list[str] = []
    for at in range(0, len(runs), MOST_FAILURES):
        names = [f"{offset}:{attempt}" for offset, attempt in runs[at : at + MOST_FAILURES]]
        tails += store.scripts.call("tail", [store.keys.log(task_id)], LONGEST_REASON, *names)
    return list(map(last_line, tails))


def last_line(text: str) -> str:
    """Return the last line of a log: what a step says of itself in the end."""
    return text.rstrip().rpartition("\n")[2]


def page_of_nodes(
    store: Store,
    task_id: int,
    *,
    statuses: Sequence[NodeStatus],
    series_id: int | None,
    first: int,
    size: int,
) -> tuple[list[Node], int, int]:
    """Return `size` nodes from the one at `first` of those that fit, how many fit, and when the task was created (ms).

    A node that changes while it is read, and then does not fit any more, is left out.

    Raises:
        UnknownTask: there is none of this id.
        StoreUnavailable: Redis is away.
    """
    snapshot = store.read(task_id)
    letters = "".join(letter for letter, status in STATUS_OF.items() if status in statuses or not statuses)
    ranges = list(_ranges(snapshot, series_id))
    total = sum(snapshot.letters.count(letter, *span) for span in ranges for letter in letters)
    chosen = list(islice(_places_of(snapshot.letters, letters, ranges), first, first + size))
    now, records = store.read_nodes(task_id, chosen)
    nodes = [now.node(now.place(offset), records.get(str(offset))) for offset in chosen]
    shown = [node for node in nodes if not statuses or node.status in statuses]
    return shown, total, snapshot.head.created_at


def _ranges(snapshot: Snapshot, series_id: int | None) -> Iterator[tuple[int, int]]:
    for stage, span in zip(snapshot.graph.stages, pairwise(snapshot.graph.firsts), strict=True):
        if series_id is None or stage.series_id == series_id:
            yield span


def _places_of(letters: str, wanted: str, ranges: Iterable[tuple[int, int]]) -> Iterator[int]:
    pattern = re.compile(f"[{wanted}]")
    return (found.start() for span in ranges for found in pattern.finditer(letters, *span))
