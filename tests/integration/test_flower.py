"""Flower as it is: what it shows of a task of 200 hosts, one of which fails and one of whose workers is killed."""

import json
import os
import re
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from flower.urls import handlers
from redis import Redis
from tornado.routing import URLSpec

from dag.shard import shards
from tests.openssh import CONFIG, OpenSshHosts, find_sshd
from tests.stack import RunningStack, Task
from tests.wait import until

HOSTS = 200
WORKERS = 2
SHARDS = shards("default", 32)
PLANTED = "planted-token-4711"
# Of patterns of Flower's paths that have no row's id.
PATHS = {r".*": "/nothing", r"/login/?": "/login/", r"/static/(.*)": "/static/favicon.ico"}


class WideHosts(OpenSshHosts):
    """One sshd for all loopback addresses; the agents are none, which a Prepare does not mind."""

    def start(self) -> None:
        super().start()
        self.stop_server()
        words = self.known_hosts_path.read_text().split()[1:3]
        lines = [f"[{self.address(n)}]:{self.port} {' '.join(words)}\n" for n in range(1, HOSTS + 1)]
        self.known_hosts_path.write_text("".join(lines))
        config = self.root / "sshd_config_wide"
        settings = {"listen": "ListenAddress 0.0.0.0", "root": self.root, "home": self.root / "home"}
        config.write_text(CONFIG.format(port=self.port, **settings))
        with (self.root / "sshd.log").open("ab") as log:
            self._servers.append(subprocess.Popen([find_sshd(), "-D", "-e", "-f", str(config)], stderr=log))
        until(lambda: self.greets(HOSTS))

    def entries(self) -> list[dict[str, Any]]:
        """What to import; nothing listens at the port of the last."""
        # One machine: what tells one agent from the other there is the path of its process.
        return [
            {
                "name": f"wide-{n:03d}",
                "address": self.address(n),
                "ssh_port": 9 if n == HOSTS else self.port,
                "user": self.user,
                "profile": "custom",
                "variables": {"start": f"agent --token {PLANTED}", "stop": ":", "process": f"/opt/agent-{n}"},
            }
            for n in range(1, HOSTS + 1)
        ]


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WideHosts]:
    hosts = WideHosts(tmp_path_factory.mktemp("wide") / "hosts", 1, network=79)
    with hosts.started():
        yield hosts


