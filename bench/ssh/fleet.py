"""The hosts of the benchmark: an OpenSSH server each, on a loopback address of its own, with a light agent.

Each is a PID namespace, as a container is: a look at a host's processes sees those of that host and no others.
"""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from bench.ssh.peer.target import Target
from deploy.fleet.install import PROGRAMS
from tests.openssh import OpenSshHosts

CONTROL = "ocp_agentctl"
DAEMONS = tuple(name for name in PROGRAMS if name != CONTROL)
TICKS = os.sysconf("SC_CLK_TCK")


class LightFleet(OpenSshHosts):
    """An sshd a host, as in a real fleet: none of them limits how many logins the others take (MaxStartups)."""

    addresses_a_server = 1
    strangers = 0

    def inside(self, number: int) -> list[str]:
        """Return what makes the host, before its sshd, and what enters it, after."""
        if number > len(self._servers):
            return ["unshare", "--fork", "--pid", "--mount-proc", "--kill-child"]
        return ["nsenter", "--target", str(self._sshd(number)), "--pid", "--mount"]

    def _sshd(self, number: int) -> int:
        return _children(self._servers[number - 1].pid)[0]

    def login_home(self, number: int) -> Path:
        """Return the host's own home directory: the same command then works on each host."""
        return self.agent_home(number).parent

    def choose_ports(self) -> tuple[int, int]:
        """Return sshd's port, and 0 for the proxies, which listen nowhere."""
        return super().choose_ports()[0], 0

    def install(self, number: int) -> None:
        """Install the light agent: its programs are `sleep` by other names."""
        home = self.agent_home(number)
        for folder in ("bin", "run"):
            (home / folder).mkdir(parents=True)
        for name in DAEMONS:
            (home / "bin" / name).symlink_to("/bin/sleep")
        shutil.copy(Path(__file__).with_name("agentctl.sh"), home / "bin" / CONTROL)
        (home / "bin" / CONTROL).chmod(0o755)

    def control_start(self, number: int) -> "subprocess.Popen[str]":
        """Start all that the host's agent has, the proxy as well."""
        self.control(number, "service start pos_proxy").communicate(timeout=30)
        return self.control(number, "start")

    def control(self, number: int, command: str) -> "subprocess.Popen[str]":
        """Start the control program on the host itself, without SSH."""
        words = [*self.inside(number), str(self.agent_home(number) / "bin" / CONTROL), *command.split()]
        return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def running(self) -> dict[str, list[int]]:
        """Return the pids, as seen from outside, of all processes of the agents by their programs' paths."""
        found: dict[str, list[int]] = {}
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            program, _, arguments = _read(path).partition("\0")
            if program.startswith(f"{self.root}/host-") and arguments == "infinity\0":
                found.setdefault(program, []).append(int(path.parent.name))
        return found

    def drop_connections(self) -> None:
        """End all sessions, so that the next tool has to connect; returns when they are gone."""
        deadline = time.monotonic() + 10
        while sessions := [pid for pid in self._below_servers() if _read(Path(f"/proc/{pid}/cmdline"))[:5] == "sshd:"]:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(sessions)} sessions of sshd do not end.")
            for pid in sessions:
                _end(pid)
            # They are the children of sshd, which alone is told of their end.
            time.sleep(0.05)

    def _below_servers(self) -> list[int]:
        return [pid for number in range(1, self.count + 1) for pid in _children(self._sshd(number))]

    def cpu_seconds(self) -> float:
        """Return the CPU time of all SSH servers, and of all that has ended on the hosts, but for the agents."""
        return sum(_cpu(self._sshd(number)) for number in range(1, self.count + 1))

    def target(self, settle_seconds: int) -> Target:
        """Return what a peer needs to know."""
        addresses = [self.address(number) for number in range(1, self.count + 1)]
        key, known = str(self.key_path), str(self.known_hosts_path)
        return Target(addresses, self.port, self.user, key, known, settle_seconds)


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _end(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        return


def _cpu(pid: int) -> float:
    # utime, stime and the same of the children that were waited for (proc(5)).
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / TICKS
