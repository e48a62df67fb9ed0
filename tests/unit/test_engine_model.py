"""Random histories: the store and its Lua scripts against the model in plain Python, on fakeredis and on Valkey."""

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from redis import Redis

from dag.definition.batch_restart import BATCH_RESTART
from dag.dispatch import Entry, HandOut, ReadyStream
from dag.error import StoreUnavailable
from dag.host import Host
from dag.lease import Leases, Report
from dag.lease import Run as LeaseRun
from dag.registry import HostRegistry
from dag.script import Scripts
from dag.store import Store
from dag.task import Definition, Scope, Stage
from tests.invariant import check_invariants
from tests.model import Model, Run

HOSTS, MOST_TASKS = 4, 6
LEASE_MS, WITHIN_MS, MOST_LOST = 5_000, 7_000, 3


def definition(shape: str) -> Definition:
    stages = [Stage(f"stage {n}", "Class", n, 20, f"action.{n}", Scope(letter)) for n, letter in enumerate(shape)]
    return Definition(f"shape_{shape}", shape, tuple(stages))


DEFINITIONS = [BATCH_RESTART, *map(definition, ("h", "hh", "hwh", "hhwhh", "hwwh", "hw", "hww", "ho", "hohw", "hoo"))]


class DyingScripts(Scripts):
    """The scripts of a process that gives `hosts` hosts their tickets and is then cut off from Redis."""

    hosts = 0

    def call(self, name: str, keys: Sequence[str], *arguments: str | int) -> Any:
        if name != "admit":
            return super().call(name, keys, *arguments)
        task, first, last, *chunk = arguments
        if self.hosts:
            is_last = last if self.hosts >= len(chunk) else 0
            assert super().call(name, keys, task, first, is_last, *chunk[: self.hosts]) == 1
        raise StoreUnavailable


