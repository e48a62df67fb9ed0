"""What must hold in Redis at any moment, whatever was killed."""

from dataclasses import dataclass

from dag.graph import Graph
from dag.snapshot import unpack_stages
from dag.store import Store
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
    listed: dict[int, set[str]]
    cancels: set[tuple[int, ...]]

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
        _check_lists(now, task_id)
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
        listed=_lists(redis.zrange(keys.listed, 0, -1)),
        cancels={tuple(map(int, name.split(":"))) for name in redis.hkeys(keys.cancels)},
    )


def _lists(members: list[str]) -> dict[int, set[str]]:
    found: dict[int, set[str]] = {}
    for member in members:
        place, _, task = member.rpartition(":")
        found.setdefault(int(task), set()).add(place)
    return found


def _check_counts(now: Snapshot, task_id: int) -> None:
    fields, letters, graph = now.tasks[task_id], now.letters[task_id], now.graph(task_id)
    assert len(letters) == graph.size, task_id
    first = letters[: graph.width]
    is_rollback = fields["operation"] == "ROLLBACK"
    # A new task's first nodes count from its creation; those of a rollback are PENDING because they are undone.
    new = 0 if is_rollback else sum(letter == "P" for letter in first)
    open_nodes = sum(letter in "RXCW" for letter in letters) + new
    assert int(fields["open"]) == open_nodes, (task_id, fields["open"], open_nodes)
    assert int(fields["failed"]) == letters.count("F"), task_id
    for number, stage in enumerate(graph.stages):
        part = letters[graph.firsts[number] : graph.firsts[number + 1]]
        assert int(fields[f"left:{number}"]) == len(part) - part.count("P" if is_rollback else "S"), (task_id, number)
        if stage.scope is Scope.WAIT and part == "S" and not is_rollback:
            before = letters[graph.firsts[number - 1] : graph.firsts[number]]
            assert set(before) == {"S"}, f"task {task_id}: a Wait node passed too early"


def _check_nodes(now: Snapshot, task_id: int, announced: set[tuple[int, int]]) -> None:
    letters = now.letters[task_id]
    for offset, letter in enumerate(letters):
        run = (task_id, offset, now.attempts[task_id].get(offset, 1))
        if letter == "R":
            assert (task_id, offset) in announced or run in now.due, f"{run} is READY and nobody knows"
        if letter in "XC":
            assert run in now.due, f"{run} is RUNNING without a lease"
        assert (letter == "C") == (run in now.cancels), f"{run}: is it CANCELING ({letter})?"
    fields = now.tasks[task_id]
    waits = "wants" in fields
    assert waits or "W" not in letters, f"task {task_id} has its hosts, and nodes that wait for them"
    if fields["status"] == "RUNNING":
        assert int(fields["open"]) > 0 or waits, f"task {task_id} has nothing to do and has not ended"
        assert not (waits and {"R", "X", "C"} & set(letters)), f"task {task_id} works before it has all of its hosts"
    else:
        assert not waits, f"task {task_id} has ended and waits for hosts"
        assert not {"R", "X", "C"} & set(letters), f"task {task_id} has ended, its nodes have not"
        good = "P" if fields["operation"] == "ROLLBACK" else "S"
        assert (fields["status"] == "FAILED") == ("F" in letters), task_id
        assert fields["status"] == "FAILED" or set(letters) == {good}, task_id


def _check_lists(now: Snapshot, task_id: int) -> None:
    """A task is found under the status that it has and no other, under its name, and on the hosts it queued for."""
    fields, found = now.tasks[task_id], now.listed.get(task_id, set())
    hosts = {member for member in found if member.startswith("host:")}
    assert found - hosts == {f"status:{fields['status']}", f"name:{fields['name']}"}, task_id
    count = len(fields["hosts"].split(","))
    is_new = fields["operation"] == "EXECUTE" and "wants" not in fields
    assert len(hosts) == (int(fields["admitted"]) if is_new else count), task_id


def _check_places(now: Snapshot, task_id: int) -> None:
    """Each host's first node waits for its host, or has it and is past PENDING."""
    fields, letters, graph = now.tasks[task_id], now.letters[task_id], now.graph(task_id)
    for index, host in enumerate(fields["hosts"].split(",")):
        waits = (host, str(task_id), str(index)) in now.waiting
        if fields["operation"] == "EXECUTE" and "wants" not in fields:
            is_admitted = index < int(fields["admitted"])
            assert (letters[index] == "P") == (waits or not is_admitted), (task_id, host)
        own = [letters[graph.firsts[n] + index] for n, s in enumerate(graph.stages) if s.scope is Scope.HOST]
        if {"R", "X"} & set(own):
            assert now.holders.get(host) == str(task_id), f"task {task_id} works on host {host} and does not hold it"
        is_rollback = fields["operation"] == "ROLLBACK"
        is_through = own[0] == "P" if is_rollback else graph.stages[-1].scope is Scope.HOST and own[-1] == "S"
        if is_through and (fields["status"] == "RUNNING" and "wants" not in fields):
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
