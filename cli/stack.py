"""All of Muster in the foreground of one terminal: server, API, scheduler, workers, Flower, a demo fleet."""

import asyncio
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from redis import Redis

from api.user import UserStore
from cli.data import DataDirectory, open_data
from cli.embedded import HOST, EmbeddedServer
from cli.environment import environment_of
from cli.error import UsageError
from cli.interrupt import raise_on_stop
from cli.inventory import import_inventory
from cli.port import choose, free_port, require_free
from cli.supervisor import BACKGROUND_NICENESS, Program, Supervisor, muster
from cli.task import TaskClient
from config.address import reachable
from config.load import Loaded
from dag.roster import Roster
from dag.shard import shards
from dag.store import Store
from deploy.fleet.fleet import address_of, load_or_create_key
from deploy.fleet.leftovers import end_processes
from telemetry.listener import PORTS

# A child that ends is seen at once: this is for one that hangs, and long enough for a machine that is busy.
START_SECONDS = 120.0
# A demo host needs about 50 ms of a processor to start its agent.
START_SECONDS_A_HOST = 0.5
TEND_SECONDS = 0.1
PROBE_SECONDS = 2.0


@dataclass(frozen=True)
class StackOptions:
    """What `muster up` was asked for; None: as at the last start, else the setting."""

    hosts: int | None = None
    port: int | None = None
    flower_port: int | None = None
    workers: int = 2


@dataclass(frozen=True)
class Ready:
    """Where everything is, once it answers."""

    api: str
    flower: str
    user: str
    password: str = field(repr=False)
    redis: str = field(repr=False)
    metrics: dict[str, str] = field(default_factory=dict)

    def text(self, data: Path) -> str:
        """Say it to people."""
        return (
            f"Console  {self.api}/  user {self.user}, password {self.password}\n"
            f"API      {self.api}/api/v2  the same user and password\n"
            f"Flower   {self.flower}  the same user and password\n"
            f"Metrics  {self._metrics_text()}\n"
            f"Data     {data}  (logs in {data / 'log'})\n"
            "Ctrl-C stops everything."
        )

    def _metrics_text(self) -> str:
        told = [f"{url}/metrics ({name})" for name, url in self.metrics.items()]
        return ", ".join(told) or "none (metrics.host is empty)"


def tell(text: str) -> None:
    """Say on stderr what happens meanwhile."""
    print(text, file=sys.stderr, flush=True)


