"""The command line on a whole Muster with real agents: restart and watch, leave a watch, ask the doctor."""

import json
import os
import signal
import subprocess

import pytest

from tests.openssh import OpenSshHosts
from tests.stack import MUSTER, RunningStack

PLAIN = {name: value for name, value in os.environ.items() if not name.startswith("MUSTER_")}


def variables(stack: RunningStack) -> dict[str, str]:
    """The environment of an operator of the stack."""
    ready = stack.ready
    where = {"MUSTER_API_URL": ready["api"], "MUSTER_PASSWORD": ready["password"], "MUSTER_REDIS_URL": ready["redis"]}
    return {**PLAIN, **where}


def muster(stack: RunningStack, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(MUSTER), *arguments]
    done = subprocess.run(
        command, env=variables(stack), cwd=stack.data, capture_output=True, text=True, timeout=120, check=False
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


@pytest.mark.usefixtures("clean")
def test_a_restart_is_watched_to_its_end(stack: RunningStack, openssh: OpenSshHosts, host_ids: list[int]) -> None:
    before = openssh.pids(1)
    done = muster(stack, "restart", "--hosts", f"{host_ids[0]}-{host_ids[2]}", "--watch")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Start all OCP agent processes: 3/3\n" in done.stdout
    assert "is SUCCESSFUL: Batch restart OCP agent on 3 hosts in " in done.stdout
    assert not set(before["ocp_agentd"]) & set(openssh.pids(1)["ocp_agentd"])
    openssh.set_fault(2, "refuse-start")
    failed = muster(stack, "restart", "--hosts", f"{host_ids[0]},{host_ids[1]}", "--watch", "--json")
    task = json.loads(failed.stdout)
    assert (failed.returncode, task["status"], task["failed"]) == (1, "FAILED", 1)
    [failure] = task["failures"]
    assert failure["step"] == "Start all OCP agent processes"
    assert failure["reason"]
    assert f"FAILED {failure['host']}: Start all OCP agent processes" in failed.stderr


@pytest.mark.usefixtures("clean")
def test_ctrl_c_leaves_the_task_running(stack: RunningStack, openssh: OpenSshHosts, host_ids: list[int]) -> None:
    openssh.set_fault(1, "slow-start", "2")
    command = [str(MUSTER), "restart", "--hosts", str(host_ids[0]), "--watch"]
    with subprocess.Popen(
        command, env=variables(stack), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as watch:
        assert watch.stdout is not None
        task = int(watch.stdout.readline().split()[1].rstrip(":"))
        # The first stage is told by the watch itself, so it has begun.
        assert watch.stdout.readline() == "Prepare restart OCP agent: 1/1\n"
        watch.send_signal(signal.SIGINT)
        _, told = watch.communicate(timeout=60)
    assert watch.returncode == 128 + signal.SIGINT
    assert f"Task {task} goes on without this command. To come back: muster tasks watch {task}" in told
    assert stack.follow(task)["status"] == "SUCCESSFUL"
    again = muster(stack, "tasks", "watch", str(task))
    assert (again.returncode, f"Task {task} is SUCCESSFUL" in again.stdout) == (0, True)


def test_a_whole_installation_is_fine(stack: RunningStack) -> None:
    found = {one["what"]: one["state"] for one in json.loads(muster(stack, "doctor", "--json").stdout)}
    parts = ["API", "sign-in", "Redis", "schedulers", "broker", "workers of zone default", "hearing"]
    assert {part: found[part] for part in [*parts, "shards of zone default"]} == dict.fromkeys(
        [*parts, "shards of zone default"], "OK"
    )
    assert {state for what, state in found.items() if what.startswith("clock of")} == {"OK"}
    queues = json.loads(muster(stack, "queues", "--json").stdout)
    assert [len(queue["consumers"]) for queue in queues] == [1] * 32
