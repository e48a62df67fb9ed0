"""Random histories of API calls and workers: no task gets into a state, and no answer tells one, that the contract does
not know; what is refused changes nothing.
"""

import json
from collections.abc import Callable
from typing import Any

import fakeredis
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
from werkzeug.test import TestResponse

from config.settings import ApiSettings
from dag.dispatch import HandOut
from dag.host import Host
from dag.lease import Leases, Report, Run
from dag.registry import HostRegistry
from dag.store import Store
from tests.iam import SECRET_KEY, Iam

HOSTS, MOST_TASKS = [1, 2, 3], 4
NODE_STATUS = {"PENDING", "READY", "RUNNING", "CANCELING", "FAILED", "SUCCESSFUL"}
NODE_OPERATION = {"EXECUTE", "RETRY", "ROLLBACK", "SKIP", "ROLLBACK_SKIP", "CANCEL"}
TASK_STATUS, TASK_OPERATION = {"RUNNING", "FAILED", "SUCCESSFUL"}, {"EXECUTE", "RETRY", "ROLLBACK"}
AT_WORK = {"READY", "RUNNING", "CANCELING"}
BATCHES = ["batchRestartAgents", "batchStopAgents"]
Detail = dict[str, Any]


class ApiMachine(RuleBasedStateMachine):
    """What callers, schedulers and workers may do, in any order."""

    iam: Iam

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_000_000
        self.redis: Any = self.iam.redis
        for key in list(self.redis.scan_iter("{p00}:*")):
            self.redis.delete(key)
        HostRegistry(self.redis).create([Host(0, f"h{n}") for n in HOSTS])
        self.store = Store(self.redis, clock=lambda: str(self.now))
        self.app = self.iam.another(store=self.store, users=self.iam.users)
        self.hand = HandOut(self.store, retention_seconds=3600)
        self.leases = Leases(self.store, lease_seconds=10, retention_seconds=3600)
        self.tasks: dict[int, Detail] = {}
        self.runs: list[Run] = []

    def call(self, method: str, path: str, body: Any = None) -> TestResponse:
        return self.iam.call(method, path, body, app=self.app)

    def data(self, path: str) -> Any:
        answer = self.call("GET", path)
        assert answer.status_code == 200, answer.text
        return json.loads(answer.data)["data"]

    def detail(self, task: int) -> Detail:
        found: Detail = self.data(f"/tasks/{task}")
        return found

    @initialize(what=st.sampled_from(BATCHES), failing=st.sets(st.integers(0, 14), min_size=1, max_size=2))
    def begin_far_on(self, what: str, failing: set[int]) -> None:
        """A task of which something has failed, and one that waits for its hosts: what can be asked begins there."""
        self.submit_batch(what, HOSTS)
        self.work(6, failing)
        self.submit_batch(what, HOSTS[:2])

    @precondition(lambda self: len(self.tasks) < MOST_TASKS)
    @rule(what=st.sampled_from(BATCHES), hosts=st.lists(st.sampled_from(HOSTS), min_size=1, unique=True))
    def submit_batch(self, what: str, hosts: list[int]) -> None:
        self._submitted(self.call("POST", f"/compute/hosts/{what}", {"hostIds": hosts}))

    @precondition(lambda self: len(self.tasks) < MOST_TASKS)
    @rule(what=st.sampled_from(["restart", "stop"]), host=st.sampled_from(HOSTS))
    def submit_single(self, what: str, host: int) -> None:
        self._submitted(self.call("POST", f"/compute/hosts/{host}/agent/{what}"))

    def _submitted(self, answer: TestResponse) -> None:
        assert answer.status_code == 200, answer.text
        task = json.loads(answer.data)["data"]
        assert (task["status"], task["operation"]) == ("RUNNING", "EXECUTE")
        assert {node["status"] for node in task["subtasks"]} <= {"READY", "PENDING"}
        self.tasks[task["id"]] = self.detail(task["id"])

    @rule(
        data=st.data(),
        what=st.sampled_from(["retry", "rollback", "retry node", "skip node", "cancel node"]),
        fitting=st.sampled_from([True, True, True, False]),
    )
    def ask(self, data: st.DataObject, what: str, fitting: bool) -> None:
        """Somebody asks something of a task or of a node, mostly of one that allows it."""
        verb, _, is_node = what.partition(" ")
        needed = "RUNNING" if verb == "cancel" else "FAILED"
        if is_node:
            nodes = [(number, node) for number, task in self.tasks.items() for node in task["subtasks"]]
            fits = [(number, node) for number, node in nodes if node["status"] == needed]
            self._ask_node(verb, *data.draw(st.sampled_from(fits if fitting and fits else nodes)))
        else:
            failed = [number for number, task in self.tasks.items() if task["status"] == needed]
            self._ask_task(verb, data.draw(st.sampled_from(failed if fitting and failed else sorted(self.tasks))))

    def _ask_task(self, what: str, task: int) -> None:
        before = self.tasks[task]
        is_allowed = before["status"] == "FAILED" and (what == "rollback" or before["operation"] != "ROLLBACK")
        if not self._ask(f"/tasks/instances/{task}/{what}", is_allowed):
            return
        after = self.detail(task)
        assert (after["status"], after["operation"]) == ("RUNNING", what.upper()) or after["status"] == "SUCCESSFUL"
        if what == "retry":
            for old, new in zip(before["subtasks"], after["subtasks"], strict=True):
                if old["status"] == "FAILED":
                    assert new["status"] in ("READY", "PENDING")
                    assert (new["operation"], new["runTime"]) == ("RETRY", old["runTime"] + 1)
                else:
                    assert new == old

    def _ask_node(self, what: str, task: int, before: Detail) -> None:
        needed = "RUNNING" if what == "cancel" else "FAILED"
        is_rollback = self.tasks[task]["operation"] == "ROLLBACK"
        path = f"/tasks/instances/{task}/subtasks/{before['id']}"
        if not self._ask(f"{path}/{what}", before["status"] == needed):
            return
        [after] = [node for node in self.detail(task)["subtasks"] if node["id"] == before["id"]]
        if what == "retry":
            assert after["status"] in ("READY", "PENDING")
            assert after["operation"] == ("ROLLBACK" if is_rollback else "RETRY")
        elif what == "skip":
            wanted = ("PENDING", "ROLLBACK_SKIP") if is_rollback else ("SUCCESSFUL", "SKIP")
            assert (after["status"], after["operation"]) == wanted
            assert "skipped by admin" in self.data(f"{path}/log")["log"]
        else:
            assert (after["status"], after["operation"]) == ("CANCELING", "CANCEL")

    def _ask(self, path: str, is_allowed: bool) -> bool:
        """Ask, and tell whether it was done; what is refused has its code and has changed nothing."""
        before = self._dump()
        answer = self.call("POST", path)
        if is_allowed:
            assert answer.status_code == 200, answer.text
            return True
        error = json.loads(answer.data)["error"]
        assert (answer.status_code, error["code"]) == (400, 20003), answer.text
        assert error["target"] in ("taskId", "subtaskId")
        assert self._dump() == before
        return False

    def _dump(self) -> dict[str, Any]:
        read: dict[str, Callable[[str], Any]] = {
            "string": self.redis.get,
            "hash": self.redis.hgetall,
            "zset": lambda key: self.redis.zrange(key, 0, -1, withscores=True),
            "set": self.redis.smembers,
            "list": lambda key: self.redis.lrange(key, 0, -1),
            "stream": self.redis.xrange,
        }
        keys = sorted(key for key in self.redis.scan_iter("{p00}:*") if not key.endswith(":disk"))
        return {key: read[self.redis.type(key)](key) for key in keys}

    def hand_out(self) -> None:
        """A scheduler does what is on the stream; each node that it hands out is begun by a worker."""
        for name, fields in self.redis.xrange(self.store.keys.ready):
            if fields["kind"] == "nodes":
                self._begin(int(fields["task"]), int(fields["first"]), int(fields["count"]))
            elif fields["kind"] == "release":
                info = self.hand.info(int(fields["task"]))
                assert info is not None
                self.hand.release(info)
            else:
                self.hand.grant(int(fields["host"]))
            self.redis.xdel(self.store.keys.ready, name)

    def _begin(self, task: int, first: int, count: int) -> None:
        info = self.hand.info(task)
        assert info is not None
        for offset, attempt in self.hand.ready_nodes(task, first, count, begin_within_ms=10_000):
            inner = self._inner(task, offset)
            run = Run(task, offset, attempt, info.host_ids[inner], inner)
            if self.leases.begin(run, "worker"):
                self.runs.append(run)

    def _inner(self, task: int, offset: int) -> int:
        return self.store.locate(task, self.tasks[task]["subtasks"][0]["id"] + offset).graph.place(offset)[1]

    @rule(
        data=st.data(), ends=st.sampled_from(["well", "badly", "not", "not"]), ms=st.sampled_from([0, 0, 1_000, 11_000])
    )
    def go_on(self, data: st.DataObject, ends: str, ms: int) -> None:
        """Nodes begin; one ends, which somebody may have cancelled or taken over since; a lease may run out."""
        self.hand_out()
        if self.runs and ends != "not":
            run = data.draw(st.sampled_from(self.runs))
            if ends == "badly" or not self.leases.complete(run, Report("well\n")):
                self.leases.fail(run, Report("badly\n"))
            self.runs.remove(run)
        self.now += ms
        for run_name in self.hand.due(limit=100):
            self.hand.expire(*run_name, most_lost=1, longest_ms=600_000, log="lost\n", wait_ms=0)

    @rule(rounds=st.integers(1, 3), failing=st.sets(st.integers(0, 14), min_size=1, max_size=3))
    def work(self, rounds: int, failing: set[int]) -> None:
        """All goes on for a while, and fails at these offsets."""
        for _ in range(rounds):
            self.hand_out()
            for run in self.runs:
                if run.offset in failing or not self.leases.complete(run, Report()):
                    self.leases.fail(run, Report())
            self.runs.clear()

    @invariant()
    def the_contract_knows_it(self) -> None:
        for number, before in self.tasks.items():
            self.tasks[number] = self.detail(number)
            check(before, self.tasks[number])

    @rule()
    def lists_tell_the_same(self) -> None:
        listed = {task["id"]: task for task in self.data("/tasks/instances?size=100")["contents"]}
        assert listed.keys() == self.tasks.keys()
        for number, task in self.tasks.items():
            brief = listed[number]
            assert (brief["status"], brief["finishTime"]) == (task["status"], task["finishTime"])
            names = ("id", "status", "operation")
            assert [[node[n] for n in names] for node in brief["subtasks"]] == [
                [node[n] for n in names] for node in task["subtasks"]
            ]
        for status in TASK_STATUS:
            found = self.data(f"/tasks/instances?size=100&status={status}")["contents"]
            assert {task["id"] for task in found} == {n for n, one in self.tasks.items() if one["status"] == status}


