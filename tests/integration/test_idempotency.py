"""An API process is killed between the creation of a task and its answer: the same key finds the task again."""

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from redis import Redis

from cli.embedded import HOST, EmbeddedServer
from cli.port import free_port
from cli.supervisor import Program, Supervisor, muster
from dag.host import Host
from dag.registry import HostRegistry
from dag.store import Store
from tests.wait import until

PASSWORD = "open sesame"
CALL = "/api/v2/compute/hosts/batchRestartAgents"
BODY, KEY = {"hostIds": [1, 2, 3]}, {"Idempotency-Key": '"8e03978e-40d5-43e8-bc93-6894a57f9324"'}


class Lab:
    """A Valkey server, and API processes that come and go."""

    def __init__(self, path: Path) -> None:
        self.server = EmbeddedServer(path / "valkey", free_port(HOST), "store-password")
        # Each API has its own: a supervisor takes the end of one child for a fault.
        self.supervisor, self.apis = Supervisor(path, print), {name: Supervisor(path, print) for name in ("a", "b")}
        self.supervisor.start(self.server.program())
        self.supervisor.wait_for("valkey", self.server.answers, 60)
        self.redis = Redis.from_url(self.server.url, decode_responses=True)
        self.store = Store(self.redis)
        HostRegistry(self.redis).create([Host(0, f"h{n}") for n in (1, 2, 3)])

    def start_api(self, name: str) -> str:
        port = free_port(HOST)
        environment = {
            "MUSTER_REDIS_URL": self.server.url,
            "MUSTER_API_PORT": str(port),
            "MUSTER_API_ADMIN_PASSWORD": PASSWORD,
        }
        supervisor = self.apis[name]
        supervisor.start(Program(name, muster("api"), environment))
        supervisor.wait_for(name, lambda: "the API listens" in supervisor.tail(name), 60)
        return f"http://{HOST}:{port}"

    def tasks(self) -> list[int]:
        return [int(task) for task in self.store.redis.zrange(self.store.keys.index, 0, -1)]


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    found = Lab(tmp_path)
    yield found
    found.redis.close()
    for supervisor in (*found.apis.values(), found.supervisor):
        supervisor.stop()


def post(url: str) -> httpx.Response:
    return httpx.post(f"{url}{CALL}", json=BODY, headers=KEY, auth=("admin", PASSWORD), trust_env=False, timeout=30)


def test_a_killed_api_leaves_one_task_which_the_key_gives(lab: Lab) -> None:
    first = lab.start_api("a")
    # Never an fsync: whoever submits waits for the disk, with its task written.
    lab.redis.config_set("appendfsync", "no")
    met: list[str] = []

    def call() -> None:
        try:
            met.append(f"{post(first).status_code}")
        except httpx.HTTPError as error:
            met.append(type(error).__name__)

    caller = threading.Thread(target=call)
    caller.start()
    until(lambda: len(lab.tasks()) == 1)
    os.killpg(lab.apis["a"].pid("a"), signal.SIGKILL)
    caller.join()
    assert met in (["RemoteProtocolError"], ["ReadError"]), "it must die before it answers"
    [task] = lab.tasks()
    lab.redis.config_set("appendfsync", "everysec")
    second = lab.start_api("b")
    for _ in range(2):
        again = post(second)
        assert (again.status_code, again.headers["Idempotency-Replayed"]) == (200, "true"), again.text
        assert again.json()["data"]["id"] == task
    assert lab.tasks() == [task]
    # The first call never came so far as to give the hosts their places.
    assert {node.status for node in lab.store.load(task).nodes[:3]} == {"READY"}
