"""The agent of a host, seen live: over the real store and a real scheduler, with a worker that is played."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import fakeredis
import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from api.app import create_app
from api.render_agent import process_id
from api.user import Permission, UserStore
from config.settings import ApiSettings, Settings
from dag.definition.batch_restart import BATCH_RESTART
from dag.host import AgentStatus, Host, HostStatus
from dag.inquiry import Inquiries, Look
from dag.lease import Leases, Report, Run
from dag.registry import HostRegistry
from dag.scheduler import Dispatch
from dag.state import NodeStatus, TaskStatus
from dag.store import Store
from tests.played import NAMES, PlayedWorker, at_work, running
from tests.wait import until

ADMIN = ("admin", "correct horse")
VIEWER = ("viewer", "battery staple")


@dataclass
class Bench:
    client: FlaskClient
    redis: fakeredis.FakeRedis
    store: Store
    registry: HostRegistry
    worker: PlayedWorker

    def get(self, path: str, auth: tuple[str, str] = VIEWER) -> TestResponse:
        return self.client.get(path, auth=auth)

    def post(self, path: str, **kwargs: Any) -> TestResponse:
        return self.client.post(path, **{"auth": ADMIN, **kwargs})


@pytest.fixture
def bench() -> Iterator[Bench]:
    redis = fakeredis.FakeRedis(decode_responses=True)
    store, registry, users = Store(redis), HostRegistry(redis), UserStore(redis)
    users.ensure_admin(*ADMIN)
    users.add(*VIEWER, [Permission.HOST_VIEWER])
    registry.create([Host(0, f"10.0.0.{n}", profile="systemd" if n == 3 else "ocp_agentctl") for n in (1, 2, 3)])
    # Long enough for whoever answers at once, on a busy machine too; some tests wait for the end of it.
    settings = Settings(api=ApiSettings(look_seconds=1.5, operation_seconds=1.5, threads=8))
    client = create_app(store, registry, users, settings).test_client()
    with at_work(store, registry) as worker:
        yield Bench(client, redis, store, registry, worker)
    redis.close()


def data(answer: TestResponse) -> Any:
    assert answer.status_code == 200, answer.text
    return json.loads(answer.data)["data"]


def refused(answer: TestResponse, status: int, code: int) -> str:
    body = json.loads(answer.data)
    assert (answer.status_code, body["status"], body["error"]["code"]) == (status, status, code)
    return str(body["error"]["message"])


@pytest.mark.parametrize("prefix", ["", "/api/v2"])
def test_an_agent_is_shown_as_a_worker_sees_it_now(bench: Bench, prefix: str) -> None:
    bench.worker.sight = lambda: running(*NAMES)
    agent = data(bench.get(f"{prefix}/compute/hosts/2/agent"))
    assert {name: agent[name] for name in agent if not name.endswith("Time") and name != "processes"} == {
        "id": 2,
        "version": "4.2",
        "installHome": "/opt/agent",
        "logHome": "/opt/agent/log",
        "hostId": 2,
        "hostInnerIpAddress": "10.0.0.2",
        "status": "STARTED",
        "live": True,
    }
    assert agent["lastAvailableTime"] == agent["updateTime"]
    first, *_, proxy = agent["processes"]
    assert {name: first[name] for name in first if not name.endswith("Time")} == {
        "id": process_id("ocp_agentd"),
        "hostId": 2,
        "alias": "ocp_agentd",
        "pid": 101,
        "user": "ocp",
        "startCommand": "/opt/bin/ocp_agentd",
        "ports": "62888",
        "status": "STARTED",
        "operable": False,
    }
    assert 7 <= first["elapsedTime"] <= 20
    assert first["lastActiveTime"] == agent["updateTime"]
    assert (proxy["alias"], proxy["status"], proxy["pid"], proxy["ports"]) == ("pos_proxy", "STOPPED", None, "")
    assert (proxy["elapsedTime"], proxy["lastActiveTime"], proxy["operable"]) == (0, None, True)
    page = data(bench.get(f"{prefix}/compute/hosts/2/agent/processes?size=3&page=2"))
    assert page["page"] == {"totalElements": 4, "totalPages": 2, "number": 2, "size": 3}
    assert [process["alias"] for process in page["contents"]] == ["pos_proxy"]


def test_the_proxy_alone_is_no_agent(bench: Bench) -> None:
    bench.worker.sight = lambda: running("pos_proxy")
    agent = data(bench.get("/compute/hosts/1/agent"))
    assert (agent["status"], agent["lastAvailableTime"]) == ("STOPPED", None)


def test_an_answer_serves_for_a_moment_and_is_then_asked_for_again(bench: Bench) -> None:
    first = data(bench.get("/compute/hosts/1/agent"))
    bench.worker.sight = lambda: running()
    assert data(bench.get("/compute/hosts/1/agent")) == first
    until(lambda: not bench.redis.exists(bench.store.keys.inquiry(1)))
    assert data(bench.get("/compute/hosts/1/agent"))["status"] == "STOPPED"
    assert bench.worker.looks == [1, 1]


def test_many_questions_about_one_host_are_one_inquiry(bench: Bench) -> None:
    let_go = threading.Event()

    def slow() -> Look:
        assert let_go.wait(30)
        return running(*NAMES)

    bench.worker.sight = slow
    answers: list[Any] = []
    threads = [
        threading.Thread(
            target=lambda: answers.append(
                data(bench.client.application.test_client().get("/compute/hosts/1/agent", auth=VIEWER))
            )
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    until(lambda: bench.worker.looks == [1])
    let_go.set()
    for thread in threads:
        thread.join()
    assert [answer["status"] for answer in answers] == ["STARTED"] * 4
    assert bench.worker.looks == [1]


def test_no_more_than_half_of_the_threads_wait(bench: Bench) -> None:
    bench.worker.sight = lambda: None
    codes: list[int] = []

    def call(host: int) -> None:
        codes.append(
            bench.client.application.test_client().get(f"/compute/hosts/{host}/agent", auth=VIEWER).status_code
        )

    threads = [threading.Thread(target=call, args=(n % 3 + 1,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes) == [409, 409, 409, 409, 503, 503]


def test_an_unreachable_host_is_told_with_the_reason(bench: Bench) -> None:
    reason = "10.0.0.1 port 22 can't be reached: no answer in time."
    data(bench.get("/compute/hosts/1/agent"))
    until(lambda: not bench.redis.exists(bench.store.keys.inquiry(1)))
    bench.worker.sight = lambda: Look(reason=reason, unreachable=True)
    for path in ("agent", "agent/processes"):
        message = refused(bench.get(f"/compute/hosts/1/{path}"), 409, 40000)
        assert message.startswith(f"Host 1: {reason} Its agent was last seen STARTED at 1970-")


def test_where_nobody_answers_it_is_what_was_last_seen(bench: Bench) -> None:
    bench.worker.sight = lambda: None
    assert refused(bench.get("/compute/hosts/1/agent"), 409, 40000) == (
        "No worker of zone default has looked at host 1 within 1.5 s."
    )
    seen = {"status": "STARTED", "version": "4.1", "pids": {"ocp_agentd": 7}, "seen_at": 1_600_000_000_000}
    bench.redis.hset(bench.store.keys.agents, "1", json.dumps(seen))
    agent = data(bench.get("/compute/hosts/1/agent"))
    assert (agent["live"], agent["status"], agent["version"]) == (False, "STARTED", "4.1")
    assert agent["updateTime"].startswith("2020-09-1")
    [process] = agent["processes"]
    assert (process["alias"], process["pid"], process["operable"]) == ("ocp_agentd", 7, False)


def test_a_look_is_stored_unless_a_task_is_at_work(bench: Bench) -> None:
    data(bench.get("/compute/hosts/1/agent"))
    stored = bench.registry.agent(1)
    assert stored is not None
    assert (stored.status, stored.host_status) == (AgentStatus.STARTED, HostStatus.ONLINE)
    bench.worker.step = lambda dispatch: "wait"
    bench.store.submit(BATCH_RESTART, [2], creator="c", executor="e", trace_id="t")
    assert data(bench.get("/compute/hosts/2/agent"))["live"]
    assert bench.registry.agent(2) is None


@pytest.mark.parametrize("verb", ["restart", "stop"])
@pytest.mark.parametrize("prefix", ["", "/api/v2"])
def test_a_process_is_operated_by_a_task_and_shown_as_it_is_then(bench: Bench, prefix: str, verb: str) -> None:
    def step(dispatch: Dispatch) -> None:
        assert dispatch.action == f"process.{verb}"
        bench.worker.sight = lambda: running("ocp_agentd", "ocp_monagent")

    bench.worker.step = step
    path = f"{prefix}/compute/hosts/2/agent/processes/{process_id('ocp_mgragent')}/{verb}"
    process = data(bench.post(path))
    assert (process["alias"], process["status"], process["pid"]) == ("ocp_mgragent", "STOPPED", None)
    assert bench.worker.parameters == [{"process": "ocp_mgragent"}]
    assert bench.worker.looks == [2, 2]
    task = bench.store.load(1)
    assert (task.name, task.status) == (f"{verb.capitalize()} OCP agent process", "SUCCESSFUL")


def test_a_process_that_can_not_be_operated_is_refused(bench: Bench) -> None:
    path = "/compute/hosts/1/agent/processes/{}/restart"
    assert "ocp_agentd can't be controlled alone" in refused(
        bench.post(path.format(process_id("ocp_agentd"))), 409, 40000
    )
    assert refused(bench.post(path.format(7)), 404, 10002) == "The agent of host 1 has no process 7."
    refused(bench.post("/compute/hosts/9/agent/processes/7/stop"), 404, 10002)
    refused(bench.post(path.format(process_id("pos_proxy")), json={"force": True}), 400, 10001)
    refused(bench.post(path.format(process_id("pos_proxy")), auth=VIEWER), 403, 30014)
    assert bench.redis.exists(bench.store.keys.task_ids) == 0


def test_why_a_process_could_not_be_restarted_is_told(bench: Bench) -> None:
    bench.worker.step = lambda dispatch: "the start ended with exit code 3: no licence"
    message = refused(bench.post(f"/compute/hosts/1/agent/processes/{process_id('ocp_mgragent')}/restart"), 409, 40000)
    assert message == "Task 1 failed on host 1: the start ended with exit code 3: no licence"


def test_a_process_of_a_host_that_is_held_makes_no_task(bench: Bench) -> None:
    bench.worker.step = lambda dispatch: "wait"
    holder = bench.store.submit(BATCH_RESTART, [1, 2], creator="c", executor="e", trace_id="t")
    before = bench.redis.zrange(bench.store.keys.index, 0, -1)
    for verb in ("restart", "stop"):
        message = refused(
            bench.post(f"/compute/hosts/1/agent/processes/{process_id('ocp_mgragent')}/{verb}"), 409, 40000
        )
        assert message == f"Hosts in use: host 1 by task {holder}."
    assert bench.redis.zrange(bench.store.keys.index, 0, -1) == before == [str(holder)]
    assert bench.redis.llen(bench.store.keys.admission) == bench.redis.zcard(bench.store.keys.waiting) == 0


def test_a_process_step_that_nobody_begins_never_runs(bench: Bench) -> None:
    bench.worker.step = lambda dispatch: "wait"
    message = refused(bench.post(f"/compute/hosts/2/agent/processes/{process_id('ocp_mgragent')}/stop"), 409, 40000)
    assert message == "Task 1 failed on host 2: no worker of zone default has begun it within 1.5 s: it is withdrawn"
    task = bench.store.load(1)
    assert (task.status, task.nodes[0].status) == (TaskStatus.FAILED, NodeStatus.FAILED)
    # The message reaches a worker after all.
    leases = Leases(bench.store, lease_seconds=60, retention_seconds=60)
    assert leases.begin(Run(1, 0, 1, 2, 0), "late") is None
    until(lambda: not bench.redis.hexists(bench.store.keys.holders, "2"))


def test_a_process_step_that_takes_long_is_told_to_go_on(bench: Bench) -> None:
    leases = Leases(bench.store, lease_seconds=60, retention_seconds=60)
    run = Run(1, 0, 1, 2, 0)

    def slow(dispatch: Dispatch) -> str:
        assert leases.begin(run, "slow")
        return "wait"

    bench.worker.step = slow
    message = refused(bench.post(f"/compute/hosts/2/agent/processes/{process_id('ocp_mgragent')}/stop"), 504, 10010)
    assert message == "Task 1 runs and is not done after 1.5 s; follow it at /tasks/instances/1."
    assert leases.complete(run, Report())
    assert bench.store.load(1).status is TaskStatus.SUCCESSFUL


def test_the_same_key_operates_a_process_once(bench: Bench) -> None:
    path = f"/compute/hosts/2/agent/processes/{process_id('ocp_mgragent')}/restart"
    answers = [bench.post(path, headers={"Idempotency-Key": "one"}) for _ in range(2)]
    assert [data(answer)["alias"] for answer in answers] == ["ocp_mgragent"] * 2
    assert [answer.headers.get("Idempotency-Replayed") for answer in answers] == [None, "true"]
    assert bench.worker.parameters == [{"process": "ocp_mgragent"}]
    assert bench.redis.zcard(bench.store.keys.index) == 1


def test_a_deleted_host_s_inquiry_is_handed_to_nobody(bench: Bench) -> None:
    Inquiries(bench.store).ask(9, seconds=0.05)
    data(bench.get("/compute/hosts/1/agent"))
    assert bench.worker.looks == [1]
