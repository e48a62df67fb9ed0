"""Restarts of real agents on OpenSSH hosts, through API, Redis, scheduler, Celery and Fabric."""

import os
import re
import signal
import time
from collections.abc import Sequence
from itertools import pairwise

import httpx
import pytest

from tests.openssh import OpenSshHosts
from tests.stack import RunningStack, nodes, statuses, summary
from tests.wait import until

PREPARE, PROXY, STOP, START, FINISH = 2, 8, 1, 5, 6
AGENT = ("ocp_agentd", "ocp_mgragent", "ocp_monagent")
ALL = (*AGENT, "pos_proxy")
Pids = dict[int, dict[str, list[int]]]


def pids_of(openssh: OpenSshHosts, numbers: Sequence[int]) -> Pids:
    return {number: openssh.pids(number) for number in numbers}


def assert_renewed(before: Pids, after: Pids, names: Sequence[str] = ALL) -> None:
    """Each host has exactly one process of each name, none of them from before."""
    for number, found in after.items():
        for name in names:
            assert len(found.get(name, [])) == 1, (number, found)
            assert not set(found[name]) & set(before[number].get(name, [])), (number, name)


@pytest.mark.parametrize("size", [1, 2, 20])
def test_a_batch_restarts_every_agent(
    stack: RunningStack, openssh: OpenSshHosts, host_ids: list[int], size: int
) -> None:
    numbers = range(1, size + 1)
    before = pids_of(openssh, numbers)
    answer = stack.restart(host_ids[:size])
    assert answer["status"] == "RUNNING"
    assert len(answer["subtasks"]) == 5 * size + 4
    task = stack.follow(answer["id"])
    assert task["status"] == "SUCCESSFUL", summary(task)
    assert {node["status"] for node in task["subtasks"]} == {"SUCCESSFUL"}
    assert {node["runTime"] for node in task["subtasks"]} == {1}
    assert_renewed(before, pids_of(openssh, numbers))


@pytest.mark.usefixtures("clean")
def test_stages_run_one_after_the_other_and_hosts_side_by_side(
    stack: RunningStack, openssh: OpenSshHosts, host_ids: list[int]
) -> None:
    for number in range(1, 5):
        openssh.set_fault(number, "slow-start", "2")
    task = stack.follow(stack.restart(host_ids[:4])["id"])
    ends: list[str] = []
    for series in (PREPARE, PROXY, STOP, START, FINISH):
        found = nodes(task, series)
        assert all(node["startTime"] >= end for node in found for end in ends)
        ends = [node["finishTime"] for node in found]
    starts = sorted(nodes(task, START), key=lambda node: str(node["startTime"]))
    # At least some at once: on a busy machine one of them may begin when another has ended.
    assert any(after["startTime"] < before["finishTime"] for before, after in pairwise(starts))


def test_each_log_opens_with_the_contract_line_and_shows_commands(stack: RunningStack, host_ids: list[int]) -> None:
    task = stack.follow(stack.restart(host_ids[:1])["id"])
    log = stack.log(task, nodes(task, STOP)[0])
    head = r"#{12}\{EXECUTE\}\{\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d\}#{12}\n"
    assert re.match(head, log), log
    assert "ocp_agentctl stop\n" in log
    assert "exit 0 after " in log
    assert "no process of the agent is left" in log
    assert "MUSTER-RESULT" not in log


def test_a_host_that_is_down_fails_alone_in_its_stage(
    stack: RunningStack, openssh: OpenSshHosts, host_ids: list[int]
) -> None:
    down = stack.enrol([{**openssh.inventory()[0], "name": "down", "address": "127.78.9.9"}])
    before = pids_of(openssh, [1, 2])
    task = stack.follow(stack.restart([host_ids[0], *down, host_ids[1]])["id"])
    assert task["status"] == "FAILED"
    assert statuses(task, PREPARE) == ["SUCCESSFUL", "FAILED", "SUCCESSFUL"]
    assert {s for series in (PROXY, STOP, START, FINISH) for s in statuses(task, series)} == {"PENDING"}
    assert "127.78.9.9" in stack.log(task, nodes(task, PREPARE)[1])
    assert "Connection refused" in stack.log(task, nodes(task, PREPARE)[1])
    assert pids_of(openssh, [1, 2]) == before
    # Its hosts are free again.
    assert stack.follow(stack.restart(host_ids[:2])["id"])["status"] == "SUCCESSFUL"


@pytest.mark.usefixtures("clean")
def test_an_agent_that_refuses_to_start_fails_its_node_with_its_own_words(
    stack: RunningStack, openssh: OpenSshHosts, host_ids: list[int]
) -> None:
    openssh.set_fault(2, "refuse-start")
    before = pids_of(openssh, [1, 2, 3])
    task = stack.follow(stack.restart(host_ids[:3])["id"])
    assert task["status"] == "FAILED"
    assert statuses(task, START) == ["SUCCESSFUL", "FAILED", "SUCCESSFUL"]
    assert statuses(task, FINISH) == ["PENDING"] * 3
    assert "refused by the agent" in stack.log(task, nodes(task, START)[1])
    after = pids_of(openssh, [1, 3])
    assert_renewed(before, after)
    assert [name for name in AGENT if openssh.pids(2).get(name)] == []


