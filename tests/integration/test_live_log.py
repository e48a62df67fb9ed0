"""The log of a step while it runs, on an OpenSSH host whose control program prints a line now and then."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from dag.dispatch import LOST_LINE
from deploy.fleet.install import AGENT, install_program
from tests.openssh import OpenSshHosts
from tests.stack import MUSTER, RunningStack, Task, nodes, summary
from tests.wait import until

NUMBER, START = 20, 5
LINES = [f"line {n} of 8: ä" for n in range(1, 9)]
# A control program that says what it does, and becomes the real one, which stands in `launcher`.
TALKATIVE = """#!/bin/sh
if [ "$1" = start ]; then
  for n in 1 2 3 4 5 6 7 8; do echo "line $n of 8: ä"; sleep 0.6; done
fi
exec {python} -IS -c 'import sys; sys.argv[0] = "{program}"; exec(open("{launcher}").read())' "$@"
"""


@pytest.fixture
def _talkative(openssh: OpenSshHosts) -> Iterator[None]:
    home = openssh.agent_home(NUMBER)
    program = home / "bin/ocp_agentctl"
    program.write_text(TALKATIVE.format(python=sys.executable, program=program, launcher=AGENT / "launcher.py"))
    yield
    install_program(home, "ocp_agentctl")


class Follower:
    """Asks the API for what is new in the log of one step."""

    def __init__(self, stack: RunningStack, task: Task, subtask: Task) -> None:
        self._stack, self._path = stack, f"/tasks/instances/{task['id']}/subtasks/{subtask['id']}/log"
        self.text, self.place, self.tag, self.status = "", 0, "", ""
        self.unchanged = 0

    def look(self) -> "Follower":
        headers = {"If-None-Match": self.tag} if self.tag else {}
        answer = self._stack.http.get(f"{self._path}?from={self.place}", headers=headers)
        self.tag = answer.headers["ETag"]
        if answer.status_code == 304:
            self.unchanged += 1
            return self
        part: dict[str, Any] = answer.json()["data"]
        assert part["begin"] == self.place
        self.text, self.place, self.status = self.text + part["log"], part["next"], part["status"]
        return self

    def whole(self) -> str:
        return str(self._stack.http.get(self._path).json()["data"]["log"])


@pytest.mark.usefixtures("_talkative")
def test_lines_are_seen_while_a_step_runs_and_survive_its_worker(stack: RunningStack, host_ids: list[int]) -> None:
    """Killed: the worker of a step, once three lines that it had printed were seen through the API. Counted: lines that
    were seen and are missing afterwards, and lines of the second run, each of which must stand there once.
    """
    task = stack.restart([host_ids[NUMBER - 1]])
    step = nodes(task, START)[0]
    follower = Follower(stack, task, step)
    command = [MUSTER, "tasks", "log", str(task["id"]), str(step["id"]), "--follow", "--api", stack.ready["api"]]
    environment = {**os.environ, "MUSTER_PASSWORD": stack.ready["password"]}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as told:
        until(lambda: LINES[0] in follower.look().text, 60)
        assert follower.status == "RUNNING"
        until(lambda: LINES[2] in follower.look().text)
        assert follower.status == "RUNNING"
        assert LINES[-1] not in follower.text
        seen = follower.text
        [name] = {n.executor for n in stack.store.load(task["id"]).nodes if n.status == "RUNNING"}
        os.kill(int(name.partition("@")[0].rpartition("-")[2]), signal.SIGKILL)
        ended = stack.follow(task["id"])
        out, err = told.communicate(timeout=60)
    assert ended["status"] == "SUCCESSFUL", summary(ended)
    follower.look()
    whole = follower.whole()
    assert whole.startswith(seen), whole
    assert follower.text == whole == stack.log(task, step)
    assert (told.returncode, out, err) == (0, whole, "")
    first, mark, second = whole.partition(LOST_LINE)
    assert mark
    assert [first.count(f"{line}\n") for line in LINES[:3]] == [1, 1, 1]
    assert "attempt=1" in first
    assert "attempt=2" in second
    assert [second.count(f"{line}\n") for line in LINES] == [1] * 8
    assert second.rstrip().splitlines()[-1].startswith("exit code 0 after ")
    # Mostly nothing is new, which costs an answer without a body.
    assert follower.unchanged > 0