class Stack:
    """One stack on one data directory; `stop` it in any case. `note` hears what happens meanwhile."""

    def __init__(self, data: DataDirectory, options: StackOptions, loaded: Loaded, note: Callable[[str], None]) -> None:
        self.data, self._options, self._loaded = data, options, loaded
        self._supervisor = Supervisor(data.logs, note)
        self._settings = loaded.settings
        self._metrics: dict[str, str] = {}

    def start(self) -> Ready:
        """Start everything and return when all of it serves and all hosts are enrolled.

        Raises:
            CommandError: a port is taken, or something did not start; the text holds the end of its log.

        """
        self._decide()
        server = self._start_server()
        ready = self._ready(server)
        self._ensure_user(ready)
        self._start_programs(ready)
        self._await_programs(ready)
        if self.data.state.hosts:
            with self.client(ready) as client:
                import_inventory(client, self.data.fleet / "inventory.json")
        return ready

    def client(self, ready: Ready) -> TaskClient:
        """Return a client of the stack's API."""
        return TaskClient(ready.api, ready.user, ready.password)

    def tend(self) -> None:
        """Start again what has died."""
        self._supervisor.tend()

    def watch(self) -> None:
        """Tend until somebody asks to stop."""
        while True:
            self.tend()
            time.sleep(TEND_SECONDS)

    def stop(self) -> None:
        """Stop everything, within 5 s."""
        self._supervisor.stop()
        # A fleet that had to be killed has left its agents.
        asyncio.run(end_processes(self.data.fleet, grace=0))

    def _decide(self) -> None:
        """Settle ports and passwords, and keep them for the next start."""
        state, options, host = self.data.state, self._options, self._settings.api.host
        if options.hosts is None and state.hosts and self._settings.ssh.key_file:
            raise UsageError(
                f"The {state.hosts} demo hosts of {self.data.path} have a key of their own, but ssh.key_file is set. "
                "Add --hosts 0 to start without them, or name another directory with --data."
            )
        state.hosts = state.hosts if options.hosts is None else options.hosts
        state.redis_port = choose(HOST, [state.redis_port])
        state.api_port = self._port("api", options.port, state.api_port, "The API", "--port")
        state.flower_port = self._port("flower", options.flower_port, state.flower_port, "Flower", "--flower-port")
        if state.flower_port == state.api_port:
            if options.flower_port:
                raise UsageError(f"--flower-port {options.flower_port} is the API's port; each needs one of its own.")
            state.flower_port = free_port(host)
        state.fleet_port = state.fleet_port or free_port(address_of(1))
        state.password = self._settings.api.admin_password or state.password
        self._metrics = self._choose_metrics()
        self.data.save()

    def _port(self, section: str, asked: int | None, kept: int, what: str, option: str) -> int:
        """Take the port that was asked for or none; without a wish the one of the last start, the default, any."""
        host, setting = self._settings.api.host, getattr(self._settings, section).port
        if asked is None and self._loaded.sources[f"{section}.port"] != "default":
            asked = setting
        if asked is not None:
            return require_free(host, asked, what, option)
        return choose(host, [kept, setting])

    def _start_server(self) -> EmbeddedServer:
        state = self.data.state
        server = EmbeddedServer(self.data.path / "valkey", state.redis_port, state.redis_password)
        self._supervisor.start(server.program())
        self._supervisor.wait_for("valkey", server.answers, START_SECONDS)
        return server

    def _ready(self, server: EmbeddedServer) -> Ready:
        state, at = self.data.state, reachable(self._settings.api.host)
        return Ready(
            api=f"http://{at}:{state.api_port}",
            flower=f"http://{at}:{state.flower_port}",
            user=self._settings.api.admin_user,
            password=state.password,
            redis=server.url,
            metrics=self._metrics,
        )

    def _choose_metrics(self) -> dict[str, str]:
        """Choose where each process tells its metrics: where it did at the last start, else where it does by itself."""
        settings, kept, found = self._settings.metrics, self.data.state.metrics_ports, dict[str, str]()
        firsts = {"api": settings.api_port, "scheduler": settings.scheduler_port}
        firsts |= dict.fromkeys(self._workers(), settings.worker_port)
        taken: set[int] = set()
        for name, first in firsts.items() if settings.host else ():
            liked = [kept.get(name, 0), *(range(first, first + PORTS) if first else ())]
            port = kept[name] = choose(settings.host, [at for at in liked if at not in taken])
            taken.add(port)
            found[name] = f"http://{reachable(settings.host)}:{port}"
        return found

    def _ensure_user(self, ready: Ready) -> None:
        # Also when the data outlived the password, or the other way round.
        with Redis.from_url(ready.redis, decode_responses=True) as redis:
            UserStore(redis).ensure_admin(ready.user, ready.password)

    def _start_programs(self, ready: Ready) -> None:
        environment = environment_of(self.data, self._settings, ready.redis, ready.password)
        if self.data.state.hosts:
            self.data.fleet.mkdir(mode=0o700, exist_ok=True)
            # Here and not by the fleet: workers read the key when they start, at the same time as the fleet.
            load_or_create_key(self.data.fleet / "id_ed25519")
            self._supervisor.start(self._fleet())
        # The key of what is encrypted in Redis goes to the API alone.
        secret = {"MUSTER_API_SECRET_KEY": self._settings.api.secret_key or self.data.state.secret_key}
        ports = {name: {_port_variable(name): url.rpartition(":")[2]} for name, url in ready.metrics.items()}
        own = {**environment, **secret, **ports.get("api", {})}
        self._supervisor.start(Program("api", muster("api"), own))
        own = {**environment, **ports.get("scheduler", {})}
        self._supervisor.start(Program("scheduler", muster("scheduler"), own))
        back = BACKGROUND_NICENESS
        self._supervisor.start(Program("flower", muster("flower"), environment, niceness=back))
        for name in self._workers():
            own = {**environment, **ports.get(name, {})}
            self._supervisor.start(Program(name, muster("worker"), own, insist=signal.SIGTERM, niceness=back))

    def _workers(self) -> list[str]:
        return [f"worker-{number}" for number in range(1, self._options.workers + 1)]

    def _fleet(self) -> Program:
        state = self.data.state
        command = [sys.executable, "-P", "-m", "deploy.fleet", "--root", str(self.data.fleet), "--with-parent"]
        sizes = {"--hosts": state.hosts, "--port": state.fleet_port, "--proxy-port": 0}
        command += [text for name, value in sizes.items() for text in (name, str(value))]
        return Program("fleet", command, last=True, ends_alone=True)

    def _await_programs(self, ready: Ready) -> None:
        wait = self._supervisor.wait_for
        with httpx.Client(auth=(ready.user, ready.password), timeout=PROBE_SECONDS, trust_env=False) as http:
            wait("api", lambda: _answers(http, f"{ready.api}/readyz"), START_SECONDS)
            wait("flower", lambda: _answers(http, f"{ready.flower}/healthcheck"), START_SECONDS)
        if self.data.state.hosts:
            seconds = START_SECONDS + START_SECONDS_A_HOST * self.data.state.hosts
            wait("fleet", lambda: _is_up(self._supervisor.tail("fleet")), seconds)
        with Redis.from_url(ready.redis, decode_responses=True) as redis:
            roster = Roster(Store(redis))
            wait("worker-1", lambda: self._shards_owned(roster), START_SECONDS)

    def _shards_owned(self, roster: Roster) -> bool:
        """Tell whether as many workers as were started live, and each shard is consumed by one of them."""
        workers = roster.alive()
        consumed = {queue for worker in workers for queue in worker.queues}
        wanted = shards(self._settings.worker.zone, self._settings.engine.shards_per_zone)
        return len(workers) >= self._options.workers and consumed.issuperset(wanted)


def _port_variable(name: str) -> str:
    """Return the setting of a process's port for metrics; workers are numbered."""
    return f"MUSTER_METRICS_{name.partition('-')[0].upper()}_PORT"


def _answers(http: httpx.Client, url: str) -> bool:
    try:
        return http.get(url).is_success
    except httpx.HTTPError:
        return False


def _is_up(log: str) -> bool:
    """Tell whether the fleet has printed the line by which it tells that it is ready."""
    return any(line.startswith('{"hosts"') for line in log.splitlines())


@contextmanager
def running(
    path: Path, options: StackOptions, loaded: Loaded, note: Callable[[str], None]
) -> Iterator[tuple[Stack, Ready]]:
    """Run a stack on the data directory `path` inside the block, which sees it ready; nothing of it is left after.

    Call it in the main thread: Ctrl-C and SIGTERM raise StopAsked from here on.
    """
    with open_data(path) as data:
        stack = Stack(data, options, loaded, note)
        raise_on_stop()
        try:
            yield stack, stack.start()
        finally:
            stack.stop()
