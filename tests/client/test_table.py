"""Every row of the contract's tables "Agents and hosts" and "Tasks", with and without the prefix: shapes and words."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.client.ocp import Data, Ocp

SAMPLE = json.loads((Path(__file__).parents[1] / "contract/batch-restart-response.json").read_text())["data"]
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d")
PREFIXES = ["", "/api/v2"]

NODE = set(SAMPLE["subtasks"][0])
DETAIL = {*SAMPLE, "createTime", "finishTime", "prohibitRollback"} - {"context"}
DETAIL_NODE = {*NODE, "executor", "createTime", "startTime", "finishTime"}
BASIC = {"id", "name", "creator", "status", "startTime", "finishTime", "subtasks"}
BASIC_NODE = {"id", "name", "description", "status", "operation"}
HOST = {"id", "name", "alias", "description", "operatingSystem", "architecture", "innerIpAddress", "sshPort", "kind"}
HOST |= {"idcId", "idcName", "status"}
AGENT = {"id", "version", "installHome", "logHome", "lastAvailableTime", "hostId", "hostInnerIpAddress", "status"}
AGENT |= {"processes", "createTime", "updateTime"}
PROCESS = {"id", "hostId", "alias", "pid", "user", "startCommand", "ports", "elapsedTime", "lastActiveTime", "status"}
PROCESS |= {"operable"}
PAGE = {"totalElements", "totalPages", "number", "size"}

NODE_STATUS = {"PENDING", "READY", "RUNNING", "CANCELING", "FAILED", "SUCCESSFUL"}
NODE_OPERATION = {"EXECUTE", "RETRY", "ROLLBACK", "SKIP", "ROLLBACK_SKIP", "CANCEL"}
HOST_STATUS = {"NEW", "AVAILABLE", "ONLINE", "OFFLINE", "DELETING"}


@pytest.fixture(params=PREFIXES)
def client(request: pytest.FixtureRequest, ocp: Ocp) -> Ocp:
    return ocp.under(request.param)


def demo_hosts(client: Ocp) -> list[int]:
    return [host["id"] for host in client.call("GET", "/compute/hosts", params={"keyword": "host-"})["contents"]]


def check_times(shape: Data) -> None:
    for name, value in shape.items():
        if name.endswith("Time") and name not in ("elapsedTime", "runTime"):
            assert value is None or TIME.fullmatch(value), (name, value)


def check_submitted(task: Data, steps: int, *, single: int = 0) -> None:
    assert task.keys() == {*SAMPLE, *(["hostId"] if single else [])}
    check_times(task)
    assert isinstance(task["creator"], str)
    assert (task["status"], task["operation"], len(task["subtasks"])) == ("RUNNING", "EXECUTE", steps)
    for node in task["subtasks"]:
        assert node.keys() == NODE
        # PENDING where the host is busy with an earlier task.
        assert node["status"] in (["PENDING"] if node["upstreams"] else ["READY", "PENDING"])
    if single:
        assert (task["hostId"], task["context"]["stringMap"]["host_id"]) == (single, str(single))
        assert {node["parallelIdx"] for node in task["subtasks"]} == {-1}
        assert "Wait node" not in {node["name"] for node in task["subtasks"]}


def check_detail(task: Data) -> None:
    assert task.keys() - {"hostId"} >= DETAIL
    assert "context" not in task
    assert task["creator"].keys() == {"id", "name"}
    check_times(task)
    for node in task["subtasks"]:
        assert node.keys() == DETAIL_NODE
        check_node(node)


def check_node(node: Data) -> None:
    assert node["status"] in NODE_STATUS
    assert node["operation"] in NODE_OPERATION
    check_times(node)


def check_host(host: Data) -> None:
    assert host.keys() >= HOST
    assert host["status"] in HOST_STATUS


def check_process(process: Data) -> None:
    assert process.keys() >= PROCESS
    assert process["status"] in ("STOPPED", "STARTED")
    check_times(process)


def test_calls_that_make_a_task(ocp: Ocp) -> None:
    """All of them at once, one after the other on each host, so that they take little longer than one."""
    one, two, three = demo_hosts(ocp)
    calls: list[tuple[str, Any, int, int]] = [
        ("/compute/hosts/batchStopAgents", {"hostIds": [one]}, 5, 0),
        ("/compute/hosts/batchRestartAgents", {"hostids": [one]}, 9, 0),
        (f"/compute/hosts/{two}/agent/stop", None, 3, two),
        (f"/compute/hosts/{three}/agent/restart", None, 5, three),
    ]
    made: list[tuple[Ocp, int]] = []
    for client in map(ocp.under, PREFIXES):
        for path, body, steps, single in calls:
            task = client.call("POST", path, body)
            check_submitted(task, steps, single=single)
            made.append((client, task["id"]))
    made.append((ocp, ocp.call("POST", f"/compute/hosts/{two}/agent/restart")["id"]))
    for client, number in made:
        ended = client.poll(f"/tasks/instances/{number}")
        check_detail(ended)
        assert ended["status"] == "SUCCESSFUL", ended["name"]


def test_agents_and_hosts(client: Ocp) -> None:
    host = demo_hosts(client)[-1]
    # Restart and stop of one process do not wait behind what other tests have asked for.
    for task in client.call("GET", "/tasks/instances", params={"hostId": host, "status": "RUNNING"})["contents"]:
        client.poll(f"/tasks/{task['id']}")
    agent = client.call("GET", f"/compute/hosts/{host}/agent")
    assert agent.keys() >= AGENT
    check_times(agent)
    assert (agent["hostId"], agent["status"]) == (host, "STARTED")
    page = client.call("GET", f"/compute/hosts/{host}/agent/processes")
    assert page.keys() == {"contents", "page"}
    assert page["page"].keys() == PAGE
    for process in page["contents"]:
        check_process(process)
    [agent_id] = [process["id"] for process in page["contents"] if process["alias"] == "ocp_monagent"]
    for verb, status in (("stop", "STOPPED"), ("restart", "STARTED")):
        process = client.call("POST", f"/compute/hosts/{host}/agent/processes/{agent_id}/{verb}")
        check_process(process)
        assert (process["id"], process["status"]) == (agent_id, status)
    listed = client.call("GET", "/compute/hosts", params={"status": "ONLINE", "page": 1, "size": 5, "sort": "id,asc"})
    assert (listed.keys(), listed["page"].keys()) == ({"contents", "page"}, PAGE)
    for one in listed["contents"]:
        check_host(one)
    check_host(client.call("GET", f"/compute/hosts/{host}"))


def test_hosts_come_and_go(client: Ocp) -> None:
    body = {
        "hostBasicDataList": [{"innerIpAddress": f"127.78.97.{n}"} for n in (1, 2, 3)],
        "sshPort": 1,
        "kind": "DEDICATED_PHYSICAL_MACHINE",
        "idcId": 1,
        "typeId": 2,
        "credentialId": 3,
        "alias": "guest",
        "description": "for a while",
    }
    made = client.call("POST", "/compute/hosts/batchCreate", body)["contents"]
    for host in made:
        check_host(host)
        assert (host["status"], host["idcId"], host["alias"]) == ("NEW", 1, "guest")
    first, *others = [host["id"] for host in made]
    assert client.call("DELETE", f"/compute/hosts/{first}") is None
    assert client.call("POST", "/compute/hosts/batchDelete", {"hostIdList": others}) is None
    client.refused(404, 10002, "GET", f"/compute/hosts/{first}")


def test_tasks(client: Ocp) -> None:
    body = {"hostBasicDataList": [{"innerIpAddress": "127.78.96.1"}], "sshPort": 1}
    [down] = client.call("POST", "/compute/hosts/batchCreate", body)["contents"]
    task = client.call("POST", f"/compute/hosts/{down['id']}/agent/stop")
    path = f"/tasks/instances/{task['id']}"
    failed = client.poll(path)
    check_detail(failed)
    assert failed["status"] == "FAILED"
    filters = {"name": "Stop OCP", "keyword": "Stop OCP", "status": "FAILED,RUNNING", "type": "MANUAL"}
    listed = client.call("GET", "/tasks/instances", params={**filters, "hostId": down["id"]})
    assert (listed.keys(), listed["page"].keys()) == ({"contents", "page"}, PAGE)
    [brief] = listed["contents"]
    assert brief.keys() >= BASIC
    assert brief["creator"].keys() == {"id", "name"}
    for node in brief["subtasks"]:
        assert node.keys() == BASIC_NODE
    [node] = [one for one in failed["subtasks"] if one["status"] == "FAILED"]
    assert client.call("GET", f"{path}/subtasks/{node['id']}/log").keys() == {"log"}
    again = client.call("POST", f"{path}/subtasks/{node['id']}/retry")
    assert again.keys() == DETAIL_NODE
    check_node(again)
    check_detail(client.poll(path))
    check_detail(client.call("POST", f"{path}/retry"))
    check_detail(client.poll(path))
    client.refused(400, 20003, "POST", f"{path}/subtasks/{node['id']}/cancel")
    check_detail(client.call("POST", f"{path}/rollback"))
    assert client.poll(path)["status"] == "SUCCESSFUL"
    other = client.call("POST", f"/compute/hosts/{down['id']}/agent/restart")
    [first] = [one for one in other["subtasks"] if not one["upstreams"]]
    client.poll(f"/tasks/instances/{other['id']}")
    assert client.call("POST", f"/tasks/instances/{other['id']}/subtasks/{first['id']}/skip") is None
    skipped = client.poll(f"/tasks/instances/{other['id']}")
    assert {"SKIP"} == {one["operation"] for one in skipped["subtasks"] if one["id"] == first["id"]}
    assert client.send("POST", f"{path}/downloadDiagnosis").content[:2] == b"PK"
    creators = client.call("GET", "/tasks/instances/creators")
    assert "admin" in {one["name"] for one in creators["contents"]}
    assert all(one.keys() == {"id", "name"} for one in creators["contents"])
    client.call("DELETE", f"/compute/hosts/{down['id']}")
