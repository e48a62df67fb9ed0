"""Hosts of OpenSSH's own server: sshd on many loopback addresses, each with an agent of its own."""

import getpass
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from deploy.fleet.fleet import load_or_create_key
from deploy.fleet.install import install_agent, install_program
from deploy.fleet.leftovers import find_processes

ROOT = Path(__file__).resolve().parents[1]
UNPACKED = ROOT / ".cache/packages"
# The work to get a key from a passphrase: asyncssh takes 128 by itself, a second of a processor, and warns below 50.
FEW_ROUNDS = 50
DAEMONS = ("ocp_agentd", "ocp_mgragent", "ocp_monagent", "pos_proxy")
CONFIG = """\
{listen}
Port {port}
HostKey {root}/host_key
PidFile none
AuthorizedKeysFile {root}/authorized_keys
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
PermitRootLogin prohibit-password
MaxStartups 200
MaxSessions 50
LoginGraceTime 20
SetEnv HOME={home} PATH={home}/bin:/usr/local/bin:/usr/bin:/bin
"""


def find_sshd() -> str:
    """The path of sshd; a machine without one fails the tests, it does not skip them."""
    path = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:{UNPACKED}/usr/sbin")
    assert path, "there is no sshd: run `make test`, or sh deploy/install-packages.sh sshd"
    return path