@pytest.fixture(scope="module")
def stack(wide: WideHosts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    variables = {
        "MUSTER_SSH_KEY_FILE": str(wide.key_path),
        "MUSTER_SSH_KNOWN_HOSTS": str(wide.known_hosts_path),
        "MUSTER_ENGINE_LEASE_SECONDS": "5",
        "MUSTER_WORKER_THREADS": "8",
    }
    running = RunningStack(tmp_path_factory.mktemp("flower") / "data", ("--workers", str(WORKERS)), variables).start()
    yield running
    running.stop()


@pytest.fixture
def flower(stack: RunningStack) -> Iterator[httpx.Client]:
    auth = (stack.ready["user"], stack.ready["password"])
    with httpx.Client(base_url=stack.ready["flower"], auth=auth, trust_env=False, timeout=20) as client:
        yield client


def worker_pids(stack: RunningStack) -> list[int]:
    return [pid for pid, words in stack.children().items() if words.endswith("muster worker")]


def rows_of(flower: httpx.Client) -> dict[str, dict[str, Any]]:
    rows: dict[str, dict[str, Any]] = flower.get("/api/tasks", params={"limit": 5000}).json()
    return {name: row for name, row in rows.items() if row["name"] != "agent.look"}


def lengths_of(flower: httpx.Client) -> dict[str, int]:
    queues = flower.get("/api/queues/length").json()["active_queues"]
    return {queue["name"]: queue["messages"] for queue in queues}


def records(stack: RunningStack, task: Task) -> dict[int, list[str]]:
    """What the store has of each node that has begun: attempt, run, ..., executor, by its id."""
    found = stack.redis.hgetall(stack.store.keys.nodes(task["id"]))
    base = min(node["id"] for node in task["subtasks"])
    return {base + int(offset): str(record).split("|") for offset, record in found.items()}


def enrol_all(stack: RunningStack, wide: WideHosts) -> list[int]:
    body = {"format": "json", "content": json.dumps(wide.entries())}
    answer = stack.http.post("/api/v2/compute/hosts/import", json=body)
    assert answer.status_code == 200, answer.text
    listed = stack.http.get("/api/v2/compute/hosts", params={"size": HOSTS}).json()["data"]["contents"]
    return [host["id"] for host in sorted(listed, key=lambda host: str(host["name"]))]


def broker_lengths(stack: RunningStack) -> dict[str, int]:
    """What stands in the queues, asked of the broker without Celery and Flower."""
    url = stack.ready["redis"].rpartition("/")[0]
    with Redis.from_url(f"{url}/1", decode_responses=True) as broker:
        return {queue: int(broker.llen(queue)) for queue in SHARDS}


def kill_a_worker_at_work(stack: RunningStack, flower: httpx.Client) -> str:
    """SIGKILL the first worker that Flower shows to run something; return its name in Flower."""
    at_work = until(lambda: [row for row in rows_of(flower).values() if row["state"] == "STARTED"])
    name: str = at_work[0]["worker"]
    os.kill(int(name.partition("@")[0].rpartition("-")[2]), signal.SIGKILL)
    return name


def test_flower_shows_what_became_of_every_run(stack: RunningStack, flower: httpx.Client, wide: WideHosts) -> None:
    """Killed: one of two workers with what it ran; counted: rows, states, names, reasons, queues' messages."""
    hosts = enrol_all(stack, wide)
    assert list(lengths_of(flower)) == SHARDS
    workers = worker_pids(stack)
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    task = stack.restart(hosts)
    until(lambda: Counter(row["state"] for row in rows_of(flower).values())["PENDING"] == HOSTS)
    waiting = lengths_of(flower)
    assert waiting == broker_lengths(stack)
    # What is not in the queues is on its way into the two workers, which took it by one command each.
    assert sum(waiting.values()) >= HOSTS - WORKERS * 64
    page = flower.get("/broker").text
    assert all(f">{queue}<" in page for queue in SHARDS)
    for pid in workers:
        os.kill(pid, signal.SIGCONT)
    killed = kill_a_worker_at_work(stack, flower)
    task = stack.follow(task["id"])
    check_rows(stack, flower, task, hosts, killed)
    check_workers(flower, killed)
    check_pages(stack, flower, task)


def check_rows(stack: RunningStack, flower: httpx.Client, task: Task, hosts: list[int], killed: str) -> None:
    runs = {
        f"{node}-{attempt}": (node, attempt == int(record[0]))
        for node, record in records(stack, task).items()
        for attempt in range(1, int(record[0]) + 1)
        if record[7]
    }
    # What the killed worker had ended in its last tenth of a second, it told the store only, which Flower asks for it.
    ends = {"SUCCESS", "FAILURE", "RETRY"}
    until(lambda: {row["state"] for row in rows_of(flower).values()} == ends)
    rows = rows_of(flower)
    assert rows.keys() == runs.keys()
    lost = [name for name, (_node, is_last) in runs.items() if not is_last]
    assert {rows[name]["state"] for name in lost} == {"RETRY"}
    # A message that had only reached its connection has no worker.
    assert killed in {rows[name].get("worker") for name in lost}
    assert all("Attempt 2 follows." in rows[name]["exception"] for name in lost if name.endswith("-1"))
    by_id = {node["id"]: node for node in task["subtasks"]}
    for name, (node, is_last) in runs.items():
        row = rows[name]
        assert (row["name"], row["routing_key"] in SHARDS) == ("agent.prepare", True)
        host = hosts[by_id[node]["parallelIdx"]]
        assert row["kwargs"] == f"{{'task': {task['id']}, 'host': {host}}}"
        assert "Prepare restart OCP agent" in row["args"]
        if is_last:
            wanted = {"SUCCESSFUL": "SUCCESS", "FAILED": "FAILURE"}[by_id[node]["status"]]
            assert (row["state"], row["worker"]) == (wanted, records(stack, task)[node][7]), row
    failed = {name: row["exception"] for name, row in rows.items() if row["state"] == "FAILURE"}
    [refused] = [name for name in failed if rows[name]["kwargs"].endswith(f"'host': {hosts[-1]}}}")]
    # No other host's step failed; what it logged says why.
    others = [stack.log(task, by_id[runs[name][0]]) for name in failed.keys() - {refused}]
    assert others == []
    assert "Connection refused" in failed[refused]


def check_workers(flower: httpx.Client, killed: str) -> None:
    def shown() -> dict[str, bool]:
        return {row["hostname"]: row["status"] for row in flower.get("/workers?json=1").json()["data"]}

    until(lambda: not shown()[killed])
    until(lambda: sum(shown().values()) == WORKERS)
    assert all(name.startswith("default-") for name in shown())


def check_pages(stack: RunningStack, flower: httpx.Client, task: Task) -> None:
    node = task["subtasks"][0]["id"]
    page = flower.get(f"/task/{node}-1").text
    console = f"{stack.ready['api']}/console/tasks/{task['id']}/subtasks/{node}"
    assert f'<a href="{console}">' in page
    texts = [page, flower.get("/api/tasks", params={"limit": 5000}).text, flower.get("/api/workers").text]
    assert PLANTED not in "".join(texts)
    assert "flower_events_total" in flower.get("/metrics").text
    check_doors(stack.ready["flower"], f"{node}-1")


def check_doors(url: str, uuid: str) -> None:
    """Ask at each path that Flower has, without the password."""
    # What these say is nobody's secret: "OK", "logged out", and that there is no such page.
    open_to_all = {"/healthcheck": 200, "/logout": 200, "/login/": 404, "/nothing": 404, "/static/favicon.ico": 200}
    with httpx.Client(base_url=url, trust_env=False) as stranger:
        for handler in handlers:
            pattern = handler.regex.pattern.rstrip("$") if isinstance(handler, URLSpec) else handler[0]
            path = PATHS.get(pattern, re.sub(r"\(.*\)", uuid, pattern))
            answers = [stranger.get(path), stranger.post(path)]
            allowed = {open_to_all.get(path, 401), 401, 403, 404, 405}
            assert {answer.status_code for answer in answers} <= allowed, path
            assert path in open_to_all or 401 in {answer.status_code for answer in answers}, path
            assert not any("agent." in answer.text or "default-" in answer.text for answer in answers), path


def test_flower_ends_at_once_though_its_broker_is_silent(stack: RunningStack, flower: httpx.Client) -> None:
    """Paused: the server, with SIGSTOP; counted: the seconds until Flower has ended, though a page waits for it."""
    [pid] = [pid for pid, words in stack.children().items() if words.endswith("muster flower")]
    [server] = [pid for pid, words in stack.children().items() if "valkey-server" in words]
    os.kill(server, signal.SIGSTOP)
    try:
        with pytest.raises(httpx.ReadTimeout):
            flower.get("/broker", timeout=0.5)
        os.kill(pid, signal.SIGTERM)
        # To wait for the broker would take it five seconds at least.
        until(lambda: pid not in stack.children(), 4)
    finally:
        os.kill(server, signal.SIGCONT)
