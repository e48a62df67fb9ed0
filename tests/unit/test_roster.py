"""Who is alive, and which worker consumes which shard."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis import Redis

from dag.roster import Move, Roster, Worker
from dag.shard import shard_of, shards, spread, zone_of_shard
from dag.store import Store

ZONES = {"default": 8}


class Workers:
    """Simulated workers that do what they are told, and tell it in their heartbeat."""

    def __init__(self, redis: Redis) -> None:
        self.now = 1_000_000
        self.redis = redis
        self.roster = Roster(Store(self.redis, clock=lambda: str(self.now)), alive_seconds=4)
        self.queues: dict[str, set[str]] = {}
        self.zones: dict[str, str] = {}
        self.draining: set[str] = set()

    def join(self, name: str, zone: str = "default") -> None:
        self.queues[name], self.zones[name] = set(), zone

    def round(self) -> list[Move]:
        for name, queues in self.queues.items():
            self.roster.beat(Worker(name, self.zones[name], frozenset(queues), name in self.draining))
        self.redis.delete(Store(self.redis).keys.balancer)
        moves = self.roster.balance(ZONES, leader="one")
        for move in moves:
            (self.queues[move.worker].add if move.add else self.queues[move.worker].discard)(move.queue)
        owned = Counter(queue for queues in self.queues.values() for queue in queues)
        assert all(count == 1 for count in owned.values()), "a shard has two workers"
        return moves

    def sizes(self) -> dict[str, int]:
        return {name: len(queues) for name, queues in self.queues.items()}


@pytest.fixture
def workers(redis: Redis) -> Workers:
    return Workers(redis)


def test_the_name_of_a_shard_tells_its_zone_and_other_queues_have_none() -> None:
    for zone in ("default", "dc-1", "a.b"):
        assert {zone_of_shard(name) for name in shards(zone, 32)} == {zone}
    assert {zone_of_shard(name) for name in ("", "muster.idle", "hosts", "hosts.05", "celery")} == {""}


def test_shards_are_spread_evenly_and_then_stay(workers: Workers) -> None:
    workers.join("a")
    workers.round()
    assert workers.sizes() == {"a": 8}
    workers.join("b")
    workers.round()
    workers.round()
    assert workers.sizes() == {"a": 4, "b": 4}
    assert workers.round() == []


def test_the_shards_of_a_dead_worker_go_to_the_living(workers: Workers) -> None:
    for name in ("a", "b", "c"):
        workers.join(name)
    for _ in range(3):
        workers.round()
    assert sorted(workers.sizes().values()) == [2, 3, 3]
    del workers.queues["b"]
    workers.now += 4_001
    workers.round()
    workers.round()
    assert workers.sizes() == {"a": 4, "c": 4}


def test_a_draining_worker_gives_up_its_shards(workers: Workers) -> None:
    workers.join("a")
    workers.join("b")
    workers.round()
    workers.draining.add("a")
    workers.round()
    workers.round()
    assert workers.sizes() == {"a": 0, "b": 8}


def test_a_zone_s_shards_stay_in_it(workers: Workers) -> None:
    workers.join("a")
    workers.join("far", "far")
    workers.round()
    assert all(queue.startswith("hosts.default.") for queue in workers.queues["a"])
    assert all(queue.startswith("hosts.far.") for queue in workers.queues["far"])
    assert workers.sizes() == {"a": 8, "far": 8}


def test_only_one_scheduler_at_a_time_balances(workers: Workers) -> None:
    workers.join("a")
    workers.round()
    assert workers.roster.balance(ZONES, leader="two") == []


def test_whoever_leaves_is_forgotten(workers: Workers) -> None:
    workers.join("a")
    workers.round()
    workers.roster.leave("a")
    assert workers.roster.alive() == []


def test_who_was_silent_for_long_is_forgotten_by_the_scheduler_and_not_by_a_look(workers: Workers) -> None:
    workers.join("a")
    workers.round()
    del workers.queues["a"]
    workers.now += 60_000
    assert workers.roster.alive() == []
    store = Store(workers.redis)
    assert store.redis.hkeys(store.keys.worker_info) == ["a"]
    workers.round()
    assert store.redis.hkeys(store.keys.worker_info) == []


@given(
    names=st.lists(st.sampled_from("abcdefg"), unique=True),
    gone=st.lists(st.sampled_from("abcdefg"), unique=True),
    count=st.integers(1, 40),
)
def test_spread_is_even_and_moves_as_little_as_it_can(names: list[str], gone: list[str], count: int) -> None:
    queues = shards("z", count)
    before = spread(queues, names, {})
    left = [name for name in names if name not in gone]
    after = spread(queues, left, before)
    if not left:
        assert after == {}
        return
    assert sorted(after) == queues
    sizes = Counter(after.values())
    assert max(sizes.values()) - min(sizes.get(name, 0) for name in left) <= 1
    assert all(after[queue] == owner for queue, owner in before.items() if owner in left)


@given(owners=st.lists(st.sampled_from("abc"), max_size=40), names=st.sets(st.sampled_from("abcdefg"), min_size=1))
def test_spread_is_even_after_whatever_was_before(owners: list[str], names: set[str]) -> None:
    queues = shards("z", max(len(owners), 1))
    after = spread(queues, names, dict(zip(queues, owners, strict=False)))
    sizes = Counter({name: 0 for name in names})
    sizes.update(after.values())
    assert sizes.keys() == names
    assert max(sizes.values()) - min(sizes.values()) <= 1


def test_hosts_are_even_over_shards_and_stay_when_one_is_added() -> None:
    before = {host: shard_of(host, "z", 32) for host in range(10_000)}
    sizes = Counter(before.values())
    assert len(sizes) == 32
    assert 200 < min(sizes.values()) <= max(sizes.values()) < 430
    after = {host: shard_of(host, "z", 33) for host in before}
    assert {after[host] for host in before if after[host] != before[host]} == {"hosts.z.32"}


def test_a_round_in_which_nothing_changes_costs_the_server_nine_commands(valkey_url: str) -> None:
    """Counted: what a worker's beat, its look for orders and a scheduler's look cost the server."""
    with Redis.from_url(valkey_url, decode_responses=True) as redis:
        redis.flushall()
        workers = Workers(redis)
        workers.join("a")
        for _ in range(3):
            workers.round()
        me = Worker("a", "default", frozenset(workers.queues["a"]))
        redis.delete(Store(redis).keys.balancer)
        redis.config_resetstat()
        workers.roster.beat(me)
        assert workers.roster.orders(me) == []
        assert workers.roster.balance(ZONES, leader="one") == []
        stats: Any = redis.info("commandstats")
    counts = {name.removeprefix("cmdstat_"): row["calls"] for name, row in stats.items()}
    counts.pop("config|resetstat", None)
    # The beat and the two that it makes; the orders; the lock, and all that stands of workers in one pipeline.
    assert counts == {"evalsha": 1, "zadd": 1, "hset": 1, "hgetall": 3, "set": 1, "time": 1, "zrange": 1}