@pytest.mark.usefixtures("clean")
def test_a_residual_process_is_found_at_the_start_and_ended_at_the_next_stop(
    stack: RunningStack, openssh: OpenSshHosts, host_ids: list[int]
) -> None:
    openssh.set_fault(1, "residual", "term")
    task = stack.follow(stack.restart(host_ids[:1])["id"])
    assert task["status"] == "FAILED"
    assert "2 processes of ocp_mgragent" in stack.log(task, nodes(task, START)[0])
    assert len(openssh.pids(1)["ocp_mgragent"]) == 2
    openssh.clear_faults(1)
    before = pids_of(openssh, [1])
    task = stack.follow(stack.restart(host_ids[:1])["id"])
    assert task["status"] == "SUCCESSFUL", summary(task)
    log = stack.log(task, nodes(task, STOP)[0])
    assert "sending TERM to pids" in log
    assert "sending KILL to pids" in log
    assert_renewed(before, pids_of(openssh, [1]))


@pytest.mark.usefixtures("clean")
def test_an_agent_without_a_proxy_has_nothing_to_restart(
    stack: RunningStack, openssh: OpenSshHosts, host_ids: list[int]
) -> None:
    openssh.remove_proxy(4)
    before = pids_of(openssh, [4])
    task = stack.follow(stack.restart(host_ids[3:4])["id"])
    assert task["status"] == "SUCCESSFUL", summary(task)
    assert "nothing to restart" in stack.log(task, nodes(task, PROXY)[0])
    assert_renewed(before, pids_of(openssh, [4]), AGENT)


def test_an_unknown_host_key_fails_with_the_way_to_enrol_it(
    stack: RunningStack, openssh: OpenSshHosts, host_ids: list[int]
) -> None:
    lines = openssh.known_hosts_path.read_text()
    [stranger] = stack.enrol([{**openssh.inventory()[0], "name": "stranger", "address": "127.78.0.21"}])
    task = stack.follow(stack.restart([stranger])["id"])
    assert task["status"] == "FAILED"
    log = stack.log(task, nodes(task, PREPARE)[0])
    assert "SHA256:" in log
    assert f"ssh-keyscan -p {openssh.port} 127.78.0.21 >> {openssh.known_hosts_path}" in log
    assert openssh.known_hosts_path.read_text() == lines


def test_tasks_that_share_hosts_run_in_the_order_of_their_submission(stack: RunningStack, host_ids: list[int]) -> None:
    first = stack.restart(host_ids[:3])
    second = stack.restart([host_ids[2], host_ids[0]])
    third = stack.restart(host_ids[:1])
    ended = [stack.follow(task["id"]) for task in (first, second, third)]
    assert [task["status"] for task in ended] == ["SUCCESSFUL"] * 3
    prepared = [nodes(task, PREPARE) for task in ended]
    finished = [nodes(task, FINISH) for task in ended]
    assert prepared[1][1]["startTime"] >= finished[0][0]["finishTime"]
    assert prepared[2][0]["startTime"] >= finished[1][1]["finishTime"]


@pytest.mark.parametrize("victim", ["muster worker", "muster scheduler", "valkey-server", "muster api"])
def test_a_task_outlives_a_killed_process(
    stack: RunningStack, openssh: OpenSshHosts, host_ids: list[int], victim: str
) -> None:
    """Killed by SIGKILL while nodes run: both workers, the scheduler, the server, the API. Counted: agents renewed."""
    numbers = range(1, 7)
    before = pids_of(openssh, numbers)
    task = stack.restart(host_ids[:6])
    until(lambda: running(stack, task["id"]) > 0)
    victims = [pid for pid, arguments in stack.children().items() if victim in arguments]
    assert victims
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    ended = follow_through(stack, task["id"])
    assert ended == "SUCCESSFUL"
    assert_renewed(before, pids_of(openssh, numbers), AGENT)


def running(stack: RunningStack, task_id: int) -> int:
    return sum(node.status == "RUNNING" for node in stack.store.load(task_id).nodes)


def follow_through(stack: RunningStack, task_id: int) -> str:
    """The task's last status, asked for again while the API is away."""
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        try:
            answer = stack.http.get(f"/tasks/instances/{task_id}")
        except httpx.TransportError:
            time.sleep(0.1)
            continue
        if answer.status_code == 200 and answer.json()["data"]["status"] != "RUNNING":
            return str(answer.json()["data"]["status"])
        time.sleep(0.1)
    return "still RUNNING"
