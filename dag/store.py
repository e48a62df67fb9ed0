"""Tasks in Redis, as the API sees them: submit one, read one.

Redis holds the truth. `create.lua` writes the whole task, and gives the hosts of a small one their places in their
queues in the same step. Those of a large one, or of one behind others, get them from `admit.lua`, in chunks and in the
order of submission; whoever dies between, a scheduler goes on.
"""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from redis import Redis

from dag.claim import Claim
from dag.durable import Disk
from dag.error import ClaimConflict, HostsInUse, StoreUnavailable, UnknownHosts, UnknownSubtask, UnknownTask
from dag.graph import Graph
from dag.key import Keys
from dag.script import Scripts, translated
from dag.snapshot import (
    NO_VERSION,
    Snapshot,
    TaskVersion,
    make_node,
    pack_stages,
    parse_task,
    read_record,
    unpack_stages,
)
from dag.state import Operation
from dag.task import Definition, Node, Scope, Task

log = logging.getLogger(__name__)

# Tickets given by one script call: about 1 ms of Redis's time, so that no caller waits behind a large task.
HOSTS_A_CHUNK = 500
# Hosts of a task that get theirs while it is made.
HOSTS_AT_ONCE = HOSTS_A_CHUNK
# Hosts that one call looks for: about 1 ms.
HOSTS_A_LOOK = 2000
# A task that goes on has more to look at on each of its hosts: about 2 ms.
HOSTS_A_READMISSION = 250

Clock = Callable[[], str]


def server_clock() -> str:
    """Leave the time to Redis: one clock for all processes."""
    return ""


@dataclass(frozen=True)
class Location:
    """Where a node stands: in which graph, on which of the task's hosts, in a task that does what."""

    graph: Graph
    host_ids: tuple[int, ...]
    offset: int
    operation: Operation
    single: bool
    created_at: int

    @property
    def host_id(self) -> int | str:
        """The host on which the node runs, "" for a Wait node."""
        number, inner = self.graph.place(self.offset)
        return "" if self.graph.stages[number].scope is Scope.WAIT else self.host_ids[inner]


