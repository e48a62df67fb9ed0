"""A whole Muster of real processes: Valkey, 2 APIs, 2 schedulers, 3 workers and a fleet, started again when they die.

They belong to a process of their own, the keeper: it runs `cli.supervisor`, which must fork in a main thread that has
no others beside it, while the run that hurts them waits for HTTP answers in its threads.
"""

import asyncio
import multiprocessing
import os
import secrets
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

import httpx
from redis import Redis
from redis.exceptions import RedisError

from api.user import UserStore
from cli.client import ApiClient
from cli.embedded import HOST, EmbeddedServer
from cli.interrupt import StopAsked, raise_on_stop
from cli.inventory import enrol, read_inventory
from cli.port import free_port
from cli.process import ALIVE_SECONDS
from cli.supervisor import Program, Supervisor, muster
from config.settings import EngineSettings, WorkerSettings
from dag.dispatch import GROUP
from dag.error import StoreUnavailable
from dag.roster import Roster
from dag.shard import shards
from dag.store import Store
from deploy.fleet.fleet import load_or_create_key
from deploy.fleet.leftovers import end_processes
from tests.chaos.plan import ROLES, names
from tests.wait import until

USER = "admin"
START_SECONDS = 60.0
TEND_SECONDS = 0.05
# A scheduler asks for messages twice a second.
READS_EVERY_MS = 3000
# A call to a process that is gone fails at once; one that is paused answers late or never.
CALL_SECONDS = 5.0


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


class Cluster:
    """The processes of a layout. `start` it, `stop` it in any case; `signal` hits one of them."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.redis = Redis.from_url(
            layout.server.url, decode_responses=True, socket_timeout=1, socket_connect_timeout=1
        )
        self.store = Store(self.redis)
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._keeper = context.Process(target=keep, args=(layout, theirs), name="keeper")
        self._theirs = theirs

    def start(self) -> list[int]:
        """Return the ids of the hosts in the order of the fleet, once all processes serve."""
        self._keeper.start()
        self._theirs.close()
        self._answer()
        until(self.missing_none, START_SECONDS)
        inventory = read_inventory(self.layout.fleet / "inventory.json")
        with ApiClient(self.layout.apis[0], USER, self.layout.password) as client:
            created = enrol(client, inventory).created
        return [created[entry.name] for entry in inventory]

    def signal(self, name: str, number: signal.Signals) -> bool:
        """Send a signal to a process; False where it is dead just now and waits to be started again."""
        self._pipe.send((name, int(number)))
        return bool(self._answer())

    def missing_none(self) -> bool:
        return not self.missing()

    def missing(self) -> list[str]:
        """Return what does not serve: APIs that don't answer, schedulers that don't read, workers without shards."""
        found = [url for url in self.layout.apis if not _answers(f"{url}/readyz")]
        try:
            return [*found, *self._missing_schedulers(), *self._missing_workers()]
        except (StoreUnavailable, RedisError):
            return [*found, "valkey"]

    def _missing_schedulers(self) -> Iterator[str]:
        consumers = self.store.redis.xinfo_consumers(self.store.keys.ready, GROUP)
        lacking = ROLES["scheduler"] - sum(consumer["idle"] < READS_EVERY_MS for consumer in consumers)
        if lacking > 0:
            yield f"{lacking} schedulers"

    def _missing_workers(self) -> Iterator[str]:
        roster = Roster(self.store, alive_seconds=ALIVE_SECONDS)
        workers = [worker for worker in roster.alive() if not worker.draining]
        if len(workers) < ROLES["worker"]:
            yield f"{ROLES['worker'] - len(workers)} workers"
        consumed = {queue for worker in workers for queue in worker.queues}
        for queue in shards(WorkerSettings().zone, EngineSettings().shards_per_zone):
            if queue not in consumed:
                yield f"queue {queue}"

    def stop(self) -> None:
        """End all processes; what runs on the hosts, too."""
        with suppress(OSError):
            self._pipe.close()
        self._keeper.join()
        self.redis.close()

    def _answer(self) -> object:
        try:
            return self._pipe.recv()
        except EOFError:
            raise AssertionError(f"the keeper has ended; see {self.layout.logs}") from None


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=CALL_SECONDS, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def keep(layout: Layout, pipe: Connection) -> None:
    """Run the processes until the other end of the pipe is closed; the main function of the keeper."""
    raise_on_stop()
    supervisor = Supervisor(layout.logs, _note)
    try:
        _start(layout, supervisor)
        pipe.send(None)
        while True:
            supervisor.tend()
            if pipe.poll(TEND_SECONDS):
                pipe.send(_hit(supervisor, *pipe.recv()))
    except (EOFError, OSError, StopAsked):
        _note("the run is over")
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


def _note(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} keeper: {text}", file=sys.stderr, flush=True)
