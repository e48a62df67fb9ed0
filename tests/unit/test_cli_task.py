"""`muster restart`, `stop-agents` and `tasks` as people call them, against an API of this process."""

import json
import re
import signal
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import fakeredis
import httpx
import pytest
from flask import Flask
from structlog.testing import capture_logs
from werkzeug.serving import make_server

from api.app import create_app
from api.user import Role, UserStore
from cli.client import Unavailable
from cli.interrupt import SIGNALS
from cli.main import main
from cli.task import PAUSES_SECONDS, TaskClient
from config.settings import Settings
from dag.host import Host
from dag.key import Keys
from dag.registry import HostRegistry
from tests.hand import Hands
from tests.iam import PASSWORD as IAM_PASSWORD
from tests.iam import Iam

PASSWORD = "correct horse"


@dataclass
class Done:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str


Muster = Callable[..., Done]


class Served(Hands):
    """Hands in the store of an API that listens at `url`, with hosts 1 to 6."""

    url = ""

    def newest(self) -> int:
        """Return the id of the last task, 0 without any."""
        return int(self.store.redis.get(self.store.keys.task_ids) or 0)

    @contextmanager
    def working(self, faults: dict[int, str] | None = None) -> Iterator[None]:
        """Work on the newest task while the block runs."""
        stop = threading.Event()

        def work() -> None:
            while not stop.wait(0.02):
                for task in range(1, self.newest() + 1):
                    if self.store.load(task).status == "RUNNING":
                        self.step(task)

        self.faults = faults or {}
        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
            self.faults = {}


