"""Retry, rollback, skip and cancel on real hosts: what is left on them is looked at with ps."""

import re
import subprocess
import zipfile
from io import BytesIO
from typing import Any

import pytest

from tests.openssh import OpenSshHosts
from tests.stack import RunningStack, Task, nodes, statuses, summary
from tests.wait import until

PREPARE, PROXY, STOP, START, FINISH = 2, 8, 1, 5, 6
AGENT = ("ocp_agentd", "ocp_mgragent", "ocp_monagent")

pytestmark = pytest.mark.usefixtures("clean")


def post(stack: RunningStack, path: str) -> Any:
    answer = stack.http.post(f"/api/v2/tasks/instances/{path}")
    assert answer.status_code == 200, answer.text
    return answer.json().get("data")


def agent_pids(openssh: OpenSshHosts, number: int) -> dict[str, list[int]]:
    return {name: pids for name, pids in openssh.pids(number).items() if name in AGENT}


def failed_start(stack: RunningStack, openssh: OpenSshHosts, host_ids: list[int], number: int) -> Task:
    """A restart of the first three hosts, of which one refuses to start its agent."""
    openssh.set_fault(number, "refuse-start")
    task = stack.follow(stack.restart(host_ids[:3])["id"])
    assert (task["status"], statuses(task, START).count("FAILED")) == ("FAILED", 1)
    assert agent_pids(openssh, number) == {}
    return task


def test_a_failed_start_is_retried_and_the_task_runs_to_its_end(
    stack: RunningStack, openssh: OpenSshHosts, host_ids: list[int]
) -> None:
    task = failed_start(stack, openssh, host_ids, 2)
    before = agent_pids(openssh, 1)
    openssh.clear_faults(2)
    post(stack, f"{task['id']}/retry")
    task = stack.follow(task["id"])
    assert (task["status"], task["operation"]) == ("SUCCESSFUL", "RETRY"), summary(task)
    assert [(n["operation"], n["runTime"]) for n in nodes(task, START)] == [
        ("EXECUTE", 1),
        ("RETRY", 2),
        ("EXECUTE", 1),
    ]
    assert set(agent_pids(openssh, 2)) == set(AGENT)
    assert agent_pids(openssh, 1) == before
    text = stack.http.get(f"/tasks/instances/{task['id']}/subtasks/{nodes(task, START)[1]['id']}/log").json()["data"][
        "log"
    ]
    assert re.findall(r"#{12}\{(\w+)\}\{[-0-9T:.+]{29}\}#{12}", text) == ["EXECUTE", "RETRY"]
    assert text.index("refused by the agent") < text.index("{RETRY}") < text.index("alive after")


def test_a_rollback_starts_again_what_was_stopped(
    stack: RunningStack, openssh: OpenSshHosts, host_ids: list[int]
) -> None:
    task = failed_start(stack, openssh, host_ids, 2)
    running = agent_pids(openssh, 1)
    openssh.clear_faults(2)
    post(stack, f"{task['id']}/rollback")
    task = stack.follow(task["id"])
    assert (task["status"], task["operation"]) == ("SUCCESSFUL", "ROLLBACK"), summary(task)
    assert {node["status"] for node in task["subtasks"]} == {"PENDING"}
    assert {node["operation"] for s in (PREPARE, PROXY, STOP, START) for node in nodes(task, s)} == {"ROLLBACK"}
    assert {name: len(pids) for name, pids in agent_pids(openssh, 2).items()} == dict.fromkeys(AGENT, 1)
    assert agent_pids(openssh, 1) == running
    for host in host_ids[:3]:
        agent = stack.redis.hget("{p00}:agents", str(host))
        assert '"status": "STARTED"' in str(agent)
    # Its hosts are free again.
    assert stack.follow(stack.restart(host_ids[:3])["id"])["status"] == "SUCCESSFUL"


def test_a_rollback_leaves_an_agent_stopped_that_did_not_run_before(
    stack: RunningStack, openssh: OpenSshHosts, host_ids: list[int]
) -> None:
    """Host 1 was stopped by hand; the restart starts it, fails on host 2, and is rolled back."""
    stopped = openssh.control(1, "stop")
    assert stopped.wait(timeout=60) == 0
    stopped.communicate()
    task = failed_start(stack, openssh, host_ids, 2)
    assert set(agent_pids(openssh, 1)) == set(AGENT)
    openssh.clear_faults(2)
    post(stack, f"{task['id']}/rollback")
    assert stack.follow(task["id"])["status"] == "SUCCESSFUL"
    assert agent_pids(openssh, 1) == {}
    assert set(agent_pids(openssh, 2)) == set(AGENT)


