"""An API by itself, on a store whose schedulers and workers the test plays: tasks of any size that do what it wants."""

import os
import secrets
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from redis import Redis

from api.user import UserStore
from cli.port import free_port
from dag.definition.batch_restart import BATCH_RESTART
from dag.dispatch import HandOut
from dag.host import Host
from dag.lease import Leases, Report, Run
from dag.registry import HostRegistry
from dag.running_log import LogPart, RunningLogs
from dag.state import NodeStatus
from dag.store import Store
from tests.stack import MUSTER

USER = "admin"
START_SECONDS = 60
HEAD = "############{EXECUTE}{2021-09-03T14:20:26.243+08:00}############\n"


class Played:
    """A task in whose name the test begins and ends steps."""

    def __init__(self, store: Store, task_id: int) -> None:
        self.store, self.id = store, task_id
        self.hosts = store.read(task_id).head.host_ids
        self._hand = HandOut(store, retention_seconds=600)
        self._leases = Leases(store, lease_seconds=600, retention_seconds=600)

    def begin(self, first: int, count: int) -> list[Run]:
        """Begin the steps from this offset on that are READY, and return their runs."""
        ready = self._hand.ready_nodes(self.id, first, count, begin_within_ms=600_000)
        runs = []
        for offset, attempt in ready:
            at = (offset - first_of(self.store, self.id, offset)) % len(self.hosts)
            run = Run(self.id, offset, attempt, self.hosts[at], at)
            assert self._leases.begin(run, "played@here")
            runs.append(run)
        return runs

    def log(self, run: Run, text: str) -> None:
        """Let the step's log, of which this is all that there is, grow."""
        record = self.store.redis.hget(self.store.keys.nodes(self.id), str(run.offset))
        size = len(text.encode())
        part = LogPart(run, int(record.split("|")[5]), 0, text.encode())
        assert RunningLogs(self.store).append([part]) == [size]

    def end(self, run: Run, fault: str = "", log: str = f"{HEAD}done\n") -> None:
        """Let the step succeed, or fail for a reason."""
        if fault:
            assert self._leases.fail(run, Report(f"{HEAD}$ ocp_agentctl start\n{fault}\n"))
        else:
            assert self._leases.complete(run, Report(log))

    def release(self) -> None:
        """Do what a scheduler does once the task has failed: free its hosts."""
        info = self._hand.info(self.id)
        assert info
        self._hand.release(info)

    def count(self, status: NodeStatus) -> int:
        return self.store.read(self.id).letters.count(status.letter)


def first_of(store: Store, task_id: int, offset: int) -> int:
    """The offset of the first step of the stage that this one is in."""
    graph = store.read(task_id).graph
    stage, _ = graph.place(offset)
    return graph.firsts[stage]


class LoneApi:
    """`muster api` and what it works on."""

    def __init__(self, url: str, password: str, redis: Redis) -> None:
        self.url, self.password, self.store = url, password, Store(redis)
        self._registry = HostRegistry(redis)

    def task(self, hosts: int) -> Played:
        """A new task on so many new hosts."""
        name = secrets.token_hex(3)
        made = [Host(0, f"{name}-{n:05d}.example", name=f"host-{n:05d}") for n in range(1, hosts + 1)]
        ids = [host.id for host in self._registry.create(made)]
        return Played(self.store, self.store.submit(BATCH_RESTART, ids, creator=USER, executor="e", trace_id="t"))


@contextmanager
def lone_api(redis_url: str) -> Iterator[LoneApi]:
    """Run one inside the block, on an empty store."""
    redis = Redis.from_url(redis_url, decode_responses=True)
    redis.flushall()
    password = secrets.token_urlsafe(18)
    UserStore(redis).ensure_admin(USER, password)
    port = free_port("127.0.0.1")
    plain = {name: value for name, value in os.environ.items() if not name.startswith("MUSTER_")}
    own = {
        "MUSTER_REDIS_URL": redis_url,
        "MUSTER_API_PORT": str(port),
        "MUSTER_FLOWER_URL": "http://127.0.0.1:5555/",
        "MUSTER_API_ADMIN_PASSWORD": password,
    }
    with subprocess.Popen([MUSTER, "api"], env={**plain, **own}) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            _await(url, process)
            yield LoneApi(url, password, redis)
        finally:
            process.terminate()
            process.wait(timeout=20)
            redis.close()


def _await(url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        assert process.poll() is None, "muster api has ended"
        try:
            if httpx.get(f"{url}/readyz", trust_env=False).status_code == 200:
                return
        except httpx.HTTPError:
            assert time.monotonic() < deadline, "muster api does not answer"
        time.sleep(0.05)
