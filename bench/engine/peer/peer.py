"""What a peer is to the benchmark, and how one is measured: its own workers, on a Valkey server set up as Muster's."""

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench.report import tell
from cli.embedded import HOST, EmbeddedServer
from cli.error import CommandError
from cli.interrupt import raise_on_stop
from cli.port import free_port
from cli.supervisor import Program, Supervisor

ROOT = Path(__file__).parents[3]
BIN = Path(sys.executable).parent
START_SECONDS = 60.0
# Named so that a peer's worker, a process of its own, knows where its server is.
URL_VARIABLE = "MUSTER_BENCH_PEER_URL"
STAGES = 5


@dataclass(frozen=True)
class Figures:
    """What one run of a peer took; CPU is that of its workers, its server and its caller."""

    nodes: int
    seconds: float
    cpu_seconds: float

    @property
    def nodes_per_s(self) -> float:
        """Nodes from the submission to the end of the last."""
        return self.nodes / self.seconds

    @property
    def cpu_ms_per_node(self) -> float:
        """CPU time of all processes together."""
        return 1000 * self.cpu_seconds / self.nodes


class Peer(Protocol):
    """One way to run the same no-op steps; its server is the one of `peer_url`."""

    def commands(self, url: str) -> Sequence[Sequence[str]]:
        """Return the command lines of its workers; `url` is the server's, without a database."""

    def is_ready(self) -> bool:
        """Tell whether its workers take tasks."""

    def run(self, hosts: int) -> int:
        """Run the steps for so many hosts to their end, and return how many nodes that were."""


def peer_url() -> str:
    """Return the URL of the peer's server without a database."""
    return os.environ.get(URL_VARIABLE, "redis://127.0.0.1:6379")


def measure(name: str, peer: Peer, hosts: int) -> Figures:
    """Start a server and a peer's workers, let a caller (`call.py`) run it, and stop all of it.

    Raises:
        CommandError: a process did not start; the text holds the end of its log.
    """
    raise_on_stop()
    data = Path(tempfile.mkdtemp(prefix="muster-bench-peer-"))
    (data / "log").mkdir()
    server = EmbeddedServer(data / "valkey", free_port(HOST), secrets.token_hex(24))
    url = server.url.rpartition("/")[0]
    commands, environment = peer.commands(url), {URL_VARIABLE: url, "PYTHONPATH": str(ROOT)}
    supervisor = Supervisor(data / "log", tell)
    try:
        supervisor.start(server.program())
        supervisor.wait_for("valkey", server.answers, START_SECONDS)
        names = ["valkey", *(f"{name}-{number}" for number, _command in enumerate(commands, 1))]
        for worker, command in zip(names[1:], commands, strict=True):
            supervisor.start(Program(worker, command, environment))
        return _call(name, hosts, [supervisor.pid(worker) for worker in names], environment)
    finally:
        supervisor.stop()
        shutil.rmtree(data, ignore_errors=True)


def _call(name: str, hosts: int, pids: Sequence[int], environment: Mapping[str, str]) -> Figures:
    command = [sys.executable, "-m", "bench.engine.peer.call", name, str(hosts), *map(str, pids)]
    done = subprocess.run(
        command, env={**os.environ, **environment}, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        raise CommandError(f"The peer {name} could not be measured: its caller ended with {done.returncode}.")
    return Figures(**json.loads(done.stdout.splitlines()[-1]))
