"""A scheduler's side of the store: the ready stream, what is due, and the hosts' queues."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from redis.exceptions import ResponseError

from dag.log import head_line
from dag.script import translated
from dag.snapshot import unpack_stages
from dag.state import HELD_BY_A_WORKER, NodeStatus, Operation
from dag.store import HOSTS_A_CHUNK, Store
from dag.task import Stage
from dag.trace import parse

GROUP = "schedulers"
# The last line of a run that logged something and was lost; the lines of the next one follow.
LOST_LINE = "This run was lost: its worker fell silent. The next one follows.\n"
# Holder of a host that came free: it is kept for the task at the head of its queue.
FREE_FOR_THE_HEAD = "-"


@dataclass(frozen=True)
class Entry:
    """One message of the ready stream.

    `fields["kind"]` is nodes, host (it came free), release (a task failed) or look (somebody asks about a host).
    """

    id: str
    fields: dict[str, str]


@dataclass(frozen=True)
class TaskInfo:
    """What handing out a task's nodes needs to know of it, and the span of the call because of which it runs.

    That is the one that made it, or the last after which it went on; nothing else ever changes.
    """

    id: int
    base: int
    host_ids: tuple[int, ...]
    stages: tuple[Stage, ...]
    trace_id: str
    traceparent: str = ""

    def caused_by(self, traceparent: str) -> "TaskInfo":
        """Return the same for nodes that this call has run; where it has no trace they stay in this."""
        trace = parse(traceparent)
        return replace(self, trace_id=trace.trace_id, traceparent=traceparent) if trace else self


class ReadyStream:
    """What the schedulers have to do, shared by all of them through one consumer group."""

    def __init__(self, store: Store, consumer: str) -> None:
        self._store = store
        self._consumer = consumer
        self._claim_from = "0-0"

    def open(self) -> None:
        """Make the stream and its group where they are missing (XGROUP CREATE ... MKSTREAM)."""
        try:
            with translated():
                self._store.redis.xgroup_create(self._store.keys.ready, GROUP, id="0", mkstream=True)
        except ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise

    def read(self, *, count: int, block_ms: int) -> list[Entry]:
        """Return new messages, waiting up to `block_ms` for the first."""
        answer = self._as_group(
            lambda redis: redis.xreadgroup(
                GROUP, self._consumer, {self._store.keys.ready: ">"}, count=count, block=block_ms
            )
        )
        return [Entry(*row) for row in read_messages(answer)]

    def claim(self, *, idle_ms: int, count: int) -> list[Entry]:
        """Take over messages that a scheduler has read and not done for `idle_ms` (XAUTOCLAIM)."""
        answer = self._as_group(
            lambda redis: redis.xautoclaim(
                self._store.keys.ready,
                GROUP,
                self._consumer,
                min_idle_time=idle_ms,
                start_id=self._claim_from,
                count=count,
            )
        )
        if not answer:
            return []
        # Round and round: messages that fail again and again at the front must not hide those behind them.
        self._claim_from = answer[0]
        return [Entry(name, fields) for name, fields in answer[1] if fields]

    def _as_group(self, ask: Callable[[Any], Any]) -> Any:
        """Return the answer; where the group is not there (a new server, a FLUSHALL), make it and return None."""
        try:
            with translated():
                return ask(self._store.redis)
        except ResponseError as error:
            if not str(error).startswith("NOGROUP"):
                raise
            self.open()
            return None

    def retire(self, *, idle_ms: int) -> list[str]:
        """Forget consumers that have been silent for so long and have nothing left to do; return their names."""
        names: list[str] | None = self._as_group(
            lambda _redis: self._store.scripts.call("retire", [self._store.keys.ready], GROUP, idle_ms)
        )
        return names or []

    def done(self, entries: Sequence[Entry]) -> None:
        """Take messages off the stream for good."""
        if not entries:
            return
        ids = [entry.id for entry in entries]
        with translated(), self._store.redis.pipeline(transaction=False) as pipe:
            pipe.xack(self._store.keys.ready, GROUP, *ids)
            pipe.xdel(self._store.keys.ready, *ids)
            pipe.execute()


def read_messages(answer: Any) -> list[tuple[str, dict[str, str]]]:
    """Return (id, fields) of all messages in an answer of XREAD or XREADGROUP, as RESP2 or RESP3 give it."""
    streams = answer.values() if isinstance(answer, dict) else [rows for _name, rows in answer or []]
    return [message for rows in streams for message in _flat(rows)]


def _flat(rows: list[Any]) -> list[tuple[str, dict[str, str]]]:
    # RESP3 nests the messages of a stream one list deeper than RESP2.
    is_nested = bool(rows and isinstance(rows[0], list) and rows[0] and isinstance(rows[0][0], (list, tuple)))
    return [(str(name), dict(fields)) for name, fields in (rows[0] if is_nested else rows)]


class HandOut:
    """The transitions that only schedulers make."""

    def __init__(self, store: Store, *, retention_seconds: int) -> None:
        self._store = store
        self._retention = retention_seconds

    def info(self, task_id: int) -> TaskInfo | None:
        """Return what is needed to hand out the task's nodes; None where it is gone."""
        with translated():
            base, hosts, stages, trace, parent, cause = self._store.redis.hmget(
                self._store.keys.task(task_id), "base", "hosts", "stages", "trace", "parent", "cause"
            )
        if base is None or hosts is None or stages is None:
            return None
        ids = tuple(map(int, hosts.split(",")))
        made = TaskInfo(task_id, int(base), ids, unpack_stages(stages), trace or "", parent or "")
        return made.caused_by(cause or "")

    def ready_nodes(self, task_id: int, first: int, count: int, *, begin_within_ms: int) -> list[tuple[int, int]]:
        """Return (offset, attempt) of those that are READY, and note that they are being handed out."""
        keys = self._store.keys
        flat = self._store.scripts.call(
            "dispatch",
            [keys.task(task_id), keys.status(task_id), keys.nodes(task_id), keys.due, keys.changes(task_id)],
            task_id,
            first,
            count,
            begin_within_ms,
            self._store.clock(),
        )
        return [(int(flat[at]), int(flat[at + 1])) for at in range(0, len(flat), 2)]

    def due(self, *, limit: int) -> list[tuple[int, int, int]]:
        """Return (task, offset, attempt) of runs whose dispatch or lease has run out, the longest first."""
        names = self._store.scripts.call("due", [self._store.keys.due], limit, self._store.clock())
        return [(int(task), int(offset), int(attempt)) for task, offset, attempt in (n.split(":") for n in names)]

    def expire(
        self, task_id: int, offset: int, attempt: int, *, most_lost: int, longest_ms: int, log: str, wait_ms: int
    ) -> str:
        """Make a run that is due READY again, or FAILED; see expire.lua for the answers.

        `longest_ms` is the node's time limit and a lease: a lease that ends later was renewed by a stuck worker.
        """
        with translated():
            record = self._store.redis.hget(self._store.keys.nodes(task_id), str(offset))
        operation = record.split("|")[2] if record else Operation.EXECUTE
        answer: str = self._store.scripts.call(
            "expire",
            self._store.keys.ending(task_id),
            task_id,
            offset,
            attempt,
            most_lost,
            longest_ms,
            head_line(operation, datetime.now(UTC)) + log,
            self._retention,
            self._store.clock(),
            wait_ms,
            LOST_LINE,
        )
        return answer

    def is_begun(self, task_id: int, offset: int) -> bool:
        """Tell whether a worker has begun the node and not ended it."""
        with translated():
            letter = self._store.redis.getrange(self._store.keys.status(task_id), offset, offset)
        return bool(letter) and NodeStatus.from_letter(letter) in HELD_BY_A_WORKER

    def forget(self, task_id: int, offset: int, attempt: int) -> None:
        """Drop a run from what is due: its task is gone."""
        with translated():
            self._store.redis.zrem(self._store.keys.due, f"{task_id}:{offset}:{attempt}")

    def grant(self, host_id: int) -> bool:
        """Give a host that came free to the head of its queue; False where there is nothing to give."""
        keys = self._store.keys
        with translated():
            head = self._store.redis.zrangebylex(keys.waiting, f"[{host_id}:", f"({host_id};", 0, 1)
        if not head:
            return False
        _host, _ticket, task, index = head[0].split(":")
        names = [keys.task(int(task)), keys.status(int(task)), keys.nodes(int(task)), keys.ready]
        names += [keys.holders, keys.waiting, keys.changes(int(task))]
        return bool(self._store.scripts.call("grant", names, task, host_id, head[0], index))

    def release(self, task: TaskInfo) -> None:
        """Free the hosts that an ended task still holds, in chunks; from then on its record may expire.

        A task that goes on meanwhile keeps them.
        """
        keys, count = self._store.keys, len(task.host_ids)
        names = [name(task.id) for name in (keys.task, keys.status, keys.nodes, keys.facts, keys.log)]
        names += [keys.ready, keys.holders, keys.waiting]
        for at in range(0, count, HOSTS_A_CHUNK):
            chunk = task.host_ids[at : at + HOSTS_A_CHUNK]
            retention = self._retention if at + len(chunk) == count else ""
            if not self._store.scripts.call("release", names, task.id, retention, *chunk):
                return
