"""A task as it stood at one moment: its record and its letters, as Redis gave them.

Nodes are made of them when somebody wants some: most questions about a task of 50,004 need none.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from dag.graph import Graph, Place
from dag.state import WAITING_LETTERS, NodeStatus, Operation, TaskStatus
from dag.task import Node, Scope, Stage, TaskHead


def pack_stages(stages: Sequence[Stage]) -> str:
    """Return the stages as JSON, so that a task under way keeps its own when a definition changes."""
    return json.dumps(
        [[s.name, s.class_name, s.series_id, s.timeout_seconds, s.action, s.scope, s.prohibit_rollback] for s in stages]
    )


# A page shows up to 2,000 tasks of a few definitions.
@lru_cache(maxsize=64)
def unpack_stages(text: str) -> tuple[Stage, ...]:
    """Return what `pack_stages` packed."""
    return tuple(
        Stage(name, class_name, series, timeout, action, Scope(scope), prohibit)
        for name, class_name, series, timeout, action, scope, prohibit in json.loads(text)
    )


# One text for each task that somebody follows just now.
@lru_cache(maxsize=16)
def _host_ids(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(",")))


class Record(NamedTuple):
    """What is stored of a node's last run, or, where it is to run again, of the next (times: ms since the epoch)."""

    attempt: int = 1
    run: int = 1
    operation: Operation = Operation.EXECUTE
    started_at: int | None = None
    finished_at: int | None = None
    executor: str = ""


NEVER_BEGUN = Record()


def read_record(text: str | None, letter: str, asked: Operation) -> Record:
    """Return the record of a node (see node.lua) of this letter, in a task that does `asked`."""
    if text is None:
        return NEVER_BEGUN
    attempt, run, operation, started, finished, _token, _lost, executor = text.split("|", 7)
    if letter in WAITING_LETTERS and finished:
        # Of its last run; dispatch.lua writes the record of the next when it hands the node out.
        if asked is Operation.ROLLBACK:
            return Record(int(attempt), int(run), asked)
        return Record(int(attempt), int(run) + 1, Operation.RETRY)
    return Record(int(attempt), int(run), Operation(operation), _ms(started), _ms(finished), executor)


def make_node(graph: Graph, hosts: Sequence[int], single: bool, place: Place, letter: str, record: Record) -> Node:
    """Return the node at this place; in a `single` task it is none of several."""
    stage, number, inner, offset = place
    attempt, run, operation, started, finished, executor = record
    per_host = stage.scope is Scope.HOST
    return Node(
        graph.base + offset,
        stage,
        inner if per_host and not single else -1,
        hosts[inner] if per_host else None,
        NodeStatus.from_letter(letter),
        operation,
        attempt,
        run,
        executor,
        started,
        finished,
        graph.upstreams(number, inner),
        graph.downstreams(number, inner),
    )


# Of a task that was written by a release that knew none, and has not changed since.
NO_VERSION = "0-0"


class TaskVersion(NamedTuple):
    """What tells a task from all that it was before, and from one of the same id in a store that lost its data."""

    created: str
    version: str
    creator: str


@dataclass(frozen=True)
class Snapshot:
    """A task without its nodes, and the letters from which they can be made.

    `version` is another one after every change that can be seen in the task: "<ms since the epoch>-<number>" of its
    last change.
    """

    head: TaskHead
    graph: Graph
    letters: str
    version: str

    @property
    def changed_at(self) -> int:
        """When something has changed last (ms since the epoch)."""
        return int(self.version.partition("-")[0]) or self.head.created_at

    def place(self, offset: int) -> Place:
        """Return the place of the node; IndexError outside of the task."""
        number, inner = self.graph.place(offset)
        return self.graph.stages[number], number, inner, offset

    def node(self, place: Place, record: str | None) -> Node:
        """Return the node at this place, of which this is the stored record (None: never begun)."""
        letter, head = self.letters[place[3]], self.head
        found = read_record(record, letter, head.operation)
        return make_node(self.graph, head.host_ids, head.single, place, letter, found)

    def nodes(self, records: Mapping[str, str], places: Iterable[Place] | None = None) -> Iterator[Node]:
        """Yield the nodes at these places (of all where none are named); `records` are the stored ones by offset."""
        for place in self.graph.offsets() if places is None else places:
            yield self.node(place, records.get(str(place[3])))


def parse_task(task_id: int, fields: Mapping[str, str], letters: str) -> Snapshot:
    """Return what the task's hash and its status string say."""
    hosts = _host_ids(fields["hosts"])
    head = TaskHead(
        id=task_id,
        name=fields["name"],
        creator=fields["creator"],
        executor=fields["executor"],
        operation=Operation(fields["operation"]),
        status=TaskStatus(fields["status"]),
        created_at=int(fields["created"]),
        started_at=int(fields["started"]),
        finished_at=_ms(fields.get("finished", "")),
        prohibit_rollback=fields["prohibit_rollback"] == "1",
        host_ids=hosts,
        trace_id=fields["trace"],
        single=fields.get("single") == "1",
        parameters=json.loads(fields.get("parameters", "{}")),
    )
    graph = Graph(unpack_stages(fields["stages"]), len(hosts), int(fields["base"]))
    return Snapshot(head, graph, letters, fields.get("version", NO_VERSION))


def _ms(text: str) -> int | None:
    return int(text) if text else None
