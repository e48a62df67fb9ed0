"""How the demonstration judges what it saw, and the demonstration itself."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cli.demo import PROGRAMS, Patience, is_renewed
from cli.error import CommandError
from cli.snapshot import Snapshot, Stage
from tests.stack import ANY_PORT

OLD = {name: (number,) for number, name in enumerate(PROGRAMS, 1)}
NEW = {name: (number,) for number, name in enumerate(PROGRAMS, 11)}


@pytest.mark.parametrize(
    ("after", "renewed"),
    [
        (NEW, True),
        (OLD, False),
        ({}, False),
        ({**NEW, "pos_proxy": OLD["pos_proxy"]}, False),
        ({**NEW, "pos_proxy": (14, 15)}, False),
        ({**NEW, "pos_proxy": ()}, False),
        # A process id of another program of the old agent is no new process either.
        ({**NEW, "pos_proxy": (1,)}, False),
    ],
)
def test_a_host_is_renewed_when_each_program_is_one_new_process(after: dict[str, Any], renewed: bool) -> None:
    assert is_renewed(OLD, after) is renewed


def at(done: int) -> Snapshot:
    stage = Stage("Prepare", 2, done, 1, 0)
    return Snapshot(7, "Restart", "RUNNING", "EXECUTE", "2026-11-25T03:55:56.473+00:00", None, 2, None, (stage,), ())


def test_a_task_that_stands_still_is_not_waited_for_for_ever() -> None:
    # The times of the making, of two looks at one state, and of three at the next.
    times = iter([0.0, 0.0, 60.0, 61.0, 121.0, 121.1])
    patience = Patience(60, lambda: next(times))
    patience.heed(at(0))
    patience.heed(at(0))
    patience.heed(at(1))
    patience.heed(at(1))
    with pytest.raises(CommandError, match="Task 7 has not moved for 60 s; it is RUNNING"):
        patience.heed(at(1))


def test_the_whole_demonstration(tmp_path: Path) -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MUSTER_")}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "cli.main", "demo", "--hosts", "2", "--json"],
        cwd=tmp_path,
        env={**clean, **ANY_PORT, "TMPDIR": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    seconds = told.pop("seconds")
    assert told == {"hosts": 2, "restarted": 2, "subtasks": 14, "status": "SUCCESSFUL"}
    assert 0 < seconds < 60
    assert "curl -u admin:" in done.stderr
    assert "Stop all OCP agent processes: 2/2" in done.stderr
    assert list(tmp_path.iterdir()) == []
    running = subprocess.run(["ps", "-ewwo", "args="], capture_output=True, text=True, check=True).stdout
    assert [arguments for arguments in running.splitlines() if str(tmp_path) in arguments] == []
