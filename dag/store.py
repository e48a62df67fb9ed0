"""Tasks in Redis, as the API sees them: submit one, read one.

Redis holds the truth. A submission is two steps, each atomic: `create.lua` writes the whole task, `admit.lua` gives its
hosts their places in their queues, in chunks and in the order of submission; whoever dies between, a scheduler goes on.
"""

import json
import logging
from collections.abc import Callable, Sequence
from typing import Any

from redis import Redis

from dag.durable import Disk
from dag.error import StoreUnavailable, UnknownHosts, UnknownSubtask, UnknownTask
from dag.graph import Graph
from dag.key import Keys
from dag.script import Scripts, translated
from dag.state import NodeStatus, Operation, TaskStatus
from dag.task import Definition, Node, Scope, Stage, Task

log = logging.getLogger(__name__)

# Tickets given by one script call: about 1 ms of Redis's time, so that no caller waits behind a large task.
HOSTS_A_CHUNK = 500

Clock = Callable[[], str]


def server_clock() -> str:
    """Leave the time to Redis: one clock for all processes."""
    return ""


def pack_stages(stages: Sequence[Stage]) -> str:
    """Return the stages as JSON, so that a task under way keeps its own when a definition changes."""
    return json.dumps(
        [[s.name, s.class_name, s.series_id, s.timeout_seconds, s.action, s.scope, s.prohibit_rollback] for s in stages]
    )


def unpack_stages(text: str) -> tuple[Stage, ...]:
    """Return what `pack_stages` packed."""
    return tuple(
        Stage(name, class_name, series, timeout, action, Scope(scope), prohibit)
        for name, class_name, series, timeout, action, scope, prohibit in json.loads(text)
    )


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
        self, definition: Definition, host_ids: Sequence[int], *, creator: str, executor: str, trace_id: str
    ) -> int:
        """Write a task on these hosts and return its id; its first nodes are READY where their host is free.

        Where Redis goes away after the task was written, its id is returned all the same: a scheduler goes on with it.

        Raises:
            UnknownHosts: some hosts are not enrolled; nothing was written.
            StoreUnavailable: Redis is away or refuses writes.
            NotDurable: the task was written and will run, but is not on the server's disk yet.
            ValueError: no host is named, one twice, or several for an operation on one.
        """
        if not host_ids or len(set(host_ids)) < len(host_ids) or (definition.single and len(host_ids) > 1):
            raise ValueError("A task needs hosts, each of them named once; an operation on one host needs one.")
        self._check_hosts(host_ids)
        task_id = self._create(definition, host_ids, creator, executor, trace_id)
        self.disk.confirm()
        try:
            self.admit_waiting(task_id)
        except StoreUnavailable as error:
            log.warning("task %s is written; a scheduler gives it its hosts: %s", task_id, error)
        return task_id

    def _create(
        self, definition: Definition, host_ids: Sequence[int], creator: str, executor: str, trace_id: str
    ) -> int:
        graph = Graph(definition.stages, len(host_ids))
        task_id, last = self._allocate(graph.size)
        fields: dict[str, str | int] = {
            "definition": definition.key,
            "name": definition.name,
            "stages": pack_stages(definition.stages),
            "shape": graph.shape,
            "width": len(host_ids),
            "base": last - graph.size + 1,
            "hosts": ",".join(map(str, host_ids)),
            "creator": creator,
            "executor": executor,
            "operation": Operation.EXECUTE,
            "prohibit_rollback": int(definition.prohibit_rollback),
            "trace": trace_id,
            "single": int(definition.single),
            "parameters": json.dumps(dict(definition.parameters)),
            "admitted": 0,
            "failed": 0,
            "open": len(host_ids),
        }
        fields |= {f"left:{i}": graph.width_of(stage) for i, stage in enumerate(definition.stages)}
        flat: list[str | int] = [part for pair in fields.items() for part in pair]
        keys = self.keys
        names = [keys.task(task_id), keys.status(task_id), keys.index, keys.admission]
        # 0 ("it exists") means that redis-py sent it twice because the first answer was lost: the id is ours alone.
        self.scripts.call("create", names, task_id, graph.size, self.clock(), *flat)
        return task_id

    def admit_waiting(self, until_task: int | None = None) -> None:
        """Give hosts their tickets, oldest task first, until `until_task` (or every task) is through."""
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
            stored = self.redis.hmget(keys.task(task_id), "hosts", "admitted")
        if stored[0] is None or stored[1] is None:
            # Somebody deleted its keys; the tasks behind it must not wait for ever.
            log.error("task %s waits for its hosts and has no record: dropped", task_id)
            with translated():
                self.redis.lrem(keys.admission, 1, task_id)
            return
        hosts, at = stored[0].split(","), int(stored[1])
        names = [keys.task(task_id), keys.status(task_id), keys.nodes(task_id), keys.ready]
        names += [keys.admission, keys.holders, keys.waiting, keys.tickets]
        while at < len(hosts):
            chunk = hosts[at : at + HOSTS_A_CHUNK]
            last = int(at + len(chunk) == len(hosts))
            if not self.scripts.call("admit", names, task_id, at, last, *chunk):
                return  # another process is ahead of us with the same task
            at += len(chunk)

    def _check_hosts(self, host_ids: Sequence[int]) -> None:
        with translated():
            known = self.redis.hmget(self.keys.hosts, [str(host) for host in host_ids])
        missing = [host for host, text in zip(host_ids, known, strict=True) if text is None]
        if missing:
            raise UnknownHosts(missing)

    def _allocate(self, nodes: int) -> tuple[int, int]:
        with translated(), self.redis.pipeline(transaction=False) as pipe:
            pipe.incr(self.keys.task_ids)
            pipe.incrby(self.keys.node_ids, nodes)
            task_id, last = pipe.execute()
        return int(task_id), int(last)

    def load(self, task_id: int) -> Task:
        """Return the task with all its nodes.

        Raises:
            UnknownTask: there is none of this id.
            StoreUnavailable: Redis is away.
        """
        keys = self.keys
        with translated(), self.redis.pipeline(transaction=True) as pipe:
            pipe.hgetall(keys.task(task_id))
            pipe.get(keys.status(task_id))
            pipe.hgetall(keys.nodes(task_id))
            fields, letters, records = pipe.execute()
        if not fields:
            raise UnknownTask(task_id)
        return _task(task_id, fields, letters, records)

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


