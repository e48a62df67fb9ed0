"""Random histories: the store and its Lua scripts against the model in plain Python, on fakeredis and on Valkey."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from redis import Redis

from dag.claim import Claim
from dag.definition.batch_restart import BATCH_RESTART
from dag.dispatch import Entry, HandOut, ReadyStream
from dag.error import ClaimConflict, HostsInUse, IllegalState, StoreUnavailable
from dag.host import Host
from dag.lease import Leases, Renewal, Report
from dag.lease import Run as LeaseRun
from dag.operation import Operations
from dag.registry import HostRegistry
from dag.running_log import NOT_HELD, LogPart, RunningLogs
from dag.script import Scripts
from dag.store import Store
from dag.task import Definition, Scope, Stage
from tests.invariant import check_invariants
from tests.model import Model, Run

HOSTS, MOST_TASKS = 4, 6
LEASE_MS, WITHIN_MS, MOST_LOST = 5_000, 7_000, 3
NEVER_BEGUN = ["1", "1", "EXECUTE", "", "", "0", "0", ""]


def definition(shape: str) -> Definition:
    stages = [Stage(f"stage {n}", "Class", n, 20, f"action.{n}", Scope(letter)) for n, letter in enumerate(shape)]
    return Definition(f"shape_{shape}", shape, tuple(stages))


DEFINITIONS = [BATCH_RESTART, *map(definition, ("h", "hh", "hwh", "hhwhh", "hwwh", "hw", "hww", "ho", "hohw", "hoo"))]


class DyingScripts(Scripts):
    """The scripts of a process that gives `hosts` hosts their tickets and is then cut off from Redis."""

    hosts = 0

    def call(self, name: str, keys: Sequence[str], *arguments: str | int) -> Any:
        if name not in ("admit", "readmit"):
            return super().call(name, keys, *arguments)
        more = 4 if name == "readmit" else 3
        task, first, last, *_ = arguments
        chunk = arguments[more:]
        if self.hosts:
            is_last = last if self.hosts >= len(chunk) else 0
            cut = (task, first, is_last, *arguments[3:more], *chunk[: self.hosts])
            if not super().call(name, keys, *cut):
                return 0  # another task is at the head: that one is next
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
        self.operations = Operations(self.store)
        self.hand = HandOut(self.store, retention_seconds=3600)
        self.leases = Leases(self.store, lease_seconds=LEASE_MS / 1000, retention_seconds=3600)
        self.stream = ReadyStream(self.store, "first")
        self.stream.open()
        self.hosts = [h.id for h in HostRegistry(self.redis).create([Host(0, f"h{n}") for n in range(HOSTS)])]
        self.runs: list[Run] = []
        self.token = 0
        self.visible: dict[int, tuple[Any, str]] = {}

    @initialize(tasks=st.integers(1, 3), data=st.data(), failing=st.sets(st.integers(0, 9), max_size=3))
    def begin_far_on(self, tasks: int, data: st.DataObject, failing: set[int]) -> None:
        """Tasks that share hosts, and where something has failed, mostly: what is asked of tasks begins there."""
        for _ in range(tasks):
            self.submit(data.draw(st.sampled_from(DEFINITIONS)), data, None, is_small=data.draw(st.booleans()))
        self.work(8, failing)

    @precondition(lambda self: len(self.model.tasks) < MOST_TASKS)
    @rule(
        chosen=st.sampled_from(DEFINITIONS),
        data=st.data(),
        dies_after=st.sampled_from([None, None, 0, 1, 2]),
        key=st.sampled_from([None, None, "one", "two"]),
        is_small=st.booleans(),
    )
    def submit(
        self,
        chosen: Definition,
        data: st.DataObject,
        dies_after: int | None,
        key: str | None = None,
        *,
        is_small: bool,
    ) -> None:
        hosts = data.draw(st.lists(st.sampled_from(self.hosts), min_size=1, max_size=HOSTS, unique=True))
        claim = (key, f"{chosen.key}-{len(hosts)}") if key else None
        made = self.model.claims.get(key or "")
        if made and claim and made[1] != claim[1]:
            with pytest.raises(ClaimConflict, match=f"^Task {made[0]} "):
                self._submit(chosen, hosts, dies_after, claim)
            return
        with patch("dag.store.HOSTS_AT_ONCE", HOSTS if is_small else 0):
            task = self._submit(chosen, hosts, dies_after, claim)
        if made:
            assert task == made[0]
        else:
            self.model.create(task, "".join(s.scope for s in chosen.stages), hosts, claim)
            if is_small and self.model.admission == [task]:
                self.model.admit(HOSTS)
                return
        self._admit_in_model(dies_after, task)

    def _submit(
        self, chosen: Definition, hosts: list[int], dies_after: int | None, claim: tuple[str, str] | None
    ) -> int:
        DyingScripts.hosts = dies_after or 0
        store = self.store if dies_after is None else self.dying
        held = Claim(*claim, 3600) if claim else None
        return store.submit(chosen, hosts, creator="c", executor="e", trace_id="t", claim=held)

    @precondition(lambda self: len(self.model.tasks) < MOST_TASKS)
    @rule(data=st.data(), shape=st.sampled_from(["h", "hh"]))
    def submit_now(self, data: st.DataObject, shape: str) -> None:
        """An operation that does not wait: it has its host at once, or is not made."""
        host = data.draw(st.sampled_from(self.hosts))
        holder, chosen = self.model.holder(host), replace(definition(shape), single=True, now=True)
        if holder is None:
            self.model.create_now(self._submit(chosen, [host], 0, None), shape, host)
            return
        with pytest.raises(HostsInUse) as raised:
            self._submit(chosen, [host], 0, None)
        assert raised.value.ids == ((host, holder),)

    @precondition(lambda self: self.model.tasks)
    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        """Whoever waits for a task gives up, and it is not to run then."""
        task = data.draw(st.sampled_from(sorted(self.model.tasks)))
        assert self.operations.withdraw(task, reason="too late") == self.model.withdraw(task)

    def _admit_in_model(self, dies_after: int | None, until: int | None = None) -> None:
        if dies_after is None:
            self.model.admit_waiting(until)
        elif dies_after and self.model.admission:
            head = self.model.tasks[self.model.admission[0]]
            (self.model.admit if head.wants is None else self.model.readmit)(dies_after)

    @rule()
    def admit(self) -> None:
        """A scheduler goes on with submissions that were cut off."""
        self.store.admit_waiting()
        self.model.admit_waiting()

    @rule(count=st.integers(1, 4), dies=st.sampled_from(["no", "no", "no", "after", "before"]))
    def hand_out(self, count: int, dies: str) -> None:
        """A scheduler reads messages; it may die before it has worked on them, or before it has said so."""
        # An empty stream is not asked: a server looks at what waits ten times a second only.
        entries = self.stream.read(count=count, block_ms=1) if self.model.stream else []
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
        names = [name for name, _fields in self.redis.xrange(self.store.keys.ready)]
        self.stream.done(entries)
        # By its place: one like it may have been read by somebody who died.
        done, stream = {entry.id for entry in entries}, zip(names, self.model.stream, strict=True)
        self.model.stream[:] = [fields for name, fields in stream if name not in done]

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

    @rule(rounds=st.integers(1, 8), failing=st.sets(st.integers(0, 15), max_size=3))
    def work(self, rounds: int, failing: set[int]) -> None:
        """All that is handed out is done, and fails at these offsets: so that histories get far."""
        for _ in range(rounds):
            self.hand_out(100, "no")
            for run in dict.fromkeys(run for run in self.runs if self.model.is_ready(run)):
                begun = self.leases.begin(self._lease_run(run), "c")
                assert begun is not None
                assert self.model.begin(run, LEASE_MS, "c")
                self.token = begun.token
                end, in_model = (
                    (self.leases.fail, self.model.fail)
                    if run[1] in failing
                    else (self.leases.complete, self.model.complete)
                )
                assert end(self._lease_run(run), Report()) == in_model(run)

    @precondition(lambda self: self.runs)
    @rule(data=st.data())
    def renew(self, data: st.DataObject) -> None:
        runs = data.draw(st.lists(st.sampled_from(self.runs), max_size=4, unique=True))
        told = self.leases.renew([self._lease_run(run).name for run in runs])
        gone, cancelled = ({self._lease_run(run).name for run in part} for part in self.model.renew(runs, LEASE_MS))
        assert told == Renewal(frozenset(gone), frozenset(cancelled))

    @precondition(lambda self: self.runs)
    @rule(data=st.data())
    def log(self, data: st.DataObject) -> None:
        """A worker stores what a run has logged; it may be one that has lost the node since."""
        run = data.draw(st.sampled_from(self.runs))
        record = self.redis.hget(self.store.keys.nodes(run[0]), str(run[1]))
        token = int(record.split("|")[5]) if record else 0
        [size] = RunningLogs(self.store).append([LogPart(self._lease_run(run), token, 0, b"log\n")])
        assert (size != NOT_HELD) == self.model.may_log(run)

    @precondition(lambda self: self.model.tasks)
    @rule(
        data=st.data(), what=st.sampled_from(["retry", "roll_back"]), dies_after=st.sampled_from([None, None, 0, 1, 2])
    )
    def ask_task(self, data: st.DataObject, what: str, dies_after: int | None) -> None:
        """Somebody retries a task or rolls it back; the API may die before all hosts have their places."""
        task = self._draw_task(data)
        self._ask(dies_after, getattr(self.model, what)(task), what, task)

    def _draw_task(self, data: st.DataObject) -> int:
        """A task, mostly one that something can be asked of."""
        failed = [number for number, task in self.model.tasks.items() if task.failed]
        fitting = data.draw(st.sampled_from([True, True, True, False]))
        return int(data.draw(st.sampled_from(failed if fitting and failed else sorted(self.model.tasks))))

    @precondition(lambda self: self.model.tasks)
    @rule(
        data=st.data(),
        what=st.sampled_from(["retry_node", "skip", "cancel"]),
        dies_after=st.sampled_from([None, None, 0, 1, 2]),
        fitting=st.sampled_from([True, True, True, False]),
    )
    def ask_node(self, data: st.DataObject, what: str, dies_after: int | None, fitting: bool) -> None:
        """Somebody retries, skips or cancels a node, mostly one of a state that allows it."""
        task = self._draw_task(data)
        letters = self.model.tasks[task].letters
        fits = [at for at, letter in enumerate(letters) if letter == ("X" if what == "cancel" else "F")]
        offset = data.draw(st.sampled_from(fits if fitting and fits else range(len(letters))))
        self._ask_node(dies_after, what, task, offset)

    def _ask_node(self, dies_after: int | None, what: str, task: int, offset: int) -> None:
        user = {} if what == "retry_node" else {"user": "u"}
        is_allowed = getattr(self.model, what)(task, offset, *(["u"] if what == "cancel" else []))
        self._ask(dies_after, is_allowed, what, task, self._base(task) + offset, **user)

    def _ask(self, dies_after: int | None, is_allowed: bool, what: str, *ids: int, **user: str) -> None:
        DyingScripts.hosts = dies_after or 0
        operations = self.operations if dies_after is None else Operations(self.dying)
        try:
            getattr(operations, what)(*ids, **user)
        except IllegalState:
            assert not is_allowed
        else:
            assert is_allowed
            # A cancelled node needs no host.
            self._admit_in_model(0 if what == "cancel" else dies_after)

    def _base(self, task: int) -> int:
        return int(self.redis.hget(self.store.keys.task(task), "base"))

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
            assert (fields["status"], fields["operation"]) == (task.status, task.operation)
            assert (int(fields["open"]), int(fields["failed"])) == (task.open, task.failed)
            stored = {int(o): t.split("|") for o, t in redis.hgetall(keys.nodes(task_id)).items()}
            for offset, node in task.nodes.items():
                attempt, run, operation, _started, finished, _token, lost, _executor = stored.get(offset, NEVER_BEGUN)
                assert (int(attempt), int(run), operation) == (node.attempt, node.run, node.operation)
                assert (int(lost), finished != "") == (node.lost, node.has_ended)
        assert redis.hgetall(keys.holders) == {str(host): holder for host, holder in self.model.holders.items()}
        # Which call had a node run is not the state machine's.
        messages = [fields for _name, fields in redis.xrange(keys.ready)]
        asked = [{name: value for name, value in fields.items() if name != "parent"} for fields in messages]
        assert asked == self.model.stream
        told = [(told["event"], int(told["task"]), told["status"]) for _name, told in redis.xrange(keys.outbox)]
        assert told == self.model.outbox
        cancels = {":".join(map(str, run)): user for run, user in self.model.cancels.items()}
        assert redis.hgetall(keys.cancels) == cancels
        due = {name: int(at) for name, at in redis.zrange(keys.due, 0, -1, withscores=True)}
        assert due == {":".join(map(str, run)): at for run, at in self.model.due.items()}

    @invariant()
    def every_visible_change_has_a_version(self) -> None:
        for task_id in self.model.tasks:
            visible = self.store.load(task_id)
            version = self.redis.hget(self.store.keys.task(task_id), "version")
            assert self.redis.xrevrange(self.store.keys.changes(task_id), count=1)[0][0] == version
            seen, known = self.visible.get(task_id, (None, ""))
            assert visible == seen or version != known
            self.visible[task_id] = (visible, version)

    @invariant()
    def the_changes_tell_each_letter(self) -> None:
        for task_id, task in self.model.tasks.items():
            letters = ["P"] * len(task.letters)
            for _id, fields in self.redis.xrange(self.store.keys.changes(task_id)):
                span, _, letter = fields["c"].partition(" ")
                if letter:
                    first, _, last = span.partition("-")
                    letters[int(first) : int(last or first) + 1] = letter * (int(last or first) - int(first) + 1)
            assert letters == task.letters

    @invariant()
    def rules_hold(self) -> None:
        check_invariants(self.store)

    def teardown(self) -> None:
        """Whatever happened: with live schedulers and workers every task ends and frees its hosts.

        And those that have FAILED can all be brought to a good end: by retries, by a rollback, by skips.
        """
        self._settle()
        assert {task.status for task in self.model.tasks.values()} <= {"SUCCESSFUL", "FAILED"}
        for task_id, task in self.model.tasks.items():
            if task.status == "FAILED":
                self._bring_to_an_end(task_id, ("retry", "roll_back", "skip")[task_id % 3])
        assert {task.status for task in self.model.tasks.values()} <= {"SUCCESSFUL"}
        for task in self.model.tasks.values():
            assert set(task.letters) == {"P" if task.operation == "ROLLBACK" else "S"}

    def _bring_to_an_end(self, task_id: int, how: str) -> None:
        task = self.model.tasks[task_id]
        if how == "skip":
            while "F" in task.letters:
                self._ask_node(None, "skip", task_id, task.letters.index("F"))
        else:
            what = "roll_back" if task.operation == "ROLLBACK" else how
            self._ask(None, getattr(self.model, what)(task_id), what, task_id)
        self._settle()

    def _settle(self) -> None:
        self.admit()
        for _ in range(100):
            self.claim(100)
            self.hand_out(100, "no")
            self.work(1, set())
            if not self.model.stream and not self.model.due:
                break
            self.model.now += WITHIN_MS
            self.sweep(0, 600_000)
        assert self.redis.hgetall(self.store.keys.holders) == {}

    def _lease_run(self, run: Run) -> LeaseRun:
        task, offset, attempt = run
        _stage, index = self.model.tasks[task].place(offset)
        return LeaseRun(task, offset, attempt, self.model.tasks[task].hosts[index], index)


def test_the_store_does_what_the_model_does(redis: Redis) -> None:
    # Many rules: three times the profile's histories.
    profile = settings()
    more = settings(profile, max_examples=3 * profile.max_examples)
    run_state_machine_as_test(type("Machine", (EngineMachine,), {"redis": redis}), settings=more)
