"""The processes of a whole Muster, started again when they die: Valkey, 2 APIs, 2 schedulers, 3 workers and a fleet.

They belong to a process of their own, the keeper: `cli.supervisor` must fork in a main thread that has no others beside
it, while the run that hurts them waits for answers in its threads.
"""

import asyncio
import os
import secrets
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

from redis import Redis

from api.user import UserStore
from cli.embedded import HOST, EmbeddedServer
from cli.interrupt import StopAsked, raise_on_stop
from cli.port import free_port
from cli.supervisor import Program, Supervisor, muster
from deploy.fleet.fleet import load_or_create_key
from deploy.fleet.leftovers import end_processes
from tests.chaos.plan import names
from tests.chaos.tell import tell

USER = "admin"
START_SECONDS = 60.0
TEND_SECONDS = 0.05


@dataclass(frozen=True)
class Layout:
    """Where everything is; `settings` are the variables by which the run differs from a plain Muster."""

    data: Path
    hosts: int
    settings: Mapping[str, str]
    redis_port: int = field(default_factory=lambda: free_port(HOST))
    api_ports: tuple[int, ...] = field(default_factory=lambda: tuple(free_port(HOST) for _ in names("api")))
    password: str = field(default_factory=lambda: secrets.token_urlsafe(18), repr=False)

    @property
    def fleet(self) -> Path:
        return self.data / "fleet"

    @property
    def logs(self) -> Path:
        return self.data / "log"

    @property
    def server(self) -> EmbeddedServer:
        return EmbeddedServer(self.data / "valkey", self.redis_port, self.password)

    @property
    def apis(self) -> list[str]:
        return [f"http://{HOST}:{port}" for port in self.api_ports]

    def programs(self) -> list[Program]:
        """Return what runs beside the server and the fleet."""
        common = {
            "MUSTER_REDIS_URL": self.server.url,
            "MUSTER_API_ADMIN_USER": USER,
            "MUSTER_API_ADMIN_PASSWORD": self.password,
            "MUSTER_SSH_KEY_FILE": str(self.fleet / "id_ed25519"),
            "MUSTER_SSH_KNOWN_HOSTS": str(self.fleet / "known_hosts"),
            **self.settings,
        }
        ports = dict(zip(names("api"), self.api_ports, strict=True))
        return [
            Program(
                name,
                muster(role),
                {**common, **({"MUSTER_API_PORT": str(ports[name])} if name in ports else {})},
                steady_seconds=0,
            )
            for role in ("api", "scheduler", "worker")
            for name in names(role)
        ]

    def fleet_program(self) -> Program:
        sizes = {"--hosts": self.hosts, "--proxy-port": 0}
        command = [sys.executable, "-P", "-m", "deploy.fleet", "--root", str(self.fleet), "--with-parent"]
        command += [text for name, value in sizes.items() for text in (name, str(value))]
        return Program("fleet", command, last=True, ends_alone=True)


def keep(layout: Layout, pipe: Connection) -> None:
    """Run the processes until the other end of the pipe is closed; the main function of the keeper."""
    raise_on_stop()
    supervisor = Supervisor(layout.logs, tell)
    try:
        _start(layout, supervisor)
        pipe.send(None)
        while True:
            supervisor.tend()
            if pipe.poll(TEND_SECONDS):
                pipe.send(_hit(supervisor, *pipe.recv()))
    except (EOFError, BrokenPipeError, ConnectionResetError, StopAsked):
        tell("the run is over")
    finally:
        supervisor.stop()
        asyncio.run(end_processes(layout.fleet, grace=0))


def _start(layout: Layout, supervisor: Supervisor) -> None:
    server = layout.server
    supervisor.start(server.program())
    supervisor.wait_for("valkey", server.answers, START_SECONDS)
    with Redis.from_url(server.url, decode_responses=True) as redis:
        UserStore(redis).ensure_admin(USER, layout.password)
    load_or_create_key(layout.fleet / "id_ed25519")
    supervisor.start(layout.fleet_program())
    supervisor.wait_for("fleet", (layout.fleet / "inventory.json").exists, START_SECONDS)
    for program in layout.programs():
        supervisor.start(program)
    supervisor.wait_for("fleet", lambda: '{"hosts"' in supervisor.tail("fleet"), START_SECONDS)


def _hit(supervisor: Supervisor, name: str, number: int) -> bool:
    pid = supervisor.pid(name)
    try:
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            return False
    except ChildProcessError:
        return False  # collected already
    if number in (signal.SIGSTOP, signal.SIGCONT):
        # All of it: gunicorn answers in a child of its own.
        os.killpg(pid, number)
    else:
        os.kill(pid, number)
    return True
