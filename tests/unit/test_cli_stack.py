"""`muster up`: everything at once, kept over a restart, gone when it is told to stop."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path

import httpx

from deploy.fleet.leftovers import find_processes
from tests.stack import ANY_PORT
from tests.wait import until

CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("MUSTER_")} | ANY_PORT


def parents() -> dict[int, int]:
    """Each living process and its parent; zombies are none."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
            except (FileNotFoundError, ProcessLookupError):
                continue
            if state not in "ZX":
                found[int(entry.name)] = int(parent)
    return found


def descendants(pid: int) -> set[int]:
    known, found = parents(), {pid}
    while more := {child for child, parent in known.items() if parent in found} - found:
        found |= more
    return found


def command_line(pid: int) -> str:
    """The arguments of a process; '' for one that has ended meanwhile."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def environment(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/environ").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""


class Up:
    """A running `muster up`; afterwards `pids` are all processes that it had."""

    def __init__(self, data: Path, *arguments: str) -> None:
        self.data = data
        self.notes = data.parent / "notes"
        with self.notes.open("w") as notes:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "cli.main", "up", "--json", "--data", str(data), *arguments],
                cwd=data.parent,
                env=CLEAN,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=notes,
                text=True,
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.notes.read_text()
        self.ready = json.loads(line)
        self.auth = (self.ready["user"], self.ready["password"])

    def get(self, path: str) -> httpx.Response:
        return httpx.get(self.ready["api"] + path, auth=self.auth, trust_env=False, timeout=30)

    def is_ready(self) -> bool:
        try:
            return self.get("/readyz").status_code == 200
        except httpx.HTTPError:
            return False

    def hosts(self) -> dict[str, int]:
        contents = self.get("/api/v2/compute/hosts").json()["data"]["contents"]
        return {host["name"]: host["id"] for host in contents}

    def status(self, task: int) -> str:
        return str(self.get(f"/tasks/instances/{task}?fields=id,status").json()["data"]["status"])

    def restart(self, *hosts: int) -> int:
        """Restart these hosts' agents and return the task's id once it has ended."""
        url = f"{self.ready['api']}/compute/hosts/batchRestartAgents"
        answer = httpx.post(url, json={"hostIds": hosts}, auth=self.auth, trust_env=False, timeout=30)
        task = int(answer.json()["data"]["id"])
        until(lambda: self.status(task) != "RUNNING", 90)
        return task

    def pids(self) -> set[int]:
        return descendants(self.process.pid) | set(find_processes(self.data / "fleet"))

    def noted(self, pattern: str) -> bool:
        return re.search(pattern, self.notes.read_text(), re.MULTILINE) is not None

    def child(self, words: str) -> int:
        return min(pid for pid in descendants(self.process.pid) if words in command_line(pid))

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send the signal; returns the exit code."""
        assert self.process.stdout is not None
        self.process.send_signal(number)
        code = self.process.wait(30)
        self.process.stdout.close()
        return code


def test_up_serves_remembers_and_leaves_nothing(tmp_path: Path) -> None:
    data = tmp_path / "data"
    first = Up(data, "--hosts", "2", "--port", "0", "--flower-port", "0")
    try:
        hosts = first.hosts()
        task = first.restart(*hosts.values())
        ended = first.status(task)
        pids = first.pids()
        flower = first.ready["flower"]
        opened = [httpx.get(flower, auth=auth, trust_env=False).status_code for auth in (first.auth, None)]
        lines = "\n".join(command_line(pid) for pid in pids)
        key = json.loads((data / "state.json").read_text())["secret_key"]
        knowing = {command_line(pid).strip().split("bin/")[-1] for pid in pids if key in environment(pid)}
        second = subprocess.run(
            [sys.executable, "-P", "-m", "cli.main", "up", "--data", str(data)],
            env=CLEAN,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        code = first.end()
    assert list(hosts) == ["host-001", "host-002"]
    assert ended == "SUCCESSFUL"
    assert opened == [200, 401]
    assert "bin/muster scheduler" in lines
    assert lines.count("bin/muster worker") == 2
    secret = first.ready["redis"].split(":")[2].split("@")[0]
    assert secret not in lines
    assert first.ready["password"] not in lines
    assert key not in lines
    assert knowing == {"muster api"}
    assert (second.returncode, f"process {first.process.pid}" in second.stderr) == (1, True)
    assert code == 0
    assert pids & set(parents()) == set()
    assert [data.stat().st_mode & 0o777, (data / "state.json").stat().st_mode & 0o777] == [0o700, 0o600]

    again = Up(data)
    try:
        assert again.ready == first.ready
        assert again.hosts() == hosts
        assert again.status(task) == "SUCCESSFUL"
        # Its agents have been started anew with it, and are no worse for that.
        assert again.status(again.restart(hosts["host-001"])) == "SUCCESSFUL"
    finally:
        again.end(signal.SIGINT)


def test_what_dies_is_started_again_and_a_kill_leaves_nothing(tmp_path: Path) -> None:
    up = Up(tmp_path / "data", "--hosts", "1", "--port", "0", "--flower-port", "0")
    try:
        hosts = up.hosts()
        for words in ("valkey-server", "bin/muster api", "bin/muster scheduler", "bin/muster worker"):
            killed = up.child(words)
            name = words.split()[-1].removesuffix("-server")
            os.kill(killed, signal.SIGKILL)
            until(partial(up.noted, rf"^{name}\S* ended \(signal SIGKILL\)"))
        until(lambda: up.notes.read_text().count("starting it again") >= 4)
        until(up.is_ready)
        assert up.hosts() == hosts
        pids = up.pids()
    finally:
        code = up.end(signal.SIGKILL)
    assert code == -signal.SIGKILL
    until(lambda: not pids & set(parents()))


def test_a_program_that_does_not_start_is_named_and_nothing_is_left(tmp_path: Path) -> None:
    data = tmp_path / "data"
    done = subprocess.run(
        [sys.executable, "-P", "-m", "cli.main", "up", "--port", "0", "--flower-port", "0", "--data", str(data)],
        cwd=tmp_path,
        env={**CLEAN, "MUSTER_SSH_KEY_FILE": "missing_key"},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 1
    assert "worker-" in done.stderr
    assert "missing_key" in done.stderr
    assert "Traceback" not in done.stderr
    assert [pid for pid in parents() if str(data) in command_line(pid)] == []
    # The lock is free again, and so is the port of its server.
    port = json.loads((data / "state.json").read_text())["redis_port"]
    with socket.create_server(("127.0.0.1", port)):
        pass
