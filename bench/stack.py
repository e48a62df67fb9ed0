"""A real Muster for measuring: the shipped processes on a Valkey server of their own, as `muster up` sets it up.

What differs from a plain Muster stands in the layout: how many processes of each kind, their settings, and the worker,
which may be one whose actions do nothing (`NOTHING_WORKER`).
"""

import json
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from redis import Redis

from api.user import UserStore
from bench.process import cpu_by_session, resident
from bench.report import tell
from cli.client import ApiClient
from cli.embedded import HOST, EmbeddedServer
from cli.interrupt import raise_on_stop
from cli.port import free_port
from cli.supervisor import BACKGROUND_NICENESS, Program, Supervisor, muster
from config.settings import EngineSettings, WorkerSettings
from dag.roster import Roster
from dag.shard import shards
from dag.store import Store

USER = "admin"
START_SECONDS = 60.0
POLL_SECONDS = 0.01
HOSTS_A_CALL = 2000
ENDED = ("SUCCESSFUL", "FAILED")
# `muster worker` whose actions succeed at once without a host; everything else is as shipped.
NOTHING_WORKER = (sys.executable, str(Path(__file__).parent / "engine" / "worker.py"))


@dataclass(frozen=True)
class Layout:
    """Which processes there are; `settings` are the MUSTER_ variables by which they differ from a plain Muster."""

    apis: int = 1
    schedulers: int = 1
    workers: int = 2
    worker: Sequence[str] = NOTHING_WORKER
    flower: bool = True
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Cpu:
    """CPU seconds by the name of the process since it started."""

    seconds: Mapping[str, float]

    def since(self, before: "Cpu") -> dict[str, float]:
        """Return what each process has used since."""
        return {name: used - before.seconds.get(name, 0.0) for name, used in self.seconds.items()}


