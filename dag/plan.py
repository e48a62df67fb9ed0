"""What a submission would do now: the task that it would make, and who is in its way. Writes nothing.

A snapshot, of which nothing is promised: the hosts' queues move on while it is read.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from dag.dispatch import FREE_FOR_THE_HEAD
from dag.graph import Graph
from dag.script import translated
from dag.snapshot import NO_VERSION, Snapshot
from dag.state import Operation, TaskStatus
from dag.store import Store
from dag.task import Definition, TaskHead

# Hosts asked about by one command: about 1 ms of Redis's time.
CHUNK = 1000


@dataclass(frozen=True)
class Hold:
    """Who has a host: the task, its name, and how many others wait for the host."""

    task_id: int
    task_name: str
    waiting: int


def plan(definition: Definition, host_ids: Sequence[int], held: Collection[int]) -> Snapshot:
    """Return the task that a submission would make, its nodes numbered from 0; first nodes on `held` hosts wait."""
    graph = Graph(definition.stages, len(host_ids))
    first = "".join("P" if host in held else "R" for host in host_ids)
    head = TaskHead(
        id=0,
        name=definition.name,
        creator="",
        executor="",
        operation=Operation.EXECUTE,
        status=TaskStatus.RUNNING,
        created_at=0,
        started_at=0,
        finished_at=None,
        prohibit_rollback=definition.prohibit_rollback,
        host_ids=tuple(host_ids),
        trace_id="",
        single=definition.single,
        parameters=definition.parameters,
    )
    return Snapshot(head, graph, first.ljust(graph.size, "P"), NO_VERSION)


def find_holds(store: Store, host_ids: Sequence[int]) -> dict[int, Hold]:
    """Return who has these hosts now; those that are free are not in it. StoreUnavailable while Redis is away."""
    keys = store.keys
    holders = _ask(store, _chunks(host_ids), lambda pipe, ids: pipe.hmget(keys.holders, ids))
    taken = dict(zip(host_ids, (one for part in holders for one in part), strict=True))
    held = [host for host, holder in taken.items() if holder]
    counts = _ask(store, held, lambda pipe, host: pipe.zlexcount(keys.waiting, f"[{host}:", f"({host};"))
    waiting = dict(zip(held, counts, strict=True))
    # One that is kept for the head of its queue is as good as that task's.
    kept = [host for host in held if taken[host] == FREE_FOR_THE_HEAD]
    heads = _ask(store, kept, lambda pipe, host: pipe.zrangebylex(keys.waiting, f"[{host}:", f"({host};", 0, 1))
    for host, head in zip(kept, heads, strict=True):
        taken[host] = head[0].split(":")[2] if head else "0"
        waiting[host] -= len(head)
    tasks = sorted({int(taken[host]) for host in held})
    names = dict(zip(tasks, _ask(store, tasks, lambda pipe, task: pipe.hget(keys.task(task), "name")), strict=True))
    return {host: Hold(int(taken[host]), names[int(taken[host])] or "", waiting[host]) for host in held}


def _chunks(host_ids: Sequence[int]) -> list[list[str]]:
    return [[str(host) for host in host_ids[at : at + CHUNK]] for at in range(0, len(host_ids), CHUNK)]


def _ask(store: Store, each: Sequence[Any], ask: Any) -> list[Any]:
    """Return one answer for each, asked for in pipelines of bounded size."""
    found: list[Any] = []
    for at in range(0, len(each), CHUNK):
        with translated(), store.redis.pipeline(transaction=False) as pipe:
            for one in each[at : at + CHUNK]:
                ask(pipe, one)
            found += pipe.execute()
    return found
