"""The demo fleet: real SSH servers and real processes, seen from outside."""

import asyncio
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import asyncssh
import pytest

from deploy.fleet.fleet import Fleet, address_of
from deploy.fleet.leftovers import find_processes
from tests.wait import until

T = TypeVar("T")
ROOT = Path(__file__).resolve().parents[2]
FIRST = "host-001"
# The numbers of pause(2) on x86-64 and of ppoll(2), which takes its place on aarch64.
PAUSES = ("34", "73")
PROGRAMS = ("ocp_agentd", "ocp_mgragent", "ocp_monagent", "pos_proxy")


class Runner:
    """A fleet on an event loop of its own thread, so that plain tests can use it."""

    def __init__(self, root: Path, count: int) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        self.fleet = Fleet(root, count, proxy_port=0)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    def close(self) -> None:
        try:
            self.run(self.fleet.stop())
        finally:
            self.loop.call_soon_threadsafe(self.loop.stop)
            self.thread.join()
            self.loop.close()

    def control(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        """Exit code and answer of the first host's control program; the other stream must be empty."""
        code, stdout, stderr = self.run(self.fleet.control(FIRST, *arguments))
        assert (stderr if code == 0 else stdout) == ""
        return code, json.loads(stdout if code == 0 else stderr)

    def status(self) -> dict[str, Any]:
        code, answer = self.control("status")
        assert code == 0
        return dict(answer["message"])

    def pids(self, program: str) -> set[int]:
        suffix = f"/bin/{program}"
        return {pid for pid, text in self.fleet.processes(FIRST).items() if text.endswith(suffix)}

    def counts(self) -> list[int]:
        return [len(self.pids(program)) for program in PROGRAMS]

    def execute(self, command: str, stdin: bytes = b"") -> asyncssh.SSHCompletedProcess:
        """Run a command over SSH; its standard input ends after `stdin`."""
        source = {"input": stdin} if stdin else {"stdin": asyncssh.DEVNULL}

        async def work() -> asyncssh.SSHCompletedProcess:
            async with self.fleet.connect(FIRST) as connection:
                return await connection.run(command, encoding=None, **source)

        return self.run(work())


@pytest.fixture(scope="module")
def module_runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    runner = Runner(tmp_path_factory.mktemp("fleet"), 2)
    try:
        runner.run(runner.fleet.start())
        yield runner
    finally:
        runner.close()
    assert find_processes(runner.fleet.root) == {}


@pytest.fixture
def runner(module_runner: Runner) -> Runner:
    """The fleet with the first host's agent healthy, whatever the test before has done to it."""
    module_runner.fleet.clear_faults(FIRST)
    for pid in module_runner.fleet.processes(FIRST):
        os.kill(pid, signal.SIGKILL)
    until(lambda: not module_runner.fleet.processes(FIRST))
    assert module_runner.control("restart") == (0, OK)
    assert module_runner.counts() == [1, 1, 1, 1]
    return module_runner


OK = {"successful": True, "message": "ok", "error": ""}


def test_status_describes_a_running_agent(runner: Runner) -> None:
    status = runner.status()
    assert status["state"] == "running"
    assert status["ready"] is True
    assert status["version"] == "4.3.1"
    assert {status["pid"]} == runner.pids("ocp_agentd")
    assert status["dangling"] == []
    assert set(status["services"]) == {"ocp_mgragent", "ocp_monagent", "pos_proxy"}
    for name, service in status["services"].items():
        assert service["state"] == "running"
        assert {service["pid"]} == runner.pids(name)
        assert abs(service["startAt"] / 1000 - time.time()) < 60


def test_start_and_stop_can_be_repeated(runner: Runner) -> None:
    guard = runner.pids("ocp_agentd")
    assert runner.control("start") == (0, OK)
    assert runner.pids("ocp_agentd") == guard
    for _ in range(2):
        assert runner.control("stop") == (0, OK)
        assert runner.counts() == [0, 0, 0, 1]
    home = runner.fleet.hosts[FIRST].agent_home
    assert sorted(path.name for path in (home / "run").iterdir()) == ["pos_proxy.pid"]
    code, answer = runner.control("status")
    assert (code, answer) == (255, {"successful": False, "message": None, "error": "read_pid_failed"})
    assert runner.control("start") == (0, OK)
    assert runner.counts() == [1, 1, 1, 1]


def test_restart_replaces_guard_and_services_but_not_the_proxy(runner: Runner) -> None:
    before = {program: runner.pids(program) for program in PROGRAMS}
    assert runner.control("restart") == (0, OK)
    after = {program: runner.pids(program) for program in PROGRAMS}
    assert [before[name] == after[name] for name in PROGRAMS] == [False, False, False, True]


@pytest.mark.parametrize("name", ["ocp_monagent", "pos_proxy"])
def test_one_service_can_be_stopped_and_started(runner: Runner, name: str) -> None:
    for _ in range(2):
        assert runner.control("service", "stop", name) == (0, OK)
        assert runner.pids(name) == set()
    assert runner.status()["services"][name]["state"] == "stopped"
    for _ in range(2):
        assert runner.control("service", "start", name) == (0, OK)
    assert runner.counts() == [1, 1, 1, 1]


@pytest.mark.parametrize("arguments", [[], ["explode"], ["service", "start"], ["service", "stop", "sshd"]])
def test_a_wrong_command_fails(runner: Runner, arguments: list[str]) -> None:
    code, answer = runner.control(*arguments)
    assert code == 255
    assert answer["error"]


def test_the_guard_restarts_a_killed_child(runner: Runner) -> None:
    (killed,) = runner.pids("ocp_mgragent")
    os.kill(killed, signal.SIGKILL)
    new = until(lambda: runner.pids("ocp_mgragent") - {killed})
    until(lambda: runner.status()["services"]["ocp_mgragent"]["pid"] in new)
    assert runner.counts() == [1, 1, 1, 1]


def test_two_starts_at_once_make_one_agent(runner: Runner) -> None:
    runner.control("stop")

    async def twice() -> list[tuple[int, str, str]]:
        return await asyncio.gather(*(runner.fleet.control(FIRST, "start") for _ in range(4)))

    assert [code for code, _, _ in runner.run(twice())] == [0] * 4
    assert runner.counts() == [1, 1, 1, 1]
    assert not (runner.fleet.hosts[FIRST].agent_home / "run/admin.lock").exists()


def test_the_proxy_answers_on_the_address_of_its_host(runner: Runner) -> None:
    home = runner.fleet.hosts[FIRST].agent_home
    address, port = (home / "conf/pos_proxy.conf").read_text().split()
    assert address == "127.77.0.1"
    with socket.create_connection((address, int(port)), timeout=5) as connection:
        assert connection.makefile().readline() == "pos_proxy 4.3.1\n"


def test_refuse_start(runner: Runner) -> None:
    runner.control("stop")
    runner.run(runner.fleet.set_fault(FIRST, "refuse-start"))
    code, answer = runner.control("start")
    assert code == 255
    assert "refused" in answer["error"]
    assert runner.counts() == [0, 0, 0, 1]


@pytest.mark.parametrize("content", ["", "term"])
def test_residual(runner: Runner, content: str) -> None:
    runner.control("stop")
    runner.run(runner.fleet.set_fault(FIRST, "residual", content))
    assert runner.control("start") == (0, OK)
    assert runner.counts() == [1, 2, 1, 1]
    (dangling,) = runner.status()["dangling"]
    assert dangling["name"] == "ocp_mgragent"
    assert runner.control("stop") == (0, OK)
    assert runner.pids("ocp_mgragent") == {dangling["pid"]}
    os.kill(dangling["pid"], signal.SIGTERM)
    if content == "term":
        # It ignores the signal for good: the kernel says so.
        ignored = Path(f"/proc/{dangling['pid']}/status").read_text().partition("SigIgn:")[2].split()[0]
        assert int(ignored, 16) & 1 << (signal.SIGTERM - 1)
        os.kill(dangling["pid"], signal.SIGKILL)
    until(lambda: not runner.pids("ocp_mgragent"))


def test_hang_stop(runner: Runner) -> None:
    runner.run(runner.fleet.set_fault(FIRST, "hang-stop"))
    control = str(runner.fleet.hosts[FIRST].agent_home / "bin/ocp_agentctl")
    with subprocess.Popen([control, "stop"]) as process:
        # Asleep in the kernel's pause(), from which only a signal wakes it.
        until(lambda: Path(f"/proc/{process.pid}/syscall").read_text().split()[0] in PAUSES)
        assert process.poll() is None
        assert runner.counts() == [1, 1, 1, 1]
        process.terminate()


def test_slow_start(runner: Runner) -> None:
    runner.control("stop")
    runner.run(runner.fleet.set_fault(FIRST, "slow-start", "0.5"))
    began = time.monotonic()
    assert runner.control("start") == (0, OK)
    assert time.monotonic() - began > 0.5
    assert runner.counts() == [1, 1, 1, 1]


def test_no_proxy(runner: Runner) -> None:
    runner.run(runner.fleet.set_fault(FIRST, "no-proxy"))
    assert runner.control("restart") == (0, OK)
    assert runner.counts() == [1, 1, 1, 0]
    assert "pos_proxy" not in runner.status()["services"]
    assert runner.control("service", "start", "pos_proxy")[0] == 255
    assert not (runner.fleet.hosts[FIRST].agent_home / "bin/pos_proxy").exists()


def test_an_unknown_fault_is_refused(runner: Runner) -> None:
    with pytest.raises(ValueError, match="no such fault"):
        runner.run(runner.fleet.set_fault(FIRST, "explode"))


def test_a_command_has_streams_exit_code_and_home(runner: Runner) -> None:
    result = runner.execute('pwd; echo "$HOME" "$USER"; echo wrong >&2; exit 7')
    directory = runner.fleet.hosts[FIRST].directory
    assert result.stdout == f"{directory}\n{directory} admin\n".encode()
    assert result.stderr == b"wrong\n"
    assert result.exit_status == 7


def test_stdin_reaches_the_command_and_ends(runner: Runner) -> None:
    text = bytes(range(256)) * 8192
    assert runner.execute("cat", text).stdout == text
    assert runner.execute("cat; echo end").stdout == b"end\n"


def test_a_signal_is_reported(runner: Runner) -> None:
    assert (runner.execute("kill -9 $$").exit_signal or ("",))[0] == "KILL"


def test_a_start_over_ssh_does_not_hold_the_session(runner: Runner) -> None:
    result = runner.execute("ocp_agent/bin/ocp_agentctl restart")
    assert (result.exit_status, json.loads(result.stdout or "")) == (0, OK)
    assert runner.counts() == [1, 1, 1, 1]


def test_a_command_outlives_its_client(runner: Runner) -> None:
    marker = runner.fleet.hosts[FIRST].directory / "outlived"

    async def hang_up() -> None:
        async with runner.fleet.connect(FIRST) as connection:
            process = await connection.create_process(f"echo up; cat; echo done > {marker}", encoding=None)
            assert await process.stdout.readline() == b"up\n"

    runner.run(hang_up())
    until(marker.exists)


def test_many_sessions_at_once(runner: Runner) -> None:
    async def session(number: int) -> bool:
        async with runner.fleet.connect("host-002") as connection:
            results = await asyncio.gather(*(connection.run(f"cat; exit {i}", input="x") for i in range(4)))
        return [(r.exit_status, r.stdout) for r in results] == [(i, "x") for i in range(4)]

    async def all_sessions() -> list[bool]:
        return await asyncio.gather(*map(session, range(20)))

    assert runner.run(all_sessions()) == [True] * 20


def connect(runner: Runner, **changes: Any) -> None:
    async def work() -> None:
        options = {
            "username": "admin",
            "client_keys": [str(runner.fleet.key_path)],
            "known_hosts": str(runner.fleet.known_hosts_path),
            "agent_path": None,
            "config": None,
            **changes,
        }
        async with asyncssh.connect("127.77.0.1", runner.fleet.port, **options):
            pass

    runner.run(work())


def test_only_the_right_key_and_user_may_log_in(runner: Runner) -> None:
    connect(runner)
    with pytest.raises(asyncssh.PermissionDenied):
        connect(runner, client_keys=[asyncssh.generate_private_key("ssh-ed25519")])
    with pytest.raises(asyncssh.PermissionDenied):
        connect(runner, username="root")
    with pytest.raises(asyncssh.PermissionDenied):
        connect(runner, client_keys=None, password="admin", preferred_auth="password")


def test_each_host_has_a_key_of_its_own(runner: Runner) -> None:
    lines = runner.fleet.known_hosts_path.read_text().splitlines()
    assert [line.split()[0] for line in lines] == [f"[127.77.0.{n}]:{runner.fleet.port}" for n in (1, 2)]
    swapped = f"[127.77.0.1]:{runner.fleet.port} {lines[1].partition(' ')[2]}\n".encode()
    with pytest.raises(asyncssh.HostKeyNotVerifiable):
        connect(runner, known_hosts=swapped)


def test_inventory(runner: Runner) -> None:
    entries = json.loads(runner.fleet.inventory_path.read_text())
    assert entries == runner.fleet.inventory()
    assert entries[1] == {
        "name": "host-002",
        "address": "127.77.0.2",
        "ssh_port": runner.fleet.port,
        "user": "admin",
        "profile": "ocp_agentctl",
        "variables": {
            "home": str(runner.fleet.root / "host-002/ocp_agent"),
            "proxy_port": str(runner.fleet.proxy_port),
        },
    }
    assert stat.S_IMODE(runner.fleet.key_path.stat().st_mode) == 0o600


def test_addresses() -> None:
    assert [address_of(n) for n in (1, 250, 251)] == ["127.77.0.1", "127.77.0.250", "127.77.1.1"]
    assert len({address_of(n) for n in range(1, 2001)}) == 2000


def fleet_command(root: Path, *options: str) -> list[str]:
    program = [sys.executable, "-m", "deploy.fleet", "--proxy-port", "0"]
    return [*program, "--root", str(root), "--hosts", "2", *options]


def test_the_command_keeps_keys_and_leaves_no_process(tmp_path: Path) -> None:
    known = []
    for _ in range(2):
        command = fleet_command(tmp_path)
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            assert ready["hosts"] == 2
            known.append(Path(ready["known_hosts"]).read_text().replace(str(ready["port"]), "PORT"))
            assert len(find_processes(tmp_path)) == 8
            # A residual process that ignores SIGTERM must not survive either.
            home = tmp_path / "host-001/ocp_agent"
            (home / "conf/faults/residual").write_text("term")
            subprocess.run([home / "bin/ocp_agentctl", "restart"], check=True, stdout=subprocess.DEVNULL)
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
        assert find_processes(tmp_path) == {}
    assert known[0] == known[1]


def test_the_command_ends_with_its_parent(tmp_path: Path) -> None:
    command = fleet_command(tmp_path, "--with-parent")
    waiting = ["/bin/sh", "-c", '"$@"; true', "sh", *command]
    with subprocess.Popen(waiting, cwd=ROOT, stdout=subprocess.PIPE) as shell:
        assert shell.stdout is not None
        assert json.loads(shell.stdout.readline())["hosts"] == 2
        shell.kill()
        # The pipe ends when the last process that holds it has ended: the fleet itself.
        assert shell.stdout.read() == b""
    assert find_processes(tmp_path) == {}
