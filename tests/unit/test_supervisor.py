"""The supervisor with real processes: what it starts, starts again and stops, also when it is killed itself."""

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cli.error import CommandError
from cli.supervisor import ChildDied, Program, Supervisor, muster
from tests.wait import until

# Each tells by a line that it is set up, so that no signal comes before that.
OBEDIENT = "import time; print('up', flush=True); time.sleep(1000)"
STUBBORN = (
    "import signal, time\nfor n in (signal.SIGTERM, signal.SIGQUIT, signal.SIGINT): signal.signal(n, signal.SIG_IGN)\n"
) + OBEDIENT
QUITTER = (
    "import os, signal\n"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "signal.signal(signal.SIGQUIT, lambda *_: (print('told to quit', flush=True), os._exit(0)))\n"
) + OBEDIENT
PARENT = (
    "import subprocess, sys\n"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(1000)'])\n"
    "print('child', child.pid, flush=True)\n"
) + OBEDIENT
ENDS_TOLD = (
    "import os, signal, sys, time\n"
    "signal.signal(signal.SIGTERM, lambda *_: (print('ended', time.monotonic(), flush=True), os._exit(0)))\n"
) + OBEDIENT


def program(name: str, code: str, **more: Any) -> Program:
    return Program(name, [sys.executable, "-c", code], **more)


def is_running(pid: int) -> bool:
    """Tell whether the process lives; a zombie waits only for its parent to take note."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Watched(Supervisor):
    """A supervisor that knows its notes and can wait until a child is up."""

    def __init__(self, logs: Path) -> None:
        self.logs = logs
        self.notes: list[str] = []
        super().__init__(logs, self.notes.append)

    def is_up(self, name: str) -> bool:
        return "up" in self.tail(name)

    def run(self, *programs: Program) -> None:
        for one in programs:
            self.start(one)
        for one in programs:
            self.wait_for(one.name, partial(self.is_up, one.name), 60)


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Watched]:
    one = Watched(tmp_path)
    try:
        yield one
    finally:
        one.stop()


def test_everything_stops_in_time_whatever_it_ignores(supervisor: Watched) -> None:
    supervisor.run(
        program("obedient", OBEDIENT),
        program("stubborn", STUBBORN),
        program("worker", STUBBORN, insist=signal.SIGQUIT),
        program("store", STUBBORN, last=True),
    )
    pids = [supervisor.pid(name) for name in ("obedient", "stubborn", "worker", "store")]
    assert all(map(is_running, pids))
    began = time.monotonic()
    supervisor.stop()
    # Its own waits end after 4.3 s; what they do not end would sleep for ever.
    assert time.monotonic() - began < 30
    assert not any(map(is_running, pids))


def test_obedient_children_stop_at_once(supervisor: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    for grace in ("GRACE_SECONDS", "LAST_GRACE_SECONDS"):
        monkeypatch.setattr(f"cli.supervisor.{grace}", 60.0)
    supervisor.run(program("a", OBEDIENT), program("b", OBEDIENT, last=True))
    began = time.monotonic()
    supervisor.stop()
    # Nobody was waited for as long as for a stubborn one.
    assert time.monotonic() - began < 30


def test_a_worker_that_takes_too_long_is_told_to_quit(supervisor: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.supervisor.GRACE_SECONDS", 0.2)
    monkeypatch.setattr("cli.supervisor.INSIST_SECONDS", 60.0)
    supervisor.run(program("worker", QUITTER, insist=signal.SIGQUIT))
    supervisor.stop()
    assert "told to quit" in (supervisor.logs / "worker.log").read_text()


def test_what_others_need_ends_after_them(supervisor: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    for grace in ("GRACE_SECONDS", "LAST_GRACE_SECONDS"):
        monkeypatch.setattr(f"cli.supervisor.{grace}", 60.0)
    supervisor.run(program("store", ENDS_TOLD, last=True), program("user", ENDS_TOLD))
    supervisor.stop()
    ended = {
        name: float((supervisor.logs / f"{name}.log").read_text().split("ended ")[1]) for name in ("store", "user")
    }
    assert ended["user"] < ended["store"]


def test_what_a_child_has_started_ends_with_it(supervisor: Watched) -> None:
    supervisor.run(program("parent", PARENT))
    grandchild = int(supervisor.tail("parent").split("child ")[1].split()[0])
    assert is_running(grandchild)
    os.kill(supervisor.pid("parent"), signal.SIGKILL)
    until(lambda: (supervisor.tend(), supervisor.notes)[1])
    until(lambda: not is_running(grandchild))


def test_a_child_that_dies_is_started_again(supervisor: Watched) -> None:
    supervisor.run(program("api", OBEDIENT))
    killed = supervisor.pid("api")
    os.kill(killed, signal.SIGKILL)
    until(lambda: (supervisor.tend(), supervisor.pid("api") != killed)[1])
    until(lambda: supervisor.tail("api").count("up") == 2)
    assert is_running(supervisor.pid("api"))
    log = supervisor.logs / "api.log"
    assert supervisor.notes == [f"api ended (signal SIGKILL); starting it again. Its log: {log}"]


def test_a_child_that_always_dies_is_started_later_each_time(supervisor: Watched) -> None:
    began = time.monotonic()
    supervisor.start(program("api", "raise SystemExit(3)"))
    until(lambda: (supervisor.tend(), len(supervisor.notes) == 4)[1])
    # Delays of 0.2, 0.4 and 0.8 s lie between four deaths.
    assert time.monotonic() - began >= 1.4
    assert "exit code 3" in supervisor.notes[0]


def test_a_child_that_ends_at_start_is_named_with_the_end_of_its_log(supervisor: Watched) -> None:
    supervisor.start(program("good", OBEDIENT))
    supervisor.start(program("bad", "import sys; print('first'); sys.exit('the reason')"))
    with pytest.raises(ChildDied) as caught:
        supervisor.wait_for("good", lambda: False, 10)
    assert "bad ended at start (exit code 1)" in str(caught.value)
    assert "the reason" in str(caught.value)


def test_a_child_that_is_never_ready_is_named(supervisor: Watched) -> None:
    supervisor.run(program("slow", OBEDIENT))
    with pytest.raises(CommandError, match=r"(?s)slow was not ready within 0 s\..*up"):
        supervisor.wait_for("slow", lambda: False, 0.05)


def test_secrets_travel_in_the_environment(supervisor: Watched) -> None:
    code = "import os; print(os.environ['SECRET'], flush=True)\n" + OBEDIENT
    one = program("api", code, environment={"SECRET": "s3same"})
    supervisor.run(one)
    assert "s3same" in supervisor.tail("api")
    assert b"s3same" not in Path(f"/proc/{supervisor.pid('api')}/cmdline").read_bytes()
    assert "s3same" not in repr(one)


def test_a_log_begins_anew_with_each_start_and_is_private(supervisor: Watched) -> None:
    supervisor.run(program("api", OBEDIENT))
    supervisor.stop()
    supervisor.run(program("api", OBEDIENT))
    path = supervisor.logs / "api.log"
    assert path.read_text() == "up\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


KILLED = """
import sys, time
from pathlib import Path
from cli.supervisor import Program, Supervisor
supervisor = Supervisor(Path(sys.argv[1]), print)
for name in ("a", "b"):
    supervisor.start(Program(name, [sys.executable, "-c", sys.argv[2]], last=name == "b"))
    supervisor.wait_for(name, lambda: "up" in supervisor.tail(name), 60)
