"""A whole stack as its user sees it; tests/unit/test_cli_stack.py: how it starts and stops."""

import os
import signal
from pathlib import Path

import httpx

from tests.stack import RunningStack
from tests.wait import until


def test_flower_shows_each_action_with_host_and_state_also_after_a_restart_of_the_broker(
    stack: RunningStack, host_ids: list[int]
) -> None:
    """Killed: the server, once; counted: the rows of a task that begins once all are back."""
    [server] = [pid for pid, arguments in stack.children().items() if "valkey-server" in arguments]
    os.kill(server, signal.SIGKILL)
    until(lambda: server not in stack.children())
    until(stack.is_ready, 60)
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
