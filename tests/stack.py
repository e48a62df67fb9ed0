"""A whole Muster as a user runs it: `muster up` as a process of its own, spoken to over HTTP."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from redis import Redis

from dag.store import Store

MUSTER = Path(sys.executable).parent / "muster"
ENDED = ("SUCCESSFUL", "FAILED")
# Two stacks that start at once would both choose the first of the usual ports for metrics.
ANY_PORT = {f"MUSTER_METRICS_{part}_PORT": "0" for part in ("API", "SCHEDULER", "WORKER")}
Task = dict[str, Any]


def until_ended(process: "subprocess.Popen[str]", seconds: float) -> float:
    """Wait for a process to end and return how long it took."""
    began = time.monotonic()
    process.wait(timeout=seconds)
    return time.monotonic() - began


def children_of(pid: int) -> dict[int, str]:
    """All living descendants of a process: pid to arguments."""
    rows = subprocess.run(["ps", "-ewwo", "pid=,ppid=,stat=,args="], capture_output=True, text=True, check=True)
    table = [row.split(None, 3) for row in rows.stdout.splitlines()]
    found = {pid: ""}
    for _ in table:
        found |= {int(r[0]): r[3] for r in table if len(r) > 3 and int(r[1]) in found and not r[2].startswith("Z")}
    return {child: args for child, args in found.items() if child != pid}


@dataclass
class RunningStack:
    """`muster up --json` with these options and variables; `start` returns once it says that it is ready."""

    data: Path
    options: Sequence[str] = ()
    variables: Mapping[str, str] = field(default_factory=dict)

    def start(self) -> "RunningStack":
        command = [MUSTER, "up", "--json", "--port", "0", "--flower-port", "0", "--data", self.data, *self.options]
        plain = {name: value for name, value in os.environ.items() if not name.startswith("MUSTER_")}
        self.errors = (self.data.parent / f"{self.data.name}.stderr").open("a+")
        self.process = subprocess.Popen(
            list(map(str, command)),
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            env={**plain, **ANY_PORT, **self.variables},
            cwd=self.data.parent,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            self.errors.seek(0)
            raise AssertionError(f"muster up ended with {self.process.returncode}: {self.errors.read()}")
        self.ready: dict[str, Any] = json.loads(line)
        self.http = httpx.Client(
            base_url=self.ready["api"], auth=(self.ready["user"], self.ready["password"]), timeout=30, trust_env=False
        )
        self.redis = Redis.from_url(self.ready["redis"], decode_responses=True)
        self.store = Store(self.redis)
        return self

    def stop(self) -> float:
        """Send SIGTERM and return the seconds until the process had ended."""
        self.http.close()
        self.redis.close()
        self.process.terminate()
        try:
            return until_ended(self.process, 20)
        finally:
            assert self.process.stdout is not None
            self.process.stdout.close()
            self.errors.close()

    def is_ready(self) -> bool:
        """Tell whether the API answers and has what it needs."""
        try:
            return self.http.get("/readyz").is_success
        except httpx.TransportError:
            return False

    def enrol(self, entries: Sequence[Mapping[str, Any]]) -> list[int]:
        """Enrol hosts of an inventory, one call each, and return their ids."""
        ids = []
        for entry in entries:
            body = {
                "hostBasicDataList": [{"innerIpAddress": entry["address"], "name": entry["name"]}],
                "sshPort": entry["ssh_port"],
                "user": entry["user"],
                "profile": entry["profile"],
                "variables": entry["variables"],
            }
            answer = self.http.post("/api/v2/compute/hosts/batchCreate", json=body)
            assert answer.status_code == 200, answer.text
            ids.append(answer.json()["data"]["contents"][0]["id"])
        return ids

    def restart(self, hosts: Sequence[int]) -> Task:
        """Make the call and return the task of its answer."""
        answer = self.http.post("/compute/hosts/batchRestartAgents", json={"hostIds": list(hosts)})
        assert answer.status_code == 200, answer.text
        task: Task = answer.json()["data"]
        return task

    def task(self, task_id: int) -> Task:
        answer = self.http.get(f"/api/v2/tasks/instances/{task_id}")
        assert answer.status_code == 200, answer.text
        task: Task = answer.json()["data"]
        return task

    def follow(self, task_id: int, seconds: float = 90) -> Task:
        """Return the task once it has ended."""
        deadline = time.monotonic() + seconds
        while (task := self.task(task_id))["status"] not in ENDED:
            assert time.monotonic() < deadline, summary(task)
            time.sleep(0.1)
        return task

    def log(self, task: Task, subtask: Task) -> str:
        return self.store.logs(task["id"], subtask["id"])

    def children(self) -> dict[int, str]:
        return children_of(self.process.pid)


def nodes(task: Task, series: int) -> list[Task]:
    """The subtasks of a stage in the order of their hosts."""
    found = [node for node in task["subtasks"] if node["seriesId"] == series]
    return sorted(found, key=lambda node: int(node["parallelIdx"]))


def statuses(task: Task, series: int) -> list[str]:
    return [node["status"] for node in nodes(task, series)]


def summary(task: Task) -> dict[str, list[str]]:
    """What a failed assertion shows of a task."""
    found: dict[str, list[str]] = {}
    for node in task["subtasks"]:
        found.setdefault(node["name"], []).append(node["status"])
    return found
