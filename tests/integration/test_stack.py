"""`muster up` and `muster demo` with the demo fleet, as a user sees them."""

import json
import os
import signal
import subprocess
from pathlib import Path

import httpx

from deploy.fleet.leftovers import find_processes
from tests.stack import MUSTER, RunningStack, children_of
from tests.wait import until

STOP_SECONDS = 5.0


def alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_demo_restarts_every_host_and_leaves_nothing(tmp_path: Path) -> None:
    command = [str(MUSTER), "demo", "--hosts", "3", "--json", "--data", str(tmp_path / "demo")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    last = json.loads(done.stdout.splitlines()[-1])
    assert last.pop("seconds") < 60
    assert last == {"hosts": 3, "restarted": 3, "subtasks": 19, "status": "SUCCESSFUL"}
    assert find_processes((tmp_path / "demo/fleet").resolve()) == {}


def test_up_stops_within_five_seconds_and_is_known_when_started_again(tmp_path: Path) -> None:
    stack = RunningStack(tmp_path / "data", ["--hosts", "2"]).start()
    listed = stack.http.get("/api/v2/compute/hosts").json()["data"]["contents"]
    task = stack.follow(stack.restart([host["id"] for host in listed])["id"])
    assert task["status"] == "SUCCESSFUL"
    # They have been seen by now, and are ONLINE.
    listed = stack.http.get("/api/v2/compute/hosts").json()["data"]["contents"]
    pids = children_of(stack.process.pid)
    assert len(pids) > 6
    ready = stack.ready
    assert stack.stop() < STOP_SECONDS
    assert [args for pid, args in pids.items() if alive(pid)] == []
    assert find_processes((tmp_path / "data/fleet").resolve()) == {}

    again = RunningStack(tmp_path / "data").start()
    try:
        assert again.ready["password"] == ready["password"]
        assert again.task(task["id"])["status"] == "SUCCESSFUL"
        assert again.http.get("/compute/hosts").json()["data"]["contents"] == listed
        assert again.follow(again.restart([listed[0]["id"]])["id"])["status"] == "SUCCESSFUL"
    finally:
        again.stop()


def test_flower_shows_each_action_with_host_and_state_also_after_a_restart_of_the_broker(
    stack: RunningStack, host_ids: list[int]
) -> None:
    """Killed: the server, once; counted: the rows of a task that begins once all are back."""
    [server] = [pid for pid, arguments in stack.children().items() if "valkey-server" in arguments]
    os.kill(server, signal.SIGKILL)
    until(lambda: server not in stack.children())
    until(stack.is_ready, 30)
    assert stack.follow(stack.restart(host_ids[:2])["id"])["status"] == "SUCCESSFUL"
    task = stack.follow(stack.restart(host_ids[:2])["id"])
    auth = (stack.ready["user"], stack.ready["password"])
    with httpx.Client(base_url=stack.ready["flower"], auth=auth, trust_env=False, timeout=20) as flower:
        assert httpx.get(f"{stack.ready['flower']}/api/tasks", trust_env=False).status_code == 401
        wanted = {f"{node['id']}-1" for node in task["subtasks"] if node["name"] != "Wait node"}
        # Events come up to a tenth of a second after what they tell of.
        rows = until(lambda: _all_successful(flower, wanted))
    for row in rows:
        assert row["name"] in {"agent.prepare", "proxy.restart", "agent.stop", "agent.start", "agent.finish"}
        assert f"'task': {task['id']}, " in row["kwargs"]
        assert "'127.78.0." in row["args"]


def _all_successful(flower: httpx.Client, wanted: set[str]) -> list[dict[str, str]]:
    """Return Flower's rows of these messages once all of them are there and SUCCESS, none before."""
    answers = [flower.get(f"/api/task/info/{name}") for name in wanted]
    rows = [answer.json() for answer in answers if answer.is_success]
    return rows if [row["state"] for row in rows] == ["SUCCESS"] * len(wanted) else []


def test_secrets_are_in_no_command_line_and_no_log(stack: RunningStack) -> None:
    password = stack.ready["password"]
    redis = stack.ready["redis"].partition("://:")[2].partition("@")[0]
    assert len(redis) > 20
    lines = [(Path("/proc") / str(pid) / "cmdline").read_bytes() for pid in stack.children()]
    assert [line for line in lines if password.encode() in line or redis.encode() in line] == []
    logs = list((stack.data / "log").iterdir())
    assert len(logs) >= 5
    assert [log.name for log in logs if password in log.read_text() or redis in log.read_text()] == []
