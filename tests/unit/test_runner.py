"""One node on a worker, with a host that is played and the real store: each outcome reaches the store as it should."""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import fakeredis
import pytest

from config.settings import SshSettings
from dag.definition.batch_restart import BATCH_RESTART
from dag.definition.batch_stop import BATCH_STOP
from dag.definition.process_restart import process_restart
from dag.definition.process_stop import process_stop
from dag.definition.restart import RESTART
from dag.definition.stop import STOP
from dag.dispatch import LOST_LINE, HandOut
from dag.error import StoreUnavailable
from dag.host import AgentStatus, Host
from dag.lease import Begun, Leases, Renewal, Report, Run
from dag.operation import Operations
from dag.registry import HostRegistry
from dag.roster import Roster, Worker
from dag.running_log import RunningLogs
from dag.script import Scripts
from dag.store import Store
from dag.task import Scope
from tests.played_host import PlayedHost
from workers.action.registry import ACTIONS, UNDOS
from workers.heartbeat import Heartbeat
from workers.held import STUCK_SECONDS, HeldRuns
from workers.live_log import LogSender
from workers.remote.error import HostUnreachable, RemoteCancelled
from workers.remote.log import MOST_BYTES
from workers.remote.session import Completed
from workers.remote.settings import ssh_options
from workers.run_log import RunLog
from workers.runner import Runner, Step, StepFailed

LINE = '{"outcome":"%s","reason":"%s","answer":"","version":"v1","proxy":"","killed":[],"processes":[%s]}'
PROCESS = '{"name":"ocp_agentd","pid":7,"age":60}'
GOOD = f"seen\n\nMUSTER-RESULT {LINE % ('ok', '', PROCESS)}\n"


class Bench:
    """A task on one host whose first node has been handed out."""

    def __init__(self) -> None:
        self.redis = fakeredis.FakeRedis(decode_responses=True)
        self.store, self.registry = Store(self.redis), HostRegistry(self.redis)
        [host] = self.registry.create([Host(0, "10.0.0.1")])
        self.task = self.store.submit(BATCH_RESTART, [host.id], creator="c", executor="e", trace_id="cafe")
        self.leases = Leases(self.store, lease_seconds=15, retention_seconds=60)
        self.host, self.held, self.waits = PlayedHost(lambda: Completed(0, GOOD, 0.1)), HeldRuns(15), list[float]()
        self.runner = Runner(
            self.leases, self.registry, self.host, ACTIONS, UNDOS, self.held, "worker-1", wait=self.waits.append
        )
        self.hand = HandOut(self.store, retention_seconds=60)
        self.hand.ready_nodes(self.task, 0, 1, begin_within_ms=1000)

    def step(self, attempt: int = 1) -> Step:
        return Step(Run(self.task, 0, attempt, 1, 0), "agent.prepare", 60, "cafe")

    @property
    def letter(self) -> str:
        return str(self.redis.getrange(self.store.keys.status(self.task), 0, 0))

    @property
    def log(self) -> str:
        return self.store.logs(self.task, self.store.load(self.task).nodes[0].id)


@pytest.fixture
def bench() -> Iterator[Bench]:
    found = Bench()
    yield found
    found.redis.close()


def test_success_completes_the_node_unlocks_the_next_and_keeps_what_was_seen(bench: Bench) -> None:
    assert bench.runner.run(bench.step()) == "succeeded"
    assert str(bench.redis.get(bench.store.keys.status(bench.task))).startswith("SSR")
    agent = bench.registry.agent(1)
    assert agent is not None
    assert (agent.status, agent.version, agent.pids) == (AgentStatus.RESTARTING, "v1", {"ocp_agentd": 7})
    assert agent.task_id == bench.task
    head, second, *_ = bench.log.splitlines()
    assert re.fullmatch(r"#{12}\{EXECUTE\}\{[-0-9T:.+]{29}\}#{12}", head)
    assert second == "trace=cafe worker=worker-1 attempt=1 action=agent.prepare"
    assert "MUSTER-RESULT" not in bench.log


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        (f"MUSTER-RESULT {LINE % ('failed', 'no agent here', '')}", "no agent here"),
        ("sh: flock: not found", "without a result: sh: flock: not found"),
    ],
)
def test_failure_fails_the_node_with_its_reason(bench: Bench, output: str, reason: str) -> None:
    bench.host.answer = lambda: Completed(1, output, 0.1)
    with pytest.raises(StepFailed, match=re.escape(reason)):
        bench.runner.run(bench.step())
    assert bench.letter == "F"
    assert reason in bench.log