print([supervisor.pid(name) for name in ("a", "b")], flush=True)
time.sleep(1000)
"""


def test_children_end_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path), STUBBORN]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as killed:
        assert killed.stdout is not None
        pids = json.loads(killed.stdout.readline())
        assert all(map(is_running, pids))
        killed.kill()
    until(lambda: not any(map(is_running, pids)))


WAITING = """
import signal, time
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests may run under nohup
from cli.interrupt import StopAsked, raise_on_stop
raise_on_stop()
try:
    print("up", flush=True)
    time.sleep(1000)
except StopAsked as asked:
    signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGINT)
    print("put in order after", asked, flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_a_wait_once(number: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", WAITING], stdout=subprocess.PIPE, text=True) as waiting:
        assert waiting.stdout is not None
        assert waiting.stdout.readline() == "up\n"
        waiting.send_signal(number)
        assert waiting.stdout.read() == f"put in order after {number.name}\n"
    assert waiting.returncode == 0


def test_subcommands_run_from_this_muster_and_not_from_what_lies_around(tmp_path: Path) -> None:
    (tmp_path / "cli").mkdir()
    (tmp_path / "cli/main.py").write_text("raise SystemExit('the wrong one')")
    done = subprocess.run([*muster("worker"), "--help"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout


def test_who_is_to_step_back_has_less_weight_also_among_sessions(supervisor: Watched) -> None:
    weights = "open('/proc/self/autogroup').read().split()[-1]" if Path("/proc/self/autogroup").exists() else "'none'"
    tell = f"import os; print(os.nice(0), {weights}, flush=True)\n{OBEDIENT}"
    supervisor.run(program("first", tell), program("back", tell, niceness=10))
    first, back = (supervisor.tail(name).splitlines()[0] for name in ("first", "back"))
    assert (first, back) in [("0 0", "10 10"), ("0 none", "10 none")]
