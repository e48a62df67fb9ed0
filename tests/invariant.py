"""What must hold in Redis at any moment, whatever was killed."""

from dataclasses import dataclass

from dag.graph import Graph
from dag.store import Store, unpack_stages
from dag.task import Scope


@dataclass(frozen=True)
class Snapshot:
    """The whole store as it stands, without what has expired."""

    tasks: dict[int, dict[str, str]]
    letters: dict[int, str]
    attempts: dict[int, dict[int, int]]
    holders: dict[str, str]
    waiting: set[tuple[str, str, str]]
    messages: list[dict[str, str]]
    due: set[tuple[int, ...]]

    def graph(self, task_id: int) -> Graph:
        fields = self.tasks[task_id]
        return Graph(unpack_stages(fields["stages"]), len(fields["hosts"].split(",")))

    def announced(self) -> set[tuple[int, int]]:
        found = set()
        for fields in self.messages:
            if fields["kind"] == "nodes":
                first, count = int(fields["first"]), int(fields["count"])
                found |= {(int(fields["task"]), offset) for offset in range(first, first + count)}
        return found


def check_invariants(store: Store) -> None:
    """Fail where counters, stream, leases and hosts' queues don't fit the nodes' letters."""
    now = _look(store)
    announced = now.announced()
    for task_id in now.tasks:
        _check_counts(now, task_id)
        _check_nodes(now, task_id, announced)
        _check_places(now, task_id)
    _check_holders(now)


def _look(store: Store) -> Snapshot:
    redis, keys = store.redis, store.keys
    ids = [int(task) for task in redis.zrange(keys.index, 0, -1) if redis.exists(keys.task(int(task)))]
    records = {task: redis.hgetall(keys.nodes(task)) for task in ids}
    members = [member.split(":") for member in redis.zrange(keys.waiting, 0, -1)]
    return Snapshot(
        tasks={task: redis.hgetall(keys.task(task)) for task in ids},
        letters={task: redis.get(keys.status(task)) for task in ids},
        attempts={task: {int(o): int(t.split("|")[0]) for o, t in found.items()} for task, found in records.items()},
        holders=redis.hgetall(keys.holders),
        waiting={(host, task, index) for host, _ticket, task, index in members},
        messages=[fields for _name, fields in redis.xrange(keys.ready)],
        due={tuple(map(int, name.split(":"))) for name in redis.zrange(keys.due, 0, -1)},
    )


def _check_counts(now: Snapshot, task_id: int) -> None:
    fields, letters, graph = now.tasks[task_id], now.letters[task_id], now.graph(task_id)
    assert len(letters) == graph.size, task_id
    first = letters[: graph.width]
    open_nodes = sum(letter in "RXC" for letter in letters) + sum(letter == "P" for letter in first)
    assert int(fields["open"]) == open_nodes, (task_id, fields["open"], open_nodes)
    assert int(fields["failed"]) == letters.count("F"), task_id
    for number, stage in enumerate(graph.stages):
        part = letters[graph.firsts[number] : graph.firsts[number + 1]]
        assert int(fields[f"left:{number}"]) == len(part) - part.count("S"), (task_id, number)
        if stage.scope is Scope.WAIT and part == "S":
            before = letters[graph.firsts[number - 1] : graph.firsts[number]]
            assert set(before) == {"S"}, f"task {task_id}: a Wait node passed too early"


def _check_nodes(now: Snapshot, task_id: int, announced: set[tuple[int, int]]) -> None:
    letters = now.letters[task_id]
    for offset, letter in enumerate(letters):
        run = (task_id, offset, now.attempts[task_id].get(offset, 1))
        if letter == "R":
            assert (task_id, offset) in announced or run in now.due, f"{run} is READY and nobody knows"
        if letter == "X":
            assert run in now.due, f"{run} is RUNNING without a lease"
    if now.tasks[task_id]["status"] == "RUNNING":
        assert int(now.tasks[task_id]["open"]) > 0, f"task {task_id} has nothing to do and has not ended"
    else:
        assert not {"R", "X"} & set(letters), f"task {task_id} has ended, its nodes have not"


def _check_places(now: Snapshot, task_id: int) -> None:
    """Each host's first node waits for its host, or has it and is past PENDING."""
    fields, letters, graph = now.tasks[task_id], now.letters[task_id], now.graph(task_id)
    for index, host in enumerate(fields["hosts"].split(",")):
        waits = (host, str(task_id), str(index)) in now.waiting
        is_admitted = index < int(fields["admitted"])
        assert (letters[index] == "P") == (waits or not is_admitted), (task_id, host)
        own = [letters[graph.firsts[n] + index] for n, s in enumerate(graph.stages) if s.scope is Scope.HOST]
        if {"R", "X"} & set(own):
            assert now.holders.get(host) == str(task_id), f"task {task_id} works on host {host} and does not hold it"
        if graph.stages[-1].scope is Scope.HOST and own[-1] == "S":
            assert now.holders.get(host) != str(task_id), f"task {task_id} is through on host {host} and holds it"


def _check_holders(now: Snapshot) -> None:
    queued = {host for host, _task, _index in now.waiting}
    assert queued <= now.holders.keys(), "somebody waits for a host that nobody holds"
    for host, holder in now.holders.items():
        if holder == "-":
            assert {"kind": "host", "host": host} in now.messages, f"host {host} came free and nobody knows"
            assert host in queued, f"host {host} is kept for nobody"
            continue
        fields = now.tasks[int(holder)]
        assert host in fields["hosts"].split(","), f"task {holder} holds host {host}, which is none of its own"
        if fields["status"] != "RUNNING":
            assert {"kind": "release", "task": holder} in now.messages, f"host {host} is held by ended task {holder}"
