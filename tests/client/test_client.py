"""OCP's public clients against a running Muster: scripts with Basic, a task client, pollers, signed calls, pages."""

import time
import zipfile
from email.utils import formatdate
from io import BytesIO
from typing import Any

import pytest

from tests.client.ocp import Data, Ocp, Signature

PREFIXES = ["", "/api/v2"]
STARTED: dict[str, Any] = {"creator": "admin", "status": "RUNNING", "type": "MANUAL", "taskDefinitionId": -1}


def host_ids(ocp: Ocp) -> list[int]:
    found = ocp.call("GET", "/compute/hosts", params={"keyword": "host-", "size": 100})
    return [host["id"] for host in found["contents"]]


class TaskClient:
    """A task as a diagnosis tool follows it: state, subtasks by state, their logs, and what can be asked of it."""

    def __init__(self, ocp: Ocp, task_id: int) -> None:
        self.ocp, self.path = ocp, f"/tasks/instances/{task_id}"

    def info(self) -> Data:
        found: Data = self.ocp.call("GET", self.path)
        return found

    def wait(self) -> str:
        return str(self.ocp.poll(self.path)["status"])

    def subtasks(self, status: str) -> list[Data]:
        return [node for node in self.info()["subtasks"] if node["status"] == status]

    def log(self, node: Data) -> str:
        return str(self.ocp.call("GET", f"{self.path}/subtasks/{node['id']}/log")["log"])

    def ask(self, what: str) -> Data:
        found: Data = self.ocp.call("POST", f"{self.path}/{what}")
        return found


def test_a_script_restarts_agents_and_polls_until_they_are(ocp: Ocp) -> None:
    plain = ocp.under("")
    first, *_ = ids = host_ids(plain)
    task = plain.call("POST", "/compute/hosts/batchRestartAgents", {"hostids": ids})
    assert {name: task[name] for name in STARTED} == STARTED
    assert [node["status"] for node in task["subtasks"] if not node["upstreams"]] == ["READY"] * len(ids)
    # The Terraform provider polls the short path.
    ended = ocp.poll(f"/tasks/{task['id']}")
    assert (ended["id"], ended["status"]) == (task["id"], "SUCCESSFUL")
    assert ended == plain.call("GET", f"/tasks/{task['id']}") == ocp.call("GET", f"/tasks/instances/{task['id']}")
    assert plain.call("GET", f"/compute/hosts/{first}/agent")["status"] == "STARTED"


@pytest.mark.parametrize("prefix", PREFIXES)
def test_what_is_not_there_has_its_code(ocp: Ocp, prefix: str) -> None:
    client = ocp.under(prefix)
    for path in ("/tasks/instances/999999", "/tasks/999999", "/tasks/instances/999999/subtasks/1/log"):
        assert "999999" in client.refused(404, 20000, "GET", path)["message"]
    for what in ("retry", "rollback", "downloadDiagnosis", "subtasks/1/retry", "subtasks/1/skip", "subtasks/1/cancel"):
        client.refused(404, 20000, "POST", f"/tasks/instances/999999/{what}")
    for path in ("/compute/hosts/999999", "/compute/hosts/999999/agent", "/compute/nothing", "/tasks/instances/x"):
        client.refused(404, 10002, "GET", path)
    error = client.refused(404, 10002, "POST", "/compute/hosts/batchRestartAgents", {"hostIds": [1, 999999]})
    assert [sub["rejectedValue"] for sub in error["subErrors"]] == [999999]
    client.refused(405, 10001, "PUT", "/tasks/instances")


def test_nobody_and_a_wrong_password_are_told_so(ocp: Ocp) -> None:
    with Ocp(ocp.base, None) as nobody:
        nobody.refused(401, 30000, "GET", "/tasks/instances")
    with Ocp(ocp.base, ("admin", "wrong")) as wrong:
        wrong.refused(401, 30000, "POST", "/compute/hosts/batchRestartAgents", {"hostIds": [1]})