def check(before: Detail, task: Detail) -> None:
    """The contract's rules for one task."""
    nodes = {node["id"]: node for node in task["subtasks"]}
    statuses = {node["status"] for node in nodes.values()}
    assert task["status"] in TASK_STATUS
    assert task["operation"] in TASK_OPERATION
    assert statuses <= NODE_STATUS
    assert {node["operation"] for node in nodes.values()} <= NODE_OPERATION
    is_rollback = task["operation"] == "ROLLBACK"
    if task["status"] != "RUNNING":
        assert not statuses & AT_WORK, "a task stays RUNNING while any subtask still runs"
        assert (task["status"] == "FAILED") == ("FAILED" in statuses)
        assert task["status"] == "FAILED" or statuses == {"PENDING" if is_rollback else "SUCCESSFUL"}
    assert (task["finishTime"] is None) == (task["status"] == "RUNNING")
    for old, node in zip(before["subtasks"], nodes.values(), strict=True):
        assert node["runTime"] >= old["runTime"] >= 1
        assert (node["status"] == "CANCELING") <= (node["operation"] == "CANCEL")
        if not is_rollback and node["status"] != "PENDING":
            assert {nodes[other]["status"] for other in node["upstreams"]} <= {"SUCCESSFUL"}, "an edge was jumped"


def test_no_history_leaves_a_task_in_a_state_that_the_contract_does_not_know() -> None:
    # A quick machine makes more calls a second than a user may.
    unlimited = ApiSettings(secret_key=SECRET_KEY, rate_per_second=100_000, rate_burst=100_000)
    iam = Iam(fakeredis.FakeRedis(decode_responses=True), unlimited)
    machine = type("Machine", (ApiMachine,), {"iam": iam})
    profile = settings()
    run_state_machine_as_test(machine, settings=settings(profile, stateful_step_count=30))
