"""Questions about hosts on fakeredis and a real server: joined, answered once for all, kept for a while."""

import threading
from typing import Any

import pytest
from redis import Redis

from dag.definition.batch_restart import BATCH_RESTART
from dag.host import Agent, AgentStatus, Host
from dag.inquiry import Inquiries, Look, SeenProcess
from dag.registry import AGENTS_VERSION, HostRegistry
from dag.store import Store
from tests.wait import until

LOOK = Look(version="v1", home="/opt", processes=(SeenProcess("a", True, 7, "u", "/opt/a", (1, 2), 9000),), main=("a",))
AGENT = Agent(AgentStatus.STARTED, "v1", {"a": 7}, seen_at=5)


class Bench:
    """A store with two hosts and what is on its stream."""

    def __init__(self, redis: Redis) -> None:
        self.redis: Any = redis
        self.store, self.registry = Store(redis), HostRegistry(redis)
        self.registry.create([Host(0, f"10.0.0.{n}") for n in (1, 2)])
        self.inquiries = Inquiries(self.store)

    def asked(self) -> list[tuple[int, int]]:
        found = [fields for _name, fields in self.redis.xrange(self.store.keys.ready)]
        return [(int(one["host"]), int(one["inquiry"])) for one in found if one["kind"] == "look"]

    def answer(self, host: int, number: int, look: Look = LOOK, agent: Agent | None = AGENT, keep: float = 60) -> None:
        self.inquiries.answer(host, number, look, agent, keep_seconds=keep)


@pytest.fixture
def bench(redis: Redis) -> Bench:
    return Bench(redis)


def in_threads(count: int, ask: Any) -> tuple[list[threading.Thread], list[Any]]:
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(ask())) for _ in range(count)]
    for thread in threads:
        thread.start()
    return threads, found


def test_all_who_ask_at_once_get_one_answer(bench: Bench) -> None:
    threads, found = in_threads(5, lambda: Inquiries(bench.store).ask(1, seconds=20))
    until(bench.asked)
    [(host, number)] = bench.asked()
    assert (host, bench.inquiries.is_asked(1, number)) == (1, True)
    bench.answer(1, number)
    for thread in threads:
        thread.join()
    assert bench.asked() == [(1, number)]
    assert {look.at > 0 for look in found} == {True}
    assert [(look.status, look.version, look.processes) for look in found] == [("STARTED", "v1", LOOK.processes)] * 5


def test_an_answer_serves_until_it_is_old_or_must_be_seen_anew(bench: Bench) -> None:
    assert bench.inquiries.ask(1, seconds=0.01) is None
    [(_, first)] = bench.asked()
    bench.answer(1, first, keep=0.2)
    assert bench.inquiries.ask(1, seconds=0.01) is not None
    assert bench.inquiries.ask(1, seconds=0.01, anew=True) is None
    assert bench.asked() == [(1, first), (1, first + 1)]
    assert not bench.inquiries.is_asked(1, first)
    bench.answer(1, first + 1, keep=0.2)
    until(lambda: not bench.redis.exists(bench.store.keys.inquiry(1)))
    assert bench.inquiries.ask(1, seconds=0.01) is None
    assert len(bench.asked()) == 3


def test_a_late_answer_of_an_older_inquiry_does_not_end_the_newer(bench: Bench) -> None:
    bench.inquiries.ask(1, seconds=0.01)
    threads, found = in_threads(1, lambda: Inquiries(bench.store).ask(1, seconds=20, anew=True))
    until(lambda: len(bench.asked()) == 2)
    (_, old), (_, new) = bench.asked()
    bench.answer(1, old, Look(reason="old"), None)
    assert bench.inquiries.is_asked(1, new)
    bench.answer(1, new)
    threads[0].join()
    assert [look.reason for look in found] == [""]


def test_who_waits_for_a_lost_inquiry_makes_a_new_one_once_it_has_run_out(bench: Bench) -> None:
    bench.inquiries.ask(1, seconds=0.01)
    [(_, lost)] = bench.asked()
    threads, found = in_threads(1, lambda: Inquiries(bench.store).ask(1, seconds=20))
    until(lambda: len(bench.asked()) == 2)
    (_, _lost), (_, number) = bench.asked()
    assert number == lost + 1
    bench.answer(1, number)
    threads[0].join()
    assert [look.version for look in found] == ["v1"]


def test_nothing_is_left_of_an_inquiry(bench: Bench) -> None:
    bench.inquiries.ask(1, seconds=0.01)
    [(_, number)] = bench.asked()
    bench.answer(1, number, keep=0)
    keys = bench.store.keys
    assert bench.redis.exists(keys.inquiry(1)) == 0
    assert 0 < bench.redis.pttl(keys.answer(1, number)) <= 10_000


def test_what_was_seen_is_stored_unless_a_task_holds_the_host_or_it_is_gone(bench: Bench) -> None:
    bench.store.submit(BATCH_RESTART, [2], creator="c", executor="e", trace_id="t")
    for host in (1, 2, 99):
        bench.inquiries.ask(host, seconds=0.01)
    for host, number in bench.asked():
        bench.answer(host, number)
    assert bench.registry.agent(1) == AGENT
    assert bench.registry.agent(2) is None
    assert bench.redis.hkeys(bench.store.keys.agents) == ["1", AGENTS_VERSION]


@pytest.mark.parametrize(
    ("pids", "status"), [({"a": 7, "p": 8}, "STARTED"), ({"p": 8}, "STOPPED"), ({}, "STOPPED"), ({"a": 7}, "STARTED")]
)
def test_the_agent_runs_when_a_process_of_its_own_does(pids: dict[str, int], status: str) -> None:
    processes = tuple(SeenProcess(name, True, pids.get(name)) for name in ("a", "p"))
    assert Look(processes=processes, main=("a",)).status == status