def test_a_host_out_of_reach_fails_the_node(bench: Bench) -> None:
    def unreachable() -> Completed:
        raise HostUnreachable("10.0.0.1 port 22 can't be reached: no answer in time.")

    bench.host.answer = unreachable
    with pytest.raises(StepFailed, match="no answer in time"):
        bench.runner.run(bench.step())
    assert bench.letter == "F"
    assert "no answer in time" in bench.log


def test_a_fault_of_muster_does_not_leave_the_node_running(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> Completed:
        raise ZeroDivisionError

    bench.host.answer = broken
    with pytest.raises(StepFailed, match="Unexpected ZeroDivisionError"):
        bench.runner.run(bench.step())
    assert bench.letter == "F"
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize("why", ["fenced", "unheard", "cancelled"])
def test_a_run_that_is_somebody_else_s_is_given_up_and_changes_nothing(bench: Bench, why: str) -> None:
    def answer() -> Completed:
        if why == "cancelled":
            raise RemoteCancelled("The run on 10.0.0.1 was given up.")
        return Completed(0, f"MUSTER-RESULT {LINE % (why, '', '')}", 0.1)

    bench.host.answer = answer
    assert bench.runner.run(bench.step()).startswith("given up")
    assert bench.letter == "X"
    # Its lease is over: a scheduler need not wait for its end.
    assert HandOut(bench.store, retention_seconds=60).due(limit=10) == [(bench.task, 0, 1)]


def test_a_stale_or_doubled_message_does_not_touch_the_host(bench: Bench) -> None:
    assert bench.runner.run(bench.step(attempt=2)).startswith("refused")
    assert bench.runner.run(bench.step()) == "succeeded"
    assert bench.runner.run(bench.step()).startswith("refused")
    assert len(bench.host.scripts) == 1


def test_a_redis_that_is_on_its_way_back_is_waited_for(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    begin, calls = Leases.begin, list[int]()

    def flaky(self: Leases, run: Run, executor: str) -> Begun | None:
        calls.append(1)
        if len(calls) < 4:
            raise StoreUnavailable("Redis can't be reached (ConnectionError).")
        # The answer is lost, and asked for again.
        begin(self, run, executor)
        return begin(self, run, executor)

    monkeypatch.setattr(Leases, "begin", flaky)
    assert bench.runner.run(bench.step()) == "succeeded"
    assert (len(calls), len(bench.waits), len(bench.host.scripts)) == (4, 3, 1)


def test_between_its_begin_and_its_action_a_node_asks_nothing_of_redis(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(self: HostRegistry, ids: object) -> dict[int, Host]:
        raise StoreUnavailable("Redis can't be reached (ConnectionError).")

    monkeypatch.setattr(HostRegistry, "find", away)
    assert (bench.runner.run(bench.step()), bench.letter) == ("succeeded", "S")


def test_a_run_whose_lease_would_be_over_is_not_waited_for(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(self: Leases, run: Run, executor: str) -> Begun | None:
        bench.held.cancel_all()
        raise StoreUnavailable("Redis can't be reached (ConnectionError).")

    monkeypatch.setattr(Leases, "begin", away)
    with pytest.raises(StoreUnavailable):
        bench.runner.run(bench.step())
    assert bench.host.scripts == []


def test_what_was_done_is_told_once_redis_is_back_and_not_done_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    complete, calls = Leases.complete, list[int]()

    def flaky(self: Leases, run: Run, report: Report) -> bool:
        calls.append(1)
        if len(calls) < 4:
            raise StoreUnavailable("Redis can't be reached (ConnectionError).")
        return complete(self, run, report)

    monkeypatch.setattr(Leases, "complete", flaky)
    assert bench.runner.run(bench.step()) == "succeeded"
    assert (len(calls), len(bench.waits), len(bench.host.scripts)) == (4, 3, 1)
    assert bench.letter == "S"


@pytest.mark.parametrize(
    ("field_name", "text", "reason"),
    [
        ("profile", '"profile": "nowhere"', "There is no profile nowhere"),
        ("variables", '"variables": {"hmoe": "/x"}', "has no variable hmoe"),
    ],
)
def test_a_host_that_is_described_wrongly_fails_with_the_reason(
    bench: Bench, field_name: str, text: str, reason: str
) -> None:
    stored = bench.redis.hget(bench.store.keys.hosts, "1")
    changed = re.sub(rf'"{field_name}": ("[^"]*"|{{}})', text, str(stored))
    bench.redis.hset(bench.store.keys.hosts, "1", changed)
    with pytest.raises(StepFailed, match=reason):
        bench.runner.run(bench.step())
    assert bench.host.scripts == []


def test_a_deleted_host_fails_with_the_reason(bench: Bench) -> None:
    bench.redis.hdel(bench.store.keys.hosts, "1")
    with pytest.raises(StepFailed, match="Hosts that do not exist: 1"):
        bench.runner.run(bench.step())


def test_a_run_that_is_no_longer_held_is_cancelled_by_the_heartbeat(bench: Bench) -> None:
    run = bench.step().run
    roster = Roster(bench.store, alive_seconds=4)
    heartbeat = Heartbeat(bench.leases, roster, bench.held, lambda: Worker("worker-1", "default", frozenset()))
    with bench.held.holding(run, timeout_seconds=60) as cancelled:
        assert cancelled
        heartbeat.start()
        bench.redis.delete(bench.store.keys.due)
        assert cancelled.wait(30)
        assert [worker.name for worker in roster.alive()] == ["worker-1"]
    heartbeat.stop()
    assert roster.alive() == []


class TestHeldRuns:
    """A lease of 9 s on a clock that is set; a run is to be given up 3 s before its end."""

    @pytest.fixture
    def clock(self, monkeypatch: pytest.MonkeyPatch) -> list[float]:
        now = [100.0]
        monkeypatch.setattr("workers.held.time.monotonic", lambda: now[0])
        return now

    def test_a_run_is_cancelled_before_its_lease_ends(self, clock: list[float]) -> None:
        held, run, other = HeldRuns(lease_seconds=9), Run(1, 0, 1, 1, 0), Run(1, 1, 1, 1, 0)
        with held.holding(run, timeout_seconds=60) as renewed, held.holding(other, timeout_seconds=60) as silent:
            assert renewed
            assert silent
            held.renewed([run.name], 103.0, Renewal())
            clock[0] = 104.0
            # 6 s after the begin of the one that was not renewed; one that begins now has as long.
            assert held.cancel_expiring() == pytest.approx(2.0)
            clock[0] = 106.0
            assert held.cancel_expiring() == pytest.approx(3.0)
            assert (renewed.is_set(), silent.is_set()) == (False, True)
        assert held.cancel_expiring() == pytest.approx(6.0)

    def test_a_stuck_run_is_not_renewed_any_more(self, clock: list[float]) -> None:
        held, run = HeldRuns(lease_seconds=9), Run(1, 0, 1, 1, 0)
        with held.holding(run, timeout_seconds=60):
            clock[0] += 60 + STUCK_SECONDS - 1
            assert held.names() == [run.name]
            clock[0] += 2
            assert held.names() == []

    def test_what_waits_for_a_thread_is_renewed_until_it_runs_or_the_worker_drains(self) -> None:
        held, run, other = HeldRuns(lease_seconds=9), Run(1, 0, 1, 1, 0), Run(1, 1, 1, 1, 0)
        held.receive(run)
        held.receive(other)
        assert (sorted(held.names()), held.busy) == ([run.name, other.name], 0)
        with held.holding(run, timeout_seconds=60):
            held.drop_received()
            assert (held.names(), held.busy) == ([run.name], 1)
        assert held.names() == []

    def test_a_second_message_of_a_run_is_not_run(self) -> None:
        held, run = HeldRuns(lease_seconds=9), Run(1, 0, 1, 1, 0)
        with held.holding(run, timeout_seconds=60) as first, held.holding(run, timeout_seconds=60) as second:
            assert (first is not None, second) == (True, None)
        assert held.busy == 0

    def test_a_worker_that_stops_at_once_cancels_also_what_begins_late(self) -> None:
        held = HeldRuns(lease_seconds=9)
        with held.holding(Run(1, 0, 1, 1, 0), timeout_seconds=60) as running:
            held.cancel_all()
            assert running
            assert running.is_set()
        with held.holding(Run(1, 1, 1, 1, 0), timeout_seconds=60) as late:
            assert late
            assert late.is_set()


def test_a_run_that_a_user_cancels_is_ended_and_reported_as_failed(bench: Bench) -> None:
    heartbeat = Heartbeat(
        bench.leases,
        Roster(bench.store),
        bench.held,
        lambda: Worker("worker-1", "default", frozenset()),
    )
    node = bench.store.load(bench.task).nodes[0].id

    def ended_by_the_heartbeat() -> Completed:
        Operations(bench.store).cancel(bench.task, node, user="ops")
        assert bench.host.cancelled.wait(30)
        raise RemoteCancelled("The run on 10.0.0.1 was given up.", "stopping ocp_agentd\n")

    bench.host.answer = ended_by_the_heartbeat
    heartbeat.start()
    with pytest.raises(StepFailed, match="cancelled"):
        bench.runner.run(bench.step())
    heartbeat.stop()
    assert bench.letter == "F"
    assert bench.log.endswith("stopping ocp_agentd\nThe run on 10.0.0.1 was given up.\ncancelled by ops\n")
    assert not bench.held.is_asked_to_end(bench.step().run)


def test_a_cancel_that_comes_too_late_fails_the_node_all_the_same(bench: Bench) -> None:
    def finishes() -> Completed:
        Operations(bench.store).cancel(bench.task, bench.store.load(bench.task).nodes[0].id, user="ops")
        return Completed(0, GOOD, 0.1)

    bench.host.answer = finishes
    with pytest.raises(StepFailed, match="cancelled"):
        bench.runner.run(bench.step())
    assert bench.letter == "F"
    assert "seen\n" in bench.log
    assert bench.log.endswith("cancelled by ops\n")


def roll_back_after_failed_prepare(bench: Bench) -> Step:
    bench.host.answer = lambda: Completed(1, f"MUSTER-RESULT {LINE % ('failed', 'no agent here', '')}", 0.1)
    with pytest.raises(StepFailed):
        bench.runner.run(bench.step())
    Operations(bench.store).roll_back(bench.task)
    bench.hand.ready_nodes(bench.task, 0, 1, begin_within_ms=1000)
    return bench.step(attempt=2)


def test_a_rollback_runs_the_step_s_undo_which_may_need_no_host(bench: Bench) -> None:
    step = roll_back_after_failed_prepare(bench)
    assert bench.runner.run(step) == "succeeded"
    assert len(bench.host.scripts) == 1
    assert bench.letter == "P"
    text = bench.log.rpartition("{ROLLBACK}")[2]
    assert text.endswith("attempt=2 action=agent.prepare\nNothing to undo: the agent was not marked.\n")
    assert bench.store.load(bench.task).status == "SUCCESSFUL"


def test_a_step_without_an_undo_fails_in_a_rollback(bench: Bench) -> None:
    step = roll_back_after_failed_prepare(bench)
    with pytest.raises(StepFailed, match="can't be undone"):
        replace(bench.runner, undos={}).run(step)
    assert bench.letter == "F"


def test_every_stage_that_can_be_rolled_back_has_an_undo() -> None:
    definitions = [BATCH_RESTART, RESTART, BATCH_STOP, STOP, process_restart("x"), process_stop("x")]
    stages = [stage for one in definitions for stage in one.stages if stage.scope is not Scope.WAIT]
    assert [stage.action for stage in stages if stage.action not in UNDOS and not stage.prohibit_rollback] == []
    assert UNDOS.keys() <= ACTIONS.keys()


@pytest.mark.parametrize("size", [0, 1000, 3 * MOST_BYTES])
def test_a_log_has_its_head_and_its_end_and_at_most_a_mebibyte(size: int) -> None:
    started = datetime(2021, 9, 3, 6, 20, 26, 243_000, UTC)
    log = RunLog(Run(1, 0, 1, 1, 0), 7, "RETRY", started, {"worker": "w"})
    text = log.text(Completed(3, "begin" + "ä" * size + "last words", 1.5), "no luck")
    assert len(text.encode()) <= MOST_BYTES
    assert text.startswith("############{RETRY}{2021-09-03T")
    assert "begin" in text
    assert text.endswith("last words\nexit code 3 after 1.50 s\nno luck\n")


def test_the_passphrase_is_in_no_repr() -> None:
    settings = SshSettings(passphrase="planted-4711")
    assert "planted" not in repr(settings)
    assert "planted" not in repr(ssh_options(settings))


def test_a_worker_that_was_paused_does_not_blame_the_host(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paused for longer than its lease while it logged in: the timeout it finds when it wakes is its own."""
    began = time.monotonic()

    def wake() -> Completed:
        monkeypatch.setattr("workers.held.time.monotonic", lambda: began + 20)
        raise HostUnreachable("10.0.0.1 port 22 can't be reached: no answer in time.")

    bench.host.answer = wake
    assert bench.runner.run(bench.step()).startswith("given up: its lease was about to end (10.0.0.1")
    assert bench.letter == "X"


class TestLiveLog:
    """A step that goes on: what it prints is in the store before its end, and once."""

    def sender(self, bench: Bench) -> LogSender:
        return LogSender(bench.runner.live, RunningLogs(bench.store), 0.0)

    def prints(self, bench: Bench, *texts: bytes, done: Callable[[], Completed]) -> list[str]:
        """Let the host print these texts, and return the log as it is behind each."""
        sender, seen = self.sender(bench), list[str]()

        def answer() -> Completed:
            bench.host.listener.connecting("10.0.0.1 port 22")
            bench.host.listener.connected()
            for text in texts:
                bench.host.listener.printed(text)
                sender.send()
                seen.append(bench.log)
            return done()

        bench.host.answer = answer
        return seen

    def test_its_lines_are_there_before_it_ends_and_the_whole_is_what_it_always_was(self, bench: Bench) -> None:
        output = f"$ stop\nstopping\n{GOOD}"
        seen = self.prints(bench, b"$ stop\nstop", b"ping\n", done=lambda: Completed(0, output, 0.1))
        assert bench.runner.run(bench.step()) == "succeeded"
        assert [text.splitlines()[1:] for text in seen] == [
            ["trace=cafe worker=worker-1 attempt=1 action=agent.prepare", "$ stop"],
            ["trace=cafe worker=worker-1 attempt=1 action=agent.prepare", "$ stop", "stopping"],
        ]
        assert bench.log == f"{seen[-1]}seen\nexit code 0 after 0.10 s\n"

    def test_a_quick_one_takes_two_scripts_and_nothing_for_its_log(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        called, call = list[str](), Scripts.call

        def counting(self: Scripts, name: str, *arguments: Any) -> Any:
            called.append(name)
            return call(self, name, *arguments)

        monkeypatch.setattr(Scripts, "call", counting)
        monkeypatch.setattr(Scripts, "call_each", counting)
        sender = LogSender(bench.runner.live, RunningLogs(bench.store), 0.5)

        def answer() -> Completed:
            bench.host.listener.printed(b"seen\n")
            sender.send()
            return Completed(0, GOOD, 0.1)

        bench.host.answer = answer
        assert bench.runner.run(bench.step()) == "succeeded"
        sender.send()
        assert called == ["begin", "complete"]

    def test_one_that_lost_its_lease_adds_nothing_to_the_next(self, bench: Bench) -> None:
        """Lost: its lease, while it runs. Counted: lines of it behind those that were stored before."""
        sender = self.sender(bench)

        def answer() -> Completed:
            bench.host.listener.printed(b"before\n")
            sender.send()
            bench.leases.give_back(bench.step().run)
            bench.hand.expire(bench.task, 0, 1, most_lost=3, longest_ms=60_000, log="", wait_ms=0)
            bench.hand.ready_nodes(bench.task, 0, 1, begin_within_ms=1000)
            assert bench.leases.begin(bench.step(attempt=2).run, "worker-2")
            bench.host.listener.printed(b"after\n")
            sender.send()
            return Completed(0, GOOD, 0.1)

        bench.host.answer = answer
        assert bench.runner.run(bench.step()) == "succeeded, but another attempt holds the node"
        assert bench.log.splitlines()[2:] == ["before", LOST_LINE.rstrip()]

    def test_a_fault_of_muster_keeps_what_was_seen(self, bench: Bench) -> None:
        def broken() -> Completed:
            raise ZeroDivisionError

        seen = self.prints(bench, b"one\n", done=broken)
        with pytest.raises(StepFailed, match="ZeroDivisionError"):
            bench.runner.run(bench.step())
        assert bench.log.startswith(seen[0])
        assert bench.log.endswith("one\nUnexpected ZeroDivisionError; the log of worker worker-1 has more.\n")
