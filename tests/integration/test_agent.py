"""Stops, single restarts, live looks and single processes on OpenSSH hosts, through all processes of a stack."""

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import httpx
import pytest

from api.render_agent import process_id
from tests.openssh import OpenSshHosts
from tests.stack import RunningStack, Task, nodes, summary
from tests.wait import until

AGENT = ("ocp_agentd", "ocp_mgragent", "ocp_monagent")
ALL = (*AGENT, "pos_proxy")
# Other hosts than those of the other files.
FIRST = 11


@pytest.fixture
def revived(openssh: OpenSshHosts) -> Iterator[None]:
    """All agents run again after a test that stopped some."""
    yield
    openssh.mend(FIRST)


def answer(response: httpx.Response) -> Any:
    assert response.status_code == 200, response.text
    return response.json()["data"]


def post(stack: RunningStack, path: str, **body: Any) -> Task:
    task: Task = answer(stack.http.post(path, json=body or None))
    return task


def agent(stack: RunningStack, host: int) -> dict[str, Any]:
    found: dict[str, Any] = answer(stack.http.get(f"/api/v2/compute/hosts/{host}/agent"))
    return found


def alive(openssh: OpenSshHosts, number: int) -> dict[str, list[int]]:
    return {name: pids for name, pids in openssh.pids(number).items() if name in ALL}


def ids(host_ids: list[int], numbers: Sequence[int]) -> list[int]:
    return [host_ids[number - 1] for number in numbers]


@pytest.mark.usefixtures("revived")
def test_a_batch_stop_leaves_nothing_and_a_restart_brings_all_back(
    stack: RunningStack, openssh: OpenSshHosts, host_ids: list[int]
) -> None:
    numbers = range(FIRST, FIRST + 4)
    task = stack.follow(post(stack, "/compute/hosts/batchStopAgents", hostIds=ids(host_ids, numbers))["id"])
    assert task["status"] == "SUCCESSFUL", summary(task)
    assert [alive(openssh, number) for number in numbers] == [{}] * 4
    for host in ids(host_ids, numbers):
        stored = stack.store.redis.hget(stack.store.keys.agents, str(host))
        assert '"STOPPED"' in stored
        assert agent(stack, host)["status"] == "STOPPED"
    log = stack.log(task, nodes(task, 3)[0])
    assert "still none after 0 s" in log
    again = stack.follow(post(stack, f"/compute/hosts/{host_ids[FIRST - 1]}/agent/restart")["id"])
    assert again["status"] == "SUCCESSFUL", summary(again)
    assert {name: len(pids) for name, pids in alive(openssh, FIRST).items()} == dict.fromkeys(ALL, 1)


@pytest.mark.usefixtures("revived")
def test_one_agent_is_restarted_and_stopped_by_calls_of_its_own(
    stack: RunningStack, openssh: OpenSshHosts, host_ids: list[int]
) -> None:
    host, before = host_ids[FIRST], alive(openssh, FIRST + 1)
    task = post(stack, f"/api/v2/compute/hosts/{host}/agent/restart")
    assert (task["hostId"], len(task["subtasks"])) == (host, 5)
    assert stack.follow(task["id"])["status"] == "SUCCESSFUL"
    after = alive(openssh, FIRST + 1)
    assert all(len(after[name]) == 1 and after[name] != before[name] for name in ALL)
    task = stack.follow(post(stack, f"/api/v2/compute/hosts/{host}/agent/stop")["id"])
    assert (task["status"], len(task["subtasks"])) == ("SUCCESSFUL", 3)
    assert alive(openssh, FIRST + 1) == {}


@pytest.mark.usefixtures("revived")
def test_a_stop_that_the_agent_ignores_is_a_stop_all_the_same(
    stack: RunningStack, openssh: OpenSshHosts, host_ids: list[int]
) -> None:
    openssh.set_fault(FIRST, "residual", "term")
    openssh.control_start(FIRST).communicate(timeout=30)
    until(lambda: len(alive(openssh, FIRST)["ocp_mgragent"]) == 2)
    # What the test before has looked at serves for another two seconds.
    until(lambda: [p["alias"] for p in agent(stack, host_ids[FIRST - 1])["processes"]].count("ocp_mgragent") == 2)
    task = stack.follow(post(stack, f"/compute/hosts/{host_ids[FIRST - 1]}/agent/stop")["id"])
    assert task["status"] == "SUCCESSFUL", summary(task)
    assert alive(openssh, FIRST) == {}