class Store:
    """The tasks of one partition."""

    def __init__(self, redis: Redis, *, keys: Keys | None = None, clock: Clock = server_clock) -> None:
        # Replies are text (decode_responses); redis-py types them as bytes, text or awaitables of either.
        self.redis: Any = redis
        self.keys = keys or Keys()
        self.scripts = Scripts(redis)
        self.clock = clock
        self.disk = Disk(redis, self.keys.disk)

    def ping(self) -> None:
        """Return when Redis answers; StoreUnavailable otherwise."""
        with translated():
            self.redis.ping()

    def submit(
        self,
        definition: Definition,
        host_ids: Sequence[int],
        *,
        creator: str,
        executor: str,
        trace_id: str,
        traceparent: str = "",
        claim: Claim | None = None,
        tell: Callable[[Snapshot], object] = lambda _made: None,
    ) -> int:
        """Write a task on these hosts and return its id; its first nodes are READY where their host is free.

        `traceparent` is the span of the call (see `dag.trace`); no two calls have the same. Where a task was made under
        the same claim before, it is that one's id, which has another span.
        `tell` is called with the task where it was made with all its hosts' places: it saves the caller a question.
        Where Redis goes away after the task was written, its id is returned all the same: a scheduler goes on with it.

        Raises:
            UnknownHosts: some hosts are not enrolled; nothing was written.
            HostsInUse: the operation does not wait, and another task has its host; nothing was written.
            ClaimConflict: a task was made under this claim from another content.
            StoreUnavailable: Redis is away or refuses writes.
            NotDurable: the task was written and will run, but is not on the server's disk yet.
            ValueError: no host is named, one twice, or several for an operation on one.
        """
        if not host_ids or len(set(host_ids)) < len(host_ids) or (definition.single and len(host_ids) > 1):
            raise ValueError("A task needs hosts, each of them named once; an operation on one host needs one.")
        task_id, is_admitted = self.claimed(claim) if claim else None, False
        if task_id is None:
            told = {"creator": creator, "executor": executor, "trace": trace_id, "parent": traceparent}
            task_id, is_admitted = self._create(definition, host_ids, told, claim, tell)
        self.disk.confirm()
        if not is_admitted:
            try:
                self.admit_waiting(task_id)
            except StoreUnavailable as error:
                log.warning("task %s is written; a scheduler gives it its hosts: %s", task_id, error)
        return task_id

    def claimed(self, claim: Claim) -> int | None:
        """Return the task that was made under the claim, None where there is none yet; ClaimConflict as `submit`."""
        with translated():
            held = self.redis.get(self.keys.claim(claim.name))
        return _made_under(claim, *held.split(" ")) if held else None

    def _create(
        self,
        definition: Definition,
        host_ids: Sequence[int],
        told: Mapping[str, str],
        claim: Claim | None,
        tell: Callable[[Snapshot], object],
    ) -> tuple[int, bool]:
        """Write the task, and return its id, and whether its hosts have their places in their queues."""
        graph = Graph(definition.stages, len(host_ids))
        task_id, last = self._reserve(host_ids, graph.size)
        graph = replace(graph, base=last - graph.size + 1)
        fields = {**_fields(definition, graph), **told, "hosts": ",".join(map(str, host_ids))}
        flat: list[str | int] = [part for pair in fields.items() for part in pair]
        claimed = (claim.content, claim.seconds) if claim else ("", 0)
        taken, is_small = host_ids[0] if definition.now else "", int(len(host_ids) <= HOSTS_AT_ONCE)
        # That it exists means that redis-py sent it twice because the first answer was lost: the id is ours alone.
        keys = self.keys.creating(task_id, claim)
        arguments = (task_id, graph.size, self.clock(), *claimed, taken, is_small, *flat)
        (what, *met), stored, letters = self.scripts.call_with(
            lambda pipe: self._ask(pipe, task_id), "create", keys, *arguments
        )
        if what == "busy":
            raise HostsInUse([(host_ids[0], int(met[0]))])
        # How far one is that was made before is not known here.
        made = (_made_under(claim, *met), False) if claim and what == "claimed" else (task_id, what == "admitted")
        if made == (task_id, True):
            tell(parse_task(task_id, stored, letters))
        return made

    def traceparent_of(self, task_id: int) -> str:
        """Return the span of the call that made the task, "" where there is no such task."""
        with translated():
            return self.redis.hget(self.keys.task(task_id), "parent") or ""

    def admit_waiting(self, until_task: int | None = None) -> None:
        """Give hosts their tickets, oldest submission first, until `until_task` (or every task) is through.

        A task that goes on after its end stands in the same list, and so queues up like a new one.
        """
        while True:
            with translated():
                head = self.redis.lindex(self.keys.admission, 0)
            if head is None:
                return
            self._admit(int(head))
            # Not ">=": ids are given out before the list is joined, so a larger one may stand before a smaller.
            if int(head) == until_task:
                return

    def _admit(self, task_id: int) -> None:
        keys = self.keys
        with translated():
            stored = self.redis.hmget(keys.task(task_id), "hosts", "admitted", "wants")
        if stored[0] is None or stored[1] is None:
            # Somebody deleted its keys; the tasks behind it must not wait for ever.
            log.error("task %s waits for its hosts and has no record: dropped", task_id)
            with translated():
                self.redis.lrem(keys.admission, 1, task_id)
            return
        hosts, at, goes_on = stored[0].split(","), int(stored[1]), stored[2] is not None
        size = HOSTS_A_READMISSION if goes_on else HOSTS_A_CHUNK
        while at < len(hosts):
            chunk = hosts[at : at + size]
            last = int(at + len(chunk) == len(hosts))
            if not (self._readmit_chunk if goes_on else self._admit_chunk)(task_id, at, last, chunk):
                return  # another process is ahead of us with the same task
            at += len(chunk)

    def _admit_chunk(self, task_id: int, at: int, last: int, hosts: Sequence[str]) -> bool:
        keys = self.keys
        names = [keys.task(task_id), keys.status(task_id), keys.ready, keys.admission, keys.holders]
        names += [keys.waiting, keys.tickets, keys.listed, keys.changes(task_id)]
        return bool(self.scripts.call("admit", names, task_id, at, last, *hosts))

    def _readmit_chunk(self, task_id: int, at: int, last: int, hosts: Sequence[str]) -> bool:
        names = [*self.keys.ending(task_id), self.keys.admission, self.keys.tickets]
        return bool(self.scripts.call("readmit", names, task_id, at, last, self.clock(), *hosts))

    def _reserve(self, host_ids: Sequence[int], nodes: int) -> tuple[int, int]:
        """Return the ids of a new task and of its last node; UnknownHosts as `submit`."""
        keys = [self.keys.hosts, self.keys.task_ids, self.keys.node_ids]
        starts = range(0, len(host_ids), HOSTS_A_LOOK)
        *texts, text = (",".join(map(str, host_ids[at : at + HOSTS_A_LOOK])) for at in starts)
        missing = [host for one in texts for host in self.scripts.call("reserve", keys, one, 0)[2:]]
        task_id, last, *unknown = self.scripts.call("reserve", keys, text, 0 if missing else nodes)
        missing += unknown
        if missing:
            raise UnknownHosts(list(map(int, missing)))
        return int(task_id), int(last)

    def load(self, task_id: int) -> Task:
        """Return the task with all its nodes.

        Raises:
            UnknownTask: there is none of this id.
            StoreUnavailable: Redis is away.
        """
        snapshot, records = self.read_whole(task_id)
        return Task(**vars(snapshot.head), nodes=list(snapshot.nodes(records)))

    def read(self, task_id: int) -> Snapshot:
        """Return the task as it stands; 0.1 MB of Redis's at most, whatever its size.

        Raises:
            UnknownTask: there is none of this id.
            StoreUnavailable: Redis is away.
        """
        return self._read(task_id, lambda _pipe: None)[0]

    def read_whole(self, task_id: int) -> tuple[Snapshot, dict[str, str]]:
        """Return the task and, of the same moment, the records of its nodes by offset; the same errors as `read`."""
        return self._read(task_id, lambda pipe: pipe.hgetall(self.keys.nodes(task_id)))

    def read_nodes(self, task_id: int, offsets: Sequence[int]) -> tuple[Snapshot, dict[str, str]]:
        """Return the task and, of the same moment, the records of these nodes; the same errors as `read`."""
        names = list(map(str, offsets))
        if not names:
            return self.read(task_id), {}
        snapshot, texts = self._read(task_id, lambda pipe: pipe.hmget(self.keys.nodes(task_id), names))
        return snapshot, {name: text for name, text in zip(names, texts, strict=True) if text is not None}

    def versions(self, task_ids: Sequence[int]) -> list[TaskVersion | None]:
        """Return how each of the tasks can be told from what it was before, None where there is none of this id.

        Raises:
            StoreUnavailable: Redis is away.
        """
        with translated(), self.redis.pipeline(transaction=False) as pipe:
            for task_id in task_ids:
                pipe.hmget(self.keys.task(task_id), "created", "version", "creator")
            rows = pipe.execute()
        return [TaskVersion(created, version or NO_VERSION, by) if created else None for created, version, by in rows]

    def _ask(self, pipe: Any, task_id: int) -> None:
        pipe.hgetall(self.keys.task(task_id))
        pipe.get(self.keys.status(task_id))

    def _read(self, task_id: int, ask: Callable[[Any], object]) -> tuple[Snapshot, Any]:
        with translated(), self.redis.pipeline(transaction=True) as pipe:
            self._ask(pipe, task_id)
            ask(pipe)
            fields, letters, *more = pipe.execute()
        if not fields or letters is None:
            raise UnknownTask(task_id)
        return parse_task(task_id, fields, letters), more[0] if more else None

    def load_node(self, task_id: int, subtask_id: int) -> tuple[Node, int]:
        """Return one node, without reading the others, and when its task was created (ms since the epoch).

        Raises:
            UnknownTask, UnknownSubtask: there is none of this id.
            StoreUnavailable: Redis is away.
        """
        at = self.locate(task_id, subtask_id)
        with translated(), self.redis.pipeline(transaction=True) as pipe:
            pipe.getrange(self.keys.status(task_id), at.offset, at.offset)
            pipe.hget(self.keys.nodes(task_id), str(at.offset))
            letter, text = pipe.execute()
        if not letter:
            raise UnknownTask(task_id)
        number, inner = at.graph.place(at.offset)
        place = at.graph.stages[number], number, inner, at.offset
        record = read_record(text, letter, at.operation)
        return make_node(at.graph, at.host_ids, at.single, place, letter, record), at.created_at

    def locate(self, task_id: int, subtask_id: int) -> Location:
        """Return where the node stands in its task.

        Raises:
            UnknownTask, UnknownSubtask: there is none of this id.
        """
        names = ("base", "hosts", "stages", "operation", "single", "created")
        with translated():
            base, hosts, stages, operation, single, created = self.redis.hmget(self.keys.task(task_id), names)
        if base is None:
            raise UnknownTask(task_id)
        ids, offset = tuple(map(int, hosts.split(","))), subtask_id - int(base)
        graph = Graph(unpack_stages(stages), len(ids), int(base))
        if not 0 <= offset < graph.size:
            raise UnknownSubtask(task_id, subtask_id)
        return Location(graph, ids, offset, Operation(operation), single == "1", int(created))

    def logs(self, task_id: int, subtask_id: int) -> str:
        """Return what the runs of a subtask logged, oldest first, each with the contract's head line.

        Raises:
            UnknownTask, UnknownSubtask: there is none of this id.
        """
        keys = self.keys
        with translated():
            base = self.redis.hget(keys.task(task_id), "base")
            size = self.redis.strlen(keys.status(task_id))
        if base is None:
            raise UnknownTask(task_id)
        offset = subtask_id - int(base)
        if not 0 <= offset < size:
            raise UnknownSubtask(task_id, subtask_id)
        with translated():
            record = self.redis.hget(keys.nodes(task_id), str(offset))
            newest = int(record.split("|", 1)[0]) if record else 0
            names = [f"{offset}:{attempt}" for attempt in range(1, newest + 1)]
            texts = self.redis.hmget(keys.log(task_id), names) if names else []
        return "".join(text for text in texts if text)


def _fields(definition: Definition, graph: Graph) -> dict[str, str | int]:
    """Return what a new task's hash holds of its definition and shape, and its counters."""
    fields: dict[str, str | int] = {
        "definition": definition.key,
        "name": definition.name,
        "stages": pack_stages(definition.stages),
        "shape": graph.shape,
        "width": graph.width,
        "base": graph.base,
        "operation": Operation.EXECUTE,
        "prohibit_rollback": int(definition.prohibit_rollback),
        "single": int(definition.single),
        "parameters": json.dumps(dict(definition.parameters)),
        "admitted": 0,
        "failed": 0,
        "open": graph.width,
    }
    return fields | {f"left:{i}": graph.width_of(stage) for i, stage in enumerate(definition.stages)}


def _made_under(claim: Claim, task: str, content: str) -> int:
    if content != claim.content:
        raise ClaimConflict(int(task))
    return int(task)
