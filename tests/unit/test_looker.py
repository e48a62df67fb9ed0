"""A worker's answers to inquiries, with a host that is played; and what steps note of hosts that they can't reach."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime

import fakeredis
import pytest

from dag.definition.batch_restart import BATCH_RESTART
from dag.dispatch import HandOut
from dag.host import Agent, AgentStatus, Host, HostStatus
from dag.inquiry import Inquiries, Look
from dag.lease import Leases, Run
from dag.registry import HostRegistry
from dag.store import Store
from tests.played_host import PlayedHost
from workers.action.registry import ACTIONS, UNDOS
from workers.held import HeldRuns
from workers.looker import Looker
from workers.remote.error import AuthenticationFailed, ConnectionLost, HostUnreachable, RemoteError, RemoteTimeout
from workers.remote.session import Completed
from workers.runner import Runner, Step, StepFailed

AGENTD = {
    "name": "ocp_agentd",
    "pid": 7,
    "age": 60,
    "user": "admin ",
    "command": "/home/admin/ocp_agent/bin/ocp_agentd",
    "ports": [62889],
}


def printed(
    outcome: str = "ok", reason: str = "", version: str = "", proxy: str = "absent", system: str = ""
) -> Completed:
    found = {"outcome": outcome, "reason": reason, "answer": "", "version": version, "proxy": proxy, "system": system}
    return Completed(0, f"MUSTER-RESULT {json.dumps({**found, 'killed': [], 'processes': [AGENTD]})}\n", 0.1)


def fails(error: Exception) -> Callable[[], Completed]:
    def run() -> Completed:
        raise error

    return run


class Bench:
    def __init__(self) -> None:
        self.redis = fakeredis.FakeRedis(decode_responses=True)
        self.store, self.registry, self.host = Store(self.redis), HostRegistry(self.redis), PlayedHost(printed)
        self.registry.create([Host(0, "10.0.0.1"), Host(0, "10.0.0.2", profile="nowhere")])
        self.inquiries = Inquiries(self.store)
        self.looker = Looker(self.inquiries, self.registry, self.host, look_seconds=10, keep_seconds=60)

    def look(self, host: int = 1) -> Look:
        assert self.inquiries.ask(host, seconds=0.01, anew=True) is None
        number = int(str(self.redis.get(self.store.keys.inquiry(host))))
        self.looker.look(host, number)
        found = self.inquiries.ask(host, seconds=0.01)
        assert found is not None
        return found

    def prepare(self) -> None:
        """Run the first step of a restart on host 1."""
        task = self.store.submit(BATCH_RESTART, [1], creator="c", executor="e", trace_id="t")
        HandOut(self.store, retention_seconds=60).ready_nodes(task, 0, 1, begin_within_ms=1000)
        leases = Leases(self.store, lease_seconds=15, retention_seconds=60)
        runner = Runner(leases, self.registry, self.host, ACTIONS, UNDOS, HeldRuns(15), "w")
        try:
            runner.run(Step(Run(task, 0, 1, 1, 0), "agent.prepare", 60))
        except StepFailed:
            assert self.store.load(task).status == "FAILED"

    def store_agent(self, agent: Agent) -> None:
        self.redis.hset(self.store.keys.agents, "1", json.dumps(vars(agent)))

    @property
    def agent(self) -> Agent:
        found = self.registry.agent(1)
        assert found is not None
        return found


@pytest.fixture
def bench() -> Iterator[Bench]:
    found = Bench()
    yield found
    found.redis.close()


def test_a_look_is_answered_and_stored(bench: Bench) -> None:
    look = bench.look()
    assert (look.reason, look.status, look.home) == ("", "STARTED", "/home/admin/ocp_agent")
    assert [(one.name, one.pid, one.operable) for one in look.processes] == [
        ("ocp_agentd", 7, False),
        ("ocp_mgragent", None, True),
        ("ocp_monagent", None, True),
    ]
    first = look.processes[0]
    assert (first.user, first.ports) == ("admin", (62889,))
    assert abs(time.time() - 60 - first.started_at / 1000) < 30
    assert (bench.agent.status, bench.agent.pids) == (AgentStatus.STARTED, {"ocp_agentd": 7})
    stored = datetime.fromisoformat(bench.agent.started_at["ocp_agentd"]).timestamp()
    assert abs(stored - first.started_at / 1000) < 2
    assert bench.registry.sightings([1])[0][0].status is HostStatus.ONLINE


def test_what_a_look_did_not_see_of_the_host_stays(bench: Bench) -> None:
    bench.host.answer = lambda: printed(version="v1", system="Linux 7")
    bench.look()
    assert (bench.agent.version, bench.agent.operating_system, bench.agent.architecture) == ("v1", "Linux 7", "")
    bench.host.answer = printed
    bench.look()
    assert (bench.agent.version, bench.agent.operating_system, bench.agent.architecture) == ("v1", "Linux 7", "")


def test_an_inquiry_that_nobody_waits_for_does_not_touch_the_host(bench: Bench) -> None:
    assert bench.looker.look(1, 4711) == "nobody waits for it"
    assert bench.host.scripts == []


@pytest.mark.parametrize(
    "error", [HostUnreachable("no answer"), AuthenticationFailed("refused"), ConnectionLost("cut")]
)
def test_a_host_out_of_reach_is_told_and_offline_and_keeps_what_was_seen(bench: Bench, error: RemoteError) -> None:
    bench.store_agent(Agent(AgentStatus.STARTED, "v1", {"a": 1}, seen_at=5))
    bench.host.answer = fails(error)
    look = bench.look()
    assert (look.reason, look.unreachable) == (str(error), True)
    wanted = Agent(AgentStatus.STARTED, "v1", {"a": 1}, seen_at=5, unreachable=str(error))
    assert replace(bench.agent, missed_at=0) == wanted
    assert abs(time.time() - bench.agent.missed_at / 1000) < 30
    assert bench.registry.sightings([1])[0][0].status is HostStatus.OFFLINE
    bench.host.answer = printed
    assert bench.look().version == "v1"
    assert (bench.agent.unreachable, bench.agent.missed_at, bench.agent.version) == ("", 0, "v1")


def test_a_look_that_takes_too_long_says_nothing_about_the_host(bench: Bench) -> None:
    bench.host.answer = fails(RemoteTimeout("10.0.0.1 did not answer within the time limit"))
    look = bench.look()
    assert (look.unreachable, "time limit" in look.reason) == (False, True)
    assert bench.registry.agent(1) is None


def test_a_look_that_can_not_be_done_says_why(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.store_agent(Agent(AgentStatus.UNKNOWN, unreachable="before"))
    bench.host.answer = lambda: Completed(127, "sh: ps: not found\n", 0.1)
    assert "sh: ps: not found" in bench.look().reason
    assert bench.agent.unreachable == ""
    bench.host.answer = fails(ZeroDivisionError())
    assert bench.look().reason.startswith("Unexpected ZeroDivisionError")
    assert "ZeroDivisionError" in caplog.text
    assert "There is no profile nowhere" in bench.look(2).reason


def test_a_step_that_can_not_reach_its_host_notes_that_and_the_next_that_can_does_too(bench: Bench) -> None:
    bench.store_agent(Agent(AgentStatus.STARTED, "v1", {"a": 1}, seen_at=5))
    bench.host.answer = fails(HostUnreachable("no answer"))
    bench.prepare()
    assert (bench.agent.unreachable, bench.agent.status) == ("no answer", AgentStatus.STARTED)
    bench.redis.delete(bench.store.keys.holders)
    bench.host.answer = lambda: printed("failed", "there is no agent")
    bench.prepare()
    assert bench.agent == Agent(AgentStatus.STARTED, "v1", {"a": 1}, seen_at=5)
    bench.redis.delete(bench.store.keys.holders)
    bench.host.answer = printed
    bench.prepare()
    assert replace(bench.agent, seen_at=0, started_at={}, task_id=0) == Agent(
        AgentStatus.RESTARTING, "v1", {"ocp_agentd": 7}
    )
