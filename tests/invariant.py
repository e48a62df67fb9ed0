"""What must hold in Redis at any moment, whatever was killed."""

from dag.graph import Graph
from dag.key import Keys
from dag.store import Store, unpack_stages
from dag.task import Scope


def check_invariants(store: Store) -> None:
    """Fail where counters, stream, leases and hosts' queues don't fit the nodes' letters."""
    redis, keys = store.redis, store.keys
    due = {tuple(map(int, name.split(":"))) for name in redis.zrange(keys.due, 0, -1)}
    announced = _announced(store)
    for task_id in map(int, redis.zrange(keys.index, 0, -1)):
        fields, letters = redis.hgetall(keys.task(task_id)), redis.get(keys.status(task_id))
        graph = Graph(unpack_stages(fields["stages"]), len(fields["hosts"].split(",")))
        _check_counts(task_id, fields, letters, graph)
        attempts = {int(o): int(t.split("|")[0]) for o, t in redis.hgetall(keys.nodes(task_id)).items()}
        for offset, letter in enumerate(letters):
            run = (task_id, offset, attempts.get(offset, 1))
            if letter == "R":
                assert (task_id, offset) in announced or run in due, f"{run} is READY and nobody knows"
            if letter == "X":
                assert run in due, f"{run} is RUNNING without a lease"
        if fields["status"] != "RUNNING":
            assert not {"R", "X"} & set(letters), f"task {task_id} has ended, its nodes have not"
    _check_hosts(store, keys)


def _check_counts(task_id: int, fields: dict[str, str], letters: str, graph: Graph) -> None:
    assert len(letters) == graph.size, task_id
    first = letters[: graph.width]
    open_nodes = sum(letter in "RXC" for letter in letters) + sum(letter == "P" for letter in first)
    assert int(fields["open"]) == open_nodes, (task_id, fields["open"], open_nodes)
    assert int(fields["failed"]) == letters.count("F"), task_id
    for number, stage in enumerate(graph.stages):
        width = graph.width_of(stage)
        part = letters[graph.firsts[number] : graph.firsts[number] + width]
        assert int(fields[f"left:{number}"]) == width - part.count("S"), (task_id, number)
        if stage.scope is Scope.WAIT and part == "S":
            before = letters[graph.firsts[number - 1] : graph.firsts[number]]
            assert set(before) == {"S"}, f"task {task_id}: a Wait node passed too early"


def _announced(store: Store) -> set[tuple[int, int]]:
    found = set()
    for _name, fields in store.redis.xrange(store.keys.ready):
        if fields["kind"] == "nodes":
            first, count = int(fields["first"]), int(fields["count"])
            found |= {(int(fields["task"]), offset) for offset in range(first, first + count)}
    return found


def _check_hosts(store: Store, keys: Keys) -> None:
    redis = store.redis
    holders = redis.hgetall(keys.holders)
    waiting = {member.split(":")[0] for member in redis.zrange(keys.waiting, 0, -1)}
    kinds = [fields for _name, fields in redis.xrange(keys.ready)]
    assert waiting <= holders.keys(), "somebody waits for a host that nobody holds"
    for host, holder in holders.items():
        if holder == "-":
            assert {"kind": "host", "host": host} in kinds, f"host {host} is free for its queue and nobody knows"
            assert host in waiting
        elif redis.hget(keys.task(int(holder)), "status") != "RUNNING":
            assert {"kind": "release", "task": holder} in kinds, f"host {host} is held by ended task {holder}"
