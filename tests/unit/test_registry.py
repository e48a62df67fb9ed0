"""The hosts of the fleet: enrolled all or none, forgotten only when nothing works on them."""

from typing import Any

import pytest
from redis import Redis

from dag.definition.batch_restart import BATCH_RESTART
from dag.error import DuplicateHost, HostsInUse, UnknownHosts
from dag.graph import Graph
from dag.host import Host
from dag.key import Keys
from dag.registry import HostFilter, HostRegistry
from dag.store import Store


def hosts(*addresses: str, port: int = 22) -> list[Host]:
    return [Host(0, address, name=f"name-{address}", ssh_port=port) for address in addresses]


def test_hosts_get_ids_in_order_and_are_found(redis: Redis) -> None:
    registry = HostRegistry(redis)
    created = registry.create(hosts("a", "b"))
    assert [host.id for host in created] == [1, 2]
    assert registry.get(2) == created[1]
    assert registry.find([2, 1]) == {2: created[1], 1: created[0]}
    assert registry.find([]) == {}


@pytest.mark.parametrize("addresses", [("c", "a"), ("c", "d", "c")])
def test_a_double_enrols_none_of_the_list(redis: Redis, addresses: tuple[str, ...]) -> None:
    registry = HostRegistry(redis)
    registry.create(hosts("a", "b"))
    with pytest.raises(DuplicateHost):
        registry.create(hosts(*addresses))
    assert registry.page(page=1, size=10)[1] == 2
    registry.create(hosts("a", port=2222))


def test_pages_are_by_id_and_filtered(redis: Redis) -> None:
    registry = HostRegistry(redis)
    registry.create(hosts("a1", "a2", "b1", "b2", "b3"))
    assert [h.id for h, _ in registry.page(page=2, size=2)[0]] == [3, 4]
    assert [h.id for h, _ in registry.page(page=1, size=2, descending=True)[0]] == [5, 4]
    found, total = registry.page(HostFilter("NAME-B"), page=1, size=2)
    assert ([h.id for h, _ in found], total) == ([3, 4], 3)
    assert registry.page(page=9, size=10) == ([], 5)


def test_a_host_in_use_is_not_forgotten_nor_are_those_beside_it(redis: Redis) -> None:
    registry, store = HostRegistry(redis), Store(redis)
    registry.create(hosts("a", "b", "c"))
    task = store.submit(BATCH_RESTART, [2], creator="c", executor="e", trace_id="t")
    with pytest.raises(HostsInUse, match=f"host 2 by task {task}"):
        registry.delete([1, 2])
    with pytest.raises(UnknownHosts, match="9"):
        registry.delete([1, 9])
    registry.delete([1, 3])
    with pytest.raises(UnknownHosts):
        registry.get(1)
    assert [h.id for h in registry.create(hosts("a"))] == [4]


def test_a_host_on_its_way_to_the_next_task_is_in_use(redis: Redis) -> None:
    registry, store = HostRegistry(redis), Store(redis)
    registry.create(hosts("a"))
    first, second = (store.submit(BATCH_RESTART, [1], creator="c", executor="e", trace_id="t") for _ in range(2))
    assert redis.hget(store.keys.holders, "1") == str(first)
    redis.hset(store.keys.holders, "1", "-")
    with pytest.raises(HostsInUse, match=f"host 1 by task {second}"):
        registry.delete([1])


def test_a_host_that_a_task_has_yet_to_queue_up_for_is_in_use(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large task whose process died right after it was written, and one that goes on, of which the same is true."""
    registry, store = HostRegistry(redis), Store(redis)
    registry.create(hosts("a", "b", "c", "d"))
    monkeypatch.setattr("dag.store.HOSTS_AT_ONCE", 0)
    with monkeypatch.context() as patch:
        patch.setattr(Store, "admit_waiting", lambda *_of: None)
        large, behind = (
            store.submit(BATCH_RESTART, some, creator="c", executor="e", trace_id="t") for some in ([1, 2], [3, 2])
        )
    assert redis.hlen(store.keys.holders) == 0
    for host, task in {1: large, 2: large, 3: behind}.items():
        with pytest.raises(HostsInUse, match=f"host {host} by task {task}"):
            registry.delete([4, host])
    # The first has its place on the first of its hosts, and has left it again.
    redis.hset(store.keys.task(large), "admitted", 1)
    registry.delete([1])
    with pytest.raises(HostsInUse, match=f"host 2 by task {large}"):
        registry.delete([2])
    redis.delete(store.keys.task(large))
    with pytest.raises(HostsInUse, match=f"host 2 by task {behind}"):
        registry.delete([2])
    assert [host.id for host, _ in registry.page(page=1, size=10)[0]] == [2, 3, 4]


def test_a_task_that_comes_while_a_host_is_forgotten_is_seen(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is submitted between the look at the tasks that have no places yet and the step that forgets."""
    registry, store = HostRegistry(redis), Store(redis)
    registry.create(hosts("a"))
    monkeypatch.setattr("dag.store.HOSTS_AT_ONCE", 0)
    monkeypatch.setattr(Store, "admit_waiting", lambda *_of: None)
    call, calls = registry._scripts.call, list[list[str]]()

    def overtaken(name: str, *arguments: Any) -> Any:
        if not calls:
            store.submit(BATCH_RESTART, [1], creator="c", executor="e", trace_id="t")
        calls.append(call(name, *arguments))
        return calls[-1]

    monkeypatch.setattr(registry._scripts, "call", overtaken)
    with pytest.raises(HostsInUse, match="host 1 by task 1"):
        registry.delete([1])
    assert calls == [["moved"], ["used", "1", "1"]]


def test_many_hosts_come_and_go_in_one_call(redis: Redis) -> None:
    registry = HostRegistry(redis)
    assert registry.create([]) == []
    ids = [host.id for host in registry.create(hosts(*(f"h{n}" for n in range(1201))))]
    registry.delete(ids[1:])
    assert [host.id for host, _ in registry.page(page=1, size=10)[0]] == ids[:1]
    assert redis.hlen(Keys().addresses) == 1
    registry.delete([])
    registry.delete(ids[:1])
    assert sorted(redis.keys()) == sorted([Keys().host_ids, Keys().disk])


def test_a_task_on_an_unknown_host_writes_nothing(redis: Redis) -> None:
    HostRegistry(redis).create(hosts("a"))
    before = {key: redis.dump(key) for key in redis.scan_iter()}
    with pytest.raises(UnknownHosts, match="7, 8"):
        Store(redis).submit(BATCH_RESTART, [1, 7, 8], creator="c", executor="e", trace_id="t")
    assert {key: redis.dump(key) for key in redis.scan_iter()} == before


@pytest.mark.parametrize("width", [1, 2, 1000])
def test_the_graph_of_a_batch_restart(width: int) -> None:
    graph = Graph(BATCH_RESTART.stages, width, base=100)
    assert graph.size == 5 * width + 4
    for stage, number, inner, offset in graph.offsets():
        assert graph.place(offset) == (number, inner)
        expected = 1 if stage.name != "Wait node" else width
        assert len(graph.upstreams(number, inner)) == (expected if number else 0)
        assert len(graph.downstreams(number, inner)) == (expected if number < 8 else 0)
        for down in graph.downstreams(number, inner):
            place = graph.place(down - 100)
            assert 100 + offset in graph.upstreams(*place)
    with pytest.raises(IndexError):
        graph.place(graph.size)