class BenchStack:
    """One running Muster; `running_stack` starts and stops it. For the main thread only."""

    def __init__(self, data: Path, layout: Layout) -> None:
        self.data, self.layout = data, layout
        self.password = secrets.token_urlsafe(18)
        self.server = EmbeddedServer(data / "valkey", free_port(HOST), secrets.token_hex(24))
        self.supervisor = Supervisor(data / "log", tell)
        self.urls = [f"http://{HOST}:{free_port(HOST)}" for _ in range(layout.apis)]
        self.flower_url = f"http://{HOST}:{free_port(HOST)}"
        self.redis = Redis.from_url(self.server.url, decode_responses=True)
        self.store = Store(self.redis)
        self._names = ["valkey"]

    def start(self) -> None:
        """Start everything and return when all of it serves; CommandError with a log's end where something does not."""
        self.supervisor.start(self.server.program())
        self.supervisor.wait_for("valkey", self.server.answers, START_SECONDS)
        UserStore(self.redis).ensure_admin(USER, self.password)
        for program in self._programs():
            self.supervisor.start(program)
            self._names.append(program.name)
        for number, url in enumerate(self.urls, 1):
            self.supervisor.wait_for(f"api-{number}", partial(_answers, f"{url}/readyz"), START_SECONDS)
        if self.layout.flower:
            self.supervisor.wait_for("flower", lambda: _answers(f"{self.flower_url}/healthcheck"), START_SECONDS)
        self.supervisor.wait_for("worker-1", self._is_consuming, START_SECONDS)

    def stop(self) -> None:
        """Stop everything, within 5 s."""
        self.supervisor.stop()
        self.redis.close()

    @contextmanager
    def client(self) -> Iterator[ApiClient]:
        """Open a client of the first API."""
        with ApiClient(self.urls[0], USER, self.password) as client:
            yield client

    def enrol(self, count: int) -> list[int]:
        """Enrol hosts that nobody can reach (steps that do nothing need none), and return their ids."""
        ids: list[int] = []
        with self.client() as client:
            for first in range(0, count, HOSTS_A_CALL):
                numbers = range(first + 1, min(first + HOSTS_A_CALL, count) + 1)
                rows = [{"address": _address(n), "name": f"bench-{n:05d}", "variables": VARIABLES} for n in numbers]
                answer = client.import_hosts({"format": "json", "content": json.dumps(rows), "dryRun": False})
                ids += [int(host["id"]) for host in answer["contents"]]
        return ids

    def restart(self, host_ids: Sequence[int]) -> tuple[int, float]:
        """Submit a batch restart over HTTP; return the task's id and the seconds until the answer was read."""
        body = json.dumps({"hostIds": list(host_ids)})
        url = f"{self.urls[0]}/api/v2/compute/hosts/batchRestartAgents"
        with httpx.Client(auth=(USER, self.password), timeout=60, trust_env=False) as http:
            began = time.perf_counter()
            answer = http.post(url, content=body, headers={"Content-Type": "application/json"})
            took = time.perf_counter() - began
        answer.raise_for_status()
        return int(answer.json()["data"]["id"]), took

    def await_end(self, task_id: int, seconds: float = 600.0) -> str:
        """Return the task's status once it has ended; looks at one field, so that it costs next to nothing."""
        deadline = time.monotonic() + seconds
        while (status := str(self.redis.hget(self.store.keys.task(task_id), "status"))) not in ENDED:
            if time.monotonic() > deadline:
                raise TimeoutError(f"Task {task_id} is {status} after {seconds:.0f} s; the logs are in {self.data}.")
            # The stream of the task's changes would wake this process at each node, at the cost of what is measured.
            time.sleep(POLL_SECONDS)
        return status

    def cpu(self) -> Cpu:
        """Return the CPU time of each process, with what it has started (gunicorn answers in a child)."""
        sessions = cpu_by_session()
        return Cpu({name: sessions.get(self.supervisor.pid(name), 0.0) for name in self._names})

    def memory(self) -> dict[str, int]:
        """Return the resident memory of each process in bytes, without its children's."""
        return {name: resident(self.supervisor.pid(name)) for name in self._names}

    def _programs(self) -> Iterator[Program]:
        common = {
            "MUSTER_REDIS_URL": self.server.url,
            "MUSTER_REDIS_BROKER_URL": "",
            "MUSTER_API_ADMIN_USER": USER,
            "MUSTER_API_ADMIN_PASSWORD": self.password,
            "MUSTER_FLOWER_PORT": self.flower_url.rpartition(":")[2],
            **self.layout.settings,
        }
        for number, url in enumerate(self.urls, 1):
            port = {"MUSTER_API_PORT": url.rpartition(":")[2]}
            yield Program(f"api-{number}", muster("api"), {**common, **port})
        if self.layout.flower:
            yield Program("flower", muster("flower"), common, niceness=BACKGROUND_NICENESS)
        for number in range(1, self.layout.schedulers + 1):
            yield Program(f"scheduler-{number}", muster("scheduler"), common)
        for number in range(1, self.layout.workers + 1):
            name, back = f"worker-{number}", BACKGROUND_NICENESS
            yield Program(name, self.layout.worker, common, insist=signal.SIGTERM, niceness=back)

    def _is_consuming(self) -> bool:
        workers = Roster(self.store).alive()
        consumed = {queue for worker in workers for queue in worker.queues}
        wanted = shards(WorkerSettings().zone, EngineSettings().shards_per_zone)
        return len(workers) == self.layout.workers and consumed.issuperset(wanted) and _is_even(workers)


# What the default profile asks of a host.
VARIABLES = {"home": "/home/admin/ocp_agent"}


def _is_even(workers: Sequence[Any]) -> bool:
    counts = [len(worker.queues) for worker in workers]
    return max(counts) - min(counts) <= 1


def _address(number: int) -> str:
    return f"127.{64 + number // 65536}.{number // 256 % 256}.{number % 256}"


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2, trust_env=False, auth=None).status_code < 500
    except httpx.HTTPError:
        return False


@contextmanager
def running_stack(layout: Layout, *, keep: Path | None = None) -> Iterator[BenchStack]:
    """Run a Muster inside the block, which sees it ready; nothing of it is left after, except in `keep`.

    Call it in the main thread: Ctrl-C and SIGTERM raise StopAsked from here on.
    """
    raise_on_stop()
    data = keep or Path(tempfile.mkdtemp(prefix="muster-bench-"))
    (data / "log").mkdir(parents=True, exist_ok=True)
    stack = BenchStack(data, layout)
    try:
        stack.start()
        yield stack
    finally:
        stack.stop()
        if keep is None:
            shutil.rmtree(data, ignore_errors=True)