def _task(task_id: int, fields: dict[str, str], letters: str, records: dict[str, str]) -> Task:
    hosts = tuple(map(int, fields["hosts"].split(",")))
    graph = Graph(unpack_stages(fields["stages"]), len(hosts), int(fields["base"]))
    single = fields.get("single") == "1"
    return Task(
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
        nodes=_nodes(graph, hosts, letters, records, single),
        single=single,
        parameters=json.loads(fields.get("parameters", "{}")),
    )


def _nodes(graph: Graph, hosts: tuple[int, ...], letters: str, records: dict[str, str], single: bool) -> list[Node]:
    nodes = []
    statuses = {status.letter: status for status in NodeStatus}
    for stage, number, inner, offset in graph.offsets():
        attempt, run, operation, started, finished, executor = _record(records.get(str(offset)))
        per_host = stage.scope is Scope.HOST
        nodes.append(
            Node(
                graph.base + offset,
                stage,
                inner if per_host and not single else -1,
                hosts[inner] if per_host else None,
                statuses[letters[offset]],
                operation,
                attempt,
                run,
                executor,
                started,
                finished,
                graph.upstreams(number, inner),
                graph.downstreams(number, inner),
            )
        )
    return nodes


def _record(text: str | None) -> tuple[int, int, Operation, int | None, int | None, str]:
    if text is None:
        return 1, 1, Operation.EXECUTE, None, None, ""
    attempt, run, operation, started, finished, _token, _lost, executor = text.split("|", 7)
    return int(attempt), int(run), Operation(operation), _ms(started), _ms(finished), executor


def _ms(text: str) -> int | None:
    return int(text) if text else None