@pytest.fixture(scope="module")
def hands() -> Iterator[Served]:
    """An API in a thread of this process."""
    redis = fakeredis.FakeRedis(decode_responses=True)
    hands, users, registry = Served(redis), UserStore(redis), HostRegistry(redis)
    users.add("admin", PASSWORD, [Role.ADMIN])
    registry.create([Host(0, f"10.0.0.{n}", name=f"web-{n}", labels={"rack": f"r{n % 2}"}) for n in range(1, 7)])
    server = make_server("127.0.0.1", 0, create_app(hands.store, registry, users, Settings()), threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    hands.url = f"http://127.0.0.1:{server.server_port}"
    # The API logs to its own stderr, not among what commands print.
    with capture_logs():
        yield hands
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def muster(
    hands: Served, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Iterator[Muster]:
    """Calls the command line in this process, with the API and its password in the environment."""
    monkeypatch.setenv("MUSTER_API_URL", hands.url)
    monkeypatch.setenv("MUSTER_PASSWORD", PASSWORD)
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["muster", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        return Done(int(ended.value.code or 0), *capsys.readouterr())

    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield call
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_restart_says_which_task_it_made_and_how_to_follow_it(hands: Served, muster: Muster) -> None:
    done = muster("restart", "--hosts", "1,2-3", "--hosts", "web-4")
    task = hands.newest()
    assert (done.code, done.err) == (0, "")
    assert done.out == f"Task {task}: Batch restart OCP agent on 4 hosts. To follow it: muster tasks watch {task}\n"
    assert hands.store.load(task).host_ids == (1, 2, 3, 4)
    hands.finish(task)


def test_how_to_follow_a_task_names_the_api_where_nothing_else_does(
    hands: Served, muster: Muster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MUSTER_API_URL")
    done = muster("restart", "--hosts", "1", "--api", hands.url)
    assert done.out.endswith(f"To follow it: muster tasks watch {hands.newest()} --api {hands.url}\n")
    hands.finish(hands.newest())


def test_a_stop_of_labelled_hosts_in_json(hands: Served, muster: Muster) -> None:
    done = muster("stop-agents", "--label", "rack=r1", "--json")
    task = hands.newest()
    assert json.loads(done.out) == {
        "id": task,
        "name": "Batch stop OCP agent",
        "status": "RUNNING",
        "hosts": [{"id": n, "name": f"web-{n}"} for n in (1, 3, 5)],
    }
    hands.finish(task)


def test_a_dry_run_makes_no_task_and_says_what_is_in_its_way(hands: Served, muster: Muster) -> None:
    other = hands.submit([2])
    done = muster("restart", "--all", "--dry-run")
    assert (done.code, hands.newest()) == (0, other)
    rows = [line.split() for line in done.out.splitlines()]
    assert rows[0] == ["id", "name", "address", "zone", "status", "agent", "version", "held", "by"]
    assert rows[2][:2] + rows[2][-2:] == ["2", "web-2", "task", str(other)]
    assert "Note: web-2: held by another task: this one would wait for it\n" in done.out
    assert "Note: web-1, web-2, web-3 and 3 more: never seen so far\n" in done.out
    assert "Note: no live worker serves zone default: nothing would begin there\n" in done.out
    assert done.out.endswith("Dry run: nothing was done. It would be one task on 6 hosts.\n")
    plan = json.loads(muster("stop-agents", "--hosts", "1", "--dry-run", "--json").out)
    assert (plan["dryRun"], plan["name"], plan["subtaskCount"]) == (True, "Batch stop OCP agent", 5)
    assert hands.newest() == other
    hands.finish(other)


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ([], "one of --hosts, --all, --label and --file"),
        (["--hosts", "9"], "9 is no host"),
        (["--label", "rack"], "--label must be NAME=VALUE"),
        (["--label", "rack=r9"], "No host has these labels"),
        (["--file", "missing"], "--file missing can't be read"),
        (["--all", "--token-file", "t", "--password-file", "p"], "two ways to say who calls"),
        (["--all", "--token-file", "t"], "--token-file t can't be read"),
    ],
)
def test_a_call_that_makes_no_sense_is_refused(muster: Muster, arguments: list[str], fault: str) -> None:
    done = muster("restart", *arguments)
    assert (done.code, fault in done.err, done.out) == (2, True, "")


def test_a_watch_exits_with_0_only_for_a_success(hands: Served, muster: Muster) -> None:
    with hands.working():
        done = muster("restart", "--hosts", "1-2", "--watch")
    assert done.code == 0
    assert "Stop all OCP agent processes: 2/2\n" in done.out
    assert f"Task {hands.newest()} is SUCCESSFUL: Batch restart OCP agent on 2 hosts in" in done.out
    with hands.working({2: "no route to host"}):
        done = muster("restart", "--hosts", "1-2", "--watch")
    task = hands.newest()
    assert done.code == 1
    [failure] = [line for line in done.out.splitlines() if line.startswith("FAILED")]
    assert failure.startswith("FAILED web-2: Prepare restart OCP agent (subtask ")
    assert failure.endswith("): no route to host")
    assert f"Task {task} is FAILED" in done.out
    assert "1 of 2 hosts failed. What to do:" in done.out
    assert f"  muster tasks retry {task} --watch   # run those steps again\n" in done.out


def test_a_watch_for_programs_prints_one_object_and_its_progress_to_stderr(hands: Served, muster: Muster) -> None:
    with hands.working({1: "no route"}):
        done = muster("restart", "--hosts", "1", "--watch", "--json")
    found = json.loads(done.out)
    assert (done.code, found["status"], found["hosts"], found["failed"]) == (1, "FAILED", 1, 1)
    assert [(one["host"], one["reason"]) for one in found["failures"]] == [("web-1", "no route")]
    assert "FAILED web-1" in done.err


@pytest.fixture
def failed(hands: Served) -> int:
    """A task of hosts 1 and 2 that FAILED in its second stage on host 2."""
    task = hands.submit([1, 2])
    hands.step(task)
    hands.faults = {2: "no proxy"}
    hands.finish(task)
    hands.faults = {}
    return task


def subtask(hands: Served, task: int) -> int:
    [node] = [node for node in hands.store.load(task).nodes if node.status == "FAILED"]
    return node.id


def test_tasks_are_listed_newest_first(hands: Served, muster: Muster, failed: int) -> None:
    other = hands.submit([6])
    hands.finish(other)
    rows = [line.split() for line in muster("tasks", "list", "--limit", "2").out.splitlines()]
    assert rows[0] == ["id", "name", "status", "by", "started", "took", "steps"]
    assert [row[0] for row in rows[1:]] == [str(other), str(failed)]
    assert json.loads(muster("tasks", "list", "--status", "FAILED", "--json").out)[0]["id"] == failed
    listed = json.loads(muster("tasks", "list", "--host", "web-6", "--json").out)
    assert (listed[0]["id"], "subtasks" in listed[0]) == (other, False)
    assert muster("tasks", "list", "--host", "1-2").code == 2


def test_a_task_is_shown_with_its_stages_and_failures(hands: Served, muster: Muster, failed: int) -> None:
    done = muster("tasks", "show", failed)
    rows = {line[:25].strip(): line[25:].split() for line in done.out.splitlines()[:6]}
    assert rows["Restart pos proxy"] == ["1", "0", "1", "2"]
    node = subtask(hands, failed)
    assert f"FAILED web-2: Restart pos proxy (subtask {node}): no proxy\n" in done.out
    assert f"muster tasks log {failed} {node}" in done.out
    assert json.loads(muster("tasks", "show", failed, "--json").out)["failures"][0]["subtask"] == node
    assert muster("tasks", "show", "4711").err.endswith("Task 4711 does not exist.\n")


def test_a_task_that_runs_is_shown_with_the_time_left(hands: Served, muster: Muster) -> None:
    task = hands.submit([5])
    hands.step(task)
    last = muster("tasks", "show", task).out.splitlines()[-1]
    assert re.fullmatch(rf"Task {task} is RUNNING: Batch restart OCP agent on 1 host, about \d+ s left", last)
    hands.finish(task)


def test_a_task_is_retried_and_watched(hands: Served, muster: Muster, failed: int) -> None:
    with hands.working():
        done = muster("tasks", "retry", failed, "--watch")
    assert (done.code, hands.store.load(failed).status) == (0, "SUCCESSFUL")


def test_one_step_is_retried(hands: Served, muster: Muster, failed: int) -> None:
    done = muster("tasks", "retry", failed, subtask(hands, failed))
    assert done.out == f"Done. To follow task {failed}: muster tasks watch {failed}\n"
    hands.finish(failed)
    assert hands.store.load(failed).status == "SUCCESSFUL"


def test_a_task_is_rolled_back(hands: Served, muster: Muster, failed: int) -> None:
    with hands.working():
        done = muster("tasks", "rollback", failed, "--watch")
    assert done.code == 0
    assert f"Task {failed} is SUCCESSFUL: rollback of Batch restart OCP agent" in done.out


def test_after_a_rollback_that_failed_nothing_is_advised_that_is_refused(
    hands: Served, muster: Muster, failed: int
) -> None:
    with hands.working({1: "no way back"}):
        done = muster("tasks", "rollback", failed, "--watch")
    assert done.code == 1
    assert f"Task {failed} is FAILED: rollback of Batch restart OCP agent" in done.out
    advised = [line.split("#")[0].split() for line in done.out.splitlines() if line.startswith("  muster tasks")]
    assert [command[2] for command in advised] == ["rollback", "log"]
    with hands.working():
        assert muster(*advised[0][1:]).code == 0


def test_a_step_is_skipped(hands: Served, muster: Muster, failed: int) -> None:
    assert muster("tasks", "skip", failed, subtask(hands, failed)).code == 0
    hands.finish(failed)
    assert hands.store.load(failed).status == "SUCCESSFUL"


def test_a_step_that_runs_is_cancelled(hands: Served, muster: Muster) -> None:
    task = hands.submit([3])
    [node] = hands.ready(task).values()
    hands.begin(task, node)
    told = json.loads(muster("tasks", "cancel", task, node.id, "--json").out)
    assert (told["id"], told["stages"][0]["running"]) == (task, 1)
    assert hands.store.load(task).nodes[0].status == "CANCELING"


def test_what_a_state_refuses_is_passed_on(hands: Served, muster: Muster) -> None:
    task = hands.submit([4])
    hands.finish(task)
    done = muster("tasks", "retry", task)
    assert (done.code, f"Task {task} can't be retried: it is SUCCESSFUL" in done.err) == (1, True)


def test_a_log_is_printed_as_it_is(hands: Served, muster: Muster, failed: int) -> None:
    node = subtask(hands, failed)
    text = muster("tasks", "log", failed, node).out
    assert text == hands.store.logs(failed, node)
    assert text.endswith("no proxy\n")
    assert json.loads(muster("tasks", "log", failed, node, "--json").out) == {"log": text}
    followed = muster("tasks", "log", failed, node, "--follow")
    assert (followed.code, followed.out, followed.err) == (0, text, "")
    assert json.loads(muster("tasks", "log", failed, node, "-f", "--json").out) == {"log": text}


def test_a_diagnosis_is_written_once(muster: Muster, failed: int, tmp_path: Path) -> None:
    done = muster("tasks", "diagnosis", failed)
    path = tmp_path / f"task-{failed}-diagnosis.zip"
    assert done.out == f"{path.name}: {path.stat().st_size} bytes\n"
    assert zipfile.is_zipfile(path)
    again = muster("tasks", "diagnosis", failed)
    assert (again.code, f"{path.name} is there already" in again.err) == (2, True)
    nowhere = muster("tasks", "diagnosis", failed, "--output", "no/such/place.zip")
    assert (nowhere.code, "can't be written" in nowhere.err) == (2, True)


def test_a_token_of_a_file_stands_for_user_and_password(
    muster: Muster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text(muster("tokens", "create", "ci", "--permission", "TASK_VIEWER").out)
    (tmp_path / "empty").write_text("\n")
    monkeypatch.setenv("MUSTER_PASSWORD", "not the one")
    assert muster("tasks", "list", "--token-file", "token").code == 0
    refused = muster("restart", "--all", "--token-file", "token")
    assert (refused.code, "HOST_VIEWER" in refused.err) == (1, True)
    assert "holds no token" in muster("tasks", "list", "--token-file", "empty").err


class Lossy(httpx.BaseTransport):
    """Passes calls on, and loses the answers of the first ones."""

    def __init__(self, app: Flask, lost: int) -> None:
        self._wsgi, self._lost = httpx.WSGITransport(app=app), lost
        self.keys: list[str | None] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = self._wsgi.handle_request(request)
        self.keys.append(request.headers.get("Idempotency-Key"))
        if len(self.keys) <= self._lost:
            raise httpx.ReadError("reset", request=request)
        return answer


def test_a_submission_whose_answer_is_lost_is_made_again_under_the_same_key() -> None:
    iam, waits = Iam(fakeredis.FakeRedis(decode_responses=True)), list[float]()
    network = Lossy(iam.app, 2)
    client = TaskClient("http://muster", "admin", IAM_PASSWORD, transport=network)
    first = client.submit("batchRestartAgents", [1], waits.append)
    assert first["status"] == "RUNNING"
    assert (len(network.keys), len(set(network.keys)), waits) == (3, 1, list(PAUSES_SECONDS[:2]))
    assert iam.redis.zcard(Keys().index) == 1
    second = client.submit("batchRestartAgents", [1], waits.append)
    assert (second["id"] > first["id"], len(set(network.keys))) == (True, 2)


def test_a_submission_that_nobody_answers_is_given_up() -> None:
    iam, waits = Iam(fakeredis.FakeRedis(decode_responses=True)), list[float]()
    client = TaskClient("http://muster", "admin", IAM_PASSWORD, transport=Lossy(iam.app, 99))
    with pytest.raises(Unavailable, match="No API answers"):
        client.submit("batchRestartAgents", [1], waits.append)
    assert waits == list(PAUSES_SECONDS)