def test_a_task_client_sees_why_a_task_failed_and_brings_it_to_an_end(ocp: Ocp) -> None:
    [down] = ocp.call(
        "POST", "/compute/hosts/batchCreate", {"hostBasicDataList": [{"innerIpAddress": "127.78.99.1"}], "sshPort": 1}
    )["contents"]
    one = host_ids(ocp)[0]
    submitted = ocp.call("POST", "/compute/hosts/batchRestartAgents", {"hostIds": [one, down["id"]]})
    client = TaskClient(ocp, submitted["id"])
    assert client.wait() == "FAILED"
    [failed] = client.subtasks("FAILED")
    assert (failed["name"], failed["operation"]) == ("Prepare restart OCP agent", "EXECUTE")
    log = client.log(failed)
    assert log.startswith("############{EXECUTE}{")
    assert "127.78.99.1" in log
    retried = client.ask("retry")
    assert (retried["status"], retried["operation"]) == ("RUNNING", "RETRY")
    assert client.wait() == "FAILED"
    assert client.log(failed).count("############{EXECUTE}{") == client.log(failed).count("############{RETRY}{") == 1
    assert client.subtasks("FAILED")[0]["runTime"] == 2
    archive = ocp.send("POST", f"{client.path}/downloadDiagnosis")
    assert archive.headers["Content-Type"] == "application/zip"
    names = zipfile.ZipFile(BytesIO(archive.content)).namelist()
    assert any(str(failed["id"]) in name for name in names)
    ocp.refused(400, 20003, "POST", f"{client.path}/subtasks/{failed['id']}/cancel")
    client.ask("rollback")
    assert client.wait() == "SUCCESSFUL"
    assert {node["status"] for node in client.info()["subtasks"]} == {"PENDING"}
    ocp.refused(400, 20003, "POST", f"{client.path}/retry")
    ocp.call("DELETE", f"/compute/hosts/{down['id']}")


@pytest.mark.parametrize("prefix", PREFIXES)
def test_signed_calls_read_and_change(ocp: Ocp, prefix: str) -> None:
    key = ocp.call("POST", "/iam/accessKeys", {"name": f"client{prefix}"})
    with Ocp(ocp.base, Signature(key["id"], key["secretKey"]), prefix) as signed:
        ids = host_ids(signed)
        task = signed.call("POST", "/compute/hosts/batchRestartAgents", {"hostIds": ids[:1]})
        listed = signed.call("GET", "/tasks/instances", params={"status": "RUNNING,SUCCESSFUL", "sort": "id,desc"})
        assert listed["contents"][0]["id"] == task["id"]
        assert signed.poll(f"/tasks/{task['id']}")["status"] == "SUCCESSFUL"
        same = {"Date": formatdate(usegmt=True), "x-ocp-nonce": "one"}
        statuses = [signed.send("GET", "/iam/roles", headers=same).status_code for _ in range(2)]
        assert statuses == [200, 401]
    with Ocp(ocp.base, Signature(key["id"], "another secret"), prefix) as forged:
        forged.refused(401, 30000, "GET", "/compute/hosts")
    ocp.call("DELETE", f"/iam/accessKeys/{key['id']}")


def test_pages_follow_each_other_through_a_list(ocp: Ocp) -> None:
    names = [{"innerIpAddress": f"127.78.98.{n}"} for n in range(1, 24)]
    made = ocp.call("POST", "/compute/hosts/batchCreate", {"hostBasicDataList": names, "sshPort": 1})["contents"]
    found: list[int] = []
    number = pages = 1
    while number <= pages:
        page = ocp.call("GET", "/compute/hosts", params={"keyword": "127.78.98.", "page": number, "sort": "id,desc"})
        assert (page["page"]["number"], page["page"]["size"], page["page"]["totalElements"]) == (number, 10, 23)
        found += [host["id"] for host in page["contents"]]
        number, pages = number + 1, page["page"]["totalPages"]
    assert (pages, found) == (3, sorted((host["id"] for host in made), reverse=True))
    ocp.refused(400, 10001, "GET", "/compute/hosts?size=2001")
    assert ocp.call("POST", "/compute/hosts/batchDelete", {"hostIdList": found}) is None


def test_a_client_that_tries_again_with_its_key_restarts_once(ocp: Ocp) -> None:
    headers, body = {"Idempotency-Key": f'"{time.time_ns()}"'}, {"hostIds": host_ids(ocp)[:1]}
    first, second = (
        ocp.send("POST", "/compute/hosts/batchRestartAgents", json=body, headers=headers) for _ in range(2)
    )
    assert first.json()["data"]["id"] == second.json()["data"]["id"]
    assert second.headers["Idempotency-Replayed"] == "true"
    assert ocp.poll(f"/tasks/{first.json()['data']['id']}")["status"] == "SUCCESSFUL"