class EngineMachine(RuleBasedStateMachine):
    """Does the same to both and compares everything after every step."""

    redis: Any

    def __init__(self) -> None:
        super().__init__()
        self.redis.flushall()
        self.model = Model()
        self.store = Store(self.redis, clock=lambda: str(self.model.now))
        self.dying = Store(self.redis, clock=self.store.clock)
        self.dying.scripts = DyingScripts(self.redis)
        self.hand = HandOut(self.store, retention_seconds=3600)
        self.leases = Leases(self.store, lease_seconds=LEASE_MS / 1000, retention_seconds=3600)
        self.stream = ReadyStream(self.store, "first")
        self.stream.open()
        self.hosts = [h.id for h in HostRegistry(self.redis).create([Host(0, f"h{n}") for n in range(HOSTS)])]
        self.runs: list[Run] = []
        self.token = 0

    @precondition(lambda self: len(self.model.tasks) < MOST_TASKS)
    @rule(chosen=st.sampled_from(DEFINITIONS), data=st.data(), dies_after=st.sampled_from([None, None, 0, 1, 2]))
    def submit(self, chosen: Definition, data: st.DataObject, dies_after: int | None) -> None:
        hosts = data.draw(st.lists(st.sampled_from(self.hosts), min_size=1, max_size=HOSTS, unique=True))
        DyingScripts.hosts = dies_after or 0
        store = self.store if dies_after is None else self.dying
        task = store.submit(chosen, hosts, creator="c", executor="e", trace_id="t")
        self.model.create(task, "".join(s.scope for s in chosen.stages), hosts)
        if dies_after is None:
            self.model.admit_waiting()
        elif dies_after:
            self.model.admit(dies_after)

    @rule()
    def admit(self) -> None:
        """A scheduler goes on with submissions that were cut off."""
        self.store.admit_waiting()
        self.model.admit_waiting()

    @rule(count=st.integers(1, 4), dies=st.sampled_from(["no", "no", "no", "after", "before"]))
    def hand_out(self, count: int, dies: str) -> None:
        """A scheduler reads messages; it may die before it has worked on them, or before it has said so."""
        entries = self.stream.read(count=count, block_ms=1)
        if dies != "before":
            self._work_on(entries)
        if dies == "no":
            self._done(entries)

    @rule(count=st.integers(1, 4))
    def claim(self, count: int) -> None:
        """Another scheduler takes over what was read and never done."""
        entries = ReadyStream(self.store, "second").claim(idle_ms=0, count=count)
        self._work_on(entries)
        self._done(entries)

    def _work_on(self, entries: list[Entry]) -> None:
        for fields in (entry.fields for entry in entries):
            match fields["kind"]:
                case "nodes":
                    task, first, count = (int(fields[name]) for name in ("task", "first", "count"))
                    found = self.hand.ready_nodes(task, first, count, begin_within_ms=WITHIN_MS)
                    assert found == self.model.dispatch(task, first, count, WITHIN_MS)
                    self.runs += [(task, offset, attempt) for offset, attempt in found]
                case "host":
                    host = int(fields["host"])
                    assert self.hand.grant(host) == self.model.grant(host)
                case "release":
                    info = self.hand.info(int(fields["task"]))
                    assert info is not None
                    self.hand.release(info)
                    self.model.release(info.id)

    def _done(self, entries: list[Entry]) -> None:
        self.stream.done(entries)
        for entry in entries:
            self.model.stream.remove(entry.fields)

    @precondition(lambda self: self.runs)
    @rule(data=st.data(), workers=st.lists(st.sampled_from(["a", "b"]), min_size=1, max_size=2))
    def begin(self, data: st.DataObject, workers: list[str]) -> None:
        """A message arrives, maybe twice, at one worker or two, maybe late; one asks again when it got no answer."""
        run = data.draw(st.sampled_from(self.runs))
        for worker in workers:
            begun = self.leases.begin(self._lease_run(run), worker)
            assert (begun is not None) == self.model.begin(run, LEASE_MS, worker)
            assert begun is None or begun.token > self.token
            self.token = begun.token if begun else self.token

    @precondition(lambda self: self.runs)
    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        """A worker that is told to stop gives up a run; it may have lost it already."""
        run = data.draw(st.sampled_from(self.runs))
        self.leases.give_back(self._lease_run(run))
        self.model.give_back(run)

    @precondition(lambda self: self.runs)
    @rule(data=st.data(), succeeds=st.sampled_from([True, True, True, False]))
    def end(self, data: st.DataObject, succeeds: bool) -> None:
        """A worker reports; it may be one that has lost the node since."""
        run = data.draw(st.sampled_from(self.runs))
        if succeeds:
            assert self.leases.complete(self._lease_run(run), Report("log\n")) == self.model.complete(run)
        else:
            assert self.leases.fail(self._lease_run(run), Report("log\n")) == self.model.fail(run)

    @precondition(lambda self: self.runs)
    @rule()
    def work(self) -> None:
        """All that can begin does, and succeeds: so that histories get far."""
        for run in dict.fromkeys(run for run in self.runs if self.model.is_ready(run)):
            begun = self.leases.begin(self._lease_run(run), "c")
            assert begun is not None
            assert self.model.begin(run, LEASE_MS, "c")
            self.token = begun.token
            assert self.leases.complete(self._lease_run(run), Report()) == self.model.complete(run)

    @precondition(lambda self: self.runs)
    @rule(data=st.data())
    def renew(self, data: st.DataObject) -> None:
        runs = data.draw(st.lists(st.sampled_from(self.runs), max_size=4, unique=True))
        gone = self.leases.renew([self._lease_run(run).name for run in runs])
        assert gone == [self._lease_run(run).name for run in self.model.renew(runs, LEASE_MS)]

    @rule(ms=st.integers(1, 9_000))
    def time_passes(self, ms: int) -> None:
        self.model.now += ms

    @rule(wait=st.sampled_from([0, 0, WITHIN_MS]), longest=st.sampled_from([LEASE_MS, 600_000]))
    def sweep(self, wait: int, longest: int) -> None:
        found = self.hand.due(limit=1000)
        assert sorted(found) == sorted(self.model.due_runs())
        for run in found:
            answer = self.hand.expire(*run, most_lost=MOST_LOST, longest_ms=longest, log="lost\n", wait_ms=wait)
            assert answer == self.model.expire(run, most_lost=MOST_LOST, longest=longest, wait=wait)

    @precondition(lambda self: self.runs)
    @rule(data=st.data())
    def expire_too_late(self, data: st.DataObject) -> None:
        """A scheduler saw the run due and was slow: it may have been renewed, ended or handed out again since."""
        run = data.draw(st.sampled_from(self.runs))
        answer = self.hand.expire(*run, most_lost=MOST_LOST, longest_ms=600_000, log="lost\n", wait_ms=0)
        assert answer == self.model.expire(run, most_lost=MOST_LOST, longest=600_000, wait=0)

    @rule()
    def forget_scripts(self) -> None:
        self.redis.script_flush()

    @invariant()
    def both_are_equal(self) -> None:
        redis, keys = self.redis, self.store.keys
        for task_id, task in self.model.tasks.items():
            fields = redis.hgetall(keys.task(task_id))
            assert redis.get(keys.status(task_id)) == "".join(task.letters)
            assert fields["status"] == task.status
            assert (int(fields["open"]), int(fields["failed"])) == (task.open, task.failed)
            stored = {int(o): t.split("|") for o, t in redis.hgetall(keys.nodes(task_id)).items()}
            for offset, node in task.nodes.items():
                assert (int(stored[offset][0]), int(stored[offset][6])) == (node.attempt, node.lost)
        assert redis.hgetall(keys.holders) == {str(host): holder for host, holder in self.model.holders.items()}
        assert [fields for _name, fields in redis.xrange(keys.ready)] == self.model.stream
        due = {name: int(at) for name, at in redis.zrange(keys.due, 0, -1, withscores=True)}
        assert due == {":".join(map(str, run)): at for run, at in self.model.due.items()}

    @invariant()
    def rules_hold(self) -> None:
        check_invariants(self.store)

    def teardown(self) -> None:
        """Whatever happened: with live schedulers and workers every task ends and frees its hosts."""
        self.admit()
        for _ in range(100):
            self.claim(100)
            self.hand_out(100, "no")
            self.work() if self.runs else None
            if not self.model.stream and not self.model.due:
                break
            self.model.now += WITHIN_MS
            self.sweep(0, 600_000)
        assert {task.status for task in self.model.tasks.values()} <= {"SUCCESSFUL", "FAILED"}
        assert self.redis.hgetall(self.store.keys.holders) == {}

    def _lease_run(self, run: Run) -> LeaseRun:
        task, offset, attempt = run
        _stage, index = self.model.tasks[task].place(offset)
        return LeaseRun(task, offset, attempt, self.model.tasks[task].hosts[index], index)


def test_the_store_does_what_the_model_does(redis: Redis) -> None:
    run_state_machine_as_test(type("Machine", (EngineMachine,), {"redis": redis}))
