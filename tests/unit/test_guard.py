"""The guard of the fleet's agents: a start that is asked for while the process before still ends is not forgotten."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.fleet.agent.common import Home
from deploy.fleet.agent.guard import Guard
from tests.wait import until

NAME = "ocp_monagent"


@pytest.fixture
def guard(tmp_path: Path) -> Iterator[Guard]:
    (tmp_path / "run").mkdir()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / NAME).symlink_to("/bin/sleep")
    found = Guard(Home(str(tmp_path)))
    yield found
    for pid in found.children:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def start(guard: Guard) -> int:
    program = guard.home.program(NAME)
    pid = os.posix_spawn(program, [program, "600"], os.environ)
    guard.children[pid] = (NAME, 0.0)
    return pid


def ask(guard: Guard) -> None:
    guard.home.write(f"run/{NAME}.request", "")
    guard._take_requests()


def test_a_process_that_has_ended_and_is_not_collected_yet_is_no_reason_not_to_start_another(guard: Guard) -> None:
    pid = start(guard)
    os.kill(pid, signal.SIGKILL)
    until(lambda: Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z")
    ask(guard)
    assert guard.due[NAME] == 0.0
    assert guard.children == {}


def test_a_process_that_is_ending_is_waited_for(guard: Guard, monkeypatch: pytest.MonkeyPatch) -> None:
    """Played: that it has begun to end."""
    pid = start(guard)
    monkeypatch.setattr("deploy.fleet.agent.guard.is_ending", lambda pid: True)
    ask(guard)
    assert guard.due == {}
    os.kill(pid, signal.SIGTERM)
    until(lambda: guard._reap() or not guard.children)
    assert guard.due[NAME] == 0.0


def test_a_process_that_runs_is_not_started_again_when_it_ends_later(guard: Guard) -> None:
    for _ in range(100):
        # At once: its arguments are not there yet now and then.
        start(guard)
        ask(guard)
        assert (guard.due, guard.wanted) == ({}, set())