def test_the_agent_is_shown_as_it_is_now(stack: RunningStack, openssh: OpenSshHosts, host_ids: list[int]) -> None:
    number = FIRST + 5
    host = host_ids[number - 1]
    found = agent(stack, host)
    assert (found["status"], found["live"], found["hostId"]) == ("STARTED", True, host)
    assert (found["installHome"], found["version"]) == (str(openssh.agent_home(number)), "4.3.1")
    pids = openssh.pids(number)
    shown = {process["alias"]: process for process in found["processes"]}
    assert {name: [process["pid"]] for name, process in shown.items()} == {name: pids[name] for name in ALL}
    assert shown["pos_proxy"]["ports"] == str(openssh.proxy_port)
    assert {name: process["operable"] for name, process in shown.items()} == {
        "ocp_agentd": False,
        "ocp_mgragent": True,
        "ocp_monagent": True,
        "pos_proxy": True,
    }
    assert all(process["user"] == openssh.user and process["elapsedTime"] >= 0 for process in shown.values())
    assert str(openssh.agent_home(number)) in shown["ocp_agentd"]["startCommand"]
    assert answer(stack.http.get(f"/compute/hosts/{host}"))["status"] == "ONLINE"


def test_a_look_is_not_held_up_by_a_step_and_does_not_disturb_it(
    stack: RunningStack, openssh: OpenSshHosts, host_ids: list[int]
) -> None:
    number = FIRST + 6
    host = host_ids[number - 1]
    openssh.set_fault(number, "slow-start", "4")
    try:
        task = post(stack, f"/compute/hosts/{host}/agent/restart")
        until(lambda: [n["status"] for n in stack.task(task["id"])["subtasks"]][3] == "RUNNING", seconds=30)
        found = agent(stack, host)
        assert found["live"]
        assert stack.task(task["id"])["subtasks"][3]["status"] == "RUNNING"
        ended = stack.follow(task["id"])
        assert ended["status"] == "SUCCESSFUL", summary(ended)
        assert {node["runTime"] for node in ended["subtasks"]} == {1}
    finally:
        openssh.clear_faults(number)


@pytest.mark.usefixtures("revived")
def test_one_process_is_restarted_and_stopped(stack: RunningStack, openssh: OpenSshHosts, host_ids: list[int]) -> None:
    number = FIRST + 2
    host, before = host_ids[number - 1], alive(openssh, number)
    path = f"/compute/hosts/{host}/agent/processes"
    for name in ("ocp_mgragent", "pos_proxy"):
        process = answer(stack.http.post(f"{path}/{process_id(name)}/restart"))
        after = alive(openssh, number)
        assert (process["alias"], process["status"], [process["pid"]]) == (name, "STARTED", after[name])
        assert after[name] != before[name]
    assert after["ocp_agentd"] == before["ocp_agentd"]
    assert after["ocp_monagent"] == before["ocp_monagent"]
    process = answer(stack.http.post(f"{path}/{process_id('ocp_monagent')}/stop"))
    assert (process["status"], process["pid"]) == ("STOPPED", None)
    assert sorted(alive(openssh, number)) == ["ocp_agentd", "ocp_mgragent", "pos_proxy"]
    page = answer(stack.http.get(path))
    assert {p["alias"]: p["status"] for p in page["contents"]}["ocp_monagent"] == "STOPPED"
    guard = stack.http.post(f"{path}/{process_id('ocp_agentd')}/restart")
    assert (guard.status_code, guard.json()["error"]["code"]) == (409, 40000)


@pytest.mark.usefixtures("revived")
def test_why_a_process_does_not_start_is_told(stack: RunningStack, openssh: OpenSshHosts, host_ids: list[int]) -> None:
    number = FIRST + 3
    stopped = post(stack, f"/compute/hosts/{host_ids[number - 1]}/agent/stop")
    assert stack.follow(stopped["id"])["status"] == "SUCCESSFUL"
    path = f"/compute/hosts/{host_ids[number - 1]}/agent/processes/{process_id('ocp_mgragent')}/restart"
    refused = stack.http.post(path)
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, 40000)
    assert "read_pid_failed" in refused.json()["error"]["message"]


def test_a_host_that_is_down_is_told_with_its_reason_and_shown_as_offline(
    stack: RunningStack, openssh: OpenSshHosts, host_ids: list[int]
) -> None:
    [down] = stack.enrol([{**openssh.inventory()[0], "name": "down-2", "address": "127.78.9.8"}])
    refused = stack.http.get(f"/compute/hosts/{down}/agent")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, 40000)
    assert "127.78.9.8" in refused.json()["error"]["message"]
    assert "Connection refused" in refused.json()["error"]["message"]
    assert answer(stack.http.get(f"/compute/hosts/{down}"))["status"] == "OFFLINE"
    listed = answer(stack.http.get("/compute/hosts?status=OFFLINE&size=2000"))["contents"]
    assert down in [host["id"] for host in listed]
    [failed] = stack.enrol([{**openssh.inventory()[0], "name": "down-3", "address": "127.78.9.7"}])
    task = stack.follow(post(stack, f"/compute/hosts/{failed}/agent/restart")["id"])
    assert task["status"] == "FAILED"
    assert answer(stack.http.get(f"/compute/hosts/{failed}"))["status"] == "OFFLINE"


def test_many_looks_at_once(stack: RunningStack, host_ids: list[int]) -> None:
    found: list[int] = []

    def call(host: int) -> None:
        found.append(stack.http.get(f"/compute/hosts/{host}/agent").status_code)

    threads = [threading.Thread(target=call, args=(host,)) for host in host_ids[FIRST : FIRST + 4] * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [200] * 8
