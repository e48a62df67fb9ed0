"""Stop of many agents, restart and stop of one: names, order and shapes, as the contract has them."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fakeredis
import pytest
from flask.testing import FlaskClient

from api.app import create_app
from api.user import UserStore
from config.settings import Settings
from dag.host import Host
from dag.registry import HostRegistry
from dag.store import Store

ADMIN = ("admin", "secret")
SAMPLE = json.loads((Path(__file__).parent / "batch-restart-response.json").read_text())["data"]
PACKAGE = "com.alipay.ocp.service.task.business"
WAIT = ("Wait node", f"{PACKAGE}.WaitNode", 30)
PREPARE = ("Prepare stop OCP agent", f"{PACKAGE}.obagent.PrepareStopOcpAgentTask", 60)
PREPARE_RESTART = ("Prepare restart OCP agent", f"{PACKAGE}.obagent.PrepareRestartOcpAgentTask", 60)
PROXY = ("Restart pos proxy", f"{PACKAGE}.obagent.RestartPosProxyTask", 60)
STOP = ("Stop all OCP agent processes", f"{PACKAGE}.obagent.StopAllOcpAgentProcessesTask", 600)
START = ("Start all OCP agent processes", f"{PACKAGE}.obagent.StartAllOcpAgentProcessesTask", 600)
FINISH = ("Finish OCP agent operation", f"{PACKAGE}.obagent.FinishOcpAgentOperationTask", 60)
SINGLE = {
    "/compute/hosts/2/agent/restart": ("Restart OCP agent", [PREPARE_RESTART, PROXY, STOP, START, FINISH]),
    "/compute/hosts/2/agent/stop": ("Stop OCP agent", [PREPARE, STOP, FINISH]),
}
Call = Callable[..., dict[str, Any]]


@pytest.fixture
def client() -> Iterator[FlaskClient]:
    redis = fakeredis.FakeRedis(decode_responses=True)
    store, registry, users = Store(redis), HostRegistry(redis), UserStore(redis)
    users.ensure_admin(*ADMIN)
    registry.create([Host(0, f"10.0.0.{n}") for n in range(1, 4)])
    yield create_app(store, registry, users, Settings()).test_client()
    redis.close()


def post(client: FlaskClient, path: str, **kwargs: Any) -> dict[str, Any]:
    answer = client.post(path, auth=ADMIN, **kwargs)
    assert answer.status_code == 200, answer.text
    data: dict[str, Any] = json.loads(answer.data)["data"]
    return data


def chain(task: dict[str, Any]) -> list[dict[str, Any]]:
    """The nodes of a task on one host from the first to the last, each joined to the next and to no other."""
    nodes = {node["id"]: node for node in task["subtasks"]}
    [node] = [node for node in nodes.values() if not node["upstreams"]]
    found = [node]
    while node["downstreams"]:
        [after] = node["downstreams"]
        assert nodes[after]["upstreams"] == [node["id"]]
        node = nodes[after]
        found.append(node)
    assert len(found) == len(nodes)
    return found


def told(node: dict[str, Any]) -> tuple[str, str, int]:
    assert node["description"] == node["name"]
    return node["name"], node["className"], node["timeout"]


@pytest.mark.parametrize("prefix", ["", "/api/v2"])
@pytest.mark.parametrize("field", ["hostIds", "hostids"])
def test_a_batch_stop_prepares_stops_and_finishes_with_waits_between(
    client: FlaskClient, prefix: str, field: str
) -> None:
    task = post(client, f"{prefix}/compute/hosts/batchStopAgents", json={field: [2]})
    assert list(task) == list(SAMPLE)
    assert (task["name"], task["status"], task["creator"]) == ("Batch stop OCP agent", "RUNNING", "admin")
    assert task["context"] == SAMPLE["context"]
    nodes = chain(task)
    assert [told(node) for node in nodes] == [PREPARE, WAIT, STOP, WAIT, FINISH]
    assert [node["parallelIdx"] for node in nodes] == [0, -1, 0, -1, 0]
    assert [list(node) for node in nodes] == [list(SAMPLE["subtasks"][0])] * 5
    assert [node["status"] for node in nodes] == ["READY"] + ["PENDING"] * 4
    # The published sample: Prepare is 2, the second Wait node 1; a series id is one stage's.
    assert (nodes[0]["seriesId"], nodes[3]["seriesId"]) == (2, 1)
    assert len({node["seriesId"] for node in nodes}) == 5


def test_a_batch_stop_of_many_hosts_joins_them_at_the_waits(client: FlaskClient) -> None:
    task = post(client, "/compute/hosts/batchStopAgents", json={"hostIds": [3, 1, 2]})
    assert len(task["subtasks"]) == 3 * 3 + 2
    waits = [node for node in task["subtasks"] if node["name"] == "Wait node"]
    assert [(len(node["upstreams"]), len(node["downstreams"])) for node in waits] == [(3, 3), (3, 3)]
    assert task["context"]["listMap"]["host_ids"] == ["3", "1", "2"]


@pytest.mark.parametrize("prefix", ["", "/api/v2"])
@pytest.mark.parametrize("path", SINGLE)
@pytest.mark.parametrize("body", [{}, {"json": {}}])
def test_one_host_has_its_own_shape(client: FlaskClient, prefix: str, path: str, body: dict[str, Any]) -> None:
    name, steps = SINGLE[path]
    task = post(client, prefix + path, **body)
    assert set(task) == {*SAMPLE, "hostId"}
    assert (task["name"], task["hostId"], task["status"]) == (name, 2, "RUNNING")
    assert task["context"] == {
        "listMap": {},
        "parallel": False,
        "parallelIdx": -1,
        "stringMap": {"prohibit_rollback": "false", "host_id": "2"},
    }
    nodes = chain(task)
    assert [told(node) for node in nodes] == steps
    assert {node["parallelIdx"] for node in nodes} == {-1}
    assert nodes[0]["seriesId"] == 2
    assert len({node["seriesId"] for node in nodes}) == len(nodes)
    detail = json.loads(client.get(f"{prefix}/tasks/instances/{task['id']}", auth=ADMIN).data)["data"]
    assert (detail["hostId"], detail["name"], "context" in detail) == (2, name, False)
    assert {node["parallelIdx"] for node in detail["subtasks"]} == {-1}


@pytest.mark.parametrize("path", SINGLE)
def test_what_makes_no_sense_for_one_host_is_refused(client: FlaskClient, path: str) -> None:
    stranger = client.post(path.replace("/2/", "/99/"), auth=ADMIN)
    assert (stranger.status_code, json.loads(stranger.data)["error"]["code"]) == (404, 10002)
    asked = client.post(path, auth=ADMIN, json={"hostIds": [1]})
    assert (asked.status_code, json.loads(asked.data)["error"]["target"]) == (400, "hostIds")
    assert client.post(path, auth=ADMIN, data=b"{", content_type="application/json").status_code == 400
    assert json.loads(client.get("/tasks/instances/1", auth=ADMIN).data)["error"]["code"] == 20000