class OpenSshHosts:
    """`count` loopback addresses of this machine; host n has its agent in `agent_home(n)` (n from 1).

    sshd listens at one address more, number `count + 1`, whose key is not in the known hosts.
    """

    # OpenSSH's MAX_LISTEN_SOCKS is 16.
    addresses_a_server = 10
    strangers = 1

    def __init__(self, root: Path, count: int, *, network: int = 78) -> None:
        self.root, self.count, self._network = root, count, network
        self.user = getpass.getuser()
        self.key_path = root / "id_ed25519"
        self.known_hosts_path = root / "known_hosts"
        self.port = 0
        self._servers: list[subprocess.Popen[bytes]] = []
        self.proxy_port = 0

    def address(self, number: int) -> str:
        return f"127.{self._network}.0.{number}"

    def inside(self, number: int) -> list[str]:
        """What to put before a command so that it runs on this host."""
        return []

    def choose_ports(self) -> tuple[int, int]:
        """Two ports that are free at each address: sshd's and the proxies'."""
        with socket.create_server((self.address(1), 0)) as free, socket.create_server((self.address(1), 0)) as other:
            return free.getsockname()[1], other.getsockname()[1]

    def agent_home(self, number: int) -> Path:
        return self.root / f"host-{number:03d}" / "ocp_agent"

    def login_home(self, number: int) -> Path:
        """The directory in which a login at this address begins."""
        return self.root / "home"

    def install(self, number: int) -> None:
        """Install the agent of a host."""
        install_agent(self.agent_home(number), address=self.address(number), proxy_port=self.proxy_port)

    @contextmanager
    def started(self) -> Iterator[Self]:
        """Run all of it inside the block; nothing of it is left after, also where it does not start."""
        try:
            self.start()
            yield self
        finally:
            self.stop()

    def start(self) -> None:
        """Start sshd and all agents; returns when each address answers."""
        (self.root / "home").mkdir(parents=True)
        self.port, self.proxy_port = self.choose_ports()
        public = load_or_create_key(self.key_path).export_public_key().decode()
        host_key = load_or_create_key(self.root / "host_key")
        (self.root / "authorized_keys").write_text(public)
        words = host_key.export_public_key().decode().split()[:2]
        lines = [f"[{self.address(n)}]:{self.port} {' '.join(words)}\n" for n in range(1, self.count + 1)]
        self.known_hosts_path.write_text("".join(lines))
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)  # sshd insists on it, as root
        for number in range(1, self.count + 1):
            self.install(number)
        self.start_server()
        starts = [self.control_start(number) for number in range(1, self.count + 1)]
        for start in starts:
            out, err = start.communicate(timeout=60)
            assert start.returncode == 0, out + err

    def start_server(self) -> None:
        """Start sshd and wait until each address greets."""
        environment = {**os.environ, "LD_LIBRARY_PATH": str(next(UNPACKED.glob("usr/lib/*-linux-gnu"), ""))}
        numbers = range(1, self.count + self.strangers + 1)
        for first in numbers[:: self.addresses_a_server]:
            served = numbers[first - 1 : first - 1 + self.addresses_a_server]
            listen = "\n".join(f"ListenAddress {self.address(number)}" for number in served)
            config = self.root / f"sshd_config_{first}"
            home = self.login_home(first)
            config.write_text(CONFIG.format(listen=listen, port=self.port, root=self.root, home=home))
            with (self.root / "sshd.log").open("ab") as log:
                command = [*self.inside(first), find_sshd(), "-D", "-e", "-f", str(config)]
                self._servers.append(subprocess.Popen(command, stderr=log, env=environment))
        deadline = time.monotonic() + 30
        while not all(self.greets(number) for number in numbers):
            assert all(s.poll() is None for s in self._servers), (self.root / "sshd.log").read_text()
            assert time.monotonic() < deadline, "sshd does not answer"
            time.sleep(0.02)

    def greets(self, number: int) -> bool:
        """Tell whether sshd answers at this address."""
        try:
            with socket.create_connection((self.address(number), self.port), timeout=2) as connection:
                return connection.recv(4) == b"SSH-"
        except OSError:
            return False

    def control_start(self, number: int) -> "subprocess.Popen[str]":
        return self.control(number, "start")

    def control(self, number: int, command: str) -> "subprocess.Popen[str]":
        program = str(self.agent_home(number) / "bin/ocp_agentctl")
        environment = {**os.environ, "HOME": str(self.root / f"host-{number:03d}")}
        pipe = subprocess.PIPE
        arguments = [*self.inside(number), program, command]
        return subprocess.Popen(arguments, stdout=pipe, stderr=pipe, text=True, env=environment)

    def inventory(self) -> list[dict[str, object]]:
        """What to enrol, as the demo fleet's inventory."""
        return [
            {
                "name": f"sshd-{number:03d}",
                "address": self.address(number),
                "ssh_port": self.port,
                "user": self.user,
                "profile": "ocp_agentctl",
                "variables": {"home": str(self.agent_home(number)), "proxy_port": str(self.proxy_port)},
            }
            for number in range(1, self.count + 1)
        ]

    def write_inventory(self) -> Path:
        path = self.root / "inventory.json"
        path.write_text(json.dumps(self.inventory()))
        return path

    def pids(self, number: int) -> dict[str, list[int]]:
        """The pids of a host's agent by the program's name."""
        found: dict[str, list[int]] = {}
        home = str(self.agent_home(number))
        for pid, arguments in find_processes(self.root, f"host-{number:03d}").items():
            for word in arguments.split():
                if word.startswith(f"{home}/bin/"):
                    found.setdefault(word.rpartition("/")[2], []).append(pid)
        return found

    def set_fault(self, number: int, fault: str, content: str = "") -> None:
        (self.agent_home(number) / "conf/faults" / fault).write_text(content)

    def remove_proxy(self, number: int) -> None:
        """Make the agent one of the releases that have no proxy."""
        for pid in self.pids(number).get("pos_proxy", []):
            os.kill(pid, 15)
        (self.agent_home(number) / "bin/pos_proxy").unlink()
        self.set_fault(number, "no-proxy")

    def clear_faults(self, number: int) -> None:
        for file in (self.agent_home(number) / "conf/faults").iterdir():
            file.unlink()
        install_program(self.agent_home(number), "pos_proxy")

    def mend(self, first: int = 1) -> None:
        """Take the faults from all agents from this number on, and start those that do not run as they should."""
        numbers = range(first, self.count + 1)
        hurt = [number for number in numbers if any((self.agent_home(number) / "conf/faults").iterdir())]
        for number in numbers:
            self.clear_faults(number)
            pids = self.pids(number)
            if number not in hurt and any(len(pids.get(name, [])) != 1 for name in DAEMONS):
                hurt.append(number)
        for start in [self.control_start(number) for number in hurt]:
            out, err = start.communicate(timeout=60)
            assert start.returncode == 0, out + err

    def stop_server(self) -> None:
        """End sshd and the sessions that it has open."""
        for server in self._servers:
            subprocess.run(["pkill", "-TERM", "-P", str(server.pid)], check=False)
            server.terminate()
        for server in self._servers:
            server.wait(timeout=10)
        self._servers.clear()

    def stop(self) -> None:
        """End sshd and every agent."""
        self.stop_server()
        for _ in range(100):
            living = [pid for n in range(1, self.count + 1) for pids in self.pids(n).values() for pid in pids]
            if not living:
                return
            for pid in living:
                try:
                    os.kill(pid, 9)
                except ProcessLookupError:
                    continue
            time.sleep(0.02)
        raise TimeoutError("agents that do not end")
