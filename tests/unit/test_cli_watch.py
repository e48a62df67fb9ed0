"""A watch of a task, through the API, with hands that do the work meanwhile."""

import signal
from collections.abc import Callable

import fakeredis
import httpx
import pytest
from flask import Flask

from api.app import create_app
from api.user import Permission, UserStore
from cli.client import Refused, Unavailable
from cli.interrupt import StopAsked
from cli.patience import PATIENCE_SECONDS
from cli.snapshot import Snapshot
from cli.task import TaskClient
from cli.watch import IDLE, Watch, saying_how_to_return
from config.settings import Settings
from dag.host import Host
from dag.operation import Operations
from dag.registry import HostRegistry
from tests.hand import Hands

USERS = {"ann": [Permission.TASK_VIEWER, Permission.HOST_VIEWER], "bob": [Permission.TASK_VIEWER]}
PASSWORD = "correct horse"


class Network(httpx.BaseTransport):
    """The way to the app; `away` says how many calls it is away for, and how that shows."""

    def __init__(self, app: Flask) -> None:
        self._wsgi = httpx.WSGITransport(app=app)
        self.away: list[httpx.Response | None] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if self.away:
            found = self.away.pop(0)
            if found is None:
                raise httpx.ConnectError("refused", request=request)
            return found
        return self._wsgi.handle_request(request)


class Bench:
    """An API with 25 hosts, hands that work in its store, and a drawing that remembers."""

    def __init__(self) -> None:
        redis = fakeredis.FakeRedis(decode_responses=True)
        self.hands, users, registry = Hands(redis), UserStore(redis), HostRegistry(redis)
        for name, permissions in USERS.items():
            users.add(name, PASSWORD, permissions)
        registry.create([Host(0, f"10.0.0.{number}", name=f"web-{number}") for number in range(1, 26)])
        self.network = Network(create_app(self.hands.store, registry, users, Settings()))
        self.now = 0.0
        self.said: list[str] = []
        self.seen: list[Snapshot] = []

    def update(self, snapshot: Snapshot) -> None:
        self.seen.append(snapshot)

    def say(self, text: str) -> None:
        self.said.append(text)

    def client(self, user: str = "ann") -> TaskClient:
        return TaskClient("http://muster", user, PASSWORD, transport=self.network)

    def watch(self, task: int, user: str = "ann", work: Callable[[], None] | None = None) -> Snapshot:
        """Follow a task; each wait is used for the next steps of it."""

        def wait(seconds: float) -> None:
            self.now += seconds
            assert self.now < 1000
            (work or (lambda: self.hands.step(task)))()

        return Watch(self.client(user), task, clock=lambda: self.now, wait=wait).follow(self)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_watch_sees_each_stage_and_ends_with_the_task(bench: Bench) -> None:
    task = bench.hands.submit([1, 2, 3])
    ended = bench.watch(task)
    assert (ended.status, ended.hosts, ended.failures, bench.said) == ("SUCCESSFUL", 3, (), [])
    assert [stage.name for stage in ended.stages][::2] == [
        "Prepare restart OCP agent",
        "Stop all OCP agent processes",
        "Finish OCP agent operation",
    ]
    done = [sum(stage.done for stage in seen.stages) for seen in bench.seen]
    assert done == [0, 3, 6, 9, 12, 15]
    assert ended.seconds is not None
    assert bench.seen[0].seconds is None


def test_each_failed_host_is_named_once_with_its_reason(bench: Bench) -> None:
    task = bench.hands.submit([1, 2, 3])
    bench.hands.faults = {2: "web-2 can't be reached: Connection refused."}
    ended = bench.watch(task)
    assert (ended.status, ended.failed) == ("FAILED", 1)
    node = ended.failures[0].subtask
    reason = "web-2 can't be reached: Connection refused."
    assert bench.said == [f"FAILED web-2: Prepare restart OCP agent (subtask {node}): {reason}"]


def test_of_many_failures_the_first_are_told_and_all_are_counted(bench: Bench) -> None:
    task = bench.hands.submit(list(range(1, 26)))
    bench.hands.faults = dict.fromkeys(range(1, 26), "no")
    ended = bench.watch(task)
    assert (ended.failed, len(ended.failures), len(bench.said)) == (25, 20, 20)


def test_a_rollback_counts_what_is_undone(bench: Bench) -> None:
    task = bench.hands.submit([1, 2])
    bench.hands.step(task)
    bench.hands.faults = {2: "no"}
    assert bench.watch(task).status == "FAILED"
    bench.hands.faults = {}
    Operations(bench.hands.store).roll_back(task)
    bench.hands.store.admit_waiting()
    ended = bench.watch(task)
    assert (ended.status, ended.operation) == ("SUCCESSFUL", "ROLLBACK")
    assert {stage.done for stage in ended.stages} == {2}


def test_a_task_at_which_nobody_works_is_told_of_once_each_time(bench: Bench) -> None:
    task, waits = bench.hands.submit([1, 2]), iter(range(1000))

    def work() -> None:
        # It begins after a minute, and stands still once more.
        if (turn := next(waits)) == 120 or turn > 240:
            bench.hands.step(task)

    assert bench.watch(task, work=work).status == "SUCCESSFUL"
    assert bench.said == [IDLE, IDLE]


def test_a_host_that_may_not_be_seen_is_named_by_its_id(bench: Bench) -> None:
    task = bench.hands.submit([1, 2])
    bench.hands.faults = {2: "no"}
    ended = bench.watch(task, "bob")
    assert [failure.host for failure in ended.failures] == ["host 2"]


@pytest.mark.parametrize("answer", [None, 503, 429, 502])
def test_an_api_that_is_away_for_a_while_is_asked_again(bench: Bench, answer: int | None) -> None:
    task = bench.hands.submit([1])
    away = answer and httpx.Response(answer, headers={"Retry-After": "7"}, text="<html>")
    bench.network.away = [away or None] * 3
    began = bench.now
    assert bench.watch(task).status == "SUCCESSFUL"
    assert len(bench.said) == 1
    assert bench.said[0].endswith("It is asked again; the task goes on meanwhile.")
    assert bench.now - began > (21 if answer else 1.5)


def test_an_api_that_stays_away_ends_the_watch(bench: Bench) -> None:
    task = bench.hands.submit([1])
    bench.network.away = [None] * 1000
    began = bench.now
    with pytest.raises(Unavailable, match="No API answers at http://muster"):
        bench.watch(task)
    assert PATIENCE_SECONDS <= bench.now - began < PATIENCE_SECONDS + 1
    bench.hands.finish(task)


def test_a_task_that_does_not_exist_ends_the_watch_at_once(bench: Bench) -> None:
    with pytest.raises(Refused, match="Task 4711 does not exist"):
        bench.watch(4711)


@pytest.mark.usefixtures("kept_handlers")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_leaves_the_task_running_and_says_how_to_come_back(
    bench: Bench, number: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    task = bench.hands.submit([1])
    with pytest.raises(StopAsked), saying_how_to_return(task, "muster tasks watch 7"):
        bench.watch(task, work=lambda: signal.raise_signal(number))
    told = f"Task {task} goes on without this command. To come back: muster tasks watch 7\n"
    assert capsys.readouterr().err == told
    assert bench.hands.store.load(task).status == "RUNNING"
    bench.hands.finish(task)