def test_a_rollback_of_a_batch_stop_starts_the_agents_again(
    stack: RunningStack, openssh: OpenSshHosts, host_ids: list[int]
) -> None:
    """The stop hangs on host 2 and is cancelled there; by then host 1 has no agent any more."""
    kept = agent_pids(openssh, 2)
    openssh.set_fault(2, "hang-stop")
    answer = stack.http.post("/compute/hosts/batchStopAgents", json={"hostIds": host_ids[:2]})
    task = answer.json()["data"]
    until(lambda: len(stops(openssh, 2)) == 2 and agent_pids(openssh, 1) == {})
    until(lambda: [node["parallelIdx"] for node in running(stack, task)] == [1])
    [node] = running(stack, task)
    post(stack, f"{task['id']}/subtasks/{node['id']}/cancel")
    assert stack.follow(task["id"])["status"] == "FAILED"
    openssh.clear_faults(2)
    post(stack, f"{task['id']}/rollback")
    task = stack.follow(task["id"])
    assert (task["status"], task["operation"]) == ("SUCCESSFUL", "ROLLBACK"), summary(task)
    assert {node["status"] for node in task["subtasks"]} == {"PENDING"}
    assert {name: len(pids) for name, pids in agent_pids(openssh, 1).items()} == dict.fromkeys(AGENT, 1)
    assert agent_pids(openssh, 2) == kept


def test_a_cancel_ends_the_remote_processes_of_a_hanging_stop_and_a_skip_goes_on(
    stack: RunningStack, openssh: OpenSshHosts, host_ids: list[int]
) -> None:
    openssh.set_fault(1, "hang-stop")
    task = stack.restart(host_ids[:2])
    # The command, and the `timeout` before it.
    until(lambda: len(stops(openssh, 1)) == 2)
    [node] = [n for n in stack.task(task["id"])["subtasks"] if n["seriesId"] == STOP and n["parallelIdx"] == 0]
    assert node["status"] == "RUNNING"
    assert post(stack, f"{task['id']}/subtasks/{node['id']}/cancel") is None
    again = stack.http.post(f"/tasks/instances/{task['id']}/subtasks/{node['id']}/cancel")
    assert (again.status_code, again.json()["error"]["code"]) == (400, 20003)
    ended = stack.follow(task["id"], 30)
    assert (ended["status"], statuses(ended, STOP)) == ("FAILED", ["FAILED", "SUCCESSFUL"])
    assert not stops(openssh, 1), "the node is FAILED only once it is true that what ran there was ended"
    assert nodes(ended, STOP)[0]["operation"] == "CANCEL"
    path = f"/tasks/instances/{task['id']}/subtasks/{node['id']}/log"
    log = stack.http.get(path).json()["data"]["log"]
    assert "what ran was killed\n" in log
    assert log.endswith("\ncancelled by admin\n")
    # The agent that could not be stopped is found out by the next step: only skipped steps go unproven.
    assert set(agent_pids(openssh, 1)) == set(AGENT)
    openssh.clear_faults(1)
    assert post(stack, f"{task['id']}/subtasks/{node['id']}/skip") is None
    ended = stack.follow(task["id"])
    assert statuses(ended, STOP) == ["SUCCESSFUL"] * 2
    assert (nodes(ended, STOP)[0]["operation"], statuses(ended, START)) == ("SKIP", ["FAILED", "SUCCESSFUL"])
    log = stack.log(ended, nodes(ended, START)[0])
    assert "is from before the restart" in log
    post(stack, f"{task['id']}/subtasks/{nodes(ended, START)[0]['id']}/skip")
    ended = stack.follow(task["id"])
    assert ended["status"] == "SUCCESSFUL", summary(ended)


def running(stack: RunningStack, task: Task) -> list[Task]:
    return [node for node in stack.task(task["id"])["subtasks"] if node["status"] == "RUNNING"]


def stops(openssh: OpenSshHosts, number: int) -> list[str]:
    """What runs on a host of a stop: the control program, and what Muster runs it with."""
    rows = subprocess.run(["ps", "-ewwo", "args="], capture_output=True, text=True, check=True).stdout.splitlines()
    return [row for row in rows if f"{openssh.agent_home(number)}/bin/ocp_agentctl stop" in row]


def test_the_list_and_the_diagnosis_show_what_happened(
    stack: RunningStack, openssh: OpenSshHosts, host_ids: list[int]
) -> None:
    task = failed_start(stack, openssh, host_ids, 3)
    query: dict[str, str | int] = {"status": "FAILED", "hostId": host_ids[2], "sort": "id,desc", "size": 1}
    listed = stack.http.get("/api/v2/tasks/instances", params=query).json()["data"]
    assert listed["contents"][0]["id"] == task["id"]
    assert listed["contents"][0]["subtaskCount"] == 19
    answer = stack.http.post(f"/tasks/instances/{task['id']}/downloadDiagnosis")
    archive = zipfile.ZipFile(BytesIO(answer.content))
    names = archive.namelist()
    # Four stages ran on three hosts.
    assert len([name for name in names if name.startswith("logs/")]) == 12
    [bad] = [name for name in names if f"subtask-{nodes(task, START)[2]['id']}." in name]
    assert b"refused by the agent" in archive.read(bad)
